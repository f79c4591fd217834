/*
 * `tollkeeper import`: sends a file of keys, shows how far the daemon is, and reports. Main thread only. The file's plaintext keys pass
 * through here on their way and are never printed: reports of the daemon hold none.
 */
#include "cli/args.h"
#include "cli/body.h"
#include "cli/client.h"
#include "cli/nouns.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 20 /* lines of the report, for people; --json has them all */

struct import {
        const struct tk_cli_run *run;
        struct tk_cli_progress progress;
        struct tk_cli_client *watcher; /* asks how far it is while the file is sent */
        int64_t bytes, sent_bytes;
};

/* ---- how far it is ---- */

static uint64_t figure(const json_t *object, const char *name)
{
        json_int_t value = json_integer_value(json_object_get(object, name));
        return value > 0 ? (uint64_t)value : 0;
}

/* Only one import runs at a time, so the newest one is this. How many lines there will be is told by how far the file is. */
static void draw(struct import *import, const json_t *newest)
{
        char note[64] = "";
        uint64_t lines = figure(newest, "lines"),
                 done = figure(newest, "imported") + figure(newest, "rejected");
        uint64_t total = lines;
        const char *state = json_string_value(json_object_get(newest, "state"));
        bool reading = state && strcmp(state, "reading") == 0;
        bool staged = json_is_true(json_object_get(newest, "dry_run")) ||
                      strcmp(json_string_value(json_object_get(newest, "mode")), "rest") != 0;
        if (import->bytes > 0 && import->sent_bytes > 0 && import->sent_bytes < import->bytes)
                total = (uint64_t)((double)lines * (double)import->bytes / (double)import->sent_bytes);
        else if (import->bytes < 0 && reading)
                total = 0;
        if (figure(newest, "rejected") > 0)
                snprintf(note, sizeof(note), "%llu rejected", (unsigned long long)figure(newest, "rejected"));
        bool checking = reading && staged;
        tk_cli_progress_draw(&import->progress, checking ? "lines read" : "keys", checking ? lines : done,
                             total, note);
}

static void on_progress(void *context, int64_t sent_bytes)
{
        struct import *import = context;
        json_t *list = NULL;
        import->sent_bytes = sent_bytes;
        if (!import->watcher || !tk_cli_progress_due(&import->progress))
                return;
        const struct tk_cli_request request = {.method = "GET", .path = "/v1/imports?limit=1"};
        if (tk_cli_client_ask(import->watcher, &request, &list) == TK_CLI_EXIT_ok &&
            json_array_size(json_object_get(list, "items")) > 0)
                draw(import, json_array_get(json_object_get(list, "items"), 0));
        json_decref(list);
}

/* ---- the report ---- */

static void print_lines(const json_t *list, const char *mark, const char *what, uint64_t total)
{
        json_t *item;
        size_t i;
        json_array_foreach((json_t *)(uintptr_t)list, i, item)
        {
                const char *mend = json_string_value(json_object_get(item, "mend"));
                const char *field = json_string_value(json_object_get(item, "field"));
                if (i == SHOWN_MAX)
                        break;
                fprintf(stderr, "line %llu: %s%s%s%s\n", (unsigned long long)figure(item, "line"), mark,
                        field && field[0] ? field + 1 : "", field && field[0] ? ": " : "",
                        json_string_value(json_object_get(item, "detail")));
                if (mend && mend[0])
                        fprintf(stderr, "  mend: %s\n", mend);
        }
        if (total > SHOWN_MAX)
                fprintf(stderr, "%llu more %s: --json shows the first thousand\n",
                        (unsigned long long)(total - SHOWN_MAX), what);
}

static int print_report(const json_t *import)
{
        uint64_t lines = figure(import, "lines"), rejected = figure(import, "rejected"),
                 imported = figure(import, "imported"), warned = figure(import, "warned");
        bool dry = json_is_true(json_object_get(import, "dry_run"));
        const char *state = json_string_value(json_object_get(import, "state"));
        fflush(stdout);
        print_lines(json_object_get(import, "errors"), "", "lines are bad", rejected);
        print_lines(json_object_get(import, "warnings"), "warning: ", "warnings", warned);
        if (dry)
                printf("dry run: %llu of %llu lines would be imported, %llu rejected\n",
                       (unsigned long long)(lines - rejected), (unsigned long long)lines,
                       (unsigned long long)rejected);
        else if (state && strcmp(state, "refused") == 0)
                printf("nothing imported: %llu of %llu lines are bad\n", (unsigned long long)rejected,
                       (unsigned long long)lines);
        else
                printf("imported %llu keys of %llu lines, %llu rejected (%s)\n", (unsigned long long)imported,
                       (unsigned long long)lines, (unsigned long long)rejected,
                       json_string_value(json_object_get(import, "id")));
        return rejected > 0 ? TK_CLI_EXIT_rejected : TK_CLI_EXIT_ok;
}

static int show(const struct tk_cli_run *run, const json_t *import)
{
        if (!tk_cli_args_has(run, TK_CLI_OPTION_json))
                return print_report(import);
        int exit = tk_cli_print_json(import);
        return exit == TK_CLI_EXIT_ok && figure(import, "rejected") > 0 ? TK_CLI_EXIT_rejected : exit;
}

/* ---- the request ---- */

static const char *add_parameter(const struct tk_cli_run *run, const char *path, const char *name,
                                 enum tk_cli_option option)
{
        const char *value = tk_cli_args_text(run, option, NULL);
        const char *encoded = value ? tk_cli_encode(run->arena, value) : NULL;
        if (!path || (value && !encoded))
                return NULL;
        return value ? tk_arena_printf(run->arena, "%s&%s=%s", path, name, encoded).ptr : path;
}

/* What is missing is made, as `key issue` does it. */
static const char *make_path(const struct tk_cli_run *run)
{
        const char *path =
                tk_arena_printf(run->arena, "/v1/keys/import?create_missing=true%s%s",
                                tk_cli_args_has(run, TK_CLI_OPTION_all_or_nothing) ? "&mode=all-or-nothing"
                                                                                   : "",
                                tk_cli_args_has(run, TK_CLI_OPTION_dry_run) ? "&dry_run=true" : "")
                        .ptr;
        path = add_parameter(run, path, "api", TK_CLI_OPTION_api);
        path = add_parameter(run, path, "environment", TK_CLI_OPTION_environment);
        path = add_parameter(run, path, "consumer", TK_CLI_OPTION_consumer);
        return add_parameter(run, path, "from", TK_CLI_OPTION_from);
}

static int content_type(const struct tk_cli_run *run, const char **ret_type)
{
        const char *format = tk_cli_args_text(run, TK_CLI_OPTION_format, NULL);
        size_t len = strlen(run->argument);
        bool named_csv = len > 4 && strcmp(run->argument + len - 4, ".csv") == 0;
        bool csv = format ? strcmp(format, "csv") == 0 : named_csv;
        if (format && !csv && strcmp(format, "ndjson") != 0)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "use ndjson or csv",
                                   "--format does not know \"%s\"", format);
        *ret_type = csv ? "text/csv" : "application/x-ndjson";
        return TK_CLI_EXIT_ok;
}

static int open_file(const char *path, int *ret_fd, int64_t *ret_bytes)
{
        struct stat status;
        int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "cannot read %s: %s", path,
                                   strerror(errno));
        bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
        *ret_fd = fd;
        *ret_bytes = regular && fd != STDIN_FILENO ? (int64_t)status.st_size : -1;
        return TK_CLI_EXIT_ok;
}

static int send_file(struct import *import, const char *path, const char *type, int fd)
{
        const struct tk_cli_run *run = import->run;
        struct tk_cli_client *client = NULL;
        json_t *reply = NULL;
        int exit = tk_cli_client_open(run, &client);
        tk_cli_progress_init(&import->progress);
        if (exit == TK_CLI_EXIT_ok && import->progress.shown)
                exit = tk_cli_client_open(run, &import->watcher);
        const struct tk_cli_upload upload = {
                .path = path,
                .content_type = type,
                .fd = fd,
                .bytes = import->bytes,
                .progress = on_progress,
                .context = import,
        };
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_upload(client, &upload, &reply);
        tk_cli_progress_clear(&import->progress);
        if (exit == TK_CLI_EXIT_ok)
                exit = show(run, reply);
        json_decref(reply);
        tk_cli_client_close(import->watcher);
        tk_cli_client_close(client);
        return exit;
}

static int run_import(const struct tk_cli_run *run)
{
        struct import import = {.run = run};
        const char *type = NULL, *path = make_path(run);
        int fd = -1;
        if (!path)
                return tk_cli_out_of_memory();
        int exit = content_type(run, &type);
        if (exit == TK_CLI_EXIT_ok)
                exit = open_file(run->argument, &fd, &import.bytes);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = send_file(&import, path, type, fd);
        if (fd != STDIN_FILENO)
                close(fd);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .argument = "FILE",
        .summary = "bring along keys that another system issued",
        .notes = "FILE has one JSON object a line, or is a CSV with a first line of column names; `-` is "
                 "standard\n"
                 "input. Each line has `key`, or `sha256` of it (hex, base64, base64url), and what else a "
                 "key may\n"
                 "have: consumer, name, scopes, limits, expires_at, metadata, state, hint. The flags are for "
                 "lines\n"
                 "that do not say. The keys keep working as they are. Bad lines are told by number; the "
                 "others\n"
                 "are imported, or none with --all-or-nothing. What was imported before is rejected, so the "
                 "same\n"
                 "file can be sent again after an interruption. Consumers that are missing are made.",
        .example = "echo '{\"key\": \"wx_7Yh2kQ9vLmN4pRtS8uVw\", \"consumer\": \"acme\"}' | "
                   "tollkeeper import - --api weather\n"
                   "printf 'key\\nwx_1Bc3Df5Gh7Jk9Lm2Np4\\n' | "
                   "tollkeeper import - --format csv --api weather --dry-run",
        .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(environment) | TK_CLI_HAS(consumer) |
                   TK_CLI_HAS(all_or_nothing) | TK_CLI_HAS(dry_run) | TK_CLI_HAS(format) | TK_CLI_HAS(from),
        .method = "POST",
        .path = "/v1/keys/import",
        .run = run_import,
}};

const struct tk_cli_noun tk_cli_noun_import = {
        .name = "import",
        .summary = "bring along keys that another system issued",
        TK_CLI_COMMANDS(command),
};
