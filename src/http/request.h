/*
 * One HTTP request, from its headers to its reply, and what handlers read from it. Made by dispatch.c on a network
 * thread; a handler runs on that thread or on a worker, never on both at once. Everything a request allocates is in its
 * arena and goes with it. Its own storage is its connection's, which serves one request at a time: the hot path allocates
 * nothing of ours.
 */
#ifndef TK_HTTP_REQUEST_H
#define TK_HTTP_REQUEST_H

#include "core/arena.h"
#include "core/fault.h"
#include "http/connections.h"
#include "http/json_read.h"
#include "http/peer.h"
#include "service/service.h"

#include <microhttpd.h>

#define TK_PATH_PARAMS_MAX    3
#define TK_REPLY_HEADERS_MAX  6
#define TK_BODY_INLINE_BYTES  2048
/* Room for the longest answer of verify (64 scopes, 16 limits) and the longest problem document. */
#define TK_REPLY_INLINE_BYTES 12288
/* Room for RateLimit and RateLimit-Policy of 16 limits. */
#define TK_REPLY_LIMITS_BYTES 4352

struct tk_server;
struct tk_route;
struct tk_upload; /* http/upload.h */
struct tk_request;

/* The headers that matter, as they came; ptr NULL when absent. They live as long as the request. */
struct tk_headers {
        struct tk_str authorization, content_type, content_length, if_match, idempotency_key, api_key, origin,
                expect, transfer_encoding, forwarded_for;
        bool authorization_repeated;
        bool api_keys_differ;  /* two X-API-Key headers that are not the same */
        bool length_ambiguous; /* where the request ends could be read in two ways (RFC 9112, section 6.3) */
};

struct tk_body {
        char *bytes; /* in_place, or allocated; wiped when the request ends */
        size_t len, room;
        size_t received;    /* also what was thrown away */
        uint64_t announced; /* by Content-Length; 0 where there is none */
        char in_place[TK_BODY_INLINE_BYTES];
};

/* A reply that comes in pieces, of which the reply's bytes are one: see http/stream.h. */
struct tk_stream {
        enum tk_err (*more)(struct tk_request *request, void *context); /* NULL: it does not */
        void (*free)(void *context);
        void *context;
        uint64_t len, made; /* of all pieces, and of those that were made */
        size_t sent;        /* of this piece */
        bool last;          /* this piece */
        bool broken;        /* a piece could not be made */
};

struct tk_reply {
        unsigned status;
        const char *content_type;
        char *bytes;
        size_t len;
        struct tk_stream stream;
        bool owned; /* bytes were allocated; else they are static or in the request */
        struct {
                const char *name;
                const char *value; /* static, or in the request */
        } headers[TK_REPLY_HEADERS_MAX];
        unsigned header_count;
        char retry_after[24];
        char limits[TK_REPLY_LIMITS_BYTES];
        char scratch[TK_REPLY_INLINE_BYTES];
};

enum tk_phase {
        TK_PHASE_RECEIVING, /* until all of it has come, or as much as we want */
        TK_PHASE_WORKING,   /* suspended; a worker has it */
        TK_PHASE_ANSWERED,
        TK_PHASE_STREAMING, /* the next piece of the reply is being made, by a worker */
};

struct tk_request {
        struct tk_server *server;
        struct tk_service *service;
        struct MHD_Connection *connection;
        struct tk_connection *ours;
        const struct tk_peer *peer;
        struct tk_environment_memo *memo; /* the connection's */
        const struct tk_route *route;     /* NULL: there is none */
        const char *method, *path;        /* the path as received, without query */
        struct tk_str params[TK_PATH_PARAMS_MAX];
        struct tk_headers headers;
        struct tk_caller caller;
        enum tk_phase phase;
        uint64_t started_ns;
        struct tk_request *next;  /* while it waits for a worker */
        struct tk_upload *upload; /* of a body that is worked on while it comes; NULL: none */
        json_t *json;
        struct tk_arena arena;
        char actor[32];
        /* From here on nothing is zeroed for each request. */
        struct tk_peer forwarded; /* where a trusted proxy speaks for the client: then `peer` is this */
        struct tk_fault fault;
        struct tk_body body;
        struct tk_reply reply;
};

/*
 * The environment that the last question on a connection was about: a gateway asks about one for ever, and ids are stable
 * while the gate is open.
 */
struct tk_environment_memo {
        size_t api_len, name_len; /* 0: none yet */
        char api[TK_NAME_MAX], name[TK_NAME_MAX];
        uint32_t environment;
};

/* A connection: who is at its other end, and the request that it serves now. */
struct tk_connection {
        bool spoken; /* a request has come */
        struct tk_connection_seat seat;
        struct tk_peer peer;
        struct tk_environment_memo memo;
        struct tk_request request;
};

/* The next request of a connection, in its storage. */
void tk_request_begin(struct tk_connection *ours, struct tk_server *server, struct MHD_Connection *connection,
                      const char *method, const char *path);
/* Wipes what may hold a key. */
void tk_request_end(struct tk_request *request);
uint64_t tk_request_age_ns(const struct tk_request *request);
/*
 * The step that begins now, or began then, must be done within `ns`, or the connection is closed; TK_NO_DEADLINE: it is ours, and may
 * take its time. Before the connection is handed to another thread.
 */
void tk_request_allow(struct tk_request *request, uint64_t ns);
void tk_request_allow_from(struct tk_request *request, uint64_t from_ns, uint64_t ns);

/* Keep more of the body. TK_NOMEM. */
enum tk_err tk_request_append(struct tk_request *request, const char *bytes, size_t len);

/* ---- for handlers; each fills request->fault on an error ---- */

/* The body, by the shape, into the zeroed struct at ret_input. */
enum tk_err tk_request_body(struct tk_request *request, const struct tk_json_shape *shape, void *ret_input);

/* The same for a POST that creates: Idempotency-Key goes to request->caller. */
enum tk_err tk_request_creation(struct tk_request *request, const struct tk_json_shape *shape,
                                void *ret_input);

/* The same for an update: If-Match, or TK_VERSION_ANY. */
enum tk_err tk_request_change(struct tk_request *request, const struct tk_json_shape *shape, void *ret_input,
                              uint64_t *ret_version);

/* A POST that changes the state: If-Match, and a body that may be absent. */
enum tk_err tk_request_optional(struct tk_request *request, const struct tk_json_shape *shape,
                                void *ret_input, uint64_t *ret_version);
/* The same, where the body has no members. */
enum tk_err tk_request_state(struct tk_request *request, uint64_t *ret_version);

/* One parameter of the query string. */
struct tk_query {
        const char *name;
        struct tk_str *ret_value; /* ptr NULL when absent */
};
/* The parameters of the query string. One that nobody knows is refused. */
enum tk_err tk_request_query(struct tk_request *request, const struct tk_query *known, size_t count);
/* The page that a list wants, and its filters. A parameter that nobody knows is refused. */
enum tk_err tk_request_page(struct tk_request *request, const struct tk_query *filters, size_t filter_count,
                            struct tk_page *ret_page);

/*
 * Percent-decode into the arena where there is something to decode. False, with a fault that names `field`, for a broken
 * escape, an escaped NUL, or bytes that are not UTF-8.
 */
bool tk_request_unescape(struct tk_request *request, struct tk_str text, const char *field,
                         struct tk_str *ret_text);

#endif
