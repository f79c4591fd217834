/*
 * One operation of a use case: its transaction, the change record that goes with every write, If-Match,
 * idempotency, and look-ups by name that say what was missing. Called by the noun files of this folder, on
 * the caller's thread or, inside a write, on the writer thread while the caller waits.
 */
#include "registry/canonical.h"
#include "service/internal.h"
#include "service/view.h"

#include <string.h>

struct tk_op tk_op_begin(struct tk_service *service, const struct tk_caller *caller, struct tk_arena *arena,
                         struct tk_fault *fault)
{
        fault->code = TK_FAULT_none;
        return (struct tk_op){
                .service = service,
                .caller = caller,
                .arena = arena,
                .fault = fault,
                .now_s = (int64_t)(tk_service_now_ns(service) / TK_NS_PER_S),
        };
}

/* The engine's own errors have no words yet; those of the use case have. */
static enum tk_err finish(struct tk_op *op, enum tk_err err)
{
        if (err == TK_OK)
                op->fault->code = TK_FAULT_none;
        else if (op->fault->code == TK_FAULT_none || tk_fault_info(op->fault->code)->err != err)
                tk_fault_from_err(op->fault, err);
        return err;
}

enum tk_err tk_op_read(struct tk_op *op, tk_txn_fn *run, void *context)
{
        return finish(op, tk_registry_read(op->service->registry, run, context));
}

enum tk_err tk_op_write(struct tk_op *op, enum tk_lane lane, tk_txn_fn *run, void *context)
{
        enum tk_err err = tk_registry_write(op->service->registry, lane, run, context);
        tk_feeder_release(op->service->feeder, &op->promised);
        op->promised = (struct tk_publish_room){0};
        return finish(op, err);
}

enum tk_err tk_op_reserve(struct tk_op *op, const struct tk_publish_room *room)
{
        enum tk_err err = tk_feeder_reserve(op->service->feeder, room);
        if (err != TK_OK) {
                tk_fault_set(op->fault, TK_FAULT_insufficient_storage, "",
                             "free memory in the file system of the gate directory, then try again",
                             "the gate has no room for the change");
                return err;
        }
        op->promised.names += room->names;
        op->promised.policies += room->policies;
        op->promised.meters += room->meters;
        op->promised.foreign += room->foreign;
        return TK_OK;
}

enum tk_err tk_op_reserve_scopes(struct tk_op *op, uint64_t api_id, const struct tk_str *scopes,
                                 uint32_t count)
{
        enum tk_err err = tk_feeder_reserve_scopes(op->service->feeder, api_id, scopes, count);
        if (err != TK_FULL)
                return err;
        return tk_fault_set(op->fault, TK_FAULT_insufficient_storage, "/scopes",
                            "grant scopes that other keys of the API have, or a wildcard of them",
                            "the gate has no room for more different scopes of this API");
}

/* Canonical JSON of a view (docs/formats/audit.md), in the arena; none of null. Takes the view. */
static enum tk_err canonical(struct tk_op *op, json_t *view, struct tk_str *ret_text)
{
        struct tk_str text = TK_STR_NONE;
        enum tk_err err = view ? TK_OK : TK_NOMEM;
        if (err == TK_OK && !json_is_null(view))
                err = tk_canonical_json(view, op->arena, &text);
        json_decref(view);
        if (err == TK_OK)
                *ret_text = text;
        return err;
}

enum tk_err tk_op_change(struct tk_op *op, const char *action, json_t *before, json_t *after,
                         struct tk_change *ret_change)
{
        struct tk_change change = {
                .at_s = op->now_s,
                .actor = op->caller->actor,
                .source = op->caller->source,
                .action = tk_str_from(action),
        };
        enum tk_err err_before = canonical(op, before, &change.before);
        enum tk_err err_after = canonical(op, after, &change.after);
        if (err_before != TK_OK || err_after != TK_OK)
                return err_before != TK_OK ? err_before : err_after;
        *ret_change = change;
        return TK_OK;
}

enum tk_err tk_op_match(struct tk_op *op, uint64_t wanted, uint64_t version)
{
        if (wanted == TK_VERSION_ANY || wanted == version)
                return TK_OK;
        return tk_fault_set(op->fault, TK_FAULT_stale, "If-Match",
                            "read the object again and repeat the change with its new ETag",
                            "If-Match is \"%llu\" but the object is at version %llu",
                            (unsigned long long)wanted, (unsigned long long)version);
}

enum tk_err tk_op_replay(struct tk_op *op, struct tk_txn *txn, enum tk_object object, uint64_t *ret_id)
{
        if (op->caller->idempotency_key.len == 0)
                return TK_NOT_FOUND;
        struct tk_idempotency record = {.actor = op->caller->actor, .key = op->caller->idempotency_key};
        memcpy(record.request_hash, op->caller->request_hash, sizeof(record.request_hash));
        enum tk_err err = tk_idempotency_find(txn, &record);
        if (err == TK_CONFLICT || (err == TK_OK && record.object != object))
                return tk_fault_set(op->fault, TK_FAULT_idempotency_key_reused, "Idempotency-Key",
                                    "use a new key for each different request",
                                    "this Idempotency-Key was used for a request with another path or body");
        if (err == TK_OK)
                *ret_id = record.object_id;
        return err;
}

enum tk_err tk_op_remember(struct tk_op *op, struct tk_txn *txn, enum tk_object object, uint64_t id)
{
        if (op->caller->idempotency_key.len == 0)
                return TK_OK;
        struct tk_idempotency record = {
                .actor = op->caller->actor,
                .key = op->caller->idempotency_key,
                .object = object,
                .object_id = id,
                .created_s = op->now_s,
        };
        memcpy(record.request_hash, op->caller->request_hash, sizeof(record.request_hash));
        return tk_idempotency_put(txn, &record);
}

/* Put a failed look-up into words. Other errors pass. */
static enum tk_err explain_miss(struct tk_op *op, enum tk_err err, const char *kind, struct tk_str name,
                                const char *field)
{
        if (err != TK_NOT_FOUND)
                return err;
        if (!field)
                return tk_fault_set(op->fault, TK_FAULT_not_found, "",
                                    "list what there is, or create it first", "there is no %s \"%.*s\"", kind,
                                    TK_STR_ARG(name));
        return tk_fault_set(op->fault, TK_FAULT_unknown_reference, field,
                            "name one that exists, or create it first", "there is no %s \"%.*s\"", kind,
                            TK_STR_ARG(name));
}

enum tk_err tk_find_api(struct tk_op *op, struct tk_txn *txn, struct tk_str name, const char *field,
                        struct tk_api *ret_api)
{
        enum tk_err err = tk_refuse_unreached(op, name, field ? field : "");
        return err == TK_OK ? explain_miss(op, tk_api_find(txn, name, op->arena, ret_api), "API", name, field)
                            : err;
}

enum tk_err tk_find_environment(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                                struct tk_str name, const char *field, struct tk_environment *ret_environment)
{
        enum tk_err err = tk_environment_find(txn, api->id, name, op->arena, ret_environment);
        return explain_miss(op, err, "environment", name, field);
}

enum tk_err tk_find_scope(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, struct tk_str name,
                          const char *field, struct tk_scope *ret_scope)
{
        return explain_miss(op, tk_scope_find(txn, api->id, name, op->arena, ret_scope), "scope", name,
                            field);
}

enum tk_err tk_find_plan(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, struct tk_str name,
                         const char *field, struct tk_plan *ret_plan)
{
        return explain_miss(op, tk_plan_find(txn, api->id, name, op->arena, ret_plan), "plan", name, field);
}

enum tk_err tk_find_role(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, struct tk_str name,
                         struct tk_role *ret_role)
{
        return explain_miss(op, tk_role_find(txn, api->id, name, op->arena, ret_role), "role", name, NULL);
}

enum tk_err tk_find_consumer(struct tk_op *op, struct tk_txn *txn, struct tk_str id_or_name,
                             const char *field, struct tk_consumer *ret_consumer)
{
        uint64_t id;
        enum tk_err err = tk_id_parse(TK_ID_CONSUMER, id_or_name, &id)
                                  ? tk_consumer_get(txn, id, op->arena, ret_consumer)
                                  : tk_consumer_find(txn, id_or_name, op->arena, ret_consumer);
        return explain_miss(op, err, "consumer", id_or_name, field);
}

enum tk_err tk_filter_place(struct tk_op *op, struct tk_txn *txn, struct tk_str api_name,
                            struct tk_str environment_name, uint64_t *ret_api_id,
                            uint64_t *ret_environment_id)
{
        *ret_api_id = 0;
        *ret_environment_id = 0;
        enum tk_err err = tk_filter_default_api(op, &api_name);
        if (err != TK_OK)
                return err;
        if (!api_name.ptr && environment_name.ptr)
                return tk_fault_set(op->fault, TK_FAULT_invalid_value, "environment", "give api as well",
                                    "environment names are only unique within an API");
        if (!api_name.ptr)
                return TK_OK;
        struct tk_api api;
        err = tk_find_api(op, txn, api_name, "api", &api);
        if (err != TK_OK)
                return err;
        *ret_api_id = api.id;
        if (!environment_name.ptr)
                return TK_OK;
        struct tk_environment environment;
        err = tk_find_environment(op, txn, &api, environment_name, "environment", &environment);
        if (err == TK_OK)
                *ret_environment_id = environment.id;
        return err;
}

enum tk_err tk_refuse_builtin(struct tk_op *op, struct tk_str api_name)
{
        if (!tk_str_equal(api_name, TK_STR(TK_ADMIN_API)))
                return TK_OK;
        return tk_fault_set(op->fault, TK_FAULT_wrong_state, "", "do it with an API of your own",
                            "the built-in API \"" TK_ADMIN_API
                            "\" keeps its shape: without it nobody could administer");
}

bool tk_caller_holds(const struct tk_caller *caller, struct tk_str wanted)
{
        struct tk_str rest = caller->scopes, pattern;
        do {
                tk_str_cut(rest, ' ', &pattern, &rest);
                if (pattern.len == 0)
                        continue;
                if (tk_str_equal(pattern, TK_STR("*")) || tk_str_equal(pattern, wanted))
                        return true;
                if (tk_scope_name_valid(wanted) && tk_scope_covers(pattern, wanted))
                        return true;
        } while (rest.len > 0);
        return false;
}

enum tk_err tk_refuse_escalation(struct tk_op *op, struct tk_str api_name, const struct tk_input_list *given,
                                 const struct tk_str *wanted, uint32_t count)
{
        if (!tk_str_equal(api_name, TK_STR(TK_ADMIN_API)))
                return TK_OK;
        for (uint32_t i = 0; i < count; i++) {
                if (tk_caller_holds(op->caller, wanted[i]))
                        continue;
                char field[TK_FIELD_PATH_MAX];
                tk_scope_place(given, wanted[i], field);
                return tk_fault_set(op->fault, TK_FAULT_forbidden, field, "ask an administrator who holds it",
                                    "you cannot grant \"%.*s\": you do not hold it", TK_STR_ARG(wanted[i]));
        }
        return TK_OK;
}

enum tk_err tk_refuse_making(struct tk_op *op, struct tk_str scope, const char *field, const char *kind,
                             struct tk_str name)
{
        if (tk_caller_holds(op->caller, scope))
                return TK_OK;
        return tk_fault_set(op->fault, TK_FAULT_forbidden, field,
                            "name one that exists, or ask an administrator who may make it",
                            "there is no %s \"%.*s\", and you may not make it: you do not hold %.*s", kind,
                            TK_STR_ARG(name), TK_STR_ARG(scope));
}
