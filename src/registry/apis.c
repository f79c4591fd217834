/*
 * APIs in the registry. Called inside a transaction, on its thread. Knows of no rule beyond what the schema holds.
 */
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>

#define API_SELECT "SELECT id, version, state, name, description, prefix, created_s, updated_s FROM apis "

static const char API_INSERT[] = "INSERT INTO apis (state, name, description, prefix, created_s, updated_s)"
                                 " VALUES (?1, ?2, ?3, ?4, ?5, ?5) RETURNING id";
static const char API_UPDATE[] =
        "UPDATE apis SET version = version + 1, state = ?3, name = ?4, description = ?5,"
        " updated_s = ?6 WHERE id = ?1 AND version = ?2 RETURNING version";
static const char API_VERSION[] = "SELECT version FROM apis WHERE id = ?1";
static const char API_GET[] = API_SELECT "WHERE id = ?1";
static const char API_FIND[] = API_SELECT "WHERE name = ?1";
static const char API_LIST[] = API_SELECT "WHERE id > ?1 ORDER BY id LIMIT ?2";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_api *api = record;

        api->id = tk_take_u64(query);
        api->version = tk_take_u64(query);
        api->state = (enum tk_state)tk_take_i64(query);
        api->name = tk_take_text(query, arena);
        api->description = tk_take_text(query, arena);
        api->prefix = tk_take_text(query, arena);
        api->created_s = tk_take_i64(query);
        api->updated_s = tk_take_i64(query);
}

enum tk_err tk_api_create(struct tk_txn *txn, struct tk_api *api, const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, API_INSERT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_i64(&query, api->state);
        tk_bind_text(&query, api->name);
        tk_bind_text(&query, api->description);
        tk_bind_text(&query, api->prefix);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_number(&query, &api->id);
        if (err != TK_OK)
                return err;
        api->version = 1;
        api->created_s = api->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_API, api->id, api->version, change);
}

enum tk_err tk_api_update(struct tk_txn *txn, struct tk_api *api, const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, API_UPDATE);
        enum tk_err err;

        tk_bind_u64(&query, api->id);
        tk_bind_u64(&query, api->version);
        tk_bind_i64(&query, api->state);
        tk_bind_text(&query, api->name);
        tk_bind_text(&query, api->description);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_update(&query, API_VERSION, api->id, &api->version);
        if (err != TK_OK)
                return err;
        api->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_API, api->id, api->version, change);
}

enum tk_err tk_api_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_api *ret_api)
{
        struct tk_query query = tk_query_begin(txn, API_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_api, arena, ret_api);
}

enum tk_err tk_api_find(struct tk_txn *txn, struct tk_str name, struct tk_arena *arena,
                        struct tk_api *ret_api)
{
        struct tk_query query = tk_query_begin(txn, API_FIND);

        tk_bind_text(&query, name);
        return tk_query_one(&query, read_row, sizeof *ret_api, arena, ret_api);
}

enum tk_err tk_api_list(struct tk_txn *txn, struct tk_page page, struct tk_arena *arena,
                        struct tk_api **ret_apis, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, API_LIST);

        tk_bind_page(&query, page);
        return tk_query_all(&query, read_row, sizeof **ret_apis, arena, (void **)ret_apis, ret_count);
}
