/*
 * The change feed: which object has reached which version, in the order of commits. The publisher follows it and reads
 * the objects anew; so a row holds no content. Rows are never changed.
 */
#include "registry/change.h"
#include "registry/query.h"

static const char FEED_INSERT[] =
        "INSERT INTO feed (seq, object, object_id, version) VALUES (?1, ?2, ?3, ?4)";
static const char FEED_SINCE[] =
        "SELECT f.seq, f.object, f.object_id, f.version, COALESCE(s.count, 1) FROM feed f"
        " LEFT JOIN feed_spans s ON s.seq = f.seq WHERE f.seq > ?1 ORDER BY f.seq LIMIT ?2";
static const char SPAN_INSERT[] = "INSERT INTO feed_spans (seq, count) VALUES (?1, ?2)";
static const char FEED_LAST[] = "SELECT value FROM counters WHERE name = 'feed'";

static enum tk_err append(struct tk_txn *txn, enum tk_object object, uint64_t object_id, uint64_t version,
                          uint64_t *ret_seq)
{
        uint64_t seq;
        enum tk_err err = tk_counter_next(txn, TK_STR("feed"), &seq);
        struct tk_query query;

        if (err != TK_OK)
                return err;
        query = tk_query_begin(txn, FEED_INSERT);
        tk_bind_u64(&query, seq);
        tk_bind_i64(&query, object);
        tk_bind_u64(&query, object_id);
        tk_bind_u64(&query, version);
        *ret_seq = seq;
        return tk_query_run(&query);
}

enum tk_err tk_feed_append(struct tk_txn *txn, enum tk_object object, uint64_t object_id, uint64_t version)
{
        uint64_t seq;

        return append(txn, object, object_id, version, &seq);
}

enum tk_err tk_feed_append_span(struct tk_txn *txn, enum tk_object object, uint64_t first_id, uint64_t count)
{
        uint64_t seq;
        enum tk_err err = append(txn, object, first_id, 1, &seq);
        struct tk_query query;

        if (err != TK_OK || count == 1)
                return err;
        query = tk_query_begin(txn, SPAN_INSERT);
        tk_bind_u64(&query, seq);
        tk_bind_u64(&query, count);
        return tk_query_run(&query);
}

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_feed_row *row = record;

        (void)arena;
        row->seq = tk_take_u64(query);
        row->object = (enum tk_object)tk_take_i64(query);
        row->object_id = tk_take_u64(query);
        row->version = tk_take_u64(query);
        row->count = tk_take_u64(query);
}

enum tk_err tk_feed_since(struct tk_txn *txn, uint64_t after_seq, uint32_t limit, struct tk_arena *arena,
                          struct tk_feed_row **ret_rows, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, FEED_SINCE);

        tk_bind_u64(&query, after_seq);
        tk_bind_u64(&query, limit);
        return tk_query_all(&query, read_row, sizeof **ret_rows, arena, (void **)ret_rows, ret_count);
}

/* The counter, not the highest row: rows may be dropped one day, numbers are not given out again. */
enum tk_err tk_feed_last(struct tk_txn *txn, uint64_t *ret_seq)
{
        struct tk_query query = tk_query_begin(txn, FEED_LAST);

        return tk_query_number(&query, ret_seq);
}
