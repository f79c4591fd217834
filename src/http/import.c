/*
 * Answers for imports. tk_http_import_begin() runs on the network thread, when the headers have come, and reads what they and the
 * query say; the body is read line by line on the upload's own thread. See handlers.h.
 */
#include "http/handlers.h"
#include "http/import_line.h"
#include "http/reply.h"
#include "http/upload.h"

#include "core/alloc.h"
#include "core/id.h"
#include "core/secret.h"

#include <stdio.h>
#include <string.h>

#define LINES_BEFORE_GUESS 1000

struct import_job {
        struct tk_service *service;
        struct tk_arena arena; /* caller and options, and then the reply */
        struct tk_caller caller;
        struct tk_import_options options;
        enum tk_import_format format;
        bool report_lines; /* the report as NDJSON */
        uint64_t announced_bytes;

        /* while it runs */
        struct tk_importer *importer;
        struct tk_import_reader reader;
        uint64_t line, bytes;
        char *carry; /* a line of which the end has not come */
        size_t carry_len;
        enum cell {
                CELL_BEGINS,
                CELL_PLAIN,
                CELL_QUOTED,
                CELL_QUOTE
        } cell;        /* of a CSV: where in a cell we are */
        bool overlong; /* the line is longer than it may be, and was reported: skip to its end */
};

/* ---- what the headers say ---- */

static enum tk_err read_format(struct tk_request *request, struct tk_str from,
                               enum tk_import_format *ret_format)
{
        struct tk_str type, parameters;
        tk_str_cut(request->headers.content_type, ';', &type, &parameters);
        bool csv = tk_str_equal_nocase(tk_str_trim(type), TK_STR("text/csv"));
        if (!csv && !tk_str_equal_nocase(tk_str_trim(type), TK_STR("application/x-ndjson")))
                return tk_fault_set(&request->fault, TK_FAULT_unsupported_media_type, "Content-Type",
                                    "send \"Content-Type: application/x-ndjson\" or text/csv",
                                    "the Content-Type is neither application/x-ndjson nor text/csv");
        *ret_format = csv ? TK_IMPORT_CSV : TK_IMPORT_NDJSON;
        if (!from.ptr)
                return TK_OK;
        bool unkey = tk_str_equal(from, TK_STR("unkey"));
        if (csv || (!unkey && !tk_str_equal(from, TK_STR("better-auth"))))
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "from",
                                    "use unkey or better-auth, with lines of JSON",
                                    csv ? "it goes with lines of JSON only" : "there is no such mapping");
        *ret_format = unkey ? TK_IMPORT_UNKEY : TK_IMPORT_BETTER_AUTH;
        return TK_OK;
}

/* One of two words. */
static enum tk_err read_choice(struct tk_request *request, struct tk_str value, const char *name,
                               const char *no, const char *yes, bool *ret_yes)
{
        *ret_yes = value.ptr && tk_str_equal(value, tk_str_from(yes));
        if (!value.ptr || *ret_yes || tk_str_equal(value, tk_str_from(no)))
                return TK_OK;
        char mend[64];
        snprintf(mend, sizeof(mend), "use %s or %s", no, yes);
        return tk_fault_set(&request->fault, TK_FAULT_invalid_value, name, mend, "it is neither");
}

static enum tk_err read_options(struct tk_request *request, struct import_job *job)
{
        struct tk_str mode = TK_STR_NONE, dry_run = TK_STR_NONE, create_missing = TK_STR_NONE,
                      from = TK_STR_NONE, report = TK_STR_NONE;
        struct tk_import_options *options = &job->options;
        const struct tk_query known[] = {{"api", &options->api},
                                         {"environment", &options->environment},
                                         {"consumer", &options->consumer},
                                         {"mode", &mode},
                                         {"dry_run", &dry_run},
                                         {"create_missing", &create_missing},
                                         {"from", &from},
                                         {"report", &report}};
        enum tk_err err = tk_request_query(request, known, sizeof(known) / sizeof(known[0]));
        if (err == TK_OK)
                err = read_choice(request, mode, "mode", "rest", "all-or-nothing", &options->all_or_nothing);
        if (err == TK_OK)
                err = read_choice(request, dry_run, "dry_run", "false", "true", &options->dry_run);
        if (err == TK_OK)
                err = read_choice(request, create_missing, "create_missing", "false", "true",
                                  &options->create_missing);
        if (err == TK_OK)
                err = read_choice(request, report, "report", "json", "ndjson", &job->report_lines);
        return err == TK_OK ? read_format(request, from, &job->format) : err;
}

static bool keep(struct tk_arena *arena, struct tk_str *text)
{
        if (text->ptr)
                *text = tk_arena_copy(arena, *text);
        return true;
}

static void free_job(struct import_job *job)
{
        tk_import_reader_fini(&job->reader);
        if (job->carry)
                tk_wipe(job->carry, TK_IMPORT_LINE_MAX);
        tk_free(job->carry);
        tk_arena_fini(&job->arena);
        tk_free(job);
}

/* The request may end before the import does: nothing of it is kept but copies. */
static enum tk_err make_job(struct tk_request *request, const struct import_job *read,
                            struct import_job **ret_job)
{
        struct import_job *job = tk_calloc(1, sizeof(*job));
        if (!job)
                return TK_NOMEM;
        *job = *read;
        job->service = request->service;
        job->caller = request->caller;
        job->announced_bytes = request->body.announced;
        tk_arena_init(&job->arena, 0);
        struct tk_str *texts[] = {&job->caller.actor,     &job->caller.source, &job->caller.scopes,
                                  &job->caller.only_apis, &job->options.api,   &job->options.environment,
                                  &job->options.consumer};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                bool given = texts[i]->ptr != NULL;
                keep(&job->arena, texts[i]);
                if (given && !texts[i]->ptr) {
                        free_job(job);
                        return TK_NOMEM;
                }
        }
        *ret_job = job;
        return TK_OK;
}

/* ---- lines ---- */

static enum tk_err take_line(struct import_job *job, struct tk_str text, struct tk_fault *fault)
{
        struct tk_import_line line;
        struct tk_fault wrong;
        bool skip, fatal;
        job->line++;
        enum tk_err err = tk_import_read(&job->reader, text, job->line, &line, &skip, &fatal, &wrong);
        if (err != TK_OK && fatal) {
                *fault = wrong;
                return err;
        }
        if (err == TK_INVALID) {
                tk_importer_reject(job->importer, job->line, &wrong);
                return TK_OK;
        }
        if (err != TK_OK || skip)
                return err;
        if (job->line == LINES_BEFORE_GUESS && job->announced_bytes > 0 && job->bytes > 0)
                tk_importer_expect(job->importer, job->announced_bytes / (job->bytes / job->line + 1));
        return tk_importer_take(job->importer, &line);
}

static void reject_overlong(struct import_job *job)
{
        struct tk_fault fault = {0};
        tk_fault_set(&fault, TK_FAULT_too_large, "", "leave large metadata out",
                     "the line has more than %d bytes", TK_IMPORT_LINE_MAX);
        tk_importer_reject(job->importer, job->line + 1, &fault);
        job->overlong = true;
}

/* After one more byte. A quote opens a cell only where it begins; in a quoted one, two stand for one. */
static enum cell next_in_cell(enum cell cell, char c)
{
        if (cell == CELL_QUOTED)
                return c == '"' ? CELL_QUOTE : CELL_QUOTED;
        if (c == ',' || c == '\n')
                return CELL_BEGINS;
        if (c == '"' && cell != CELL_PLAIN)
                return CELL_QUOTED;
        return CELL_PLAIN;
}

/* Where the line ends that begins at `at`, or NULL. In a CSV an end of a line within quotes is none. */
static const char *line_end(struct import_job *job, const char *at, const char *end)
{
        if (job->format != TK_IMPORT_CSV)
                return memchr(at, '\n', (size_t)(end - at));
        for (; at < end; at++) {
                bool quoted = job->cell == CELL_QUOTED;
                job->cell = next_in_cell(job->cell, *at);
                if (*at == '\n' && !quoted)
                        return at;
        }
        return NULL;
}

static void carry_over(struct import_job *job, struct tk_str part)
{
        if (job->overlong)
                return;
        if (part.len > TK_IMPORT_LINE_MAX - job->carry_len) {
                reject_overlong(job);
                return;
        }
        memcpy(job->carry + job->carry_len, part.ptr, part.len);
        job->carry_len += part.len;
}

static enum tk_err end_line(struct import_job *job, struct tk_str part, struct tk_fault *fault)
{
        if (job->carry_len == 0 && !job->overlong && part.len <= TK_IMPORT_LINE_MAX)
                return take_line(job, part, fault);
        carry_over(job, part);
        bool overlong = job->overlong;
        size_t len = job->carry_len;
        job->carry_len = 0;
        job->overlong = false;
        if (!overlong)
                return take_line(job, (struct tk_str){job->carry, len}, fault);
        job->line++;
        return TK_OK;
}

static enum tk_err take_bytes(struct import_job *job, struct tk_str bytes, struct tk_fault *fault)
{
        const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
        enum tk_err err = TK_OK;
        while (err == TK_OK && at < end) {
                const char *newline = line_end(job, at, end);
                struct tk_str part = {at, (size_t)((newline ? newline : end) - at)};
                job->bytes += part.len + 1;
                if (!newline) {
                        carry_over(job, part);
                        break;
                }
                err = end_line(job, part, fault);
                at = newline + 1;
        }
        return err;
}

/* ---- the reply ---- */

static bool add_line(FILE *out, const char *kind, json_t *item)
{
        json_t *line = json_pack("{s:s}", "kind", kind);
        bool good = line && json_object_update(line, item) == 0 && json_dumpf(line, out, JSON_COMPACT) == 0;
        json_decref(line);
        return good && fputc('\n', out) != EOF;
}

/* A line for each error and warning, the totals last. */
static bool write_lines(FILE *out, json_t *view)
{
        json_t *item;
        size_t i;
        bool good = true;
        json_array_foreach(json_object_get(view, "errors"), i, item) good =
                good && add_line(out, "error", item);
        json_array_foreach(json_object_get(view, "warnings"), i, item) good =
                good && add_line(out, "warning", item);
        json_object_del(view, "errors");
        json_object_del(view, "warnings");
        return good && add_line(out, "import", view);
}

/* Freed by tk_free(), so from there. */
static enum tk_err print_view(json_t *view, bool lines, struct tk_upload_reply *ret_reply)
{
        char *text = NULL;
        size_t len = 0;
        FILE *out = view ? open_memstream(&text, &len) : NULL;
        bool good = out && (lines ? write_lines(out, view) : json_dumpf(view, out, JSON_COMPACT) == 0);
        good = out && fclose(out) == 0 && good;
        json_decref(view);
        char *bytes = good ? tk_malloc(len) : NULL;
        if (bytes)
                memcpy(bytes, text, len);
        tk_free(text);
        if (!bytes)
                return TK_NOMEM;
        *ret_reply =
                (struct tk_upload_reply){.content_type = lines ? "application/x-ndjson" : "application/json",
                                         .bytes = bytes,
                                         .len = len};
        return TK_OK;
}

static enum tk_err finish(struct tk_upload *upload, struct import_job *job, struct tk_upload_reply *ret_reply,
                          struct tk_fault *fault)
{
        struct tk_import import;
        enum tk_err err = TK_OK;
        if (job->carry_len > 0)
                err = end_line(job, TK_STR(""), fault);
        if (err != TK_OK)
                return err;
        err = tk_importer_finish(job->importer, &job->arena, &import, fault);
        tk_upload_on_stop(upload, NULL, NULL);
        job->importer = NULL;
        return err == TK_OK ? print_view(tk_view_import(&import, true), job->report_lines, ret_reply) : err;
}

static void hurry(void *context)
{
        tk_importer_hurry(context);
}

static enum tk_err broke_off(struct tk_fault *fault)
{
        return tk_fault_set(fault, TK_FAULT_unavailable, "",
                            "send the same again: what is there already is told",
                            "the daemon stops, or not all of the body came");
}

static enum tk_err read_all(struct tk_upload *upload, struct import_job *job,
                            struct tk_upload_reply *ret_reply, struct tk_fault *fault)
{
        struct tk_str bytes;
        bool broken;
        enum tk_err err = TK_OK;
        while (err == TK_OK && tk_upload_take(upload, &bytes, &broken))
                err = take_bytes(job, bytes, fault);
        if (err == TK_OK && broken)
                err = broke_off(fault);
        return err == TK_OK ? finish(upload, job, ret_reply, fault) : err;
}

static enum tk_err run_import(struct tk_upload *upload, void *context, struct tk_upload_reply *ret_reply,
                              struct tk_fault *fault)
{
        struct import_job *job = context;
        enum tk_err err = tk_import_reader_init(&job->reader, job->format);
        job->carry = err == TK_OK ? tk_malloc(TK_IMPORT_LINE_MAX) : NULL;
        if (!job->carry)
                err = TK_NOMEM;
        if (err == TK_OK)
                err = tk_importer_open(job->service, &job->caller, &job->options, &job->importer, fault);
        if (err == TK_OK) {
                tk_upload_on_stop(upload, hurry, job->importer);
                err = read_all(upload, job, ret_reply, fault);
        }
        if (job->importer) {
                tk_upload_on_stop(upload, NULL, NULL);
                tk_importer_abandon(job->importer);
        }
        free_job(job);
        return err;
}

enum tk_err tk_http_import_begin(struct tk_request *request)
{
        struct import_job read = {0}, *job;
        enum tk_err err = read_options(request, &read);
        if (err == TK_OK)
                err = make_job(request, &read, &job);
        if (err != TK_OK)
                return err;
        err = tk_upload_begin(request, run_import, job, &request->upload);
        if (err != TK_OK)
                free_job(job);
        return err;
}

/* ---- reading ---- */

enum tk_err tk_http_import_get(struct tk_request *request)
{
        struct tk_import import;
        enum tk_err err = tk_service_import_get(request->service, request->params[0], &request->arena,
                                                &import, &request->fault);
        return err == TK_OK ? tk_reply_json(request, tk_view_import(&import, true)) : err;
}

enum tk_err tk_http_import_list(struct tk_request *request)
{
        struct tk_page page;
        struct tk_import *imports;
        size_t count;
        enum tk_err err = tk_request_page(request, NULL, 0, &page);
        if (err == TK_OK)
                err = tk_service_import_list(request->service, page, &request->arena, &imports, &count,
                                             &request->fault);
        if (err != TK_OK)
                return err;
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(items, tk_view_import(&imports[i], false));
        return tk_reply_page(request, items, count, page, count > 0 ? imports[count - 1].id : 0);
}
