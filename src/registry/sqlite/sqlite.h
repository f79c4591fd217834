/*
 * The SQLite engine behind registry/driver.h. The registry takes the table; the rest is between the files of this folder.
 */
#ifndef TK_REGISTRY_SQLITE_SQLITE_H
#define TK_REGISTRY_SQLITE_SQLITE_H

#include "registry/driver.h"

#include <sqlite3.h>

extern const struct tk_driver tk_sqlite_driver;

/* Embedded by migrations/embed.py. */
extern const struct tk_migration tk_migrations_sqlite[];

/* ---- statement.c ---- */

struct tk_stmt {
        struct tk_db *db;
        const char *sql; /* NULL: an empty place */
        sqlite3_stmt *handle;
        bool in_use;
};

/* A hash table by the address of the text; there are fewer statements in the program than half of it. */
#define TK_SQLITE_STATEMENTS 256

struct tk_db {
        sqlite3 *handle;
        int wal_frames; /* in the write-ahead log after the last commit of this connection */
        struct tk_stmt statements[TK_SQLITE_STATEMENTS];
};

/* What a result code of this connection means. */
enum tk_err tk_sqlite_error(const struct tk_db *db, int code);

enum tk_err tk_sqlite_prepare(struct tk_db *db, const char *sql, struct tk_stmt **ret_stmt);
enum tk_err tk_sqlite_bind_i64(struct tk_stmt *stmt, int parameter, int64_t value);
enum tk_err tk_sqlite_bind_text(struct tk_stmt *stmt, int parameter, struct tk_str value);
enum tk_err tk_sqlite_bind_blob(struct tk_stmt *stmt, int parameter, struct tk_str value);
enum tk_err tk_sqlite_step(struct tk_stmt *stmt, bool *ret_row);
int64_t tk_sqlite_changes(struct tk_db *db);
int64_t tk_sqlite_column_i64(struct tk_stmt *stmt, int column);
struct tk_str tk_sqlite_column_bytes(struct tk_stmt *stmt, int column);
void tk_sqlite_reset(struct tk_stmt *stmt);
void tk_sqlite_finalize_all(struct tk_db *db);

/* ---- transaction.c ---- */

/* Prepare what the transactions need, so that undoing one never needs memory. */
enum tk_err tk_sqlite_prepare_transactions(struct tk_db *db);
enum tk_err tk_sqlite_begin(struct tk_db *db, enum tk_db_mode mode);
enum tk_err tk_sqlite_commit(struct tk_db *db);
void tk_sqlite_rollback(struct tk_db *db);
enum tk_err tk_sqlite_savepoint(struct tk_db *db);
enum tk_err tk_sqlite_savepoint_keep(struct tk_db *db);
enum tk_err tk_sqlite_savepoint_undo(struct tk_db *db);
bool tk_sqlite_in_transaction(struct tk_db *db);

/* ---- checkpoint.c ---- */

void tk_sqlite_maintain(struct tk_db *db, bool out_of_space);
uint64_t tk_sqlite_space_wanted(struct tk_db *db);

/* ---- copy.c ---- */

enum tk_err tk_sqlite_copy(struct tk_db *db, const char *path);
struct tk_registry_look;
/* TK_CORRUPT: it is no database; TK_IO. */
enum tk_err tk_sqlite_inspect(const char *path, struct tk_registry_look *ret_look);

#endif
