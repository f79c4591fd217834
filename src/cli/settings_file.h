/*
 * The configuration file: lines of `name = value`, and comments. Pure but for reading the file. Called by settings.c.
 */
#ifndef TK_CLI_SETTINGS_FILE_H
#define TK_CLI_SETTINGS_FILE_H

#include "cli/settings.h"

/* One line that sets something. Returning false goes on, and makes the whole a failure. */
typedef bool tk_settings_line(void *context, unsigned line, enum tk_setting setting, struct tk_str value);

/*
 * Read it and hand each line to `take`. False: `say` was told what is wrong, with file and line.
 *   say  NULL: nobody is told
 */
bool tk_settings_file_read(const char *path, struct tk_arena *arena, tk_settings_line *take, void *context,
                           tk_settings_say *say);

#endif
