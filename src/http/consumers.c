/*
 * Answers for consumers. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

static const struct tk_json_member new_members[] = {
        {"name", tk_json_read_text, offsetof(struct tk_input_consumer, name), true},
        {"description", tk_json_read_text, offsetof(struct tk_input_consumer, description), false},
        {"metadata", tk_json_read_opaque, offsetof(struct tk_input_consumer, metadata), false},
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {
        {"description", tk_json_read_text, offsetof(struct tk_input_consumer, description), false},
        {"metadata", tk_json_read_opaque, offsetof(struct tk_input_consumer, metadata), false},
};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

static enum tk_err reply_with(struct tk_request *request, enum tk_err err, const struct tk_consumer *consumer)
{
        return err == TK_OK ? tk_reply_object(request, tk_view_consumer(consumer), consumer->version) : err;
}

enum tk_err tk_http_consumer_create(struct tk_request *request)
{
        struct tk_input_consumer input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_consumer consumer;
        if (err == TK_OK)
                err = tk_service_consumer_create(request->service, &request->caller, &input, &request->arena,
                                                 &consumer, &request->fault);
        if (err != TK_OK)
                return err;
        char id[32];
        tk_id_format(TK_ID_CONSUMER, consumer.id, id);
        return tk_reply_created(request, tk_view_consumer(&consumer), consumer.version, "/v1/consumers/%s",
                                id);
}

enum tk_err tk_http_consumer_update(struct tk_request *request)
{
        struct tk_input_consumer input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_consumer consumer;
        if (err == TK_OK)
                err = tk_service_consumer_update(request->service, &request->caller, request->params[0],
                                                 version, &input, &request->arena, &consumer,
                                                 &request->fault);
        return reply_with(request, err, &consumer);
}

static enum tk_err set_state(struct tk_request *request, enum tk_state state)
{
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        struct tk_consumer consumer;
        if (err == TK_OK)
                err = tk_service_consumer_set_state(request->service, &request->caller, request->params[0],
                                                    version, state, &request->arena, &consumer,
                                                    &request->fault);
        return reply_with(request, err, &consumer);
}

enum tk_err tk_http_consumer_suspend(struct tk_request *request)
{
        return set_state(request, TK_STATE_SUSPENDED);
}

enum tk_err tk_http_consumer_resume(struct tk_request *request)
{
        return set_state(request, TK_STATE_ACTIVE);
}

enum tk_err tk_http_consumer_get(struct tk_request *request)
{
        struct tk_consumer consumer;
        enum tk_err err = tk_service_consumer_get(request->service, request->params[0], &request->arena,
                                                  &consumer, &request->fault);
        return reply_with(request, err, &consumer);
}

enum tk_err tk_http_consumer_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_consumer *consumers;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_consumer_list(request->service, page, &request->arena, &consumers, &count,
                                               &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_consumer(&consumers[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? consumers[count - 1].id : 0);
}
