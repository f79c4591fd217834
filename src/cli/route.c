/*
 * `tollkeeper route`: what requests of an environment need and cost. Tables, and how the answer of `match` is printed; request.c runs them.
 * Main thread only.
 */
#include "cli/nouns.h"
#include "cli/request.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define PLACE  (TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(environment))
#define ROUTES "/v1/apis/{api}/environments/{environment}/routes"

static const struct tk_cli_column columns[] = {
        {"ROUTE", "id", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        {"ENVIRONMENT", "environment", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        {"METHOD", "method", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"PATH", "path", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"SCOPE", "scope", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"COST", "cost", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"LIMITS", "limits", TK_CLI_AS_LIMITS, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty =
                "This environment has no route yet. Make one: tollkeeper route create --api API --method GET "
                "--path /v1/... --scope SCOPE",
};

/* ---- match ---- */

static bool print_match(const struct tk_cli_run *run, const json_t *reply)
{
        const json_t *route = json_object_get(reply, "route");
        printf("%s: %s\n", json_string_value(json_object_get(reply, "result")),
               json_string_value(json_object_get(reply, "detail")));
        return !json_is_object(route) || tk_cli_record_print(run->arena, &view, route);
}

/* Exit code 10 for a request that `verify --match-route` would refuse for its path. */
static int run_match(const struct tk_cli_run *run)
{
        json_t *reply;
        int exit = tk_cli_ask(run, NULL, &reply);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        exit = tk_cli_show(run, reply, print_match);
        if (exit == TK_CLI_EXIT_ok && !json_is_object(json_object_get(reply, "route")))
                exit = TK_CLI_EXIT_key_refused;
        json_decref(reply);
        return exit;
}

/* ---- commands ---- */

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .summary = "say what requests of a method and path need and cost",
                .notes = "In --path `{name}` or `*` stands for one segment, a last `**` for the rest. "
                         "--method '*' is "
                         "any. Of\nseveral routes that match, the most specific one counts: from the left, a "
                         "literal "
                         "segment before\n`{name}` before `**`. --limit and --quota are shared by all who "
                         "use the "
                         "route.",
                .example = "tollkeeper route create --api weather --method GET --path /v1/forecast/{city} "
                           "--scope "
                           "forecast:read --cost 2",
                .options = PLACE | TK_CLI_HAS(method) | TK_CLI_HAS(path) | TK_CLI_HAS(scope) |
                           TK_CLI_HAS(cost) | TK_CLI_LIMITS | TK_CLI_HAS(description) |
                           TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(api) | TK_CLI_HAS(method) | TK_CLI_HAS(path),
                .method = "POST",
                .path = ROUTES,
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list the routes of an environment",
                .example = "tollkeeper route list --api weather",
                .options = PLACE | TK_CLI_PAGES,
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = ROUTES,
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "ROUTE_ID",
                .summary = "show one route",
                .example = "tollkeeper route show rte_1 --api weather",
                .options = PLACE,
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = ROUTES "/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "ROUTE_ID",
                .summary = "change what a route needs and costs, from now on",
                .notes = "`--scope \"\"` requires nothing. --limit and --quota together replace all limits "
                         "of the "
                         "route; `--limit none`\ntakes them away. Method and path never change.",
                .example = "tollkeeper route update rte_1 --api weather --cost 3 --limit 1000/min",
                .options = PLACE | TK_CLI_HAS(scope) | TK_CLI_HAS(cost) | TK_CLI_LIMITS |
                           TK_CLI_HAS(description) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "PATCH",
                .path = ROUTES "/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "match",
                .summary = "show which route a request is for",
                .notes = "As `verify --match-route` takes it. Exit code 0: there is one. 10: there is none, "
                         "or the path "
                         "is ambiguous.",
                .example = "tollkeeper route match --api weather --method GET --path /v1/forecast/oslo",
                .options = PLACE | TK_CLI_HAS(method) | TK_CLI_HAS(path),
                .required = TK_CLI_HAS(api) | TK_CLI_HAS(method) | TK_CLI_HAS(path),
                .method = "GET",
                .path = "/v1/apis/{api}/environments/{environment}/match",
                .run = run_match,
        },
        {
                .verb = "delete",
                .argument = "ROUTE_ID",
                .summary = "delete a route",
                .example = "tollkeeper route delete rte_1 --api weather",
                .options = PLACE | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "DELETE",
                .path = ROUTES "/{}",
                .done = "deleted",
                .run = tk_cli_run_state,
        },
};

const struct tk_cli_noun tk_cli_noun_route = {
        .name = "route",
        .alias = "routes",
        .summary = "what requests of an environment need and cost",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
