/*
 * Asks about a presented key. Main thread only. The key is in a struct tk_secret and in JSON memory that client.c wipes.
 */
#include "cli/question.h"

#include "cli/args.h"
#include "cli/body.h"
#include "cli/cell.h"
#include "cli/limits_view.h"
#include "cli/nouns.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/table.h"
#include "cli/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the key ---- */

static int read_presented_key(const struct tk_cli_run *run, struct tk_secret *ret_key)
{
        const char *path = tk_cli_args_text(run, TK_CLI_OPTION_key_file, NULL);
        const char *variable = getenv("TOLLKEEPER_KEY");
        if (path)
                return tk_cli_read_key_file(path, ret_key);
        if (variable && variable[0] != '\0') {
                if (tk_secret_set(ret_key, variable, strlen(variable)))
                        return TK_CLI_EXIT_ok;
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL,
                                   "TOLLKEEPER_KEY is longer than a key can be");
        }
        if (!isatty(STDIN_FILENO))
                return tk_cli_read_key_file("-", ret_key);
        if (tk_cli_terminal_ask("Key: ", ret_key) && ret_key->len > 0)
                return TK_CLI_EXIT_ok;
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "no key was given");
}

int tk_cli_question_ask(const struct tk_cli_run *run, json_t **ret_reply)
{
        struct tk_secret key = {0};
        json_t *body = NULL;
        int exit = tk_cli_body_make(run, &body);
        if (exit == TK_CLI_EXIT_ok)
                exit = read_presented_key(run, &key);
        if (exit == TK_CLI_EXIT_ok) {
                struct tk_str text = tk_secret_view(&key);
                if (json_object_set_new(body, "key", json_stringn(text.ptr, text.len)) != 0)
                        exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL,
                                           "what was given as a key is not text");
        }
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_ask(run, body, ret_reply);
        tk_secret_wipe(&key);
        json_decref(body);
        return exit;
}

/* ---- the answer ---- */

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));
        return text ? text : "";
}

static void print_verdict(const json_t *answer)
{
        bool valid = json_is_true(json_object_get(answer, "valid"));
        enum tk_cli_colour colour = valid ? TK_CLI_GREEN : TK_CLI_RED;
        printf("%s%s%s", tk_cli_colour_on(colour), valid ? "valid" : "refused", tk_cli_colour_off(colour));
        if (!valid)
                printf(" %s", text_of(answer, "code"));
        printf("  %s\n", text_of(answer, "detail"));
}

static bool print_identity(struct tk_arena *arena, const json_t *answer)
{
        static const struct tk_cli_column columns[] = {
                {"  KEY", "key_id", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
                {"  CONSUMER", "consumer", TK_CLI_AS_NAMED, TK_CLI_IN_RECORD},
                {"  API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"  ENVIRONMENT", "environment", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"  SCOPES", "scopes", TK_CLI_AS_LIST, TK_CLI_IN_RECORD},
                {"  ROLES", "roles", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
                {"  ROUTE", "route.path", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
                {"  EXPIRES", "expires_at", TK_CLI_AS_EXPIRY, TK_CLI_IN_RECORD},
                {"  RETRY", "retry_after_s", TK_CLI_AS_SECONDS, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        };
        static const struct tk_cli_view view = {TK_CLI_COLUMNS(columns)};
        return !json_is_string(json_object_get(answer, "key_id")) ||
               tk_cli_record_print(arena, &view, answer);
}

bool tk_cli_answer_print(struct tk_arena *arena, const json_t *answer)
{
        const json_t *limits = json_object_get(answer, "limits");
        print_verdict(answer);
        if (!print_identity(arena, answer))
                return false;
        if (json_array_size(limits) == 0)
                return true;
        putchar('\n');
        return tk_cli_table_print(arena, &tk_cli_limits_view, limits);
}

int tk_cli_answer_exit(const json_t *answer)
{
        return json_is_true(json_object_get(answer, "valid")) ? TK_CLI_EXIT_ok : TK_CLI_EXIT_key_refused;
}
