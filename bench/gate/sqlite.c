/*
 * Contender: SQLite on shared memory, WITHOUT ROWID by digest, memory-mapped, one prepared statement a thread; each decision reads
 * in a transaction of its own. Counting is in memory beside it.
 */
#include "record.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define BATCH 100000

static struct records records;
static char path[512];
static sqlite3 *writer;
static sqlite3_stmt *insert;
static uint64_t written;

static bool run(const char *sql)
{
        return sqlite3_exec(writer, sql, NULL, NULL, NULL) == SQLITE_OK ||
               bench_failed(sqlite3_errmsg(writer));
}

static bool open_sqlite(struct bench_setup *setup)
{
        written = 0;
        snprintf(path, sizeof(path), "%s/keys.db", setup->folder);
        if (sqlite3_open(path, &writer) != SQLITE_OK)
                return bench_failed("SQLite does not open");
        return run("pragma journal_mode=wal; pragma synchronous=off; pragma mmap_size=68719476736;"
                   "create table keys (digest blob primary key, number integer, subscription integer, state "
                   "integer,"
                   " environment integer, not_before integer, expires integer, scopes integer) without "
                   "rowid; begin") &&
               sqlite3_prepare_v2(writer, "insert into keys values (?,?,?,?,?,?,?,?)", -1, &insert, NULL) ==
                       SQLITE_OK &&
               records_open(&records, setup);
}

static bool add(uint64_t number, const struct tk_digest *digest)
{
        struct record record = record_of(records.setup, number);
        sqlite3_bind_blob(insert, 1, digest->bytes, sizeof(digest->bytes), SQLITE_STATIC);
        sqlite3_bind_int64(insert, 2, (sqlite3_int64)record.number);
        sqlite3_bind_int64(insert, 3, (sqlite3_int64)record.subscription);
        sqlite3_bind_int64(insert, 4, record.state);
        sqlite3_bind_int64(insert, 5, record.environment);
        sqlite3_bind_int64(insert, 6, record.not_before_s);
        sqlite3_bind_int64(insert, 7, record.expires_s);
        sqlite3_bind_int64(insert, 8, (sqlite3_int64)record.scopes);
        bool stepped = sqlite3_step(insert) == SQLITE_DONE;
        sqlite3_reset(insert);
        if (!stepped)
                return bench_failed(sqlite3_errmsg(writer));
        return ++written % BATCH != 0 || run("commit; begin");
}

static bool ready(void)
{
        sqlite3_finalize(insert);
        return run("commit; pragma wal_checkpoint(truncate)");
}

/* A connection of the thread's own; lives as long as the program. */
static sqlite3_stmt *prepare(void)
{
        static _Thread_local sqlite3_stmt *select;
        sqlite3 *reader;
        if (select)
                return select;
        if (sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
            sqlite3_exec(reader, "pragma mmap_size=68719476736", NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_prepare_v2(reader,
                               "select number, subscription, state, environment, not_before, expires, scopes"
                               " from keys where digest = ?",
                               -1, &select, NULL) != SQLITE_OK)
                bench_failed("SQLite does not prepare");
        return select;
}

static bool decide(struct tk_str key)
{
        struct tk_digest digest;
        sqlite3_stmt *select = prepare();
        if (!select || !record_digest(&records, key, &digest))
                return false;
        sqlite3_bind_blob(select, 1, digest.bytes, sizeof(digest.bytes), SQLITE_STATIC);
        bool found = sqlite3_step(select) == SQLITE_ROW;
        struct record record = {0};
        if (found)
                record = (struct record){
                        .number = (uint64_t)sqlite3_column_int64(select, 0),
                        .subscription = (uint64_t)sqlite3_column_int64(select, 1),
                        .state = (uint32_t)sqlite3_column_int64(select, 2),
                        .environment = (uint32_t)sqlite3_column_int64(select, 3),
                        .not_before_s = sqlite3_column_int64(select, 4),
                        .expires_s = sqlite3_column_int64(select, 5),
                        .scopes = (uint64_t)sqlite3_column_int64(select, 6),
                };
        sqlite3_reset(select);
        return found && record_decide(&records, &record);
}

static uint64_t bytes(void)
{
        sqlite3_stmt *statement;
        sqlite3_prepare_v2(writer, "select page_count * page_size from pragma_page_count, pragma_page_size",
                           -1, &statement, NULL);
        sqlite3_step(statement);
        uint64_t file = (uint64_t)sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return file + records_bytes(&records);
}

static void close_sqlite(void)
{
        sqlite3_close(writer);
        records_close(&records);
}

const struct contender contender_sqlite = {"SQLite", open_sqlite, add, ready, decide, bytes, close_sqlite};
