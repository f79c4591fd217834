/*
 * Picks the headers that matter out of a request, in one pass. On the network thread.
 */
#ifndef TK_HTTP_HEADERS_H
#define TK_HTTP_HEADERS_H

#include "http/request.h"

/* Fills the zeroed *ret_headers with slices that live as long as the request. */
void tk_headers_read(struct MHD_Connection *connection, struct tk_headers *ret_headers);

#endif
