/*
 * How a decision of the gate looks over HTTP: as JSON, and as the RateLimit headers. Any thread; allocates nothing.
 */
#ifndef TK_HTTP_ANSWER_H
#define TK_HTTP_ANSWER_H

#include "gate/gate.h"
#include "http/json_write.h"
#include "http/request.h"
#include "http/verify.h"

/* The object `Answer` of docs/openapi.yaml; with the request's route where the question asked for it. */
void tk_answer_write(struct tk_json_writer *writer, const struct tk_answer *answer,
                     const struct tk_verify_route *route);

/* The array of `LimitState`. */
void tk_answer_write_limits(struct tk_json_writer *writer, const struct tk_answer_limit *limits,
                            uint32_t count);

/*
 * RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) where limits were looked at, and Retry-After where
 * waiting helps.
 */
void tk_answer_headers(struct tk_request *request, const struct tk_answer *answer);

/*
 * An answer did not fit into the request's own room, as those of keys with many roles may not: begin anew with more, in the arena.
 * False: there is no memory.
 */
bool tk_answer_enlarge(struct tk_request *request, struct tk_json_writer *writer);

#endif
