/*
 * Since when a meter must have been used to be worth reading again: a moment by both clocks, as a time of
 * gate time as the clock is now. Gate time may have been set in between, forth or back: then the earlier of
 * both readings counts.
 */
#ifndef TK_SERVICE_USED_SINCE_H
#define TK_SERVICE_USED_SINCE_H

#include "gate/meter_read.h"

/* 1, which is everything that was ever used, where `since` is all zero. */
static inline uint32_t tk_used_since_s(const struct tk_moment *since, const struct tk_moment *now,
                                       uint32_t margin_s)
{
        uint64_t passed_ns = now->boot_ns > since->boot_ns ? now->boot_ns - since->boot_ns : 0;
        uint64_t by_now_ns = now->gate_ns > passed_ns ? now->gate_ns - passed_ns : 0;
        uint64_t earlier_ns = since->gate_ns < by_now_ns ? since->gate_ns : by_now_ns;
        uint64_t s = earlier_ns / TK_NS_PER_S;
        s = s > margin_s ? s - margin_s : 1;
        return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

#endif
