/*
 * The table of limits. Constant; any thread.
 */
#include "cli/limits_view.h"

#include "cli/nouns.h"

static const struct tk_cli_column columns[] = {
        {"LIMIT", "name", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        {"OF", "owner", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        {"KIND", "kind", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        {"ALLOWS", NULL, TK_CLI_AS_ALLOWANCE, TK_CLI_IN_TABLE},
        {"REMAINING", "remaining", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        {"FULL AGAIN", "reset_s", TK_CLI_AS_SECONDS, TK_CLI_IN_TABLE},
};

const struct tk_cli_view tk_cli_limits_view = {TK_CLI_COLUMNS(columns)};
