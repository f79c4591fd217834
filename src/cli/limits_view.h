/*
 * How the limits of an answer or of a usage are listed: verify, explain and key usage share it.
 */
#ifndef TK_CLI_LIMITS_VIEW_H
#define TK_CLI_LIMITS_VIEW_H

#include "cli/command.h"

extern const struct tk_cli_view tk_cli_limits_view;

#endif
