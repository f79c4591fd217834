/*
 * The audit log: one entry for each change, and for each refused attempt that is worth a note; its canonical bytes are
 * fixed when it is written (docs/formats/audit.md). Entries are never changed and never removed.
 */
#include "registry/audit_row.h"
#include "registry/canonical.h"
#include "registry/change.h"
#include "registry/query.h"

static const char AUDIT_INSERT[] =
        "INSERT INTO audit_entries (seq, at_s, actor, source, action, object, object_id, canonical)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char AUDIT_LIST[] = TK_AUDIT_SELECT "WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";

static enum tk_err insert(struct tk_txn *txn, const struct tk_audit_entry *entry)
{
        struct tk_query query = tk_query_begin(txn, AUDIT_INSERT);

        tk_bind_u64(&query, entry->seq);
        tk_bind_i64(&query, entry->at_s);
        tk_bind_text(&query, entry->actor);
        tk_bind_text(&query, entry->source);
        tk_bind_text(&query, entry->action);
        tk_bind_i64(&query, entry->object);
        tk_bind_u64(&query, entry->object_id);
        tk_bind_blob(&query, entry->canonical.ptr, entry->canonical.len);
        return tk_query_run(&query);
}

enum tk_err tk_audit_note(struct tk_txn *txn, enum tk_object object, uint64_t object_id,
                          const struct tk_change *change)
{
        struct tk_audit_entry entry = {.at_s = change->at_s,
                                       .actor = change->actor,
                                       .source = change->source,
                                       .action = change->action,
                                       .object = object,
                                       .object_id = object_id};
        struct tk_arena scratch;
        enum tk_err err = tk_counter_next(txn, TK_STR("audit"), &entry.seq);

        if (err != TK_OK)
                return err;
        tk_arena_init(&scratch, 0);
        err = tk_canonical_entry(entry.seq, object, object_id, change, &scratch, &entry.canonical);
        if (err == TK_OK)
                err = insert(txn, &entry);
        tk_arena_fini(&scratch);
        tk_txn_fail(txn, err); /* its number is drawn: a job that went on would leave a gap */
        return err;
}

void tk_audit_read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_audit_entry *entry = record;

        entry->seq = tk_take_u64(query);
        entry->at_s = tk_take_i64(query);
        entry->actor = tk_take_text(query, arena);
        entry->source = tk_take_text(query, arena);
        entry->action = tk_take_text(query, arena);
        entry->object = (enum tk_object)tk_take_i64(query);
        entry->object_id = tk_take_u64(query);
        entry->canonical = tk_take_text(query, arena);
}

enum tk_err tk_audit_list(struct tk_txn *txn, uint64_t before_seq, uint32_t limit, struct tk_arena *arena,
                          struct tk_audit_entry **ret_entries, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, AUDIT_LIST);

        tk_bind_u64(&query, before_seq == 0 ? UINT64_MAX : before_seq);
        tk_bind_u64(&query, limit);
        return tk_query_all(&query, tk_audit_read_row, sizeof **ret_entries, arena, (void **)ret_entries,
                            ret_count);
}
