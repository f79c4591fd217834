/*
 * The pool of read connections: a stack, so that the one used last, with its statements and pages warm, is used next.
 * Any thread.
 */
#include "registry/pool.h"

void tk_pool_init(struct tk_pool *pool, const struct tk_driver *driver, const char *location)
{
        *pool = (struct tk_pool){.driver = driver, .location = location};
        pthread_mutex_init(&pool->lock, NULL);
}

void tk_pool_fini(struct tk_pool *pool)
{
        while (pool->kept_count > 0)
                pool->driver->close(pool->kept[--pool->kept_count]);
        pthread_mutex_destroy(&pool->lock);
}

enum tk_err tk_pool_take(struct tk_pool *pool, struct tk_db **ret_db)
{
        struct tk_db *db = NULL;

        pthread_mutex_lock(&pool->lock);
        if (pool->kept_count > 0)
                db = pool->kept[--pool->kept_count];
        pthread_mutex_unlock(&pool->lock);
        if (db == NULL)
                return pool->driver->open(pool->location, ret_db, NULL);
        *ret_db = db;
        return TK_OK;
}

void tk_pool_give(struct tk_pool *pool, struct tk_db *db)
{
        pthread_mutex_lock(&pool->lock);
        if (pool->kept_count < TK_POOL_KEPT_MAX) {
                pool->kept[pool->kept_count++] = db;
                db = NULL;
        }
        pthread_mutex_unlock(&pool->lock);
        pool->driver->close(db);
}
