/*
 * One run of one prepared statement, written down as it reads: bind in order, take rows, take columns in order. The first
 * error sticks, so the noun files check once, at the end.
 *
 * Used by the noun files (apis.c, keys.c, ...) inside a transaction, on the thread that runs it.
 */
#ifndef TK_REGISTRY_QUERY_H
#define TK_REGISTRY_QUERY_H

#include "core/arena.h"
#include "registry/driver.h"
#include "registry/registry.h"

#define TK_PAGE_LIMIT_MAX 1000

struct tk_txn {
        const struct tk_driver *driver;
        struct tk_db *db;
        bool writable;
        /*
         * The first failure of a statement, or of a half-done write. A job with one is undone even if it says TK_OK: after a failed statement some
         * engines refuse everything up to the end of the transaction.
         */
        enum tk_err err;
        bool beside_gate; /* what was written is nothing that the gate must be told: it waits for no publication */
};

struct tk_query {
        struct tk_txn *txn;
        struct tk_stmt *stmt;
        enum tk_err err;
        int bound;  /* parameters so far */
        int column; /* next to be read */
};

/* Note an error for which the job must be undone; TK_OK changes nothing. */
void tk_txn_fail(struct tk_txn *txn, enum tk_err err);

/* `sql` is static storage. */
struct tk_query tk_query_begin(struct tk_txn *txn, const char *sql);
/* Release the statement. The first error, or TK_OK. */
enum tk_err tk_query_end(struct tk_query *query);

/*
 * Bind the next parameter. Bytes must outlive the query. Text that is not UTF-8 or holds a NUL is TK_INVALID.
 * A number above INT64_MAX becomes INT64_MAX: no id, version or sequence is that high, so it finds nothing.
 */
void tk_bind_u64(struct tk_query *query, uint64_t value);
void tk_bind_i64(struct tk_query *query, int64_t value);
void tk_bind_text(struct tk_query *query, struct tk_str value);
void tk_bind_blob(struct tk_query *query, const void *bytes, size_t len);

/* The next row, if there is one. False also after an error. */
bool tk_query_next(struct tk_query *query);

/* Take the next column of the row. Text is copied to `arena`. After an error: zero, empty. */
uint64_t tk_take_u64(struct tk_query *query);
int64_t tk_take_i64(struct tk_query *query);
struct tk_str tk_take_text(struct tk_query *query, struct tk_arena *arena);
/* Exactly `len` bytes; TK_CORRUPT when there are more or fewer. */
void tk_take_blob(struct tk_query *query, void *ret_bytes, size_t len);
/* The column where it lies, valid until the next row. */
struct tk_str tk_take_view(struct tk_query *query);

/* Note an error that reading a row brought up, such as a column that cannot be decoded. */
void tk_query_fail(struct tk_query *query, enum tk_err err);

/* ---- whole queries, parameters bound already; they end the query ---- */

/* Run for its effect, or until the rows are used up. */
enum tk_err tk_query_run(struct tk_query *query);

/* The single number of a single row: RETURNING id, COUNT(*). TK_NOT_FOUND without a row. */
enum tk_err tk_query_number(struct tk_query *query, uint64_t *ret_number);

/* Reads the columns of the current row into a zeroed record; errors stay with the query. */
typedef void tk_read_row_fn(struct tk_query *query, struct tk_arena *arena, void *record);

/* One row into *ret_record, written only on success. TK_NOT_FOUND without a row. */
enum tk_err tk_query_one(struct tk_query *query, tk_read_row_fn *read_row, size_t record_bytes,
                         struct tk_arena *arena, void *ret_record);

/* All rows into an array in `arena`. */
enum tk_err tk_query_all(struct tk_query *query, tk_read_row_fn *read_row, size_t record_bytes,
                         struct tk_arena *arena, void **ret_records, size_t *ret_count);

/* Bind `after_id` and `limit` next. TK_INVALID when the limit is not 1 to TK_PAGE_LIMIT_MAX. */
void tk_bind_page(struct tk_query *query, struct tk_page page);

/*
 * The end of `UPDATE ... WHERE id = ? AND version = ? RETURNING version`: the new version, or why no row was changed.
 *   version_sql  `SELECT version FROM ... WHERE id = ?1`
 * TK_NOT_FOUND, TK_STALE; TK_CONFLICT when the version is right and another condition of the update was not met.
 */
enum tk_err tk_query_update(struct tk_query *update, const char *version_sql, uint64_t id,
                            uint64_t *inout_version);

#endif
