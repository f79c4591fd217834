/*
 * Imports in the registry. See import.h.
 */
#include "registry/import.h"

#include "core/id.h"
#include "core/key.h"
#include "registry/change.h"
#include "registry/codec.h"
#include "registry/query.h"

#include <assert.h>

/* How many rows are inserted between two looks at who waits. */
#define ROWS_BETWEEN_LOOKS 64

#define IMPORT_COLUMNS                                                                                       \
        "id, state, all_or_nothing, dry_run, lines, imported, rejected, warned, actor, source, created_s, "  \
        "updated_s"

static const char IMPORT_INSERT[] = "INSERT INTO imports (state, all_or_nothing, dry_run, lines, imported, "
                                    "rejected, warned, actor, source,"
                                    " report, created_s, updated_s) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, "
                                    "?8, ?9, ?10, ?10) RETURNING id";
static const char IMPORT_UPDATE[] = "UPDATE imports SET state = ?2, lines = ?3, rejected = ?4, warned = ?5,"
                                    " report = ?6, updated_s = ?7 WHERE id = ?1 RETURNING id";
static const char IMPORT_COUNT[] =
        "UPDATE imports SET imported = imported + ?2, lines = ?3, rejected = ?4, warned = ?5, updated_s = ?6"
        " WHERE id = ?1 RETURNING id";
static const char IMPORT_GET[] = "SELECT " IMPORT_COLUMNS ", report FROM imports WHERE id = ?1";
static const char IMPORT_LIST[] =
        "SELECT " IMPORT_COLUMNS ", '' FROM imports WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
static const char IMPORT_UNFINISHED[] =
        "SELECT " IMPORT_COLUMNS ", report FROM imports WHERE state < 3 ORDER BY id LIMIT 1";

/* The columns that a new key never has are constants, so that they cost no binding. */
static const char KEY_INSERT[] =
        "INSERT INTO keys (id, environment_id, consumer_id, state, generation, pepper_version, imported, "
        "digest,"
        " name, hint, scopes, limits, restrictions, metadata, not_before_s, expires_s, created_s, updated_s,"
        " revoked_s, created_by, revoke_reason) VALUES (?1, ?2, ?3, ?4, 1, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, "
        "?12,"
        " ?13, ?14, ?15, ?15, 0, ?16, '') ON CONFLICT (digest) WHERE imported = 1 DO NOTHING";
static const char KEY_LAST[] = "SELECT value FROM counters WHERE name = 'key'";
static const char KEY_BY_DIGEST[] = "SELECT id FROM keys WHERE digest = ?1 AND imported = 1";

/* ---- the imports themselves ---- */

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_import *import = record;

        import->id = tk_take_u64(query);
        import->state = (enum tk_import_state)tk_take_i64(query);
        import->all_or_nothing = tk_take_i64(query) != 0;
        import->dry_run = tk_take_i64(query) != 0;
        import->lines = tk_take_u64(query);
        import->imported = tk_take_u64(query);
        import->rejected = tk_take_u64(query);
        import->warned = tk_take_u64(query);
        import->actor = tk_take_text(query, arena);
        import->source = tk_take_text(query, arena);
        import->created_s = tk_take_i64(query);
        import->updated_s = tk_take_i64(query);
        import->report = tk_take_text(query, arena);
}

enum tk_err tk_import_create(struct tk_txn *txn, struct tk_import *import)
{
        struct tk_query query = tk_query_begin(txn, IMPORT_INSERT);

        assert(txn->writable);
        tk_bind_i64(&query, import->state);
        tk_bind_i64(&query, import->all_or_nothing);
        tk_bind_i64(&query, import->dry_run);
        tk_bind_u64(&query, import->lines);
        tk_bind_u64(&query, import->rejected);
        tk_bind_u64(&query, import->warned);
        tk_bind_text(&query, import->actor);
        tk_bind_text(&query, import->source);
        tk_bind_text(&query, import->report);
        tk_bind_i64(&query, import->created_s);
        return tk_query_number(&query, &import->id);
}

enum tk_err tk_import_update(struct tk_txn *txn, const struct tk_import *import)
{
        struct tk_query query = tk_query_begin(txn, IMPORT_UPDATE);
        uint64_t id;

        assert(txn->writable);
        tk_bind_u64(&query, import->id);
        tk_bind_i64(&query, import->state);
        tk_bind_u64(&query, import->lines);
        tk_bind_u64(&query, import->rejected);
        tk_bind_u64(&query, import->warned);
        tk_bind_text(&query, import->report);
        tk_bind_i64(&query, import->updated_s);
        return tk_query_number(&query, &id);
}

enum tk_err tk_import_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                          struct tk_import *ret_import)
{
        struct tk_query query = tk_query_begin(txn, IMPORT_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_import, arena, ret_import);
}

enum tk_err tk_import_list(struct tk_txn *txn, uint64_t before_id, uint32_t limit, struct tk_arena *arena,
                           struct tk_import **ret_imports, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, IMPORT_LIST);

        tk_bind_u64(&query, before_id == 0 ? UINT64_MAX : before_id);
        tk_bind_u64(&query, limit);
        return tk_query_all(&query, read_row, sizeof **ret_imports, arena, (void **)ret_imports, ret_count);
}

enum tk_err tk_import_unfinished(struct tk_txn *txn, struct tk_arena *arena, struct tk_import *ret_import)
{
        struct tk_query query = tk_query_begin(txn, IMPORT_UNFINISHED);

        return tk_query_one(&query, read_row, sizeof *ret_import, arena, ret_import);
}

/* ---- a batch ---- */

static enum tk_err insert(struct tk_txn *txn, uint64_t id, const struct tk_import_row *row,
                          const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, KEY_INSERT);

        tk_bind_u64(&query, id);
        tk_bind_u64(&query, row->environment_id);
        tk_bind_u64(&query, row->consumer_id);
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
        tk_bind_i64(&query, change->at_s);
        tk_bind_text(&query, change->actor);
        return tk_query_run(&query);
}

static bool stop_here(const struct tk_import_batch *batch, size_t done)
{
        return batch->enough != NULL && done > 0 && done % ROWS_BETWEEN_LOOKS == 0 &&
               batch->enough(batch->context);
}

static enum tk_err insert_rows(struct tk_txn *txn, struct tk_import_batch *batch,
                               const struct tk_change *change)
{
        enum tk_err err = TK_OK;

        for (; err == TK_OK && batch->done < batch->count && !stop_here(batch, batch->done); batch->done++) {
                struct tk_import_row *row = batch->rows[batch->done];
                uint64_t id = batch->first_id + batch->added;

                if (id > TK_KEY_NUMBER_MAX)
                        return TK_FULL;
                err = insert(txn, id, row, change);
                row->taken = err == TK_OK && txn->driver->changes(txn->db) == 0;
                batch->added += !row->taken;
        }
        return err;
}

/* One audit entry for all of them. It names numbers only: what each key may do is in the key. */
static enum tk_err record(struct tk_txn *txn, const struct tk_import_batch *batch,
                          const struct tk_change *change)
{
        struct tk_change entry = *change;
        struct tk_arena scratch;
        enum tk_err err = TK_NOMEM;

        tk_arena_init(&scratch, 0);
        entry.after = tk_arena_printf(&scratch,
                                      "{\"count\":%llu,\"first\":\"key_%llu\",\"import\":\"imp_%llu\","
                                      "\"last\":\"key_%llu\"}",
                                      (unsigned long long)batch->added, (unsigned long long)batch->first_id,
                                      (unsigned long long)batch->import_id,
                                      (unsigned long long)(batch->first_id + batch->added - 1));
        if (entry.after.ptr != NULL)
                err = tk_audit_note(txn, TK_OBJECT_KEY, batch->first_id, &entry);
        if (err == TK_OK)
                err = tk_feed_append_span(txn, TK_OBJECT_KEY, batch->first_id, batch->added);
        tk_arena_fini(&scratch);
        return err;
}

static enum tk_err count_imported(struct tk_txn *txn, const struct tk_import_batch *batch, int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, IMPORT_COUNT);
        uint64_t id;

        tk_bind_u64(&query, batch->import_id);
        tk_bind_u64(&query, batch->added);
        tk_bind_u64(&query, batch->lines);
        tk_bind_u64(&query, batch->rejected);
        tk_bind_u64(&query, batch->warned);
        tk_bind_i64(&query, at_s);
        return tk_query_number(&query, &id);
}

enum tk_err tk_key_last_id(struct tk_txn *txn, uint64_t *ret_id)
{
        struct tk_query query = tk_query_begin(txn, KEY_LAST);

        return tk_query_number(&query, ret_id);
}

enum tk_err tk_import_batch(struct tk_txn *txn, struct tk_import_batch *batch, const struct tk_change *change)
{
        uint64_t last = 0, first;
        enum tk_err err = tk_key_last_id(txn, &last);

        assert(txn->writable);
        batch->done = 0;
        batch->added = 0;
        batch->first_id = last + 1;
        if (err == TK_OK)
                err = insert_rows(txn, batch, change);
        if (err == TK_OK && batch->added > 0)
                err = tk_counter_take(txn, TK_STR("key"), batch->added, &first);
        if (err == TK_OK && batch->added > 0)
                err = record(txn, batch, change);
        if (err == TK_OK)
                err = count_imported(txn, batch, change->at_s);
        tk_txn_fail(txn, err); /* half a batch stands for nothing */
        return err;
}

enum tk_err tk_key_find_digest(struct tk_txn *txn, const struct tk_digest *digest, uint64_t *ret_id)
{
        struct tk_query query = tk_query_begin(txn, KEY_BY_DIGEST);

        tk_bind_blob(&query, digest->bytes, sizeof digest->bytes);
        return tk_query_number(&query, ret_id);
}
