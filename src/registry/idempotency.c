/*
 * Remembered requests: which object an Idempotency-Key made, written in the transaction that made it, so that a client
 * that lost the answer can ask again without making a second one. Called inside a transaction, on its thread.
 */
#include "registry/query.h"

#include <assert.h>
#include <string.h>

static const char IDEMPOTENCY_FIND[] = "SELECT request_hash, object, object_id, created_s FROM idempotency"
                                       " WHERE actor = ?1 AND request_key = ?2";
static const char IDEMPOTENCY_PUT[] =
        "INSERT INTO idempotency (actor, request_key, request_hash, object, object_id, created_s)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char IDEMPOTENCY_PURGE[] =
        "DELETE FROM idempotency WHERE (actor, request_key) IN (SELECT actor, request_key FROM idempotency"
        " WHERE created_s < ?1 ORDER BY created_s LIMIT ?2)";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_idempotency *found = record;

        (void)arena;
        tk_take_blob(query, found->request_hash, sizeof found->request_hash);
        found->object = (enum tk_object)tk_take_i64(query);
        found->object_id = tk_take_u64(query);
        found->created_s = tk_take_i64(query);
}

enum tk_err tk_idempotency_find(struct tk_txn *txn, struct tk_idempotency *inout)
{
        struct tk_query query = tk_query_begin(txn, IDEMPOTENCY_FIND);
        struct tk_idempotency found = {0};
        struct tk_arena scratch;
        enum tk_err err;

        tk_bind_text(&query, inout->actor);
        tk_bind_text(&query, inout->key);
        tk_arena_init(&scratch, 0);
        err = tk_query_one(&query, read_row, sizeof found, &scratch, &found);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        if (memcmp(found.request_hash, inout->request_hash, sizeof found.request_hash) != 0)
                return TK_CONFLICT;
        inout->object = found.object;
        inout->object_id = found.object_id;
        inout->created_s = found.created_s;
        return TK_OK;
}

enum tk_err tk_idempotency_put(struct tk_txn *txn, const struct tk_idempotency *record)
{
        struct tk_query query = tk_query_begin(txn, IDEMPOTENCY_PUT);

        assert(txn->writable);
        tk_bind_text(&query, record->actor);
        tk_bind_text(&query, record->key);
        tk_bind_blob(&query, record->request_hash, sizeof record->request_hash);
        tk_bind_i64(&query, record->object);
        tk_bind_u64(&query, record->object_id);
        tk_bind_i64(&query, record->created_s);
        return tk_query_run(&query);
}

enum tk_err tk_idempotency_purge(struct tk_txn *txn, int64_t before_s, uint32_t limit)
{
        struct tk_query query = tk_query_begin(txn, IDEMPOTENCY_PURGE);

        assert(txn->writable);
        tk_bind_i64(&query, before_s);
        tk_bind_u64(&query, limit);
        return tk_query_run(&query);
}
