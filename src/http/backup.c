/*
 * Answers GET /v1/backup. See handlers.h.
 */
#include "service/backup.h"

#include "core/alloc.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/stream.h"

#define PIECE_BYTES ((size_t)256 << 10)

static void free_archive(void *archive)
{
        tk_archive_free(archive);
}

static enum tk_err next_piece(struct tk_request *request, void *context)
{
        struct tk_archive *archive = context;
        char *bytes = tk_malloc(PIECE_BYTES);
        if (!bytes)
                return TK_NOMEM;
        const struct tk_stream *stream = &request->reply.stream;
        int64_t len = tk_archive_read(archive, stream->made, bytes, PIECE_BYTES);
        if (len <= 0) {
                tk_free(bytes);
                return TK_IO; /* it was longer when it was made */
        }
        tk_stream_piece(request, bytes, (size_t)len, stream->made + (uint64_t)len == stream->len);
        return TK_OK;
}

enum tk_err tk_http_backup(struct tk_request *request)
{
        struct tk_archive *archive;
        enum tk_err err = tk_service_backup(request->service, &request->caller, &archive, &request->fault);
        if (err != TK_OK)
                return err;
        err = tk_stream_begin(request, "application/x-tar", tk_archive_bytes(archive), next_piece,
                              free_archive, archive);
        if (err != TK_OK)
                return err;
        tk_reply_header(request, "Content-Disposition", "attachment; filename=\"tollkeeper-backup.tar\"");
        tk_reply_header(request, "Cache-Control", "no-store");
        return TK_OK;
}
