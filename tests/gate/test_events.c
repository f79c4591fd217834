/*
 * What deciders write into their rings: what an event says, and what happens when a ring is full. Who gets which ring is in
 * test_seats.c, the daemon's side in test_drain.c; here it only reads back.
 */
#include "drained.h"

#include <string.h>

/* ---- what an event says ---- */

static void test_an_admitted_request(void **state)
{
        struct drained *world = *state;
        struct tk_limit_def limit = test_window("day", 1000, TK_PERIOD_DAY, 0);
        struct tk_publish_route route = {.id = 9,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1/x")};
        test_subscription_publish(&world->test, 3, &limit, 1);
        assert_int_equal(tk_publish_route(world->test.publisher, &route), TK_OK);
        world->key.published.subscription_id = 3;
        world->key.published.generation = 513;
        test_key_publish(&world->test, &world->key);

        struct tk_ask ask = test_ask(&world->test, &world->key);
        ask.cost = 7;
        assert_true(tk_ip_parse(TK_STR("192.0.2.33"), &ask.ip));
        assert_true(
                tk_gate_route(world->test.gate, ask.environment, route.method, route.template, &ask.route));
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
        assert_int_equal(drain(world), 1);
        const struct tk_event *event = &world->seen[0];
        assert_int_equal(event->time_ns, TEST_NOW_NS);
        assert_int_equal(event->key, 17);
        assert_int_equal(event->generation, 513);
        assert_code(event->code, TK_CODE_valid);
        assert_int_equal(event->flags, 0);
        assert_int_equal(event->cost, 7);
        assert_int_equal(event->subscription, 3);
        assert_int_equal(event->environment, ask.environment);
        assert_int_equal(event->route, ask.route);
        assert_memory_equal(&event->ip, &ask.ip, sizeof ask.ip);
}

static void test_refusals(void **state)
{
        struct drained *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        struct tk_limit_def limit = test_window("day", 0, TK_PERIOD_DAY, 0);
        struct test_key stranger, poor;
        test_key_mint(&world->test, 18, &stranger);
        test_key_mint(&world->test, 19, &poor);
        limit.limit = 1;
        poor.published.limits = &limit;
        poor.published.limit_count = 1;
        test_key_publish(&world->test, &poor);

        assert_true(tk_ip_parse(TK_STR("2001:db8::5"), &ask.ip));
        ask.environment = world->test.production + 1; /* of nobody */
        (void)test_decide(&world->test, &ask);
        ask.environment = 0;
        assert_code(test_decide(&world->test, &ask), TK_CODE_wrong_environment);
        ask.environment = world->test.production;
        ask.key = TK_STR("hello");
        assert_code(test_decide(&world->test, &ask), TK_CODE_malformed);
        ask.key = (struct tk_str){NULL, 0};
        assert_code(test_decide(&world->test, &ask), TK_CODE_missing_key);
        ask.key = stranger.view;
        assert_code(test_decide(&world->test, &ask), TK_CODE_unknown);
        ask.key = poor.view;
        ask.cost = 2;
        assert_code(test_decide(&world->test, &ask), TK_CODE_quota_exceeded);
        ask.cost = TK_LIMIT_COST_MAX + 5;
        assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable);

        assert_int_equal(drain(world), 6); /* the first names no environment */
        assert_int_equal(stats_of(world).malformed, 1);
        static const struct {
                enum tk_code code;
                uint64_t key, cost;
        } expected[] = {{TK_CODE_wrong_environment, 17, 1}, {TK_CODE_malformed, 0, 1},
                        {TK_CODE_missing_key, 0, 1},        {TK_CODE_unknown, 0, 1},
                        {TK_CODE_quota_exceeded, 19, 2},    {TK_CODE_unavailable, 19, TK_LIMIT_COST_MAX}};
        for (unsigned i = 0; i < 6; i++) {
                assert_code(world->seen[i].code, expected[i].code);
                assert_int_equal(world->seen[i].key, expected[i].key);
                assert_int_equal(world->seen[i].cost, expected[i].cost);
                assert_memory_equal(&world->seen[i].ip, &ask.ip, sizeof ask.ip);
                assert_int_equal(stats_of(world).decisions[expected[i].code], 1);
        }
}

static void test_reservations(void **state)
{
        struct drained *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        ask.now_ns = 0;
        ask.cost = 9;
        ask.reserve_s = 60;
        struct tk_answer first = test_answer(&world->test, &ask), second = test_answer(&world->test, &ask);
        assert_int_equal(tk_gate_settle(world->test.gate, first.reservation, 4), TK_OK);
        assert_int_equal(tk_gate_release(world->test.gate, second.reservation), TK_OK);
        assert_int_equal(tk_gate_release(world->test.gate, second.reservation), TK_NOT_FOUND);

        static const uint8_t flags[] = {TK_EVENT_RESERVED, TK_EVENT_RESERVED, TK_EVENT_SETTLED,
                                        TK_EVENT_RELEASED};
        static const uint64_t costs[] = {9, 9, 4, 0};
        assert_int_equal(drain(world), 4);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(world->seen[i].flags, flags[i]);
                assert_int_equal(world->seen[i].cost, costs[i]);
                assert_int_equal(world->seen[i].key, 17);
                assert_int_equal(world->seen[i].environment, world->test.production);
        }
        struct tk_drain_stats stats = stats_of(world);
        assert_int_equal(stats.reserved, 2);
        assert_int_equal(stats.settled, 1);
        assert_int_equal(stats.released, 1);
        assert_int_equal(stats.decisions[TK_CODE_valid], 2);
}

static void test_shadow_limits_and_names_without_a_place(void **state)
{
        struct drained *world = *state;
        struct tk_limit_def shadow = test_window("day", 1, TK_PERIOD_DAY, 0);
        shadow.shadow = true;
        world->key.published.limits = &shadow;
        world->key.published.limit_count = 1;
        test_key_publish(&world->test, &world->key);
        decide(world, 1, 2);
        assert_int_equal(drain(world), 1);
        assert_code(world->seen[0].code, TK_CODE_valid);
        assert_int_equal(world->seen[0].flags, TK_EVENT_SHADOW_REFUSED);

        struct tk_limit_def each =
                test_rate("each", 10, 60, 12); /* whose shared entry is not in the first full bucket */
        struct tk_ask ask = test_ask(&world->test, &world->key);
        bool shared = false;
        for (unsigned i = 0; i < 1000 && !shared; i++) { /* there is room for 56 names */
                char name[8] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676)};
                struct tk_named_limit named = {.name = {name, 3}, .def = &each};
                ask.named = &named;
                ask.named_count = 1;
                shared = test_answer(&world->test, &ask).named_shared;
                assert_int_equal(drain(world), 1);
                assert_int_equal(!!(world->seen[0].flags & TK_EVENT_NAMED_OVERFLOW), shared);
        }
        assert_true(shared);
        assert_int_equal(stats_of(world).named_overflow, 1);
}

static void test_an_explanation_is_no_event(void **state)
{
        struct drained *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        struct tk_explanation explanation;
        tk_gate_explain(world->test.gate, &ask, &explanation);
        assert_int_equal(drain(world), 0);
        assert_int_equal(rings_used(world), 0);
}

/* ---- a ring is full ---- */

static void test_a_full_ring_counts_what_it_loses(void **state)
{
        struct drained *world = *state;
        assert_int_equal(drain(world), 0);
        decide(world, RING_EVENTS + 10, 1);
        assert_int_equal(drain(world), RING_EVENTS);
        assert_true(world->pass.lost);
        assert_int_equal(world->pass.fullest_permille, 1000);
        assert_int_equal(stats_of(world).lost, 10);
        for (unsigned i = 0; i < RING_EVENTS; i++)
                assert_int_equal(world->seen[i].cost, 1 + i);

        decide(world, RING_EVENTS, 500);
        assert_int_equal(drain(world), RING_EVENTS);
        assert_false(world->pass.lost);
        assert_int_equal(world->seen[0].cost, 500);
        assert_int_equal(stats_of(world).malformed, 0);
}

static void test_many_laps(void **state)
{
        struct drained *world = *state;
        uint64_t written = 1, read = 1;
        for (unsigned i = 0; i < 300; i++) {
                unsigned count = i * 7 % (RING_EVENTS + 1);
                decide(world, count, written);
                written += count;
                assert_int_equal(drain(world), count);
                for (unsigned k = 0; k < count; k++)
                        assert_int_equal(world->seen[k].cost, read++);
        }
        assert_int_equal(stats_of(world).lost, 0);
        assert_int_equal(stats_of(world).malformed, 0);
}

/* ---- files that are not sound ---- */

static void test_rings_that_do_not_fit_their_file(void **state)
{
        struct drained *world = *state;
        static const uint64_t sizes[] = {0, 16, 32, 63, 65, 128, UINT64_C(1) << 31, UINT64_C(1) << 47};
        struct tk_format_header *keys = tk_files_keys_header(tk_publisher_files(world->test.publisher));
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                struct tk_gate *gate = NULL;
                struct tk_fault fault;
                struct tk_drain *drain = NULL;
                keys->ring_events = tk_seal(sizes[i]);
                assert_int_equal(
                        tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault),
                        TK_CORRUPT);
                assert_int_equal(tk_drain_open(tk_publisher_files(world->test.publisher), &drain),
                                 TK_CORRUPT);
                assert_null(drain);
        }
        keys->ring_events = tk_seal(RING_EVENTS);
        tk_gate_close(open_gate(world));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, drained_setup, drained_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_an_admitted_request),
                TEST(test_refusals),
                TEST(test_reservations),
                TEST(test_shadow_limits_and_names_without_a_place),
                TEST(test_an_explanation_is_no_event),
                TEST(test_a_full_ring_counts_what_it_loses),
                TEST(test_many_laps),
                TEST(test_rings_that_do_not_fit_their_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
