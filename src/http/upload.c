/*
 * Bodies that are worked on while they come. See upload.h. One lock an upload; it is held for moments, so the network thread never waits
 * for work.
 */
#include "http/upload.h"

#include "core/alloc.h"
#include "core/secret.h"
#include "http/refusal.h"
#include "http/reply.h"
#include "http/server_state.h"

#include <string.h>

#define FULL_BYTES ((size_t)512 << 10) /* what may wait before the client has to */
#define ROOM_BYTES (FULL_BYTES + ((size_t)64 << 10))

struct buffer {
        char *bytes;
        size_t len;
};

struct tk_upload {
        struct tk_uploads *uploads;
        struct tk_upload *next; /* by the lock of uploads */
        pthread_t thread;
        tk_upload_fn *run;
        void *context;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        struct tk_request *request; /* NULL: it is over */
        bool suspended;
        bool complete; /* all of the body is in `waiting` */
        bool stopping;
        bool done;
        unsigned users; /* the network thread, and its own */
        struct buffer waiting, taken;
        enum tk_err err;
        struct tk_fault fault;
        struct tk_upload_reply reply;
        void (*stop)(void *context);
        void *stop_context;
};

/* ---- life ---- */

static void free_upload(struct tk_upload *upload)
{
        tk_wipe(upload->waiting.bytes, upload->waiting.bytes ? ROOM_BYTES : 0);
        tk_wipe(upload->taken.bytes, upload->taken.bytes ? ROOM_BYTES : 0);
        tk_free(upload->waiting.bytes);
        tk_free(upload->taken.bytes);
        tk_free(upload->reply.bytes);
        pthread_cond_destroy(&upload->changed);
        pthread_mutex_destroy(&upload->lock);
        tk_free(upload);
}

static void leave(struct tk_upload *upload)
{
        pthread_mutex_lock(&upload->lock);
        bool last = --upload->users == 0;
        pthread_mutex_unlock(&upload->lock);
        if (last)
                free_upload(upload);
}

/* With the lock held. */
static void resume(struct tk_upload *upload)
{
        struct tk_request *request = upload->request;
        if (!upload->suspended || !request)
                return;
        upload->suspended = false;
        tk_request_allow(request, tk_connections_request_ns(request->server->connections));
        MHD_resume_connection(request->connection);
}

static void unlist(struct tk_upload *upload)
{
        struct tk_uploads *uploads = upload->uploads;
        pthread_mutex_lock(&uploads->lock);
        struct tk_upload **at = &uploads->first;
        while (*at != upload)
                at = &(*at)->next;
        *at = upload->next;
        pthread_cond_broadcast(&uploads->ended);
        pthread_mutex_unlock(&uploads->lock);
}

static void *upload_main(void *argument)
{
        struct tk_upload *upload = argument;
        struct tk_upload_reply reply = {0};
        struct tk_fault fault = {0};
        enum tk_err err = upload->run(upload, upload->context, &reply, &fault);

        pthread_mutex_lock(&upload->lock);
        upload->err = err;
        upload->fault = fault;
        upload->reply = reply;
        upload->done = true;
        resume(upload);
        pthread_mutex_unlock(&upload->lock);
        unlist(upload);
        leave(upload);
        return NULL;
}

static struct tk_upload *new_upload(struct tk_request *request, tk_upload_fn *run, void *context)
{
        struct tk_upload *upload = tk_calloc(1, sizeof(*upload));
        if (!upload)
                return NULL;
        upload->uploads = &request->server->uploads;
        upload->run = run;
        upload->context = context;
        upload->request = request;
        upload->users = 2;
        pthread_mutex_init(&upload->lock, NULL);
        pthread_cond_init(&upload->changed, NULL);
        upload->waiting.bytes = tk_malloc(ROOM_BYTES);
        upload->taken.bytes = tk_malloc(ROOM_BYTES);
        if (upload->waiting.bytes && upload->taken.bytes)
                return upload;
        free_upload(upload);
        return NULL;
}

enum tk_err tk_upload_begin(struct tk_request *request, tk_upload_fn *run, void *context,
                            struct tk_upload **ret_upload)
{
        struct tk_uploads *uploads = &request->server->uploads;
        struct tk_upload *upload = new_upload(request, run, context);
        if (!upload)
                return TK_NOMEM;
        pthread_attr_t detached;
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        pthread_mutex_lock(&uploads->lock);
        enum tk_err err = uploads->stopping ? TK_BUSY : TK_OK;
        if (err == TK_OK) {
                upload->next = uploads->first;
                uploads->first = upload;
                if (pthread_create(&upload->thread, &detached, upload_main, upload) != 0) {
                        uploads->first = upload->next;
                        err = TK_NOMEM;
                }
        }
        pthread_mutex_unlock(&uploads->lock);
        pthread_attr_destroy(&detached);
        if (err == TK_OK)
                *ret_upload = upload;
        else
                free_upload(upload);
        return err;
}

/* ---- all of them ---- */

void tk_uploads_init(struct tk_uploads *uploads)
{
        *uploads = (struct tk_uploads){.first = NULL};
        pthread_mutex_init(&uploads->lock, NULL);
        pthread_cond_init(&uploads->ended, NULL);
}

static void stop_one(struct tk_upload *upload)
{
        pthread_mutex_lock(&upload->lock);
        upload->stopping = true;
        if (upload->stop)
                upload->stop(upload->stop_context);
        pthread_cond_broadcast(&upload->changed);
        pthread_mutex_unlock(&upload->lock);
}

void tk_uploads_stop(struct tk_uploads *uploads)
{
        pthread_mutex_lock(&uploads->lock);
        uploads->stopping = true;
        for (struct tk_upload *upload = uploads->first; upload; upload = upload->next)
                stop_one(upload);
        while (uploads->first)
                pthread_cond_wait(&uploads->ended, &uploads->lock);
        pthread_mutex_unlock(&uploads->lock);
}

/* ---- its own thread ---- */

bool tk_upload_take(struct tk_upload *upload, struct tk_str *ret_bytes, bool *ret_broken)
{
        pthread_mutex_lock(&upload->lock);
        while (upload->waiting.len == 0 && !upload->complete && !upload->stopping && upload->request)
                pthread_cond_wait(&upload->changed, &upload->lock);
        bool broken = !upload->complete && (upload->stopping || !upload->request);
        bool more = !broken && upload->waiting.len > 0;
        if (more) {
                struct buffer empty = {.bytes = upload->taken.bytes};
                upload->taken = upload->waiting;
                upload->waiting = empty;
                if (!upload->complete)
                        resume(upload);
        }
        pthread_mutex_unlock(&upload->lock);
        *ret_bytes = (struct tk_str){upload->taken.bytes, upload->taken.len};
        *ret_broken = broken;
        return more;
}

void tk_upload_on_stop(struct tk_upload *upload, void (*stop)(void *context), void *context)
{
        pthread_mutex_lock(&upload->lock);
        upload->stop = stop;
        upload->stop_context = context;
        if (upload->stopping && stop)
                stop(context);
        pthread_mutex_unlock(&upload->lock);
}

/* ---- the network thread ---- */

/* With the lock held. */
static void suspend(struct tk_upload *upload)
{
        if (upload->suspended)
                return;
        upload->suspended = true;
        tk_request_allow(upload->request, TK_NO_DEADLINE); /* our own time is not the client's */
        MHD_suspend_connection(upload->request->connection);
}

bool tk_upload_put(struct tk_upload *upload, const char *bytes, size_t len)
{
        pthread_mutex_lock(&upload->lock);
        bool wanted = !upload->done && len <= ROOM_BYTES - upload->waiting.len;
        if (wanted) {
                memcpy(upload->waiting.bytes + upload->waiting.len, bytes, len);
                upload->waiting.len += len;
                if (upload->waiting.len >= FULL_BYTES)
                        suspend(upload);
                pthread_cond_signal(&upload->changed);
        }
        pthread_mutex_unlock(&upload->lock);
        return wanted;
}

bool tk_upload_end(struct tk_upload *upload)
{
        pthread_mutex_lock(&upload->lock);
        bool done = upload->done;
        upload->complete = true;
        if (!done)
                suspend(upload);
        pthread_cond_signal(&upload->changed);
        pthread_mutex_unlock(&upload->lock);
        return done;
}

bool tk_upload_reply(struct tk_upload *upload, struct tk_request *request)
{
        pthread_mutex_lock(&upload->lock);
        bool done = upload->done;
        if (!done)
                suspend(upload);
        pthread_mutex_unlock(&upload->lock);
        if (!done)
                return false;
        if (upload->err != TK_OK) {
                request->fault = upload->fault;
                tk_refusal_note(request, request->caller.actor);
                tk_reply_problem(request, upload->err);
                return true;
        }
        tk_reply_bytes(request, MHD_HTTP_OK, upload->reply.content_type, upload->reply.bytes,
                       upload->reply.len);
        request->reply.owned = true;
        upload->reply.bytes = NULL;
        return true;
}

void tk_upload_drop(struct tk_upload *upload)
{
        pthread_mutex_lock(&upload->lock);
        upload->request = NULL;
        pthread_cond_signal(&upload->changed);
        pthread_mutex_unlock(&upload->lock);
        leave(upload);
}
