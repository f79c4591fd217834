/*
 * `tollkeeper status`: how the daemon is doing. Main thread only.
 */
#include "cli/cell.h"
#include "cli/nouns.h"
#include "cli/request.h"
#include "cli/table.h"

#include <stdio.h>

/* What the gate holds and has room for: one row each. */
static json_t *room_rows(const json_t *reply)
{
        static const struct {
                const char *what, *held, *room;
        } rows[] = {
                {"keys", "gate.key_lines", "gate.key_capacity"},
                {"subscriptions", "gate.subscription_lines", "gate.subscription_capacity"},
                {"meters", "gate.meter_lines", "gate.meter_capacity"},
                {"policy bytes", "gate.policy_bytes", "gate.policy_capacity"},
                {"imported keys", "gate.foreign_keys", "gate.key_capacity"},
        };
        json_t *array = json_array();
        for (size_t i = 0; array && i < sizeof(rows) / sizeof(rows[0]); i++)
                json_array_append_new(array, json_pack("{s:s, s:O?, s:O?}", "what", rows[i].what, "held",
                                                       tk_cli_member(reply, rows[i].held), "room",
                                                       tk_cli_member(reply, rows[i].room)));
        return array;
}

static bool print_room(struct tk_arena *arena, const json_t *reply)
{
        static const struct tk_cli_column columns[] = {
                {"IN THE GATE", "what", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
                {"HELD", "held", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
                {"ROOM FOR", "room", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        };
        static const struct tk_cli_view view = {TK_CLI_COLUMNS(columns)};
        json_t *rows = room_rows(reply);
        bool good = rows && tk_cli_table_print(arena, &view, rows);
        json_decref(rows);
        return good;
}

static bool print_status(const struct tk_cli_run *run, const json_t *reply)
{
        static const struct tk_cli_column columns[] = {
                {"READY", "ready", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"REASON", "reason", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD | TK_CLI_OPTIONAL},
                {"VERSION", "version", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"STARTED", "started_at", TK_CLI_AS_TIME, TK_CLI_IN_RECORD},
                {"INSTALLATION", "installation", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"GATE DECIDES", "gate.available", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"COMMITS", "registry.commits", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"CHANGES", "registry.jobs", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"FAILED CHANGES", "registry.failed_jobs", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"WAITING CHANGES", "registry.queued_jobs", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
                {"OUT OF SPACE", "registry.degraded", TK_CLI_AS_TEXT, TK_CLI_IN_RECORD},
        };
        static const struct tk_cli_view view = {TK_CLI_COLUMNS(columns)};
        if (!tk_cli_record_print(run->arena, &view, reply))
                return false;
        putchar('\n');
        return print_room(run->arena, reply);
}

static int run_status(const struct tk_cli_run *run)
{
        return tk_cli_run_shown(run, print_status);
}

static const struct tk_cli_command command[] = {{
        .summary = "show how the daemon is doing",
        .example = "tollkeeper status",
        .options = TK_CLI_CONNECTION,
        .method = "GET",
        .path = "/v1/status",
        .run = run_status,
}};

const struct tk_cli_noun tk_cli_noun_status = {
        .name = "status",
        .summary = "show how the daemon is doing",
        TK_CLI_COMMANDS(command),
};
