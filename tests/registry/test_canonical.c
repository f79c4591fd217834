/*
 * Canonical JSON against the examples of RFC 8785: numbers (appendix B), member order (section 3.2.3), strings.
 */
#include "fixture.h"

#include "core/alloc.h"
#include "registry/canonical.h"

#include <string.h>

static void numbers_of_appendix_b(void **state)
{
        static const struct {
                uint64_t bits;
                const char *text;
        } samples[] = {
                {0x0000000000000000, "0"},
                {0x8000000000000000, "0"},
                {0x0000000000000001, "5e-324"},
                {0x8000000000000001, "-5e-324"},
                {0x7fefffffffffffff, "1.7976931348623157e+308"},
                {0xffefffffffffffff, "-1.7976931348623157e+308"},
                {0x4340000000000000, "9007199254740992"},
                {0xc340000000000000, "-9007199254740992"},
                {0x4430000000000000, "295147905179352830000"},
                {0x44b52d02c7e14af5, "9.999999999999997e+22"},
                {0x44b52d02c7e14af6, "1e+23"},
                {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
                {0x444b1ae4d6e2ef4e, "999999999999999700000"},
                {0x444b1ae4d6e2ef4f, "999999999999999900000"},
                {0x444b1ae4d6e2ef50, "1e+21"},
                {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
                {0x3eb0c6f7a0b5ed8d, "0.000001"},
                {0x41b3de4355555553, "333333333.3333332"},
                {0x41b3de4355555554, "333333333.33333325"},
                {0x41b3de4355555555, "333333333.3333333"},
                {0x41b3de4355555556, "333333333.3333334"},
                {0x41b3de4355555557, "333333333.33333343"},
                {0xbecbf647612f3696, "-0.0000033333333333333333"},
                {0x43143ff3c1cb0959, "1424953923781206.2"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                char text[TK_CANONICAL_NUMBER_MAX];
                double value;

                memcpy(&value, &samples[i].bits, sizeof value);
                tk_canonical_number(value, text);
                assert_string_equal(text, samples[i].text);
        }
}

static void assert_canonical(const char *json, const char *expected)
{
        struct tk_arena arena;
        struct tk_str text;
        json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);

        assert_non_null(value);
        tk_arena_init(&arena, 0);
        assert_err(tk_canonical_json(value, &arena, &text), TK_OK);
        assert_str(text, tk_str_from(expected));
        tk_arena_fini(&arena);
        json_decref(value);
}

/* Section 3.2.3: by UTF-16 code units, so a character beyond U+FFFF comes before U+FB33. */
static void members_are_sorted(void **state)
{
        (void)state;
        assert_canonical(
                "{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,"
                "\"\\u00f6\":7}",
                "{\"\\r\":2,\"1\":4,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":1,\"\xf0\x9f\x98\x80\":5,"
                "\"\xef\xac\xb3\":3}");
        assert_canonical("{\"aa\":1,\"a\":2,\"\":3,\"b\":4}", "{\"\":3,\"a\":2,\"aa\":1,\"b\":4}");
}

static void values_are_written_in_one_way(void **state)
{
        (void)state;
        assert_canonical("[56, {\"d\": true, \"10\": null, \"1\": [ ]}, false, {}]",
                         "[56,{\"1\":[],\"10\":null,\"d\":true},false,{}]");
        assert_canonical("[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]",
                         "[333333333.3333333,1e+30,4.5,0.002,1e-27]");
        assert_canonical("[9007199254740991, -9007199254740991, 9007199254740993, 9223372036854775807]",
                         "[9007199254740991,-9007199254740991,9007199254740992,9223372036854776000]");
        assert_canonical("\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\"",
                         "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
}

static void memory_that_fails_is_told(void **state)
{
        json_t *value = json_loads("{\"a\":{\"b\":[1]}}", 0, NULL);
        struct tk_str text;
        enum tk_err err;
        unsigned n = 0;

        (void)state;
        do {
                struct tk_arena arena;

                tk_arena_init(&arena, 0);
                tk_alloc_fault_at(++n);
                err = tk_canonical_json(value, &arena, &text);
                tk_alloc_fault_at(0);
                tk_arena_fini(&arena);
                assert_true(err == TK_OK || err == TK_NOMEM);
        } while (err != TK_OK && n < 10);
        assert_in_range(n, 2, 9);
        json_decref(value);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_of_appendix_b),
                cmocka_unit_test(members_are_sorted),
                cmocka_unit_test(values_are_written_in_one_way),
                cmocka_unit_test(memory_that_fails_is_told),
        };

        return cmocka_run_group_tests_name("registry canonical", tests, NULL, NULL);
}
