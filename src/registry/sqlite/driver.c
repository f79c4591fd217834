/*
 * The SQLite engine's table, and the life of a connection: the file and its mode, the settings that durability and
 * integrity rest on. Opened and closed by the registry; every connection is used by one thread at a time.
 */
#include "registry/sqlite/sqlite.h"

#include "core/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 5000

/*
 * synchronous=FULL: a commit is on the disk before it is answered.  temp_store=MEMORY: nothing of the registry goes to a temporary file.  journal_size_limit: a log that once grew large
 * gives its space back.  trusted_schema=OFF: a schema that somebody changed runs no functions.
 */
static const char SETTINGS[] = "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA foreign_keys = ON;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA cache_size = -16384;"
                               "PRAGMA trusted_schema = OFF;";

/* Once in the process, before SQLite starts: what a savepoint needs for undoing is kept in memory, not in /tmp. */
static void configure(void)
{
        (void)sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
        (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* its counters take a lock at each allocation */
}

/*
 * Made here so that it has mode 0600 under any umask; SQLite gives its log and index the same. An existing file is not
 * opened: closing it would drop the POSIX locks that another connection of this process holds on it.
 */
static int create_file(const char *path)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int status = 0;

        if (fd < 0)
                return errno == EEXIST ? chmod(path, 0600) : -1;
        if (fchmod(fd, 0600) != 0)
                status = -1;
        if (close(fd) != 0)
                status = -1;
        return status;
}

/* Takes the place of SQLite's own hook, which would check-point inside the commit: see tk_sqlite_maintain(). */
static int remember_wal_frames(void *context, sqlite3 *handle, const char *name, int frames)
{
        struct tk_db *db = context;

        (void)handle;
        (void)name;
        db->wal_frames = frames;
        return SQLITE_OK;
}

static enum tk_err script(struct tk_db *db, const char *sql)
{
        if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
                return TK_OK;
        return tk_sqlite_error(db, sqlite3_extended_errcode(db->handle));
}

static enum tk_err connect_to(struct tk_db *db, const char *path)
{
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
        enum tk_err err;

        if (code != SQLITE_OK)
                return tk_sqlite_error(db, code);
        sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
        sqlite3_wal_hook(db->handle, remember_wal_frames, db);
        err = script(db, SETTINGS);
        return err == TK_OK ? tk_sqlite_prepare_transactions(db) : err;
}

static void close_db(struct tk_db *db)
{
        if (db == NULL)
                return;
        tk_sqlite_finalize_all(db);
        sqlite3_close(db->handle);
        tk_free(db);
}

static enum tk_err open_db(const char *location, struct tk_db **ret_db, struct tk_fault *fault)
{
        static pthread_once_t configured = PTHREAD_ONCE_INIT;
        struct tk_db *db;
        enum tk_err err;

        pthread_once(&configured, configure);
        if (create_file(location) != 0)
                return tk_fault_set(fault, TK_FAULT_internal, "",
                                    "see that the folder exists and belongs to the user that runs the daemon",
                                    "%s cannot be created or is not ours: %s", location, strerror(errno));
        db = tk_calloc(1, sizeof *db);
        if (db == NULL)
                return tk_fault_from_err(fault, TK_NOMEM);
        err = connect_to(db, location);
        if (err != TK_OK) {
                tk_fault_set(fault, TK_FAULT_internal, "",
                             "see that it is a registry, that its folder can be written and that the disk "
                             "has space",
                             "%s cannot be opened: %s", location,
                             db->handle == NULL ? "out of memory" : sqlite3_errmsg(db->handle));
                close_db(db);
                return err;
        }
        *ret_db = db;
        return TK_OK;
}

const struct tk_driver tk_sqlite_driver = {
        .scheme = "sqlite",
        .local_file = true,
        /* An import touches all of the index by digest in turn: 64 MiB hold that of a million keys. Taken as it is used. */
        .writer_settings = "PRAGMA cache_size = -65536",
        .migrations = tk_migrations_sqlite,
        .open = open_db,
        .close = close_db,
        .script = script,
        .prepare = tk_sqlite_prepare,
        .bind_i64 = tk_sqlite_bind_i64,
        .bind_text = tk_sqlite_bind_text,
        .bind_blob = tk_sqlite_bind_blob,
        .step = tk_sqlite_step,
        .changes = tk_sqlite_changes,
        .column_i64 = tk_sqlite_column_i64,
        .column_bytes = tk_sqlite_column_bytes,
        .reset = tk_sqlite_reset,
        .begin = tk_sqlite_begin,
        .commit = tk_sqlite_commit,
        .rollback = tk_sqlite_rollback,
        .savepoint = tk_sqlite_savepoint,
        .savepoint_keep = tk_sqlite_savepoint_keep,
        .savepoint_undo = tk_sqlite_savepoint_undo,
        .in_transaction = tk_sqlite_in_transaction,
        .maintain = tk_sqlite_maintain,
        .copy = tk_sqlite_copy,
        .space_wanted = tk_sqlite_space_wanted,
};
