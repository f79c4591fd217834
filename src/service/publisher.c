/*
 * The feeder (see publisher.h): follows the feed, and has a pass (pass.h) hand the present state of what a
 * row names to the gate's publisher. Re-reading makes every step repeatable: a newer state twice, or an older
 * feed row late, is harmless. One thread at a time inside, by a mutex: the registry's writer, and now and
 * then the daemon's timer.
 */
#include "service/publisher.h"

#include "core/alloc.h"
#include "service/pass.h"

#include <pthread.h>
#include <stdatomic.h>

#define FEED_BATCH 512

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

static struct tk_pass pass_of(const struct tk_feeder *feeder, struct tk_txn *txn)
{
        return (struct tk_pass){.files = feeder->files, .terms = feeder->terms, .txn = txn};
}

/* ---- following the feed ---- */

struct replay_job {
        struct tk_feeder *feeder;
        uint64_t tried_seq; /* every row up to here was tried in this pass */
        enum tk_err err;    /* why the first row that could not be applied could not */
        bool caught_up;
};

/*
 * A row that cannot be applied, for want of room, does not keep later ones from being applied: one of them
 * may be a revocation. But the sequence stops before it, so that it is tried again and nobody is told
 * meanwhile that all is in force.
 */
static void apply_row(struct replay_job *job, struct tk_pass *pass, const struct tk_feed_row *row)
{
        enum tk_err err = tk_pass_apply(pass, row);
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
        struct tk_pass pass = pass_of(job->feeder, txn);
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
        struct tk_feeder *feeder = context;
        struct tk_pass pass = pass_of(feeder, txn);
        uint64_t feed_seq = 0;
        enum tk_err err = tk_feed_last(txn, &feed_seq);
        if (err == TK_OK)
                err = tk_pass_all(&pass);
        if (err == TK_OK && feeder->restore)
                err = feeder->restore->run(feeder->restore->context, feeder->files);
        if (err == TK_OK)
                tk_publisher_set_applied(feeder->files, feed_seq);
        return err;
}

static enum tk_err read_feed_last(struct tk_txn *txn, void *context)
{
        return tk_feed_last(txn, context);
}

/*
 * Files that are ahead of the registry belong to a later life of it than the one restored now: they cannot be
 * trusted.
 */
static enum tk_err bring_up(struct tk_feeder *feeder, uint64_t applied_seq, struct tk_fault *fault)
{
        uint64_t committed_seq = 0;
        enum tk_err err = tk_registry_read(feeder->registry, read_feed_last, &committed_seq);
        if (err != TK_OK)
                return err;
        if (applied_seq > committed_seq) {
                if (feeder->restore)
                        err = feeder->restore->save(feeder->restore->context);
                if (err == TK_OK)
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
        struct tk_pass pass;
        uint64_t checked, wrong;
};

static enum tk_err visit_compare(const struct tk_key_row *row, void *context)
{
        struct compare_job *job = context;
        struct tk_publish_key expected;
        enum tk_err err = tk_pass_describe_key(&job->pass, row, &expected);
        if (err != TK_OK)
                return err;
        job->checked++;
        if (!tk_publisher_key_matches(job->pass.files, &expected))
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
        struct compare_job job = {.pass = pass_of(feeder, NULL)};
        pthread_mutex_lock(&feeder->mutex);
        enum tk_err err = tk_registry_read(feeder->registry, compare, &job);
        pthread_mutex_unlock(&feeder->mutex);
        if (err == TK_OK) {
                *ret_checked = job.checked;
                *ret_wrong = job.wrong;
        }
        return err;
}
