/*
 * All commands, in the order of the help. Constant; any thread.
 */
#include "cli/nouns.h"

#include <stddef.h>

const struct tk_cli_noun *const tk_cli_nouns[] = {
        &tk_cli_noun_serve,
        &tk_cli_noun_key,
        &tk_cli_noun_verify,
        &tk_cli_noun_explain,
        &tk_cli_noun_api,
        &tk_cli_noun_env,
        &tk_cli_noun_scope,
        &tk_cli_noun_role,
        &tk_cli_noun_route,
        &tk_cli_noun_plan,
        &tk_cli_noun_consumer,
        &tk_cli_noun_subscription,
        &tk_cli_noun_import,
        &tk_cli_noun_export,
        &tk_cli_noun_audit,
        &tk_cli_noun_status,
        &tk_cli_noun_config,
        &tk_cli_noun_backup,
        &tk_cli_noun_restore,
        &tk_cli_noun_doctor,
        &tk_cli_noun_help,
        &tk_cli_noun_version,
        NULL,
};
