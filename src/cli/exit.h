/*
 * What the program's exit codes mean: one table for the code, `tollkeeper help exit-codes` and the documentation.
 * Stable: scripts depend on them. A new meaning gets a new number.
 */
#ifndef TK_CLI_EXIT_H
#define TK_CLI_EXIT_H

/* name, number, meaning */
#define TK_CLI_EXITS(X)                                                                                      \
        X(ok, 0, "done; verify and explain: the key is valid")                                               \
        X(failed, 1, "it failed: the daemon or this machine could not do it")                                \
        X(usage, 2, "the command line or the configuration is wrong; nothing was asked of the daemon")       \
        X(no_daemon, 3, "no daemon answers")                                                                 \
        X(denied, 4, "the caller may not: no valid admin key, or one that lacks the right")                  \
        X(rejected, 5,                                                                                       \
          "the daemon rejected the request: unknown object, conflict, stale version, bad value")             \
        X(uncertain, 6, "no answer came: the change may or may not have been made")                          \
        X(data_in_use, 7, "serve: another daemon has the data directory")                                    \
        X(key_refused, 10, "verify and explain: the key is refused")

enum tk_cli_exit {
#define X(name, number, meaning) TK_CLI_EXIT_##name = number,
        TK_CLI_EXITS(X)
#undef X
};

#endif
