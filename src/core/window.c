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

/* A window at an instant. The current period is reckoned once: that of months is most of the work. */
struct view {
        const struct tk_window *window;
        uint64_t now_ns;
        uint64_t period_s; /* start of the current period, as stored */
        int64_t end_s;
};

/* The one period that begins before 1970 is stored as 0: a slot holds no negative times. */
static struct view view_at(const struct tk_window *window, uint64_t now_ns)
{
        struct view view = {.window = window, .now_ns = now_ns};
        int64_t start_s;

        tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)(now_ns / TK_NS_PER_S),
                     &start_s, &view.end_s);
        view.period_s = start_s < 0 ? 0 : (uint64_t)start_s;
        return view;
}

/* The stored usage, unless its period is over. A later period counts too: a period never goes back. */
static struct usage usage_now(const struct view *view, tk_u128 stored)
{
        struct usage usage = unpack(stored);

        if (usage.period_s < view->period_s)
                return (struct usage){.period_s = view->period_s, .used = 0};
        return usage;
}

static uint64_t left(const struct view *view, const struct usage *usage)
{
        return usage->used < view->window->limit ? view->window->limit - usage->used : 0;
}

/* Nanoseconds from now to the end of the period that counts; TK_NEVER where the stored one is no time. */
static uint64_t until_end(const struct view *view, const struct usage *usage)
{
        const struct tk_window *window = view->window;
        int64_t start_s, end_s = view->end_s;

        if (usage->period_s > (uint64_t)TK_TIME_MAX_S)
                return TK_NEVER;
        if (usage->period_s != view->period_s)
                tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)usage->period_s,
                             &start_s, &end_s);
        tk_u128 left_ns = (tk_u128)end_s * TK_NS_PER_S - view->now_ns;
        return left_ns < TK_NEVER ? (uint64_t)left_ns : TK_NEVER - 1;
}

static void describe(const struct view *view, const struct usage *usage, uint64_t cost, bool admitted,
                     struct tk_limit_state *ret_state)
{
        ret_state->admitted = admitted;
        ret_state->remaining = left(view, usage);
        ret_state->reset_ns = until_end(view, usage);
        if (admitted)
                ret_state->wait_ns = 0;
        else
                ret_state->wait_ns = cost > view->window->limit ? TK_NEVER : ret_state->reset_ns;
}

bool tk_window_admit(struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns, uint64_t cost,
                     struct tk_limit_state *ret_state, int64_t *ret_period_s)
{
        struct view view = view_at(window, now_ns);
        tk_u128 stored = tk_slot_read(slot);
        struct usage usage;
        bool admitted;

        do {
                usage = usage_now(&view, stored);
                admitted = cost <= left(&view, &usage);
                if (admitted)
                        usage.used += cost;
        } while (admitted && cost > 0 && !tk_slot_exchange(slot, &stored, pack(usage)));

        describe(&view, &usage, cost, admitted, ret_state);
        *ret_period_s = (int64_t)usage.period_s;
        return admitted;
}

bool tk_window_peek(const struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns,
                    uint64_t cost, struct tk_limit_state *ret_state)
{
        struct view view = view_at(window, now_ns);
        struct usage usage = usage_now(&view, tk_slot_read(slot));

        describe(&view, &usage, cost, cost <= left(&view, &usage), ret_state);
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
