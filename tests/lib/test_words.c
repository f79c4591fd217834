/*
 * What needs no handle: codes, addresses, keys in headers, an answer as HTTP headers. And the layout that programs were built with.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Of version 0.1. What is added goes to the end; these never change while the library's soname does not. */
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(struct tollkeeper_error) == 648, "error");
_Static_assert(sizeof(struct tollkeeper_config) == 32, "config");
_Static_assert(sizeof(struct tollkeeper_named_limit) == 72, "named limit");
_Static_assert(sizeof(struct tollkeeper_ip) == 24, "ip");
_Static_assert(offsetof(struct tollkeeper_ask, ip) == 112 && sizeof(struct tollkeeper_ask) == 136, "ask");
_Static_assert(sizeof(struct tollkeeper_limit) == 96, "limit");
_Static_assert(offsetof(struct tollkeeper_answer, key_id) == 27, "answer");
_Static_assert(offsetof(struct tollkeeper_answer, limits) == 232 &&
                       sizeof(struct tollkeeper_answer) == 232 + 16 * 96,
               "answer");
_Static_assert(sizeof(struct tollkeeper_check) == 184 && sizeof(struct tollkeeper_explanation) == 4432,
               "explanation");
#endif

static void codes(void **state)
{
        static const struct {
                enum tollkeeper_code code;
                const char *name;
                int status;
        } cases[] = {
                {TOLLKEEPER_UNAVAILABLE, "unavailable", 503},
                {TOLLKEEPER_VALID, "valid", 200},
                {TOLLKEEPER_MISSING_KEY, "missing_key", 401},
                {TOLLKEEPER_MALFORMED, "malformed", 401},
                {TOLLKEEPER_UNKNOWN, "unknown", 401},
                {TOLLKEEPER_REVOKED, "revoked", 401},
                {TOLLKEEPER_SUSPENDED, "suspended", 403},
                {TOLLKEEPER_NOT_YET_VALID, "not_yet_valid", 401},
                {TOLLKEEPER_EXPIRED, "expired", 401},
                {TOLLKEEPER_WRONG_ENVIRONMENT, "wrong_environment", 403},
                {TOLLKEEPER_RESTRICTED, "restricted", 403},
                {TOLLKEEPER_INSUFFICIENT_SCOPE, "insufficient_scope", 403},
                {TOLLKEEPER_RATE_LIMITED, "rate_limited", 429},
                {TOLLKEEPER_QUOTA_EXCEEDED, "quota_exceeded", 429},
                {TOLLKEEPER_CREDITS_EXHAUSTED, "credits_exhausted", 402},
                {(enum tollkeeper_code)77, "invalid_code", 500},
                {(enum tollkeeper_code) - 1, "invalid_code", 500},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                assert_string_equal(tollkeeper_code_name(cases[i].code), cases[i].name);
                assert_int_equal(tollkeeper_code_http_status(cases[i].code), cases[i].status);
                assert_true(strlen(tollkeeper_code_text(cases[i].code)) > 10);
        }
        assert_string_equal(tollkeeper_version(), TK_VERSION);
}

static void check_ip(struct tollkeeper_ip ip, uint8_t family, const char *text)
{
        uint8_t bytes[16] = {0};
        assert_int_equal(ip.family, family);
        if (family)
                assert_int_equal(inet_pton(family == 4 ? AF_INET : AF_INET6, text, bytes), 1);
        assert_memory_equal(ip.bytes, bytes, sizeof bytes);
}

static void addresses(void **state)
{
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        struct sockaddr local = {.sa_family = AF_UNIX};
        (void)state;
        check_ip(tollkeeper_ip_of_text(tollkeeper_text_of("203.0.113.7")), 4, "203.0.113.7");
        check_ip(tollkeeper_ip_of_text(tollkeeper_text_of("2001:db8::7")), 6, "2001:db8::7");
        check_ip(tollkeeper_ip_of_text(tollkeeper_text_of("::ffff:203.0.113.7")), 4, "203.0.113.7");
        check_ip(tollkeeper_ip_of_text(tollkeeper_text_of("203.0.113.7:80")), 0, NULL);
        check_ip(tollkeeper_ip_of_text(tollkeeper_text_of("")), 0, NULL);
        check_ip(tollkeeper_ip_of_text(tollkeeper_text_of(NULL)), 0, NULL);

        assert_int_equal(inet_pton(AF_INET, "203.0.113.7", &v4.sin_addr), 1);
        check_ip(tollkeeper_ip_of_socket((struct sockaddr *)&v4), 4, "203.0.113.7");
        assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr), 1);
        check_ip(tollkeeper_ip_of_socket((struct sockaddr *)&v6), 6, "2001:db8::7");
        assert_int_equal(inet_pton(AF_INET6, "::ffff:203.0.113.7", &v6.sin6_addr), 1);
        check_ip(tollkeeper_ip_of_socket((struct sockaddr *)&v6), 4, "203.0.113.7");
        check_ip(tollkeeper_ip_of_socket(&local), 0, NULL);
        check_ip(tollkeeper_ip_of_socket(NULL), 0, NULL);
}

static void keys_in_headers(void **state)
{
        static const struct {
                const char *authorization, *api_key, *key;
        } cases[] = {
                {NULL, NULL, NULL},
                {"Bearer abc", NULL, "abc"},
                {"bearer  abc ", NULL, "abc"},
                {NULL, "abc", "abc"},
                {NULL, " abc\t", "abc"},
                {"Bearer abc", "abc", "abc"},
                {"Bearer abc", "abd", "two different keys"},
                {"Bearer abc", "abcd", "two different keys"},
                {"Basic abc", "xyz", "xyz"},
                {"Basic abc", NULL, NULL},
                {"Bearer", NULL, NULL},
                {"Bearer ", "", NULL},
                {"", "", NULL},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct tollkeeper_text key = tollkeeper_key_of_headers(
                        tollkeeper_text_of(cases[i].authorization), tollkeeper_text_of(cases[i].api_key));
                size_t len = cases[i].key ? strlen(cases[i].key) : 0;
                if (key.len != len || (len && memcmp(key.ptr, cases[i].key, len) != 0))
                        fail_msg("case %zu gives %zu bytes", i, key.len);
        }
}

static void headers_of_an_answer(void **state)
{
        struct tollkeeper_answer answer = {
                .size = sizeof answer,
                .code = TOLLKEEPER_RATE_LIMITED,
                .retry_after_ns = 1500000000,
                .refused_by = 1,
                .limit_count = 2,
                .limits = {{.name = tollkeeper_text_of("requests"),
                            .owner = TOLLKEEPER_OWNER_KEY,
                            .kind = TOLLKEEPER_RATE,
                            .limit = 100,
                            .window_s = 60,
                            .remaining = 7,
                            .reset_ns = 2000000000},
                           {.name = tollkeeper_text_of("credits"),
                            .owner = TOLLKEEPER_OWNER_SUBSCRIPTION,
                            .kind = TOLLKEEPER_CREDITS,
                            .limit = 50,
                            .remaining = 5,
                            .reset_ns = TOLLKEEPER_NEVER}},
        };
        static const char *const names[] = {"RateLimit-Policy", "RateLimit", "Retry-After",
                                            "WWW-Authenticate"};
        static const char *const values[] = {"\"requests\";q=100;w=60, \"credits\";q=50",
                                             "\"requests\";r=7;t=2, \"credits\";r=5", "2", ""};
        char value[TOLLKEEPER_HEADER_BYTES];
        (void)state;
        for (int i = 0; i < TOLLKEEPER_HEADER_COUNT; i++) {
                enum tollkeeper_header header = (enum tollkeeper_header)i;
                assert_string_equal(tollkeeper_header_name(header), names[i]);
                assert_int_equal(tollkeeper_header_value(&answer, header, NULL, value, sizeof value),
                                 strlen(values[i]));
                assert_string_equal(value, values[i]);
        }
        answer.code = TOLLKEEPER_INSUFFICIENT_SCOPE;
        answer.required_scopes = tollkeeper_text_of("a:b c:d");
        tollkeeper_header_value(&answer, TOLLKEEPER_HEADER_WWW_AUTHENTICATE, "weather", value, sizeof value);
        assert_string_equal(value,
                            "Bearer realm=\"weather\", error=\"insufficient_scope\", scope=\"a:b c:d\"");
        answer.code = TOLLKEEPER_MISSING_KEY;
        tollkeeper_header_value(&answer, TOLLKEEPER_HEADER_WWW_AUTHENTICATE, NULL, value, sizeof value);
        assert_string_equal(value, "Bearer realm=\"api\"");
        answer.limit_count = 77; /* not what we wrote: no further than there are */
        assert_true(tollkeeper_header_value(&answer, TOLLKEEPER_HEADER_RATE_LIMIT, NULL, value,
                                            sizeof value) > 0);
        answer.size = 0;
        assert_int_equal(
                tollkeeper_header_value(&answer, TOLLKEEPER_HEADER_RATE_LIMIT, NULL, value, sizeof value), 0);
        assert_string_equal(value, "");
        assert_null(tollkeeper_header_name((enum tollkeeper_header)4));
        answer.size = sizeof answer;
        assert_int_equal(
                tollkeeper_header_value(&answer, (enum tollkeeper_header)4, NULL, value, sizeof value), 0);
}

static void seconds(void **state)
{
        (void)state;
        assert_int_equal(tollkeeper_seconds(0), 0);
        assert_int_equal(tollkeeper_seconds(1), 1);
        assert_int_equal(tollkeeper_seconds(1000000000), 1);
        assert_int_equal(tollkeeper_seconds(1000000001), 2);
        assert_true(tollkeeper_seconds(TOLLKEEPER_NEVER) == TOLLKEEPER_NEVER);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(codes),           cmocka_unit_test(addresses),
                cmocka_unit_test(keys_in_headers), cmocka_unit_test(headers_of_an_answer),
                cmocka_unit_test(seconds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
