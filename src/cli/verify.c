/*
 * `tollkeeper verify`: the gate's decision on a key. Main thread only.
 */
#include "cli/nouns.h"
#include "cli/question.h"
#include "cli/request.h"

static bool print_answer(const struct tk_cli_run *run, const json_t *reply)
{
        return tk_cli_answer_print(run->arena, reply);
}

static int run_verify(const struct tk_cli_run *run)
{
        json_t *reply;
        int exit = tk_cli_question_ask(run, &reply);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = tk_cli_show(run, reply, print_answer);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_answer_exit(reply);
        json_decref(reply);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .summary = "ask whether a key may make a request, and charge it if so",
        .notes = TK_CLI_QUESTION_NOTES "\nExit code 0: valid. 10: refused.",
        .example = "printf %s \"$KEY\" | tollkeeper verify --api weather --scope forecast:read\n"
                   "TOLLKEEPER_KEY=\"$KEY\" tollkeeper verify --api weather --method GET --path "
                   "/v1/forecast/oslo\n"
                   "printf %s \"$KEY\" | tollkeeper verify --api weather --method GET --path /v1/x "
                   "--match-route "
                   "--unknown-route pass",
        .options = TK_CLI_QUESTION,
        .required = TK_CLI_HAS(api),
        .method = "POST",
        .path = "/v1/verify",
        .run = run_verify,
}};

const struct tk_cli_noun tk_cli_noun_verify = {
        .name = "verify",
        .summary = "ask whether a key may make a request",
        TK_CLI_COMMANDS(command),
};
