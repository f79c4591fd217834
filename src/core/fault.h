/*
 * What was wrong with an input, for the person who made it: one table of faults with a stable type, an HTTP status
 * and a title, and a filled-in record that names the field, says what is wrong and how to mend it.
 * Becomes an RFC 9457 problem document at the HTTP boundary and a line on stderr in the command line.
 */
#ifndef TK_CORE_FAULT_H
#define TK_CORE_FAULT_H

#include "core/error.h"
#include "core/str.h"

/* code (stable type), HTTP status, error class, title */
#define TK_FAULTS(X)                                                                                         \
        X(malformed_json, 400, TK_INVALID, "The body is not well-formed JSON")                               \
        X(malformed_request, 400, TK_INVALID, "The request is not well formed")                              \
        X(unknown_field, 400, TK_INVALID, "The body has a field that this endpoint does not know")           \
        X(unauthenticated, 401, TK_DENIED, "No valid admin key was presented")                               \
        X(forbidden, 403, TK_DENIED, "The caller may not do this")                                           \
        X(not_found, 404, TK_NOT_FOUND, "No such object")                                                    \
        X(method_not_allowed, 405, TK_INVALID, "The path does not take this method")                         \
        X(conflict, 409, TK_CONFLICT, "It collides with what exists")                                        \
        X(wrong_state, 409, TK_CONFLICT, "The object's state does not allow this")                           \
        X(last_admin, 409, TK_CONFLICT, "Nobody could issue admin keys any more")                            \
        X(stale, 412, TK_STALE, "The object changed since it was read")                                      \
        X(too_large, 413, TK_INVALID, "The request is too large")                                            \
        X(unsupported_media_type, 415, TK_INVALID, "The body must be application/json")                      \
        X(invalid_value, 422, TK_INVALID, "A value is not acceptable")                                       \
        X(unknown_reference, 422, TK_INVALID, "The request names something that does not exist")             \
        X(idempotency_key_reused, 422, TK_CONFLICT, "This Idempotency-Key was used with another request")    \
        X(precondition_required, 428, TK_INVALID, "An If-Match header is needed")                            \
        X(rate_limited, 429, TK_BUSY, "Over a rate limit")                                                   \
        X(internal, 500, TK_IO, "Something is wrong inside; the log says what")                              \
        X(unavailable, 503, TK_BUSY, "Not able to answer now")                                               \
        X(uncertain, 503, TK_UNCERTAIN, "It is not known whether the change was made")                       \
        X(insufficient_storage, 507, TK_FULL, "No space left to record the change")

enum tk_fault_code {
        TK_FAULT_none = 0,
#define X(code, status, err, title) TK_FAULT_##code,
        TK_FAULTS(X)
#undef X
};

struct tk_fault {
        enum tk_fault_code code;
        char field[96];   /* JSON pointer ("/limits/0/burst"), header or parameter name; "" where none */
        char detail[320]; /* what is wrong; never contains a key */
        char mend[320];   /* how to put it right; "" where nothing can be said */
};

struct tk_fault_info {
        const char *name; /* "unknown_field" */
        int http_status;
        enum tk_err err;
        const char *title;
};

/* Static storage. TK_FAULT_none gives name "none", status 200, TK_OK. */
const struct tk_fault_info *tk_fault_info(enum tk_fault_code code);

/*
 * Fill a fault (NULL is allowed and ignored) and return its error class, so that a function can say
 *         return tk_fault_set(fault, TK_FAULT_invalid_value, "/burst", "use 1 to 10^15", "burst is 0");
 * Texts are cut to fit, and what looks like a key in them is cut to its hint. `mend` may be NULL.
 */
enum tk_err tk_fault_set(struct tk_fault *fault, enum tk_fault_code code, const char *field, const char *mend,
                         const char *detail_format, ...) __attribute__((format(printf, 5, 6)));

/*
 * A fault for an error of which nothing more is known: TK_NOMEM, TK_IO and TK_CORRUPT become `internal`, TK_FULL
 * `insufficient_storage`, and so on; TK_OK becomes `none`. Returns err as it is.
 */
enum tk_err tk_fault_from_err(struct tk_fault *fault, enum tk_err err);

#endif
