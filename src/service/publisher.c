/*
 * The feeder (see publisher.h): re-reads what a feed row names and hands its present state to the gate's publisher.
 * Re-reading makes every step repeatable: publishing a newer state twice, or an older feed row late, is harmless.
 * One thread at a time inside, by a mutex: the registry's writer, and now and then the daemon's timer.
 */
#include "service/publisher.h"

#include "core/alloc.h"
#include "core/arena.h"

#include <pthread.h>
#include <stdatomic.h>

#define FEED_BATCH 512
#define LIST_BATCH 500

struct tk_feeder {
        pthread_mutex_t mutex;
        struct tk_registry *registry;
        struct tk_publisher *files;
        struct tk_publish_room
                promised; /* to changes that are under way; line numbers need no promise: lines stay */
        _Atomic uint64_t wanted_seq; /* highest committed; applied_seq lags only after a failure */
};

/* One pass: a read transaction and scratch memory. */
struct pass {
        struct tk_feeder *feeder;
        struct tk_txn *txn;
        struct tk_arena arena;
};

/* ---- one object at a time ---- */

static enum tk_err publish_environment(struct pass *pass, const struct tk_environment *environment)
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
        return tk_publish_environment(pass->feeder->files, &published);
}

static enum tk_err publish_consumer_name(struct pass *pass, const struct tk_consumer *consumer)
{
        struct tk_publish_consumer published = {.id = (uint32_t)consumer->id, .name = consumer->name};
        return tk_publish_consumer(pass->feeder->files, &published);
}

static enum tk_err publish_subscription(struct pass *pass, const struct tk_subscription *subscription)
{
        struct tk_plan plan;
        enum tk_err err = tk_plan_get(pass->txn, subscription->plan_id, &pass->arena, &plan);
        if (err != TK_OK)
                return err;
        struct tk_publish_subscription published = {
                .id = (uint32_t)subscription->id,
                .environment_id = (uint32_t)subscription->environment_id,
                .consumer_id = (uint32_t)subscription->consumer_id,
                .suspended = subscription->state == TK_STATE_SUSPENDED,
                .ended = subscription->state == TK_STATE_ENDED,
                .started_s = subscription->started_s,
                .limits = plan.limits,
                .limit_count = plan.limit_count,
        };
        return tk_publish_subscription(pass->feeder->files, &published);
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

/* Everything about a key that the gate holds, from the registry's tables. Slices live in the pass's arena. */
static enum tk_err gather_key(struct pass *pass, const struct tk_key *key,
                              struct tk_publish_key *ret_published)
{
        struct tk_environment environment;
        struct tk_consumer consumer;
        struct tk_subscription subscription = {0};
        enum tk_err err = tk_environment_get(pass->txn, key->environment_id, &pass->arena, &environment);
        if (err == TK_OK)
                err = tk_consumer_get(pass->txn, key->consumer_id, &pass->arena, &consumer);
        if (err != TK_OK)
                return err;
        err = tk_subscription_find(pass->txn, key->consumer_id, key->environment_id, &pass->arena,
                                   &subscription);
        if (err != TK_OK && err != TK_NOT_FOUND)
                return err;
        *ret_published = (struct tk_publish_key){
                .id = key->id,
                .state = publish_state(key->state),
                .consumer_suspended = consumer.state != TK_STATE_ACTIVE,
                .foreign = key->foreign,
                .generation = key->generation,
                .pepper_version = key->pepper_version,
                .digest = key->digest,
                .environment_id = (uint32_t)key->environment_id,
                .api_id = (uint32_t)environment.api_id,
                .consumer_id = (uint32_t)key->consumer_id,
                .subscription_id = (uint32_t)subscription.id,
                .not_before_s = key->not_before_s,
                .expires_s = key->expires_s,
                .scopes = key->scopes,
                .scope_count = key->scope_count,
                .limits = key->limits,
                .limit_count = key->limit_count,
                .cidrs = key->restrictions.cidrs,
                .origins = key->restrictions.origins,
                .methods = key->restrictions.methods,
                .paths = key->restrictions.paths,
                .cidr_count = key->restrictions.cidr_count,
                .origin_count = key->restrictions.origin_count,
                .method_count = key->restrictions.method_count,
                .path_count = key->restrictions.path_count,
        };
        return TK_OK;
}

static enum tk_err publish_subscription_by_id(struct pass *pass, uint64_t id)
{
        struct tk_subscription subscription;
        enum tk_err err = tk_subscription_get(pass->txn, id, &pass->arena, &subscription);
        return err == TK_OK ? publish_subscription(pass, &subscription) : err;
}

/* As it is now, the key may belong to a subscription whose own row comes later in the feed. */
static enum tk_err publish_key(struct pass *pass, const struct tk_key *key)
{
        struct tk_publish_key published;
        enum tk_err err = gather_key(pass, key, &published);
        if (err != TK_OK)
                return err;
        err = tk_publish_key(pass->feeder->files, &published);
        if (err != TK_NOT_FOUND || published.subscription_id == 0)
                return err;
        err = publish_subscription_by_id(pass, published.subscription_id);
        return err == TK_OK ? tk_publish_key(pass->feeder->files, &published) : err;
}

/* ---- walks over many: each page in an arena of its own, so that memory stays bounded ---- */

typedef enum tk_err key_visitor(struct pass *pass, const struct tk_key *key, void *context);

static enum tk_err each_key(struct pass *outer, const struct tk_key_filter *filter, key_visitor *visit,
                            void *context)
{
        struct tk_page page = {.limit = LIST_BATCH};
        for (;;) {
                struct pass pass = {.feeder = outer->feeder, .txn = outer->txn};
                tk_arena_init(&pass.arena, 0);
                struct tk_key **keys;
                size_t count = 0;
                enum tk_err err = tk_key_list(pass.txn, filter, page, &pass.arena, &keys, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        err = visit(&pass, keys[i], context);
                        page.after_id = keys[i]->id;
                }
                tk_arena_fini(&pass.arena);
                if (err != TK_OK || count < page.limit)
                        return err;
        }
}

static enum tk_err visit_publish(struct pass *pass, const struct tk_key *key, void *context)
{
        (void)context;
        return publish_key(pass, key);
}

static enum tk_err publish_keys(struct pass *pass, const struct tk_key_filter *filter)
{
        return each_key(pass, filter, visit_publish, NULL);
}

static enum tk_err publish_subscriptions(struct pass *outer, const struct tk_subscription_filter *filter)
{
        struct tk_page page = {.limit = LIST_BATCH};
        for (;;) {
                struct pass pass = {.feeder = outer->feeder, .txn = outer->txn};
                tk_arena_init(&pass.arena, 0);
                struct tk_subscription *subscriptions;
                size_t count = 0;
                enum tk_err err =
                        tk_subscription_list(pass.txn, filter, page, &pass.arena, &subscriptions, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        err = publish_subscription(&pass, &subscriptions[i]);
                        page.after_id = subscriptions[i].id;
                }
                tk_arena_fini(&pass.arena);
                if (err != TK_OK || count < page.limit)
                        return err;
        }
}

static enum tk_err publish_environments(struct pass *outer, uint64_t api_id)
{
        struct tk_page page = {.limit = LIST_BATCH};
        for (;;) {
                struct pass pass = {.feeder = outer->feeder, .txn = outer->txn};
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

static enum tk_err publish_consumer_names(struct pass *outer)
{
        struct tk_page page = {.limit = LIST_BATCH};
        for (;;) {
                struct pass pass = {.feeder = outer->feeder, .txn = outer->txn};
                tk_arena_init(&pass.arena, 0);
                struct tk_consumer *consumers;
                size_t count = 0;
                enum tk_err err = tk_consumer_list(pass.txn, page, &pass.arena, &consumers, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        err = publish_consumer_name(&pass, &consumers[i]);
                        page.after_id = consumers[i].id;
                }
                tk_arena_fini(&pass.arena);
                if (err != TK_OK || count < page.limit)
                        return err;
        }
}

/* ---- what a feed row stands for ---- */

static enum tk_err apply_environment(struct pass *pass, uint64_t id)
{
        struct tk_environment environment;
        enum tk_err err = tk_environment_get(pass->txn, id, &pass->arena, &environment);
        return err == TK_OK ? publish_environment(pass, &environment) : err;
}

/* Its state is in each of its keys, so that a decision reads no consumer. */
static enum tk_err apply_consumer(struct pass *pass, const struct tk_feed_row *row)
{
        struct tk_consumer consumer;
        enum tk_err err = tk_consumer_get(pass->txn, row->object_id, &pass->arena, &consumer);
        if (err == TK_OK)
                err = publish_consumer_name(pass, &consumer);
        if (err != TK_OK || row->version == 1)
                return err; /* a new consumer has no keys */
        struct tk_key_filter filter = {.consumer_id = consumer.id};
        return publish_keys(pass, &filter);
}

/* The keys of its consumer there point to it from its creation to its end. */
static enum tk_err apply_subscription(struct pass *pass, const struct tk_feed_row *row)
{
        struct tk_subscription subscription;
        enum tk_err err = tk_subscription_get(pass->txn, row->object_id, &pass->arena, &subscription);
        if (err == TK_OK)
                err = publish_subscription(pass, &subscription);
        if (err != TK_OK || (row->version != 1 && subscription.state != TK_STATE_ENDED))
                return err;
        struct tk_key_filter filter = {.consumer_id = subscription.consumer_id,
                                       .environment_id = subscription.environment_id};
        return publish_keys(pass, &filter);
}

static enum tk_err apply_key(struct pass *pass, uint64_t id)
{
        struct tk_key *key = tk_arena_alloc(&pass->arena, sizeof(*key));
        if (!key)
                return TK_NOMEM;
        enum tk_err err = tk_key_get(pass->txn, id, &pass->arena, key);
        return err == TK_OK ? publish_key(pass, key) : err;
}

static enum tk_err apply(struct pass *pass, const struct tk_feed_row *row)
{
        switch (row->object) {
        case TK_OBJECT_API:
                return publish_environments(pass, row->object_id);
        case TK_OBJECT_ENVIRONMENT:
                return apply_environment(pass, row->object_id);
        case TK_OBJECT_PLAN:
                return publish_subscriptions(pass,
                                             &(struct tk_subscription_filter){.plan_id = row->object_id});
        case TK_OBJECT_CONSUMER:
                return apply_consumer(pass, row);
        case TK_OBJECT_SUBSCRIPTION:
                return apply_subscription(pass, row);
        case TK_OBJECT_KEY:
                return apply_key(pass, row->object_id);
        case TK_OBJECT_SCOPE:  /* reaches the gate with the keys that are granted it */
        case TK_OBJECT_PEPPER: /* deciders are given peppers when they start */
                return TK_OK;
        }
        return TK_CORRUPT;
}

/* ---- following the feed ---- */

struct replay_job {
        struct tk_feeder *feeder;
        uint64_t tried_seq; /* every row up to here was tried in this pass */
        enum tk_err err;    /* why the first row that could not be applied could not */
        bool caught_up;
};

/*
 * A row that cannot be applied, for want of room, does not keep later ones from being applied: one of them may be a
 * revocation. But the sequence stops before it, so that it is tried again and nobody is told meanwhile that all is in force.
 */
static void apply_row(struct replay_job *job, struct pass *pass, const struct tk_feed_row *row)
{
        enum tk_err err = apply(pass, row);
        if (job->err == TK_OK)
                job->err = err;
        if (job->err == TK_OK)
                tk_publisher_set_applied(job->feeder->files, row->seq);
        job->tried_seq = row->seq;
}

/* One batch of feed rows. The sequence is stored after each row, so that a failure repeats no more than it must. */
static enum tk_err replay_batch(struct tk_txn *txn, void *context)
{
        struct replay_job *job = context;
        struct pass pass = {.feeder = job->feeder, .txn = txn};
        tk_arena_init(&pass.arena, 0);
        struct tk_feed_row *rows;
        size_t count = 0;
        enum tk_err err = tk_feed_since(txn, job->tried_seq, FEED_BATCH, &pass.arena, &rows, &count);
        for (size_t i = 0; err == TK_OK && i < count; i++)
                apply_row(job, &pass, &rows[i]);
        job->caught_up = count < FEED_BATCH;
        tk_arena_fini(&pass.arena);
        return err;
}

static enum tk_err replay(struct tk_feeder *feeder)
{
        struct replay_job job = {.feeder = feeder, .tried_seq = tk_publisher_applied(feeder->files)};
        while (!job.caught_up) {
                enum tk_err err = tk_registry_read(feeder->registry, replay_batch, &job);
                if (err != TK_OK)
                        return err;
        }
        return job.err;
}

enum tk_err tk_feeder_advance(struct tk_feeder *feeder, uint64_t feed_seq)
{
        pthread_mutex_lock(&feeder->mutex);
        if (feed_seq > atomic_load_explicit(&feeder->wanted_seq, memory_order_relaxed))
                atomic_store_explicit(&feeder->wanted_seq, feed_seq, memory_order_relaxed);
        enum tk_err err = tk_publisher_applied(feeder->files) < feed_seq ? replay(feeder) : TK_OK;
        pthread_mutex_unlock(&feeder->mutex);
        return err;
}

/* ---- start ---- */

static enum tk_err rebuild(struct tk_txn *txn, void *context)
{
        struct pass pass = {.feeder = context, .txn = txn};
        tk_arena_init(&pass.arena, 0);
        uint64_t feed_seq = 0;
        enum tk_err err = tk_feed_last(txn, &feed_seq);
        if (err == TK_OK)
                err = publish_environments(&pass, 0);
        if (err == TK_OK)
                err = publish_consumer_names(&pass);
        if (err == TK_OK)
                err = publish_subscriptions(&pass, &(struct tk_subscription_filter){0});
        if (err == TK_OK)
                err = publish_keys(&pass, &(struct tk_key_filter){0});
        if (err == TK_OK)
                tk_publisher_set_applied(pass.feeder->files, feed_seq);
        tk_arena_fini(&pass.arena);
        return err;
}

static enum tk_err read_feed_last(struct tk_txn *txn, void *context)
{
        return tk_feed_last(txn, context);
}

/* Files that are ahead of the registry belong to a later life of it than the one restored now: they cannot be trusted. */
static enum tk_err bring_up(struct tk_feeder *feeder, uint64_t applied_seq, struct tk_fault *fault)
{
        uint64_t committed_seq = 0;
        enum tk_err err = tk_registry_read(feeder->registry, read_feed_last, &committed_seq);
        if (err != TK_OK)
                return err;
        if (applied_seq > committed_seq) {
                err = tk_publisher_renew(feeder->files, fault);
                applied_seq = 0;
        }
        if (err != TK_OK)
                return err;
        atomic_store(&feeder->wanted_seq, committed_seq);
        return applied_seq == 0 ? tk_registry_read(feeder->registry, rebuild, feeder) : replay(feeder);
}

enum tk_err tk_feeder_open(const char *gate_dir, struct tk_registry *registry, uint64_t wall_ns,
                           uint32_t lease_s, struct tk_feeder **ret_feeder, struct tk_fault *fault)
{
        struct tk_feeder *feeder = tk_calloc(1, sizeof(*feeder));
        if (!feeder)
                return tk_fault_from_err(fault, TK_NOMEM);
        pthread_mutex_init(&feeder->mutex, NULL);
        feeder->registry = registry;
        uint8_t installation[16];
        tk_registry_installation(registry, installation);
        uint64_t applied_seq = 0;
        enum tk_err err =
                tk_publisher_open(gate_dir, installation, wall_ns, NULL, &feeder->files, &applied_seq, fault);
        if (err != TK_OK)
                goto out;
        err = bring_up(feeder, applied_seq, fault);
        if (err != TK_OK)
                goto out;
        tk_publisher_tick(feeder->files, wall_ns, lease_s);
        *ret_feeder = feeder;
        feeder = NULL; /* the caller owns it now */
out:
        if (err != TK_OK && fault->code == TK_FAULT_none)
                tk_fault_from_err(fault, err);
        tk_feeder_close(feeder);
        return err;
}

void tk_feeder_close(struct tk_feeder *feeder)
{
        if (!feeder)
                return;
        tk_publisher_close(feeder->files);
        pthread_mutex_destroy(&feeder->mutex);
        tk_free(feeder);
}

/* ---- small things ---- */

enum tk_err tk_feeder_reserve(struct tk_feeder *feeder, const struct tk_publish_room *room)
{
        pthread_mutex_lock(&feeder->mutex);
        struct tk_publish_room all = {
                .key_id = room->key_id,
                .subscription_id = room->subscription_id,
                .names = feeder->promised.names + room->names,
                .policies = feeder->promised.policies + room->policies,
                .meters = feeder->promised.meters + room->meters,
        };
        enum tk_err err = tk_publisher_reserve(feeder->files, &all);
        if (err == TK_OK)
                feeder->promised = all;
        pthread_mutex_unlock(&feeder->mutex);
        return err;
}

enum tk_err tk_feeder_reserve_scopes(struct tk_feeder *feeder, uint64_t api_id, const struct tk_str *scopes,
                                     uint32_t count)
{
        pthread_mutex_lock(&feeder->mutex);
        enum tk_err err = tk_publish_scopes(feeder->files, (uint32_t)api_id, scopes, count);
        pthread_mutex_unlock(&feeder->mutex);
        return err;
}

void tk_feeder_release(struct tk_feeder *feeder, const struct tk_publish_room *room)
{
        pthread_mutex_lock(&feeder->mutex);
        feeder->promised.names -= room->names;
        feeder->promised.policies -= room->policies;
        feeder->promised.meters -= room->meters;
        pthread_mutex_unlock(&feeder->mutex);
}

void tk_feeder_tick(struct tk_feeder *feeder, uint64_t wall_ns, uint32_t lease_s)
{
        pthread_mutex_lock(&feeder->mutex);
        tk_publisher_tick(feeder->files, wall_ns, lease_s);
        pthread_mutex_unlock(&feeder->mutex);
        /* What fails again is tried again at the next tick; readiness tells meanwhile. */
        (void)tk_feeder_advance(feeder, atomic_load_explicit(&feeder->wanted_seq, memory_order_relaxed));
}

bool tk_feeder_in_force(struct tk_feeder *feeder)
{
        return tk_publisher_applied(feeder->files) >=
               atomic_load_explicit(&feeder->wanted_seq, memory_order_relaxed);
}

struct tk_files *tk_feeder_files(struct tk_feeder *feeder)
{
        return tk_publisher_files(feeder->files);
}

void tk_feeder_stats(struct tk_feeder *feeder, struct tk_publisher_stats *ret_stats)
{
        pthread_mutex_lock(&feeder->mutex);
        tk_publisher_stats(feeder->files, ret_stats);
        pthread_mutex_unlock(&feeder->mutex);
}

/* ---- comparison ---- */

struct compare_job {
        struct tk_feeder *feeder;
        uint64_t checked, wrong;
};

static enum tk_err visit_compare(struct pass *pass, const struct tk_key *key, void *context)
{
        struct compare_job *job = context;
        struct tk_publish_key expected;
        enum tk_err err = gather_key(pass, key, &expected);
        if (err != TK_OK)
                return err;
        job->checked++;
        if (!tk_publisher_key_matches(pass->feeder->files, &expected))
                job->wrong++;
        return TK_OK;
}

static enum tk_err compare(struct tk_txn *txn, void *context)
{
        struct compare_job *job = context;
        struct pass pass = {.feeder = job->feeder, .txn = txn};
        return each_key(&pass, &(struct tk_key_filter){0}, visit_compare, job);
}

enum tk_err tk_feeder_compare(struct tk_feeder *feeder, uint64_t *ret_checked, uint64_t *ret_wrong)
{
        struct compare_job job = {.feeder = feeder};
        pthread_mutex_lock(&feeder->mutex);
        enum tk_err err = tk_registry_read(feeder->registry, compare, &job);
        pthread_mutex_unlock(&feeder->mutex);
        if (err == TK_OK) {
                *ret_checked = job.checked;
                *ret_wrong = job.wrong;
        }
        return err;
}
