/*
 * A table of tables over 32-bit ids. Nothing is ever removed, as nothing is from the arena. One thread, the
 * publisher's.
 */
#include "gate/ids.h"

#include "core/alloc.h"

#define LEAVES       (1u << (32 - TK_IDS_LEAF_BITS))
#define LEAF_ENTRIES (1u << TK_IDS_LEAF_BITS)

void tk_ids_init(struct tk_ids *ids)
{
        ids->leaves = NULL;
}

void tk_ids_fini(struct tk_ids *ids)
{
        for (uint32_t i = 0; ids->leaves && i < LEAVES; i++)
                tk_free(ids->leaves[i]);
        tk_free(ids->leaves);
        tk_ids_init(ids);
}

enum tk_err tk_ids_reserve(struct tk_ids *ids, uint32_t id)
{
        if (!ids->leaves)
                ids->leaves = tk_calloc(LEAVES, sizeof *ids->leaves);
        if (!ids->leaves)
                return TK_NOMEM;
        uint32_t **leaf = &ids->leaves[id >> TK_IDS_LEAF_BITS];
        if (!*leaf)
                *leaf = tk_calloc(LEAF_ENTRIES, sizeof **leaf);
        return *leaf ? TK_OK : TK_NOMEM;
}

void tk_ids_set(struct tk_ids *ids, uint32_t id, uint32_t ref)
{
        ids->leaves[id >> TK_IDS_LEAF_BITS][id & (LEAF_ENTRIES - 1)] = ref;
}
