/*
 * What the headers of an HTTP answer say about a decision: RateLimit and RateLimit-Policy
 * (draft-ietf-httpapi-ratelimit-headers-10), Retry-After (RFC 9110), WWW-Authenticate (RFC 6750). One place
 * for every front end. Any thread; allocates nothing; calls no printf.
 */
#ifndef TK_GATE_FIELDS_H
#define TK_GATE_FIELDS_H

#include "gate/gate.h"

/*
 * No value is longer, with its NUL: all limits that a request can have, each with the longest name that is
 * shown whole.
 */
#define TK_FIELD_BYTES 2176

/*
 * Each writes a value with a NUL into `value` of `room` bytes and returns its length; 0 with an empty text:
 * this answer has no such header, or not even a part of it fits. Where not all of it fits, whole items are
 * left out.
 */

/*
 * The limits as they are enforced on everybody, and as they stand; shadow limits are not told. Names are
 * those of the limits; of what a caller named, bytes that a header cannot hold become `?`, and no more than
 * 64 are shown.
 */
size_t tk_field_rate_limit_policy(const struct tk_answer *answer, char *value, size_t room);
size_t tk_field_rate_limit(const struct tk_answer *answer, char *value, size_t room);

/* Whole seconds, where a limit refused and waiting helps. */
size_t tk_field_retry_after(const struct tk_answer *answer, char *value, size_t room);

/*
 * The challenge, for 401 and for a scope that is lacking: without an error code where no key was presented.
 *   realm   what is protected; without control characters
 *   scopes  that the request required, space-separated; empty: not told
 */
size_t tk_field_challenge(enum tk_code code, struct tk_str realm, struct tk_str scopes, char *value,
                          size_t room);

/* Whether it was refused by a limit that admits it later. */
bool tk_answer_can_wait(const struct tk_answer *answer);

/* Nanoseconds in whole seconds, rounded up. */
uint64_t tk_answer_seconds(uint64_t ns);

#endif
