/*
 * The pool of workers. See workers.h.
 */
#include "http/workers.h"

#include "core/alloc.h"
#include "http/request.h"

#include <limits.h>
#include <pthread.h>

struct queue {
        struct tk_request *first, **last; /* first in, first out */
        unsigned length;
};

struct tk_workers {
        pthread_mutex_t lock;
        pthread_cond_t any_work, urgent_work;
        struct queue normal, urgent; /* by lock, like the following */
        uint64_t refused;
        bool stopping;
        unsigned queue_max;
        void (*run)(struct tk_request *request);
        unsigned count; /* threads that were started and not joined */
        pthread_t threads[];
};

static void queue_push(struct queue *queue, struct tk_request *request)
{
        request->next = NULL;
        *queue->last = request;
        queue->last = &request->next;
        queue->length++;
}

static struct tk_request *queue_pop(struct queue *queue)
{
        struct tk_request *request = queue->first;
        if (!request)
                return NULL;
        queue->first = request->next;
        if (!queue->first)
                queue->last = &queue->first;
        queue->length--;
        return request;
}

/* Serve until the pool stops and nothing waits. */
static void serve(struct tk_workers *workers, bool urgent_only)
{
        pthread_mutex_lock(&workers->lock);
        for (;;) {
                struct tk_request *request = queue_pop(&workers->urgent);
                if (!request && !urgent_only)
                        request = queue_pop(&workers->normal);
                if (request) {
                        pthread_mutex_unlock(&workers->lock);
                        workers->run(request);
                        pthread_mutex_lock(&workers->lock);
                } else if (workers->stopping) {
                        break;
                } else {
                        pthread_cond_wait(urgent_only ? &workers->urgent_work : &workers->any_work,
                                          &workers->lock);
                }
        }
        pthread_mutex_unlock(&workers->lock);
}

static void *serve_any(void *context)
{
        serve(context, false);
        return NULL;
}

/* One thread more than was asked for, so that a revocation finds a free one when all others wait for a slow disk. */
static void *serve_urgent(void *context)
{
        serve(context, true);
        return NULL;
}

enum tk_err tk_workers_start(unsigned count, unsigned queue_max, void (*run)(struct tk_request *request),
                             struct tk_workers **ret_workers)
{
        unsigned threads = count + 1;
        struct tk_workers *workers = tk_calloc(1, sizeof(*workers) + threads * sizeof(workers->threads[0]));
        if (!workers)
                return TK_NOMEM;
        pthread_mutex_init(&workers->lock, NULL);
        pthread_cond_init(&workers->any_work, NULL);
        pthread_cond_init(&workers->urgent_work, NULL);
        workers->normal.last = &workers->normal.first;
        workers->urgent.last = &workers->urgent.first;
        workers->queue_max = queue_max;
        workers->run = run;
        while (workers->count < threads) {
                void *(*role)(void *) = workers->count == 0 ? serve_urgent : serve_any;
                if (pthread_create(&workers->threads[workers->count], NULL, role, workers) != 0) {
                        tk_workers_stop(workers);
                        return TK_IO;
                }
                workers->count++;
        }
        *ret_workers = workers;
        return TK_OK;
}

void tk_workers_finish(struct tk_workers *workers)
{
        if (!workers)
                return;
        pthread_mutex_lock(&workers->lock);
        workers->stopping = true;
        pthread_cond_broadcast(&workers->any_work);
        pthread_cond_broadcast(&workers->urgent_work);
        pthread_mutex_unlock(&workers->lock);
        for (unsigned i = 0; i < workers->count; i++)
                pthread_join(workers->threads[i], NULL);
        workers->count = 0;
}

void tk_workers_stop(struct tk_workers *workers)
{
        if (!workers)
                return;
        tk_workers_finish(workers);
        pthread_cond_destroy(&workers->any_work);
        pthread_cond_destroy(&workers->urgent_work);
        pthread_mutex_destroy(&workers->lock);
        tk_free(workers);
}

static bool push(struct tk_workers *workers, struct tk_request *request, bool urgent, unsigned queue_max)
{
        pthread_mutex_lock(&workers->lock);
        struct queue *queue = urgent ? &workers->urgent : &workers->normal;
        bool taken = !workers->stopping && queue->length < queue_max;
        if (taken) {
                queue_push(queue, request);
                pthread_cond_signal(&workers->any_work);
                if (urgent)
                        pthread_cond_signal(&workers->urgent_work);
        } else {
                workers->refused++;
        }
        pthread_mutex_unlock(&workers->lock);
        return taken;
}

bool tk_workers_push(struct tk_workers *workers, struct tk_request *request, bool urgent)
{
        return push(workers, request, urgent, workers->queue_max);
}

bool tk_workers_go_on(struct tk_workers *workers, struct tk_request *request)
{
        return push(workers, request, false, UINT_MAX);
}

void tk_workers_stats(struct tk_workers *workers, struct tk_workers_stats *ret_stats)
{
        pthread_mutex_lock(&workers->lock);
        ret_stats->queued = workers->normal.length + workers->urgent.length;
        ret_stats->refused = workers->refused;
        pthread_mutex_unlock(&workers->lock);
}
