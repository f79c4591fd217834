/*
 * Rate limits: the tk_rate functions of core/limit.h. The oracle is a bucket of units kept as an exact
 * fraction, filled by the time that passes: another form of the same law, in other numbers (the limit and
 * window as given, not reduced).
 */
#include "check.h"
#include "core/limit.h"

#include <string.h>

typedef unsigned __int128 u128;

#define MONTH_NS (UINT64_C(30) * 86400 * TK_NS_PER_S)
#define START_NS (UINT64_C(1795472054) * TK_NS_PER_S)

/* The fraction's denominator is the window: `level` is units times window_ns. */
struct oracle {
        uint64_t limit, window_ns, burst, last_ns;
        u128 level;
};

static void oracle_pass(struct oracle *oracle, uint64_t now_ns)
{
        u128 full = (u128)oracle->burst * oracle->window_ns;

        if (now_ns > oracle->last_ns) /* back is no time passed */
                oracle->level += (u128)(now_ns - oracle->last_ns) * oracle->limit;
        if (oracle->level > full)
                oracle->level = full;
        oracle->last_ns = now_ns;
}

/* Of time: one that no 64 bits hold is the longest that is not "never". */
static uint64_t divide_up(u128 a, uint64_t b)
{
        u128 quotient = (a + b - 1) / b;
        return quotient < TK_NEVER ? (uint64_t)quotient : TK_NEVER - 1;
}

/* What a bucket at this level says to a cost; charges nothing. */
static struct tk_limit_state oracle_ask(const struct oracle *oracle, uint64_t cost)
{
        u128 full = (u128)oracle->burst * oracle->window_ns, price = (u128)cost * oracle->window_ns;
        struct tk_limit_state state = {
                .admitted = price <= oracle->level,
                .remaining = (uint64_t)(oracle->level / oracle->window_ns),
                .reset_ns = divide_up(full - oracle->level, oracle->limit),
        };

        if (!state.admitted)
                state.wait_ns =
                        cost > oracle->burst ? TK_NEVER : divide_up(price - oracle->level, oracle->limit);
        return state;
}

static void assert_states_equal(const struct tk_limit_state *actual, const struct tk_limit_state *expected)
{
        if (actual->admitted != expected->admitted || actual->remaining != expected->remaining ||
            actual->wait_ns != expected->wait_ns || actual->reset_ns != expected->reset_ns)
                fail_msg("admitted %d remaining %lu wait %lu reset %lu, not %d %lu %lu %lu", actual->admitted,
                         actual->remaining, actual->wait_ns, actual->reset_ns, expected->admitted,
                         expected->remaining, expected->wait_ns, expected->reset_ns);
}

/* From 1 a month to 10^9 a second, in any pair of limit and window. */
static void random_rate(uint64_t *random, struct oracle *oracle, struct tk_rate *rate)
{
        do {
                oracle->window_ns = prng_magnitude(random, prng_below(random, 4) == 0 ? TK_LIMIT_WINDOW_MAX_NS
                                                                                      : MONTH_NS);
                oracle->limit = prng_magnitude(random, TK_LIMIT_UNITS_MAX);
                if (prng_below(random, 2) ==
                    0) /* as users write them: whole seconds, so that there is something to reduce */
                        oracle->window_ns = oracle->window_ns / TK_NS_PER_S * TK_NS_PER_S;
                oracle->burst = prng_below(random, 3) == 0 ? oracle->limit
                                                           : prng_magnitude(random, TK_LIMIT_UNITS_MAX);
        } while (tk_rate_init(oracle->limit, oracle->window_ns, oracle->burst, rate) != TK_OK);
        oracle->level = (u128)oracle->burst * oracle->window_ns;
}

/* Costs about the burst, steps about the time that a cost takes to be earned: where the decision is close. */
static uint64_t random_cost(uint64_t *random, const struct oracle *oracle)
{
        switch (prng_below(random, 8)) {
        case 0:
                return 0;
        case 1:
                return oracle->burst + prng_below(random, 3) - 1;
        case 2:
                return prng_magnitude(random, UINT64_MAX);
        case 3:
                return (uint64_t)(oracle->level / oracle->window_ns) + prng_below(random, 3);
        default:
                return prng_magnitude(random, oracle->burst);
        }
}

static uint64_t random_step(uint64_t *random, const struct oracle *oracle, uint64_t wait_ns)
{
        uint64_t unit_ns = oracle->window_ns / oracle->limit;

        switch (prng_below(random, 6)) {
        case 0:
                return 0;
        case 1:
                return prng_magnitude(random, MONTH_NS);
        case 2:
                return unit_ns + prng_below(random, 3);
        case 3:
                return wait_ns < 3 * MONTH_NS ? wait_ns : 1;
        case 4:
                return wait_ns < 3 * MONTH_NS && wait_ns > 0 ? wait_ns - 1 : 1;
        default:
                return prng_magnitude(random, unit_ns + 10);
        }
}

static void agrees_with_an_exact_bucket(void **state)
{
        uint64_t random = 11;
        unsigned admitted = 0, refused = 0;

        (void)state;
        for (int round = 0; round < 3000; round++) {
                struct oracle oracle = {0};
                struct tk_rate rate;
                struct tk_slot slot = {0};
                uint64_t now_ns = START_NS + prng_below(&random, MONTH_NS), wait_ns = 0;
                random_rate(&random, &oracle, &rate);
                oracle.last_ns = now_ns;
                for (int i = 0; i < 100; i++) {
                        struct tk_limit_state actual, expected;
                        now_ns += random_step(&random, &oracle, wait_ns);
                        uint64_t cost = random_cost(&random, &oracle);
                        oracle_pass(&oracle, now_ns);
                        expected = oracle_ask(&oracle, cost);
                        assert_int_equal(tk_rate_peek(&slot, &rate, now_ns, cost, &actual),
                                         expected.admitted);
                        assert_states_equal(&actual, &expected);
                        if (expected.admitted) {
                                oracle.level -= (u128)cost * oracle.window_ns;
                                expected = oracle_ask(&oracle, 0);
                        }
                        assert_int_equal(tk_rate_admit(&slot, &rate, now_ns, cost, &actual),
                                         expected.admitted);
                        assert_states_equal(&actual, &expected);
                        wait_ns = actual.wait_ns;
                        admitted += actual.admitted && cost > 0;
                        refused += !actual.admitted;
                }
        }
        assert_true(admitted > 10000 && refused > 10000);
}

/* Time that jumps both ways, farther than the skew too: never an admission that the exact bucket would
 * refuse. */
static void time_that_goes_back_admits_nothing_more(void **state)
{
        uint64_t random = 12;
        unsigned admitted = 0, refused = 0;

        (void)state;
        for (int round = 0; round < 3000; round++) {
                struct oracle oracle = {0};
                struct tk_rate rate;
                struct tk_slot slot = {0};
                uint64_t now_ns = START_NS;
                random_rate(&random, &oracle, &rate);
                oracle.last_ns = now_ns;
                for (int i = 0; i < 100; i++) {
                        struct tk_limit_state actual;
                        uint64_t step = random_step(&random, &oracle, 0),
                                 cost = random_cost(&random, &oracle);
                        now_ns = prng_below(&random, 3) == 0 && step < now_ns ? now_ns - step : now_ns + step;
                        oracle_pass(&oracle, now_ns);
                        struct tk_limit_state expected = oracle_ask(&oracle, cost);
                        if (tk_rate_admit(&slot, &rate, now_ns, cost, &actual)) {
                                assert_true(expected.admitted);
                                oracle.level -= (u128)cost * oracle.window_ns;
                        }
                        assert_true(actual.remaining <= (uint64_t)(oracle.level / oracle.window_ns));
                        admitted += actual.admitted && cost > 0;
                        refused += !actual.admitted;
                }
        }
        assert_true(admitted > 10000 && refused > 10000);
}

#define LAW_CALLS 250

/* The law itself, with nothing but a list of what was admitted when: every interval between two admissions is
 * summed. */
static void assert_law(const uint64_t *at_ns, const uint64_t *cost, size_t count, const struct oracle *oracle)
{
        for (size_t first = 0; first < count; first++) {
                u128 sum = 0;
                for (size_t last = first; last < count; last++) {
                        sum += cost[last];
                        u128 earned = (u128)(at_ns[last] - at_ns[first]) * oracle->limit;
                        assert_true(sum * oracle->window_ns <=
                                    (u128)oracle->burst * oracle->window_ns + earned);
                }
        }
}

/* Deciders read their clocks a little apart and arrive in any order; the law holds in the order of time. */
static void every_interval_keeps_the_law(void **state)
{
        uint64_t random = 13;

        (void)state;
        for (int round = 0; round < 200; round++) {
                struct oracle oracle = {0};
                struct tk_rate rate;
                struct tk_slot slot = {0};
                uint64_t now_ns = START_NS, at_ns[LAW_CALLS], costs[LAW_CALLS];
                size_t count = 0;
                random_rate(&random, &oracle, &rate);
                for (int i = 0; i < LAW_CALLS; i++) {
                        struct tk_limit_state answer;
                        now_ns += random_step(&random, &oracle, 0);
                        uint64_t seen_ns = now_ns - prng_below(&random, TK_RATE_SKEW_NS);
                        uint64_t cost = prng_magnitude(&random, oracle.burst);
                        if (!tk_rate_admit(&slot, &rate, seen_ns, cost, &answer))
                                continue;
                        size_t at = count++;
                        for (; at > 0 && at_ns[at - 1] > seen_ns; at--) {
                                at_ns[at] = at_ns[at - 1];
                                costs[at] = costs[at - 1];
                        }
                        at_ns[at] = seen_ns;
                        costs[at] = cost;
                }
                assert_law(at_ns, costs, count, &oracle);
        }
}

/* A client that takes each unit as soon as it is told it may: after any time it has exactly what was
 * promised. */
static void nothing_drifts(void **state)
{
        static const struct {
                uint64_t limit, window_ns;
        } rates[] = {
                {3, TK_NS_PER_S},
                {7, 60 * TK_NS_PER_S},
                {999999937, TK_NS_PER_S},
                {1, MONTH_NS},
                {1000000000, TK_NS_PER_S},
                {100, 60 * TK_NS_PER_S},
                {999999999999989, MONTH_NS},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(rates); i++) {
                struct tk_rate rate;
                struct tk_slot slot = {0};
                uint64_t now_ns = START_NS, taken = 0;
                assert_int_equal(tk_rate_init(rates[i].limit, rates[i].window_ns, 5, &rate), TK_OK);
                for (int calls = 0; calls < 20000 && now_ns < UINT64_MAX / 2; calls++) {
                        struct tk_limit_state answer;
                        if (tk_rate_admit(&slot, &rate, now_ns, 1, &answer)) {
                                taken++;
                                continue;
                        }
                        u128 earned = (u128)(now_ns - START_NS) * rates[i].limit / rates[i].window_ns;
                        assert_true(taken == 5 + (uint64_t)earned);
                        now_ns += answer.wait_ns;
                }
                assert_true(taken > 1000);
        }
}

static void what_is_no_rate(void **state)
{
        static const struct {
                uint64_t limit, window_ns, burst;
        } cases[] = {
                {0, 1000, 1},
                {1, 0, 1},
                {1, 1000, 0},
                {1001, 1000, 1},
                {1000000001, TK_NS_PER_S, 1},
                {TK_LIMIT_UNITS_MAX + 1, TK_LIMIT_WINDOW_MAX_NS, 1},
                {1, TK_LIMIT_WINDOW_MAX_NS + 1, 1},
                {1, 1000, TK_LIMIT_UNITS_MAX + 1},
                {UINT64_MAX, UINT64_MAX, UINT64_MAX},
        };
        struct tk_rate rate = {.units = 77};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_int_equal(tk_rate_init(cases[i].limit, cases[i].window_ns, cases[i].burst, &rate),
                                 TK_INVALID);
                assert_int_equal(rate.units, 77);
        }
        assert_int_equal(tk_rate_init(TK_LIMIT_UNITS_MAX, TK_LIMIT_WINDOW_MAX_NS, TK_LIMIT_UNITS_MAX, &rate),
                         TK_OK);
        assert_int_equal(tk_rate_init(1, 1, 1, &rate), TK_OK);
        assert_int_equal(tk_rate_init(100, 60 * TK_NS_PER_S, 200, &rate), TK_OK);
        assert_true(rate.units == 1 && rate.interval == 600000000 && rate.burst == 200);
}

static void costs_of_any_size_are_safe(void **state)
{
        static const uint64_t costs[] = {
                101,       TK_LIMIT_COST_MAX, TK_LIMIT_COST_MAX + 1, UINT64_MAX / 600000000, UINT64_MAX - 1,
                UINT64_MAX};
        struct tk_rate rate;
        struct tk_slot slot = {0};
        struct tk_limit_state answer;

        (void)state;
        assert_int_equal(tk_rate_init(100, 60 * TK_NS_PER_S, 100, &rate), TK_OK);
        for (size_t i = 0; i < COUNT(costs); i++) {
                assert_false(tk_rate_admit(&slot, &rate, START_NS, costs[i], &answer));
                assert_true(answer.wait_ns == TK_NEVER);
                assert_int_equal(answer.remaining, 100);
                assert_true(slot.lo == 0 && slot.hi == 0);
        }
        assert_true(tk_rate_admit(&slot, &rate, START_NS, 100, &answer));
        struct tk_slot charged = slot;
        assert_true(tk_rate_admit(&slot, &rate, START_NS, 0, &answer)); /* nothing is always admitted */
        assert_memory_equal(&slot, &charged, sizeof slot);
        assert_false(tk_rate_admit(&slot, &rate, START_NS, 1, &answer));
        assert_memory_equal(&slot, &charged, sizeof slot);
        assert_int_equal(answer.wait_ns, 600000000);
}

/* Garbage: no overflow, no more than the law allows from that moment on, and whole again after the skew and
 * one filling. */
static void garbage_is_clamped(void **state)
{
        uint64_t random = 14;

        (void)state;
        for (int round = 0; round < 20000; round++) {
                struct oracle oracle = {0};
                struct tk_rate rate;
                struct tk_slot slot = {.lo = prng_next(&random),
                                       .hi = prng_next(&random) >> (1 + prng_below(&random, 63))};
                struct tk_limit_state answer;
                uint64_t now_ns = prng_below(&random, 4) == 0 ? prng_next(&random) / 2 : START_NS;
                if (round % 16 == 0)
                        slot = (struct tk_slot){.lo = UINT64_MAX, .hi = UINT64_MAX >> 1};
                random_rate(&random, &oracle, &rate);

                uint64_t fill_ns = divide_up((u128)oracle.burst * oracle.window_ns, oracle.limit);
                u128 most_ns = ((u128)oracle.burst * oracle.window_ns + oracle.limit - 1) / oracle.limit +
                               TK_RATE_SKEW_NS;
                bool admitted = tk_rate_admit(&slot, &rate, now_ns, 1, &answer);
                assert_true(answer.remaining <= oracle.burst - admitted);
                assert_true(answer.reset_ns <= most_ns || answer.reset_ns == TK_NEVER - 1);
                assert_true(answer.wait_ns <= answer.reset_ns || answer.wait_ns == 0);
                if (most_ns > UINT64_MAX / 4)
                        continue; /* it does fill, after the end of time */
                assert_true(tk_rate_peek(&slot, &rate, now_ns + fill_ns + TK_RATE_SKEW_NS, oracle.burst,
                                         &answer));
                if (!admitted) { /* what was clamped is an empty bucket or one that is within its rights */
                        assert_false(tk_rate_admit(&slot, &rate, now_ns, 1, &answer));
                        assert_true(tk_rate_admit(&slot, &rate, now_ns + answer.wait_ns, 1, &answer));
                }
        }
}

/* A clock put back by a day: refused for the skew and the time that a unit takes, not for a day. */
static void a_clock_that_is_put_back(void **state)
{
        struct tk_rate rate;
        struct tk_slot slot = {0};
        struct tk_limit_state answer;
        uint64_t back_ns = START_NS - UINT64_C(86400) * TK_NS_PER_S;

        (void)state;
        assert_int_equal(tk_rate_init(10, TK_NS_PER_S, 10, &rate), TK_OK);
        assert_true(tk_rate_admit(&slot, &rate, START_NS, 10, &answer));
        assert_false(tk_rate_peek(&slot, &rate, back_ns, 1,
                                  &answer)); /* peeking sees the clamp but does not write it */
        assert_true(answer.wait_ns == TK_RATE_SKEW_NS + TK_NS_PER_S / 10);
        assert_false(tk_rate_admit(&slot, &rate, back_ns, 1, &answer));
        assert_true(answer.wait_ns == TK_RATE_SKEW_NS + TK_NS_PER_S / 10);
        assert_false(tk_rate_admit(&slot, &rate, back_ns + answer.wait_ns - 1, 1, &answer));
        assert_true(tk_rate_admit(&slot, &rate, back_ns + TK_RATE_SKEW_NS + TK_NS_PER_S / 10, 1, &answer));

        slot = (struct tk_slot){0}; /* a cost of nothing is admitted, and clamps as well */
        assert_true(tk_rate_admit(&slot, &rate, START_NS, 10, &answer));
        assert_true(tk_rate_admit(&slot, &rate, back_ns, 0, &answer));
        assert_true(tk_rate_admit(&slot, &rate, back_ns + TK_RATE_SKEW_NS + TK_NS_PER_S, 10, &answer));
}

static void within_the_skew_nothing_is_clamped(void **state)
{
        struct tk_rate rate;
        struct tk_slot slot = {0}, charged;
        struct tk_limit_state answer;

        (void)state;
        assert_int_equal(tk_rate_init(10, TK_NS_PER_S, 10, &rate), TK_OK);
        assert_true(tk_rate_admit(&slot, &rate, START_NS, 10, &answer));
        charged = slot;
        assert_false(tk_rate_admit(&slot, &rate, START_NS - TK_RATE_SKEW_NS, 1, &answer));
        assert_memory_equal(&slot, &charged, sizeof slot);
        assert_false(tk_rate_admit(&slot, &rate, START_NS - TK_RATE_SKEW_NS - 1, 1, &answer));
        assert_memory_not_equal(&slot, &charged, sizeof slot);
}

/* Usage moves to another rate: as many units are in use, never fewer, at most a full bucket of them. */
static void usage_is_carried(void **state)
{
        uint64_t random = 15;

        (void)state;
        for (int round = 0; round < 20000; round++) {
                struct oracle from = {0}, to = {0};
                struct tk_rate from_rate, to_rate;
                struct tk_slot slot = {0}, carried;
                struct tk_limit_state before, after;
                random_rate(&random, &from, &from_rate);
                random_rate(&random, &to, &to_rate);
                tk_rate_admit(&slot, &from_rate, START_NS, prng_magnitude(&random, from.burst), &before);
                uint64_t now_ns = START_NS + prng_magnitude(&random, before.reset_ns + 1);
                tk_rate_peek(&slot, &from_rate, now_ns, 0, &before);
                tk_rate_carry(&slot, &from_rate, &to_rate, now_ns, &carried);
                tk_rate_peek(&carried, &to_rate, now_ns, 0, &after);
                uint64_t used = from.burst - before.remaining;
                assert_true(after.remaining == (used < to.burst ? to.burst - used : 0));
                u128 filling_ns = ((u128)to.burst * to.window_ns + to.limit - 1) / to.limit;
                assert_true(after.reset_ns <= filling_ns);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(agrees_with_an_exact_bucket),
                cmocka_unit_test(time_that_goes_back_admits_nothing_more),
                cmocka_unit_test(every_interval_keeps_the_law),
                cmocka_unit_test(nothing_drifts),
                cmocka_unit_test(what_is_no_rate),
                cmocka_unit_test(costs_of_any_size_are_safe),
                cmocka_unit_test(garbage_is_clamped),
                cmocka_unit_test(a_clock_that_is_put_back),
                cmocka_unit_test(within_the_skew_nothing_is_clamped),
                cmocka_unit_test(usage_is_carried),
        };
        return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
