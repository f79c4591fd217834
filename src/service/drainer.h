/*
 * The daemon's thread that takes the events out of the gate's rings: often while they fill, seldom while
 * nothing happens. The drain itself is gate/drain.h; this is the only way from service to it. Started and
 * stopped with the service; its counters are read by any thread without a lock. Never writes to the registry,
 * never waits for a decider.
 */
#ifndef TK_SERVICE_DRAINER_H
#define TK_SERVICE_DRAINER_H

#include "core/fault.h"
#include "gate/drain.h"

struct tk_drainer;

/*
 * Who is told of events. Called in passes, which come one at a time, mostly on the drainer's thread: rings
 * fill meanwhile, so whoever has much to do puts it aside. May not call the drainer.
 */
struct tk_drainer_listener {
        void (*visit)(void *context, const struct tk_event *event);
        void (*passed)(void *context, bool lost); /* after each pass; lost: see struct tk_drain_pass */
        void *context;
};

/*
 * Start the thread.
 *   files     of the daemon's publisher; borrowed until tk_drainer_stop()
 *   listener  copied; NULL: events are counted only
 */
enum tk_err tk_drainer_start(struct tk_files *files, const struct tk_drainer_listener *listener,
                             struct tk_drainer **ret_drainer, struct tk_fault *fault);
/* End the thread, with a last pass over what is in the rings. NULL is taken. */
void tk_drainer_stop(struct tk_drainer *drainer);

/*
 * A pass at once, on this thread: every decision that was over before has been visited, or `lost` told, when
 * it returns.
 */
void tk_drainer_pass(struct tk_drainer *drainer);

/* No pass begins between these two, which one thread calls. The rings fill meanwhile. */
void tk_drainer_pause(struct tk_drainer *drainer);
void tk_drainer_resume(struct tk_drainer *drainer);

void tk_drainer_stats(const struct tk_drainer *drainer, struct tk_drain_stats *ret_stats);

#endif
