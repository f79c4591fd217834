/*
 * Tells the audit log of attempts that were refused to an administrator: who asked with a good admin key, or
 * on the Unix socket, and may not. Who could not say who he is makes no entry; /metrics counts him. Any
 * thread.
 */
#ifndef TK_HTTP_REFUSAL_H
#define TK_HTTP_REFUSAL_H

#include "http/request.h"

/* The request of this actor ends with request->fault; nothing happens unless that is a refusal. */
void tk_refusal_note(struct tk_request *request, struct tk_str actor);

#endif
