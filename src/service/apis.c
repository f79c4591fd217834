/*
 * Use cases of APIs. An API is made together with its environments, so that a key can be issued at once.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

#include <stdio.h>

static const struct tk_input_environment default_environments[] = {
        {.name = TK_STR("development"), .tag = TK_STR("dev")},
        {.name = TK_STR("test"), .tag = TK_STR("test")},
        {.name = TK_STR("production"), .tag = TK_STR("live")},
};

struct api_job {
        struct tk_op op;
        const struct tk_input_api *input;
        struct tk_str name;
        uint64_t version;
        enum tk_state state;
        struct tk_api api;
};

static enum tk_err check_input(struct tk_fault *fault, const struct tk_input_api *input)
{
        enum tk_err err = tk_value_name(fault, "/name", input->name);
        if (err != TK_OK)
                return err;
        if (input->prefix.ptr && !tk_key_prefix_valid(input->prefix))
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/prefix",
                                    "use 2 to 16 characters a-z 0-9 that begin with a letter",
                                    "it is not a key prefix");
        return tk_value_text(fault, "/description", input->description, TK_DESCRIPTION_MAX);
}

enum tk_err tk_api_make(struct tk_op *op, struct tk_txn *txn, const struct tk_input_api *input,
                        struct tk_api *ret_api)
{
        enum tk_err err = check_input(op->fault, input);
        if (err != TK_OK)
                return err;
        struct tk_api api = {
                .version = 1,
                .state = TK_STATE_ACTIVE,
                .name = input->name,
                .description = input->description,
                .prefix = input->prefix.ptr ? input->prefix : TK_STR("tk"),
                .created_s = op->now_s,
                .updated_s = op->now_s,
        };
        struct tk_change change;
        err = tk_op_change(op, "api.create", json_null(), tk_view_api(&api), &change);
        if (err == TK_OK)
                err = tk_api_create(txn, &api, &change);
        if (err == TK_CONFLICT)
                return tk_fault_set(op->fault, TK_FAULT_conflict, "/name",
                                    "choose another name, or change the existing one",
                                    "there is an API \"%.*s\" already", TK_STR_ARG(input->name));
        if (err != TK_OK)
                return err;

        const struct tk_input_environment *environments =
                input->environments_set ? input->environments : default_environments;
        size_t count = input->environments_set
                               ? input->environment_count
                               : sizeof(default_environments) / sizeof(default_environments[0]);
        for (size_t i = 0; i < count; i++) {
                struct tk_environment made;
                char at[TK_FIELD_PATH_MAX];
                snprintf(at, sizeof(at), "/environments/%zu", i);
                err = tk_environment_make(op, txn, &api, &environments[i], at, &made);
                if (err != TK_OK)
                        return err;
        }
        *ret_api = api;
        return TK_OK;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct api_job *job = context;
        uint64_t made;
        /* Who is bound to some APIs makes no others. */
        enum tk_err allowed = tk_refuse_unreached(&job->op, job->input->name, "/name");
        if (allowed != TK_OK)
                return allowed;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_API, &made);
        if (err == TK_OK)
                return tk_api_get(txn, made, job->op.arena, &job->api);
        if (err != TK_NOT_FOUND)
                return err;
        err = tk_api_make(&job->op, txn, job->input, &job->api);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_API, job->api.id);
}

enum tk_err tk_service_api_create(struct tk_service *service, const struct tk_caller *caller,
                                  const struct tk_input_api *input, struct tk_arena *arena,
                                  struct tk_api *ret_api, struct tk_fault *fault)
{
        struct api_job job = {.op = tk_op_begin(service, caller, arena, fault), .input = input};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, create, &job);
        if (err == TK_OK)
                *ret_api = job.api;
        return err;
}

/* Write the changed record with its audit entry. */
static enum tk_err save(struct api_job *job, struct tk_txn *txn, const char *action, json_t *before)
{
        struct tk_api after = job->api;
        after.version++;
        after.updated_s = job->op.now_s;
        struct tk_change change;
        enum tk_err err = tk_op_change(&job->op, action, before, tk_view_api(&after), &change);
        if (err != TK_OK)
                return err;
        job->api.updated_s = job->op.now_s;
        return tk_api_update(txn, &job->api, &change);
}

static enum tk_err find(struct api_job *job, struct tk_txn *txn)
{
        enum tk_err err = tk_find_api(&job->op, txn, job->name, NULL, &job->api);
        if (err != TK_OK)
                return err;
        return tk_op_match(&job->op, job->version, job->api.version);
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct api_job *job = context;
        enum tk_err err = find(job, txn);
        if (err != TK_OK)
                return err;
        err = tk_value_text(job->op.fault, "/description", job->input->description, TK_DESCRIPTION_MAX);
        if (err != TK_OK || !tk_text_changes(job->input->description, job->api.description))
                return err;
        json_t *before = tk_view_api(&job->api);
        job->api.description = job->input->description;
        return save(job, txn, "api.update", before);
}

enum tk_err tk_service_api_update(struct tk_service *service, const struct tk_caller *caller,
                                  struct tk_str name, uint64_t version, const struct tk_input_api *input,
                                  struct tk_arena *arena, struct tk_api *ret_api, struct tk_fault *fault)
{
        struct api_job job = {.op = tk_op_begin(service, caller, arena, fault),
                              .input = input,
                              .name = name,
                              .version = version};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, update, &job);
        if (err == TK_OK)
                *ret_api = job.api;
        return err;
}

static enum tk_err set_state(struct tk_txn *txn, void *context)
{
        struct api_job *job = context;
        enum tk_err err = find(job, txn);
        if (err == TK_OK)
                err = tk_refuse_builtin(&job->op, job->api.name);
        if (err != TK_OK || job->api.state == job->state)
                return err;
        json_t *before = tk_view_api(&job->api);
        job->api.state = job->state;
        return save(job, txn, job->state == TK_STATE_ACTIVE ? "api.resume" : "api.suspend", before);
}

enum tk_err tk_service_api_set_state(struct tk_service *service, const struct tk_caller *caller,
                                     struct tk_str name, uint64_t version, enum tk_state state,
                                     struct tk_arena *arena, struct tk_api *ret_api, struct tk_fault *fault)
{
        struct api_job job = {.op = tk_op_begin(service, caller, arena, fault),
                              .name = name,
                              .version = version,
                              .state = state};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_FAST, set_state, &job);
        if (err == TK_OK)
                *ret_api = job.api;
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct api_job *job = context;
        return tk_find_api(&job->op, txn, job->name, NULL, &job->api);
}

enum tk_err tk_service_api_get(struct tk_service *service, struct tk_str name, struct tk_arena *arena,
                               struct tk_api *ret_api, struct tk_fault *fault)
{
        struct api_job job = {.op = tk_op_begin(service, NULL, arena, fault), .name = name};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_api = job.api;
        return err;
}

struct list_job {
        struct tk_op op;
        struct tk_page page;
        struct tk_api *apis;
        size_t count;
};

/* The few that the caller is bound to, in the order of their ids. */
static enum tk_err list_bound(struct list_job *job, struct tk_txn *txn)
{
        struct tk_str rest = job->op.caller->only_apis, name;
        job->apis = tk_arena_alloc(job->op.arena, TK_ONLY_APIS_MAX * sizeof(*job->apis));
        job->count = 0;
        if (!job->apis)
                return TK_NOMEM;
        while (rest.len > 0) {
                struct tk_api api;
                tk_str_cut(rest, ' ', &name, &rest);
                enum tk_err err = tk_api_find(txn, name, job->op.arena, &api);
                if (err != TK_OK)
                        return err;
                if (api.id <= job->page.after_id)
                        continue;
                size_t at = job->count++;
                for (; at > 0 && job->apis[at - 1].id > api.id; at--)
                        job->apis[at] = job->apis[at - 1];
                job->apis[at] = api;
        }
        if (job->count > job->page.limit)
                job->count = job->page.limit;
        return TK_OK;
}

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        if (job->op.caller && job->op.caller->only_apis.len > 0)
                return list_bound(job, txn);
        return tk_api_list(txn, job->page, job->op.arena, &job->apis, &job->count);
}

enum tk_err tk_service_api_list(struct tk_service *service, const struct tk_caller *caller,
                                struct tk_page page, struct tk_arena *arena, struct tk_api **ret_apis,
                                size_t *ret_count, struct tk_fault *fault)
{
        struct list_job job = {.op = tk_op_begin(service, caller, arena, fault), .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_apis = job.apis;
                *ret_count = job.count;
        }
        return err;
}
