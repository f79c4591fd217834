/*
 * Where one reply ends: HTTP/1.1 with Content-Length, and RESP2 (Redis). Used by the load generator, from its only
 * thread. It looks at as little as it can, because it shares the machine with what is measured; it validates nothing.
 */
#ifndef TK_BENCH_HTTP_REPLY_H
#define TK_BENCH_HTTP_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum protocol { PROTOCOL_HTTP, PROTOCOL_RESP };

#define REPLY_INCOMPLETE ((size_t)0)
#define REPLY_BROKEN     SIZE_MAX

/* Length of the reply at the start of `bytes`, REPLY_INCOMPLETE while more must come, or REPLY_BROKEN. */
size_t reply_length(enum protocol protocol, const char *bytes, size_t len);

/* Where the body of a complete reply starts: after an HTTP head; RESP has no head. */
size_t reply_body_start(enum protocol protocol, const char *bytes, size_t len);

#endif
