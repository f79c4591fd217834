/*
 * `tollkeeper version`. TK_VERSION comes from the build.
 */
#include "cli/nouns.h"

#include <stdio.h>

static int run_version(const struct tk_cli_run *run)
{
        (void)run;
        puts("tollkeeper " TK_VERSION);
        return TK_CLI_EXIT_ok;
}

static const struct tk_cli_command command[] = {{
        .summary = "print the version",
        .example = "tollkeeper version",
        .run = run_version,
}};

const struct tk_cli_noun tk_cli_noun_version = {
        .name = "version",
        .summary = "print the version",
        TK_CLI_COMMANDS(command),
};
