/*
 * Why a request would be admitted or refused: the same checks as decide.c, in the same order, each with what
 * was compared. Works on copies of the limits' slots, so that it charges nothing; counts nothing. Any thread;
 * not for the hot path. Never prints a key, nor anything that a key could be found with.
 */
#include "gate/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a check compared, in words; cut where it does not fit. */
struct detail {
        char *text;
        size_t room, len;
};

__attribute__((format(printf, 2, 3))) static void say(struct detail *detail, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        int len = vsnprintf(detail->text + detail->len, detail->room - detail->len, format, args);
        va_end(args);
        if (len > 0)
                detail->len += (size_t)len;
        if (detail->len >= detail->room)
                detail->len = detail->room - 1;
}

static void describe_presented(const struct tk_request *request, struct detail *detail)
{
        if (request->ask->key.ptr && request->ask->key.len)
                say(detail, "a key of %zu characters was presented", request->ask->key.len);
        else
                say(detail, "no key was presented");
}

static void describe_shape(const struct tk_request *request, struct detail *detail)
{
        struct tk_key_parts parts;
        if (tk_key_parse(request->ask->key, &parts))
                say(detail, "it has the form of a key, and its check characters are right");
        else
                say(detail, request->found ? "it is an imported key"
                                           : "it has not the form of a key, and is none that was imported");
}

static void describe_found(const struct tk_request *request, struct detail *detail)
{
        if (request->answer->identified)
                say(detail, "it is key %llu", (unsigned long long)request->number);
        else
                say(detail, "there is no such key");
}

static void describe_state(const struct tk_request *request, struct detail *detail)
{
        static const char *const names[] = {"empty", "active", "suspended", "revoked"};
        enum tk_line_state state = tk_control_state(request->control);
        say(detail, "the key is %s", state <= TK_LINE_REVOKED ? names[state] : "in no known state");
}

static void describe_suspended(const struct tk_request *request, struct detail *detail)
{
        const char *reason = request->answer->reason;
        say(detail, "%s", reason ? reason : "key, consumer, subscription, environment and API are active");
}

static void say_time(struct detail *detail, const char *what, int64_t at_s, int64_t now_s)
{
        char at[TK_TIME_TEXT_MAX], now[TK_TIME_TEXT_MAX];
        tk_time_format(at_s, at);
        tk_time_format(now_s, now);
        say(detail, "%s %s, now %s", what, at, now);
}

static void describe_begun(const struct tk_request *request, struct detail *detail)
{
        if (request->answer->not_before_s)
                say_time(detail, "valid from", request->answer->not_before_s, request->now_s);
        else
                say(detail, "valid from the beginning");
}

static void describe_expiry(const struct tk_request *request, struct detail *detail)
{
        if (request->answer->expires_s)
                say_time(detail, "expires", request->answer->expires_s, request->now_s);
        else
                say(detail, "never expires");
}

static void describe_environment(const struct tk_request *request, struct detail *detail)
{
        const struct tk_answer *answer = request->answer;
        struct tk_area *area = tk_gate_area(request->gate, TK_FILE_POLICY);
        const struct tk_format_environment *asked = tk_policy_environment(area, request->ask->environment);
        struct tk_str api, name;

        say(detail, "the key is of %.*s %.*s", TK_STR_ARG(answer->api), TK_STR_ARG(answer->environment));
        if (asked && tk_policy_text(&asked->head, asked->api, &api) &&
            tk_policy_text(&asked->head, asked->name, &name))
                say(detail, ", the request of %.*s %.*s", TK_STR_ARG(api), TK_STR_ARG(name));
        else
                say(detail, ", the request of none that the gate knows");
}

static void describe_restrictions(const struct tk_request *request, struct detail *detail)
{
        const struct tk_format_policy *policy = request->key.view.policy;
        if (request->answer->reason)
                say(detail, "%s", request->answer->reason);
        else if (policy->cidr_count + policy->origin_count + policy->method_count + policy->path_count == 0)
                say(detail, "the key is not restricted");
        else
                say(detail, "allowed by %u address, %u origin, %u method and %u path rules",
                    policy->cidr_count, policy->origin_count, policy->method_count, policy->path_count);
}

/* Which names the key lacks, of those that the expression has; whether there is any. */
static bool say_lacking(const struct tk_request *request, const struct tk_scope_expr *scope, bool lacks,
                        struct detail *detail)
{
        for (uint32_t i = 0; scope && i < scope->op_count; i++) {
                struct tk_str name = scope->ops[i].name;
                if (scope->ops[i].op != TK_SCOPE_NAME || tk_request_has_scope(request, name))
                        continue;
                say(detail, lacks ? ", %.*s" : "lacks %.*s", TK_STR_ARG(name));
                lacks = true;
        }
        return lacks;
}

static bool requires_any(const struct tk_scope_expr *scope)
{
        return scope && scope->op_count > 0;
}

static void describe_scope(const struct tk_request *request, struct detail *detail)
{
        const struct tk_scope_expr *asked = request->ask->scope, *of_route = request->ask->route_scope;
        bool lacks = say_lacking(request, asked, false, detail);
        lacks = say_lacking(request, of_route, lacks, detail);
        if (!requires_any(asked) && !requires_any(of_route))
                say(detail, "nothing is required");
        else if (!lacks)
                say(detail, "has what is required");
        const struct tk_answer *answer = request->answer;
        if (answer->scopes.len)
                say(detail, "; granted %.*s", TK_STR_ARG(answer->scopes));
        else if (answer->role_count == 0)
                say(detail, "; no scope is granted");
        for (uint32_t i = 0; i < answer->role_count; i++)
                say(detail, "; role %.*s grants %.*s", TK_STR_ARG(answer->roles[i].name),
                    TK_STR_ARG(answer->roles[i].scopes));
}

static void describe_available(const struct tk_request *request, struct detail *detail)
{
        say(detail, "%s", request->damage ? request->damage : "the gate's files are current");
}

/* Names that callers give may be any bytes; of those that are long the beginning tells enough. */
#define SAID_NAME_MAX 40

static void say_name(struct detail *detail, struct tk_str name)
{
        char said[SAID_NAME_MAX + 1];
        size_t len = name.len < SAID_NAME_MAX ? name.len : SAID_NAME_MAX;
        for (size_t i = 0; i < len; i++)
                said[i] = name.ptr[i] >= ' ' && name.ptr[i] <= '~' ? name.ptr[i] : '?';
        said[len] = '\0';
        say(detail, "%s%s", said, len < name.len ? "..." : "");
}

static void say_wait(const struct tk_request *request, const struct tk_limit_state *state,
                     struct detail *detail)
{
        if (state->wait_ns == TK_NEVER)
                say(detail, ", never enough for %llu", (unsigned long long)request->ask->cost);
        else
                say(detail, ", passes in %llu s", (unsigned long long)(state->wait_ns / TK_NS_PER_S + 1));
}

static void say_limit(const struct tk_request *request, const struct tk_answer_limit *limit,
                      struct detail *detail)
{
        static const char *const owners[] = {
                [TK_OWNER_KEY] = " of the key",
                [TK_OWNER_SUBSCRIPTION] = " of the subscription",
                [TK_OWNER_ROUTE] = " of the route",
                [TK_OWNER_CALLER] = ", named by the caller",
        };
        say_name(detail, limit->name);
        say(detail, "%s: %llu", owners[limit->owner], (unsigned long long)limit->state.remaining);
        if (limit->kind == TK_LIMIT_CREDITS)
                say(detail, " left of %llu ever granted", (unsigned long long)limit->limit);
        else
                say(detail, " of %llu left",
                    (unsigned long long)(limit->kind == TK_LIMIT_RATE ? limit->burst : limit->limit));
        if (!limit->state.admitted && limit->kind == TK_LIMIT_CREDITS)
                say(detail, ", too few for %llu", (unsigned long long)request->ask->cost);
        else if (!limit->state.admitted)
                say_wait(request, &limit->state, detail);
        if (limit->shadow)
                say(detail, " (not enforced)");
}

static void say_limits(const struct tk_request *request, enum tk_limit_kind kind, struct detail *detail)
{
        bool any = false;
        for (uint32_t i = 0; i < request->limit_count; i++) {
                const struct tk_answer_limit *limit = &request->answer->limits[i];
                if (limit->kind != kind)
                        continue;
                if (any)
                        say(detail, "; ");
                say_limit(request, limit, detail);
                any = true;
        }
        if (!any)
                say(detail, "no such limit applies");
}

static void describe_rates(const struct tk_request *request, struct detail *detail)
{
        say_limits(request, TK_LIMIT_RATE, detail);
}

static void describe_windows(const struct tk_request *request, struct detail *detail)
{
        say_limits(request, TK_LIMIT_WINDOW, detail);
}

static void describe_credits(const struct tk_request *request, struct detail *detail)
{
        say_limits(request, TK_LIMIT_CREDITS, detail);
}

/* ---- the walk ---- */

struct row {
        enum tk_code code;
        bool (*check)(struct tk_request *request);
        void (*describe)(const struct tk_request *request, struct detail *detail);
};

static const struct row rows[] = {
#define X(code, check, describe) {TK_CODE_##code, check, describe},
        TK_CHECKS(X)
#undef X
};
#define ROW_COUNT (sizeof rows / sizeof *rows)

/* One check; false when those after it have nothing to look at. */
static bool explain_row(struct tk_request *request, const struct row *row, struct tk_check *ret_check)
{
        struct detail detail = {ret_check->detail, sizeof ret_check->detail, 0};
        request->answer->reason = NULL;
        bool passed = row->check(request);

        if (!passed && request->damage && row->code != TK_CODE_unavailable) {
                say(&detail, "not known");
                return false;
        }
        ret_check->result = passed ? TK_CHECK_PASSED : TK_CHECK_FAILED;
        tk_request_tell_limits(request);
        row->describe(request, &detail);
        return passed || request->answer->identified;
}

static void mark_unavailable(const char *damage, struct tk_explanation *explanation)
{
        for (size_t i = 0; i < ROW_COUNT; i++) {
                struct tk_check *check = &explanation->checks[i];
                if (check->code != TK_CODE_unavailable)
                        continue;
                check->result = TK_CHECK_FAILED;
                snprintf(check->detail, sizeof check->detail, "%s", damage);
        }
}

void tk_gate_explain(struct tk_gate *gate, const struct tk_ask *ask, struct tk_explanation *ret_explanation)
{
        struct tk_request request;
        struct tk_answer scrap;

        memset(ret_explanation, 0, sizeof *ret_explanation);
        tk_request_init(&request, gate, ask, &ret_explanation->answer);
        request.rehearsal = true;
        tk_request_decide(&request);

        struct tk_moment now = request.now; /* both walks at one instant */
        tk_request_init(&request, gate, ask, &scrap);
        request.now = now;
        request.now_s = (int64_t)(now.gate_ns / TK_NS_PER_S);
        request.rehearsal = true;
        request.waits = false;

        bool going = true;
        for (size_t i = 0; i < ROW_COUNT; i++) {
                struct tk_check *check = &ret_explanation->checks[i];
                check->code = rows[i].code;
                check->result = TK_CHECK_SKIPPED;
                going = going && explain_row(&request, &rows[i], check);
        }
        ret_explanation->check_count = ROW_COUNT;
        if (request.damage)
                mark_unavailable(request.damage, ret_explanation);
}
