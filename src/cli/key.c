/*
 * `tollkeeper key`: the keys of every API. Tables only; request.c and key_run.c run them.
 */
#include "cli/key_run.h"
#include "cli/nouns.h"
#include "cli/request.h"

#define RESTRICTIONS (TK_CLI_HAS(cidrs) | TK_CLI_HAS(origins) | TK_CLI_HAS(methods) | TK_CLI_HAS(paths))
#define VALIDITY     (TK_CLI_HAS(expires_in) | TK_CLI_HAS(expires_at) | TK_CLI_HAS(not_before))

static const struct tk_cli_column columns[] = {
        {"KEY", "id", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"NAME", "name", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"STATE", "state", TK_CLI_AS_STATE, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"BEGINS", "hint", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"API", "api", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"ENVIRONMENT", "environment", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CONSUMER", "consumer", TK_CLI_AS_NAMED, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"SCOPES", "scopes", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"ONLY APIS", "only_apis", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"ROLES", "roles", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"LIMITS", "limits", TK_CLI_AS_LIMITS, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"CIDRS", "restrictions.cidrs", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"ORIGINS", "restrictions.origins", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"METHODS", "restrictions.methods", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"PATHS", "restrictions.paths", TK_CLI_AS_LIST, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"NOT BEFORE", "not_before", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"EXPIRES", "expires_at", TK_CLI_AS_EXPIRY, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"METADATA", "metadata", TK_CLI_AS_OBJECT, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"CREATED", "created_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"CREATED BY", "created_by", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        {"UPDATED", "updated_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
        {"REVOKED", "revoked_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"REASON", "revoke_reason", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
        {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "No keys. Issue one: tollkeeper key issue --api NAME --limit 100/min",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "issue",
                .alias = "create",
                .summary = "issue a key, and make what is missing for it",
                .notes = "The key is printed once, on standard output; everything else goes to standard "
                         "error.\n"
                         "What does not exist yet is made: the API, its environment, the scopes, the "
                         "consumer, and a\n"
                         "subscription to the plan `open`, which has no limits.\n"
                         "An admin key is a key of the API tollkeeper: --api tollkeeper --scope keys:write\n"
                         "With --only-api it acts on that API alone.",
                .example =
                        "tollkeeper key issue --api weather --limit 100/min\n"
                        "KEY=$(tollkeeper key issue --api weather --consumer acme --scope "
                        "forecast:read,alerts:read)\n"
                        "tollkeeper key issue --api weather --env test --quota 10000/day --expires-in 30d\n"
                        "tollkeeper key issue --api weather --limit 10/s,burst=50 --limit hourly=5000/h "
                        "--cidr 192.0.2.0/24",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(environment) |
                           TK_CLI_HAS(consumer) | TK_CLI_HAS(name) | TK_CLI_HAS(scopes) | TK_CLI_HAS(roles) |
                           TK_CLI_HAS(only_apis) | TK_CLI_LIMITS | VALIDITY | RESTRICTIONS |
                           TK_CLI_HAS(metadata) | TK_CLI_HAS(idempotency_key),
                .required = TK_CLI_HAS(api),
                .method = "POST",
                .path = "/v1/keys",
                .create_missing = true,
                .run = tk_cli_run_key_issue,
        },
        {
                .verb = "list",
                .summary = "list keys",
                .example = "tollkeeper key list --api weather --state active\n"
                           "tollkeeper key list --json",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | TK_CLI_HAS(api) | TK_CLI_HAS(in_environment) |
                           TK_CLI_HAS(of_consumer) | TK_CLI_HAS(state),
                .method = "GET",
                .path = "/v1/keys",
                .run = tk_cli_run_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "KEY_ID",
                .summary = "show one key, never its plaintext",
                .example = "tollkeeper key show key_2",
                .options = TK_CLI_CONNECTION,
                .method = "GET",
                .path = "/v1/keys/{}",
                .run = tk_cli_run_record,
        },
        {
                .verb = "update",
                .argument = "KEY_ID",
                .summary = "change what a key may do, from now on",
                .notes = "A list that is given replaces the old one; `none` empties it. --limit and --quota "
                         "together\n"
                         "replace all limits of the key. `--expires-at none` makes it valid for ever.",
                .example = "tollkeeper key update key_2 --scope forecast:read --scope alerts:read "
                           "--expires-in 90d\n"
                           "tollkeeper key update key_2 --cidr 192.0.2.0/24,2001:db8::/32\n"
                           "tollkeeper key update key_2 --limit none --expires-at none",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(name) | TK_CLI_HAS(scopes) | TK_CLI_HAS(roles) |
                           TK_CLI_LIMITS | VALIDITY | RESTRICTIONS | TK_CLI_HAS(metadata) |
                           TK_CLI_HAS(if_version),
                .method = "PATCH",
                .path = "/v1/keys/{}",
                .done = "updated",
                .run = tk_cli_run_record,
        },
        {
                .verb = "suspend",
                .argument = "KEY_ID",
                .summary = "refuse a key until it is resumed",
                .example = "tollkeeper key suspend key_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/keys/{}/suspend",
                .done = "suspended",
                .run = tk_cli_run_state,
        },
        {
                .verb = "resume",
                .argument = "KEY_ID",
                .summary = "end the suspension of a key",
                .example = "tollkeeper key resume key_2",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/keys/{}/resume",
                .done = "resumed",
                .run = tk_cli_run_state,
        },
        {
                .verb = "revoke",
                .argument = "KEY_ID",
                .summary = "refuse a key for good",
                .notes = "In force when the command returns. There is no way back: suspend is for the time "
                         "being.",
                .example = "tollkeeper key revoke key_2 --reason \"found in a public repository\"",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(reason) | TK_CLI_HAS(if_version),
                .method = "POST",
                .path = "/v1/keys/{}/revoke",
                .done = "revoked",
                .run = tk_cli_run_key_revoke,
        },
        {
                .verb = "usage",
                .argument = "KEY_ID",
                .summary = "show what a key has used and what is left of its limits",
                .example = "tollkeeper key usage key_2",
                .options = TK_CLI_CONNECTION,
                .method = "GET",
                .path = "/v1/keys/{}/usage",
                .run = tk_cli_run_key_usage,
        },
};

const struct tk_cli_noun tk_cli_noun_key = {
        .name = "key",
        .alias = "keys",
        .summary = "issue, look after and revoke keys",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
