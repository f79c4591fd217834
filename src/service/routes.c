/*
 * Use cases of routes: what requests of an environment need and cost. Method and path never change; two routes that would match the same
 * requests are refused. In force when the call returns.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

#include <stdio.h>
#include <string.h>

#define METHOD_MAX 32

struct route_job {
        struct tk_op op;
        const struct tk_input_route *input;
        struct tk_str api_name, environment_name, id_text;
        uint64_t version;
        struct tk_api api;
        struct tk_environment environment;
        struct tk_api_route route;
};

/* ---- values ---- */

static enum tk_err take_method(struct route_job *job)
{
        struct tk_str given = job->input->method;
        char *upper = tk_arena_alloc(job->op.arena, given.len + 1);
        bool good = given.len >= 1 && given.len <= METHOD_MAX;
        if (!upper)
                return TK_NOMEM;
        for (size_t i = 0; good && i < given.len; i++) {
                char c = given.ptr[i];
                bool lower = c >= 'a' && c <= 'z';
                good = lower || (c >= 'A' && c <= 'Z') || (c == '-' && i > 0);
                upper[i] = lower ? (char)(c - 'a' + 'A') : c;
        }
        if (tk_str_equal(given, TK_STR("*")))
                job->route.method = TK_STR("*");
        else if (good)
                job->route.method = (struct tk_str){upper, given.len};
        else
                return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "/method",
                                    "use a method such as GET, or * for any", "it is not an HTTP method");
        return TK_OK;
}

static enum tk_err take_path(struct route_job *job)
{
        const char *fault = tk_path_template_fault(job->input->path);
        job->route.path = job->input->path;
        return fault ? tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "/path",
                                    "use a template such as /v1/forecast/{city} or /v1/**", "%s", fault)
                     : TK_OK;
}

/* A scope that nobody can be granted would refuse everybody. */
static enum tk_err check_scope_known(struct route_job *job, struct tk_txn *txn, struct tk_str name)
{
        struct tk_scope scope;
        enum tk_err err = tk_scope_find(txn, job->api.id, name, job->op.arena, &scope);
        if (err != TK_NOT_FOUND)
                return err;
        return tk_fault_set(job->op.fault, TK_FAULT_unknown_reference, "/scope",
                            "create the scope first, or mend its name", "the API has no scope \"%.*s\"",
                            TK_STR_ARG(name));
}

static enum tk_err take_scope(struct route_job *job, struct tk_txn *txn)
{
        struct tk_scope_expr scope;
        size_t error_at = 0;
        if (!tk_scope_expr_parse(job->input->scope, &scope, &error_at))
                return tk_fault_set(
                        job->op.fault, TK_FAULT_invalid_value, "/scope",
                        "use scopes such as forecast:read, with and, or and parentheses between them",
                        "it is not a scope expression: see byte %zu", error_at);
        for (uint32_t i = 0; i < scope.op_count; i++) {
                if (scope.ops[i].op != TK_SCOPE_NAME)
                        continue;
                enum tk_err err = check_scope_known(job, txn, scope.ops[i].name);
                if (err != TK_OK)
                        return err;
        }
        job->route.scope = job->input->scope;
        return TK_OK;
}

static enum tk_err take_limits(struct route_job *job)
{
        struct tk_api_route *route = &job->route;
        enum tk_err err =
                tk_value_limits(job->op.fault, &job->input->limits, route->limits, &route->limit_count);
        for (uint32_t i = 0; err == TK_OK && i < route->limit_count; i++) {
                char field[TK_FIELD_PATH_MAX];
                snprintf(field, sizeof(field), "/limits/%u/anchor", i);
                if (route->limits[i].anchored)
                        err = tk_fault_set(
                                job->op.fault, TK_FAULT_invalid_value, field, "use utc",
                                "a route is shared by all subscriptions, and has no start of its own");
        }
        return err;
}

/* What may be given at first and changed later. */
static enum tk_err merge(struct route_job *job, struct tk_txn *txn)
{
        const struct tk_input_route *input = job->input;
        enum tk_err err =
                tk_value_text(job->op.fault, "/description", input->description, TK_DESCRIPTION_MAX);
        if (err == TK_OK && input->scope.ptr)
                err = take_scope(job, txn);
        if (err == TK_OK && input->limits.set)
                err = take_limits(job);
        if (err == TK_OK && input->cost_set && input->cost > TK_LIMIT_COST_MAX)
                err = tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "/cost",
                                   "use a whole number from 0 to 1000000000000", "it is too large");
        if (err != TK_OK)
                return err;
        if (input->description.ptr)
                job->route.description = input->description;
        if (input->cost_set)
                job->route.cost = input->cost;
        return TK_OK;
}

/* ---- look-ups ---- */

static enum tk_err find_place(struct route_job *job, struct tk_txn *txn)
{
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &job->api);
        return err == TK_OK ? tk_find_environment(&job->op, txn, &job->api, job->environment_name, NULL,
                                                  &job->environment)
                            : err;
}

static enum tk_err find(struct route_job *job, struct tk_txn *txn)
{
        uint64_t id;
        enum tk_err err = find_place(job, txn);
        if (err != TK_OK)
                return err;
        err = tk_id_parse(TK_ID_ROUTE, job->id_text, &id)
                      ? tk_api_route_get(txn, id, job->op.arena, &job->route)
                      : TK_NOT_FOUND;
        bool here =
                err == TK_OK && job->route.environment_id == job->environment.id && job->route.deleted_s == 0;
        if (err == TK_NOT_FOUND || (err == TK_OK && !here))
                return tk_fault_set(job->op.fault, TK_FAULT_not_found, "",
                                    "list the routes to see their ids (rte_5)",
                                    "the environment has no route with this id");
        return err;
}

static enum tk_err find_for_change(struct route_job *job, struct tk_txn *txn)
{
        enum tk_err err = find(job, txn);
        return err == TK_OK ? tk_op_match(&job->op, job->version, job->route.version) : err;
}

/* ---- create ---- */

static enum tk_err refuse_same_shape(struct route_job *job, struct tk_txn *txn)
{
        struct tk_api_route other;
        char id[TK_ID_BYTES];
        enum tk_err err = tk_api_route_find(txn, job->environment.id, job->route.method, job->route.path,
                                            job->op.arena, &other);
        if (err != TK_OK)
                return err == TK_NOT_FOUND ? TK_OK : err;
        tk_id_format(TK_ID_ROUTE, other.id, id);
        return tk_fault_set(
                job->op.fault, TK_FAULT_conflict, "/path",
                "change that route, or delete it first; the names of parameters make no difference",
                "%s, %.*s %.*s, matches the same requests", id, TK_STR_ARG(other.method),
                TK_STR_ARG(other.path));
}

static enum tk_err refuse_too_many(struct route_job *job, struct tk_txn *txn)
{
        uint64_t count;
        enum tk_err err = tk_api_route_count(txn, job->environment.id, &count);
        if (err != TK_OK || count < TK_ROUTES_MAX)
                return err;
        return tk_fault_set(job->op.fault, TK_FAULT_conflict, "",
                            "let one route stand for several, with parameters or a last **",
                            "the environment has %d routes, and more are not allowed", TK_ROUTES_MAX);
}

/* Its record with meter and limits, its terms, and the nodes of its path that are missing. */
static const struct tk_publish_room new_room = {.names = 1, .policies = 2, .meters = 1};

static enum tk_err make(struct route_job *job, struct tk_txn *txn)
{
        job->route = (struct tk_api_route){.version = 1,
                                           .environment_id = job->environment.id,
                                           .api_name = job->api.name,
                                           .environment_name = job->environment.name,
                                           .scope = TK_STR(""),
                                           .cost = 1,
                                           .created_s = job->op.now_s,
                                           .updated_s = job->op.now_s};
        enum tk_err err = take_method(job);
        if (err == TK_OK)
                err = take_path(job);
        if (err == TK_OK)
                err = merge(job, txn);
        if (err == TK_OK)
                err = refuse_same_shape(job, txn);
        if (err == TK_OK)
                err = refuse_too_many(job, txn);
        struct tk_change change;
        if (err == TK_OK)
                err = tk_op_change(&job->op, "route.create", json_null(), tk_view_route(&job->route),
                                   &change);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op, &new_room);
        return err == TK_OK ? tk_api_route_create(txn, &job->route, &change) : err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct route_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_ROUTE, &made);
        if (err == TK_OK)
                return tk_api_route_get(txn, made, job->op.arena, &job->route);
        if (err != TK_NOT_FOUND)
                return err;
        err = find_place(job, txn);
        if (err == TK_OK)
                err = tk_refuse_builtin(&job->op, job->api.name);
        if (err == TK_OK)
                err = make(job, txn);
        return err == TK_OK ? tk_op_remember(&job->op, txn, TK_OBJECT_ROUTE, job->route.id) : err;
}

static enum tk_err finish(const struct route_job *job, enum tk_err err, struct tk_api_route *ret_route)
{
        if (err == TK_OK)
                *ret_route = job->route;
        return err;
}

enum tk_err tk_service_route_create(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str environment,
                                    const struct tk_input_route *input, struct tk_arena *arena,
                                    struct tk_api_route *ret_route, struct tk_fault *fault)
{
        struct route_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                .input = input,
                                .api_name = api,
                                .environment_name = environment};
        return finish(&job, tk_op_write(&job.op, TK_LANE_NORMAL, create, &job), ret_route);
}

/* ---- change, delete ---- */

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct route_job *job = context;
        enum tk_err err = find_for_change(job, txn);
        if (err != TK_OK)
                return err;
        struct tk_api_route old = job->route;
        err = merge(job, txn);
        if (err != TK_OK || tk_view_same(tk_view_route(&old), tk_view_route(&job->route)))
                return err;
        job->route.updated_s = job->op.now_s;
        struct tk_api_route after = job->route;
        after.version++;
        struct tk_change change;
        err = tk_op_change(&job->op, "route.update", tk_view_route(&old), tk_view_route(&after), &change);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op, &(struct tk_publish_room){.policies = 2, .meters = 1});
        return err == TK_OK ? tk_api_route_update(txn, &job->route, &change) : err;
}

enum tk_err tk_service_route_update(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str environment, struct tk_str route,
                                    uint64_t version, const struct tk_input_route *input,
                                    struct tk_arena *arena, struct tk_api_route *ret_route,
                                    struct tk_fault *fault)
{
        struct route_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                .input = input,
                                .api_name = api,
                                .environment_name = environment,
                                .id_text = route,
                                .version = version};
        return finish(&job, tk_op_write(&job.op, TK_LANE_NORMAL, update, &job), ret_route);
}

static enum tk_err delete (struct tk_txn *txn, void *context) {
        struct route_job *job = context; struct tk_change change; enum tk_err err = find_for_change(job, txn);
        if (err == TK_OK) err = tk_op_change(&job->op, "route.delete", tk_view_route(&job->route),
                                             json_null(), &change);
        return err == TK_OK ? tk_api_route_delete(txn, &job->route, &change) : err;
}

enum tk_err tk_service_route_delete(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str environment, struct tk_str route,
                                    uint64_t version, struct tk_arena *arena, struct tk_api_route *ret_route,
                                    struct tk_fault *fault)
{
        struct route_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                .api_name = api,
                                .environment_name = environment,
                                .id_text = route,
                                .version = version};
        return finish(&job, tk_op_write(&job.op, TK_LANE_NORMAL, delete, &job), ret_route);
}

/* ---- read ---- */

static enum tk_err get(struct tk_txn *txn, void *context)
{
        return find(context, txn);
}

enum tk_err tk_service_route_get(struct tk_service *service, struct tk_str api, struct tk_str environment,
                                 struct tk_str route, struct tk_arena *arena, struct tk_api_route *ret_route,
                                 struct tk_fault *fault)
{
        struct route_job job = {.op = tk_op_begin(service, NULL, arena, fault),
                                .api_name = api,
                                .environment_name = environment,
                                .id_text = route};
        return finish(&job, tk_op_read(&job.op, get, &job), ret_route);
}

struct list_job {
        struct route_job place;
        struct tk_page page;
        struct tk_api_route *routes;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        enum tk_err err = find_place(&job->place, txn);
        return err == TK_OK ? tk_api_route_list(txn, job->place.environment.id, job->page,
                                                job->place.op.arena, &job->routes, &job->count)
                            : err;
}

enum tk_err tk_service_route_list(struct tk_service *service, struct tk_str api, struct tk_str environment,
                                  struct tk_page page, struct tk_arena *arena,
                                  struct tk_api_route **ret_routes, size_t *ret_count, struct tk_fault *fault)
{
        struct list_job job = {.place = {.op = tk_op_begin(service, NULL, arena, fault),
                                         .api_name = api,
                                         .environment_name = environment},
                               .page = page};
        enum tk_err err = tk_op_read(&job.place.op, list, &job);
        if (err == TK_OK) {
                *ret_routes = job.routes;
                *ret_count = job.count;
        }
        return err;
}
