/*
 * What was wrong with the lines of an import: bounded lists of the first ones that were found, and totals. Never holds a key: faults
 * hide what looks like one, and warnings are texts of ours. Any thread.
 */
#include "core/alloc.h"
#include "service/import_session.h"

#include <stdlib.h>

#define ERRORS_MAX   1000
#define WARNINGS_MAX 200

enum tk_err tk_import_report_init(struct tk_import_report *report)
{
        pthread_mutex_init(&report->lock, NULL);
        report->errors = json_array();
        report->warnings = json_array();
        return report->errors && report->warnings ? TK_OK : TK_NOMEM;
}

void tk_import_report_fini(struct tk_import_report *report)
{
        json_decref(report->errors);
        json_decref(report->warnings);
        pthread_mutex_destroy(&report->lock);
}

/* What there is no memory for is counted all the same. */
static void append(struct tk_import_report *report, json_t *list, size_t max, json_t *item)
{
        pthread_mutex_lock(&report->lock);
        if (json_array_size(list) < max)
                json_array_append(list, item);
        pthread_mutex_unlock(&report->lock);
        json_decref(item);
}

void tk_import_report_error(struct tk_import_report *report, uint64_t line, const struct tk_fault *fault)
{
        atomic_fetch_add(&report->rejected, 1);
        append(report, report->errors, ERRORS_MAX,
               json_pack("{s:I, s:s, s:s, s:s, s:s}", "line", (json_int_t)line, "type",
                         tk_fault_info(fault->code)->name, "field", fault->field, "detail", fault->detail,
                         "mend", fault->mend));
}

bool tk_import_report_has_room(struct tk_import_report *report)
{
        pthread_mutex_lock(&report->lock);
        bool room = json_array_size(report->errors) < ERRORS_MAX;
        pthread_mutex_unlock(&report->lock);
        return room;
}

void tk_import_report_warning(struct tk_import_report *report, uint64_t line, const char *type,
                              const char *detail)
{
        atomic_fetch_add(&report->warned, 1);
        append(report, report->warnings, WARNINGS_MAX,
               json_pack("{s:I, s:s, s:s}", "line", (json_int_t)line, "type", type, "detail", detail));
}

static int by_line(const void *a, const void *b)
{
        json_int_t left = json_integer_value(json_object_get(*(json_t *const *)a, "line"));
        json_int_t right = json_integer_value(json_object_get(*(json_t *const *)b, "line"));
        return (left > right) - (left < right);
}

/* Runs are looked at in another order than they came. */
static json_t *sorted(const json_t *list)
{
        size_t count = json_array_size(list);
        json_t **items = tk_malloc((count + 1) * sizeof(*items));
        json_t *result = items ? json_array() : NULL;
        for (size_t i = 0; result && i < count; i++)
                items[i] = json_array_get(list, i);
        if (result)
                qsort(items, count, sizeof(*items), by_line);
        for (size_t i = 0; result && i < count; i++)
                json_array_append(result, items[i]);
        tk_free(items);
        return result;
}

enum tk_err tk_import_report_text(struct tk_import_report *report, struct tk_arena *arena,
                                  struct tk_str *ret_text)
{
        pthread_mutex_lock(&report->lock);
        json_t *whole = json_pack("{s:o, s:o}", "errors", sorted(report->errors), "warnings",
                                  sorted(report->warnings));
        pthread_mutex_unlock(&report->lock);
        size_t len = whole ? json_dumpb(whole, NULL, 0, JSON_COMPACT) : 0;
        char *text = len > 0 ? tk_arena_alloc(arena, len) : NULL;
        if (text)
                json_dumpb(whole, text, len, JSON_COMPACT);
        json_decref(whole);
        if (!text)
                return TK_NOMEM;
        *ret_text = (struct tk_str){text, len};
        return TK_OK;
}
