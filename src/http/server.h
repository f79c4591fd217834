/*
 * The HTTP server: libmicrohttpd on the TCP listener and on the Unix socket, both with the same routes. Owned by
 * `tollkeeper serve`. Verification is answered on the network threads, straight from the gate; everything that may touch the
 * disk runs on a bounded pool of workers while its connection is suspended, so that a slow disk never delays a verification.
 */
#ifndef TK_HTTP_SERVER_H
#define TK_HTTP_SERVER_H

#include "core/error.h"
#include "core/fault.h"
#include "http/connections.h"

#include <stdint.h>

struct tk_service;
struct tk_server;

struct tk_server_config {
        struct tk_service *service; /* borrowed; outlives the server */
        const char *address;        /* numeric IPv4 or IPv6 */
        uint16_t port;              /* 0: any free one, see tk_server_port() */
        const char *socket_path;    /* Unix socket; NULL: none */
        unsigned verify_threads;    /* network threads, 1 to 64 */
        unsigned workers;           /* for requests that may touch the disk, 1 to 256 */
        struct tk_connection_rules rules;
        bool behind_proxy; /* where no proxy is trusted, sign-in attempts are not told apart by address */
        const char *tls_cert, *tls_key; /* PEM files; NULL: plain HTTP */
        void (*log)(const char *line);  /* one logfmt line without newline; never a secret */
};

enum tk_err tk_server_start(const struct tk_server_config *config, struct tk_server **ret_server,
                            struct tk_fault *fault);
uint16_t tk_server_port(const struct tk_server *server);

/*
 * While it serves: rules that hold from the next request and the next connection on. connections_max is cut to what the process
 * may open. TK_NOMEM: nothing has changed.
 */
enum tk_err tk_server_change_rules(struct tk_server *server, const struct tk_connection_rules *rules);
/* While it serves with TLS: read certificate and key anew, for new handshakes (http/tls.h). */
enum tk_err tk_server_change_cert(struct tk_server *server, const char *cert_file, const char *key_file,
                                  int64_t *ret_expires_s, struct tk_fault *fault);

/* Stop accepting, answer what has come (http/drain.h; at most grace_s seconds), free. NULL is allowed. */
void tk_server_stop(struct tk_server *server, unsigned grace_s);

#endif
