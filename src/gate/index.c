/*
 * Open addressing with linear probing; nothing is ever removed, as nothing is from the arena. One thread, the
 * publisher's.
 */
#include "gate/index.h"

#include "core/alloc.h"

#include <string.h>

#define FIRST_ENTRIES 1024

void tk_index_init(struct tk_index *index)
{
        memset(index, 0, sizeof *index);
}

void tk_index_fini(struct tk_index *index)
{
        tk_free(index->entries);
        tk_index_init(index);
}

static void insert(struct tk_index *index, struct tk_index_entry entry)
{
        size_t at = entry.hash & index->mask;
        while (index->entries[at].ref)
                at = (at + 1) & index->mask;
        index->entries[at] = entry;
        index->count++;
}

enum tk_err tk_index_reserve(struct tk_index *index, size_t count)
{
        size_t room = index->entries ? index->mask + 1 : 0, wanted = room ? room : FIRST_ENTRIES;
        while (index->count + count > wanted / 2)
                wanted *= 2;
        if (wanted == room)
                return TK_OK;

        struct tk_index bigger = {.mask = wanted - 1};
        bigger.entries = tk_calloc(bigger.mask + 1, sizeof *bigger.entries);
        if (!bigger.entries)
                return TK_NOMEM;
        for (size_t i = 0; i < room; i++)
                if (index->entries[i].ref)
                        insert(&bigger, index->entries[i]);
        tk_free(index->entries);
        *index = bigger;
        return TK_OK;
}

void tk_index_add(struct tk_index *index, uint32_t hash, uint32_t ref)
{
        insert(index, (struct tk_index_entry){hash, ref});
}

uint32_t tk_index_next(const struct tk_index *index, uint32_t hash, size_t *cursor)
{
        if (!index->entries)
                return 0;
        while (true) {
                struct tk_index_entry entry = index->entries[(hash + *cursor) & index->mask];
                if (entry.ref == 0)
                        return 0;
                ++*cursor;
                if (entry.hash == hash)
                        return entry.ref;
        }
}
