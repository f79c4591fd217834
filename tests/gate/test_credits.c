/*
 * Prepaid credits in the gate: published with a subscription, spent by all its keys, refused as such when they are used up. The
 * arithmetic itself is tested with core; publishing at every instruction in test_interleave.c.
 */
#include "support.h"

#include "gate/publisher.h"
#include "gate/request.h"

#include <string.h>

static const struct tk_limit_def prepaid = {.kind = TK_LIMIT_CREDITS, .name = "prepaid"};

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

/* Subscription 3 with the limit `prepaid` and, if asked, others behind it. */
static struct tk_publish_subscription subscription_of(const struct tk_limit_def *limits, uint32_t count,
                                                      struct tk_publish_credits credits)
{
        return (struct tk_publish_subscription){.id = 3,
                                                .environment_id = TEST_PRODUCTION,
                                                .consumer_id = TEST_CONSUMER,
                                                .started_s = TEST_STARTED_S,
                                                .limits = limits,
                                                .limit_count = count,
                                                .credits = credits};
}

static void publish(struct test_gate *test, struct tk_publish_credits credits)
{
        struct tk_publish_subscription subscription = subscription_of(&prepaid, 1, credits);
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
}

static struct tk_ask subscribed_ask(struct test_gate *test, uint64_t id)
{
        static struct test_key key;
        test_key_mint(test, id, &key);
        key.published.subscription_id = 3;
        test_key_publish(test, &key);
        return test_ask(test, &key);
}

static uint64_t left(struct test_gate *test, struct tk_ask ask)
{
        ask.cost = 0;
        return test_answer(test, &ask).limits[0].state.remaining;
}

static void test_credits_are_spent_and_then_refused(void **state)
{
        struct test_gate *test = *state;
        publish(test, (struct tk_publish_credits){.granted = 10});
        struct tk_ask ask = subscribed_ask(test, 17);
        ask.cost = 4;

        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limit_count, 1);
        assert_true(tk_str_equal(answer.limits[0].name, TK_STR("prepaid")));
        assert_int_equal(answer.limits[0].kind, TK_LIMIT_CREDITS);
        assert_int_equal(answer.limits[0].owner, TK_OWNER_SUBSCRIPTION);
        assert_int_equal(answer.limits[0].limit, 10);
        assert_int_equal(answer.limits[0].state.remaining, 6);
        assert_true(answer.limits[0].state.reset_ns == TK_NEVER);
        assert_code(test_decide(test, &ask), TK_CODE_valid);

        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_credits_exhausted);
        assert_int_equal(tk_code_http_status(answer.code), 402);
        assert_true(answer.retry_after_ns == TK_NEVER);
        assert_int_equal(answer.refused_by, 1);
        assert_int_equal(answer.limits[0].state.remaining, 2);
        ask.cost = 2;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask.cost = 0;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(left(test, ask), 0);
}

/* A top-up that is published twice, or in pieces, is granted once; and nothing of it is written to the meter. */
static void test_a_top_up_counts_once(void **state)
{
        struct test_gate *test = *state;
        publish(test, (struct tk_publish_credits){.granted = 10});
        struct tk_ask ask = subscribed_ask(test, 17);
        ask.cost = 10;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        for (unsigned i = 0; i < 3; i++)
                publish(test, (struct tk_publish_credits){.granted = 25});
        assert_int_equal(left(test, ask), 15);
        ask.cost = 16;
        assert_code(test_decide(test, &ask), TK_CODE_credits_exhausted);
        ask.cost = 15;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(left(test, ask), 0);
}

/* What is left of a grant is gone at its second, also while the daemon is down; spent units of it are no loss. */
static void test_grants_expire_without_a_daemon(void **state)
{
        struct test_gate *test = *state;
        publish(test, (struct tk_publish_credits){
                              .granted = 30, .gone = 0, .gone_next = 20, .expiry_s = TEST_NOW_S + 100});
        struct tk_ask ask = subscribed_ask(test, 17);
        ask.cost = 5;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        tk_publisher_close(test->publisher);
        test->publisher = NULL;

        ask.now_ns += 100 * TK_NS_PER_S - 1;
        assert_int_equal(left(test, ask), 25);
        ask.now_ns++;
        assert_int_equal(left(test, ask), 10);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(left(test, ask), 5);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_code(test_decide(test, &ask), TK_CODE_credits_exhausted);
}

static void test_the_keys_of_a_subscription_share_its_credits(void **state)
{
        struct test_gate *test = *state;
        publish(test, (struct tk_publish_credits){.granted = 3});
        struct test_key keys[2];
        uint32_t admitted = 0;
        for (uint64_t i = 0; i < 2; i++) {
                test_key_mint(test, 30 + i, &keys[i]);
                keys[i].published.subscription_id = 3;
                test_key_publish(test, &keys[i]);
        }
        for (unsigned i = 0; i < 8; i++) {
                struct tk_ask ask = test_ask(test, &keys[i % 2]);
                admitted += test_decide(test, &ask) == TK_CODE_valid;
        }
        assert_int_equal(admitted, 3);
        struct tk_usage usage;
        assert_int_equal(tk_gate_subscription_usage(test->gate, 3, &usage), TK_OK);
        assert_int_equal(usage.limits[0].kind, TK_LIMIT_CREDITS);
        assert_int_equal(usage.limits[0].limit, 3);
        assert_int_equal(usage.limits[0].state.remaining, 0);
}

/* Spent stays spent when limits are added, so that the meter moves. */
static void test_credits_keep_their_usage_when_the_plan_changes(void **state)
{
        struct test_gate *test = *state;
        publish(test, (struct tk_publish_credits){.granted = 100});
        struct tk_ask ask = subscribed_ask(test, 17);
        ask.cost = 30;
        assert_code(test_decide(test, &ask), TK_CODE_valid);

        struct tk_limit_def limits[] = {prepaid, test_window("day", 1000, TK_PERIOD_DAY, 0),
                                        test_window("hour", 1000, TK_PERIOD_HOUR, 0),
                                        test_rate("fast", 1000, 1, 1000),
                                        test_rate("slow", 1000, 3600, 1000)};
        struct tk_publish_subscription subscription =
                subscription_of(limits, 5, (struct tk_publish_credits){.granted = 100});
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        assert_int_equal(left(test, ask), 70);
}

/* All or none: what is refused for want of credits charges no window and no rate, and the other way round. */
static void test_refusals_charge_nothing(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {prepaid, test_window("day", 8, TK_PERIOD_DAY, 0),
                                        test_rate("rate", 6, 1000, 6)};
        struct tk_publish_subscription subscription =
                subscription_of(limits, 3, (struct tk_publish_credits){.granted = 4});
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        struct tk_ask ask = subscribed_ask(test, 17);
        static const struct {
                uint64_t cost;
                enum tk_code code;
        } refused[] = {
                {5, TK_CODE_credits_exhausted}, /* only the credits are too few */
                {7, TK_CODE_rate_limited},      /* too few and too fast: as DESIGN.md section 5 orders them */
                {9, TK_CODE_rate_limited},      /* all three */
                {TK_LIMIT_COST_MAX, TK_CODE_rate_limited},
                {TK_LIMIT_COST_MAX + 1, TK_CODE_unavailable},
        };
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                ask.cost = refused[i].cost;
                assert_code(test_decide(test, &ask), refused[i].code);
        }
        limits[2].burst = 100;
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        ask.cost = 9;
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded); /* before the credits */

        ask.cost = 0;
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[0].state.remaining, 4);
        assert_int_equal(answer.limits[1].state.remaining, 8);
        assert_int_equal(answer.limits[2].state.remaining, 100);
}

static void test_credits_are_of_subscriptions_alone(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.limits = &prepaid;
        key.published.limit_count = 1;
        assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_INVALID);
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1"),
                                         .limits = &prepaid,
                                         .limit_count = 1};
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_INVALID);

        test_key_issue(test, 18, &key);
        struct tk_named_limit named = {TK_STR("alice"), &prepaid};
        struct tk_ask ask = test_ask(test, &key);
        ask.named = &named;
        ask.named_count = 1;
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
}

/* A key's policy that a damaged file makes one of credits is none. */
static void test_a_policy_of_credits_on_a_key_is_damage(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 5, TK_PERIOD_DAY, 0);
        test_key_mint(test, 17, &key);
        key.published.limits = &limit;
        key.published.limit_count = 1;
        test_key_publish(test, &key);
        struct tk_format_key *line = tk_area_at(tk_publisher_area(test->publisher, TK_FILE_KEYS), 17, 1);
        struct tk_policy_view view;
        assert_true(tk_policy_view(tk_publisher_area(test->publisher, TK_FILE_POLICY),
                                   tk_pair_low(line->binding), TK_RECORD_KEY_POLICY, &view));
        ((struct tk_format_limit *)view.limits)->kind = TK_LIMIT_CREDITS;
        struct tk_ask ask = test_ask(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
}

static void test_what_is_no_state_of_credits_is_refused(void **state)
{
        struct test_gate *test = *state;
        static const struct tk_publish_credits bad[] = {
                {.granted = TK_LIMIT_CREDITS_MAX + 1},
                {.granted = 5, .gone = 6},
                {.granted = 5, .gone = 2, .gone_next = 1, .expiry_s = TEST_NOW_S},
                {.granted = 5, .gone = 2, .gone_next = 6, .expiry_s = TEST_NOW_S},
                {.granted = 5, .expiry_s = -1},
        };
        publish(test, (struct tk_publish_credits){.granted = 7});
        struct tk_ask ask = subscribed_ask(test, 17);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct tk_publish_subscription subscription = subscription_of(&prepaid, 1, bad[i]);
                assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_INVALID);
        }
        assert_int_equal(left(test, ask), 7);
        publish(test, (struct tk_publish_credits){.granted = TK_LIMIT_CREDITS_MAX});
        assert_true(left(test, ask) == TK_LIMIT_CREDITS_MAX);

        /* Above what anyone may be granted a word is damaged: it grants nothing. */
        struct tk_format_subscription *line =
                tk_area_at(tk_publisher_area(test->publisher, TK_FILE_SUBSCRIPTIONS), 3, 1);
        atomic_store(&line->credits_granted, TK_LIMIT_CREDITS_MAX + 1);
        assert_code(test_decide(test, &ask), TK_CODE_credits_exhausted);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_credits_are_spent_and_then_refused),
                TEST(test_a_top_up_counts_once),
                TEST(test_grants_expire_without_a_daemon),
                TEST(test_the_keys_of_a_subscription_share_its_credits),
                TEST(test_credits_keep_their_usage_when_the_plan_changes),
                TEST(test_refusals_charge_nothing),
                TEST(test_credits_are_of_subscriptions_alone),
                TEST(test_a_policy_of_credits_on_a_key_is_damage),
                TEST(test_what_is_no_state_of_credits_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
