/*
 * Restoring meters (meter_restore.h). One thread, the publisher's. What only grows (counters, credits, a rate's debt) is raised to the
 * largest value. A window has one period, which goes back when gate time does: there the last record counts, and of one period the
 * largest use (docs/decisions/0009).
 */
#include "gate/meter_restore.h"

#include "core/alloc.h"
#include "core/slot.h"
#include "gate/named.h"
#include "gate/publisher.h"

#include <stdlib.h>
#include <string.h>

struct route_ref {
        uint64_t id; /* TK_METER_ROUTE_ID */
        uint32_t ref;
};

struct tk_meter_restorer {
        struct tk_publisher *publisher;
        struct tk_moment now;
        bool behind; /* a record names a later period than now's, and that is counted as a step back */
        struct route_ref *routes; /* by id */
        size_t route_count, route_room;
};

/* ---- routes by their ids ---- */

static int by_id(const void *a, const void *b)
{
        const struct route_ref *left = a, *right = b;
        return (left->id > right->id) - (left->id < right->id);
}

static enum tk_err add_route(struct tk_meter_restorer *restorer, const struct tk_format_route *route,
                             uint32_t ref)
{
        if (restorer->route_count == restorer->route_room) {
                size_t room = restorer->route_room ? restorer->route_room * 2 : 64;
                struct route_ref *grown = tk_realloc(restorer->routes, room * sizeof *grown);
                if (!grown)
                        return TK_NOMEM;
                restorer->routes = grown;
                restorer->route_room = room;
        }
        restorer->routes[restorer->route_count++] =
                (struct route_ref){TK_METER_ROUTE_ID(route->environment_id, route->route_id), ref};
        return TK_OK;
}

static enum tk_err find_routes(struct tk_meter_restorer *restorer)
{
        struct tk_area *policy = tk_publisher_area(restorer->publisher, TK_FILE_POLICY);
        for (uint32_t bucket = 0; bucket < TK_POLICY_ROUTE_BUCKETS; bucket++) {
                uint32_t ref =
                        atomic_load_explicit(&tk_policy_chains(policy)->routes[bucket], memory_order_relaxed);
                const struct tk_format_route *route;
                while (ref && (route = tk_policy_route(policy, ref))) {
                        enum tk_err err = add_route(restorer, route, ref);
                        if (err)
                                return err;
                        uint32_t next = atomic_load_explicit(&route->head.next, memory_order_relaxed);
                        ref = next < ref ? next : 0; /* chains lead to older records */
                }
        }
        if (restorer->route_count)
                qsort(restorer->routes, restorer->route_count, sizeof *restorer->routes, by_id);
        return TK_OK;
}

enum tk_err tk_meter_restorer_open(struct tk_publisher *publisher, struct tk_meter_restorer **ret_restorer)
{
        struct tk_meter_restorer *restorer = tk_calloc(1, sizeof *restorer);
        if (!restorer)
                return TK_NOMEM;
        restorer->publisher = publisher;
        restorer->now = tk_files_now(&publisher->files);
        enum tk_err err = find_routes(restorer);
        if (err) {
                tk_meter_restorer_close(restorer);
                return err;
        }
        *ret_restorer = restorer;
        return TK_OK;
}

void tk_meter_restorer_close(struct tk_meter_restorer *restorer)
{
        if (!restorer)
                return;
        tk_free(restorer->routes);
        tk_free(restorer);
}

/* ---- the owner ---- */

struct owner {
        struct tk_policy_view view;
        struct tk_format_meter *meter;
        int64_t anchor_s;
};

static bool take_binding(struct tk_meter_restorer *restorer, struct tk_home home, uint64_t binding,
                         enum tk_record_kind kind, struct owner *ret)
{
        struct tk_files *files = &restorer->publisher->files;
        struct tk_meter_ref at;
        if (binding == 0 ||
            !tk_policy_view(&files->areas[TK_FILE_POLICY], tk_pair_low(binding), kind, &ret->view) ||
            !tk_meter_find(files, home, tk_pair_high(binding), ret->view.policy->extent_lines, &at))
                return false;
        ret->meter = at.meter;
        return true;
}

static const struct tk_format_subscription *subscription(struct tk_meter_restorer *restorer, uint64_t id)
{
        struct tk_area *area = tk_publisher_area(restorer->publisher, TK_FILE_SUBSCRIPTIONS);
        return id && id < area->reserve_lines ? tk_area_at(area, id, 1) : NULL;
}

static bool find_key(struct tk_meter_restorer *restorer, const struct tk_meter_owner *owner,
                     struct owner *ret)
{
        struct tk_area *area = tk_publisher_area(restorer->publisher, TK_FILE_KEYS);
        const struct tk_format_key *line =
                owner->id < area->reserve_lines ? tk_area_at(area, owner->id, 1) : NULL;
        uint64_t control = line ? atomic_load(&line->control) : 0;
        if (control == 0 || tk_control_generation(control) != owner->generation)
                return false;
        const struct tk_format_subscription *shared =
                subscription(restorer, tk_pair_low(atomic_load(&line->owner)));
        ret->anchor_s = shared ? atomic_load(&shared->anchor_s) : 0;
        return take_binding(restorer, (struct tk_home){TK_FILE_KEY_HOMES, owner->id},
                            atomic_load(&line->binding), TK_RECORD_KEY_POLICY, ret);
}

static bool find_subscription(struct tk_meter_restorer *restorer, uint64_t id, struct owner *ret)
{
        const struct tk_format_subscription *line = subscription(restorer, id);
        if (!line || atomic_load(&line->control) == 0)
                return false;
        ret->anchor_s = atomic_load(&line->anchor_s);
        return take_binding(restorer, (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, id},
                            atomic_load(&line->binding), TK_RECORD_LIMITS, ret);
}

static bool find_route(struct tk_meter_restorer *restorer, uint64_t id, struct owner *ret)
{
        const struct route_ref wanted = {.id = id};
        const struct route_ref *found =
                restorer->route_count
                        ? bsearch(&wanted, restorer->routes, restorer->route_count, sizeof wanted, by_id)
                        : NULL;
        if (!found)
                return false;
        const struct tk_format_route *route =
                tk_policy_route(tk_publisher_area(restorer->publisher, TK_FILE_POLICY), found->ref);
        ret->anchor_s = 0;
        return route &&
               take_binding(restorer, TK_HOME_NONE, atomic_load(&route->binding), TK_RECORD_LIMITS, ret);
}

static bool find_owner(struct tk_meter_restorer *restorer, const struct tk_meter_owner *owner,
                       struct owner *ret)
{
        if (owner->kind == TK_METER_KEY)
                return find_key(restorer, owner, ret);
        if (owner->kind == TK_METER_SUBSCRIPTION)
                return find_subscription(restorer, owner->id, ret);
        return owner->kind == TK_METER_ROUTE && find_route(restorer, owner->id, ret);
}

/* ---- values ---- */

static void raise_slot(struct tk_slot *slot, tk_u128 value)
{
        tk_u128 stored = tk_slot_read(slot);
        while (stored < value && !tk_slot_exchange(slot, &stored, value))
                ;
}

/* Credits: what had gone stands above what was spent. */
static void raise_spent(struct tk_slot *slot, uint64_t spent)
{
        tk_u128 stored = tk_slot_read(slot);
        while ((uint64_t)stored < spent &&
               !tk_slot_exchange(slot, &stored, tk_slot_join((uint64_t)(stored >> 64), spent)))
                ;
}

static void set_slot(struct tk_slot *slot, tk_u128 value)
{
        tk_u128 stored = tk_slot_read(slot);
        while (!tk_slot_exchange(slot, &stored, value))
                ;
}

static void raise_u64(_Atomic uint64_t *word, uint64_t value)
{
        uint64_t held = atomic_load(word);
        while (held < value && !atomic_compare_exchange_weak(word, &held, value))
                ;
}

static void raise_u32(_Atomic uint32_t *word, uint32_t value)
{
        uint32_t held = atomic_load(word);
        while (held < value && !atomic_compare_exchange_weak(word, &held, value))
                ;
}

/* Modulo 2^32: the one that is ahead, and any where nothing was counted. */
static void raise_modulo(_Atomic uint32_t *word, uint32_t value)
{
        uint32_t held = atomic_load(word);
        while ((held == 0 || value - held < UINT32_C(1) << 31) && held != value &&
               !atomic_compare_exchange_weak(word, &held, value))
                ;
}

/* Of a rate's debt, what is still owed now. */
static tk_u128 still_owed(const struct tk_meter_restorer *restorer, const struct tk_meter_limit *limit,
                          uint64_t gate_ns)
{
        tk_u128 debt = tk_slot_value(&limit->value);
        uint64_t now_ns = restorer->now.gate_ns;
        tk_u128 paid = now_ns > gate_ns ? (tk_u128)(now_ns - gate_ns) * limit->rate_units : 0;
        return debt > paid ? debt - paid : 0;
}

static tk_u128 arrival(const struct tk_meter_restorer *restorer, uint64_t units, tk_u128 debt)
{
        return debt ? (tk_u128)restorer->now.boot_ns * units + debt : 0;
}

/* A full bucket's worth at most, whatever the record says. */
static tk_u128 rate_value(const struct tk_meter_restorer *restorer, const struct tk_meter_limit *limit,
                          const struct tk_format_limit *now, uint64_t gate_ns)
{
        tk_u128 debt = still_owed(restorer, limit, gate_ns), most = (tk_u128)now->burst * now->rate_interval;
        bool same = limit->rate_units == now->rate_units && limit->rate_interval == now->rate_interval;
        if (!same) {
                tk_u128 units = (debt + limit->rate_interval - 1) / limit->rate_interval;
                debt = (units < now->burst ? units : now->burst) * now->rate_interval;
        }
        return arrival(restorer, now->rate_units, debt < most ? debt : most);
}

static bool same_periods(const struct tk_meter_limit *limit, const struct tk_format_limit *now,
                         int64_t anchor_s)
{
        return limit->period == now->period && limit->anchored == (now->anchored != 0) &&
               (limit->period != TK_PERIOD_FIXED || limit->length_s == now->length_s) &&
               (!limit->anchored || limit->anchor_s == anchor_s);
}

/* The record's time may be any of the period that it names, and any number where a slot held garbage. */
static int64_t used_at_s(const struct tk_meter_limit *limit)
{
        return limit->value.hi < (uint64_t)TK_TIME_MAX_S ? (int64_t)limit->value.hi : TK_TIME_MAX_S;
}

/* A period, and what was used in it. */
struct use {
        int64_t period_s;
        uint64_t used;
};

/*
 * Gate time is behind a record when it was put back after that, or when the clock is wrong at this boot. Then all that is restored is from
 * before a step back, which is now: what names a later period counts until the present one ends, or until that one is over when time goes forth to it.
 * Where steps back cannot be counted any more, it counts in the present period alone.
 */
static int64_t period_to_name(struct tk_meter_restorer *restorer, int64_t period_s, int64_t present_s)
{
        if (period_s > present_s && !restorer->behind)
                restorer->behind = tk_clock_count_step_back(restorer->publisher);
        return period_s > present_s && !restorer->behind ? present_s : period_s;
}

static void set_use(const struct tk_meter_restorer *restorer, struct tk_slot *slot, struct use use)
{
        int64_t period_s = use.period_s < 0 ? 0 : use.period_s;
        set_slot(slot, tk_slot_join(tk_window_label(restorer->now.back.times, period_s), use.used));
}

static int64_t present_period(const struct tk_meter_restorer *restorer, const struct tk_format_limit *now,
                              int64_t anchor_s, int64_t at_s)
{
        int64_t start_s, end_s, now_s = (int64_t)(restorer->now.gate_ns / TK_NS_PER_S);
        tk_period_at((enum tk_period_kind)now->period, now->length_s, now->anchored ? anchor_s : 0,
                     at_s > now_s ? at_s : now_s, &start_s, &end_s);
        return start_s;
}

/* What was used in a period of another kind counts in the one that runs at that time, or now, as long as its own has not ended. */
static bool use_of(const struct tk_meter_restorer *restorer, const struct tk_meter_limit *limit,
                   const struct tk_format_limit *now, int64_t anchor_s, struct use *ret_use)
{
        int64_t end_s, at_s = used_at_s(limit);
        tk_period_at(limit->period, limit->length_s, limit->anchor_s, at_s, &ret_use->period_s, &end_s);
        ret_use->used = limit->value.lo;
        if (same_periods(limit, now, anchor_s))
                return true;
        ret_use->period_s = present_period(restorer, now, anchor_s, at_s);
        return end_s > (int64_t)(restorer->now.gate_ns / TK_NS_PER_S);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/*
 * A total does not say whether it is of before or after what the journal says last. Mostly before: so it changes nothing but where it
 * names the same period, the present one, or a later one, which the journal has lost or time was put back from. Then the larger use is
 * taken for both.
 */
static struct use with_total(struct use held, struct use total, int64_t present_s)
{
        if (total.period_s < held.period_s && total.period_s != present_s)
                return held;
        return (struct use){.period_s = total.period_s > held.period_s ? total.period_s : held.period_s,
                            .used = larger(held.used, total.used)};
}

static void restore_window(struct tk_meter_restorer *restorer, const struct owner *owner,
                           struct tk_slot *slot, const struct tk_meter_limit *limit,
                           const struct tk_format_limit *now, enum tk_meter_source source)
{
        const struct tk_slot stored = tk_slot_of(tk_slot_read(slot));
        struct use use, held = {.period_s = tk_window_label_period_s(stored.hi), .used = stored.lo};
        int64_t present_s = present_period(restorer, now, owner->anchor_s, 0);
        if (!use_of(restorer, limit, now, owner->anchor_s, &use))
                return;
        use.period_s = period_to_name(restorer, use.period_s < 0 ? 0 : use.period_s, present_s);
        if (source == TK_METER_TOTAL)
                use = with_total(held, use, present_s);
        else if (use.period_s == held.period_s)
                use.used = larger(use.used, held.used);
        set_use(restorer, slot, use);
}

static void restore_limit(struct tk_meter_restorer *restorer, const struct owner *owner,
                          const struct tk_meter_limit *limit, uint64_t gate_ns, enum tk_meter_source source)
{
        for (uint32_t i = 0; i < owner->view.policy->limit_count; i++) {
                const struct tk_format_limit *now = &owner->view.limits[i];
                if (now->kind != limit->kind || now->name_len != limit->name_len ||
                    memcmp(now->name, limit->name, limit->name_len) != 0)
                        continue;
                struct tk_slot *slot = &owner->meter->slots[now->slot];
                if (!tk_policy_limit_sound(now, owner->view.policy))
                        return;
                if (limit->kind == TK_LIMIT_RATE)
                        raise_slot(slot, rate_value(restorer, limit, now, gate_ns));
                else if (limit->kind == TK_LIMIT_WINDOW)
                        restore_window(restorer, owner, slot, limit, now, source);
                else
                        raise_spent(slot, limit->value.lo);
        }
}

/* ---- named limits ---- */

/* In which period a window's time is, only the hashed definition could tell: of those the last record counts, in the journal's order. */
static void restore_named_slot(struct tk_meter_restorer *restorer, struct tk_slot *slot,
                               const struct tk_meter_limit *limit, uint64_t gate_ns)
{
        int64_t now_s = (int64_t)(restorer->now.gate_ns / TK_NS_PER_S);
        if (limit->kind == TK_LIMIT_WINDOW)
                set_use(restorer, slot,
                        (struct use){.period_s = period_to_name(restorer, used_at_s(limit), now_s),
                                     .used = limit->value.lo});
        else
                raise_slot(slot, arrival(restorer, limit->rate_units, still_owed(restorer, limit, gate_ns)));
}

static enum tk_err restore_named(struct tk_meter_restorer *restorer, const struct tk_meter_record *record,
                                 uint64_t gate_ns)
{
        const struct tk_meter_limit *limit = &record->limits[0];
        uint64_t now_s = restorer->now.gate_ns / TK_NS_PER_S, then_s = gate_ns / TK_NS_PER_S;
        uint64_t since_s =
                larger(now_s, then_s); /* a clock that is behind makes the wait no longer than it was */
        uint64_t tag = record->owner.id;
        if (!(tag & TK_NAMED_TAKEN) || tag & TK_NAMED_CLOSING)
                return TK_NOT_FOUND;
        if (record->whole_s <= since_s)
                return TK_OK; /* it would be forgotten */
        struct tk_format_named *entry = tk_named_entry(&restorer->publisher->files, tag);
        if (!entry)
                return TK_FULL;
        tk_named_keep_until(entry, restorer->now.boot_ns / TK_NS_PER_S + (record->whole_s - since_s));
        atomic_store(&entry->rate_units, limit->rate_units);
        restore_named_slot(restorer, &entry->slot, limit, gate_ns);
        raise_u64(&entry->admitted, record->admitted);
        raise_modulo(&entry->refused, record->refused);
        raise_u32(&entry->last_used_s, record->last_used_s);
        return TK_OK;
}

enum tk_err tk_meter_restore(struct tk_meter_restorer *restorer, const struct tk_meter_record *record,
                             uint64_t gate_ns, enum tk_meter_source source)
{
        struct owner owner;
        if (record->owner.kind == TK_METER_NAMED)
                return restore_named(restorer, record, gate_ns);
        if (!find_owner(restorer, &record->owner, &owner))
                return TK_NOT_FOUND;
        for (uint32_t i = 0; i < record->limit_count; i++)
                restore_limit(restorer, &owner, &record->limits[i], gate_ns, source);
        raise_u64(&owner.meter->admitted, record->admitted);
        raise_modulo(&owner.meter->refused, record->refused);
        raise_u32(&owner.meter->last_used_s, record->last_used_s);
        return TK_OK;
}
