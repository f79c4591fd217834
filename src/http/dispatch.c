/*
 * From libmicrohttpd's callbacks to handlers and back. See dispatch.h.
 */
#include "http/dispatch.h"

#include "core/alloc.h"
#include "http/auth.h"
#include "http/bound.h"
#include "http/headers.h"
#include "http/log.h"
#include "http/refusal.h"
#include "http/reply.h"
#include "http/router.h"
#include "http/server_state.h"
#include "http/stream.h"
#include "http/upload.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_MAX        (1u << 20)
#define VERIFY_BODY_MAX (64u << 10)
/*
 * A refused request's body is read and thrown away up to here, because a client that is cut off while it sends may never
 * see the reply.
 */
#define DISCARD_MAX     (8u << 20)

static int socket_of(struct MHD_Connection *connection)
{
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* ---- the headers have come ---- */

static uint64_t request_ns(const struct tk_request *request)
{
        return tk_connections_request_ns(request->server->connections);
}

static bool streams(const struct tk_request *request)
{
        return request->route && request->route->run == TK_RUN_STREAM;
}

static size_t body_max(const struct tk_request *request)
{
        if (streams(request))
                return SIZE_MAX; /* it is worked on while it comes, and not held */
        return request->route && request->route->access == TK_ACCESS_VERIFY ? VERIFY_BODY_MAX : BODY_MAX;
}

static enum tk_err too_large(struct tk_request *request)
{
        char mend[64];
        snprintf(mend, sizeof(mend), "send a body of at most %zu bytes", body_max(request));
        return tk_fault_set(&request->fault, TK_FAULT_too_large, "", mend, "the body has more than %zu bytes",
                            body_max(request));
}

static enum tk_err find_route(struct tk_request *request)
{
        const char *allow;
        switch (tk_route_find(request->method, request->path, &request->route, request->params, &allow)) {
        case TK_MATCH_FOUND:
                return TK_OK;
        case TK_MATCH_NO_METHOD:
                tk_reply_header(request, "Allow", allow);
                return tk_fault_set(&request->fault, TK_FAULT_method_not_allowed, "",
                                    "use a method that Allow names", "this path does not take the method");
        case TK_MATCH_NO_PATH:
                break;
        }
        return tk_fault_set(&request->fault, TK_FAULT_not_found, "", "docs/openapi.yaml lists the paths",
                            "there is nothing at this path");
}

static enum tk_err decode_params(struct tk_request *request)
{
        for (size_t i = 0; i < TK_PATH_PARAMS_MAX && request->params[i].ptr; i++)
                if (!tk_request_unescape(request, request->params[i], "path", &request->params[i]))
                        return request->fault.code == TK_FAULT_none ? TK_NOMEM : TK_INVALID;
        return TK_OK;
}

/* A proxy in front might see another end of this request, and so take our client's next bytes for somebody else's. */
static enum tk_err check_framing(struct tk_request *request)
{
        if (!request->headers.length_ambiguous)
                return TK_OK;
        tk_reply_header(request, "Connection", "close");
        return tk_fault_set(&request->fault, TK_FAULT_malformed_request, "Content-Length",
                            "send one Content-Length, or Transfer-Encoding: chunked without one",
                            "where the body ends could be read in two ways");
}

/* Who asks, by the rules as they are now. */
static void know_client(struct tk_request *request)
{
        struct tk_connections *connections = request->server->connections;
        struct tk_connection *ours = request->ours;
        tk_connections_judge(connections, &ours->seat, &ours->peer);
        if (!ours->peer.proxy || !request->headers.forwarded_for.ptr)
                return;
        request->forwarded = ours->peer;
        tk_connections_forwarded(connections, request->headers.forwarded_for, &request->forwarded);
        request->peer = &request->forwarded;
}

static enum tk_err admit(struct tk_request *request)
{
        uint64_t *announced = &request->body.announced;
        tk_headers_read(request->connection, &request->headers);
        know_client(request);
        tk_str_to_u64(request->headers.content_length, announced);
        enum tk_err err = check_framing(request);
        if (err == TK_OK)
                err = find_route(request);
        if (err == TK_OK)
                err = tk_auth_check(request);
        if (err == TK_OK)
                err = decode_params(request);
        if (err == TK_OK)
                err = tk_bound_check(request);
        if (err == TK_OK && *announced > body_max(request))
                err = too_large(request);
        return err;
}

static enum MHD_Result answer_now(struct tk_request *request)
{
        request->phase = TK_PHASE_ANSWERED;
        return tk_reply_send(request);
}

static enum MHD_Result begin(struct tk_server *server, struct MHD_Connection *connection, const char *path,
                             const char *method, void **ret_request)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        if (!info || !info->socket_context)
                return MHD_NO; /* there was no memory for the connection */
        struct tk_connection *ours = info->socket_context;
        struct tk_request *request = &ours->request;
        tk_request_begin(ours, server, connection, method, path);
        tk_request_allow_from(request, request->started_ns, request_ns(request));
        tk_metrics_begun(&server->metrics);
        if (!ours->spoken)
                atomic_fetch_sub_explicit(&server->metrics.silent, 1, memory_order_relaxed);
        ours->spoken = true;
        *ret_request = request;

        enum tk_err err = admit(request);
        if (err == TK_OK && streams(request))
                err = request->route->handle(request);
        if (err == TK_OK)
                return MHD_YES;
        tk_refusal_note(request, request->caller.actor);
        tk_reply_problem(request, err);
        /* A client that sent Expect waits for our word before it sends the body; others are heard out first. */
        bool at_once = request->headers.expect.ptr || request->headers.length_ambiguous ||
                       request->body.announced > DISCARD_MAX;
        if (!at_once)
                return MHD_YES;
        tk_metrics_arrived(&server->metrics);
        return answer_now(request);
}

/* ---- the body comes ---- */

/*
 * Half a body, and the client is gone. libmicrohttpd reads once for an event, so it misses an end that comes together with the
 * bytes before it, and would wait for more until the connection times out.
 */
static bool broke_off(const struct tk_request *request)
{
        if (request->body.received >= request->body.announced)
                return false;
        char byte;
        return recv(socket_of(request->connection), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum MHD_Result collect(struct tk_request *request, const char *bytes, size_t len)
{
        struct tk_body *body = &request->body;
        body->received += len;
        if (broke_off(request))
                return MHD_NO;
        if (request->upload) {
                tk_request_allow(request,
                                 request_ns(request)); /* as long as bytes come, all of it may take long */
                /* Whoever may import is heard to the end, also where what comes is not wanted: else the reply might get lost. */
                if (request->reply.status == 0 && !tk_upload_put(request->upload, bytes, len))
                        (void)tk_upload_reply(request->upload, request);
                return MHD_YES;
        }
        if (request->reply.status != 0) /* refused already */
                return body->received <= DISCARD_MAX ? MHD_YES : MHD_NO;
        enum tk_err err = len > body_max(request) - body->len ? too_large(request)
                                                              : tk_request_append(request, bytes, len);
        if (err != TK_OK)
                tk_reply_problem(request, err);
        return MHD_YES;
}

/* ---- all has come ---- */

static enum tk_err check_media_type(struct tk_request *request)
{
        if (request->body.len == 0 || strcmp(request->route->method, "GET") == 0)
                return TK_OK;
        struct tk_str type, parameters;
        tk_str_cut(request->headers.content_type, ';', &type, &parameters);
        if (tk_str_equal_nocase(tk_str_trim(type), TK_STR("application/json")))
                return TK_OK;
        return tk_fault_set(&request->fault, TK_FAULT_unsupported_media_type, "Content-Type",
                            "send \"Content-Type: application/json\"",
                            "the Content-Type is not application/json");
}

static void run_handler(struct tk_request *request)
{
        enum tk_err err = request->route->handle(request);
        if (err == TK_OK)
                return;
        tk_refusal_note(request, request->caller.actor);
        tk_reply_problem(request, err);
}

void tk_dispatch_work(struct tk_request *request)
{
        if (request->phase == TK_PHASE_STREAMING)
                tk_stream_work(request);
        else
                run_handler(request);
        request->phase = TK_PHASE_ANSWERED;
        tk_request_allow(request,
                         request->reply.stream.more ? tk_stream_patience_ns(request) : request_ns(request));
        MHD_resume_connection(request->connection); /* the network thread may free the request from here on */
}

static enum MHD_Result hand_over(struct tk_request *request)
{
        request->phase = TK_PHASE_WORKING;
        tk_request_allow(request, TK_NO_DEADLINE);   /* our own time is not the client's */
        MHD_suspend_connection(request->connection); /* before a worker can resume it */
        if (tk_workers_push(request->server->workers, request, request->route->run == TK_RUN_URGENT))
                return MHD_YES;
        tk_fault_set(&request->fault, TK_FAULT_unavailable, "", "try again as Retry-After says",
                     "too many requests are waiting");
        tk_reply_problem(request, TK_BUSY);
        request->phase = TK_PHASE_ANSWERED;
        tk_request_allow(request, request_ns(request));
        MHD_resume_connection(request->connection);
        return MHD_YES;
}

/* The upload's thread answers, now or when it is done. */
static enum MHD_Result answer_upload(struct tk_request *request)
{
        request->phase = TK_PHASE_WORKING;
        return tk_upload_reply(request->upload, request) ? answer_now(request) : MHD_YES;
}

static enum MHD_Result finish(struct tk_request *request)
{
        tk_metrics_arrived(&request->server->metrics);
        if (request->upload && request->reply.status == 0) {
                request->phase = TK_PHASE_WORKING;
                return tk_upload_end(request->upload) ? answer_upload(request) : MHD_YES;
        }
        if (request->reply.status != 0)
                return answer_now(request);
        enum tk_err err = check_media_type(request);
        if (err != TK_OK) {
                tk_reply_problem(request, err);
                return answer_now(request);
        }
        if (request->route->run != TK_RUN_INLINE)
                return hand_over(request);
        run_handler(request);
        return answer_now(request);
}

/* ---- libmicrohttpd's callbacks ---- */

enum MHD_Result tk_dispatch_request(void *context, struct MHD_Connection *connection, const char *path,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *inout_len, void **inout_request)
{
        (void)version;
        struct tk_request *request = *inout_request;
        if (!request)
                return begin(context, connection, path, method, inout_request);
        if (request->phase == TK_PHASE_ANSWERED)
                return tk_reply_send(request);
        if (request->phase == TK_PHASE_WORKING && request->upload)
                return answer_upload(request);
        if (*inout_len > 0) {
                size_t len = *inout_len;
                *inout_len = 0;
                return collect(request, bytes, len);
        }
        return finish(request);
}

void tk_dispatch_completed(void *context, struct MHD_Connection *connection, void **inout_request,
                           enum MHD_RequestTerminationCode how)
{
        (void)connection;
        struct tk_server *server = context;
        struct tk_request *request = *inout_request;
        if (!request)
                return;
        uint64_t duration_ns = tk_request_age_ns(request);
        tk_request_allow_from(request, request->started_ns + duration_ns,
                              tk_connections_idle_ns(server->connections));
        unsigned status = how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? request->reply.status : 0;
        tk_log_request(request, status, duration_ns);
        tk_metrics_finished(&server->metrics, request->route, status, request->phase != TK_PHASE_RECEIVING,
                            duration_ns);
        if (request->upload)
                tk_upload_drop(request->upload);
        tk_request_end(request);
        *inout_request = NULL;
}

static struct tk_connection *open_connection(const struct tk_server *server,
                                             struct MHD_Connection *connection)
{
        struct tk_connection *ours = tk_malloc(sizeof(*ours));
        if (!ours)
                return NULL;
        ours->spoken = false;
        ours->memo.api_len = ours->memo.name_len = 0;
        const struct sockaddr *address =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
        bool tcp = address && address->sa_family != AF_UNIX;
        tk_connections_add(server->connections, &ours->seat, socket_of(connection), tcp ? address : NULL,
                           &ours->peer);
        return ours;
}

void tk_dispatch_connection(void *context, struct MHD_Connection *connection, void **inout_ours,
                            enum MHD_ConnectionNotificationCode what)
{
        struct tk_server *server = context;
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
                *inout_ours = open_connection(server, connection);
                atomic_fetch_add_explicit(&server->metrics.silent, 1, memory_order_relaxed);
                atomic_fetch_add_explicit(&server->metrics.connections, 1, memory_order_relaxed);
                return;
        }
        struct tk_connection *ours = *inout_ours;
        if (!ours || !ours->spoken)
                atomic_fetch_sub_explicit(&server->metrics.silent, 1, memory_order_relaxed);
        if (ours)
                tk_connections_remove(server->connections, &ours->seat);
        tk_free(*inout_ours);
        *inout_ours = NULL;
        atomic_fetch_sub_explicit(&server->metrics.connections, 1, memory_order_relaxed);
}

enum MHD_Result tk_dispatch_accept(void *context, const struct sockaddr *address, socklen_t bytes)
{
        const struct tk_server *server = context;
        (void)bytes;
        return tk_connections_admit(server->connections, address) ? MHD_YES : MHD_NO;
}

size_t tk_dispatch_keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
        (void)context;
        (void)connection;
        return strlen(text);
}
