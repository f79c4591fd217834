/*
 * A thread that steps when it is told to (ticker.h). `wanted` and `done` count ticks; a step serves all that
 * came before it began.
 */
#include "service/ticker.h"

#include "core/alloc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct tk_ticker {
        void (*step)(void *context);
        void *context;
        pthread_t thread;
        pthread_mutex_t mutex; /* guards what follows */
        pthread_cond_t changed;
        uint64_t wanted, done;
        bool stop;
};

static void *ticker_main(void *argument)
{
        struct tk_ticker *ticker = argument;
        pthread_mutex_lock(&ticker->mutex);
        while (!ticker->stop) {
                uint64_t serving = ticker->wanted;
                if (serving == ticker->done) {
                        pthread_cond_wait(&ticker->changed, &ticker->mutex);
                        continue;
                }
                pthread_mutex_unlock(&ticker->mutex);
                ticker->step(ticker->context);
                pthread_mutex_lock(&ticker->mutex);
                ticker->done = serving;
                pthread_cond_broadcast(&ticker->changed);
        }
        pthread_mutex_unlock(&ticker->mutex);
        return NULL;
}

enum tk_err tk_ticker_start(void (*step)(void *context), void *context, struct tk_ticker **ret_ticker)
{
        struct tk_ticker *ticker = tk_calloc(1, sizeof *ticker);
        if (!ticker)
                return TK_NOMEM;
        ticker->step = step;
        ticker->context = context;
        pthread_mutex_init(&ticker->mutex, NULL);
        pthread_cond_init(&ticker->changed, NULL);
        if (pthread_create(&ticker->thread, NULL, ticker_main, ticker) != 0) {
                pthread_cond_destroy(&ticker->changed);
                pthread_mutex_destroy(&ticker->mutex);
                tk_free(ticker);
                return TK_NOMEM;
        }
        *ret_ticker = ticker;
        return TK_OK;
}

void tk_ticker_stop(struct tk_ticker *ticker)
{
        if (!ticker)
                return;
        pthread_mutex_lock(&ticker->mutex);
        ticker->stop = true;
        pthread_cond_broadcast(&ticker->changed);
        pthread_mutex_unlock(&ticker->mutex);
        pthread_join(ticker->thread, NULL);
        pthread_cond_destroy(&ticker->changed);
        pthread_mutex_destroy(&ticker->mutex);
        tk_free(ticker);
}

void tk_ticker_tick(struct tk_ticker *ticker)
{
        pthread_mutex_lock(&ticker->mutex);
        ticker->wanted++;
        pthread_cond_broadcast(&ticker->changed);
        pthread_mutex_unlock(&ticker->mutex);
}

void tk_ticker_wait(struct tk_ticker *ticker)
{
        pthread_mutex_lock(&ticker->mutex);
        uint64_t wanted = ticker->wanted;
        while (ticker->done < wanted && !ticker->stop)
                pthread_cond_wait(&ticker->changed, &ticker->mutex);
        pthread_mutex_unlock(&ticker->mutex);
}
