/*
 * Walks over all rows of a noun (see walk.h). One statement a walk, stepped to its end; memory for one row.
 */
#include "registry/walk.h"

#include "registry/query.h"

/* ---- keys ---- */

#define KEY_ROWS                                                                                             \
        "SELECT id, environment_id, consumer_id, state, generation, pepper_version, imported, digest,"       \
        " scopes, limits, restrictions, not_before_s, expires_s, roles FROM keys "

static const char KEYS[] = KEY_ROWS "ORDER BY id";
static const char KEYS_OF_CONSUMER[] =
        KEY_ROWS "WHERE consumer_id = ?1 AND (?2 = 0 OR environment_id = ?2) ORDER BY id";
static const char KEY_ONE[] = KEY_ROWS "WHERE id = ?1";
/* The joins in this order: each is a look-up by a key, and the keys come in the order of their ids. */
static const char KEY_SPAN[] =
        "SELECT k.id, k.environment_id, k.consumer_id, k.state, k.generation, k.pepper_version, k.imported,"
        " k.digest, k.scopes, k.limits, k.restrictions, k.not_before_s, k.expires_s, k.roles, e.api_id,"
        " c.state, COALESCE(s.id, 0) FROM keys k CROSS JOIN environments e ON e.id = k.environment_id"
        " CROSS JOIN consumers c ON c.id = k.consumer_id LEFT JOIN subscriptions s"
        " ON s.consumer_id = k.consumer_id AND s.environment_id = k.environment_id AND s.state <> 4"
        " WHERE k.id >= ?1 AND k.id < ?2 ORDER BY k.id";

static struct tk_key_row take_key(struct tk_query *query)
{
        struct tk_key_row row = {0};

        row.id = tk_take_u64(query);
        row.environment_id = tk_take_u64(query);
        row.consumer_id = tk_take_u64(query);
        row.state = (enum tk_state)tk_take_i64(query);
        row.generation = (uint16_t)tk_take_u64(query);
        row.pepper_version = (uint8_t)tk_take_u64(query);
        row.foreign = tk_take_i64(query) != 0;
        tk_take_blob(query, row.digest.bytes, sizeof row.digest.bytes);
        row.scopes = tk_take_view(query);
        row.limits = tk_take_view(query);
        row.restrictions = tk_take_view(query);
        row.not_before_s = tk_take_i64(query);
        row.expires_s = tk_take_i64(query);
        row.roles = tk_take_view(query);
        return row;
}

/* What a visitor says is no failure of the statement: the transaction goes on. */
static enum tk_err end(struct tk_query *query, enum tk_err visited)
{
        enum tk_err err = tk_query_end(query);

        return err != TK_OK ? err : visited;
}

static enum tk_err walk_keys(struct tk_query *query, tk_key_row_fn *visit, void *context, uint64_t *ret_count)
{
        enum tk_err err = TK_OK;

        *ret_count = 0;
        while (err == TK_OK && tk_query_next(query)) {
                struct tk_key_row row = take_key(query);

                if (query->err == TK_OK)
                        err = visit(&row, context);
                ++*ret_count;
        }
        return end(query, err);
}

enum tk_err tk_key_walk(struct tk_txn *txn, tk_key_row_fn *visit, void *context)
{
        struct tk_query query = tk_query_begin(txn, KEYS);
        uint64_t count;

        return walk_keys(&query, visit, context, &count);
}

enum tk_err tk_key_walk_consumer(struct tk_txn *txn, uint64_t consumer_id, uint64_t environment_id,
                                 tk_key_row_fn *visit, void *context)
{
        struct tk_query query = tk_query_begin(txn, KEYS_OF_CONSUMER);
        uint64_t count;

        tk_bind_u64(&query, consumer_id);
        tk_bind_u64(&query, environment_id);
        return walk_keys(&query, visit, context, &count);
}

enum tk_err tk_key_walk_span(struct tk_txn *txn, uint64_t first_id, uint64_t count, tk_key_row_fn *visit,
                             void *context)
{
        struct tk_query query = tk_query_begin(txn, KEY_SPAN);
        enum tk_err err = TK_OK;

        tk_bind_u64(&query, first_id);
        tk_bind_u64(&query, first_id + count);
        while (err == TK_OK && tk_query_next(&query)) {
                struct tk_key_row row = take_key(&query);
                struct tk_key_owner owner;

                owner.api_id = tk_take_u64(&query);
                owner.consumer_state = (enum tk_state)tk_take_i64(&query);
                owner.subscription_id = tk_take_u64(&query);
                row.owner = &owner;
                if (query.err == TK_OK)
                        err = visit(&row, context);
        }
        return end(&query, err);
}

enum tk_err tk_key_walk_one(struct tk_txn *txn, uint64_t id, tk_key_row_fn *visit, void *context)
{
        struct tk_query query = tk_query_begin(txn, KEY_ONE);
        uint64_t count;
        enum tk_err err;

        tk_bind_u64(&query, id);
        err = walk_keys(&query, visit, context, &count);
        return err == TK_OK && count == 0 ? TK_NOT_FOUND : err;
}

/* ---- subscriptions ---- */

#define SUBSCRIPTION_ROWS                                                                                    \
        "SELECT s.id, s.consumer_id, s.environment_id, s.state, s.started_s, p.limits"                       \
        " FROM subscriptions s CROSS JOIN plans p ON p.id = s.plan_id "

static const char SUBSCRIPTIONS[] = SUBSCRIPTION_ROWS "ORDER BY s.id";
static const char SUBSCRIPTIONS_ON_PLAN[] = SUBSCRIPTION_ROWS "WHERE s.plan_id = ?1 ORDER BY s.id";
static const char SUBSCRIPTION_ONE[] = SUBSCRIPTION_ROWS "WHERE s.id = ?1";

static struct tk_subscription_row take_subscription(struct tk_query *query)
{
        struct tk_subscription_row row = {0};

        row.id = tk_take_u64(query);
        row.consumer_id = tk_take_u64(query);
        row.environment_id = tk_take_u64(query);
        row.state = (enum tk_state)tk_take_i64(query);
        row.started_s = tk_take_i64(query);
        row.limits = tk_take_view(query);
        return row;
}

static enum tk_err walk_subscriptions(struct tk_query *query, tk_subscription_row_fn *visit, void *context,
                                      uint64_t *ret_count)
{
        enum tk_err err = TK_OK;

        *ret_count = 0;
        while (err == TK_OK && tk_query_next(query)) {
                struct tk_subscription_row row = take_subscription(query);

                if (query->err == TK_OK)
                        err = visit(&row, context);
                ++*ret_count;
        }
        return end(query, err);
}

enum tk_err tk_subscription_walk(struct tk_txn *txn, tk_subscription_row_fn *visit, void *context)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTIONS);
        uint64_t count;

        return walk_subscriptions(&query, visit, context, &count);
}

enum tk_err tk_subscription_walk_plan(struct tk_txn *txn, uint64_t plan_id, tk_subscription_row_fn *visit,
                                      void *context)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTIONS_ON_PLAN);
        uint64_t count;

        tk_bind_u64(&query, plan_id);
        return walk_subscriptions(&query, visit, context, &count);
}

enum tk_err tk_subscription_walk_one(struct tk_txn *txn, uint64_t id, tk_subscription_row_fn *visit,
                                     void *context)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTION_ONE);
        uint64_t count;
        enum tk_err err;

        tk_bind_u64(&query, id);
        err = walk_subscriptions(&query, visit, context, &count);
        return err == TK_OK && count == 0 ? TK_NOT_FOUND : err;
}

/* ---- consumers ---- */

static const char CONSUMERS[] = "SELECT id, state, name FROM consumers ORDER BY id";

enum tk_err tk_consumer_walk(struct tk_txn *txn, tk_consumer_row_fn *visit, void *context)
{
        struct tk_query query = tk_query_begin(txn, CONSUMERS);
        enum tk_err err = TK_OK;

        while (err == TK_OK && tk_query_next(&query)) {
                struct tk_consumer_row row = {0};

                row.id = tk_take_u64(&query);
                row.state = (enum tk_state)tk_take_i64(&query);
                row.name = tk_take_view(&query);
                if (query.err == TK_OK)
                        err = visit(&row, context);
        }
        return end(&query, err);
}
