/*
 * `tollkeeper api`: what is protected. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"STATE", "state", TK_CLI_AS_STATE, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"PREFIX", "prefix", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "There is no API yet. Make one: tollkeeper api create NAME",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .argument = "NAME",
                .summary = "create an API",
                .example = "tollkeeper api create billing --description \"Invoices\" --env production --env "
                           "sandbox:sbx",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(environments) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(prefix) | TK_CLI_HAS(idempotency_key),
                .method = "POST",
                .path = "/v1/apis",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list APIs",
                .example = "tollkeeper api list",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES,
                .method = "GET",
                .path = "/v1/apis",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "API",
                .summary = "show one API",
                .example = "tollkeeper api show weather",
                .options = TK_CLI_CONNECTION,
                .method = "GET",
                .path = "/v1/apis/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "API",
                .summary = "change the description of an API",
                .example = "tollkeeper api update weather --description \"Forecasts and alerts\"",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(description) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(description),
                .method = "PATCH",
                .path = "/v1/apis/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "suspend",
                .argument = "API",
                .summary = "refuse all keys of an API until it is resumed",
                .example = "tollkeeper api suspend weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/apis/{}/suspend",
                .done = "suspended",
                .run = tk_cli_run_state,
        },
        {
                .verb = "resume",
                .argument = "API",
                .summary = "end the suspension of an API",
                .example = "tollkeeper api resume weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/apis/{}/resume",
                .done = "resumed",
                .run = tk_cli_run_state,
        },
};

const struct tk_cli_noun tk_cli_noun_api = {
        .name = "api",
        .alias = "apis",
        .summary = "what is protected",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
