/*
 * A body that is worked on while it comes, for routes of TK_RUN_STREAM. The network thread puts in what arrives and is suspended where
 * that is not taken fast enough; a thread of the upload's own takes it out. The two share nothing else: when the client goes
 * away the request ends at once, and the thread finds out at its next look. Never more than some hundred KiB of a body are held.
 */
#ifndef TK_HTTP_UPLOAD_H
#define TK_HTTP_UPLOAD_H

#include "http/request.h"

#include <pthread.h>

struct tk_upload;

/* Those that a server has. Caller's storage. */
struct tk_uploads {
        pthread_mutex_t lock; /* guards these */
        pthread_cond_t ended;
        struct tk_upload *first;
        bool stopping;
};
void tk_uploads_init(struct tk_uploads *uploads);
/* Tell all to end, and wait until they have. None may begin any more. */
void tk_uploads_stop(struct tk_uploads *uploads);

/*
 * Works on the body. On the upload's own thread, once.
 *   context  what `begin` made; it frees it
 * On TK_OK ret_reply is the body of the reply; else the fault is.
 */
struct tk_upload_reply {
        const char *content_type;
        char *bytes; /* allocated; the request's from then on */
        size_t len;
};
typedef enum tk_err tk_upload_fn(struct tk_upload *upload, void *context, struct tk_upload_reply *ret_reply,
                                 struct tk_fault *fault);

/* Begin: on the network thread, when the headers have come. TK_BUSY when the server stops. `context` is the upload's on TK_OK. */
enum tk_err tk_upload_begin(struct tk_request *request, tk_upload_fn *run, void *context,
                            struct tk_upload **ret_upload);

/* ---- for the upload's thread ---- */

/*
 * The next bytes, valid until the next call; waits for them. False at the end of the body.
 *   ret_broken  it ended before all of it had come
 */
bool tk_upload_take(struct tk_upload *upload, struct tk_str *ret_bytes, bool *ret_broken);
/* Called, from another thread, when the server stops while `run` goes on; NULL switches it off. */
void tk_upload_on_stop(struct tk_upload *upload, void (*stop)(void *context), void *context);

/* ---- for the network thread; see dispatch.c ---- */

/* Put bytes in. The connection may be suspended afterwards. False: the upload is done, and nobody wants them. */
bool tk_upload_put(struct tk_upload *upload, const char *bytes, size_t len);
/* All has come. True: it is done, and the reply can be taken; else the connection is suspended until it is. */
bool tk_upload_end(struct tk_upload *upload);
/* What became of it, into the request's reply. False, and the connection suspended, where it is not done. */
bool tk_upload_reply(struct tk_upload *upload, struct tk_request *request);
/* The request is over. */
void tk_upload_drop(struct tk_upload *upload);

#endif
