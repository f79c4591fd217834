/*
 * Plans that change while keys are used: a limit that goes on in another slot is charged in one place at a time, wherever the publisher
 * is preempted or killed meanwhile, and what may be given back comes back where the limit is then. The linker puts functions of this
 * program in the place of the move's two halves and of the charge, so that others act between them. Every instruction of a move is in
 * test_interleave.c. The clocks are the test's own.
 */
#include "core/slot.h"
#include "fake_clock.h"
#include "gate/forward.h"
#include "gate/meter_read.h"
#include "gate/publisher.h"
#include "support.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What happens at the steps of a publishing call, or of a decision. */
static struct {
        struct test_gate *test;
        void (*before)(void);  /* anything is closed */
        void (*closed)(void);  /* and the binding not yet stored */
        void (*bound)(void);   /* and no note written yet */
        void (*charged)(void); /* after the first charge of a decision */
        struct tk_ask ask;
        unsigned admitted;
} hooks;

static void run(void (**hook)(void))
{
        void (*what)(void) = *hook;
        *hook = NULL;
        if (what)
                what();
}

enum tk_err __real_tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of,
                                     uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding);
enum tk_err __wrap_tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of,
                                     uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding);
void __real_tk_extent_finish(struct tk_publisher *publisher, struct tk_extent_move *move);
void __wrap_tk_extent_finish(struct tk_publisher *publisher, struct tk_extent_move *move);
bool __real_tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer);
bool __wrap_tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer);

enum tk_err __wrap_tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of,
                                     uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding)
{
        run(&hooks.before);
        enum tk_err err = __real_tk_extent_prepare(publisher, of, policy, move, ret_binding);
        run(&hooks.closed);
        return err;
}

void __wrap_tk_extent_finish(struct tk_publisher *publisher, struct tk_extent_move *move)
{
        run(&hooks.bound);
        __real_tk_extent_finish(publisher, move);
}

bool __wrap_tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer)
{
        bool taken = __real_tk_offer_take(slot, offer);
        run(&hooks.charged);
        return taken;
}

static int setup(void **state)
{
        static struct test_gate test;
        fake_boot_ms = 1000 * 1000;
        fake_suspended_ms = 0;
        test_gate_open(&test);
        memset(&hooks, 0, sizeof hooks);
        hooks.test = &test;
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        fake_boot_ms = 0;
        return 0;
}

/* ---- one key, one subscription and one route, each with the same limits ---- */

static struct test_key key;
static struct tk_limit_def limits[2];
static struct tk_publish_credits credits;

enum owner { KEY, SUBSCRIPTION, ROUTE, OWNERS };

static void swap_limits(void)
{
        struct tk_limit_def first = limits[0];
        limits[0] = limits[1];
        limits[1] = first;
}

static void publish(enum owner owner, uint32_t count)
{
        struct test_gate *test = hooks.test;
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_STARTED_S,
                                                       .credits = credits,
                                                       .limits = limits,
                                                       .limit_count = owner == SUBSCRIPTION ? count : 0};
        struct tk_publish_route route = {.id = 5,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/x"),
                                         .limits = limits,
                                         .limit_count = owner == ROUTE ? count : 0};
        key.published.limits = limits;
        key.published.limit_count = owner == KEY ? count : 0;
        if (owner == SUBSCRIPTION)
                assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        else if (owner == ROUTE)
                assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
        else
                test_key_publish(test, &key);
}

/* The owner gets these limits; the others have none. */
static struct tk_ask begin(enum owner owner, uint32_t count)
{
        test_key_mint(hooks.test, 17, &key);
        for (unsigned each = SUBSCRIPTION; each < OWNERS; each++)
                publish((enum owner)each, each == owner ? count : 0);
        key.published.subscription_id = 3;
        publish(KEY, owner == KEY ? count : 0);
        struct tk_ask ask = test_ask(hooks.test, &key);
        ask.now_ns = 0;
        if (owner == ROUTE)
                assert_true(tk_gate_route(hooks.test->gate, hooks.test->production, TK_STR("GET"),
                                          TK_STR("/x"), &ask.route));
        return hooks.ask = ask;
}

static unsigned admit_up_to(unsigned most)
{
        unsigned admitted = 0;
        while (admitted < most && test_decide(hooks.test, &hooks.ask) == TK_CODE_valid)
                admitted++;
        return admitted;
}

static void admit_all(void)
{
        hooks.admitted += admit_up_to(1000);
}

static void expect_unavailable(void)
{
        struct tk_answer answer = test_answer(hooks.test, &hooks.ask);
        assert_code(answer.code, TK_CODE_unavailable);
        assert_string_equal(answer.reason, "its limits are being changed; ask again");
}

static void expect_unavailable_then_admit_all(void)
{
        expect_unavailable();
        admit_all();
}

static uint64_t left_of(const char *name)
{
        struct tk_ask look = hooks.ask;
        look.cost = 0;
        struct tk_answer answer = test_answer(hooks.test, &look);
        assert_code(answer.code, TK_CODE_valid);
        for (uint32_t i = 0; i < answer.limit_count; i++)
                if (tk_str_equal(answer.limits[i].name, tk_str_from(name)))
                        return answer.limits[i].state.remaining;
        fail_msg("no limit %s", name);
        return 0;
}

/* ---- nothing is admitted twice ---- */

/*
 * 100 a month, 10 of them used. The publisher was preempted between copying them and storing the binding, and deciders admitted 90 on the old
 * slot; it was preempted again before it looked at what they had charged, and they admitted 90 on the new one.
 */
static void test_a_preempted_publisher_gives_no_second_quota(void **state)
{
        (void)state;
        for (unsigned owner = 0; owner < OWNERS; owner++) {
                limits[0] = test_window("month", 100, TK_PERIOD_MONTH, 0);
                limits[1] = test_window("day", 1000, TK_PERIOD_DAY, 0);
                begin((enum owner)owner, 2);
                assert_int_equal(admit_up_to(10), 10);
                swap_limits();
                hooks.admitted = 0;
                hooks.closed = expect_unavailable_then_admit_all;
                hooks.bound = admit_all;
                publish((enum owner)owner, 2);
                assert_int_equal(hooks.admitted, 90); /* all of them where the limit is now */
                assert_int_equal(admit_up_to(1), 0);
                teardown(state);
                setup(state);
        }
}

static void die(void)
{
        _exit(0);
}

/* The daemon ends in the middle of a publishing call, and another adopts the files. */
static void publish_and_die(enum owner owner, uint32_t count, void (**where)(void))
{
        struct tk_fault fault;
        struct test_gate *test = hooks.test;
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                *where = die;
                publish(owner, count);
                _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (where == &hooks.closed)
                expect_unavailable();
        tk_publisher_close(test->publisher);
        assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes,
                                           &test->publisher, &test->applied_seq, &fault),
                         TK_OK);
}

/* What was charged between the copy and the kill was lost for good; and who asks while no daemon runs is not admitted beyond the limit. */
static void test_a_killed_publisher_gives_no_second_quota(void **state)
{
        void (**const points[])(void) = {&hooks.before, &hooks.closed, &hooks.bound};
        for (unsigned owner = 0; owner < OWNERS; owner++)
                for (unsigned point = 0; point < 3; point++) {
                        limits[0] = test_window("month", 100, TK_PERIOD_MONTH, 0);
                        limits[1] = test_window("day", 1000, TK_PERIOD_DAY, 0);
                        begin((enum owner)owner, 2);
                        assert_int_equal(admit_up_to(10), 10);
                        swap_limits();
                        publish_and_die((enum owner)owner, 2, points[point]);
                        assert_int_equal(admit_up_to(50), 50);
                        if (point == 0)
                                swap_limits(); /* what it was about is never heard of again */
                        publish((enum owner)owner, 2);
                        assert_int_equal(admit_up_to(1000), 40);
                        teardown(state);
                        setup(state);
                }
}

static void wait_and_spend_the_burst(void)
{
        fake_boot_ms += 500;
        assert_int_equal(admit_up_to(2000), 1000);
}

/* The publisher had read the clock, slept half a second, and took the rest of a bucket by that clock: 500 units came back. */
static void test_a_rate_is_carried_by_a_clock_that_is_read_behind_it(void **state)
{
        (void)state;
        limits[0] = test_rate("rate", 1000, 1, 1000);
        limits[1] = test_window("day", 100000, TK_PERIOD_DAY, 0);
        begin(KEY, 2);
        swap_limits();
        hooks.before = wait_and_spend_the_burst;
        publish(KEY, 2);
        assert_int_equal(admit_up_to(1), 0);
        fake_boot_ms += 10;
        assert_int_equal(admit_up_to(100), 10);
}

/* 100 granted, of which 50 expire while the plan changes; 10 are spent. What was charged meanwhile was put down with what had gone, too. */
static void test_credits_that_expire_during_a_move(void **state)
{
        (void)state;
        limits[0] = (struct tk_limit_def){.kind = TK_LIMIT_CREDITS, .name = "prepaid"};
        limits[1] = test_window("day", 100000, TK_PERIOD_DAY, 0);
        credits = (struct tk_publish_credits){.granted = 100};
        begin(SUBSCRIPTION, 2);
        assert_int_equal(admit_up_to(10), 10);
        swap_limits();
        credits.gone = 50;
        hooks.closed = expect_unavailable;
        publish(SUBSCRIPTION, 2);
        assert_int_equal(left_of("prepaid"), 50);
        assert_int_equal(admit_up_to(100), 50);
        credits = (struct tk_publish_credits){0};
}

/* ---- what is given back ---- */

static uint64_t reserve(uint64_t units)
{
        struct tk_ask ask = hooks.ask;
        ask.cost = units;
        ask.reserve_s = 3600;
        struct tk_answer answer = test_answer(hooks.test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        return answer.reservation;
}

/* A plan changes, once or many times, while a reservation is open: prepaid credits were lost to that. */
static void test_a_reservation_outlives_changes_of_the_plan(void **state)
{
        (void)state;
        static const struct {
                unsigned moves;
                uint64_t back;
        } rows[] = {{0, 30}, {1, 30}, {2, 30}, {16, 30}, {17, 0 /* it leads too far */}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                limits[0] = (struct tk_limit_def){.kind = TK_LIMIT_CREDITS, .name = "prepaid"};
                limits[1] = test_window("day", 100, TK_PERIOD_DAY, 0);
                credits = (struct tk_publish_credits){.granted = 100};
                begin(SUBSCRIPTION, 2);
                assert_int_equal(admit_up_to(10), 10);
                uint64_t reservation = reserve(40);
                for (unsigned move = 0; move < rows[i].moves; move++) {
                        swap_limits();
                        publish(SUBSCRIPTION, 2);
                }
                assert_int_equal(left_of("prepaid"), 50);
                assert_int_equal(left_of("day"), 50);
                assert_int_equal(tk_gate_settle(hooks.test->gate, reservation, 10), TK_OK);
                assert_int_equal(left_of("prepaid"), 50 + rows[i].back);
                assert_int_equal(left_of("day"), 50 + rows[i].back);
                teardown(state);
                setup(state);
        }
        credits = (struct tk_publish_credits){0};
}

/*
 * The day's units were put down to the month that runs, which begins on another day. A label that is the first of the month by chance says
 * nothing: on the second, what was charged on the first would be taken from what was used on the second.
 */
static void test_a_window_of_other_periods_gives_nothing_back(void **state)
{
        (void)state;
        limits[0] = test_window("quota", 100, TK_PERIOD_DAY, 0);
        limits[1] = test_window("other", 100, TK_PERIOD_DAY, 0);
        begin(KEY, 2);
        uint64_t reservation = reserve(40);
        limits[0].period = TK_PERIOD_MONTH;
        publish(KEY, 2);
        assert_int_equal(tk_gate_release(hooks.test->gate, reservation), TK_OK);
        assert_int_equal(left_of("quota"), 60);
        assert_int_equal(left_of("other"), 100); /* as always, in the same extent's move */
}

static void move_key(void)
{
        swap_limits();
        publish(KEY, 2);
}

/* A request that has charged the window, and finds that the rate has moved, takes its window back and charges both where they are. */
static void test_a_request_that_a_move_overtakes_is_asked_anew(void **state)
{
        (void)state;
        limits[0] = test_window("day", 100, TK_PERIOD_DAY, 0);
        limits[1] = test_rate("rate", 100, 3600, 100);
        begin(KEY, 2);
        hooks.charged = move_key;
        struct tk_answer answer = test_answer(hooks.test, &hooks.ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limits[0].kind, TK_LIMIT_RATE); /* the new plan's order */
        assert_int_equal(left_of("day"), 99);
        assert_int_equal(left_of("rate"), 99);

        /* The same, with a reservation, which then says where the charges were made in the end. */
        hooks.charged = move_key;
        uint64_t reservation = reserve(9);
        assert_int_equal(left_of("day"), 90);
        assert_int_equal(tk_gate_release(hooks.test->gate, reservation), TK_OK);
        assert_int_equal(left_of("day"), 99);
        assert_int_equal(left_of("rate"), 90);
}

/* ---- who looks meanwhile ---- */

static struct tk_meter_record record_of_key(void)
{
        struct tk_meter_record record;
        struct tk_moment now = tk_meter_now(hooks.test->gate);
        assert_int_equal(tk_meter_read_key(hooks.test->gate, 17, &now, &record), TK_OK);
        return record;
}

/* Whatever the order of the two. */
static void expect_seven_used(void)
{
        struct tk_usage usage;
        struct tk_meter_record record = record_of_key();
        assert_int_equal(tk_gate_key_usage(hooks.test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.limit_count, 2);
        assert_int_equal(record.limit_count, 2);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(usage.limits[i].state.remaining, 93);
                const struct tk_meter_limit *limit = &record.limits[i];
                if (limit->kind == TK_LIMIT_WINDOW)
                        assert_int_equal(limit->value.lo, 7);
                else
                        assert_true(tk_slot_value(&limit->value) == (tk_u128)7 * limit->rate_interval);
        }
        assert_int_equal(usage.admitted, 7);
}

static void test_what_is_read_while_a_meter_moves(void **state)
{
        (void)state;
        limits[0] = test_window("day", 100, TK_PERIOD_DAY, 0);
        limits[1] = test_rate("rate", 100, 3600, 100);
        begin(KEY, 2);
        assert_int_equal(admit_up_to(7), 7);
        swap_limits();
        hooks.before = hooks.closed = hooks.bound = expect_seven_used;
        publish(KEY, 2);
        expect_seven_used();
}

static void expect_explanation(void)
{
        struct tk_explanation explanation;
        hooks.ask.cost = 94;
        tk_gate_explain(hooks.test->gate, &hooks.ask, &explanation);
        assert_code(explanation.answer.code, TK_CODE_quota_exceeded);
        hooks.ask.cost = 93;
        tk_gate_explain(hooks.test->gate, &hooks.ask, &explanation);
        assert_code(explanation.answer.code, TK_CODE_valid);
        hooks.ask.cost = 1;
}

static void test_an_explanation_while_a_meter_moves(void **state)
{
        (void)state;
        limits[0] = test_window("day", 100, TK_PERIOD_DAY, 0);
        limits[1] = test_window("week", 100, TK_PERIOD_WEEK, 0);
        begin(KEY, 2);
        assert_int_equal(admit_up_to(7), 7);
        swap_limits();
        hooks.before = hooks.closed = hooks.bound = expect_explanation;
        publish(KEY, 2);
        expect_explanation();
}

static void expect_admitted(void)
{
        struct tk_answer answer = test_answer(hooks.test, &hooks.ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_false(answer.shadow_refused);
}

/* Nobody is kept waiting for a limit that is not enforced. */
static void test_shadow_limits_make_nothing_unavailable(void **state)
{
        (void)state;
        limits[0] = test_window("day", 100, TK_PERIOD_DAY, 0);
        limits[1] = test_rate("rate", 100, 3600, 100);
        limits[0].shadow = limits[1].shadow = true;
        begin(KEY, 2);
        swap_limits();
        hooks.closed = hooks.bound = expect_admitted;
        publish(KEY, 2);
        assert_int_equal(admit_up_to(10), 10);
        assert_int_equal(left_of("day"),
                         100 - 11); /* what was asked while the limits were closed is missing */
}

/* A slot that a broken decider has closed, or sent elsewhere: no decision, no admission, and no harm to who reads it. */
static void test_a_slot_that_nobody_moves(void **state)
{
        struct test_gate *test = *state;
        const tk_u128 garbage[] = {TK_SLOT_CLOSED | 5, TK_SLOT_FORWARDED, ~(tk_u128)0,
                                   TK_SLOT_FORWARDED | (uint64_t)TK_FILE_KEY_HOMES << 48 | (17 * 4 + 1)};
        limits[0] = test_window("day", 100, TK_PERIOD_DAY, 0);
        begin(KEY, 1);
        uint64_t reservation = reserve(10);
        struct tk_format_meter *meter = tk_area_at(&test->publisher->files.areas[TK_FILE_KEY_HOMES], 17, 1);
        for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
                struct tk_usage usage;
                meter->slots[0] = tk_slot_of(garbage[i]);
                expect_unavailable();
                assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
                assert_in_range(usage.limits[0].state.remaining, 0, 100);
                assert_in_range(record_of_key().limits[0].value.lo, 0, 10);
        }
        assert_int_equal(tk_gate_release(test->gate, reservation), TK_OK); /* the last one led to itself */
        assert_true(tk_slot_value(&meter->slots[0]) == garbage[3]);
        limits[1] = test_rate("rate", 100, 3600, 100);
        publish(KEY, 2); /* any change of the plan heals it */
        assert_true(admit_up_to(1) == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_preempted_publisher_gives_no_second_quota),
                TEST(test_a_killed_publisher_gives_no_second_quota),
                TEST(test_a_rate_is_carried_by_a_clock_that_is_read_behind_it),
                TEST(test_credits_that_expire_during_a_move),
                TEST(test_a_reservation_outlives_changes_of_the_plan),
                TEST(test_a_window_of_other_periods_gives_nothing_back),
                TEST(test_a_request_that_a_move_overtakes_is_asked_anew),
                TEST(test_what_is_read_while_a_meter_moves),
                TEST(test_an_explanation_while_a_meter_moves),
                TEST(test_shadow_limits_make_nothing_unavailable),
                TEST(test_a_slot_that_nobody_moves),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
