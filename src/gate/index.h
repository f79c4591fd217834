/*
 * The daemon's own index of policy records by hash, in its memory: how the publisher finds out that it has
 * written something before. Rebuilt from the arena at open. One thread.
 */
#ifndef TK_GATE_INDEX_H
#define TK_GATE_INDEX_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_index_entry {
        uint32_t hash;
        uint32_t ref; /* 0: free */
};

struct tk_index {
        struct tk_index_entry *entries; /* a power of two, at most half full */
        size_t mask;
        size_t count;
};

void tk_index_init(struct tk_index *index);
void tk_index_fini(struct tk_index *index);

/* Make room, so that the next `count` calls of tk_index_add() cannot fail. TK_NOMEM. */
enum tk_err tk_index_reserve(struct tk_index *index, size_t count);
void tk_index_add(struct tk_index *index, uint32_t hash, uint32_t ref);

/* The references with this hash, one a call, 0 after the last. *cursor starts at 0. */
uint32_t tk_index_next(const struct tk_index *index, uint32_t hash, size_t *cursor);

#endif
