/*
 * Prepaid credits (limit.h): granted minus spent. On the decision path: lock-free, no allocation, no clock. Any number of
 * threads and processes on one slot. Never changes what was granted: that is published beside the slot.
 */
#include "core/limit.h"

#include "core/slot.h"

/* A slot that holds garbage above all grants leaves nothing; it never wraps. */
static uint64_t spent(const struct tk_slot *value, const struct tk_credits *credits)
{
        return value->lo > credits->gone ? value->lo : credits->gone;
}

static uint64_t left(const struct tk_slot *value, const struct tk_credits *credits)
{
        uint64_t taken = spent(value, credits);

        return value->hi == 0 && taken < credits->granted ? credits->granted - taken : 0;
}

void tk_credits_offer(const struct tk_slot *slot, const struct tk_credits *credits, uint64_t cost,
                      struct tk_offer *ret_offer)
{
        ret_offer->seen = tk_slot_of(tk_slot_read(slot));
        ret_offer->wait_ns = cost > left(&ret_offer->seen, credits) ? TK_NEVER : 0;
        ret_offer->charged = (struct tk_slot){.lo = spent(&ret_offer->seen, credits) + cost, .hi = 0};
        ret_offer->period_s = ret_offer->period_end_s = 0;
}

void tk_credits_describe(const struct tk_slot *value, const struct tk_credits *credits,
                         struct tk_limit_state *ret_state)
{
        ret_state->remaining = left(value, credits);
        ret_state->reset_ns = TK_NEVER;
}
