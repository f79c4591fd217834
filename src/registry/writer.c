/*
 * The writer thread: lanes, batches, group commit, the disk reserve. The story of a batch goes down the page: take a job,
 * run it in a savepoint, commit, tell the hook, answer. Callers wait in tk_writer_run(), each on its own condition.
 *
 * When the disk is full, jobs of the fast lane are put back at the head of their lane, a slice of the reserve is given
 * back to the disk, and the next batch runs them alone. As long as the reserve is not whole again the writer is degraded:
 * jobs of the normal lane are refused, for they would use up what is meant for revocations.
 */
#include "registry/writer.h"

#include "core/alloc.h"
#include "registry/query.h"
#include "registry/reserve.h"

#include <assert.h>
#include <pthread.h>
#include <time.h>

/* A batch ends when it has this many jobs, or has run this long: the bound on what a revoke waits for. */
#define BATCH_JOBS_MAX 512
#define BATCH_RUN_NS   INT64_C(5000000)

#define REFILL_INTERVAL_NS INT64_C(1000000000)

/* On the stack of the thread that waits for it. */
struct job {
        tk_txn_fn *run;
        void *context;
        enum tk_lane lane;
        enum tk_err err;
        bool out_of_space; /* the engine said so, not the job's own rules */
        bool beside_gate;  /* struct tk_txn */
        bool answered;
        pthread_cond_t answer;
        struct job *next;
};

struct queue {
        struct job *head, **tail;
        uint64_t count;
};

struct tk_writer {
        const struct tk_driver *driver;
        struct tk_db *db;
        enum tk_err (*committed)(void *context, uint64_t feed_seq);
        void *context;
        pthread_t thread;

        /* of the writer thread alone */
        struct tk_reserve reserve;
        int64_t refill_after_ns;

        pthread_mutex_t lock; /* guards all that follows */
        pthread_cond_t work;
        struct queue lanes[2];   /* by enum tk_lane */
        uint64_t callers;        /* in tk_writer_run() */
        pthread_cond_t deserted; /* there are none, and the writer is to stop */
        bool stop;
        struct tk_registry_stats stats;
};

struct batch {
        struct queue jobs;
        int64_t started_ns;
        bool changed;    /* some job has something to commit */
        enum tk_err err; /* why none of it stands */
};

static int64_t monotonic_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- queues ---- */

static void queue_init(struct queue *queue)
{
        *queue = (struct queue){.head = NULL};
        queue->tail = &queue->head;
}

static void queue_push(struct queue *queue, struct job *job)
{
        job->next = NULL;
        *queue->tail = job;
        queue->tail = &job->next;
        queue->count++;
}

static struct job *queue_pop(struct queue *queue)
{
        struct job *job = queue->head;

        if (job == NULL)
                return NULL;
        queue->head = job->next;
        if (queue->head == NULL)
                queue->tail = &queue->head;
        queue->count--;
        return job;
}

/* All of `front`, in its order, before what is in the queue. */
static void queue_prepend(struct queue *queue, struct queue *front)
{
        if (front->head == NULL)
                return;
        *front->tail = queue->head;
        if (queue->head == NULL)
                queue->tail = front->tail;
        queue->head = front->head;
        queue->count += front->count;
        queue_init(front);
}

/* ---- answering ---- */

/* With the lock held. The job is gone as soon as the lock is. */
static void answer_locked(struct tk_writer *writer, struct queue *jobs)
{
        struct job *job;

        while ((job = queue_pop(jobs)) != NULL) {
                writer->stats.jobs++;
                if (job->err != TK_OK)
                        writer->stats.failed_jobs++;
                job->answered = true;
                pthread_cond_signal(&job->answer);
        }
}

static void answer(struct tk_writer *writer, struct queue *jobs)
{
        pthread_mutex_lock(&writer->lock);
        answer_locked(writer, jobs);
        pthread_mutex_unlock(&writer->lock);
}

/* ---- the reserve ---- */

static bool degraded(const struct tk_writer *writer)
{
        return !tk_reserve_whole(&writer->reserve);
}

static void publish_degraded(struct tk_writer *writer)
{
        pthread_mutex_lock(&writer->lock);
        writer->stats.degraded = degraded(writer);
        pthread_mutex_unlock(&writer->lock);
}

static void refill_reserve(struct tk_writer *writer)
{
        int64_t now_ns = monotonic_ns();

        if (!degraded(writer) || now_ns < writer->refill_after_ns)
                return;
        writer->refill_after_ns = now_ns + REFILL_INTERVAL_NS;
        if (tk_reserve_fill(&writer->reserve) == TK_OK)
                publish_degraded(writer);
}

static void refuse_normal_jobs(struct tk_writer *writer)
{
        struct queue *lane = &writer->lanes[TK_LANE_NORMAL];

        pthread_mutex_lock(&writer->lock);
        for (struct job *job = lane->head; job != NULL; job = job->next)
                job->err = TK_FULL;
        answer_locked(writer, lane);
        pthread_mutex_unlock(&writer->lock);
}

/* Move the jobs of the fast lane that found the disk full from `jobs` to `again`. */
static void take_retries(struct queue *jobs, struct queue *again)
{
        for (uint64_t left = jobs->count; left > 0; left--) {
                struct job *job = queue_pop(jobs);

                queue_push(job->lane == TK_LANE_FAST && job->out_of_space ? again : jobs, job);
        }
}

/*
 * Put them back at the head of their lane with some of the reserve to live on: what the engine's housekeeping needs to make
 * room in the space that it has, which lasts longest, or else a slice. False when none is left.
 */
static bool retry_from_reserve(struct tk_writer *writer, struct queue *again)
{
        if (!tk_reserve_spend(&writer->reserve, writer->driver->space_wanted(writer->db)))
                return false;
        writer->refill_after_ns = monotonic_ns() + REFILL_INTERVAL_NS;
        publish_degraded(writer);
        pthread_mutex_lock(&writer->lock);
        queue_prepend(&writer->lanes[TK_LANE_FAST], again);
        pthread_mutex_unlock(&writer->lock);
        return true;
}

/* ---- a batch ---- */

static bool batch_is_over(const struct batch *batch)
{
        if (batch->err != TK_OK || batch->jobs.count >= BATCH_JOBS_MAX)
                return true;
        return batch->jobs.count > 0 && monotonic_ns() - batch->started_ns >= BATCH_RUN_NS;
}

/* The fast lane first, each time anew: a revoke that has just come goes before the rest of an import. */
static struct job *take_job(struct tk_writer *writer, const struct batch *batch)
{
        struct job *job;
        bool late = batch_is_over(batch);

        if (batch->err != TK_OK || batch->jobs.count >= BATCH_JOBS_MAX)
                return NULL;
        pthread_mutex_lock(&writer->lock);
        /* Also behind a long job: in the next batch it would wait for another commit. */
        job = queue_pop(&writer->lanes[TK_LANE_FAST]);
        if (job == NULL && !late && !writer->stats.degraded)
                job = queue_pop(&writer->lanes[TK_LANE_NORMAL]);
        pthread_mutex_unlock(&writer->lock);
        return job;
}

/* Returns an error when the whole batch is lost, not just this job. */
static enum tk_err run_job(struct tk_writer *writer, struct job *job)
{
        struct tk_txn txn = {.driver = writer->driver, .db = writer->db, .writable = true};
        enum tk_err err = writer->driver->savepoint(writer->db);

        if (err != TK_OK)
                return err;
        job->err = job->run(&txn, job->context);
        if (job->err == TK_OK)
                job->err = txn.err;
        job->out_of_space = txn.err == TK_FULL;
        job->beside_gate = txn.beside_gate;

        /* When the disk fails in the middle the engine may have undone everything, other jobs' work too. */
        if (!writer->driver->in_transaction(writer->db))
                return txn.err != TK_OK ? txn.err : TK_IO;
        if (job->err == TK_OK)
                return writer->driver->savepoint_keep(writer->db);
        return writer->driver->savepoint_undo(writer->db);
}

static void run_jobs(struct tk_writer *writer, struct batch *batch)
{
        struct job *job;

        while ((job = take_job(writer, batch)) != NULL) {
                queue_push(&batch->jobs, job);
                job->out_of_space = false;
                if (batch->jobs.count == 1)
                        batch->err = writer->driver->begin(writer->db, TK_DB_WRITE);
                if (batch->err == TK_OK)
                        batch->err = run_job(writer, job);
                if (batch->err == TK_OK && job->err == TK_OK)
                        batch->changed = true;
        }
}

static enum tk_err commit(struct tk_writer *writer, uint64_t *ret_feed_seq)
{
        struct tk_txn txn = {.driver = writer->driver, .db = writer->db};
        enum tk_err err = tk_feed_last(&txn, ret_feed_seq);

        if (err == TK_OK)
                return writer->driver->commit(writer->db);
        writer->driver->rollback(writer->db);
        return err;
}

/* Nothing of the batch stands: nobody's answer may rest on it, not even the refusals. */
static void fail_all(struct batch *batch)
{
        for (struct job *job = batch->jobs.head; job != NULL; job = job->next) {
                job->err = batch->err;
                job->out_of_space = batch->err == TK_FULL;
        }
}

/*
 * Committed, but what follows from it has not been done: those who changed something, or found that it had been changed, cannot be told
 * that it is in force. Usage does not wait: one change that cannot be published would keep the registry from all of it.
 */
static void tell_committed(struct tk_writer *writer, struct batch *batch, uint64_t feed_seq)
{
        if (writer->committed == NULL || writer->committed(writer->context, feed_seq) == TK_OK)
                return;
        for (struct job *job = batch->jobs.head; job != NULL; job = job->next)
                if (job->err == TK_OK && !job->beside_gate)
                        job->err = TK_UNCERTAIN;
}

static void finish(struct tk_writer *writer, struct batch *batch)
{
        uint64_t feed_seq = 0;
        bool durable = batch->err == TK_OK && batch->changed;

        if (durable)
                batch->err = commit(writer, &feed_seq);
        else
                writer->driver->rollback(writer->db);
        if (batch->err != TK_OK)
                fail_all(batch);
        else if (durable)
                tell_committed(writer, batch, feed_seq);

        pthread_mutex_lock(&writer->lock);
        writer->stats.commits += durable && batch->err == TK_OK;
        pthread_mutex_unlock(&writer->lock);
}

static void run_batch(struct tk_writer *writer)
{
        struct batch batch = {.started_ns = monotonic_ns()};
        struct queue again;
        bool out_of_space;

        queue_init(&batch.jobs);
        queue_init(&again);
        refill_reserve(writer);
        if (degraded(writer))
                refuse_normal_jobs(writer);
        run_jobs(writer, &batch);
        if (batch.jobs.count == 0)
                return;
        finish(writer, &batch);
        take_retries(&batch.jobs, &again);
        out_of_space = batch.err == TK_FULL || again.count > 0;
        if (again.count > 0 && !retry_from_reserve(writer, &again))
                queue_prepend(&batch.jobs, &again);
        answer(writer, &batch.jobs);
        writer->driver->maintain(writer->db, out_of_space);
}

/* ---- the thread ---- */

static bool idle(const struct tk_writer *writer)
{
        return writer->lanes[TK_LANE_FAST].count + writer->lanes[TK_LANE_NORMAL].count == 0;
}

/* While degraded, wake now and then to see whether the disk has space again. */
static void wait_for_work(struct tk_writer *writer)
{
        struct timespec until;

        if (!writer->stats.degraded) {
                pthread_cond_wait(&writer->work, &writer->lock);
                return;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        if (pthread_cond_timedwait(&writer->work, &writer->lock, &until) == 0)
                return;
        pthread_mutex_unlock(&writer->lock);
        refill_reserve(writer);
        pthread_mutex_lock(&writer->lock);
}

static void *writer_main(void *argument)
{
        struct tk_writer *writer = argument;

        pthread_mutex_lock(&writer->lock);
        while (!idle(writer) || !writer->stop) {
                if (idle(writer)) {
                        wait_for_work(writer);
                        continue;
                }
                pthread_mutex_unlock(&writer->lock);
                run_batch(writer);
                pthread_mutex_lock(&writer->lock);
        }
        pthread_mutex_unlock(&writer->lock);
        return NULL;
}

/* ---- from outside ---- */

enum tk_err tk_writer_run(struct tk_writer *writer, enum tk_lane lane, tk_txn_fn *run, void *context)
{
        struct job job = {.run = run, .context = context, .lane = lane, .answer = PTHREAD_COND_INITIALIZER};

        /* From a job or from `committed` this would wait for itself. */
        assert(!pthread_equal(pthread_self(), writer->thread));
        pthread_mutex_lock(&writer->lock);
        assert(!writer->stop);
        writer->callers++;
        queue_push(&writer->lanes[lane], &job);
        pthread_cond_signal(&writer->work);
        while (!job.answered)
                pthread_cond_wait(&job.answer, &writer->lock);
        if (--writer->callers == 0 && writer->stop)
                pthread_cond_signal(&writer->deserted);
        pthread_mutex_unlock(&writer->lock);
        pthread_cond_destroy(&job.answer);
        return job.err;
}

bool tk_writer_urgent(struct tk_writer *writer)
{
        bool urgent;

        pthread_mutex_lock(&writer->lock);
        urgent = writer->lanes[TK_LANE_FAST].count > 0;
        pthread_mutex_unlock(&writer->lock);
        return urgent;
}

void tk_writer_stats(struct tk_writer *writer, struct tk_registry_stats *ret_stats)
{
        pthread_mutex_lock(&writer->lock);
        *ret_stats = writer->stats;
        ret_stats->queued_jobs = writer->lanes[TK_LANE_FAST].count + writer->lanes[TK_LANE_NORMAL].count;
        pthread_mutex_unlock(&writer->lock);
}

/* The condition waits by the monotonic clock: a step of the wall clock moves no deadline. These cannot fail on Linux. */
static void init_sync(struct tk_writer *writer)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_mutex_init(&writer->lock, NULL);
        pthread_cond_init(&writer->work, &attributes);
        pthread_cond_init(&writer->deserted, &attributes);
        pthread_condattr_destroy(&attributes);
}

static void free_writer(struct tk_writer *writer)
{
        pthread_cond_destroy(&writer->deserted);
        pthread_cond_destroy(&writer->work);
        pthread_mutex_destroy(&writer->lock);
        tk_free(writer);
}

/* A disk too full for the reserve does not keep the daemon from starting: it starts degraded. */
static enum tk_err init_reserve(struct tk_writer *writer, const struct tk_writer_config *config)
{
        enum tk_err err;

        if (config->database_path == NULL)
                return TK_OK;
        err = tk_reserve_init(&writer->reserve, config->database_path, config->reserve_bytes);
        if (err == TK_OK)
                err = tk_reserve_fill(&writer->reserve);
        writer->stats.degraded = degraded(writer);
        return err == TK_FULL ? TK_OK : err;
}

enum tk_err tk_writer_start(const struct tk_writer_config *config, struct tk_writer **ret_writer)
{
        struct tk_writer *writer = tk_calloc(1, sizeof *writer);
        enum tk_err err;

        if (writer == NULL)
                return TK_NOMEM;
        writer->driver = config->driver;
        writer->db = config->db;
        writer->committed = config->committed;
        writer->context = config->context;
        queue_init(&writer->lanes[TK_LANE_FAST]);
        queue_init(&writer->lanes[TK_LANE_NORMAL]);
        init_sync(writer);

        err = init_reserve(writer, config);
        if (err == TK_OK && pthread_create(&writer->thread, NULL, writer_main, writer) != 0)
                err = TK_NOMEM;
        if (err != TK_OK) {
                free_writer(writer);
                return err;
        }
        *ret_writer = writer;
        return TK_OK;
}

void tk_writer_stop(struct tk_writer *writer)
{
        if (writer == NULL)
                return;
        pthread_mutex_lock(&writer->lock);
        writer->stop = true;
        pthread_cond_signal(&writer->work);
        while (writer->callers > 0)
                pthread_cond_wait(&writer->deserted, &writer->lock);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL);
        writer->driver->close(writer->db);
        free_writer(writer);
}
