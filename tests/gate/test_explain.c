/*
 * An explanation says what a decision would, about every check, and changes nothing.
 */
#include "draw.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define KEYS 48

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static const struct tk_check *check_of(const struct tk_explanation *explanation, enum tk_code code)
{
        for (uint32_t i = 0; i < explanation->check_count; i++)
                if (explanation->checks[i].code == code)
                        return &explanation->checks[i];
        fail_msg("no check %s", tk_code_name(code));
        return NULL;
}

static void assert_check(const struct tk_explanation *explanation, enum tk_code code,
                         enum tk_check_result result, const char *detail)
{
        const struct tk_check *check = check_of(explanation, code);
        assert_string_equal(check->detail, detail);
        assert_int_equal(check->result, result);
}

static void test_every_check_is_explained(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_explanation explanation;
        struct tk_limit_def limits[] = {test_rate("fast", 10, 100, 10),
                                        test_window("day", 20, TK_PERIOD_DAY, 0),
                                        test_window("never", 0, TK_PERIOD_DAY, 0)};
        struct tk_str scopes[] = {TK_STR("alerts:read")}, methods[] = {TK_STR("GET")};
        struct tk_scope_expr expr;
        size_t error_at;
        assert_true(tk_scope_expr_parse(TK_STR("a:b or (alerts:read and c:d)"), &expr, &error_at));
        test_key_mint(test, 17, &key);
        key.published.expires_s = TEST_NOW_S - 1;
        key.published.not_before_s = TEST_NOW_S - 60;
        key.published.limits = limits;
        key.published.limit_count = 3;
        key.published.scopes = scopes;
        key.published.scope_count = 1;
        key.published.methods = methods;
        key.published.method_count = 1;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.scope = &expr;
        ask.cost = 11;
        tk_gate_explain(test->gate, &ask, &explanation);

        assert_code(explanation.answer.code, TK_CODE_expired);
        assert_int_equal(explanation.answer.limit_count, 0); /* as a decision: not looked at */
        assert_check(&explanation, TK_CODE_missing_key, TK_CHECK_PASSED,
                     "a key of 49 characters was presented");
        assert_check(&explanation, TK_CODE_malformed, TK_CHECK_PASSED,
                     "it has the form of a key, and its check characters are right");
        assert_check(&explanation, TK_CODE_unknown, TK_CHECK_PASSED, "it is key 17");
        assert_check(&explanation, TK_CODE_revoked, TK_CHECK_PASSED, "the key is active");
        assert_check(&explanation, TK_CODE_suspended, TK_CHECK_PASSED,
                     "key, consumer, subscription, environment and API are active");
        assert_check(&explanation, TK_CODE_not_yet_valid, TK_CHECK_PASSED,
                     "valid from 2026-11-23T11:59:00Z, now 2026-11-23T12:00:00Z");
        assert_check(&explanation, TK_CODE_expired, TK_CHECK_FAILED,
                     "expires 2026-11-23T11:59:59Z, now 2026-11-23T12:00:00Z");
        assert_check(&explanation, TK_CODE_wrong_environment, TK_CHECK_PASSED,
                     "the key is of weather production, the request of weather production");
        assert_check(&explanation, TK_CODE_restricted, TK_CHECK_FAILED,
                     "the key is limited to methods, and none was given");
        assert_check(&explanation, TK_CODE_insufficient_scope, TK_CHECK_FAILED,
                     "lacks a:b, c:d; granted alerts:read");
        assert_check(&explanation, TK_CODE_unavailable, TK_CHECK_PASSED, "the gate's files are current");
        assert_check(&explanation, TK_CODE_rate_limited, TK_CHECK_FAILED,
                     "fast of the key: 10 of 10 left, never enough for 11");
        assert_check(&explanation, TK_CODE_quota_exceeded, TK_CHECK_FAILED,
                     "day of the key: 20 of 20 left; never of the key: 0 of 0 left, never enough for 11");
}

static void test_what_passes_is_explained_too(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, imported;
        struct tk_explanation explanation;
        struct tk_cidr cidr;
        test_key_mint(test, 17, &key);
        assert_true(tk_cidr_parse(TK_STR("192.0.2.0/24"), &cidr));
        key.published.cidrs = &cidr;
        key.published.cidr_count = 1;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_true(tk_ip_parse(TK_STR("192.0.2.1"), &ask.ip));
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_code(explanation.answer.code, TK_CODE_valid);
        assert_check(&explanation, TK_CODE_not_yet_valid, TK_CHECK_PASSED, "valid from the beginning");
        assert_check(&explanation, TK_CODE_expired, TK_CHECK_PASSED, "never expires");
        assert_check(&explanation, TK_CODE_restricted, TK_CHECK_PASSED,
                     "allowed by 1 address, 0 origin, 0 method and 0 path rules");
        assert_check(&explanation, TK_CODE_insufficient_scope, TK_CHECK_PASSED,
                     "nothing is required; no scope is granted");
        assert_check(&explanation, TK_CODE_rate_limited, TK_CHECK_PASSED, "no such limit applies");

        test_key_import(test, 18, "legacy", &imported);
        ask = test_ask(test, &imported);
        ask.environment = 0;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_check(&explanation, TK_CODE_malformed, TK_CHECK_PASSED, "it is an imported key");
        assert_check(&explanation, TK_CODE_wrong_environment, TK_CHECK_FAILED,
                     "the key is of weather production, the request of none that the gate knows");
        assert_check(&explanation, TK_CODE_restricted, TK_CHECK_PASSED, "the key is not restricted");
}

static void test_checks_that_need_a_key_are_skipped_without_one(void **state)
{
        struct test_gate *test = *state;
        struct test_key absent;
        struct tk_explanation explanation;
        test_key_mint(test, 17, &absent);
        struct tk_ask ask = test_ask(test, &absent);
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_check(&explanation, TK_CODE_unknown, TK_CHECK_FAILED, "there is no such key");
        assert_check(&explanation, TK_CODE_revoked, TK_CHECK_SKIPPED, "");
        assert_check(&explanation, TK_CODE_quota_exceeded, TK_CHECK_SKIPPED, "");

        ask.key = TK_STR("nonsense");
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_check(&explanation, TK_CODE_malformed, TK_CHECK_FAILED,
                     "it has not the form of a key, and is none that was imported");
        ask.key = TK_STR_NONE;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_check(&explanation, TK_CODE_missing_key, TK_CHECK_FAILED, "no key was presented");
        assert_check(&explanation, TK_CODE_malformed, TK_CHECK_SKIPPED, "");

        tk_publisher_set_applied(test->publisher, 0);
        ask.key = absent.view;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_code(explanation.answer.code, TK_CODE_unavailable);
        assert_check(&explanation, TK_CODE_unknown, TK_CHECK_SKIPPED, "not known");
        assert_check(&explanation, TK_CODE_unavailable, TK_CHECK_FAILED,
                     "the daemon has not filled the gate yet");
}

/* ---- at random ---- */

static unsigned seed = 1;

static unsigned draw(unsigned below)
{
        return test_draw(&seed, below);
}

struct world {
        struct test_key keys[KEYS];
        struct tk_limit_def limits[KEYS][3];
        struct tk_scope_expr exprs[4];
};

static void make_random_key(struct test_gate *test, struct world *world, unsigned i)
{
        static struct tk_str scopes[] = {TK_STR("*"), TK_STR("a:b"), TK_STR("a:*"), TK_STR("c")};
        static struct tk_str methods[] = {TK_STR("GET")}, paths[] = {TK_STR("/a/**")};
        static struct tk_str origins[] = {TK_STR("https://*.example.com")};
        struct tk_publish_key *key = &world->keys[i].published;
        struct tk_limit_def *limits = world->limits[i];

        test_key_mint(test, i + 1, &world->keys[i]);
        key->state = draw(6) ? TK_PUBLISH_ACTIVE : (enum tk_publish_state)(2 + draw(2));
        key->consumer_suspended = draw(8) == 0;
        key->environment_id = draw(6) ? TEST_PRODUCTION : TEST_STAGING;
        key->subscription_id = draw(3);
        key->not_before_s = draw(4) ? 0 : TEST_NOW_S + draw(3) - 1;
        key->expires_s = draw(4) ? 0 : TEST_NOW_S + draw(3);
        key->scopes = &scopes[draw(4)];
        key->scope_count = draw(4) != 0;
        key->methods = methods;
        key->method_count = draw(8) == 0;
        key->paths = paths;
        key->path_count = draw(8) == 0;
        key->origins = origins;
        key->origin_count = draw(8) == 0;
        limits[0] = test_rate("r", 1 + draw(20), 1 + draw(100), 1 + draw(20));
        limits[1] = test_window("w", draw(20), (enum tk_period_kind)(1 + draw(4)), 0);
        limits[2] = test_window("f", draw(50), TK_PERIOD_FIXED, 1 + draw(100));
        key->limits = limits;
        key->limit_count = draw(4);
        test_key_publish(test, &world->keys[i]);
}

static struct tk_ask make_random_ask(struct test_gate *test, struct world *world)
{
        static const char *const paths[] = {"/a/b", "/b", "/a/../b", ""};
        static const char *const origins[] = {"https://x.example.com", "https://example.com", ""};
        struct tk_ask ask = test_ask(test, &world->keys[draw(KEYS)]);

        if (draw(20) == 0)
                ask.key = TK_STR("nonsense");
        if (draw(20) == 0)
                ask.environment = 0;
        ask.scope = draw(4) ? NULL : &world->exprs[draw(4)];
        ask.method = draw(3) ? TK_STR("GET") : TK_STR("PUT");
        ask.path = tk_str_from(paths[draw(4)]);
        ask.origin = tk_str_from(origins[draw(3)]);
        ask.cost = draw(6);
        ask.now_ns += draw(1000) * (TK_NS_PER_S / 10);
        return ask;
}

static void assert_same_answer(const struct tk_answer *a, const struct tk_answer *b)
{
        assert_code(a->code, b->code);
        assert_int_equal(a->identified, b->identified);
        assert_ptr_equal(a->reason, b->reason);
        assert_int_equal(a->retry_after_ns, b->retry_after_ns);
        assert_int_equal(a->refused_by, b->refused_by);
        assert_int_equal(a->limit_count, b->limit_count);
        for (uint32_t i = 0; i < a->limit_count; i++) {
                assert_int_equal(a->limits[i].state.admitted, b->limits[i].state.admitted);
                assert_int_equal(a->limits[i].state.remaining, b->limits[i].state.remaining);
                assert_int_equal(a->limits[i].state.wait_ns, b->limits[i].state.wait_ns);
                assert_int_equal(a->limits[i].state.reset_ns, b->limits[i].state.reset_ns);
        }
}

static void assert_first_failure_names_it(const struct tk_explanation *explanation)
{
        for (uint32_t i = 0; i < explanation->check_count; i++) {
                if (explanation->checks[i].result != TK_CHECK_FAILED)
                        continue;
                assert_code(explanation->checks[i].code, explanation->answer.code);
                return;
        }
        assert_code(explanation->answer.code, TK_CODE_valid);
}

static void test_explanations_agree_with_decisions(void **state)
{
        struct test_gate *test = *state;
        static struct world world;
        static const char *const required[] = {"a:b", "a:b and c", "c or a:x", "z"};
        unsigned seen[TK_CODE_COUNT] = {0};
        size_t error_at;
        for (unsigned i = 0; i < 4; i++)
                assert_true(tk_scope_expr_parse(tk_str_from(required[i]), &world.exprs[i], &error_at));
        struct tk_limit_def shared[] = {test_window("s", 2000, TK_PERIOD_HOUR, 0),
                                        test_rate("t", 300, 10, 900)};
        test_subscription_publish(test, 1, shared, 2);
        test_subscription_publish(test, 2, NULL, 0);
        for (unsigned i = 0; i < KEYS; i++)
                make_random_key(test, &world, i);

        for (unsigned i = 0; i < 20000; i++) {
                struct tk_ask ask = make_random_ask(test, &world);
                struct tk_explanation first, second;
                tk_gate_explain(test->gate, &ask, &first);
                tk_gate_explain(test->gate, &ask, &second);
                assert_same_answer(&first.answer, &second.answer); /* the first charged nothing */
                assert_first_failure_names_it(&first);
                struct tk_answer answer = test_answer(test, &ask);
                assert_same_answer(&first.answer, &answer);
                seen[answer.code]++;
        }
        /* The draw reaches every code that it can. */
        for (unsigned code = TK_CODE_malformed; code <= TK_CODE_quota_exceeded; code++)
                if (code != TK_CODE_unknown)
                        assert_true(seen[code] > 0);
        assert_true(seen[TK_CODE_valid] > 1000);
}

/* Every owner and kind of limit, in words; what callers name is not printed as it comes. */
static void test_every_owner_of_a_limit_is_explained(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def plan[] = {{.kind = TK_LIMIT_CREDITS, .name = "prepaid"}},
                            own = test_rate("fast", 5, 100, 5),
                            of_route = test_window("calls", 50, TK_PERIOD_DAY, 0),
                            by_name = test_window("any", 3, TK_PERIOD_HOUR, 0);
        of_route.shadow = true;
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_STARTED_S,
                                                       .limits = plan,
                                                       .limit_count = 1,
                                                       .credits = {.granted = 70, .gone = 30}};
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1"),
                                         .limits = &of_route,
                                         .limit_count = 1};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.subscription_id = 3;
        key.published.limits = &own;
        key.published.limit_count = 1;
        test_key_publish(test, &key);
        struct tk_named_limit named = {{"al\x01\xff\"ce", 7}, &by_name};
        struct tk_ask ask = test_ask(test, &key);
        assert_true(tk_gate_route(test->gate, test->production, TK_STR("GET"), TK_STR("/v1"), &ask.route));
        ask.named = &named;
        ask.named_count = 1;
        struct tk_explanation explanation;
        ask.cost = 4;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_check(&explanation, TK_CODE_rate_limited, TK_CHECK_PASSED, "fast of the key: 5 of 5 left");
        assert_check(&explanation, TK_CODE_quota_exceeded, TK_CHECK_FAILED,
                     "calls of the route: 50 of 50 left (not enforced); al??\"ce, named by the caller: 3 of "
                     "3 left, "
                     "never enough for 4");
        assert_check(&explanation, TK_CODE_credits_exhausted, TK_CHECK_PASSED,
                     "prepaid of the subscription: 40 left of 70 ever granted");

        ask.cost = 51;
        ask.named_count = 0;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_true(explanation.answer.shadow_refused);
        assert_check(&explanation, TK_CODE_quota_exceeded, TK_CHECK_PASSED,
                     "calls of the route: 50 of 50 left, never enough for 51 (not enforced)");
        assert_check(&explanation, TK_CODE_credits_exhausted, TK_CHECK_FAILED,
                     "prepaid of the subscription: 40 left of 70 ever granted, too few for 51");

        char longest[TK_NAMED_NAME_MAX];
        memset(longest, 'n', sizeof longest);
        named.name = (struct tk_str){longest, sizeof longest};
        ask.named_count = 1;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_non_null(strstr(check_of(&explanation, TK_CODE_quota_exceeded)->detail,
                               "nnn..., named by the caller"));
        named.name.len = 0;
        tk_gate_explain(test->gate, &ask, &explanation);
        assert_check(&explanation, TK_CODE_unavailable, TK_CHECK_FAILED, "a named limit is not one");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_every_check_is_explained),
                TEST(test_what_passes_is_explained_too),
                TEST(test_checks_that_need_a_key_are_skipped_without_one),
                TEST(test_explanations_agree_with_decisions),
                TEST(test_every_owner_of_a_limit_is_explained),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
