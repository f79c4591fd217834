/*
 * Use cases of subscriptions: a consumer on a plan, for one environment of one API, since a date. Its limits are shared
 * by all the consumer's keys there.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

struct subscription_job {
        struct tk_op op;
        const struct tk_input_subscription *input;
        struct tk_str id_text;
        uint64_t version;
        enum tk_state state;
        struct tk_subscription subscription;
};

static struct tk_str environment_or_default(struct tk_str environment)
{
        return environment.ptr ? environment : TK_STR("production");
}

static bool is_anchored(const struct tk_key *key)
{
        for (uint32_t i = 0; i < key->limit_count; i++)
                if (key->limits[i].anchored)
                        return true;
        return false;
}

/*
 * The consumer's keys whose own limits count from the subscription's start: they need other meters when it
 * begins or ends.
 */
static enum tk_err count_anchored(struct tk_txn *txn, const struct tk_subscription *subscription,
                                  uint64_t *ret_count)
{
        struct tk_key_filter filter = {.consumer_id = subscription->consumer_id,
                                       .environment_id = subscription->environment_id};
        struct tk_page page = {.limit = 500};
        size_t count;
        *ret_count = 0;
        do {
                struct tk_arena arena;
                struct tk_key **keys;
                tk_arena_init(&arena, 0);
                enum tk_err err = tk_key_list(txn, &filter, page, &arena, &keys, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        *ret_count += is_anchored(keys[i]);
                        page.after_id = keys[i]->id;
                }
                tk_arena_fini(&arena);
                if (err != TK_OK)
                        return err;
        } while (count == page.limit);
        return TK_OK;
}

static enum tk_err reserve(struct tk_op *op, struct tk_txn *txn, const struct tk_subscription *subscription)
{
        uint64_t anchored;
        enum tk_err err = count_anchored(txn, subscription, &anchored);
        if (err != TK_OK)
                return err;
        return tk_op_reserve(op, &(struct tk_publish_room){.subscription_id = subscription->id,
                                                           .policies = 1,
                                                           .meters = 1 + anchored});
}

enum tk_err tk_subscription_make(struct tk_op *op, struct tk_txn *txn, const struct tk_consumer *consumer,
                                 const struct tk_environment *environment, const struct tk_plan *plan,
                                 int64_t started_s, struct tk_subscription *ret_subscription)
{
        struct tk_subscription subscription = {
                .version = 1,
                .consumer_id = consumer->id,
                .environment_id = environment->id,
                .plan_id = plan->id,
                .state = TK_STATE_ACTIVE,
                .consumer_name = consumer->name,
                .api_name = environment->api_name,
                .environment_name = environment->name,
                .plan_name = plan->name,
                .started_s = started_s,
                .created_s = op->now_s,
                .updated_s = op->now_s,
        };
        struct tk_change change;
        enum tk_err err = tk_op_change(op, "subscription.create", json_null(),
                                       tk_view_subscription(&subscription), &change);
        if (err == TK_OK)
                err = tk_subscription_create(txn, &subscription, &change);
        if (err == TK_CONFLICT)
                return tk_fault_set(op->fault, TK_FAULT_conflict, "/consumer",
                                    "change the plan of the existing subscription, or end it first",
                                    "\"%.*s\" has a subscription in this environment already",
                                    TK_STR_ARG(consumer->name));
        if (err == TK_OK)
                err = reserve(op, txn, &subscription);
        if (err == TK_OK)
                *ret_subscription = subscription;
        return err;
}

static enum tk_err make_from_input(struct subscription_job *job, struct tk_txn *txn)
{
        const struct tk_input_subscription *input = job->input;
        struct tk_api api;
        struct tk_environment environment;
        struct tk_consumer consumer;
        struct tk_plan plan;
        struct tk_last_admin guard;
        enum tk_err err = tk_find_consumer(&job->op, txn, input->consumer, "/consumer", &consumer);
        if (err == TK_OK)
                err = tk_find_api(&job->op, txn, input->api, "/api", &api);
        if (err == TK_OK)
                err = tk_refuse_lesser(&job->op, api.name);
        if (err == TK_OK)
                err = tk_find_environment(&job->op, txn, &api, environment_or_default(input->environment),
                                          "/environment", &environment);
        if (err == TK_OK)
                err = tk_find_plan(&job->op, txn, &api, input->plan, "/plan", &plan);
        if (err == TK_OK)
                err = tk_last_admin_before(&job->op, txn, api.name, &guard);
        if (err != TK_OK)
                return err;
        int64_t started_s =
                input->started_at.set && input->started_at.s != 0 ? input->started_at.s : job->op.now_s;
        err = tk_subscription_make(&job->op, txn, &consumer, &environment, &plan, started_s,
                                   &job->subscription);
        return err == TK_OK ? tk_last_admin_after(&job->op, txn, &guard) : err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct subscription_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_SUBSCRIPTION, &made);
        if (err == TK_OK)
                return tk_subscription_get(txn, made, job->op.arena, &job->subscription);
        if (err != TK_NOT_FOUND)
                return err;
        err = make_from_input(job, txn);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_SUBSCRIPTION, job->subscription.id);
}

enum tk_err tk_service_subscription_create(struct tk_service *service, const struct tk_caller *caller,
                                           const struct tk_input_subscription *input, struct tk_arena *arena,
                                           struct tk_subscription *ret_subscription, struct tk_fault *fault)
{
        struct subscription_job job = {.op = tk_op_begin(service, caller, arena, fault), .input = input};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, create, &job);
        if (err == TK_OK)
                *ret_subscription = job.subscription;
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct subscription_job *job = context;
        uint64_t id;
        enum tk_err err = TK_NOT_FOUND;
        if (tk_id_parse(TK_ID_SUBSCRIPTION, job->id_text, &id))
                err = tk_subscription_get(txn, id, job->op.arena, &job->subscription);
        if (err == TK_NOT_FOUND)
                return tk_fault_set(job->op.fault, TK_FAULT_not_found, "",
                                    "list the subscriptions to see their ids",
                                    "there is no subscription \"%.*s\"", TK_STR_ARG(job->id_text));
        return err == TK_OK ? tk_refuse_unreached(&job->op, job->subscription.api_name, "") : err;
}

static enum tk_err find(struct subscription_job *job, struct tk_txn *txn)
{
        enum tk_err err = get(txn, job);
        if (err == TK_OK)
                err = tk_refuse_lesser(&job->op, job->subscription.api_name);
        if (err != TK_OK)
                return err;
        return tk_op_match(&job->op, job->version, job->subscription.version);
}

static enum tk_err refuse_ended(struct subscription_job *job)
{
        if (job->subscription.state != TK_STATE_ENDED)
                return TK_OK;
        return tk_fault_set(job->op.fault, TK_FAULT_wrong_state, "", "create a new subscription",
                            "the subscription has ended, which is final");
}

/* Write the changed record with its audit entry. */
static enum tk_err write_change(struct subscription_job *job, struct tk_txn *txn, const char *action,
                                json_t *before)
{
        job->subscription.updated_s = job->op.now_s;
        struct tk_subscription after = job->subscription;
        after.version++;
        struct tk_change change;
        enum tk_err err = tk_op_change(&job->op, action, before, tk_view_subscription(&after), &change);
        if (err != TK_OK)
                return err;
        return tk_subscription_update(txn, &job->subscription, &change);
}

/* The change, unless it shuts the last administrator out; takes `before`. */
static enum tk_err save(struct subscription_job *job, struct tk_txn *txn, const char *action, json_t *before)
{
        struct tk_last_admin guard;
        enum tk_err err = tk_last_admin_before(&job->op, txn, job->subscription.api_name, &guard);
        if (err != TK_OK) {
                json_decref(before);
                return err;
        }
        err = write_change(job, txn, action, before);
        return err == TK_OK ? tk_last_admin_after(&job->op, txn, &guard) : err;
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct subscription_job *job = context;
        enum tk_err err = find(job, txn);
        if (err == TK_OK)
                err = refuse_ended(job);
        if (err != TK_OK || !job->input->plan.ptr)
                return err;
        struct tk_environment environment;
        err = tk_environment_get(txn, job->subscription.environment_id, job->op.arena, &environment);
        if (err != TK_OK)
                return err;
        struct tk_api api = {.id = environment.api_id, .name = environment.api_name};
        struct tk_plan plan;
        err = tk_find_plan(&job->op, txn, &api, job->input->plan, "/plan", &plan);
        if (err != TK_OK || plan.id == job->subscription.plan_id)
                return err;
        err = tk_op_reserve(&job->op, &(struct tk_publish_room){.policies = 1, .meters = 1});
        if (err != TK_OK)
                return err;
        json_t *before = tk_view_subscription(&job->subscription);
        job->subscription.plan_id = plan.id;
        job->subscription.plan_name = plan.name;
        return save(job, txn, "subscription.update", before);
}

enum tk_err tk_service_subscription_update(struct tk_service *service, const struct tk_caller *caller,
                                           struct tk_str subscription, uint64_t version,
                                           const struct tk_input_subscription *input, struct tk_arena *arena,
                                           struct tk_subscription *ret_subscription, struct tk_fault *fault)
{
        struct subscription_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                       .input = input,
                                       .id_text = subscription,
                                       .version = version};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, update, &job);
        if (err == TK_OK)
                *ret_subscription = job.subscription;
        return err;
}

static const char *state_action(enum tk_state state)
{
        if (state == TK_STATE_ACTIVE)
                return "subscription.resume";
        return state == TK_STATE_SUSPENDED ? "subscription.suspend" : "subscription.end";
}

static enum tk_err set_state(struct tk_txn *txn, void *context)
{
        struct subscription_job *job = context;
        enum tk_err err = find(job, txn);
        if (err != TK_OK || job->subscription.state == job->state)
                return err;
        err = refuse_ended(job);
        if (err == TK_OK && job->state == TK_STATE_ENDED)
                err = reserve(&job->op, txn, &job->subscription);
        if (err != TK_OK)
                return err;
        json_t *before = tk_view_subscription(&job->subscription);
        job->subscription.state = job->state;
        return save(job, txn, state_action(job->state), before);
}

enum tk_err tk_service_subscription_set_state(struct tk_service *service, const struct tk_caller *caller,
                                              struct tk_str subscription, uint64_t version,
                                              enum tk_state state, struct tk_arena *arena,
                                              struct tk_subscription *ret_subscription,
                                              struct tk_fault *fault)
{
        struct subscription_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                       .id_text = subscription,
                                       .version = version,
                                       .state = state};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_FAST, set_state, &job);
        if (err == TK_OK)
                *ret_subscription = job.subscription;
        return err;
}

enum tk_err tk_service_subscription_get(struct tk_service *service, const struct tk_caller *caller,
                                        struct tk_str subscription, struct tk_arena *arena,
                                        struct tk_subscription *ret_subscription, struct tk_fault *fault)
{
        struct subscription_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                       .id_text = subscription};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_subscription = job.subscription;
        return err;
}

struct list_job {
        struct tk_op op;
        const struct tk_input_subscription_filter *input;
        struct tk_page page;
        struct tk_subscription *subscriptions;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        struct tk_subscription_filter filter = {0};
        enum tk_err err = TK_OK;
        if (job->input->consumer.ptr) {
                struct tk_consumer consumer;
                err = tk_find_consumer(&job->op, txn, job->input->consumer, "consumer", &consumer);
                if (err == TK_OK)
                        filter.consumer_id = consumer.id;
        }
        if (err == TK_OK)
                err = tk_filter_place(&job->op, txn, job->input->api, job->input->environment, &filter.api_id,
                                      &filter.environment_id);
        if (err != TK_OK)
                return err;
        return tk_subscription_list(txn, &filter, job->page, job->op.arena, &job->subscriptions, &job->count);
}

enum tk_err tk_service_subscription_list(struct tk_service *service,
                                         const struct tk_input_subscription_filter *input,
                                         struct tk_page page, struct tk_arena *arena,
                                         struct tk_subscription **ret_subscriptions, size_t *ret_count,
                                         struct tk_fault *fault)
{
        struct list_job job = {
                .op = tk_op_begin(service, input->caller, arena, fault), .input = input, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_subscriptions = job.subscriptions;
                *ret_count = job.count;
        }
        return err;
}
