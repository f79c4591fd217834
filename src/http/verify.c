/*
 * Answers POST /v1/verify: the hot path. On the network thread, from the gate's memory only: no registry, no disk, no
 * lock. See handlers.h and verify.h.
 */
#include "http/verify.h"

#include "core/secret.h"
#include "http/answer.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/route_words.h"
#include "http/server_state.h"

#include <string.h>

static void remember(struct tk_environment_memo *memo, const struct tk_question *question,
                     uint32_t environment)
{
        if (question->api.len > sizeof(memo->api) || question->environment.len > sizeof(memo->name))
                return;
        memo->api_len = question->api.len;
        memcpy(memo->api, question->api.ptr, memo->api_len);
        memo->name_len = question->environment.len;
        memcpy(memo->name, question->environment.ptr, memo->name_len);
        memo->environment = environment;
}

/* Enough of a name to recognise it. */
static struct tk_str shown(struct tk_str name)
{
        return (struct tk_str){name.ptr, name.len < TK_NAME_MAX ? name.len : TK_NAME_MAX};
}

static enum tk_err no_environment(struct tk_request *request, const struct tk_question *question)
{
        struct tk_str api = shown(question->api), environment = shown(question->environment);
        if (!tk_gate_has_api(request->server->gate, question->api))
                return tk_fault_set(&request->fault, TK_FAULT_unknown_reference, "/api",
                                    "use the name of an API that exists", "there is no API \"%.*s\"",
                                    TK_STR_ARG(api));
        return tk_fault_set(&request->fault, TK_FAULT_unknown_reference, "/environment",
                            "use the name of an environment that the API has; left out, it is production",
                            "the API \"%.*s\" has no environment \"%.*s\"", TK_STR_ARG(api),
                            TK_STR_ARG(environment));
}

static enum tk_err find_environment(struct tk_request *request, const struct tk_question *question,
                                    uint32_t *ret_environment)
{
        struct tk_environment_memo *memo = request->memo;
        struct tk_str api = question->api, environment = question->environment;
        if (memo->api_len > 0 && tk_str_equal(api, (struct tk_str){memo->api, memo->api_len}) &&
            tk_str_equal(environment, (struct tk_str){memo->name, memo->name_len})) {
                *ret_environment = memo->environment;
                return TK_OK;
        }
        if (tk_gate_environment(request->server->gate, api, environment, ret_environment)) {
                remember(memo, question, *ret_environment);
                return TK_OK;
        }
        return no_environment(request, question);
}

/* A gateway's key that is bound to its API tells nothing of the keys of others. */
static enum tk_err refuse_unreached(struct tk_request *request, struct tk_str api)
{
        if (tk_caller_reaches(&request->caller, api))
                return TK_OK;
        return tk_fault_set(&request->fault, TK_FAULT_forbidden, "/api",
                            "name one of these, or use an admin key that is not bound to APIs",
                            "your key acts on %.*s only", TK_STR_ARG(request->caller.only_apis));
}

/* Scope and limits of the route, beside what the question requires; its cost, unless the question has one. */
static enum tk_err take_route(struct tk_request *request, const struct tk_question *question,
                              struct tk_ask *ask, struct tk_verify_route *ret_route)
{
        struct tk_matched_route *found = &ret_route->found;
        ret_route->asked = question->match_route;
        if (!question->match_route)
                return TK_OK;
        ret_route->result = tk_gate_match_route(request->server->gate, ask->environment, question->method,
                                                question->path, found);
        switch (ret_route->result) {
        case TK_ROUTE_MATCHED:
                ask->route = found->route;
                ask->route_scope = &found->scope;
                ask->cost = question->cost_given ? question->cost : found->cost;
                return TK_OK;
        case TK_ROUTE_UNKNOWN:
                if (question->pass_unknown_route)
                        return TK_OK;
                break;
        case TK_ROUTE_AMBIGUOUS:
        case TK_ROUTE_MALFORMED:
                break;
        case TK_ROUTE_UNAVAILABLE:
                return tk_fault_set(&request->fault, TK_FAULT_unavailable, "", "see /readyz", "%s",
                                    tk_route_words(ret_route->result)->detail);
        }
        ask->route_refusal = tk_route_words(ret_route->result)->detail;
        return TK_OK;
}

enum tk_err tk_verify_prepare(struct tk_request *request, struct tk_question *ret_question,
                              struct tk_ask *ret_ask, struct tk_verify_route *ret_route,
                              bool *ret_keys_differ)
{
        enum tk_err err =
                tk_question_read(request->body.bytes, request->body.len, ret_question, &request->fault);
        uint32_t environment;
        if (err == TK_OK && request->caller.only_apis.len > 0)
                err = refuse_unreached(request, ret_question->api);
        if (err == TK_OK)
                err = find_environment(request, ret_question, &environment);
        if (err != TK_OK)
                return err;
        struct tk_str in_body = ret_question->key, in_header = request->headers.api_key;
        *ret_keys_differ = request->headers.api_keys_differ ||
                           (in_body.ptr && in_header.ptr &&
                            !(in_body.len == in_header.len &&
                              tk_equal_constant_time(in_body.ptr, in_header.ptr, in_body.len)));
        *ret_ask = (struct tk_ask){
                .key = in_body.ptr ? in_body : in_header,
                .environment = environment,
                .scope = ret_question->scope.op_count > 0 ? &ret_question->scope : NULL,
                .method = ret_question->method,
                .path = ret_question->path,
                .origin = ret_question->origin,
                .ip = ret_question->ip,
                .cost = ret_question->cost,
        };
        return take_route(request, ret_question, ret_ask, ret_route);
}

void tk_verify_keys_differ(struct tk_answer *ret_answer)
{
        ret_answer->code = TK_CODE_malformed;
        ret_answer->identified = false;
        ret_answer->reason = "Two different keys were presented.";
        ret_answer->limit_count = 0;
        ret_answer->retry_after_ns = 0;
        ret_answer->refused_by = 0;
}

static enum tk_err reply_with(struct tk_request *request, const struct tk_answer *answer,
                              const struct tk_verify_route *route)
{
        struct tk_json_writer writer =
                tk_json_writer_init(request->reply.scratch, sizeof(request->reply.scratch));
        tk_answer_write(&writer, answer, route);
        if (writer.overflow && tk_answer_enlarge(request, &writer))
                tk_answer_write(&writer, answer, route);
        return tk_reply_written(request, &writer);
}

enum tk_err tk_http_verify(struct tk_request *request)
{
        struct tk_question question;
        struct tk_ask ask;
        struct tk_answer answer;
        struct tk_verify_route route;
        bool keys_differ;
        enum tk_err err = tk_verify_prepare(request, &question, &ask, &route, &keys_differ);
        if (err != TK_OK)
                return err;
        if (keys_differ)
                tk_verify_keys_differ(&answer);
        else
                tk_gate_decide(request->server->gate, &ask, &answer);
        tk_metrics_decided(&request->server->metrics, TK_FRONT_VERIFY, answer.code);
        if (answer.code == TK_CODE_unavailable)
                return tk_fault_set(&request->fault, TK_FAULT_unavailable, "", "see /readyz", "%s",
                                    answer.reason ? answer.reason : tk_code_text(answer.code));

        err = reply_with(request, &answer, &route);
        if (err == TK_OK)
                tk_answer_headers(request, &answer);
        return err;
}
