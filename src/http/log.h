/*
 * One logfmt line for each request to the control API. Requests to verify are counted, not logged: they are too many, and
 * their record is the meters'. Never a key, never a body, never a query string.
 */
#ifndef TK_HTTP_LOG_H
#define TK_HTTP_LOG_H

#include "http/request.h"

/* status 0: the client went away. */
void tk_log_request(const struct tk_request *request, unsigned status, uint64_t duration_ns);

#endif
