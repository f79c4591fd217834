/*
 * The command line: from words to a struct tk_cli_run, by the tables of command.h and options.h. Called by main.c.
 * Never takes a secret: no option's value is a key.
 */
#ifndef TK_CLI_ARGS_H
#define TK_CLI_ARGS_H

#include "cli/command.h"

/*
 * Read the words after the command's name into run->argument and run->given.
 *   ret_help  --help was among them: nothing else is checked then
 * Returns TK_CLI_EXIT_ok, or prints what is wrong and returns TK_CLI_EXIT_usage.
 */
int tk_cli_args_parse(struct tk_cli_run *run, int word_count, char *const *words, bool *ret_help);

/* The noun, or the noun's verb, of this name or alias. NULL when there is none. */
const struct tk_cli_noun *tk_cli_noun_find(const char *name);
const struct tk_cli_command *tk_cli_verb_find(const struct tk_cli_noun *noun, const char *verb);

bool tk_cli_args_has(const struct tk_cli_run *run, enum tk_cli_option option);

/* The value of an option, or `otherwise` when it was not given. */
const char *tk_cli_args_text(const struct tk_cli_run *run, enum tk_cli_option option, const char *otherwise);

/* A number from min to max, or `otherwise` when it was not given. Prints and returns TK_CLI_EXIT_usage when it is not one. */
int tk_cli_args_number(const struct tk_cli_run *run, enum tk_cli_option option, uint64_t min, uint64_t max,
                       uint64_t otherwise, uint64_t *ret_value);

/*
 * The items of a LIST option in the order given, commas taken apart; `none` alone gives no items.
 * Prints and returns TK_CLI_EXIT_usage when an item is empty.
 *   ret_items  in the run's arena
 */
int tk_cli_args_list(const struct tk_cli_run *run, enum tk_cli_option option, const struct tk_str **ret_items,
                     size_t *ret_count);

#endif
