/*
 * Use cases of consumers: the customers and applications that own keys. Addressed by id or by name.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

struct consumer_job {
        struct tk_op op;
        const struct tk_input_consumer *input;
        struct tk_str who; /* id or name */
        uint64_t version;
        enum tk_state state;
        struct tk_consumer consumer;
};

static enum tk_err check_texts(struct tk_fault *fault, const struct tk_input_consumer *input)
{
        enum tk_err err = tk_value_text(fault, "/description", input->description, TK_DESCRIPTION_MAX);
        if (err != TK_OK)
                return err;
        return tk_value_metadata(fault, input->metadata);
}

enum tk_err tk_consumer_make(struct tk_op *op, struct tk_txn *txn, const struct tk_input_consumer *input,
                             struct tk_consumer *ret_consumer)
{
        enum tk_err err = tk_value_consumer_name(op->fault, "/name", input->name);
        if (err == TK_OK)
                err = check_texts(op->fault, input);
        if (err != TK_OK)
                return err;
        struct tk_consumer consumer = {
                .version = 1,
                .state = TK_STATE_ACTIVE,
                .name = input->name,
                .description = input->description,
                .metadata = input->metadata.ptr ? input->metadata : TK_STR("{}"),
                .created_s = op->now_s,
                .updated_s = op->now_s,
        };
        struct tk_change change;
        err = tk_op_change(op, "consumer.create", json_null(), tk_view_consumer(&consumer), &change);
        if (err == TK_OK)
                err = tk_op_reserve(op, &(struct tk_publish_room){.names = 1});
        if (err == TK_OK)
                err = tk_consumer_create(txn, &consumer, &change);
        if (err == TK_CONFLICT)
                return tk_fault_set(op->fault, TK_FAULT_conflict, "/name",
                                    "choose another name, or change the existing one",
                                    "there is a consumer \"%.*s\" already", TK_STR_ARG(input->name));
        if (err == TK_OK)
                *ret_consumer = consumer;
        return err;
}

static enum tk_err create(struct tk_txn *txn, void *context)
{
        struct consumer_job *job = context;
        uint64_t made;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_CONSUMER, &made);
        if (err == TK_OK)
                return tk_consumer_get(txn, made, job->op.arena, &job->consumer);
        if (err != TK_NOT_FOUND)
                return err;
        err = tk_consumer_make(&job->op, txn, job->input, &job->consumer);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_CONSUMER, job->consumer.id);
}

enum tk_err tk_service_consumer_create(struct tk_service *service, const struct tk_caller *caller,
                                       const struct tk_input_consumer *input, struct tk_arena *arena,
                                       struct tk_consumer *ret_consumer, struct tk_fault *fault)
{
        struct consumer_job job = {.op = tk_op_begin(service, caller, arena, fault), .input = input};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, create, &job);
        if (err == TK_OK)
                *ret_consumer = job.consumer;
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct consumer_job *job = context;
        return tk_find_consumer(&job->op, txn, job->who, NULL, &job->consumer);
}

static enum tk_err find(struct consumer_job *job, struct tk_txn *txn)
{
        enum tk_err err = get(txn, job);
        if (err != TK_OK)
                return err;
        return tk_op_match(&job->op, job->version, job->consumer.version);
}

/* Write the changed record with its audit entry; takes `before`. */
static enum tk_err save(struct consumer_job *job, struct tk_txn *txn, const char *action, json_t *before)
{
        job->consumer.updated_s = job->op.now_s;
        struct tk_consumer after = job->consumer;
        after.version++;
        struct tk_change change;
        enum tk_err err = tk_op_change(&job->op, action, before, tk_view_consumer(&after), &change);
        if (err != TK_OK)
                return err;
        return tk_consumer_update(txn, &job->consumer, &change);
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct consumer_job *job = context;
        enum tk_err err = find(job, txn);
        if (err == TK_OK)
                err = check_texts(job->op.fault, job->input);
        if (err == TK_OK)
                err = tk_refuse_consumer(&job->op, txn, &job->consumer, false);
        if (err != TK_OK)
                return err;
        struct tk_consumer old = job->consumer;
        if (job->input->description.ptr)
                job->consumer.description = job->input->description;
        if (job->input->metadata.ptr)
                job->consumer.metadata = job->input->metadata;
        if (!tk_view_same(tk_view_consumer(&old), tk_view_consumer(&job->consumer)))
                return save(job, txn, "consumer.update", tk_view_consumer(&old));
        job->consumer = old;
        return TK_OK;
}

enum tk_err tk_service_consumer_update(struct tk_service *service, const struct tk_caller *caller,
                                       struct tk_str consumer, uint64_t version,
                                       const struct tk_input_consumer *input, struct tk_arena *arena,
                                       struct tk_consumer *ret_consumer, struct tk_fault *fault)
{
        struct consumer_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                   .input = input,
                                   .who = consumer,
                                   .version = version};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_NORMAL, update, &job);
        if (err == TK_OK)
                *ret_consumer = job.consumer;
        return err;
}

static enum tk_err set_state(struct tk_txn *txn, void *context)
{
        struct consumer_job *job = context;
        enum tk_err err = find(job, txn);
        if (err == TK_OK)
                err = tk_refuse_consumer(&job->op, txn, &job->consumer, true);
        if (err != TK_OK || job->consumer.state == job->state)
                return err;
        struct tk_last_admin guard;
        err = tk_last_admin_before(&job->op, txn, TK_STR_NONE, &guard);
        if (err != TK_OK)
                return err;
        json_t *before = tk_view_consumer(&job->consumer);
        job->consumer.state = job->state;
        err = save(job, txn, job->state == TK_STATE_ACTIVE ? "consumer.resume" : "consumer.suspend", before);
        return err == TK_OK ? tk_last_admin_after(&job->op, txn, &guard) : err;
}

enum tk_err tk_service_consumer_set_state(struct tk_service *service, const struct tk_caller *caller,
                                          struct tk_str consumer, uint64_t version, enum tk_state state,
                                          struct tk_arena *arena, struct tk_consumer *ret_consumer,
                                          struct tk_fault *fault)
{
        struct consumer_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                   .who = consumer,
                                   .version = version,
                                   .state = state};
        enum tk_err err = tk_op_write(&job.op, TK_LANE_FAST, set_state, &job);
        if (err == TK_OK)
                *ret_consumer = job.consumer;
        return err;
}

enum tk_err tk_service_consumer_get(struct tk_service *service, struct tk_str consumer,
                                    struct tk_arena *arena, struct tk_consumer *ret_consumer,
                                    struct tk_fault *fault)
{
        struct consumer_job job = {.op = tk_op_begin(service, NULL, arena, fault), .who = consumer};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_consumer = job.consumer;
        return err;
}

struct list_job {
        struct tk_op op;
        struct tk_page page;
        struct tk_consumer *consumers;
        size_t count;
};

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        return tk_consumer_list(txn, job->page, job->op.arena, &job->consumers, &job->count);
}

enum tk_err tk_service_consumer_list(struct tk_service *service, struct tk_page page, struct tk_arena *arena,
                                     struct tk_consumer **ret_consumers, size_t *ret_count,
                                     struct tk_fault *fault)
{
        struct list_job job = {.op = tk_op_begin(service, NULL, arena, fault), .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_consumers = job.consumers;
                *ret_count = job.count;
        }
        return err;
}
