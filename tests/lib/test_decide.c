/*
 * Decisions through the public header: what is asked comes through, what is answered is all there, and what is malformed refuses.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static bool text_is(struct tollkeeper_text text, const char *expected)
{
        return text.len == strlen(expected) && (text.len == 0 || memcmp(text.ptr, expected, text.len) == 0);
}

static void an_answer_has_all_of_it(void **state)
{
        struct fixture *f = *state;
        struct tk_str scopes[] = {TK_STR("alerts:*"), TK_STR("forecast:read")};
        struct tk_limit_def own[] = {test_rate("requests", 100, 3600, 10)},
                            shared[] = {test_window("month", 1000, TK_PERIOD_MONTH, 0)};
        struct test_key key;
        struct tollkeeper_answer answer;
        fixture_open(f);
        test_subscription_publish(&f->daemon, 5, shared, 1);
        test_key_mint(&f->daemon, 17, &key);
        key.published.subscription_id = 5;
        key.published.scopes = scopes, key.published.scope_count = 2;
        key.published.limits = own, key.published.limit_count = 1;
        key.published.not_before_s = 1000, key.published.expires_s = 4000000000;
        test_key_publish(&f->daemon, &key);

        struct tollkeeper_ask ask = fixture_ask(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        assert_int_equal(answer.size, sizeof answer);
        assert_true(answer.identified && !answer.shadow_refused && !answer.named_shared);
        assert_string_equal(answer.key_id, "key_17");
        for (size_t i = strlen("key_17"); i < sizeof answer.key_id; i++)
                assert_int_equal(answer.key_id[i], 0); /* nothing of the stack, where keys have been */
        assert_string_equal(answer.consumer_id, "con_5");
        assert_string_equal(answer.subscription_id, "sub_5");
        assert_true(text_is(answer.consumer, "acme") && text_is(answer.api, "weather"));
        assert_true(text_is(answer.environment, "production"));
        assert_true(text_is(answer.scopes, "alerts:* forecast:read"));
        assert_true(text_is(answer.required_scopes, ""));
        assert_int_equal(answer.not_before_s, 1000);
        assert_int_equal(answer.expires_s, 4000000000);
        assert_int_equal(answer.retry_after_ns, 0);
        assert_int_equal(answer.refused_by, 0);
        assert_true(answer.reservation.set == 0 && answer.reservation.number == 0);

        assert_int_equal(answer.limit_count, 2);
        const struct tollkeeper_limit *month = &answer.limits[0], *rate = &answer.limits[1];
        assert_true(text_is(month->name, "month") && text_is(rate->name, "requests"));
        assert_int_equal(month->owner, TOLLKEEPER_OWNER_SUBSCRIPTION);
        assert_int_equal(month->kind, TOLLKEEPER_WINDOW);
        assert_int_equal(month->period, TOLLKEEPER_PERIOD_MONTH);
        assert_true(month->limit == 1000 && month->burst == 0 && month->remaining == 999);
        assert_in_range(month->window_s, 28 * 86400, 31 * 86400);
        assert_int_equal(rate->owner, TOLLKEEPER_OWNER_KEY);
        assert_int_equal(rate->kind, TOLLKEEPER_RATE);
        assert_true(rate->limit == 100 && rate->burst == 10 && rate->window_s == 3600 &&
                    rate->remaining == 9);
        assert_true(!rate->refused && !rate->shadow && rate->wait_ns == 0 && rate->reset_ns > 0);

        ask.cost = 10;
        fixture_expect(f, &ask, TOLLKEEPER_RATE_LIMITED, &answer);
        assert_int_equal(answer.refused_by, 2);
        assert_true(answer.limits[1].refused && !answer.limits[0].refused);
        assert_in_range(answer.retry_after_ns, 1, UINT64_C(36000000000));
        assert_int_equal(answer.limits[1].wait_ns, answer.retry_after_ns);
        assert_string_equal(answer.key_id, "key_17");
        ask.cost = 11;
        fixture_expect(f, &ask, TOLLKEEPER_RATE_LIMITED, &answer);
        assert_true(answer.retry_after_ns == TOLLKEEPER_NEVER);
}

static void restrictions_and_scopes(void **state)
{
        struct fixture *f = *state;
        struct tk_str scope = TK_STR("forecast:read"), method = TK_STR("GET"), path = TK_STR("/v1/*"),
                      origin = TK_STR("https://example.com");
        struct tk_cidr cidr;
        struct test_key key;
        struct tollkeeper_answer answer;
        uint32_t staging;
        fixture_open(f);
        assert_true(tk_cidr_parse(TK_STR("203.0.113.0/24"), &cidr));
        test_key_mint(&f->daemon, 1, &key);
        key.published.scopes = &scope, key.published.scope_count = 1;
        key.published.methods = &method, key.published.method_count = 1;
        key.published.paths = &path, key.published.path_count = 1;
        key.published.origins = &origin, key.published.origin_count = 1;
        key.published.cidrs = &cidr, key.published.cidr_count = 1;
        test_key_publish(&f->daemon, &key);

        struct tollkeeper_scope *read = NULL, *more = NULL;
        assert_result(tollkeeper_scope_compile("forecast:read", &read, &f->error), TOLLKEEPER_OK);
        assert_result(tollkeeper_scope_compile("forecast:read and (a:b)", &more, &f->error), TOLLKEEPER_OK);
        const struct tollkeeper_ask good = {.size = sizeof good,
                                            .key = {key.view.ptr, key.view.len},
                                            .environment = f->production,
                                            .scope = read,
                                            .method = tollkeeper_text_of("GET"),
                                            .path = tollkeeper_text_of("/v1/forecast"),
                                            .origin = tollkeeper_text_of("https://example.com"),
                                            .ip = tollkeeper_ip_of_text(tollkeeper_text_of("203.0.113.7"))};
        fixture_expect(f, &good, TOLLKEEPER_VALID, &answer);
        assert_true(text_is(answer.required_scopes, "forecast:read"));

        struct tollkeeper_ask ask = good;
        ask.key = tollkeeper_text_of(NULL);
        fixture_expect(f, &ask, TOLLKEEPER_MISSING_KEY, &answer);
        assert_true(!answer.identified && answer.key_id[0] == '\0' && answer.consumer.ptr == NULL);
        ask.key = tollkeeper_text_of("not a key");
        fixture_expect(f, &ask, TOLLKEEPER_MALFORMED, NULL);
        ask = good, ask.method = tollkeeper_text_of("POST");
        fixture_expect(f, &ask, TOLLKEEPER_RESTRICTED, NULL);
        ask = good, ask.path = tollkeeper_text_of("/v2/forecast");
        fixture_expect(f, &ask, TOLLKEEPER_RESTRICTED, NULL);
        ask = good, ask.origin = tollkeeper_text_of("https://example.org");
        fixture_expect(f, &ask, TOLLKEEPER_RESTRICTED, NULL);
        ask = good, ask.ip.bytes[0] = 204;
        fixture_expect(f, &ask, TOLLKEEPER_RESTRICTED, NULL);
        ask = good, ask.ip.family = 0;
        fixture_expect(f, &ask, TOLLKEEPER_RESTRICTED, NULL);
        ask = good, ask.scope = more;
        fixture_expect(f, &ask, TOLLKEEPER_INSUFFICIENT_SCOPE, &answer);
        assert_true(text_is(answer.required_scopes, "forecast:read a:b"));
        assert_result(tollkeeper_environment(f->gate, "weather", "staging", &staging, &f->error),
                      TOLLKEEPER_OK);
        ask = good, ask.environment = staging;
        fixture_expect(f, &ask, TOLLKEEPER_WRONG_ENVIRONMENT, &answer);
        assert_true(text_is(answer.environment, "production"));

        tollkeeper_scope_free(read);
        tollkeeper_scope_free(more);
}

static void states_of_a_key(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        const struct tollkeeper_ask good = fixture_ask(f, &key);
        fixture_expect(f, &good, TOLLKEEPER_VALID, NULL);
        key.published.state = TK_PUBLISH_SUSPENDED;
        test_key_publish(&f->daemon, &key);
        fixture_expect(f, &good, TOLLKEEPER_SUSPENDED, NULL);
        key.published.state = TK_PUBLISH_ACTIVE, key.published.expires_s = 1000;
        test_key_publish(&f->daemon, &key);
        fixture_expect(f, &good, TOLLKEEPER_EXPIRED, NULL);
        key.published.expires_s = 0, key.published.not_before_s = 4000000000;
        test_key_publish(&f->daemon, &key);
        fixture_expect(f, &good, TOLLKEEPER_NOT_YET_VALID, NULL);
        key.published.state = TK_PUBLISH_REVOKED;
        test_key_publish(&f->daemon, &key);
        fixture_expect(f, &good, TOLLKEEPER_REVOKED, &answer);
        assert_true(answer.identified);
        test_key_mint(&f->daemon, 2, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_UNKNOWN, &answer);
        assert_false(answer.identified);
}

static void limits_of_routes_and_callers(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer;
        uint32_t route_number;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tk_limit_def limit = test_window("all", 3, TK_PERIOD_FIXED, 86400);
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1/x"),
                                         .limits = &limit,
                                         .limit_count = 1};
        assert_int_equal(tk_publish_route(f->daemon.publisher, &route), TK_OK);
        assert_result(tollkeeper_route(f->gate, f->production, "GET", "/v1/x", &route_number, &f->error),
                      TOLLKEEPER_OK);

        struct tollkeeper_named_limit named[2] = {{.name = tollkeeper_text_of("user 1")},
                                                  {.name = tollkeeper_text_of("watched")}};
        assert_result(tollkeeper_limit_parse(TOLLKEEPER_RATE, "2/h,burst=2", &named[0], &f->error),
                      TOLLKEEPER_OK);
        assert_result(tollkeeper_limit_parse(TOLLKEEPER_WINDOW, "1/month", &named[1], &f->error),
                      TOLLKEEPER_OK);
        assert_true(text_is(named[0].name, "user 1"));
        assert_true(named[0].limit == 2 && named[0].burst == 2 && named[0].window_s == 3600);
        assert_int_equal(named[1].period, TOLLKEEPER_PERIOD_MONTH);
        named[1].shadow = true;

        struct tollkeeper_ask ask = fixture_ask(f, &key);
        ask.route = route_number;
        ask.named = named, ask.named_count = 2;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        assert_int_equal(answer.limit_count, 3);
        assert_int_equal(answer.limits[0].owner, TOLLKEEPER_OWNER_ROUTE);
        assert_int_equal(answer.limits[1].owner, TOLLKEEPER_OWNER_CALLER);
        assert_true(text_is(answer.limits[1].name, "user 1") && answer.limits[2].shadow);
        assert_false(answer.shadow_refused);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        assert_true(answer.shadow_refused && answer.limits[2].refused);
        fixture_expect(f, &ask, TOLLKEEPER_RATE_LIMITED, &answer);
        assert_int_equal(answer.refused_by, 2);
        ask.named_count = 0;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
        fixture_expect(f, &ask, TOLLKEEPER_QUOTA_EXCEEDED, NULL);
        ask.route = 0;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);

        named[0].kind = TOLLKEEPER_CREDITS, ask.named_count = 1;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, &answer);
        assert_string_equal(answer.detail, "a named limit is not one");
        named[0].kind = TOLLKEEPER_RATE, named[0].period = (enum tollkeeper_period)77;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        named[0].period = TOLLKEEPER_PERIOD_FIXED, named[0].zero[1] = 1;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
}

static void credits(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer;
        struct tk_limit_def limit = {.kind = TK_LIMIT_CREDITS, .name = "credits"};
        struct tk_publish_subscription subscription = {.id = 5,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .limits = &limit,
                                                       .limit_count = 1,
                                                       .credits = {.granted = 2}};
        fixture_open(f);
        assert_int_equal(tk_publish_subscription(f->daemon.publisher, &subscription), TK_OK);
        test_key_mint(&f->daemon, 1, &key);
        key.published.subscription_id = 5;
        test_key_publish(&f->daemon, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        ask.cost = 2;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        assert_int_equal(answer.limits[0].kind, TOLLKEEPER_CREDITS);
        assert_true(answer.limits[0].limit == 2 && answer.limits[0].remaining == 0);
        fixture_expect(f, &ask, TOLLKEEPER_CREDITS_EXHAUSTED, &answer);
        assert_true(answer.retry_after_ns == TOLLKEEPER_NEVER);
}

static uint64_t remaining(struct fixture *f, const struct test_key *key)
{
        struct tollkeeper_ask ask = fixture_ask(f, key);
        struct tollkeeper_answer answer;
        ask.cost = 0;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        return answer.limits[0].remaining;
}

static void reservations(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer;
        struct tk_limit_def limit = test_window("month", 1000, TK_PERIOD_MONTH, 0);
        fixture_open(f);
        test_key_mint(&f->daemon, 1, &key);
        key.published.limits = &limit, key.published.limit_count = 1;
        test_key_publish(&f->daemon, &key);

        struct tollkeeper_ask ask = fixture_ask(f, &key);
        ask.cost = 100, ask.reserve_s = 60;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        assert_int_not_equal(answer.reservation.number, 0);
        assert_int_equal(remaining(f, &key), 900);
        assert_result(tollkeeper_settle(f->gate, answer.reservation, 101, &f->error), TOLLKEEPER_INVALID);
        assert_result(tollkeeper_settle(f->gate, answer.reservation, 30, &f->error), TOLLKEEPER_OK);
        assert_int_equal(remaining(f, &key), 970);
        assert_result(tollkeeper_settle(f->gate, answer.reservation, 30, &f->error), TOLLKEEPER_NOT_FOUND);
        assert_result(tollkeeper_release(f->gate, answer.reservation, &f->error), TOLLKEEPER_NOT_FOUND);
        assert_non_null(strstr(f->error.message, "no such reservation"));

        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        struct tollkeeper_reservation elsewhere = answer.reservation;
        elsewhere.set++;
        assert_result(tollkeeper_release(f->gate, elsewhere, &f->error), TOLLKEEPER_NOT_FOUND);
        assert_int_equal(remaining(f, &key), 870);
        assert_result(tollkeeper_release(f->gate, answer.reservation, &f->error), TOLLKEEPER_OK);
        assert_int_equal(remaining(f, &key), 970);
        assert_result(tollkeeper_settle(f->gate, (struct tollkeeper_reservation){0, 0}, 0, &f->error),
                      TOLLKEEPER_NOT_FOUND);
}

static void an_explanation_charges_nothing(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("month", 1, TK_PERIOD_MONTH, 0);
        struct tollkeeper_answer answer = {.size = sizeof answer};
        struct tollkeeper_explanation explanation = {.size = sizeof explanation};
        fixture_open(f);
        test_key_mint(&f->daemon, 1, &key);
        key.published.limits = &limit, key.published.limit_count = 1;
        test_key_publish(&f->daemon, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        for (int i = 0; i < 3; i++)
                assert_result(tollkeeper_explain(f->gate, &ask, &answer, &explanation, &f->error),
                              TOLLKEEPER_OK);
        assert_int_equal(answer.code, TOLLKEEPER_VALID);
        assert_int_equal(explanation.check_count, 14);
        assert_int_equal(explanation.checks[0].code, TOLLKEEPER_MISSING_KEY);
        for (uint32_t i = 0; i < explanation.check_count; i++)
                assert_int_equal(explanation.checks[i].result, TOLLKEEPER_PASSED);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
        assert_result(tollkeeper_explain(f->gate, &ask, &answer, &explanation, &f->error), TOLLKEEPER_OK);
        assert_int_equal(answer.code, TOLLKEEPER_QUOTA_EXCEEDED);
        unsigned failed = 0;
        for (uint32_t i = 0; i < explanation.check_count; i++) {
                assert_null(memmem(explanation.checks[i].detail, strlen(explanation.checks[i].detail),
                                   key.view.ptr, key.view.len));
                failed += explanation.checks[i].result == TOLLKEEPER_FAILED;
        }
        assert_int_equal(failed, 1);
        explanation.size = 0;
        assert_result(tollkeeper_explain(f->gate, &ask, &answer, &explanation, &f->error),
                      TOLLKEEPER_INVALID);
}

/* Whatever is wrong with a question, the answer refuses, and says what is wrong. */
static void malformed_questions(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        const struct tollkeeper_ask good = fixture_ask(f, &key);
        fixture_expect(f, &good, TOLLKEEPER_VALID, NULL);
        assert_int_equal(tollkeeper_decide(f->gate, &good, NULL), TOLLKEEPER_VALID);

        struct tollkeeper_ask ask = good;
        ask.size = 0;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, &answer);
        assert_non_null(strstr(answer.detail, "size"));
        fixture_expect(f, NULL, TOLLKEEPER_UNAVAILABLE, NULL);
        static const uint32_t environments[] = {0, 77, 4096, 4097, UINT32_MAX};
        for (size_t i = 0; i < sizeof environments / sizeof environments[0]; i++) {
                ask = good, ask.environment = environments[i];
                fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, &answer);
                assert_string_equal(answer.detail, "the gate has no such environment");
                ask = good, ask.route = environments[i];
                fixture_expect(f, &ask, i == 0 ? TOLLKEEPER_VALID : TOLLKEEPER_UNAVAILABLE, &answer);
        }
        ask = good, ask.route = f->production; /* an environment is no route */
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        ask = good, ask.named_count = 1;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        ask = good, ask.named_count = 17;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        ask = good, ask.cost = TOLLKEEPER_COST_MAX + 1;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        ask = good, ask.reserve_s = 86401;
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        ask = good, ask.key = (struct tollkeeper_text){NULL, 5};
        fixture_expect(f, &ask, TOLLKEEPER_MISSING_KEY, NULL);

        answer.size = 0;
        answer.code = (enum tollkeeper_code)77;
        assert_int_equal(tollkeeper_decide(f->gate, &good, &answer), TOLLKEEPER_UNAVAILABLE);
        assert_int_equal(answer.code, 77);
}

/* A program that was built against a later header: fields that we do not know are zero in answers, and must be in questions. */
static void structs_of_a_later_version(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct {
                struct tollkeeper_ask ask;
                uint64_t later;
        } question;
        struct {
                struct tollkeeper_answer answer;
                uint64_t later;
        } reply;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        memset(&question, 0, sizeof question);
        question.ask = fixture_ask(f, &key);
        question.ask.size = sizeof question;
        memset(&reply, 0xaa, sizeof reply);
        reply.answer.size = sizeof reply;
        assert_int_equal(tollkeeper_decide(f->gate, &question.ask, &reply.answer), TOLLKEEPER_VALID);
        assert_int_equal(reply.answer.size, sizeof reply);
        assert_int_equal(reply.later, 0);
        question.later = 1;
        assert_int_equal(tollkeeper_decide(f->gate, &question.ask, &reply.answer), TOLLKEEPER_UNAVAILABLE);
}

static void scopes_that_are_none(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_scope *scope = NULL;
        char *text = malloc(2000);
        assert_result(tollkeeper_scope_compile("a and", &scope, &f->error), TOLLKEEPER_INVALID);
        assert_non_null(strstr(f->error.message, "byte 5"));
        assert_result(tollkeeper_scope_compile(NULL, &scope, &f->error), TOLLKEEPER_INVALID);
        assert_non_null(text);
        memset(text, 'a', 1999);
        text[1999] = '\0';
        assert_result(tollkeeper_scope_compile(text, &scope, &f->error), TOLLKEEPER_INVALID);
        free(text);
        assert_null(scope);
        tollkeeper_scope_free(NULL);
        assert_result(tollkeeper_scope_compile("", &scope, &f->error), TOLLKEEPER_OK);
        tollkeeper_scope_free(scope);
        struct tollkeeper_named_limit limit;
        assert_result(tollkeeper_limit_parse(TOLLKEEPER_RATE, "soon", &limit, &f->error), TOLLKEEPER_INVALID);
        assert_result(tollkeeper_limit_parse(TOLLKEEPER_RATE, "0/min", &limit, &f->error),
                      TOLLKEEPER_INVALID);
        assert_result(tollkeeper_limit_parse(TOLLKEEPER_CREDITS, "1/min", &limit, &f->error),
                      TOLLKEEPER_INVALID);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(an_answer_has_all_of_it),
                TEST(restrictions_and_scopes),
                TEST(states_of_a_key),
                TEST(limits_of_routes_and_callers),
                TEST(credits),
                TEST(reservations),
                TEST(an_explanation_charges_nothing),
                TEST(malformed_questions),
                TEST(structs_of_a_later_version),
                TEST(scopes_that_are_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
