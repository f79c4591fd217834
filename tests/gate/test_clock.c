/*
 * Gate time and its rule: a step of the wall clock is held until it is confirmed, and a period never goes back. Both clocks are the
 * test's own: the program is linked with --wrap=clock_gettime, so deciders and publisher read the boot clock here. What is promised
 * stands in docs/decisions/0008, and is tested against a list of everything that was ever admitted.
 */
#include "gate/format.h"
#include "gate/publisher.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS        UINT64_C(1000000) /* in ns */
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* ---- the clocks ---- */

static uint64_t fake_boot_ms; /* 0: the machine's own clocks */
static uint64_t fake_suspended_ms;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
        if (fake_boot_ms == 0 || (clock != CLOCK_BOOTTIME && clock != CLOCK_MONOTONIC))
                return __real_clock_gettime(clock, ret_time);
        uint64_t ms = fake_boot_ms - (clock == CLOCK_MONOTONIC ? fake_suspended_ms : 0);
        *ret_time = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
        return 0;
}

struct world {
        struct test_gate test;
        int64_t wall_ms; /* now */
};

static struct world the_world;

static uint64_t wall_ns(const struct world *world)
{
        return (uint64_t)world->wall_ms * MS;
}

/* Time goes on, and nobody ticks: the daemon is stopped, or the machine suspended. */
static void pass(struct world *world, int64_t ms)
{
        fake_boot_ms += (uint64_t)ms;
        world->wall_ms += ms;
}

static void tick(struct world *world)
{
        tk_publisher_tick(world->test.publisher, wall_ns(world), 0);
}

static void run(struct world *world, int64_t s)
{
        for (int64_t i = 0; i < s; i++) {
                pass(world, 1000);
                tick(world);
        }
}

static void step(struct world *world, int64_t ms)
{
        world->wall_ms += ms;
}

static int64_t gate_ms(const struct world *world)
{
        return (int64_t)(tk_gate_now_ns(world->test.gate) / MS);
}

static int64_t held_ms(const struct world *world)
{
        return tk_publisher_held_step_ms(world->test.publisher);
}

static struct tk_format_header *header(const struct world *world)
{
        return tk_files_keys_header(&world->test.publisher->files);
}

static uint16_t times_back(const struct world *world)
{
        return TK_TIME_BACK_TIMES(tk_unseal(atomic_load(&header(world)->time_back)));
}

static void open_publisher(struct world *world)
{
        struct tk_fault fault;
        assert_int_equal(tk_publisher_open(world->test.dir, test_installation, wall_ns(world), &test_sizes,
                                           &world->test.publisher, &world->test.applied_seq, &fault),
                         TK_OK);
}

static void close_publisher(struct world *world)
{
        tk_publisher_close(world->test.publisher);
        world->test.publisher = NULL;
}

/* A new gate at this instant. */
static void begin(struct world *world, int64_t now_s)
{
        memset(world, 0, sizeof *world);
        fake_boot_ms = 1000 * 1000;
        fake_suspended_ms = 0;
        world->wall_ms = now_s * 1000;
        test_gate_init(&world->test);
        open_publisher(world);
        struct tk_publish_environment environment = {.id = TEST_PRODUCTION,
                                                     .api_id = TEST_API,
                                                     .api = TK_STR("weather"),
                                                     .name = TK_STR("production")};
        assert_int_equal(tk_publish_environment(world->test.publisher, &environment), TK_OK);
        struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = TK_STR("acme")};
        assert_int_equal(tk_publish_consumer(world->test.publisher, &consumer), TK_OK);
        tk_publisher_set_applied(world->test.publisher, 1);
        test_gate_decider(&world->test);
}

static void end(struct world *world)
{
        test_gate_fini(&world->test);
        fake_boot_ms = 0;
}

static int64_t at(const char *text)
{
        int64_t unix_s;
        assert_true(tk_time_parse(tk_str_from(text), &unix_s));
        return unix_s;
}

static int setup(void **state)
{
        begin(&the_world, TEST_NOW_S);
        *state = &the_world;
        return 0;
}

static int teardown(void **state)
{
        end(*state);
        return 0;
}

/* A key with this limit, judged at gate time. */
static struct tk_ask ask_of(struct world *world, uint64_t id, const struct tk_limit_def *limit,
                            struct test_key *ret_key)
{
        test_key_mint(&world->test, id, ret_key);
        ret_key->published.limits = limit;
        ret_key->published.limit_count = 1;
        test_key_publish(&world->test, ret_key);
        struct tk_ask ask = test_ask(&world->test, ret_key);
        ask.now_ns = 0;
        return ask;
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
        assert_int_equal(gate_ms(world), world->wall_ms);
        for (int i = 0; i < 50; i++) {
                step(world, i % 3 ? 200 : -200);
                run(world, 1);
                assert_int_equal(gate_ms(world), world->wall_ms);
                assert_int_equal(held_ms(world), 0);
        }
        step(world, 2); /* the clocks' jitter */
        run(world, 1);
        assert_int_equal(gate_ms(world), world->wall_ms - 2);
        assert_int_equal(times_back(world), 0);
}

static void test_a_step_is_held_for_a_minute(void **state)
{
        static const int64_t steps_ms[] = {201,     -201,     1000,         -1000,
                                           HOUR_MS, -HOUR_MS, 400 * DAY_MS, -400 * DAY_MS};
        struct world *world = *state;
        uint16_t back = 0;
        for (size_t i = 0; i < sizeof steps_ms / sizeof *steps_ms; i++) {
                int64_t ahead_ms = gate_ms(world) - world->wall_ms;
                assert_int_equal(ahead_ms, 0);
                step(world, steps_ms[i]);
                run(world, 60);
                assert_int_equal(gate_ms(world), world->wall_ms - steps_ms[i]);
                assert_int_equal(held_ms(world), steps_ms[i]);
                run(world, 1);
                assert_int_equal(gate_ms(world), world->wall_ms);
                assert_int_equal(held_ms(world), 0);
                back = (uint16_t)(back + (steps_ms[i] < 0));
                assert_int_equal(times_back(world), back);
        }
}

static void test_a_step_that_is_taken_back_never_was(void **state)
{
        struct world *world = *state;
        for (int i = 0; i < 10; i++) {
                step(world, 40 * DAY_MS);
                run(world, 55);
                step(world, -40 * DAY_MS);
                run(world, 30);
                assert_int_equal(gate_ms(world), world->wall_ms);
                assert_int_equal(held_ms(world), 0);
        }
        assert_int_equal(times_back(world), 0);
}

static void test_a_step_during_a_step_is_held_anew(void **state)
{
        struct world *world = *state;
        step(world, HOUR_MS);
        run(world, 50);
        step(world, -3 * HOUR_MS);
        run(world, 60);
        assert_int_equal(held_ms(world), -2 * HOUR_MS);
        assert_int_equal(gate_ms(world), world->wall_ms + 2 * HOUR_MS);
        run(world, 1);
        assert_int_equal(gate_ms(world), world->wall_ms);

        /* A slew while a step is held is a part of it. */
        step(world, HOUR_MS);
        run(world, 20);
        step(world, 150);
        run(world, 41);
        assert_int_equal(gate_ms(world), world->wall_ms);
}

static void test_an_operator_may_confirm_a_step(void **state)
{
        struct world *world = *state;
        assert_false(tk_publisher_confirm_time(world->test.publisher));
        step(world, -DAY_MS);
        run(world, 1);
        assert_true(tk_publisher_confirm_time(world->test.publisher));
        assert_int_equal(gate_ms(world), world->wall_ms);
        assert_int_equal(held_ms(world), 0);
        assert_int_equal(times_back(world), 1);
        assert_false(tk_publisher_confirm_time(world->test.publisher));
}

static void test_validity_keeps_to_gate_time(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 1000, TK_PERIOD_DAY, 0);
        struct tk_ask ask = ask_of(world, 1, &limit, &key);
        key.published.expires_s = TEST_NOW_S + 3600;
        test_key_publish(&world->test, &key);
        step(world, 2 * HOUR_MS);
        run(world, 60);
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
        run(world, 1);
        assert_code(test_decide(&world->test, &ask), TK_CODE_expired);
        step(world, -2 * HOUR_MS);
        run(world, 61);
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
}

/* ---- daemons that come and go ---- */

static void test_a_daemon_that_was_away_holds_what_it_finds(void **state)
{
        struct world *world = *state;
        close_publisher(world);
        pass(world,
             10 * DAY_MS); /* nothing is wrong with a long absence, or with a machine that was suspended */
        fake_suspended_ms += 3 * (uint64_t)DAY_MS;
        open_publisher(world);
        assert_int_equal(gate_ms(world), world->wall_ms);
        close_publisher(world);

        step(world, -HOUR_MS);
        pass(world, DAY_MS);
        open_publisher(world);
        assert_int_equal(held_ms(world), -HOUR_MS);
        run(world, 30);
        close_publisher(world); /* what is held stays held */
        pass(world, 5000);
        open_publisher(world);
        assert_int_equal(held_ms(world), -HOUR_MS);
        run(world, 24);
        assert_int_equal(held_ms(world), -HOUR_MS);
        run(world, 1);
        assert_int_equal(gate_ms(world), world->wall_ms);
        assert_int_equal(times_back(world), 1);

        /* A new set of files goes on with the same time. */
        struct tk_fault fault;
        step(world, HOUR_MS);
        run(world, 10);
        assert_int_equal(tk_publisher_renew(world->test.publisher, &fault), TK_OK);
        assert_int_equal(held_ms(world), HOUR_MS);
        assert_int_equal(times_back(world), 1);
        run(world, 51);
        assert_int_equal(held_ms(world), 0);
}

/* As a daemon leaves the words that was killed after each store of a step back. */
static void test_a_step_back_that_was_cut_short_is_finished(void **state)
{
        struct world *world = *state;
        for (int stores = 1; stores <= 3; stores++) {
                struct tk_format_header *keys = header(world);
                uint64_t offset_ms = tk_unseal(atomic_load(&keys->time_offset_ms)) - (uint64_t)HOUR_MS;
                uint16_t before = times_back(world);
                step(world, -HOUR_MS);
                run(world, 10);
                atomic_store(&keys->time_pending_ms, tk_seal(offset_ms));
                if (stores >= 2)
                        atomic_store(&keys->time_offset_ms, tk_seal(offset_ms));
                if (stores >= 3)
                        atomic_store(&keys->time_back,
                                     tk_seal(TK_TIME_BACK(gate_ms(world) / 1000, before + 1)));
                close_publisher(world);
                open_publisher(world);
                assert_int_equal(held_ms(world), stores == 1 ? -HOUR_MS : 0);
                run(world, 61);
                assert_int_equal(gate_ms(world), world->wall_ms);
                assert_in_range(times_back(world), before + 1, before + (stores == 3 ? 2 : 1));
        }
}

static void test_the_count_of_steps_back_has_an_end(void **state)
{
        struct world *world = *state;
        atomic_store(&header(world)->time_back, tk_seal(TK_TIME_BACK(TEST_NOW_S, TK_TIME_BACK_TIMES_MAX)));
        step(world, -HOUR_MS);
        run(world, 200);
        assert_int_equal(held_ms(world), -HOUR_MS); /* time stays ahead, and it shows */
        assert_false(tk_publisher_confirm_time(world->test.publisher));
        assert_int_equal(times_back(world), TK_TIME_BACK_TIMES_MAX);
        step(world, HOUR_MS + MINUTE_MS);
        run(world, 61);
        assert_int_equal(gate_ms(world), world->wall_ms);
}

/* ---- the lease ---- */

static void test_the_lease_keeps_to_the_boot_clock(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 1000, TK_PERIOD_DAY, 0);
        struct tk_ask ask = ask_of(world, 1, &limit, &key);
        tk_publisher_tick(world->test.publisher, wall_ns(world), 30);
        close_publisher(world);
        pass(world, 30000);
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
        pass(world, 1);
        assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable);
        open_publisher(world);
        assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable); /* it has only been opened */

        /* Steps of the wall clock, held and confirmed, neither end nor prolong it. */
        for (int forth = 0; forth < 2; forth++) {
                tk_publisher_tick(world->test.publisher, wall_ns(world), 30);
                step(world, forth ? 60 * DAY_MS : -40 * DAY_MS);
                pass(world, 1000);
                tk_publisher_tick(world->test.publisher, wall_ns(world), 30);
                assert_true(tk_publisher_confirm_time(world->test.publisher));
                pass(world, 30000);
                assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
                pass(world, 1);
                assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable);
        }
}

/* ---- windows ---- */

/* After a step back: what was used up later counts until the period ends that time was put back into, and no longer. */
static void expect_no_refill(struct world *world, const struct tk_limit_def *limit, int64_t step_ms)
{
        struct test_key key;
        static uint64_t id = 100;
        struct tk_ask ask = ask_of(world, id++ % 3000 + 1, limit, &key);
        int64_t start_s, end_s;
        key.published.generation = (uint16_t)(id / 3000);

        step(world, step_ms);
        run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        step(world, -step_ms);
        run(world, 60);
        assert_int_equal(admit_up_to(world, &ask, 1), 0); /* as before, while it is held */
        run(world, 1);
        struct tk_answer answer = test_answer(&world->test, &ask);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        tk_period_at(limit->period, limit->length_s, 0, gate_ms(world) / 1000, &start_s, &end_s);
        assert_int_equal(answer.retry_after_ns, (uint64_t)(end_s * 1000 - gate_ms(world)) * MS);
        assert_int_equal(answer.limits[0].state.remaining, 0);

        pass(world, end_s * 1000 - gate_ms(world) - 1);
        assert_int_equal(admit_up_to(world, &ask, 1), 0);
        pass(world, 1);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        tick(world);
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
        end(world);
        for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
                begin(world, at(instants[i]));
                for (size_t j = 0; j < 4; j++)
                        for (size_t k = 0; k <= j; k++) {
                                struct tk_limit_def limit = test_window("w", 4, kinds[k], 0);
                                expect_no_refill(world, &limit, steps_ms[j]);
                        }
                end(world);
        }
        begin(world, TEST_NOW_S);
}

/* A few seconds, over the end of a month and back: the month's units are not given twice. */
static void test_seconds_at_a_period_s_end(void **state)
{
        static const char *const ends[] = {"2027-03-01T00:00:00Z", "2028-02-29T00:00:00Z",
                                           "2028-03-01T00:00:00Z", "2027-01-01T00:00:00Z"};
        struct world *world = *state;
        end(world);
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                struct test_key key, other;
                struct tk_limit_def limit = test_window("w", 4, i == 1 ? TK_PERIOD_DAY : TK_PERIOD_MONTH, 0);
                begin(world, at(ends[i]) - 70);
                struct tk_ask ask = ask_of(world, 1, &limit, &key), idle = ask_of(world, 2, &limit, &other);
                assert_int_equal(admit_up_to(world, &ask, 10), 4);
                run(world, 70);
                assert_int_equal(admit_up_to(world, &ask, 10), 4); /* the new period */
                assert_int_equal(admit_up_to(world, &idle, 10), 4);
                step(world, -61 * 1000 - 2000); /* once confirmed, two seconds before it */
                run(world, 61);
                assert_int_equal(gate_ms(world), at(ends[i]) * 1000 - 2000);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
                run(world, 2);
                assert_int_equal(admit_up_to(world, &ask, 10),
                                 0); /* used up, by this very period's first visit */
                assert_int_equal(admit_up_to(world, &idle, 10), 0);
                end(world);
        }
        begin(world, TEST_NOW_S);
}

static void test_steps_back_upon_steps_back(void **state)
{
        struct world *world = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("w", 4, TK_PERIOD_HOUR, 0);
        struct tk_ask ask = ask_of(world, 1, &limit, &key);
        assert_int_equal(admit_up_to(world, &ask, 10), 4); /* in the hour from 12:00 */
        step(world, DAY_MS);
        run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
        for (int i = 0; i < 5; i++) { /* each to a later instant of that hour, and forth again */
                step(world, -DAY_MS);
                run(world, 61);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
                step(world, DAY_MS);
                run(world, 61);
                assert_int_equal(admit_up_to(world, &ask, 10), 0);
        }
        step(world, -DAY_MS - HOUR_MS);
        run(world, 61);
        step(world, -HOUR_MS);
        run(world, 61);
        assert_int_equal(admit_up_to(world, &ask, 10), 0);
        run(world, 3600); /* an hour after the last step at the latest */
        assert_int_equal(admit_up_to(world, &ask, 10), 4);
}

/* ---- against a list of all that was admitted ---- */

enum { LIMITS = 6, UNITS = 20 };

struct admitted {
        int64_t gate_ms;
        unsigned stretch; /* between two steps of gate time */
        /* the period that it was counted in, its own or a later one that still counted, and in which stretch that one began */
        int64_t counted_s;
        unsigned counted_stretch;
        unsigned cost;
};

struct oracle {
        struct tk_limit_def def;
        int64_t anchor_s;
        struct tk_ask ask;
        struct test_key key;
        size_t count;
        struct admitted list[20000];
};

struct story {
        unsigned stretch;
        unsigned back_stretch; /* that the last step back began; 0: none */
        int64_t back_ms;       /* gate time at its start, as published */
        int64_t offset_ms;     /* of gate time, when last looked at */
        unsigned admitted, refused;
        struct oracle oracles[LIMITS];
};

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return (z ^ (z >> 31)) % below;
}

static int64_t period_of(const struct oracle *oracle, int64_t ms)
{
        int64_t start_s, end_s;
        tk_period_at(oracle->def.period, oracle->def.length_s, oracle->anchor_s, ms / 1000, &start_s, &end_s);
        return start_s;
}

/* All that was admitted in this stretch and this period is at most what the limit says. */
static void expect_within_limit(const struct oracle *oracle, const struct story *story, int64_t now_ms)
{
        int64_t period_s = period_of(oracle, now_ms);
        uint64_t used = 0;
        for (size_t i = oracle->count; i > 0 && oracle->list[i - 1].stretch == story->stretch; i--)
                if (period_of(oracle, oracle->list[i - 1].gate_ms) == period_s)
                        used += oracle->list[i - 1].cost;
        assert_in_range(used, 0, UNITS);
}

/*
 * What is held against a request: what was counted in the period of the last one that was admitted, if that is the present one, or a later
 * one in which something was used since time was last put back (by a slew), or before, if the period still runs that it was put back into.
 */
static uint64_t held_against(const struct oracle *oracle, const struct story *story, int64_t now_ms,
                             struct admitted *ret_beside)
{
        int64_t period_s = period_of(oracle, now_ms);
        ret_beside->counted_s = period_s;
        ret_beside->counted_stretch = story->stretch;
        if (oracle->count == 0)
                return 0;

        const struct admitted *last = &oracle->list[oracle->count - 1];
        bool back_here = story->back_stretch && period_of(oracle, story->back_ms) == period_s;
        bool later =
                last->counted_s > period_s && (last->counted_stretch >= story->back_stretch || back_here);
        if (last->counted_s != period_s && !later)
                return 0;
        ret_beside->counted_s = last->counted_s;
        ret_beside->counted_stretch = last->counted_stretch;
        uint64_t sum = 0;
        for (size_t i = oracle->count; i > 0 && oracle->list[i - 1].counted_s == last->counted_s &&
                                       oracle->list[i - 1].counted_stretch == last->counted_stretch;
             i--)
                sum += oracle->list[i - 1].cost;
        return sum;
}

static void look_at_the_time(struct world *world, struct story *story)
{
        int64_t offset_ms = gate_ms(world) - (int64_t)fake_boot_ms;
        int64_t change_ms = offset_ms - story->offset_ms;
        story->offset_ms = offset_ms;
        if (change_ms >= -200 && change_ms <= 200)
                return;
        story->stretch++;
        if (change_ms < 0) {
                story->back_stretch = story->stretch;
                story->back_ms = TK_TIME_BACK_AT_S(tk_unseal(atomic_load(&header(world)->time_back))) * 1000;
                assert_in_range(story->back_ms, gate_ms(world) - 121 * 1000, gate_ms(world));
        }
}

static void ask_something(struct world *world, struct story *story)
{
        struct oracle *oracle = &story->oracles[draw(LIMITS)];
        int64_t now_ms = gate_ms(world);
        struct admitted new = {.gate_ms = now_ms, .stretch = story->stretch};
        uint64_t held = held_against(oracle, story, now_ms, &new);
        oracle->ask.cost = 1 + draw(draw(4) ? 3 : UNITS);
        bool fits = held + oracle->ask.cost <= UNITS;
        assert_code(test_decide(&world->test, &oracle->ask), fits ? TK_CODE_valid : TK_CODE_quota_exceeded);
        if (!fits) {
                story->refused++;
                return;
        }
        assert_true(oracle->count < sizeof oracle->list / sizeof *oracle->list);
        new.cost = (unsigned)oracle->ask.cost;
        oracle->list[oracle->count++] = new;
        expect_within_limit(oracle, story, now_ms);
        story->admitted++;
}

static int64_t some_step_ms(void)
{
        static const int64_t sizes_ms[] = {150,    3000,        90 * 1000,   2 * HOUR_MS,
                                           DAY_MS, 31 * DAY_MS, 366 * DAY_MS};
        int64_t ms = (int64_t)draw((uint64_t)sizes_ms[draw(7)]) + 1;
        return draw(2) ? ms : -ms;
}

static void something_happens(struct world *world)
{
        static int64_t last_ms;
        switch (draw(40)) {
        case 0:
                last_ms = some_step_ms();
                step(world, last_ms);
                break;
        case 1: /* and back again */
                step(world, -last_ms);
                last_ms = -last_ms;
                break;
        case 2:
                pass(world, (int64_t)draw((uint64_t)(draw(2) ? 20 * DAY_MS : HOUR_MS)));
                break;
        case 3:
                close_publisher(world);
                pass(world, (int64_t)draw(100000));
                open_publisher(world);
                break;
        case 4:
                tk_publisher_confirm_time(world->test.publisher);
                break;
        case 5:
        case 6:
                for (int i = 0; i < 61; i++)
                        run(world, 1);
                break;
        default:
                run(world, 1);
                break;
        }
}

static void tell_a_story(struct world *world, int64_t now_s, unsigned steps)
{
        static struct story story;
        static const struct {
                enum tk_period_kind period;
                int64_t length_s;
                bool anchored;
        } kinds[LIMITS] = {{TK_PERIOD_FIXED, 7, false}, {TK_PERIOD_FIXED, 100, true},
                           {TK_PERIOD_HOUR, 0, false},  {TK_PERIOD_DAY, 0, false},
                           {TK_PERIOD_MONTH, 0, false}, {TK_PERIOD_MONTH, 0, true}};
        memset(&story, 0, sizeof story);
        begin(world, now_s);
        test_subscription_publish(&world->test, 1, NULL, 0);
        for (uint64_t i = 0; i < LIMITS; i++) {
                struct oracle *oracle = &story.oracles[i];
                oracle->def = test_window("w", UNITS, kinds[i].period, kinds[i].length_s);
                oracle->def.anchored = kinds[i].anchored;
                oracle->anchor_s = kinds[i].anchored ? TEST_STARTED_S : 0;
                oracle->ask = ask_of(world, i + 1, &oracle->def, &oracle->key);
                oracle->key.published.subscription_id = 1;
                test_key_publish(&world->test, &oracle->key);
        }
        story.offset_ms = gate_ms(world) - (int64_t)fake_boot_ms;
        for (unsigned i = 0; i < steps; i++) {
                something_happens(world);
                if (world->wall_ms < now_s * 1000 - 800 * DAY_MS)
                        step(world, 800 * DAY_MS);
                look_at_the_time(world, &story);
                for (uint64_t n = draw(4); n > 0; n--)
                        ask_something(world, &story);
        }
        assert_true(story.admitted > steps / 20 && story.refused > steps / 20);
        assert_true(story.back_stretch > 0);
        end(world);
}

static void test_against_a_list_of_all_that_was_admitted(void **state)
{
        static const char *const instants[] = {"2026-12-31T23:59:20Z", "2028-02-29T23:58:00Z",
                                               "2027-02-28T12:00:00Z"};
        struct world *world = *state;
        const char *rounds_text = getenv("TOLLKEEPER_CLOCK_ROUNDS");
        unsigned rounds = rounds_text ? (unsigned)strtoul(rounds_text, NULL, 10) : 6;
        end(world);
        for (unsigned round = 0; round < rounds; round++) {
                seed = round * 1000 + 1;
                tell_a_story(world, at(instants[round % 3]), 3000);
        }
        begin(world, TEST_NOW_S);
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
                TEST(test_a_step_back_that_was_cut_short_is_finished),
                TEST(test_the_count_of_steps_back_has_an_end),
                TEST(test_the_lease_keeps_to_the_boot_clock),
                TEST(test_a_step_back_refills_nothing_and_locks_out_for_a_period_at_most),
                TEST(test_seconds_at_a_period_s_end),
                TEST(test_steps_back_upon_steps_back),
                TEST(test_against_a_list_of_all_that_was_admitted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
