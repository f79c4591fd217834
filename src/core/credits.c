/*
 * Prepaid credits (limit.h): granted minus spent. On the decision path: lock-free, no allocation, no clock. Any number of
 * threads and processes on one slot. Never changes what was granted: that is published beside the slot.
 */
#include "core/limit.h"

#include "core/slot.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* What had gone by the newest that anyone knows: others may have charged by a later state of the grants than ours. */
static uint64_t gone(const struct tk_slot *value, const struct tk_credits *credits)
{
        return larger(value->hi, credits->gone);
}

/* Spent, or gone unspent. */
static uint64_t taken(const struct tk_slot *value, const struct tk_credits *credits)
{
        return larger(value->lo, gone(value, credits));
}

/* A slot that holds garbage above all grants leaves nothing; it never wraps. */
static uint64_t left(const struct tk_slot *value, const struct tk_credits *credits)
{
        uint64_t used = taken(value, credits);

        return used < credits->granted ? credits->granted - used : 0;
}

void tk_credits_offer(const struct tk_slot *slot, const struct tk_credits *credits, uint64_t cost,
                      struct tk_offer *ret_offer)
{
        ret_offer->seen = tk_slot_of(tk_slot_read(slot));
        ret_offer->beyond = false;
        ret_offer->period_s = ret_offer->period_end_s = 0;
        if (__builtin_expect(tk_offer_closed(ret_offer), false)) {
                ret_offer->wait_ns = TK_NEVER;
                return;
        }
        ret_offer->wait_ns = cost > left(&ret_offer->seen, credits) ? TK_NEVER : 0;
        ret_offer->charged = (struct tk_slot){.lo = taken(&ret_offer->seen, credits) + cost,
                                              .hi = gone(&ret_offer->seen, credits)};
}

void tk_credits_describe(const struct tk_slot *value, const struct tk_credits *credits,
                         struct tk_limit_state *ret_state)
{
        ret_state->remaining = left(value, credits);
        ret_state->reset_ns = TK_NEVER;
}
