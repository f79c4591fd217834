/*
 * What an admin key may ask for that is bound to APIs. Pure but for the fault; any thread.
 */
#ifndef TK_HTTP_BOUND_H
#define TK_HTTP_BOUND_H

#include "http/request.h"

/*
 * TK_DENIED with its fault where the caller is bound and the route is of another API, or of none and not
 * among the few that look at the binding themselves: a route that is new is closed to bound keys until
 * somebody has thought about it. Parameters are decoded.
 */
enum tk_err tk_bound_check(struct tk_request *request);

#endif
