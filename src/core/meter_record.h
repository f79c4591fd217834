/*
 * What one meter held, as it is stored: by owner, with absolute values and with what gives each its meaning,
 * so that a gate which is made anew and lays its meters out differently can be given it back. The bytes:
 * docs/formats/meter-journal.md, record. Pure. Used by the meters' journal, by the registry's usage rows and
 * by the gate, which reads and raises meters.
 */
#ifndef TK_CORE_METER_RECORD_H
#define TK_CORE_METER_RECORD_H

#include "core/limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TK_METER_LIMITS_MAX 8

enum tk_meter_kind { /* stored: never renumber */
                     TK_METER_KEY = 1,
                     TK_METER_SUBSCRIPTION = 2,
                     TK_METER_ROUTE = 3,
                     TK_METER_NAMED = 4,
};

struct tk_meter_owner {
        enum tk_meter_kind kind;
        uint16_t generation; /* of a key's number; else 0 */
        uint64_t id;         /* of a route: TK_METER_ROUTE_ID; of a named limit: its tag */
};
#define TK_METER_ROUTE_ID(environment_id, route_id) ((uint64_t)(environment_id) << 32 | (uint32_t)(route_id))

/* A limit: what gives its value a meaning, and the value. */
struct tk_meter_limit {
        enum tk_limit_kind kind;
        enum tk_period_kind period; /* windows */
        bool anchored;
        int64_t length_s, anchor_s;         /* fixed windows; anchored ones */
        uint64_t rate_units, rate_interval; /* rates; of a named limit no interval */
        struct tk_slot
                value; /* rates: the debt, ticks until the bucket is full; windows, credits: as the slot */
        uint8_t name_len;
        char name[TK_LIMIT_NAME_MAX];
};

struct tk_meter_record {
        struct tk_meter_owner owner;
        uint64_t admitted;
        uint32_t refused; /* modulo 2^32 */
        uint32_t last_used_s;
        uint32_t whole_s; /* named limits: gate time from which it is whole; else 0 */
        uint32_t limit_count;
        struct tk_meter_limit limits[TK_METER_LIMITS_MAX];
};

#define TK_METER_LIMITS_BYTES_MAX (TK_METER_LIMITS_MAX * (40 + TK_LIMIT_NAME_MAX))
#define TK_METER_RECORD_BYTES_MAX (32 + TK_METER_LIMITS_BYTES_MAX)

/* Bytes written, a multiple of 8. */
size_t tk_meter_record_encode(const struct tk_meter_record *record,
                              uint8_t ret_bytes[TK_METER_RECORD_BYTES_MAX]);

/* The record that begins there, and how many bytes it has. False: there is none; any bytes are safe. */
bool tk_meter_record_decode(const uint8_t *bytes, size_t len, struct tk_meter_record *ret_record,
                            size_t *ret_used);

/* The limits alone, for a database's column. */
size_t tk_meter_limits_encode(const struct tk_meter_record *record,
                              uint8_t ret_bytes[TK_METER_LIMITS_BYTES_MAX]);
/* All of `bytes`, into the limits and limit_count of *inout_record, whose owner is set. */
bool tk_meter_limits_decode(const uint8_t *bytes, size_t len, uint32_t count,
                            struct tk_meter_record *inout_record);

/*
 * A running total of 64 bits and a count modulo 2^32 of the same thing: the total as it is now. A count that
 * seems to be behind the total changes nothing.
 */
static inline uint64_t tk_meter_total(uint64_t total, uint32_t count)
{
        uint32_t more = count - (uint32_t)total;
        return more < UINT32_C(1) << 31 ? total + more : total;
}

#endif
