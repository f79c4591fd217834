/*
 * Credits: the tk_credits functions of core/limit.h. The oracle keeps every grant apart, with what is left of it, and takes what is
 * spent from the one that expires first.
 */
#include "check.h"
#include "core/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define GRANTS_MAX 64

/* Grants in the order in which they expire; all before `expired` have. */
struct oracle {
        struct {
                uint64_t units, left;
        } grants[GRANTS_MAX];
        size_t count, expired;
};

static uint64_t oracle_left(const struct oracle *oracle)
{
        uint64_t left = 0;
        for (size_t i = oracle->expired; i < oracle->count; i++)
                left += oracle->grants[i].left;
        return left;
}

static void oracle_spend(struct oracle *oracle, uint64_t cost)
{
        for (size_t i = oracle->expired; i < oracle->count; i++) {
                uint64_t part = cost < oracle->grants[i].left ? cost : oracle->grants[i].left;
                oracle->grants[i].left -= part;
                cost -= part;
        }
        assert_int_equal(cost, 0);
}

/* Back into the grants it can have come from, the last first. */
static void oracle_give_back(struct oracle *oracle, uint64_t cost)
{
        for (size_t i = oracle->count; i-- > oracle->expired;) {
                uint64_t spent = oracle->grants[i].units - oracle->grants[i].left;
                uint64_t part = cost < spent ? cost : spent;
                oracle->grants[i].left += part;
                cost -= part;
        }
}

static struct tk_credits published(const struct oracle *oracle)
{
        struct tk_credits credits = {0};
        for (size_t i = 0; i < oracle->count; i++) {
                credits.granted += oracle->grants[i].units;
                credits.gone += i < oracle->expired ? oracle->grants[i].units : 0;
        }
        return credits;
}

static uint64_t left_of(const struct tk_slot *slot, const struct tk_credits *credits)
{
        struct tk_limit_state state;
        tk_credits_describe(slot, credits, &state);
        assert_true(state.reset_ns == TK_NEVER);
        return state.remaining;
}

/* True: charged. */
static bool spend(struct tk_slot *slot, const struct tk_credits *credits, uint64_t cost,
                  struct tk_offer *ret_offer)
{
        tk_credits_offer(slot, credits, cost, ret_offer);
        assert_true(ret_offer->wait_ns == 0 || ret_offer->wait_ns == TK_NEVER);
        if (ret_offer->wait_ns)
                return false;
        assert_true(cost == 0 || tk_offer_take(slot, ret_offer));
        return true;
}

struct history {
        struct oracle oracle;
        struct tk_slot slot;
        struct tk_offer held; /* a charge that will be given back */
        uint64_t held_cost;   /* 0: none is */
        size_t held_expired;  /* how many grants had, when it was made */
        size_t last_expired;  /* the same of the last charge */
        uint64_t refunds, late_refunds;
};

static void step(struct history *history, uint64_t *random)
{
        struct oracle *oracle = &history->oracle;
        struct tk_credits credits = published(oracle);
        uint64_t left = oracle_left(oracle), cost;
        struct tk_offer offer;

        switch (prng_below(random, 8)) {
        case 0:
                if (oracle->count == GRANTS_MAX)
                        return;
                oracle->grants[oracle->count].units = oracle->grants[oracle->count].left =
                        prng_magnitude(random, 1000000);
                oracle->count++;
                return;
        case 1:
                if (oracle->expired < oracle->count && prng_below(random, 4) == 0)
                        oracle->expired++;
                return;
        case 2: /* it is settled for nothing: given back, unless something was charged after a grant expired */
                if (history->held_cost == 0)
                        return;
                tk_window_refund(&history->slot, history->held.charged.hi, history->held_cost);
                if (history->held_expired == history->last_expired)
                        oracle_give_back(oracle, history->held_cost);
                history->refunds += history->held_expired == history->last_expired;
                history->late_refunds += history->held_expired != history->last_expired;
                history->held_cost = 0;
                return;
        default:
                cost = prng_below(random, 4) == 0 ? left + prng_below(random, 2) : prng_below(random, 5000);
                assert_true(spend(&history->slot, &credits, cost, &offer) == (cost <= left));
                if (cost > left || cost == 0)
                        return;
                oracle_spend(oracle, cost);
                history->last_expired = oracle->expired;
                if (history->held_cost == 0) {
                        history->held = offer;
                        history->held_cost = cost;
                        history->held_expired = oracle->expired;
                }
        }
}

static void test_agrees_with_the_oracle(void **state)
{
        (void)state;
        uint64_t random = 20261123, refunds = 0, late = 0;
        for (unsigned run = 0; run < 400; run++) {
                struct history history = {0};
                for (unsigned i = 0; i < 400; i++) {
                        step(&history, &random);
                        struct tk_credits credits = published(&history.oracle);
                        assert_int_equal(left_of(&history.slot, &credits), oracle_left(&history.oracle));
                }
                refunds += history.refunds;
                late += history.late_refunds;
        }
        assert_true(refunds > 1000);
        assert_true(late > 100);
}

/*
 * 10 units were reserved of a grant that then expired; 5 of the next grant were spent. Were the 10 given back now, those 5 would come back
 * with them, and the second grant of 100 would buy 105.
 */
static void test_what_expired_is_not_given_back(void **state)
{
        (void)state;
        struct tk_slot slot = {0};
        struct tk_credits first = {.granted = 100}, second = {.granted = 200, .gone = 100};
        struct tk_offer reserved, offer;
        assert_true(spend(&slot, &first, 10, &reserved));
        assert_true(spend(&slot, &second, 5, &offer));
        tk_window_refund(&slot, reserved.charged.hi, 10);
        assert_int_equal(left_of(&slot, &second), 95);
        tk_window_refund(&slot, offer.charged.hi, 5);
        assert_int_equal(left_of(&slot, &second), 100);
}

/* The same numbers again, or a reader who still has those of before: nothing is granted twice, nothing comes back. */
static void test_a_grant_counts_once(void **state)
{
        (void)state;
        struct tk_slot slot = {0};
        struct tk_credits before = {.granted = 50}, after = {.granted = 80, .gone = 50};
        struct tk_offer offer;
        assert_true(spend(&slot, &before, 20, &offer));
        assert_int_equal(left_of(&slot, &after), 30);
        assert_true(spend(&slot, &after, 10, &offer));
        assert_int_equal(left_of(&slot, &after), 20);
        assert_int_equal(left_of(&slot, &before), 0);
        assert_false(spend(&slot, &before, 1, &offer));
        struct tk_credits stale = {.granted = 80};
        assert_true(spend(&slot, &stale, 5, &offer));
        assert_int_equal(left_of(&slot, &after), 15);
        assert_int_equal(slot.hi, 50);
}

static void test_a_cost_of_nothing_always_fits(void **state)
{
        (void)state;
        struct tk_slot slot = {0};
        struct tk_credits none = {0}, some = {.granted = 3};
        struct tk_offer offer;
        assert_true(spend(&slot, &none, 0, &offer));
        assert_false(spend(&slot, &none, 1, &offer));
        assert_true(spend(&slot, &some, 3, &offer));
        assert_true(spend(&slot, &some, 0, &offer));
        assert_false(spend(&slot, &some, 1, &offer));
        assert_false(spend(&slot, &some, UINT64_MAX, &offer));
        assert_int_equal(slot.lo, 3);
}

/* Never more than was granted, whatever the slot holds; the largest numbers do not wrap. */
static void test_garbage_admits_no_more(void **state)
{
        (void)state;
        static const uint64_t words[] = {0,          1,  99, 100, 101, UINT64_C(1) << 62, UINT64_C(1) << 63,
                                         UINT64_MAX, 200};
        struct tk_credits credits = {.granted = 100, .gone = 10},
                          most = {.granted = TK_LIMIT_CREDITS_MAX, .gone = 0};
        for (size_t lo = 0; lo < COUNT(words); lo++) {
                for (size_t hi = 0; hi < COUNT(words); hi++) {
                        struct tk_slot slot = {.lo = words[lo], .hi = words[hi]};
                        struct tk_offer offer;
                        assert_true(left_of(&slot, &credits) <= 90);
                        if (words[lo] >= 100 || words[hi] >= 100)
                                assert_int_equal(left_of(&slot, &credits), 0);
                        assert_false(spend(&slot, &credits, 91, &offer));
                }
        }
        struct tk_slot slot = {0};
        struct tk_offer offer;
        for (uint64_t spent = 0; spent < 3; spent++)
                assert_true(spend(&slot, &most, TK_LIMIT_COST_MAX, &offer));
        slot.lo = TK_LIMIT_CREDITS_MAX - 1;
        assert_false(spend(&slot, &most, TK_LIMIT_COST_MAX, &offer));
        assert_true(spend(&slot, &most, 1, &offer));
        assert_int_equal(left_of(&slot, &most), 0);
}

/* ---- many threads ---- */

#define THREADS 4

static struct {
        struct tk_slot slot;
        struct tk_credits credits;
        _Atomic uint64_t spent;
} shared;

static void *spend_all(void *arg)
{
        uint64_t random = 7 + *(unsigned *)arg, mine = 0;
        for (;;) {
                uint64_t cost = 1 + prng_below(&random, 9);
                struct tk_offer offer;
                do {
                        tk_credits_offer(&shared.slot, &shared.credits, cost, &offer);
                } while (offer.wait_ns == 0 && !tk_offer_take(&shared.slot, &offer));
                if (offer.wait_ns && cost == 1)
                        break;
                mine += offer.wait_ns ? 0 : cost;
        }
        atomic_fetch_add(&shared.spent, mine);
        return NULL;
}

static void test_threads_spend_what_was_granted(void **state)
{
        (void)state;
        pthread_t threads[THREADS];
        unsigned numbers[THREADS];
        shared.credits = (struct tk_credits){.granted = 200000, .gone = 50000};
        for (unsigned i = 0; i < THREADS; i++) {
                numbers[i] = i;
                assert_int_equal(pthread_create(&threads[i], NULL, spend_all, &numbers[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(shared.spent, 150000);
        assert_int_equal(left_of(&shared.slot, &shared.credits), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_agrees_with_the_oracle),
                cmocka_unit_test(test_what_expired_is_not_given_back),
                cmocka_unit_test(test_a_grant_counts_once),
                cmocka_unit_test(test_a_cost_of_nothing_always_fits),
                cmocka_unit_test(test_garbage_admits_no_more),
                cmocka_unit_test(test_threads_spend_what_was_granted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
