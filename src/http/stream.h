/*
 * A reply that comes in pieces: an export, a backup. A worker makes each piece while the client takes the one before, so that network
 * threads wait for no disk, and never more than a piece is held. A client may take its time as long as it takes something.
 */
#ifndef TK_HTTP_STREAM_H
#define TK_HTTP_STREAM_H

#include "http/request.h"

#define TK_STREAM_LEN_UNKNOWN UINT64_MAX

/*
 * For handlers on a worker: 200, in pieces. The first one is made at once, so that what fails with it is still a problem; what
 * fails later closes the connection.
 *   len      of all pieces, or TK_STREAM_LEN_UNKNOWN
 *   more     makes the next piece: calls tk_stream_piece(). On a worker, once at a time
 *   free     frees `context` when the request ends, also when this fails; may be NULL
 */
enum tk_err tk_stream_begin(struct tk_request *request, const char *content_type, uint64_t len,
                            enum tk_err (*more)(struct tk_request *request, void *context),
                            void (*free)(void *context), void *context);

/* The piece that `more` made: takes `bytes`, which tk_free() frees. */
void tk_stream_piece(struct tk_request *request, char *bytes, size_t len, bool last);

/* ---- for reply.c and dispatch.c ---- */

/* The response that carries it. NULL: out of memory. */
struct MHD_Response *tk_stream_response(struct tk_request *request);
/* In TK_PHASE_STREAMING, on a worker: make the next piece. */
void tk_stream_work(struct tk_request *request);
/* How long the client may take nothing of a stream. */
uint64_t tk_stream_patience_ns(const struct tk_request *request);

#endif
