/*
 * Where random bytes come from: injected, so that tests are repeatable. The system source is libsodium's.
 */
#ifndef TK_CORE_RANDOM_H
#define TK_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct tk_random {
        void (*fill)(void *context, void *ret_bytes, size_t len);
        void *context;
};

/* The kernel-seeded generator of libsodium; any thread. tk_random_init() once, before the first use: 0 or -1. */
int tk_random_init(void);
struct tk_random tk_random_system(void);

#endif
