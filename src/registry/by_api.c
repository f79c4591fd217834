/*
 * Merges the pages of an API's environments into one. Called by keys.c and subscriptions.c inside a transaction.
 */
#include "registry/by_api.h"

#include "registry/query.h"

#include <stdlib.h>
#include <string.h>

static const char ENVIRONMENTS_OF_API[] = "SELECT id FROM environments WHERE api_id = ?1";

static void read_id(struct tk_query *query, struct tk_arena *arena, void *record)
{
        (void)arena;
        *(uint64_t *)record = tk_take_u64(query);
}

static int by_id(const void *a, const void *b)
{
        uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

        return (left > right) - (left < right);
}

static enum tk_err page_of_environment(struct tk_txn *txn, const char *ids_sql, uint64_t environment_id,
                                       enum tk_state state, struct tk_page page, struct tk_arena *arena,
                                       uint64_t **ret_ids, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ids_sql);

        tk_bind_u64(&query, environment_id);
        tk_bind_page(&query, page);
        tk_bind_i64(&query, state);
        return tk_query_all(&query, read_id, sizeof **ret_ids, arena, (void **)ret_ids, ret_count);
}

/* Into `merged`, which has room for two pages: the lowest ids of what it holds and the new ones. */
static void merge(uint64_t *merged, size_t *count, const uint64_t *ids, size_t id_count, uint32_t limit)
{
        if (id_count == 0)
                return;
        memcpy(merged + *count, ids, id_count * sizeof *ids);
        *count += id_count;
        qsort(merged, *count, sizeof *merged, by_id);
        if (*count > limit)
                *count = limit;
}

enum tk_err tk_ids_by_api(struct tk_txn *txn, const char *ids_sql, uint64_t api_id, enum tk_state state,
                          struct tk_page page, struct tk_arena *arena, uint64_t **ret_ids, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ENVIRONMENTS_OF_API);
        uint64_t *environments, *merged, *ids;
        size_t environment_count, id_count, count = 0;
        enum tk_err err;

        if (page.limit < 1 || page.limit > TK_PAGE_LIMIT_MAX)
                tk_query_fail(&query, TK_INVALID);
        tk_bind_u64(&query, api_id);
        err = tk_query_all(&query, read_id, sizeof *environments, arena, (void **)&environments,
                           &environment_count);
        if (err != TK_OK)
                return err;
        merged = tk_arena_alloc(arena, 2 * sizeof *merged * page.limit);
        if (merged == NULL)
                return TK_NOMEM;

        for (size_t i = 0; i < environment_count; i++) {
                err = page_of_environment(txn, ids_sql, environments[i], state, page, arena, &ids, &id_count);
                if (err != TK_OK)
                        return err;
                merge(merged, &count, ids, id_count, page.limit);
        }
        *ret_ids = merged;
        *ret_count = count;
        return TK_OK;
}
