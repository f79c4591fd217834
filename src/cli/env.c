/*
 * `tollkeeper env`: the environments of an API. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        {"TAG", "tag", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"STATE", "state", TK_CLI_AS_STATE, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "This API has no environment yet. Make one: tollkeeper env create --api API NAME",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .argument = "NAME",
                .summary = "add an environment to an API",
                .example = "tollkeeper env create staging --api weather --tag stg",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(tag) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/apis/{api}/environments",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list the environments of an API",
                .example = "tollkeeper env list --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/environments",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "ENV",
                .summary = "show one environment",
                .example = "tollkeeper env show production --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/environments/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "ENV",
                .summary = "change the description of an environment",
                .example = "tollkeeper env update test --api weather --description \"For trials\"",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api) | TK_CLI_HAS(description),
                .method = "PATCH",
                .path = "/v1/apis/{api}/environments/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "suspend",
                .argument = "ENV",
                .summary = "refuse all keys of an environment until it is resumed",
                .example = "tollkeeper env suspend test --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/apis/{api}/environments/{}/suspend",
                .done = "suspended",
                .run = tk_cli_run_state,
        },
        {
                .verb = "resume",
                .argument = "ENV",
                .summary = "end the suspension of an environment",
                .example = "tollkeeper env resume test --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/apis/{api}/environments/{}/resume",
                .done = "resumed",
                .run = tk_cli_run_state,
        },
};

const struct tk_cli_noun tk_cli_noun_env = {
        .name = "env",
        .alias = "environment",
        .summary = "the environments of an API; a key belongs to one",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
