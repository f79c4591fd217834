/*
 * What keeps the gate's meters: recovery at start, the journal, the flush to the registry, in the order in
 * which they need each other. Opened, ticked and closed by service.c; told of events by the drainer's thread.
 * Their files say how.
 */
#ifndef TK_SERVICE_METERS_H
#define TK_SERVICE_METERS_H

#include "core/pepper_file.h"
#include "service/drainer.h"
#include "service/meter_log.h"
#include "service/meter_recovery.h"
#include "service/publisher.h"
#include "service/usage_flush.h"

struct tk_meters;

/*
 * Open the journal. Before the gate is opened, because the gate may need what it says.
 * TK_CORRUPT: it is another installation's or version's; TK_IO, TK_NOMEM; with a fault.
 */
enum tk_err tk_meters_open(const char *data_dir, struct tk_registry *registry, struct tk_meters **ret_meters,
                           struct tk_fault *fault);
/* Write and flush what changed, and end. NULL is allowed. Gate and registry are still open; nobody touches any more. */
void tk_meters_close(struct tk_meters *meters);

/*
 * For tk_feeder_open(): writes down what was used since the last daemon, where the files are about to be given up, and gives a gate
 * that was made anew its meters back. What is used in the instant between is lost.
 *   gate_dir, secrets  to read the files' meters as a decider; borrowed
 */
struct tk_feeder_restore tk_meters_restore(struct tk_meters *meters, const char *gate_dir,
                                           const struct tk_pepper_file *secrets);

/* From here on keep the meters of this gate, which is borrowed. With a fault. */
enum tk_err tk_meters_start(struct tk_meters *meters, struct tk_gate *gate, struct tk_fault *fault);
/* For tk_drainer_start(): who was used. */
struct tk_drainer_listener tk_meters_listener(struct tk_meters *meters);

/* Once a second. Does not wait. */
void tk_meters_tick(struct tk_meters *meters);

/* Have all that is counted by now in the journal, and in the registry: whether it is. For tests. */
void tk_meters_wait(struct tk_meters *meters);
enum tk_err tk_meters_flush(struct tk_meters *meters);
/* The same, also of decisions whose events nobody has read yet. For backups; any thread. */
enum tk_err tk_meters_capture(struct tk_meters *meters);

/*
 * How often the owner was refused, ever: a meter counts modulo 2^32 (`count`), the registry's rows keep the
 * total. Any thread; reads the registry. Where it cannot be read, the count.
 */
uint64_t tk_meters_refused(struct tk_meters *meters, const struct tk_meter_owner *owner, uint32_t count);

struct tk_meters_stats {
        struct tk_meter_log_stats log;
        struct tk_usage_flush_stats flush;
        uint64_t restored, absent, unplaced; /* records, at this start */
        uint64_t cut_bytes;                  /* of the journal's end, at this start */
};
void tk_meters_stats(const struct tk_meters *meters, struct tk_meters_stats *ret_stats);

#endif
