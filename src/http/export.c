/*
 * Answers with all keys, as lines of JSON or as CSV, page by page: a worker reads a page while the client takes the one before. Never a
 * key or its digest. See handlers.h.
 */
#include "http/handlers.h"
#include "http/stream.h"
#include "service/view.h"

#include "core/alloc.h"

#include <stdio.h>
#include <string.h>

#define PAGE_KEYS 500

struct export
{
        struct tk_input_key_filter filter;
        struct tk_page page;
        bool csv;
        bool begun;
};

/* ---- CSV ---- */

enum cell { CELL_TEXT, CELL_WORDS, CELL_JSON };
static const struct {
        const char *column, *member;
        enum cell cell;
} columns[] = {
        {"id", "id", CELL_TEXT},
        {"api", "api", CELL_TEXT},
        {"environment", "environment", CELL_TEXT},
        {"consumer", "consumer", CELL_TEXT}, /* its name */
        {"name", "name", CELL_TEXT},
        {"state", "state", CELL_TEXT},
        {"hint", "hint", CELL_TEXT},
        {"foreign", "foreign", CELL_JSON},
        {"scopes", "scopes", CELL_WORDS},
        {"limits", "limits", CELL_JSON},
        {"restrictions", "restrictions", CELL_JSON},
        {"not_before", "not_before", CELL_TEXT},
        {"expires_at", "expires_at", CELL_TEXT},
        {"metadata", "metadata", CELL_JSON},
        {"created_by", "created_by", CELL_TEXT},
        {"created_at", "created_at", CELL_TEXT},
        {"updated_at", "updated_at", CELL_TEXT},
        {"revoked_at", "revoked_at", CELL_TEXT},
        {"revoke_reason", "revoke_reason", CELL_TEXT},
};
#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

/* A cell is quoted where it has to be (RFC 4180). */
static void put_cell(FILE *out, const char *text)
{
        if (!strpbrk(text, "\",\r\n")) {
                fputs(text, out);
                return;
        }
        fputc('"', out);
        for (; *text; text++) {
                if (*text == '"')
                        fputc('"', out);
                fputc(*text, out);
        }
        fputc('"', out);
}

static void put_words(FILE *out, const json_t *list)
{
        json_t *word;
        size_t i;
        json_array_foreach((json_t *)(uintptr_t)list, i, word)
                fprintf(out, "%s%s", i > 0 ? " " : "", json_string_value(word));
}

static bool put_record(FILE *out, const json_t *key)
{
        for (size_t i = 0; i < COLUMN_COUNT; i++) {
                const json_t *value = json_object_get(key, columns[i].member);
                if (i > 0)
                        fputc(',', out);
                if (json_is_object(value) && columns[i].cell == CELL_TEXT)
                        value = json_object_get(value, "name");
                if (columns[i].cell == CELL_TEXT) {
                        put_cell(out, json_is_string(value) ? json_string_value(value) : "");
                } else if (columns[i].cell == CELL_WORDS) {
                        put_words(out, value);
                } else {
                        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
                        if (!text)
                                return false;
                        put_cell(out, text);
                        tk_free(text);
                }
        }
        return fputs("\r\n", out) != EOF;
}

static void put_head(FILE *out)
{
        for (size_t i = 0; i < COLUMN_COUNT; i++)
                fprintf(out, "%s%s", i > 0 ? "," : "", columns[i].column);
        fputs("\r\n", out);
}

/* ---- pages ---- */

static bool put_key(FILE *out, const struct tk_key *key, bool csv)
{
        json_t *view = tk_view_key(key);
        bool good = view && (csv ? put_record(out, view)
                                 : json_dumpf(view, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF);
        json_decref(view);
        return good;
}

static enum tk_err print_page(struct tk_request *request, struct export *export, struct tk_key **keys,
                              size_t count)
{
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        bool good = out != NULL;
        if (good && export->csv && !export->begun)
                put_head(out);
        export->begun = true;
        for (size_t i = 0; good && i < count; i++)
                good = put_key(out, keys[i], export->csv);
        good = out && fclose(out) == 0 && good;
        if (!good) {
                tk_free(text);
                return TK_NOMEM;
        }
        tk_stream_piece(request, text, len, count < export->page.limit);
        return TK_OK;
}

static enum tk_err next_page(struct tk_request *request, void *context)
{
        struct export *export = context;
        struct tk_arena arena;
        struct tk_key **keys;
        size_t count;
        tk_arena_init(&arena, 0);
        enum tk_err err = tk_service_key_list(request->service, &export->filter, export->page, &arena, &keys,
                                              &count, &request->fault);
        if (err == TK_OK)
                err = print_page(request, export, keys, count);
        if (err == TK_OK && count > 0)
                export->page.after_id = keys[count - 1]->id;
        tk_arena_fini(&arena);
        return err;
}

enum tk_err tk_http_key_export(struct tk_request *request)
{
        struct export *export = tk_arena_alloc(&request->arena, sizeof(*export));
        struct tk_str format = TK_STR_NONE;
        if (!export)
                return TK_NOMEM;
        export->page.limit = PAGE_KEYS;
        const struct tk_query known[] = {{"api", &export->filter.api},
                                         {"environment", &export->filter.environment},
                                         {"consumer", &export->filter.consumer},
                                         {"state", &export->filter.state},
                                         {"format", &format}};
        enum tk_err err = tk_request_query(request, known, sizeof(known) / sizeof(known[0]));
        if (err != TK_OK)
                return err;
        export->csv = tk_str_equal(format, TK_STR("csv"));
        if (format.ptr && !export->csv && !tk_str_equal(format, TK_STR("ndjson")))
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "format", "use ndjson or csv",
                                    "it is neither");
        return tk_stream_begin(request, export->csv ? "text/csv; charset=utf-8" : "application/x-ndjson",
                               TK_STREAM_LEN_UNKNOWN, next_page, NULL, export);
}
