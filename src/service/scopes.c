/*
 * Use cases of scopes: the catalogue of what the keys of an API may be allowed. A scope's name never changes.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

struct scope_job {
        struct tk_op op;
        const struct tk_input_scope *input;
        struct tk_str api_name, name;
        uint64_t version;
        struct tk_scope scope;
};

enum tk_err tk_scope_make(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                          const struct tk_input_scope *input, struct tk_scope *ret_scope)
{
        if (!tk_scope_name_valid(input->name))
                return tk_fault_set(op->fault, TK_FAULT_invalid_value, "/name",
                                    "use resource:action, such as forecast:read, in lower case",
                                    "it is not the name of a scope");
        enum tk_err err = tk_value_text(op->fault, "/description", input->description, TK_DESCRIPTION_MAX);
        if (err != TK_OK)
                return err;
        struct tk_scope scope = {
                .version = 1,
                .api_id = api->id,
                .name = input->name,
                .description = input->description,
                .created_s = op->now_s,
                .updated_s = op->now_s,
        };
        struct tk_change change;
        err = tk_op_change(op, "scope.create", json_null(), tk_view_scope(&scope), &change);
        if (err == TK_OK)
                err = tk_scope_create(txn, &scope, &change);
        if (err == TK_CONFLICT)
                return tk_fault_set(op->fault, TK_FAULT_conflict, "/name", "use the existing one",
                                    "the API has a scope \"%.*s\" already", TK_STR_ARG(input->name));
        if (err == TK_OK)
                *ret_scope = scope;
        return err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct scope_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_SCOPE, &made);
        if (err == TK_OK)
                return tk_scope_get(txn, made, job->op.arena, &job->scope);
        if (err != TK_NOT_FOUND)
                return err;
        struct tk_api api;
        err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err == TK_OK)
                err = tk_refuse_builtin(&job->op, api.name);
        if (err == TK_OK)
                err = tk_scope_make(&job->op, txn, &api, job->input, &job->scope);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_SCOPE, job->scope.id);
}

enum tk_err tk_service_scope_create(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, const struct tk_input_scope *input,
                                    struct tk_arena *arena, struct tk_scope *ret_scope,
                                    struct tk_fault *fault)
{
        struct scope_job job = {
                .op = tk_op_begin(service, caller, arena, fault), .input = input, .api_name = api};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, create, &job);
        if (err == TK_OK)
                *ret_scope = job.scope;
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct scope_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err != TK_OK)
                return err;
        return tk_find_scope(&job->op, txn, &api, job->name, NULL, &job->scope);
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct scope_job *job = context;
        enum tk_err err = get(txn, job);
        if (err == TK_OK)
                err = tk_op_match(&job->op, job->version, job->scope.version);
        if (err == TK_OK)
                err = tk_refuse_builtin(&job->op, job->api_name);
        if (err == TK_OK)
                err = tk_value_text(job->op.fault, "/description", job->input->description,
                                    TK_DESCRIPTION_MAX);
        if (err != TK_OK || !tk_text_changes(job->input->description, job->scope.description))
                return err;
        json_t *before = tk_view_scope(&job->scope);
        job->scope.description = job->input->description;
        job->scope.updated_s = job->op.now_s;
        struct tk_scope after = job->scope;
        after.version++;
        struct tk_change change;
        err = tk_op_change(&job->op, "scope.update", before, tk_view_scope(&after), &change);
        if (err != TK_OK)
                return err;
        return tk_scope_update(txn, &job->scope, &change);
}

enum tk_err tk_service_scope_update(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str scope, uint64_t version,
                                    const struct tk_input_scope *input, struct tk_arena *arena,
                                    struct tk_scope *ret_scope, struct tk_fault *fault)
{
        struct scope_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                .input = input,
                                .api_name = api,
                                .name = scope,
                                .version = version};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, update, &job);
        if (err == TK_OK)
                *ret_scope = job.scope;
        return err;
}

enum tk_err tk_service_scope_get(struct tk_service *service, struct tk_str api, struct tk_str scope,
                                 struct tk_arena *arena, struct tk_scope *ret_scope, struct tk_fault *fault)
{
        struct scope_job job = {
                .op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .name = scope};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_scope = job.scope;
        return err;
}

struct list_job {
        struct tk_op op;
        struct tk_str api_name;
        struct tk_page page;
        struct tk_scope *scopes;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err != TK_OK)
                return err;
        return tk_scope_list(txn, api.id, job->page, job->op.arena, &job->scopes, &job->count);
}

enum tk_err tk_service_scope_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                  struct tk_arena *arena, struct tk_scope **ret_scopes, size_t *ret_count,
                                  struct tk_fault *fault)
{
        struct list_job job = {.op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_scopes = job.scopes;
                *ret_count = job.count;
        }
        return err;
}
