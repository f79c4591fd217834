/*
 * Giving meters to keys and subscriptions, and moving one to other slots when its limits change. One thread, the publisher's,
 * while deciders charge. A slot never changes its meaning: what would change it gets another extent. Never takes one back.
 */
#include "gate/publisher.h"

#include "core/slot.h"

#include <string.h>

/* ---- which limits are the same ---- */

static bool same_name(const struct tk_format_limit *a, const struct tk_format_limit *b)
{
        return a->kind == b->kind && a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* What a slot's numbers mean: a rate's ticks, a window's periods. Amounts are no part of it. */
static bool same_meaning(const struct tk_format_limit *a, const struct tk_format_limit *b)
{
        if (!same_name(a, b) || a->slot != b->slot)
                return false;
        if (a->kind == TK_LIMIT_RATE)
                return a->rate_units == b->rate_units && a->rate_interval == b->rate_interval;
        return a->period == b->period && a->length_s == b->length_s && a->anchored == b->anchored;
}

static bool any_anchored(const struct tk_policy_view *view)
{
        for (uint32_t i = 0; i < view->policy->limit_count; i++)
                if (view->limits[i].anchored)
                        return true;
        return false;
}

static bool same_slots(const struct tk_extent_move *move)
{
        const struct tk_format_policy *from = move->from.policy, *to = move->to.policy;
        if (from->extent_lines != to->extent_lines || from->limit_count != to->limit_count)
                return false;
        for (uint32_t i = 0; i < to->limit_count; i++)
                if (!same_meaning(&move->from.limits[i], &move->to.limits[i]))
                        return false;
        return move->from_anchor_s == move->to_anchor_s || !any_anchored(&move->to);
}

/* The limit in the old policy that this one continues; -1: none. */
static int predecessor(const struct tk_extent_move *move, const struct tk_format_limit *limit)
{
        for (uint32_t i = 0; i < move->from.policy->limit_count; i++)
                if (same_name(&move->from.limits[i], limit))
                        return (int)i;
        return -1;
}

/* ---- one slot ---- */

static struct tk_rate rate_of(const struct tk_format_limit *limit)
{
        return (struct tk_rate){limit->rate_units, limit->rate_interval, limit->burst};
}

static struct tk_window window_of(const struct tk_format_limit *limit, int64_t anchor_s)
{
        return (struct tk_window){limit->limit, (enum tk_period_kind)limit->period, limit->length_s,
                                  limit->anchored ? anchor_s : 0};
}

static uint64_t period_start(const struct tk_window *window, uint64_t now_ns)
{
        int64_t start_s, end_s;
        tk_period_at(window->kind, window->length_s, window->anchor_s, (int64_t)(now_ns / TK_NS_PER_S),
                     &start_s, &end_s);
        return start_s < 0 ? 0 : (uint64_t)start_s;
}

/* Units used in the period that runs; exact also above a limit that was lowered. */
static uint64_t window_used(const struct tk_slot *slot, const struct tk_window *window, uint64_t now_ns)
{
        return slot->hi >= period_start(window, now_ns) ? slot->lo : 0;
}

static void copy_slot(const struct tk_extent_move *move, int from, const struct tk_format_limit *to,
                      struct tk_slot *ret_slot)
{
        const struct tk_format_limit *old = &move->from.limits[from];
        if (to->kind == TK_LIMIT_RATE) {
                struct tk_rate old_rate = rate_of(old), new_rate = rate_of(to);
                tk_rate_carry(&move->seen[from], &old_rate, &new_rate, move->now_ns, ret_slot);
                return;
        }
        struct tk_window old_window = window_of(old, move->from_anchor_s);
        struct tk_window new_window = window_of(to, move->to_anchor_s);
        ret_slot->lo = window_used(&move->seen[from], &old_window, move->now_ns);
        ret_slot->hi = period_start(&new_window, move->now_ns);
}

static struct tk_slot read_slot(const struct tk_slot *slot)
{
        tk_u128 value = tk_slot_read(slot);
        return (struct tk_slot){.lo = (uint64_t)value, .hi = (uint64_t)(value >> 64)};
}

/* What is left of a limit, in units. */
static uint64_t remaining(const struct tk_slot *slot, const struct tk_format_limit *limit, int64_t anchor_s,
                          uint64_t now_ns)
{
        struct tk_limit_state state;
        struct tk_rate rate = rate_of(limit);
        struct tk_window window = window_of(limit, anchor_s);
        if (limit->kind == TK_LIMIT_RATE)
                tk_rate_peek(slot, &rate, now_ns, 0, &state);
        else
                tk_window_peek(slot, &window, now_ns, 0, &state);
        return state.remaining;
}

/* Charge these units, or what is left where that is less. */
static void charge(struct tk_slot *slot, const struct tk_format_limit *limit, int64_t anchor_s,
                   uint64_t now_ns, uint64_t units)
{
        struct tk_limit_state state;
        struct tk_rate rate = rate_of(limit);
        struct tk_window window = window_of(limit, anchor_s);
        int64_t period_s;
        bool admitted = false;

        while (!admitted && units > 0) {
                admitted = limit->kind == TK_LIMIT_RATE
                                   ? tk_rate_admit(slot, &rate, now_ns, units, &state)
                                   : tk_window_admit(slot, &window, now_ns, units, &state, &period_s);
                units = state.remaining < units ? state.remaining : units;
        }
}

/* ---- the move ---- */

static void copy_usage(struct tk_extent_move *move)
{
        struct tk_format_meter *from = move->from_meter, *to = move->to_meter;
        move->seen_admitted = atomic_load_explicit(&from->admitted, memory_order_relaxed);
        move->seen_refused = atomic_load_explicit(&from->refused, memory_order_relaxed);
        atomic_init(&to->admitted, move->seen_admitted);
        atomic_init(&to->refused, move->seen_refused);
        atomic_init(&to->last_used_s, atomic_load_explicit(&from->last_used_s, memory_order_relaxed));

        for (uint32_t i = 0; i < move->from.policy->limit_count; i++)
                move->seen[i] = read_slot(&from->slots[move->from.limits[i].slot]);
        for (uint32_t i = 0; i < move->to.policy->limit_count; i++) {
                const struct tk_format_limit *limit = &move->to.limits[i];
                int old = predecessor(move, limit);
                if (old >= 0)
                        copy_slot(move, old, limit, &to->slots[limit->slot]);
        }
}

static bool view_binding(const struct tk_publisher *publisher, enum tk_record_kind kind, uint64_t binding,
                         struct tk_policy_view *ret_view, struct tk_format_meter **ret_meter)
{
        if (!tk_policy_view(tk_publisher_area(publisher, TK_FILE_POLICY), tk_pair_low(binding), kind,
                            ret_view))
                return false;
        *ret_meter = tk_area_at(tk_publisher_area(publisher, TK_FILE_METERS), tk_pair_high(binding),
                                ret_view->policy->extent_lines);
        return *ret_meter != NULL;
}

static enum tk_err take_extent(struct tk_publisher *publisher, uint32_t lines, uint32_t *ret_line)
{
        struct tk_area *meters = tk_publisher_area(publisher, TK_FILE_METERS);
        uint64_t line = tk_area_used(meters);
        if (line + lines > UINT32_MAX)
                return TK_FULL;
        enum tk_err err = tk_area_reserve(meters, line + lines);
        if (err)
                return err;
        tk_area_use(meters, line + lines);
        /* Fresh memory is zero, unless a decider wrote where it should not. */
        memset(meters->lines + line * meters->line_bytes, 0, (size_t)lines * meters->line_bytes);
        *ret_line = (uint32_t)line;
        return TK_OK;
}

enum tk_err tk_extent_prepare(struct tk_publisher *publisher, enum tk_record_kind kind, uint64_t old_binding,
                              uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding)
{
        if (!tk_policy_view(tk_publisher_area(publisher, TK_FILE_POLICY), policy, kind, &move->to))
                return TK_CORRUPT;
        move->from_meter = NULL;
        bool bound = old_binding != 0 &&
                     view_binding(publisher, kind, old_binding, &move->from, &move->from_meter);
        if (bound && same_slots(move)) {
                move->to_meter = move->from_meter;
                *ret_binding = tk_pair(policy, tk_pair_high(old_binding));
                return TK_OK;
        }

        uint32_t line;
        enum tk_err err = take_extent(publisher, move->to.policy->extent_lines, &line);
        if (err)
                return err;
        move->to_meter = tk_area_at(tk_publisher_area(publisher, TK_FILE_METERS), line, 1);
        if (bound)
                copy_usage(move);
        *ret_binding = tk_pair(policy, line);
        return TK_OK;
}

static void add_counted(const struct tk_extent_move *move)
{
        struct tk_format_meter *from = move->from_meter, *to = move->to_meter;
        uint64_t admitted = atomic_load_explicit(&from->admitted, memory_order_relaxed);
        uint32_t refused = atomic_load_explicit(&from->refused, memory_order_relaxed);
        atomic_fetch_add_explicit(&to->admitted, admitted - move->seen_admitted, memory_order_relaxed);
        atomic_fetch_add_explicit(&to->refused, refused - move->seen_refused, memory_order_relaxed);
}

void tk_extent_finish(struct tk_extent_move *move)
{
        if (!move->from_meter || move->from_meter == move->to_meter)
                return;
        add_counted(move);
        for (uint32_t i = 0; i < move->to.policy->limit_count; i++) {
                const struct tk_format_limit *limit = &move->to.limits[i];
                int from = predecessor(move, limit);
                if (from < 0)
                        continue;
                const struct tk_format_limit *old = &move->from.limits[from];
                struct tk_slot now = read_slot(&move->from_meter->slots[old->slot]);
                uint64_t before = remaining(&move->seen[from], old, move->from_anchor_s, move->now_ns);
                uint64_t after = remaining(&now, old, move->from_anchor_s, move->now_ns);
                if (after < before)
                        charge(&move->to_meter->slots[limit->slot], limit, move->to_anchor_s, move->now_ns,
                               before - after);
        }
}
