/*
 * The feeder: brings what the registry has committed into the gate. It is the only way from service to gate (DESIGN.md
 * section 12). Called by the registry's writer thread after each commit, and by the daemon's timer for what failed.
 */
#ifndef TK_SERVICE_PUBLISHER_H
#define TK_SERVICE_PUBLISHER_H

#include "core/error.h"
#include "core/fault.h"
#include "gate/publish.h"
#include "registry/registry.h"

#include <stdbool.h>

struct tk_feeder;

/*
 * What keeps the use that the gate holds. Whatever these return, if not TK_OK, ends the opening.
 *   save  before sound files are given up: deciders have used them until now
 *   run   with a gate that was made anew, after everything is published and before deciders may admit
 */
struct tk_feeder_restore {
        enum tk_err (*save)(void *context);
        enum tk_err (*run)(void *context, struct tk_publisher *publisher);
        void *context;
};

/*
 * Open the gate directory and bring it up to the registry: replay the feed from the sequence that the files
 * hold, or rebuild them from the registry when they are new, damaged, or ahead of it.
 *   restore  NULL: nothing is done
 */
enum tk_err tk_feeder_open(const char *gate_dir, struct tk_registry *registry, uint64_t wall_ns,
                           uint32_t lease_s, const struct tk_feeder_restore *restore,
                           struct tk_feeder **ret_feeder, struct tk_fault *fault);
void tk_feeder_close(struct tk_feeder *feeder);

/* Publish everything up to feed_seq. Any thread; one at a time inside. */
enum tk_err tk_feeder_advance(struct tk_feeder *feeder, uint64_t feed_seq);

/*
 * Room for what a change will have published, on top of what has been promised to others: before it is
 * committed, so that nothing is recorded that cannot be in force. TK_FULL otherwise. Every promise is given
 * back once its change is published, or is not made.
 */
enum tk_err tk_feeder_reserve(struct tk_feeder *feeder, const struct tk_publish_room *room);
/* The same for the scopes of a key, which stay with the API whether the change is made or not. */
enum tk_err tk_feeder_reserve_scopes(struct tk_feeder *feeder, uint64_t api_id, const struct tk_str *scopes,
                                     uint32_t count);
void tk_feeder_release(struct tk_feeder *feeder, const struct tk_publish_room *room);

/* Once a second: clock, lease, and a publication that failed before. */
void tk_feeder_tick(struct tk_feeder *feeder, uint64_t wall_ns, uint32_t lease_s);

/* Whether the gate holds all that is committed; false only after a publication has failed. Any thread. */
bool tk_feeder_in_force(struct tk_feeder *feeder);
/* The gate's files, for the drainer. */
struct tk_files *tk_feeder_files(struct tk_feeder *feeder);
/* How far the wall clock is ahead of gate time in a step that is held; 0: none is. Any thread. */
int64_t tk_feeder_held_step_ms(struct tk_feeder *feeder);
void tk_feeder_stats(struct tk_feeder *feeder, struct tk_publisher_stats *ret_stats);

/*
 * Compare every key line with the registry. For tests and for `status`.
 *   ret_wrong  how many lines differ
 */
enum tk_err tk_feeder_compare(struct tk_feeder *feeder, uint64_t *ret_checked, uint64_t *ret_wrong);

#endif
