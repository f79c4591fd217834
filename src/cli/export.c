/*
 * `tollkeeper export`: all keys with their settings, as the daemon streams them. Never a key or its digest. Main thread only.
 */
#include "cli/args.h"
#include "cli/body.h"
#include "cli/client.h"
#include "cli/nouns.h"
#include "cli/report.h"

#include <unistd.h>

static int run_export(const struct tk_cli_run *run)
{
        struct tk_cli_client *client = NULL;
        struct tk_cli_request request = {.method = "GET"};
        int exit = tk_cli_path_make(run, &request.path);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_open(run, &client);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_save(client, &request, STDOUT_FILENO);
        tk_cli_client_close(client);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .summary = "print all keys and their settings, without secrets",
        .notes = "One JSON object a line, as GET /v1/keys shows it, or a CSV. Keys that are issued or "
                 "changed meanwhile\n"
                 "may be shown either way.",
        .example = "tollkeeper export --api weather\n"
                   "tollkeeper export --format csv --state active",
        .options = (TK_CLI_CONNECTION & ~TK_CLI_HAS(json)) | TK_CLI_HAS(api) | TK_CLI_HAS(in_environment) |
                   TK_CLI_HAS(of_consumer) | TK_CLI_HAS(state) | TK_CLI_HAS(format),
        .method = "GET",
        .path = "/v1/keys/export",
        .run = run_export,
}};

const struct tk_cli_noun tk_cli_noun_export = {
        .name = "export",
        .summary = "print all keys and their settings, without secrets",
        TK_CLI_COMMANDS(command),
};
