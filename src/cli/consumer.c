/*
 * `tollkeeper consumer`: who owns keys. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"CONSUMER", "id", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"STATE", "state", TK_CLI_AS_STATE, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"METADATA", "metadata", TK_CLI_AS_OBJECT, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "There is no consumer yet. Make one: tollkeeper consumer create NAME",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .argument = "NAME",
                .summary = "create a consumer",
                .example = "tollkeeper consumer create globex --metadata '{\"account\": \"4711\"}'",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(description) | TK_CLI_HAS(metadata) |
                           TK_CLI_HAS(idempotency_key),
                .method = "POST",
                .path = "/v1/consumers",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list consumers",
                .example = "tollkeeper consumer list",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES,
                .method = "GET",
                .path = "/v1/consumers",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "CONSUMER",
                .summary = "show one consumer, by name or id",
                .example = "tollkeeper consumer show con_1",
                .options = TK_CLI_CONNECTION,
                .method = "GET",
                .path = "/v1/consumers/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "CONSUMER",
                .summary = "change a consumer",
                .notes = "--metadata replaces all of it.",
                .example = "tollkeeper consumer update con_1 --description \"The operators\"",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(description) | TK_CLI_HAS(metadata) |
                           TK_CLI_HAS(if_version),
                .method = "PATCH",
                .path = "/v1/consumers/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "suspend",
                .argument = "CONSUMER",
                .summary = "refuse all keys of a consumer until it is resumed",
                .example = "tollkeeper consumer suspend con_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/consumers/{}/suspend",
                .done = "suspended",
                .run = tk_cli_run_state,
        },
        {
                .verb = "resume",
                .argument = "CONSUMER",
                .summary = "end the suspension of a consumer",
                .example = "tollkeeper consumer resume con_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/consumers/{}/resume",
                .done = "resumed",
                .run = tk_cli_run_state,
        },
};

const struct tk_cli_noun tk_cli_noun_consumer = {
        .name = "consumer",
        .alias = "consumers",
        .summary = "the customers and applications that own keys",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
