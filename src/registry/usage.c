/*
 * Usage as it was last flushed from the gate's meters: totals an owner, and which flushes have been applied. Called inside a
 * transaction, on its thread. Ids, incarnations and generations are numbers of 64 bits that an engine keeps as signed ones.
 */
#include "registry/query.h"

#include <assert.h>
#include <string.h>

/* A row comes back only where this chunk is new. */
static const char FLUSH_PUT[] =
        "INSERT INTO usage_flushes (incarnation, sequence, complete_s) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (incarnation) DO UPDATE SET sequence = excluded.sequence, complete_s = "
        "excluded.complete_s"
        " WHERE usage_flushes.sequence < excluded.sequence RETURNING sequence";
static const char FLUSH_LAST[] = "SELECT sequence, complete_s FROM usage_flushes WHERE incarnation = ?1";

/* `refused` as tk_meter_total() reckons it. */
static const char TOTAL_PUT[] =
        "INSERT INTO usage_totals"
        " (kind, owner_id, generation, admitted, refused, last_used_s, gate_ns, limit_count, limits)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        " ON CONFLICT (kind, owner_id, generation) DO UPDATE SET"
        " admitted = CASE WHEN excluded.admitted > usage_totals.admitted"
        " THEN excluded.admitted ELSE usage_totals.admitted END,"
        " refused = CASE WHEN ((excluded.refused - usage_totals.refused) & 4294967295) < 2147483648"
        " THEN usage_totals.refused + ((excluded.refused - usage_totals.refused) & 4294967295)"
        " ELSE usage_totals.refused END,"
        " last_used_s = CASE WHEN excluded.last_used_s > usage_totals.last_used_s"
        " THEN excluded.last_used_s ELSE usage_totals.last_used_s END,"
        " gate_ns = excluded.gate_ns, limit_count = excluded.limit_count, limits = excluded.limits";

#define TOTAL_COLUMNS                                                                                        \
        "SELECT kind, owner_id, generation, admitted, refused, last_used_s, gate_ns, limit_count, limits"    \
        " FROM usage_totals"
static const char TOTAL_GET[] = TOTAL_COLUMNS " WHERE kind = ?1 AND owner_id = ?2 AND generation = ?3";
static const char TOTAL_EACH[] = TOTAL_COLUMNS;

/* ---- write ---- */

static void bind_owner(struct tk_query *query, const struct tk_meter_owner *owner)
{
        tk_bind_i64(query, owner->kind);
        tk_bind_i64(query, (int64_t)owner->id);
        tk_bind_i64(query, owner->generation);
}

static enum tk_err put_total(struct tk_txn *txn, const struct tk_meter_record *record, uint64_t gate_ns)
{
        uint8_t limits[TK_METER_LIMITS_BYTES_MAX];
        struct tk_query query = tk_query_begin(txn, TOTAL_PUT);

        bind_owner(&query, &record->owner);
        tk_bind_u64(&query, record->admitted);
        tk_bind_u64(&query, record->refused);
        tk_bind_u64(&query, record->last_used_s);
        tk_bind_u64(&query, gate_ns);
        tk_bind_u64(&query, record->limit_count);
        tk_bind_blob(&query, limits, tk_meter_limits_encode(record, limits));
        return tk_query_run(&query);
}

static enum tk_err put_flush(struct tk_txn *txn, const struct tk_usage_chunk *chunk, bool *ret_fresh)
{
        struct tk_query query = tk_query_begin(txn, FLUSH_PUT);

        tk_bind_i64(&query, (int64_t)chunk->incarnation);
        tk_bind_u64(&query, chunk->sequence);
        tk_bind_i64(&query, chunk->complete_s);
        *ret_fresh = tk_query_next(&query);
        return tk_query_run(&query);
}

enum tk_err tk_usage_apply(struct tk_txn *txn, const struct tk_usage_chunk *chunk, bool *ret_applied)
{
        bool fresh = false;
        enum tk_err err = TK_OK;

        assert(txn->writable);
        txn->beside_gate = true;
        for (size_t i = 0; i < chunk->count; i++)
                if (chunk->records[i].owner.kind == TK_METER_NAMED)
                        err = TK_INVALID;
        if (err == TK_OK)
                err = put_flush(txn, chunk, &fresh);
        for (size_t i = 0; err == TK_OK && fresh && i < chunk->count; i++)
                err = put_total(txn, &chunk->records[i], chunk->gate_ns);
        if (err == TK_OK)
                *ret_applied = fresh;
        return err;
}

/* ---- read ---- */

enum tk_err tk_usage_last(struct tk_txn *txn, uint64_t incarnation, uint64_t *ret_sequence,
                          int64_t *ret_complete_s)
{
        uint64_t sequence = 0;
        int64_t complete_s = 0;
        struct tk_query query = tk_query_begin(txn, FLUSH_LAST);

        tk_bind_i64(&query, (int64_t)incarnation);
        if (tk_query_next(&query)) {
                sequence = tk_take_u64(&query);
                complete_s = tk_take_i64(&query);
        }
        enum tk_err err = tk_query_end(&query);
        if (err == TK_OK) {
                *ret_sequence = sequence;
                *ret_complete_s = complete_s;
        }
        return err;
}

static void read_total(struct tk_query *query, struct tk_usage_total *ret_total)
{
        struct tk_meter_record *record = &ret_total->record;

        memset(ret_total, 0, sizeof *ret_total);
        record->owner.kind = (enum tk_meter_kind)tk_take_i64(query);
        record->owner.id = (uint64_t)tk_take_i64(query);
        record->owner.generation = (uint16_t)tk_take_i64(query);
        record->admitted = tk_take_u64(query);
        ret_total->refused = tk_take_u64(query);
        record->refused = (uint32_t)ret_total->refused;
        record->last_used_s = (uint32_t)tk_take_u64(query);
        ret_total->gate_ns = tk_take_u64(query);
        uint32_t count = (uint32_t)tk_take_u64(query);
        struct tk_str limits = tk_take_view(query);
        if (!tk_meter_limits_decode((const uint8_t *)limits.ptr, limits.len, count, record))
                tk_query_fail(query, TK_CORRUPT);
}

enum tk_err tk_usage_get(struct tk_txn *txn, const struct tk_meter_owner *owner,
                         struct tk_usage_total *ret_total)
{
        struct tk_usage_total total;
        struct tk_query query = tk_query_begin(txn, TOTAL_GET);

        bind_owner(&query, owner);
        bool found = tk_query_next(&query);
        if (found)
                read_total(&query, &total);
        enum tk_err err = tk_query_end(&query);
        if (err != TK_OK)
                return err;
        if (found)
                *ret_total = total;
        return found ? TK_OK : TK_NOT_FOUND;
}

enum tk_err tk_usage_each(struct tk_txn *txn, tk_usage_visit_fn *visit, void *context)
{
        struct tk_usage_total total;
        enum tk_err err = TK_OK;
        struct tk_query query = tk_query_begin(txn, TOTAL_EACH);

        while (err == TK_OK && tk_query_next(&query)) {
                read_total(&query, &total);
                if (query.err == TK_OK)
                        err = visit(context, &total);
        }
        enum tk_err read_err = tk_query_end(&query);
        return read_err != TK_OK ? read_err : err;
}
