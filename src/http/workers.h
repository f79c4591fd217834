/*
 * The bounded pool of threads for requests that may touch the disk. A request that waits here is suspended: its network
 * thread goes on with others. Two queues: what is urgent (suspend, revoke) goes before what is not, and has a thread to
 * itself. A queue that is full refuses, so that a slow disk costs callers a 503 and not our memory.
 */
#ifndef TK_HTTP_WORKERS_H
#define TK_HTTP_WORKERS_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

struct tk_request;
struct tk_workers;

/*
 * Start `count` threads, and one for what is urgent only.
 *   queue_max  requests that may wait in each queue
 *   run        called on a worker for each request; it must hand it back to its network thread
 */
enum tk_err tk_workers_start(unsigned count, unsigned queue_max, void (*run)(struct tk_request *request),
                             struct tk_workers **ret_workers);

/*
 * Finish what waits and join the threads; whoever pushes from here on is refused. For a server whose network threads still
 * run: they may push until they are gone, and only then may the pool be freed. NULL is allowed.
 */
void tk_workers_finish(struct tk_workers *workers);

/* The same where that has not been done, then free. NULL is allowed. */
void tk_workers_stop(struct tk_workers *workers);

/* Any thread. False: the queue is full, or the pool is stopping. */
bool tk_workers_push(struct tk_workers *workers, struct tk_request *request, bool urgent);

/* The next step of a request that was taken before: a full queue does not end what has begun. False: the pool is stopping. */
bool tk_workers_go_on(struct tk_workers *workers, struct tk_request *request);

struct tk_workers_stats {
        uint64_t queued, refused;
};
void tk_workers_stats(struct tk_workers *workers, struct tk_workers_stats *ret_stats);

#endif
