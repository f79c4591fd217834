/*
 * Roles in the registry: named sets of scopes of an API, and which keys have them. Called inside a transaction, on its thread.
 * A role that is deleted keeps its row, because feed rows, audit entries and revoked keys name it.
 */
#include "registry/change.h"
#include "registry/codec.h"
#include "registry/key_roles.h"
#include "registry/query.h"
#include "registry/walk.h"

#include <assert.h>

#define ROLE_SELECT                                                                                          \
        "SELECT r.id, r.version, r.api_id, a.name, r.name, r.description, r.scopes, r.created_s,"            \
        " r.updated_s, r.deleted_s FROM roles r JOIN apis a ON a.id = r.api_id "

static const char ROLE_INSERT[] =
        "INSERT INTO roles (api_id, name, description, scopes, created_s, updated_s)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5) RETURNING id";
static const char ROLE_UPDATE[] =
        "UPDATE roles SET version = version + 1, description = ?3, scopes = ?4, updated_s = ?5,"
        " deleted_s = ?6 WHERE id = ?1 AND version = ?2 AND deleted_s = 0 RETURNING version";
static const char ROLE_VERSION[] = "SELECT version FROM roles WHERE id = ?1";
static const char ROLE_GET[] = ROLE_SELECT "WHERE r.id = ?1";
static const char ROLE_FIND[] = ROLE_SELECT "WHERE r.api_id = ?1 AND r.name = ?2 AND r.deleted_s = 0";
static const char ROLE_LIST[] = ROLE_SELECT
        "WHERE r.id > ?1 AND (?3 = 0 OR r.api_id = ?3) AND r.deleted_s = 0 ORDER BY r.id LIMIT ?2";
static const char ROLE_COUNT[] = "SELECT COUNT(*) FROM roles WHERE api_id = ?1 AND deleted_s = 0";
static const char ROLE_WALK[] = ROLE_SELECT "ORDER BY r.id";
static const char ROLE_KEYS[] = "SELECT k.id FROM key_roles r JOIN keys k ON k.id = r.key_id"
                                " WHERE r.role_id = ?3 AND r.key_id > ?1 AND k.state <> 3"
                                " ORDER BY r.key_id LIMIT ?2";

static const char KEY_ROLE_INSERT[] =
        "INSERT INTO key_roles (role_id, key_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
static const char KEY_ROLES_KEEP[] = "DELETE FROM key_roles WHERE key_id = ?1"
                                     " AND role_id NOT IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
_Static_assert(TK_KEY_ROLES_MAX == 8, "as many as KEY_ROLES_KEEP names");

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_role *role = record;

        role->id = tk_take_u64(query);
        role->version = tk_take_u64(query);
        role->api_id = tk_take_u64(query);
        role->api_name = tk_take_text(query, arena);
        role->name = tk_take_text(query, arena);
        role->description = tk_take_text(query, arena);
        tk_query_fail(query, tk_scopes_decode(tk_take_view(query), arena, role->scopes, &role->scope_count));
        role->created_s = tk_take_i64(query);
        role->updated_s = tk_take_i64(query);
        role->deleted_s = tk_take_i64(query);
}

/* ---- write ---- */

static enum tk_err insert(struct tk_txn *txn, struct tk_role *role, struct tk_str scopes, int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, ROLE_INSERT);

        tk_bind_u64(&query, role->api_id);
        tk_bind_text(&query, role->name);
        tk_bind_text(&query, role->description);
        tk_bind_text(&query, scopes);
        tk_bind_i64(&query, at_s);
        return tk_query_number(&query, &role->id);
}

enum tk_err tk_role_create(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change)
{
        struct tk_arena scratch;
        struct tk_str scopes;
        enum tk_err err;

        assert(txn->writable);
        tk_arena_init(&scratch, 0);
        err = tk_scopes_encode(role->scopes, role->scope_count, &scratch, &scopes);
        if (err == TK_OK)
                err = insert(txn, role, scopes, change->at_s);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        role->version = 1;
        role->created_s = role->updated_s = change->at_s;
        role->deleted_s = 0;
        return tk_change_record(txn, TK_OBJECT_ROLE, role->id, role->version, change);
}

static enum tk_err update(struct tk_txn *txn, struct tk_role *role, struct tk_str scopes, int64_t at_s,
                          int64_t deleted_s)
{
        struct tk_query query = tk_query_begin(txn, ROLE_UPDATE);

        tk_bind_u64(&query, role->id);
        tk_bind_u64(&query, role->version);
        tk_bind_text(&query, role->description);
        tk_bind_text(&query, scopes);
        tk_bind_i64(&query, at_s);
        tk_bind_i64(&query, deleted_s);
        return tk_query_update(&query, ROLE_VERSION, role->id, &role->version);
}

static enum tk_err change_row(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change,
                              int64_t deleted_s)
{
        struct tk_arena scratch;
        struct tk_str scopes;
        enum tk_err err;

        tk_arena_init(&scratch, 0);
        err = tk_scopes_encode(role->scopes, role->scope_count, &scratch, &scopes);
        if (err == TK_OK)
                err = update(txn, role, scopes, change->at_s, deleted_s);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        role->updated_s = change->at_s;
        role->deleted_s = deleted_s;
        return tk_change_record(txn, TK_OBJECT_ROLE, role->id, role->version, change);
}

enum tk_err tk_role_update(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change)
{
        return change_row(txn, role, change, 0);
}

enum tk_err tk_role_delete(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change)
{
        return change_row(txn, role, change, change->at_s);
}

/* ---- read ---- */

enum tk_err tk_role_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_role *ret_role)
{
        struct tk_query query = tk_query_begin(txn, ROLE_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_role, arena, ret_role);
}

enum tk_err tk_role_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name, struct tk_arena *arena,
                         struct tk_role *ret_role)
{
        struct tk_query query = tk_query_begin(txn, ROLE_FIND);

        tk_bind_u64(&query, api_id);
        tk_bind_text(&query, name);
        return tk_query_one(&query, read_row, sizeof *ret_role, arena, ret_role);
}

enum tk_err tk_role_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page, struct tk_arena *arena,
                         struct tk_role **ret_roles, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ROLE_LIST);

        tk_bind_page(&query, page);
        tk_bind_u64(&query, api_id);
        return tk_query_all(&query, read_row, sizeof **ret_roles, arena, (void **)ret_roles, ret_count);
}

enum tk_err tk_role_count(struct tk_txn *txn, uint64_t api_id, uint64_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ROLE_COUNT);

        tk_bind_u64(&query, api_id);
        return tk_query_number(&query, ret_count);
}

enum tk_err tk_role_walk(struct tk_txn *txn, tk_role_row_fn *visit, void *context)
{
        struct tk_query query = tk_query_begin(txn, ROLE_WALK);
        enum tk_err err = TK_OK, ended;

        while (err == TK_OK && tk_query_next(&query)) {
                struct tk_arena scratch;
                struct tk_role role = {0};

                tk_arena_init(&scratch, 0);
                read_row(&query, &scratch, &role);
                if (query.err == TK_OK)
                        err = visit(&role, context);
                tk_arena_fini(&scratch);
        }
        ended = tk_query_end(&query);
        return ended != TK_OK ? ended : err;
}

/* ---- whose they are ---- */

static void read_id(struct tk_query *query, struct tk_arena *arena, void *record)
{
        (void)arena;
        *(uint64_t *)record = tk_take_u64(query);
}

enum tk_err tk_role_key_ids(struct tk_txn *txn, uint64_t role_id, struct tk_page page, struct tk_arena *arena,
                            uint64_t **ret_ids, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ROLE_KEYS);

        tk_bind_page(&query, page);
        tk_bind_u64(&query, role_id);
        return tk_query_all(&query, read_id, sizeof **ret_ids, arena, (void **)ret_ids, ret_count);
}

enum tk_err tk_key_roles_add(struct tk_txn *txn, const struct tk_key *key)
{
        for (uint32_t i = 0; i < key->role_count; i++) {
                struct tk_query query = tk_query_begin(txn, KEY_ROLE_INSERT);
                enum tk_err err;

                tk_bind_u64(&query, key->roles[i].id);
                tk_bind_u64(&query, key->id);
                err = tk_query_run(&query);
                if (err != TK_OK)
                        return err;
        }
        return TK_OK;
}

enum tk_err tk_key_roles_replace(struct tk_txn *txn, const struct tk_key *key)
{
        struct tk_query query = tk_query_begin(txn, KEY_ROLES_KEEP);
        enum tk_err err;

        tk_bind_u64(&query, key->id);
        for (uint32_t i = 0; i < TK_KEY_ROLES_MAX; i++)
                tk_bind_u64(&query, i < key->role_count ? key->roles[i].id : 0);
        err = tk_query_run(&query);
        return err == TK_OK ? tk_key_roles_add(txn, key) : err;
}
