/*
 * Answers for the audit log. On workers. See handlers.h.
 */
#include "http/handlers.h"
#include "http/reply.h"
#include "service/view.h"

/* `after` is a number that the log gave; 0 is before its first. */
static enum tk_err read_after(struct tk_request *request, struct tk_str after,
                              struct tk_input_audit_filter *filter, struct tk_page *page)
{
        if (!after.ptr)
                return TK_OK;
        if (page->after_id != 0)
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "after",
                                    "use one of the two: cursor to go back, after to go on",
                                    "it cannot be used together with cursor");
        if (!tk_str_to_u64(after, &page->after_id) || page->after_id > INT64_MAX)
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "after",
                                    "use the seq of the last entry that was seen, or 0",
                                    "it is not a number");
        filter->follow = true;
        return TK_OK;
}

static enum tk_err reply_with(struct tk_request *request, const struct tk_audit_entry *entries, size_t count,
                              struct tk_page page)
{
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_audit_entry(&entries[i], false));
        return tk_reply_page(request, items, count, page, count > 0 ? entries[count - 1].seq : 0);
}

enum tk_err tk_http_audit_list(struct tk_request *request)
{
        struct tk_input_audit_filter filter = {0};
        struct tk_str after = TK_STR_NONE;
        const struct tk_query filters[] = {{"object", &filter.object}, {"actor", &filter.actor},
                                           {"action", &filter.action}, {"since", &filter.since},
                                           {"until", &filter.until},   {"after", &after}};
        struct tk_page page;
        struct tk_audit_entry *entries;
        size_t count;
        enum tk_err err = tk_request_page(request, filters, sizeof(filters) / sizeof(filters[0]), &page);
        if (err == TK_OK)
                err = read_after(request, after, &filter, &page);
        if (err == TK_OK)
                err = tk_service_audit_list(request->service, &filter, page, &request->arena, &entries,
                                            &count, &request->fault);
        return err == TK_OK ? reply_with(request, entries, count, page) : err;
}

enum tk_err tk_http_audit_get(struct tk_request *request)
{
        struct tk_audit_entry entry;
        enum tk_err err = tk_service_audit_get(request->service, request->params[0], &request->arena, &entry,
                                               &request->fault);
        return err == TK_OK ? tk_reply_json(request, tk_view_audit_entry(&entry, true)) : err;
}
