/*
 * The search in the table of routes: every route is found by its own path, parameters are cut out, what is not there
 * is not found.
 */
#include "check.h"
#include "http/metrics.h"
#include "http/request.h"
#include "http/router.h"

#include <string.h>

static enum tk_match find(const char *method, const char *path, const struct tk_route **ret_route,
                          struct tk_str params[TK_PATH_PARAMS_MAX], const char **ret_allow)
{
        for (size_t i = 0; i < TK_PATH_PARAMS_MAX; i++)
                params[i] = TK_STR_NONE;
        return tk_route_find(method, path, ret_route, params, ret_allow);
}

/* A template is a path of its own route: `{api}` is a segment, too. */
static void every_route_is_found(void **state)
{
        struct tk_str params[TK_PATH_PARAMS_MAX];
        const char *allow;

        (void)state;
        for (size_t i = 1; i < tk_route_count(); i++) {
                const struct tk_route *route = tk_route_at(i), *found = NULL;
                assert_int_equal(find(route->method, route->path, &found, params, &allow), TK_MATCH_FOUND);
                assert_ptr_equal(found, route);
                assert_int_equal(tk_route_index(route), i);
                assert_true((route->access == TK_ACCESS_OPEN) == (route->scope == NULL));
        }
        assert_null(tk_route_at(0));
        assert_int_equal(tk_route_index(NULL), 0);
        assert_true(tk_route_count() <= TK_METRIC_ROUTES_MAX);
}

static void parameters(void **state)
{
        struct tk_str params[TK_PATH_PARAMS_MAX];
        const struct tk_route *route;
        const char *allow;

        (void)state;
        assert_int_equal(find("POST", "/v1/apis/we%2Fa/environments/x.y/suspend", &route, params, &allow),
                         TK_MATCH_FOUND);
        assert_str(params[0], "we%2Fa");
        assert_str(params[1], "x.y");
        assert_string_equal(route->path, "/v1/apis/{api}/environments/{environment}/suspend");
        assert_int_equal(route->run, TK_RUN_URGENT);
}

static void head_is_get(void **state)
{
        struct tk_str params[TK_PATH_PARAMS_MAX];
        const struct tk_route *route;
        const char *allow;

        (void)state;
        assert_int_equal(find("HEAD", "/v1/apis", &route, params, &allow), TK_MATCH_FOUND);
        assert_string_equal(route->method, "GET");
        assert_int_equal(find("HEAD", "/v1/verify", &route, params, &allow), TK_MATCH_NO_METHOD);
}

static void what_is_not_there(void **state)
{
        static const char *const paths[] = {
                "",
                "/",
                "v1/apis",
                "/v1",
                "/v1/",
                "/v1/apis/",
                "/v1/apis//",
                "/v1/apis/a/b",
                "/v1/api",
                "/v1/apiss",
                "//v1/apis",
                "/V1/apis",
                "/v1/apis/a/scopes/b/c",
                "/v1/keys//usage",
                "/metrics/",
                "/v1/verify/x",
        };
        struct tk_str params[TK_PATH_PARAMS_MAX];
        const struct tk_route *route;
        const char *allow;

        (void)state;
        for (size_t i = 0; i < COUNT(paths); i++)
                assert_int_equal(find("GET", paths[i], &route, params, &allow), TK_MATCH_NO_PATH);
}

static void allowed_methods(void **state)
{
        static const struct {
                const char *path, *allow;
        } cases[] = {
                {"/v1/verify", "POST"},
                {"/v1/apis", "GET, HEAD, POST"},
                {"/v1/apis/a", "GET, HEAD, PATCH"},
                {"/v1/apis/a/suspend", "POST"},
                {"/v1/apis/a/environments/b", "GET, HEAD, PATCH"},
                {"/metrics", "GET, HEAD"},
        };
        struct tk_str params[TK_PATH_PARAMS_MAX];
        const struct tk_route *route;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *allow = "";
                assert_int_equal(find("DELETE", cases[i].path, &route, params, &allow), TK_MATCH_NO_METHOD);
                assert_string_equal(allow, cases[i].allow);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_route_is_found), cmocka_unit_test(parameters),
                cmocka_unit_test(head_is_get),          cmocka_unit_test(what_is_not_there),
                cmocka_unit_test(allowed_methods),
        };

        return cmocka_run_group_tests_name("http/router", tests, NULL, NULL);
}
