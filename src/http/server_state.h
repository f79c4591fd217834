/*
 * The server while it runs: what dispatch, replies and status read of it. Written at start and stop only, but for the
 * counters and the flag `stopping`. Included by src/http only.
 */
#ifndef TK_HTTP_SERVER_STATE_H
#define TK_HTTP_SERVER_STATE_H

#include "http/connections.h"
#include "http/metrics.h"
#include "http/server.h"
#include "http/throttle.h"
#include "http/upload.h"
#include "http/workers.h"

#include <microhttpd.h>

#include <stdatomic.h>

struct tk_server {
        struct tk_service *service;
        struct tk_gate *gate;
        uint32_t admin_environment; /* of the API tollkeeper, in the gate */
        struct tk_connections *connections;
        void (*log)(const char *line);
        int64_t started_s;
        atomic_bool stopping; /* replies close their connection */
        uint16_t port;
        bool tls;
        char *socket_path; /* NULL: none */
        int tcp_fd, socket_fd;
        struct MHD_Daemon *tcp, *socket;
        struct tk_workers *workers;
        struct tk_throttle *throttle;
        bool behind_proxy; /* clients have addresses of their own only where a trusted proxy tells them */
        struct tk_metrics metrics;
        struct tk_uploads uploads;
};

static inline bool tk_server_stopping(struct tk_server *server)
{
        return atomic_load_explicit(&server->stopping, memory_order_relaxed);
}

#endif
