/*
 * Limits that callers name: what the sweep forgets and what it must not, what killed processes leave, and threads against an oracle. The
 * sweep is told the time. Storms of processes are elsewhere.
 */
#include "named_support.h"

#include "core/slot.h"
#include "gate/named.h"
#include "gate/publisher.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- the sweep ---- */

static void test_what_is_whole_for_two_minutes_is_forgotten(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 5), 3);
        unsigned place = only_place(test);
        uint64_t tag = atomic_load(tag_at(test, place));
        struct tk_format_named *entry = entry_at(test, place);

        sweep_at(test, 3600 + 60);
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        sweep_at(test, 3600 + 62);
        assert_int_equal(atomic_load(tag_at(test, place)), tag | TK_NAMED_CLOSING);
        sweep_at(test, 3600 + 122);
        assert_int_equal(atomic_load(tag_at(test, place)), tag | TK_NAMED_CLOSING);
        assert_int_equal(entry->admitted, 3);
        sweep_at(test, 3600 + 123);
        assert_int_equal(taken_places(test), 0);
        assert_int_equal(entry->admitted + entry->refused + entry->last_used_s + entry->whole_s, 0);
        assert_int_equal(entry->slot.lo | entry->slot.hi, 0);

        /* The insert that made it is still announced. Whoever comes by next does not bring it back. */
        unsigned bucket = place / TK_NAMED_BUCKET_ENTRIES;
        assert_int_equal(bucket_at(test, bucket)->insert.lo, tag);
        char name[16];
        for (unsigned i = 0; bucket_at(test, bucket)->insert.lo == tag; i++) {
                snprintf(name, sizeof name, "n%u", i);
                ask_name(test, name, &hourly);
        }
        for (unsigned i = 0; i < PLACES; i++)
                assert_true(atomic_load(tag_at(test, i)) != tag);
        assert_int_equal(admit_up_to(test, "alice", &hourly, 5), 3);
}

static void test_what_is_used_while_it_closes_is_kept(void **state)
{
        struct test_gate *test = *state;
        struct tk_named_limit named = {TK_STR("alice"), &hourly};
        admit_up_to(test, "alice", &hourly, 3);
        unsigned place = only_place(test);
        uint64_t tag = atomic_load(tag_at(test, place));
        sweep_at(test, 3600 + 62);
        assert_int_equal(atomic_load(tag_at(test, place)), tag | TK_NAMED_CLOSING);
        assert_code(ask_at(test, &named, 1, 3600 + 63).code, TK_CODE_valid);
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        forget_at(test, 3600 + 200);
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        struct tk_answer answer = ask_at(test, &named, 1, 3600 + 300);
        assert_int_equal(answer.limits[0].state.remaining, 1);

        /* Found before it closed, charged after: what the decider raised before its charge opens it again. */
        forget_at(test, 7200 + 62 - 61);
        sweep_at(test, 7200 + 3600);
        if (atomic_load(tag_at(test, place)) == (tag | TK_NAMED_CLOSING)) {
                atomic_store(&entry_at(test, place)->whole_s,
                             moment_after(test, 7200 + 7200).boot_ns / TK_NS_PER_S);
                sweep_at(test, 7200 + 3700);
        }
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
}

/* Nothing is forgotten before it is whole, however long that takes: past it, two minutes later, it is. */
static void test_what_is_not_whole_is_not_forgotten(void **state)
{
        static const struct {
                struct tk_limit_def def;
                int64_t whole_s; /* INT64_MAX: longer than anyone waits */
        } cases[] = {
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .period = TK_PERIOD_MONTH}, 31 * 86400},
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .period = TK_PERIOD_WEEK}, 7 * 86400},
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .length_s = TK_LIMIT_LENGTH_MAX_S},
                 TK_LIMIT_LENGTH_MAX_S},
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .length_s = 1}, 1},
                {{.kind = TK_LIMIT_RATE, .limit = 1, .length_s = 86400, .burst = 30}, 30 * 86400},
                {{.kind = TK_LIMIT_RATE, .limit = 1000000, .length_s = 1, .burst = 1}, 0},
                /* 366 days * 10^15 are more seconds than 64 bits hold */
                {{.kind = TK_LIMIT_RATE, .limit = 1, .length_s = 366 * 86400, .burst = TK_LIMIT_UNITS_MAX},
                 INT64_MAX},
                /* which, cut to 64 bits, are none: 2^24 s * 2^40 */
                {{.kind = TK_LIMIT_RATE, .limit = 1, .length_s = 1 << 24, .burst = UINT64_C(1) << 40},
                 INT64_MAX},
        };
        struct test_gate *test = *state;
        unsigned for_ever = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                bool never = cases[i].whole_s == INT64_MAX;
                int64_t whole_s = never ? INT64_C(7000000000) : cases[i].whole_s;
                ask_name(test, "alice", &cases[i].def);
                forget_at(test, whole_s);
                assert_int_equal(taken_places(test), for_ever + 1);
                forget_at(test, whole_s + 200);
                for_ever += never;
                assert_int_equal(taken_places(test), for_ever);
        }
}

/* A clock that was put back leaves a later period in the slot, which counts for up to another one: so long it may not be forgotten. */
static void test_a_clock_that_was_put_back_keeps_windows(void **state)
{
        struct test_gate *test = *state;
        admit_up_to(test, "alice", &hourly, 3);
        struct tk_named_limit rate = {TK_STR("bob"), &minutely};
        ask_at(test, &rate, 1, 0);
        uint64_t cursor = 0;
        for (int64_t after_s = 3600; after_s <= 3600 + 3600 + 60; after_s += 61) {
                struct tk_moment now = moment_after(test, after_s);
                now.gate_ns -= 86400 * TK_NS_PER_S; /* an hour after the request it went back by a day */
                now.back = (struct tk_put_back){.at_s = TEST_NOW_S + 3600 - 86400, .times = 1};
                tk_named_sweep(&test->publisher->files, &now, &cursor);
                if (after_s >= 3600 + 122) /* of rates the clock is not the one that was set */
                        only_place(test);
        }
        for (int64_t after_s = 3 * 3600; after_s <= 3 * 3600 + 61; after_s += 61) {
                struct tk_moment now = moment_after(test, after_s);
                now.gate_ns -= 86400 * TK_NS_PER_S;
                now.back = (struct tk_put_back){.at_s = TEST_NOW_S + 3600 - 86400, .times = 1};
                tk_named_sweep(&test->publisher->files, &now, &cursor);
        }
        assert_int_equal(taken_places(test), 0);
}

/* A reservation names the place of its charge: while it is open, nobody else may get that place and be given back for it. */
static void test_an_open_reservation_keeps_the_place(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def def = test_window("short", 10, TK_PERIOD_FIXED, 60);
        struct tk_named_limit named = {TK_STR("alice"), &def};
        struct tk_ask ask = test_ask(test, &named_key);
        ask.named = &named;
        ask.named_count = 1;
        ask.reserve_s = 7200;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        forget_at(test, 7200);
        assert_int_equal(taken_places(test), 1);
        forget_at(test, 7400);
        assert_int_equal(taken_places(test), 0);
}

/* ---- inserters and daemons that were killed ---- */

static void test_an_announced_insert_is_finished_by_the_next(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 1), 1);
        unsigned place = only_place(test);
        struct tk_format_named_bucket *bucket = bucket_at(test, place / TK_NAMED_BUCKET_ENTRIES);
        uint64_t tag = atomic_exchange(tag_at(test, place), 0); /* as it was between announcing and writing */
        struct tk_slot insert = tk_slot_of(tk_slot_read(&bucket->insert));
        assert_int_equal(insert.lo, tag);
        assert_int_equal(insert.hi, 1 << 8 | place % TK_NAMED_BUCKET_ENTRIES);

        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 2); /* found there: one was charged before */
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        only_place(test);

        /* The same for another name that comes first. */
        atomic_store(tag_at(test, place), 0);
        char name[16];
        for (unsigned i = 0; taken_places(test) < 20; i++) {
                snprintf(name, sizeof name, "n%u", i);
                ask_name(test, name, &hourly);
        }
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 0);
}

static void test_garbage_in_the_insert_word_is_passed(void **state)
{
        struct test_gate *test = *state;
        static const struct tk_slot garbage[] = {
                {UINT64_MAX, UINT64_MAX - 1}, {0, 15}, {TK_NAMED_DEAD, 1 << 8 | 14}, {7, 0}};
        for (size_t i = 0; i < 4; i++) {
                char name[16];
                for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
                        bucket_at(test, bucket)->insert = garbage[i];
                for (unsigned n = 0; n < 4; n++) {
                        snprintf(name, sizeof name, "%zu.%u", i, n);
                        assert_code(ask_name(test, name, &hourly).code, TK_CODE_valid);
                }
        }
}

static void test_a_daemon_that_was_killed_while_it_forgot(void **state)
{
        struct test_gate *test = *state;
        admit_up_to(test, "alice", &hourly, 3);
        unsigned place = only_place(test);
        atomic_store(tag_at(test, place), TK_NAMED_DEAD);
        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 3); /* it was whole, or would not be dead */
        sweep_at(test, 1);
        assert_int_equal(atomic_load(tag_at(test, place)), 2); /* the version: alice was inserted twice */
        assert_int_equal(entry_at(test, place)->slot.lo, 0);
        only_place(test);
}

/* ---- threads ---- */

/*
 * Threads ask for random names of a set that moves on with time, more than the table has places, while the daemon's sweep forgets those
 * that were left behind. All take part in each second of the clock, so no decision takes the minute after which it may lose its charge.
 * What is admitted is counted by name and period, or by name: one that had two places, or came by a fresh limit, would exceed its promise.
 */
#define THREADS      4
#define NAMES        128
#define ACTIVE       80 /* names at a time */
#define MOVED        20 /* of them in each minute */
#define STORM_S      1500
#define A_SECOND     17 /* decisions of a thread */
#define PERIOD_S     32
#define WINDOW_LIMIT 3

struct storm {
        struct tk_gate gate; /* the publisher's mapping, so that ThreadSanitizer sees both sides */
        uint32_t environment;
        _Atomic int64_t second; /* that runs; up to STORM_S */
        _Atomic unsigned working;
        _Atomic uint32_t windows[NAMES][STORM_S / PERIOD_S + 3];
        _Atomic uint32_t rates[NAMES];
        _Atomic uint64_t admitted, refused, shared, unavailable, wrong;
};
static struct storm storm;

/* 2 at once and one in 20 s; a period of 32 s, one of which begins with the storm. */
static struct tk_limit_def storm_rate, storm_window;

static void note(unsigned name, const struct tk_answer *answer, int64_t second, bool rate)
{
        atomic_fetch_add(&storm.shared, answer->named_shared);
        if (answer->code == TK_CODE_unavailable) {
                atomic_fetch_add(&storm.unavailable, 1);
                return;
        }
        if (answer->code != TK_CODE_valid) {
                atomic_fetch_add(&storm.refused, 1);
                return;
        }
        atomic_fetch_add(&storm.admitted, 1);
        if (rate) {
                atomic_fetch_add(&storm.rates[name], 1);
                return;
        }
        /* The period that was charged, which may be a later one than that of the second. */
        int64_t end_s = second + (int64_t)(answer->limits[0].state.reset_ns / TK_NS_PER_S);
        uint32_t before = atomic_fetch_add(&storm.windows[name][end_s / PERIOD_S], 1);
        if (before >= WINDOW_LIMIT)
                atomic_fetch_add(&storm.wrong, 1);
}

static uint32_t next_random(uint32_t *state)
{
        *state = *state * 1664525 + 1013904223;
        return *state >> 8;
}

static void rage_a_second(int64_t second, uint32_t *random)
{
        for (unsigned i = 0; i < A_SECOND; i++) {
                unsigned name = (unsigned)(second / 60 * MOVED + next_random(random) % ACTIVE) % NAMES;
                bool rate = name % 2;
                char text[16];
                snprintf(text, sizeof text, "user%u", name);
                struct tk_named_limit named = {tk_str_from(text), rate ? &storm_rate : &storm_window};
                struct tk_ask ask = {.key = named_key.view,
                                     .environment = storm.environment,
                                     .cost = 1,
                                     .named = &named,
                                     .named_count = 1,
                                     .now_ns = (uint64_t)(TEST_NOW_S + second) * TK_NS_PER_S};
                struct tk_answer answer;
                tk_gate_decide(&storm.gate, &ask, &answer);
                note(name, &answer, second, rate);
        }
}

static void *rage(void *arg)
{
        uint32_t random = *(unsigned *)arg * 77777 + 1;
        for (int64_t second = 0; second < STORM_S; second++) {
                while (atomic_load(&storm.second) < second)
                        sched_yield();
                rage_a_second(second, &random);
                atomic_fetch_sub(&storm.working, 1);
        }
        return NULL;
}

/* Nobody but the sweep, which runs in this thread, frees a place: a tag that is seen twice is there twice. */
static void assert_no_tag_twice(const struct test_gate *test)
{
        uint64_t tags[PLACES];
        for (unsigned i = 0; i < PLACES; i++)
                tags[i] = atomic_load(tag_at(test, i)) & ~TK_NAMED_CLOSING;
        for (unsigned i = 0; i < PLACES; i++)
                for (unsigned j = 0; j < i; j++)
                        assert_false(tags[i] & TK_NAMED_TAKEN && tags[i] == tags[j]);
}

static void storm_begin(struct test_gate *test)
{
        memset(&storm, 0, sizeof storm);
        storm_rate = test_rate("r", 1, 20, 2);
        storm_window = test_window("w", WINDOW_LIMIT, TK_PERIOD_FIXED, PERIOD_S);
        storm.gate = *test->gate;
        storm.gate.files = test->publisher->files;
        storm.environment = test->production;
        storm.second = -1;
        assert_int_equal(TEST_NOW_S % PERIOD_S, 0);
}

static void test_threads_against_the_oracle(void **state)
{
        struct test_gate *test = *state;
        pthread_t threads[THREADS];
        unsigned numbers[THREADS];
        uint64_t freed = 0;
        storm_begin(test);
        for (unsigned i = 0; i < THREADS; i++) {
                numbers[i] = i;
                assert_int_equal(pthread_create(&threads[i], NULL, rage, &numbers[i]), 0);
        }
        for (int64_t second = 0; second < STORM_S; second++) {
                atomic_store(&storm.working, THREADS);
                atomic_store(&storm.second, second);
                unsigned taken = taken_places(test);
                sweep_at(test, second);
                freed += taken > taken_places(test);
                assert_no_tag_twice(test);
                while (atomic_load(&storm.working))
                        sched_yield();
        }
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);

        assert_int_equal(storm.wrong, 0);
        for (unsigned name = 1; name < NAMES; name += 2)
                assert_true(storm.rates[name] <= 2 + STORM_S / 20);
        print_message(
                "admitted %lu, refused %lu, shared %lu, unavailable %lu, sweeps that freed places %lu\n",
                (unsigned long)storm.admitted, (unsigned long)storm.refused, (unsigned long)storm.shared,
                (unsigned long)storm.unavailable, (unsigned long)freed);
        assert_true(storm.admitted > 1000 && storm.refused > 1000 && storm.shared > 1000 && freed > 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, named_setup, named_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_is_whole_for_two_minutes_is_forgotten),
                TEST(test_what_is_used_while_it_closes_is_kept),
                TEST(test_what_is_not_whole_is_not_forgotten),
                TEST(test_a_clock_that_was_put_back_keeps_windows),
                TEST(test_an_open_reservation_keeps_the_place),
                TEST(test_an_announced_insert_is_finished_by_the_next),
                TEST(test_garbage_in_the_insert_word_is_passed),
                TEST(test_a_daemon_that_was_killed_while_it_forgot),
                TEST(test_threads_against_the_oracle),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
