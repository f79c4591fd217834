/*
 * Numbers and meters that get another owner: not before nothing can refer to them any more, and then as good as new. Plans that change back
 * and forth for ever take no more memory than some changes do. The clocks are the test's own.
 */
#include "core/alloc.h"
#include "draw.h"
#include "fake_clock.h"
#include "gate/format.h"
#include "gate/publisher.h"
#include "support.h"

#include <string.h>

static int64_t wall_s;

static void begin(struct test_gate *test)
{
        fake_boot_ms = 1000 * 1000;
        fake_suspended_ms = 0;
        wall_s = TEST_NOW_S;
        test_gate_open(test);
}

static void end(struct test_gate *test)
{
        test_gate_fini(test);
        fake_boot_ms = 0;
}

static int setup(void **state)
{
        static struct test_gate test;
        begin(&test);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        end(*state);
        return 0;
}

static void tick(struct test_gate *test)
{
        tk_publisher_tick(test->publisher, (uint64_t)wall_s * TK_NS_PER_S, 0);
}

static void run(struct test_gate *test, unsigned s)
{
        for (unsigned i = 0; i < s; i++) {
                fake_boot_ms += 1000;
                wall_s++;
                tick(test);
        }
}

static void reopen(struct test_gate *test)
{
        struct tk_fault fault;
        tk_publisher_close(test->publisher);
        assert_int_equal(tk_publisher_open(test->dir, test_installation, (uint64_t)wall_s * TK_NS_PER_S,
                                           &test_sizes, &test->publisher, &test->applied_seq, &fault),
                         TK_OK);
        tick(test);
}

static struct tk_publisher_stats stats_of(const struct test_gate *test)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(test->publisher, &stats);
        return stats;
}

static struct tk_ask ask_now(const struct test_gate *test, const struct test_key *key)
{
        struct tk_ask ask = test_ask(test, key);
        ask.now_ns = 0;
        return ask;
}

/* ---- no two owners share a line of meters, and no spare is anybody's ---- */

static uint8_t owned[1 << 20];

static void own(const struct test_gate *test, uint64_t binding, enum tk_record_kind kind)
{
        struct tk_policy_view view;
        uint32_t line = tk_pair_high(binding);
        if (binding == 0 || line == TK_METER_HOME)
                return;
        assert_true(tk_policy_view(tk_publisher_area(test->publisher, TK_FILE_POLICY), tk_pair_low(binding),
                                   kind, &view));
        for (uint32_t i = 0; i < view.policy->extent_lines; i++)
                assert_int_equal(owned[line + i]++, 0);
}

static void own_routes(const struct test_gate *test)
{
        struct tk_area *policy = tk_publisher_area(test->publisher, TK_FILE_POLICY);
        for (uint32_t bucket = 0; bucket < TK_POLICY_ROUTE_BUCKETS; bucket++) {
                const struct tk_format_route *route;
                uint32_t ref = atomic_load(&tk_policy_chains(policy)->routes[bucket]);
                while (ref && (route = tk_policy_route(policy, ref))) {
                        own(test, atomic_load(&route->binding), TK_RECORD_LIMITS);
                        ref = atomic_load(&route->head.next);
                }
        }
}

static void expect_one_owner_each(const struct test_gate *test)
{
        const char *why = "";
        struct tk_area *keys = tk_publisher_area(test->publisher, TK_FILE_KEYS);
        struct tk_area *subscriptions = tk_publisher_area(test->publisher, TK_FILE_SUBSCRIPTIONS);
        memset(owned, 0, sizeof owned);
        for (uint64_t i = 1; i < tk_area_used(keys); i++)
                own(test, atomic_load(&((struct tk_format_key *)tk_area_at(keys, i, 1))->binding),
                    TK_RECORD_KEY_POLICY);
        for (uint64_t i = 1; i < tk_area_used(subscriptions); i++)
                own(test,
                    atomic_load(&((struct tk_format_subscription *)tk_area_at(subscriptions, i, 1))->binding),
                    TK_RECORD_LIMITS);
        own_routes(test);
        for (uint32_t lines = 1; lines <= TK_METER_LINES_MAX; lines++) {
                const struct tk_spare_queue *queue = &test->publisher->spares.queues[lines];
                for (size_t i = 0; i < queue->count; i++)
                        for (uint32_t at = 0; at < lines; at++)
                                assert_int_equal(
                                        owned[queue->items[(queue->first + i) % queue->room].line + at]++, 0);
        }
        if (!tk_publisher_check(test->publisher, &why))
                fail_msg("%s", why);
}

/* ---- extents ---- */

/* The plan with so many windows, of this amount each; another `name` makes another plan. */
static uint32_t plan(struct tk_limit_def limits[8], uint32_t count, char name)
{
        for (uint32_t i = 0; i < count; i++) {
                const char text[] = {name, (char)('0' + i), 0};
                limits[i] = test_window(text, 1000000, TK_PERIOD_MONTH, 0);
        }
        return count;
}

static void publish_plan(struct test_gate *test, struct test_key *key, uint32_t count, char name)
{
        static struct tk_limit_def limits[8]; /* of whoever was last */
        key->published.limits = limits;
        key->published.limit_count = plan(limits, count, name);
        test_key_publish(test, key);
}

static void test_plans_changed_back_and_forth_for_ever(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[8];
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = ask_now(test, &key);
        ask.cost = 1;
        uint64_t lines_before = 0;
        for (unsigned i = 0; i < 10000; i++) {
                struct tk_publish_route route = {.id = 5,
                                                 .environment_id = TEST_PRODUCTION,
                                                 .method = TK_STR("GET"),
                                                 .template = TK_STR("/x"),
                                                 .limits = limits};
                publish_plan(test, &key, i % 2 ? 7 : 3, 'w');
                test_subscription_publish(test, 3, limits, plan(limits, i % 3 + 1, i % 2 ? 'a' : 'b'));
                route.limit_count = plan(limits, 1, i % 2 ? 'a' : 'b');
                assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
                assert_code(test_decide(test, &ask), TK_CODE_valid);
                run(test, 1);
                if (i == 500)
                        lines_before = stats_of(test).meter_lines;
                if (i % 1000 == 700)
                        expect_one_owner_each(test);
        }
        assert_in_range(stats_of(test).meter_lines, 1, lines_before);
        assert_in_range(lines_before, 100, 500); /* of those that wait a minute */
        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 10000);
}

/* An extent is given up by `key` now; whether the next one that needs such an extent gets it. */
static bool is_given_again(struct test_gate *test, struct test_key *other)
{
        uint64_t lines = stats_of(test).meter_lines;
        static char name = 'a';
        name = name == 'z' ? 'a' : (char)(name + 1);
        publish_plan(test, other, 7, name); /* its own extent joins the spares */
        return stats_of(test).meter_lines == lines;
}

static void test_an_extent_rests_for_a_minute(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, other;
        test_key_mint(test, 17, &key);
        test_key_mint(test, 18, &other);
        publish_plan(test, &key, 7, 'a');
        publish_plan(test, &other, 7, 'a');
        publish_plan(test, &key, 3, 'a');
        assert_false(is_given_again(test, &other));
        run(test, 60);
        assert_false(is_given_again(test, &other));
        run(test, 2);
        assert_true(is_given_again(test, &other));

        /* A machine that was suspended: what was frozen goes on. */
        run(test, 30);
        fake_boot_ms += 3600 * 1000;
        fake_suspended_ms += 3600 * 1000;
        wall_s += 3600;
        tick(test);
        assert_false(is_given_again(test, &other));
        run(test, 59);
        assert_false(is_given_again(test, &other));
        run(test, 3);
        assert_true(is_given_again(test, &other));
        expect_one_owner_each(test);

        /* One that a daemon took with it stays unused. */
        reopen(test);
        run(test, 100);
        assert_false(is_given_again(test, &other));
        expect_one_owner_each(test);
}

/* A reservation that was made before the plan changed gives back to nobody but its own. */
static void test_an_extent_rests_while_a_reservation_is_open(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, other;
        test_key_mint(test, 17, &key);
        test_key_mint(test, 18, &other);
        publish_plan(test, &key, 7, 'a');
        publish_plan(test, &other, 7, 'a');
        run(test, 10);
        struct tk_ask ask = ask_now(test, &key);
        ask.cost = 1000;
        ask.reserve_s = 600;
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        publish_plan(test, &key, 3, 'a');
        ask.reserve_s = 500; /* begun later, on the new extent: it keeps nothing that was given up before */
        run(test, 130);
        struct tk_answer later = test_answer(test, &ask);
        for (int i = 0; i < 4; i++) {
                assert_false(is_given_again(test, &other));
                run(test, 100);
        }

        /* The next owner has used as much in the same month, at the same place. */
        struct tk_ask ask_other = ask_now(test, &other);
        ask_other.cost = 5000;
        assert_int_equal(tk_gate_release(test->gate, answer.reservation), TK_OK);
        run(test, 62);
        publish_plan(test, &other, 7, 'y'); /* on what key 17 had */
        answer = test_answer(test, &ask_other);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limits[0].state.remaining, 995000);
        assert_int_equal(tk_gate_release(test->gate, later.reservation), TK_OK);
        ask_other.cost = 0;
        answer = test_answer(test, &ask_other);
        assert_int_equal(answer.limits[0].state.remaining, 995000);
        expect_one_owner_each(test);
}

static void test_without_memory_an_extent_is_left(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_mint(test, 17, &key);
        publish_plan(test, &key, 7, 'a');
        tk_spares_fini(&test->publisher->spares);
        for (unsigned n = 1; n < 4; n++) { /* whichever allocation it is */
                struct tk_limit_def limits[8];
                key.published.limits = limits;
                key.published.limit_count = plan(limits, 7, (char)('a' + n));
                tk_alloc_fault_at(n);
                enum tk_err err = tk_publish_key(test->publisher, &key.published);
                tk_alloc_fault_at(0);
                assert_true(err == TK_OK || err == TK_NOMEM);
                expect_one_owner_each(test);
        }
}

/* ---- numbers ---- */

static void mint_next(struct test_gate *test, uint64_t id, uint16_t generation, struct test_key *ret_key)
{
        test_key_mint(test, id, ret_key);
        ret_key->published.generation = generation;
}

static void free_key(struct test_gate *test, struct test_key *key)
{
        assert_int_equal(tk_publish_free(test->publisher, key->published.id), TK_INVALID);
        key->published.state = TK_PUBLISH_REVOKED;
        test_key_publish(test, key);
        assert_int_equal(tk_publish_free(test->publisher, key->published.id), TK_OK);
        assert_int_equal(tk_publish_free(test->publisher, key->published.id), TK_OK);
}

static void test_a_number_rests_before_it_is_given_again(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 3, TK_PERIOD_DAY, 0);
        struct test_key key, next;
        struct tk_usage usage;
        test_key_mint(test, 17, &key);
        key.published.limits = &limit;
        key.published.limit_count = 1;
        test_key_publish(test, &key);
        struct tk_ask ask = ask_now(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(tk_publish_free(test->publisher, 99), TK_NOT_FOUND);
        assert_int_equal(tk_publish_free(test->publisher, 0), TK_NOT_FOUND);
        free_key(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_NOT_FOUND);
        test_key_publish(test, &key); /* that it is revoked may be said again */
        assert_code(test_decide(test, &ask), TK_CODE_unknown);

        mint_next(test, 17, 0, &next);
        assert_int_equal(tk_publish_key(test->publisher, &next.published),
                         TK_INVALID); /* the same generation */
        next.published.generation = 1;
        assert_int_equal(tk_publish_key(test->publisher, &next.published), TK_BUSY);
        run(test, 60);
        assert_int_equal(tk_publish_key(test->publisher, &next.published), TK_BUSY);
        reopen(test); /* from a daemon's start on it counts anew */
        run(test, 60);
        assert_int_equal(tk_publish_key(test->publisher, &next.published), TK_BUSY);
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
        run(test, 1);
        next.published.limits = &limit;
        next.published.limit_count = 1;
        uint64_t lines = stats_of(test).meter_lines;
        test_key_publish(test, &next);
        assert_int_equal(stats_of(test).meter_lines, lines); /* at home */
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
        ask = ask_now(test, &next);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limits[0].state.remaining, 2);
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 1);
        expect_one_owner_each(test);
}

/* As a daemon leaves a line that was killed behind the first store of a free. */
static void test_a_free_that_was_cut_short(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, next;
        test_key_mint(test, 17, &key);
        publish_plan(test, &key, 7, 'a');
        struct tk_format_key *line = tk_area_at(tk_publisher_area(test->publisher, TK_FILE_KEYS), 17, 1);
        uint64_t binding = line->binding;
        free_key(test, &key);
        atomic_store(&line->binding, binding);
        reopen(test);
        run(test, 61);
        mint_next(test, 17, 1, &next);
        publish_plan(test, &next, 7, 'b');
        expect_one_owner_each(test);
        assert_int_equal(stats_of(test).spare_meter_lines, 2);
}

/* A thousand owners of one number. */
static void test_a_number_given_for_ever(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        uint64_t lines = 0;
        for (uint16_t generation = 0; generation < 1000; generation++) {
                mint_next(test, 17, generation, &key);
                publish_plan(test, &key, generation % 7 + 1u, 'a');
                struct tk_ask ask = ask_now(test, &key);
                ask.cost = 1000000;
                assert_code(test_decide(test, &ask), TK_CODE_valid);
                assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
                free_key(test, &key);
                run(test, 61);
                if (generation == 20)
                        lines = stats_of(test).meter_lines;
        }
        assert_int_equal(stats_of(test).meter_lines, lines);
        assert_int_equal(stats_of(test).key_lines, 18);
        expect_one_owner_each(test);
}

/* A reservation of the owner before gives nothing back to the next one, who has the number but another meter meanwhile. */
static void test_a_reservation_outlives_its_key(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("month", 1000, TK_PERIOD_MONTH, 0);
        struct test_key key, next;
        test_key_mint(test, 17, &key);
        key.published.limits = &limit;
        key.published.limit_count = 1;
        test_key_publish(test, &key);
        struct tk_ask ask = ask_now(test, &key);
        ask.cost = 400;
        ask.reserve_s = 3600;
        uint64_t reservation = test_answer(test, &ask).reservation;
        assert_true(reservation);
        free_key(test, &key);
        run(test, 120);
        mint_next(test, 17, 1, &next);
        next.published.limits = &limit;
        next.published.limit_count = 1;
        test_key_publish(test, &next);
        ask = ask_now(test, &next);
        ask.cost = 1000;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(tk_gate_release(test->gate, reservation), TK_OK);
        ask.cost = 1;
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
        expect_one_owner_each(test);
}

/* Everything at once, at random: nobody ever has what is another's, or less than nothing used. */
static void test_everything_at_random(void **state)
{
        enum { KEYS = 30 };
        static struct test_key keys[KEYS + 1];
        static uint16_t generations[KEYS + 1];
        static uint64_t used[KEYS + 1];
        struct test_gate *test = *state;
        unsigned seed = 7, given = 0;
        memset(generations, 0, sizeof generations);
        for (uint64_t id = 1; id <= KEYS; id++) {
                mint_next(test, id, 0, &keys[id]);
                publish_plan(test, &keys[id], 1, 'a');
                used[id] = 0;
        }
        for (unsigned i = 0; i < 8000; i++) {
                uint64_t id = 1 + test_draw(&seed, KEYS);
                struct test_key *key = &keys[id];
                unsigned what = test_draw(&seed, 16);
                if (key->published.state == TK_PUBLISH_REVOKED) {
                        mint_next(test, id, (uint16_t)(generations[id] + 1), key);
                        key->published.limit_count = 0;
                        if (tk_publish_key(test->publisher, &key->published) == TK_BUSY) {
                                key->published.state = TK_PUBLISH_REVOKED;
                        } else {
                                generations[id]++;
                                given++;
                                publish_plan(test, key, 1 + i % 7, 'a');
                                used[id] = 0;
                        }
                } else if (what == 0) {
                        free_key(test, key);
                } else if (what < 8) {
                        publish_plan(test, key, 1 + i % 7, 'a');
                } else {
                        struct tk_ask ask = ask_now(test, key);
                        ask.cost = 3;
                        ask.reserve_s = what == 9 ? 1 + test_draw(&seed, 90) : 0;
                        struct tk_answer answer = test_answer(test, &ask);
                        assert_code(answer.code, TK_CODE_valid);
                        used[id] += 3;
                        assert_int_equal(answer.limits[0].state.remaining, 1000000 - used[id]);
                        if (what == 9 && i % 2)
                                assert_int_equal(tk_gate_settle(test->gate, answer.reservation, 3), TK_OK);
                }
                run(test, what == 10 ? 5 : i % 3 == 0);
                if (i % 500 == 0)
                        expect_one_owner_each(test);
        }
        assert_true(given > 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_plans_changed_back_and_forth_for_ever),
                TEST(test_an_extent_rests_for_a_minute),
                TEST(test_an_extent_rests_while_a_reservation_is_open),
                TEST(test_without_memory_an_extent_is_left),
                TEST(test_a_number_rests_before_it_is_given_again),
                TEST(test_a_free_that_was_cut_short),
                TEST(test_a_number_given_for_ever),
                TEST(test_a_reservation_outlives_its_key),
                TEST(test_everything_at_random),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
