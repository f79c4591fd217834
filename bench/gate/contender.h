/*
 * What the gate's benchmark compares: several ways to do the same job. A contender is built once from the same keys, in key
 * order, and then asked by one or more threads. Included by bench/gate only.
 */
#ifndef TK_BENCH_CONTENDER_H
#define TK_BENCH_CONTENDER_H

#include "core/digest.h"
#include "core/key.h"
#include "core/limit.h"

#include <stdbool.h>
#include <stdint.h>

#define BENCH_PEPPER_VERSION  1
#define BENCH_ENVIRONMENT_ID  1
#define BENCH_SCOPE           "forecast:read"
#define BENCH_LIMITS          2 /* a rate and a window, on the key or on its subscription */
#define BENCH_RATE_PER_MINUTE UINT64_C(60000000)
#define BENCH_QUOTA_PER_DAY   UINT64_C(1000000000000)

struct bench_setup {
        uint64_t keys;
        uint64_t keys_a_subscription; /* on which limits sit; 0: they sit on each key */
        const char *folder;           /* scratch space in shared memory */
        struct tk_pepper_set peppers;
        struct tk_key_mask mask;
};

struct contender {
        const char *name;
        bool (*open)(struct bench_setup *setup);                      /* false: said why */
        bool (*add)(uint64_t number, const struct tk_digest *digest); /* numbers from 1, in order */
        bool (*ready)(void);                                          /* all have been added */
        /* One decision with everything on; true when it was admitted. */
        bool (*decide)(struct tk_str key);
        uint64_t (*bytes)(void); /* of memory that the keys take; 0: unknown */
        void (*close)(void);
};

extern const struct contender contender_tollkeeper, contender_floor, contender_hash, contender_lmdb,
        contender_sqlite;

/* The subscription of a key; 0: none. */
static inline uint64_t bench_subscription(const struct bench_setup *setup, uint64_t number)
{
        return setup->keys_a_subscription ? 1 + (number - 1) / setup->keys_a_subscription : 0;
}
static inline uint64_t bench_subscriptions(const struct bench_setup *setup)
{
        return setup->keys ? bench_subscription(setup, setup->keys) : 0;
}

/* What bench/gate says and gives up with. */
bool bench_failed(const char *what);

#endif
