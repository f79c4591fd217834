/*
 * Flushing usage (usage_flush.h). One flush at a time, under a mutex: on the flush's own thread, and at the
 * stop on the one that stops. A chunk whose fate is unknown is kept as it is and applied again before
 * anything newer, under the same sequence: the registry knows whether it had it.
 */
#include "service/usage_flush.h"

#include "core/alloc.h"
#include "gate/meter_read.h"
#include "service/ticker.h"
#include "service/used_since.h"

#include <pthread.h>

#define CHUNK_RECORDS  256
#define SINCE_MARGIN_S 60

struct tk_usage_flush {
        struct tk_gate *gate;
        struct tk_registry *registry;
        struct tk_ticker *ticker;
        _Atomic uint32_t seconds;
        struct tk_meter_marks keys, subscriptions;
        atomic_bool unmarked; /* a mark was lost: all are looked at */

        pthread_mutex_t mutex; /* guards what follows */
        enum tk_err result;
        struct tk_moment begun;      /* the chunk's readings */
        struct tk_moment since;      /* the last flush that was complete */
        struct tk_usage_chunk chunk; /* its records are an array of CHUNK_RECORDS */
        struct tk_meter_record *records;
        bool uncertain; /* the chunk may have been applied */
        _Atomic uint64_t chunks, sent, failures;
};

/* ---- one chunk ---- */

struct apply_job {
        const struct tk_usage_chunk *chunk;
        bool applied;
};

static enum tk_err run_apply(struct tk_txn *txn, void *context)
{
        struct apply_job *job = context;
        return tk_usage_apply(txn, job->chunk, &job->applied);
}

static enum tk_err send(struct tk_usage_flush *flush)
{
        struct apply_job job = {.chunk = &flush->chunk};
        if (flush->chunk.count == 0)
                return TK_OK;
        enum tk_err err = tk_registry_write(flush->registry, TK_LANE_NORMAL, run_apply, &job);
        flush->uncertain = err == TK_UNCERTAIN;
        if (err)
                return err;
        atomic_fetch_add(&flush->chunks, 1);
        atomic_fetch_add(&flush->sent, flush->chunk.count);
        flush->chunk.sequence++;
        flush->chunk.count = 0;
        return TK_OK;
}

/* The place for the next record, in a chunk that has room: what is full is sent before. NULL: it could not be. */
static struct tk_meter_record *next_place(struct tk_usage_flush *flush)
{
        if (flush->chunk.count == CHUNK_RECORDS)
                flush->result = send(flush);
        if (flush->result)
                return NULL;
        if (flush->chunk.count == 0) {
                flush->begun = tk_meter_now(flush->gate);
                flush->chunk.gate_ns = flush->begun.gate_ns;
        }
        return &flush->records[flush->chunk.count];
}

/* ---- one flush ---- */

typedef enum tk_err read_fn(struct tk_gate *gate, uint64_t id, const struct tk_moment *now,
                            struct tk_meter_record *ret_record);

static void mark(struct tk_usage_flush *flush, struct tk_meter_marks *marks, uint64_t word, uint64_t bits)
{
        if (bits && !tk_marks_add(marks, word, bits))
                atomic_store(&flush->unmarked, true);
}

/* What was read for a chunk that was refused is marked again. */
static void mark_chunk(struct tk_usage_flush *flush)
{
        for (size_t i = 0; i < flush->chunk.count; i++) {
                const struct tk_meter_owner *owner = &flush->records[i].owner;
                uint64_t bit = UINT64_C(1) << owner->id % 64;
                if (owner->kind == TK_METER_KEY)
                        mark(flush, &flush->keys, owner->id / 64, bit);
                else if (owner->kind == TK_METER_SUBSCRIPTION)
                        mark(flush, &flush->subscriptions, owner->id / 64, bit);
        }
        flush->chunk.count = 0;
}

static void gather(struct tk_usage_flush *flush, struct tk_meter_marks *marks, read_fn *read)
{
        uint64_t bits;
        for (uint64_t word = 0; !flush->result && (bits = tk_marks_next(marks, &word, true)); word++) {
                for (uint64_t left = bits; left; left &= left - 1) {
                        uint64_t bit = left & -left, id = word * 64 + (uint64_t)__builtin_ctzll(left);
                        struct tk_meter_record *place = next_place(flush);
                        if (!place) {
                                mark(flush, marks, word, left);
                                break;
                        }
                        enum tk_err err = read(flush->gate, id, &flush->begun, place);
                        if (err == TK_OK)
                                flush->chunk.count++;
                        else if (err == TK_BUSY)
                                mark(flush, marks, word, bit);
                }
        }
}

static bool take_route(void *context, const struct tk_meter_record *record)
{
        struct tk_usage_flush *flush = context;
        struct tk_meter_record *place = next_place(flush);
        if (!place)
                return false;
        *place = *record;
        flush->chunk.count++;
        return true;
}

static void mark_all(struct tk_usage_flush *flush, const struct tk_moment *now)
{
        uint32_t since_s = tk_used_since_s(&flush->since, now, SINCE_MARGIN_S);
        uint64_t keys = tk_meter_key_count(flush->gate),
                 subscriptions = tk_meter_subscription_count(flush->gate);
        if (!atomic_exchange(&flush->unmarked, false))
                return;
        for (uint64_t id = 1; id < keys; id++)
                if (tk_meter_key_used_s(flush->gate, id) >= since_s)
                        mark(flush, &flush->keys, id / 64, UINT64_C(1) << id % 64);
        for (uint64_t id = 1; id < subscriptions; id++)
                if (tk_meter_subscription_used_s(flush->gate, id) >= since_s)
                        mark(flush, &flush->subscriptions, id / 64, UINT64_C(1) << id % 64);
}

static void flush_once(struct tk_usage_flush *flush)
{
        flush->result = flush->uncertain ? send(flush) : TK_OK;
        if (flush->result && flush->uncertain)
                goto failed;
        if (flush->result)
                mark_chunk(flush);

        flush->begun = tk_meter_now(flush->gate);
        struct tk_moment now = flush->begun;
        mark_all(flush, &now);
        gather(flush, &flush->keys, tk_meter_read_key);
        gather(flush, &flush->subscriptions, tk_meter_read_subscription);
        if (!flush->result)
                tk_meter_each_route(flush->gate, &now, tk_used_since_s(&flush->since, &now, SINCE_MARGIN_S),
                                    take_route, flush);
        if (!flush->result) {
                flush->chunk.complete_s = (int64_t)(now.gate_ns / TK_NS_PER_S);
                flush->result = send(flush);
        }
        if (!flush->result) {
                flush->since = now;
                return;
        }
        if (!flush->uncertain) {
                mark_chunk(flush);
                flush->chunk.complete_s = (int64_t)(flush->since.gate_ns / TK_NS_PER_S);
        }
failed:
        atomic_fetch_add(&flush->failures, 1);
}

/* ---- life ---- */

static void step(void *context)
{
        (void)tk_usage_flush_now(context);
}

static enum tk_err read_last(struct tk_txn *txn, void *context)
{
        struct tk_usage_flush *flush = context;
        uint64_t sequence;
        int64_t complete_s;
        enum tk_err err = tk_usage_last(txn, flush->chunk.incarnation, &sequence, &complete_s);
        if (err)
                return err;
        flush->chunk.sequence = sequence + 1;
        flush->chunk.complete_s = complete_s;
        flush->since = tk_meter_now(flush->gate);
        flush->since.gate_ns = (uint64_t)complete_s * TK_NS_PER_S;
        return TK_OK;
}

/*
 * The first flush looks at all that was used since the last one: by a daemon that was killed, or while there
 * was none.
 */
enum tk_err tk_usage_flush_open(struct tk_gate *gate, struct tk_registry *registry,
                                struct tk_usage_flush **ret_flush)
{
        struct tk_usage_flush *flush = tk_calloc(1, sizeof *flush);
        if (!flush)
                return TK_NOMEM;
        pthread_mutex_init(&flush->mutex, NULL);
        flush->gate = gate;
        flush->registry = registry;
        flush->chunk.incarnation = tk_meter_incarnation(gate);
        flush->records = tk_calloc(CHUNK_RECORDS, sizeof *flush->records);
        flush->chunk.records = flush->records;
        atomic_store(&flush->unmarked, true);
        enum tk_err err = flush->records ? tk_registry_read(registry, read_last, flush) : TK_NOMEM;
        if (!err)
                err = tk_ticker_start(step, flush, &flush->ticker);
        if (err) {
                tk_usage_flush_close(flush);
                return err;
        }
        *ret_flush = flush;
        return TK_OK;
}

void tk_usage_flush_close(struct tk_usage_flush *flush)
{
        if (!flush)
                return;
        if (flush->ticker) {
                tk_ticker_stop(flush->ticker);
                (void)tk_usage_flush_now(flush); /* the journal has what cannot be flushed */
        }
        tk_marks_fini(&flush->keys);
        tk_marks_fini(&flush->subscriptions);
        pthread_mutex_destroy(&flush->mutex);
        tk_free(flush->records);
        tk_free(flush);
}

void tk_usage_flush_mark_keys(struct tk_usage_flush *flush, uint64_t word, uint64_t bits)
{
        mark(flush, &flush->keys, word, bits);
}

void tk_usage_flush_mark_subscriptions(struct tk_usage_flush *flush, uint64_t word, uint64_t bits)
{
        mark(flush, &flush->subscriptions, word, bits);
}

void tk_usage_flush_tick(struct tk_usage_flush *flush)
{
        if ((atomic_fetch_add(&flush->seconds, 1) + 1) % TK_USAGE_FLUSH_S == 0)
                tk_ticker_tick(flush->ticker);
}

enum tk_err tk_usage_flush_now(struct tk_usage_flush *flush)
{
        pthread_mutex_lock(&flush->mutex);
        flush_once(flush);
        enum tk_err result = flush->result;
        pthread_mutex_unlock(&flush->mutex);
        return result;
}

void tk_usage_flush_stats(struct tk_usage_flush *flush, struct tk_usage_flush_stats *ret_stats)
{
        *ret_stats = (struct tk_usage_flush_stats){.chunks = atomic_load(&flush->chunks),
                                                   .records = atomic_load(&flush->sent),
                                                   .failures = atomic_load(&flush->failures)};
}
