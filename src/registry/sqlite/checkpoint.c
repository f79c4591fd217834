/*
 * Copying SQLite's write-ahead log back into the database. Once all of it is copied the log begins anew in the space that it
 * has. Done between commits and not in them, as SQLite would: those who wait for a commit do not wait for this, and that it
 * fails on a full disk is no failure of theirs. Writer thread.
 */
#include "registry/sqlite/sqlite.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

/* Frames in the log after which it is copied: 4 MiB of pages, the size that SQLite itself takes. */
#define CHECKPOINT_FRAMES 1000

static const char PAGE_COUNT[] = "PRAGMA page_count";
static const char PAGE_SIZE[] = "PRAGMA page_size";

/* 0 when it cannot be read. */
static uint64_t pragma(struct tk_db *db, const char *sql)
{
        struct tk_stmt *stmt;
        int64_t number = 0;
        bool row;

        if (tk_sqlite_prepare(db, sql, &stmt) != TK_OK)
                return 0;
        if (tk_sqlite_step(stmt, &row) == TK_OK && row)
                number = tk_sqlite_column_i64(stmt, 0);
        tk_sqlite_reset(stmt);
        return number < 0 ? 0 : (uint64_t)number;
}

/* What the file of the database lacks to hold every page that the log has. */
uint64_t tk_sqlite_space_wanted(struct tk_db *db)
{
        uint64_t whole_bytes = pragma(db, PAGE_COUNT) * pragma(db, PAGE_SIZE);
        struct stat st;

        if (stat(sqlite3_db_filename(db->handle, "main"), &st) != 0 || whole_bytes <= (uint64_t)st.st_size)
                return 0;
        return whole_bytes - (uint64_t)st.st_size;
}

static uint64_t space_free(struct tk_db *db)
{
        struct statvfs fs;

        if (statvfs(sqlite3_db_filename(db->handle, "main"), &fs) != 0)
                return 0;
        return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/*
 * Not begun where it cannot be ended: half a copy frees nothing, and would use up what the reserve has given back for
 * revocations.
 */
void tk_sqlite_maintain(struct tk_db *db, bool out_of_space)
{
        if (db->wal_frames < CHECKPOINT_FRAMES && !out_of_space)
                return;
        if (tk_sqlite_space_wanted(db) <= space_free(db))
                (void)sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
