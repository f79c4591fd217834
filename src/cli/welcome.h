/*
 * What the daemon says on standard output when it starts: the first admin key, once, and the commands of the demo. Called
 * by serve.c, before and after the server starts.
 */
#ifndef TK_CLI_WELCOME_H
#define TK_CLI_WELCOME_H

#include "cli/command.h"

struct tk_service;

struct tk_cli_welcome {
        const char *program;     /* argv[0], as it was typed */
        const char *data_dir;    /* NULL: the default */
        const char *socket_path; /* NULL: the default */
};

/*
 * On the first start: issue the first admin key and print it. It is printed nowhere else and stored nowhere.
 * Prints and returns the exit code on failure.
 */
int tk_cli_welcome_admin(const struct tk_cli_welcome *welcome, struct tk_service *service);

/* Where there is none yet: make the demo API and print three commands to copy. */
int tk_cli_welcome_demo(const struct tk_cli_welcome *welcome, struct tk_service *service);

#endif
