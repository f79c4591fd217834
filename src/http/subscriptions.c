/*
 * Answers for subscriptions. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

static const struct tk_json_member new_members[] = {
        {"consumer", tk_json_read_text, offsetof(struct tk_input_subscription, consumer), true},
        {"api", tk_json_read_text, offsetof(struct tk_input_subscription, api), true},
        {"environment", tk_json_read_text, offsetof(struct tk_input_subscription, environment), false},
        {"plan", tk_json_read_text, offsetof(struct tk_input_subscription, plan), true},
        {"started_at", tk_json_read_time, offsetof(struct tk_input_subscription, started_at), false},
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {
        {"plan", tk_json_read_text, offsetof(struct tk_input_subscription, plan), false},
};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

static enum tk_err reply_with(struct tk_request *request, enum tk_err err,
                              const struct tk_subscription *subscription)
{
        if (err != TK_OK)
                return err;
        return tk_reply_object(request, tk_view_subscription(subscription), subscription->version);
}

enum tk_err tk_http_subscription_create(struct tk_request *request)
{
        struct tk_input_subscription input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_subscription made;
        if (err == TK_OK)
                err = tk_service_subscription_create(request->service, &request->caller, &input,
                                                     &request->arena, &made, &request->fault);
        if (err != TK_OK)
                return err;
        char id[32];
        tk_id_format(TK_ID_SUBSCRIPTION, made.id, id);
        return tk_reply_created(request, tk_view_subscription(&made), made.version, "/v1/subscriptions/%s",
                                id);
}

enum tk_err tk_http_subscription_update(struct tk_request *request)
{
        struct tk_input_subscription input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_subscription subscription;
        if (err == TK_OK)
                err = tk_service_subscription_update(request->service, &request->caller, request->params[0],
                                                     version, &input, &request->arena, &subscription,
                                                     &request->fault);
        return reply_with(request, err, &subscription);
}

static enum tk_err set_state(struct tk_request *request, enum tk_state state)
{
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        struct tk_subscription subscription;
        if (err == TK_OK)
                err = tk_service_subscription_set_state(request->service, &request->caller,
                                                        request->params[0], version, state, &request->arena,
                                                        &subscription, &request->fault);
        return reply_with(request, err, &subscription);
}

enum tk_err tk_http_subscription_suspend(struct tk_request *request)
{
        return set_state(request, TK_STATE_SUSPENDED);
}

enum tk_err tk_http_subscription_resume(struct tk_request *request)
{
        return set_state(request, TK_STATE_ACTIVE);
}

enum tk_err tk_http_subscription_end(struct tk_request *request)
{
        return set_state(request, TK_STATE_ENDED);
}

enum tk_err tk_http_subscription_get(struct tk_request *request)
{
        struct tk_subscription subscription;
        enum tk_err err = tk_service_subscription_get(request->service, &request->caller, request->params[0],
                                                      &request->arena, &subscription, &request->fault);
        return reply_with(request, err, &subscription);
}

enum tk_err tk_http_subscription_list(struct tk_request *request)
{
        struct tk_input_subscription_filter filter = {.caller = &request->caller};
        const struct tk_query filters[] = {
                {"consumer", &filter.consumer}, {"api", &filter.api}, {"environment", &filter.environment}};
        struct tk_page page;
        struct tk_subscription *subscriptions;
        size_t count;
        enum tk_err err = tk_request_page(request, filters, sizeof(filters) / sizeof(filters[0]), &page);
        if (err == TK_OK)
                err = tk_service_subscription_list(request->service, &filter, page, &request->arena,
                                                   &subscriptions, &count, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_subscription(&subscriptions[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? subscriptions[count - 1].id : 0);
}
