/*
 * Routes through the public header: which one a request is for, and decisions by it.
 */
#include "fixture.h"

#include "gate/publisher.h"

#include <string.h>

#define T(text) tollkeeper_text_of(text)

static bool text_is(struct tollkeeper_text text, const char *expected)
{
        return text.len == strlen(expected) && (text.len == 0 || memcmp(text.ptr, expected, text.len) == 0);
}

static void publish(struct fixture *f, uint32_t id, const char *method, const char *path, const char *scope,
                    uint64_t cost, const struct tk_limit_def *limit)
{
        const struct tk_publish_route route = {.id = id,
                                               .environment_id = TEST_PRODUCTION,
                                               .method = tk_str_from(method),
                                               .template = tk_str_from(path),
                                               .limits = limit,
                                               .limit_count = limit ? 1 : 0};
        const struct tk_publish_match match = {.route_id = id,
                                               .environment_id = TEST_PRODUCTION,
                                               .method = route.method,
                                               .template = route.template,
                                               .scope = tk_str_from(scope),
                                               .cost = cost};
        assert_int_equal(tk_publish_route(f->daemon.publisher, &route), TK_OK);
        assert_int_equal(tk_publish_match(f->daemon.publisher, &match), TK_OK);
}

static void a_route_is_found(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_route route = {.size = sizeof route}, unsized = {0};
        fixture_open(f);
        publish(f, 5, "GET", "/v1/forecast/{city}", "forecast:read", 3, NULL);
        assert_result(tollkeeper_match_route(f->gate, f->production, T("GET"), T("/v1/forecast/oslo"), &route,
                                             &f->error),
                      TOLLKEEPER_OK);
        assert_int_equal(route.result, TOLLKEEPER_ROUTE_MATCHED);
        assert_string_equal(route.route_id, "rte_5");
        assert_true(text_is(route.method, "GET") && text_is(route.path, "/v1/forecast/{city}"));
        assert_true(text_is(route.scope, "forecast:read") && route.cost == 3);

        static const struct {
                const char *path;
                enum tollkeeper_route_result result;
        } others[] = {{"/v2", TOLLKEEPER_ROUTE_UNKNOWN},
                      {"/v1//forecast/oslo", TOLLKEEPER_ROUTE_AMBIGUOUS},
                      {"v1", TOLLKEEPER_ROUTE_MALFORMED},
                      {NULL, TOLLKEEPER_ROUTE_MALFORMED}};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
                assert_result(tollkeeper_match_route(f->gate, f->production, T("GET"), T(others[i].path),
                                                     &route, &f->error),
                              TOLLKEEPER_OK);
                assert_int_equal(route.result, others[i].result);
                assert_string_equal(route.route_id, "");
        }
        assert_result(tollkeeper_match_route(f->gate, 77, T("GET"), T("/"), &route, &f->error),
                      TOLLKEEPER_OK);
        assert_int_equal(route.result, TOLLKEEPER_ROUTE_UNAVAILABLE);
        assert_result(tollkeeper_match_route(f->gate, f->production, T("GET"), T("/"), &unsized, &f->error),
                      TOLLKEEPER_INVALID);
}

static void decisions_are_made_by_route(void **state)
{
        struct fixture *f = *state;
        struct tk_str granted = TK_STR("forecast:read");
        struct tk_limit_def shared = test_window("shared", 10, TK_PERIOD_DAY, 0);
        struct test_key key;
        struct tollkeeper_answer answer = {.size = sizeof answer};
        struct tollkeeper_route route = {.size = sizeof route};
        fixture_open(f);
        publish(f, 5, "GET", "/v1/forecast/{city}", "forecast:read", 3, &shared);
        publish(f, 6, "*", "/v1/alerts", "alerts:read", 1, NULL);
        test_key_mint(&f->daemon, 17, &key);
        key.published.scopes = &granted, key.published.scope_count = 1;
        test_key_publish(&f->daemon, &key);

        struct tollkeeper_ask ask = fixture_ask(f, &key);
        ask.method = T("GET"), ask.path = T("/v1/forecast/oslo"), ask.cost = TOLLKEEPER_COST_OF_ROUTE;
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 0, &answer, &route), TOLLKEEPER_VALID);
        assert_string_equal(route.route_id, "rte_5");
        assert_true(answer.limit_count == 1 && answer.limits[0].remaining == 7 &&
                    answer.limits[0].owner == TOLLKEEPER_OWNER_ROUTE);
        ask.cost = 1;
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 0, &answer, NULL), TOLLKEEPER_VALID);
        assert_int_equal(answer.limits[0].remaining, 6);
        ask.cost = 7;
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 0, NULL, NULL), TOLLKEEPER_QUOTA_EXCEEDED);

        ask.cost = TOLLKEEPER_COST_OF_ROUTE, ask.path = T("/v1/alerts");
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 0, &answer, &route),
                         TOLLKEEPER_INSUFFICIENT_SCOPE);
        ask.path = T("/v2");
        assert_int_equal(
                tollkeeper_decide_by_route(f->gate, &ask, TOLLKEEPER_UNKNOWN_ROUTE_REFUSE, &answer, &route),
                TOLLKEEPER_RESTRICTED);
        assert_int_equal(route.result, TOLLKEEPER_ROUTE_UNKNOWN);
        assert_string_equal(answer.detail, "no route of this environment matches the request");
        assert_int_equal(
                tollkeeper_decide_by_route(f->gate, &ask, TOLLKEEPER_UNKNOWN_ROUTE_PASS, &answer, &route),
                TOLLKEEPER_VALID);
        ask.path = T("/v1/%2e%2e/x");
        assert_int_equal(
                tollkeeper_decide_by_route(f->gate, &ask, TOLLKEEPER_UNKNOWN_ROUTE_PASS, &answer, &route),
                TOLLKEEPER_RESTRICTED);
        ask.path = T(NULL);
        assert_int_equal(
                tollkeeper_decide_by_route(f->gate, &ask, TOLLKEEPER_UNKNOWN_ROUTE_PASS, &answer, &route),
                TOLLKEEPER_RESTRICTED);
}

static void what_is_malformed_refuses(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer = {.size = sizeof answer}, unsized_answer = {0};
        struct tollkeeper_route route = {.size = sizeof route}, unsized = {0};
        fixture_open(f);
        test_key_issue(&f->daemon, 17, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        ask.method = T("GET"), ask.path = T("/");
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 1, &answer, &unsized),
                         TOLLKEEPER_UNAVAILABLE);
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 1, &unsized_answer, &route),
                         TOLLKEEPER_UNAVAILABLE);
        assert_int_equal(tollkeeper_decide_by_route(f->gate, NULL, 1, &answer, &route),
                         TOLLKEEPER_UNAVAILABLE);
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 1, &answer, &route), TOLLKEEPER_VALID);
        ask.environment = 99;
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 1, &answer, &route),
                         TOLLKEEPER_UNAVAILABLE);
        assert_int_equal(route.result, TOLLKEEPER_ROUTE_UNAVAILABLE);
        ask = fixture_ask(f, &key);
        ask.route = 1;
        assert_int_equal(tollkeeper_decide_by_route(f->gate, &ask, 1, &answer, &route),
                         TOLLKEEPER_UNAVAILABLE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_route_is_found),
                TEST(decisions_are_made_by_route),
                TEST(what_is_malformed_refuses),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
