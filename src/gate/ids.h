/*
 * Which record of the policy arena stands for an id, for ids that are given out in order: 4 bytes each, and
 * one look instead of a hash's two. Two levels, so that one id out of line takes a leaf and not a table up to
 * it. In the daemon's memory; one thread.
 */
#ifndef TK_GATE_IDS_H
#define TK_GATE_IDS_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

#define TK_IDS_LEAF_BITS 16

struct tk_ids {
        uint32_t **leaves; /* NULL: none yet */
};

void tk_ids_init(struct tk_ids *ids);
void tk_ids_fini(struct tk_ids *ids);

/* Make room, so that tk_ids_set() of this id cannot fail. TK_NOMEM. */
enum tk_err tk_ids_reserve(struct tk_ids *ids, uint32_t id);
void tk_ids_set(struct tk_ids *ids, uint32_t id, uint32_t ref);

/* 0: it was not set. */
static inline uint32_t tk_ids_get(const struct tk_ids *ids, uint32_t id)
{
        const uint32_t *leaf = ids->leaves ? ids->leaves[id >> TK_IDS_LEAF_BITS] : NULL;
        return leaf ? leaf[id & ((1u << TK_IDS_LEAF_BITS) - 1)] : 0;
}

#endif
