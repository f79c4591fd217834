/*
 * The runs that most commands share: ask for one object, for a list, or for a change, and print what came. Commands that
 * print in their own way call tk_cli_ask() alone.
 */
#ifndef TK_CLI_REQUEST_H
#define TK_CLI_REQUEST_H

#include "cli/command.h"

#include <jansson.h>

/* One object, as a record; a change that has a word for it (`done`) says that first. */
int tk_cli_run_record(const struct tk_cli_run *run);

/* A change of state: one line says what was done. */
int tk_cli_run_state(const struct tk_cli_run *run);

/* A collection, all pages of it up to --max, as a table. */
int tk_cli_run_list(const struct tk_cli_run *run);

/*
 * Make the command's request and send it.
 *   body  what to send, or NULL: made from the flags for all but GET; borrowed
 * Prints and returns the exit code on failure.
 *   ret_reply  the caller's, json_decref() it
 */
int tk_cli_ask(const struct tk_cli_run *run, const json_t *body, json_t **ret_reply);

/* Shows a reply to people. False when out of memory. */
typedef bool tk_cli_print(const struct tk_cli_run *run, const json_t *reply);

/* The reply as JSON where --json was given, else as `print` shows it. Returns the exit code. */
int tk_cli_show(const struct tk_cli_run *run, const json_t *reply, tk_cli_print *print);

/* tk_cli_ask() and tk_cli_show() in one. */
int tk_cli_run_shown(const struct tk_cli_run *run, tk_cli_print *print);

/* The reply as JSON on standard output. Returns the exit code. */
int tk_cli_print_json(const json_t *reply);

#endif
