/*
 * Records of meters for tests: random ones that are sound, and whether two are the same.
 */
#ifndef TK_TESTS_CORE_METER_SAMPLE_H
#define TK_TESTS_CORE_METER_SAMPLE_H

#include "check.h"

#include "core/meter_record.h"

#include <string.h>

static inline struct tk_meter_limit sample_limit(uint64_t *seed, bool named)
{
        struct tk_meter_limit limit = {.kind = (enum tk_limit_kind)(1 + prng_below(seed, named ? 2 : 3))};
        limit.value.lo = prng_next(seed);
        if (limit.kind == TK_LIMIT_RATE) {
                limit.rate_units = prng_magnitude(seed, TK_LIMIT_UNITS_MAX);
                limit.rate_interval = named ? 0 : prng_magnitude(seed, TK_LIMIT_WINDOW_MAX_NS);
                limit.value.hi = prng_magnitude(seed, (UINT64_C(1) << 43) - 1);
        } else if (limit.kind == TK_LIMIT_WINDOW) {
                limit.value.hi = prng_next(seed);
                limit.period = named ? TK_PERIOD_FIXED : (enum tk_period_kind)prng_below(seed, 5);
                if (!named && limit.period == TK_PERIOD_FIXED)
                        limit.length_s = (int64_t)prng_magnitude(seed, TK_LIMIT_LENGTH_MAX_S);
                limit.anchored = !named && prng_below(seed, 2);
                if (limit.anchored)
                        limit.anchor_s = (int64_t)prng_magnitude(seed, (uint64_t)TK_TIME_MAX_S);
        }
        limit.name_len = named ? 0 : (uint8_t)(1 + prng_below(seed, TK_LIMIT_NAME_MAX));
        for (unsigned i = 0; i < limit.name_len; i++)
                limit.name[i] = (char)('a' + prng_below(seed, 26));
        return limit;
}

static inline struct tk_meter_record sample_record(uint64_t *seed)
{
        struct tk_meter_record record = {0};
        record.owner.kind = (enum tk_meter_kind)(1 + prng_below(seed, 4));
        bool named = record.owner.kind == TK_METER_NAMED;
        record.owner.generation = record.owner.kind == TK_METER_KEY ? (uint16_t)prng_next(seed) : (uint16_t)0;
        record.owner.id = prng_next(seed) | 1;
        record.admitted = prng_next(seed);
        record.refused = (uint32_t)prng_next(seed);
        record.last_used_s = (uint32_t)prng_next(seed);
        record.whole_s = named ? (uint32_t)prng_next(seed) : 0;
        record.limit_count = named ? 1 : (uint32_t)prng_below(seed, TK_METER_LIMITS_MAX + 1);
        for (uint32_t i = 0; i < record.limit_count; i++)
                record.limits[i] = sample_limit(seed, named);
        return record;
}

static inline bool same_limit(const struct tk_meter_limit *a, const struct tk_meter_limit *b)
{
        return a->kind == b->kind && a->period == b->period && a->anchored == b->anchored &&
               a->length_s == b->length_s && a->anchor_s == b->anchor_s && a->rate_units == b->rate_units &&
               a->rate_interval == b->rate_interval && a->value.lo == b->value.lo &&
               a->value.hi == b->value.hi && a->name_len == b->name_len &&
               memcmp(a->name, b->name, a->name_len) == 0;
}

static inline bool same_record(const struct tk_meter_record *a, const struct tk_meter_record *b)
{
        bool same = a->owner.kind == b->owner.kind && a->owner.generation == b->owner.generation &&
                    a->owner.id == b->owner.id && a->admitted == b->admitted && a->refused == b->refused &&
                    a->last_used_s == b->last_used_s && a->whole_s == b->whole_s &&
                    a->limit_count == b->limit_count;
        for (uint32_t i = 0; same && i < a->limit_count; i++)
                same = same_limit(&a->limits[i], &b->limits[i]);
        return same;
}

#endif
