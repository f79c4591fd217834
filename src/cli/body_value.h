/*
 * One flag's text as a JSON value, by its kind. Called by body.c. Each prints and returns TK_CLI_EXIT_usage, naming the
 * flag, when the text is not of its kind; ret_value is the caller's.
 */
#ifndef TK_CLI_BODY_VALUE_H
#define TK_CLI_BODY_VALUE_H

#include "cli/command.h"

#include <jansson.h>

/* A single value: TEXT, NUMBER, TIME, DURATION, OBJECT. */
int tk_cli_value_single(const struct tk_cli_given *given, json_t **ret_value);

/* One element of `limits`: RATE, QUOTA. */
int tk_cli_value_limit(const struct tk_cli_given *given, json_t **ret_value);

/* `NAME` or `NAME:TAG`. */
int tk_cli_value_environment(const struct tk_cli_given *given, json_t **ret_value);

#endif
