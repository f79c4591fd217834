/*
 * `tollkeeper plan`: named limits that consumers subscribe to. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        {"LIMITS", "limits", TK_CLI_AS_LIMITS, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "This API has no plan yet. Make one: tollkeeper plan create --api API NAME --limit 100/min",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .argument = "NAME",
                .summary = "add a plan to an API",
                .notes = "All keys of a consumer that subscribes share the plan's limits.",
                .example = "tollkeeper plan create starter --api weather --limit 100/min --quota 10000/month",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) | TK_CLI_LIMITS |
                           TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/apis/{api}/plans",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list the plans of an API",
                .example = "tollkeeper plan list --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/plans",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "PLAN",
                .summary = "show one plan",
                .example = "tollkeeper plan show open --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/plans/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "PLAN",
                .summary = "change a plan; its subscriptions follow at once",
                .notes = "--limit and --quota together replace all limits of the plan; `--limit none` takes "
                         "them away.",
                .example = "tollkeeper plan update open --api weather --limit 200/min --quota 50000/month",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) | TK_CLI_LIMITS |
                           TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "PATCH",
                .path = "/v1/apis/{api}/plans/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
};

const struct tk_cli_noun tk_cli_noun_plan = {
        .name = "plan",
        .alias = "plans",
        .summary = "named limits that consumers subscribe to",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
