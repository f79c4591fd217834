/*
 * Records of meters to bytes and back (meter_record.h). What is read is checked so far that the arithmetic of limits may be given
 * it: a damaged or hostile record is none. Any thread.
 */
#include "core/meter_record.h"

#include "core/little.h"

#include <string.h>

#define HEAD_BYTES  32
#define LIMIT_BYTES 40

/* A debt is less than a full bucket and the clocks' skew: 2^50 units of 2^55 ticks, and 2^36 ns of 2^50 ticks. */
#define DEBT_HI_MAX ((UINT64_C(1) << (107 - 64)) - 1)

static size_t padded(size_t bytes)
{
        return (bytes + 7) & ~(size_t)7;
}

/* ---- write ---- */

static size_t encode_limit(const struct tk_meter_limit *limit, uint8_t *bytes)
{
        bool window = limit->kind == TK_LIMIT_WINDOW, rate = limit->kind == TK_LIMIT_RATE;
        uint64_t a = rate ? limit->rate_units : window ? (uint64_t)limit->length_s : 0;
        uint64_t b = rate ? limit->rate_interval : window ? (uint64_t)limit->anchor_s : 0;

        bytes[0] = (uint8_t)limit->kind;
        bytes[1] = window ? (uint8_t)limit->period : 0;
        bytes[2] = window && limit->anchored;
        bytes[3] = limit->name_len;
        tk_put_u32(bytes + 4, 0);
        tk_put_u64(bytes + 8, a);
        tk_put_u64(bytes + 16, b);
        tk_put_u64(bytes + 24, limit->value.lo);
        tk_put_u64(bytes + 32, limit->value.hi);
        size_t name_bytes = padded(limit->name_len);
        memset(bytes + LIMIT_BYTES, 0, name_bytes);
        memcpy(bytes + LIMIT_BYTES, limit->name, limit->name_len);
        return LIMIT_BYTES + name_bytes;
}

size_t tk_meter_limits_encode(const struct tk_meter_record *record,
                              uint8_t ret_bytes[TK_METER_LIMITS_BYTES_MAX])
{
        size_t len = 0;

        for (uint32_t i = 0; i < record->limit_count; i++)
                len += encode_limit(&record->limits[i], ret_bytes + len);
        return len;
}

size_t tk_meter_record_encode(const struct tk_meter_record *record,
                              uint8_t ret_bytes[TK_METER_RECORD_BYTES_MAX])
{
        ret_bytes[0] = (uint8_t)record->owner.kind;
        ret_bytes[1] = (uint8_t)record->limit_count;
        tk_put_u16(ret_bytes + 2, record->owner.generation);
        tk_put_u32(ret_bytes + 4, record->last_used_s);
        tk_put_u64(ret_bytes + 8, record->owner.id);
        tk_put_u64(ret_bytes + 16, record->admitted);
        tk_put_u32(ret_bytes + 24, record->refused);
        tk_put_u32(ret_bytes + 28, record->whole_s);
        return HEAD_BYTES + tk_meter_limits_encode(record, ret_bytes + HEAD_BYTES);
}

/* ---- read ---- */

static bool rate_sound(const struct tk_meter_limit *limit, bool named)
{
        return limit->rate_units >= 1 && limit->rate_units <= TK_LIMIT_UNITS_MAX &&
               (named ? limit->rate_interval == 0
                      : limit->rate_interval >= 1 && limit->rate_interval <= TK_LIMIT_WINDOW_MAX_NS) &&
               limit->value.hi <= DEBT_HI_MAX;
}

static bool window_sound(const struct tk_meter_limit *limit, bool named)
{
        if (named) /* its tag says what it is */
                return limit->period == TK_PERIOD_FIXED && limit->length_s == 0 && !limit->anchored &&
                       limit->anchor_s == 0;
        bool fixed = limit->period == TK_PERIOD_FIXED;
        return limit->period <= TK_PERIOD_MONTH &&
               (fixed ? limit->length_s >= 1 && limit->length_s <= TK_LIMIT_LENGTH_MAX_S
                      : limit->length_s == 0) &&
               limit->anchor_s >= 0 && limit->anchor_s <= TK_TIME_MAX_S &&
               (limit->anchored || limit->anchor_s == 0);
}

static bool limit_sound(const struct tk_meter_limit *limit, bool named)
{
        if (named ? limit->name_len != 0 : limit->name_len < 1 || limit->name_len > TK_LIMIT_NAME_MAX)
                return false;
        switch (limit->kind) {
        case TK_LIMIT_RATE:
                return rate_sound(limit, named);
        case TK_LIMIT_WINDOW:
                return window_sound(limit, named);
        case TK_LIMIT_CREDITS:
                return !named && limit->value.hi == 0;
        }
        return false;
}

static bool zeroes(const uint8_t *bytes, size_t len)
{
        uint8_t any = 0;

        for (size_t i = 0; i < len; i++)
                any |= bytes[i];
        return any == 0;
}

/* What is in the bytes though its kind has no such thing. */
static bool nothing_else(const uint8_t *bytes, enum tk_limit_kind kind)
{
        bool window = kind == TK_LIMIT_WINDOW, credits = kind == TK_LIMIT_CREDITS;

        return bytes[2] <= 1 && (window || zeroes(bytes + 1, 2)) && zeroes(bytes + 4, 4) &&
               (!credits || zeroes(bytes + 8, 16));
}

/* 0: there is none. */
static size_t decode_limit(const uint8_t *bytes, size_t len, bool named, struct tk_meter_limit *ret_limit)
{
        if (len < LIMIT_BYTES)
                return 0;
        struct tk_meter_limit limit = {.kind = (enum tk_limit_kind)bytes[0], .name_len = bytes[3]};
        if (limit.kind == TK_LIMIT_RATE) {
                limit.rate_units = tk_get_u64(bytes + 8);
                limit.rate_interval = tk_get_u64(bytes + 16);
        } else if (limit.kind == TK_LIMIT_WINDOW) {
                limit.period = (enum tk_period_kind)bytes[1];
                limit.anchored = bytes[2] == 1;
                limit.length_s = (int64_t)tk_get_u64(bytes + 8);
                limit.anchor_s = (int64_t)tk_get_u64(bytes + 16);
        }
        limit.value.lo = tk_get_u64(bytes + 24);
        limit.value.hi = tk_get_u64(bytes + 32);
        size_t size = LIMIT_BYTES + padded(limit.name_len);
        if (!limit_sound(&limit, named) || !nothing_else(bytes, limit.kind) || size > len ||
            !zeroes(bytes + LIMIT_BYTES + limit.name_len, size - LIMIT_BYTES - limit.name_len))
                return 0;
        memcpy(limit.name, bytes + LIMIT_BYTES, limit.name_len);
        *ret_limit = limit;
        return size;
}

/* Bytes of so many limits; SIZE_MAX: they are not so many. */
static size_t decode_limits(const uint8_t *bytes, size_t len, uint32_t count, struct tk_meter_record *record)
{
        size_t used = 0;

        for (uint32_t i = 0; i < count; i++) {
                size_t size = decode_limit(bytes + used, len - used, record->owner.kind == TK_METER_NAMED,
                                           &record->limits[i]);
                if (size == 0)
                        return SIZE_MAX;
                used += size;
        }
        record->limit_count = count;
        return used;
}

static bool head_sound(const struct tk_meter_record *record, uint32_t count)
{
        const struct tk_meter_owner *owner = &record->owner;
        bool named = owner->kind == TK_METER_NAMED;

        return owner->kind >= TK_METER_KEY && owner->kind <= TK_METER_NAMED && owner->id != 0 &&
               (owner->kind == TK_METER_KEY || owner->generation == 0) && count <= TK_METER_LIMITS_MAX &&
               (named ? count == 1 : record->whole_s == 0);
}

bool tk_meter_limits_decode(const uint8_t *bytes, size_t len, uint32_t count,
                            struct tk_meter_record *inout_record)
{
        return count <= TK_METER_LIMITS_MAX && decode_limits(bytes, len, count, inout_record) == len;
}

bool tk_meter_record_decode(const uint8_t *bytes, size_t len, struct tk_meter_record *ret_record,
                            size_t *ret_used)
{
        if (len < HEAD_BYTES)
                return false;
        ret_record->owner = (struct tk_meter_owner){.kind = (enum tk_meter_kind)bytes[0],
                                                    .generation = tk_get_u16(bytes + 2),
                                                    .id = tk_get_u64(bytes + 8)};
        ret_record->last_used_s = tk_get_u32(bytes + 4);
        ret_record->admitted = tk_get_u64(bytes + 16);
        ret_record->refused = tk_get_u32(bytes + 24);
        ret_record->whole_s = tk_get_u32(bytes + 28);
        if (!head_sound(ret_record, bytes[1]))
                return false;
        size_t limits_bytes = decode_limits(bytes + HEAD_BYTES, len - HEAD_BYTES, bytes[1], ret_record);
        if (limits_bytes == SIZE_MAX)
                return false;
        *ret_used = HEAD_BYTES + limits_bytes;
        return true;
}
