/*
 * Connections for reading, each lent to one thread at a time. There is no upper bound on how many are out, so a reader
 * never waits for another and cannot dead-lock with itself; a few are kept open between uses.
 */
#ifndef TK_REGISTRY_POOL_H
#define TK_REGISTRY_POOL_H

#include "registry/driver.h"

#include <pthread.h>

#define TK_POOL_KEPT_MAX 8

struct tk_pool {
        const struct tk_driver *driver;
        const char *location; /* outlives the pool */
        pthread_mutex_t lock;
        struct tk_db *kept[TK_POOL_KEPT_MAX]; /* guarded by lock */
        size_t kept_count;
};

void tk_pool_init(struct tk_pool *pool, const struct tk_driver *driver, const char *location);

/* Close what is kept. Nothing may be out. */
void tk_pool_fini(struct tk_pool *pool);

/* Any thread. Errors as of tk_driver.open. */
enum tk_err tk_pool_take(struct tk_pool *pool, struct tk_db **ret_db);

/* Give back a connection without a transaction. */
void tk_pool_give(struct tk_pool *pool, struct tk_db *db);

#endif
