/*
 * Base62 with the alphabet 0-9 A-Z a-z (digit value 0 to 61), most significant digit first, fixed width.
 */
#ifndef TK_CORE_BASE62_H
#define TK_CORE_BASE62_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Write value as exactly `width` digits, left-padded with '0'. False when it does not fit. width <= 10. */
bool tk_base62_encode(uint64_t value, size_t width, char *ret_digits);

/* Read exactly `width` digits, width <= 10. False on any other character. */
bool tk_base62_decode(const char *digits, size_t width, uint64_t *ret_value);

/* True when all `len` characters are base62 digits. */
bool tk_base62_valid(const char *digits, size_t len);

#endif
