/*
 * SQLite's prepared statements: prepared once for each connection, found again by the address of their text. One thread
 * at a time, that of the connection. Also what SQLite's result codes mean to the registry.
 */
#include "registry/sqlite/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static enum tk_err constraint_error(int extended)
{
        switch (extended) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
                return TK_CONFLICT;
        case SQLITE_CONSTRAINT_FOREIGNKEY:
                return TK_NOT_FOUND;
        default:
                return TK_INVALID;
        }
}

/* SQLite says FULL for ENOSPC on a write only; a quota, and the shared index of the log, come as I/O errors. */
static enum tk_err io_error(const struct tk_db *db, int extended)
{
        int os_error = db->handle == NULL ? 0 : sqlite3_system_errno(db->handle);

        if (extended == SQLITE_IOERR_NOMEM)
                return TK_NOMEM;
        if (extended == SQLITE_IOERR_SHMSIZE || os_error == ENOSPC || os_error == EDQUOT)
                return TK_FULL;
        return TK_IO;
}

enum tk_err tk_sqlite_error(const struct tk_db *db, int code)
{
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return TK_OK;
        case SQLITE_CONSTRAINT:
                return constraint_error(code);
        case SQLITE_MISMATCH:
        case SQLITE_TOOBIG:
                return TK_INVALID;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
                return TK_BUSY;
        case SQLITE_FULL:
                return TK_FULL;
        case SQLITE_NOMEM:
                return TK_NOMEM;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return TK_CORRUPT;
        case SQLITE_IOERR:
                return io_error(db, code);
        default:
                return TK_IO;
        }
}

/* The place of a text: where it is, or the empty one where it belongs. */
static struct tk_stmt *place_of(struct tk_db *db, const char *sql)
{
        size_t at = ((uintptr_t)sql >> 3) % TK_SQLITE_STATEMENTS;

        for (size_t tried = 0; tried < TK_SQLITE_STATEMENTS; tried++) {
                struct tk_stmt *stmt = &db->statements[at];

                if (stmt->sql == sql || stmt->sql == NULL)
                        return stmt;
                at = (at + 1) % TK_SQLITE_STATEMENTS;
        }
        abort(); /* more statements in the program than places for them */
}

enum tk_err tk_sqlite_prepare(struct tk_db *db, const char *sql, struct tk_stmt **ret_stmt)
{
        struct tk_stmt *stmt = place_of(db, sql);
        int code;

        assert(!stmt->in_use);
        if (stmt->handle == NULL) {
                code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle,
                                          NULL);
                if (code != SQLITE_OK)
                        return tk_sqlite_error(db, code);
                stmt->db = db;
                stmt->sql = sql;
        }
        stmt->in_use = true;
        *ret_stmt = stmt;
        return TK_OK;
}

enum tk_err tk_sqlite_bind_i64(struct tk_stmt *stmt, int parameter, int64_t value)
{
        return tk_sqlite_error(stmt->db, sqlite3_bind_int64(stmt->handle, parameter, value));
}

/* A NULL pointer would bind NULL: an empty slice is an empty value. */
enum tk_err tk_sqlite_bind_text(struct tk_stmt *stmt, int parameter, struct tk_str value)
{
        const char *bytes = value.len > 0 ? value.ptr : "";

        return tk_sqlite_error(stmt->db, sqlite3_bind_text64(stmt->handle, parameter, bytes, value.len,
                                                             SQLITE_STATIC, SQLITE_UTF8));
}

enum tk_err tk_sqlite_bind_blob(struct tk_stmt *stmt, int parameter, struct tk_str value)
{
        const char *bytes = value.len > 0 ? value.ptr : "";

        return tk_sqlite_error(stmt->db,
                               sqlite3_bind_blob64(stmt->handle, parameter, bytes, value.len, SQLITE_STATIC));
}

enum tk_err tk_sqlite_step(struct tk_stmt *stmt, bool *ret_row)
{
        int code = sqlite3_step(stmt->handle);

        *ret_row = code == SQLITE_ROW;
        if (code == SQLITE_ROW || code == SQLITE_DONE)
                return TK_OK;
        return tk_sqlite_error(stmt->db, sqlite3_extended_errcode(stmt->db->handle));
}

int64_t tk_sqlite_changes(struct tk_db *db)
{
        return sqlite3_changes64(db->handle);
}

int64_t tk_sqlite_column_i64(struct tk_stmt *stmt, int column)
{
        return sqlite3_column_int64(stmt->handle, column);
}

struct tk_str tk_sqlite_column_bytes(struct tk_stmt *stmt, int column)
{
        const char *bytes = sqlite3_column_blob(stmt->handle, column);
        int len = sqlite3_column_bytes(stmt->handle, column);

        return bytes == NULL ? TK_STR("") : (struct tk_str){bytes, (size_t)len};
}

/* The bindings go too: they point at bytes of the caller. The error of reset is that of the last step, known already. */
void tk_sqlite_reset(struct tk_stmt *stmt)
{
        sqlite3_reset(stmt->handle);
        sqlite3_clear_bindings(stmt->handle);
        stmt->in_use = false;
}

void tk_sqlite_finalize_all(struct tk_db *db)
{
        for (size_t i = 0; i < TK_SQLITE_STATEMENTS; i++) {
                assert(!db->statements[i].in_use);
                sqlite3_finalize(db->statements[i].handle);
        }
}
