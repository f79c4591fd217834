/*
 * The commands of `tollkeeper audit` that print on their own. Main thread only.
 */
#ifndef TK_CLI_AUDIT_RUN_H
#define TK_CLI_AUDIT_RUN_H

#include "cli/command.h"

int tk_cli_run_audit_list(const struct tk_cli_run *run);
int tk_cli_run_audit_show(const struct tk_cli_run *run);
/* The newest entries, then those that come, until --max of them or Ctrl-C. */
int tk_cli_run_audit_follow(const struct tk_cli_run *run);

#endif
