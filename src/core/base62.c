/*
 * Fixed-width base62 (base62.h). Pure; any thread.
 */
#include "core/base62.h"

#define WIDTH_MAX 10 /* 62^10 < 2^64 */

static const char digit_of_value[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/*
 * A digit's value and one; 0: not a digit. A table, because the characters of a key are random, and a branch on each would be
 * guessed wrong every second time.
 */
static const uint8_t value_and_one[256] = {
        // clang-format off
        ['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
        ['A'] = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36,
        ['a'] = 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
        // clang-format on
};

/* -1: not a digit. */
static int value_of_digit(char c)
{
        return value_and_one[(unsigned char)c] - 1;
}

bool tk_base62_encode(uint64_t value, size_t width, char *ret_digits)
{
        char digits[WIDTH_MAX];

        if (width > WIDTH_MAX)
                return false;
        for (size_t i = width; i > 0; i--) {
                digits[i - 1] = digit_of_value[value % 62];
                value /= 62;
        }
        if (value != 0)
                return false;
        for (size_t i = 0; i < width; i++)
                ret_digits[i] = digits[i];
        return true;
}

bool tk_base62_decode(const char *digits, size_t width, uint64_t *ret_value)
{
        uint64_t value = 0;

        if (width > WIDTH_MAX)
                return false;
        int all = 0;
        for (size_t i = 0; i < width; i++) {
                int digit = value_of_digit(digits[i]);
                all |= digit;
                value = value * 62 + (uint64_t)digit;
        }
        if (all < 0)
                return false;
        *ret_value = value;
        return true;
}

bool tk_base62_valid(const char *digits, size_t len)
{
        int all = 0;

        for (size_t i = 0; i < len; i++)
                all |= value_of_digit(digits[i]); /* negative as soon as one of them is */
        return all >= 0;
}
