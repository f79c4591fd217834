/*
 * The table of flags, in the form that the program reads. Constant; any thread.
 */
#include "cli/options.h"

#include <stddef.h>

#define X(id, name, kind_name, value_name, member_name, text)                                                \
        [TK_CLI_OPTION_##id] = {.flag = (name),                                                              \
                                .kind = TK_CLI_##kind_name,                                                  \
                                .value = (value_name),                                                       \
                                .member = (member_name),                                                     \
                                .help = (text)},
const struct tk_cli_option_info tk_cli_options[TK_CLI_OPTION_COUNT] = {TK_CLI_OPTIONS(X)};
#undef X

bool tk_cli_repeatable(enum tk_cli_kind kind)
{
        return kind == TK_CLI_LIST || kind == TK_CLI_RATE || kind == TK_CLI_QUOTA ||
               kind == TK_CLI_ENVIRONMENTS;
}
