/*
 * The key's record and its meter as the contenders beside Tollkeeper keep them, and the same checks on them: the record comes
 * from wherever a contender has it, the meter from an array in memory. Leaner than ours: one scope set of 64 bits,
 * no names, no restrictions, no plan that can change. Included by bench/gate only.
 */
#ifndef TK_BENCH_RECORD_H
#define TK_BENCH_RECORD_H

#include "contender.h"

struct record {
        uint64_t number, subscription;
        uint32_t state, environment;
        int64_t not_before_s, expires_s;
        uint64_t scopes;
};

struct meter {
        struct tk_slot rate, window;
        _Atomic uint64_t admitted, refused;
        _Atomic uint64_t last_used_s;
        uint64_t zero; /* a whole cache line */
};

/* The meters of one contender, and what its checks compare with. */
struct records {
        const struct bench_setup *setup;
        struct meter *meters;
        uint64_t meter_count;
        struct tk_rate rate;
        struct tk_window window;
};

bool records_open(struct records *records, const struct bench_setup *setup);
void records_close(struct records *records);
uint64_t records_bytes(const struct records *records);
struct record record_of(const struct bench_setup *setup, uint64_t number);

/* The key's check characters, then its digest. */
bool record_digest(const struct records *records, struct tk_str key, struct tk_digest *ret_digest);
/* State, validity, environment, scope, two limits all or nothing, counters. */
bool record_decide(const struct records *records, const struct record *record);

#endif
