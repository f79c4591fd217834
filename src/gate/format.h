/*
 * The layout of the gate's shared files: docs/formats/gate.md in C. Both sides include it, the daemon that
 * writes and the deciders that read; nothing else in the program may. Declares bytes and how words are
 * packed, and does nothing with them. Fields that another process may write at any time are atomic; who
 * writes them, and with which order, is in the document.
 */
#ifndef TK_GATE_FORMAT_H
#define TK_GATE_FORMAT_H

#include "core/limit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TK_FORMAT_VERSION      3
#define TK_FORMAT_BYTE_ORDER   0x01020304u
#define TK_FORMAT_HEADER_BYTES 4096
#define TK_FORMAT_CRC_BYTES    252 /* of the header, that the CRC covers */

/* ---- sealed words: 48 bits of value, and above them a check ---- */

#define TK_SEALED_MAX ((UINT64_C(1) << 48) - 1)

static inline uint64_t tk_seal(uint64_t value)
{
        uint64_t v = value & TK_SEALED_MAX;
        return v | ((v ^ (v >> 16) ^ (v >> 32)) & 0xffff) << 48;
}

static inline uint64_t tk_unseal(uint64_t word)
{
        return word & TK_SEALED_MAX;
}

static inline bool tk_sealed(uint64_t word)
{
        return tk_seal(tk_unseal(word)) == word;
}

/* ---- header ---- */

#define TK_FORMAT_SHARED_FILES 6 /* written by deciders */

struct tk_format_header {
        char magic[8];
        uint32_t version;
        uint32_t byte_order;
        uint32_t header_bytes;
        uint32_t line_bytes;
        uint8_t installation[16];
        uint64_t incarnation;
        uint64_t reserve_bytes;
        uint64_t first_line;
        uint8_t boot[16];
        uint8_t zero_a[172];
        uint32_t crc;

        _Atomic uint64_t capacity_lines; /* from here on: sealed words, or zero */
        _Atomic uint64_t used_lines;
        _Atomic uint64_t retired;
        uint8_t zero_b[40];

        _Atomic uint64_t applied_seq;
        _Atomic uint64_t lease_until_ms;
        _Atomic uint64_t time_offset_ms;
        _Atomic uint64_t time_pending_ms;
        _Atomic uint64_t time_pending_since_ms;
        _Atomic uint64_t time_back;
        _Atomic uint64_t moving;
        uint8_t zero_c[8];

        /* what is announced for the files that deciders write, in the order of enum tk_file from TK_FILE_METERS */
        struct {
                _Atomic uint64_t capacity_lines;
                _Atomic uint64_t used_lines;
        } shared[TK_FORMAT_SHARED_FILES];

        _Atomic uint64_t foreign_table;
        _Atomic uint64_t foreign_count;
        _Atomic uint64_t ring_events; /* of each ring in `events` */
        uint8_t zero_d[3592];
};
_Static_assert(sizeof(struct tk_format_header) == TK_FORMAT_HEADER_BYTES, "header");
_Static_assert(offsetof(struct tk_format_header, installation) == 24, "header");
_Static_assert(offsetof(struct tk_format_header, first_line) == 56, "header");
_Static_assert(offsetof(struct tk_format_header, boot) == 64, "header");
_Static_assert(offsetof(struct tk_format_header, crc) == TK_FORMAT_CRC_BYTES, "header");
_Static_assert(offsetof(struct tk_format_header, capacity_lines) == 256, "header");
_Static_assert(offsetof(struct tk_format_header, applied_seq) == 320, "header");
_Static_assert(offsetof(struct tk_format_header, shared) == 384, "header");
_Static_assert(offsetof(struct tk_format_header, foreign_table) == 480, "header");

/* time_back: when gate time was last put back, in seconds of gate time after that, and how often. */
#define TK_TIME_BACK(at_s, times) ((uint64_t)(uint32_t)(at_s) | (uint64_t)(uint16_t)(times) << 32)
#define TK_TIME_BACK_AT_S(value)  ((int64_t)(uint32_t)(value))
#define TK_TIME_BACK_TIMES(value) ((uint16_t)((value) >> 32))
#define TK_TIME_BACK_AT_S_MAX     UINT32_MAX
#define TK_TIME_BACK_TIMES_MAX    TK_WINDOW_TIMES_MAX

/* moving: whose limits are being moved to another extent; 0: nobody's. A key's number, a subscription's id, a route's record. */
enum tk_moving { TK_MOVING_KEY = 1, TK_MOVING_SUBSCRIPTION = 2, TK_MOVING_ROUTE = 3 };
#define TK_MOVING(kind, number) ((uint64_t)(kind) << 44 | (uint64_t)(number))
#define TK_MOVING_KIND(value)   ((enum tk_moving)((value) >> 44))
#define TK_MOVING_NUMBER(value) ((value) & ((UINT64_C(1) << 44) - 1))

/* foreign_table: log2 of its entries, and its first line */
#define TK_FOREIGN_TABLE(log2, line) ((uint64_t)(log2) | (uint64_t)(line) << 8)
#define TK_FOREIGN_LOG2(value)       ((unsigned)((value)&0xff))
#define TK_FOREIGN_LINE(value)       ((value) >> 8)

/* ---- keys ---- */

struct tk_format_key {
        _Atomic uint64_t digest[4];
        _Atomic uint64_t control;
        _Atomic uint64_t validity;
        _Atomic uint64_t binding;
        _Atomic uint64_t owner;
};
_Static_assert(sizeof(struct tk_format_key) == 64, "a key is one cache line");
_Static_assert(offsetof(struct tk_format_key, control) == 32, "key line");

enum tk_line_state {
        TK_LINE_EMPTY = 0,
        TK_LINE_ACTIVE = 1,
        TK_LINE_SUSPENDED = 2,
        TK_LINE_REVOKED = 3, /* keys */
        TK_LINE_ENDED = 4,   /* subscriptions */
};

#define TK_CONTROL_CONSUMER_SUSPENDED (UINT64_C(1) << 4)
#define TK_CONTROL_FOREIGN            (UINT64_C(1) << 5)
/*
 * Of a key's line in state 0: the number was freed; bits 16 to 31 its last generation, 32 to 63 when, by the
 * boot clock.
 */
#define TK_CONTROL_FREED              (UINT64_C(1) << 6)
/* keys that are not freed: bits 6, 7, 12 to 15; subscriptions: 4 to 15 */
#define TK_CONTROL_KEY_ZERO           UINT64_C(0xf0c0)
#define TK_CONTROL_SUBSCRIPTION_ZERO  UINT64_C(0xfff0)

static inline uint64_t tk_control(enum tk_line_state state, uint16_t generation, uint32_t environment)
{
        return (uint64_t)state | (uint64_t)generation << 16 | (uint64_t)environment << 32;
}

static inline uint64_t tk_control_pepper(unsigned version)
{
        return (uint64_t)(version & 15) << 8;
}

static inline enum tk_line_state tk_control_state(uint64_t control)
{
        return (enum tk_line_state)(control & 15);
}

static inline unsigned tk_control_pepper_version(uint64_t control)
{
        return (unsigned)(control >> 8 & 15);
}

static inline uint16_t tk_control_generation(uint64_t control)
{
        return (uint16_t)(control >> 16);
}

static inline uint32_t tk_control_environment(uint64_t control)
{
        return (uint32_t)(control >> 32);
}

static inline uint64_t tk_control_free(uint16_t generation, uint32_t boot_s)
{
        return TK_CONTROL_FREED | (uint64_t)generation << 16 | (uint64_t)boot_s << 32;
}

static inline bool tk_control_freed(uint64_t control)
{
        return (control & 0xffff) == TK_CONTROL_FREED;
}

static inline uint32_t tk_control_freed_s(uint64_t control)
{
        return (uint32_t)(control >> 32);
}

/* Two 32-bit values in one word: validity, binding, owner. */
static inline uint64_t tk_pair(uint32_t low, uint32_t high)
{
        return (uint64_t)low | (uint64_t)high << 32;
}

static inline uint32_t tk_pair_low(uint64_t pair)
{
        return (uint32_t)pair;
}

static inline uint32_t tk_pair_high(uint64_t pair)
{
        return (uint32_t)(pair >> 32);
}

/* ---- subscriptions ---- */

struct tk_format_subscription {
        _Atomic uint64_t control;
        _Atomic uint64_t binding;
        _Atomic int64_t anchor_s;
        _Atomic uint32_t consumer;
        uint32_t zero_a;
        _Atomic uint64_t credits_granted; /* cumulative, as credits_gone and that which will be */
        _Atomic uint64_t credits_gone;
        struct tk_slot
                credits_next; /* hi: when the next grant expires, seconds, or 0; lo: credits_gone then */
};
_Static_assert(sizeof(struct tk_format_subscription) == 64, "a subscription is one cache line");
_Static_assert(offsetof(struct tk_format_subscription, credits_granted) == 32, "subscription line");
_Static_assert(offsetof(struct tk_format_subscription, credits_next) == 48, "subscription line");

/* ---- policy ---- */

#define TK_POLICY_LINE_BYTES          16
#define TK_POLICY_ENVIRONMENT_BUCKETS 1024
#define TK_POLICY_PATTERN_BUCKETS     4096
#define TK_POLICY_ROUTE_BUCKETS       1024
#define TK_POLICY_PATTERNS_MAX        4096 /* of one API */
#define TK_POLICY_LIMITS_MAX          8
#define TK_POLICY_ROLES_MAX           8

struct tk_format_chains {
        _Atomic uint32_t environments[TK_POLICY_ENVIRONMENT_BUCKETS];
        _Atomic uint32_t patterns[TK_POLICY_PATTERN_BUCKETS];
        _Atomic uint32_t routes[TK_POLICY_ROUTE_BUCKETS];
};
_Static_assert(sizeof(struct tk_format_chains) == 24576, "chain heads");
#define TK_POLICY_FIRST_LINE (TK_FORMAT_HEADER_BYTES + sizeof(struct tk_format_chains))

enum tk_record_kind {
        TK_RECORD_ENVIRONMENT = 1,
        TK_RECORD_PATTERN = 2,
        TK_RECORD_CONSUMER = 3,
        TK_RECORD_KEY_POLICY = 4,
        TK_RECORD_LIMITS = 5, /* of a subscription or a route */
        TK_RECORD_ROUTE = 6,
        TK_RECORD_ROLE = 7,
        TK_RECORD_ROUTE_NODE = 8,
        TK_RECORD_ROUTE_END = 9,
        TK_RECORD_ROUTE_TERMS = 10,
};

struct tk_format_record {
        uint16_t kind;
        uint16_t zero;
        uint32_t size_bytes;
        uint32_t hash;
        _Atomic uint32_t next;
};
_Static_assert(sizeof(struct tk_format_record) == 16, "record head");

struct tk_format_text {
        uint32_t offset;
        uint32_t len;
};

struct tk_format_environment {
        struct tk_format_record head;
        uint32_t environment_id;
        uint32_t api_id;
        _Atomic uint32_t state;
        _Atomic uint32_t routes;
        struct tk_format_text api;
        struct tk_format_text name;
};
_Static_assert(sizeof(struct tk_format_environment) == 48, "environment record");

struct tk_format_pattern {
        struct tk_format_record head;
        uint32_t api_id;
        uint32_t bit;
        struct tk_format_text text;
};
_Static_assert(sizeof(struct tk_format_pattern) == 32, "pattern record");

struct tk_format_consumer {
        struct tk_format_record head;
        uint32_t consumer_id;
        _Atomic uint32_t successor;
        struct tk_format_text name;
};
_Static_assert(sizeof(struct tk_format_consumer) == 32, "consumer record");

struct tk_format_role {
        struct tk_format_record head;
        uint32_t role_id;
        uint32_t api_id;
        _Atomic uint32_t policy; /* a key policy of nothing but scopes */
        uint32_t zero;
        struct tk_format_text name;
        uint64_t zero_b;
};
_Static_assert(sizeof(struct tk_format_role) == 48, "role record");

struct tk_format_route {
        struct tk_format_record head;
        uint32_t route_id;
        uint32_t environment_id;
        _Atomic uint64_t binding;
        struct tk_format_text method;
        struct tk_format_text template;
};
_Static_assert(sizeof(struct tk_format_route) == 48, "route record");

#define TK_ROUTE_BRANCHES 4

struct tk_format_route_node {
        struct tk_format_record head;
        uint32_t environment_id;
        uint32_t hash;
        struct tk_format_text segment;
        _Atomic uint32_t kids[TK_ROUTE_BRANCHES];
        _Atomic uint32_t children;
        _Atomic uint32_t wild;
        _Atomic uint32_t ends;
        _Atomic uint32_t rest;
};
_Static_assert(sizeof(struct tk_format_route_node) == 64, "route node");
_Static_assert(offsetof(struct tk_format_route_node, children) == 48, "route node");

struct tk_format_route_end {
        struct tk_format_record head;
        uint32_t environment_id;
        _Atomic uint32_t terms;
        struct tk_format_text method;
};
_Static_assert(sizeof(struct tk_format_route_end) == 32, "route end");

struct tk_format_route_terms {
        struct tk_format_record head;
        uint64_t cost;
        uint32_t route;
        uint32_t op_count;
        struct tk_format_text scope;
        uint64_t zero;
};
_Static_assert(sizeof(struct tk_format_route_terms) == 48, "route terms");

struct tk_format_scope_op {
        uint32_t op;
        struct tk_format_text name;
};
_Static_assert(sizeof(struct tk_format_scope_op) == 12, "scope operation");

struct tk_format_policy {
        struct tk_format_record head;
        uint32_t api_id;
        uint16_t extent_lines;
        uint16_t limit_count;
        uint16_t scope_words;
        uint16_t cidr_count;
        uint16_t origin_count;
        uint16_t method_count;
        uint16_t path_count;
        uint16_t zero_a;
        struct tk_format_text scopes;
        uint16_t zero_b;
        uint16_t role_count;
};
_Static_assert(sizeof(struct tk_format_policy) == 48, "policy record");
_Static_assert(offsetof(struct tk_format_policy, scopes) == 36, "policy record");

struct tk_format_limit {
        uint8_t kind;
        uint8_t period;
        uint8_t anchored;
        uint8_t slot;
        uint8_t flags;
        uint8_t name_len;
        uint16_t zero_a;
        uint64_t limit;
        uint64_t burst;
        int64_t length_s;
        uint64_t rate_units;
        uint64_t rate_interval;
        char name[TK_LIMIT_NAME_MAX];
        uint64_t zero_b[2];
};
_Static_assert(sizeof(struct tk_format_limit) == 96, "limit");
_Static_assert(offsetof(struct tk_format_limit, name) == 48, "limit");

struct tk_format_cidr {
        uint8_t family;
        uint8_t prefix_bits;
        uint8_t zero[2];
        uint8_t bytes[16];
};
_Static_assert(sizeof(struct tk_format_cidr) == 20, "CIDR");

#define TK_FORMAT_LIMIT_SHADOW UINT8_C(1) /* flags: counted and told, not enforced */

/* ---- meters, homes ---- */

/*
 * In a binding, in place of a line of `meters`: the line of `key_homes` or `subscription_homes` at the
 * owner's number.
 */
#define TK_METER_HOME 0

#define TK_METER_LINES_MAX 4
#define TK_METER_SLOTS_MAX (TK_METER_LINES_MAX * 4 - 1)

struct tk_format_meter {
        _Atomic uint64_t admitted;
        _Atomic uint32_t refused;
        _Atomic uint32_t last_used_s;
        struct tk_slot slots[]; /* 4 * lines - 1 */
};
_Static_assert(sizeof(struct tk_format_meter) == 16, "head of an extent");

/* ---- foreign: entries of 8 bytes ---- */

#define TK_FOREIGN_NUMBER_BITS 43

static inline uint64_t tk_foreign_entry(uint64_t digest_word, uint64_t number)
{
        return (digest_word >> TK_FOREIGN_NUMBER_BITS << TK_FOREIGN_NUMBER_BITS) | number;
}

static inline uint64_t tk_foreign_number(uint64_t entry)
{
        return entry & ((UINT64_C(1) << TK_FOREIGN_NUMBER_BITS) - 1);
}

/* ---- reservations ---- */

#define TK_RESERVATION_CHARGES_MAX 16

enum tk_reservation_state {
        TK_RESERVATION_FREE = 0,
        TK_RESERVATION_MAKING = 1,
        TK_RESERVATION_OPEN = 2,
        TK_RESERVATION_SETTLING = 3,
};

static inline uint64_t tk_reservation_control(enum tk_reservation_state state, uint32_t generation,
                                              uint32_t since_s)
{
        return (uint64_t)state | (uint64_t)(generation & 0xfffffff) << 4 | (uint64_t)since_s << 32;
}

static inline enum tk_reservation_state tk_reservation_state(uint64_t control)
{
        return (enum tk_reservation_state)(control & 15);
}

static inline uint32_t tk_reservation_generation(uint64_t control)
{
        return (uint32_t)(control >> 4 & 0xfffffff);
}

/*
 * Where a charge was made: a slot, counted in 16 bytes from line 0 of a file, and the file (enum tk_file)
 * above bit 48.
 */
struct tk_format_charge {
        _Atomic uint64_t place;
        _Atomic uint64_t
                period; /* the slot's hi as it was charged: of a window its period, of credits what had gone */
};

struct tk_format_reservation {
        _Atomic uint64_t control;
        _Atomic uint64_t expires_s;
        _Atomic uint64_t key; /* bits 0-42 number, 48-63 generation */
        _Atomic uint64_t units;
        _Atomic uint32_t subscription;
        _Atomic uint32_t environment;
        _Atomic uint32_t route;
        _Atomic uint32_t charge_count;
        _Atomic uint64_t check; /* over all of these and the control's generation: reserve.c */
        uint8_t zero[8];
        struct tk_format_charge charges[TK_RESERVATION_CHARGES_MAX];
};
#define TK_RESERVATION_LINE_BYTES 320
_Static_assert(sizeof(struct tk_format_reservation) == TK_RESERVATION_LINE_BYTES, "reservation");

/* ---- named: buckets of 16 lines ---- */

#define TK_NAMED_BUCKET_LINES   16
#define TK_NAMED_BUCKET_ENTRIES 14

/* A tag's word: free and when it became so; a name; or a name that is about to be forgotten. */
#define TK_NAMED_TAKEN   (UINT64_C(1) << 63)
#define TK_NAMED_CLOSING (UINT64_C(1) << 62)
#define TK_NAMED_DEAD    TK_NAMED_CLOSING /* without TAKEN */

struct tk_format_named {
        struct tk_slot slot;
        _Atomic uint64_t admitted;
        _Atomic uint32_t refused;
        _Atomic uint32_t last_used_s;
        _Atomic uint64_t whole_s;    /* boot clock: from then on whole again, whatever was charged */
        _Atomic uint64_t closed_s;   /* boot clock: when last found not closing */
        _Atomic uint32_t period_s;   /* windows: the longest that a period may be; rates: 0 */
        _Atomic uint32_t begun;      /* 1: what the name used in a shared entry is in the slot */
        _Atomic uint64_t rate_units; /* of a rate, its units (struct tk_rate); of a window 0 */
};
_Static_assert(sizeof(struct tk_format_named) == 64, "named limit");

struct tk_format_named_bucket {
        struct tk_slot insert; /* lo: tag; hi: bits 0-3 its entry, 8-63 how many inserts there were */
        _Atomic uint64_t tags[TK_NAMED_BUCKET_ENTRIES];
        struct tk_format_named entries[TK_NAMED_BUCKET_ENTRIES];
};
_Static_assert(sizeof(struct tk_format_named_bucket) == TK_NAMED_BUCKET_LINES * 64, "bucket of names");

/* ---- events: line 0, then rings of 2 lines and a power of two of events ---- */

struct tk_format_pool {
        _Atomic uint64_t dropped; /* events of threads that had no ring */
        uint8_t zero[56];
};
_Static_assert(sizeof(struct tk_format_pool) == 64, "line 0 of events");

struct tk_format_event {
        uint64_t time_ns;
        uint64_t subject; /* bits 0-42 key number, 48-55 code, 56-63 flags */
        uint64_t cost;
        uint32_t subscription;
        uint32_t environment;
        uint8_t ip[16];
        uint8_t family;
        uint8_t zero_a;
        uint16_t generation; /* of the key */
        uint32_t route;
        uint64_t zero_b; /* for status, bytes and latency of the answer */
};
_Static_assert(sizeof(struct tk_format_event) == 64, "event");

#define TK_EVENT_RESERVED       UINT8_C(1)  /* admitted, and its cost may be settled later */
#define TK_EVENT_SETTLED        UINT8_C(2)  /* no request: a reservation was settled with this cost */
#define TK_EVENT_RELEASED       UINT8_C(4)  /* no request: a reservation was given up */
#define TK_EVENT_SHADOW_REFUSED UINT8_C(8)  /* a limit that is not enforced would have refused it */
#define TK_EVENT_NAMED_OVERFLOW UINT8_C(16) /* a named limit found no place and shared one */
#define TK_EVENT_NUMBER_MASK    ((UINT64_C(1) << 43) - 1)
#define TK_EVENT_CODE_SHIFT     48
#define TK_EVENT_FLAGS_SHIFT    56

struct tk_format_ring {
        _Atomic uint64_t head;
        _Atomic uint64_t dropped;
        _Atomic uint32_t owner_pid; /* 0: given back */
        _Atomic uint32_t orphaned;  /* owners that did not give it back */
        uint8_t zero_a[40];
        _Atomic uint64_t tail;
        uint8_t zero_b[56];
        struct tk_format_event events[];
};
_Static_assert(sizeof(struct tk_format_ring) == 128, "head of a ring");
#define TK_RING_HEAD_LINES 2

#endif
