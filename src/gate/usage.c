/*
 * Reading a meter without charging it: what a key or a subscription has used. For the daemon's replies and
 * the command line; any thread. What is counted goes on over a power cut (meter_restore.h). The counters are
 * read one by one while deciders count, so they may be a request apart from each other.
 */
#include "gate/request.h"

#include <string.h>

#define TRIES_MAX 16

static const struct tk_format_subscription *subscription_line(const struct tk_gate *gate, uint64_t id)
{
        const struct tk_area *area = tk_gate_area(gate, TK_FILE_SUBSCRIPTIONS);
        const struct tk_format_subscription *line =
                id < area->reserve_lines ? tk_area_at(tk_gate_area(gate, TK_FILE_SUBSCRIPTIONS), id, 1)
                                         : NULL;
        return line && id && atomic_load_explicit(&line->control, memory_order_acquire) ? line : NULL;
}

static bool ended(const struct tk_format_subscription *line)
{
        return tk_control_state(atomic_load_explicit(&line->control, memory_order_acquire)) == TK_LINE_ENDED;
}

/* As in a decision: 0 of a key without a subscription, and one that has ended still names the periods of its keys. */
static int64_t anchor_of(const struct tk_format_subscription *line)
{
        int64_t anchor_s = line ? atomic_load_explicit(&line->anchor_s, memory_order_acquire) : 0;
        return anchor_s >= 0 && anchor_s <= TK_TIME_MAX_S ? anchor_s : 0;
}

static enum tk_err read_once(const struct tk_gate *gate, struct tk_home home, uint64_t binding,
                             enum tk_record_kind kind, enum tk_limit_owner owner,
                             const struct tk_format_subscription *line, struct tk_usage *usage)
{
        struct tk_request_party party;
        if (!tk_request_party(gate, home, binding, kind, &party))
                return TK_CORRUPT;

        memset(usage, 0, sizeof *usage);
        usage->admitted = atomic_load_explicit(&party.at.meter->admitted, memory_order_acquire);
        usage->refused = atomic_load_explicit(&party.at.meter->refused, memory_order_acquire);
        usage->last_used_s = atomic_load_explicit(&party.at.meter->last_used_s, memory_order_acquire);
        struct tk_moment now = tk_files_now(&gate->files);
        struct tk_credits credits = {0};
        if (line)
                credits = tk_subscription_credits(line, (int64_t)(now.gate_ns / TK_NS_PER_S));
        return tk_limits_report(&party, owner, anchor_of(line), &credits, &now, usage->limits,
                                &usage->limit_count)
                       ? TK_OK
                       : TK_CORRUPT;
}

/* Read again where the meter moved meanwhile: what is left behind there is nobody's usage. */
static enum tk_err read_party(const struct tk_gate *gate, struct tk_home home,
                              const _Atomic uint64_t *binding_word, enum tk_record_kind kind,
                              enum tk_limit_owner owner, const struct tk_format_subscription *line,
                              struct tk_usage *ret_usage)
{
        struct tk_usage usage;
        for (int tries = 0; tries < TRIES_MAX; tries++) {
                uint64_t binding = atomic_load_explicit(binding_word, memory_order_acquire);
                enum tk_err err = read_once(gate, home, binding, kind, owner, line, &usage);
                if (atomic_load_explicit(binding_word, memory_order_acquire) != binding)
                        continue;
                if (!err)
                        *ret_usage = usage;
                return err;
        }
        return TK_BUSY;
}

enum tk_err tk_gate_key_usage(const struct tk_gate *gate, uint64_t key_id, struct tk_usage *ret_usage)
{
        struct tk_area *area = tk_gate_area(gate, TK_FILE_KEYS);
        const struct tk_format_key *line = key_id < area->reserve_lines ? tk_area_at(area, key_id, 1) : NULL;
        if (!line || key_id == 0 ||
            tk_control_state(atomic_load_explicit(&line->control, memory_order_acquire)) == TK_LINE_EMPTY)
                return TK_NOT_FOUND;

        uint64_t owner = atomic_load_explicit(&line->owner, memory_order_acquire);
        const struct tk_format_subscription *subscription = subscription_line(gate, tk_pair_low(owner));
        enum tk_err err = read_party(gate, (struct tk_home){TK_FILE_KEY_HOMES, key_id}, &line->binding,
                                     TK_RECORD_KEY_POLICY, TK_OWNER_KEY, subscription, ret_usage);
        if (!err && subscription && !ended(subscription))
                ret_usage->subscription_id = tk_pair_low(owner);
        return err;
}

enum tk_err tk_gate_subscription_usage(const struct tk_gate *gate, uint64_t subscription_id,
                                       struct tk_usage *ret_usage)
{
        const struct tk_format_subscription *line = subscription_line(gate, subscription_id);
        if (!line)
                return TK_NOT_FOUND;

        return read_party(gate, (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, subscription_id}, &line->binding,
                          TK_RECORD_LIMITS, TK_OWNER_SUBSCRIPTION, line, ret_usage);
}
