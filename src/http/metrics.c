/*
 * Counts. See metrics.h.
 */
#include "http/metrics.h"

#define MS UINT64_C(1000000)

const uint64_t tk_metric_bounds_ns[TK_METRIC_BUCKETS] = {
        10000,  25000,   50000,   100000,   250000,   500000,    MS,         UINT64_C(2500000),
        5 * MS, 10 * MS, 25 * MS, 100 * MS, 500 * MS, 2000 * MS, UINT64_MAX,
};

/* Each thread counts in a shard of its own while there are enough of them. */
static struct tk_metric_shard *my_shard(struct tk_metrics *metrics)
{
        static atomic_uint next;
        static _Thread_local unsigned mine; /* from 1 */
        if (mine == 0)
                mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % TK_METRIC_SHARDS;
        return &metrics->shards[mine - 1];
}

/* Relaxed: counters order nothing, and readers take them as they come. */
static void add(_Atomic uint64_t *counter, uint64_t amount)
{
        atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

void tk_metrics_decided(struct tk_metrics *metrics, enum tk_front front, enum tk_code code)
{
        add(&my_shard(metrics)->decisions[front][code], 1);
}

void tk_metrics_begun(struct tk_metrics *metrics)
{
        add(&my_shard(metrics)->receiving, 1);
}

void tk_metrics_arrived(struct tk_metrics *metrics)
{
        struct tk_metric_shard *shard = my_shard(metrics);
        add(&shard->answering, 1); /* first: whoever waits for both to be zero must not miss it in between */
        add(&shard->receiving, UINT64_MAX);
}

static unsigned bucket_of(uint64_t duration_ns)
{
        unsigned bucket = 0;
        while (duration_ns > tk_metric_bounds_ns[bucket])
                bucket++;
        return bucket;
}

void tk_metrics_finished(struct tk_metrics *metrics, const struct tk_route *route, unsigned status,
                         bool arrived, uint64_t duration_ns)
{
        struct tk_metric_shard *shard = my_shard(metrics);
        unsigned class = status / 100 < TK_METRIC_CLASSES ? status / 100 : 0;
        enum tk_kind kind = route && route->access == TK_ACCESS_VERIFY ? TK_KIND_VERIFY : TK_KIND_ADMIN;
        add(&shard->durations[kind][bucket_of(duration_ns)], 1);
        add(&shard->duration_ns[kind], duration_ns);
        add(&shard->requests[tk_route_index(route)][class], 1);
        add(arrived ? &shard->answering : &shard->receiving, UINT64_MAX);
}

uint64_t tk_metrics_sum(const _Atomic uint64_t *in_first_shard)
{
        const char *first = (const char *)in_first_shard;
        uint64_t sum = 0;
        for (size_t i = 0; i < TK_METRIC_SHARDS; i++) {
                const void *counter = first + i * sizeof(struct tk_metric_shard);
                sum += atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_relaxed);
        }
        return sum;
}

uint64_t tk_metrics_receiving(const struct tk_metrics *metrics)
{
        return tk_metrics_sum(&metrics->shards[0].receiving);
}

uint64_t tk_metrics_answering(const struct tk_metrics *metrics)
{
        return tk_metrics_sum(&metrics->shards[0].answering);
}
