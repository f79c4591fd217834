/*
 * Answers for the roles of an API. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

static const struct tk_json_member new_members[] = {
        {"name", tk_json_read_text, offsetof(struct tk_input_role, name), true},
        {"description", tk_json_read_text, offsetof(struct tk_input_role, description), false},
        {"scopes", tk_json_read_texts, offsetof(struct tk_input_role, scopes), false},
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {
        {"description", tk_json_read_text, offsetof(struct tk_input_role, description), false},
        {"scopes", tk_json_read_texts, offsetof(struct tk_input_role, scopes), false},
};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

enum tk_err tk_http_role_create(struct tk_request *request)
{
        struct tk_input_role input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_role role;
        if (err == TK_OK)
                err = tk_service_role_create(request->service, &request->caller, request->params[0], &input,
                                             &request->arena, &role, &request->fault);
        if (err != TK_OK)
                return err;
        return tk_reply_created(request, tk_view_role(&role), role.version, "/v1/apis/%.*s/roles/%.*s",
                                TK_STR_ARG(role.api_name), TK_STR_ARG(role.name));
}

enum tk_err tk_http_role_update(struct tk_request *request)
{
        struct tk_input_role input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_role role;
        if (err == TK_OK)
                err = tk_service_role_update(request->service, &request->caller, request->params[0],
                                             request->params[1], version, &input, &request->arena, &role,
                                             &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_role(&role), role.version) : err;
}

enum tk_err tk_http_role_get(struct tk_request *request)
{
        struct tk_role role;
        enum tk_err err = tk_service_role_get(request->service, request->params[0], request->params[1],
                                              &request->arena, &role, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_role(&role), role.version) : err;
}

enum tk_err tk_http_role_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_role *roles;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_role_list(request->service, request->params[0], page, &request->arena,
                                           &roles, &count, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_role(&roles[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? roles[count - 1].id : 0);
}

enum tk_err tk_http_role_delete(struct tk_request *request)
{
        struct tk_role role;
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        if (err == TK_OK)
                err = tk_service_role_delete(request->service, &request->caller, request->params[0],
                                             request->params[1], version, &request->arena, &role,
                                             &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_role(&role), role.version) : err;
}
