/*
 * Fixed-width base62 (base62.h). Pure; any thread.
 */
#include "core/base62.h"

#define WIDTH_MAX 10 /* 62^10 < 2^64 */

static const char digit_of_value[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* -1: not a digit. */
static int value_of_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'A' && c <= 'Z')
                return c - 'A' + 10;
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 36;
        return -1;
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
        for (size_t i = 0; i < width; i++) {
                int digit = value_of_digit(digits[i]);
                if (digit < 0)
                        return false;
                value = value * 62 + (uint64_t)digit;
        }
        *ret_value = value;
        return true;
}

bool tk_base62_valid(const char *digits, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                if (value_of_digit(digits[i]) < 0)
                        return false;
        }
        return true;
}
