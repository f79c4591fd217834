/*
 * Keeps the door open: over the network nothing may be done after which nobody could issue admin keys over
 * the network any more. A change is made, looked at, and undone with its transaction where it would. The
 * root-only socket may, because it is itself the way back in. Called by the noun files inside a write, on the
 * writer thread.
 */
#include "service/internal.h"

#include <limits.h>

#define PAGE_ROWS 200
/* A change that leaves less time than this is refused unless there was less before: time enough to notice. */
#define HORIZON_S (7 * 24 * 3600)
#define FOR_EVER  INT64_MAX

static const struct tk_str needed = TK_STR("keys:write");

/* A limit of nothing admits nothing. */
static bool shut_by_limits(const struct tk_limit_def *limits, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++)
                if (limits[i].limit == 0 && !limits[i].shadow)
                        return true;
        return false;
}

/* Whether the restrictions let POST /v1/keys through, from where this caller is. */
static bool lets_issue(const struct tk_restrictions *r, struct tk_str source)
{
        struct tk_ip ip = {0};
        bool here = r->cidr_count == 0, method = r->method_count == 0, path = r->path_count == 0;
        tk_ip_parse(source, &ip);
        for (uint32_t i = 0; !here && i < r->cidr_count; i++)
                here = tk_cidr_contains(&r->cidrs[i], &ip);
        for (uint32_t i = 0; !method && i < r->method_count; i++)
                method = tk_str_equal(r->methods[i], TK_STR("POST"));
        for (uint32_t i = 0; !path && i < r->path_count; i++)
                path = tk_path_template_match(r->paths[i], TK_STR("/v1/keys"));
        return here && method && path && r->origin_count == 0;
}

static bool grants(const struct tk_str *scopes, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++)
                if (tk_str_equal(scopes[i], TK_STR("*")) || tk_scope_covers(scopes[i], needed))
                        return true;
        return false;
}

/* By its scopes or by those of its roles. */
static enum tk_err key_grants(struct tk_op *op, struct tk_txn *txn, const struct tk_key *key,
                              bool *ret_grants)
{
        enum tk_err err = TK_OK;
        *ret_grants = grants(key->scopes, key->scope_count);
        for (uint32_t i = 0; err == TK_OK && !*ret_grants && i < key->role_count; i++) {
                struct tk_role role;
                err = tk_role_get(txn, key->roles[i].id, op->arena, &role);
                *ret_grants = err == TK_OK && role.deleted_s == 0 && grants(role.scopes, role.scope_count);
        }
        return err;
}

static enum tk_err owner_lets(struct tk_op *op, struct tk_txn *txn, const struct tk_key *key, bool *ret_lets)
{
        struct tk_consumer consumer;
        struct tk_subscription subscription;
        struct tk_plan plan;
        *ret_lets = false;
        enum tk_err err = tk_consumer_get(txn, key->consumer_id, op->arena, &consumer);
        if (err != TK_OK || consumer.state != TK_STATE_ACTIVE)
                return err;
        err = tk_subscription_find(txn, key->consumer_id, key->environment_id, op->arena, &subscription);
        if (err == TK_NOT_FOUND) {
                *ret_lets = true;
                return TK_OK;
        }
        if (err != TK_OK || subscription.state != TK_STATE_ACTIVE)
                return err;
        err = tk_plan_get(txn, subscription.plan_id, op->arena, &plan);
        *ret_lets = err == TK_OK && !shut_by_limits(plan.limits, plan.limit_count);
        return err;
}

/* Until when this key can issue admin keys; 0: it cannot. */
static enum tk_err until_of(struct tk_op *op, struct tk_txn *txn, const struct tk_key *key,
                            int64_t *ret_until_s)
{
        bool lets = false;
        bool valid = key->not_before_s <= op->now_s && (key->expires_s == 0 || key->expires_s > op->now_s);
        *ret_until_s = 0;
        if (!valid || key->only_api_count > 0 || shut_by_limits(key->limits, key->limit_count) ||
            !lets_issue(&key->restrictions, op->caller->source))
                return TK_OK;
        enum tk_err err = key_grants(op, txn, key, &lets);
        if (err == TK_OK && lets)
                err = owner_lets(op, txn, key, &lets);
        if (err == TK_OK && lets)
                *ret_until_s = key->expires_s == 0 ? FOR_EVER : key->expires_s;
        return err;
}

/* The best of all admin keys. Mostly the first one is good for ever. */
static enum tk_err look(struct tk_op *op, struct tk_txn *txn, int64_t *ret_until_s)
{
        struct tk_api api = {0};
        enum tk_err err = tk_api_find(txn, TK_STR(TK_ADMIN_API), op->arena, &api);
        struct tk_key_filter filter = {.api_id = api.id, .state = TK_STATE_ACTIVE};
        struct tk_page page = {.limit = PAGE_ROWS};
        size_t count = page.limit;
        *ret_until_s = 0;
        while (err == TK_OK && count == page.limit) {
                struct tk_key **keys;
                err = tk_key_list(txn, &filter, page, op->arena, &keys, &count);
                for (size_t i = 0; err == TK_OK && i < count && *ret_until_s != FOR_EVER; i++) {
                        int64_t until_s;
                        page.after_id = keys[i]->id;
                        err = until_of(op, txn, keys[i], &until_s);
                        if (err == TK_OK && until_s > *ret_until_s)
                                *ret_until_s = until_s;
                }
                if (*ret_until_s == FOR_EVER)
                        return err;
        }
        return err;
}

enum tk_err tk_last_admin_before(struct tk_op *op, struct tk_txn *txn, struct tk_str api_name,
                                 struct tk_last_admin *ret_guard)
{
        bool concerned = !api_name.ptr || tk_str_equal(api_name, TK_STR(TK_ADMIN_API));
        *ret_guard = (struct tk_last_admin){.on = concerned && !op->caller->root};
        return ret_guard->on ? look(op, txn, &ret_guard->until_s) : TK_OK;
}

enum tk_err tk_last_admin_after(struct tk_op *op, struct tk_txn *txn, const struct tk_last_admin *guard)
{
        int64_t until_s, wanted_s = op->now_s + HORIZON_S;
        if (!guard->on)
                return TK_OK;
        enum tk_err err = look(op, txn, &until_s);
        if (guard->until_s < wanted_s)
                wanted_s = guard->until_s;
        if (err != TK_OK || until_s >= wanted_s)
                return err;
        return tk_fault_set(
                op->fault, TK_FAULT_last_admin, "",
                "issue another key with keys:write or * first, one that stays valid for a week; or do "
                "it on the Unix socket",
                "no key would be left that can issue admin keys over the network");
}
