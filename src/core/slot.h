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
 * A value that the slot held. Two 8-byte loads, the high word again, and all over when it changed: the high
 * word of a window (a period) and of a rate (the top of an arrival time) only grows, so where both reads of
 * it agree it stood still and the low word between them belongs to it. Only the clamp of a rate ever lowers
 * it, by more than TK_RATE_SKEW_NS, and would have to fall between these loads together with the carry that
 * it undoes.
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

#endif
