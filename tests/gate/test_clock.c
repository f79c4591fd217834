/*
 * Gate time and its rule: a step of the wall clock is held until it is confirmed, and a period never goes back. Both clocks are the
 * test's own: the program is linked with --wrap=clock_gettime, so deciders and publisher read the boot clock here. What is promised
 * stands in docs/decisions/0008, and is tested against a list of everything that was ever admitted.
 */
#include "clock_world.h"
#include "fake_clock.h"

#include <stdio.h>
#include <string.h>

#define MS        UINT64_C(1000000) /* in ns */
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

static struct world the_world;

static int setup(void **state)
{
        world_begin(&the_world, TEST_NOW_S);
        *state = &the_world;
        return 0;
}

static int teardown(void **state)
{
        world_end(*state);
        return 0;
}

static unsigned admit_up_to(struct world *world, const struct tk_ask *ask, unsigned most)
{
        unsigned admitted = 0;
        while (admitted < most && test_decide(&world->test, ask) == TK_CODE_valid)
                admitted++;
        return admitted;
}

/* ---- following ---- */

static void test_what_ntp_slews_is_followed_at_once(void **state)
{
        struct world *world = *state;
        assert_int_equal(world_gate_ms(world), world->wall_ms);
        for (int i = 0; i < 50; i++) {
                world_step(world, i % 3 ? 200 : -200);
                world_run(world, 1);
                assert_int_equal(world_gate_ms(world), world->wall_ms);
                assert_int_equal(world_held_ms(world), 0);
        }
        world_step(world, 2); /* the clocks' jitter */
        world_run(world, 1);
        assert_int_equal(world_gate_ms(world), world->wall_ms - 2);
        assert_int_equal(world_times_back(world), 0);
}

static void test_a_step_is_held_for_a_minute(void **state)
{
        static const int64_t steps_ms[] = {201,     -201,     1000,         -1000,
                                           HOUR_MS, -HOUR_MS, 400 * DAY_MS, -400 * DAY_MS};
        struct world *world = *state;
        uint16_t back = 0;
        for (size_t i = 0; i < sizeof steps_ms / sizeof *steps_ms; i++) {
                int64_t ahead_ms = world_gate_ms(world) - world->wall_ms;
                assert_int_equal(ahead_ms, 0);
                world_step(world, steps_ms[i]);
                world_run(world, 60);
                assert_int_equal(world_gate_ms(world), world->wall_ms - steps_ms[i]);
                assert_int_equal(world_held_ms(world), steps_ms[i]);
                world_run(world, 1);
                assert_int_equal(world_gate_ms(world), world->wall_ms);
                assert_int_equal(world_held_ms(world), 0);
                back = (uint16_t)(back + (steps_ms[i] < 0));
                assert_int_equal(world_times_back(world), back);
        }
}

static void test_a_step_that_is_taken_back_never_was(void **state)
{
        struct world *world = *state;
        for (int i = 0; i < 10; i++) {
                world_step(world, 40 * DAY_MS);
                world_run(world, 55);
                world_step(world, -40 * DAY_MS);
                world_run(world, 30);
                assert_int_equal(world_gate_ms(world), world->wall_ms);
                assert_int_equal(world_held_ms(world), 0);
        }
        assert_int_equal(world_times_back(world), 0);
}

static void test_a_step_during_a_step_is_held_anew(void **state)
{
        struct world *world = *state;
        world_step(world, HOUR_MS);
        world_run(world, 50);
        world_step(world, -3 * HOUR_MS);
        world_run(world, 60);
        assert_int_equal(world_held_ms(world), -2 * HOUR_MS);
        assert_int_equal(world_gate_ms(world), world->wall_ms + 2 * HOUR_MS);
        world_run(world, 1);
        assert_int_equal(world_gate_ms(world), world->wall_ms);

        /* A slew while a step is held is a part of it. */
        world_step(world, HOUR_MS);
        world_run(world, 20);
        world_step(world, 150);
        world_run(world, 41);
        assert_int_equal(world_gate_ms(world), world->wall_ms);
}

static void test_an_operator_may_confirm_a_step(void **state)
{
        struct world *world = *state;
        assert_false(tk_publisher_confirm_time(world->test.publisher));
        world_step(world, -DAY_MS);
        world_run(world, 1);
        assert_true(tk_publisher_confirm_time(world->test.publisher));
        assert_int_equal(world_gate_ms(world), world->wall_ms);
        assert_int_equal(world_held_ms(world), 0);
        assert_int_equal(world_times_back(world), 1);
        assert_false(tk_publisher_confirm_time(world->test.publisher));
}

static void test_validity_keeps_to_gate_time(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 1000, TK_PERIOD_DAY, 0);
        struct tk_ask ask = world_ask_of(world, 1, &limit, &key);
        key.published.expires_s = TEST_NOW_S + 3600;
        test_key_publish(&world->test, &key);
        world_step(world, 2 * HOUR_MS);
        world_run(world, 60);
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
        world_run(world, 1);
        assert_code(test_decide(&world->test, &ask), TK_CODE_expired);
        world_step(world, -2 * HOUR_MS);
        world_run(world, 61);
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
}

/* ---- daemons that come and go ---- */

static void test_a_daemon_that_was_away_holds_what_it_finds(void **state)
{
        struct world *world = *state;
        world_close_publisher(world);
        world_pass(
                world,
                10 * DAY_MS); /* nothing is wrong with a long absence, or with a machine that was suspended */
        fake_suspended_ms += 3 * (uint64_t)DAY_MS;
        world_open_publisher(world);
        assert_int_equal(world_gate_ms(world), world->wall_ms);
        world_close_publisher(world);

        world_step(world, -HOUR_MS);
        world_pass(world, DAY_MS);
        world_open_publisher(world);
        assert_int_equal(world_held_ms(world), -HOUR_MS);
        world_run(world, 30);
        world_close_publisher(world); /* what is held stays held */
        world_pass(world, 5000);
        world_open_publisher(world);
        assert_int_equal(world_held_ms(world), -HOUR_MS);
        world_run(world, 24);
        assert_int_equal(world_held_ms(world), -HOUR_MS);
        world_run(world, 1);
        assert_int_equal(world_gate_ms(world), world->wall_ms);
        assert_int_equal(world_times_back(world), 1);

        /* A new set of files goes on with the same time. */
        struct tk_fault fault;
        world_step(world, HOUR_MS);
        world_run(world, 10);
        assert_int_equal(tk_publisher_renew(world->test.publisher, &fault), TK_OK);
        assert_int_equal(world_held_ms(world), HOUR_MS);
        assert_int_equal(world_times_back(world), 1);
        world_run(world, 51);
        assert_int_equal(world_held_ms(world), 0);
}

/*
 * The gate directory was on a disk, and the machine is started again: boot time begins anew, and by the offset of before gate
 * time would be as far behind as the machine had been up. A key that expired yesterday would be valid.
 */
static void test_files_that_outlive_the_boot_are_not_gone_on_with(void **state)
{
        struct world *world = *state;
        struct test_key key;
        test_key_mint(&world->test, 17, &key);
        world_pass(world, 20 * DAY_MS);
        world_tick(world);
        key.published.expires_s = world->wall_ms / 1000 - 86400;
        test_key_publish(&world->test, &key);
        struct tk_ask ask = test_ask(&world->test, &key);
        ask.now_ns = 0;
        assert_code(test_decide(&world->test, &ask), TK_CODE_expired);

        tk_gate_close(world->test.gate);
        world->test.gate = NULL;
        world_close_publisher(world);
        test_gate_outlive_boot(world->test.dir);
        fake_boot_ms = 5000;
        world->wall_ms += 60 * 1000;
        world_open_new(world);
        test_key_publish(&world->test, &key);
        assert_int_equal(world_held_ms(world), 0);
        assert_int_equal(world_gate_ms(world), world->wall_ms);
        assert_code(test_decide(&world->test, &ask), TK_CODE_expired);
}

/* As a daemon leaves the words that was killed after each store of a step back. */
static void test_a_step_back_that_was_cut_short_is_finished(void **state)
{
        struct world *world = *state;
        for (int stores = 1; stores <= 3; stores++) {
                struct tk_format_header *keys = world_header(world);
                uint64_t offset_ms = tk_unseal(atomic_load(&keys->time_offset_ms)) - (uint64_t)HOUR_MS;
                uint16_t before = world_times_back(world);
                world_step(world, -HOUR_MS);
                world_run(world, 10);
                atomic_store(&keys->time_pending_ms, tk_seal(offset_ms));
                if (stores >= 2)
                        atomic_store(&keys->time_offset_ms, tk_seal(offset_ms));
                if (stores >= 3)
                        atomic_store(&keys->time_back,
                                     tk_seal(TK_TIME_BACK(world_gate_ms(world) / 1000, before + 1)));
                world_close_publisher(world);
                world_open_publisher(world);
                assert_int_equal(world_held_ms(world), stores == 1 ? -HOUR_MS : 0);
                world_run(world, 61);
                assert_int_equal(world_gate_ms(world), world->wall_ms);
                assert_in_range(world_times_back(world), before + 1, before + (stores == 3 ? 2 : 1));
        }
}

static void test_the_count_of_steps_back_has_an_end(void **state)
{
        struct world *world = *state;
        atomic_store(&world_header(world)->time_back,
                     tk_seal(TK_TIME_BACK(TEST_NOW_S, TK_TIME_BACK_TIMES_MAX)));
        world_step(world, -HOUR_MS);
        world_run(world, 200);
        assert_int_equal(world_held_ms(world), -HOUR_MS); /* time stays ahead, and it shows */
        assert_false(tk_publisher_confirm_time(world->test.publisher));
        assert_int_equal(world_times_back(world), TK_TIME_BACK_TIMES_MAX);
        world_step(world, HOUR_MS + MINUTE_MS);
        world_run(world, 61);
        assert_int_equal(world_gate_ms(world), world->wall_ms);
}

/* ---- the lease ---- */

static void test_the_lease_keeps_to_the_boot_clock(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 1000, TK_PERIOD_DAY, 0);
        struct tk_ask ask = world_ask_of(world, 1, &limit, &key);
        tk_publisher_tick(world->test.publisher, world_wall_ns(world), 30);
        world_close_publisher(world);
        world_pass(world, 30000);
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
        world_pass(world, 1);
        assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable);
        world_open_publisher(world);
        assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable); /* it has only been opened */

        /* Steps of the wall clock, held and confirmed, neither end nor prolong it. */
        for (int forth = 0; forth < 2; forth++) {
                tk_publisher_tick(world->test.publisher, world_wall_ns(world), 30);
                world_step(world, forth ? 60 * DAY_MS : -40 * DAY_MS);
                world_pass(world, 1000);
                tk_publisher_tick(world->test.publisher, world_wall_ns(world), 30);
                assert_true(tk_publisher_confirm_time(world->test.publisher));
                world_pass(world, 30000);
                assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
                world_pass(world, 1);
                assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable);
        }
}

/* ---- windows ---- */

/* After a step back: what was used up later counts until the period ends that time was put back into, and no longer. */
static void expect_no_refill(struct world *world, const struct tk_limit_def *limit, int64_t step_ms)
{
        struct test_key key;
        static uint64_t id = 100;
        struct tk_ask ask = world_ask_of(world, id++ % 3000 + 1, limit, &key);
        int64_t start_s, end_s;
        key.published.generation = (uint16_t)(id / 3000);

        world_step(world, step_ms);
        world_run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        world_step(world, -step_ms);
        world_run(world, 60);
        assert_int_equal(admit_up_to(world, &ask, 1), 0); /* as before, while it is held */
        world_run(world, 1);
        struct tk_answer answer = test_answer(&world->test, &ask);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        tk_period_at(limit->period, limit->length_s, 0, world_gate_ms(world) / 1000, &start_s, &end_s);
        assert_int_equal(answer.retry_after_ns, (uint64_t)(end_s * 1000 - world_gate_ms(world)) * MS);
        assert_int_equal(answer.limits[0].state.remaining, 0);

        world_pass(world, end_s * 1000 - world_gate_ms(world) - 1);
        assert_int_equal(admit_up_to(world, &ask, 1), 0);
        world_pass(world, 1);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        world_tick(world);
}

static void test_a_step_back_refills_nothing_and_locks_out_for_a_period_at_most(void **state)
{
        static const char *const instants[] = {"2026-11-23T12:00:00Z", "2027-02-28T23:50:00Z",
                                               "2028-02-28T23:50:00Z", "2028-02-29T23:50:00Z",
                                               "2026-12-31T23:50:00Z", "2027-03-31T10:50:00Z"};
        static const int64_t steps_ms[] = {2 * HOUR_MS, 8 * DAY_MS, 32 * DAY_MS, 366 * DAY_MS};
        static const enum tk_period_kind kinds[] = {TK_PERIOD_HOUR, TK_PERIOD_DAY, TK_PERIOD_WEEK,
                                                    TK_PERIOD_MONTH};
        struct world *world = *state;
        world_end(world);
        for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
                world_begin(world, world_at(instants[i]));
                for (size_t j = 0; j < 4; j++)
                        for (size_t k = 0; k <= j; k++) {
                                struct tk_limit_def limit = test_window("w", 4, kinds[k], 0);
                                expect_no_refill(world, &limit, steps_ms[j]);
                        }
                world_end(world);
        }
        world_begin(world, TEST_NOW_S);
}

/* A few seconds, over the end of a month and back: the month's units are not given twice. */
static void test_seconds_at_a_period_s_end(void **state)
{
        static const char *const ends[] = {"2027-03-01T00:00:00Z", "2028-02-29T00:00:00Z",
                                           "2028-03-01T00:00:00Z", "2027-01-01T00:00:00Z"};
        struct world *world = *state;
        world_end(world);
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                struct test_key key, other;
                struct tk_limit_def limit = test_window("w", 4, i == 1 ? TK_PERIOD_DAY : TK_PERIOD_MONTH, 0);
                world_begin(world, world_at(ends[i]) - 70);
                struct tk_ask ask = world_ask_of(world, 1, &limit, &key),
                              idle = world_ask_of(world, 2, &limit, &other);
                assert_int_equal(admit_up_to(world, &ask, 10), 4);
                world_run(world, 70);
                assert_int_equal(admit_up_to(world, &ask, 10), 4); /* the new period */
                assert_int_equal(admit_up_to(world, &idle, 10), 4);
                world_step(world, -61 * 1000 - 2000); /* once confirmed, two seconds before it */
                world_run(world, 61);
                assert_int_equal(world_gate_ms(world), world_at(ends[i]) * 1000 - 2000);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
                world_run(world, 2);
                assert_int_equal(admit_up_to(world, &ask, 10),
                                 0); /* used up, by this very period's first visit */
                assert_int_equal(admit_up_to(world, &idle, 10), 0);
                world_end(world);
        }
        world_begin(world, TEST_NOW_S);
}

static void test_steps_back_upon_steps_back(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("w", 4, TK_PERIOD_HOUR, 0);
        struct tk_ask ask = world_ask_of(world, 1, &limit, &key);
        assert_int_equal(admit_up_to(world, &ask, 10), 4); /* in the hour from 12:00 */
        world_step(world, DAY_MS);
        world_run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        for (int i = 0; i < 5; i++) { /* each to a later instant of that hour, and forth again */
                world_step(world, -DAY_MS);
                world_run(world, 61);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
                world_step(world, DAY_MS);
                world_run(world, 61);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
        }
        world_step(world, -DAY_MS - HOUR_MS);
        world_run(world, 61);
        world_step(world, -HOUR_MS);
        world_run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 0);
        world_run(world, 3600); /* an hour after the last step at the latest */
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
}

/* Less than a period back: who used up the next one is admitted one length after the step, and is told so. */
static void test_a_step_back_into_the_period_before(void **state)
{
        struct world *world = *state;
        struct test_key key, partly;
        struct tk_limit_def limit = test_window("w", 4, TK_PERIOD_HOUR, 0);
        struct tk_ask ask = world_ask_of(world, 1, &limit, &key),
                      other = world_ask_of(world, 2, &limit, &partly);
        world_run(world, 30 * 60); /* 12:30 */
        world_step(world, HOUR_MS);
        world_run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        assert_int_equal(admit_up_to(world, &other, 3), 3);
        world_step(world, -HOUR_MS);
        world_run(world, 61);
        int64_t free_ms = world_gate_ms(world) + HOUR_MS;
        assert_code(test_decide(&world->test, &ask), TK_CODE_quota_exceeded);
        for (int i = 0; i < 4; i++) { /* the next hour begins meanwhile */
                struct tk_answer answer = test_answer(&world->test, &ask);
                assert_code(answer.code, TK_CODE_quota_exceeded);
                assert_in_range(answer.retry_after_ns / MS, free_ms - world_gate_ms(world) - 1000,
                                free_ms - world_gate_ms(world));
                if (i == 2) /* what is left of the hour */
                        assert_int_equal(admit_up_to(world, &other, 10), 1);
                world_run(world, 14 * 60);
        }
        world_pass(world, free_ms - world_gate_ms(world));
        assert_int_equal(admit_up_to(world, &ask, 10), 4); /* 13:32 */
        assert_int_equal(admit_up_to(world, &other, 10), 0);
        world_run(world, 20 * 60);
        assert_int_equal(admit_up_to(world, &ask, 10), 0);
        world_run(world, 10 * 60);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        assert_int_equal(admit_up_to(world, &other, 10), 4);
}

/* Steps forward, as of a clock that is slow and set right again and again, do not make a step back last longer. */
static void test_steps_forward_prolong_nothing(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("w", 4, TK_PERIOD_HOUR, 0);
        struct tk_ask ask = world_ask_of(world, 1, &limit, &key);
        world_run(world, 30 * 60);
        world_step(world, 5 * HOUR_MS);
        world_run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        world_step(world, -5 * HOUR_MS);
        world_run(world, 61);
        for (int64_t s = 0; s < 3600; s += 62) {
                world_step(world, 400);
                world_run(world, 62);
        }
        assert_int_equal(admit_up_to(world, &ask, 10), 4);

        /* Forth again to where it was used up, at once and bit by bit: nothing is admitted twice. */
        world_step(world, 5 * HOUR_MS);
        world_run(world, 61);
        admit_up_to(world, &ask, 10);
        world_step(world, -5 * HOUR_MS);
        world_run(world, 61);
        for (int i = 0; i < 5; i++) {
                world_step(world, HOUR_MS);
                world_run(world, 61);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
        }
}

/* A daemon that was killed between the stores of a step forward: the next one mends it, and what counts ends. */
static void test_a_step_forward_that_was_cut_short_is_mended(void **state)
{
        struct world *world = *state;
        struct tk_format_header *keys = world_header(world);
        world_step(world, -HOUR_MS);
        world_run(world, 61);
        uint64_t back = tk_unseal(atomic_load(&keys->time_back));
        atomic_store(&keys->time_back,
                     tk_seal(TK_TIME_BACK(TK_TIME_BACK_AT_S(back) + 40 * DAY_MS / 1000, 1)));
        world_close_publisher(world);
        world_open_publisher(world);
        back = tk_unseal(atomic_load(&world_header(world)->time_back));
        assert_int_equal(TK_TIME_BACK_AT_S(back), world_gate_ms(world) / 1000);
        assert_int_equal(TK_TIME_BACK_TIMES(back), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_ntp_slews_is_followed_at_once),
                TEST(test_a_step_is_held_for_a_minute),
                TEST(test_a_step_that_is_taken_back_never_was),
                TEST(test_a_step_during_a_step_is_held_anew),
                TEST(test_an_operator_may_confirm_a_step),
                TEST(test_validity_keeps_to_gate_time),
                TEST(test_a_daemon_that_was_away_holds_what_it_finds),
                TEST(test_files_that_outlive_the_boot_are_not_gone_on_with),
                TEST(test_a_step_back_that_was_cut_short_is_finished),
                TEST(test_the_count_of_steps_back_has_an_end),
                TEST(test_the_lease_keeps_to_the_boot_clock),
                TEST(test_a_step_back_refills_nothing_and_locks_out_for_a_period_at_most),
                TEST(test_seconds_at_a_period_s_end),
                TEST(test_steps_back_upon_steps_back),
                TEST(test_a_step_back_into_the_period_before),
                TEST(test_steps_forward_prolong_nothing),
                TEST(test_a_step_forward_that_was_cut_short_is_mended),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
