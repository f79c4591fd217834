/*
 * What verify and explain have in common: the key in question, read so that nobody sees it, the request to the daemon, and
 * the answer as text.
 */
#ifndef TK_CLI_QUESTION_H
#define TK_CLI_QUESTION_H

#include "cli/command.h"

#include <jansson.h>

/* The flags of a question. */
#define TK_CLI_QUESTION                                                                                      \
        (TK_CLI_CONNECTION | TK_CLI_HAS(api) | TK_CLI_HAS(environment) | TK_CLI_HAS(key_file) |              \
         TK_CLI_HAS(scope) | TK_CLI_HAS(method) | TK_CLI_HAS(path) | TK_CLI_HAS(ip) | TK_CLI_HAS(origin) |   \
         TK_CLI_HAS(cost) | TK_CLI_HAS(match_route) | TK_CLI_HAS(unknown_route))

/* Where the key comes from, for the help of both. */
#define TK_CLI_QUESTION_NOTES                                                                                \
        "The key is read from --key-file, else from TOLLKEEPER_KEY, else from standard input: never from "   \
        "the\n"                                                                                              \
        "command line, where other users and the shell's history would see it."

/*
 * Read the key and ask the daemon about it. Prints and returns the exit code on failure.
 *   ret_reply  the caller's, json_decref() it
 */
int tk_cli_question_ask(const struct tk_cli_run *run, json_t **ret_reply);

/* The verdict, what is known of the key, and its limits. False when out of memory. */
bool tk_cli_answer_print(struct tk_arena *arena, const json_t *answer);

/* 0 for a valid key, else the code that says it is refused. */
int tk_cli_answer_exit(const json_t *answer);

#endif
