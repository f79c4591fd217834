/*
 * The durability of meters: each second, what changed goes to the journal in the data directory
 * (docs/formats/meter-journal.md), and now and then to the registry (usage_flush.h). Whoever reads the events
 * says whose meters changed; beside that a slow walk looks at every owner within a minute, since a decider
 * that is broken into may charge without an event. Never delays a decision.
 *
 * The journal's work is done on a thread of its own, once for each tick.
 */
#ifndef TK_SERVICE_METER_LOG_H
#define TK_SERVICE_METER_LOG_H

#include "gate/gate.h"
#include "registry/registry.h"
#include "service/meter_file.h"
#include "service/usage_flush.h"

struct tk_meter_log;

struct tk_meter_log_config {
        struct tk_meter_file *file;   /* open; the log owns it from then on, also when it cannot be opened */
        struct tk_gate *gate;         /* borrowed, with `flush` */
        struct tk_usage_flush *flush; /* NULL: into the journal only */
        bool renewed;                 /* the gate was made anew: a whole new file is begun at once */
        uint64_t file_bytes_min;      /* below it, no new file is begun for its size; 0: 64 MiB */
        uint64_t walk_bytes;          /* of a new file, written in one tick; 0: 32 MiB */
};

/* TK_NOMEM. */
enum tk_err tk_meter_log_open(const struct tk_meter_log_config *config, struct tk_meter_log **ret_log);
/* Write what changed once more, and end. NULL is allowed. The flush is closed after it. */
void tk_meter_log_close(struct tk_meter_log *log);

/* Once a second. Does not wait. */
void tk_meter_log_tick(struct tk_meter_log *log);
/* Wait until what was ticked is done. For tests. */
void tk_meter_log_wait(struct tk_meter_log *log);

/*
 * Whose meter has changed, after it has. Any thread, lock-free. Numbers that no owner has are safe. touch_all: it is not known whose;
 * then all are looked at that were used since the last second. Routes and named limits are looked at in every second: they
 * are few.
 */
void tk_meter_log_touch_key(struct tk_meter_log *log, uint64_t number);
void tk_meter_log_touch_subscription(struct tk_meter_log *log, uint64_t id);
void tk_meter_log_touch_all(struct tk_meter_log *log);

/* Any thread. */
struct tk_meter_log_stats {
        uint64_t ticks;                           /* seconds that are done, successful or not */
        uint64_t file_bytes;                      /* of the journal */
        uint64_t frames, records, appended_bytes; /* since the start */
        uint64_t failures;   /* seconds whose changes could not be made durable: they were tried again */
        uint64_t rewrites;   /* new files that took the old one's place */
        uint64_t unsynced_s; /* since all changes were durable last: what a power cut would lose now */
};
void tk_meter_log_stats(const struct tk_meter_log *log, struct tk_meter_log_stats *ret_stats);

#endif
