/*
 * Window limits: the tk_window functions of core/limit.h. The oracle is a table with the usage of every
 * period; where periods begin is checked against another oracle in test_calendar.c.
 */
#include "check.h"
#include "core/limit.h"

#include <string.h>

#define DAY_S    INT64_C(86400)
#define YEAR_S   (366 * DAY_S)
#define START_S  INT64_C(1795472054)
#define START_NS ((uint64_t)START_S * TK_NS_PER_S)

#define PERIODS_MAX 4096

struct oracle {
        size_t count;
        struct {
                int64_t start_s;
                uint64_t used;
        } periods[PERIODS_MAX];
};

static uint64_t *oracle_usage(struct oracle *oracle, int64_t start_s)
{
        for (size_t i = 0; i < oracle->count; i++) {
                if (oracle->periods[i].start_s == start_s)
                        return &oracle->periods[i].used;
        }
        assert_true(oracle->count < PERIODS_MAX);
        oracle->periods[oracle->count].start_s = start_s;
        oracle->periods[oracle->count].used = 0;
        return &oracle->periods[oracle->count++].used;
}

static void random_window(uint64_t *random, struct tk_window *window)
{
        static const enum tk_period_kind kinds[] = {TK_PERIOD_FIXED, TK_PERIOD_HOUR, TK_PERIOD_DAY,
                                                    TK_PERIOD_WEEK, TK_PERIOD_MONTH};

        *window = (struct tk_window){
                .limit = prng_magnitude(random, TK_LIMIT_UNITS_MAX),
                .kind = kinds[prng_below(random, COUNT(kinds))],
                .length_s = (int64_t)prng_magnitude(random, YEAR_S),
                .anchor_s = prng_below(random, 2) == 0 ? 0 : (int64_t)prng_magnitude(random, 2 * START_S),
        };
}

static uint64_t random_cost(uint64_t *random, uint64_t left, uint64_t limit)
{
        switch (prng_below(random, 5)) {
        case 0:
                return left;
        case 1:
                return left + 1;
        case 2:
                return prng_magnitude(random, UINT64_MAX);
        case 3:
                return 0;
        default:
                return prng_magnitude(random, limit);
        }
}

/* One call in both worlds. *latest_s is the latest period that was charged: an earlier time is charged to it,
 * too. */
static bool agree(struct oracle *oracle, struct tk_slot *slot, const struct tk_window *window,
                  uint64_t now_ns, int64_t *latest_s, uint64_t *random)
{
        struct tk_limit_state answer;
        int64_t start_s, end_s;
        uint64_t charged_s;

        tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)(now_ns / TK_NS_PER_S),
                     &start_s, &end_s);
        if (start_s < *latest_s)
                tk_period_at(window->kind, window->length_s, window->anchor_s, *latest_s, &start_s, &end_s);
        uint64_t *used = oracle_usage(oracle, start_s);
        uint64_t left = window->limit - *used, cost = random_cost(random, left, window->limit);
        uint64_t until_end_ns = (uint64_t)end_s * TK_NS_PER_S - now_ns;
        bool fits = cost <= left;

        assert_int_equal(tk_window_peek(slot, window, now_ns, cost, &answer), fits);
        assert_true(answer.admitted == fits && answer.remaining == left && answer.reset_ns == until_end_ns);
        assert_int_equal(tk_window_admit(slot, window, now_ns, cost, &answer, &charged_s), fits);
        if (fits)
                *used += cost;
        if (fits && cost > 0)
                *latest_s = start_s;
        assert_true(answer.admitted == fits && answer.remaining == window->limit - *used);
        assert_true(answer.reset_ns == until_end_ns && charged_s == (uint64_t)start_s);
        assert_true(answer.wait_ns == (fits ? 0 : cost > window->limit ? TK_NEVER : until_end_ns));
        return fits;
}

static void agrees_with_a_table_of_periods(void **state)
{
        static struct oracle oracle;
        uint64_t random = 16;
        unsigned admitted = 0, refused = 0;

        (void)state;
        for (int round = 0; round < 3000; round++) {
                struct tk_window window;
                struct tk_slot slot = {0};
                int64_t now_s = START_S, latest_s = INT64_MIN;
                random_window(&random, &window);
                oracle.count = 0;
                for (int i = 0; i < 60; i++) {
                        int64_t step_s = (int64_t)prng_magnitude(&random, 40 * DAY_S);
                        now_s += prng_below(&random, 4) == 0 ? -step_s : step_s;
                        uint64_t now_ns = (uint64_t)now_s * TK_NS_PER_S + prng_below(&random, TK_NS_PER_S);
                        bool fits = agree(&oracle, &slot, &window, now_ns, &latest_s, &random);
                        admitted += fits;
                        refused += !fits;
                }
        }
        assert_true(admitted > 10000 && refused > 10000);
}

/* The last nanosecond of a period and the first of the next. */
static void a_period_ends_exactly(void **state)
{
        const struct tk_window window = {
                .limit = 10, .kind = TK_PERIOD_MONTH, .anchor_s = 1706745599}; /* 31 January */
        const uint64_t end_ns = UINT64_C(1709251199) * TK_NS_PER_S;            /* 29 February */
        struct tk_slot slot = {0};
        struct tk_limit_state answer;
        uint64_t period_s;

        (void)state;
        assert_true(tk_window_admit(&slot, &window, end_ns - 1, 10, &answer, &period_s));
        assert_int_equal(period_s, 1706745599);
        assert_int_equal(answer.remaining, 0);
        assert_int_equal(answer.reset_ns, 1);
        assert_false(tk_window_admit(&slot, &window, end_ns - 1, 1, &answer, &period_s));
        assert_int_equal(answer.wait_ns, 1);
        assert_true(tk_window_admit(&slot, &window, end_ns, 10, &answer, &period_s));
        assert_int_equal(period_s, 1709251199);
        assert_false(
                tk_window_admit(&slot, &window, end_ns - 1, 1, &answer, &period_s)); /* it does not go back */
        assert_int_equal(period_s, 1709251199);
}

static void a_limit_of_nothing(void **state)
{
        const struct tk_window window = {.limit = 0, .kind = TK_PERIOD_DAY};
        struct tk_slot slot = {0};
        struct tk_limit_state answer;
        uint64_t period_s;

        (void)state;
        assert_false(tk_window_admit(&slot, &window, START_NS, 1, &answer, &period_s));
        assert_true(answer.wait_ns == TK_NEVER);
        assert_true(tk_window_admit(&slot, &window, START_NS, 0, &answer, &period_s));
        assert_true(slot.lo == 0 && slot.hi == 0);
}

/* A period that begins before 1970 is stored as 0, which is also what a fresh slot holds. */
static void the_first_period_of_time(void **state)
{
        const struct tk_window window = {.limit = 3, .kind = TK_PERIOD_WEEK};
        struct tk_slot slot = {0};
        struct tk_limit_state answer;
        uint64_t period_s;

        (void)state;
        assert_true(tk_window_admit(&slot, &window, 0, 2, &answer, &period_s));
        assert_int_equal(period_s, 0);
        assert_true(answer.reset_ns == UINT64_C(345600) * TK_NS_PER_S);
        assert_false(tk_window_admit(&slot, &window, 1, 2, &answer, &period_s));
        tk_window_refund(&slot, period_s, 2);
        assert_true(tk_window_admit(&slot, &window, 1, 3, &answer, &period_s));
}

static void refunds(void **state)
{
        const struct tk_window window = {.limit = 10, .kind = TK_PERIOD_DAY};
        struct tk_slot slot = {0}, before;
        struct tk_limit_state answer;
        uint64_t first_s, second_s;

        (void)state;
        assert_true(tk_window_admit(&slot, &window, START_NS, 10, &answer, &first_s));
        tk_window_refund(&slot, first_s, 4);
        assert_true(tk_window_admit(&slot, &window, START_NS, 4, &answer, &first_s));
        assert_false(tk_window_admit(&slot, &window, START_NS, 1, &answer, &first_s));
        before = slot;
        tk_window_refund(&slot, first_s, 11); /* more than was ever charged */
        tk_window_refund(&slot, first_s + 1, 1);
        tk_window_refund(&slot, UINT64_MAX, 1);
        assert_memory_equal(&slot, &before, sizeof slot);

        assert_true(tk_window_admit(&slot, &window, START_NS + (uint64_t)DAY_S * TK_NS_PER_S, 3, &answer,
                                    &second_s));
        tk_window_refund(&slot, first_s, 3); /* that day is over */
        assert_true(tk_window_peek(&slot, &window, START_NS, 7, &answer));
        assert_int_equal(answer.remaining, 7);
        tk_window_refund(&slot, second_s, 0);
        tk_window_refund(&slot, second_s, 3);
        assert_true(tk_window_peek(&slot, &window, START_NS, 10, &answer));
}

/* Garbage: no overflow and never more than the limit; a period that is no time at all never ends. */
static void garbage_never_admits_more(void **state)
{
        uint64_t random = 17;

        (void)state;
        for (int round = 0; round < 50000; round++) {
                struct tk_window window;
                struct tk_limit_state answer;
                uint64_t period_s;
                struct tk_slot slot = {.lo = prng_next(&random) >> prng_below(&random, 64),
                                       .hi = prng_next(&random) >> (1 + prng_below(&random, 63))};
                if (round % 16 == 0)
                        slot = (struct tk_slot){.lo = UINT64_MAX, .hi = UINT64_MAX >> 1};
                uint64_t held_s = slot.hi, held = slot.lo,
                         now_ns = prng_next(&random) >> prng_below(&random, 4);
                random_window(&random, &window);
                int64_t start_s, end_s;
                tk_period_at(window.kind, window.length_s, window.anchor_s, (int64_t)(now_ns / TK_NS_PER_S),
                             &start_s, &end_s);
                int64_t period_held_s = tk_window_label_period_s(held_s);
                uint64_t used = held_s >= (uint64_t)(start_s < 0 ? 0 : start_s) ? held : 0;
                uint64_t left = used < window.limit ? window.limit - used : 0;

                tk_window_peek(&slot, &window, now_ns, 1, &answer);
                assert_true(answer.remaining == left);
                assert_false(tk_window_admit(&slot, &window, now_ns, left + 1, &answer, &period_s));
                bool never = period_held_s > TK_TIME_MAX_S || left + 1 > window.limit;
                assert_int_equal(answer.wait_ns == TK_NEVER, never);
                assert_true(tk_window_admit(&slot, &window, now_ns, left, &answer, &period_s));
                assert_false(tk_window_admit(&slot, &window, now_ns, 1, &answer, &period_s));
                if (period_held_s > TK_TIME_MAX_S)
                        assert_true(answer.reset_ns == TK_NEVER && slot.hi == held_s);
        }
}

/*
 * While the clock is put back, deciders that share a slot have read neither the new time nor that it was put back, or the time alone, or both
 * (gate/files.c reads them so). No label gets more than the limit, and when the period ends that it was put back into, all is as usual.
 */
static void a_clock_put_back_under_running_deciders(void **state)
{
        uint64_t random = 18;
        unsigned counted = 0;

        (void)state;
        for (int round = 0; round < 20000; round++) {
                struct tk_window window = {.limit = 10,
                                           .kind = (enum tk_period_kind)prng_below(&random, 5),
                                           .length_s = 1 + (int64_t)prng_below(&random, 100)};
                struct tk_slot slot = {0};
                struct tk_limit_state answer;
                int64_t start_s, end_s, next_s, next_end_s;
                uint64_t label;
                const struct tk_put_back old = {START_S - 1000, (uint16_t)prng_below(&random, 3)};
                const struct tk_put_back new = {START_S, (uint16_t)(old.times + 1)};
                uint64_t later_ns = START_NS + prng_magnitude(&random, 40 * DAY_S) * TK_NS_PER_S;
                struct {
                        uint64_t label;
                        uint64_t used;
                } seen[8] = {0};
                int before = (int)prng_below(&random, 5);
                tk_period_at(window.kind, window.length_s, 0, START_S, &start_s, &end_s);

                for (int i = 0; i < 30; i++) {
                        uint64_t knows = i < before ? 0
                                         : i > 20   ? 2
                                                    : prng_below(&random, 3),
                                 cost = 1 + prng_below(&random, 4);
                        window.back = knows == 2 ? new : old;
                        if (!tk_window_admit(&slot, &window, knows ? START_NS : later_ns, cost, &answer,
                                             &label)) {
                                assert_true(answer.wait_ns > 0);
                                continue;
                        }
                        size_t at = 0;
                        while (seen[at].used && seen[at].label != label)
                                at++;
                        assert_true(at < COUNT(seen) && (at == 0 || seen[at - 1].label < label));
                        seen[at].label = label;
                        seen[at].used += cost;
                        assert_true(seen[at].used <= window.limit);
                }
                window.back = new;
                counted += slot.lo > 0;
                /* But for what was used of that very period, for its length after the step. */
                tk_period_at(window.kind, window.length_s, 0, end_s, &next_s, &next_end_s);
                bool used_before = slot.hi == tk_window_label(old.times, end_s) &&
                                   end_s < START_S + (next_end_s - end_s);
                bool fits =
                        tk_window_admit(&slot, &window, (uint64_t)end_s * TK_NS_PER_S, 10, &answer, &label);
                assert_int_equal(fits, !used_before);
        }
        assert_true(counted > 10000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(agrees_with_a_table_of_periods),
                cmocka_unit_test(a_period_ends_exactly),
                cmocka_unit_test(a_limit_of_nothing),
                cmocka_unit_test(the_first_period_of_time),
                cmocka_unit_test(refunds),
                cmocka_unit_test(a_clock_put_back_under_running_deciders),
                cmocka_unit_test(garbage_never_admits_more),
        };
        return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
