/*
 * Environments in the registry. Called inside a transaction, on its thread.
 */
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>

#define ENVIRONMENT_SELECT                                                                                   \
        "SELECT e.id, e.version, e.api_id, e.state, a.name, e.name, e.tag, e.description, a.prefix, "        \
        "e.created_s, "                                                                                      \
        "e.updated_s"                                                                                        \
        " FROM environments e JOIN apis a ON a.id = e.api_id "

static const char ENVIRONMENT_INSERT[] =
        "INSERT INTO environments (api_id, state, name, tag, description, created_s, updated_s)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) RETURNING id";
static const char ENVIRONMENT_UPDATE[] =
        "UPDATE environments SET version = version + 1, state = ?3, description = ?4, updated_s = ?5"
        " WHERE id = ?1 AND version = ?2 RETURNING version";
static const char ENVIRONMENT_VERSION[] = "SELECT version FROM environments WHERE id = ?1";
static const char ENVIRONMENT_GET[] = ENVIRONMENT_SELECT "WHERE e.id = ?1";
static const char ENVIRONMENT_FIND[] = ENVIRONMENT_SELECT "WHERE e.api_id = ?1 AND e.name = ?2";
static const char ENVIRONMENT_LIST[] =
        ENVIRONMENT_SELECT "WHERE e.id > ?1 AND (?3 = 0 OR e.api_id = ?3) ORDER BY e.id LIMIT ?2";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_environment *environment = record;

        environment->id = tk_take_u64(query);
        environment->version = tk_take_u64(query);
        environment->api_id = tk_take_u64(query);
        environment->state = (enum tk_state)tk_take_i64(query);
        environment->api_name = tk_take_text(query, arena);
        environment->name = tk_take_text(query, arena);
        environment->tag = tk_take_text(query, arena);
        environment->description = tk_take_text(query, arena);
        environment->prefix = tk_take_text(query, arena);
        environment->created_s = tk_take_i64(query);
        environment->updated_s = tk_take_i64(query);
}

enum tk_err tk_environment_create(struct tk_txn *txn, struct tk_environment *environment,
                                  const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, ENVIRONMENT_INSERT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_u64(&query, environment->api_id);
        tk_bind_i64(&query, environment->state);
        tk_bind_text(&query, environment->name);
        tk_bind_text(&query, environment->tag);
        tk_bind_text(&query, environment->description);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_number(&query, &environment->id);
        if (err != TK_OK)
                return err;
        environment->version = 1;
        environment->created_s = environment->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_ENVIRONMENT, environment->id, environment->version, change);
}

enum tk_err tk_environment_update(struct tk_txn *txn, struct tk_environment *environment,
                                  const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, ENVIRONMENT_UPDATE);
        enum tk_err err;

        tk_bind_u64(&query, environment->id);
        tk_bind_u64(&query, environment->version);
        tk_bind_i64(&query, environment->state);
        tk_bind_text(&query, environment->description);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_update(&query, ENVIRONMENT_VERSION, environment->id, &environment->version);
        if (err != TK_OK)
                return err;
        environment->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_ENVIRONMENT, environment->id, environment->version, change);
}

enum tk_err tk_environment_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                               struct tk_environment *ret_environment)
{
        struct tk_query query = tk_query_begin(txn, ENVIRONMENT_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_environment, arena, ret_environment);
}

enum tk_err tk_environment_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name,
                                struct tk_arena *arena, struct tk_environment *ret_environment)
{
        struct tk_query query = tk_query_begin(txn, ENVIRONMENT_FIND);

        tk_bind_u64(&query, api_id);
        tk_bind_text(&query, name);
        return tk_query_one(&query, read_row, sizeof *ret_environment, arena, ret_environment);
}

enum tk_err tk_environment_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page,
                                struct tk_arena *arena, struct tk_environment **ret_environments,
                                size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ENVIRONMENT_LIST);

        tk_bind_page(&query, page);
        tk_bind_u64(&query, api_id);
        return tk_query_all(&query, read_row, sizeof **ret_environments, arena, (void **)ret_environments,
                            ret_count);
}
