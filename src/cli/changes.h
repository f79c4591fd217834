/*
 * What an entry of the audit log changed, for people: the members that differ between before and after, and
 * nothing else. Main thread only. Texts are in the arena, without control characters.
 */
#ifndef TK_CLI_CHANGES_H
#define TK_CLI_CHANGES_H

#include "core/arena.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * One line: "state: active -> revoked; revoke_reason: - -> leaked". "" where nothing differs. NULL when out
 * of memory.
 */
const char *tk_cli_changes_line(struct tk_arena *arena, const json_t *entry);

/* One line a member, on standard output. False when out of memory. */
bool tk_cli_changes_print(struct tk_arena *arena, const json_t *entry);

/* What it is about: "key_17 (web shop)", "plan 4 (starter)". NULL when out of memory. */
const char *tk_cli_changes_subject(struct tk_arena *arena, const json_t *entry);

#endif
