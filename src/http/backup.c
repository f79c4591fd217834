/*
 * Answers GET /v1/backup. See handlers.h.
 */
#include "service/backup.h"

#include "http/handlers.h"
#include "http/reply.h"

static void free_archive(void *archive)
{
        tk_archive_free(archive);
}

enum tk_err tk_http_backup(struct tk_request *request)
{
        struct tk_archive *archive;
        enum tk_err err = tk_service_backup(request->service, &request->caller, &archive, &request->fault);
        if (err != TK_OK)
                return err;
        tk_reply_stream(request, "application/x-tar", tk_archive_bytes(archive), tk_archive_read,
                        free_archive, archive);
        tk_reply_header(request, "Content-Disposition", "attachment; filename=\"tollkeeper-backup.tar\"");
        tk_reply_header(request, "Cache-Control", "no-store");
        return TK_OK;
}
