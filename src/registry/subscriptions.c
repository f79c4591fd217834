/*
 * Subscriptions in the registry: a consumer on a plan in one environment. Called inside a transaction, on its thread.
 * Holds two rules, because no caller may ever break them: one that has not ended for each consumer and environment, and
 * one that has ended does not come back.
 */
#include "registry/by_api.h"
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>

#define SUBSCRIPTION_SELECT                                                                                  \
        "SELECT s.id, s.version, s.consumer_id, s.environment_id, s.plan_id, s.state,"                       \
        " c.name, a.name, e.name, p.name, s.started_s, s.created_s, s.updated_s"                             \
        " FROM subscriptions s JOIN consumers c ON c.id = s.consumer_id"                                     \
        " JOIN environments e ON e.id = s.environment_id"                                                    \
        " JOIN apis a ON a.id = e.api_id JOIN plans p ON p.id = s.plan_id "

/*
 * Each list is driven by the filter that its text names first, which has an index in id order; the others are checked on
 * the rows. ?1 after_id, ?2 limit; 0 is "any".
 */
#define FILTERS                                                                                              \
        " AND s.id > ?1 AND (?3 = 0 OR s.consumer_id = ?3) AND (?4 = 0 OR s.environment_id = ?4)"            \
        " AND (?5 = 0 OR s.plan_id = ?5) AND (?6 = 0 OR e.api_id = ?6) ORDER BY s.id LIMIT ?2"

static const char SUBSCRIPTION_INSERT[] = "INSERT INTO subscriptions (consumer_id, environment_id, plan_id, "
                                          "state, started_s, created_s, updated_s)"
                                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) RETURNING id";
static const char SUBSCRIPTION_UPDATE[] =
        "UPDATE subscriptions SET version = version + 1, plan_id = ?3, state = ?4, started_s = ?5, updated_s "
        "= ?6"
        " WHERE id = ?1 AND version = ?2 AND (state <> 4 OR ?4 = 4) RETURNING version";
static const char SUBSCRIPTION_VERSION[] = "SELECT version FROM subscriptions WHERE id = ?1";
static const char SUBSCRIPTION_GET[] = SUBSCRIPTION_SELECT "WHERE s.id = ?1";
static const char SUBSCRIPTION_FIND[] =
        SUBSCRIPTION_SELECT "WHERE s.consumer_id = ?1 AND s.environment_id = ?2 AND s.state <> 4";
static const char SUBSCRIPTION_LIST[] = SUBSCRIPTION_SELECT "WHERE true" FILTERS;
static const char SUBSCRIPTION_LIST_CONSUMER[] = SUBSCRIPTION_SELECT "WHERE s.consumer_id = ?3" FILTERS;
static const char SUBSCRIPTION_LIST_PLAN[] = SUBSCRIPTION_SELECT "WHERE s.plan_id = ?5" FILTERS;
static const char SUBSCRIPTION_LIST_ENVIRONMENT[] = SUBSCRIPTION_SELECT "WHERE s.environment_id = ?4" FILTERS;
static const char SUBSCRIPTION_IDS[] = "SELECT id FROM subscriptions WHERE environment_id = ?1 AND id > ?2"
                                       " AND (?4 = 0 OR state = ?4) ORDER BY id LIMIT ?3";
static const char SUBSCRIPTION_COUNT[] = "SELECT count(*) FROM subscriptions WHERE plan_id = ?1";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_subscription *subscription = record;

        subscription->id = tk_take_u64(query);
        subscription->version = tk_take_u64(query);
        subscription->consumer_id = tk_take_u64(query);
        subscription->environment_id = tk_take_u64(query);
        subscription->plan_id = tk_take_u64(query);
        subscription->state = (enum tk_state)tk_take_i64(query);
        subscription->consumer_name = tk_take_text(query, arena);
        subscription->api_name = tk_take_text(query, arena);
        subscription->environment_name = tk_take_text(query, arena);
        subscription->plan_name = tk_take_text(query, arena);
        subscription->started_s = tk_take_i64(query);
        subscription->created_s = tk_take_i64(query);
        subscription->updated_s = tk_take_i64(query);
}

enum tk_err tk_subscription_create(struct tk_txn *txn, struct tk_subscription *subscription,
                                   const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTION_INSERT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_u64(&query, subscription->consumer_id);
        tk_bind_u64(&query, subscription->environment_id);
        tk_bind_u64(&query, subscription->plan_id);
        tk_bind_i64(&query, subscription->state);
        tk_bind_i64(&query, subscription->started_s);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_number(&query, &subscription->id);
        if (err != TK_OK)
                return err;
        subscription->version = 1;
        subscription->created_s = subscription->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_SUBSCRIPTION, subscription->id, subscription->version, change);
}

enum tk_err tk_subscription_update(struct tk_txn *txn, struct tk_subscription *subscription,
                                   const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTION_UPDATE);
        enum tk_err err;

        tk_bind_u64(&query, subscription->id);
        tk_bind_u64(&query, subscription->version);
        tk_bind_u64(&query, subscription->plan_id);
        tk_bind_i64(&query, subscription->state);
        tk_bind_i64(&query, subscription->started_s);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_update(&query, SUBSCRIPTION_VERSION, subscription->id, &subscription->version);
        if (err != TK_OK)
                return err;
        subscription->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_SUBSCRIPTION, subscription->id, subscription->version, change);
}

enum tk_err tk_subscription_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                                struct tk_subscription *ret_subscription)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTION_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_subscription, arena, ret_subscription);
}

enum tk_err tk_subscription_find(struct tk_txn *txn, uint64_t consumer_id, uint64_t environment_id,
                                 struct tk_arena *arena, struct tk_subscription *ret_subscription)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTION_FIND);

        tk_bind_u64(&query, consumer_id);
        tk_bind_u64(&query, environment_id);
        return tk_query_one(&query, read_row, sizeof *ret_subscription, arena, ret_subscription);
}

static enum tk_err list_by_api(struct tk_txn *txn, uint64_t api_id, struct tk_page page,
                               struct tk_arena *arena, struct tk_subscription **ret_subscriptions,
                               size_t *ret_count)
{
        struct tk_subscription *subscriptions;
        uint64_t *ids;
        size_t count;
        enum tk_err err = tk_ids_by_api(txn, SUBSCRIPTION_IDS, api_id, 0, page, arena, &ids, &count);

        if (err != TK_OK)
                return err;
        subscriptions = tk_arena_alloc(arena, count * sizeof *subscriptions);
        if (subscriptions == NULL)
                return TK_NOMEM;
        for (size_t i = 0; err == TK_OK && i < count; i++)
                err = tk_subscription_get(txn, ids[i], arena, &subscriptions[i]);
        if (err != TK_OK)
                return err;
        *ret_subscriptions = subscriptions;
        *ret_count = count;
        return TK_OK;
}

static const char *list_text(const struct tk_subscription_filter *filter)
{
        if (filter->consumer_id != 0)
                return SUBSCRIPTION_LIST_CONSUMER;
        if (filter->plan_id != 0)
                return SUBSCRIPTION_LIST_PLAN;
        if (filter->environment_id != 0)
                return SUBSCRIPTION_LIST_ENVIRONMENT;
        return SUBSCRIPTION_LIST;
}

enum tk_err tk_subscription_list(struct tk_txn *txn, const struct tk_subscription_filter *filter,
                                 struct tk_page page, struct tk_arena *arena,
                                 struct tk_subscription **ret_subscriptions, size_t *ret_count)
{
        const char *text = list_text(filter);
        struct tk_query query;

        if (text == SUBSCRIPTION_LIST && filter->api_id != 0)
                return list_by_api(txn, filter->api_id, page, arena, ret_subscriptions, ret_count);
        query = tk_query_begin(txn, text);
        tk_bind_page(&query, page);
        tk_bind_u64(&query, filter->consumer_id);
        tk_bind_u64(&query, filter->environment_id);
        tk_bind_u64(&query, filter->plan_id);
        tk_bind_u64(&query, filter->api_id);
        return tk_query_all(&query, read_row, sizeof **ret_subscriptions, arena, (void **)ret_subscriptions,
                            ret_count);
}

enum tk_err tk_subscription_count(struct tk_txn *txn, uint64_t plan_id, uint64_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, SUBSCRIPTION_COUNT);

        tk_bind_u64(&query, plan_id);
        return tk_query_number(&query, ret_count);
}
