/*
 * Flushes usage from the gate's meters to the registry: about twice a minute, and at an orderly stop. Whose
 * meters changed since the last flush it is told by marks. A thread of its own, since a commit may take as
 * long as the disk pleases and the journal must not wait. Uses the registry's normal lane, in chunks, so that
 * a revocation never waits behind it.
 */
#ifndef TK_SERVICE_USAGE_FLUSH_H
#define TK_SERVICE_USAGE_FLUSH_H

#include "gate/gate.h"
#include "registry/registry.h"
#include "service/meter_marks.h"

struct tk_usage_flush;

struct tk_usage_flush_stats {
        uint64_t chunks, records; /* applied */
        uint64_t failures;        /* flushes that could not end */
};

/* Borrows gate and registry. TK_NOMEM, and what the registry says. */
enum tk_err tk_usage_flush_open(struct tk_gate *gate, struct tk_registry *registry,
                                struct tk_usage_flush **ret_flush);
/* Flush once more, and end. NULL is allowed. */
void tk_usage_flush_close(struct tk_usage_flush *flush);

/* These numbers' meters changed: keys and subscriptions, as bits of a word of marks. Any thread. */
void tk_usage_flush_mark_keys(struct tk_usage_flush *flush, uint64_t word, uint64_t bits);
void tk_usage_flush_mark_subscriptions(struct tk_usage_flush *flush, uint64_t word, uint64_t bits);

/* Once a second. Does not wait; every TK_USAGE_FLUSH_S-th call begins a flush. */
#define TK_USAGE_FLUSH_S 30
void tk_usage_flush_tick(struct tk_usage_flush *flush);

/* Flush now, and wait for it. TK_OK: the registry has everything that was marked. For tests and for a stop. */
enum tk_err tk_usage_flush_now(struct tk_usage_flush *flush);

void tk_usage_flush_stats(struct tk_usage_flush *flush, struct tk_usage_flush_stats *ret_stats);

#endif
