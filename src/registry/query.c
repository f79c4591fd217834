/*
 * Runs prepared statements for the noun files: the sticky error, the order of parameters and columns, and the four
 * shapes that a query has here (effect, number, one row, all rows). Thread of the transaction; keeps nothing.
 */
#include "registry/query.h"

#include "registry/codec.h"

#include <assert.h>
#include <string.h>

#define FIRST_ROOM 16

void tk_txn_fail(struct tk_txn *txn, enum tk_err err)
{
        if (txn->err == TK_OK)
                txn->err = err;
}

void tk_query_fail(struct tk_query *query, enum tk_err err)
{
        if (query->err == TK_OK)
                query->err = err;
}

struct tk_query tk_query_begin(struct tk_txn *txn, const char *sql)
{
        struct tk_query query = {.txn = txn};

        query.err = txn->err;
        if (query.err == TK_OK)
                query.err = txn->driver->prepare(txn->db, sql, &query.stmt);
        return query;
}

/* An absent row or a stale version is an answer; what a statement itself fails with ends the transaction's use. */
enum tk_err tk_query_end(struct tk_query *query)
{
        if (query->stmt != NULL)
                query->txn->driver->reset(query->stmt);
        query->stmt = NULL;
        tk_txn_fail(query->txn, query->err);
        return query->err;
}

void tk_bind_i64(struct tk_query *query, int64_t value)
{
        query->bound++;
        if (query->err == TK_OK)
                query->err = query->txn->driver->bind_i64(query->stmt, query->bound, value);
}

void tk_bind_u64(struct tk_query *query, uint64_t value)
{
        tk_bind_i64(query, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void tk_bind_text(struct tk_query *query, struct tk_str value)
{
        query->bound++;
        if (query->err == TK_OK && !tk_text_storable(value))
                query->err = TK_INVALID;
        if (query->err == TK_OK)
                query->err = query->txn->driver->bind_text(query->stmt, query->bound, value);
}

void tk_bind_blob(struct tk_query *query, const void *bytes, size_t len)
{
        query->bound++;
        if (query->err == TK_OK)
                query->err =
                        query->txn->driver->bind_blob(query->stmt, query->bound, (struct tk_str){bytes, len});
}

void tk_bind_page(struct tk_query *query, struct tk_page page)
{
        if (page.limit < 1 || page.limit > TK_PAGE_LIMIT_MAX)
                tk_query_fail(query, TK_INVALID);
        tk_bind_u64(query, page.after_id);
        tk_bind_u64(query, page.limit);
}

bool tk_query_next(struct tk_query *query)
{
        bool row = false;

        query->column = 0;
        if (query->err == TK_OK)
                query->err = query->txn->driver->step(query->stmt, &row);
        return query->err == TK_OK && row;
}

int64_t tk_take_i64(struct tk_query *query)
{
        int column = query->column++;

        return query->err == TK_OK ? query->txn->driver->column_i64(query->stmt, column) : 0;
}

/* Nothing that is stored is negative; where it is, the row is damaged. */
uint64_t tk_take_u64(struct tk_query *query)
{
        int64_t value = tk_take_i64(query);

        if (value < 0) {
                tk_query_fail(query, TK_CORRUPT);
                return 0;
        }
        return (uint64_t)value;
}

struct tk_str tk_take_view(struct tk_query *query)
{
        int column = query->column++;

        return query->err == TK_OK ? query->txn->driver->column_bytes(query->stmt, column) : TK_STR("");
}

struct tk_str tk_take_text(struct tk_query *query, struct tk_arena *arena)
{
        struct tk_str copy = tk_arena_copy(arena, tk_take_view(query));

        if (copy.ptr != NULL)
                return copy;
        tk_query_fail(query, TK_NOMEM);
        return TK_STR("");
}

void tk_take_blob(struct tk_query *query, void *ret_bytes, size_t len)
{
        struct tk_str view = tk_take_view(query);

        if (query->err == TK_OK && view.len != len)
                query->err = TK_CORRUPT;
        if (query->err == TK_OK)
                memcpy(ret_bytes, view.ptr, len);
}

enum tk_err tk_query_run(struct tk_query *query)
{
        while (tk_query_next(query)) {
        }
        return tk_query_end(query);
}

/* Constraints are checked when a statement ends, not when it gives its row: so step on to the end. */
enum tk_err tk_query_number(struct tk_query *query, uint64_t *ret_number)
{
        bool found = tk_query_next(query);
        uint64_t number = found ? tk_take_u64(query) : 0;
        enum tk_err err = found ? tk_query_run(query) : tk_query_end(query);

        if (err != TK_OK)
                return err;
        if (!found)
                return TK_NOT_FOUND;
        *ret_number = number;
        return TK_OK;
}

enum tk_err tk_query_one(struct tk_query *query, tk_read_row_fn *read_row, size_t record_bytes,
                         struct tk_arena *arena, void *ret_record)
{
        void *record = NULL;
        enum tk_err err;

        if (tk_query_next(query)) {
                record = tk_arena_alloc(arena, record_bytes);
                if (record != NULL)
                        read_row(query, arena, record);
                else
                        tk_query_fail(query, TK_NOMEM);
        }
        err = tk_query_end(query);
        if (err != TK_OK)
                return err;
        if (record == NULL)
                return TK_NOT_FOUND;
        memcpy(ret_record, record, record_bytes);
        return TK_OK;
}

/* An array in an arena that doubles when it is full. */
struct rows {
        unsigned char *items;
        size_t item_bytes, count, room;
};

static void *rows_add(struct rows *rows, struct tk_arena *arena)
{
        if (rows->count == rows->room) {
                size_t room = rows->room == 0 ? FIRST_ROOM : rows->room * 2;
                unsigned char *items = tk_arena_alloc(arena, room * rows->item_bytes);

                if (items == NULL)
                        return NULL;
                if (rows->count > 0)
                        memcpy(items, rows->items, rows->count * rows->item_bytes);
                rows->items = items;
                rows->room = room;
        }
        return rows->items + rows->item_bytes * rows->count++;
}

enum tk_err tk_query_all(struct tk_query *query, tk_read_row_fn *read_row, size_t record_bytes,
                         struct tk_arena *arena, void **ret_records, size_t *ret_count)
{
        struct rows rows = {.item_bytes = record_bytes};
        enum tk_err err;

        while (tk_query_next(query)) {
                void *record = rows_add(&rows, arena);

                if (record == NULL)
                        tk_query_fail(query, TK_NOMEM);
                else
                        read_row(query, arena, record);
        }
        err = tk_query_end(query);
        if (err != TK_OK)
                return err;
        *ret_records = rows.items;
        *ret_count = rows.count;
        return TK_OK;
}

enum tk_err tk_query_update(struct tk_query *update, const char *version_sql, uint64_t id,
                            uint64_t *inout_version)
{
        struct tk_query query;
        uint64_t version = 0;
        enum tk_err err = tk_query_number(update, &version);

        assert(update->txn->writable);
        if (err == TK_OK)
                *inout_version = version;
        if (err != TK_NOT_FOUND || update->err != TK_OK)
                return err;

        query = tk_query_begin(update->txn, version_sql);
        tk_bind_u64(&query, id);
        err = tk_query_number(&query, &version);
        if (err != TK_OK)
                return err;
        return version == *inout_version ? TK_CONFLICT : TK_STALE;
}
