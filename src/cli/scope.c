/*
 * `tollkeeper scope`: the permissions of an API. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "This API has no scope yet. Make one: tollkeeper scope create --api API NAME",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .argument = "NAME",
                .summary = "add a scope to an API",
                .example =
                        "tollkeeper scope create history:read --api weather --description \"Past weather\"",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/apis/{api}/scopes",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list the scopes of an API",
                .example = "tollkeeper scope list --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/scopes",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "SCOPE",
                .summary = "show one scope",
                .example = "tollkeeper scope show forecast:read --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/scopes/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "SCOPE",
                .summary = "change the description of a scope",
                .example = "tollkeeper scope update forecast:read --api weather --description \"Read "
                           "forecasts\"",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api) | TK_CLI_HAS(description),
                .method = "PATCH",
                .path = "/v1/apis/{api}/scopes/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
};

const struct tk_cli_noun tk_cli_noun_scope = {
        .name = "scope",
        .alias = "scopes",
        .summary = "the permissions that keys of an API can have",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
