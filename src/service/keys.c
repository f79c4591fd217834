/*
 * Issuing, reading and listing keys. (Changing them: key_change.c.) The plaintext exists here only between minting and
 * the reply to the caller; what is stored is its digest.
 * Called from any thread; the static job functions run on the registry's writer thread.
 */
#include "service/internal.h"
#include "service/view.h"

#include <stdio.h>
#include <string.h>

#define KEY_NAME_MAX 128

struct issue_job {
        struct tk_op op;
        const struct tk_input_key *input;
        struct tk_key *key;
        struct tk_secret plaintext;
        bool replayed;
        struct tk_api api;
        struct tk_environment environment;
        struct tk_consumer consumer;
        struct tk_made *made;
        size_t made_count;
        bool api_made;
};

/* Remember for the reply what was made; there is room for all that one key can need. */
static void note(struct issue_job *job, const char *kind, struct tk_str name)
{
        job->made[job->made_count++] = (struct tk_made){.kind = kind, .name = name};
}

static struct tk_str or_default(struct tk_str given, struct tk_str otherwise)
{
        return given.ptr ? given : otherwise;
}

/* ---- the key's surroundings: found, or made where the caller asked for it ---- */

/* What is made for a member has no body of its own: a fault that points into one is to name the member. */
static enum tk_err blame(struct issue_job *job, enum tk_err err, const char *member)
{
        struct tk_fault *fault = job->op.fault;
        if (err != TK_OK && fault->code != TK_FAULT_none && fault->field[0] == '/')
                snprintf(fault->field, sizeof(fault->field), "%s", member);
        return err;
}

static enum tk_err settle(struct issue_job *job, enum tk_err err, const char *kind, struct tk_str name,
                          const char *field)
{
        if (err == TK_OK)
                note(job, kind, name);
        return blame(job, err, field);
}

static enum tk_err find_or_make_api(struct issue_job *job, struct tk_txn *txn)
{
        struct tk_str name = job->input->api;
        /* Who is bound to APIs hands admin keys down, too: tk_only_apis_check() has looked. */
        if (!job->input->create_missing && !tk_str_equal(name, TK_STR(TK_ADMIN_API)))
                return tk_find_api(&job->op, txn, name, "/api", &job->api);
        enum tk_err err = tk_api_find(txn, name, job->op.arena, &job->api);
        if (err != TK_NOT_FOUND)
                return err;
        err = tk_refuse_making(&job->op, TK_STR("apis:write"), "/api", "API", name);
        if (err != TK_OK)
                return err;
        err = tk_api_make(&job->op, txn, &(struct tk_input_api){.name = name}, &job->api);
        job->api_made = err == TK_OK;
        return settle(job, err, "api", name, "/api");
}

/* Its tag is derived from its name, which cannot always be: whoever wants that name gives a tag beforehand. */
static enum tk_err make_environment(struct issue_job *job, struct tk_txn *txn, struct tk_str name)
{
        struct tk_fault *fault = job->op.fault;
        struct tk_input_environment wanted = {.name = name};
        enum tk_err err = tk_environment_make(&job->op, txn, &job->api, &wanted, "", &job->environment);
        if (err != TK_OK && fault->code != TK_FAULT_none && strcmp(fault->field, "/tag") == 0)
                snprintf(fault->mend, sizeof(fault->mend),
                         "create the environment first, with a tag of its own of 1 to 8 characters a-z 0-9");
        return settle(job, err, "environment", name, "/environment");
}

static enum tk_err find_or_make_environment(struct issue_job *job, struct tk_txn *txn)
{
        struct tk_str name = or_default(job->input->environment, TK_STR("production"));
        if (!job->input->create_missing || tk_str_equal(job->api.name, TK_STR(TK_ADMIN_API)))
                return tk_find_environment(&job->op, txn, &job->api, name, "/environment", &job->environment);
        enum tk_err err = tk_environment_find(txn, job->api.id, name, job->op.arena, &job->environment);
        if (err == TK_OK && job->api_made)
                note(job, "environment", name); /* one of those that every new API has */
        if (err != TK_NOT_FOUND)
                return err;
        err = tk_refuse_making(&job->op, TK_STR("apis:write"), "/environment", "environment", name);
        return err == TK_OK ? make_environment(job, txn, name) : err;
}

static enum tk_err find_or_make_consumer(struct issue_job *job, struct tk_txn *txn)
{
        struct tk_str name = or_default(job->input->consumer, TK_STR("default"));
        enum tk_err err = tk_find_consumer(&job->op, txn, name, "/consumer", &job->consumer);
        if (err != TK_INVALID || !job->input->create_missing)
                return err;
        job->op.fault->code = TK_FAULT_none;
        err = tk_refuse_making(&job->op, TK_STR("consumers:write"), "/consumer", "consumer", name);
        if (err != TK_OK)
                return err;
        struct tk_input_consumer wanted = {.name = name};
        err = tk_consumer_make(&job->op, txn, &wanted, &job->consumer);
        return settle(job, err, "consumer", name, "/consumer");
}

static enum tk_err make_open_plan(struct issue_job *job, struct tk_txn *txn, struct tk_plan *ret_plan)
{
        struct tk_input_plan wanted = {.name = TK_STR("open")};
        enum tk_err err = tk_plan_make(&job->op, txn, &job->api, &wanted, ret_plan);
        if (err == TK_OK)
                note(job, "plan", wanted.name);
        return err;
}

static enum tk_err make_subscription(struct issue_job *job, struct tk_txn *txn, const struct tk_plan *plan)
{
        struct tk_subscription subscription;
        enum tk_err err = tk_subscription_make(&job->op, txn, &job->consumer, &job->environment, plan,
                                               job->op.now_s, &subscription);
        if (err != TK_OK)
                return err;
        char id[32];
        tk_id_format(TK_ID_SUBSCRIPTION, subscription.id, id);
        struct tk_str name = tk_arena_copy(job->op.arena, tk_str_from(id));
        if (!name.ptr)
                return TK_NOMEM;
        note(job, "subscription", name);
        return TK_OK;
}

/*
 * Without a subscription there are no shared limits; the plan `open` has none either, but can be given some
 * later. So a caller who may not make them goes without.
 */
static enum tk_err ensure_subscription(struct issue_job *job, struct tk_txn *txn)
{
        /* Of the API tollkeeper it would put the consumer's other admin keys under a plan. */
        if (!job->input->create_missing || !tk_caller_holds(job->op.caller, TK_STR("consumers:write")) ||
            tk_str_equal(job->api.name, TK_STR(TK_ADMIN_API)))
                return TK_OK;
        struct tk_subscription subscription;
        enum tk_err err = tk_subscription_find(txn, job->consumer.id, job->environment.id, job->op.arena,
                                               &subscription);
        if (err != TK_NOT_FOUND)
                return err;
        struct tk_plan plan;
        err = tk_plan_find(txn, job->api.id, TK_STR("open"), job->op.arena, &plan);
        if (err == TK_NOT_FOUND && !tk_caller_holds(job->op.caller, TK_STR("plans:write")))
                return TK_OK;
        if (err == TK_NOT_FOUND)
                err = make_open_plan(job, txn, &plan);
        return err == TK_OK ? make_subscription(job, txn, &plan) : err;
}

static enum tk_err make_scope(struct issue_job *job, struct tk_txn *txn, struct tk_str name)
{
        struct tk_scope scope;
        char field[TK_FIELD_PATH_MAX];
        tk_scope_place(&job->input->scopes, name, field);
        enum tk_err err = tk_refuse_making(&job->op, TK_STR("apis:write"), field, "scope", name);
        if (err != TK_OK)
                return err;
        err = tk_scope_make(&job->op, txn, &job->api, &(struct tk_input_scope){.name = name}, &scope);
        return settle(job, err, "scope", name, field);
}

static enum tk_err ensure_scopes(struct issue_job *job, struct tk_txn *txn)
{
        struct tk_key *key = job->key;
        bool make = job->input->create_missing && !tk_str_equal(job->api.name, TK_STR(TK_ADMIN_API));
        for (uint32_t i = 0; make && i < key->scope_count; i++) {
                struct tk_scope scope;
                if (!tk_scope_name_valid(key->scopes[i]))
                        continue; /* a wildcard needs no entry */
                enum tk_err err = tk_scope_find(txn, job->api.id, key->scopes[i], job->op.arena, &scope);
                if (err == TK_NOT_FOUND)
                        err = make_scope(job, txn, key->scopes[i]);
                if (err != TK_OK)
                        return err;
        }
        return make ? TK_OK
                    : tk_scopes_known(&job->op, txn, &job->api, &job->input->scopes, key->scopes,
                                      key->scope_count);
}

static enum tk_err surround(struct issue_job *job, struct tk_txn *txn)
{
        enum tk_err err = find_or_make_api(job, txn);
        if (err == TK_OK)
                err = find_or_make_environment(job, txn);
        if (err == TK_OK)
                err = find_or_make_consumer(job, txn);
        if (err == TK_OK)
                err = ensure_subscription(job, txn);
        if (err == TK_OK)
                err = ensure_scopes(job, txn);
        if (err == TK_OK)
                err = tk_only_apis_take(&job->op, txn, &job->input->only_apis, job->key);
        return err;
}

/* ---- the key itself ---- */

/* Digest and hint of a freshly minted key. */
static enum tk_err mint(struct issue_job *job)
{
        struct tk_service *service = job->op.service;
        struct tk_key *key = job->key;
        enum tk_err err = tk_key_mint(job->api.prefix, job->environment.tag, key->id, service->pepper_version,
                                      &service->secrets.mask, service->config.random, &job->plaintext);
        if (err != TK_OK)
                return err;
        struct tk_key_parts parts;
        struct tk_str text = tk_secret_view(&job->plaintext);
        if (!tk_key_parse(text, &parts) ||
            !tk_digest_key(&service->secrets.peppers, service->pepper_version, text, &key->digest))
                return TK_CORRUPT;
        char hint[TK_KEY_HINT_MAX];
        tk_key_hint(&parts, hint);
        key->hint = tk_arena_copy(job->op.arena, tk_str_from(hint));
        return key->hint.ptr ? TK_OK : TK_NOMEM;
}

static void fill_identity(struct issue_job *job)
{
        struct tk_key *key = job->key;
        key->version = 1;
        key->state = TK_STATE_ACTIVE;
        key->generation = 1;
        key->pepper_version = (uint8_t)job->op.service->pepper_version;
        key->environment_id = job->environment.id;
        key->consumer_id = job->consumer.id;
        key->api_name = job->api.name;
        key->environment_name = job->environment.name;
        key->consumer_name = job->consumer.name;
        key->created_s = job->op.now_s;
        key->updated_s = job->op.now_s;
        key->created_by = job->op.caller->actor;
}

static enum tk_err make_key(struct issue_job *job, struct tk_txn *txn)
{
        struct tk_key *key = job->key;
        fill_identity(job);
        enum tk_err err = tk_key_next_id(txn, &key->id);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op,
                                    &(struct tk_publish_room){.key_id = key->id, .policies = 1, .meters = 1});
        if (err == TK_OK)
                err = tk_op_reserve_scopes(&job->op, job->api.id, key->scopes, key->scope_count);
        if (err == TK_OK)
                err = mint(job);
        /* In force before anybody can present it. */
        if (err == TK_OK && tk_str_equal(job->api.name, TK_STR(TK_ADMIN_API)))
                err = tk_bindings_put(job->op.service->bindings, key);
        struct tk_change change;
        if (err == TK_OK)
                err = tk_op_change(&job->op, "key.issue", json_null(), tk_view_key(key), &change);
        if (err == TK_OK)
                err = tk_key_create(txn, key, &change);
        return err;
}

/* What needs no registry; done once, on the caller's thread. */
static enum tk_err check_input(struct issue_job *job)
{
        const struct tk_input_key *input = job->input;
        struct tk_fault *fault = job->op.fault;
        struct tk_key *key = job->key;
        enum tk_err err = tk_value_name(fault, "/api", input->api);
        if (err == TK_OK)
                err = tk_key_merge(&job->op, input, key);
        if (err == TK_OK)
                err = tk_refuse_escalation(&job->op, input->api, &input->scopes, key->scopes,
                                           key->scope_count);
        if (err == TK_OK)
                err = tk_only_apis_check(&job->op, input);
        return err;
}

/* Of a new key only: a replayed one may have expired since. */
static enum tk_err check_expiry(struct issue_job *job)
{
        if (job->key->expires_s == 0 || job->key->expires_s > job->op.now_s)
                return TK_OK;
        return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "/expires_at", "use a time in the future",
                            "the key would be expired at once");
}

/* They are not made where they are missing: nobody would know what they shall grant. */
static enum tk_err take_roles(struct issue_job *job, struct tk_txn *txn)
{
        const struct tk_input_list *given = &job->input->roles;
        job->key->api_name = job->api.name;
        enum tk_err err = tk_key_roles_take(&job->op, txn, &job->api, given, job->key);
        return err == TK_OK ? tk_key_roles_refuse_escalation(&job->op, txn, given, job->key) : err;
}

static enum tk_err issue(struct tk_txn *txn, void *context)
{
        struct issue_job *job = context;
        tk_secret_wipe(&job->plaintext); /* of a run that was undone */
        job->replayed = job->api_made = false;
        job->made_count = 0;
        uint64_t earlier;
        enum tk_err err = tk_op_replay(&job->op, txn, TK_OBJECT_KEY, &earlier);
        if (err == TK_OK) {
                job->replayed = true;
                return tk_key_get(txn, earlier, job->op.arena, job->key);
        }
        if (err != TK_NOT_FOUND)
                return err;
        err = check_expiry(job);
        if (err == TK_OK)
                err = tk_refuse_outgrowing(&job->op, txn, job->input->api, job->input, job->key, true);
        if (err == TK_OK)
                err = surround(job, txn);
        if (err == TK_OK)
                err = take_roles(job, txn);
        if (err == TK_OK)
                err = make_key(job, txn);
        if (err != TK_OK)
                return err;
        return tk_op_remember(&job->op, txn, TK_OBJECT_KEY, job->key->id);
}

enum tk_err tk_service_key_issue(struct tk_service *service, const struct tk_caller *caller,
                                 const struct tk_input_key *input, struct tk_arena *arena,
                                 struct tk_key_issued *ret_issued, struct tk_fault *fault)
{
        struct issue_job job = {.op = tk_op_begin(service, caller, arena, fault), .input = input};
        job.key = tk_arena_alloc(arena, sizeof(*job.key));
        job.made = tk_arena_alloc(arena, TK_MADE_MAX * sizeof(*job.made));
        if (!job.key || !job.made)
                return tk_fault_from_err(fault, TK_NOMEM);
        enum tk_err err = check_input(&job);
        if (err == TK_OK)
                err = tk_op_write(&job.op, TK_LANE_NORMAL, issue, &job);
        if (err == TK_OK)
                *ret_issued = (struct tk_key_issued){.key = job.key,
                                                     .made = job.made,
                                                     .made_count = job.made_count,
                                                     .plaintext = job.plaintext,
                                                     .replayed = job.replayed};
        tk_secret_wipe(&job.plaintext);
        return err;
}

/* ---- parts that key_change.c uses, too ---- */

enum tk_err tk_key_merge(struct tk_op *op, const struct tk_input_key *input, struct tk_key *inout)
{
        struct tk_fault *fault = op->fault;
        enum tk_err err = tk_value_text(fault, "/name", input->name, KEY_NAME_MAX);
        if (err == TK_OK)
                err = tk_value_metadata(fault, input->metadata);
        if (err == TK_OK && input->scopes.set)
                err = tk_value_scopes(fault, &input->scopes, inout->scopes, &inout->scope_count);
        if (err == TK_OK && input->limits.set)
                err = tk_value_limits(fault, &input->limits, inout->limits, &inout->limit_count);
        if (err == TK_OK)
                err = tk_value_restrictions(fault, input, op->arena, &inout->restrictions);
        if (err != TK_OK)
                return err;
        if (input->name.ptr)
                inout->name = input->name;
        if (input->metadata.ptr)
                inout->metadata = input->metadata;
        else if (!inout->metadata.ptr)
                inout->metadata = TK_STR("{}");
        if (input->not_before.set)
                inout->not_before_s = input->not_before.s;
        if (input->expires_at.set)
                inout->expires_s = input->expires_at.s;
        return tk_value_validity(fault, inout->not_before_s, inout->expires_s);
}

/*
 * `forecast:*` is known when some scope of the resource is: a slip in the name would otherwise grant nothing,
 * silently.
 */
static enum tk_err pattern_known(struct tk_op *op, const struct tk_scope *known, size_t count,
                                 const struct tk_input_list *given, struct tk_str pattern)
{
        if (tk_str_equal(pattern, TK_STR("*")))
                return TK_OK;
        for (size_t i = 0; i < count; i++)
                if (tk_scope_covers(pattern, known[i].name))
                        return TK_OK;
        char field[TK_FIELD_PATH_MAX];
        tk_scope_place(given, pattern, field);
        return tk_fault_set(op->fault, TK_FAULT_unknown_reference, field,
                            "create the scope first, or mend its name", "the API has no scope \"%.*s\"",
                            TK_STR_ARG(pattern));
}

enum tk_err tk_scopes_known(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                            const struct tk_input_list *given, const struct tk_str *scopes, uint32_t count)
{
        bool seen[TK_KEY_SCOPES_MAX] = {false};
        struct tk_page page = {.limit = 1000};
        for (;;) {
                struct tk_scope *known;
                size_t known_count;
                enum tk_err err = tk_scope_list(txn, api->id, page, op->arena, &known, &known_count);
                if (err != TK_OK)
                        return err;
                bool last = known_count < page.limit;
                for (uint32_t i = 0; i < count; i++) {
                        if (seen[i])
                                continue;
                        err = pattern_known(op, known, known_count, given, scopes[i]);
                        seen[i] = err == TK_OK;
                        if (err != TK_OK && last)
                                return err;
                }
                if (last)
                        return TK_OK;
                page.after_id = known[known_count - 1].id;
        }
}

enum tk_err tk_find_key(struct tk_op *op, struct tk_txn *txn, struct tk_str id_text, struct tk_key *ret_key)
{
        uint64_t id;
        enum tk_err err = TK_NOT_FOUND;
        if (tk_id_parse(TK_ID_KEY, id_text, &id))
                err = tk_key_get(txn, id, op->arena, ret_key);
        if (err == TK_NOT_FOUND)
                return tk_fault_set(op->fault, TK_FAULT_not_found, "",
                                    "list the keys to see their ids (key_17)",
                                    "there is no key with this id");
        return err;
}

/* ---- reading ---- */

struct get_job {
        struct tk_op op;
        struct tk_str id_text;
        struct tk_key *key;
};

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct get_job *job = context;
        enum tk_err err = tk_find_key(&job->op, txn, job->id_text, job->key);
        return err == TK_OK ? tk_refuse_key_unreached(&job->op, job->key) : err;
}

enum tk_err tk_service_key_get(struct tk_service *service, const struct tk_caller *caller, struct tk_str key,
                               struct tk_arena *arena, struct tk_key **ret_key, struct tk_fault *fault)
{
        struct get_job job = {.op = tk_op_begin(service, caller, arena, fault), .id_text = key};
        job.key = tk_arena_alloc(arena, sizeof(*job.key));
        if (!job.key)
                return tk_fault_from_err(fault, TK_NOMEM);
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err == TK_OK)
                *ret_key = job.key;
        return err;
}

struct list_job {
        struct tk_op op;
        const struct tk_input_key_filter *input;
        struct tk_page page;
        struct tk_key **keys;
        size_t count;
};

static enum tk_err make_filter(struct list_job *job, struct tk_txn *txn, struct tk_key_filter *ret_filter)
{
        const struct tk_input_key_filter *input = job->input;
        if (input->state.ptr &&
            (!tk_state_parse(input->state, &ret_filter->state) || ret_filter->state == TK_STATE_ENDED))
                return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "state",
                                    "use active, suspended or revoked", "it is not a state of a key");
        if (input->consumer.ptr) {
                struct tk_consumer consumer;
                enum tk_err err = tk_find_consumer(&job->op, txn, input->consumer, "consumer", &consumer);
                if (err != TK_OK)
                        return err;
                ret_filter->consumer_id = consumer.id;
        }
        return tk_filter_place(&job->op, txn, input->api, input->environment, &ret_filter->api_id,
                               &ret_filter->environment_id);
}

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct list_job *job = context;
        struct tk_key_filter filter = {0};
        enum tk_err err = make_filter(job, txn, &filter);
        if (err != TK_OK)
                return err;
        return tk_key_list(txn, &filter, job->page, job->op.arena, &job->keys, &job->count);
}

enum tk_err tk_service_key_list(struct tk_service *service, const struct tk_input_key_filter *filter,
                                struct tk_page page, struct tk_arena *arena, struct tk_key ***ret_keys,
                                size_t *ret_count, struct tk_fault *fault)
{
        struct list_job job = {
                .op = tk_op_begin(service, filter->caller, arena, fault), .input = filter, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_keys = job.keys;
                *ret_count = job.count;
        }
        return err;
}
