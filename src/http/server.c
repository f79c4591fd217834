/*
 * Starts and stops the HTTP server: sockets, libmicrohttpd's daemons, workers. See server.h. Requests: dispatch.c.
 */
#include "http/server.h"

#include "core/alloc.h"
#include "gate/gate.h"
#include "http/dispatch.h"
#include "http/drain.h"
#include "http/listen.h"
#include "http/server_state.h"
#include "service/admin.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONNECTIONS_MAX  4096
#define LOCAL_MAX        256         /* connections of the Unix socket */
#define OWN_FILES_MAX    128         /* the registry's, the gate's, libmicrohttpd's */
#define CONNECTION_BYTES (16u << 10) /* for the headers of a request and of its reply; zeroed for each */
#define WORKER_QUEUE_MAX 256

/*
 * Of the files that the process may open, TCP gets what the others leave: a thousand clients that say nothing must not
 * lock out the registry, nor the Unix socket.
 */
static unsigned tcp_connections_max(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
            files.rlim_cur > CONNECTIONS_MAX + LOCAL_MAX + OWN_FILES_MAX)
                return CONNECTIONS_MAX;
        if (files.rlim_cur < 2 * (LOCAL_MAX + OWN_FILES_MAX))
                return (unsigned)files.rlim_cur / 2;
        return (unsigned)files.rlim_cur - LOCAL_MAX - OWN_FILES_MAX;
}

/* libmicrohttpd's own error log stays off: it quotes headers, and keys come in headers. */
static struct MHD_Daemon *start_daemon(struct tk_server *server, int fd, unsigned threads,
                                       unsigned connections_max, unsigned idle_timeout_s)
{
        return MHD_start_daemon(
                MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, tk_dispatch_request,
                server, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_THREAD_POOL_SIZE,
                threads > 1 ? threads : 0u, MHD_OPTION_CONNECTION_LIMIT, connections_max,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                idle_timeout_s, MHD_OPTION_UNESCAPE_CALLBACK, tk_dispatch_keep_escapes, server,
                MHD_OPTION_NOTIFY_COMPLETED, tk_dispatch_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
                tk_dispatch_connection, server, MHD_OPTION_END);
}

static enum tk_err open_listeners(struct tk_server *server, const struct tk_server_config *config,
                                  struct tk_fault *fault)
{
        enum tk_err err = tk_listen_tcp(config->address, config->port, &server->tcp_fd, &server->port, fault);
        if (err != TK_OK || !config->socket_path)
                return err;
        err = tk_listen_unix(config->socket_path, &server->socket_fd, fault);
        if (err != TK_OK)
                return err;
        size_t bytes = strlen(config->socket_path) + 1;
        server->socket_path = tk_malloc(bytes);
        if (!server->socket_path)
                return TK_NOMEM;
        memcpy(server->socket_path, config->socket_path, bytes);
        return TK_OK;
}

static enum tk_err start_daemons(struct tk_server *server, const struct tk_server_config *config,
                                 struct tk_fault *fault)
{
        server->tcp = start_daemon(server, server->tcp_fd, config->verify_threads, tcp_connections_max(),
                                   config->idle_timeout_s);
        if (server->tcp && server->socket_fd >= 0)
                server->socket =
                        start_daemon(server, server->socket_fd, 1, LOCAL_MAX, config->idle_timeout_s);
        if (server->tcp && (server->socket || server->socket_fd < 0))
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_internal, "", NULL, "libmicrohttpd did not start");
}

static enum tk_err copy_peers(struct tk_server *server, const struct tk_server_config *config)
{
        size_t bytes = config->verify_peer_count * sizeof(server->verify_peers[0]);
        server->verify_peers = tk_malloc(bytes);
        if (!server->verify_peers)
                return TK_NOMEM;
        if (bytes > 0)
                memcpy(server->verify_peers, config->verify_peers, bytes);
        server->verify_peer_count = config->verify_peer_count;
        return TK_OK;
}

static enum tk_err start(struct tk_server *server, const struct tk_server_config *config,
                         struct tk_fault *fault)
{
        if (!tk_gate_environment(server->gate, tk_str_from(TK_ADMIN_API), tk_str_from(TK_ADMIN_ENVIRONMENT),
                                 &server->admin_environment))
                return tk_fault_set(fault, TK_FAULT_internal, "", NULL, "the gate does not know the API %s",
                                    TK_ADMIN_API);
        enum tk_err err = copy_peers(server, config);
        if (err == TK_OK)
                err = open_listeners(server, config, fault);
        if (err == TK_OK)
                err = tk_workers_start(config->workers, WORKER_QUEUE_MAX, tk_dispatch_work, &server->workers);
        if (err == TK_OK)
                err = start_daemons(server, config, fault);
        return err;
}

enum tk_err tk_server_start(const struct tk_server_config *config, struct tk_server **ret_server,
                            struct tk_fault *fault)
{
        fault->code = TK_FAULT_none;
        struct tk_server *server = tk_calloc(1, sizeof(*server));
        if (!server)
                return tk_fault_from_err(fault, TK_NOMEM);
        server->service = config->service;
        server->gate = tk_service_gate(config->service);
        server->log = config->log;
        server->started_s = (int64_t)(tk_service_now_ns(config->service) / TK_NS_PER_S);
        server->tcp_fd = server->socket_fd = -1;
        tk_uploads_init(&server->uploads);
        enum tk_err err = start(server, config, fault);
        if (err != TK_OK) {
                if (fault->code == TK_FAULT_none)
                        tk_fault_from_err(fault, err);
                tk_server_stop(server, 0);
                return err;
        }
        *ret_server = server;
        return TK_OK;
}

uint16_t tk_server_port(const struct tk_server *server)
{
        return server->port;
}

/* ---- stop ---- */

static void close_listener(struct tk_server *server)
{
        if (server->tcp_fd >= 0)
                close(server->tcp_fd);
        if (server->socket_path)
                unlink(server->socket_path); /* before it is closed, or it might be another daemon's by then */
        if (server->socket_fd >= 0)
                close(server->socket_fd);
}

void tk_server_stop(struct tk_server *server, unsigned grace_s)
{
        if (!server)
                return;
        atomic_store_explicit(&server->stopping, true, memory_order_relaxed);
        tk_drain(server, grace_s);
        /* Workers before daemons: a daemon must not stop while a request is suspended. */
        tk_uploads_stop(&server->uploads);
        tk_workers_finish(server->workers);
        if (server->tcp)
                MHD_stop_daemon(server->tcp);
        if (server->socket)
                MHD_stop_daemon(server->socket);
        tk_workers_stop(server->workers); /* the daemons' threads could ask for it until now */
        close_listener(server);
        tk_free(server->socket_path);
        tk_free(server->verify_peers);
        tk_free(server);
}
