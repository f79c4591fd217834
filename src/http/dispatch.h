/*
 * Takes requests from libmicrohttpd: finds the route, authenticates, keeps the body, runs the handler here or on a worker,
 * sends the reply, counts and logs. The callbacks are libmicrohttpd's and run on its network threads; `context` is the
 * server.
 */
#ifndef TK_HTTP_DISPATCH_H
#define TK_HTTP_DISPATCH_H

#include "http/request.h"

enum MHD_Result tk_dispatch_request(void *context, struct MHD_Connection *connection, const char *path,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *inout_len, void **inout_request);
void tk_dispatch_completed(void *context, struct MHD_Connection *connection, void **inout_request,
                           enum MHD_RequestTerminationCode how);

/* Whether a connection from there may open; TCP only. */
enum MHD_Result tk_dispatch_accept(void *context, const struct sockaddr *address, socklen_t bytes);

/* A connection opens or closes: its struct tk_connection is made or freed. */
void tk_dispatch_connection(void *context, struct MHD_Connection *connection, void **inout_ours,
                            enum MHD_ConnectionNotificationCode what);

/* Paths and parameters are wanted as they came, because an escaped slash is not a separator. */
size_t tk_dispatch_keep_escapes(void *context, struct MHD_Connection *connection, char *text);

/* A worker's part: run the handler, then give the request back to its network thread. */
void tk_dispatch_work(struct tk_request *request);

#endif
