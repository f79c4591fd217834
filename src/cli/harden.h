/*
 * What the whole process does to keep secrets in: called once, first.
 */
#ifndef TK_CLI_HARDEN_H
#define TK_CLI_HARDEN_H

#include <stdbool.h>

/*
 * No core dumps, and no other process of the same user may look into this one's memory.
 * False when the system would not have it: the caller may say so and go on.
 */
bool tk_cli_harden(void);

#endif
