/*
 * How a limit's slot is read and exchanged: shared by rate.c and window.c, included by nothing outside core.
 * On the decision path; any number of threads and processes.
 *
 * Writes are one 16-byte compare-and-exchange (cmpxchg16b), a full barrier. __sync and not __atomic builtins,
 * because GCC turns the latter into calls of libatomic, which may take a lock that processes do not share.
 */
#ifndef TK_CORE_SLOT_H
#define TK_CORE_SLOT_H

#include "core/limit.h"

typedef unsigned __int128 tk_u128;
typedef unsigned __int128 __attribute__((may_alias)) tk_slot_word;

static inline tk_u128 tk_slot_join(uint64_t hi, uint64_t lo)
{
        return (tk_u128)hi << 64 | lo;
}

static inline struct tk_slot tk_slot_of(tk_u128 value)
{
        return (struct tk_slot){.lo = (uint64_t)value, .hi = (uint64_t)(value >> 64)};
}

static inline tk_u128 tk_slot_value(const struct tk_slot *slot)
{
        return tk_slot_join(slot->hi, slot->lo);
}

/*
 * Two bits above all that a limit keeps: rates stay under 2^116, windows' labels and what has gone of credits under 2^62 in the upper
 * word. Closed: what the slot holds is final, and counts elsewhere from some moment on (docs/decisions/0012). Both: it counts elsewhere,
 * and the lower word says where.
 */
#define TK_SLOT_CLOSED    ((tk_u128)1 << 127)
#define TK_SLOT_FORWARDED ((tk_u128)3 << 126)

static inline bool tk_slot_closed(tk_u128 stored)
{
        return stored >= TK_SLOT_CLOSED;
}

static inline bool tk_slot_forwarded(tk_u128 stored)
{
        return stored >= TK_SLOT_FORWARDED;
}

/* What the limit holds, also where it is closed; nothing where that is elsewhere. */
static inline tk_u128 tk_slot_plain(tk_u128 stored)
{
        return tk_slot_forwarded(stored) ? 0 : stored & ~TK_SLOT_CLOSED;
}

/*
 * A value that the slot held. Two 8-byte loads, the high word again, and all over when it changed: the high
 * word of a window (a period) and of a rate (the top of an arrival time) only grows, so where both reads of
 * it agree it stood still and the low word between them belongs to it. Only the clamp of a rate ever lowers
 * it, by more than TK_RATE_SKEW_NS, and would have to fall between these loads together with the carry that
 * it undoes. Closing sets the top of the high word, and opening again clears it; the low word stands still meanwhile.
 *
 * Not a compare-and-exchange of the value with itself, the other way to read 16 bytes: that takes the line away
 * from who charges, for each mere look, and it needs a slot that may be written, while a look takes a const one.
 */
static inline tk_u128 tk_slot_read(const struct tk_slot *slot)
{
        for (;;) {
                uint64_t hi = __atomic_load_n(&slot->hi, __ATOMIC_ACQUIRE);
                uint64_t lo = __atomic_load_n(&slot->lo, __ATOMIC_ACQUIRE);
                if (__atomic_load_n(&slot->hi, __ATOMIC_RELAXED) == hi)
                        return tk_slot_join(hi, lo);
        }
}

/* Replace *expected by desired; false, and *expected what the slot holds, when another was faster. */
static inline bool tk_slot_exchange(struct tk_slot *slot, tk_u128 *expected, tk_u128 desired)
{
        tk_u128 held = __sync_val_compare_and_swap((tk_slot_word *)slot, *expected, desired);

        if (held == *expected)
                return true;
        *expected = held;
        return false;
}

/* Close it, and say what it holds from now on. Every charge is an exchange of the whole slot, so none can come after this. */
static inline tk_u128 tk_slot_close(struct tk_slot *slot)
{
        tk_u128 stored = tk_slot_read(slot);

        while (!tk_slot_closed(stored) && !tk_slot_exchange(slot, &stored, stored | TK_SLOT_CLOSED))
                ;
        return tk_slot_plain(stored);
}

/* Let it be charged again, where nobody said that it counts elsewhere. */
static inline void tk_slot_open(struct tk_slot *slot)
{
        tk_u128 stored = tk_slot_read(slot);

        while (tk_slot_closed(stored) && !tk_slot_forwarded(stored) &&
               !tk_slot_exchange(slot, &stored, stored & ~TK_SLOT_CLOSED))
                ;
}

#endif
