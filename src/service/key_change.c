/*
 * Changing keys: what they may do, how long they live, and whether they live at all. When a call here returns
 * TK_OK the change is durable and no decision that starts later is made by the old state: the writer answers
 * only after the feeder has published.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

#define REASON_MAX 256

struct change_job {
        struct tk_op op;
        const struct tk_input_key *input;
        struct tk_str id_text, reason;
        uint64_t version;
        enum tk_state state;
        bool already;
        struct tk_key *key;
};

static enum tk_err find(struct change_job *job, struct tk_txn *txn)
{
        enum tk_err err = tk_find_key(&job->op, txn, job->id_text, job->key);
        if (err == TK_OK)
                err = tk_refuse_key(&job->op, txn, job->key);
        if (err != TK_OK)
                return err;
        return tk_op_match(&job->op, job->version, job->key->version);
}

static enum tk_err refuse_revoked(struct change_job *job)
{
        if (job->key->state != TK_STATE_REVOKED)
                return TK_OK;
        return tk_fault_set(job->op.fault, TK_FAULT_wrong_state, "", "issue a new key",
                            "the key is revoked, which is final");
}

/* Write the changed record with its audit entry; takes `before`. */
static enum tk_err write_change(struct change_job *job, struct tk_txn *txn, const char *action,
                                json_t *before)
{
        job->key->updated_s = job->op.now_s;
        job->key->version++;
        json_t *after = tk_view_key(job->key);
        job->key->version--; /* the registry raises it */
        struct tk_change change;
        enum tk_err err = tk_op_change(&job->op, action, before, after, &change);
        if (err != TK_OK)
                return err;
        return tk_key_update(txn, job->key, &change);
}

/* The change, unless it shuts the last administrator out; takes `before`. */
static enum tk_err save(struct change_job *job, struct tk_txn *txn, const char *action, json_t *before)
{
        struct tk_last_admin guard;
        enum tk_err err = tk_last_admin_before(&job->op, txn, job->key->api_name, &guard);
        if (err != TK_OK) {
                json_decref(before);
                return err;
        }
        err = write_change(job, txn, action, before);
        return err == TK_OK ? tk_last_admin_after(&job->op, txn, &guard) : err;
}

static enum tk_err check_scopes(struct change_job *job, struct tk_txn *txn)
{
        struct tk_key *key = job->key;
        if (!job->input->scopes.set)
                return TK_OK;
        struct tk_api api;
        enum tk_err err = tk_api_find(txn, key->api_name, job->op.arena, &api);
        if (err != TK_OK)
                return err;
        err = tk_scopes_known(&job->op, txn, &api, &job->input->scopes, key->scopes, key->scope_count);
        return err == TK_OK ? tk_op_reserve_scopes(&job->op, api.id, key->scopes, key->scope_count) : err;
}

static enum tk_err take_roles(struct change_job *job, struct tk_txn *txn)
{
        const struct tk_input_list *given = &job->input->roles;
        struct tk_api api;
        enum tk_err err = tk_api_find(txn, job->key->api_name, job->op.arena, &api);
        if (err == TK_OK)
                err = tk_key_roles_take(&job->op, txn, &api, given, job->key);
        return err == TK_OK ? tk_key_roles_refuse_escalation(&job->op, txn, given, job->key) : err;
}

static enum tk_err merge(struct change_job *job, struct tk_txn *txn)
{
        struct tk_key *key = job->key;
        enum tk_err err = tk_key_merge(&job->op, job->input, key);
        if (err == TK_OK)
                err = take_roles(job, txn);
        return err == TK_OK ? tk_refuse_escalation(&job->op, key->api_name, &job->input->scopes, key->scopes,
                                                   key->scope_count)
                            : err;
}

static enum tk_err update(struct tk_txn *txn, void *context)
{
        struct change_job *job = context;
        enum tk_err err = find(job, txn);
        if (err == TK_OK)
                err = refuse_revoked(job);
        if (err != TK_OK)
                return err;
        struct tk_key old = *job->key;
        err = merge(job, txn);
        if (err == TK_OK)
                err = tk_refuse_outgrowing(&job->op, txn, old.api_name, job->input, job->key, false);
        if (err == TK_OK && tk_view_same(tk_view_key(&old), tk_view_key(job->key))) {
                *job->key = old;
                return TK_OK;
        }
        if (err == TK_OK)
                err = check_scopes(job, txn);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op, &(struct tk_publish_room){.policies = 1, .meters = 1});
        return err == TK_OK ? save(job, txn, "key.update", tk_view_key(&old)) : err;
}

/* Run one write and hand its key over. */
static enum tk_err run(struct change_job *job, enum tk_lane lane, tk_txn_fn *change, struct tk_key **ret_key)
{
        job->key = tk_arena_alloc(job->op.arena, sizeof(*job->key));
        if (!job->key)
                return tk_fault_from_err(job->op.fault, TK_NOMEM);
        enum tk_err err = tk_op_write(&job->op, lane, change, job);
        if (err == TK_OK)
                *ret_key = job->key;
        return err;
}

enum tk_err tk_service_key_update(struct tk_service *service, const struct tk_caller *caller,
                                  struct tk_str key, uint64_t version, const struct tk_input_key *input,
                                  struct tk_arena *arena, struct tk_key **ret_key, struct tk_fault *fault)
{
        struct change_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                 .input = input,
                                 .id_text = key,
                                 .version = version};
        return run(&job, TK_LANE_NORMAL, update, ret_key);
}

static const char *state_action(enum tk_state state)
{
        if (state == TK_STATE_ACTIVE)
                return "key.resume";
        return state == TK_STATE_SUSPENDED ? "key.suspend" : "key.revoke";
}

static enum tk_err set_state(struct tk_txn *txn, void *context)
{
        struct change_job *job = context;
        enum tk_err err = find(job, txn);
        job->already = err == TK_OK && job->key->state == job->state;
        if (err != TK_OK || job->already)
                return err;
        err = refuse_revoked(job);
        if (err == TK_OK)
                err = tk_value_text(job->op.fault, "/reason", job->reason, REASON_MAX);
        if (err != TK_OK)
                return err;
        json_t *before = tk_view_key(job->key);
        job->key->state = job->state;
        if (job->state == TK_STATE_REVOKED) {
                job->key->revoked_s = job->op.now_s;
                job->key->revoke_reason = job->reason;
        }
        return save(job, txn, state_action(job->state), before);
}

enum tk_err tk_service_key_set_state(struct tk_service *service, const struct tk_caller *caller,
                                     struct tk_str key, uint64_t version, enum tk_state state,
                                     struct tk_str reason, struct tk_arena *arena, struct tk_key **ret_key,
                                     bool *ret_already, struct tk_fault *fault)
{
        struct change_job job = {.op = tk_op_begin(service, caller, arena, fault),
                                 .id_text = key,
                                 .version = version,
                                 .state = state,
                                 .reason = reason};
        /* Resuming waits its turn; taking a key out of use does not. */
        enum tk_lane lane = state == TK_STATE_ACTIVE ? TK_LANE_NORMAL : TK_LANE_FAST;
        enum tk_err err = run(&job, lane, set_state, ret_key);
        if (err == TK_OK && ret_already)
                *ret_already = job.already;
        return err;
}
