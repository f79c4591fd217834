/*
 * Starts and stops the HTTP server: sockets, libmicrohttpd's daemons, workers. See server.h. Requests: dispatch.c.
 */
#include "http/server.h"

#include "core/alloc.h"
#include "core/calendar.h"
#include "gate/gate.h"
#include "http/dispatch.h"
#include "http/drain.h"
#include "http/listen.h"
#include "http/server_state.h"
#include "http/tls.h"
#include "service/admin.h"
#include "service/service.h"

#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOCAL_MAX        256         /* connections of the Unix socket */
#define OWN_FILES_MAX    128         /* the registry's, the gate's, libmicrohttpd's */
#define CONNECTION_BYTES (16u << 10) /* for the headers of a request and of its reply; zeroed for each */
#define WORKER_QUEUE_MAX 256

/*
 * Of the files that the process may open, TCP gets what the others leave: a thousand clients that say nothing must not
 * lock out the registry, nor the Unix socket.
 */
static unsigned files_for_tcp(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX)
                return INT_MAX;
        if (files.rlim_cur < 2 * (LOCAL_MAX + OWN_FILES_MAX))
                return (unsigned)files.rlim_cur / 2;
        return (unsigned)files.rlim_cur - LOCAL_MAX - OWN_FILES_MAX;
}

static struct tk_connection_rules possible_rules(const struct tk_connection_rules *wanted)
{
        struct tk_connection_rules rules = *wanted;
        if (rules.connections_max > files_for_tcp())
                rules.connections_max = files_for_tcp();
        return rules;
}

/*
 * libmicrohttpd's own error log stays off: it quotes headers, and keys come in headers. Nor does it bound TCP connections: at its
 * limit it would stop to accept, and whoever is on a list would wait behind a flood (http/connections.h).
 */
#define DAEMON_FLAGS (MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME)
#define DAEMON_OPTIONS(server, fd, threads)                                                                  \
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)(fd), MHD_OPTION_THREAD_POOL_SIZE,                             \
                (threads) > 1 ? (threads) : 0u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,                          \
                (size_t)CONNECTION_BYTES, MHD_OPTION_UNESCAPE_CALLBACK, tk_dispatch_keep_escapes, (server),  \
                MHD_OPTION_NOTIFY_COMPLETED, tk_dispatch_completed, (server), MHD_OPTION_NOTIFY_CONNECTION,  \
                tk_dispatch_connection, (server)

static struct MHD_Daemon *start_tcp(struct tk_server *server, unsigned threads)
{
        unsigned most = files_for_tcp() / threads * threads;
        if (server->tls)
                return MHD_start_daemon(
                        DAEMON_FLAGS | MHD_USE_TLS, 0, tk_dispatch_accept, server, tk_dispatch_request,
                        server, DAEMON_OPTIONS(server, server->tcp_fd, threads), MHD_OPTION_CONNECTION_LIMIT,
                        most, MHD_OPTION_HTTPS_CERT_CALLBACK, tk_tls_retrieve, MHD_OPTION_HTTPS_PRIORITIES,
                        TK_TLS_PRIORITIES, MHD_OPTION_END);
        return MHD_start_daemon(DAEMON_FLAGS, 0, tk_dispatch_accept, server, tk_dispatch_request, server,
                                DAEMON_OPTIONS(server, server->tcp_fd, threads), MHD_OPTION_CONNECTION_LIMIT,
                                most, MHD_OPTION_END);
}

static struct MHD_Daemon *start_local(struct tk_server *server)
{
        return MHD_start_daemon(DAEMON_FLAGS, 0, NULL, NULL, tk_dispatch_request, server,
                                DAEMON_OPTIONS(server, server->socket_fd, 1u), MHD_OPTION_CONNECTION_LIMIT,
                                (unsigned)LOCAL_MAX, MHD_OPTION_END);
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
        server->tcp = start_tcp(server, config->verify_threads);
        if (server->tcp && server->socket_fd >= 0)
                server->socket = start_local(server);
        if (server->tcp && (server->socket || server->socket_fd < 0))
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_internal, "", NULL, "libmicrohttpd did not start");
}

static enum tk_err load_cert(struct tk_server *server, const struct tk_server_config *config,
                             struct tk_fault *fault)
{
        int64_t expires_s;
        if (!config->tls_cert)
                return TK_OK;
        server->tls = true;
        return tk_server_change_cert(server, config->tls_cert, config->tls_key, &expires_s, fault);
}

static enum tk_err open_throttle(struct tk_server *server)
{
        uint8_t seed[16];
        struct tk_random random = tk_random_system();
        random.fill(random.context, seed, sizeof(seed));
        return tk_throttle_new(seed, &server->throttle);
}

static enum tk_err start(struct tk_server *server, const struct tk_server_config *config,
                         struct tk_fault *fault)
{
        if (!tk_gate_environment(server->gate, tk_str_from(TK_ADMIN_API), tk_str_from(TK_ADMIN_ENVIRONMENT),
                                 &server->admin_environment))
                return tk_fault_set(fault, TK_FAULT_internal, "", NULL, "the gate does not know the API %s",
                                    TK_ADMIN_API);
        struct tk_connection_rules rules = possible_rules(&config->rules);
        enum tk_err err = load_cert(server, config, fault);
        if (err == TK_OK)
                err = tk_connections_open(&rules, &server->connections);
        server->behind_proxy = config->behind_proxy;
        if (err == TK_OK)
                err = open_throttle(server);
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

/* ---- changes while it serves ---- */

enum tk_err tk_server_change_rules(struct tk_server *server, const struct tk_connection_rules *wanted)
{
        struct tk_connection_rules rules = possible_rules(wanted);
        return tk_connections_change(server->connections, &rules);
}

enum tk_err tk_server_change_cert(struct tk_server *server, const char *cert_file, const char *key_file,
                                  int64_t *ret_expires_s, struct tk_fault *fault)
{
        int64_t now_s = (int64_t)(tk_service_now_ns(server->service) / TK_NS_PER_S);
        return tk_tls_load(cert_file, key_file, now_s, ret_expires_s, fault);
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
        tk_connections_close(server->connections);
        if (server->tls)
                tk_tls_unload();
        tk_throttle_free(server->throttle);
        tk_free(server);
}
