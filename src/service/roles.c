/*
 * Use cases of roles: named sets of scopes of one API. A role holds scope patterns and no roles, so what a key may do is read off in one
 * step. A role's name never changes. Whoever does not hold what a role of the API `tollkeeper` grants, before or after, may not change it.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

#include <stdio.h>
#include <stdlib.h>

struct role_job {
        struct tk_op op;
        const struct tk_input_role *input;
        struct tk_str api_name, name;
        uint64_t version;
        struct tk_role role;
};

/* ---- what a role may hold ---- */

/* A role in the list is the slip that people make who come from systems where roles nest. */
static enum tk_err refuse_nesting(struct role_job *job, struct tk_txn *txn, const struct tk_api *api)
{
        for (size_t i = 0; i < job->input->scopes.count; i++) {
                struct tk_role other;
                struct tk_scope scope;
                struct tk_str name = job->input->scopes.items[i];
                if (tk_role_find(txn, api->id, name, job->op.arena, &other) != TK_OK ||
                    tk_scope_find(txn, api->id, name, job->op.arena, &scope) != TK_NOT_FOUND)
                        continue;
                char field[TK_FIELD_PATH_MAX];
                snprintf(field, sizeof(field), "/scopes/%zu", i);
                return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, field,
                                    "give the scopes of that role instead, or grant both roles to the key",
                                    "\"%.*s\" is a role, and roles hold scopes only", TK_STR_ARG(name));
        }
        return TK_OK;
}

static enum tk_err take_scopes(struct role_job *job, struct tk_txn *txn, const struct tk_api *api)
{
        struct tk_role *role = &job->role;
        const struct tk_input_list *given = &job->input->scopes;
        if (!given->set)
                return TK_OK;
        enum tk_err err = tk_value_scopes(job->op.fault, given, role->scopes, &role->scope_count);
        if (err == TK_OK)
                err = refuse_nesting(job, txn, api);
        if (err == TK_OK)
                err = tk_scopes_known(&job->op, txn, api, given, role->scopes, role->scope_count);
        return err == TK_OK ? tk_op_reserve_scopes(&job->op, api->id, role->scopes, role->scope_count) : err;
}

static enum tk_err refuse_escalation(struct role_job *job)
{
        return tk_refuse_escalation(&job->op, job->api_name,
                                    job->input ? &job->input->scopes : &(struct tk_input_list){0},
                                    job->role.scopes, job->role.scope_count);
}

/* ---- create ---- */

static enum tk_err refuse_too_many(struct role_job *job, struct tk_txn *txn, const struct tk_api *api)
{
        uint64_t count;
        enum tk_err err = tk_role_count(txn, api->id, &count);
        if (err != TK_OK || count < TK_ROLES_MAX)
                return err;
        return tk_fault_set(job->op.fault, TK_FAULT_conflict, "", "delete roles that no key has",
                            "the API has %d roles, and more are not allowed", TK_ROLES_MAX);
}

static enum tk_err make(struct role_job *job, struct tk_txn *txn, const struct tk_api *api)
{
        const struct tk_input_role *input = job->input;
        enum tk_err err = tk_value_name(job->op.fault, "/name", input->name);
        if (err == TK_OK)
                err = tk_value_text(job->op.fault, "/description", input->description, TK_DESCRIPTION_MAX);
        if (err == TK_OK)
                err = refuse_too_many(job, txn, api);
        if (err != TK_OK)
                return err;
        job->role = (struct tk_role){.version = 1,
                                     .api_id = api->id,
                                     .api_name = api->name,
                                     .name = input->name,
                                     .description = input->description,
                                     .created_s = job->op.now_s,
                                     .updated_s = job->op.now_s};
        err = take_scopes(job, txn, api);
        if (err == TK_OK)
                err = refuse_escalation(job);
        struct tk_change change;
        if (err == TK_OK)
                err = tk_op_change(&job->op, "role.create", json_null(), tk_view_role(&job->role), &change);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op, &(struct tk_publish_room){.names = 1, .policies = 1});
        if (err == TK_OK)
                err = tk_role_create(txn, &job->role, &change);
        if (err == TK_CONFLICT)
                return tk_fault_set(job->op.fault, TK_FAULT_conflict, "/name",
                                    "choose another name, or change the existing one",
                                    "the API has a role \"%.*s\" already", TK_STR_ARG(input->name));
        return err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct role_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_ROLE, &made);
        if (err == TK_OK)
                return tk_role_get(txn, made, job->op.arena, &job->role);
        if (err != TK_NOT_FOUND)
                return err;
        struct tk_api api;
        err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err == TK_OK)
                err = make(job, txn, &api);
        return err == TK_OK ? tk_op_remember(&job->op, txn, TK_OBJECT_ROLE, job->role.id) : err;
}

static enum tk_err finish(const struct role_job *job, enum tk_err err, struct tk_role *ret_role)
{
        if (err == TK_OK)
                *ret_role = job->role;
        return err;
}

enum tk_err tk_service_role_create(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, const struct tk_input_role *input,
                                   struct tk_arena *arena, struct tk_role *ret_role, struct tk_fault *fault)
{
        struct role_job job = {
                .op = tk_op_begin(service, caller, arena, fault), .input = input, .api_name = api};
        return finish(&job, tk_op_write(&job.op, TK_LANE_NORMAL, create, &job), ret_role);
}

/* ---- change, delete ---- */

static enum tk_err find(struct role_job *job, struct tk_txn *txn, struct tk_api *ret_api)
{
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, ret_api);
        return err == TK_OK ? tk_find_role(&job->op, txn, ret_api, job->name, &job->role) : err;
}

static enum tk_err find_for_change(struct role_job *job, struct tk_txn *txn, struct tk_api *ret_api)
{
        enum tk_err err = find(job, txn, ret_api);
        if (err == TK_OK)
                err = tk_op_match(&job->op, job->version, job->role.version);
        return err == TK_OK ? refuse_escalation(job) : err;
}

static enum tk_err write_update(struct role_job *job, struct tk_txn *txn, const struct tk_role *old)
{
        struct tk_role after = job->role;
        after.version++;
        struct tk_change change;
        struct tk_last_admin guard;
        enum tk_err err =
                tk_op_change(&job->op, "role.update", tk_view_role(old), tk_view_role(&after), &change);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op, &(struct tk_publish_room){.policies = 1});
        if (err == TK_OK)
                err = tk_last_admin_before(&job->op, txn, job->api_name, &guard);
        if (err == TK_OK)
                err = tk_role_update(txn, &job->role, &change);
        return err == TK_OK ? tk_last_admin_after(&job->op, txn, &guard) : err;
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct role_job *job = context;
        struct tk_api api;
        enum tk_err err = find_for_change(job, txn, &api);
        if (err == TK_OK)
                err = tk_value_text(job->op.fault, "/description", job->input->description,
                                    TK_DESCRIPTION_MAX);
        if (err != TK_OK)
                return err;
        struct tk_role old = job->role;
        if (job->input->description.ptr)
                job->role.description = job->input->description;
        err = take_scopes(job, txn, &api);
        if (err == TK_OK)
                err = refuse_escalation(job);
        if (err != TK_OK || tk_view_same(tk_view_role(&old), tk_view_role(&job->role)))
                return err;
        job->role.updated_s = job->op.now_s;
        return write_update(job, txn, &old);
}

enum tk_err tk_service_role_update(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, struct tk_str role, uint64_t version,
                                   const struct tk_input_role *input, struct tk_arena *arena,
                                   struct tk_role *ret_role, struct tk_fault *fault)
{
        struct role_job job = {.op = tk_op_begin(service, caller, arena, fault),
                               .input = input,
                               .api_name = api,
                               .name = role,
                               .version = version};
        return finish(&job, tk_op_write(&job.op, TK_LANE_NORMAL, update, &job), ret_role);
}

static enum tk_err refuse_in_use(struct role_job *job, struct tk_txn *txn)
{
        uint64_t *ids;
        size_t count;
        char first[TK_ID_BYTES];
        enum tk_err err =
                tk_role_key_ids(txn, job->role.id, (struct tk_page){.limit = 2}, job->op.arena, &ids, &count);
        if (err != TK_OK || count == 0)
                return err;
        tk_id_format(TK_ID_KEY, ids[0], first);
        return tk_fault_set(job->op.fault, TK_FAULT_wrong_state, "",
                            "take the role from its keys first, or revoke them",
                            "the role is granted to %s%s", first, count > 1 ? " and others" : "");
}

static enum tk_err delete (struct tk_txn *txn, void *context) {
        struct role_job *job = context; struct tk_api api; enum tk_err err = find_for_change(job, txn, &api);
        if (err == TK_OK) err = refuse_in_use(job, txn);
        struct tk_change change;
        if (err == TK_OK)
                err = tk_op_change(&job->op, "role.delete", tk_view_role(&job->role), json_null(), &change);
        return err == TK_OK ? tk_role_delete(txn, &job->role, &change) : err;
}

enum tk_err tk_service_role_delete(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, struct tk_str role, uint64_t version,
                                   struct tk_arena *arena, struct tk_role *ret_role, struct tk_fault *fault)
{
        struct role_job job = {.op = tk_op_begin(service, caller, arena, fault),
                               .api_name = api,
                               .name = role,
                               .version = version};
        return finish(&job, tk_op_write(&job.op, TK_LANE_NORMAL, delete, &job), ret_role);
}

/* ---- read ---- */

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct tk_api api;
        return find(context, txn, &api);
}

enum tk_err tk_service_role_get(struct tk_service *service, struct tk_str api, struct tk_str role,
                                struct tk_arena *arena, struct tk_role *ret_role, struct tk_fault *fault)
{
        struct role_job job = {.op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .name = role};
        return finish(&job, tk_op_read(&job.op, get, &job), ret_role);
}

struct list_job {
        struct tk_op op;
        struct tk_str api_name;
        struct tk_page page;
        struct tk_role *roles;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        return err == TK_OK ? tk_role_list(txn, api.id, job->page, job->op.arena, &job->roles, &job->count)
                            : err;
}

enum tk_err tk_service_role_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                 struct tk_arena *arena, struct tk_role **ret_roles, size_t *ret_count,
                                 struct tk_fault *fault)
{
        struct list_job job = {.op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_roles = job.roles;
                *ret_count = job.count;
        }
        return err;
}
