/*
 * Limits that are not enforced: counted with what is admitted, told, refusing nothing; and the code of a request that several refuse.
 */
#include "support.h"

#include "gate/request.h"

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

/* Key 17 with these limits of its own, bound to subscription 3 if `subscribed`. */
static void issue(struct test_gate *test, const struct tk_limit_def *limits, uint32_t count, bool subscribed,
                  struct test_key *ret_key)
{
        test_key_mint(test, 17, ret_key);
        ret_key->published.limits = limits;
        ret_key->published.limit_count = count;
        ret_key->published.subscription_id = subscribed ? 3 : 0;
        test_key_publish(test, ret_key);
}

static uint32_t admit_up_to(struct test_gate *test, const struct tk_ask *ask, uint32_t tries)
{
        uint32_t admitted = 0;
        for (uint32_t i = 0; i < tries; i++)
                admitted += test_decide(test, ask) == TK_CODE_valid;
        return admitted;
}

/* Up to the charge: every check has passed. */
static void look_only(struct test_gate *test, const struct tk_ask *ask, struct tk_request *request,
                      struct tk_answer *answer)
{
        tk_request_init(request, test->gate, ask, answer);
#define X(code, check, describe) assert_true(check(request));
        TK_CHECKS(X)
#undef X
}

/* ---- limits that are not enforced ---- */

static struct tk_limit_def shadowed(struct tk_limit_def def)
{
        def.shadow = true;
        return def;
}

/* A shadow limit refuses nobody, says when it would have, and is charged with what it would have admitted. */
static void test_a_shadow_limit_counts_and_refuses_nothing(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {shadowed(test_window("day", 3, TK_PERIOD_DAY, 0)),
                                        shadowed(test_rate("rate", 2, 1000, 2)),
                                        test_window("real", 6, TK_PERIOD_DAY, 0)};
        struct test_key key;
        issue(test, limits, 3, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        static const struct {
                uint64_t cost;
                bool shadow_refused;
                uint64_t day, rate, real;
                enum tk_code code;
        } steps[] = {
                {1, false, 2, 1, 5, TK_CODE_valid},
                {2, true, 0, 1, 3, TK_CODE_valid}, /* too much for the rate, not for the day */
                {1, true, 0, 0, 2, TK_CODE_valid},
                {0, false, 0, 0, 2, TK_CODE_valid},
                {3, true, 0, 0, 2, TK_CODE_quota_exceeded},
                {2, true, 0, 0, 0, TK_CODE_valid},
        };
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
                ask.cost = steps[i].cost;
                struct tk_answer answer = test_answer(test, &ask);
                assert_code(answer.code, steps[i].code);
                assert_int_equal(answer.shadow_refused, steps[i].shadow_refused);
                assert_true(answer.limits[0].shadow && answer.limits[1].shadow && !answer.limits[2].shadow);
                assert_int_equal(answer.limits[0].state.remaining, steps[i].day);
                assert_int_equal(answer.limits[1].state.remaining, steps[i].rate);
                assert_int_equal(answer.limits[2].state.remaining, steps[i].real);
                bool refused = steps[i].code != TK_CODE_valid;
                assert_int_equal(answer.refused_by, refused ? 3 : 0);
                assert_int_equal(answer.retry_after_ns, refused ? 12 * 3600 * TK_NS_PER_S : 0);
        }
}

/* Whoever waits longest for a limit that is not enforced waits for nothing. */
static void test_a_shadow_limit_is_never_waited_for(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {shadowed(test_window("month", 0, TK_PERIOD_MONTH, 0)),
                                        test_rate("rate", 1, 100, 1),
                                        shadowed(test_rate("slow", 1, 100000, 1))};
        struct test_key key;
        issue(test, limits, 3, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_rate_limited);
        assert_int_equal(answer.refused_by, 2);
        assert_int_equal(answer.retry_after_ns, 100 * TK_NS_PER_S);
        assert_true(answer.shadow_refused);
}

/* Enforced limits lose a race between look and charge: nothing was charged to those that are not, be they rates that keep what they get. */
static void test_a_lost_race_charges_no_shadow_limit(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {shadowed(test_window("w", 100, TK_PERIOD_DAY, 0)),
                                        shadowed(test_rate("r", 100, 1000, 100)),
                                        test_rate("real", 5, 1000, 5)};
        struct test_key key;
        struct tk_request request;
        struct tk_answer answer;
        issue(test, limits, 3, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 4), 4);
        look_only(test, &ask, &request, &answer);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);
        assert_false(tk_request_charge(&request));
        ask.cost = 0;
        answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[0].state.remaining, 95);
        assert_int_equal(answer.limits[1].state.remaining, 95);
}

/* A shadow limit that loses the race refuses nothing; it only says that it would have. */
static void test_a_shadow_limit_that_loses_a_race(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {shadowed(test_window("w", 5, TK_PERIOD_DAY, 0)),
                                        test_window("real", 100, TK_PERIOD_DAY, 0)};
        struct test_key key;
        struct tk_request request;
        struct tk_answer answer;
        issue(test, limits, 2, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 4), 4);
        look_only(test, &ask, &request, &answer);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);
        assert_false(answer.shadow_refused);
        assert_true(tk_request_charge(&request));
        assert_true(answer.shadow_refused);
        assert_int_equal(answer.refused_by, 0);
        ask.cost = 0;
        answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[0].state.remaining, 0);
        assert_int_equal(answer.limits[1].state.remaining, 94);
}

/* Two of credits, window and rate refuse: the code is that of the first in DESIGN.md section 5, whichever waits longer. */
static void test_the_order_of_the_codes(void **state)
{
        struct test_gate *test = *state;
        for (unsigned refusing = 1; refusing < 8; refusing++) {
                struct tk_limit_def limits[] = {
                        {.kind = TK_LIMIT_CREDITS, .name = "prepaid"},
                        test_window("day", refusing & 2 ? 0 : 9, TK_PERIOD_DAY, 0),
                        test_rate("rate", 9, 10, refusing & 1 ? 1 : 9),
                };
                struct tk_publish_subscription subscription = {
                        .id = 3,
                        .environment_id = TEST_PRODUCTION,
                        .consumer_id = TEST_CONSUMER,
                        .started_s = TEST_STARTED_S,
                        .limits = limits,
                        .limit_count = 3,
                        .credits = {.granted = refusing & 4 ? 1 : 9},
                };
                assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
                struct test_key key;
                issue(test, NULL, 0, true, &key);
                struct tk_ask ask = test_ask(test, &key);
                ask.cost = 2;
                assert_code(test_decide(test, &ask), refusing & 1   ? TK_CODE_rate_limited
                                                     : refusing & 2 ? TK_CODE_quota_exceeded
                                                                    : TK_CODE_credits_exhausted);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_shadow_limit_counts_and_refuses_nothing),
                TEST(test_a_shadow_limit_is_never_waited_for),
                TEST(test_a_lost_race_charges_no_shadow_limit),
                TEST(test_a_shadow_limit_that_loses_a_race),
                TEST(test_the_order_of_the_codes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
