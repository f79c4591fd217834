/*
 * Replies in pieces (stream.h). A request in TK_PHASE_STREAMING is a worker's, its connection suspended; else it is the network
 * thread's. Neither touches it while it is the other's.
 */
#include "http/stream.h"

#include "http/reply.h"
#include "http/server_state.h"

#include <string.h>

#define BLOCK_BYTES (64u << 10) /* what libmicrohttpd asks for at once */
/*
 * So many times what a client has for an answer. The kernel's buffer for a socket may hold some MiB, and wants bytes again only
 * when a good part of them is gone: a slow line seems to take nothing meanwhile.
 */
#define PATIENCE    10

uint64_t tk_stream_patience_ns(const struct tk_request *request)
{
        return PATIENCE * tk_connections_request_ns(request->server->connections);
}

enum tk_err tk_stream_begin(struct tk_request *request, const char *content_type, uint64_t len,
                            enum tk_err (*more)(struct tk_request *request, void *context),
                            void (*free)(void *context), void *context)
{
        tk_reply_bytes(request, MHD_HTTP_OK, content_type, NULL, 0);
        request->reply.stream =
                (struct tk_stream){.more = more, .free = free, .context = context, .len = len};
        return more(request, context);
}

void tk_stream_piece(struct tk_request *request, char *bytes, size_t len, bool last)
{
        struct tk_reply *reply = &request->reply;
        tk_reply_drop_bytes(reply);
        reply->bytes = bytes;
        reply->len = len;
        reply->owned = true;
        reply->stream.made += len;
        reply->stream.sent = 0;
        reply->stream.last = last;
}

void tk_stream_work(struct tk_request *request)
{
        struct tk_stream *stream = &request->reply.stream;
        stream->broken = stream->more(request, stream->context) != TK_OK;
}

/* Before a worker can resume it. */
static void ask_for_more(struct tk_request *request)
{
        request->phase = TK_PHASE_STREAMING;
        tk_request_allow(request, TK_NO_DEADLINE); /* our own time is not the client's */
        MHD_suspend_connection(request->connection);
        if (tk_workers_go_on(request->server->workers, request))
                return;
        request->phase = TK_PHASE_ANSWERED;
        request->reply.stream.broken = true;
        MHD_resume_connection(request->connection);
}

static ssize_t next_bytes(void *context, uint64_t at, char *block, size_t room)
{
        (void)at;
        struct tk_request *request = context;
        struct tk_reply *reply = &request->reply;
        struct tk_stream *stream = &reply->stream;
        if (stream->broken)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        size_t left = reply->len - stream->sent;
        if (left == 0 && stream->last)
                return MHD_CONTENT_READER_END_OF_STREAM;
        if (left == 0) {
                ask_for_more(request);
                return 0;
        }
        tk_request_allow(request, tk_stream_patience_ns(request));
        size_t len = left < room ? left : room;
        memcpy(block, reply->bytes + stream->sent, len);
        stream->sent += len;
        return (ssize_t)len;
}

/* The request outlives it: libmicrohttpd ends a request only after it has sent the reply. */
struct MHD_Response *tk_stream_response(struct tk_request *request)
{
        uint64_t len = request->reply.stream.len;
        return MHD_create_response_from_callback(len == TK_STREAM_LEN_UNKNOWN ? MHD_SIZE_UNKNOWN : len,
                                                 BLOCK_BYTES, next_bytes, request, NULL);
}
