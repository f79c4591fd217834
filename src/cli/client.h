/*
 * Asks the daemon over HTTP. One request at a time, main thread only. Follows no redirect, sends the admin key only where
 * target.h allows, wipes what may have held a key.
 */
#ifndef TK_CLI_CLIENT_H
#define TK_CLI_CLIENT_H

#include "cli/command.h"
#include "cli/target.h"

#include <jansson.h>
#include <stdint.h>

struct tk_cli_client;

struct tk_cli_request {
        const char *method;          /* GET, POST, PATCH */
        const char *path;            /* with query */
        const json_t *body;          /* NULL: none; borrowed */
        const char *idempotency_key; /* NULL: none */
        const char *if_match;        /* a version, NULL: none */
        long patience_s;             /* for the reply; 0: two minutes */
};

/*
 * Find out where the daemon is; nothing is sent yet. Prints and returns the exit code when that cannot be known.
 * All JSON memory is wiped from now on when it is freed.
 *   run  borrowed, outlives the client
 */
int tk_cli_client_open(const struct tk_cli_run *run, struct tk_cli_client **ret_client);
void tk_cli_client_close(struct tk_cli_client *client);

/*
 * Ask, and take the reply apart. Prints what went wrong (no daemon, a problem document) and returns its exit code, or
 *   ret_reply  the body; the caller's, json_decref() it
 */
int tk_cli_client_ask(struct tk_cli_client *client, const struct tk_cli_request *request, json_t **ret_reply);

/* A body that is read from a file while it is sent. */
struct tk_cli_upload {
        const char *path, *content_type;
        int fd;
        int64_t bytes; /* how long it is; -1: not known */
        /* Called some times a second, and when all is sent until the reply has come. */
        void (*progress)(void *context, int64_t sent_bytes);
        void *context;
};
/* As tk_cli_client_ask(), without a bound on how long it takes. */
int tk_cli_client_upload(struct tk_cli_client *client, const struct tk_cli_upload *upload,
                         json_t **ret_reply);

/* Ask, and write the body of a good reply into a file as it comes: however long it takes, as long as bytes come. */
int tk_cli_client_save(struct tk_cli_client *client, const struct tk_cli_request *request, int fd);

#endif
