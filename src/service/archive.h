/*
 * The file that a backup is: a tar archive of three members (docs/formats/backup.md). Made of pieces that are read where they are,
 * so that it takes no second copy on the disk; read as hostile input. One thread at a time.
 */
#ifndef TK_SERVICE_ARCHIVE_H
#define TK_SERVICE_ARCHIVE_H

#include "core/error.h"
#include "core/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TK_ARCHIVE_REGISTRY "registry.db"
#define TK_ARCHIVE_METERS   "meters.journal"
#define TK_ARCHIVE_MANIFEST "manifest.json"
#define TK_ARCHIVE_VERSION  1

/* ---- making one ---- */

struct tk_archive;

/*
 * Takes both files, also when it fails; meters_fd may be -1: there are none yet. Reads them once, for their sums.
 * TK_IO, TK_NOMEM.
 */
enum tk_err tk_archive_make(int registry_fd, int meters_fd, const uint8_t installation[16], int64_t created_s,
                            struct tk_archive **ret_archive);
void tk_archive_free(struct tk_archive *archive);
uint64_t tk_archive_bytes(const struct tk_archive *archive);
/* Up to `max` bytes from `at` on: how many, 0 at the end, -1 when a file cannot be read. */
int64_t tk_archive_read(void *archive, uint64_t at, char *ret_bytes, size_t max);

/* ---- reading one ---- */

struct tk_archive_info {
        uint64_t registry_bytes, meters_bytes;
        char installation[33];
        char created_at[32];
};

/*
 * Read a whole archive and hold it against its own sums. Where `dir_fd` is not -1, registry and meters are written there under
 * their names and `.part`, with mode 0600, and synced.
 * TK_CORRUPT with a fault: it is no backup, damaged, cut off, or of a later version. TK_IO, TK_FULL.
 */
enum tk_err tk_archive_unpack(const char *path, int dir_fd, struct tk_archive_info *ret_info,
                              struct tk_fault *fault);

#endif
