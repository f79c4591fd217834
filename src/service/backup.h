/*
 * Backups of a running daemon and their way back (docs/formats/backup.md). A backup is one moment: the registry as of some commit, with
 * all that meters had counted by then. Secrets are never in it.
 */
#ifndef TK_SERVICE_BACKUP_H
#define TK_SERVICE_BACKUP_H

#include "core/fault.h"
#include "service/archive.h"
#include "service/service.h"

/*
 * Flush the meters, note it in the audit log, copy the registry. Any thread; takes as long as the disk needs, and holds up nobody:
 * writers go on. The files it is made of have no name; nothing is left behind.
 * TK_BUSY: another is under way; TK_FULL: no room for a copy in the data directory; TK_IO. With a fault.
 */
enum tk_err tk_service_backup(struct tk_service *service, const struct tk_caller *caller,
                              struct tk_archive **ret_archive, struct tk_fault *fault);

struct tk_restore {
        const char *archive;
        const char *data_dir;    /* empty, or not there yet */
        const char *pepper_file; /* the copy that was kept apart; NULL: it comes later */
};
/*
 * Unpack, and hold what comes out against its sums, SQLite's own checks and the schemas that this program knows; the pepper against the
 * registry's record of it. The directory gets its files only when all is well: on failure it is as it was.
 * Without a daemon; one thread.
 */
enum tk_err tk_restore_run(const struct tk_restore *restore, struct tk_archive_info *ret_info,
                           struct tk_fault *fault);

#endif
