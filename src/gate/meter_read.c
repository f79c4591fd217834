/*
 * Reading meters (meter_read.h). The binding of an owner is read before and after its meter: when the publisher moved it between, all
 * is read again; all loads acquire, so that the second look comes last. A slot that is closed, because the binding is about to be stored,
 * holds what it holds; where it leads elsewhere, the binding was stored before. Requests that the publisher still has to add to the counters
 * of a meter that it moved are added within microseconds, and read the next time.
 */
#include "gate/meter_read.h"

#include "core/slot.h"
#include "gate/request.h"

#include <string.h>

#define TRIES_MAX 16

/* No debt that a limit can have is larger (docs/formats/meter-journal.md); a slot of garbage is cut to it. */
#define DEBT_MAX (((tk_u128)1 << 107) - 1)

struct tk_moment tk_meter_now(const struct tk_gate *gate)
{
        return tk_files_now(&gate->files);
}

uint64_t tk_meter_incarnation(const struct tk_gate *gate)
{
        return tk_files_keys_header(&gate->files)->incarnation;
}

uint64_t tk_meter_key_count(const struct tk_gate *gate)
{
        return tk_area_used(tk_gate_area(gate, TK_FILE_KEYS));
}

uint64_t tk_meter_subscription_count(const struct tk_gate *gate)
{
        return tk_area_used(tk_gate_area(gate, TK_FILE_SUBSCRIPTIONS));
}

/* ---- slots and counters ---- */

static tk_u128 read_slot(const struct tk_slot *slot)
{
        return tk_slot_plain(tk_slot_read(slot));
}

static struct tk_slot debt_of(const struct tk_slot *slot, uint64_t units, const struct tk_moment *now)
{
        tk_u128 stored = read_slot(slot), full = (tk_u128)now->boot_ns * units;
        tk_u128 debt = stored > full ? stored - full : 0;
        return tk_slot_of(debt < DEBT_MAX ? debt : DEBT_MAX);
}

/* The high half says what had gone when it was charged last, which the grants say too. */
static struct tk_slot spent_of(const struct tk_slot *slot)
{
        return (struct tk_slot){.lo = (uint64_t)read_slot(slot), .hi = 0};
}

/* Charged before gate time was put back: the label is of a count that a new set of files begins anew. */
static bool before_put_back(const struct tk_slot *value, const struct tk_moment *now)
{
        return value->hi >> TK_WINDOW_PERIOD_BITS != now->back.times;
}

/*
 * Units, and the period they were used in: what counts still from before gate time was put back was used in
 * the present one.
 */
static struct tk_slot used_of(const struct tk_slot *slot, const struct tk_format_limit *limit,
                              int64_t anchor_s, const struct tk_moment *now)
{
        const struct tk_slot value = tk_slot_of(read_slot(slot));
        if (!before_put_back(&value, now))
                return (struct tk_slot){.lo = value.lo, .hi = (uint64_t)tk_window_label_period_s(value.hi)};

        const struct tk_window unlimited = {UINT64_MAX, (enum tk_period_kind)limit->period, limit->length_s,
                                            limit->anchored ? anchor_s : 0, now->back};
        struct tk_limit_state state;
        tk_window_peek(&value, &unlimited, now->gate_ns, 0, &state);
        return (struct tk_slot){.lo = UINT64_MAX - state.remaining, .hi = now->gate_ns / TK_NS_PER_S};
}

/* The same of a named limit, of which only the length of its period is known. */
static struct tk_slot used_of_named(const struct tk_format_named *entry, const struct tk_moment *now)
{
        const struct tk_slot value = tk_slot_of(read_slot(&entry->slot));
        if (!before_put_back(&value, now))
                return (struct tk_slot){.lo = value.lo, .hi = (uint64_t)tk_window_label_period_s(value.hi)};

        int64_t now_s = (int64_t)(now->gate_ns / TK_NS_PER_S);
        bool counts = now_s <
                      now->back.at_s + (int64_t)atomic_load_explicit(&entry->period_s, memory_order_acquire);
        return (struct tk_slot){.lo = counts ? value.lo : 0, .hi = (uint64_t)now_s};
}

static void read_limit(const struct tk_format_limit *limit, const struct tk_slot *slot, int64_t anchor_s,
                       const struct tk_moment *now, struct tk_meter_limit *ret)
{
        *ret = (struct tk_meter_limit){.kind = (enum tk_limit_kind)limit->kind, .name_len = limit->name_len};
        memcpy(ret->name, limit->name, limit->name_len);
        if (limit->kind == TK_LIMIT_RATE) {
                ret->rate_units = limit->rate_units;
                ret->rate_interval = limit->rate_interval;
                ret->value = debt_of(slot, limit->rate_units, now);
        } else if (limit->kind == TK_LIMIT_WINDOW) {
                ret->period = (enum tk_period_kind)limit->period;
                ret->length_s = limit->period == TK_PERIOD_FIXED ? limit->length_s : 0;
                ret->anchored = limit->anchored;
                ret->anchor_s = limit->anchored ? anchor_s : 0;
                ret->value = used_of(slot, limit, anchor_s, now);
        } else {
                ret->value = spent_of(slot);
        }
}

static enum tk_err read_party(const struct tk_request_party *party, int64_t anchor_s,
                              const struct tk_moment *now, struct tk_meter_record *record)
{
        const struct tk_format_meter *meter = party->at.meter;
        record->last_used_s = atomic_load_explicit(&meter->last_used_s, memory_order_acquire);
        record->admitted = atomic_load_explicit(&meter->admitted, memory_order_acquire);
        record->refused = atomic_load_explicit(&meter->refused, memory_order_acquire);
        record->whole_s = 0;
        record->limit_count = party->view.policy->limit_count;
        if (record->limit_count > TK_METER_LIMITS_MAX)
                return TK_CORRUPT;
        for (uint32_t i = 0; i < record->limit_count; i++) {
                const struct tk_format_limit *limit = &party->view.limits[i];
                if (!tk_policy_limit_sound(limit, party->view.policy) || limit->name_len == 0)
                        return TK_CORRUPT;
                read_limit(limit, &meter->slots[limit->slot], anchor_s, now, &record->limits[i]);
        }
        return record->last_used_s || record->admitted || record->refused ? TK_OK : TK_NOT_FOUND;
}

/* ---- keys and subscriptions ---- */

static const struct tk_format_key *key_line(const struct tk_gate *gate, uint64_t number)
{
        struct tk_area *area = tk_gate_area(gate, TK_FILE_KEYS);
        return number && number < area->reserve_lines ? tk_area_at(area, number, 1) : NULL;
}

static const struct tk_format_subscription *subscription_line(const struct tk_gate *gate, uint64_t id)
{
        struct tk_area *area = tk_gate_area(gate, TK_FILE_SUBSCRIPTIONS);
        return id && id < area->reserve_lines ? tk_area_at(area, id, 1) : NULL;
}

static uint64_t get(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_acquire);
}

/* As deciders take it: what is no time is none. */
static int64_t anchor_of(const struct tk_format_subscription *line)
{
        int64_t anchor_s = line ? atomic_load_explicit(&line->anchor_s, memory_order_acquire) : 0;
        return anchor_s >= 0 && anchor_s <= TK_TIME_MAX_S ? anchor_s : 0;
}

enum tk_err tk_meter_read_key(struct tk_gate *gate, uint64_t number, const struct tk_moment *now,
                              struct tk_meter_record *ret_record)
{
        const struct tk_format_key *line = key_line(gate, number);
        for (int tries = 0; line && tries < TRIES_MAX; tries++) {
                struct tk_request_party party;
                uint64_t control = get(&line->control);
                uint64_t owner = get(&line->owner), binding = get(&line->binding);
                if (control == 0 || binding == 0)
                        return TK_NOT_FOUND;
                ret_record->owner =
                        (struct tk_meter_owner){TK_METER_KEY, tk_control_generation(control), number};
                enum tk_err err = TK_CORRUPT;
                if (tk_request_party(gate, (struct tk_home){TK_FILE_KEY_HOMES, number}, binding,
                                     TK_RECORD_KEY_POLICY, &party))
                        err = read_party(&party, anchor_of(subscription_line(gate, tk_pair_low(owner))), now,
                                         ret_record);
                if (get(&line->binding) == binding && get(&line->owner) == owner &&
                    tk_control_generation(get(&line->control)) == tk_control_generation(control))
                        return err;
        }
        return line ? TK_BUSY : TK_NOT_FOUND;
}

enum tk_err tk_meter_read_subscription(struct tk_gate *gate, uint64_t id, const struct tk_moment *now,
                                       struct tk_meter_record *ret_record)
{
        const struct tk_format_subscription *line = subscription_line(gate, id);
        for (int tries = 0; line && tries < TRIES_MAX; tries++) {
                struct tk_request_party party;
                int64_t anchor_s = anchor_of(line);
                uint64_t control = get(&line->control), binding = get(&line->binding);
                if (control == 0 || binding == 0)
                        return TK_NOT_FOUND;
                ret_record->owner = (struct tk_meter_owner){TK_METER_SUBSCRIPTION, 0, id};
                enum tk_err err = TK_CORRUPT;
                if (tk_request_party(gate, (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, id}, binding,
                                     TK_RECORD_LIMITS, &party))
                        err = read_party(&party, anchor_s, now, ret_record);
                if (get(&line->binding) == binding && anchor_of(line) == anchor_s)
                        return err;
        }
        return line ? TK_BUSY : TK_NOT_FOUND;
}

/* Its policy is not looked at: only how many lines the meter has would need it, and its head is in the first. */
static uint32_t used_s(struct tk_gate *gate, struct tk_home home, uint64_t binding)
{
        struct tk_meter_ref ref;
        if (binding == 0 || !tk_meter_find(&gate->files, home, tk_pair_high(binding), 1, &ref))
                return 0;
        return atomic_load_explicit(&ref.meter->last_used_s, memory_order_acquire);
}

uint32_t tk_meter_key_used_s(struct tk_gate *gate, uint64_t number)
{
        const struct tk_format_key *line = key_line(gate, number);
        return line ? used_s(gate, (struct tk_home){TK_FILE_KEY_HOMES, number}, get(&line->binding)) : 0;
}

uint32_t tk_meter_subscription_used_s(struct tk_gate *gate, uint64_t id)
{
        const struct tk_format_subscription *line = subscription_line(gate, id);
        return line ? used_s(gate, (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, id}, get(&line->binding)) : 0;
}

/* ---- routes ---- */

static bool read_route(struct tk_gate *gate, const struct tk_format_route *route, const struct tk_moment *now,
                       struct tk_meter_record *ret_record)
{
        for (int tries = 0; tries < TRIES_MAX; tries++) {
                struct tk_request_party party;
                uint64_t binding = get(&route->binding);
                if (binding == 0 || !tk_request_party(gate, TK_HOME_NONE, binding, TK_RECORD_LIMITS, &party))
                        return false;
                ret_record->owner = (struct tk_meter_owner){
                        TK_METER_ROUTE, 0, TK_METER_ROUTE_ID(route->environment_id, route->route_id)};
                enum tk_err err = read_party(&party, 0, now, ret_record);
                if (get(&route->binding) == binding)
                        return err == TK_OK;
        }
        return false;
}

bool tk_meter_each_route(struct tk_gate *gate, const struct tk_moment *now, uint32_t since_s,
                         tk_meter_visit_fn *visit, void *context)
{
        struct tk_area *policy = tk_gate_area(gate, TK_FILE_POLICY);
        struct tk_meter_record record;
        for (uint32_t bucket = 0; bucket < TK_POLICY_ROUTE_BUCKETS; bucket++) {
                uint32_t ref =
                        atomic_load_explicit(&tk_policy_chains(policy)->routes[bucket], memory_order_acquire);
                const struct tk_format_route *route;
                while (ref && (route = tk_policy_route(policy, ref))) {
                        if (used_s(gate, TK_HOME_NONE, get(&route->binding)) >= since_s &&
                            read_route(gate, route, now, &record) && !visit(context, &record))
                                return false;
                        uint32_t next = atomic_load_explicit(&route->head.next, memory_order_acquire);
                        ref = next < ref ? next : 0; /* chains lead to older records */
                }
        }
        return true;
}

/* ---- named limits ---- */

static uint32_t whole_at(const struct tk_format_named *entry, const struct tk_moment *now)
{
        uint64_t whole_s = atomic_load_explicit(&entry->whole_s, memory_order_acquire);
        uint64_t boot_s = now->boot_ns / TK_NS_PER_S, gate_s = now->gate_ns / TK_NS_PER_S;
        uint64_t left_s = whole_s > boot_s ? whole_s - boot_s : 0;
        return left_s < UINT32_MAX - gate_s ? (uint32_t)(gate_s + left_s) : UINT32_MAX;
}

static bool read_named(struct tk_format_named_bucket *bucket, unsigned at, uint32_t since_s,
                       const struct tk_moment *now, struct tk_meter_record *record)
{
        const struct tk_format_named *entry = &bucket->entries[at];
        uint64_t word = get(&bucket->tags[at]), tag = word & ~TK_NAMED_CLOSING;
        record->last_used_s = atomic_load_explicit(&entry->last_used_s, memory_order_acquire);
        if (!(word & TK_NAMED_TAKEN) || record->last_used_s == 0 || record->last_used_s < since_s)
                return false;
        uint64_t units = atomic_load_explicit(&entry->rate_units, memory_order_acquire);
        record->owner = (struct tk_meter_owner){TK_METER_NAMED, 0, tag};
        record->admitted = atomic_load_explicit(&entry->admitted, memory_order_acquire);
        record->refused = atomic_load_explicit(&entry->refused, memory_order_acquire);
        record->whole_s = whole_at(entry, now);
        record->limit_count = 1;
        record->limits[0] =
                (struct tk_meter_limit){.kind = units ? TK_LIMIT_RATE : TK_LIMIT_WINDOW, .rate_units = units};
        record->limits[0].value = units ? debt_of(&entry->slot, units, now) : used_of_named(entry, now);
        return (get(&bucket->tags[at]) & ~TK_NAMED_CLOSING) == tag && units <= TK_LIMIT_UNITS_MAX;
}

bool tk_meter_each_named(struct tk_gate *gate, const struct tk_moment *now, uint32_t since_s,
                         tk_meter_visit_fn *visit, void *context)
{
        struct tk_area *area = tk_gate_area(gate, TK_FILE_NAMED);
        uint64_t count = tk_area_used(area) / TK_NAMED_BUCKET_LINES;
        struct tk_meter_record record;
        for (uint64_t i = 0; i < count; i++) {
                struct tk_format_named_bucket *bucket =
                        tk_area_at(area, i * TK_NAMED_BUCKET_LINES, TK_NAMED_BUCKET_LINES);
                for (unsigned at = 0; bucket && at < TK_NAMED_BUCKET_ENTRIES; at++)
                        if (read_named(bucket, at, since_s, now, &record) && !visit(context, &record))
                                return false;
        }
        return true;
}
