/*
 * Answers for the plans of an API. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/inputs.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

static const struct tk_json_member new_members[] = {
        {"name", tk_json_read_text, offsetof(struct tk_input_plan, name), true},
        {"description", tk_json_read_text, offsetof(struct tk_input_plan, description), false},
        {"limits", tk_json_read_limits, offsetof(struct tk_input_plan, limits), false},
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {
        {"description", tk_json_read_text, offsetof(struct tk_input_plan, description), false},
        {"limits", tk_json_read_limits, offsetof(struct tk_input_plan, limits), false},
};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

enum tk_err tk_http_plan_create(struct tk_request *request)
{
        struct tk_input_plan input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_plan plan;
        if (err == TK_OK)
                err = tk_service_plan_create(request->service, &request->caller, request->params[0], &input,
                                             &request->arena, &plan, &request->fault);
        if (err != TK_OK)
                return err;
        return tk_reply_created(request, tk_view_plan(&plan), plan.version, "/v1/apis/%.*s/plans/%.*s",
                                TK_STR_ARG(plan.api_name), TK_STR_ARG(plan.name));
}

enum tk_err tk_http_plan_update(struct tk_request *request)
{
        struct tk_input_plan input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_plan plan;
        if (err == TK_OK)
                err = tk_service_plan_update(request->service, &request->caller, request->params[0],
                                             request->params[1], version, &input, &request->arena, &plan,
                                             &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_plan(&plan), plan.version) : err;
}

enum tk_err tk_http_plan_get(struct tk_request *request)
{
        struct tk_plan plan;
        enum tk_err err = tk_service_plan_get(request->service, request->params[0], request->params[1],
                                              &request->arena, &plan, &request->fault);
        return err == TK_OK ? tk_reply_object(request, tk_view_plan(&plan), plan.version) : err;
}

enum tk_err tk_http_plan_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_plan *plans;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_plan_list(request->service, request->params[0], page, &request->arena,
                                           &plans, &count, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_plan(&plans[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? plans[count - 1].id : 0);
}
