/*
 * The keys of one import before it is decided whether they are taken over: a file aside from the registry, so that a million rows
 * neither lengthen its log nor keep its writer busy. Holds digests, never keys. One thread at a time; always SQLite, whatever engine
 * the registry has.
 */
#ifndef TK_REGISTRY_STAGING_H
#define TK_REGISTRY_STAGING_H

#include "core/arena.h"
#include "registry/import.h"

struct tk_staging;

/* Make an empty one, mode 0600, over whatever was there. */
enum tk_err tk_staging_create(const char *path, struct tk_staging **ret_staging);
/* One that was sealed, after a restart. TK_NOT_FOUND. */
enum tk_err tk_staging_open(const char *path, struct tk_staging **ret_staging);
/* The file stays. NULL is allowed. */
void tk_staging_close(struct tk_staging *staging);

/*
 * Add a row. TK_FULL, TK_IO.
 *   consumer  its name, where row->consumer_id is 0: there is none yet
 */
enum tk_err tk_staging_add(struct tk_staging *staging, const struct tk_import_row *row,
                           struct tk_str consumer);

/* No more rows will come: put them in order and on the disk, for good. */
enum tk_err tk_staging_seal(struct tk_staging *staging);

struct tk_staged {
        struct tk_import_row row;
        struct tk_str consumer;
};
/*
 * Of a sealed one, the next rows in the order of digest and line.
 *   after  the last row of the call before; NULL: from the first
 */
enum tk_err tk_staging_read(struct tk_staging *staging, const struct tk_staged *after, uint32_t limit,
                            struct tk_arena *arena, struct tk_staged **ret_rows, size_t *ret_count);

#endif
