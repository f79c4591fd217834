/*
 * The decision: the checks in the order of DESIGN.md section 5, then the charge, then the counters. Runs on any thread of
 * any process; allocates nothing, locks nothing, calls the kernel for nothing but the vDSO clock. What a check is
 * about stands in lookup.c, restrict.c and limits.c; here are those that only look at the key's words.
 */
#include "gate/events.h"
#include "gate/forward.h"
#include "gate/request.h"
#include "gate/reserve.h"

#include <string.h>

/* ---- the key's words ---- */

bool tk_check_not_revoked(struct tk_request *request)
{
        return tk_control_state(request->control) != TK_LINE_REVOKED;
}

bool tk_check_not_suspended(struct tk_request *request)
{
        uint32_t state = atomic_load_explicit(&request->environment->state, memory_order_acquire);
        const char *reason = NULL;

        /* A revoked one was refused before; only an explanation comes here with it. */
        if (tk_control_state(request->control) != TK_LINE_ACTIVE &&
            tk_control_state(request->control) != TK_LINE_REVOKED)
                reason = "the key is suspended";
        else if (request->control & TK_CONTROL_CONSUMER_SUSPENDED)
                reason = "its consumer is suspended";
        else if (request->subscription_control &&
                 tk_control_state(request->subscription_control) != TK_LINE_ACTIVE)
                reason = "its subscription is suspended";
        else if (state != TK_LINE_ACTIVE)
                reason = "its API or environment is suspended";
        if (reason)
                request->answer->reason = reason;
        return !reason;
}

bool tk_check_begun(struct tk_request *request)
{
        return request->now_s >= tk_pair_low(request->validity);
}

bool tk_check_not_expired(struct tk_request *request)
{
        uint32_t not_after = tk_pair_high(request->validity);
        return not_after == 0 || request->now_s < not_after;
}

bool tk_check_environment(struct tk_request *request)
{
        return tk_control_environment(request->control) == request->ask->environment;
}

bool tk_check_available(struct tk_request *request)
{
        request->damage = tk_gate_why_unavailable(request->gate, request->now.boot_ns);
        return !request->damage;
}

/* ---- the walk ---- */

static void begin_checks(struct tk_request *request)
{
        const struct tk_ask *ask = request->ask;
        const struct tk_files *files = &request->gate->files;
        request->now = ask->now_ns ? tk_files_moment(files, ask->now_ns) : tk_files_now(files);
        request->now_s = (int64_t)(request->now.gate_ns / TK_NS_PER_S);
        request->subscription_control = 0;
        request->anchor_s = 0;
        request->limits_looked_at = request->closed = false;
        memset(request->of_kind, 0, sizeof request->of_kind);
        request->refused_kinds = 0;
        request->limit_count = request->named_count = 0;
        request->reservation = NULL;
        request->damage = NULL;
}

void tk_request_init(struct tk_request *ret_request, struct tk_gate *gate, const struct tk_ask *ask,
                     struct tk_answer *answer)
{
        memset(answer, 0, offsetof(struct tk_answer, limits));
        ret_request->gate = gate;
        ret_request->ask = ask;
        ret_request->answer = answer;
        ret_request->number = 0;
        ret_request->found = false;
        tk_request_locate(ret_request);
        ret_request->rehearsal = false;
        ret_request->waits = true;
        ret_request->turns = 0;
        begin_checks(ret_request);
}

/* In the order of the checks. */
static enum tk_code lost_race(const struct tk_request *request)
{
        if (request->refused_kinds & 1u << TK_LIMIT_RATE)
                return TK_CODE_rate_limited;
        return request->refused_kinds & 1u << TK_LIMIT_WINDOW ? TK_CODE_quota_exceeded
                                                              : TK_CODE_credits_exhausted;
}

static enum tk_code first_refusal(struct tk_request *request)
{
#define X(code, check, describe)                                                                             \
        if (!check(request))                                                                                 \
                return TK_CODE_##code;
        TK_CHECKS(X)
#undef X
        if (request->ask->reserve_s && !request->rehearsal && !tk_reservation_claim(request)) {
                request->damage = "there is no room for another reservation";
                return TK_CODE_unavailable;
        }
        if (!tk_request_charge(request)) {
                tk_reservation_drop(request);
                return lost_race(request);
        }
        return TK_CODE_valid;
}

/*
 * The publisher has closed a limit, and is about to store the binding that names its successor: ask anew, from the key's line on. Normally
 * that takes a microsecond; where the publisher is preempted or killed just then, it is given up, and what is not enforced is left out.
 */
static __attribute__((noinline, cold)) enum tk_code decide_anew(struct tk_request *request)
{
        enum tk_code code;
        do {
                request->waits = tk_forward_wait(&request->gate->files, &request->turns);
                memset(request->answer, 0, offsetof(struct tk_answer, limits));
                begin_checks(request);
                code = first_refusal(request);
        } while (request->closed && request->waits);
        return code;
}

void tk_request_decide(struct tk_request *request)
{
        enum tk_code code = first_refusal(request);
        if (__builtin_expect(request->closed, false))
                code = decide_anew(request);
        request->answer->code = code;
        if (request->damage) {
                request->answer->code = TK_CODE_unavailable;
                request->answer->reason = request->damage;
                return;
        }
        tk_request_tell_limits(request);
}

static void count(struct tk_format_meter *meter, bool admitted, int64_t now_s)
{
        if (admitted)
                atomic_fetch_add_explicit(&meter->admitted, 1, memory_order_relaxed);
        else
                atomic_fetch_add_explicit(&meter->refused, 1, memory_order_relaxed);
        atomic_store_explicit(&meter->last_used_s, (uint32_t)now_s, memory_order_relaxed);
}

static void count_all(struct tk_request *request, bool admitted)
{
        count(request->key.at.meter, admitted, request->now_s);
        if (request->subscription_control)
                count(request->subscription.at.meter, admitted, request->now_s);
        if (request->ask->route)
                count(request->route.at.meter, admitted, request->now_s);
        tk_named_count(request, admitted);
}

/* The thread slept so long that the daemon took the line back: nothing was promised, so nothing stays charged but rates. */
static void give_up_reservation(struct tk_request *request)
{
        tk_request_refund(request);
        tk_request_tell_limits(request);
        request->answer->code = TK_CODE_unavailable;
        request->answer->reason = "the reservation was not made in time";
}

void tk_gate_decide(struct tk_gate *gate, const struct tk_ask *ask, struct tk_answer *ret_answer)
{
        struct tk_request request;
        tk_request_init(&request, gate, ask, ret_answer);
        tk_request_decide(&request);
        if (request.reservation && !tk_reservation_open(&request))
                give_up_reservation(&request);
        if (ret_answer->identified)
                count_all(&request, ret_answer->code == TK_CODE_valid);
        tk_events_decided(&request);
}
