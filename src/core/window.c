/*
 * Window limits (limit.h): units used in the period that a slot names. On the decision path: lock-free, no
 * allocation, no clock of its own. Any number of threads and processes on one slot.
 */
#include "core/limit.h"

#include "core/slot.h"

struct usage {
        uint64_t label;
        uint64_t used;
};

static struct usage unpack(tk_u128 stored)
{
        return (struct usage){.label = (uint64_t)(stored >> 64), .used = (uint64_t)stored};
}

static tk_u128 pack(struct usage usage)
{
        return tk_slot_join(usage.label, usage.used);
}

/* The current period is reckoned once: that of months is most of the work. */
static void find_period(const struct tk_window *window, uint64_t now_ns, struct tk_offer *offer)
{
        tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)(now_ns / TK_NS_PER_S),
                     &offer->period_s, &offer->period_end_s);
        if (offer->period_s < 0)
                offer->period_s = 0; /* the one that begins before 1970: a slot holds no negative times */
}

static uint64_t label_now(const struct tk_window *window, const struct tk_offer *offer)
{
        return tk_window_label(window->back.times, offer->period_s);
}

static int64_t smaller(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

/* From before the clock was put back, and of the present period: it counts until that ends, and for its length after that step at most. */
static int64_t visit_ends_s(const struct tk_window *window, int64_t period_s, int64_t period_end_s)
{
        return smaller(period_end_s, window->back.at_s + (period_end_s - period_s));
}

/*
 * Whether what was used under this label counts now. A label as late as the present one, or later, always does: that of a decider whose
 * clock is ahead, or of one who knows already that the clock was put back. Of earlier ones, only those from before it was put back may
 * name a period that is not over: the present one, for a while, or a later one, which counts until the period ends that the clock was put
 * back into.
 */
static bool counts(uint64_t label, const struct tk_window *window, uint64_t now_ns,
                   const struct tk_offer *offer)
{
        uint64_t now = label_now(window, offer);
        int64_t period_s = tk_window_label_period_s(label);

        if (label >= now)
                return true;
        if (label >> TK_WINDOW_PERIOD_BITS == now >> TK_WINDOW_PERIOD_BITS || period_s < offer->period_s)
                return false;
        if (period_s == offer->period_s)
                return (int64_t)(now_ns / TK_NS_PER_S) <
                       visit_ends_s(window, offer->period_s, offer->period_end_s);
        return offer->period_s <= window->back.at_s;
}

/*
 * What counts now, under the label to which it is charged. An earlier visit to a period that the clock was not put back into ceases to count
 * within the period: so who goes on with it does so under the present label, which does not.
 */
static struct usage usage_now(tk_u128 stored, const struct tk_window *window, uint64_t now_ns,
                              const struct tk_offer *offer)
{
        struct usage usage = unpack(stored);

        if (!counts(usage.label, window, now_ns, offer))
                usage = (struct usage){.label = label_now(window, offer), .used = 0};
        return usage;
}

static uint64_t label_to_charge(uint64_t label, const struct tk_window *window, const struct tk_offer *offer)
{
        bool visit =
                tk_window_label_period_s(label) == offer->period_s && offer->period_s > window->back.at_s;
        uint64_t now = label_now(window, offer);

        return visit && label < now ? now : label;
}

static uint64_t left(const struct tk_window *window, const struct usage *usage)
{
        return usage->used < window->limit ? window->limit - usage->used : 0;
}

/* When what counts now ceases to. */
static int64_t ends_s(const struct tk_window *window, const struct tk_offer *offer, const struct usage *usage)
{
        int64_t start_s, end_s, period_s = tk_window_label_period_s(usage->label);
        bool earlier = usage->label < label_now(window, offer);

        if (period_s <= offer->period_s)
                return earlier ? visit_ends_s(window, offer->period_s, offer->period_end_s)
                               : offer->period_end_s;
        if (earlier && period_s > offer->period_end_s)
                return offer->period_end_s;
        tk_period_at(window->kind, window->length_s, window->anchor_s, period_s, &start_s, &end_s);
        if (!earlier)
                return end_s;
        end_s = visit_ends_s(window, start_s, end_s); /* it is the next one */
        return end_s > offer->period_end_s ? end_s : offer->period_end_s;
}

/* Nanoseconds until then; TK_NEVER where the stored period is no time. */
static uint64_t until_end(const struct tk_window *window, uint64_t now_ns, const struct tk_offer *offer,
                          const struct usage *usage)
{
        if (usage->label > label_now(window, offer) && tk_window_label_period_s(usage->label) > TK_TIME_MAX_S)
                return TK_NEVER;
        tk_u128 left_ns = (tk_u128)ends_s(window, offer, usage) * TK_NS_PER_S - now_ns;
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
        offer->seen = tk_slot_of(stored);
        offer->beyond = false;
        if (__builtin_expect(tk_slot_closed(stored), false)) {
                offer->charged = offer->seen;
                offer->wait_ns = TK_NEVER;
                return;
        }
        struct usage usage = usage_now(stored, window, now_ns, offer);
        offer->wait_ns = 0;
        if (cost > left(window, &usage))
                offer->wait_ns = cost > window->limit ? TK_NEVER : until_end(window, now_ns, offer, &usage);
        usage.label = label_to_charge(usage.label, window, offer);
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
                     struct tk_limit_state *ret_state, uint64_t *ret_label)
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
        *ret_label = offer.charged.hi;
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

bool tk_window_refund(struct tk_slot *slot, uint64_t label, uint64_t cost)
{
        tk_u128 stored = tk_slot_read(slot);
        struct usage usage;

        do {
                usage = unpack(stored);
                if (tk_slot_closed(stored) || usage.label != label || usage.used < cost)
                        return false;
                usage.used -= cost;
        } while (!tk_slot_exchange(slot, &stored, pack(usage)));
        return true;
}
