/*
 * Answers for APIs. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/inputs.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

static enum tk_err read_environments(struct tk_json_reader *reader, const json_t *value, void *ret_api);

static const struct tk_json_member new_members[] = {
        {"name", tk_json_read_text, offsetof(struct tk_input_api, name), true},
        {"prefix", tk_json_read_text, offsetof(struct tk_input_api, prefix), false},
        {"description", tk_json_read_text, offsetof(struct tk_input_api, description), false},
        {"environments", read_environments, 0, false},
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {
        {"description", tk_json_read_text, offsetof(struct tk_input_api, description), false},
};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

static enum tk_err read_environments(struct tk_json_reader *reader, const json_t *value, void *ret_api)
{
        struct tk_input_api *api = ret_api;
        void *items;
        enum tk_err err =
                tk_json_read_list(reader, value, &tk_json_environment_shape,
                                  sizeof(struct tk_input_environment), &items, &api->environment_count);
        api->environments_set = err == TK_OK;
        api->environments = err == TK_OK ? items : NULL;
        return err;
}

enum tk_err tk_http_api_create(struct tk_request *request)
{
        struct tk_input_api input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_api api;
        if (err == TK_OK)
                err = tk_service_api_create(request->service, &request->caller, &input, &request->arena, &api,
                                            &request->fault);
        if (err != TK_OK)
                return err;
        return tk_reply_created(request, tk_view_api(&api), api.version, "/v1/apis/%.*s",
                                TK_STR_ARG(api.name));
}

enum tk_err tk_http_api_update(struct tk_request *request)
{
        struct tk_input_api input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_api api;
        if (err == TK_OK)
                err = tk_service_api_update(request->service, &request->caller, request->params[0], version,
                                            &input, &request->arena, &api, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_api(&api), api.version) : err;
}

static enum tk_err set_state(struct tk_request *request, enum tk_state state)
{
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        struct tk_api api;
        if (err == TK_OK)
                err = tk_service_api_set_state(request->service, &request->caller, request->params[0],
                                               version, state, &request->arena, &api, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_api(&api), api.version) : err;
}

enum tk_err tk_http_api_suspend(struct tk_request *request)
{
        return set_state(request, TK_STATE_SUSPENDED);
}

enum tk_err tk_http_api_resume(struct tk_request *request)
{
        return set_state(request, TK_STATE_ACTIVE);
}

enum tk_err tk_http_api_get(struct tk_request *request)
{
        struct tk_api api;
        enum tk_err err = tk_service_api_get(request->service, request->params[0], &request->arena, &api,
                                             &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_api(&api), api.version) : err;
}

enum tk_err tk_http_api_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_api *apis;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_api_list(request->service, &request->caller, page, &request->arena, &apis,
                                          &count, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_api(&apis[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? apis[count - 1].id : 0);
}
