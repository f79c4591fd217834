/*
 * The counters of the HTTP server. Counted with relaxed atomics in one of several shards, so that network threads do not
 * share cache lines; summed when somebody asks. Any thread. (Rendering: metrics_page.c.)
 */
#ifndef TK_HTTP_METRICS_H
#define TK_HTTP_METRICS_H

#include "core/decision.h"
#include "http/router.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TK_METRIC_SHARDS     16
#define TK_METRIC_ROUTES_MAX 128
#define TK_METRIC_CLASSES    6 /* status / 100 */

/* Who asked the gate. */
enum tk_front { TK_FRONT_VERIFY, TK_FRONT_ADMIN, TK_FRONT_COUNT };

/* What was served: durations of one kind are alike, and kept in one histogram. */
enum tk_kind { TK_KIND_VERIFY, TK_KIND_ADMIN, TK_KIND_COUNT };

/* Upper bounds of the duration buckets; the last bucket has none. */
extern const uint64_t tk_metric_bounds_ns[];
#define TK_METRIC_BUCKETS 15

struct tk_metrics {
        struct tk_metric_shard {
                /* Requests in flight, as differences: a shard may wrap below zero, the sum does not. */
                _Atomic uint64_t receiving, answering;
                _Atomic uint64_t decisions[TK_FRONT_COUNT][TK_CODE_COUNT];
                _Atomic uint64_t requests[TK_METRIC_ROUTES_MAX][TK_METRIC_CLASSES];
                _Atomic uint64_t durations[TK_KIND_COUNT][TK_METRIC_BUCKETS];
                _Atomic uint64_t duration_ns[TK_KIND_COUNT];
                char padding[64]; /* no two shards share a cache line */
        } shards[TK_METRIC_SHARDS];
        _Atomic uint64_t connections, silent; /* open now, and those of them that have not asked anything */
};

void tk_metrics_decided(struct tk_metrics *metrics, enum tk_front front, enum tk_code code);
/*
 * A request's headers have come; then, unless it breaks off, all of it. tk_metrics_finished() follows for each. All three on
 * the request's network thread.
 */
void tk_metrics_begun(struct tk_metrics *metrics);
void tk_metrics_arrived(struct tk_metrics *metrics);
/*
 * A request is done with.
 *   route     NULL: there was none
 *   status    0: it was cut off
 *   arrived   whether tk_metrics_arrived() was called for it
 */
void tk_metrics_finished(struct tk_metrics *metrics, const struct tk_route *route, unsigned status,
                         bool arrived, uint64_t duration_ns);

/* Requests that are still coming, and those that have come and are not done with. */
uint64_t tk_metrics_receiving(const struct tk_metrics *metrics);
uint64_t tk_metrics_answering(const struct tk_metrics *metrics);

/* The sum of one counter over all shards, given where it is in the first. */
uint64_t tk_metrics_sum(const _Atomic uint64_t *in_first_shard);

#endif
