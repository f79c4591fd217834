/*
 * How often the rings are drained (drainer.h). The longest sleep is such that a ring of 8192 events, of a thread that begins to make
 * 500,000 decisions a second in the middle of it, is not full at its end; the shortest keeps a process that writes nonsense as fast as
 * it can from taking more than a part of one CPU.
 */
#include "service/drainer.h"

#include "core/alloc.h"
#include "core/limit.h"

#include <pthread.h>
#include <time.h>

#define SLEEP_LEAST_NS  UINT64_C(1000000)
#define SLEEP_MOST_NS   UINT64_C(10000000)
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

/* With the mutex. Returns how full the fullest ring was. */
static uint32_t pass(struct tk_drainer *drainer)
{
        const struct tk_drainer_listener *listener = &drainer->listener;
        struct tk_drain_visitor visitor = {listener->visit, listener->context};
        struct tk_drain_pass result;
        tk_drain_pass(drainer->drain, 0, listener->visit ? &visitor : NULL, &result);
        if (listener->passed)
                listener->passed(listener->context, result.lost);
        return result.fullest_permille;
}

static uint64_t next_sleep_ns(uint64_t sleep_ns, uint32_t fullest_permille)
{
        if (fullest_permille > FULL_PERMILLE)
                sleep_ns /= 2;
        else if (fullest_permille < EMPTY_PERMILLE)
                sleep_ns += sleep_ns / 4;
        if (sleep_ns < SLEEP_LEAST_NS)
                return SLEEP_LEAST_NS;
        return sleep_ns < SLEEP_MOST_NS ? sleep_ns : SLEEP_MOST_NS;
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
        uint64_t sleep_ns = SLEEP_LEAST_NS, surveyed_ns = 0;
        pthread_mutex_lock(&drainer->mutex);
        while (!drainer->stopping) {
                if (now_ns() >= surveyed_ns + SURVEY_EVERY_NS) {
                        tk_drain_survey(drainer->drain);
                        surveyed_ns = now_ns();
                }
                sleep_ns = next_sleep_ns(sleep_ns, pass(drainer));
                sleep_for(drainer, sleep_ns);
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
