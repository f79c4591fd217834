/*
 * The counters of the registry, and the record that each write leaves: one audit entry, one feed row.
 * Writer thread, inside a job.
 */
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>

static const char COUNTER_NEXT[] = "UPDATE counters SET value = value + 1 WHERE name = ?1 RETURNING value";

static const char COUNTER_TAKE[] = "UPDATE counters SET value = value + ?2 WHERE name = ?1 RETURNING value";

enum tk_err tk_counter_take(struct tk_txn *txn, struct tk_str name, uint64_t count, uint64_t *ret_first)
{
        struct tk_query query = tk_query_begin(txn, COUNTER_TAKE);
        uint64_t last;
        enum tk_err err;

        assert(txn->writable);
        tk_bind_text(&query, name);
        tk_bind_u64(&query, count);
        err = tk_query_number(&query, &last);
        if (err == TK_OK)
                *ret_first = last - count + 1;
        return err == TK_NOT_FOUND ? TK_CORRUPT : err;
}

enum tk_err tk_counter_next(struct tk_txn *txn, struct tk_str name, uint64_t *ret_value)
{
        struct tk_query query = tk_query_begin(txn, COUNTER_NEXT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_text(&query, name);
        err = tk_query_number(&query, ret_value);
        return err == TK_NOT_FOUND ? TK_CORRUPT : err;
}

enum tk_err tk_change_record(struct tk_txn *txn, enum tk_object object, uint64_t id, uint64_t version,
                             const struct tk_change *change)
{
        enum tk_err err = tk_audit_note(txn, object, id, change);

        return err == TK_OK ? tk_feed_append(txn, object, id, version) : err;
}
