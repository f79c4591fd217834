/*
 * Reservations: what is charged when, who may settle it and how often, what expires, and what a thread leaves that was killed or slept.
 * The boot clock is given to settling and to the sweep, so nothing here waits.
 */
#include "support.h"

#include "gate/publisher.h"
#include "gate/request.h"
#include "gate/reserve.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define LINES 64 /* of test_sizes */

static struct test_key key;
static struct tk_limit_def limits[3];

/* Key 17 with a window of 100 a day and a rate of burst 100, bound to subscription 3 with 1000 credits. */
static int setup(void **state)
{
        static struct test_gate test;
        static const struct tk_limit_def prepaid = {.kind = TK_LIMIT_CREDITS, .name = "prepaid"};
        test_gate_open(&test);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_STARTED_S,
                                                       .limits = &prepaid,
                                                       .limit_count = 1,
                                                       .credits = {.granted = 1000}};
        assert_int_equal(tk_publish_subscription(test.publisher, &subscription), TK_OK);
        limits[0] = test_window("day", 100, TK_PERIOD_DAY, 0);
        limits[1] = test_rate("rate", 100, 100000, 100);
        test_key_mint(&test, 17, &key);
        key.published.subscription_id = 3;
        key.published.limits = limits;
        key.published.limit_count = 2;
        test_key_publish(&test, &key);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static struct tk_ask reserving(const struct test_gate *test, uint64_t cost, uint32_t reserve_s)
{
        struct tk_ask ask = test_ask(test, &key);
        ask.cost = cost;
        ask.reserve_s = reserve_s;
        return ask;
}

static uint64_t reserve(struct test_gate *test, uint64_t cost, uint32_t reserve_s)
{
        struct tk_ask ask = reserving(test, cost, reserve_s);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_not_equal(answer.reservation, 0);
        return answer.reservation;
}

/* Boot time so long after TEST_NOW. */
static uint64_t boot_after(const struct test_gate *test, int64_t after_s)
{
        return tk_files_moment(&test->publisher->files, TEST_NOW_NS).boot_ns +
               (uint64_t)after_s * TK_NS_PER_S;
}

static enum tk_err settle_after(struct test_gate *test, uint64_t id, uint64_t cost, int64_t after_s)
{
        return tk_reservation_settle(test->gate, id, cost, TK_EVENT_SETTLED, boot_after(test, after_s));
}

static void sweep_after(struct test_gate *test, int64_t after_s)
{
        struct tk_reservations_sweep sweep = {0};
        tk_reservations_sweep(&test->publisher->files, boot_after(test, after_s), &sweep);
}

static struct tk_area *lines_of(const struct test_gate *test)
{
        return tk_publisher_area(test->publisher, TK_FILE_RESERVATIONS);
}

static struct tk_format_reservation *line_of(const struct test_gate *test, uint64_t id)
{
        return tk_area_at(lines_of(test), (id & UINT32_MAX) - 1, 1);
}

static unsigned lines_in_use(const struct test_gate *test)
{
        unsigned in_use = 0;
        for (uint64_t i = 0; i < tk_area_used(lines_of(test)); i++) {
                const struct tk_format_reservation *line = tk_area_at(lines_of(test), i, 1);
                in_use += tk_reservation_state(line->control) != TK_RESERVATION_FREE;
        }
        return in_use;
}

/* Credits, window, rate, as they are at `after_s`. */
static void assert_left(struct test_gate *test, int64_t after_s, uint64_t credits, uint64_t day,
                        uint64_t rate)
{
        struct tk_ask ask = reserving(test, 0, 0);
        ask.now_ns += (uint64_t)after_s * TK_NS_PER_S;
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limit_count, 3);
        assert_int_equal(answer.limits[0].state.remaining, credits);
        assert_int_equal(answer.limits[1].state.remaining, day);
        assert_int_equal(answer.limits[2].state.remaining, rate);
}

/* ---- settle and release ---- */

static void test_what_was_not_used_is_given_back(void **state)
{
        struct test_gate *test = *state;
        uint64_t id = reserve(test, 30, 60);
        assert_left(test, 0, 970, 70, 70);
        assert_int_equal(tk_gate_settle(test->gate, id, 12), TK_OK);
        assert_left(test, 0, 988, 88, 70); /* a rate keeps it */
        assert_int_equal(lines_in_use(test), 0);

        id = reserve(test, 30, 60);
        assert_int_equal(tk_gate_release(test->gate, id), TK_OK);
        assert_left(test, 0, 988, 88, 40);
        id = reserve(test, 10, 60);
        assert_int_equal(tk_gate_settle(test->gate, id, 10), TK_OK);
        assert_left(test, 0, 978, 78, 30);
}

static void test_a_reservation_is_settled_once(void **state)
{
        struct test_gate *test = *state;
        uint64_t id = reserve(test, 30, 60);
        assert_int_equal(tk_gate_settle(test->gate, id, 31), TK_INVALID); /* it stays open */
        assert_int_equal(tk_gate_settle(test->gate, id, UINT64_MAX), TK_INVALID);
        assert_left(test, 0, 970, 70, 70);
        assert_int_equal(tk_gate_settle(test->gate, id, 29), TK_OK);
        assert_int_equal(tk_gate_settle(test->gate, id, 0), TK_NOT_FOUND);
        assert_int_equal(tk_gate_release(test->gate, id), TK_NOT_FOUND);
        assert_left(test, 0, 971, 71, 70);

        static const uint64_t absent[] = {
                0, 1, LINES + 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX, UINT64_C(1) << 60};
        for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
                assert_int_equal(tk_gate_settle(test->gate, absent[i], 0), TK_NOT_FOUND);
        id = reserve(test, 5, 60);
        assert_int_equal(tk_gate_settle(test->gate, id + 1, 0), TK_NOT_FOUND);
        assert_int_equal(tk_gate_settle(test->gate, id ^ UINT64_C(1) << 32, 0), TK_NOT_FOUND);
        assert_int_equal(tk_gate_settle(test->gate, id, 0), TK_OK);
}

/* A line that is used again has another id: the old one settles nothing of the new. */
static void test_an_old_id_is_nobodys(void **state)
{
        struct test_gate *test = *state;
        uint64_t ids[3 * LINES];
        for (unsigned i = 0; i < 3 * LINES; i++) {
                ids[i] = reserve(test, 1, 60);
                assert_int_equal(tk_gate_release(test->gate, ids[i]), TK_OK);
                for (unsigned j = 0; j < i; j++)
                        assert_true(ids[i] != ids[j]);
                if (i % 50 == 49) { /* what the rate does not get back */
                        limits[1].burst += 100;
                        test_key_publish(test, &key);
                }
        }
        uint64_t id = reserve(test, 10, 60);
        for (unsigned i = 0; i < 3 * LINES; i++)
                assert_int_equal(tk_gate_settle(test->gate, ids[i], 0), TK_NOT_FOUND);
        assert_int_equal(tk_gate_settle(test->gate, id, 10), TK_OK);
}

/* In another period there is nothing to give back; in a later one of another kind there is. */
static void test_nothing_is_given_back_to_another_period(void **state)
{
        struct test_gate *test = *state;
        uint64_t id = reserve(test, 30, 86400);
        struct tk_ask ask = reserving(test, 1, 0);
        int64_t next_day_s = 12 * 3600;
        ask.now_ns += (uint64_t)next_day_s * TK_NS_PER_S;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(settle_after(test, id, 0, next_day_s), TK_OK);
        assert_left(test, next_day_s, 999, 99, 99); /* credits came back, the day's units did not */
}

/* Spent of one grant, settled after that has expired and another was spent of: the other does not get it. */
static void test_credits_that_expired_meanwhile_are_not_given_back(void **state)
{
        struct test_gate *test = *state;
        static const struct tk_limit_def prepaid = {.kind = TK_LIMIT_CREDITS, .name = "prepaid"};
        struct tk_publish_subscription subscription = {
                .id = 3,
                .environment_id = TEST_PRODUCTION,
                .consumer_id = TEST_CONSUMER,
                .started_s = TEST_STARTED_S,
                .limits = &prepaid,
                .limit_count = 1,
                .credits = {.granted = 1100, .gone_next = 1000, .expiry_s = TEST_NOW_S + 60}};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        uint64_t id = reserve(test, 30, 86400);
        struct tk_ask ask = reserving(test, 5, 0);
        ask.now_ns += 60 * TK_NS_PER_S;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(settle_after(test, id, 0, 61), TK_OK);
        assert_left(test, 61, 95, 95, 65);
}

static void test_a_cost_of_nothing_can_be_reserved(void **state)
{
        struct test_gate *test = *state;
        uint64_t id = reserve(test, 0, 60);
        assert_int_equal(tk_gate_settle(test->gate, id, 1), TK_INVALID);
        assert_int_equal(tk_gate_settle(test->gate, id, 0), TK_OK);
        assert_left(test, 0, 1000, 100, 100);
}

/* Also to limits of routes and to those that the caller names, and to one that is not enforced. */
static void test_all_owners_get_back(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def shadow = test_window("shadow", 100, TK_PERIOD_DAY, 0);
        shadow.shadow = true;
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1"),
                                         .limits = &shadow,
                                         .limit_count = 1};
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
        struct tk_named_limit named = {TK_STR("alice"), &limits[0]};
        struct tk_ask ask = reserving(test, 40, 60);
        assert_true(tk_gate_route(test->gate, test->production, TK_STR("GET"), TK_STR("/v1"), &ask.route));
        ask.named = &named;
        ask.named_count = 1;
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[3].state.remaining, 60);
        assert_int_equal(answer.limits[4].state.remaining, 60);
        assert_int_equal(tk_gate_settle(test->gate, answer.reservation, 25), TK_OK);
        ask.cost = 0;
        answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[3].state.remaining, 75);
        assert_int_equal(answer.limits[4].state.remaining, 75);
}

/* ---- what makes none ---- */

static void test_a_refusal_claims_no_line(void **state)
{
        struct test_gate *test = *state;
        struct tk_ask ask = reserving(test, 101, 60);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_rate_limited);
        assert_int_equal(answer.reservation, 0);
        ask = reserving(test, 1, TK_RESERVE_MAX_S + 1);
        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_unavailable);
        assert_string_equal(answer.reason, "a reservation does not last so long");
        ask.environment = 0;
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);
        assert_int_equal(lines_in_use(test), 0);
        assert_left(test, 0, 1000, 100, 100);

        ask = reserving(test, 1, TK_RESERVE_MAX_S);
        answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(lines_in_use(test), 1);
}

static void test_an_explanation_reserves_nothing(void **state)
{
        struct test_gate *test = *state;
        struct tk_explanation explanation;
        struct tk_ask ask = reserving(test, 10, 60);
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_code(explanation.answer.code, TK_CODE_valid);
        assert_int_equal(explanation.answer.reservation, 0);
        assert_int_equal(lines_in_use(test), 0);
        assert_left(test, 0, 1000, 100, 100);
}

/* Another request takes the last unit between look and charge: the line is given back. */
static void test_a_lost_race_gives_the_line_back(void **state)
{
        struct test_gate *test = *state;
        struct tk_ask ask = reserving(test, 60, 60);
        struct tk_request request;
        struct tk_answer answer;
        tk_request_init(&request, test->gate, &ask, &answer);
#define X(code, check, describe) assert_true(check(&request));
        TK_CHECKS(X)
#undef X
        assert_true(tk_reservation_claim(&request));
        assert_int_equal(lines_in_use(test), 1);
        ask.reserve_s = 0;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_false(tk_request_charge(&request));
        tk_reservation_drop(&request);
        assert_int_equal(lines_in_use(test), 0);
        assert_left(test, 0, 940, 40, 40);
}

static void test_a_full_table_is_unavailable_and_grows(void **state)
{
        struct test_gate *test = *state;
        uint64_t ids[LINES];
        for (unsigned i = 0; i < LINES; i++)
                ids[i] = reserve(test, 1, 3600);
        struct tk_ask ask = reserving(test, 1, 3600);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_unavailable);
        assert_string_equal(answer.reason, "there is no room for another reservation");
        assert_left(test, 0, 1000 - LINES, 100 - LINES, 100 - LINES);

        sweep_after(test, 1); /* more than half are in use */
        assert_int_equal(tk_area_used(lines_of(test)), 2 * LINES);
        for (unsigned i = 0; i < 20; i++) /* a decider that is open learns of it */
                reserve(test, 1, 3600);
        assert_int_equal(lines_in_use(test), LINES + 20);
        for (unsigned i = 0; i < LINES; i++)
                assert_int_equal(tk_gate_settle(test->gate, ids[i], 0), TK_OK);
        sweep_after(test, 1);
        assert_int_equal(tk_area_used(lines_of(test)), 2 * LINES);
}

/* ---- time ---- */

static void test_what_expires_keeps_what_it_reserved(void **state)
{
        struct test_gate *test = *state;
        uint64_t first = reserve(test, 30, 60), second = reserve(test, 10, 90);
        /* At least as long as was asked, whatever part of a second the clock was at, and not two seconds more. */
        assert_int_equal(settle_after(test, first, 31, 60 - 1), TK_INVALID);
        uint64_t last_ns = boot_after(test, 60) - 1;
        assert_int_equal(tk_reservation_settle(test->gate, first, 31, TK_EVENT_SETTLED, last_ns), TK_INVALID);
        assert_int_equal(settle_after(test, first, 0, 61), TK_NOT_FOUND);
        sweep_after(test, 59);
        assert_int_equal(lines_in_use(test), 2);
        sweep_after(test, 61);
        assert_int_equal(lines_in_use(test), 1);
        assert_left(test, 0, 960, 60, 60);
        assert_int_equal(tk_reservation_settle(test->gate, first, 0, TK_EVENT_SETTLED, boot_after(test, 0)),
                         TK_NOT_FOUND);
        assert_int_equal(settle_after(test, second, 0, 61), TK_OK);
        assert_left(test, 0, 970, 70, 60);
}

/* A thread that was killed while it made or settled one leaves a line that is freed a minute later. */
static void test_what_killed_threads_leave_is_freed(void **state)
{
        struct test_gate *test = *state;
        static const enum tk_reservation_state states[] = {TK_RESERVATION_MAKING, TK_RESERVATION_SETTLING,
                                                           (enum tk_reservation_state)9};
        uint32_t now_s = (uint32_t)(boot_after(test, 0) / TK_NS_PER_S);
        for (size_t i = 0; i < 3; i++) {
                struct tk_format_reservation *line = tk_area_at(lines_of(test), i, 1);
                atomic_store(&line->control, tk_reservation_control(states[i], 7, now_s));
        }
        sweep_after(test, 59);
        assert_int_equal(lines_in_use(test), 3);
        sweep_after(test, 62);
        assert_int_equal(lines_in_use(test), 0);
        struct tk_format_reservation *line = tk_area_at(lines_of(test), 0, 1);
        assert_int_equal(tk_reservation_generation(line->control), 7);
}

/* Times that no clock of this machine can have given hold no line for ever; one a second ahead of the sweep's is not touched. */
static void test_garbage_holds_no_line(void **state)
{
        struct test_gate *test = *state;
        uint32_t now_s = (uint32_t)(boot_after(test, 0) / TK_NS_PER_S);
        struct tk_format_reservation *line = tk_area_at(lines_of(test), 3, 1);
        atomic_store(&line->control, tk_reservation_control(TK_RESERVATION_MAKING, 7, now_s + 2));
        sweep_after(test, 0);
        assert_int_equal(lines_in_use(test), 1);
        atomic_store(&line->control, tk_reservation_control(TK_RESERVATION_MAKING, 7, UINT32_MAX));
        sweep_after(test, 0);
        assert_int_equal(lines_in_use(test), 0);

        uint64_t id = reserve(test, 5, TK_RESERVE_MAX_S);
        sweep_after(test, 0);
        assert_int_equal(lines_in_use(test), 1);
        atomic_store(&line_of(test, id)->expires_s, UINT64_MAX);
        assert_int_equal(tk_gate_settle(test->gate, id, 0), TK_NOT_FOUND); /* the check */
        sweep_after(test, 0);
        assert_int_equal(lines_in_use(test), 0);
}

/* ---- lines that change hands ---- */

static void begin_reserving(struct test_gate *test, const struct tk_ask *ask, struct tk_request *request,
                            struct tk_answer *answer)
{
        tk_request_init(request, test->gate, ask, answer);
#define X(code, check, describe) assert_true(check(request));
        TK_CHECKS(X)
#undef X
        assert_true(tk_reservation_claim(request));
        assert_true(tk_request_charge(request));
}

/* Asleep for over a minute between claim and opening: the line was taken back, so it was not made. */
static void test_a_maker_that_slept_has_made_none(void **state)
{
        struct test_gate *test = *state;
        struct tk_ask ask = reserving(test, 30, 3600);
        struct tk_request request;
        struct tk_answer answer;
        begin_reserving(test, &ask, &request, &answer);
        sweep_after(test, 62);
        assert_false(tk_reservation_open(&request));
        assert_int_equal(answer.reservation, 0);
        assert_int_equal(lines_in_use(test), 0);
        tk_request_refund(&request);
        assert_left(test, 0, 1000, 100, 70);
}

/*
 * And if the line is another's by then, what the first writes into it when it wakes must not be taken for the other's: its 30 units would
 * be given back in the other's name, who reserved 5, and again by itself.
 */
static void test_a_maker_that_slept_spoils_no_other(void **state)
{
        struct test_gate *test = *state;
        struct tk_ask ask = reserving(test, 30, 3600);
        struct tk_request request;
        struct tk_answer answer;
        begin_reserving(test, &ask, &request, &answer);
        struct tk_format_reservation *line = request.reservation;
        sweep_after(test, 62);

        uint64_t ids[LINES], others = 0, id = 0;
        while (tk_reservation_state(line->control) != TK_RESERVATION_OPEN) {
                assert_true(others < LINES);
                id = ids[others++] = reserve(test, 1, 3600);
        }
        assert_int_equal((id & UINT32_MAX) - 1, request.reservation_number);
        assert_false(tk_reservation_open(&request));
        assert_int_equal(settle_after(test, id, 0, 1), TK_NOT_FOUND);
        tk_request_refund(&request);
        assert_left(test, 0, 1000 - others, 100 - others, 70 - others);
        sweep_after(test, 3601); /* it expires like any other */
        assert_int_equal(lines_in_use(test), 0);
}

/* Wherever a byte of an open line is changed: nothing is given back, or what was reserved. */
static void test_a_damaged_line_gives_nothing_back(void **state)
{
        struct test_gate *test = *state;
        uint64_t id = reserve(test, 30, 3600);
        struct tk_format_reservation *line = line_of(test, id);
        struct tk_format_reservation sound;
        memcpy(&sound, line, sizeof sound);
        unsigned refused = 0;
        for (size_t i = offsetof(struct tk_format_reservation, expires_s); i < sizeof sound; i++) {
                ((uint8_t *)line)[i] ^= 0x11;
                enum tk_err err = settle_after(test, id, 30, 1);
                refused += err == TK_NOT_FOUND;
                assert_true(err == TK_OK || err == TK_NOT_FOUND);
                memcpy(line, &sound, sizeof sound);
        }
        /* expires, key, units, owners, check; two charges of 16 bytes */
        assert_int_equal(refused, 48 - 8 + 8 + 2 * 16);
        assert_int_equal(settle_after(test, id, 0, 1), TK_OK);
        assert_left(test, 0, 1000, 100, 70);
}

/* Generations have 28 bits: the one after the last is 0, and an id of it is none that was given out before. */
static void test_generations_wrap(void **state)
{
        struct test_gate *test = *state;
        for (uint64_t i = 0; i < LINES; i++) {
                struct tk_format_reservation *line = tk_area_at(lines_of(test), i, 1);
                atomic_store(&line->control, tk_reservation_control(TK_RESERVATION_FREE, 0xffffffe, 0));
        }
        uint64_t last[LINES];
        for (unsigned i = 0; i < LINES; i++) {
                last[i] = reserve(test, 1, 60);
                assert_int_equal(last[i] >> 32, 0xfffffff);
        }
        for (unsigned i = 0; i < LINES; i++)
                assert_int_equal(tk_gate_settle(test->gate, last[i], 1), TK_OK);
        uint64_t id = reserve(test, 1, 60);
        assert_int_equal(id >> 32, 0);
        assert_int_not_equal(id, 0);
        assert_int_equal(tk_gate_settle(test->gate, id, 0), TK_OK);
}

/* ---- threads ---- */

#define SETTLERS 4
#define ROUNDS   2000

static struct {
        struct tk_gate gate; /* the publisher's mapping, so that ThreadSanitizer sees both sides */
        _Atomic uint64_t id;
        _Atomic unsigned round, done, settled;
        uint64_t boot_ns;
} race;

static void *settle_each(void *arg)
{
        (void)arg;
        for (unsigned round = 1; round <= ROUNDS; round++) {
                while (atomic_load(&race.round) < round)
                        sched_yield();
                enum tk_err err = tk_reservation_settle(&race.gate, atomic_load(&race.id), 1,
                                                        TK_EVENT_SETTLED, race.boot_ns);
                atomic_fetch_add(&race.settled, err == TK_OK);
                atomic_fetch_add(&race.done, 1);
        }
        return NULL;
}

/* Each reservation has one settler that wins, and is given back once, while the sweep looks on. */
static void test_one_settler_wins(void **state)
{
        struct test_gate *test = *state;
        pthread_t threads[SETTLERS];
        memset(&race, 0, sizeof race);
        race.gate = *test->gate;
        race.gate.files = test->publisher->files;
        race.boot_ns = boot_after(test, 1);
        limits[1].burst = 100000;
        test_key_publish(test, &key);
        limits[0].limit = ROUNDS + 9;
        test_key_publish(test, &key);
        for (unsigned i = 0; i < SETTLERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, settle_each, NULL), 0);
        unsigned rounds = 0;
        uint64_t credits = 1000;
        for (; rounds < ROUNDS && credits > 10; rounds++) {
                struct tk_ask ask = reserving(test, 10, 60);
                struct tk_answer answer;
                tk_gate_decide(&race.gate, &ask, &answer);
                assert_code(answer.code, TK_CODE_valid);
                atomic_store(&race.done, 0);
                atomic_store(&race.id, answer.reservation);
                atomic_store(&race.round, rounds + 1);
                sweep_after(test, 1);
                while (atomic_load(&race.done) < SETTLERS)
                        sched_yield();
                credits--;
        }
        atomic_store(&race.id, 0);
        atomic_store(&race.round, ROUNDS);
        for (unsigned i = 0; i < SETTLERS; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(race.settled, rounds);
        assert_int_equal(lines_in_use(test), 0);
        struct tk_ask ask = reserving(test, 0, 0);
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[0].state.remaining, 1000 - rounds);
        assert_int_equal(answer.limits[1].state.remaining, ROUNDS + 9 - rounds);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_was_not_used_is_given_back),
                TEST(test_a_reservation_is_settled_once),
                TEST(test_an_old_id_is_nobodys),
                TEST(test_nothing_is_given_back_to_another_period),
                TEST(test_credits_that_expired_meanwhile_are_not_given_back),
                TEST(test_a_cost_of_nothing_can_be_reserved),
                TEST(test_all_owners_get_back),
                TEST(test_a_refusal_claims_no_line),
                TEST(test_an_explanation_reserves_nothing),
                TEST(test_a_lost_race_gives_the_line_back),
                TEST(test_a_full_table_is_unavailable_and_grows),
                TEST(test_what_expires_keeps_what_it_reserved),
                TEST(test_what_killed_threads_leave_is_freed),
                TEST(test_garbage_holds_no_line),
                TEST(test_a_maker_that_slept_has_made_none),
                TEST(test_a_maker_that_slept_spoils_no_other),
                TEST(test_a_damaged_line_gives_nothing_back),
                TEST(test_generations_wrap),
                TEST(test_one_settler_wins),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
