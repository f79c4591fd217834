/*
 * A pass (pass.h): re-reads objects in its transaction and publishes what they are now. One thread, under the
 * feeder's mutex.
 */
#include "service/pass.h"

#define LIST_BATCH 500

/* ---- one object at a time ---- */

static enum tk_err publish_environment(struct tk_pass *pass, const struct tk_environment *environment)
{
        struct tk_api api;
        enum tk_err err = tk_api_get(pass->txn, environment->api_id, &pass->arena, &api);
        if (err != TK_OK)
                return err;
        struct tk_publish_environment published = {
                .id = (uint32_t)environment->id,
                .api_id = (uint32_t)environment->api_id,
                .api = environment->api_name,
                .name = environment->name,
                .suspended = api.state != TK_STATE_ACTIVE || environment->state != TK_STATE_ACTIVE,
        };
        return tk_publish_environment(pass->files, &published);
}

static enum tk_err publish_consumer(struct tk_pass *pass, uint64_t id, struct tk_str name)
{
        struct tk_publish_consumer published = {.id = (uint32_t)id, .name = name};
        return tk_publish_consumer(pass->files, &published);
}

static enum tk_err publish_subscription(const struct tk_subscription_row *row, void *context)
{
        struct tk_pass *pass = context;
        struct tk_publish_subscription published = {
                .id = (uint32_t)row->id,
                .environment_id = (uint32_t)row->environment_id,
                .consumer_id = (uint32_t)row->consumer_id,
                .suspended = row->state == TK_STATE_SUSPENDED,
                .ended = row->state == TK_STATE_ENDED,
                .started_s = row->started_s,
        };
        enum tk_err err = tk_terms_of_plan(pass->terms, row->limits, &published.policy);
        return err == TK_OK ? tk_publish_subscription(pass->files, &published) : err;
}

static enum tk_publish_state publish_state(enum tk_state state)
{
        switch (state) {
        case TK_STATE_ACTIVE:
                return TK_PUBLISH_ACTIVE;
        case TK_STATE_SUSPENDED:
                return TK_PUBLISH_SUSPENDED;
        case TK_STATE_REVOKED:
        case TK_STATE_ENDED:
                break;
        }
        return TK_PUBLISH_REVOKED;
}

static enum tk_err find_owner(const struct tk_pass *pass, const struct tk_key_row *row,
                              struct tk_owner *ret_owner)
{
        if (row->owner) {
                *ret_owner = (struct tk_owner){
                        .api_id = (uint32_t)row->owner->api_id,
                        .subscription_id = (uint32_t)row->owner->subscription_id,
                        .suspended = row->owner->consumer_state != TK_STATE_ACTIVE,
                };
                return TK_OK;
        }
        return pass->owners ? tk_owners_find(pass->owners, row->environment_id, row->consumer_id, ret_owner)
                            : tk_owner_read(pass->txn, row->environment_id, row->consumer_id, ret_owner);
}

enum tk_err tk_pass_describe_key(const struct tk_pass *pass, const struct tk_key_row *row,
                                 struct tk_publish_key *ret_published)
{
        struct tk_owner owner;
        enum tk_err err = find_owner(pass, row, &owner);
        if (err != TK_OK)
                return err;
        *ret_published = (struct tk_publish_key){
                .id = row->id,
                .state = publish_state(row->state),
                .consumer_suspended = owner.suspended,
                .foreign = row->foreign,
                .generation = row->generation,
                .pepper_version = row->pepper_version,
                .digest = row->digest,
                .environment_id = (uint32_t)row->environment_id,
                .api_id = owner.api_id,
                .consumer_id = (uint32_t)row->consumer_id,
                .subscription_id = owner.subscription_id,
                .not_before_s = row->not_before_s,
                .expires_s = row->expires_s,
        };
        return TK_OK;
}

/* As it is now, the key may belong to a subscription whose own row comes later in the feed. */
static enum tk_err publish_key(const struct tk_key_row *row, void *context)
{
        struct tk_pass *pass = context;
        /* A key that is revoked is refused, whatever else of it cannot be published. */
        struct tk_publish_key published = {.id = row->id,
                                           .state = publish_state(row->state),
                                           .generation = row->generation,
                                           .digest = row->digest};
        tk_publish_refusal(pass->files, &published);
        enum tk_err err = tk_pass_describe_key(pass, row, &published);
        if (err == TK_OK)
                err = tk_terms_of_key(pass->terms, published.api_id, row, &published.policy);
        if (err != TK_OK)
                return err;
        err = tk_publish_key(pass->files, &published);
        if (err != TK_NOT_FOUND || published.subscription_id == 0)
                return err;
        err = tk_subscription_walk_one(pass->txn, published.subscription_id, publish_subscription, pass);
        return err == TK_OK ? tk_publish_key(pass->files, &published) : err;
}

static enum tk_err publish_environments(struct tk_pass *outer, uint64_t api_id)
{
        struct tk_page page = {.limit = LIST_BATCH};
        for (;;) {
                struct tk_pass pass = {.files = outer->files, .terms = outer->terms, .txn = outer->txn};
                tk_arena_init(&pass.arena, 0);
                struct tk_environment *environments;
                size_t count = 0;
                enum tk_err err =
                        tk_environment_list(pass.txn, api_id, page, &pass.arena, &environments, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        err = publish_environment(&pass, &environments[i]);
                        page.after_id = environments[i].id;
                }
                tk_arena_fini(&pass.arena);
                if (err != TK_OK || count < page.limit)
                        return err;
        }
}

static enum tk_err visit_consumer(const struct tk_consumer_row *row, void *context)
{
        return publish_consumer(context, row->id, row->name);
}

/* What all its keys may do changes by it; a role that is deleted grants nobody anything, as no key in use has it. */
static enum tk_err publish_role(const struct tk_role *role, void *context)
{
        const struct tk_pass *pass = context;
        const struct tk_publish_role published = {
                .id = (uint32_t)role->id,
                .api_id = (uint32_t)role->api_id,
                .name = role->name,
                .scopes = role->scopes,
                .scope_count = role->deleted_s == 0 ? role->scope_count : 0,
        };
        return tk_publish_role(pass->files, &published);
}

/* First its record, with meter and limits, then what leads requests to it. */
static enum tk_err publish_route(const struct tk_api_route *route, void *context)
{
        struct tk_publisher *files = ((const struct tk_pass *)context)->files;
        const struct tk_publish_route published = {
                .id = (uint32_t)route->id,
                .environment_id = (uint32_t)route->environment_id,
                .method = route->method,
                .template = route->path,
                .limits = route->limits,
                .limit_count = route->limit_count,
        };
        const struct tk_publish_match match = {
                .route_id = (uint32_t)route->id,
                .environment_id = (uint32_t)route->environment_id,
                .method = route->method,
                .template = route->path,
                .scope = route->scope,
                .cost = route->cost,
        };
        if (route->deleted_s != 0)
                return tk_publish_unmatch(files, &match);
        enum tk_err err = tk_publish_route(files, &published);
        return err == TK_OK ? tk_publish_match(files, &match) : err;
}

/* ---- what a feed row stands for ---- */

static enum tk_err apply_route(struct tk_pass *pass, uint64_t id)
{
        struct tk_api_route route;
        enum tk_err err = tk_api_route_get(pass->txn, id, &pass->arena, &route);
        return err == TK_OK ? publish_route(&route, pass) : err;
}

static enum tk_err apply_role(struct tk_pass *pass, uint64_t id)
{
        struct tk_role role;
        enum tk_err err = tk_role_get(pass->txn, id, &pass->arena, &role);
        return err == TK_OK ? publish_role(&role, pass) : err;
}

static enum tk_err apply_environment(struct tk_pass *pass, uint64_t id)
{
        struct tk_environment environment;
        enum tk_err err = tk_environment_get(pass->txn, id, &pass->arena, &environment);
        return err == TK_OK ? publish_environment(pass, &environment) : err;
}

/* Its state is in each of its keys, so that a decision reads no consumer. */
static enum tk_err apply_consumer(struct tk_pass *pass, const struct tk_feed_row *row)
{
        struct tk_consumer consumer;
        enum tk_err err = tk_consumer_get(pass->txn, row->object_id, &pass->arena, &consumer);
        if (err == TK_OK)
                err = publish_consumer(pass, consumer.id, consumer.name);
        if (err != TK_OK || row->version == 1)
                return err; /* a new consumer has no keys */
        return tk_key_walk_consumer(pass->txn, consumer.id, 0, publish_key, pass);
}

struct subscription_change {
        struct tk_pass *pass;
        uint64_t consumer_id, environment_id;
        bool ended;
};

static enum tk_err visit_subscription(const struct tk_subscription_row *row, void *context)
{
        struct subscription_change *change = context;
        change->consumer_id = row->consumer_id;
        change->environment_id = row->environment_id;
        change->ended = row->state == TK_STATE_ENDED;
        return publish_subscription(row, change->pass);
}

/* The keys of its consumer there point to it from its creation to its end. */
static enum tk_err apply_subscription(struct tk_pass *pass, const struct tk_feed_row *row)
{
        struct subscription_change change = {.pass = pass};
        enum tk_err err = tk_subscription_walk_one(pass->txn, row->object_id, visit_subscription, &change);
        if (err != TK_OK || (row->version != 1 && !change.ended))
                return err;
        return tk_key_walk_consumer(pass->txn, change.consumer_id, change.environment_id, publish_key, pass);
}

enum tk_err tk_pass_apply(struct tk_pass *pass, const struct tk_feed_row *row)
{
        switch (row->object) {
        case TK_OBJECT_API:
                return publish_environments(pass, row->object_id);
        case TK_OBJECT_ENVIRONMENT:
                return apply_environment(pass, row->object_id);
        case TK_OBJECT_PLAN:
                return tk_subscription_walk_plan(pass->txn, row->object_id, publish_subscription, pass);
        case TK_OBJECT_CONSUMER:
                return apply_consumer(pass, row);
        case TK_OBJECT_SUBSCRIPTION:
                return apply_subscription(pass, row);
        case TK_OBJECT_KEY:
                if (row->count > 1)
                        return tk_key_walk_span(pass->txn, row->object_id, row->count, publish_key, pass);
                return tk_key_walk_one(pass->txn, row->object_id, publish_key, pass);
        case TK_OBJECT_ROLE:
                return apply_role(pass, row->object_id);
        case TK_OBJECT_ROUTE:
                return apply_route(pass, row->object_id);
        case TK_OBJECT_SCOPE:  /* reaches the gate with the keys that are granted it */
        case TK_OBJECT_PEPPER: /* deciders are given peppers when they start */
                return TK_OK;
        }
        return TK_CORRUPT;
}

/* ---- everything ---- */

static enum tk_err publish_keys(struct tk_pass *pass)
{
        enum tk_err err = tk_owners_load(pass->txn, &pass->owners);
        if (err == TK_OK)
                err = tk_key_walk(pass->txn, publish_key, pass);
        tk_owners_free(pass->owners);
        return err;
}

enum tk_err tk_pass_all(struct tk_pass *pass)
{
        enum tk_err err = publish_environments(pass, 0);
        if (err == TK_OK)
                err = tk_consumer_walk(pass->txn, visit_consumer, pass);
        if (err == TK_OK)
                err = tk_role_walk(pass->txn, publish_role, pass);
        if (err == TK_OK)
                err = tk_api_route_walk(pass->txn, 0, publish_route, pass);
        if (err == TK_OK)
                err = tk_subscription_walk(pass->txn, publish_subscription, pass);
        return err == TK_OK ? publish_keys(pass) : err;
}
