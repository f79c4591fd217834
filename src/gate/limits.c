/*
 * The limits of a request: gather those of the subscription, the key, the route and the caller, look at all, then charge all or
 * none. Runs in the decision path, on any thread. Order of the charges: windows and credits first, because what they took can be
 * given back when a later charge loses a race; rates last, because a rate is never refunded (DESIGN.md section 6). What is not enforced
 * after that, so that it counts what is admitted and nothing else. The arithmetic is core's; the table of the caller's names is named.c's.
 */
#include "gate/request.h"

#include "core/slot.h"
#include "gate/forward.h"
#include "gate/named.h"

/* ---- one limit ---- */

static struct tk_rate rate_of(const struct tk_format_limit *limit)
{
        return (struct tk_rate){limit->rate_units, limit->rate_interval, limit->burst};
}

static struct tk_window window_of(const struct tk_request_limit *it, const struct tk_moment *now)
{
        return (struct tk_window){it->limit->limit, (enum tk_period_kind)it->limit->period,
                                  it->limit->length_s, it->anchor_s, now->back};
}

/* Look at it; in a rehearsal the slot is a copy. Rates keep to the clock that nobody sets, windows to the calendar's. */
static void look_at(struct tk_request_limit *it, const struct tk_moment *now, uint64_t cost)
{
        if (it->limit->kind == TK_LIMIT_RATE) {
                struct tk_rate rate = rate_of(it->limit);
                tk_rate_offer(it->slot, &rate, now->boot_ns, cost, &it->offer);
        } else if (it->limit->kind == TK_LIMIT_WINDOW) {
                struct tk_window window = window_of(it, now);
                tk_window_offer(it->slot, &window, now->gate_ns, cost, &it->offer);
        } else {
                tk_credits_offer(it->slot, &it->credits, cost, &it->offer);
        }
}

/* Charge what was offered, or, where others were faster, what is offered then. False when it no longer fits. */
static bool charge(struct tk_request_limit *it, const struct tk_moment *now, uint64_t cost)
{
        while (it->offer.wait_ns == 0) {
                it->charged = tk_offer_take(it->slot, &it->offer);
                if (it->charged)
                        return true;
                look_at(it, now, cost);
        }
        return false;
}

static uint64_t window_s(const struct tk_request_limit *it)
{
        if (it->limit->kind != TK_LIMIT_WINDOW || it->limit->period == TK_PERIOD_FIXED)
                return (uint64_t)it->limit->length_s;
        return (uint64_t)(it->offer.period_end_s - it->offer.period_s);
}

static void describe_state(const struct tk_request_limit *it, const struct tk_moment *now,
                           struct tk_limit_state *ret_state)
{
        const struct tk_slot *value = it->charged ? &it->offer.charged : &it->offer.seen;
        ret_state->wait_ns = it->offer.wait_ns;
        ret_state->admitted = it->offer.wait_ns == 0;
        if (it->limit->kind == TK_LIMIT_RATE) {
                struct tk_rate rate = rate_of(it->limit);
                tk_rate_describe(value, &rate, now->boot_ns, ret_state);
        } else if (it->limit->kind == TK_LIMIT_WINDOW) {
                struct tk_window window = window_of(it, now);
                tk_window_describe(value, &window, now->gate_ns, &it->offer, ret_state);
        } else {
                tk_credits_describe(value, &it->credits, ret_state);
        }
}

/* Of a limit that was looked at: what it is, and how it stands. */
static void describe(const struct tk_request_limit *it, const struct tk_moment *now,
                     struct tk_answer_limit *ret_limit)
{
        ret_limit->name = it->name;
        ret_limit->owner = it->owner;
        ret_limit->kind = (enum tk_limit_kind)it->limit->kind;
        ret_limit->limit = it->limit->kind == TK_LIMIT_CREDITS ? it->credits.granted : it->limit->limit;
        ret_limit->burst = it->limit->burst;
        ret_limit->window_s = window_s(it);
        ret_limit->period = (enum tk_period_kind)it->limit->period;
        ret_limit->shadow = it->shadow;
        describe_state(it, now, &ret_limit->state);
}

/* ---- all limits of a request ---- */

static bool damaged(struct tk_request *request, const char *why)
{
        request->damage = why;
        return false;
}

/* One more, its slot a copy in a rehearsal; NULL when there are too many. */
static struct tk_request_limit *add(struct tk_request *request, const struct tk_format_limit *limit,
                                    struct tk_slot *slot)
{
        if (request->limit_count == TK_GATE_LIMITS_MAX) {
                damaged(request, "more limits apply than a request may have");
                return NULL;
        }
        if (request->rehearsal) {
                struct tk_slot *copy = &request->rehearsal_slots[request->limit_count];
                tk_u128 stored = tk_slot_read(slot);
                *copy = tk_slot_of(tk_slot_forwarded(stored) ? stored : tk_slot_plain(stored));
                slot = copy;
        }
        uint32_t index = request->limit_count++;
        struct tk_request_limit *it = &request->limits[index];
        it->limit = limit;
        it->slot = slot;
        it->anchor_s = 0;
        it->shadow = limit->flags & TK_FORMAT_LIMIT_SHADOW;
        it->charged = false;
        request->of_kind[it->shadow ? 0 : limit->kind] |= (uint16_t)(1u << index);
        return it;
}

static bool gather(struct tk_request *request, const struct tk_request_party *party,
                   enum tk_limit_owner owner)
{
        const struct tk_format_policy *policy = party->view.policy;
        for (uint32_t i = 0; i < policy->limit_count; i++) {
                const struct tk_format_limit *limit = &party->view.limits[i];
                if (!tk_policy_limit_sound(limit, policy))
                        return damaged(request, "a limit of a policy is damaged");
                struct tk_request_limit *it = add(request, limit, &party->at.meter->slots[limit->slot]);
                if (!it)
                        return false;
                it->name = (struct tk_str){limit->name, limit->name_len};
                it->owner = owner;
                it->file = party->at.file;
                it->anchor_s = limit->anchored ? request->anchor_s : 0;
                if (limit->kind != TK_LIMIT_CREDITS)
                        continue;
                if (owner != TK_OWNER_SUBSCRIPTION)
                        return damaged(request, "a limit of a policy is damaged");
                it->credits = request->credits;
        }
        return true;
}

/* Whether it is counted already: a limit that is named twice, or two that share an entry, count the request once. */
static bool counted(const struct tk_request *request, uint64_t tag)
{
        for (uint32_t i = 0; i < request->named_count; i++)
                if (request->named[i].tag == tag)
                        return true;
        return false;
}

/* One limit that the caller brings. Nobody can be refused for one that is not enforced, so it is left out where it finds no place. */
static bool gather_named(struct tk_request *request, const struct tk_named_limit *named)
{
        static struct tk_format_named fresh; /* never written: a rehearsal copies its slot */
        struct tk_format_limit *limit = &request->named_limits[request->named_count];
        struct tk_named_place *place = &request->named[request->named_count];
        if (!tk_named_compile(named, limit))
                return damaged(request, "a named limit is not one");
        bool found = tk_named_find(request, named, limit, place);
        if (!found || place->tag != place->name_tag)
                request->answer->named_shared = true;
        if (!found)
                return named->def->shadow || damaged(request, "there is no room for another named limit");
        if (counted(request, place->tag))
                return true;

        struct tk_request_limit *it = add(request, limit, place->entry ? &place->entry->slot : &fresh.slot);
        if (!it)
                return false;
        it->name = named->name;
        it->owner = TK_OWNER_CALLER;
        it->file = TK_FILE_NAMED;
        place->shadow = it->shadow;
        request->named_count++;
        return true;
}

static bool gather_all_named(struct tk_request *request)
{
        const struct tk_ask *ask = request->ask;
        if (ask->named_count > TK_GATE_LIMITS_MAX - request->limit_count)
                return damaged(request, "more limits apply than a request may have");
        for (uint32_t i = 0; i < ask->named_count; i++)
                if (!gather_named(request, &ask->named[i]))
                        return false;
        return true;
}

/* False: nothing can be said of it, because it moves. For one that is not enforced the request does not wait for ever. */
static bool note_refusal(struct tk_request *request, uint32_t index)
{
        struct tk_answer *answer = request->answer;
        const struct tk_request_limit *it = &request->limits[index];
        bool closed = tk_offer_closed(&it->offer);
        if (closed && (!it->shadow || request->waits)) {
                request->closed = true;
                return damaged(request, "its limits are being changed; ask again");
        }
        if (it->shadow) {
                answer->shadow_refused |= !closed;
                return true;
        }
        request->refused_kinds |= 1u << it->limit->kind;
        if (answer->refused_by && it->offer.wait_ns <= answer->retry_after_ns)
                return true;
        answer->retry_after_ns = it->offer.wait_ns;
        answer->refused_by = index + 1;
        return true;
}

static bool gather_all(struct tk_request *request)
{
        if (request->subscription_control && !gather(request, &request->subscription, TK_OWNER_SUBSCRIPTION))
                return false;
        if (!gather(request, &request->key, TK_OWNER_KEY))
                return false;
        if (request->ask->route && !gather(request, &request->route, TK_OWNER_ROUTE))
                return false;
        return request->ask->named_count == 0 || gather_all_named(request);
}

/*
 * A rate that looks as if nobody could have written it. This thread may have slept since it read the clock, even through a suspension
 * of the machine: then it is the clock that is wrong, and not the slot. So the clock is read again, after the slot, before any of it is believed.
 */
static void look_again(struct tk_request *request, struct tk_request_limit *it)
{
        struct tk_rate rate = rate_of(it->limit);
        if (!request->ask->now_ns)
                request->now.boot_ns = tk_files_now(&request->gate->files).boot_ns;
        tk_rate_lower(it->slot, &it->offer.seen, &rate, request->now.boot_ns);
        look_at(it, &request->now, request->ask->cost);
}

/* Gather and look at every limit, once a request. */
static bool look(struct tk_request *request)
{
        if (request->limits_looked_at)
                return true;
        request->limits_looked_at = true;

        if (request->ask->cost > TK_LIMIT_COST_MAX)
                return damaged(request, "the cost is out of range");
        if (request->ask->reserve_s > TK_RESERVE_MAX_S)
                return damaged(request, "a reservation does not last so long");
        if (!gather_all(request))
                return false;
        for (uint32_t i = 0; i < request->limit_count; i++) {
                struct tk_request_limit *it = &request->limits[i];
                look_at(it, &request->now, request->ask->cost);
                if (it->offer.beyond)
                        look_again(request, it);
                if (it->offer.wait_ns && !note_refusal(request, i))
                        return false;
        }
        return true;
}

void tk_request_tell_limits(struct tk_request *request)
{
        for (uint32_t i = 0; i < request->limit_count; i++)
                describe(&request->limits[i], &request->now, &request->answer->limits[i]);
        request->answer->limit_count = request->limit_count;
}

bool tk_check_rates(struct tk_request *request)
{
        return look(request) && !(request->refused_kinds & 1u << TK_LIMIT_RATE);
}

bool tk_check_windows(struct tk_request *request)
{
        return look(request) && !(request->refused_kinds & 1u << TK_LIMIT_WINDOW);
}

bool tk_check_credits(struct tk_request *request)
{
        return look(request) && !(request->refused_kinds & 1u << TK_LIMIT_CREDITS);
}

/* ---- the charge ---- */

/* What may be given back of what was charged: all but rates. Under the label that was charged, for credits what had gone; where the limit is now. */
void tk_request_refund(struct tk_request *request)
{
        for (uint32_t i = 0; i < request->limit_count; i++) {
                struct tk_request_limit *it = &request->limits[i];
                if (it->limit->kind == TK_LIMIT_RATE || !it->charged)
                        continue;
                it->slot = tk_forward_refund(&request->gate->files, it->slot, it->offer.charged.hi,
                                             request->ask->cost, &request->turns);
                it->charged = false;
                look_at(it, &request->now, request->ask->cost);
        }
}

static bool charge_kind(struct tk_request *request, enum tk_limit_kind kind)
{
        for (unsigned left = request->of_kind[kind]; left; left &= left - 1) {
                uint32_t index = (uint32_t)__builtin_ctz(left);
                if (charge(&request->limits[index], &request->now, request->ask->cost))
                        continue;
                note_refusal(request, index);
                tk_request_refund(request);
                return false;
        }
        return true;
}

/*
 * Those that are not enforced: where the cost fits, as it would be were they enforced. One that has just been closed is left out: a rate was
 * charged, so the request is not asked anew.
 */
static void charge_shadows(struct tk_request *request)
{
        for (unsigned left = request->of_kind[0]; left; left &= left - 1) {
                uint32_t index = (uint32_t)__builtin_ctz(left);
                struct tk_request_limit *it = &request->limits[index];
                if (!charge(it, &request->now, request->ask->cost) && !tk_offer_closed(&it->offer))
                        note_refusal(request, index);
        }
}

bool tk_request_charge(struct tk_request *request)
{
        if (request->ask->cost == 0)
                return true;
        if (!charge_kind(request, TK_LIMIT_WINDOW) || !charge_kind(request, TK_LIMIT_CREDITS) ||
            !charge_kind(request, TK_LIMIT_RATE))
                return false;
        if (request->answer->named_shared && !request->rehearsal && tk_named_moved(request)) {
                tk_request_refund(request);
                return damaged(request, "a named limit got a place of its own meanwhile; ask again");
        }
        charge_shadows(request);
        return true;
}

bool tk_limits_report(const struct tk_request_party *party, enum tk_limit_owner owner, int64_t anchor_s,
                      const struct tk_credits *credits, const struct tk_moment *now,
                      struct tk_answer_limit *ret_limits, uint32_t *ret_count)
{
        const struct tk_format_policy *policy = party->view.policy;
        for (uint32_t i = 0; i < policy->limit_count; i++) {
                const struct tk_format_limit *limit = &party->view.limits[i];
                if (!tk_policy_limit_sound(limit, policy))
                        return false;
                /* looking at a rate may lower its slot: not here */
                struct tk_slot copy =
                        tk_slot_of(tk_slot_plain(tk_slot_read(&party->at.meter->slots[limit->slot])));
                struct tk_request_limit it = {.name = {limit->name, limit->name_len},
                                              .limit = limit,
                                              .slot = &copy,
                                              .anchor_s = limit->anchored ? anchor_s : 0,
                                              .owner = owner,
                                              .shadow = limit->flags & TK_FORMAT_LIMIT_SHADOW,
                                              .credits = *credits};
                look_at(&it, now, 0);
                describe(&it, now, &ret_limits[i]);
        }
        *ret_count = policy->limit_count;
        return true;
}
