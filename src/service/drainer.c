/*
 * How often the rings are drained (drainer.h). While events come, so often that a ring of 8192, of a thread
 * that goes over to 500,000 decisions a second, is not full before the next pass; after a second of silence
 * seldom, because it is the waking that costs. What comes at such a rate out of silence may lose its first
 * events, and is counted. Never so often that a process which writes nonsense as fast as it can has the
 * thread take all of a CPU.
 */
#include "service/drainer.h"

#include "core/alloc.h"
#include "core/limit.h"

#include <pthread.h>
#include <time.h>

#define SLEEP_LEAST_NS  UINT64_C(1000000)
#define SLEEP_MOST_NS   UINT64_C(10000000)
#define SLEEP_SILENT_NS UINT64_C(50000000)
#define SILENT_AFTER_NS TK_NS_PER_S
#define SURVEY_EVERY_NS TK_NS_PER_S

/* How full the fullest ring may be found: over it half the sleep, under it a quarter more. */
#define FULL_PERMILLE  200
#define EMPTY_PERMILLE 50

struct tk_drainer {
        struct tk_drain *drain;
        struct tk_drainer_listener listener; /* visit NULL: none */
        pthread_mutex_t mutex;               /* held while passing */
        pthread_cond_t stop;
        bool stopping; /* by the mutex */
        pthread_t thread;
};

static uint64_t now_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* With the mutex. */
static struct tk_drain_pass pass(struct tk_drainer *drainer)
{
        const struct tk_drainer_listener *listener = &drainer->listener;
        struct tk_drain_visitor visitor = {listener->visit, listener->context};
        struct tk_drain_pass result;
        tk_drain_pass(drainer->drain, 0, listener->visit ? &visitor : NULL, &result);
        if (listener->passed)
                listener->passed(listener->context, result.lost);
        return result;
}

/* How long the thread sleeps between passes, and how long no event has come. */
struct pace {
        uint64_t sleep_ns, silent_ns;
};

static void adapt(struct pace *pace, const struct tk_drain_pass *found)
{
        pace->silent_ns = found->events == 0 ? pace->silent_ns + pace->sleep_ns : 0;
        uint64_t most_ns = pace->silent_ns < SILENT_AFTER_NS ? SLEEP_MOST_NS : SLEEP_SILENT_NS;
        if (found->fullest_permille > FULL_PERMILLE)
                pace->sleep_ns /= 2;
        else if (found->fullest_permille < EMPTY_PERMILLE)
                pace->sleep_ns += pace->sleep_ns / 4;
        if (pace->sleep_ns < SLEEP_LEAST_NS)
                pace->sleep_ns = SLEEP_LEAST_NS;
        if (pace->sleep_ns > most_ns)
                pace->sleep_ns = most_ns;
}

/* Gives the mutex away meanwhile. */
static void sleep_for(struct tk_drainer *drainer, uint64_t sleep_ns)
{
        uint64_t until_ns = now_ns() + sleep_ns;
        struct timespec until = {.tv_sec = (time_t)(until_ns / TK_NS_PER_S),
                                 .tv_nsec = (long)(until_ns % TK_NS_PER_S)};
        pthread_cond_timedwait(&drainer->stop, &drainer->mutex, &until);
}

static void *run(void *context)
{
        struct tk_drainer *drainer = context;
        struct pace pace = {.sleep_ns = SLEEP_LEAST_NS};
        uint64_t surveyed_ns = 0;
        pthread_mutex_lock(&drainer->mutex);
        while (!drainer->stopping) {
                if (now_ns() >= surveyed_ns + SURVEY_EVERY_NS) {
                        tk_drain_survey(drainer->drain);
                        surveyed_ns = now_ns();
                }
                struct tk_drain_pass found = pass(drainer);
                adapt(&pace, &found);
                sleep_for(drainer, pace.sleep_ns);
        }
        pthread_mutex_unlock(&drainer->mutex);
        return NULL;
}

static void init_locks(struct tk_drainer *drainer)
{
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&drainer->stop, &monotonic);
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_init(&drainer->mutex, NULL);
}

static void free_drainer(struct tk_drainer *drainer)
{
        pthread_cond_destroy(&drainer->stop);
        pthread_mutex_destroy(&drainer->mutex);
        tk_drain_close(drainer->drain);
        tk_free(drainer);
}

enum tk_err tk_drainer_start(struct tk_files *files, const struct tk_drainer_listener *listener,
                             struct tk_drainer **ret_drainer, struct tk_fault *fault)
{
        struct tk_drainer *drainer = tk_calloc(1, sizeof(*drainer));
        if (!drainer)
                return tk_fault_from_err(fault, TK_NOMEM);
        init_locks(drainer);
        if (listener)
                drainer->listener = *listener;
        enum tk_err err = tk_drain_open(files, &drainer->drain);
        if (err == TK_OK && pthread_create(&drainer->thread, NULL, run, drainer) != 0)
                err = TK_NOMEM;
        if (err != TK_OK) {
                free_drainer(drainer);
                return tk_fault_from_err(fault, err);
        }
        *ret_drainer = drainer;
        return TK_OK;
}

void tk_drainer_stop(struct tk_drainer *drainer)
{
        if (!drainer)
                return;
        pthread_mutex_lock(&drainer->mutex);
        drainer->stopping = true;
        pthread_cond_signal(&drainer->stop);
        pthread_mutex_unlock(&drainer->mutex);
        pthread_join(drainer->thread, NULL);
        tk_drainer_pass(drainer);
        free_drainer(drainer);
}

void tk_drainer_pass(struct tk_drainer *drainer)
{
        tk_drainer_pause(drainer);
        pass(drainer);
        tk_drainer_resume(drainer);
}

void tk_drainer_pause(struct tk_drainer *drainer)
{
        pthread_mutex_lock(&drainer->mutex);
}

void tk_drainer_resume(struct tk_drainer *drainer)
{
        pthread_mutex_unlock(&drainer->mutex);
}

void tk_drainer_stats(const struct tk_drainer *drainer, struct tk_drain_stats *ret_stats)
{
        tk_drain_stats(drainer->drain, ret_stats);
}
