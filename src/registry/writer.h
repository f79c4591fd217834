/*
 * The writer: one thread through which every change goes. It takes jobs from two lanes, runs many in one transaction, each
 * in a savepoint of its own, and answers them when that is durable and the `committed` hook has returned.
 *
 * Made and ended by registry.c; tk_writer_run() is called from any thread but the writer's own.
 */
#ifndef TK_REGISTRY_WRITER_H
#define TK_REGISTRY_WRITER_H

#include "registry/driver.h"
#include "registry/registry.h"

struct tk_writer;

struct tk_writer_config {
        const struct tk_driver *driver;
        struct tk_db *db;          /* the writer's own from here on; it closes it */
        const char *database_path; /* NULL when the engine keeps no file, and so no reserve */
        uint64_t reserve_bytes;
        enum tk_err (*committed)(void *context, uint64_t feed_seq);
        void *context;
};

/* Takes the reserve from the disk as far as it can, and starts the thread. On failure `db` remains the caller's. */
enum tk_err tk_writer_start(const struct tk_writer_config *config, struct tk_writer **ret_writer);

/* Do what is queued, let its callers leave, end the thread, close the connection. NULL is allowed; no new calls are. */
void tk_writer_stop(struct tk_writer *writer);

/* See tk_registry_write(). */
enum tk_err tk_writer_run(struct tk_writer *writer, enum tk_lane lane, tk_txn_fn *run, void *context);

/* Whether a job of the fast lane waits. Any thread, also from within a job. */
bool tk_writer_urgent(struct tk_writer *writer);

void tk_writer_stats(struct tk_writer *writer, struct tk_registry_stats *ret_stats);

#endif
