/*
 * Many threads on one slot: what they are admitted in all is counted exactly, and what a reader sees was
 * really there.
 */
#include "check.h"
#include "core/slot.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS  8
#define START_NS (UINT64_C(1795472054) * TK_NS_PER_S)

static struct tk_slot slot;
static pthread_barrier_t start;
static _Atomic uint64_t clock_ns, admitted_units, refunded_units, outstanding_units;
static atomic_bool over_limit, torn;
static atomic_uint running;

static void run(void *(*body)(void *))
{
        pthread_t threads[THREADS];

        atomic_store(&clock_ns, START_NS);
        atomic_store(&admitted_units, 0);
        atomic_store(&refunded_units, 0);
        atomic_store(&outstanding_units, 0);
        atomic_store(&over_limit, false);
        atomic_store(&torn, false);
        atomic_store(&running, THREADS - 1);
        assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
        for (uintptr_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        pthread_barrier_destroy(&start);
}

/* ---- a window: all threads until refused ---- */

static const struct tk_window small_window = {.limit = 2000000, .kind = TK_PERIOD_MONTH};

static void *take_from_window(void *number)
{
        uint64_t random = (uintptr_t)number, taken = 0, cost;
        struct tk_limit_state answer;
        uint64_t period_s;

        pthread_barrier_wait(&start);
        do {
                cost = 1 + prng_below(&random, 4);
                if (tk_window_admit(&slot, &small_window, START_NS, cost, &answer, &period_s))
                        taken += cost;
        } while (answer.remaining > 0);
        atomic_fetch_add(&admitted_units, taken);
        return NULL;
}

static void a_window_is_counted_exactly(void **state)
{
        (void)state;
        slot = (struct tk_slot){0};
        run(take_from_window);
        assert_int_equal(atomic_load(&admitted_units), small_window.limit);
        assert_int_equal(slot.lo, small_window.limit);
}

/* ---- a window with refunds: never more than the limit in use at once ---- */

static void *take_and_give_back(void *number)
{
        uint64_t random = 100 + (uintptr_t)number;
        struct tk_limit_state answer;
        uint64_t period_s;

        pthread_barrier_wait(&start);
        for (int i = 0; i < 30000; i++) {
                uint64_t cost = 1 + prng_below(&random, 500000);
                if (!tk_window_admit(&slot, &small_window, START_NS, cost, &answer, &period_s))
                        continue;
                atomic_fetch_add(&admitted_units, cost);
                if (atomic_fetch_add(&outstanding_units, cost) + cost > small_window.limit)
                        atomic_store(&over_limit, true);
                if (prng_below(&random, 100) == 0)
                        continue;                           /* kept */
                atomic_fetch_sub(&outstanding_units, cost); /* before it can be taken again */
                atomic_fetch_add(&refunded_units, cost);
                tk_window_refund(&slot, period_s, cost);
        }
        return NULL;
}

static void refunds_are_counted_exactly(void **state)
{
        (void)state;
        slot = (struct tk_slot){0};
        run(take_and_give_back);
        assert_false(atomic_load(&over_limit));
        assert_true(atomic_load(&refunded_units) > 0);
        assert_int_equal(slot.lo, atomic_load(&admitted_units) - atomic_load(&refunded_units));
}

/* ---- a rate whose time stands still: all threads until refused ---- */

#define BIG_BURST UINT64_C(2000000)

static struct tk_rate rate;

static void *take_the_burst(void *number)
{
        uint64_t random = 300 + (uintptr_t)number, taken = 0, cost;
        struct tk_limit_state answer;

        pthread_barrier_wait(&start);
        do {
                cost = 1 + prng_below(&random, 4);
                if (tk_rate_admit(&slot, &rate, START_NS, cost, &answer))
                        taken += cost;
        } while (answer.remaining > 0);
        atomic_fetch_add(&admitted_units, taken);
        return NULL;
}

static void a_burst_is_counted_exactly(void **state)
{
        (void)state;
        slot = (struct tk_slot){0};
        assert_int_equal(tk_rate_init(7, 1000, BIG_BURST, &rate), TK_OK);
        run(take_the_burst);
        assert_int_equal(atomic_load(&admitted_units), BIG_BURST);
}

/* ---- a rate: time goes on, each thread reads it a little apart from the others ---- */

#define RATE_LIMIT  UINT64_C(37)
#define RATE_WINDOW UINT64_C(1000)
#define RATE_BURST  UINT64_C(1000)
#define RATE_TICKS  UINT64_C(400000)

static void *take_from_rate(void *number)
{
        uint64_t random = 200 + (uintptr_t)number, taken = 0, now_ns;
        struct tk_limit_state answer;

        pthread_barrier_wait(&start);
        do {
                now_ns = atomic_fetch_add(&clock_ns, 1 + prng_below(&random, 3));
                uint64_t cost = 1 + prng_below(&random, 3);
                if (tk_rate_admit(&slot, &rate, now_ns, cost, &answer))
                        taken += cost;
        } while (now_ns < START_NS + RATE_TICKS);
        atomic_fetch_add(&admitted_units, taken);
        return NULL;
}

/*
 * The bucket is empty at the start and never full again, so nothing is lost over its brim: what the threads
 * took and what is left at the end is what was earned, to the unit.
 */
static void a_rate_is_counted_exactly(void **state)
{
        struct tk_limit_state answer;

        (void)state;
        slot = (struct tk_slot){0};
        assert_int_equal(tk_rate_init(RATE_LIMIT, RATE_WINDOW, RATE_BURST, &rate), TK_OK);
        assert_true(tk_rate_admit(&slot, &rate, START_NS, RATE_BURST, &answer));
        run(take_from_rate);

        uint64_t end_ns = atomic_load(&clock_ns), taken = atomic_load(&admitted_units);
        tk_rate_peek(&slot, &rate, end_ns, 0, &answer);
        assert_true(answer.remaining < RATE_BURST);
        assert_int_equal(taken + answer.remaining, (end_ns - START_NS) * RATE_LIMIT / RATE_WINDOW);
}

/* ---- readers beside a writer: usage that belongs to the period it is seen with ---- */

static const struct tk_window secondly = {.limit = 1000000, .kind = TK_PERIOD_FIXED, .length_s = 1};

static uint64_t usage_of_second(uint64_t second)
{
        return 1 + second * 7919 % 999983;
}

/* One charge a second, its size a function of the second. */
static void write_seconds(void)
{
        struct tk_limit_state answer;
        uint64_t period_s;

        for (uint64_t second = 1; atomic_load(&running) > 0; second++)
                tk_window_admit(&slot, &secondly, second * TK_NS_PER_S, usage_of_second(second), &answer,
                                &period_s);
}

/*
 * Seen from 1970 any second is later, and so counts: the reader is told of whatever the slot holds. It goes
 * on until it has seen many changes, because reads prove nothing while the writer is not running.
 */
static void read_seconds(void)
{
        struct tk_limit_state answer;
        uint64_t before = 0;

        for (int reads = 0, changes = 0; reads < 2000000 && changes < 20000; reads++) {
                tk_window_peek(&slot, &secondly, 0, 0, &answer);
                uint64_t second = answer.reset_ns / TK_NS_PER_S - 1, used = secondly.limit - answer.remaining;
                if (used != (second == 0 ? 0 : usage_of_second(second)))
                        atomic_store(&torn, true);
                changes += second != before;
                before = second;
        }
        atomic_fetch_sub(&running, 1);
}

static void *read_or_write(void *number)
{
        pthread_barrier_wait(&start);
        if ((uintptr_t)number == 0)
                write_seconds();
        else
                read_seconds();
        return NULL;
}

static void no_read_is_torn(void **state)
{
        (void)state;
        slot = (struct tk_slot){0};
        run(read_or_write);
        assert_false(atomic_load(&torn));
        assert_true(slot.hi > 0);
}

/* A limit that moves: nothing is charged, lowered or given back, and what it holds is final until it is opened again. */
static void a_closed_slot_stays_as_it_is(void **state)
{
        const struct tk_credits credits = {.granted = 100, .gone = 0};
        struct tk_limit_state answer;
        struct tk_offer offer;
        struct tk_rate hundred;
        uint64_t period_s;
        (void)state;
        slot = (struct tk_slot){.lo = 40, .hi = 0};
        assert_int_equal(tk_rate_init(100, TK_NS_PER_S, 100, &hundred), TK_OK);
        tk_credits_offer(&slot, &credits, 1, &offer);
        assert_int_equal(offer.wait_ns, 0);
        assert_false(tk_offer_closed(&offer));

        assert_true(tk_slot_close(&slot) == 40);
        assert_true(tk_slot_close(&slot) == 40);
        assert_false(tk_offer_take(&slot, &offer));
        tk_credits_offer(&slot, &credits, 1, &offer);
        assert_true(tk_offer_closed(&offer) && offer.wait_ns == TK_NEVER);
        tk_window_offer(&slot, &small_window, START_NS, 1, &offer);
        assert_true(tk_offer_closed(&offer) && offer.wait_ns == TK_NEVER);
        tk_rate_offer(&slot, &hundred, START_NS, 1, &offer);
        assert_true(tk_offer_closed(&offer) && offer.wait_ns == TK_NEVER && !offer.beyond);
        tk_rate_lower(&slot, &offer.seen, &hundred, START_NS);
        assert_false(tk_rate_admit(&slot, &hundred, START_NS, 1, &answer));
        assert_false(tk_window_admit(&slot, &small_window, START_NS, 1, &answer, &period_s));
        assert_false(tk_window_refund(&slot, 0, 1));
        assert_false(tk_window_refund(&slot, UINT64_C(1) << 63,
                                      1)); /* a label that a forged reservation may name */
        assert_true(tk_slot_value(&slot) == (TK_SLOT_CLOSED | 40));

        tk_slot_open(&slot);
        assert_int_equal(slot.lo, 40);
        assert_int_equal(slot.hi, 0);
        assert_true(tk_window_refund(&slot, 0, 15));
        assert_true(tk_slot_plain(tk_slot_value(&slot)) == 25);

        slot = tk_slot_of(TK_SLOT_FORWARDED | 7);
        tk_slot_open(&slot);
        assert_true(tk_slot_value(&slot) == (TK_SLOT_FORWARDED | 7));
        assert_true(tk_slot_plain(tk_slot_value(&slot)) == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_closed_slot_stays_as_it_is), cmocka_unit_test(a_window_is_counted_exactly),
                cmocka_unit_test(refunds_are_counted_exactly),  cmocka_unit_test(a_burst_is_counted_exactly),
                cmocka_unit_test(a_rate_is_counted_exactly),    cmocka_unit_test(no_read_is_torn),
        };
        return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
