/*
 * Plans in the registry. Each version's definition is kept, so that an invoice or a dispute can say what applied when.
 * Called inside a transaction, on its thread.
 */
#include "registry/change.h"
#include "registry/codec.h"
#include "registry/query.h"

#include <assert.h>

#define PLAN_SELECT                                                                                          \
        "SELECT p.id, p.version, p.api_id, a.name, p.name, p.description, p.limits, p.created_s, "           \
        "p.updated_s"                                                                                        \
        " FROM plans p JOIN apis a ON a.id = p.api_id "

static const char PLAN_INSERT[] =
        "INSERT INTO plans (api_id, name, description, limits, created_s, updated_s)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5) RETURNING id";
static const char PLAN_UPDATE[] =
        "UPDATE plans SET version = version + 1, name = ?3, description = ?4, limits = ?5,"
        " updated_s = ?6 WHERE id = ?1 AND version = ?2 RETURNING version";
static const char PLAN_VERSION[] = "SELECT version FROM plans WHERE id = ?1";
static const char PLAN_KEEP[] =
        "INSERT INTO plan_versions (plan_id, version, name, description, limits, created_s)"
        " SELECT id, version, name, description, limits, updated_s FROM plans WHERE id = ?1";
static const char PLAN_GET[] = PLAN_SELECT "WHERE p.id = ?1";
static const char PLAN_FIND[] = PLAN_SELECT "WHERE p.api_id = ?1 AND p.name = ?2";
static const char PLAN_LIST[] =
        PLAN_SELECT "WHERE p.id > ?1 AND (?3 = 0 OR p.api_id = ?3) ORDER BY p.id LIMIT ?2";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_plan *plan = record;

        plan->id = tk_take_u64(query);
        plan->version = tk_take_u64(query);
        plan->api_id = tk_take_u64(query);
        plan->api_name = tk_take_text(query, arena);
        plan->name = tk_take_text(query, arena);
        plan->description = tk_take_text(query, arena);
        tk_query_fail(query, tk_limits_decode(tk_take_view(query), plan->limits, &plan->limit_count));
        plan->created_s = tk_take_i64(query);
        plan->updated_s = tk_take_i64(query);
}

/* The definition that has just been written becomes one of the versions that are kept. */
static enum tk_err record_version(struct tk_txn *txn, const struct tk_plan *plan,
                                  const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, PLAN_KEEP);
        enum tk_err err;

        tk_bind_u64(&query, plan->id);
        err = tk_query_run(&query);
        return err == TK_OK ? tk_change_record(txn, TK_OBJECT_PLAN, plan->id, plan->version, change) : err;
}

static enum tk_err insert(struct tk_txn *txn, struct tk_plan *plan, struct tk_str limits, int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, PLAN_INSERT);

        tk_bind_u64(&query, plan->api_id);
        tk_bind_text(&query, plan->name);
        tk_bind_text(&query, plan->description);
        tk_bind_text(&query, limits);
        tk_bind_i64(&query, at_s);
        return tk_query_number(&query, &plan->id);
}

enum tk_err tk_plan_create(struct tk_txn *txn, struct tk_plan *plan, const struct tk_change *change)
{
        struct tk_arena scratch;
        struct tk_str limits;
        enum tk_err err;

        assert(txn->writable);
        tk_arena_init(&scratch, 0);
        err = tk_limits_encode(plan->limits, plan->limit_count, &scratch, &limits);
        if (err == TK_OK)
                err = insert(txn, plan, limits, change->at_s);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        plan->version = 1;
        plan->created_s = plan->updated_s = change->at_s;
        return record_version(txn, plan, change);
}

static enum tk_err update(struct tk_txn *txn, struct tk_plan *plan, struct tk_str limits, int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, PLAN_UPDATE);

        tk_bind_u64(&query, plan->id);
        tk_bind_u64(&query, plan->version);
        tk_bind_text(&query, plan->name);
        tk_bind_text(&query, plan->description);
        tk_bind_text(&query, limits);
        tk_bind_i64(&query, at_s);
        return tk_query_update(&query, PLAN_VERSION, plan->id, &plan->version);
}

enum tk_err tk_plan_update(struct tk_txn *txn, struct tk_plan *plan, const struct tk_change *change)
{
        struct tk_arena scratch;
        struct tk_str limits;
        enum tk_err err;

        tk_arena_init(&scratch, 0);
        err = tk_limits_encode(plan->limits, plan->limit_count, &scratch, &limits);
        if (err == TK_OK)
                err = update(txn, plan, limits, change->at_s);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        plan->updated_s = change->at_s;
        return record_version(txn, plan, change);
}

enum tk_err tk_plan_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_plan *ret_plan)
{
        struct tk_query query = tk_query_begin(txn, PLAN_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_plan, arena, ret_plan);
}

enum tk_err tk_plan_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name, struct tk_arena *arena,
                         struct tk_plan *ret_plan)
{
        struct tk_query query = tk_query_begin(txn, PLAN_FIND);

        tk_bind_u64(&query, api_id);
        tk_bind_text(&query, name);
        return tk_query_one(&query, read_row, sizeof *ret_plan, arena, ret_plan);
}

enum tk_err tk_plan_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page, struct tk_arena *arena,
                         struct tk_plan **ret_plans, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, PLAN_LIST);

        tk_bind_page(&query, page);
        tk_bind_u64(&query, api_id);
        return tk_query_all(&query, read_row, sizeof **ret_plans, arena, (void **)ret_plans, ret_count);
}
