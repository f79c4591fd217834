/*
 * What a command's flags become in a request: JSON members of a body, parameters of a query, and places in a path, by the
 * `member` and `kind` of options.h. Called by request.c. Sends nothing.
 */
#ifndef TK_CLI_BODY_H
#define TK_CLI_BODY_H

#include "cli/command.h"

#include <jansson.h>

/*
 * The command's path with {} and {api} filled in, percent-encoded. For a GET the other flags follow as its query.
 * Prints and returns the exit code on failure.
 */
int tk_cli_path_make(const struct tk_cli_run *run, const char **ret_path);

/*
 * The body: a member for each flag that has one and is not in the path already.
 * Prints and returns TK_CLI_EXIT_usage, naming the flag, when a value is not of its kind.
 *   ret_body  the caller's, json_decref() it
 */
int tk_cli_body_make(const struct tk_cli_run *run, json_t **ret_body);

/* Percent-encoded: all but the unreserved characters of RFC 3986. In the arena; NULL when out of memory. */
const char *tk_cli_encode(struct tk_arena *arena, const char *text);

#endif
