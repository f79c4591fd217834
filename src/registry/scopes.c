/*
 * Scopes in the registry: the permissions that an API defines. Called inside a transaction, on its thread.
 */
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>

#define SCOPE_SELECT "SELECT id, version, api_id, name, description, created_s, updated_s FROM scopes "

static const char SCOPE_INSERT[] = "INSERT INTO scopes (api_id, name, description, created_s, updated_s)"
                                   " VALUES (?1, ?2, ?3, ?4, ?4) RETURNING id";
static const char SCOPE_UPDATE[] = "UPDATE scopes SET version = version + 1, description = ?3, updated_s = ?4"
                                   " WHERE id = ?1 AND version = ?2 RETURNING version";
static const char SCOPE_VERSION[] = "SELECT version FROM scopes WHERE id = ?1";
static const char SCOPE_GET[] = SCOPE_SELECT "WHERE id = ?1";
static const char SCOPE_FIND[] = SCOPE_SELECT "WHERE api_id = ?1 AND name = ?2";
static const char SCOPE_LIST[] =
        SCOPE_SELECT "WHERE id > ?1 AND (?3 = 0 OR api_id = ?3) ORDER BY id LIMIT ?2";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_scope *scope = record;

        scope->id = tk_take_u64(query);
        scope->version = tk_take_u64(query);
        scope->api_id = tk_take_u64(query);
        scope->name = tk_take_text(query, arena);
        scope->description = tk_take_text(query, arena);
        scope->created_s = tk_take_i64(query);
        scope->updated_s = tk_take_i64(query);
}

enum tk_err tk_scope_create(struct tk_txn *txn, struct tk_scope *scope, const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, SCOPE_INSERT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_u64(&query, scope->api_id);
        tk_bind_text(&query, scope->name);
        tk_bind_text(&query, scope->description);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_number(&query, &scope->id);
        if (err != TK_OK)
                return err;
        scope->version = 1;
        scope->created_s = scope->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_SCOPE, scope->id, scope->version, change);
}

enum tk_err tk_scope_update(struct tk_txn *txn, struct tk_scope *scope, const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, SCOPE_UPDATE);
        enum tk_err err;

        tk_bind_u64(&query, scope->id);
        tk_bind_u64(&query, scope->version);
        tk_bind_text(&query, scope->description);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_update(&query, SCOPE_VERSION, scope->id, &scope->version);
        if (err != TK_OK)
                return err;
        scope->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_SCOPE, scope->id, scope->version, change);
}

enum tk_err tk_scope_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_scope *ret_scope)
{
        struct tk_query query = tk_query_begin(txn, SCOPE_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_scope, arena, ret_scope);
}

enum tk_err tk_scope_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name, struct tk_arena *arena,
                          struct tk_scope *ret_scope)
{
        struct tk_query query = tk_query_begin(txn, SCOPE_FIND);

        tk_bind_u64(&query, api_id);
        tk_bind_text(&query, name);
        return tk_query_one(&query, read_row, sizeof *ret_scope, arena, ret_scope);
}

enum tk_err tk_scope_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page, struct tk_arena *arena,
                          struct tk_scope **ret_scopes, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, SCOPE_LIST);

        tk_bind_page(&query, page);
        tk_bind_u64(&query, api_id);
        return tk_query_all(&query, read_row, sizeof **ret_scopes, arena, (void **)ret_scopes, ret_count);
}
