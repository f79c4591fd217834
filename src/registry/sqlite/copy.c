/*
 * A copy of a registry while it is in use, and a look at one that is not ours: SQLite's online backup and its own checks. Any
 * thread, on a connection that nobody else uses meanwhile.
 */
#include "registry/registry.h"
#include "registry/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The copy is synced once, when it is whole; nobody reads it before. One file, without a log beside it. */
static const char COPY_SETTINGS[] = "PRAGMA synchronous = OFF;";
static const char COPY_DONE[] = "PRAGMA journal_mode = DELETE;";
/* Decided and being carried out (TK_IMPORT_APPLYING): the rest of its keys is in a file of its own. */
static const char HALF_IMPORTS[] = "SELECT COUNT(*) FROM imports WHERE state = 2";

static enum tk_err result_of(sqlite3 *handle, int code)
{
        const struct tk_db shell = {.handle = handle};
        return tk_sqlite_error(&shell, code);
}

static int64_t number(sqlite3 *db, const char *sql)
{
        sqlite3_stmt *stmt;
        int64_t value = -1;
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
                value = sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
        return value;
}

/* In one step: one snapshot, whoever writes meanwhile, so that the copy is some commit's state. */
static enum tk_err copy_pages(sqlite3 *to, sqlite3 *from)
{
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
        if (!backup)
                return result_of(to, sqlite3_errcode(to));
        int stepped = sqlite3_backup_step(backup, -1);
        int finished = sqlite3_backup_finish(backup);
        if (stepped != SQLITE_DONE)
                return result_of(to, finished != SQLITE_OK ? finished : stepped);
        return result_of(to, finished);
}

static enum tk_err sync_file(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        int failed = fd < 0 || fsync(fd) != 0;
        if (fd >= 0)
                close(fd);
        return failed ? TK_IO : TK_OK;
}

enum tk_err tk_sqlite_copy(struct tk_db *db, const char *path)
{
        sqlite3 *to = NULL;
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return errno == ENOSPC ? TK_FULL : TK_IO;
        close(fd);
        int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
        enum tk_err err = result_of(to, code);
        if (err == TK_OK)
                err = result_of(to, sqlite3_exec(to, COPY_SETTINGS, NULL, NULL, NULL));
        if (err == TK_OK)
                err = copy_pages(to, db->handle);
        if (err == TK_OK && number(to, HALF_IMPORTS) > 0)
                err = TK_BUSY;
        if (err == TK_OK)
                err = result_of(to, sqlite3_exec(to, COPY_DONE, NULL, NULL, NULL));
        sqlite3_close(to);
        if (err == TK_OK)
                err = sync_file(path);
        if (err != TK_OK)
                unlink(path);
        return err;
}

/* ---- a look ---- */

/* The first line that a check says, unless it is `ok` or nothing. False: it could not be asked. */
static bool first_complaint(sqlite3 *db, const char *sql, char *ret_text, size_t size)
{
        sqlite3_stmt *stmt;
        bool asked = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK;
        int code = asked ? sqlite3_step(stmt) : SQLITE_ERROR;
        if (code == SQLITE_ROW) {
                const char *text = (const char *)sqlite3_column_text(stmt, 0);
                if (text && strcmp(text, "ok") != 0)
                        snprintf(ret_text, size, "%s", text);
        } else if (code != SQLITE_DONE) {
                snprintf(ret_text, size, "%s", sqlite3_errmsg(db));
        }
        sqlite3_finalize(stmt);
        return code == SQLITE_ROW || code == SQLITE_DONE;
}

enum tk_err tk_sqlite_inspect(const char *path, struct tk_registry_look *ret_look)
{
        struct tk_registry_look look = {.schema = -1};
        sqlite3 *db = NULL;
        int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);
        enum tk_err err = result_of(db, code);
        if (err == TK_OK) {
                sqlite3_busy_timeout(db, 5000);
                bool asked = first_complaint(db, "PRAGMA integrity_check(1)", look.complaint,
                                             sizeof(look.complaint));
                if (asked && look.complaint[0] == '\0')
                        first_complaint(db, "PRAGMA foreign_key_check", look.complaint,
                                        sizeof(look.complaint));
                look.schema = number(db, "SELECT MAX(number) FROM schema_version");
                look.keys = number(db, "SELECT COUNT(*) FROM keys");
        }
        sqlite3_close(db);
        if (err == TK_OK)
                *ret_look = look;
        return err;
}
