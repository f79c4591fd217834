/*
 * Giving meters to keys and subscriptions, and moving one to other slots when its limits change. One thread, the publisher's,
 * while deciders charge. A slot never changes its meaning: what would change it gets another extent, and the one before rests among
 * the spares (spares.c). A limit that goes on in another slot is closed in the old one first, so that all that was charged is carried over, and
 * nothing is charged twice: docs/decisions/0012.
 */
#include "gate/publisher.h"

#include "core/slot.h"
#include "gate/forward.h"

#include <string.h>

/* ---- which limits are the same ---- */

static bool same_name(const struct tk_format_limit *a, const struct tk_format_limit *b)
{
        return a->kind == b->kind && a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* What a slot's numbers mean: a rate's ticks, a window's periods. Amounts are no part of it. */
static bool same_meaning(const struct tk_format_limit *a, const struct tk_format_limit *b)
{
        if (!same_name(a, b))
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
                if (!same_meaning(&move->from.limits[i], &move->to.limits[i]) ||
                    move->from.limits[i].slot != move->to.limits[i].slot)
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

static struct tk_window window_of(const struct tk_format_limit *limit, int64_t anchor_s,
                                  const struct tk_moment *now)
{
        return (struct tk_window){limit->limit, (enum tk_period_kind)limit->period, limit->length_s,
                                  limit->anchored ? anchor_s : 0, now->back};
}

/* Units used in the period that counts; exact also above a limit that was lowered. */
static uint64_t window_used(const struct tk_slot *slot, const struct tk_window *window, uint64_t gate_ns)
{
        struct tk_window unlimited = *window;
        struct tk_limit_state state;
        unlimited.limit = UINT64_MAX;
        tk_window_peek(slot, &unlimited, gate_ns, 0, &state);
        return UINT64_MAX - state.remaining;
}

/*
 * The time by which a window's slot is judged: now, or the start of the later period in which a decider that is a moment ahead, at a period's
 * end, has charged it already. Judged by now, its usage would be put down to the period that ends.
 */
static struct tk_moment time_of(const struct tk_slot *slot, const struct tk_moment *now)
{
        struct tk_moment at = *now;
        int64_t period_s = tk_window_label_period_s(slot->hi);
        if (tk_window_label_times_back(slot->hi) == now->back.times && period_s <= TK_TIME_MAX_S &&
            (uint64_t)period_s > now->gate_ns / TK_NS_PER_S)
                at.gate_ns = (uint64_t)period_s * TK_NS_PER_S;
        return at;
}

static void copy_window(const struct tk_extent_move *move, int from, const struct tk_format_limit *to,
                        struct tk_slot *ret_slot)
{
        struct tk_window old_window = window_of(&move->from.limits[from], move->from_anchor_s, &move->now);
        struct tk_window new_window = window_of(to, move->to_anchor_s, &move->now);
        struct tk_moment at = time_of(&move->closed[from], &move->now);
        int64_t start_s, end_s;
        tk_period_at(new_window.kind, new_window.length_s, new_window.anchor_s,
                     (int64_t)(at.gate_ns / TK_NS_PER_S), &start_s, &end_s);
        ret_slot->lo = window_used(&move->closed[from], &old_window, at.gate_ns);
        ret_slot->hi = tk_window_label(at.back.times, start_s < 0 ? 0 : start_s);
}

static void copy_slot(const struct tk_extent_move *move, int from, const struct tk_format_limit *to,
                      struct tk_slot *ret_slot)
{
        struct tk_rate old_rate = rate_of(&move->from.limits[from]), new_rate = rate_of(to);
        if (to->kind == TK_LIMIT_RATE)
                tk_rate_carry(&move->closed[from], &old_rate, &new_rate, move->now.boot_ns, ret_slot);
        else if (to->kind == TK_LIMIT_WINDOW)
                copy_window(move, from, to, ret_slot);
        else
                *ret_slot = move->closed[from]; /* credits: spent, ever */
}

/* ---- the move ---- */

/* One move at a time; whoever finds a slot closed, or adopts the files of a daemon that was killed, knows by it that it is under way. */
static void set_moving(struct tk_publisher *publisher, uint64_t owner)
{
        atomic_store_explicit(&tk_files_keys_header(&publisher->files)->moving, tk_seal(owner),
                              memory_order_release);
}

/* After this nobody can charge them, and no clock by which they were charged is ahead of the one that is read now. */
static void close_slots(struct tk_publisher *publisher, struct tk_extent_move *move)
{
        for (uint32_t i = 0; i < move->to.policy->limit_count; i++) {
                int old = predecessor(move, &move->to.limits[i]);
                if (old >= 0)
                        move->closed[old] = tk_slot_of(
                                tk_slot_close(&move->from_meter->slots[move->from.limits[old].slot]));
        }
        move->now = tk_files_now(&publisher->files);
}

static void carry_slots(struct tk_extent_move *move)
{
        for (uint32_t i = 0; i < move->to.policy->limit_count; i++) {
                const struct tk_format_limit *limit = &move->to.limits[i];
                int old = predecessor(move, limit);
                if (old >= 0)
                        copy_slot(move, old, limit, &move->to_meter->slots[limit->slot]);
        }
}

static void copy_counters(struct tk_extent_move *move)
{
        struct tk_format_meter *from = move->from_meter, *to = move->to_meter;
        move->seen_admitted = atomic_load_explicit(&from->admitted, memory_order_relaxed);
        move->seen_refused = atomic_load_explicit(&from->refused, memory_order_relaxed);
        atomic_init(&to->admitted, move->seen_admitted);
        atomic_init(&to->refused, move->seen_refused);
        atomic_init(&to->last_used_s, atomic_load_explicit(&from->last_used_s, memory_order_relaxed));
}

static bool view_binding(struct tk_publisher *publisher, const struct tk_extent_of *of,
                         struct tk_policy_view *ret_view, struct tk_format_meter **ret_meter)
{
        struct tk_meter_ref ref;
        if (!tk_policy_view(tk_publisher_area(publisher, TK_FILE_POLICY), tk_pair_low(of->binding), of->kind,
                            ret_view) ||
            !tk_meter_find(&publisher->files, of->home, tk_pair_high(of->binding),
                           ret_view->policy->extent_lines, &ref))
                return false;
        *ret_meter = ref.meter;
        return true;
}

static enum tk_err take_home(struct tk_publisher *publisher, struct tk_home home)
{
        struct tk_area *homes = tk_publisher_area(publisher, home.file);
        enum tk_err err = tk_area_reserve(homes, home.number + 1);
        if (!err)
                tk_area_use(homes, home.number + 1);
        return err;
}

static enum tk_err take_extent(struct tk_publisher *publisher, uint32_t lines, uint32_t *ret_line)
{
        struct tk_area *meters = tk_publisher_area(publisher, TK_FILE_METERS);
        uint64_t line = tk_area_used(meters);
        if (tk_spares_take(publisher, lines, ret_line))
                return TK_OK;
        if (line + lines > UINT32_MAX)
                return TK_FULL;
        enum tk_err err = tk_area_reserve(meters, line + lines);
        if (err)
                return err;
        tk_area_use(meters, line + lines);
        *ret_line = (uint32_t)line;
        return TK_OK;
}

static enum tk_err take_meter(struct tk_publisher *publisher, const struct tk_extent_of *of, uint32_t lines,
                              uint32_t *ret_line, struct tk_format_meter **ret_meter)
{
        bool home = of->home.number != 0 && of->binding == 0 && lines == 1;
        struct tk_meter_ref ref;
        *ret_line = TK_METER_HOME;
        enum tk_err err = home ? take_home(publisher, of->home) : take_extent(publisher, lines, ret_line);
        if (!err && !tk_meter_find(&publisher->files, of->home, *ret_line, lines, &ref))
                err = TK_CORRUPT;
        if (err)
                return err;
        *ret_meter = ref.meter;
        /* Nobody refers to it: fresh memory, or a spare, which nobody can reach any more. */
        memset(*ret_meter, 0, (size_t)lines * 64);
        return TK_OK;
}

enum tk_err tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of, uint32_t policy,
                              struct tk_extent_move *move, uint64_t *ret_binding)
{
        if (!tk_policy_view(tk_publisher_area(publisher, TK_FILE_POLICY), policy, of->kind, &move->to))
                return TK_CORRUPT;
        move->from_meter = NULL;
        move->from_binding = of->binding;
        bool bound = of->binding != 0 && view_binding(publisher, of, &move->from, &move->from_meter);
        if (bound && same_slots(move)) {
                move->to_meter = move->from_meter;
                *ret_binding = tk_pair(policy, tk_pair_high(of->binding));
                return TK_OK;
        }

        uint32_t line;
        enum tk_err err = take_meter(publisher, of, move->to.policy->extent_lines, &line, &move->to_meter);
        if (err)
                return err;
        if (bound) {
                copy_counters(move);
                set_moving(publisher, of->owner);
                close_slots(publisher, move);
                carry_slots(move);
        }
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

void tk_extent_give_up(struct tk_publisher *publisher, uint64_t binding, enum tk_record_kind kind)
{
        struct tk_policy_view view;
        if (binding != 0 &&
            tk_policy_view(tk_publisher_area(publisher, TK_FILE_POLICY), tk_pair_low(binding), kind, &view))
                tk_spares_give(publisher, tk_pair_high(binding), view.policy->extent_lines);
}

/* Whether what was charged under the old slot's labels may be given back under the same ones of the new slot. Rates keep what they have. */
static bool gives_back(const struct tk_extent_move *move, const struct tk_format_limit *old,
                       const struct tk_format_limit *limit)
{
        return limit->kind != TK_LIMIT_RATE && same_meaning(old, limit) &&
               (!limit->anchored || move->from_anchor_s == move->to_anchor_s);
}

static void note_slots(struct tk_publisher *publisher, const struct tk_extent_move *move)
{
        for (uint32_t i = 0; i < move->to.policy->limit_count; i++) {
                const struct tk_format_limit *limit = &move->to.limits[i];
                int from = predecessor(move, limit);
                if (from < 0)
                        continue;
                const struct tk_format_limit *old = &move->from.limits[from];
                uint64_t place = 0; /* the new extent is none at home: that is for who was never bound */
                if (gives_back(move, old, limit))
                        place = tk_forward_place(&publisher->files, TK_FILE_METERS,
                                                 &move->to_meter->slots[limit->slot]);
                tk_forward_note(&move->from_meter->slots[old->slot], place);
        }
}

void tk_extent_finish(struct tk_publisher *publisher, struct tk_extent_move *move)
{
        if (!move->from_meter || move->from_meter == move->to_meter)
                return;
        add_counted(move);
        note_slots(publisher, move);
        set_moving(publisher, 0);
        tk_extent_give_up(publisher, move->from_binding, (enum tk_record_kind)move->from.policy->head.kind);
}

/* ---- after a daemon that was killed ---- */

/* Whose limits were being moved, and the binding that is in force. */
static bool find_moving(const struct tk_publisher *publisher, uint64_t owner, struct tk_extent_of *ret_of)
{
        uint64_t number = TK_MOVING_NUMBER(owner);
        struct tk_area *keys = tk_publisher_area(publisher, TK_FILE_KEYS);
        struct tk_area *subscriptions = tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS);
        const _Atomic uint64_t *binding = NULL;
        *ret_of = (struct tk_extent_of){.kind = TK_RECORD_LIMITS, .home = TK_HOME_NONE, .owner = owner};
        if (TK_MOVING_KIND(owner) == TK_MOVING_KEY) {
                const struct tk_format_key *line = tk_area_at(keys, number, 1);
                binding = line ? &line->binding : NULL;
                ret_of->kind = TK_RECORD_KEY_POLICY;
                ret_of->home = (struct tk_home){TK_FILE_KEY_HOMES, number};
        } else if (TK_MOVING_KIND(owner) == TK_MOVING_SUBSCRIPTION) {
                const struct tk_format_subscription *line = tk_area_at(subscriptions, number, 1);
                binding = line ? &line->binding : NULL;
                ret_of->home = (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, number};
        } else if (number <= UINT32_MAX) {
                const struct tk_format_route *route =
                        tk_policy_route(tk_publisher_area(publisher, TK_FILE_POLICY), (uint32_t)number);
                binding = route ? &route->binding : NULL;
        }
        ret_of->binding = binding ? atomic_load_explicit(binding, memory_order_relaxed) : 0;
        return ret_of->binding != 0;
}

void tk_extent_recover(struct tk_publisher *publisher)
{
        struct tk_extent_of of;
        struct tk_policy_view view;
        struct tk_format_meter *meter;
        uint64_t owner = tk_unseal(
                atomic_load_explicit(&tk_files_keys_header(&publisher->files)->moving, memory_order_relaxed));
        if (owner == 0)
                return;
        if (find_moving(publisher, owner, &of) && view_binding(publisher, &of, &view, &meter))
                for (uint32_t i = 0; i < view.policy->limit_count; i++)
                        tk_slot_open(&meter->slots[view.limits[i].slot]);
        set_moving(publisher, 0);
}
