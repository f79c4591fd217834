/*
 * `tollkeeper audit`: who changed what, and what was refused. Tables only; audit_run.c runs them.
 */
#include "cli/audit_run.h"
#include "cli/nouns.h"

#define FILTERS                                                                                              \
        (TK_CLI_HAS(object) | TK_CLI_HAS(actor) | TK_CLI_HAS(action) | TK_CLI_HAS(since) | TK_CLI_HAS(until))

static const struct tk_cli_column columns[] = {
        {"ENTRY", "seq", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"WHEN", "at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"WHO", "actor", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"FROM", "source", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE | TK_CLI_IF_ROOM},
        {"DID", "action", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"TO", NULL, TK_CLI_AS_SUBJECT, TK_CLI_IN_RECORD | TK_CLI_IN_TABLE},
        {"CHANGES", NULL, TK_CLI_AS_CHANGES, TK_CLI_IN_TABLE},
};

static const struct tk_cli_view view = {
        TK_CLI_COLUMNS(columns),
        .empty = "No entry matches.",
};

static const struct tk_cli_command commands[] = {
        {
                .verb = "list",
                .summary = "list changes and refused attempts, the newest first",
                .notes = "OBJECT is an id (key_17, con_3, sub_5), a kind (api, environment, scope, plan, "
                         "consumer,\n"
                         "subscription, key, pepper), or a kind with a number or a name: plan:4, "
                         "api:weather,\n"
                         "consumer:acme. Refused attempts have the action `refused`.",
                .example = "tollkeeper audit list\n"
                           "tollkeeper audit list --object key_2 --since 7d\n"
                           "tollkeeper audit list --action refused --since 2026-01-31 --json",
                .options = TK_CLI_CONNECTION | TK_CLI_PAGES | FILTERS,
                .method = "GET",
                .path = "/v1/audit",
                .run = tk_cli_run_audit_list,
        },
        {
                .verb = "show",
                .alias = "get",
                .argument = "ENTRY",
                .summary = "show one entry, with each member that changed",
                .notes = "--json has the entry's canonical bytes, too: those that a tamper-evident log "
                         "hashes.",
                .example = "tollkeeper audit show 1",
                .options = TK_CLI_CONNECTION,
                .method = "GET",
                .path = "/v1/audit/{}",
                .run = tk_cli_run_audit_show,
        },
        {
                .verb = "follow",
                .alias = "watch",
                .summary = "show the newest entries, and new ones as they come",
                .notes = "One line an entry; with --json one JSON object a line. Ends with Ctrl-C, or after "
                         "--max entries.",
                .example = "tollkeeper audit follow --object key --max 1",
                .options = TK_CLI_CONNECTION | TK_CLI_HAS(max) | FILTERS,
                .method = "GET",
                .path = "/v1/audit",
                .run = tk_cli_run_audit_follow,
        },
};

const struct tk_cli_noun tk_cli_noun_audit = {
        .name = "audit",
        .summary = "who changed what, and what was refused to whom",
        TK_CLI_COMMANDS(commands),
        .view = &view,
};
