/*
 * `tollkeeper subscription`: which consumer is on which plan. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"SUBSCRIPTION", "id", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CONSUMER", "consumer", TK_CLI_AS_NAMED, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"ENVIRONMENT", "environment", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"PLAN", "plan", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"STATE", "state", TK_CLI_AS_STATE, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"STARTED", "started_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "No subscriptions. Make one: tollkeeper subscription create --consumer NAME --api API "
                 "--plan PLAN",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .summary = "put a consumer on a plan, for one API and environment",
                .example = "tollkeeper consumer create globex\n"
                           "tollkeeper subscription create --consumer globex --api weather --plan open",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(of_consumer) | TK_CLI_HAS(api) |
                           TK_CLI_HAS(environment) | TK_CLI_HAS(plan) | TK_CLI_HAS(started_at) |
                           TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(of_consumer) | TK_CLI_HAS(api) | TK_CLI_HAS(plan),
                .method = "POST",
                .path = "/v1/subscriptions",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list subscriptions",
                .example = "tollkeeper subscription list --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | TK_CLI_HAS(of_consumer) | TK_CLI_HAS(api) |
                           TK_CLI_HAS(in_environment),
                .method = "GET",
                .path = "/v1/subscriptions",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "SUBSCRIPTION",
                .summary = "show one subscription",
                .example = "tollkeeper subscription show sub_2",
                .options = TK_CLI_CONNECTION,
                .method = "GET",
                .path = "/v1/subscriptions/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "SUBSCRIPTION",
                .summary = "move a subscription to another plan",
                .example = "tollkeeper plan create gold --api weather --limit 1000/min\n"
                           "tollkeeper subscription update sub_2 --plan gold",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(plan) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(plan),
                .method = "PATCH",
                .path = "/v1/subscriptions/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "suspend",
                .argument = "SUBSCRIPTION",
                .summary = "refuse its keys until it is resumed",
                .example = "tollkeeper subscription suspend sub_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/subscriptions/{}/suspend",
                .done = "suspended",
                .run = tk_cli_run_state,
        },
        {
                .verb = "resume",
                .argument = "SUBSCRIPTION",
                .summary = "end the suspension of a subscription",
                .example = "tollkeeper subscription resume sub_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/subscriptions/{}/resume",
                .done = "resumed",
                .run = tk_cli_run_state,
        },
        {
                .verb = "end",
                .argument = "SUBSCRIPTION",
                .summary = "end a subscription for good",
                .notes = "Its keys stay, without the limits that they shared. There is no way back.",
                .example = "tollkeeper subscription end sub_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/subscriptions/{}/end",
                .done = "ended",
                .run = tk_cli_run_state,
        },
};

const struct tk_cli_noun tk_cli_noun_subscription = {
        .name = "subscription",
        .alias = "subscriptions",
        .summary = "which consumer is on which plan",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
