/*
 * Texts that many lines of an import share, each kept once: a hash table from up to three slices and a number to a slot. One thread.
 */
#ifndef TK_SERVICE_IMPORT_TABLE_H
#define TK_SERVICE_IMPORT_TABLE_H

#include "core/arena.h"
#include "core/error.h"

#define TK_IMPORT_TABLE_TEXTS 3

struct tk_import_entry {
        uint64_t number;
        struct tk_str text[TK_IMPORT_TABLE_TEXTS]; /* in the arena of who added it */
        uint64_t hash;
        void *value;
};

struct tk_import_table {
        struct tk_import_entry *entries;
        uint32_t *places; /* slot + 1; 0: free; a power of two of them, at most half full */
        size_t count, room, place_count;
};

/* Caller's storage, zeroed. */
void tk_import_table_fini(struct tk_import_table *table);
/* Forget the entries, keep the memory. */
void tk_import_table_clear(struct tk_import_table *table);

/* The slot of what has this number and these texts, or TK_NOT_FOUND. */
enum tk_err tk_import_table_find(const struct tk_import_table *table, uint64_t number,
                                 const struct tk_str text[TK_IMPORT_TABLE_TEXTS], uint32_t *ret_slot);
/* Add what is not there; its texts are copied to `arena`. TK_NOMEM. */
enum tk_err tk_import_table_add(struct tk_import_table *table, uint64_t number,
                                const struct tk_str text[TK_IMPORT_TABLE_TEXTS], struct tk_arena *arena,
                                uint32_t *ret_slot);

#endif
