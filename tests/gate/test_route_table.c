/*
 * The tree of routes against an oracle that compares every route with every request; changes beside deciders; damage; a daemon that ends half way.
 */
#include "support.h"

#include "core/path.h"
#include "gate/policy.h"
#include "gate/publisher.h"
#include "gate/request.h"
#include "gate/route_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S(text) TK_STR(text)

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        tk_publisher_set_applied(test.publisher, 1);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static struct tk_publish_match match_of(uint32_t id, const char *method, const char *template,
                                        const char *scope, uint64_t cost)
{
        return (struct tk_publish_match){.route_id = id,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = tk_str_from(method),
                                         .template = tk_str_from(template),
                                         .scope = tk_str_from(scope),
                                         .cost = cost};
}

static void publish(struct test_gate *test, uint32_t id, const char *method, const char *template,
                    const char *scope, uint64_t cost)
{
        const struct tk_publish_match match = match_of(id, method, template, scope, cost);
        const struct tk_publish_route route = {.id = id,
                                               .environment_id = TEST_PRODUCTION,
                                               .method = match.method,
                                               .template = match.template};
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
        assert_int_equal(tk_publish_match(test->publisher, &match), TK_OK);
}

static void take_away(struct test_gate *test, uint32_t id, const char *method, const char *template)
{
        const struct tk_publish_match match = match_of(id, method, template, "", 0);
        assert_int_equal(tk_publish_unmatch(test->publisher, &match), TK_OK);
}

/* The id of the route; 0: none. */
static uint32_t route_of(struct test_gate *test, const char *method, const char *path)
{
        struct tk_matched_route found;
        enum tk_route_result result = tk_gate_match_route(test->gate, test->production, tk_str_from(method),
                                                          tk_str_from(path), &found);
        assert_true(result == TK_ROUTE_MATCHED || result == TK_ROUTE_UNKNOWN);
        return result == TK_ROUTE_MATCHED ? found.id : 0;
}

static enum tk_route_result result_of(struct test_gate *test, const char *path)
{
        struct tk_matched_route found;
        return tk_gate_match_route(test->gate, test->production, S("GET"), tk_str_from(path), &found);
}

static void assert_sound(struct test_gate *test)
{
        const char *why = NULL;
        if (!tk_publisher_check(test->publisher, &why))
                fail_msg("%s", why);
}

/* ---- what is matched ---- */

static void test_the_most_specific_route_wins(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(route_of(test, "GET", "/v1"), 0);
        publish(test, 1, "GET", "/v1/forecast/{city}", "forecast:read", 1);
        publish(test, 2, "GET", "/v1/forecast/oslo", "", 2);
        publish(test, 3, "*", "/v1/forecast/oslo", "", 3);
        publish(test, 4, "*", "/v1/**", "", 4);
        publish(test, 5, "GET", "/v1/{kind}/today", "", 5);
        publish(test, 6, "GET", "/", "", 6);
        publish(test, 7, "POST", "/v1", "", 7);
        assert_int_equal(route_of(test, "GET", "/v1/forecast/rome"), 1);
        assert_int_equal(route_of(test, "GET", "/v1/forecast/oslo"), 2);
        assert_int_equal(route_of(test, "POST", "/v1/forecast/oslo"), 3);
        assert_int_equal(route_of(test, "GET", "/v1/forecast/today"), 1); /* the leftmost literal counts */
        assert_int_equal(route_of(test, "GET", "/v1/alerts/today"), 5);
        assert_int_equal(route_of(test, "PUT", "/v1/alerts/today"), 4);
        assert_int_equal(route_of(test, "POST", "/v1/forecast/rome"),
                         4); /* no POST there: a wider one has it */
        assert_int_equal(route_of(test, "GET", "/v1/forecast/"), 4);
        assert_int_equal(route_of(test, "GET", "/v1"), 4);
        assert_int_equal(route_of(test, "POST", "/v1"), 7);
        assert_int_equal(route_of(test, "GET", "/"), 6);
        assert_int_equal(route_of(test, "GET", "/v2"), 0);
        assert_int_equal(route_of(test, "HEAD", "/v1/forecast/rome"), 1);
        assert_int_equal(route_of(test, "HEAD", "/v1/forecast/oslo"), 2);
        publish(test, 8, "HEAD", "/v1/forecast/oslo", "", 8);
        assert_int_equal(route_of(test, "HEAD", "/v1/forecast/oslo"), 8);
        assert_sound(test);
}

static void test_paths_are_canonical_or_refused(void **state)
{
        struct test_gate *test = *state;
        publish(test, 1, "GET", "/v1/forecast/{city}", "", 1);
        assert_int_equal(route_of(test, "GET", "/v1/%66orecast/os%6co"), 1);
        assert_int_equal(result_of(test, "/v1//forecast/oslo"), TK_ROUTE_AMBIGUOUS);
        assert_int_equal(result_of(test, "/v1/x/../forecast/oslo"), TK_ROUTE_AMBIGUOUS);
        assert_int_equal(result_of(test, "/v1/forecast%2foslo"), TK_ROUTE_AMBIGUOUS);
        assert_int_equal(result_of(test, "/v1/forecast;a=b/oslo"), TK_ROUTE_AMBIGUOUS);
        assert_int_equal(result_of(test, "v1"), TK_ROUTE_MALFORMED);
        assert_int_equal(result_of(test, ""), TK_ROUTE_MALFORMED);
        assert_int_equal(result_of(test, "/%zz"), TK_ROUTE_MALFORMED);
        struct tk_matched_route found;
        assert_int_equal(tk_gate_match_route(test->gate, 0, S("GET"), S("/"), &found), TK_ROUTE_UNAVAILABLE);
        static char deep[TK_PATH_MAX + 1];
        for (size_t i = 0; i < TK_PATH_MAX; i++)
                deep[i] = i % 2 ? 'a' : '/';
        assert_int_equal(result_of(test, deep), TK_ROUTE_UNKNOWN);
}

static void test_terms_come_with_the_route(void **state)
{
        struct test_gate *test = *state;
        struct tk_matched_route found;
        publish(test, 9, "GET", "/v1/{city}", "a:read and (b:read or c)", 7);
        assert_int_equal(tk_gate_match_route(test->gate, test->production, S("GET"), S("/v1/oslo"), &found),
                         TK_ROUTE_MATCHED);
        assert_int_equal(found.cost, 7);
        assert_int_equal(found.id, 9);
        assert_true(tk_str_equal(found.path, S("/v1/{city}")));
        assert_true(tk_str_equal(found.method, S("GET")));
        assert_true(tk_str_equal(found.scope_text, S("a:read and (b:read or c)")));
        assert_int_equal(found.scope.op_count, 5);
        assert_true(tk_str_equal(found.scope.ops[0].name, S("a:read")));

        struct test_key key;
        const struct tk_str granted[] = {S("a:read"), S("c")};
        test_key_mint(test, 17, &key);
        key.published.scopes = granted;
        key.published.scope_count = 2;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.route = found.route;
        ask.route_scope = &found.scope;
        ask.cost = found.cost;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        publish(test, 9, "GET", "/v1/{city}", "d", 7);
        assert_int_equal(tk_gate_match_route(test->gate, test->production, S("GET"), S("/v1/oslo"), &found),
                         TK_ROUTE_MATCHED);
        assert_code(test_decide(test, &ask), TK_CODE_insufficient_scope);
        ask.route_scope = NULL;
        ask.route_refusal = "no route";
        assert_code(test_decide(test, &ask), TK_CODE_restricted);
}

static void test_what_is_no_route_is_not_published(void **state)
{
        struct test_gate *test = *state;
        static const struct {
                const char *method, *template, *scope;
                uint64_t cost;
        } bad[] = {
                {"GET", "v1", "", 1},  {"GET", "/a//b", "", 1}, {"GET", "/**/a", "", 1},
                {"GET", "/{a", "", 1}, {"GET", "/a", "and", 1}, {"GET", "/a", "(", 1},
                {"", "/a", "", 1},     {"GET", "", "", 1},      {"GET", "/a", "", TK_LIMIT_COST_MAX + 1},
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                const struct tk_publish_match match =
                        match_of(1, bad[i].method, bad[i].template, bad[i].scope, bad[i].cost);
                const struct tk_publish_route route = {.id = 1,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .method = match.method,
                                                       .template = match.template};
                (void)tk_publish_route(test->publisher, &route);
                assert_int_equal(tk_publish_match(test->publisher, &match), TK_INVALID);
        }
        const struct tk_publish_match unpublished = match_of(1, "GET", "/b", "", 1);
        assert_int_equal(tk_publish_match(test->publisher, &unpublished), TK_NOT_FOUND);
        assert_int_equal(route_of(test, "GET", "/a"), 0);
}

static void test_a_route_in_the_place_of_another(void **state)
{
        struct test_gate *test = *state;
        publish(test, 1, "GET", "/v1/{city}", "", 1);
        take_away(test, 1, "GET", "/v1/{city}");
        assert_int_equal(route_of(test, "GET", "/v1/oslo"), 0);
        publish(test, 2, "GET", "/v1/{town}", "", 1);
        take_away(test, 1, "GET", "/v1/{city}"); /* late: the place is another's */
        assert_int_equal(route_of(test, "GET", "/v1/oslo"), 2);
        publish(test, 3, "GET", "/v1/{city}", "", 1); /* the template that route 1 had */
        assert_int_equal(route_of(test, "GET", "/v1/oslo"), 3);
        take_away(test, 9, "GET", "/never/was");
        assert_sound(test);
}

/* ---- against the oracle ---- */

#define MANY 120

struct rule {
        char method[8], template[64];
        uint32_t id; /* 0: not in force */
};

static unsigned random_below(unsigned limit)
{
        return (unsigned)random() % limit;
}

static void random_path(char *ret_text, bool template)
{
        static const char *const segments[] = {"a", "b", "c", "aa", "ab"};
        static const char *const wild[] = {"{x}", "*", "{long-name}"};
        unsigned count = 1 + random_below(4);
        size_t len = 0;
        for (unsigned i = 0; i < count; i++) {
                bool last = i + 1 == count;
                const char *segment = segments[random_below(5)];
                if (template && random_below(3) == 0)
                        segment = wild[random_below(3)];
                if (template && last && random_below(4) == 0)
                        segment = "**";
                if (!template && last && random_below(8) == 0)
                        segment = "";
                len += (size_t)sprintf(ret_text + len, "/%s", segment);
        }
}

/* How specific a segment of a template is. */
static int rank(struct tk_str segment)
{
        return tk_route_is_rest(segment) ? 0 : tk_route_is_wild(segment) ? 1 : 2;
}

static int method_rank(const char *rule, const char *method)
{
        if (strcmp(rule, method) == 0)
                return 3;
        if (strcmp(method, "HEAD") == 0 && strcmp(rule, "GET") == 0)
                return 2;
        return strcmp(rule, "*") == 0 ? 1 : 0;
}

/* Whether the first template goes before the second, both matching the path: by the first segments that differ. */
static int compare_templates(struct tk_str a, struct tk_str b)
{
        while (a.len > 0 && b.len > 0) {
                int of_a = rank(tk_route_cut(&a)), of_b = rank(tk_route_cut(&b));
                if (of_a != of_b)
                        return of_a - of_b;
        }
        return (int)(b.len > 0) - (int)(a.len > 0); /* a further `**` that matches nothing */
}

static uint32_t oracle(const struct rule *rules, const char *method, const char *path)
{
        const struct rule *best = NULL;
        for (unsigned i = 0; i < MANY; i++) {
                const struct rule *rule = &rules[i];
                if (!rule->id || !method_rank(rule->method, method) ||
                    !tk_path_template_match(tk_str_from(rule->template), tk_str_from(path)))
                        continue;
                int order = best ? compare_templates(tk_str_from(rule->template), tk_str_from(best->template))
                                 : 1;
                if (order == 0)
                        order = method_rank(rule->method, method) - method_rank(best->method, method);
                if (order > 0)
                        best = rule;
        }
        return best ? best->id : 0;
}

static bool same_place(const struct rule *a, const struct rule *b)
{
        char left[TK_PATH_SHAPE_MAX], right[TK_PATH_SHAPE_MAX];
        size_t a_len = tk_path_template_shape(tk_str_from(a->template), left);
        size_t b_len = tk_path_template_shape(tk_str_from(b->template), right);
        return strcmp(a->method, b->method) == 0 && a_len == b_len && memcmp(left, right, a_len) == 0;
}

static void change_rule(struct test_gate *test, struct rule *rules, unsigned at, uint32_t id)
{
        static const char *const methods[] = {"GET", "POST", "*", "HEAD"};
        struct rule *rule = &rules[at];
        if (rule->id) {
                take_away(test, rule->id, rule->method, rule->template);
                rule->id = 0;
                return;
        }
        struct rule fresh = {.id = id};
        strcpy(fresh.method, methods[random_below(4)]);
        random_path(fresh.template, true);
        for (unsigned i = 0; i < MANY; i++)
                if (rules[i].id && same_place(&rules[i], &fresh))
                        return;
        publish(test, fresh.id, fresh.method, fresh.template, "s", id % 7);
        *rule = fresh;
}

static void compare_with_oracle(struct test_gate *test, const struct rule *rules, unsigned requests)
{
        static const char *const methods[] = {"GET", "POST", "HEAD", "DELETE"};
        for (unsigned i = 0; i < requests; i++) {
                char path[64];
                const char *method = methods[random_below(4)];
                random_path(path, false);
                uint32_t is = route_of(test, method, path), expected = oracle(rules, method, path);
                if (is != expected)
                        fail_msg("%s %s: route %u, expected %u", method, path, is, expected);
        }
}

static void test_random_tables_against_the_oracle(void **state)
{
        struct test_gate *test = *state;
        static struct rule rules[MANY];
        memset(rules, 0, sizeof rules);
        srandom(7);
        for (uint32_t id = 1; id <= 3000; id++) {
                change_rule(test, rules, random_below(MANY), id);
                compare_with_oracle(test, rules, 40);
        }
        assert_sound(test);
        /* A new daemon goes on with it. */
        tk_publisher_close(test->publisher);
        test_gate_publish(test);
        for (uint32_t id = 3001; id <= 3200; id++) {
                change_rule(test, rules, random_below(MANY), id);
                compare_with_oracle(test, rules, 40);
        }
        assert_sound(test);
}

static void test_a_thousand_siblings(void **state)
{
        struct test_gate *test = *state;
        char template[48];
        for (uint32_t i = 0; i < 1024; i++) {
                snprintf(template, sizeof template, "/v1/r%u/{id}/x", i);
                publish(test, i + 1, "GET", template, "", 1);
        }
        for (uint32_t i = 0; i < 1024; i++) {
                snprintf(template, sizeof template, "/v1/r%u/17/x", i);
                assert_int_equal(route_of(test, "GET", template), i + 1);
        }
        assert_int_equal(route_of(test, "GET", "/v1/r1024/17/x"), 0);
        assert_sound(test);
}

static void test_publishing_the_same_again_takes_no_room(void **state)
{
        struct test_gate *test = *state;
        struct tk_publisher_stats before, after;
        publish(test, 1, "GET", "/v1/{city}", "a:read", 1);
        tk_publisher_stats(test->publisher, &before);
        for (int i = 0; i < 10; i++) {
                take_away(test, 1, "GET", "/v1/{city}");
                publish(test, 1, "GET", "/v1/{city}", "a:read", 1);
        }
        tk_publisher_stats(test->publisher, &after);
        assert_int_equal(after.policy_bytes, before.policy_bytes);
        assert_int_equal(after.meter_lines, before.meter_lines);
}

/* ---- beside deciders ---- */

struct toggler {
        struct test_gate *test;
        _Atomic bool stop;
};

static void *toggle(void *context)
{
        struct toggler *toggler = context;
        char template[48];
        for (uint32_t i = 0; !atomic_load(&toggler->stop); i++) {
                struct tk_publish_match match =
                        match_of(1, "GET", "/v1/{city}", i % 2 ? "a" : "b", i % 2 ? 5 : 9);
                tk_publish_match(toggler->test->publisher, &match);
                if (i % 64)
                        continue;
                snprintf(template, sizeof template, "/v1/n%u/**", i);
                publish(toggler->test, 100 + i, "GET", template, "", 1);
        }
        return NULL;
}

static void test_terms_are_seen_whole(void **state)
{
        struct test_gate *test = *state;
        struct toggler toggler = {.test = test};
        pthread_t thread;
        publish(test, 1, "GET", "/v1/{city}", "a", 5);
        assert_int_equal(pthread_create(&thread, NULL, toggle, &toggler), 0);
        for (unsigned i = 0; i < 100000; i++) {
                struct tk_matched_route found;
                assert_int_equal(
                        tk_gate_match_route(test->gate, test->production, S("GET"), S("/v1/oslo"), &found),
                        TK_ROUTE_MATCHED);
                assert_int_equal(found.scope.op_count, 1);
                assert_true(tk_str_equal(found.scope.ops[0].name, found.cost == 5 ? S("a") : S("b")));
        }
        atomic_store(&toggler.stop, true);
        pthread_join(thread, NULL);
        assert_sound(test);
}

/* ---- damage ---- */

/* Whatever stands in the arena, a search ends, stays in bounds (the sanitizers watch), and gives sound terms. */
static void test_damaged_routes(void **state)
{
        struct test_gate *test = *state;
        struct tk_area *policy = tk_publisher_area(test->publisher, TK_FILE_POLICY);
        static struct rule rules[MANY];
        static uint8_t kept[1 << 20];
        memset(rules, 0, sizeof rules);
        srandom(11);
        for (uint32_t id = 1; id <= 300; id++)
                change_rule(test, rules, random_below(MANY), id);
        size_t bytes = tk_area_used(policy) * TK_POLICY_LINE_BYTES;
        assert_true(bytes <= sizeof kept);
        memcpy(kept, policy->lines, bytes);
        for (unsigned round = 0; round < 20000; round++) {
                size_t at = random_below((unsigned)bytes - 4) & ~3u;
                uint32_t value = random_below(2) ? random_below((unsigned)bytes / 16) : (uint32_t)random();
                memcpy(policy->lines + at, &value, 4);
                char path[64];
                struct tk_matched_route found = {0};
                random_path(path, false);
                if (tk_gate_match_route(test->gate, test->production, S("GET"), tk_str_from(path), &found) ==
                    TK_ROUTE_MATCHED)
                        assert_true(found.cost <= TK_LIMIT_COST_MAX &&
                                    found.scope.op_count <= TK_SCOPE_EXPR_MAX_OPS);
                if (round % 16 == 15)
                        memcpy(policy->lines, kept, bytes);
        }
        memcpy(policy->lines, kept, bytes);
        compare_with_oracle(test, rules, 1000);
}

static void test_damage_is_found_by_the_check(void **state)
{
        struct test_gate *test = *state;
        struct tk_area *policy = tk_publisher_area(test->publisher, TK_FILE_POLICY);
        const char *why;
        publish(test, 1, "GET", "/v1/{city}", "a", 5);
        struct tk_format_environment *environment =
                (void *)(policy->lines + (size_t)test->production * TK_POLICY_LINE_BYTES);
        uint32_t root = atomic_load(&environment->routes);
        struct tk_format_route_node *node = (void *)(policy->lines + (size_t)root * TK_POLICY_LINE_BYTES);
        uint32_t child = atomic_load(&node->children);
        atomic_store(&node->children, root); /* a ring */
        assert_false(tk_publisher_check(test->publisher, &why));
        assert_int_equal(result_of(test, "/v1/oslo"), TK_ROUTE_UNAVAILABLE);
        atomic_store(&node->children, child);
        atomic_store(&environment->routes, child + 1);
        assert_false(tk_publisher_check(test->publisher, &why));
        assert_int_equal(result_of(test, "/v1/oslo"), TK_ROUTE_UNAVAILABLE);
        atomic_store(&environment->routes, root);
        assert_sound(test);
}

/* As many branches as one may make: each segment a literal or a parameter. What nobody writes is refused, not waited for. */
static void test_a_search_is_bounded(void **state)
{
        struct test_gate *test = *state;
        for (uint32_t bits = 0; bits < 1024; bits++) {
                char template[64];
                size_t len = 0;
                for (unsigned i = 0; i < 10; i++)
                        len += (size_t)sprintf(template + len, bits >> i & 1 ? "/a" : "/{x}");
                publish(test, bits + 1, "POST", template, "", 1);
        }
        assert_int_equal(route_of(test, "GET", "/a/a/a/a/a/a/a/a/a/a"), 0);
        assert_int_equal(route_of(test, "POST", "/a/a/a/a/a/a/a/a/a/a"), 1024);
        assert_int_equal(route_of(test, "POST", "/b/b/b/b/b/b/b/b/b/b"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_the_most_specific_route_wins),
                TEST(test_paths_are_canonical_or_refused),
                TEST(test_terms_come_with_the_route),
                TEST(test_what_is_no_route_is_not_published),
                TEST(test_a_route_in_the_place_of_another),
                TEST(test_random_tables_against_the_oracle),
                TEST(test_a_thousand_siblings),
                TEST(test_publishing_the_same_again_takes_no_room),
                TEST(test_terms_are_seen_whole),
                TEST(test_damaged_routes),
                TEST(test_damage_is_found_by_the_check),
                TEST(test_a_search_is_bounded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
