/*
 * Who asks, and may they: admin keys are keys of the API `tollkeeper`, so the gate itself decides. Called on the network
 * thread as soon as the headers are there, before a byte of the body is kept.
 */
#ifndef TK_HTTP_AUTH_H
#define TK_HTTP_AUTH_H

#include "http/request.h"

/*
 * Fill request->caller, or return TK_DENIED, TK_INVALID or TK_BUSY with the fault and the reply's headers. What is
 * answered without a key has an empty caller.
 */
enum tk_err tk_auth_check(struct tk_request *request);

#endif
