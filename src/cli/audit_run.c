/*
 * Lists, shows and follows the audit log. See audit_run.h.
 */
#include "cli/audit_run.h"

#include "cli/args.h"
#include "cli/body.h"
#include "cli/cell.h"
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/table.h"
#include "core/calendar.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_ENTRIES 10
#define PAGE_MAX      1000
#define POLL_EVERY_NS 500000000L
#define DATE_LENGTH   10

/* ---- --since and --until ---- */

/*
 * "2h" is two hours ago, "2026-11-23" is when that day began in UTC, all else is left to the daemon. NULL: no
 * memory.
 */
static const char *moment(struct tk_arena *arena, const char *text)
{
        struct tk_str given = tk_str_from(text);
        int64_t ago_s;
        char at[TK_TIME_TEXT_MAX];
        if (tk_duration_parse(given, &ago_s)) {
                tk_time_format((int64_t)time(NULL) - ago_s, at);
                return tk_arena_copy(arena, tk_str_from(at)).ptr;
        }
        if (given.len == DATE_LENGTH)
                return tk_arena_printf(arena, "%sT00:00:00Z", text).ptr;
        return text;
}

/* The run with its times as the daemon wants them. False when out of memory. */
static bool with_times(const struct tk_cli_run *run, struct tk_cli_run *ret_run)
{
        struct tk_cli_given *given = tk_arena_alloc(run->arena, sizeof(*given) * (run->given_count + 1));
        if (!given)
                return false;
        for (size_t i = 0; i < run->given_count; i++) {
                given[i] = run->given[i];
                if (given[i].option != TK_CLI_OPTION_since && given[i].option != TK_CLI_OPTION_until)
                        continue;
                given[i].value = moment(run->arena, given[i].value);
                if (!given[i].value)
                        return false;
        }
        *ret_run = *run;
        ret_run->given = given;
        return true;
}

int tk_cli_run_audit_list(const struct tk_cli_run *run)
{
        struct tk_cli_run timed;
        return with_times(run, &timed) ? tk_cli_run_list(&timed) : tk_cli_out_of_memory();
}

/* ---- one entry ---- */

static bool print_entry(const struct tk_cli_run *run, const json_t *entry)
{
        if (!tk_cli_record_print(run->arena, run->noun->view, entry))
                return false;
        putchar('\n');
        return tk_cli_changes_print(run->arena, entry);
}

int tk_cli_run_audit_show(const struct tk_cli_run *run)
{
        return tk_cli_run_shown(run, print_entry);
}

/* ---- following ---- */

struct follower {
        const struct tk_cli_run *run;
        struct tk_cli_client *client;
        const char *path; /* with the filters */
        uint64_t left;    /* entries to print; UINT64_MAX: no end */
        json_int_t last;  /* seq of the last one that was seen */
};

/* The path is given up at once: the log may be followed for weeks. */
static int ask(struct follower *follower, const char *more, json_t **ret_page)
{
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        const char *mark = strchr(follower->path, '?') ? "&" : "?";
        struct tk_cli_request request = {
                .method = "GET",
                .path = tk_arena_printf(&arena, "%s%s%s", follower->path, mark, more).ptr,
        };
        int exit = request.path ? tk_cli_client_ask(follower->client, &request, ret_page)
                                : tk_cli_out_of_memory();
        tk_arena_fini(&arena);
        return exit;
}

static const char *text_of(const json_t *entry, const char *member)
{
        const char *text = json_string_value(json_object_get(entry, member));
        return text ? text : "-";
}

/* One line: what goes into a pipe is as good as what is on a terminal. */
static int print_line(struct follower *follower, const json_t *entry)
{
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        int exit = TK_CLI_EXIT_ok;
        if (tk_cli_args_has(follower->run, TK_CLI_OPTION_json)) {
                json_dumpf(entry, stdout, JSON_COMPACT);
                putchar('\n');
        } else {
                const char *subject = tk_cli_changes_subject(&arena, entry);
                const char *changes = tk_cli_changes_line(&arena, entry);
                if (subject && changes)
                        printf("%s  %s  %s  %s  %s  %s\n", text_of(entry, "at"), text_of(entry, "actor"),
                               text_of(entry, "source"), text_of(entry, "action"), subject, changes);
                else
                        exit = tk_cli_out_of_memory();
        }
        tk_arena_fini(&arena);
        if (exit == TK_CLI_EXIT_ok && fflush(stdout) != 0)
                exit = tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write to standard output");
        return exit;
}

static int print_one(struct follower *follower, const json_t *entry)
{
        json_int_t seq = json_integer_value(json_object_get(entry, "seq"));
        if (seq > follower->last)
                follower->last = seq;
        if (follower->left != UINT64_MAX)
                follower->left--;
        return print_line(follower, entry);
}

/* The newest ones come newest first, and are printed the other way round. */
static int print_newest(struct follower *follower)
{
        json_t *page;
        char more[32];
        size_t wanted = follower->left < FIRST_ENTRIES ? (size_t)follower->left : FIRST_ENTRIES;
        snprintf(more, sizeof(more), "limit=%zu", wanted);
        int exit = ask(follower, more, &page);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        const json_t *items = json_object_get(page, "items");
        for (size_t i = json_array_size(items); exit == TK_CLI_EXIT_ok && i > 0; i--)
                exit = print_one(follower, json_array_get(items, i - 1));
        json_decref(page);
        return exit;
}

static int print_new(struct follower *follower)
{
        json_t *page;
        char more[64];
        size_t limit = follower->left < PAGE_MAX ? (size_t)follower->left : PAGE_MAX;
        snprintf(more, sizeof(more), "limit=%zu&after=%lld", limit, (long long)follower->last);
        int exit = ask(follower, more, &page);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        const json_t *items = json_object_get(page, "items");
        for (size_t i = 0; exit == TK_CLI_EXIT_ok && i < json_array_size(items); i++)
                exit = print_one(follower, json_array_get(items, i));
        json_decref(page);
        return exit;
}

static int follow(struct follower *follower)
{
        const struct timespec pause = {.tv_nsec = POLL_EVERY_NS};
        int exit = print_newest(follower);
        while (exit == TK_CLI_EXIT_ok && follower->left > 0) {
                nanosleep(&pause, NULL);
                exit = print_new(follower);
        }
        return exit;
}

int tk_cli_run_audit_follow(const struct tk_cli_run *run)
{
        struct tk_cli_run timed;
        if (!with_times(run, &timed))
                return tk_cli_out_of_memory();
        struct follower follower = {.run = &timed};
        int exit = tk_cli_args_number(run, TK_CLI_OPTION_max, 0, UINT32_MAX, 0, &follower.left);
        if (follower.left == 0)
                follower.left = UINT64_MAX;
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_path_make(&timed, &follower.path);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_open(&timed, &follower.client);
        if (exit == TK_CLI_EXIT_ok)
                exit = follow(&follower);
        tk_cli_client_close(follower.client);
        return exit;
}
