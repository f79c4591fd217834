/*
 * Imports: keys that another system issued, taken over in batches. A batch is one write: its keys, with numbers that follow each other,
 * one audit entry and one feed row for all of them, and the import's own counters. Called inside a transaction, on its thread.
 */
#ifndef TK_REGISTRY_IMPORT_H
#define TK_REGISTRY_IMPORT_H

#include "registry/registry.h"

/* Stored: never renumber. Those below TK_IMPORT_DONE are unfinished. */
enum tk_import_state {
        TK_IMPORT_READING = 1,  /* its lines are coming; of keys, what `imported` says is there */
        TK_IMPORT_APPLYING = 2, /* all or nothing, decided: every key will be there, whatever happens now */
        TK_IMPORT_DONE = 3,
        TK_IMPORT_REFUSED = 4, /* all or nothing, and some line was bad: nothing was imported */
        TK_IMPORT_INTERRUPTED =
                5, /* the client went away, or the daemon did: `imported` says what is there */
};

struct tk_import {
        uint64_t id;
        enum tk_import_state state;
        bool all_or_nothing, dry_run;
        uint64_t lines, imported, rejected, warned;
        struct tk_str actor, source; /* as in struct tk_change */
        struct tk_str report;        /* JSON text of whoever imports; never a key */
        int64_t created_s, updated_s;
};

/* Bookkeeping, without audit entry or feed row. Create sets the id. Update writes state, counters but `imported`, and report. */
enum tk_err tk_import_create(struct tk_txn *txn, struct tk_import *import);
enum tk_err tk_import_update(struct tk_txn *txn, const struct tk_import *import);
enum tk_err tk_import_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                          struct tk_import *ret_import);
/* Newest first, those with id < before_id (0: from the newest); without their reports. */
enum tk_err tk_import_list(struct tk_txn *txn, uint64_t before_id, uint32_t limit, struct tk_arena *arena,
                           struct tk_import **ret_imports, size_t *ret_count);
/* The oldest that is unfinished. TK_NOT_FOUND: there is none. */
enum tk_err tk_import_unfinished(struct tk_txn *txn, struct tk_arena *arena, struct tk_import *ret_import);

/* One key of a batch. Texts are as the registry stores them: the lists encoded by codec.h. */
struct tk_import_row {
        uint64_t line; /* in the file */
        uint64_t environment_id, consumer_id;
        enum tk_state state;
        uint8_t pepper_version;
        struct tk_digest digest;
        struct tk_str name, hint, scopes, limits, restrictions, metadata;
        int64_t not_before_s, expires_s;
        bool has_limits;
        bool taken; /* set by tk_import_batch(): a key with this digest was there already */
};

struct tk_import_batch {
        uint64_t import_id;
        uint64_t lines, rejected, warned; /* of the import, up to now */
        struct tk_import_row *const
                *rows; /* best in the order of their digests: neighbours share pages of the index */
        size_t count;
        /* Asked now and then: whether to stop here, because somebody waits who may not. NULL: never. */
        bool (*enough)(void *context);
        void *context;
        /* Results; valid when the write has succeeded. */
        size_t done;              /* rows that were dealt with: the first of them */
        uint64_t first_id, added; /* keys */
};

/*
 * Insert the rows but those of which the digest is known: these are marked, and no error. `change` is the audit entry's; its `after` is
 * made here: the import, its first and last key and how many there are. A batch that added nothing leaves no entry.
 */
enum tk_err tk_import_batch(struct tk_txn *txn, struct tk_import_batch *batch,
                            const struct tk_change *change);

/* The last key number that was drawn. */
enum tk_err tk_key_last_id(struct tk_txn *txn, uint64_t *ret_id);

/* The number of the imported key with this digest. TK_NOT_FOUND. */
enum tk_err tk_key_find_digest(struct tk_txn *txn, const struct tk_digest *digest, uint64_t *ret_id);

#endif
