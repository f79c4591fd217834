/*
 * Use cases of environments. Name and tag never change: the tag is in every key of the environment.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

#include <stdio.h>

struct environment_job {
        struct tk_op op;
        const struct tk_input_environment *input;
        struct tk_str api_name, name;
        uint64_t version;
        enum tk_state state;
        struct tk_environment environment;
};

/* The customary tags, else the name itself where it can be one. */
static struct tk_str default_tag(struct tk_str name)
{
        if (tk_str_equal(name, TK_STR("production")))
                return TK_STR("live");
        if (tk_str_equal(name, TK_STR("development")))
                return TK_STR("dev");
        return name;
}

/* Pointers to the members of an environment in the body. */
struct places {
        char name[TK_FIELD_PATH_MAX], tag[TK_FIELD_PATH_MAX], description[TK_FIELD_PATH_MAX];
};

static struct places places_below(const char *at)
{
        struct places places;
        snprintf(places.name, sizeof(places.name), "%s/name", at);
        snprintf(places.tag, sizeof(places.tag), "%s/tag", at);
        snprintf(places.description, sizeof(places.description), "%s/description", at);
        return places;
}

static enum tk_err check(struct tk_fault *fault, const struct tk_input_environment *input, struct tk_str tag,
                         const struct places *places)
{
        enum tk_err err = tk_value_name(fault, places->name, input->name);
        if (err != TK_OK)
                return err;
        if (!tk_key_tag_valid(tag))
                return tk_fault_set(fault, TK_FAULT_invalid_value, places->tag,
                                    "give a tag of 1 to 8 characters a-z 0-9", "\"%.*s\" cannot be a tag",
                                    TK_STR_ARG(tag));
        return tk_value_text(fault, places->description, input->description, TK_DESCRIPTION_MAX);
}

static enum tk_err refuse_known_name(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                                     struct tk_str name, const struct places *places)
{
        struct tk_environment known;
        enum tk_err err = tk_environment_find(txn, api->id, name, op->arena, &known);
        if (err == TK_NOT_FOUND)
                return TK_OK;
        if (err != TK_OK)
                return err;
        return tk_fault_set(op->fault, TK_FAULT_conflict, places->name,
                            "choose another name, or change the existing one",
                            "the API has an environment \"%.*s\" already", TK_STR_ARG(name));
}

enum tk_err tk_environment_make(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                                const struct tk_input_environment *input, const char *at,
                                struct tk_environment *ret_environment)
{
        struct places places = places_below(at);
        struct tk_str tag = input->tag.ptr ? input->tag : default_tag(input->name);
        enum tk_err err = check(op->fault, input, tag, &places);
        if (err == TK_OK)
                err = refuse_known_name(op, txn, api, input->name, &places);
        if (err != TK_OK)
                return err;
        struct tk_environment environment = {
                .version = 1,
                .api_id = api->id,
                .state = TK_STATE_ACTIVE,
                .api_name = api->name,
                .name = input->name,
                .tag = tag,
                .description = input->description,
                .prefix = api->prefix,
                .created_s = op->now_s,
                .updated_s = op->now_s,
        };
        struct tk_change change;
        err = tk_op_change(op, "environment.create", json_null(), tk_view_environment(&environment), &change);
        if (err == TK_OK)
                err = tk_op_reserve(op, &(struct tk_publish_room){.names = 1});
        if (err == TK_OK)
                err = tk_environment_create(txn, &environment, &change);
        if (err == TK_CONFLICT) /* its name is free */
                return tk_fault_set(op->fault, TK_FAULT_conflict, places.tag,
                                    "give a tag of its own, of 1 to 8 characters a-z 0-9",
                                    "another environment of the API has the tag \"%.*s\"", TK_STR_ARG(tag));
        if (err == TK_OK)
                *ret_environment = environment;
        return err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct environment_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_ENVIRONMENT, &made);
        if (err == TK_OK)
                return tk_environment_get(txn, made, job->op.arena, &job->environment);
        if (err != TK_NOT_FOUND)
                return err;
        struct tk_api api;
        err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err == TK_OK)
                err = tk_refuse_builtin(&job->op, api.name);
        if (err == TK_OK)
                err = tk_environment_make(&job->op, txn, &api, job->input, "", &job->environment);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_ENVIRONMENT, job->environment.id);
}

enum tk_err tk_service_environment_create(struct tk_service *service, const struct tk_caller *caller,
                                          struct tk_str api, const struct tk_input_environment *input,
                                          struct tk_arena *arena, struct tk_environment *ret_environment,
                                          struct tk_fault *fault)
{
        struct environment_job job = {
                .op = tk_op_begin(service, caller, arena, fault), .input = input, .api_name = api};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, create, &job);
        if (err == TK_OK)
                *ret_environment = job.environment;
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct environment_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err != TK_OK)
                return err;
        return tk_find_environment(&job->op, txn, &api, job->name, NULL, &job->environment);
}

/* For a change: the version that is wanted, of an API that may be changed. */
static enum tk_err find(struct environment_job *job, struct tk_txn *txn)
{
        enum tk_err err = get(txn, job);
        if (err == TK_OK)
                err = tk_op_match(&job->op, job->version, job->environment.version);
        return err == TK_OK ? tk_refuse_builtin(&job->op, job->environment.api_name) : err;
}

/* Write the changed record with its audit entry; takes `before`. */
static enum tk_err save(struct environment_job *job, struct tk_txn *txn, const char *action, json_t *before)
{
        job->environment.updated_s = job->op.now_s;
        struct tk_environment after = job->environment;
        after.version++;
        struct tk_change change;
        enum tk_err err = tk_op_change(&job->op, action, before, tk_view_environment(&after), &change);
        if (err != TK_OK)
                return err;
        return tk_environment_update(txn, &job->environment, &change);
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct environment_job *job = context;
        struct tk_str description = job->input->description;
        enum tk_err err = find(job, txn);
        if (err == TK_OK)
                err = tk_value_text(job->op.fault, "/description", description, TK_DESCRIPTION_MAX);
        if (err != TK_OK || !tk_text_changes(description, job->environment.description))
                return err;
        json_t *before = tk_view_environment(&job->environment);
        job->environment.description = description;
        return save(job, txn, "environment.update", before);
}

enum tk_err tk_service_environment_update(struct tk_service *service, const struct tk_caller *caller,
                                          struct tk_str api, struct tk_str environment, uint64_t version,
                                          const struct tk_input_environment *input, struct tk_arena *arena,
                                          struct tk_environment *ret_environment, struct tk_fault *fault)
{
        struct environment_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                      .input = input,
                                      .api_name = api,
                                      .name = environment,
                                      .version = version};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, update, &job);
        if (err == TK_OK)
                *ret_environment = job.environment;
        return err;
}

static enum tk_err set_state(struct tk_txn *txn, void *context)
{
        struct environment_job *job = context;
        enum tk_err err = find(job, txn);
        if (err != TK_OK || job->environment.state == job->state)
                return err;
        json_t *before = tk_view_environment(&job->environment);
        job->environment.state = job->state;
        return save(job, txn, job->state == TK_STATE_ACTIVE ? "environment.resume" : "environment.suspend",
                    before);
}

enum tk_err tk_service_environment_set_state(struct tk_service *service, const struct tk_caller *caller,
                                             struct tk_str api, struct tk_str environment, uint64_t version,
                                             enum tk_state state, struct tk_arena *arena,
                                             struct tk_environment *ret_environment, struct tk_fault *fault)
{
        struct environment_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                      .api_name = api,
                                      .name = environment,
                                      .version = version,
                                      .state = state};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_FAST, set_state, &job);
        if (err == TK_OK)
                *ret_environment = job.environment;
        return err;
}

enum tk_err tk_service_environment_get(struct tk_service *service, struct tk_str api,
                                       struct tk_str environment, struct tk_arena *arena,
                                       struct tk_environment *ret_environment, struct tk_fault *fault)
{
        struct environment_job job = {
                .op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .name = environment};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_environment = job.environment;
        return err;
}

struct list_job {
        struct tk_op op;
        struct tk_str api_name;
        struct tk_page page;
        struct tk_environment *environments;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err != TK_OK)
                return err;
        return tk_environment_list(txn, api.id, job->page, job->op.arena, &job->environments, &job->count);
}

enum tk_err tk_service_environment_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                        struct tk_arena *arena, struct tk_environment **ret_environments,
                                        size_t *ret_count, struct tk_fault *fault)
{
        struct list_job job = {.op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_environments = job.environments;
                *ret_count = job.count;
        }
        return err;
}
