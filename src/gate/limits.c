/*
 * The limits of a request: gather those of the subscription and of the key, look at all, then charge all or none. Runs in the decision
 * path, on any thread. Order of the charges: windows first, because what they took can be given back when a later
 * charge loses a race; rates last, because a rate is never refunded (DESIGN.md section 6). The arithmetic is core's.
 */
#include "gate/request.h"

#include "core/slot.h"

/* ---- one limit ---- */

static struct tk_rate rate_of(const struct tk_format_limit *limit)
{
        return (struct tk_rate){limit->rate_units, limit->rate_interval, limit->burst};
}

static struct tk_window window_of(const struct tk_request_limit *it)
{
        return (struct tk_window){it->limit->limit, (enum tk_period_kind)it->limit->period,
                                  it->limit->length_s, it->anchor_s};
}

/* Look at it; in a rehearsal the slot is a copy. */
static void look_at(struct tk_request_limit *it, uint64_t now_ns, uint64_t cost)
{
        if (it->limit->kind == TK_LIMIT_RATE) {
                struct tk_rate rate = rate_of(it->limit);
                tk_rate_offer(it->slot, &rate, now_ns, cost, &it->offer);
        } else {
                struct tk_window window = window_of(it);
                tk_window_offer(it->slot, &window, now_ns, cost, &it->offer);
        }
}

/* Charge what was offered, or, where others were faster, what is offered then. False when it no longer fits. */
static bool charge(struct tk_request_limit *it, uint64_t now_ns, uint64_t cost)
{
        while (it->offer.wait_ns == 0) {
                it->charged = tk_offer_take(it->slot, &it->offer);
                if (it->charged)
                        return true;
                look_at(it, now_ns, cost);
        }
        return false;
}

static uint64_t window_s(const struct tk_request_limit *it)
{
        if (it->limit->kind == TK_LIMIT_RATE || it->limit->period == TK_PERIOD_FIXED)
                return (uint64_t)it->limit->length_s;
        return (uint64_t)(it->offer.period_end_s - it->offer.period_s);
}

/* Of a limit that was looked at: what it is, and how it stands. */
static void describe(const struct tk_request_limit *it, uint64_t now_ns, struct tk_answer_limit *ret_limit)
{
        const struct tk_slot *value = it->charged ? &it->offer.charged : &it->offer.seen;
        ret_limit->name = (struct tk_str){it->limit->name, it->limit->name_len};
        ret_limit->owner = it->owner;
        ret_limit->kind = (enum tk_limit_kind)it->limit->kind;
        ret_limit->limit = it->limit->limit;
        ret_limit->burst = it->limit->burst;
        ret_limit->window_s = window_s(it);
        ret_limit->period = (enum tk_period_kind)it->limit->period;
        ret_limit->state.wait_ns = it->offer.wait_ns;
        ret_limit->state.admitted = it->offer.wait_ns == 0;
        if (it->limit->kind == TK_LIMIT_RATE) {
                struct tk_rate rate = rate_of(it->limit);
                tk_rate_describe(value, &rate, now_ns, &ret_limit->state);
        } else {
                struct tk_window window = window_of(it);
                tk_window_describe(value, &window, now_ns, &it->offer, &ret_limit->state);
        }
}

/* ---- all limits of a request ---- */

static bool gather(struct tk_request *request, const struct tk_request_party *party,
                   enum tk_limit_owner owner)
{
        const struct tk_format_policy *policy = party->view.policy;
        for (uint32_t i = 0; i < policy->limit_count; i++) {
                const struct tk_format_limit *limit = &party->view.limits[i];
                if (!tk_policy_limit_sound(limit, policy)) {
                        request->damage = "a limit of the key's policy is damaged";
                        return false;
                }
                struct tk_slot *slot = &party->meter->slots[limit->slot];
                if (request->rehearsal) {
                        struct tk_slot *copy = &request->rehearsal_slots[request->limit_count];
                        *copy = tk_slot_of(tk_slot_read(slot));
                        slot = copy;
                }
                struct tk_request_limit *it = &request->limits[request->limit_count++];
                it->limit = limit;
                it->slot = slot;
                it->anchor_s = limit->anchored ? request->anchor_s : 0;
                it->owner = owner;
                it->charged = false;
        }
        return true;
}

static void note_refusal(struct tk_request *request, uint32_t index)
{
        struct tk_answer *answer = request->answer;
        uint64_t wait_ns = request->limits[index].offer.wait_ns;
        if (request->limits[index].limit->kind == TK_LIMIT_RATE)
                request->rate_refused = true;
        else
                request->window_refused = true;
        if (answer->refused_by && wait_ns <= answer->retry_after_ns)
                return;
        answer->retry_after_ns = wait_ns;
        answer->refused_by = index + 1;
}

/* Gather and look at every limit, once a request. */
static bool look(struct tk_request *request)
{
        if (request->limits_looked_at)
                return true;
        request->limits_looked_at = true;

        if (request->ask->cost > TK_LIMIT_COST_MAX) {
                request->damage = "the cost is out of range";
                return false;
        }
        if (request->subscription_control && !gather(request, &request->subscription, TK_OWNER_SUBSCRIPTION))
                return false;
        if (!gather(request, &request->key, TK_OWNER_KEY))
                return false;

        for (uint32_t i = 0; i < request->limit_count; i++) {
                struct tk_request_limit *it = &request->limits[i];
                look_at(it, request->now_ns, request->ask->cost);
                if (it->offer.wait_ns)
                        note_refusal(request, i);
        }
        return true;
}

void tk_request_tell_limits(struct tk_request *request)
{
        for (uint32_t i = 0; i < request->limit_count; i++)
                describe(&request->limits[i], request->now_ns, &request->answer->limits[i]);
        request->answer->limit_count = request->limit_count;
}

bool tk_check_rates(struct tk_request *request)
{
        return look(request) && !request->rate_refused;
}

bool tk_check_windows(struct tk_request *request)
{
        return look(request) && !request->window_refused;
}

/* A later limit lost a race: windows that were charged get it back, if their period still runs. */
static void refund(struct tk_request *request)
{
        for (uint32_t i = 0; i < request->limit_count; i++) {
                struct tk_request_limit *it = &request->limits[i];
                if (it->limit->kind != TK_LIMIT_WINDOW || !it->charged)
                        continue;
                tk_window_refund(it->slot, (int64_t)it->offer.charged.hi, request->ask->cost);
                it->charged = false;
                look_at(it, request->now_ns, request->ask->cost);
        }
}

static bool charge_kind(struct tk_request *request, enum tk_limit_kind kind)
{
        for (uint32_t i = 0; i < request->limit_count; i++) {
                struct tk_request_limit *it = &request->limits[i];
                if (it->limit->kind != kind || charge(it, request->now_ns, request->ask->cost))
                        continue;
                note_refusal(request, i);
                refund(request);
                return false;
        }
        return true;
}

bool tk_request_charge(struct tk_request *request)
{
        if (request->ask->cost == 0)
                return true;
        return charge_kind(request, TK_LIMIT_WINDOW) && charge_kind(request, TK_LIMIT_RATE);
}

bool tk_limits_report(const struct tk_request_party *party, enum tk_limit_owner owner, int64_t anchor_s,
                      uint64_t now_ns, struct tk_answer_limit *ret_limits, uint32_t *ret_count)
{
        const struct tk_format_policy *policy = party->view.policy;
        for (uint32_t i = 0; i < policy->limit_count; i++) {
                const struct tk_format_limit *limit = &party->view.limits[i];
                if (!tk_policy_limit_sound(limit, policy))
                        return false;
                struct tk_request_limit it = {.limit = limit,
                                              .slot = &party->meter->slots[limit->slot],
                                              .anchor_s = limit->anchored ? anchor_s : 0,
                                              .owner = owner};
                it.offer.seen =
                        tk_slot_of(tk_slot_read(it.slot)); /* looking at a rate may lower it: not here */
                it.slot = &it.offer.seen;
                look_at(&it, now_ns, 0);
                describe(&it, now_ns, &ret_limits[i]);
        }
        *ret_count = policy->limit_count;
        return true;
}
