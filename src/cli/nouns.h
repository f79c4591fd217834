/*
 * The nouns of the command line, each in the file of its name; commands.c puts them in order.
 */
#ifndef TK_CLI_NOUNS_H
#define TK_CLI_NOUNS_H

#include "cli/command.h"

extern const struct tk_cli_noun tk_cli_noun_serve, tk_cli_noun_key, tk_cli_noun_verify, tk_cli_noun_explain,
        tk_cli_noun_api, tk_cli_noun_env, tk_cli_noun_scope, tk_cli_noun_plan, tk_cli_noun_consumer,
        tk_cli_noun_subscription, tk_cli_noun_audit, tk_cli_noun_status, tk_cli_noun_help,
        tk_cli_noun_version;
extern const struct tk_cli_noun tk_cli_noun_config, tk_cli_noun_doctor, tk_cli_noun_backup,
        tk_cli_noun_restore;
extern const struct tk_cli_noun tk_cli_noun_import, tk_cli_noun_export;
extern const struct tk_cli_noun tk_cli_noun_role, tk_cli_noun_route;

/* Arrays of the tables, with their lengths. */
#define TK_CLI_COMMANDS(array) .commands = (array), .count = sizeof(array) / sizeof((array)[0])
#define TK_CLI_COLUMNS(array)  .columns = (array), .count = sizeof(array) / sizeof((array)[0])

#endif
