/*
 * The feeder (see publisher.h): re-reads what a feed row names and hands its present state to the gate's publisher.
 * Re-reading makes every step repeatable: publishing a newer state twice, or an older feed row late, is harmless.
 * One thread at a time inside, by a mutex: the registry's writer, and now and then the daemon's timer.
 */
#include "service/publisher.h"

#include "core/alloc.h"
#include "core/arena.h"
#include "registry/walk.h"
#include "service/owners.h"
#include "service/terms.h"

#include <pthread.h>
#include <stdatomic.h>

#define FEED_BATCH 512
#define LIST_BATCH 500

struct tk_feeder {
        pthread_mutex_t mutex;
        struct tk_registry *registry;
        struct tk_publisher *files;
        const struct tk_feeder_restore *restore; /* while it is being opened */
        struct tk_terms *terms;
        struct tk_publish_room
                promised; /* to changes that are under way; line numbers need no promise: lines stay */
        _Atomic uint64_t wanted_seq; /* highest committed; applied_seq lags only after a failure */
};

/* One pass: a read transaction, scratch memory, and for a pass over all keys whose they are. */
struct pass {
        struct tk_feeder *feeder;
        struct tk_txn *txn;
        struct tk_arena arena;
        struct tk_owners *owners;
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

static enum tk_err publish_consumer(struct pass *pass, uint64_t id, struct tk_str name)
{
        struct tk_publish_consumer published = {.id = (uint32_t)id, .name = name};
        return tk_publish_consumer(pass->feeder->files, &published);
}

static enum tk_err publish_subscription(const struct tk_subscription_row *row, void *context)
{
        struct pass *pass = context;
        struct tk_publish_subscription published = {
                .id = (uint32_t)row->id,
                .environment_id = (uint32_t)row->environment_id,
                .consumer_id = (uint32_t)row->consumer_id,
                .suspended = row->state == TK_STATE_SUSPENDED,
                .ended = row->state == TK_STATE_ENDED,
                .started_s = row->started_s,
        };
        enum tk_err err = tk_terms_of_plan(pass->feeder->terms, row->limits, &published.policy);
        return err == TK_OK ? tk_publish_subscription(pass->feeder->files, &published) : err;
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

static enum tk_err find_owner(const struct pass *pass, const struct tk_key_row *row,
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

/* All that the gate holds of a key but its policy. */
static enum tk_err describe_key(const struct pass *pass, const struct tk_key_row *row,
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
        struct pass *pass = context;
        struct tk_publish_key published;
        enum tk_err err = describe_key(pass, row, &published);
        if (err == TK_OK)
                err = tk_terms_of_key(pass->feeder->terms, published.api_id, row, &published.policy);
        if (err != TK_OK)
                return err;
        err = tk_publish_key(pass->feeder->files, &published);
        if (err != TK_NOT_FOUND || published.subscription_id == 0)
                return err;
        err = tk_subscription_walk_one(pass->txn, published.subscription_id, publish_subscription, pass);
        return err == TK_OK ? tk_publish_key(pass->feeder->files, &published) : err;
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

static enum tk_err visit_consumer(const struct tk_consumer_row *row, void *context)
{
        return publish_consumer(context, row->id, row->name);
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
                err = publish_consumer(pass, consumer.id, consumer.name);
        if (err != TK_OK || row->version == 1)
                return err; /* a new consumer has no keys */
        return tk_key_walk_consumer(pass->txn, consumer.id, 0, publish_key, pass);
}

struct subscription_change {
        struct pass *pass;
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
static enum tk_err apply_subscription(struct pass *pass, const struct tk_feed_row *row)
{
        struct subscription_change change = {.pass = pass};
        enum tk_err err = tk_subscription_walk_one(pass->txn, row->object_id, visit_subscription, &change);
        if (err != TK_OK || (row->version != 1 && !change.ended))
                return err;
        return tk_key_walk_consumer(pass->txn, change.consumer_id, change.environment_id, publish_key, pass);
}

static enum tk_err apply(struct pass *pass, const struct tk_feed_row *row)
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

static enum tk_err publish_keys(struct pass *pass)
{
        enum tk_err err = tk_owners_load(pass->txn, &pass->owners);
        if (err == TK_OK)
                err = tk_key_walk(pass->txn, publish_key, pass);
        tk_owners_free(pass->owners);
        return err;
}

static enum tk_err rebuild(struct tk_txn *txn, void *context)
{
        struct pass pass = {.feeder = context, .txn = txn};
        uint64_t feed_seq = 0;
        enum tk_err err = tk_feed_last(txn, &feed_seq);
        if (err == TK_OK)
                err = publish_environments(&pass, 0);
        if (err == TK_OK)
                err = tk_consumer_walk(txn, visit_consumer, &pass);
        if (err == TK_OK)
                err = tk_subscription_walk(txn, publish_subscription, &pass);
        if (err == TK_OK)
                err = publish_keys(&pass);
        const struct tk_feeder_restore *restore = pass.feeder->restore;
        if (err == TK_OK && restore)
                err = restore->run(restore->context, pass.feeder->files);
        if (err == TK_OK)
                tk_publisher_set_applied(pass.feeder->files, feed_seq);
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
        if (err == TK_OK)
                err = tk_terms_new(feeder->files, &feeder->terms);
        if (err != TK_OK)
                return err;
        atomic_store(&feeder->wanted_seq, committed_seq);
        return applied_seq == 0 ? tk_registry_read(feeder->registry, rebuild, feeder) : replay(feeder);
}

enum tk_err tk_feeder_open(const char *gate_dir, struct tk_registry *registry, uint64_t wall_ns,
                           uint32_t lease_s, const struct tk_feeder_restore *restore,
                           struct tk_feeder **ret_feeder, struct tk_fault *fault)
{
        struct tk_feeder *feeder = tk_calloc(1, sizeof(*feeder));
        if (!feeder)
                return tk_fault_from_err(fault, TK_NOMEM);
        pthread_mutex_init(&feeder->mutex, NULL);
        feeder->registry = registry;
        feeder->restore = restore;
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
        feeder->restore = NULL;
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
        tk_terms_free(feeder->terms);
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
                .foreign = feeder->promised.foreign + room->foreign,
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
        feeder->promised.foreign -= room->foreign;
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

/* Under the mutex, as the files may be exchanged. */
int64_t tk_feeder_held_step_ms(struct tk_feeder *feeder)
{
        pthread_mutex_lock(&feeder->mutex);
        int64_t step_ms = tk_publisher_held_step_ms(feeder->files);
        pthread_mutex_unlock(&feeder->mutex);
        return step_ms;
}

void tk_feeder_stats(struct tk_feeder *feeder, struct tk_publisher_stats *ret_stats)
{
        pthread_mutex_lock(&feeder->mutex);
        tk_publisher_stats(feeder->files, ret_stats);
        pthread_mutex_unlock(&feeder->mutex);
}

/* ---- comparison ---- */

struct compare_job {
        struct pass pass;
        uint64_t checked, wrong;
};

static enum tk_err visit_compare(const struct tk_key_row *row, void *context)
{
        struct compare_job *job = context;
        struct tk_publish_key expected;
        enum tk_err err = describe_key(&job->pass, row, &expected);
        if (err != TK_OK)
                return err;
        job->checked++;
        if (!tk_publisher_key_matches(job->pass.feeder->files, &expected))
                job->wrong++;
        return TK_OK;
}

static enum tk_err compare(struct tk_txn *txn, void *context)
{
        struct compare_job *job = context;
        job->pass.txn = txn;
        enum tk_err err = tk_owners_load(txn, &job->pass.owners);
        if (err == TK_OK)
                err = tk_key_walk(txn, visit_compare, job);
        tk_owners_free(job->pass.owners);
        return err;
}

enum tk_err tk_feeder_compare(struct tk_feeder *feeder, uint64_t *ret_checked, uint64_t *ret_wrong)
{
        struct compare_job job = {.pass = {.feeder = feeder}};
        pthread_mutex_lock(&feeder->mutex);
        enum tk_err err = tk_registry_read(feeder->registry, compare, &job);
        pthread_mutex_unlock(&feeder->mutex);
        if (err == TK_OK) {
                *ret_checked = job.checked;
                *ret_wrong = job.wrong;
        }
        return err;
}
