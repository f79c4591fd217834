/*
 * Reading the audit log: one entry, the newest that a filter leaves, or what came after an entry. (Writing:
 * audit.c.) Called inside a transaction, on its thread.
 *
 * The log may hold millions of entries, so each search is driven by the one filter that narrows it most and
 * walks that filter's index from its end; the other filters are checked on the rows.
 */
#include "registry/audit_row.h"
#include "registry/query.h"

#define TIME   " AND at_s >= ?5 AND at_s < ?6"
#define BEFORE " AND (at_s < ?7 OR seq < ?8)" /* with at_s <= ?7, by ?6 */
#define FILTERS                                                                                              \
        " AND (?1 = 0 OR object = ?1) AND (?2 = 0 OR object_id = ?2) AND (?3 = '' OR actor = ?3)"            \
        " AND (?4 = '' OR action = ?4)"
#define PAGE " ORDER BY at_s DESC, seq DESC LIMIT ?9"

enum driver { BY_OBJECT, BY_ACTOR, BY_ACTION, BY_KIND, BY_TIME };

static const char *const search_texts[] = {
        [BY_OBJECT] = TK_AUDIT_SELECT "WHERE object = ?1 AND object_id = ?2" FILTERS TIME BEFORE PAGE,
        [BY_ACTOR] = TK_AUDIT_SELECT "WHERE actor = ?3" FILTERS TIME BEFORE PAGE,
        [BY_ACTION] = TK_AUDIT_SELECT "WHERE action = ?4" FILTERS TIME BEFORE PAGE,
        [BY_KIND] = TK_AUDIT_SELECT "WHERE object = ?1" FILTERS TIME BEFORE PAGE,
        [BY_TIME] = TK_AUDIT_SELECT "WHERE true" FILTERS TIME BEFORE PAGE,
};
static const char FOLLOW[] = TK_AUDIT_SELECT "WHERE seq > ?7" FILTERS TIME " ORDER BY seq LIMIT ?8";
static const char GET[] = TK_AUDIT_SELECT "WHERE seq = ?1";

/* Which of two filters leaves less, counted as far as counting takes a millisecond or two. */
static const char PROBE_ACTOR[] =
        "SELECT COUNT(*) FROM (SELECT seq FROM audit_entries WHERE actor = ?1 LIMIT 20000) AS some";
static const char PROBE_ACTION[] =
        "SELECT COUNT(*) FROM (SELECT seq FROM audit_entries WHERE action = ?1 LIMIT 20000) AS some";

static enum tk_err probe(struct tk_txn *txn, const char *sql, struct tk_str value, uint64_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, sql);

        tk_bind_text(&query, value);
        return tk_query_number(&query, ret_count);
}

/* Who did much did little of what is rare, and the other way round. */
static enum tk_err actor_or_action(struct tk_txn *txn, const struct tk_audit_filter *filter,
                                   enum driver *ret_driver)
{
        uint64_t by_actor = 0, by_action = 0;
        enum tk_err err = probe(txn, PROBE_ACTOR, filter->actor, &by_actor);

        if (err == TK_OK)
                err = probe(txn, PROBE_ACTION, filter->action, &by_action);
        *ret_driver = by_action < by_actor ? BY_ACTION : BY_ACTOR;
        return err;
}

static enum tk_err driver_of(struct tk_txn *txn, const struct tk_audit_filter *filter,
                             enum driver *ret_driver)
{
        *ret_driver = filter->object != 0 ? BY_KIND : BY_TIME;
        if (filter->object != 0 && filter->object_id != 0)
                *ret_driver = BY_OBJECT;
        else if (filter->actor.len > 0 && filter->action.len > 0)
                return actor_or_action(txn, filter, ret_driver);
        else if (filter->actor.len > 0)
                *ret_driver = BY_ACTOR;
        else if (filter->action.len > 0)
                *ret_driver = BY_ACTION;
        return TK_OK;
}

static void bind_filter(struct tk_query *query, const struct tk_audit_filter *filter, int64_t until_s)
{
        tk_bind_i64(query, filter->object);
        tk_bind_u64(query, filter->object_id);
        tk_bind_text(query, filter->actor.len > 0 ? filter->actor : TK_STR(""));
        tk_bind_text(query, filter->action.len > 0 ? filter->action : TK_STR(""));
        tk_bind_i64(query, filter->since_s);
        tk_bind_i64(query, until_s);
}

enum tk_err tk_audit_get(struct tk_txn *txn, uint64_t seq, struct tk_arena *arena,
                         struct tk_audit_entry *ret_entry)
{
        struct tk_query query = tk_query_begin(txn, GET);

        tk_bind_u64(&query, seq);
        return tk_query_one(&query, tk_audit_read_row, sizeof *ret_entry, arena, ret_entry);
}

enum tk_err tk_audit_search(struct tk_txn *txn, const struct tk_audit_filter *filter, uint64_t before_seq,
                            uint32_t limit, struct tk_arena *arena, struct tk_audit_entry **ret_entries,
                            size_t *ret_count)
{
        int64_t until_s = filter->until_s == 0 ? INT64_MAX : filter->until_s;
        struct tk_audit_entry before = {.seq = INT64_MAX, .at_s = INT64_MAX};
        enum driver driver;
        struct tk_query query;
        enum tk_err err = before_seq != 0 ? tk_audit_get(txn, before_seq, arena, &before) : TK_OK;

        if (err == TK_OK)
                err = driver_of(txn, filter, &driver);
        if (err != TK_OK)
                return err;
        if (before.at_s < until_s)
                until_s = before.at_s + 1;
        query = tk_query_begin(txn, search_texts[driver]);
        bind_filter(&query, filter, until_s);
        tk_bind_i64(&query, before.at_s);
        tk_bind_u64(&query, before.seq);
        tk_bind_u64(&query, limit);
        return tk_query_all(&query, tk_audit_read_row, sizeof **ret_entries, arena, (void **)ret_entries,
                            ret_count);
}

enum tk_err tk_audit_follow(struct tk_txn *txn, const struct tk_audit_filter *filter, uint64_t after_seq,
                            uint32_t limit, struct tk_arena *arena, struct tk_audit_entry **ret_entries,
                            size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, FOLLOW);

        bind_filter(&query, filter, filter->until_s == 0 ? INT64_MAX : filter->until_s);
        tk_bind_u64(&query, after_seq);
        tk_bind_u64(&query, limit);
        return tk_query_all(&query, tk_audit_read_row, sizeof **ret_entries, arena, (void **)ret_entries,
                            ret_count);
}
