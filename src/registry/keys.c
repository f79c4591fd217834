/*
 * Keys in the registry: one row a key, at its number; never the plaintext. Called inside a transaction, on its thread.
 * Holds one rule, because no caller may ever break it: a revoked key stays revoked.
 */
#include "registry/by_api.h"
#include "registry/change.h"
#include "registry/codec.h"
#include "registry/key_roles.h"
#include "registry/query.h"

#include "core/key.h"

#include <assert.h>

#define KEY_SELECT                                                                                           \
        "SELECT k.id, k.version, k.environment_id, k.consumer_id, a.name, e.name, c.name, k.state, "         \
        "k.generation,"                                                                                      \
        " k.pepper_version, k.imported, k.digest, k.name, k.hint, k.scopes, k.limits, k.restrictions,"       \
        " k.metadata, k.not_before_s, k.expires_s, k.created_s, k.updated_s, k.revoked_s, k.created_by,"     \
        " k.revoke_reason, k.only_apis, k.roles FROM keys k JOIN environments e ON e.id = k.environment_id"  \
        " JOIN apis a ON a.id = e.api_id JOIN consumers c ON c.id = k.consumer_id "

static const char KEY_INSERT[] =
        "INSERT INTO keys (id, environment_id, consumer_id, state, generation, pepper_version, imported, "
        "digest,"
        " name, hint, scopes, limits, restrictions, metadata, not_before_s, expires_s, created_s, updated_s,"
        " revoked_s, created_by, revoke_reason, only_apis, roles) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
        "?9, ?10, "
        "?11, ?12, "
        "?13,"
        " ?14, ?15, ?16, ?17, ?17, ?18, ?19, ?20, ?21, ?22)";
static const char KEY_UPDATE[] =
        "UPDATE keys SET version = version + 1, state = ?3, name = ?4, scopes = ?5, limits = ?6,"
        " restrictions = ?7, metadata = ?8, not_before_s = ?9, expires_s = ?10, revoked_s = ?11,"
        " revoke_reason = ?12, updated_s = ?13, roles = ?14"
        " WHERE id = ?1 AND version = ?2 AND (state <> 3 OR ?3 = 3) RETURNING version";
static const char KEY_VERSION[] = "SELECT version FROM keys WHERE id = ?1";
static const char KEY_GET[] = KEY_SELECT "WHERE k.id = ?1";

/* The columns that are JSON text, encoded. */
struct encoded {
        struct tk_str scopes, limits, restrictions, only_apis, roles;
};

static enum tk_err encode(const struct tk_key *key, struct tk_arena *arena, struct encoded *ret)
{
        enum tk_err err = tk_scopes_encode(key->scopes, key->scope_count, arena, &ret->scopes);

        if (err == TK_OK)
                err = tk_limits_encode(key->limits, key->limit_count, arena, &ret->limits);
        if (err == TK_OK)
                err = tk_restrictions_encode(&key->restrictions, arena, &ret->restrictions);
        if (err == TK_OK)
                err = tk_only_apis_encode(key->only_apis, key->only_api_count, arena, &ret->only_apis);
        if (err == TK_OK)
                err = tk_key_roles_encode(key->roles, key->role_count, arena, &ret->roles);
        return err;
}

/* ---- write ---- */

enum tk_err tk_key_next_id(struct tk_txn *txn, uint64_t *ret_id)
{
        uint64_t id;
        enum tk_err err = tk_counter_next(txn, TK_STR("key"), &id);

        if (err != TK_OK)
                return err;
        if (id > TK_KEY_NUMBER_MAX)
                return TK_FULL;
        *ret_id = id;
        return TK_OK;
}

static enum tk_err insert(struct tk_txn *txn, const struct tk_key *key, const struct encoded *encoded,
                          int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, KEY_INSERT);

        tk_bind_u64(&query, key->id);
        tk_bind_u64(&query, key->environment_id);
        tk_bind_u64(&query, key->consumer_id);
        tk_bind_i64(&query, key->state);
        tk_bind_i64(&query, key->generation);
        tk_bind_i64(&query, key->pepper_version);
        tk_bind_i64(&query, key->foreign);
        tk_bind_blob(&query, key->digest.bytes, sizeof key->digest.bytes);
        tk_bind_text(&query, key->name);
        tk_bind_text(&query, key->hint);
        tk_bind_text(&query, encoded->scopes);
        tk_bind_text(&query, encoded->limits);
        tk_bind_text(&query, encoded->restrictions);
        tk_bind_text(&query, key->metadata);
        tk_bind_i64(&query, key->not_before_s);
        tk_bind_i64(&query, key->expires_s);
        tk_bind_i64(&query, at_s);
        tk_bind_i64(&query, key->revoked_s);
        tk_bind_text(&query, key->created_by);
        tk_bind_text(&query, key->revoke_reason);
        tk_bind_text(&query, encoded->only_apis);
        tk_bind_text(&query, encoded->roles);
        return tk_query_run(&query);
}

enum tk_err tk_key_create(struct tk_txn *txn, struct tk_key *key, const struct tk_change *change)
{
        struct tk_arena scratch;
        struct encoded encoded;
        enum tk_err err;

        assert(txn->writable);
        tk_arena_init(&scratch, 0);
        err = encode(key, &scratch, &encoded);
        if (err == TK_OK)
                err = insert(txn, key, &encoded, change->at_s);
        if (err == TK_OK)
                err = tk_key_roles_add(txn, key);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        key->version = 1;
        key->created_s = key->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_KEY, key->id, key->version, change);
}

static enum tk_err update(struct tk_txn *txn, struct tk_key *key, const struct encoded *encoded, int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, KEY_UPDATE);

        tk_bind_u64(&query, key->id);
        tk_bind_u64(&query, key->version);
        tk_bind_i64(&query, key->state);
        tk_bind_text(&query, key->name);
        tk_bind_text(&query, encoded->scopes);
        tk_bind_text(&query, encoded->limits);
        tk_bind_text(&query, encoded->restrictions);
        tk_bind_text(&query, key->metadata);
        tk_bind_i64(&query, key->not_before_s);
        tk_bind_i64(&query, key->expires_s);
        tk_bind_i64(&query, key->revoked_s);
        tk_bind_text(&query, key->revoke_reason);
        tk_bind_i64(&query, at_s);
        tk_bind_text(&query, encoded->roles);
        return tk_query_update(&query, KEY_VERSION, key->id, &key->version);
}

enum tk_err tk_key_update(struct tk_txn *txn, struct tk_key *key, const struct tk_change *change)
{
        struct tk_arena scratch;
        struct encoded encoded;
        enum tk_err err;

        tk_arena_init(&scratch, 0);
        err = encode(key, &scratch, &encoded);
        if (err == TK_OK)
                err = update(txn, key, &encoded, change->at_s);
        if (err == TK_OK)
                err = tk_key_roles_replace(txn, key);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        key->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_KEY, key->id, key->version, change);
}

/* ---- read ---- */

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_key *key = record;

        key->id = tk_take_u64(query);
        key->version = tk_take_u64(query);
        key->environment_id = tk_take_u64(query);
        key->consumer_id = tk_take_u64(query);
        key->api_name = tk_take_text(query, arena);
        key->environment_name = tk_take_text(query, arena);
        key->consumer_name = tk_take_text(query, arena);
        key->state = (enum tk_state)tk_take_i64(query);
        key->generation = (uint16_t)tk_take_u64(query);
        key->pepper_version = (uint8_t)tk_take_u64(query);
        key->foreign = tk_take_i64(query) != 0;
        tk_take_blob(query, key->digest.bytes, sizeof key->digest.bytes);
        key->name = tk_take_text(query, arena);
        key->hint = tk_take_text(query, arena);
        tk_query_fail(query, tk_scopes_decode(tk_take_view(query), arena, key->scopes, &key->scope_count));
        tk_query_fail(query, tk_limits_decode(tk_take_view(query), key->limits, &key->limit_count));
        tk_query_fail(query, tk_restrictions_decode(tk_take_view(query), arena, &key->restrictions));
        key->metadata = tk_take_text(query, arena);
        key->not_before_s = tk_take_i64(query);
        key->expires_s = tk_take_i64(query);
        key->created_s = tk_take_i64(query);
        key->updated_s = tk_take_i64(query);
        key->revoked_s = tk_take_i64(query);
        key->created_by = tk_take_text(query, arena);
        key->revoke_reason = tk_take_text(query, arena);
        tk_query_fail(query,
                      tk_only_apis_decode(tk_take_view(query), arena, key->only_apis, &key->only_api_count));
        tk_query_fail(query, tk_key_roles_decode(tk_take_view(query), arena, key->roles, &key->role_count));
}

enum tk_err tk_key_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_key *ret_key)
{
        struct tk_query query = tk_query_begin(txn, KEY_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_key, arena, ret_key);
}

/* ---- lists ---- */

/*
 * A table may hold millions of keys, so each list is driven by the one filter that narrows it most and walks that
 * filter's index in id order; the other filters are checked on the rows. 0 is "any". That `state <> 1` stands in the
 * text lets the engine use the partial index.
 */
#define OF_API "k.environment_id IN (SELECT id FROM environments WHERE api_id = ?1)"
#define FILTERS                                                                                              \
        " AND (?1 = 0 OR " OF_API ") AND (?2 = 0 OR k.environment_id = ?2)"                                  \
        " AND (?3 = 0 OR k.consumer_id = ?3) AND (?4 = 0 OR k.state = ?4)"
#define PAGE " AND k.id > ?5 ORDER BY k.id LIMIT ?6"

enum driver { BY_ID, BY_CONSUMER, BY_STATE, BY_ENVIRONMENT, BY_API };

static const char *const list_texts[] = {
        [BY_ID] = KEY_SELECT "WHERE true" FILTERS PAGE,
        [BY_CONSUMER] = KEY_SELECT "WHERE k.consumer_id = ?3" FILTERS PAGE,
        [BY_STATE] = KEY_SELECT "WHERE k.state = ?4 AND k.state <> 1" FILTERS PAGE,
        [BY_ENVIRONMENT] = KEY_SELECT "WHERE k.environment_id = ?2" FILTERS PAGE,
};
static const char *const count_texts[] = {
        [BY_ID] = "SELECT COUNT(*) FROM keys k WHERE true" FILTERS,
        [BY_CONSUMER] = "SELECT COUNT(*) FROM keys k WHERE k.consumer_id = ?3" FILTERS,
        [BY_STATE] = "SELECT COUNT(*) FROM keys k WHERE k.state = ?4 AND k.state <> 1" FILTERS,
        [BY_ENVIRONMENT] = "SELECT COUNT(*) FROM keys k WHERE k.environment_id = ?2" FILTERS,
        [BY_API] = "SELECT COUNT(*) FROM keys k WHERE " OF_API FILTERS,
};
static const char KEY_IDS[] = "SELECT id FROM keys WHERE environment_id = ?1 AND id > ?2"
                              " AND (?4 = 0 OR state = ?4) ORDER BY id LIMIT ?3";

static enum driver driver_of(const struct tk_key_filter *filter)
{
        if (filter->consumer_id != 0)
                return BY_CONSUMER;
        if (filter->state != 0 && filter->state != TK_STATE_ACTIVE)
                return BY_STATE;
        if (filter->environment_id != 0)
                return BY_ENVIRONMENT;
        return filter->api_id != 0 ? BY_API : BY_ID;
}

static void bind_filter(struct tk_query *query, const struct tk_key_filter *filter)
{
        tk_bind_u64(query, filter->api_id);
        tk_bind_u64(query, filter->environment_id);
        tk_bind_u64(query, filter->consumer_id);
        tk_bind_i64(query, filter->state);
}

static void read_pointer(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_key **slot = record;

        *slot = tk_arena_alloc(arena, sizeof **slot);
        if (*slot == NULL)
                tk_query_fail(query, TK_NOMEM);
        else
                read_row(query, arena, *slot);
}

static enum tk_err get_all(struct tk_txn *txn, const uint64_t *ids, size_t count, struct tk_arena *arena,
                           struct tk_key ***ret_keys)
{
        struct tk_key **keys = tk_arena_alloc(arena, count * sizeof *keys);
        enum tk_err err = keys == NULL ? TK_NOMEM : TK_OK;

        for (size_t i = 0; err == TK_OK && i < count; i++) {
                struct tk_query query = tk_query_begin(txn, KEY_GET);

                tk_bind_u64(&query, ids[i]);
                err = tk_query_one(&query, read_pointer, sizeof *keys, arena, &keys[i]);
        }
        if (err == TK_OK)
                *ret_keys = keys;
        return err;
}

static enum tk_err list_by_api(struct tk_txn *txn, const struct tk_key_filter *filter, struct tk_page page,
                               struct tk_arena *arena, struct tk_key ***ret_keys, size_t *ret_count)
{
        uint64_t *ids;
        size_t count;
        enum tk_err err =
                tk_ids_by_api(txn, KEY_IDS, filter->api_id, filter->state, page, arena, &ids, &count);

        if (err == TK_OK)
                err = get_all(txn, ids, count, arena, ret_keys);
        if (err == TK_OK)
                *ret_count = count;
        return err;
}

enum tk_err tk_key_list(struct tk_txn *txn, const struct tk_key_filter *filter, struct tk_page page,
                        struct tk_arena *arena, struct tk_key ***ret_keys, size_t *ret_count)
{
        enum driver driver = driver_of(filter);
        struct tk_query query;

        if (driver == BY_API)
                return list_by_api(txn, filter, page, arena, ret_keys, ret_count);
        query = tk_query_begin(txn, list_texts[driver]);
        bind_filter(&query, filter);
        tk_bind_page(&query, page);
        return tk_query_all(&query, read_pointer, sizeof **ret_keys, arena, (void **)ret_keys, ret_count);
}

/* Few keys are bound, and those have an index of their own. */
static const char KEY_BOUND[] = KEY_SELECT "WHERE k.only_apis <> '[]' AND k.id > ?1 ORDER BY k.id LIMIT ?2";

enum tk_err tk_key_list_bound(struct tk_txn *txn, struct tk_page page, struct tk_arena *arena,
                              struct tk_key ***ret_keys, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, KEY_BOUND);

        tk_bind_page(&query, page);
        return tk_query_all(&query, read_pointer, sizeof **ret_keys, arena, (void **)ret_keys, ret_count);
}

enum tk_err tk_key_count(struct tk_txn *txn, const struct tk_key_filter *filter, uint64_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, count_texts[driver_of(filter)]);

        bind_filter(&query, filter);
        return tk_query_number(&query, ret_count);
}
