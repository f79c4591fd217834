/*
 * Prints what is issued, revoked and used. Main thread only. The plaintext of a key passes through here once.
 */
#include "cli/key_run.h"

#include "cli/args.h"
#include "cli/cell.h"
#include "cli/limits_view.h"
#include "cli/nouns.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

/* ---- issue ---- */

/* So that a slip in --api, which makes another API, is noticed. False when out of memory. */
static bool print_made(struct tk_arena *arena, const json_t *made)
{
        static const struct tk_cli_column kind = {"", "kind", TK_CLI_AS_TEXT, 0};
        static const struct tk_cli_column name = {"", "name", TK_CLI_AS_TEXT, 0};
        for (size_t i = 0; i < json_array_size(made); i++) {
                const json_t *element = json_array_get(made, i);
                struct tk_cli_cell kind_cell, name_cell;
                if (!tk_cli_cell_make(arena, &kind, element, true, &kind_cell) ||
                    !tk_cli_cell_make(arena, &name, element, true, &name_cell))
                        return false;
                bool api = strcmp(kind_cell.text, "api") == 0;
                fprintf(stderr, "%s%s %s", i == 0 ? "  made     " : ", ", api ? "API" : kind_cell.text,
                        name_cell.text);
        }
        if (json_array_size(made) > 0)
                fputc('\n', stderr);
        return true;
}

/* Enough to see that it is what was wanted; `key show` has the rest. */
static bool describe(struct tk_arena *arena, const json_t *key)
{
        static const struct tk_cli_column shown[] = {
                {"for", "consumer", TK_CLI_AS_NAMED, 0},
                {"scopes", "scopes", TK_CLI_AS_LIST, 0},
                {"limits", "limits", TK_CLI_AS_LIMITS, 0},
                {"expires", "expires_at", TK_CLI_AS_EXPIRY, 0},
        };
        fprintf(stderr, "issued %s for %s, %s\n", json_string_value(json_object_get(key, "id")),
                json_string_value(json_object_get(key, "api")),
                json_string_value(json_object_get(key, "environment")));
        for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
                struct tk_cli_cell cell;
                if (!tk_cli_cell_make(arena, &shown[i], key, true, &cell))
                        return false;
                fprintf(stderr, "  %-7s  %s\n", shown[i].title, cell.text);
        }
        return print_made(arena, json_object_get(key, "made"));
}

static int print_issued(const struct tk_cli_run *run, const json_t *reply)
{
        const char *plaintext = json_string_value(json_object_get(reply, "key"));
        if (!describe(run->arena, reply))
                return tk_cli_out_of_memory();
        if (!plaintext)
                return tk_cli_fail(
                        TK_CLI_EXIT_rejected, NULL, "issue another one, and revoke this if nobody has it",
                        "the key was issued before, under the same --idempotency-key, and is stored nowhere");
        fputs("This is the key. It is stored nowhere: keep it now.\n", stderr);
        printf("%s\n", plaintext);
        return TK_CLI_EXIT_ok;
}

int tk_cli_run_key_issue(const struct tk_cli_run *run)
{
        /* The time would differ in a repeat, and with it the body. */
        if (tk_cli_args_has(run, TK_CLI_OPTION_idempotency_key) &&
            tk_cli_args_has(run, TK_CLI_OPTION_expires_in))
                return tk_cli_fail(
                        TK_CLI_EXIT_usage, NULL, "say --expires-at with a date",
                        "--expires-in means another time in each repeat, so --idempotency-key cannot work");
        json_t *reply;
        int exit = tk_cli_ask(run, NULL, &reply);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = tk_cli_args_has(run, TK_CLI_OPTION_json) ? tk_cli_print_json(reply) : print_issued(run, reply);
        json_decref(reply);
        return exit;
}

/* ---- revoke ---- */

static bool print_revoked(const struct tk_cli_run *run, const json_t *key)
{
        static const struct tk_cli_column id = {"", "id", TK_CLI_AS_TEXT, 0};
        static const struct tk_cli_column reason = {"", "revoke_reason", TK_CLI_AS_TEXT, 0};
        bool already = json_is_true(json_object_get(key, "already"));
        struct tk_cli_cell id_cell, reason_cell;
        if (!tk_cli_cell_make(run->arena, &id, key, false, &id_cell) ||
            !tk_cli_cell_make(run->arena, &reason, key, false, &reason_cell))
                return false;
        if (already)
                printf("%s was revoked already\n", id_cell.text);
        else
                printf("%s %s\n", run->command->done, id_cell.text);
        fflush(stdout); /* so that the note comes last */
        if (already && tk_cli_args_has(run, TK_CLI_OPTION_reason))
                fprintf(stderr, "The reason given then stays: %s\n",
                        reason_cell.empty ? "none" : reason_cell.text);
        return true;
}

int tk_cli_run_key_revoke(const struct tk_cli_run *run)
{
        return tk_cli_run_shown(run, print_revoked);
}

/* ---- usage ---- */

static bool print_usage(const struct tk_cli_run *run, const json_t *reply)
{
        static const struct tk_cli_column columns[] = {
                {"ADMITTED", "key.admitted", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"REFUSED", "key.refused", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"LAST USED", "key.last_used_at", TK_CLI_AS_EXPIRY, TK_CLI_IN_RECORD},
                {"SUBSCRIPTION ADMITTED", "subscription.admitted", TK_CLI_AS_TEXT,
                 TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
                {"SUBSCRIPTION REFUSED", "subscription.refused", TK_CLI_AS_TEXT,
                 TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        };
        static const struct tk_cli_view view = {TK_CLI_COLUMNS(columns)};
        json_t *limits = json_deep_copy(tk_cli_member(reply, "key.limits"));
        json_t *shared = tk_cli_member(reply, "subscription.limits");
        bool good = limits && (!shared || json_array_extend(limits, shared) == 0) &&
                    tk_cli_record_print(run->arena, &view, reply);
        if (good && json_array_size(limits) > 0) {
                putchar('\n');
                good = tk_cli_table_print(run->arena, &tk_cli_limits_view, limits);
        }
        json_decref(limits);
        return good;
}

int tk_cli_run_key_usage(const struct tk_cli_run *run)
{
        return tk_cli_run_shown(run, print_usage);
}
