/*
 * Use cases of plans: named sets of limits for the subscriptions of an API. Changing one makes a new version, which its
 * subscriptions follow at once; the registry keeps the earlier definitions.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

struct plan_job {
        struct tk_op op;
        const struct tk_input_plan *input;
        struct tk_str api_name, name;
        uint64_t version;
        struct tk_plan plan;
};

enum tk_err tk_plan_make(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                         const struct tk_input_plan *input, struct tk_plan *ret_plan)
{
        struct tk_plan plan = {
                .version = 1,
                .api_id = api->id,
                .api_name = api->name,
                .name = input->name,
                .description = input->description,
                .created_s = op->now_s,
                .updated_s = op->now_s,
        };
        enum tk_err err = tk_value_name(op->fault, "/name", input->name);
        if (err == TK_OK)
                err = tk_value_text(op->fault, "/description", input->description, TK_DESCRIPTION_MAX);
        if (err == TK_OK)
                err = tk_value_limits(op->fault, &input->limits, plan.limits, &plan.limit_count);
        if (err != TK_OK)
                return err;
        struct tk_change change;
        err = tk_op_change(op, "plan.create", json_null(), tk_view_plan(&plan), &change);
        if (err == TK_OK)
                err = tk_plan_create(txn, &plan, &change);
        if (err == TK_CONFLICT)
                return tk_fault_set(op->fault, TK_FAULT_conflict, "/name",
                                    "choose another name, or change the existing one",
                                    "the API has a plan \"%.*s\" already", TK_STR_ARG(input->name));
        if (err == TK_OK)
                *ret_plan = plan;
        return err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct plan_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_PLAN, &made);
        if (err == TK_OK)
                return tk_plan_get(txn, made, job->op.arena, &job->plan);
        if (err != TK_NOT_FOUND)
                return err;
        struct tk_api api;
        err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err == TK_OK)
                err = tk_refuse_lesser(&job->op, api.name);
        if (err == TK_OK)
                err = tk_plan_make(&job->op, txn, &api, job->input, &job->plan);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_PLAN, job->plan.id);
}

enum tk_err tk_service_plan_create(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, const struct tk_input_plan *input,
                                   struct tk_arena *arena, struct tk_plan *ret_plan, struct tk_fault *fault)
{
        struct plan_job job = {
                .op = tk_op_begin(service, caller, arena, fault), .input = input, .api_name = api};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, create, &job);
        if (err == TK_OK)
                *ret_plan = job.plan;
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct plan_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err != TK_OK)
                return err;
        return tk_find_plan(&job->op, txn, &api, job->name, NULL, &job->plan);
}

/* Take the given members over into the record. */
static enum tk_err merge(struct plan_job *job)
{
        enum tk_err err =
                tk_value_text(job->op.fault, "/description", job->input->description, TK_DESCRIPTION_MAX);
        if (err != TK_OK)
                return err;
        if (job->input->description.ptr)
                job->plan.description = job->input->description;
        if (!job->input->limits.set)
                return TK_OK;
        return tk_value_limits(job->op.fault, &job->input->limits, job->plan.limits, &job->plan.limit_count);
}

static bool changes_nothing(const struct tk_plan *old, const struct tk_plan *plan)
{
        return tk_view_same(tk_view_plan(old), tk_view_plan(plan));
}

/* Other limits may need another meter for each subscription. */
static enum tk_err reserve(struct plan_job *job, struct tk_txn *txn)
{
        uint64_t subscriptions = 0;
        if (!job->input->limits.set)
                return TK_OK;
        enum tk_err err = tk_subscription_count(txn, job->plan.id, &subscriptions);
        if (err != TK_OK)
                return err;
        return tk_op_reserve(&job->op, &(struct tk_publish_room){.policies = 1, .meters = subscriptions});
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct plan_job *job = context;
        enum tk_err err = get(txn, job);
        if (err == TK_OK)
                err = tk_op_match(&job->op, job->version, job->plan.version);
        if (err == TK_OK)
                err = tk_refuse_lesser(&job->op, job->plan.api_name);
        if (err != TK_OK)
                return err;
        struct tk_plan old = job->plan;
        err = merge(job);
        if (err != TK_OK || changes_nothing(&old, &job->plan))
                return err;
        struct tk_last_admin guard;
        err = reserve(job, txn);
        if (err == TK_OK)
                err = tk_last_admin_before(&job->op, txn, job->plan.api_name, &guard);
        if (err != TK_OK)
                return err;
        job->plan.updated_s = job->op.now_s;
        struct tk_plan after = job->plan;
        after.version++;
        struct tk_change change;
        err = tk_op_change(&job->op, "plan.update", tk_view_plan(&old), tk_view_plan(&after), &change);
        if (err == TK_OK)
                err = tk_plan_update(txn, &job->plan, &change);
        return err == TK_OK ? tk_last_admin_after(&job->op, txn, &guard) : err;
}

enum tk_err tk_service_plan_update(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, struct tk_str plan, uint64_t version,
                                   const struct tk_input_plan *input, struct tk_arena *arena,
                                   struct tk_plan *ret_plan, struct tk_fault *fault)
{
        struct plan_job job = {.op = tk_op_begin(service, caller, arena, fault),
                               .input = input,
                               .api_name = api,
                               .name = plan,
                               .version = version};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, update, &job);
        if (err == TK_OK)
                *ret_plan = job.plan;
        return err;
}

enum tk_err tk_service_plan_get(struct tk_service *service, struct tk_str api, struct tk_str plan,
                                struct tk_arena *arena, struct tk_plan *ret_plan, struct tk_fault *fault)
{
        struct plan_job job = {.op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .name = plan};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_plan = job.plan;
        return err;
}

struct list_job {
        struct tk_op op;
        struct tk_str api_name;
        struct tk_page page;
        struct tk_plan *plans;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        struct tk_api api;
        enum tk_err err = tk_find_api(&job->op, txn, job->api_name, NULL, &api);
        if (err != TK_OK)
                return err;
        return tk_plan_list(txn, api.id, job->page, job->op.arena, &job->plans, &job->count);
}

enum tk_err tk_service_plan_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                 struct tk_arena *arena, struct tk_plan **ret_plans, size_t *ret_count,
                                 struct tk_fault *fault)
{
        struct list_job job = {.op = tk_op_begin(service, NULL, arena, fault), .api_name = api, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_plans = job.plans;
                *ret_count = job.count;
        }
        return err;
}
