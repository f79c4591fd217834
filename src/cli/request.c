/*
 * Drives client.c from the tables. Main thread only.
 */
#include "cli/request.h"

#include "cli/args.h"
#include "cli/body.h"
#include "cli/cell.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX_DEFAULT 1000
#define PAGE_MAX         1000

int tk_cli_print_json(const json_t *reply)
{
        if (json_dumpf(reply, stdout, JSON_INDENT(2)) != 0)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write to standard output");
        putchar('\n');
        return TK_CLI_EXIT_ok;
}

/* ---- one object ---- */

static int send_body(const struct tk_cli_run *run, const char *path, const json_t *body, json_t **ret_reply)
{
        struct tk_cli_client *client;
        uint64_t version;
        int exit = tk_cli_args_number(run, TK_CLI_OPTION_if_version, 1, INT64_MAX, 0, &version);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_open(run, &client);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        struct tk_cli_request request = {
                .method = run->command->method,
                .path = path,
                .body = body,
                .idempotency_key = tk_cli_args_text(run, TK_CLI_OPTION_idempotency_key, NULL),
                .if_match = tk_cli_args_text(run, TK_CLI_OPTION_if_version, NULL),
        };
        exit = tk_cli_client_ask(client, &request, ret_reply);
        tk_cli_client_close(client);
        return exit;
}

int tk_cli_ask(const struct tk_cli_run *run, const json_t *body, json_t **ret_reply)
{
        const char *path;
        int exit = tk_cli_path_make(run, &path);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        if (body || strcmp(run->command->method, "GET") == 0)
                return send_body(run, path, body, ret_reply);
        json_t *made;
        exit = tk_cli_body_make(run, &made);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = send_body(run, path, made, ret_reply);
        json_decref(made);
        return exit;
}

int tk_cli_show(const struct tk_cli_run *run, const json_t *reply, tk_cli_print *print)
{
        if (tk_cli_args_has(run, TK_CLI_OPTION_json))
                return tk_cli_print_json(reply);
        return print(run, reply) ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
}

int tk_cli_run_shown(const struct tk_cli_run *run, tk_cli_print *print)
{
        json_t *reply;
        int exit = tk_cli_ask(run, NULL, &reply);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = tk_cli_show(run, reply, print);
        json_decref(reply);
        return exit;
}

/* "revoked key_17": the word and what the first column shows. */
static bool print_done(const struct tk_cli_run *run, const json_t *object)
{
        struct tk_cli_cell cell;
        if (!tk_cli_cell_make(run->arena, &run->noun->view->columns[0], object, false, &cell))
                return false;
        printf("%s %s\n", run->command->done, cell.text);
        return true;
}

static bool print_record(const struct tk_cli_run *run, const json_t *object)
{
        if (run->command->done && !print_done(run, object))
                return false;
        return tk_cli_record_print(run->arena, run->noun->view, object);
}

int tk_cli_run_record(const struct tk_cli_run *run)
{
        return tk_cli_run_shown(run, print_record);
}

int tk_cli_run_state(const struct tk_cli_run *run)
{
        return tk_cli_run_shown(run, print_done);
}

/* ---- lists ---- */

/* The collection's path with `limit` and, unless the page is the first, `cursor`. */
static const char *page_path(const struct tk_cli_run *run, const char *path, size_t limit, const char *cursor)
{
        const char *mark = strchr(path, '?') ? "&" : "?";
        if (!cursor)
                return tk_arena_printf(run->arena, "%s%slimit=%zu", path, mark, limit).ptr;
        const char *encoded = tk_cli_encode(run->arena, cursor);
        if (!encoded)
                return NULL;
        return tk_arena_printf(run->arena, "%s%slimit=%zu&cursor=%s", path, mark, limit, encoded).ptr;
}

/* Append the page's items; ret_cursor, in the arena, is where the next page begins, NULL after the last. */
static int take_page(const struct tk_cli_run *run, const json_t *page, json_t *items, const char **ret_cursor)
{
        const json_t *next = json_object_get(page, "next_cursor");
        *ret_cursor = NULL;
        if (json_array_extend(items, json_object_get(page, "items")) != 0)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "the reply is not a list");
        if (!json_is_string(next))
                return TK_CLI_EXIT_ok;
        *ret_cursor = tk_arena_copy(run->arena, tk_str_from(json_string_value(next))).ptr;
        return *ret_cursor ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
}

/* Page after page until `max` (0: no end) or the last, from --cursor on. */
static int fetch(const struct tk_cli_run *run, struct tk_cli_client *client, const char *path, uint64_t max,
                 json_t *items, const char **ret_cursor)
{
        const char *cursor = tk_cli_args_text(run, TK_CLI_OPTION_cursor, NULL);
        for (;;) {
                size_t have = json_array_size(items);
                size_t want = max && max - have < PAGE_MAX ? (size_t)(max - have) : PAGE_MAX;
                struct tk_cli_request request = {.method = "GET", .path = page_path(run, path, want, cursor)};
                json_t *page;
                int exit = request.path ? tk_cli_client_ask(client, &request, &page) : tk_cli_out_of_memory();
                if (exit != TK_CLI_EXIT_ok)
                        return exit;
                exit = take_page(run, page, items, &cursor);
                json_decref(page);
                if (exit != TK_CLI_EXIT_ok)
                        return exit;
                if (!cursor || (max && json_array_size(items) >= max)) {
                        *ret_cursor = cursor;
                        return TK_CLI_EXIT_ok;
                }
        }
}

static int print_list(const struct tk_cli_run *run, json_t *items, const char *cursor)
{
        if (tk_cli_args_has(run, TK_CLI_OPTION_json)) {
                json_t *list = json_pack("{s:O, s:s?}", "items", items, "next_cursor", cursor);
                int exit = list ? tk_cli_print_json(list) : tk_cli_out_of_memory();
                json_decref(list);
                return exit;
        }
        if (json_array_size(items) == 0) {
                fprintf(stderr, "%s\n", run->noun->view->empty);
                return TK_CLI_EXIT_ok;
        }
        if (!tk_cli_table_print(run->arena, run->noun->view, items))
                return tk_cli_out_of_memory();
        fflush(stdout); /* so that the note comes last */
        if (cursor)
                fprintf(stderr, "There are more: go on with --cursor %s, or see all with --max 0.\n", cursor);
        return TK_CLI_EXIT_ok;
}

int tk_cli_run_list(const struct tk_cli_run *run)
{
        struct tk_cli_client *client = NULL;
        json_t *items = json_array();
        const char *path, *cursor;
        uint64_t max;
        int exit = tk_cli_args_number(run, TK_CLI_OPTION_max, 0, UINT32_MAX, LIST_MAX_DEFAULT, &max);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_path_make(run, &path);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_open(run, &client);
        if (exit == TK_CLI_EXIT_ok)
                exit = fetch(run, client, path, max, items, &cursor);
        if (exit == TK_CLI_EXIT_ok)
                exit = print_list(run, items, cursor);
        tk_cli_client_close(client);
        json_decref(items);
        return exit;
}
