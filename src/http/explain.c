/*
 * Answers POST /v1/explain: every check of a decision, nothing charged. On the network thread, from the gate's memory
 * only. See handlers.h.
 */
#include "http/answer.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/route_words.h"
#include "http/server_state.h"
#include "http/verify.h"

#include <string.h>

static const char *result_name(enum tk_check_result result)
{
        switch (result) {
        case TK_CHECK_PASSED:
                return "passed";
        case TK_CHECK_FAILED:
                return "failed";
        case TK_CHECK_SKIPPED:
                break;
        }
        return "skipped";
}

static void write_check(struct tk_json_writer *writer, const struct tk_check *check)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "code");
        tk_json_text(writer, tk_str_from(tk_code_name(check->code)));
        TK_JSON_NAME(writer, "result");
        tk_json_text(writer, tk_str_from(result_name(check->result)));
        TK_JSON_NAME(writer, "detail");
        tk_json_text(writer, (struct tk_str){check->detail, strnlen(check->detail, sizeof(check->detail))});
        tk_json_close(writer, '}');
}

/* Which route the request was taken for, and why. */
static void write_route(struct tk_json_writer *writer, const struct tk_verify_route *route)
{
        TK_JSON_NAME(writer, "route");
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "result");
        tk_json_plain(writer, tk_str_from(tk_route_words(route->result)->name));
        TK_JSON_NAME(writer, "detail");
        tk_json_plain(writer, tk_str_from(tk_route_words(route->result)->detail));
        if (route->result == TK_ROUTE_MATCHED) {
                TK_JSON_NAME(writer, "scope");
                tk_json_text(writer, route->found.scope_text);
                TK_JSON_NAME(writer, "cost");
                tk_json_u64(writer, route->found.cost);
        }
        tk_json_close(writer, '}');
}

static void write_explanation(struct tk_json_writer *writer, const struct tk_explanation *explanation,
                              const struct tk_verify_route *route)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "answer");
        tk_answer_write(writer, &explanation->answer, route);
        TK_JSON_NAME(writer, "checks");
        tk_json_open(writer, '[');
        for (uint32_t i = 0; i < explanation->check_count; i++)
                write_check(writer, &explanation->checks[i]);
        tk_json_close(writer, ']');
        if (route->asked)
                write_route(writer, route);
        tk_json_close(writer, '}');
}

/* The gate never sees two keys; its explanation of none is the one to start from. */
static void explain_keys_differ(struct tk_gate *gate, struct tk_ask ask,
                                struct tk_explanation *ret_explanation)
{
        ask.key = TK_STR("two keys");
        tk_gate_explain(gate, &ask, ret_explanation);
        tk_verify_keys_differ(&ret_explanation->answer);
        for (uint32_t i = 0; i < ret_explanation->check_count; i++) {
                struct tk_check *check = &ret_explanation->checks[i];
                if (check->code == TK_CODE_malformed)
                        memcpy(check->detail, "two different keys", sizeof("two different keys"));
        }
}

enum tk_err tk_http_explain(struct tk_request *request)
{
        struct tk_gate *gate = request->server->gate;
        struct tk_question question;
        struct tk_ask ask;
        struct tk_verify_route route;
        bool keys_differ;
        enum tk_err err = tk_verify_prepare(request, &question, &ask, &route, &keys_differ);
        if (err != TK_OK)
                return err;
        struct tk_explanation explanation;
        if (keys_differ)
                explain_keys_differ(gate, ask, &explanation);
        else
                tk_gate_explain(gate, &ask, &explanation);

        struct tk_json_writer writer =
                tk_json_writer_init(request->reply.scratch, sizeof(request->reply.scratch));
        write_explanation(&writer, &explanation, &route);
        if (writer.overflow && tk_answer_enlarge(request, &writer))
                write_explanation(&writer, &explanation, &route);
        return tk_reply_written(request, &writer);
}
