/*
 * `tollkeeper explain`: every check behind a decision. Main thread only.
 */
#include "cli/nouns.h"
#include "cli/question.h"
#include "cli/request.h"
#include "cli/table.h"

#include <stdio.h>

static bool print_explanation(const struct tk_cli_run *run, const json_t *reply)
{
        static const struct tk_cli_column columns[] = {
                {"CHECK", "code", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
                {"RESULT", "result", TK_CLI_AS_STATE, TK_CLI_IN_TABLE},
                {"DETAIL", "detail", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        };
        static const struct tk_cli_view view = {TK_CLI_COLUMNS(columns)};
        if (!tk_cli_answer_print(run->arena, json_object_get(reply, "answer")))
                return false;
        const json_t *route = json_object_get(reply, "route");
        if (route)
                printf("  route: %s: %s\n", json_string_value(json_object_get(route, "result")),
                       json_string_value(json_object_get(route, "detail")));
        putchar('\n');
        return tk_cli_table_print(run->arena, &view, json_object_get(reply, "checks"));
}

static int run_explain(const struct tk_cli_run *run)
{
        json_t *reply;
        int exit = tk_cli_question_ask(run, &reply);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = tk_cli_show(run, reply, print_explanation);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_answer_exit(json_object_get(reply, "answer"));
        json_decref(reply);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .summary = "show every check behind a decision; charges nothing",
        .notes = TK_CLI_QUESTION_NOTES "\nExit code 0: it would be valid. 10: it would be refused.",
        .example = "printf %s \"$KEY\" | tollkeeper explain --api weather --scope \"forecast:read or "
                   "alerts:read\"\n"
                   "printf %s \"$KEY\" | tollkeeper explain --api weather --method GET --ip 192.0.2.7",
        .options = TK_CLI_QUESTION,
        .required = TK_CLI_HAS(api),
        .method = "POST",
        .path = "/v1/explain",
        .run = run_explain,
}};

const struct tk_cli_noun tk_cli_noun_explain = {
        .name = "explain",
        .summary = "show every check behind a decision; charges nothing",
        TK_CLI_COMMANDS(command),
};
