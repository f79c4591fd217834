/*
 * Window limits (limit.h): units used in the period that a slot names. On the decision path: lock-free, no
 * allocation, no clock of its own. Any number of threads and processes on one slot.
 */
#include "core/limit.h"

#include "core/slot.h"

struct usage {
        uint64_t period_s; /* as stored: seconds since 1970 */
        uint64_t used;
};

static struct usage unpack(tk_u128 stored)
{
        return (struct usage){.period_s = (uint64_t)(stored >> 64), .used = (uint64_t)stored};
}

static tk_u128 pack(struct usage usage)
{
        return tk_slot_join(usage.period_s, usage.used);
}

/* The current period is reckoned once: that of months is most of the work. */
static void find_period(const struct tk_window *window, uint64_t now_ns, struct tk_offer *offer)
{
        tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)(now_ns / TK_NS_PER_S),
                     &offer->period_s, &offer->period_end_s);
        if (offer->period_s < 0)
                offer->period_s = 0; /* the one that begins before 1970: a slot holds no negative times */
}

/* Until when a later period than the current one counts, where the clock was put back: 0 is for ever. */
static int64_t later_counts_until(const struct tk_window *window, const struct tk_offer *offer)
{
        return window->back_s ? window->back_s + (offer->period_end_s - offer->period_s) : 0;
}

/* The stored usage, unless its period is over. A later period counts too: a period never goes back by itself. */
static struct usage usage_now(tk_u128 stored, const struct tk_window *window, uint64_t now_ns,
                              const struct tk_offer *offer)
{
        struct usage usage = unpack(stored);
        bool over = usage.period_s < (uint64_t)offer->period_s;

        if (usage.period_s > (uint64_t)offer->period_s) {
                int64_t until_s = later_counts_until(window, offer);
                over = until_s != 0 && (int64_t)(now_ns / TK_NS_PER_S) >= until_s;
        }
        return over ? (struct usage){.period_s = (uint64_t)offer->period_s, .used = 0} : usage;
}

static uint64_t left(const struct tk_window *window, const struct usage *usage)
{
        return usage->used < window->limit ? window->limit - usage->used : 0;
}

/* Nanoseconds from now to the end of the period that counts; TK_NEVER where the stored one is no time. */
static uint64_t until_end(const struct tk_window *window, uint64_t now_ns, const struct tk_offer *offer,
                          const struct usage *usage)
{
        int64_t start_s, end_s = offer->period_end_s;
        int64_t until_s = later_counts_until(window, offer);
        bool later = usage->period_s != (uint64_t)offer->period_s;

        if (later && usage->period_s > (uint64_t)TK_TIME_MAX_S && until_s == 0)
                return TK_NEVER;
        if (later && usage->period_s <= (uint64_t)TK_TIME_MAX_S)
                tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)usage->period_s,
                             &start_s, &end_s);
        if (later && until_s != 0 && (until_s < end_s || usage->period_s > (uint64_t)TK_TIME_MAX_S))
                end_s = until_s;
        tk_u128 left_ns = (tk_u128)end_s * TK_NS_PER_S - now_ns;
        return left_ns < TK_NEVER ? (uint64_t)left_ns : TK_NEVER - 1;
}

void tk_window_describe(const struct tk_slot *value, const struct tk_window *window, uint64_t now_ns,
                        const struct tk_offer *offer, struct tk_limit_state *ret_state)
{
        struct usage usage = usage_now(tk_slot_value(value), window, now_ns, offer);

        ret_state->remaining = left(window, &usage);
        ret_state->reset_ns = until_end(window, now_ns, offer, &usage);
}

static void look(tk_u128 stored, const struct tk_window *window, uint64_t now_ns, uint64_t cost,
                 struct tk_offer *offer)
{
        struct usage usage = usage_now(stored, window, now_ns, offer);

        offer->seen = tk_slot_of(stored);
        offer->wait_ns = 0;
        if (cost > left(window, &usage))
                offer->wait_ns = cost > window->limit ? TK_NEVER : until_end(window, now_ns, offer, &usage);
        usage.used += cost;
        offer->charged = tk_slot_of(pack(usage));
}

void tk_window_offer(const struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns,
                     uint64_t cost, struct tk_offer *ret_offer)
{
        find_period(window, now_ns, ret_offer);
        look(tk_slot_read(slot), window, now_ns, cost, ret_offer);
}

bool tk_window_admit(struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns, uint64_t cost,
                     struct tk_limit_state *ret_state, int64_t *ret_period_s)
{
        struct tk_offer offer;
        bool charged = false;

        find_period(window, now_ns, &offer);
        do {
                look(tk_slot_read(slot), window, now_ns, cost, &offer);
                charged = offer.wait_ns == 0 && cost > 0;
        } while (charged && !tk_offer_take(slot, &offer));

        tk_window_describe(charged ? &offer.charged : &offer.seen, window, now_ns, &offer, ret_state);
        ret_state->wait_ns = offer.wait_ns;
        ret_state->admitted = offer.wait_ns == 0;
        *ret_period_s = (int64_t)offer.charged.hi;
        return ret_state->admitted;
}

bool tk_window_peek(const struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns,
                    uint64_t cost, struct tk_limit_state *ret_state)
{
        struct tk_offer offer;

        tk_window_offer(slot, window, now_ns, cost, &offer);
        tk_window_describe(&offer.seen, window, now_ns, &offer, ret_state);
        ret_state->wait_ns = offer.wait_ns;
        ret_state->admitted = offer.wait_ns == 0;
        return ret_state->admitted;
}

void tk_window_refund(struct tk_slot *slot, int64_t period_s, uint64_t cost)
{
        tk_u128 stored = tk_slot_read(slot);
        struct usage usage;

        do {
                usage = unpack(stored);
                if (usage.period_s != (uint64_t)period_s || usage.used < cost)
                        return;
                usage.used -= cost;
        } while (!tk_slot_exchange(slot, &stored, pack(usage)));
}
