/*
 * Replies as aligned text on standard output. Called by the commands. Cut to the width of the terminal only where there is
 * one: what goes into a pipe or a file is whole.
 */
#ifndef TK_CLI_TABLE_H
#define TK_CLI_TABLE_H

#include "cli/command.h"

#include <jansson.h>

/* A head and one line an element: those columns that are TK_CLI_IN_TABLE. False when out of memory. */
bool tk_cli_table_print(struct tk_arena *arena, const struct tk_cli_view *view, const json_t *items);

/* One line a member: those columns that are TK_CLI_IN_RECORD. False when out of memory. */
bool tk_cli_record_print(struct tk_arena *arena, const struct tk_cli_view *view, const json_t *object);

#endif
