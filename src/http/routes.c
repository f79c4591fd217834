/*
 * Answers for the routes of an environment (not those of our own API, which are in router.c). On workers; which route a request is for says the
 * gate. See handlers.h.
 */
#include "http/handlers.h"
#include "http/inputs.h"
#include "http/reply.h"
#include "http/route_words.h"
#include "http/server_state.h"
#include "service/view.h"

#include <stddef.h>

/* A number that may be left out: the struct says whether it was given. */
static enum tk_err read_cost(struct tk_json_reader *reader, const json_t *value, void *ret_route)
{
        struct tk_input_route *route = ret_route;
        route->cost_set = true;
        return tk_json_read_count(reader, value, &route->cost);
}

#define CHANGE_MEMBERS                                                                                       \
        {"description", tk_json_read_text, offsetof(struct tk_input_route, description), false},             \
                {"scope", tk_json_read_text, offsetof(struct tk_input_route, scope), false},                 \
                {"limits", tk_json_read_limits, offsetof(struct tk_input_route, limits), false},             \
        {                                                                                                    \
                "cost", read_cost, 0, false                                                                  \
        }

static const struct tk_json_member new_members[] = {
        {"method", tk_json_read_text, offsetof(struct tk_input_route, method), true},
        {"path", tk_json_read_text, offsetof(struct tk_input_route, path), true},
        CHANGE_MEMBERS,
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {CHANGE_MEMBERS};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

enum tk_err tk_http_route_create(struct tk_request *request)
{
        struct tk_input_route input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_api_route route;
        if (err == TK_OK)
                err = tk_service_route_create(request->service, &request->caller, request->params[0],
                                              request->params[1], &input, &request->arena, &route,
                                              &request->fault);
        if (err != TK_OK)
                return err;
        char id[TK_ID_BYTES];
        tk_id_format(TK_ID_ROUTE, route.id, id);
        return tk_reply_created(request, tk_view_route(&route), route.version,
                                "/v1/apis/%.*s/environments/%.*s/routes/%s", TK_STR_ARG(route.api_name),
                                TK_STR_ARG(route.environment_name), id);
}

enum tk_err tk_http_route_update(struct tk_request *request)
{
        struct tk_input_route input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_api_route route;
        if (err == TK_OK)
                err = tk_service_route_update(request->service, &request->caller, request->params[0],
                                              request->params[1], request->params[2], version, &input,
                                              &request->arena, &route, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_route(&route), route.version) : err;
}

enum tk_err tk_http_route_delete(struct tk_request *request)
{
        struct tk_api_route route;
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        if (err == TK_OK)
                err = tk_service_route_delete(request->service, &request->caller, request->params[0],
                                              request->params[1], request->params[2], version,
                                              &request->arena, &route, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_route(&route), route.version) : err;
}

enum tk_err tk_http_route_get(struct tk_request *request)
{
        struct tk_api_route route;
        enum tk_err err = tk_service_route_get(request->service, request->params[0], request->params[1],
                                               request->params[2], &request->arena, &route, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_route(&route), route.version) : err;
}

enum tk_err tk_http_route_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_api_route *routes;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_route_list(request->service, request->params[0], request->params[1], page,
                                            &request->arena, &routes, &count, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_route(&routes[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? routes[count - 1].id : 0);
}

/* ---- which route a request is for ---- */

struct query_words {
        struct tk_str method, path;
};

static enum tk_err read_query(struct tk_request *request, struct query_words *ret_words)
{
        const struct tk_query parameters[] = {{"method", &ret_words->method}, {"path", &ret_words->path}};
        struct tk_page page;
        enum tk_err err = tk_request_page(request, parameters, 2, &page);
        if (err != TK_OK)
                return err;
        if (!ret_words->method.ptr)
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "method",
                                    "give the request's method", "it is missing");
        if (!ret_words->path.ptr)
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "path",
                                    "give the request's path, from its first / to before the ?",
                                    "it is missing");
        return TK_OK;
}

static enum tk_err upper_method(struct tk_request *request, struct tk_str *inout_method)
{
        char *upper = tk_arena_alloc(&request->arena, inout_method->len + 1);
        if (!upper)
                return TK_NOMEM;
        for (size_t i = 0; i < inout_method->len; i++) {
                char c = inout_method->ptr[i];
                upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        }
        inout_method->ptr = upper;
        return TK_OK;
}

/* The registry's own record of what the gate has found: the same, as every change is in force before it is answered. */
static enum tk_err view_of(struct tk_request *request, uint64_t id, json_t **ret_view)
{
        struct tk_api_route route;
        char text[TK_ID_BYTES];
        tk_id_format(TK_ID_ROUTE, id, text);
        enum tk_err err = tk_service_route_get(request->service, request->params[0], request->params[1],
                                               tk_str_from(text), &request->arena, &route, &request->fault);
        if (err == TK_OK)
                *ret_view = tk_view_route(&route);
        return err;
}

enum tk_err tk_http_route_match(struct tk_request *request)
{
        const struct tk_gate *gate = request->server->gate;
        struct query_words words = {0};
        struct tk_api_route *routes;
        size_t count;
        uint32_t environment = 0;
        enum tk_err err = read_query(request, &words);
        if (err == TK_OK)
                err = upper_method(request, &words.method);
        if (err == TK_OK) /* whether the place is there */
                err = tk_service_route_list(request->service, request->params[0], request->params[1],
                                            (struct tk_page){.limit = 1}, &request->arena, &routes, &count,
                                            &request->fault);
        if (err != TK_OK)
                return err;
        (void)tk_gate_environment(gate, request->params[0], request->params[1], &environment);
        struct tk_matched_route found;
        enum tk_route_result result =
                tk_gate_match_route(gate, environment, words.method, words.path, &found);
        json_t *view = NULL;
        if (result == TK_ROUTE_UNAVAILABLE)
                return tk_fault_set(&request->fault, TK_FAULT_unavailable, "", "see /readyz", "%s",
                                    tk_route_words(result)->detail);
        if (result == TK_ROUTE_MATCHED)
                err = view_of(request, found.id, &view);
        if (err != TK_OK)
                return err;
        return tk_reply_json(request,
                             json_pack("{s:s, s:s, s:o}", "result", tk_route_words(result)->name, "detail",
                                       tk_route_words(result)->detail, "route", view ? view : json_null()));
}
