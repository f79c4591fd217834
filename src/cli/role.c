/*
 * `tollkeeper role`: named sets of scopes of an API. Tables only; request.c runs them.
 */
#include "cli/nouns.h"
#include "cli/request.h"

static const struct tk_cli_column columns[] = {
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        {"SCOPES", "scopes", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"DESCRIPTION", "description", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "This API has no role yet. Make one: tollkeeper role create --api API NAME --scope SCOPE",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "create",
                .argument = "NAME",
                .summary = "add a role to an API",
                .notes = "A role holds scopes, and no other roles. Keys are granted it with `key issue "
                         "--role` and\n"
                         "`key update --role`.",
                .example = "tollkeeper role create reader --api weather --scope forecast:read,alerts:read",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(scopes) | TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/apis/{api}/roles",
                .done = "created",
                .run = tk_cli_run_record,
        },
        {
                .verb = "list",
                .summary = "list the roles of an API",
                .example = "tollkeeper role list --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/roles",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "ROLE",
                .summary = "show one role",
                .example = "tollkeeper role show reader --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api),
                .required = TK_CLI_HAS(api),
                .method = "GET",
                .path = "/v1/apis/{api}/roles/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "ROLE",
                .summary = "change what a role grants; all its keys follow at once",
                .notes = "--scope replaces all scopes of the role; `--scope none` leaves it none.",
                .example = "tollkeeper role update reader --api weather --scope forecast:read",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(description) |
                           TK_CLI_HAS(scopes) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "PATCH",
                .path = "/v1/apis/{api}/roles/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "delete",
                .argument = "ROLE",
                .summary = "delete a role that no key has",
                .example = "tollkeeper role delete reader --api weather",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(if_version),
                .required = TK_CLI_HAS(api),
                .method = "DELETE",
                .path = "/v1/apis/{api}/roles/{}",
                .done = "deleted",
                .run = tk_cli_run_state,
        },
};

const struct tk_cli_noun tk_cli_noun_role = {
        .name = "role",
        .alias = "roles",
        .summary = "named sets of scopes that keys of an API can have",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
