/*
 * The runs of `tollkeeper key` that print in a way of their own.
 */
#ifndef TK_CLI_KEY_RUN_H
#define TK_CLI_KEY_RUN_H

#include "cli/command.h"

/* Issue: the plaintext alone on standard output, so that KEY=$(...) works; what was issued on standard error. */
int tk_cli_run_key_issue(const struct tk_cli_run *run);

/* Revoke: whether it was revoked before, too, because a reason given now is not kept then. */
int tk_cli_run_key_revoke(const struct tk_cli_run *run);

/* Usage: counters, then the limits with what is left. */
int tk_cli_run_key_usage(const struct tk_cli_run *run);

#endif
