/*
 * Canonical paths and templates: core/path.h.
 */
#include "check.h"
#include "core/path.h"

#include <stdlib.h>
#include <string.h>

static void canonical_forms(void **state)
{
        static const struct {
                const char *raw, *canonical;
                bool ambiguous;
        } cases[] = {
                {"/", "/", false},
                {"/v1/forecast/paris", "/v1/forecast/paris", false},
                {"/a/", "/a/", false},
                {"/a%7Eb%41%2D", "/a~bA-", false},
                {"/%e2%82%ac", "/%E2%82%AC", false}, /* escapes that stay are in upper case */
                {"/a%20b", "/a%20b", false},
                {"/a b", "/a b", false},
                {"/\xE2\x82\xAC", "/\xE2\x82\xAC", false},
                {"/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,=", false},
                {"/.well-known/..data", "/.well-known/..data", false},
                {"/...", "/...", false},
                {"/a.", "/a.", false},
                {"//", "//", true},
                {"/a//b", "/a//b", true},
                {"//a", "//a", true},
                {"/a/./b", "/a/b", true},
                {"/.", "/", true},
                {"/./", "/", true},
                {"/a/.", "/a/", true},
                {"/..", "/", true},
                {"/../a", "/a", true},
                {"/a/..", "/", true},
                {"/a/../b", "/b", true},
                {"/a/b/../../../c", "/c", true},
                {"/a/b/../c/./d/", "/a/c/d/", true},
                {"/a//../b", "/a/b", true},
                {"/a/%2e%2e/b", "/b", true},
                {"/a/%2E./b", "/b", true},
                {"/a/.%2e", "/", true},
                {"/a%2eb", "/a.b", true},
                {"/a%2fb", "/a%2Fb", true},
                {"/a%2Fb", "/a%2Fb", true},
                {"/a%5cb", "/a%5Cb", true},
                {"/a\\b", "/a\\b", true},
                {"/a\\..\\b", "/a\\..\\b", true},
                {"/a;x=y", "/a;x=y", true},
                {"/a/..;/b", "/a/..;/b", true},
                {"/a%3bx", "/a%3Bx", true},
                {"/a%00", "/a%00", true},
                {"/a%0d%0a", "/a%0D%0A", true},
                {"/a%7f", "/a%7F", true},
                {"/a\x01", "/a\x01", true},
                {"/a\x7F", "/a\x7F", true},
                {"/%252e%252e/a", "/%252e%252e/a", true}, /* decoded twice it is /../a */
                {"/100%25", "/100%25", true},
                {"/a?b", "/a?b", true},
                {"/a#b", "/a#b", true},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                size_t room = strlen(cases[i].raw), len = 0;
                char *path = malloc(room); /* exactly, so that ASan sees a byte too many */
                bool ambiguous;
                assert_non_null(path);
                if (!tk_path_canonical(tk_str_from(cases[i].raw), path, room, &len, &ambiguous))
                        fail_msg("%s is refused", cases[i].raw);
                assert_str(((struct tk_str){path, len}), cases[i].canonical);
                if (ambiguous != cases[i].ambiguous)
                        fail_msg("%s: ambiguous is %d", cases[i].raw, ambiguous);
                free(path);
        }
}

static void a_nul_is_ambiguous(void **state)
{
        char path[8];
        size_t len;
        bool ambiguous;

        (void)state;
        assert_true(tk_path_canonical((struct tk_str){"/a\0b", 4}, path, sizeof path, &len, &ambiguous));
        assert_true(ambiguous);
        assert_memory_equal(path, "/a\0b", 4);
}

static void what_is_no_path(void **state)
{
        static const char *const cases[] = {"",    "a",     "a/b",   "*",     "%2f",      "/%",
                                            "/%4", "/a%g0", "/a%0g", "/%%41", "http://a/"};
        char path[TK_PATH_MAX + 1], raw[TK_PATH_MAX + 1];
        size_t len = 77;
        bool ambiguous;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_false(tk_path_canonical(tk_str_from(cases[i]), path, sizeof path, &len, &ambiguous));
                assert_int_equal(len, 77);
        }
        memset(raw, '/', sizeof raw);
        assert_false(
                tk_path_canonical((struct tk_str){raw, sizeof raw}, path, sizeof path, &len, &ambiguous));
        assert_true(
                tk_path_canonical((struct tk_str){raw, TK_PATH_MAX}, path, sizeof path, &len, &ambiguous));
        assert_false(tk_path_canonical(TK_STR("/abc"), path, 3, &len, &ambiguous));
        assert_true(tk_path_canonical(TK_STR("/abc"), path, 4, &len, &ambiguous));
}

/* Canonical means that doing it again changes nothing, and an unambiguous path has no dot segments or double
 * slashes. */
static void doing_it_twice_changes_nothing(void **state)
{
        static const char alphabet[] = "//..%%2ef2EFaZ;\\~_-5c0?";
        uint64_t random = 10;
        unsigned accepted = 0, clear = 0;

        (void)state;
        for (int i = 0; i < 300000; i++) {
                char raw[16], path[16], again[16];
                size_t len = 1 + (size_t)prng_below(&random, sizeof raw), first, second;
                bool ambiguous, still;
                for (size_t at = 0; at < len; at++)
                        raw[at] = at == 0 ? '/' : alphabet[prng_below(&random, sizeof alphabet - 1)];
                if (!tk_path_canonical((struct tk_str){raw, len}, path, sizeof path, &first, &ambiguous))
                        continue;
                accepted++;
                clear += !ambiguous;
                assert_true(first <= len && path[0] == '/');
                assert_true(tk_path_canonical((struct tk_str){path, first}, again, sizeof again, &second,
                                              &still));
                assert_int_equal(first, second);
                assert_memory_equal(path, again, first);
                assert_true(ambiguous || !still);
                if (!ambiguous)
                        assert_null(memmem(path, first, "//", 2));
        }
        assert_true(accepted > 10000 && clear > 1000);
}

static void templates(void **state)
{
        static const char *const good[] = {"/",   "/v1/forecast/{city}", "/*",     "/**",   "/a/*/b/**",
                                           "/a/", "/{a_b-c.D9}",         "/a%20b", "/a.b~c"};
        static const char *const bad[] = {
                "",          "a",          "/a//b", "/../a",  "/./a",  "/a/..", "/**/a",  "/a**",
                "/a*",       "/{}",        "/{a",   "/a}",    "/{a}b", "/b{a}", "/{a/b}", "/{a b}",
                "/{a~}",     "/a%2fb",     "/%41",  "/a;b",   "/a\\b", "/a?b",  "/a#b",   "/a b",
                "/\xC3\xA4", "/%e2%82%ac", "/***",  "/{{a}}", "/a%",   "/{*}",
        };
        char longest[TK_PATH_TEMPLATE_MAX + 1];

        (void)state;
        for (size_t i = 0; i < COUNT(good); i++) {
                if (!tk_path_template_valid(tk_str_from(good[i])))
                        fail_msg("%s is refused", good[i]);
        }
        for (size_t i = 0; i < COUNT(bad); i++) {
                if (tk_path_template_valid(tk_str_from(bad[i])))
                        fail_msg("%s is accepted", bad[i]);
        }
        memset(longest, 'a', sizeof longest);
        longest[0] = '/';
        assert_true(tk_path_template_valid((struct tk_str){longest, TK_PATH_TEMPLATE_MAX}));
        assert_false(tk_path_template_valid((struct tk_str){longest, TK_PATH_TEMPLATE_MAX + 1}));
}

static void matching(void **state)
{
        static const struct {
                const char *path_template, *path;
                bool matches;
        } cases[] = {
                {"/", "/", true},
                {"/", "/a", false},
                {"/a", "/a", true},
                {"/a", "/a/", false},
                {"/a/", "/a", false},
                {"/a/", "/a/", true},
                {"/a", "/A", false},
                {"/a", "/ab", false},
                {"/ab", "/a", false},
                {"/v1/forecast/{city}", "/v1/forecast/paris", true},
                {"/v1/forecast/{city}", "/v1/forecast/", false},
                {"/v1/forecast/{city}", "/v1/forecast", false},
                {"/v1/forecast/{city}", "/v1/forecast/paris/today", false},
                {"/v1/{what}/today", "/v1/x/today", true},
                {"/*/b", "/a/b", true},
                {"/*", "/", false},
                {"/*/b", "//b", false},
                {"/**", "/", true},
                {"/**", "/a/b", true},
                {"/a/**", "/a", true},
                {"/a/**", "/a/", true},
                {"/a/**", "/a/b/c", true},
                {"/a/**", "/ab", false},
                {"/a/**", "/", false},
                {"/a/*/**", "/a", false},
                {"/a/*/**", "/a/b", true},
                {"/a%20b", "/a%20b", true},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_true(tk_path_template_valid(tk_str_from(cases[i].path_template)));
                if (tk_path_template_match(tk_str_from(cases[i].path_template), tk_str_from(cases[i].path)) !=
                    cases[i].matches)
                        fail_msg("%s and %s", cases[i].path_template, cases[i].path);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(canonical_forms), cmocka_unit_test(a_nul_is_ambiguous),
                cmocka_unit_test(what_is_no_path), cmocka_unit_test(doing_it_twice_changes_nothing),
                cmocka_unit_test(templates),       cmocka_unit_test(matching),
        };
        return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
