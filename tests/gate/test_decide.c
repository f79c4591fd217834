/*
 * Every code of the decision up to the limits, in its order: one reason alone, and several at once, where the first named wins.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>

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

static void assert_reason(struct test_gate *test, const struct tk_ask *ask, enum tk_code code,
                          const char *reason)
{
        struct tk_answer answer = test_answer(test, ask);
        assert_code(answer.code, code);
        assert_non_null(answer.reason);
        assert_string_equal(answer.reason, reason);
}

/* ---- which key ---- */

static void test_an_issued_key_is_valid(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_str scopes[] = {TK_STR("alerts:read"), TK_STR("forecast:*")};
        test_key_mint(test, 17, &key);
        key.published.scopes = scopes;
        key.published.scope_count = 2;
        key.published.not_before_s = TEST_NOW_S - 5;
        key.published.expires_s = TEST_NOW_S + 5;
        test_key_publish(test, &key);

        struct tk_ask ask = test_ask(test, &key);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_true(answer.identified);
        assert_int_equal(answer.key_id, 17);
        assert_int_equal(answer.consumer_id, TEST_CONSUMER);
        assert_int_equal(answer.subscription_id, 0);
        assert_int_equal(answer.not_before_s, TEST_NOW_S - 5);
        assert_int_equal(answer.expires_s, TEST_NOW_S + 5);
        assert_true(tk_str_equal(answer.api, TK_STR("weather")));
        assert_true(tk_str_equal(answer.environment, TK_STR("production")));
        assert_true(tk_str_equal(answer.consumer, TK_STR("acme")));
        assert_true(tk_str_equal(answer.scopes, TK_STR("alerts:read forecast:*")));
        assert_null(answer.reason);
}

static void test_no_key_is_missing(void **state)
{
        struct test_gate *test = *state;
        struct tk_ask ask = {.environment = test->production};
        assert_code(test_decide(test, &ask), TK_CODE_missing_key);
        ask.key = TK_STR("");
        assert_code(test_decide(test, &ask), TK_CODE_missing_key);
}

static void test_what_is_not_a_key_is_malformed(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);

        ask.key = TK_STR("password");
        assert_code(test_decide(test, &ask), TK_CODE_malformed);
        ask.key = (struct tk_str){key.view.ptr, key.view.len - 1};
        assert_code(test_decide(test, &ask), TK_CODE_malformed);
        key.plaintext.bytes[20] = key.plaintext.bytes[20] == 'a' ? 'b' : 'a';
        ask.key = key.view;
        assert_code(test_decide(test, &ask), TK_CODE_malformed);
}

static void test_a_key_that_was_never_published_is_unknown(void **state)
{
        struct test_gate *test = *state;
        struct test_key issued, other;
        test_key_issue(test, 17, &issued);

        test_key_mint(test, 17, &other); /* the same number, another secret */
        struct tk_ask ask = test_ask(test, &other);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_unknown);
        assert_false(answer.identified);

        static const uint64_t absent[] = {0, 16, 18, 100000, UINT64_C(1) << 32, TK_KEY_NUMBER_MAX};
        for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
                test_key_mint(test, absent[i], &other);
                ask = test_ask(test, &other);
                assert_code(test_decide(test, &ask), TK_CODE_unknown);
        }
}

static void test_a_key_of_a_pepper_that_is_not_there_is_unknown(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        test->peppers.present[1] = false;
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
}

/* ---- imported keys ---- */

static void test_imported_keys_are_found_by_digest(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, other;
        test_key_import(test, 9, "legacy-key-0001", &key);
        struct tk_ask ask = test_ask(test, &key);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.key_id, 9);

        ask.key = TK_STR("legacy-key-0002");
        assert_code(test_decide(test, &ask), TK_CODE_malformed);

        /* A digest of pepper 2 is found as well. */
        uint8_t sha256[32];
        test_key_mint(test, 10, &other);
        tk_sha256("other", 5, sha256);
        assert_true(tk_digest_foreign(&test->peppers, 2, sha256, &other.published.digest));
        other.published.foreign = true;
        other.published.pepper_version = 2;
        test_key_publish(test, &other);
        ask.key = TK_STR("other");
        assert_int_equal(test_answer(test, &ask).key_id, 10);
}

/* Another Tollkeeper's key has the form of ours; its locator leads to a line that is not its. */
static void test_an_imported_key_may_look_like_ours(void **state)
{
        struct test_gate *test = *state;
        struct test_key ours, theirs, imported;
        struct tk_key_mask mask = test->mask;
        test_key_issue(test, 17, &ours);
        memset(test->mask.bytes, 0x11, sizeof test->mask.bytes);
        test_key_mint(test, 17, &theirs);
        test->mask = mask;

        char plaintext[TK_KEY_MAX + 1] = {0};
        memcpy(plaintext, theirs.view.ptr, theirs.view.len);
        test_key_import(test, 18, plaintext, &imported);
        struct tk_ask ask = test_ask(test, &imported);
        struct tk_answer answer = test_answer(test, &ask);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.key_id, 18);
}

/* ---- state, validity, environment ---- */

static void test_states(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);

        key.published.state = TK_PUBLISH_SUSPENDED;
        test_key_publish(test, &key);
        assert_reason(test, &ask, TK_CODE_suspended, "the key is suspended");
        key.published.state = TK_PUBLISH_ACTIVE;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        key.published.consumer_suspended = true;
        test_key_publish(test, &key);
        assert_reason(test, &ask, TK_CODE_suspended, "its consumer is suspended");
        key.published.state = TK_PUBLISH_REVOKED;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        assert_true(test_answer(test, &ask).identified);
}

static void test_a_suspended_environment_suspends_its_keys(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        struct tk_publish_environment environment = {.id = TEST_PRODUCTION,
                                                     .api_id = TEST_API,
                                                     .api = TK_STR("weather"),
                                                     .name = TK_STR("production"),
                                                     .suspended = true};

        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        assert_reason(test, &ask, TK_CODE_suspended, "its API or environment is suspended");
        environment.suspended = false;
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

static void test_subscription_states(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_limit_def none = test_window("none", 0, TK_PERIOD_DAY, 0);
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .limits = &none,
                                                       .limit_count = 1,
                                                       .suspended = true};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        test_key_mint(test, 17, &key);
        key.published.subscription_id = 3;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);

        assert_reason(test, &ask, TK_CODE_suspended, "its subscription is suspended");
        assert_int_equal(test_answer(test, &ask).subscription_id, 3);
        subscription.suspended = false;
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);

        subscription.ended = true; /* limits nobody any more */
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_int_equal(test_answer(test, &ask).subscription_id, 0);
}

static void test_validity_holds_from_its_first_second_up_to_its_last(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.not_before_s = TEST_NOW_S;
        key.published.expires_s = TEST_NOW_S + 10;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);

        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask.now_ns = TEST_NOW_NS - 1;
        assert_code(test_decide(test, &ask), TK_CODE_not_yet_valid);
        ask.now_ns = TEST_NOW_NS + 10 * TK_NS_PER_S - 1;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask.now_ns++;
        assert_code(test_decide(test, &ask), TK_CODE_expired);
}

/* Seconds beyond 32 bits shorten a validity, they do not wrap around. */
static void test_far_dates_do_not_wrap(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.expires_s = (INT64_C(1) << 32) + 5;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);

        key.published.not_before_s = (INT64_C(1) << 32) + 5;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_not_yet_valid);
}

static void test_a_key_is_refused_outside_its_environment(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        uint32_t staging;

        assert_true(tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("staging"), &staging));
        ask.environment = staging;
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);
        ask.environment = 0;
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);
        ask.environment = UINT32_MAX;
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);

        assert_false(tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("productio"), &staging));
        assert_false(tk_gate_environment(test->gate, TK_STR("weathe"), TK_STR("rproduction"), &staging));
        assert_false(tk_gate_environment(test->gate, TK_STR("other"), TK_STR("production"), &staging));
}

/* ---- restrictions ---- */

static void test_addresses(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_cidr cidrs[2];
        assert_true(tk_cidr_parse(TK_STR("192.0.2.0/24"), &cidrs[0]));
        assert_true(tk_cidr_parse(TK_STR("2001:db8::/32"), &cidrs[1]));
        test_key_mint(test, 17, &key);
        key.published.cidrs = cidrs;
        key.published.cidr_count = 2;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);

        assert_reason(test, &ask, TK_CODE_restricted,
                      "the key is limited to client addresses, and none was given");
        assert_true(tk_ip_parse(TK_STR("192.0.3.7"), &ask.ip));
        assert_reason(test, &ask, TK_CODE_restricted, "the client address is not allowed for this key");
        static const struct {
                const char *ip;
                enum tk_code code;
        } cases[] = {{"192.0.2.7", TK_CODE_valid},
                     {"192.0.3.7", TK_CODE_restricted},
                     {"::ffff:192.0.2.7", TK_CODE_valid},
                     {"2001:db8:1::1", TK_CODE_valid},
                     {"2001:db9::1", TK_CODE_restricted}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                assert_true(tk_ip_parse(tk_str_from(cases[i].ip), &ask.ip));
                assert_code(test_decide(test, &ask), cases[i].code);
        }
}

static void test_origins(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_str rules[] = {TK_STR("https://app.example.com"), TK_STR("https://*.example.org"),
                                 TK_STR("http://*.dev.test:8080")};
        test_key_mint(test, 17, &key);
        key.published.origins = rules;
        key.published.origin_count = 3;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);

        assert_reason(test, &ask, TK_CODE_restricted, "the key is limited to origins, and none was given");
        ask.origin = TK_STR("https://example.net");
        assert_reason(test, &ask, TK_CODE_restricted, "the origin is not allowed for this key");
        static const struct {
                const char *origin;
                enum tk_code code;
        } cases[] = {{"https://app.example.com", TK_CODE_valid},
                     {"HTTPS://App.Example.com", TK_CODE_valid},
                     {"http://app.example.com", TK_CODE_restricted},
                     {"https://app.example.com:444", TK_CODE_restricted},
                     {"https://a.example.org", TK_CODE_valid},
                     {"https://a.b-2.example.org", TK_CODE_valid},
                     {"https://example.org", TK_CODE_restricted},
                     {"https://.example.org", TK_CODE_restricted},
                     {"https://a..example.org", TK_CODE_restricted},
                     {"https://.a.example.org", TK_CODE_restricted},
                     {"https://evilexample.org", TK_CODE_restricted},
                     {"https://evil.com/a.example.org", TK_CODE_restricted},
                     {"https://evil.com@a.example.org", TK_CODE_restricted},
                     {"https://evil.com:1.example.org", TK_CODE_restricted},
                     {"http://x.dev.test:8080", TK_CODE_valid},
                     {"http://x.dev.test", TK_CODE_restricted},
                     {"null", TK_CODE_restricted},
                     {"", TK_CODE_restricted}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                ask.origin = tk_str_from(cases[i].origin);
                assert_code(test_decide(test, &ask), cases[i].code);
        }
}

static void test_methods_and_paths(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_str methods[] = {TK_STR("GET"), TK_STR("HEAD")};
        struct tk_str paths[] = {TK_STR("/v1/forecast/{city}"), TK_STR("/v1/public/**")};
        test_key_mint(test, 17, &key);
        key.published.methods = methods;
        key.published.method_count = 2;
        key.published.paths = paths;
        key.published.path_count = 2;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);

        assert_reason(test, &ask, TK_CODE_restricted, "the key is limited to methods, and none was given");
        ask.method = TK_STR("POST");
        assert_reason(test, &ask, TK_CODE_restricted, "the method is not allowed for this key");
        ask.method = TK_STR("GET");
        static const char *const allowed[] = {"/v1/forecast/berlin", "/v1/forecast/b%65rlin",
                                              "/v1/public/a/b/c"};
        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
                ask.path = tk_str_from(allowed[i]);
                assert_code(test_decide(test, &ask), TK_CODE_valid);
        }
        static const char ambiguous[] =
                "the key is limited to paths, and this one is ambiguous: a server may "
                "read it as another";
        static const char elsewhere[] = "the path is not allowed for this key";
        static const struct {
                const char *path, *reason;
        } refused[] = {
                {"", "the key is limited to paths, and none was given"},
                {"/v1/forecast", elsewhere},
                {"/v1/forecast/a/b", elsewhere},
                {"/v1/public/../secret", ambiguous},
                {"/v1/public/../public/a", ambiguous}, /* though it would lead back */
                {"/v1//public/a", ambiguous},
                {"/v1/public/a?b", "the key is limited to paths, and this one has a query: give it without"},
                {"v1/public/a", "the key is limited to paths, and what was given is not a well-formed one"},
                {"/v1/public/%4",
                 "the key is limited to paths, and what was given is not a well-formed one"}};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                ask.path = tk_str_from(refused[i].path);
                assert_reason(test, &ask, TK_CODE_restricted, refused[i].reason);
        }
}

/* ---- scopes ---- */

static enum tk_code decide_scope(struct test_gate *test, const struct test_key *key, const char *required)
{
        struct tk_scope_expr expr;
        size_t error_at;
        struct tk_ask ask = test_ask(test, key);
        assert_true(tk_scope_expr_parse(tk_str_from(required), &expr, &error_at));
        ask.scope = &expr;
        return test_decide(test, &ask);
}

static void test_scopes(void **state)
{
        struct test_gate *test = *state;
        struct test_key some, all, none;
        struct tk_str patterns[] = {TK_STR("admin"), TK_STR("alerts:read"), TK_STR("forecast:*")};
        struct tk_str star[] = {TK_STR("*")};
        test_key_mint(test, 1, &some);
        some.published.scopes = patterns;
        some.published.scope_count = 3;
        test_key_publish(test, &some);
        test_key_mint(test, 2, &all);
        all.published.scopes = star;
        all.published.scope_count = 1;
        test_key_publish(test, &all);
        test_key_issue(test, 3, &none);

        assert_code(decide_scope(test, &some, "alerts:read"), TK_CODE_valid);
        assert_code(decide_scope(test, &some, "alerts:write"), TK_CODE_insufficient_scope);
        assert_code(decide_scope(test, &some, "forecast:write"), TK_CODE_valid);
        assert_code(decide_scope(test, &some, "forecast"), TK_CODE_insufficient_scope);
        assert_code(decide_scope(test, &some, "admin"), TK_CODE_valid);
        assert_code(decide_scope(test, &some, "admin:read"), TK_CODE_insufficient_scope);
        assert_code(decide_scope(test, &some, "alerts:read and other"), TK_CODE_insufficient_scope);
        assert_code(decide_scope(test, &some, "other or (alerts:read and forecast:x)"), TK_CODE_valid);
        assert_code(decide_scope(test, &some, ""), TK_CODE_valid);
        assert_code(decide_scope(test, &all, "anything:at-all and admin"), TK_CODE_valid);
        assert_code(decide_scope(test, &none, "alerts:read"), TK_CODE_insufficient_scope);
        assert_code(decide_scope(test, &none, ""), TK_CODE_valid);
}

/* Patterns are counted in each API: what one API calls bit 0 is another scope in the next. */
static void test_scopes_of_two_apis_do_not_mix(void **state)
{
        struct test_gate *test = *state;
        struct test_key weather, traffic;
        struct tk_publish_environment environment = {
                .id = 50, .api_id = 51, .api = TK_STR("traffic"), .name = TK_STR("production")};
        struct tk_str read[] = {TK_STR("read")}, write[] = {TK_STR("write")};
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        test_key_mint(test, 1, &weather);
        weather.published.scopes = read;
        weather.published.scope_count = 1;
        test_key_publish(test, &weather);
        test_key_mint(test, 2, &traffic);
        traffic.published.environment_id = 50;
        traffic.published.api_id = 51;
        traffic.published.scopes = write;
        traffic.published.scope_count = 1;
        test_key_publish(test, &traffic);

        assert_code(decide_scope(test, &weather, "read"), TK_CODE_valid);
        assert_code(decide_scope(test, &weather, "write"), TK_CODE_insufficient_scope);
        assert_true(
                tk_gate_environment(test->gate, TK_STR("traffic"), TK_STR("production"), &test->production));
        assert_code(decide_scope(test, &traffic, "write"), TK_CODE_valid);
        assert_code(decide_scope(test, &traffic, "read"), TK_CODE_insufficient_scope);
}

/* More patterns than one word of the set holds. */
static void test_many_scopes(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        static char texts[200][16];
        struct tk_str patterns[2];
        for (unsigned i = 0; i < 200; i++) {
                snprintf(texts[i], sizeof texts[i], "r%u:read", i);
                test_key_mint(test, 1 + i, &key);
                patterns[0] = tk_str_from(texts[0]);
                patterns[1] = tk_str_from(texts[i]);
                key.published.scopes = patterns;
                key.published.scope_count = i ? 2 : 1;
                test_key_publish(test, &key);
        }
        assert_code(decide_scope(test, &key, "r199:read and r0:read"), TK_CODE_valid);
        assert_code(decide_scope(test, &key, "r198:read"), TK_CODE_insufficient_scope);
        assert_code(decide_scope(test, &key, "r127:read"), TK_CODE_insufficient_scope);
}

/* ---- precedence ---- */

/* Everything is wrong with this request; mending the reasons one by one brings up the next in the design's order. */
static void test_the_first_reason_names_the_decision(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_limit_def limits[] = {test_window("day", 0, TK_PERIOD_DAY, 0), test_rate("rate", 1, 1, 1)};
        struct tk_str methods[] = {TK_STR("GET")};
        struct tk_scope_expr expr;
        size_t error_at;
        assert_true(tk_scope_expr_parse(TK_STR("forecast:read"), &expr, &error_at));

        test_key_mint(test, 17, &key);
        key.published.state = TK_PUBLISH_REVOKED;
        key.published.not_before_s = TEST_NOW_S + 10;
        key.published.expires_s = TEST_NOW_S - 10;
        key.published.methods = methods;
        key.published.method_count = 1;
        key.published.limits = limits;
        key.published.limit_count = 2;
        struct tk_ask ask = {.cost = 2, .now_ns = TEST_NOW_NS, .scope = &expr};

        assert_code(test_decide(test, &ask), TK_CODE_missing_key);
        ask.key = TK_STR("nonsense");
        assert_code(test_decide(test, &ask), TK_CODE_malformed);
        ask.key = key.view;
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        key.published.state = TK_PUBLISH_SUSPENDED;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_suspended);
        key.published.state = TK_PUBLISH_ACTIVE;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_not_yet_valid);
        key.published.not_before_s = 0;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_expired);
        key.published.expires_s = 0;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_wrong_environment);
        ask.environment = test->production;
        assert_code(test_decide(test, &ask), TK_CODE_restricted);
        ask.method = TK_STR("GET");
        assert_code(test_decide(test, &ask), TK_CODE_insufficient_scope);
        ask.scope = NULL;
        assert_code(test_decide(test, &ask), TK_CODE_rate_limited);
        ask.cost = 1;
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
        limits[0].limit = 1;
        test_key_publish(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

/* ---- unavailable ---- */

static void test_a_gate_whose_lease_ran_out_admits_nothing(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, revoked, absent;
        const char *why;
        test_key_issue(test, 17, &key);
        test_key_mint(test, 18, &revoked);
        revoked.published.state = TK_PUBLISH_REVOKED;
        test_key_publish(test, &revoked);
        test_key_mint(test, 19, &absent);
        tk_publisher_tick(test->publisher, TEST_NOW_NS, 30);
        assert_true(tk_gate_available(test->gate, &why));

        struct tk_ask ask = test_ask(test, &key);
        ask.now_ns = TEST_NOW_NS + 30 * TK_NS_PER_S;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask.now_ns = TEST_NOW_NS + 31 * TK_NS_PER_S;
        assert_reason(test, &ask, TK_CODE_unavailable, "the daemon has not renewed the gate's lease");

        /* It does not say of a key that it is unknown, as it may be new; but what is revoked stays revoked. */
        ask.key = absent.view;
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
        ask.key = TK_STR("maybe imported");
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
        ask.key = revoked.view;
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        ask.key = TK_STR_NONE;
        assert_code(test_decide(test, &ask), TK_CODE_missing_key);

        tk_publisher_tick(test->publisher, TEST_NOW_NS + 31 * TK_NS_PER_S, 30);
        assert_true(tk_publisher_confirm_time(test->publisher));
        ask.key = key.view;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        tk_publisher_tick(test->publisher, TEST_NOW_NS, 30);
        tk_publisher_tick(test->publisher, TEST_NOW_NS + 31 * TK_NS_PER_S, 0); /* for ever */
        ask.now_ns += 1000000 * TK_NS_PER_S;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

static void test_a_gate_that_is_not_filled_decides_nothing(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        const char *why;
        test_key_issue(test, 17, &key);
        tk_publisher_set_applied(test->publisher, 0);
        struct tk_ask ask = test_ask(test, &key);
        assert_reason(test, &ask, TK_CODE_unavailable, "the daemon has not filled the gate yet");
        assert_false(tk_gate_available(test->gate, &why));
}

static void test_a_cost_out_of_range_is_no_decision(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        ask.cost = TK_LIMIT_COST_MAX;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask.cost++;
        assert_reason(test, &ask, TK_CODE_unavailable, "the cost is out of range");
}

static void test_gate_time_follows_the_daemons_clock(void **state)
{
        struct test_gate *test = *state;
        tk_publisher_tick(test->publisher, TEST_NOW_NS, 0);
        uint64_t now_ns = tk_gate_now_ns(test->gate);
        assert_in_range(now_ns, TEST_NOW_NS - 5000000, TEST_NOW_NS + 60 * TK_NS_PER_S);
        tk_publisher_tick(test->publisher, TEST_NOW_NS + 3600 * TK_NS_PER_S, 0);
        assert_true(tk_publisher_confirm_time(test->publisher)); /* what is not confirmed: test_clock.c */
        now_ns = tk_gate_now_ns(test->gate);
        assert_in_range(now_ns, TEST_NOW_NS + 3599 * TK_NS_PER_S, TEST_NOW_NS + 3660 * TK_NS_PER_S);

        /* An ask without a time is judged at gate time. */
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.expires_s = TEST_NOW_S + 3000;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask.now_ns = 0;
        assert_code(test_decide(test, &ask), TK_CODE_expired);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_an_issued_key_is_valid),
                TEST(test_no_key_is_missing),
                TEST(test_what_is_not_a_key_is_malformed),
                TEST(test_a_key_that_was_never_published_is_unknown),
                TEST(test_a_key_of_a_pepper_that_is_not_there_is_unknown),
                TEST(test_imported_keys_are_found_by_digest),
                TEST(test_an_imported_key_may_look_like_ours),
                TEST(test_states),
                TEST(test_a_suspended_environment_suspends_its_keys),
                TEST(test_subscription_states),
                TEST(test_validity_holds_from_its_first_second_up_to_its_last),
                TEST(test_far_dates_do_not_wrap),
                TEST(test_a_key_is_refused_outside_its_environment),
                TEST(test_addresses),
                TEST(test_origins),
                TEST(test_methods_and_paths),
                TEST(test_scopes),
                TEST(test_scopes_of_two_apis_do_not_mix),
                TEST(test_many_scopes),
                TEST(test_the_first_reason_names_the_decision),
                TEST(test_a_gate_whose_lease_ran_out_admits_nothing),
                TEST(test_a_gate_that_is_not_filled_decides_nothing),
                TEST(test_a_cost_out_of_range_is_no_decision),
                TEST(test_gate_time_follows_the_daemons_clock),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
