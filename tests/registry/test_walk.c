/*
 * The contract of walks, on whatever engine: each row once and in order, as the other calls tell it; a visitor may end one.
 */
#include "fixture.h"

#include "registry/walk.h"

#include <string.h>

#define KEYS 30

struct crowd {
        struct world world;
        struct tk_consumer other;
        struct tk_key keys[KEYS]; /* every third of the other consumer */
};

static enum tk_err make_crowd(struct fixture *f, struct tk_txn *txn, struct crowd *crowd)
{
        static const struct tk_str scopes[] = {TK_STR("forecast:read"), TK_STR("map:*")};
        enum tk_err err = TK_OK;

        crowd->other = (struct tk_consumer){
                .state = TK_STATE_SUSPENDED, .name = TK_STR("other"), .metadata = TK_STR("{}")};
        err = tk_consumer_create(txn, &crowd->other, &f->change);
        for (unsigned i = 0; err == TK_OK && i < KEYS; i++) {
                struct tk_key *key = &crowd->keys[i];

                *key = fixture_key(&crowd->world, (uint8_t)i);
                key->state = (enum tk_state)(1 + i % 3);
                key->foreign = i % 5 == 0;
                key->generation = (uint16_t)i;
                key->pepper_version = (uint8_t)(i % 16);
                key->not_before_s = i;
                key->expires_s = 2 * NOW_S + i;
                memcpy(key->scopes, scopes, sizeof scopes);
                key->scope_count = i % 3;
                if (i % 3 == 2)
                        key->consumer_id = crowd->other.id;
                err = fixture_key_create(txn, key, &f->change);
        }
        return err;
}

/* What a walk over keys has met. */
struct walk {
        struct fixture *f;
        const struct crowd *crowd;
        uint64_t only_consumer;
        unsigned next, met;
        unsigned end_after; /* 0: never */
};

static enum tk_err meet_key(const struct tk_key_row *row, void *context)
{
        struct walk *walk = context;
        const struct tk_key *expected;
        struct tk_str scopes[TK_KEY_SCOPES_MAX];
        uint32_t scope_count;

        while (walk->only_consumer != 0 && walk->crowd->keys[walk->next].consumer_id != walk->only_consumer)
                walk->next++;
        expected = &walk->crowd->keys[walk->next++];
        assert_int_equal(row->id, expected->id);
        assert_int_equal(row->environment_id, expected->environment_id);
        assert_int_equal(row->consumer_id, expected->consumer_id);
        assert_int_equal(row->state, expected->state);
        assert_int_equal(row->generation, expected->generation);
        assert_int_equal(row->pepper_version, expected->pepper_version);
        assert_int_equal(row->foreign, expected->foreign);
        assert_memory_equal(&row->digest, &expected->digest, sizeof row->digest);
        assert_int_equal(row->not_before_s, expected->not_before_s);
        assert_int_equal(row->expires_s, expected->expires_s);
        assert_str(row->limits, TK_STR("[]"));
        assert_str(row->restrictions, TK_STR("{}"));
        assert_err(tk_scopes_decode(row->scopes, &walk->f->arena, scopes, &scope_count), TK_OK);
        assert_int_equal(scope_count, expected->scope_count);
        return ++walk->met == walk->end_after ? TK_STALE : TK_OK;
}

static void keys_are_walked_in_order(void **state)
{
        struct fixture *f = *state;
        struct crowd crowd;
        struct walk all, some, one;

        fixture_world(f, &crowd.world);
        assert_err(WRITE(f, make_crowd(f, txn, &crowd)), TK_OK);
        all = some = one = (struct walk){.f = f, .crowd = &crowd};
        assert_err(READ(f, tk_key_walk(txn, meet_key, &all)), TK_OK);
        assert_int_equal(all.met, KEYS);

        some.only_consumer = crowd.other.id;
        assert_err(READ(f, tk_key_walk_consumer(txn, crowd.other.id, 0, meet_key, &some)), TK_OK);
        assert_int_equal(some.met, KEYS / 3);
        assert_err(READ(f, tk_key_walk_consumer(txn, crowd.other.id, crowd.world.environment.id + 1, meet_key,
                                                &some)),
                   TK_OK);
        assert_int_equal(some.met, KEYS / 3);

        one.next = 7;
        assert_err(READ(f, tk_key_walk_one(txn, crowd.keys[7].id, meet_key, &one)), TK_OK);
        assert_int_equal(one.met, 1);
        assert_err(READ(f, tk_key_walk_one(txn, 1000, meet_key, &one)), TK_NOT_FOUND);
}

/* Its error is the walk's, and no reason to give the transaction up. */
static enum tk_err end_one_and_walk_on(struct tk_txn *txn, struct walk *walk)
{
        walk->end_after = 3;
        assert_err(tk_key_walk(txn, meet_key, walk), TK_STALE);
        assert_int_equal(walk->met, 3);
        walk->next = walk->met = walk->end_after = 0;
        return tk_key_walk(txn, meet_key, walk);
}

static void a_visitor_ends_a_walk(void **state)
{
        struct fixture *f = *state;
        struct crowd crowd;
        struct walk walk = {.f = f, .crowd = &crowd};

        fixture_world(f, &crowd.world);
        assert_err(WRITE(f, make_crowd(f, txn, &crowd)), TK_OK);
        assert_err(READ(f, end_one_and_walk_on(txn, &walk)), TK_OK);
        assert_int_equal(walk.met, KEYS);
}

static enum tk_err meet_consumer(const struct tk_consumer_row *row, void *context)
{
        struct walk *walk = context;

        assert_int_equal(row->id, walk->met + 1);
        assert_str(row->name, walk->met == 0 ? walk->crowd->world.consumer.name : TK_STR("other"));
        assert_int_equal(row->state, walk->met == 0 ? TK_STATE_ACTIVE : TK_STATE_SUSPENDED);
        walk->met++;
        return TK_OK;
}

static void consumers_are_walked_in_order(void **state)
{
        struct fixture *f = *state;
        struct crowd crowd;
        struct walk walk = {.f = f, .crowd = &crowd};

        fixture_world(f, &crowd.world);
        assert_err(WRITE(f, make_crowd(f, txn, &crowd)), TK_OK);
        assert_err(READ(f, tk_consumer_walk(txn, meet_consumer, &walk)), TK_OK);
        assert_int_equal(walk.met, 2);
}

static enum tk_err meet_subscription(const struct tk_subscription_row *row, void *context)
{
        struct tk_subscription_row *met = context;
        struct tk_limit_def limits[TK_LIMITS_MAX];
        uint32_t count;

        assert_true(row->id > met->id);
        *met = *row;
        assert_err(tk_limits_decode(row->limits, limits, &count), TK_OK);
        assert_int_equal(count, 1);
        assert_int_equal(limits[0].limit, 77);
        return TK_OK;
}

static enum tk_err subscribe(struct fixture *f, struct tk_txn *txn, struct crowd *crowd,
                             struct tk_subscription *ret_subscription)
{
        struct tk_plan *plan = &crowd->world.plan;
        enum tk_err err;

        plan->limits[0] = (struct tk_limit_def){
                .kind = TK_LIMIT_WINDOW, .period = TK_PERIOD_DAY, .limit = 77, .name = "daily"};
        plan->limit_count = 1;
        err = tk_plan_update(txn, plan, &f->change);
        *ret_subscription = (struct tk_subscription){.consumer_id = crowd->other.id,
                                                     .environment_id = crowd->world.environment.id,
                                                     .plan_id = plan->id,
                                                     .state = TK_STATE_SUSPENDED,
                                                     .started_s = 12345};
        return err == TK_OK ? tk_subscription_create(txn, ret_subscription, &f->change) : err;
}

static void subscriptions_are_walked_with_their_plans_limits(void **state)
{
        struct fixture *f = *state;
        struct crowd crowd;
        struct tk_subscription made;
        struct tk_subscription_row all = {0}, on_plan = {0}, one = {0}, none = {0};

        fixture_world(f, &crowd.world);
        assert_err(WRITE(f, make_crowd(f, txn, &crowd)), TK_OK);
        assert_err(WRITE(f, subscribe(f, txn, &crowd, &made)), TK_OK);
        assert_err(READ(f, tk_subscription_walk(txn, meet_subscription, &all)), TK_OK);
        assert_err(READ(f, tk_subscription_walk_plan(txn, made.plan_id, meet_subscription, &on_plan)), TK_OK);
        assert_err(READ(f, tk_subscription_walk_one(txn, made.id, meet_subscription, &one)), TK_OK);
        assert_err(READ(f, tk_subscription_walk_plan(txn, made.plan_id + 1, meet_subscription, &none)),
                   TK_OK);
        assert_err(READ(f, tk_subscription_walk_one(txn, made.id + 1, meet_subscription, &none)),
                   TK_NOT_FOUND);
        assert_int_equal(none.id, 0);
        assert_int_equal(all.id, made.id);
        assert_int_equal(on_plan.id, made.id);
        assert_int_equal(one.consumer_id, made.consumer_id);
        assert_int_equal(one.environment_id, made.environment_id);
        assert_int_equal(one.state, TK_STATE_SUSPENDED);
        assert_int_equal(one.started_s, 12345);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(keys_are_walked_in_order),
                CASE(a_visitor_ends_a_walk),
                CASE(consumers_are_walked_in_order),
                CASE(subscriptions_are_walked_with_their_plans_limits),
        };

        return cmocka_run_group_tests_name("registry walk", tests, NULL, NULL);
}
