/*
 * The terminal, where there is one: its width, colours, and reading without echo. Main thread only.
 */
#ifndef TK_CLI_TERMINAL_H
#define TK_CLI_TERMINAL_H

#include "core/secret.h"

#include <stdbool.h>

enum tk_cli_colour { TK_CLI_PLAIN, TK_CLI_GREEN, TK_CLI_YELLOW, TK_CLI_RED, TK_CLI_BOLD, TK_CLI_DIM };

/* Columns of standard output; 0 when it is not a terminal: then nothing is cut. */
unsigned tk_cli_terminal_columns(void);

/* The bytes that switch a colour on; "" when standard output is not a terminal that wants colours. */
const char *tk_cli_colour_on(enum tk_cli_colour colour);
/* And what switches it off again; "" with the same exceptions, and for TK_CLI_PLAIN. */
const char *tk_cli_colour_off(enum tk_cli_colour colour);

/*
 * Prompt on standard error and read one line from standard input, a terminal, without showing it.
 * False at the end of the input, on an error, and when the line is longer than a secret.
 */
bool tk_cli_terminal_ask(const char *prompt, struct tk_secret *ret_secret);

#endif
