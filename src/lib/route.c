/*
 * Routes: which one a request is for, and decisions by it. In the decision path, on any thread: allocates nothing, locks nothing. On whatever is
 * wrong with a question, the answer is one that refuses.
 */
#include "core/id.h"
#include "lib/handle.h"

#define ROUTE_BYTES_MAX 4096

static const enum tollkeeper_route_result results[] = {
        [TK_ROUTE_MATCHED] = TOLLKEEPER_ROUTE_MATCHED,
        [TK_ROUTE_UNKNOWN] = TOLLKEEPER_ROUTE_UNKNOWN,
        [TK_ROUTE_AMBIGUOUS] = TOLLKEEPER_ROUTE_AMBIGUOUS,
        [TK_ROUTE_MALFORMED] = TOLLKEEPER_ROUTE_MALFORMED,
        [TK_ROUTE_UNAVAILABLE] = TOLLKEEPER_ROUTE_UNAVAILABLE,
};

/* Why a request is refused for its path. */
static const char *const refusals[] = {
        [TK_ROUTE_UNKNOWN] = "no route of this environment matches the request",
        [TK_ROUTE_AMBIGUOUS] = "the path is ambiguous: a server may read it as another",
        [TK_ROUTE_MALFORMED] = "the path is not a well-formed one",
};

static bool sized(const struct tollkeeper_route *route)
{
        return TK_LIB_SIZED(route) && route->size <= ROUTE_BYTES_MAX;
}

static void write_route(enum tk_route_result result, const struct tk_matched_route *found,
                        struct tollkeeper_route *it)
{
        char id[TK_ID_BYTES];
        size_t size = it->size;
        memset(it, 0, size);
        it->size = size;
        it->result = results[result];
        if (result != TK_ROUTE_MATCHED)
                return;
        tk_id_format(TK_ID_ROUTE, found->id, id);
        memcpy(it->route_id, id, sizeof it->route_id - 1);
        it->method = tk_lib_text(found->method);
        it->path = tk_lib_text(found->path);
        it->scope = tk_lib_text(found->scope_text);
        it->cost = found->cost;
}

enum tollkeeper_result tollkeeper_match_route(struct tollkeeper_gate *gate, uint32_t environment,
                                              struct tollkeeper_text method, struct tollkeeper_text path,
                                              struct tollkeeper_route *ret_route,
                                              struct tollkeeper_error *error)
{
        struct tk_lib_set *set = tk_lib_current(gate);
        struct tk_matched_route found;
        if (!ret_route || !sized(ret_route))
                return tk_lib_error(TOLLKEEPER_INVALID, error, "the route has no size");
        enum tk_route_result result = tk_gate_match_route(set->gate, tk_lib_ref(set, environment),
                                                          tk_lib_str(method), tk_lib_str(path), &found);
        write_route(result, &found, ret_route);
        return tk_lib_result(TK_OK, NULL, error);
}

/* What the route requires and costs, into the question; NULL, or why the gate must not be asked. */
static const char *take_route(enum tk_route_result result, const struct tk_matched_route *found,
                              enum tollkeeper_unknown_route unknown, struct tk_ask *ask)
{
        if (result == TK_ROUTE_UNAVAILABLE)
                return "the routes cannot be read";
        if (ask->cost == TOLLKEEPER_COST_OF_ROUTE)
                ask->cost = result == TK_ROUTE_MATCHED ? found->cost : 1;
        if (result == TK_ROUTE_MATCHED) {
                ask->route = found->route;
                ask->route_scope = &found->scope;
        } else if (result != TK_ROUTE_UNKNOWN || unknown != TOLLKEEPER_UNKNOWN_ROUTE_PASS) {
                ask->route_refusal = refusals[result];
        }
        return NULL;
}

static enum tollkeeper_code refuse(const char *why, struct tollkeeper_answer *ret_answer)
{
        if (ret_answer)
                tk_lib_answer_refuse(why, ret_answer);
        return TOLLKEEPER_UNAVAILABLE;
}

enum tollkeeper_code tollkeeper_decide_by_route(struct tollkeeper_gate *gate,
                                                const struct tollkeeper_ask *ask,
                                                enum tollkeeper_unknown_route unknown,
                                                struct tollkeeper_answer *ret_answer,
                                                struct tollkeeper_route *ret_route)
{
        if ((ret_answer && !tk_lib_answer_sized(ret_answer)) || (ret_route && !sized(ret_route)))
                return TOLLKEEPER_UNAVAILABLE; /* there is no telling how much of it is there */

        struct tk_lib_set *set = tk_lib_current(gate);
        struct tk_lib_question question;
        struct tk_matched_route found;
        struct tk_answer answer;
        enum tk_route_result result = TK_ROUTE_UNAVAILABLE;
        const char *why = tk_lib_question_read(set, ask, &question);
        if (!why && ask->route)
                why = "a question by route names one itself";
        if (!why) {
                struct tk_ask *it = &question.ask;
                result = tk_gate_match_route(set->gate, it->environment, it->method, it->path, &found);
                why = take_route(result, &found, unknown, it);
        }
        if (ret_route)
                write_route(result, &found, ret_route);
        if (why)
                return refuse(why, ret_answer);
        tk_gate_decide(set->gate, &question.ask, &answer);
        if (ret_answer)
                tk_lib_answer_write(set, ask, &answer, ret_answer);
        return tk_lib_code(answer.code);
}
