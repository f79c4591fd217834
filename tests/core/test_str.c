/*
 * Text slices: core/str.h.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

static void slices_compare(void **state)
{
        (void)state;
        assert_true(tk_str_equal(TK_STR(""), TK_STR_NONE));
        assert_true(tk_str_equal(TK_STR("abc"), TK_STR("abc")));
        assert_false(tk_str_equal(TK_STR("abc"), TK_STR("abd")));
        assert_false(tk_str_equal(TK_STR("abc"), TK_STR("ab")));
        assert_true(tk_str_equal((struct tk_str){"a\0b", 3}, (struct tk_str){"a\0b", 3}));
        assert_false(tk_str_equal((struct tk_str){"a\0b", 3}, (struct tk_str){"a\0c", 3}));

        assert_true(tk_str_compare(TK_STR("a"), TK_STR("b")) < 0);
        assert_true(tk_str_compare(TK_STR("b"), TK_STR("a")) > 0);
        assert_true(tk_str_compare(TK_STR("a"), TK_STR("aa")) < 0);
        assert_true(tk_str_compare(TK_STR("aa"), TK_STR("a")) > 0);
        assert_true(tk_str_compare(TK_STR("\xFF"), TK_STR("a")) > 0);
        assert_int_equal(tk_str_compare(TK_STR("a"), TK_STR("a")), 0);
        assert_int_equal(tk_str_compare(TK_STR_NONE, TK_STR("")), 0);
}

static void from_c_strings(void **state)
{
        (void)state;
        assert_int_equal(tk_str_from(NULL).len, 0);
        assert_int_equal(tk_str_from("").len, 0);
        assert_str(tk_str_from("key"), "key");
}

static void prefixes_and_case(void **state)
{
        (void)state;
        assert_true(tk_str_starts_with(TK_STR("forecast:read"), TK_STR("forecast:")));
        assert_true(tk_str_starts_with(TK_STR("a"), TK_STR_NONE));
        assert_false(tk_str_starts_with(TK_STR("for"), TK_STR("forecast")));
        assert_false(tk_str_starts_with(TK_STR("forecast"), TK_STR("fora")));

        assert_true(tk_str_equal_nocase(TK_STR("X-API-Key"), TK_STR("x-api-kEY")));
        assert_false(tk_str_equal_nocase(TK_STR("ab"), TK_STR("a")));
        assert_false(tk_str_equal_nocase(TK_STR("ab"), TK_STR("ac")));
        assert_false(tk_str_equal_nocase(TK_STR("@"), TK_STR("`"))); /* they differ by the case bit, too */
        assert_false(tk_str_equal_nocase(TK_STR("["), TK_STR("{")));
}

static void skipping_and_trimming(void **state)
{
        (void)state;
        assert_str(tk_str_skip(TK_STR("abc"), 1), "bc");
        assert_str(tk_str_skip(TK_STR("abc"), 3), "");
        assert_str(tk_str_skip(TK_STR("abc"), SIZE_MAX), "");
        assert_null(tk_str_skip(TK_STR_NONE, 1).ptr);
        assert_str(tk_str_trim(TK_STR(" \t a b\t ")), "a b");
        assert_str(tk_str_trim(TK_STR(" \t ")), "");
        assert_str(tk_str_trim(TK_STR("\na")), "\na");
        assert_str(tk_str_trim(TK_STR_NONE), "");
}

static void cutting(void **state)
{
        struct tk_str head, tail;

        (void)state;
        assert_true(tk_str_cut(TK_STR("a=b=c"), '=', &head, &tail));
        assert_str(head, "a");
        assert_str(tail, "b=c");
        assert_true(tk_str_cut(TK_STR("="), '=', &head, &tail));
        assert_str(head, "");
        assert_str(tail, "");
        assert_false(tk_str_cut(TK_STR("abc"), '=', &head, &tail));
        assert_str(head, "abc");
        assert_str(tail, "");
        assert_false(tk_str_cut(TK_STR_NONE, '=', &head, &tail));
        assert_int_equal(head.len, 0);

        struct tk_str whole = TK_STR("x=y"); /* the results may be stored over the argument */
        assert_true(tk_str_cut(whole, '=', &head, &whole));
        assert_str(whole, "y");
}

static void numbers(void **state)
{
        static const char *const bad[] = {"",
                                          " 1",
                                          "1 ",
                                          "+1",
                                          "-1",
                                          "0x1",
                                          "1a",
                                          "18446744073709551616",
                                          "/",
                                          ":",
                                          "99999999999999999999",
                                          "100000000000000000000000"};
        uint64_t value = 7;

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                assert_false(tk_str_to_u64(tk_str_from(bad[i]), &value));
                assert_int_equal(value, 7);
        }
        assert_true(tk_str_to_u64(TK_STR("0"), &value));
        assert_int_equal(value, 0);
        assert_true(tk_str_to_u64(TK_STR("0012"), &value));
        assert_int_equal(value, 12);
        assert_true(tk_str_to_u64(TK_STR("18446744073709551615"), &value));
        assert_true(value == UINT64_MAX);
}

/* The definition, byte by byte: decode a code point, then ask whether it is one and whether this is its
 * shortest form. */
static size_t slow_utf8(const unsigned char *p, size_t len)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t need = p[0] < 0x80             ? 1
                      : (p[0] & 0xE0) == 0xC0 ? 2
                      : (p[0] & 0xF0) == 0xE0 ? 3
                      : (p[0] & 0xF8) == 0xF0 ? 4
                                              : 0;

        if (need < 2 || need > len)
                return need == 1 ? 1 : 0;
        uint32_t point = p[0] & (0x7Fu >> need);
        for (size_t i = 1; i < need; i++) {
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
                point = point << 6 | (p[i] & 0x3Fu);
        }
        bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        return point >= least[need] && point <= 0x10FFFF && !surrogate ? need : 0;
}

static bool slow_is_utf8(const unsigned char *bytes, size_t len)
{
        for (size_t at = 0; at < len;) {
                size_t sequence = slow_utf8(bytes + at, len - at);
                if (sequence == 0)
                        return false;
                at += sequence;
        }
        return true;
}

/* Mostly continuation bytes after the first, or hardly a text would be valid. */
static void fill(unsigned char *bytes, size_t len, uint64_t *random)
{
        for (size_t at = 0; at < len; at++) {
                unsigned byte = (unsigned)prng_below(random, 256);
                bytes[at] =
                        (unsigned char)(at == 0 || prng_below(random, 8) == 0 ? byte : 0x80 | (byte & 0x3F));
        }
}

/* On the heap, each of exactly its length, so that ASan sees a read past the end. */
static void utf8_agrees_with_its_definition(void **state)
{
        uint64_t random = 1;
        unsigned valid = 0;

        (void)state;
        for (size_t i = 0; i < 400000; i++) {
                size_t len = 1 + i % 5;
                unsigned char *bytes = malloc(len);
                assert_non_null(bytes);
                fill(bytes, len, &random);
                bool expected = slow_is_utf8(bytes, len);
                assert_int_equal(tk_str_is_utf8((struct tk_str){(char *)bytes, len}), expected);
                valid += expected;
                free(bytes);
        }
        assert_in_range(valid, 20000, 380000);
        assert_true(tk_str_is_utf8(TK_STR_NONE));
}

static void names(void **state)
{
        static const char *const good[] = {"a", "0", "weather", "a.b-c_d", "9-"};
        static const char *const bad[] = {"", "A", "-a", ".a", "_a", "a b", "a/b", "\xC3\xA4", "aB"};

        (void)state;
        for (size_t i = 0; i < COUNT(good); i++)
                assert_true(tk_str_is_name(tk_str_from(good[i]), 8));
        for (size_t i = 0; i < COUNT(bad); i++)
                assert_false(tk_str_is_name(tk_str_from(bad[i]), 8));
        assert_true(tk_str_is_name(TK_STR("12345678"), 8));
        assert_false(tk_str_is_name(TK_STR("123456789"), 8));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slices_compare),
                cmocka_unit_test(from_c_strings),
                cmocka_unit_test(prefixes_and_case),
                cmocka_unit_test(skipping_and_trimming),
                cmocka_unit_test(cutting),
                cmocka_unit_test(numbers),
                cmocka_unit_test(utf8_agrees_with_its_definition),
                cmocka_unit_test(names),
        };
        return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
