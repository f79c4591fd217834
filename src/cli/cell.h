/*
 * One member of a reply as people read it. Called by table.c and by the commands that print on their own. Never lets a
 * control character through: what the daemon stores must not steer the terminal.
 */
#ifndef TK_CLI_CELL_H
#define TK_CLI_CELL_H

#include "cli/command.h"
#include "cli/terminal.h"

#include <jansson.h>

struct tk_cli_cell {
        const char *text; /* in the arena, or static */
        unsigned width;   /* columns that it takes */
        enum tk_cli_colour colour;
        bool empty; /* the member is null, "", [] or {}: the text is a place-holder */
};

/*
 * The member of `element` that the column shows.
 *   exact  times are shown in full beside how long ago they were
 * False when out of memory.
 */
bool tk_cli_cell_make(struct tk_arena *arena, const struct tk_cli_column *column, const json_t *element,
                      bool exact, struct tk_cli_cell *ret_cell);

/* The member of an object; dots lead into objects. NULL when there is none. */
json_t *tk_cli_member(const json_t *object, const char *path);

/* Columns that the text takes on a terminal; counts what cannot be shown as one. */
unsigned tk_cli_width(const char *text);

#endif
