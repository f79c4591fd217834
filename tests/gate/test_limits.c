/*
 * Limits in the gate: rates and windows of a key and of its subscription, charged all or none; what a change of limits does to
 * usage; counters. The arithmetic itself is tested with core.
 */
#include "support.h"

#include "core/calendar.h"
#include "gate/publisher.h"
#include "gate/request.h"

#include <string.h>

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

static void test_a_rate_admits_its_burst_and_then_its_rate(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_rate("minute", 60, 60, 10);
        struct test_key key;
        issue(test, &limit, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);

        assert_int_equal(admit_up_to(test, &ask, 20), 10);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_rate_limited);
        assert_int_equal(answer.retry_after_ns, TK_NS_PER_S);
        assert_int_equal(answer.limit_count, 1);
        assert_true(tk_str_equal(answer.limits[0].name, TK_STR("minute")));
        assert_int_equal(answer.limits[0].owner, TK_OWNER_KEY);
        assert_int_equal(answer.limits[0].kind, TK_LIMIT_RATE);
        assert_int_equal(answer.limits[0].limit, 60);
        assert_int_equal(answer.limits[0].burst, 10);
        assert_int_equal(answer.limits[0].window_s, 60);
        assert_int_equal(answer.limits[0].state.remaining, 0);
        assert_int_equal(answer.limits[0].state.reset_ns, 10 * TK_NS_PER_S);
        assert_false(answer.limits[0].state.admitted);

        ask.now_ns += 3 * TK_NS_PER_S;
        assert_int_equal(admit_up_to(test, &ask, 20), 3);
        ask.cost = 11;
        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_rate_limited);
        assert_true(answer.retry_after_ns == TK_NEVER);
}

static void test_a_window_admits_its_limit_a_period(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {test_window("hour", 5, TK_PERIOD_HOUR, 0),
                                        test_window("month", 7, TK_PERIOD_MONTH, 0)};
        struct test_key key;
        issue(test, limits, 2, false, &key);
        struct tk_ask ask = test_ask(test, &key);

        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limits[0].state.remaining, 4);
        assert_int_equal(answer.limits[0].state.reset_ns, 3600 * TK_NS_PER_S);
        assert_int_equal(answer.limits[0].window_s, 3600);
        assert_int_equal(answer.limits[1].state.remaining, 6);
        assert_int_equal(answer.limits[1].window_s, 30 * 86400); /* November */
        assert_int_equal(answer.limits[1].period, TK_PERIOD_MONTH);
        assert_int_equal(admit_up_to(test, &ask, 20), 4);
        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        assert_int_equal(answer.retry_after_ns, 3600 * TK_NS_PER_S);

        ask.now_ns += 3600 * TK_NS_PER_S;
        assert_int_equal(admit_up_to(test, &ask, 20), 2); /* the month is used up */
        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        assert_int_equal(answer.retry_after_ns,
                         (uint64_t)(tk_days_from_civil(2026, 12, 1) * 86400) * TK_NS_PER_S - ask.now_ns);
}

static void test_cost_counts_and_zero_costs_nothing(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {test_window("day", 10, TK_PERIOD_DAY, 0),
                                        test_rate("rate", 10, 1000, 10)};
        struct test_key key;
        issue(test, limits, 2, false, &key);
        struct tk_ask ask = test_ask(test, &key);

        ask.cost = 4;
        assert_int_equal(admit_up_to(test, &ask, 5), 2);
        ask.cost = 0;
        assert_int_equal(admit_up_to(test, &ask, 5), 5);
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[0].state.remaining, 2);
        assert_int_equal(answer.limits[1].state.remaining, 2);
        ask.cost = 2;
        assert_int_equal(admit_up_to(test, &ask, 5), 1);
}

/* Keys share their subscription's limits, and each keeps its own beside them. */
static void test_a_subscription_is_shared_by_its_keys(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def shared = test_window("day", 10, TK_PERIOD_DAY, 0);
        struct tk_limit_def own = test_window("own", 7, TK_PERIOD_DAY, 0);
        struct test_key keys[2];
        struct tk_ask asks[2];
        test_subscription_publish(test, 3, &shared, 1);
        for (uint64_t i = 0; i < 2; i++) {
                test_key_mint(test, 20 + i, &keys[i]);
                keys[i].published.subscription_id = 3;
                keys[i].published.limits = &own;
                keys[i].published.limit_count = 1;
                test_key_publish(test, &keys[i]);
                asks[i] = test_ask(test, &keys[i]);
        }
        assert_int_equal(admit_up_to(test, &asks[0], 20), 7);
        assert_int_equal(admit_up_to(test, &asks[1], 20), 3);

        struct tk_answer answer = test_answer(test, &asks[1]);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        assert_int_equal(answer.subscription_id, 3);
        assert_int_equal(answer.limit_count, 2);
        assert_int_equal(answer.limits[0].owner, TK_OWNER_SUBSCRIPTION);
        assert_int_equal(answer.limits[0].state.remaining, 0);
        assert_int_equal(answer.limits[1].owner, TK_OWNER_KEY);
        assert_int_equal(answer.limits[1].state.remaining, 4);
}

/* One limit refuses: none of the other fifteen is charged. */
static void test_a_refused_request_charges_nothing(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def shared[8], own[8];
        for (unsigned i = 0; i < 8; i++) {
                char name[8] = {'a', (char)('0' + i)};
                shared[i] =
                        i % 2 ? test_rate(name, 100, 1000, 100) : test_window(name, 100, TK_PERIOD_DAY, 0);
                name[0] = 'b';
                own[i] = i % 2 ? test_window(name, 100, TK_PERIOD_MONTH, 0) : test_rate(name, 100, 1000, 100);
        }
        for (unsigned tight = 0; tight < 16; tight++) {
                struct tk_limit_def *limit = tight < 8 ? &shared[tight] : &own[tight - 8];
                struct tk_limit_def wide = *limit;
                struct test_key key;
                *limit = wide.kind == TK_LIMIT_RATE ? test_rate(wide.name, 1, 1000, 1)
                                                    : test_window(wide.name, 1, wide.period, 0);
                test_subscription_publish(test, 100 + tight, shared, 8);
                test_key_mint(test, 100 + tight, &key);
                key.published.subscription_id = 100 + tight;
                key.published.limits = own;
                key.published.limit_count = 8;
                test_key_publish(test, &key);
                struct tk_ask ask = test_ask(test, &key);

                assert_int_equal(admit_up_to(test, &ask, 5), 1);
                struct tk_answer answer = test_answer(test, &ask);
                assert_code(answer.code,
                            wide.kind == TK_LIMIT_RATE ? TK_CODE_rate_limited : TK_CODE_quota_exceeded);
                assert_int_equal(answer.limit_count, 16);
                for (unsigned i = 0; i < 16; i++)
                        assert_int_equal(answer.limits[i].state.remaining, i == tight ? 0 : 99);
                *limit = wide;
        }
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

/* Another request uses up the last unit between look and charge: windows get back what they gave, the rate before may keep it. */
static void test_a_race_that_is_lost_is_refunded(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {test_window("w1", 100, TK_PERIOD_DAY, 0),
                                        test_rate("r1", 100, 1000, 100),
                                        test_window("w2", 100, TK_PERIOD_DAY, 0), test_rate("r2", 5, 1000, 5),
                                        test_rate("r3", 100, 1000, 100)};
        struct test_key key;
        struct tk_request request;
        struct tk_answer answer;
        issue(test, limits, 5, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 4), 4);

        look_only(test, &ask, &request, &answer);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);
        assert_false(tk_request_charge(&request));
        assert_true(request.refused_kinds & 1u << TK_LIMIT_RATE);
        assert_int_equal(answer.retry_after_ns, 200 * TK_NS_PER_S);
        assert_int_equal(answer.refused_by, 4);
        static const uint64_t remaining[] = {95, 94, 95, 0, 95};
        ask.cost = 0;
        answer = test_answer(test, &ask);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(answer.limits[i].state.remaining, remaining[i]);

        /* The same where a window is lost: no rate has been touched. */
        limits[2].limit = 6;
        limits[3].burst = 100;
        test_key_publish(test, &key);
        ask.cost = 1;
        look_only(test, &ask, &request, &answer);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);
        assert_false(tk_request_charge(&request));
        assert_false(request.refused_kinds & 1u << TK_LIMIT_RATE);
        assert_true(request.refused_kinds & 1u << TK_LIMIT_WINDOW);
        static const uint64_t after[] = {94, 93, 0, 94, 94};
        ask.cost = 0;
        answer = test_answer(test, &ask);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(answer.limits[i].state.remaining, after[i]);
}

/*
 * A thread read the clock, and slept while the machine was suspended for an hour. What others have charged since is later than its
 * reading allows for, and was once taken for garbage: 276 units were admitted at once of 150.
 */
static void test_a_thread_that_slept_fills_no_bucket(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_rate("requests", 10, 1000, 10);
        struct test_key key;
        issue(test, &limit, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.now_ns = 0; /* by the clocks */
        assert_int_equal(admit_up_to(test, &ask, 20), 10);

        for (uint64_t cost = 0; cost <= 1; cost++) {
                struct tk_request request;
                struct tk_answer answer;
                struct tk_ask late = ask;
                late.cost = cost;
                tk_request_init(&request, test->gate, &late, &answer);
                if (request.now.boot_ns < 120 * TK_NS_PER_S)
                        skip(); /* the machine has not run for long enough to have slept */
                request.now.boot_ns = 1;
                tk_request_decide(&request);
                assert_code(answer.code, cost ? TK_CODE_rate_limited : TK_CODE_valid);
                assert_true(answer.limits[0].state.remaining < 2);
                assert_code(test_decide(test, &ask), TK_CODE_rate_limited);
        }
}

static void test_the_longest_wait_of_all_that_refuse_is_told(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {test_rate("slow", 1, 100, 1), test_rate("fast", 1, 10, 1),
                                        test_window("hour", 1, TK_PERIOD_HOUR, 0)};
        struct test_key key;
        issue(test, limits, 3, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);

        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_rate_limited); /* it comes first, though the window waits longer */
        assert_int_equal(answer.retry_after_ns, 3600 * TK_NS_PER_S);
        assert_int_equal(answer.refused_by, 3);
        ask.cost = 2; /* none of them ever admits it: the first is told */
        answer = test_answer(test, &ask);
        assert_true(answer.retry_after_ns == TK_NEVER);
        assert_int_equal(answer.refused_by, 1);
        ask.cost = 1;
        ask.now_ns += 10 * TK_NS_PER_S;
        answer = test_answer(test, &ask);
        assert_true(answer.limits[1].state.admitted);
        assert_false(answer.limits[0].state.admitted);
        assert_int_equal(answer.refused_by, 3);
        ask.now_ns += 90 * TK_NS_PER_S;
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
}

/* Periods that begin at the subscription's start, for its own limits and for those of its keys. */
static void test_anchored_windows(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("anchored", 3, TK_PERIOD_DAY, 0);
        limit.anchored = true;
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_NOW_S - 86400 - 3600,
                                                       .limits = &limit,
                                                       .limit_count = 1};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        struct test_key key;
        issue(test, &limit, 1, true, &key);
        struct tk_ask ask = test_ask(test, &key);

        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limits[0].state.reset_ns, (86400 - 3600) * TK_NS_PER_S);
        assert_int_equal(answer.limits[1].state.reset_ns, (86400 - 3600) * TK_NS_PER_S);
        assert_int_equal(admit_up_to(test, &ask, 9), 2);

        /* Another start is another meaning: what was used stays used in the period that runs now. */
        subscription.started_s -= 7200;
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        assert_int_equal(answer.limits[0].state.remaining, 0);
        assert_int_equal(answer.limits[0].state.reset_ns, (86400 - 3 * 3600) * TK_NS_PER_S);
}

/* Subscription 3, of days that begin at 13:00: the day that runs began before midnight. */
static struct tk_publish_subscription afternoon_subscription(void)
{
        return (struct tk_publish_subscription){.id = 3,
                                                .environment_id = TEST_PRODUCTION,
                                                .consumer_id = TEST_CONSUMER,
                                                .started_s = TEST_NOW_S - 10 * 86400 + 3600};
}

/*
 * Between the end of a subscription and the moment when its keys are told, their own limits go on by its days: a key that was judged by
 * UTC days in between would have had its quota twice.
 */
static void test_the_end_of_a_subscription_gives_no_second_quota(void **state)
{
        struct test_gate *test = *state;
        struct tk_publish_subscription subscription = afternoon_subscription();
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        struct tk_limit_def limit = test_window("anchored", 3, TK_PERIOD_DAY, 0);
        limit.anchored = true;
        struct test_key key;
        issue(test, &limit, 1, true, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 9), 3);

        subscription.ended = true;
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        assert_int_equal(admit_up_to(test, &ask, 9), 0);
        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.limits[0].state.remaining, 0);
        assert_int_equal(usage.subscription_id, 0);

        key.published.subscription_id = 0;
        test_key_publish(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 9), 0);
}

/* ---- changes of limits ---- */

/* Requests that are counted while a meter moves are counted on the new one, too. */
static void test_counters_move_with_the_limits(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 3, TK_PERIOD_DAY, 0);
        struct test_key key;
        issue(test, &limit, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 1), 1);

        struct tk_format_key *line = tk_area_at(tk_publisher_area(test->publisher, TK_FILE_KEYS), 17, 1);
        uint32_t policy;
        uint64_t binding;
        struct tk_extent_move move = {.from_anchor_s = 0};
        limit = test_window("other", 3, TK_PERIOD_DAY, 0);
        assert_int_equal(tk_publish_key_policy(test->publisher, &key.published, &policy), TK_OK);
        const struct tk_extent_of of = {.kind = TK_RECORD_KEY_POLICY,
                                        .owner = TK_MOVING(TK_MOVING_KEY, 17),
                                        .home = {TK_FILE_KEY_HOMES, 17},
                                        .binding = line->binding};
        assert_int_equal(tk_extent_prepare(test->publisher, &of, policy, &move, &binding), TK_OK);
        assert_int_equal(admit_up_to(test, &ask, 9), 2); /* seven were refused */
        atomic_store(&line->binding, binding);
        tk_extent_finish(test->publisher, &move);

        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 3);
        assert_int_equal(usage.refused, 7);
}

/* A decider that is past midnight has charged the new day, when the publisher is not there yet. */
static void test_a_move_at_a_period_s_end(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[2] = {test_window("day", 10, TK_PERIOD_DAY, 0),
                                         test_rate("more", 10, 1, 10)};
        struct test_key key;
        issue(test, limits, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 5), 5);
        ask.now_ns = (TEST_NOW_NS / TK_NS_PER_S / 86400 + 1) * 86400 * TK_NS_PER_S + 1;

        for (unsigned charged = 3; charged <= 4; charged++) {
                assert_int_equal(admit_up_to(test, &ask, charged), charged);
                key.published.limits = limits;
                key.published.limit_count = charged == 3 ? 2 : 1;
                test_key_publish(test, &key);
        }
        assert_int_equal(admit_up_to(test, &ask, 10), 10 - 3 - 4);
}

static uint32_t remaining_of(struct test_gate *test, const struct tk_ask *ask, const char *name)
{
        struct tk_ask look = *ask;
        look.cost = 0;
        struct tk_answer answer = test_answer(test, &look);
        for (uint32_t i = 0; i < answer.limit_count; i++)
                if (tk_str_equal(answer.limits[i].name, tk_str_from(name)))
                        return (uint32_t)answer.limits[i].state.remaining;
        fail_msg("no limit %s", name);
        return 0;
}

static uint64_t meter_lines(const struct test_gate *test)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(test->publisher, &stats);
        return stats.meter_lines;
}

static void test_amounts_change_in_place(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {test_window("day", 10, TK_PERIOD_DAY, 0),
                                        test_rate("rate", 10, 1000, 10)};
        struct test_key key;
        issue(test, limits, 2, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        uint64_t lines = meter_lines(test);
        assert_int_equal(admit_up_to(test, &ask, 4), 4);

        limits[0].limit = 20;
        limits[1].burst = 30;
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "day"), 16);
        assert_int_equal(remaining_of(test, &ask, "rate"), 26);
        limits[0].limit = 3; /* less than is used */
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "day"), 0);
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
        limits[0].limit = 5;
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "day"), 1);
        assert_int_equal(meter_lines(test), lines);
}

/* Limits come, go and change places: those that stay keep their usage, in another extent. */
static void test_usage_follows_a_limit_to_another_slot(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def before[] = {test_window("day", 100, TK_PERIOD_DAY, 0),
                                        test_rate("rate", 50, 1000, 50),
                                        test_window("gone", 100, TK_PERIOD_DAY, 0)};
        struct tk_limit_def after[] = {test_rate("new", 10, 1000, 10), test_rate("rate", 50, 1000, 50),
                                       test_window("n1", 9, TK_PERIOD_DAY, 0),
                                       test_window("n2", 9, TK_PERIOD_DAY, 0),
                                       test_window("day", 200, TK_PERIOD_DAY, 0)};
        struct test_key key;
        issue(test, before, 3, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        uint64_t lines = meter_lines(test);
        assert_int_equal(admit_up_to(test, &ask, 30), 30);

        key.published.limits = after;
        key.published.limit_count = 5;
        test_key_publish(test, &key);
        assert_int_equal(meter_lines(test), lines + 2);
        ask.now_ns = tk_gate_now_ns(test->gate); /* the publisher moves usage at gate time */
        assert_int_equal(remaining_of(test, &ask, "day"), 170);
        assert_int_equal(remaining_of(test, &ask, "rate"), 20);
        assert_int_equal(remaining_of(test, &ask, "new"), 10);
        assert_int_equal(remaining_of(test, &ask, "n1"), 9);

        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 30 + 4); /* the looks at `remaining` count as requests */
        assert_in_range(usage.last_used_s, TEST_NOW_S, TEST_NOW_S + 60);
}

/* A rate's ticks differ from plan to plan; what is used is kept in units, and never more than the new burst. */
static void test_a_rate_keeps_its_usage_in_units(void **state)
{
        struct test_gate *test = *state;
        static const struct {
                uint64_t limit;
                int64_t length_s;
                uint64_t burst, remaining;
        } steps[] = {
                {100, 3600, 100, 40},    /* 60 used */
                {1000, 3600, 1000, 940}, /* up */
                {7, 60, 80, 20},         /* other ticks */
                {1000000, 1, 1000000, 999940},
                {3, 86400, 10, 0},    /* more used than it holds: empty, not in debt */
                {100, 3600, 100, 90}, /* so 10 units are all that is owed */
        };
        struct tk_limit_def limit = test_rate("rate", steps[0].limit, steps[0].length_s, steps[0].burst);
        struct test_key key;
        issue(test, &limit, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.now_ns = tk_gate_now_ns(test->gate); /* the publisher moves usage at gate time */
        assert_int_equal(admit_up_to(test, &ask, 60), 60);

        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
                limit = test_rate("rate", steps[i].limit, steps[i].length_s, steps[i].burst);
                test_key_publish(test, &key);
                ask.now_ns = tk_gate_now_ns(test->gate);
                uint32_t remaining = remaining_of(test, &ask, "rate");
                /* A fast rate regains some between the two clocks. */
                assert_in_range(remaining, steps[i].remaining,
                                steps[i].limit == 1000000 ? 1000000 : steps[i].remaining + 1);
                if (steps[i].limit == 1000000) {
                        ask.cost = remaining - 900000;
                        assert_code(test_decide(test, &ask), TK_CODE_valid);
                        ask.cost = 1;
                }
        }
}

static void test_a_window_keeps_its_usage_in_another_period(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("w", 100, TK_PERIOD_DAY, 0);
        struct test_key key;
        issue(test, &limit, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 30), 30);

        limit = test_window("w", 500, TK_PERIOD_MONTH, 0);
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "w"), 470);
        limit = test_window("w", 10, TK_PERIOD_FIXED, 7200);
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "w"), 0);
        limit = test_window("w", 40, TK_PERIOD_HOUR, 0);
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "w"), 10); /* 30 used, though 10 was the limit in between */

        /* The next day nothing is left of it. */
        tk_publisher_tick(test->publisher, TEST_NOW_NS + 86400 * TK_NS_PER_S, 0);
        assert_true(tk_publisher_confirm_time(test->publisher));
        ask.now_ns += 86400 * TK_NS_PER_S;
        limit = test_window("w", 100, TK_PERIOD_DAY, 0);
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "w"), 100);
}

static void test_a_kind_or_a_name_makes_another_limit(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("a", 10, TK_PERIOD_DAY, 0);
        struct test_key key;
        issue(test, &limit, 1, false, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 10), 10);

        limit = test_rate("a", 10, 1000, 10);
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "a"), 10);
        assert_int_equal(admit_up_to(test, &ask, 10), 10);
        limit = test_rate("b", 10, 1000, 10);
        test_key_publish(test, &key);
        assert_int_equal(remaining_of(test, &ask, "b"), 10);
}

static void test_publishing_the_same_again_changes_nothing(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0);
        struct tk_publisher_stats before, after;
        test_subscription_publish(test, 3, &limit, 1);
        struct test_key key;
        issue(test, &limit, 1, true, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_int_equal(admit_up_to(test, &ask, 4), 4);

        tk_publisher_stats(test->publisher, &before);
        test_subscription_publish(test, 3, &limit, 1);
        test_key_publish(test, &key);
        tk_publisher_stats(test->publisher, &after);
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(remaining_of(test, &ask, "day"), 6);
}

/* ---- usage ---- */

static void test_usage_of_keys_and_subscriptions(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def shared = test_window("day", 3, TK_PERIOD_DAY, 0),
                            own = test_rate("r", 9, 3600, 9);
        struct tk_usage usage;
        test_subscription_publish(test, 3, &shared, 1);
        struct test_key key;
        issue(test, &own, 1, true, &key);

        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted + usage.refused, 0);
        assert_int_equal(usage.last_used_s, 0);
        struct tk_ask ask = test_ask(test, &key);
        ask.now_ns = 0;
        assert_int_equal(admit_up_to(test, &ask, 5), 3);
        ask.environment = 0;
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);

        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 3);
        assert_int_equal(usage.refused, 3);
        assert_int_equal(usage.subscription_id, 3);
        assert_int_equal(usage.limit_count, 1);
        assert_int_equal(usage.limits[0].state.remaining, 6);
        assert_int_equal(tk_gate_subscription_usage(test->gate, 3, &usage), TK_OK);
        assert_int_equal(usage.admitted, 3);
        assert_int_equal(usage.refused, 3);
        assert_int_equal(usage.limits[0].owner, TK_OWNER_SUBSCRIPTION);
        assert_int_equal(usage.limits[0].state.remaining, 0);

        static const uint64_t absent[] = {0, 16, 18, 5000, UINT64_MAX};
        for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
                assert_int_equal(tk_gate_key_usage(test->gate, absent[i], &usage), TK_NOT_FOUND);
                assert_int_equal(tk_gate_subscription_usage(test->gate, absent[i], &usage), TK_NOT_FOUND);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_rate_admits_its_burst_and_then_its_rate),
                TEST(test_a_window_admits_its_limit_a_period),
                TEST(test_cost_counts_and_zero_costs_nothing),
                TEST(test_a_subscription_is_shared_by_its_keys),
                TEST(test_a_refused_request_charges_nothing),
                TEST(test_a_race_that_is_lost_is_refunded),
                TEST(test_a_thread_that_slept_fills_no_bucket),
                TEST(test_the_longest_wait_of_all_that_refuse_is_told),
                TEST(test_anchored_windows),
                TEST(test_the_end_of_a_subscription_gives_no_second_quota),
                TEST(test_counters_move_with_the_limits),
                TEST(test_a_move_at_a_period_s_end),
                TEST(test_amounts_change_in_place),
                TEST(test_usage_follows_a_limit_to_another_slot),
                TEST(test_a_rate_keeps_its_usage_in_units),
                TEST(test_a_window_keeps_its_usage_in_another_period),
                TEST(test_a_kind_or_a_name_makes_another_limit),
                TEST(test_publishing_the_same_again_changes_nothing),
                TEST(test_usage_of_keys_and_subscriptions),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
