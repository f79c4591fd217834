/*
 * What a caller may do beyond the scope that a route asks for: nobody grants or takes what they do not hold,
 * and an admin key that is bound to APIs acts on no others. Each check returns TK_OK, or TK_DENIED with its
 * fault; http notes those in the audit log. Called by the noun files, on the caller's thread or on the
 * writer's.
 */
#include "service/internal.h"

#include "registry/walk.h"

#include <stdio.h>

#define PAGE_ROWS 200

/* ---- what an admin key is bound to ---- */

bool tk_caller_reaches(const struct tk_caller *caller, struct tk_str api_name)
{
        struct tk_str rest = caller->only_apis, name;
        if (rest.len == 0)
                return true;
        do {
                tk_str_cut(rest, ' ', &name, &rest);
                if (tk_str_equal(name, api_name))
                        return true;
        } while (rest.len > 0);
        return false;
}

enum tk_err tk_refuse_unreached(struct tk_op *op, struct tk_str api_name, const char *field)
{
        if (!op->caller || tk_caller_reaches(op->caller, api_name))
                return TK_OK;
        struct tk_fault *fault = op->fault;
        tk_fault_set(fault, TK_FAULT_forbidden, field, "", "your key acts on %.*s only",
                     TK_STR_ARG(op->caller->only_apis));
        snprintf(fault->mend, sizeof(fault->mend),
                 "name one of these, or use an admin key that is not bound to APIs");
        return TK_DENIED;
}

enum tk_err tk_filter_default_api(struct tk_op *op, struct tk_str *inout_api)
{
        struct tk_str first, rest;
        if (inout_api->ptr || !op->caller || op->caller->only_apis.len == 0)
                return TK_OK;
        if (tk_str_cut(op->caller->only_apis, ' ', &first, &rest))
                return tk_fault_set(op->fault, TK_FAULT_invalid_value, "api", "say which one with api",
                                    "your key acts on several APIs: %.*s", TK_STR_ARG(op->caller->only_apis));
        *inout_api = op->caller->only_apis;
        return TK_OK;
}

/* An admin key that is bound to none but the caller's APIs. */
static bool within_reach(const struct tk_caller *caller, const struct tk_key *key)
{
        bool within = key->only_api_count > 0;
        for (uint32_t i = 0; within && i < key->only_api_count; i++)
                within = tk_caller_reaches(caller, key->only_apis[i]);
        return within;
}

enum tk_err tk_refuse_key_unreached(struct tk_op *op, const struct tk_key *key)
{
        bool admin = tk_str_equal(key->api_name, TK_STR(TK_ADMIN_API));
        if (admin && op->caller && op->caller->only_apis.len > 0 && within_reach(op->caller, key))
                return TK_OK;
        return tk_refuse_unreached(op, key->api_name, "");
}

enum tk_err tk_refuse_key(struct tk_op *op, struct tk_txn *txn, const struct tk_key *key)
{
        enum tk_err err = tk_refuse_key_unreached(op, key);
        if (err != TK_OK || !tk_str_equal(key->api_name, TK_STR(TK_ADMIN_API)))
                return err;
        for (uint32_t i = 0; i < key->scope_count; i++) {
                if (tk_caller_holds(op->caller, key->scopes[i]))
                        continue;
                return tk_fault_set(op->fault, TK_FAULT_forbidden, "", "ask an administrator who holds it",
                                    "the admin key holds \"%.*s\", which you do not",
                                    TK_STR_ARG(key->scopes[i]));
        }
        return tk_key_roles_refuse_escalation(op, txn, &(struct tk_input_list){0}, key);
}

/* ---- the API tollkeeper ---- */

enum tk_err tk_refuse_lesser(struct tk_op *op, struct tk_str api_name)
{
        if (!tk_str_equal(api_name, TK_STR(TK_ADMIN_API)))
                return TK_OK;
        if (op->caller->only_apis.len == 0 && tk_caller_holds(op->caller, TK_STR("*")))
                return TK_OK;
        return tk_fault_set(op->fault, TK_FAULT_forbidden, "", "ask an administrator who holds *",
                            "plans and subscriptions of \"" TK_ADMIN_API
                            "\" bear on admin keys: changing them takes the scope *, on all APIs");
}

/* ---- consumers, who may own keys of several APIs ---- */

static enum tk_err refuse_admin_keys(struct tk_op *op, struct tk_txn *txn, const struct tk_consumer *consumer)
{
        struct tk_api api = {0};
        enum tk_err err = tk_api_find(txn, TK_STR(TK_ADMIN_API), op->arena, &api);
        struct tk_key_filter filter = {.api_id = api.id, .consumer_id = consumer->id};
        struct tk_page page = {.limit = PAGE_ROWS};
        size_t count = page.limit;
        while (err == TK_OK && count == page.limit) {
                struct tk_key **keys;
                err = tk_key_list(txn, &filter, page, op->arena, &keys, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        page.after_id = keys[i]->id;
                        if (keys[i]->state != TK_STATE_REVOKED)
                                err = tk_refuse_key(op, txn, keys[i]);
                }
        }
        return err;
}

struct elsewhere {
        struct tk_op *op;
        struct tk_txn *txn;
        uint64_t environment_id; /* the last one that was looked at, and is within reach */
};

static enum tk_err refuse_environment(struct elsewhere *look, uint64_t environment_id)
{
        struct tk_environment environment;
        if (environment_id == look->environment_id)
                return TK_OK;
        enum tk_err err = tk_environment_get(look->txn, environment_id, look->op->arena, &environment);
        if (err == TK_OK && !tk_caller_reaches(look->op->caller, environment.api_name))
                return tk_fault_set(look->op->fault, TK_FAULT_forbidden, "",
                                    "suspend or resume its keys of your APIs instead, or ask an "
                                    "administrator who is not bound to APIs",
                                    "the consumer uses other APIs, too; your key acts on %.*s only",
                                    TK_STR_ARG(look->op->caller->only_apis));
        look->environment_id = environment_id;
        return err;
}

static enum tk_err visit_key(const struct tk_key_row *row, void *context)
{
        return refuse_environment(context, row->environment_id);
}

static enum tk_err refuse_shared(struct tk_op *op, struct tk_txn *txn, const struct tk_consumer *consumer)
{
        struct elsewhere look = {.op = op, .txn = txn};
        struct tk_subscription_filter filter = {.consumer_id = consumer->id};
        struct tk_page page = {.limit = PAGE_ROWS};
        size_t count = page.limit;
        enum tk_err err = tk_key_walk_consumer(txn, consumer->id, 0, visit_key, &look);
        while (err == TK_OK && count == page.limit) {
                struct tk_subscription *subscriptions;
                err = tk_subscription_list(txn, &filter, page, op->arena, &subscriptions, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        page.after_id = subscriptions[i].id;
                        err = refuse_environment(&look, subscriptions[i].environment_id);
                }
        }
        return err;
}

enum tk_err tk_refuse_consumer(struct tk_op *op, struct tk_txn *txn, const struct tk_consumer *consumer,
                               bool bears_on_keys)
{
        enum tk_err err = TK_OK;
        if (op->caller->only_apis.len > 0)
                err = refuse_shared(op, txn, consumer);
        if (err == TK_OK && bears_on_keys)
                err = refuse_admin_keys(op, txn, consumer);
        return err;
}

/* ---- binding a new admin key ---- */

enum tk_err tk_only_apis_check(struct tk_op *op, const struct tk_input_key *input)
{
        const struct tk_input_list *given = &input->only_apis;
        bool admin = tk_str_equal(input->api, TK_STR(TK_ADMIN_API));
        if (!admin && given->count > 0)
                return tk_fault_set(op->fault, TK_FAULT_invalid_value, "/only_apis",
                                    "leave it out: a key of an API works there alone",
                                    "only admin keys, those of the API \"" TK_ADMIN_API
                                    "\", are bound to APIs");
        if (given->count > TK_ONLY_APIS_MAX)
                return tk_fault_set(op->fault, TK_FAULT_invalid_value, "/only_apis",
                                    "issue a second key for the others", "there are %zu, %d are allowed",
                                    given->count, TK_ONLY_APIS_MAX);
        if (!admin)
                return tk_refuse_unreached(op, input->api, "/api");
        if (op->caller->only_apis.len > 0 && given->count == 0)
                return tk_fault_set(op->fault, TK_FAULT_forbidden, "/only_apis",
                                    "give only_apis with what the key is for",
                                    "you can issue admin keys for %.*s only",
                                    TK_STR_ARG(op->caller->only_apis));
        enum tk_err err = TK_OK;
        for (size_t i = 0; err == TK_OK && i < given->count; i++) {
                char field[TK_FIELD_PATH_MAX];
                snprintf(field, sizeof(field), "/only_apis/%zu", i);
                err = tk_refuse_unreached(op, given->items[i], field);
        }
        return err;
}

/* Sorted as they come, each once. */
static void insert_name(struct tk_key *key, struct tk_str name)
{
        uint32_t at = key->only_api_count;
        while (at > 0 && tk_str_compare(key->only_apis[at - 1], name) > 0)
                at--;
        if (at > 0 && tk_str_equal(key->only_apis[at - 1], name))
                return;
        for (uint32_t i = key->only_api_count; i > at; i--)
                key->only_apis[i] = key->only_apis[i - 1];
        key->only_apis[at] = name;
        key->only_api_count++;
}

enum tk_err tk_only_apis_take(struct tk_op *op, struct tk_txn *txn, const struct tk_input_list *given,
                              struct tk_key *inout)
{
        inout->only_api_count = 0;
        for (size_t i = 0; i < given->count; i++) {
                struct tk_api api;
                char field[TK_FIELD_PATH_MAX];
                snprintf(field, sizeof(field), "/only_apis/%zu", i);
                enum tk_err err = tk_find_api(op, txn, given->items[i], field, &api);
                if (err != TK_OK)
                        return err;
                if (tk_str_equal(api.name, TK_STR(TK_ADMIN_API)))
                        return tk_fault_set(op->fault, TK_FAULT_invalid_value, field,
                                            "leave only_apis out for a key that acts on all APIs",
                                            "a key bound to \"" TK_ADMIN_API "\" would act on nothing");
                insert_name(inout, api.name);
        }
        return TK_OK;
}
