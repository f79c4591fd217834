/*
 * The file of rows that an import waits with. See registry/staging.h. Nothing is synced before it is sealed: until then a crash may
 * leave anything, and what it leaves is thrown away.
 */
#include "registry/staging.h"

#include "core/alloc.h"
#include "registry/query.h"
#include "registry/sqlite/sqlite.h"

#include <fcntl.h>
#include <unistd.h>

static const char SETTINGS[] = "PRAGMA journal_mode = OFF;"
                               "PRAGMA synchronous = OFF;"
                               "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA cache_size = -32768;"
                               "PRAGMA trusted_schema = OFF;";
static const char SCHEMA[] =
        "CREATE TABLE staged (line INTEGER PRIMARY KEY, environment_id INTEGER NOT NULL,"
        " consumer_id INTEGER NOT NULL, consumer TEXT NOT NULL, state INTEGER NOT NULL,"
        " pepper_version INTEGER NOT NULL, digest BLOB NOT NULL, name TEXT NOT NULL, hint TEXT NOT NULL,"
        " scopes TEXT NOT NULL, limits TEXT NOT NULL, restrictions TEXT NOT NULL, metadata TEXT NOT NULL,"
        " not_before_s INTEGER NOT NULL, expires_s INTEGER NOT NULL, has_limits INTEGER NOT NULL) STRICT;"
        "BEGIN";
static const char SEAL[] = "CREATE INDEX staged_order ON staged (digest, line); COMMIT";

#define STAGED_COLUMNS                                                                                       \
        "line, environment_id, consumer_id, consumer, state, pepper_version, digest, name, hint, scopes, "   \
        "limits, restrictions, metadata, not_before_s, expires_s, has_limits"
static const char STAGED_INSERT[] =
        "INSERT INTO staged (" STAGED_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
        " ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
static const char STAGED_READ[] = "SELECT " STAGED_COLUMNS " FROM staged WHERE (digest, line) > (?1, ?2)"
                                  " ORDER BY digest, line LIMIT ?3";

struct tk_staging {
        struct tk_db db;
        struct tk_txn txn; /* for query.h; there is no transaction of the registry */
        int fd;
};

static enum tk_err script(struct tk_staging *staging, const char *sql)
{
        if (sqlite3_exec(staging->db.handle, sql, NULL, NULL, NULL) == SQLITE_OK)
                return TK_OK;
        return tk_sqlite_error(&staging->db, sqlite3_extended_errcode(staging->db.handle));
}

static enum tk_err connect_to(const char *path, int open_flags, struct tk_staging **ret_staging)
{
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        struct tk_staging *staging = tk_calloc(1, sizeof *staging);
        enum tk_err err;
        int code;

        if (staging == NULL)
                return TK_NOMEM;
        staging->txn = (struct tk_txn){.driver = &tk_sqlite_driver, .db = &staging->db, .writable = true};
        staging->fd = open(path, open_flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (staging->fd < 0) {
                tk_free(staging);
                return (open_flags & O_CREAT) != 0 ? TK_IO : TK_NOT_FOUND;
        }
        code = sqlite3_open_v2(path, &staging->db.handle, flags, NULL);
        err = code == SQLITE_OK ? script(staging, SETTINGS) : tk_sqlite_error(&staging->db, code);
        if (err != TK_OK) {
                tk_staging_close(staging);
                return err;
        }
        *ret_staging = staging;
        return TK_OK;
}

enum tk_err tk_staging_create(const char *path, struct tk_staging **ret_staging)
{
        struct tk_staging *staging = NULL;
        enum tk_err err = connect_to(path, O_CREAT | O_TRUNC, &staging);

        if (err == TK_OK)
                err = script(staging, SCHEMA);
        if (err == TK_OK)
                *ret_staging = staging;
        else
                tk_staging_close(staging);
        return err;
}

enum tk_err tk_staging_open(const char *path, struct tk_staging **ret_staging)
{
        return connect_to(path, 0, ret_staging);
}

void tk_staging_close(struct tk_staging *staging)
{
        if (staging == NULL)
                return;
        tk_sqlite_finalize_all(&staging->db);
        sqlite3_close(staging->db.handle);
        close(staging->fd);
        tk_free(staging);
}

enum tk_err tk_staging_add(struct tk_staging *staging, const struct tk_import_row *row,
                           struct tk_str consumer)
{
        struct tk_query query = tk_query_begin(&staging->txn, STAGED_INSERT);

        tk_bind_u64(&query, row->line);
        tk_bind_u64(&query, row->environment_id);
        tk_bind_u64(&query, row->consumer_id);
        tk_bind_text(&query, consumer);
        tk_bind_i64(&query, row->state);
        tk_bind_i64(&query, row->pepper_version);
        tk_bind_blob(&query, row->digest.bytes, sizeof row->digest.bytes);
        tk_bind_text(&query, row->name);
        tk_bind_text(&query, row->hint);
        tk_bind_text(&query, row->scopes);
        tk_bind_text(&query, row->limits);
        tk_bind_text(&query, row->restrictions);
        tk_bind_text(&query, row->metadata);
        tk_bind_i64(&query, row->not_before_s);
        tk_bind_i64(&query, row->expires_s);
        tk_bind_i64(&query, row->has_limits);
        return tk_query_run(&query);
}

enum tk_err tk_staging_seal(struct tk_staging *staging)
{
        enum tk_err err = script(staging, SEAL);

        if (err == TK_OK && fsync(staging->fd) != 0)
                err = TK_IO;
        return err;
}

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_staged *staged = record;
        struct tk_import_row *row = &staged->row;

        row->line = tk_take_u64(query);
        row->environment_id = tk_take_u64(query);
        row->consumer_id = tk_take_u64(query);
        staged->consumer = tk_take_text(query, arena);
        row->state = (enum tk_state)tk_take_i64(query);
        row->pepper_version = (uint8_t)tk_take_u64(query);
        tk_take_blob(query, row->digest.bytes, sizeof row->digest.bytes);
        row->name = tk_take_text(query, arena);
        row->hint = tk_take_text(query, arena);
        row->scopes = tk_take_text(query, arena);
        row->limits = tk_take_text(query, arena);
        row->restrictions = tk_take_text(query, arena);
        row->metadata = tk_take_text(query, arena);
        row->not_before_s = tk_take_i64(query);
        row->expires_s = tk_take_i64(query);
        row->has_limits = tk_take_i64(query) != 0;
}

enum tk_err tk_staging_read(struct tk_staging *staging, const struct tk_staged *after, uint32_t limit,
                            struct tk_arena *arena, struct tk_staged **ret_rows, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(&staging->txn, STAGED_READ);

        /* An empty blob comes before every digest. */
        tk_bind_blob(&query, after == NULL ? NULL : after->row.digest.bytes,
                     after == NULL ? 0 : sizeof after->row.digest.bytes);
        tk_bind_u64(&query, after == NULL ? 0 : after->row.line);
        tk_bind_u64(&query, limit);
        return tk_query_all(&query, read_row, sizeof **ret_rows, arena, (void **)ret_rows, ret_count);
}
