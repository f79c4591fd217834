/*
 * Scopes and requirements: core/scope.h.
 */
#include "check.h"
#include "core/scope.h"

#include <string.h>

#define LETTERS_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

static void names(void **state)
{
        static const char *const good[] = {"forecast:read", "a",    "0",        "a.b-c_d:e.f-g_h",
                                           "and:or",        "andy", LETTERS_64, "or.",
                                           "a:b.",          "x:and"};
        static const char *const bad[] = {
                "",      "and",    "or",  "*",   "forecast:*", "a:",           ":a",   ":",
                "a:b:c", "A:read", "a b", "a:-", "-a",         "a:B",          "a::b", LETTERS_64 "m",
                " a",    "a ",     "a*",  "(a)", "a:*b",       "\xC3\xA4:read"};

        (void)state;
        for (size_t i = 0; i < COUNT(good); i++) {
                assert_true(tk_scope_name_valid(tk_str_from(good[i])));
                assert_true(tk_scope_pattern_valid(tk_str_from(good[i])));
        }
        for (size_t i = 0; i < COUNT(bad); i++)
                assert_false(tk_scope_name_valid(tk_str_from(bad[i])));
}

static void patterns(void **state)
{
        static const char *const bad[] = {"",    "**", "*:read", "*:*", "a:**",  "a:b*",         ":*",
                                          "A:*", "a*", "and",    "or",  "a:b:*", LETTERS_64 ":*"};

        (void)state;
        assert_true(tk_scope_pattern_valid(TK_STR("*")));
        assert_true(tk_scope_pattern_valid(TK_STR("forecast:*")));
        assert_true(tk_scope_pattern_valid(TK_STR("and:*")));
        for (size_t i = 0; i < COUNT(bad); i++)
                assert_false(tk_scope_pattern_valid(tk_str_from(bad[i])));
}

static void what_a_pattern_covers(void **state)
{
        static const struct {
                const char *pattern, *name;
                bool covers;
        } cases[] = {
                {"*", "a", true},
                {"*", "forecast:read", true},
                {"forecast:*", "forecast:read", true},
                {"forecast:*", "forecast", false},
                {"forecast:*", "forecasts:read", false},
                {"forecast:read", "forecast:read", true},
                {"forecast:read", "forecast:reader", false},
                {"forecast:reader", "forecast:read", false},
                {"forecast", "forecast:read", false},
                {"forecast", "forecast", true},
                {"", "a", false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                assert_int_equal(tk_scope_covers(tk_str_from(cases[i].pattern), tk_str_from(cases[i].name)),
                                 cases[i].covers);
}

/* The context is the granted names in a string, one letter each. */
static bool granted(void *context, struct tk_str name)
{
        return strchr(context, name.ptr[0]) != NULL;
}

static bool ask(const char *text, const char *grants)
{
        struct tk_scope_expr expr;
        size_t error_at = 0;

        if (!tk_scope_expr_parse(tk_str_from(text), &expr, &error_at))
                fail_msg("\"%s\" is refused at %zu", text, error_at);
        return tk_scope_expr_eval(&expr, granted, (void *)(uintptr_t)grants);
}

static void requirements_that_hold(void **state)
{
        (void)state;
        assert_true(ask("", ""));
        assert_true(ask("   ", ""));
        assert_true(ask("a", "a"));
        assert_false(ask("a", "b"));
        assert_true(ask("a and b", "ab"));
        assert_false(ask("a and b", "a"));
        assert_true(ask("a or b", "b"));
        assert_false(ask("a or b", "c"));
        assert_true(ask("a or b and c", "a")); /* and binds more tightly */
        assert_false(ask("(a or b) and c", "a"));
        assert_true(ask("(a or b)and(c)", "bc"));
        assert_true(ask("c and (a or b)", "cb"));
        assert_true(ask("a and b or c and d", "cd"));
        assert_false(ask("a and (b or c) and d", "abc"));
        assert_true(ask("  ((a))  ", "a"));
        assert_true(ask("orders or andes", "a")); /* words that only begin like operators */
}

static void put(char **at, const char *text)
{
        size_t len = strlen(text);

        memcpy(*at, text, len);
        *at += len;
}

/* Random expressions against plain recursive evaluation of the tree that they were written from. */
static bool grow(uint64_t *random, unsigned depth, const char *grants, char **at)
{
        uint64_t kind = depth == 0 ? 0 : prng_below(random, 3);

        if (kind == 0) {
                char letter =
                        (char)('b' + prng_below(random, 6)); /* not a or o: no word may be an operator */
                *(*at)++ = letter;
                return strchr(grants, letter) != NULL;
        }
        put(at, "(");
        bool left = grow(random, depth - 1, grants, at);
        put(at, kind == 1 ? " and " : "  or ");
        bool right = grow(random, depth - 1, grants, at);
        put(at, ")");
        return kind == 1 ? left && right : left || right;
}

static void random_requirements(void **state)
{
        uint64_t random = 5;
        unsigned held = 0;

        (void)state;
        for (int i = 0; i < 20000; i++) {
                char grants[7] = "", text[1024], *at = text, *grant = grants;
                for (char letter = 'b'; letter < 'h'; letter++) {
                        if (prng_below(&random, 2) == 0)
                                *grant++ = letter;
                }
                bool expected = grow(&random, 1 + (unsigned)prng_below(&random, 4), grants, &at);
                *at = '\0';
                assert_int_equal(ask(text, grants), expected);
                held += expected;
        }
        assert_in_range(held, 2000, 18000);
}

static void errors_are_located(void **state)
{
        static const struct {
                const char *text;
                size_t error_at;
        } cases[] = {
                {"and", 0},
                {"a and", 5},
                {"a and ", 6},
                {"a or", 4},
                {"or a", 0},
                {"a b", 2},
                {"a  b", 3},
                {"(a", 2},
                {"(a ", 3},
                {"a)", 1},
                {"()", 1},
                {"(", 1},
                {")", 0},
                {"a (b)", 2},
                {"a and or b", 6},
                {"(a or b", 7},
                {"A", 0},
                {"a and B:c", 6},
                {"a\tand b", 0},
                {"a and *", 6},
                {"a:*", 0},
                {"a,b", 0},
                {"a and (b or )", 12},
                {"((a) or b", 9},
                {"a AND b", 2},
                {"a or b c", 7},
                {"\xFF", 0},
                {"a and and b", 6},
                {"   and", 3},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_scope_expr expr = {.op_count = 77};
                size_t error_at = SIZE_MAX;
                assert_false(tk_scope_expr_parse(tk_str_from(cases[i].text), &expr, &error_at));
                if (error_at != cases[i].error_at)
                        fail_msg("\"%s\" is refused at %zu, not %zu", cases[i].text, error_at,
                                 cases[i].error_at);
                assert_int_equal(expr.op_count, 77);
        }
        struct tk_scope_expr expr;
        size_t error_at;
        assert_false(tk_scope_expr_parse((struct tk_str){"a\0b", 3}, &expr, &error_at));
}

static size_t error_of(const char *text, size_t len)
{
        struct tk_scope_expr expr;
        size_t error_at = SIZE_MAX;

        return tk_scope_expr_parse((struct tk_str){text, len}, &expr, &error_at) ? SIZE_MAX : error_at;
}

static void sizes_are_bounded(void **state)
{
        char text[2048];
        size_t len = 0;

        (void)state;
        memset(text, ' ', sizeof text);
        assert_true(error_of(text, TK_SCOPE_EXPR_MAX_BYTES) == SIZE_MAX);
        assert_int_equal(error_of(text, TK_SCOPE_EXPR_MAX_BYTES + 1), TK_SCOPE_EXPR_MAX_BYTES);

        /* 32 names and the 31 operators between them are 63; one more of each would be 65 */
        for (int name = 0; name < 32; name++) {
                memcpy(text + len, "a or ", 5);
                len += 5;
        }
        assert_true(error_of(text, len - 4) == SIZE_MAX);
        text[len] = 'a';
        assert_int_equal(error_of(text, len + 1), len);

        memset(text, '(', 17);
        text[16] = 'a';
        memset(text + 17, ')', 16);
        assert_true(error_of(text, 33) == SIZE_MAX);
        memset(text, '(', 17);
        text[17] = 'a';
        memset(text + 18, ')', 17);
        assert_int_equal(error_of(text, 35), 16);

        len = 0; /* depth is of open parentheses, not of all */
        for (int i = 0; i < 20; i++) {
                memcpy(text + len, i == 0 ? "(a)" : "or(a)", i == 0 ? 3 : 5);
                len += i == 0 ? 3 : 5;
        }
        assert_true(error_of(text, len) == SIZE_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names),
                cmocka_unit_test(patterns),
                cmocka_unit_test(what_a_pattern_covers),
                cmocka_unit_test(requirements_that_hold),
                cmocka_unit_test(random_requirements),
                cmocka_unit_test(errors_are_located),
                cmocka_unit_test(sizes_are_bounded),
        };
        return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
