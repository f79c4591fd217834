/*
 * Base62: core/base62.h.
 */
#include "check.h"
#include "core/base62.h"

#include <string.h>

static void known_values(void **state)
{
        static const struct {
                uint64_t value;
                const char *digits;
        } cases[] = {
                {0, "0"},
                {9, "9"},
                {10, "A"},
                {35, "Z"},
                {36, "a"},
                {61, "z"},
                {62, "10"},
                {0, "000000"},
                {0xFFFFFFFF, "4gfFC3"},
                {3843, "zz"},
                {UINT64_C(839299365868340223), "zzzzzzzzzz"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                size_t width = strlen(cases[i].digits);
                char digits[10];
                uint64_t value;
                assert_true(tk_base62_encode(cases[i].value, width, digits));
                assert_memory_equal(digits, cases[i].digits, width);
                assert_true(tk_base62_decode(cases[i].digits, width, &value));
                assert_true(value == cases[i].value);
        }
}

static void what_does_not_fit(void **state)
{
        char digits[11] = "unchanged!";
        uint64_t value = 5;

        (void)state;
        assert_false(tk_base62_encode(62, 1, digits));
        assert_false(tk_base62_encode(UINT64_MAX, 10, digits));
        assert_false(tk_base62_encode(0, 11, digits));
        assert_string_equal(digits, "unchanged!");
        assert_false(tk_base62_decode("00000000000", 11, &value));
        assert_true(value == 5);
}

/* Every byte in every position of a number. */
static void only_digits_are_digits(void **state)
{
        static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

        (void)state;
        for (int byte = 0; byte < 256; byte++) {
                const char *found = byte == 0 ? NULL : strchr(alphabet, byte);
                for (size_t at = 0; at < 3; at++) {
                        char digits[3] = {'0', '0', '0'};
                        uint64_t value = 5;
                        digits[at] = (char)byte;
                        assert_int_equal(tk_base62_valid(digits, 3), found != NULL);
                        assert_int_equal(tk_base62_decode(digits, 3, &value), found != NULL);
                        if (found != NULL)
                                assert_true(value == (uint64_t)(found - alphabet) * (at == 0   ? 3844
                                                                                     : at == 1 ? 62
                                                                                               : 1));
                        else
                                assert_true(value == 5);
                }
        }
        assert_true(tk_base62_valid("-", 0));
}

static void there_and_back(void **state)
{
        uint64_t random = 3;

        (void)state;
        for (int i = 0; i < 10000; i++) {
                uint64_t value = prng_magnitude(&random, UINT64_C(839299365868340223)), back;
                char digits[10];
                assert_true(tk_base62_encode(value, 10, digits));
                assert_true(tk_base62_decode(digits, 10, &back));
                assert_true(back == value);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_values),
                cmocka_unit_test(what_does_not_fit),
                cmocka_unit_test(only_digits_are_digits),
                cmocka_unit_test(there_and_back),
        };
        return cmocka_run_group_tests_name("base62", tests, NULL, NULL);
}
