/*
 * What every unit test of core includes: cmocka with the headers it needs, and numbers that are random but the same in
 * every run. Test programs only.
 */
#ifndef TK_TESTS_CORE_CHECK_H
#define TK_TESTS_CORE_CHECK_H

#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014. */
static inline uint64_t prng_next(uint64_t *state)
{
        uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
}

/* From 0 to below - 1. */
static inline uint64_t prng_below(uint64_t *state, uint64_t below)
{
        return prng_next(state) % below;
}

/* From 1 to most, every order of magnitude as likely as another. */
static inline uint64_t prng_magnitude(uint64_t *state, uint64_t most)
{
        unsigned bits = 64 - (unsigned)__builtin_clzll(most);
        uint64_t value = prng_next(state) >> (64 - 1 - prng_below(state, bits));

        return value < 1 ? 1 : value > most ? most : value;
}

#define assert_str(actual, expected) check_str(actual, expected, __FILE__, __LINE__)
static inline void check_str(struct tk_str actual, const char *expected, const char *file, int line)
{
        if (!tk_str_equal(actual, tk_str_from(expected))) {
                print_error("%s:%d: \"%.*s\" is not \"%s\"\n", file, line, TK_STR_ARG(actual), expected);
                _fail(file, line);
        }
}

#endif
