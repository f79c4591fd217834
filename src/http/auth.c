/*
 * Authentication of administrators, and of those who verify from elsewhere. See auth.h.
 */
#include "http/auth.h"

#include "gate/gate.h"
#include "http/refusal.h"
#include "http/reply.h"
#include "http/router.h"
#include "http/server_state.h"
#include "service/view.h"

#include <stdio.h>
#include <time.h>

#define REALM "Bearer realm=\"tollkeeper\""

static enum tk_err unauthenticated(struct tk_request *request, bool key_given, const char *detail)
{
        const char *mend =
                request->route->access == TK_ACCESS_VERIFY || request->route->access == TK_ACCESS_PEER
                        ? "send \"Authorization: Bearer KEY\" with a key of the API tollkeeper, or let this "
                          "address be listed with --verify-peers"
                        : "send \"Authorization: Bearer KEY\" with a key of the API tollkeeper";
        /* RFC 6750, section 3.1: no error code for a request that brought no key. */
        tk_reply_header(request, "WWW-Authenticate", key_given ? REALM ", error=\"invalid_token\"" : REALM);
        return tk_fault_set(&request->fault, TK_FAULT_unauthenticated, "Authorization", mend, "%s", detail);
}

static enum tk_err lacks_scope(struct tk_request *request)
{
        const char *scope = request->route->scope;
        struct tk_str challenge =
                tk_arena_printf(&request->arena, REALM ", error=\"insufficient_scope\", scope=\"%s\"", scope);
        if (!challenge.ptr)
                return TK_NOMEM;
        tk_reply_header(request, "WWW-Authenticate", challenge.ptr);
        char mend[128];
        snprintf(mend, sizeof(mend), "use a key with the scope %s", scope);
        return tk_fault_set(&request->fault, TK_FAULT_forbidden, "Authorization", mend,
                            "the key lacks the scope %s", scope);
}

static enum tk_err over_limit(struct tk_request *request, const struct tk_answer *answer)
{
        if (answer->retry_after_ns != TK_NEVER)
                tk_reply_retry_after(request, (answer->retry_after_ns + TK_NS_PER_S - 1) / TK_NS_PER_S);
        return tk_fault_set(&request->fault, TK_FAULT_rate_limited, "Authorization",
                            "wait as long as Retry-After says, or use a key with a higher limit", "%s",
                            tk_code_text(answer->code));
}

/* ---- sign-in attempts ---- */

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Not on the socket, which is the way back in; not a listed peer, who may try keys at /v1/verify without any; and not behind a
 * proxy that is not trusted to say whose request it is, where everybody has the proxy's address.
 */
static bool is_throttled(const struct tk_request *request)
{
        bool told_by_proxy = request->peer == &request->forwarded;
        return !request->peer->known && (!request->server->behind_proxy || told_by_proxy);
}

static enum tk_err refuse_hasty(struct tk_request *request)
{
        if (!is_throttled(request))
                return TK_OK;
        uint64_t wait_s = tk_throttle_wait_s(request->server->throttle, &request->peer->ip, monotonic_ns());
        if (wait_s == 0)
                return TK_OK;
        tk_reply_retry_after(request, wait_s);
        return tk_fault_set(&request->fault, TK_FAULT_rate_limited, "Authorization",
                            "wait as long as Retry-After says, mend the key, or use another address",
                            "too many bad admin keys came from your address; no key is looked at now");
}

/* 401 for a key that was presented. */
static enum tk_err bad_key(struct tk_request *request, const char *detail)
{
        if (is_throttled(request))
                tk_throttle_failed(request->server->throttle, &request->peer->ip, monotonic_ns());
        return unauthenticated(request, true, detail);
}

/* What the gate said, in the terms of this API. */
static enum tk_err refuse(struct tk_request *request, const struct tk_answer *answer)
{
        const char *detail = tk_code_text(answer->code);
        switch (answer->code) {
        case TK_CODE_insufficient_scope:
                return lacks_scope(request);
        case TK_CODE_suspended:
        case TK_CODE_restricted:
                return tk_fault_set(&request->fault, TK_FAULT_forbidden, "Authorization", "use another key",
                                    "%s", detail);
        case TK_CODE_rate_limited:
        case TK_CODE_quota_exceeded:
        case TK_CODE_credits_exhausted:
                return over_limit(request, answer);
        case TK_CODE_unavailable:
                return tk_fault_set(&request->fault, TK_FAULT_unavailable, "",
                                    "try again; the Unix socket in the data directory works without the gate",
                                    "%s", answer->reason ? answer->reason : detail);
        default:
                return bad_key(request, detail);
        }
}

/* Who lacks a scope, or is where the key may not be used, is known all the same. */
static void note_refused(struct tk_request *request, const struct tk_answer *answer)
{
        bool known = answer->identified &&
                     (answer->code == TK_CODE_insufficient_scope || answer->code == TK_CODE_restricted);
        if (!known)
                return;
        tk_id_format(TK_ID_KEY, answer->key_id, request->actor);
        tk_refusal_note(request, tk_str_from(request->actor));
}

static bool bearer_key(struct tk_str header, struct tk_str *ret_key)
{
        struct tk_str scheme, rest;
        if (!tk_str_cut(tk_str_trim(header), ' ', &scheme, &rest))
                return false;
        *ret_key = tk_str_trim(rest);
        return tk_str_equal_nocase(scheme, TK_STR("Bearer")) && ret_key->len > 0;
}

/* The caller's texts live in the request or in the gate. */
static enum tk_err name_caller(struct tk_request *request, const struct tk_answer *answer)
{
        tk_id_format(TK_ID_KEY, answer->key_id, request->actor);
        request->caller.actor = tk_str_from(request->actor);
        request->caller.source = tk_str_from(request->peer->source);
        request->caller.scopes = answer->scopes;
        request->caller.only_apis = tk_service_only_apis(request->service, answer->key_id);
        for (uint32_t i = 0; i < answer->role_count; i++) {
                struct tk_str all =
                        tk_arena_printf(&request->arena, "%.*s %.*s", TK_STR_ARG(request->caller.scopes),
                                        TK_STR_ARG(answer->roles[i].scopes));
                if (!all.ptr)
                        return TK_NOMEM;
                request->caller.scopes = all;
        }
        return TK_OK;
}

static enum tk_err check_key(struct tk_request *request)
{
        struct tk_server *server = request->server;
        struct tk_str key;
        if (request->headers.authorization_repeated)
                return tk_fault_set(&request->fault, TK_FAULT_malformed_request, "Authorization",
                                    "send it once", "it is given twice");
        enum tk_err err = refuse_hasty(request);
        if (err != TK_OK)
                return err;
        if (!bearer_key(request->headers.authorization, &key))
                return bad_key(request, "The header is not of the form \"Bearer KEY\".");

        const struct tk_scope_expr scope = {
                .op_count = 1,
                .ops[0] = {.op = TK_SCOPE_NAME, .name = tk_str_from(request->route->scope)},
        };
        const struct tk_ask ask = {
                .key = key,
                .environment = server->admin_environment,
                .scope = &scope,
                .method = tk_str_from(request->method),
                .path = tk_str_from(request->path),
                .origin = request->headers.origin,
                .ip = request->peer->ip,
                .cost = 1,
        };
        struct tk_answer answer;
        tk_gate_decide(server->gate, &ask, &answer);
        tk_metrics_decided(&server->metrics, TK_FRONT_ADMIN, answer.code);
        if (answer.code == TK_CODE_valid)
                return name_caller(request, &answer);
        err = refuse(request, &answer);
        note_refused(request, &answer);
        return err;
}

static bool open_without_key(const struct tk_request *request)
{
        switch (request->route->access) {
        case TK_ACCESS_OPEN:
                return true;
        case TK_ACCESS_PEER:
        case TK_ACCESS_VERIFY:
                return request->peer->known;
        case TK_ACCESS_ADMIN:
                return request->peer->trusted;
        }
        return false;
}

enum tk_err tk_auth_check(struct tk_request *request)
{
        if (request->headers.authorization.ptr && request->route->access != TK_ACCESS_OPEN)
                return check_key(request);
        if (!open_without_key(request))
                return unauthenticated(request, false, "No key was presented.");
        if (request->peer->trusted) {
                request->caller.actor = tk_str_from(request->peer->actor);
                request->caller.source = tk_str_from(request->peer->source);
                request->caller.scopes = TK_STR("*");
                request->caller.root = true;
        }
        return TK_OK;
}
