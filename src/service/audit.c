/*
 * Use cases of the audit log: look for entries, follow it, show one. Reads only; what writes it are the other
 * use cases, through tk_op_change(), and refusals.c. Called from any thread.
 */
#include "service/internal.h"
#include "service/view.h"

#include <string.h>

#define ACTOR_MAX  64
#define ACTION_MAX 64

static const struct {
        enum tk_object object;
        const char *name;
} kinds[] = {
        {TK_OBJECT_API, "api"},           {TK_OBJECT_ENVIRONMENT, "environment"},
        {TK_OBJECT_SCOPE, "scope"},       {TK_OBJECT_PLAN, "plan"},
        {TK_OBJECT_CONSUMER, "consumer"}, {TK_OBJECT_SUBSCRIPTION, "subscription"},
        {TK_OBJECT_KEY, "key"},           {TK_OBJECT_PEPPER, "pepper"},
};

const char *tk_view_object_kind(enum tk_object object)
{
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (kinds[i].object == object)
                        return kinds[i].name;
        return "unknown";
}

struct audit_job {
        struct tk_op op;
        const struct tk_input_audit_filter *input;
        struct tk_page page;
        struct tk_audit_filter filter;
        uint64_t seq;
        struct tk_audit_entry *entries;
        size_t count;
};

/* ---- what a filter means ---- */

static enum tk_err no_object(struct audit_job *job)
{
        return tk_fault_set(
                job->op.fault, TK_FAULT_invalid_value, "object",
                "use an id (key_17, con_3, sub_5), a kind (plan), a kind and a number (plan:4), api:NAME or "
                "consumer:NAME",
                "it is not an object that the log knows");
}

/* `key_17`. */
static bool parse_id(struct tk_str text, struct tk_audit_filter *filter)
{
        static const struct {
                enum tk_id_kind id;
                enum tk_object object;
        } ids[] = {{TK_ID_KEY, TK_OBJECT_KEY},
                   {TK_ID_CONSUMER, TK_OBJECT_CONSUMER},
                   {TK_ID_SUBSCRIPTION, TK_OBJECT_SUBSCRIPTION}};
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
                filter->object = ids[i].object;
                if (tk_id_parse(ids[i].id, text, &filter->object_id))
                        return true;
        }
        filter->object = 0;
        return false;
}

static bool parse_kind(struct tk_str text, struct tk_audit_filter *filter)
{
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                if (!tk_str_equal(text, tk_str_from(kinds[i].name)))
                        continue;
                filter->object = kinds[i].object;
                return true;
        }
        return false;
}

/* What has a name of its own in the whole registry. */
static enum tk_err find_by_name(struct audit_job *job, struct tk_txn *txn, struct tk_str name)
{
        struct tk_api api;
        struct tk_consumer consumer;
        enum tk_err err;
        switch (job->filter.object) {
        case TK_OBJECT_API:
                err = tk_find_api(&job->op, txn, name, "object", &api);
                job->filter.object_id = err == TK_OK ? api.id : 0;
                return err;
        case TK_OBJECT_CONSUMER:
                err = tk_find_consumer(&job->op, txn, name, "object", &consumer);
                job->filter.object_id = err == TK_OK ? consumer.id : 0;
                return err;
        default:
                return no_object(job);
        }
}

static enum tk_err read_object(struct audit_job *job, struct tk_txn *txn)
{
        struct tk_audit_filter *filter = &job->filter, by_id = {0};
        struct tk_str kind, which, text = job->input->object;
        if (!text.ptr || parse_id(text, filter))
                return TK_OK;
        bool one = tk_str_cut(text, ':', &kind, &which);
        if (!parse_kind(kind, filter))
                return no_object(job);
        if (!one)
                return TK_OK;
        if (parse_id(which, &by_id)) { /* key:key_17 */
                filter->object_id = by_id.object_id;
                return by_id.object == filter->object ? TK_OK : no_object(job);
        }
        if (tk_str_to_u64(which, &filter->object_id) && filter->object_id > 0)
                return TK_OK;
        return find_by_name(job, txn, which);
}

static enum tk_err read_time(struct audit_job *job, struct tk_str text, const char *field, int64_t *ret_s)
{
        if (!text.ptr || tk_time_parse(text, ret_s))
                return TK_OK;
        return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, field,
                            "use RFC 3339, such as 2026-11-23T22:14:14Z", "it is not a time");
}

static enum tk_err make_filter(struct audit_job *job, struct tk_txn *txn)
{
        const struct tk_input_audit_filter *input = job->input;
        job->filter = (struct tk_audit_filter){.actor = input->actor, .action = input->action};
        if (input->actor.len > ACTOR_MAX)
                return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "actor",
                                    "use an id such as key_1, socket:0 or system", "it is too long");
        if (input->action.len > ACTION_MAX)
                return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "action",
                                    "use an action such as key.revoke, or refused", "it is too long");
        enum tk_err err = read_object(job, txn);
        if (err == TK_OK)
                err = read_time(job, input->since, "since", &job->filter.since_s);
        if (err == TK_OK)
                err = read_time(job, input->until, "until", &job->filter.until_s);
        return err;
}

/* ---- reading ---- */

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct audit_job *job = context;
        enum tk_err err = make_filter(job, txn);
        if (err != TK_OK)
                return err;
        if (job->input->follow)
                return tk_audit_follow(txn, &job->filter, job->page.after_id, job->page.limit, job->op.arena,
                                       &job->entries, &job->count);
        err = tk_audit_search(txn, &job->filter, job->page.after_id, job->page.limit, job->op.arena,
                              &job->entries, &job->count);
        if (err == TK_NOT_FOUND)
                return tk_fault_set(job->op.fault, TK_FAULT_invalid_value, "cursor",
                                    "use the next_cursor of the page before", "it is not a cursor");
        return err;
}

enum tk_err tk_service_audit_list(struct tk_service *service, const struct tk_input_audit_filter *filter,
                                  struct tk_page page, struct tk_arena *arena,
                                  struct tk_audit_entry **ret_entries, size_t *ret_count,
                                  struct tk_fault *fault)
{
        struct audit_job job = {
                .op = tk_op_begin(service, NULL, arena, fault), .input = filter, .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err == TK_OK) {
                *ret_entries = job.entries;
                *ret_count = job.count;
        }
        return err;
}

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct audit_job *job = context;
        enum tk_err err =
                job->seq > 0 ? tk_audit_get(txn, job->seq, job->op.arena, job->entries) : TK_NOT_FOUND;
        if (err == TK_NOT_FOUND)
                return tk_fault_set(job->op.fault, TK_FAULT_not_found, "",
                                    "list the entries to see their numbers", "there is no such entry");
        return err;
}

enum tk_err tk_service_audit_get(struct tk_service *service, struct tk_str seq, struct tk_arena *arena,
                                 struct tk_audit_entry *ret_entry, struct tk_fault *fault)
{
        struct audit_job job = {.op = tk_op_begin(service, NULL, arena, fault), .entries = ret_entry};
        if (!tk_str_to_u64(seq, &job.seq))
                job.seq = 0;
        return tk_op_read(&job.op, get, &job);
}

/* ---- how an entry looks ---- */

/* The public id of what has one; else its number. Null where there is none. */
static json_t *object_id(const struct tk_audit_entry *entry)
{
        char text[TK_ID_BYTES];
        if (entry->object_id == 0)
                return json_null();
        switch (entry->object) {
        case TK_OBJECT_KEY:
                tk_id_format(TK_ID_KEY, entry->object_id, text);
                break;
        case TK_OBJECT_CONSUMER:
                tk_id_format(TK_ID_CONSUMER, entry->object_id, text);
                break;
        case TK_OBJECT_SUBSCRIPTION:
                tk_id_format(TK_ID_SUBSCRIPTION, entry->object_id, text);
                break;
        default:
                return json_sprintf("%llu", (unsigned long long)entry->object_id);
        }
        return json_string(text);
}

json_t *tk_view_audit_entry(const struct tk_audit_entry *entry, bool canonical)
{
        char at[TK_TIME_TEXT_MAX];
        tk_time_format(entry->at_s, at);
        json_t *whole = json_loadb(entry->canonical.ptr, entry->canonical.len, 0, NULL);
        json_t *view =
                json_pack("{s:I, s:s, s:s%, s:s%, s:s%, s:s, s:o, s:O?, s:O?}", "seq", (json_int_t)entry->seq,
                          "at", at, "actor", entry->actor.ptr, entry->actor.len, "source", entry->source.ptr,
                          entry->source.len, "action", entry->action.ptr, entry->action.len, "object",
                          tk_view_object_kind(entry->object), "object_id", object_id(entry), "before",
                          json_object_get(whole, "before"), "after", json_object_get(whole, "after"));
        json_decref(whole);
        if (view && canonical)
                json_object_set_new(view, "canonical",
                                    json_stringn(entry->canonical.ptr, entry->canonical.len));
        return view;
}
