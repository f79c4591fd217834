/*
 * Help text, made from the tables. Called by main.c; `tollkeeper help` is here too. All functions return TK_CLI_EXIT_ok.
 */
#ifndef TK_CLI_HELP_H
#define TK_CLI_HELP_H

#include "cli/command.h"

#include <stdio.h>

int tk_cli_help_overview(FILE *out);
int tk_cli_help_noun(FILE *out, const struct tk_cli_noun *noun);
int tk_cli_help_command(FILE *out, const struct tk_cli_noun *noun, const struct tk_cli_command *command);

#endif
