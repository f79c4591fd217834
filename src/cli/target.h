/*
 * Where the daemon is, and as whom to ask it: from flags and the environment. Called by client.c. The admin key comes from
 * a file or a variable, never from the command line, where every user of the machine could read it.
 */
#ifndef TK_CLI_TARGET_H
#define TK_CLI_TARGET_H

#include "cli/command.h"
#include "core/secret.h"

struct tk_cli_target {
        const char *socket_path;    /* NULL: over TCP */
        const char *url;            /* without a slash at the end */
        const char *ca_file;        /* NULL: the system's authorities */
        bool local;                 /* on this machine: no proxy stands between */
        struct tk_secret admin_key; /* empty: none */
};

/*
 * The first that is given of --url, --socket, --data, TOLLKEEPER_URL, TOLLKEEPER_DATA; else the socket in ./data.
 * Prints and returns TK_CLI_EXIT_usage when it is not acceptable: plain http to another machine would show keys on the wire.
 *   ret_target  wiped with tk_secret_wipe(&ret_target->admin_key)
 */
int tk_cli_target_resolve(const struct tk_cli_run *run, struct tk_cli_target *ret_target);

/*
 * Read a key from a file (`-`: standard input). One newline at the end is left out.
 * Prints and returns the exit code when it cannot be read, is empty, or is longer than a secret.
 */
int tk_cli_read_key_file(const char *path, struct tk_secret *ret_key);

#endif
