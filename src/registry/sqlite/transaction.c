/*
 * SQLite's transactions, and the one hard question: what became of a commit that failed. One thread at a time, that of
 * the connection.
 *
 * In the write-ahead log a transaction is a run of frames, the last of which is marked as a commit. When writing or
 * syncing them fails SQLite forgets them, but they may stand in the file, and after a power cut recovery could take them
 * for good. The next transaction is written over the same place, and from its first frame on the checksums of the old
 * ones no longer hold. So a failed commit is followed by a small one: once that is durable the failed one is undone for
 * certain; until then its fate is unknown.
 */
#include "registry/sqlite/sqlite.h"

static const char BEGIN_SNAPSHOT[] = "BEGIN DEFERRED";
static const char BEGIN_WRITE[] = "BEGIN IMMEDIATE";
static const char COMMIT[] = "COMMIT";
static const char ROLLBACK[] = "ROLLBACK";
static const char SAVEPOINT[] = "SAVEPOINT job";
static const char SAVEPOINT_KEEP[] = "RELEASE job";
static const char SAVEPOINT_UNDO[] = "ROLLBACK TO job";
/* Its content differs each time, and so do the checksums of the frame. */
static const char SETTLE[] = "UPDATE counters SET value = value + 1 WHERE name = 'settle'";

static enum tk_err control(struct tk_db *db, const char *sql)
{
        struct tk_stmt *stmt;
        bool row;
        enum tk_err err = tk_sqlite_prepare(db, sql, &stmt);

        if (err != TK_OK)
                return err;
        err = tk_sqlite_step(stmt, &row);
        tk_sqlite_reset(stmt);
        return err;
}

enum tk_err tk_sqlite_prepare_transactions(struct tk_db *db)
{
        static const char *const texts[] = {BEGIN_SNAPSHOT, BEGIN_WRITE,    COMMIT,        ROLLBACK,
                                            SAVEPOINT,      SAVEPOINT_KEEP, SAVEPOINT_UNDO};

        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct tk_stmt *stmt;
                enum tk_err err = tk_sqlite_prepare(db, texts[i], &stmt);

                if (err != TK_OK)
                        return err;
                tk_sqlite_reset(stmt);
        }
        return TK_OK;
}

bool tk_sqlite_in_transaction(struct tk_db *db)
{
        return sqlite3_get_autocommit(db->handle) == 0;
}

enum tk_err tk_sqlite_begin(struct tk_db *db, enum tk_db_mode mode)
{
        return control(db, mode == TK_DB_WRITE ? BEGIN_WRITE : BEGIN_SNAPSHOT);
}

void tk_sqlite_rollback(struct tk_db *db)
{
        if (tk_sqlite_in_transaction(db))
                (void)control(db, ROLLBACK);
}

static enum tk_err write_over(struct tk_db *db)
{
        enum tk_err err = control(db, BEGIN_WRITE);

        if (err == TK_OK)
                err = control(db, SETTLE);
        if (err == TK_OK)
                err = control(db, COMMIT);
        tk_sqlite_rollback(db);
        return err;
}

/*
 * No space twice is certain, too: either the place where the failed transaction began has no space, then none of its
 * frames was ever written; or the small one has gone over its first frame.
 */
enum tk_err tk_sqlite_commit(struct tk_db *db)
{
        enum tk_err err = control(db, COMMIT);
        enum tk_err settled;

        if (err == TK_OK)
                return TK_OK;
        tk_sqlite_rollback(db);
        settled = write_over(db);
        if (settled == TK_OK || (err == TK_FULL && settled == TK_FULL))
                return err;
        return TK_UNCERTAIN;
}

enum tk_err tk_sqlite_savepoint(struct tk_db *db)
{
        return control(db, SAVEPOINT);
}

enum tk_err tk_sqlite_savepoint_keep(struct tk_db *db)
{
        return control(db, SAVEPOINT_KEEP);
}

enum tk_err tk_sqlite_savepoint_undo(struct tk_db *db)
{
        enum tk_err err = control(db, SAVEPOINT_UNDO);

        return err == TK_OK ? control(db, SAVEPOINT_KEEP) : err;
}
