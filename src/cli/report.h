/*
 * Failures, for people: on standard error, in one form, with the exit code that belongs to them. Called by all of src/cli.
 * Never prints a key: where one was typed in the place of a name, its hint remains, and the mend says how a key is given.
 */
#ifndef TK_CLI_REPORT_H
#define TK_CLI_REPORT_H

#include "cli/command.h"

#include <jansson.h>

/*
 * Print
 *         tollkeeper: DETAIL
 *           field: FIELD
 *           mend: MEND
 * and return `exit`. field and mend may be NULL or empty: their lines are then left out.
 */
int tk_cli_fail(enum tk_cli_exit exit, const char *field, const char *mend, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

int tk_cli_out_of_memory(void);

/* The same for a reply that is a problem document (or not even that). `run` tells which flag a field came from. */
int tk_cli_fail_problem(const struct tk_cli_run *run, long http_status, const json_t *problem);

#endif
