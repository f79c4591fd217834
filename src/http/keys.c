/*
 * Answers for keys. On workers. The plaintext of a new key passes through tk_http_key_issue() and is wiped there.
 * See handlers.h.
 */
#include "gate/gate.h"
#include "http/answer.h"
#include "http/handlers.h"
#include "http/inputs.h"
#include "http/reply.h"
#include "service/view.h"

#include <stddef.h>

#define KEY_CHANGE_MEMBERS                                                                                   \
        {"name", tk_json_read_text, offsetof(struct tk_input_key, name), false},                             \
                {"scopes", tk_json_read_texts, offsetof(struct tk_input_key, scopes), false},                \
                {"roles", tk_json_read_texts, offsetof(struct tk_input_key, roles), false},                  \
                {"limits", tk_json_read_limits, offsetof(struct tk_input_key, limits), false},               \
                {"restrictions", tk_json_read_restrictions, 0, false},                                       \
                {"not_before", tk_json_read_time, offsetof(struct tk_input_key, not_before), false},         \
                {"expires_at", tk_json_read_time, offsetof(struct tk_input_key, expires_at), false},         \
        {                                                                                                    \
                "metadata", tk_json_read_opaque, offsetof(struct tk_input_key, metadata), false              \
        }

static const struct tk_json_member new_members[] = {
        {"api", tk_json_read_text, offsetof(struct tk_input_key, api), true},
        {"environment", tk_json_read_text, offsetof(struct tk_input_key, environment), false},
        {"consumer", tk_json_read_text, offsetof(struct tk_input_key, consumer), false},
        KEY_CHANGE_MEMBERS,
        {"only_apis", tk_json_read_texts, offsetof(struct tk_input_key, only_apis), false},
        {"create_missing", tk_json_read_flag, offsetof(struct tk_input_key, create_missing), false},
};
static const struct tk_json_shape new_shape = TK_JSON_SHAPE(new_members);

static const struct tk_json_member change_members[] = {KEY_CHANGE_MEMBERS};
static const struct tk_json_shape change_shape = TK_JSON_SHAPE(change_members);

struct revocation {
        struct tk_str reason;
};
static const struct tk_json_member revocation_members[] = {
        {"reason", tk_json_read_text, offsetof(struct revocation, reason), false},
};
static const struct tk_json_shape revocation_shape = TK_JSON_SHAPE(revocation_members);

static enum tk_err reply_with(struct tk_request *request, enum tk_err err, const struct tk_key *key)
{
        return err == TK_OK ? tk_reply_object(request, tk_view_key(key), key->version) : err;
}

/* The key's record, and what was made for it. */
static json_t *view_issued(const struct tk_key_issued *issued)
{
        json_t *list = json_array();
        for (size_t i = 0; list && i < issued->made_count; i++) {
                const struct tk_made *made = &issued->made[i];
                json_array_append_new(list, json_pack("{s:s, s:s%}", "kind", made->kind, "name",
                                                      made->name.ptr, made->name.len));
        }
        json_t *object = tk_view_key(issued->key);
        if (json_object_set_new(object, "made", list) == 0)
                return object;
        json_decref(object);
        return NULL;
}

enum tk_err tk_http_key_issue(struct tk_request *request)
{
        struct tk_input_key input = {0};
        enum tk_err err = tk_request_creation(request, &new_shape, &input);
        struct tk_key_issued issued;
        if (err == TK_OK)
                err = tk_service_key_issue(request->service, &request->caller, &input, &request->arena,
                                           &issued, &request->fault);
        if (err != TK_OK)
                return err;
        char id[32];
        tk_id_format(TK_ID_KEY, issued.key->id, id);
        err = tk_reply_issued(request, view_issued(&issued), issued.key->version,
                              tk_secret_view(&issued.plaintext), "/v1/keys/%s", id);
        tk_secret_wipe(&issued.plaintext);
        if (err == TK_OK && issued.replayed)
                tk_reply_header(request, "Idempotent-Replayed", "true");
        return err;
}

enum tk_err tk_http_key_update(struct tk_request *request)
{
        struct tk_input_key input = {0};
        uint64_t version;
        enum tk_err err = tk_request_change(request, &change_shape, &input, &version);
        struct tk_key *key = NULL;
        if (err == TK_OK)
                err = tk_service_key_update(request->service, &request->caller, request->params[0], version,
                                            &input, &request->arena, &key, &request->fault);
        return reply_with(request, err, key);
}

static enum tk_err set_state(struct tk_request *request, enum tk_state state, uint64_t version)
{
        struct tk_key *key = NULL;
        enum tk_err err =
                tk_service_key_set_state(request->service, &request->caller, request->params[0], version,
                                         state, TK_STR_NONE, &request->arena, &key, NULL, &request->fault);
        return reply_with(request, err, key);
}

/* A second revocation is no error, but its reason is not kept: the caller is told. */
static enum tk_err make_revoked(struct tk_request *request, uint64_t version, struct tk_str reason)
{
        struct tk_key *key = NULL;
        bool already;
        enum tk_err err = tk_service_key_set_state(request->service, &request->caller, request->params[0],
                                                   version, TK_STATE_REVOKED, reason, &request->arena, &key,
                                                   &already, &request->fault);
        if (err != TK_OK)
                return err;
        json_t *object = tk_view_key(key);
        if (json_object_set_new(object, "already", json_boolean(already)) != 0) {
                json_decref(object);
                return TK_NOMEM;
        }
        return tk_reply_object(request, object, key->version);
}

enum tk_err tk_http_key_suspend(struct tk_request *request)
{
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        return err == TK_OK ? set_state(request, TK_STATE_SUSPENDED, version) : err;
}

enum tk_err tk_http_key_resume(struct tk_request *request)
{
        uint64_t version;
        enum tk_err err = tk_request_state(request, &version);
        return err == TK_OK ? set_state(request, TK_STATE_ACTIVE, version) : err;
}

enum tk_err tk_http_key_revoke(struct tk_request *request)
{
        struct revocation revocation = {0};
        uint64_t version;
        enum tk_err err = tk_request_optional(request, &revocation_shape, &revocation, &version);
        return err == TK_OK ? make_revoked(request, version, revocation.reason) : err;
}

enum tk_err tk_http_key_get(struct tk_request *request)
{
        struct tk_key *key = NULL;
        enum tk_err err = tk_service_key_get(request->service, &request->caller, request->params[0],
                                             &request->arena, &key, &request->fault);
        return reply_with(request, err, key);
}

enum tk_err tk_http_key_list(struct tk_request *request)
{
        struct tk_input_key_filter filter = {.caller = &request->caller};
        const struct tk_query filters[] = {{"api", &filter.api},
                                           {"environment", &filter.environment},
                                           {"consumer", &filter.consumer},
                                           {"state", &filter.state}};
        struct tk_page page;
        struct tk_key **keys;
        size_t count;
        enum tk_err err = tk_request_page(request, filters, sizeof(filters) / sizeof(filters[0]), &page);
        if (err == TK_OK)
                err = tk_service_key_list(request->service, &filter, page, &request->arena, &keys, &count,
                                          &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_key(keys[i]));
        return tk_reply_page(request, items, count, page, count > 0 ? keys[count - 1]->id : 0);
}

/* ---- usage ---- */

static void write_usage(struct tk_json_writer *writer, const struct tk_usage *usage)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "admitted");
        tk_json_u64(writer, usage->admitted);
        TK_JSON_NAME(writer, "refused");
        tk_json_u64(writer, usage->refused);
        TK_JSON_NAME(writer, "last_used_at");
        tk_json_time(writer, usage->last_used_s);
        TK_JSON_NAME(writer, "limits");
        tk_answer_write_limits(writer, usage->limits, usage->limit_count);
        tk_json_close(writer, '}');
}

enum tk_err tk_http_key_usage(struct tk_request *request)
{
        const struct tk_gate *gate = tk_service_gate(request->service);
        struct tk_key *key;
        struct tk_usage own, shared;
        enum tk_err err = tk_service_key_get(request->service, &request->caller, request->params[0],
                                             &request->arena, &key, &request->fault);
        if (err == TK_OK)
                err = tk_gate_key_usage(gate, key->id, &own);
        if (err == TK_OK && own.subscription_id != 0)
                err = tk_gate_subscription_usage(gate, own.subscription_id, &shared);
        if (err != TK_OK)
                return err;
        const struct tk_meter_owner owner = {TK_METER_KEY, key->generation, key->id};
        const struct tk_meter_owner sharer = {TK_METER_SUBSCRIPTION, 0, own.subscription_id};
        own.refused = tk_service_refused(request->service, &owner, (uint32_t)own.refused);
        if (own.subscription_id != 0)
                shared.refused = tk_service_refused(request->service, &sharer, (uint32_t)shared.refused);

        struct tk_json_writer writer =
                tk_json_writer_init(request->reply.scratch, sizeof(request->reply.scratch));
        tk_json_open(&writer, '{');
        TK_JSON_NAME(&writer, "key");
        write_usage(&writer, &own);
        TK_JSON_NAME(&writer, "subscription");
        if (own.subscription_id != 0)
                write_usage(&writer, &shared);
        else
                tk_json_null(&writer);
        tk_json_close(&writer, '}');
        return tk_reply_written(request, &writer);
}
