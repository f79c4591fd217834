/*
 * The replies of handlers: an object with its ETag, a page of objects, plain text, a problem. Handlers fill
 * request->reply through these on whatever thread they run; tk_reply_send() hands it to libmicrohttpd on the network
 * thread.
 */
#ifndef TK_HTTP_REPLY_H
#define TK_HTTP_REPLY_H

#include "http/json_write.h"
#include "http/request.h"

/* `value` must outlive the request. What does not fit in TK_REPLY_HEADERS_MAX is a mistake of the program. */
void tk_reply_header(struct tk_request *request, const char *name, const char *value);
/* Retry-After in whole seconds. */
void tk_reply_retry_after(struct tk_request *request, uint64_t seconds);

/* All of these take `json` (NULL: it could not be made, TK_NOMEM). */
enum tk_err tk_reply_json(struct tk_request *request, json_t *json);
enum tk_err tk_reply_object(struct tk_request *request, json_t *json, uint64_t version);
/* 201, with the Location that printf makes. */
enum tk_err tk_reply_created(struct tk_request *request, json_t *json, uint64_t version, const char *location,
                             ...) __attribute__((format(printf, 4, 5)));
/*
 * 201 as above for a key, with the plaintext as its member "key" (empty: null). The plaintext is put into the reply's own
 * bytes, which are wiped once they are sent, and nowhere else.
 */
enum tk_err tk_reply_issued(struct tk_request *request, json_t *json, uint64_t version,
                            struct tk_str plaintext, const char *location, ...)
        __attribute__((format(printf, 5, 6)));
/* A page of a list; `items` has `count` elements, or memory ran out. last_id is that of the last one. */
enum tk_err tk_reply_page(struct tk_request *request, json_t *items, size_t count, struct tk_page page,
                          uint64_t last_id);

/* 200, with what was written into request->reply.scratch, or into the request's arena. */
enum tk_err tk_reply_written(struct tk_request *request, const struct tk_json_writer *writer);
/* Bytes that are static or in the request. */
void tk_reply_bytes(struct tk_request *request, unsigned status, const char *content_type, char *bytes,
                    size_t len);

/* The problem document of request->fault, or of `err` when that is empty. */
void tk_reply_problem(struct tk_request *request, enum tk_err err);

/* Wipe and free what it owns: with its stream, and its bytes alone. */
void tk_reply_drop(struct tk_reply *reply);
void tk_reply_drop_bytes(struct tk_reply *reply);

/* Queue it. On the network thread, once. */
enum MHD_Result tk_reply_send(struct tk_request *request);

#endif
