/*
 * Consumers in the registry. Called inside a transaction, on its thread.
 */
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>

#define CONSUMER_SELECT                                                                                      \
        "SELECT id, version, state, name, description, metadata, created_s, updated_s FROM consumers "

static const char CONSUMER_INSERT[] =
        "INSERT INTO consumers (state, name, description, metadata, created_s, updated_s)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5) RETURNING id";
static const char CONSUMER_UPDATE[] = "UPDATE consumers SET version = version + 1, state = ?3, name = ?4,"
                                      " description = ?5, metadata = ?6, updated_s = ?7"
                                      " WHERE id = ?1 AND version = ?2 RETURNING version";
static const char CONSUMER_VERSION[] = "SELECT version FROM consumers WHERE id = ?1";
static const char CONSUMER_GET[] = CONSUMER_SELECT "WHERE id = ?1";
static const char CONSUMER_FIND[] = CONSUMER_SELECT "WHERE name = ?1";
static const char CONSUMER_LIST[] = CONSUMER_SELECT "WHERE id > ?1 ORDER BY id LIMIT ?2";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_consumer *consumer = record;

        consumer->id = tk_take_u64(query);
        consumer->version = tk_take_u64(query);
        consumer->state = (enum tk_state)tk_take_i64(query);
        consumer->name = tk_take_text(query, arena);
        consumer->description = tk_take_text(query, arena);
        consumer->metadata = tk_take_text(query, arena);
        consumer->created_s = tk_take_i64(query);
        consumer->updated_s = tk_take_i64(query);
}

enum tk_err tk_consumer_create(struct tk_txn *txn, struct tk_consumer *consumer,
                               const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, CONSUMER_INSERT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_i64(&query, consumer->state);
        tk_bind_text(&query, consumer->name);
        tk_bind_text(&query, consumer->description);
        tk_bind_text(&query, consumer->metadata);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_number(&query, &consumer->id);
        if (err != TK_OK)
                return err;
        consumer->version = 1;
        consumer->created_s = consumer->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_CONSUMER, consumer->id, consumer->version, change);
}

enum tk_err tk_consumer_update(struct tk_txn *txn, struct tk_consumer *consumer,
                               const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, CONSUMER_UPDATE);
        enum tk_err err;

        tk_bind_u64(&query, consumer->id);
        tk_bind_u64(&query, consumer->version);
        tk_bind_i64(&query, consumer->state);
        tk_bind_text(&query, consumer->name);
        tk_bind_text(&query, consumer->description);
        tk_bind_text(&query, consumer->metadata);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_update(&query, CONSUMER_VERSION, consumer->id, &consumer->version);
        if (err != TK_OK)
                return err;
        consumer->updated_s = change->at_s;
        return tk_change_record(txn, TK_OBJECT_CONSUMER, consumer->id, consumer->version, change);
}

enum tk_err tk_consumer_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                            struct tk_consumer *ret_consumer)
{
        struct tk_query query = tk_query_begin(txn, CONSUMER_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_consumer, arena, ret_consumer);
}

enum tk_err tk_consumer_find(struct tk_txn *txn, struct tk_str name, struct tk_arena *arena,
                             struct tk_consumer *ret_consumer)
{
        struct tk_query query = tk_query_begin(txn, CONSUMER_FIND);

        tk_bind_text(&query, name);
        return tk_query_one(&query, read_row, sizeof *ret_consumer, arena, ret_consumer);
}

enum tk_err tk_consumer_list(struct tk_txn *txn, struct tk_page page, struct tk_arena *arena,
                             struct tk_consumer **ret_consumers, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, CONSUMER_LIST);

        tk_bind_page(&query, page);
        return tk_query_all(&query, read_row, sizeof **ret_consumers, arena, (void **)ret_consumers,
                            ret_count);
}
