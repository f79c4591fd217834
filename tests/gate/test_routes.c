/*
 * Routes in the gate: published with limits that everybody who uses them shares, found by method and template, charged with the limits
 * of key and subscription.
 */
#include "support.h"

#include "gate/policy.h"
#include "gate/publisher.h"
#include "gate/request.h"

#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static struct tk_publish_route route_of(uint32_t environment, const char *template,
                                        const struct tk_limit_def *limits, uint32_t count)
{
        return (struct tk_publish_route){.id = 1,
                                         .environment_id = environment,
                                         .method = TK_STR("GET"),
                                         .template = tk_str_from(template),
                                         .limits = limits,
                                         .limit_count = count};
}

static void publish(struct test_gate *test, const char *template, const struct tk_limit_def *limits,
                    uint32_t count)
{
        struct tk_publish_route route = route_of(TEST_PRODUCTION, template, limits, count);
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
}

static uint32_t find(const struct test_gate *test, const char *template)
{
        uint32_t route = 0;
        tk_gate_route(test->gate, test->production, TK_STR("GET"), tk_str_from(template), &route);
        return route;
}

static uint32_t admit_up_to(struct test_gate *test, const struct tk_ask *ask, uint32_t tries)
{
        uint32_t admitted = 0;
        for (uint32_t i = 0; i < tries; i++)
                admitted += test_decide(test, ask) == TK_CODE_valid;
        return admitted;
}

static void test_a_route_is_found_by_environment_method_and_template(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 5, TK_PERIOD_DAY, 0);
        static const char *const templates[] = {"/v1/forecast/{city}", "/v1/forecast", "/", "/v1/alerts"};
        for (size_t i = 0; i < 4; i++)
                publish(test, templates[i], &limit, 1);
        for (size_t i = 0; i < 4; i++) {
                uint32_t ref = find(test, templates[i]);
                struct tk_str text;
                const struct tk_format_route *route =
                        tk_policy_route(tk_publisher_area(test->publisher, TK_FILE_POLICY), ref);
                assert_non_null(route);
                assert_true(tk_policy_text(&route->head, route->template, &text));
                assert_true(tk_str_equal(text, tk_str_from(templates[i])));
        }
        uint32_t route, staging;
        assert_int_equal(find(test, "/v1/"), 0);
        assert_false(tk_gate_route(test->gate, test->production, TK_STR("POST"), TK_STR("/"), &route));
        assert_true(tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("staging"), &staging));
        assert_false(tk_gate_route(test->gate, staging, TK_STR("GET"), TK_STR("/"), &route));
        assert_false(tk_gate_route(test->gate, 0, TK_STR("GET"), TK_STR("/"), &route));
        /* Where method and template meet is not to be moved. */
        assert_false(tk_gate_route(test->gate, test->production, TK_STR("GE"), TK_STR("T/"), &route));
}

/* More routes than buckets, so that chains are walked. */
static void test_many_routes(void **state)
{
        struct test_gate *test = *state;
        char text[32];
        for (unsigned i = 0; i < 3 * TK_POLICY_ROUTE_BUCKETS; i++) {
                snprintf(text, sizeof text, "/v1/%u", i);
                publish(test, text, NULL, 0);
        }
        for (unsigned i = 0; i < 3 * TK_POLICY_ROUTE_BUCKETS; i++) {
                snprintf(text, sizeof text, "/v1/%u", i);
                assert_int_not_equal(find(test, text), 0);
        }
}

static void test_everybody_shares_the_limits_of_a_route(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0),
                            own = test_window("own", 7, TK_PERIOD_DAY, 0);
        publish(test, "/v1", &limit, 1);
        struct test_key keys[2];
        struct tk_ask asks[2];
        for (unsigned i = 0; i < 2; i++) {
                test_key_mint(test, 17 + i, &keys[i]);
                keys[i].published.limits = &own;
                keys[i].published.limit_count = 1;
                test_key_publish(test, &keys[i]);
                asks[i] = test_ask(test, &keys[i]);
                asks[i].route = find(test, "/v1");
        }
        assert_int_equal(admit_up_to(test, &asks[0], 20), 7);
        assert_int_equal(admit_up_to(test, &asks[1], 20), 3);
        struct tk_answer answer = test_answer(test, &asks[1]);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        assert_int_equal(answer.limit_count, 2);
        assert_int_equal(answer.limits[1].owner, TK_OWNER_ROUTE);
        assert_int_equal(answer.refused_by, 2);
        assert_int_equal(answer.limits[0].state.remaining, 4);

        asks[1].route = 0; /* elsewhere the key has not used its own */
        assert_int_equal(admit_up_to(test, &asks[1], 20), 4);

        const struct tk_format_route *route =
                tk_policy_route(tk_publisher_area(test->publisher, TK_FILE_POLICY), asks[0].route);
        const struct tk_format_meter *meter = tk_area_at(tk_publisher_area(test->publisher, TK_FILE_METERS),
                                                         tk_pair_high(route->binding), 1);
        assert_int_equal(meter->admitted, 10);
        assert_int_equal(meter->refused, 13 + 17 + 1);
}

static void test_usage_stays_when_limits_change(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limits[] = {
                test_window("day", 10, TK_PERIOD_DAY, 0), test_rate("rate", 10, 100000, 10),
                test_window("hour", 100, TK_PERIOD_HOUR, 0), test_window("month", 100, TK_PERIOD_MONTH, 0)};
        publish(test, "/v1", limits, 1);
        uint32_t ref = find(test, "/v1");
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.route = ref;
        assert_int_equal(admit_up_to(test, &ask, 4), 4);

        limits[0].limit = 20; /* in place */
        publish(test, "/v1", limits, 1);
        assert_int_equal(find(test, "/v1"), ref);
        assert_int_equal(test_answer(test, &ask).limits[0].state.remaining, 15);
        publish(test, "/v1", limits, 4); /* to another meter */
        assert_int_equal(find(test, "/v1"), ref);
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limit_count, 4);
        assert_int_equal(answer.limits[0].state.remaining, 14);
        assert_int_equal(answer.limits[1].state.remaining, 9);
        publish(test, "/v1", NULL, 0);
        assert_int_equal(test_answer(test, &ask).limit_count, 0);
}

static void test_what_is_no_route_is_unavailable(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0);
        publish(test, "/v1", &limit, 1);
        struct tk_publish_route staging = route_of(TEST_STAGING, "/v1", &limit, 1);
        assert_int_equal(tk_publish_route(test->publisher, &staging), TK_OK);
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        uint32_t staging_ref, staging_route;
        assert_true(tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("staging"), &staging_ref));
        assert_true(tk_gate_route(test->gate, staging_ref, TK_STR("GET"), TK_STR("/v1"), &staging_route));

        static const uint32_t none[] = {UINT32_MAX, 1};
        for (size_t i = 0; i < 2; i++) { /* beyond the arena; the record of an environment */
                ask.route = none[i];
                struct tk_answer answer = test_answer(test, &ask);
                assert_code(answer.code, TK_CODE_unavailable);
                assert_string_equal(answer.reason, "the route is none of this gate");
        }
        ask.route = staging_route;
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_unavailable);
        assert_string_equal(answer.reason, "the route is one of another environment");
        ask.environment = staging_ref; /* then it is the key that is of another one */
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);
        ask.environment = test->production;
        ask.route = find(test, "/v1");
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

static void test_what_no_route_may_have_is_refused(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def anchored = test_window("day", 10, TK_PERIOD_DAY, 0), many[9];
        anchored.anchored = true;
        for (unsigned i = 0; i < 9; i++)
                many[i] = test_window("day", 10, TK_PERIOD_DAY, 0);
        struct tk_publish_route route = route_of(TEST_PRODUCTION, "/v1", &anchored, 1);
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_INVALID);
        route = route_of(TEST_PRODUCTION, "/v1", many, 9);
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_INVALID);
        route = route_of(TEST_PRODUCTION, "", many, 1);
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_INVALID);
        route = route_of(99, "/v1", many, 1);
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_NOT_FOUND);
        route = route_of(TEST_PRODUCTION, "/v1", many, 1);
        route.id = 0;
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_INVALID);
        assert_int_equal(find(test, "/v1"), 0);
}

/* ---- a daemon that is killed between record and link ---- */

static _Atomic uint32_t *chain_of(const struct test_gate *test, const char *template)
{
        uint32_t bucket = tk_policy_route_bucket(TEST_PRODUCTION, TK_STR("GET"), tk_str_from(template));
        return &tk_policy_chains(tk_publisher_area(test->publisher, TK_FILE_POLICY))->routes[bucket];
}

static void restart(struct test_gate *test)
{
        tk_publisher_close(test->publisher);
        test_gate_publish(test);
        assert_int_not_equal(test->applied_seq, 0); /* adopted */
        test_gate_decider(test);
}

/* Bound but not linked: the next daemon links it, with its usage, and deciders that were asked before go on with it. */
static void test_a_route_that_was_not_linked(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0);
        publish(test, "/v1", &limit, 1);
        uint32_t ref = find(test, "/v1");
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.route = ref;
        assert_int_equal(admit_up_to(test, &ask, 4), 4);
        atomic_store(chain_of(test, "/v1"), 0);
        assert_int_equal(find(test, "/v1"), 0);

        restart(test);
        assert_int_equal(find(test, "/v1"), ref);
        assert_int_equal(test_answer(test, &ask).limits[0].state.remaining, 5);
        publish(test, "/v1", &limit, 1);
        assert_int_equal(find(test, "/v1"), ref);
}

/* Appended but not bound: nobody can have used it, so the next daemon makes another. */
static void test_a_route_that_was_not_bound(void **state)
{
        struct test_gate *test = *state;
        struct tk_publish_route route = route_of(TEST_PRODUCTION, "/v1", NULL, 0);
        struct tk_format_route *record;
        assert_int_equal(tk_intern_route(test->publisher, &route, &record), TK_OK);
        restart(test);
        assert_int_equal(find(test, "/v1"), 0);
        publish(test, "/v1", NULL, 0);
        uint32_t ref = find(test, "/v1");
        assert_int_not_equal(ref, 0);
        restart(test);
        assert_int_equal(find(test, "/v1"), ref);
}

/* Linked and adopted with many others: none is lost from a chain. */
static void test_routes_survive_a_restart(void **state)
{
        struct test_gate *test = *state;
        char text[32];
        for (unsigned i = 0; i < 2 * TK_POLICY_ROUTE_BUCKETS; i++) {
                snprintf(text, sizeof text, "/v1/%u", i);
                publish(test, text, NULL, 0);
        }
        restart(test);
        for (unsigned i = 0; i < 2 * TK_POLICY_ROUTE_BUCKETS; i++) {
                snprintf(text, sizeof text, "/v1/%u", i);
                assert_int_not_equal(find(test, text), 0);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_route_is_found_by_environment_method_and_template),
                TEST(test_many_routes),
                TEST(test_everybody_shares_the_limits_of_a_route),
                TEST(test_usage_stays_when_limits_change),
                TEST(test_what_is_no_route_is_unavailable),
                TEST(test_what_no_route_may_have_is_refused),
                TEST(test_a_route_that_was_not_linked),
                TEST(test_a_route_that_was_not_bound),
                TEST(test_routes_survive_a_restart),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
