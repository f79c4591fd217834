/*
 * The arithmetic of limits. Pure but for the shared slot that it is given; lock-free; any number of threads and
 * processes on one slot. Exact from 1 a month to 10^9 a second for any cost (DESIGN.md section 6).
 *
 * Why 128 bits: a token bucket is exact when time is counted in units of 1/N' ns, N' and W' being limit and window in
 * lowest terms: one unit of cost is then exactly W' of them. Nanoseconds of a clock times N' outgrow 64 bits.
 */
#ifndef TK_CORE_LIMIT_H
#define TK_CORE_LIMIT_H

#include "core/calendar.h"
#include "core/error.h"
#include "core/str.h"

#include <stdint.h>

#define TK_NEVER UINT64_MAX /* a time that is merely too long for 64 bits is TK_NEVER - 1 */

#define TK_LIMIT_NAME_MAX      32                         /* bytes, without NUL */
#define TK_LIMIT_UNITS_MAX     UINT64_C(1000000000000000) /* 10^15: limit, burst */
#define TK_LIMIT_COST_MAX      UINT64_C(1000000000000)    /* 10^12: cost of one request */
#define TK_LIMIT_WINDOW_MAX_NS (UINT64_C(366) * 86400 * TK_NS_PER_S)
#define TK_LIMIT_LENGTH_MAX_S  (INT64_C(3660) * 86400) /* of a fixed window */

/* The clocks of deciders that share a slot, as they read them for one decision, are at most this far apart. */
#define TK_RATE_SKEW_NS (UINT64_C(60) * TK_NS_PER_S)

/*
 * The shared state of one limit: 16 bytes, compared and exchanged as a whole.
 *   rate:    the theoretical arrival time in units of 1/N' ns of the boot clock, as one 128-bit number (lo, hi)
 *   window:  lo = units used, hi = the label of the period they were used in (tk_window_label)
 *   credits: lo = units spent, ever, hi = units gone, ever, when it was charged last
 * All zero is a fresh limit. The two highest bits are none of these: they say that the limit moves to another slot (core/slot.h).
 */
struct tk_slot {
        _Alignas(16) uint64_t lo;
        uint64_t hi;
};
_Static_assert(sizeof(struct tk_slot) == 16, "a slot is exchanged by one 16-byte instruction");

/* What a limit says to a request. */
struct tk_limit_state {
        bool admitted;
        uint64_t remaining; /* units that would be admitted at once, after this cost if it was admitted */
        uint64_t wait_ns;   /* when refused: until `cost` would be admitted, or TK_NEVER; else 0 */
        uint64_t reset_ns;  /* until the limit is whole again: full bucket, or end of the period */
};

/*
 * A look at a limit that can be turned into a charge by one exchange: for who must look at several before charging any. Says
 * nothing of what remains; tk_rate_describe() and tk_window_describe() do, of `seen` or of `charged`.
 */
struct tk_offer {
        struct tk_slot seen;    /* what the slot held */
        struct tk_slot charged; /* what it will hold with the cost in it; when refused: undefined */
        uint64_t wait_ns;       /* 0: the cost fits; else until it would, or TK_NEVER */
        bool beyond;            /* rates: nobody whose clock is now_ns can have written `seen` */
        int64_t period_s;       /* windows: the period's start and end */
        int64_t period_end_s;
};

/*
 * Whether the limit moves to another slot: then wait_ns is TK_NEVER, and nothing else of the offer holds. Neither an admission nor a
 * refusal follows from that: ask again where it is then (docs/decisions/0012).
 */
static inline bool tk_offer_closed(const struct tk_offer *offer)
{
        return offer->seen.hi >> 63;
}

/* Charge what was offered; false, and nothing charged, when the slot has changed since: look again. */
bool tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer);

/* ---- rate: GCRA, ITU-T I.371 annex A, virtual scheduling ---- */

struct tk_rate {
        uint64_t units;    /* N', limit over gcd */
        uint64_t interval; /* W', window in ns over gcd: one unit of cost, in 1/N' ns */
        uint64_t burst;
};

/*
 *   limit      1 to TK_LIMIT_UNITS_MAX units per window, at most 10^9 a second
 *   window_ns  1 to TK_LIMIT_WINDOW_MAX_NS
 *   burst      1 to TK_LIMIT_UNITS_MAX
 * TK_INVALID when outside; whatever it accepts is exact.
 */
enum tk_err tk_rate_init(uint64_t limit, uint64_t window_ns, uint64_t burst, struct tk_rate *ret_rate);

/*
 * Admit `cost` units (meant: 0 to TK_LIMIT_COST_MAX; safe: any) at now_ns, or refuse and charge nothing. Cost 0
 * is always admitted and charges nothing.
 * Over any interval t at most burst + t * limit / window is admitted. When time goes back the bucket never looks
 * fuller for it, only emptier, until time has caught up.
 * The state is clamped: an arrival time later than now + burst * window / limit + TK_RATE_SKEW_NS, which only
 * garbage or a clock that was put back by more than the skew can leave, is lowered to that instant by the next
 * call, admitted or not. The limit then refuses for at most the skew longer than an empty bucket would. So now_ns may not be
 * older than the skew: who cannot promise that uses tk_rate_offer(), tk_offer_take() and tk_rate_lower().
 */
bool tk_rate_admit(struct tk_slot *slot, const struct tk_rate *rate, uint64_t now_ns, uint64_t cost,
                   struct tk_limit_state *ret_state);

/* What tk_rate_admit would say, charging nothing (remaining is before the cost). */
bool tk_rate_peek(const struct tk_slot *slot, const struct tk_rate *rate, uint64_t now_ns, uint64_t cost,
                  struct tk_limit_state *ret_state);

/* A look; changes nothing. Of a slot that must be clamped (`beyond`) it says what the clamped one would. */
void tk_rate_offer(struct tk_slot *slot, const struct tk_rate *rate, uint64_t now_ns, uint64_t cost,
                   struct tk_offer *ret_offer);

/*
 * Clamp a slot that was seen beyond what anybody can have written. now_ns must have been read from the clock after `seen` from the slot:
 * a reading from before, however old, would take what others have charged since for garbage, and fill the bucket.
 */
void tk_rate_lower(struct tk_slot *slot, const struct tk_slot *seen, const struct tk_rate *rate,
                   uint64_t now_ns);

/* What remains of a slot with this value, and until when; wait_ns and admitted are not touched. */
void tk_rate_describe(const struct tk_slot *value, const struct tk_rate *rate, uint64_t now_ns,
                      struct tk_limit_state *ret_state);

/*
 * The units in use under from_rate (rounded up, at most the new burst) as a slot for another rate: for a plan
 * change, which gives a limit a new slot because ticks differ. What is charged to `from` after the read is not
 * carried.
 */
void tk_rate_carry(const struct tk_slot *from, const struct tk_rate *from_rate, const struct tk_rate *rate,
                   uint64_t now_ns, struct tk_slot *ret_slot);

/* ---- window: at most `limit` units a period ---- */

/*
 * That the clock which gives now_ns was put back: when last, by itself as it is now (a step forward moves that, too), and how often. All
 * zero: never.
 */
struct tk_put_back {
        int64_t at_s;
        uint16_t times;
};

struct tk_window {
        uint64_t limit; /* 0 to TK_LIMIT_UNITS_MAX; 0 admits nothing */
        enum tk_period_kind kind;
        int64_t length_s; /* for TK_PERIOD_FIXED */
        int64_t anchor_s; /* 0 = UTC; to TK_TIME_MAX_S */
        struct tk_put_back back;
};

/*
 * A slot says in which period its units were used by a label: the period's start, and above that how often the clock had been put back
 * (docs/decisions/0008). At most `limit` units are admitted under a label, and a label only ever grows.
 */
#define TK_WINDOW_PERIOD_BITS 48

#define TK_WINDOW_TIMES_MAX 16383 /* above it are a slot's top bits */

static inline uint64_t tk_window_label(uint16_t times_back, int64_t period_s)
{
        return (uint64_t)times_back << TK_WINDOW_PERIOD_BITS | (uint64_t)period_s;
}

static inline uint16_t tk_window_label_times_back(uint64_t label)
{
        return (uint16_t)(label >> TK_WINDOW_PERIOD_BITS);
}

static inline int64_t tk_window_label_period_s(uint64_t label)
{
        return (int64_t)(label & ((UINT64_C(1) << TK_WINDOW_PERIOD_BITS) - 1));
}

/*
 * As tk_rate_admit, without its clamp. A period never goes back by itself: when the slot holds a later label than now_ns gives,
 * that one counts, however late, so that nothing is admitted twice. What was charged to a later period before the clock was put
 * back counts until the period ends that it was put back into; and again when its own begins, until one length after the clock was
 * put back. A slot that holds garbage may refuse for ever (wait_ns TK_NEVER), but never over-admits.
 *   ret_label  that was charged, for tk_window_refund
 */
bool tk_window_admit(struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns, uint64_t cost,
                     struct tk_limit_state *ret_state, uint64_t *ret_label);

bool tk_window_peek(const struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns,
                    uint64_t cost, struct tk_limit_state *ret_state);

/* A look; changes nothing. */
void tk_window_offer(const struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns,
                     uint64_t cost, struct tk_offer *ret_offer);

/* As tk_rate_describe, in the period of the offer. */
void tk_window_describe(const struct tk_slot *value, const struct tk_window *window, uint64_t now_ns,
                        const struct tk_offer *offer, struct tk_limit_state *ret_state);

/* Give back `cost` charged under this label. False, and nothing given back: the slot has another, holds less than that, or is closed. */
bool tk_window_refund(struct tk_slot *slot, uint64_t label, uint64_t cost);

/* ---- credits: granted minus spent, both cumulative ---- */

/*
 * Grants expire in the order in which they are spent. `gone` is the part of `granted` that was in grants which have expired,
 * spent or not: what is left is granted - max(spent, gone). So a grant that is published twice is granted once, and an expiry needs
 * no write to the slot.
 *
 * The slot: lo = spent, or gone when it was charged last, and what was charged since; hi = gone when it was charged last. hi stands
 * where a window has its period, and tk_window_refund() takes it for one: what was charged before an expiry is not given back once
 * something was charged after it, when it would come out of a later grant.
 */
struct tk_credits {
        uint64_t granted, gone; /* units, ever: to TK_LIMIT_CREDITS_MAX */
};
#define TK_LIMIT_CREDITS_MAX                                                                                 \
        ((UINT64_C(1) << 62) -                                                                               \
         1) /* a charge on top of it does not wrap, and it leaves a slot's top bits alone */

/* A look; changes nothing. wait_ns is 0 or TK_NEVER. */
void tk_credits_offer(const struct tk_slot *slot, const struct tk_credits *credits, uint64_t cost,
                      struct tk_offer *ret_offer);

/* As tk_rate_describe. reset_ns is TK_NEVER: nothing comes back by itself. */
void tk_credits_describe(const struct tk_slot *value, const struct tk_credits *credits,
                         struct tk_limit_state *ret_state);

/* ---- the definition of a limit, as users write it ---- */

enum tk_limit_kind { TK_LIMIT_RATE = 1, TK_LIMIT_WINDOW = 2, TK_LIMIT_CREDITS = 3 };

struct tk_limit_def {
        enum tk_limit_kind kind;
        enum tk_period_kind period; /* window limits; TK_PERIOD_FIXED for rates */
        bool anchored; /* window limits: periods begin at the subscription's start, not at UTC boundaries */
        uint64_t limit;
        uint64_t burst;   /* rates; 0 elsewhere */
        int64_t length_s; /* rates and fixed windows: seconds; 0 for calendar periods */
        bool shadow;      /* counted and told, not enforced */
        char name[TK_LIMIT_NAME_MAX + 1];
};

/*
 * `per` as users write it.
 *   rate:   a duration (`10s`, `1m`) or second, sec, s, minute, min, m, hour, h, day, d, month (30 days)
 *   window: a duration is a fixed window; hour, day, week, month are calendar periods
 * Sets period and length_s. False when it is neither.
 */
bool tk_limit_per_parse(enum tk_limit_kind kind, struct tk_str per, enum tk_period_kind *ret_period,
                        int64_t *ret_length_s);

/* The canonical `per` of a definition: "1m", "month". At most 24 bytes with NUL. Answers hold it: no printf. */
void tk_limit_per_format(enum tk_period_kind period, int64_t length_s, char ret_text[24]);

/*
 * `100/min` or `100/min,burst=200` for a rate, `1000/day` for a window. The name is left empty, burst defaults to
 * limit. Syntax only: ranges are for tk_limit_def_check().
 */
bool tk_limit_text_parse(enum tk_limit_kind kind, struct tk_str text, struct tk_limit_def *ret_def);

/* Every range and combination. On TK_INVALID *ret_why says in a phrase what is wrong (static storage). */
enum tk_err tk_limit_def_check(const struct tk_limit_def *def, const char **ret_why);

#endif
