/*
 * What HTTP headers say of a decision: gate/fields.h.
 */
#include "support.h"

#include "gate/fields.h"

#include <string.h>

static struct tk_answer_limit limit(struct tk_str name, enum tk_limit_owner owner, enum tk_limit_kind kind)
{
        return (struct tk_answer_limit){.name = name,
                                        .owner = owner,
                                        .kind = kind,
                                        .limit = 100,
                                        .burst = kind == TK_LIMIT_RATE ? 100 : 0,
                                        .window_s = 60,
                                        .state = {.admitted = true, .remaining = 7, .reset_ns = 1500000001}};
}

static void check_limits(const struct tk_answer *answer, const char *policy, const char *state)
{
        char value[TK_FIELD_BYTES];
        assert_int_equal(tk_field_rate_limit_policy(answer, value, sizeof value), strlen(policy));
        assert_string_equal(value, policy);
        assert_int_equal(tk_field_rate_limit(answer, value, sizeof value), strlen(state));
        assert_string_equal(value, state);
}

static void limits_as_they_stand(void **state)
{
        struct tk_answer answer = {.code = TK_CODE_valid, .limit_count = 2};
        (void)state;
        answer.limits[0] = limit(TK_STR("requests"), TK_OWNER_SUBSCRIPTION, TK_LIMIT_RATE);
        answer.limits[1] = limit(TK_STR("month"), TK_OWNER_KEY, TK_LIMIT_WINDOW);
        check_limits(&answer, "\"requests\";q=100;w=60, \"month\";q=100;w=60",
                     "\"requests\";r=7;t=2, \"month\";r=7;t=2");
        answer.limits[0].limit = UINT64_MAX; /* more than a structured field can say */
        answer.limits[0].state.reset_ns = TK_NEVER;
        answer.limit_count = 1;
        check_limits(&answer, "\"requests\";q=999999999999999;w=60", "\"requests\";r=7;t=18446744074");
        answer.limit_count = 0;
        check_limits(&answer, "", "");
}

static void one_name_of_several_owners(void **state)
{
        struct tk_answer answer = {.code = TK_CODE_valid, .limit_count = 4};
        (void)state;
        for (uint32_t i = 0; i < 4; i++)
                answer.limits[i] = limit(TK_STR("n"), (enum tk_limit_owner[]){2, 1, 3, 4}[i], TK_LIMIT_RATE);
        check_limits(
                &answer,
                "\"n\";q=100;w=60, \"key.n\";q=100;w=60, \"route.n\";q=100;w=60, \"caller.n\";q=100;w=60",
                "\"n\";r=7;t=2, \"key.n\";r=7;t=2, \"route.n\";r=7;t=2, \"caller.n\";r=7;t=2");
}

/* Nothing comes back by itself, and nobody is held to what is only watched. */
static void credits_and_shadows(void **state)
{
        struct tk_answer answer = {.code = TK_CODE_valid, .limit_count = 2};
        (void)state;
        answer.limits[0] = limit(TK_STR("watched"), TK_OWNER_KEY, TK_LIMIT_RATE);
        answer.limits[0].shadow = true;
        answer.limits[1] = limit(TK_STR("credits"), TK_OWNER_SUBSCRIPTION, TK_LIMIT_CREDITS);
        check_limits(&answer, "\"credits\";q=100", "\"credits\";r=7");
}

/* A name that came with a request must not end the header, or the string. */
static void names_of_callers_are_no_way_out(void **state)
{
        struct tk_answer answer = {.code = TK_CODE_valid, .limit_count = 1};
        char name[200];
        (void)state;
        answer.limits[0] = limit(TK_STR("a\r\nX: \"b\\\xc3\xa4\x7f"), TK_OWNER_CALLER, TK_LIMIT_RATE);
        check_limits(&answer, "\"a??X: \\\"b\\\\???\";q=100;w=60", "\"a??X: \\\"b\\\\???\";r=7;t=2");

        memset(name, 'x', sizeof name);
        answer.limits[0].name = (struct tk_str){name, sizeof name};
        char value[TK_FIELD_BYTES];
        assert_int_equal(tk_field_rate_limit(&answer, value, sizeof value), 64 + strlen("\"\";r=7;t=2"));
        memset(name, '"', sizeof name);
        assert_int_equal(tk_field_rate_limit(&answer, value, sizeof value), 128 + strlen("\"\";r=7;t=2"));
}

/* Every room: whole items, a NUL, nothing beyond. */
static void what_does_not_fit_is_left_out(void **state)
{
        static const char *const whole[] = {"", "\"first\";r=7;t=2", "\"first\";r=7;t=2, \"second\";r=7;t=2"};
        struct tk_answer answer = {.code = TK_CODE_valid, .limit_count = 2};
        (void)state;
        answer.limits[0] = limit(TK_STR("first"), TK_OWNER_KEY, TK_LIMIT_RATE);
        answer.limits[1] = limit(TK_STR("second"), TK_OWNER_KEY, TK_LIMIT_RATE);
        for (size_t room = 0; room < 64; room++) {
                char value[65];
                memset(value, '#', sizeof value);
                size_t len = tk_field_rate_limit(&answer, value, room);
                size_t fit = room > strlen(whole[2]) ? 2 : room > strlen(whole[1]) ? 1 : 0;
                assert_int_equal(len, strlen(whole[fit]));
                if (room > 0)
                        assert_string_equal(value, whole[fit]);
                for (size_t i = room; i < sizeof value; i++)
                        assert_int_equal(value[i], '#');
        }
}

static void all_limits_fit(void **state)
{
        struct tk_answer answer = {.code = TK_CODE_valid, .limit_count = TK_GATE_LIMITS_MAX};
        char name[64], value[TK_FIELD_BYTES];
        unsigned items = 1;
        (void)state;
        memset(name, 'x', sizeof name);
        for (uint32_t i = 0; i < TK_GATE_LIMITS_MAX; i++) {
                answer.limits[i] =
                        limit((struct tk_str){name, sizeof name}, TK_OWNER_SUBSCRIPTION, TK_LIMIT_RATE);
                answer.limits[i].limit = answer.limits[i].window_s = UINT64_MAX;
        }
        tk_field_rate_limit_policy(&answer, value, sizeof value);
        for (const char *c = value; *c; c++)
                items += *c == ',';
        assert_int_equal(items, TK_GATE_LIMITS_MAX);
}

static void when_to_come_again(void **state)
{
        static const struct {
                enum tk_code code;
                uint64_t wait_ns;
                const char *value;
        } cases[] = {
                {TK_CODE_rate_limited, 1, "1"},
                {TK_CODE_rate_limited, 1000000000, "1"},
                {TK_CODE_rate_limited, 1000000001, "2"},
                {TK_CODE_quota_exceeded, 86400 * UINT64_C(1000000000), "86400"},
                {TK_CODE_rate_limited, TK_NEVER, ""},
                {TK_CODE_credits_exhausted, TK_NEVER, ""},
                {TK_CODE_revoked, 1000000000, ""},
                {TK_CODE_valid, 0, ""},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct tk_answer answer = {.code = cases[i].code, .retry_after_ns = cases[i].wait_ns};
                char value[TK_FIELD_BYTES];
                assert_int_equal(tk_field_retry_after(&answer, value, sizeof value), strlen(cases[i].value));
                assert_string_equal(value, cases[i].value);
        }
}

static void challenges(void **state)
{
        static const struct {
                enum tk_code code;
                const char *realm, *scopes, *value;
        } cases[] = {
                {TK_CODE_missing_key, "weather", "a:b", "Bearer realm=\"weather\""},
                {TK_CODE_unknown, "weather", "a:b", "Bearer realm=\"weather\", error=\"invalid_token\""},
                {TK_CODE_expired, "a\"b\n", "", "Bearer realm=\"a\\\"b?\", error=\"invalid_token\""},
                {TK_CODE_insufficient_scope, "w", "a:b c",
                 "Bearer realm=\"w\", error=\"insufficient_scope\", scope=\"a:b c\""},
                {TK_CODE_insufficient_scope, "w", "", "Bearer realm=\"w\", error=\"insufficient_scope\""},
                {TK_CODE_restricted, "w", "", ""},
                {TK_CODE_rate_limited, "w", "", ""},
                {TK_CODE_unavailable, "w", "", ""},
                {TK_CODE_valid, "w", "", ""},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char value[TK_FIELD_BYTES];
                size_t len = tk_field_challenge(cases[i].code, tk_str_from(cases[i].realm),
                                                tk_str_from(cases[i].scopes), value, sizeof value);
                assert_string_equal(value, cases[i].value);
                assert_int_equal(len, strlen(value));
                assert_int_equal(tk_field_challenge(cases[i].code, tk_str_from(cases[i].realm),
                                                    tk_str_from(cases[i].scopes), value, 10),
                                 0);
                assert_string_equal(value, "");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(limits_as_they_stand),
                cmocka_unit_test(one_name_of_several_owners),
                cmocka_unit_test(credits_and_shadows),
                cmocka_unit_test(names_of_callers_are_no_way_out),
                cmocka_unit_test(what_does_not_fit_is_left_out),
                cmocka_unit_test(all_limits_fit),
                cmocka_unit_test(when_to_come_again),
                cmocka_unit_test(challenges),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
