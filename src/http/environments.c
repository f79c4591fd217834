/*
 * Answers for the environments of an API. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/inputs.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

static const struct tk_json_member change_members[] = {
        {"description", tk_json_read_text, offsetof(struct tk_input_environment, description), false},
};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

static enum tk_err reply_with(struct tk_request *request, enum tk_err err,
                              const struct tk_environment *environment)
{
        return err == TK_OK ? tk_reply_object(request, tk_view_environment(environment), environment->version)
                            : err;
}

enum tk_err tk_http_environment_create(struct tk_request *request)
{
        struct tk_input_environment input = {0};
        enum tk_err err = tk_request_creation(request, &tk_json_environment_shape, &input);
        struct tk_environment made;
        if (err == TK_OK)
                err = tk_service_environment_create(request->service, &request->caller, request->params[0],
                                                    &input, &request->arena, &made, &request->fault);
        if (err != TK_OK)
                return err;
        return tk_reply_created(request, tk_view_environment(&made), made.version,
                                "/v1/apis/%.*s/environments/%.*s", TK_STR_ARG(made.api_name),
                                TK_STR_ARG(made.name));
}

enum tk_err tk_http_environment_update(struct tk_request *request)
{
        struct tk_input_environment input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_environment environment;
        if (err == TK_OK)
                err = tk_service_environment_update(request->service, &request->caller, request->params[0],
                                                    request->params[1], version, &input, &request->arena,
                                                    &environment, &request->fault);
        return reply_with(request, err, &environment);
}

static enum tk_err set_state(struct tk_request *request, enum tk_state state)
{
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        struct tk_environment environment;
        if (err == TK_OK)
                err = tk_service_environment_set_state(request->service, &request->caller, request->params[0],
                                                       request->params[1], version, state, &request->arena,
                                                       &environment, &request->fault);
        return reply_with(request, err, &environment);
}

enum tk_err tk_http_environment_suspend(struct tk_request *request)
{
        return set_state(request, TK_STATE_SUSPENDED);
}

enum tk_err tk_http_environment_resume(struct tk_request *request)
{
        return set_state(request, TK_STATE_ACTIVE);
}

enum tk_err tk_http_environment_get(struct tk_request *request)
{
        struct tk_environment environment;
        enum tk_err err = tk_service_environment_get(request->service, request->params[0], request->params[1],
                                                     &request->arena, &environment, &request->fault);
        return reply_with(request, err, &environment);
}

enum tk_err tk_http_environment_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_environment *environments;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_environment_list(request->service, request->params[0], page, &request->arena,
                                                  &environments, &count, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_environment(&environments[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? environments[count - 1].id : 0);
}
