/*
 * Reads the body of /v1/verify and /v1/explain: one flat JSON object. A reader of its own, because it is the hot path: it
 * allocates nothing, decodes in place, and gives the same kinds of fault as json_read.h. Pure; any thread.
 */
#ifndef TK_HTTP_QUESTION_H
#define TK_HTTP_QUESTION_H

#include "core/cidr.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/scope.h"

/* Slices into the body; ptr NULL is a member that was not given. */
struct tk_question {
        struct tk_str key, api, environment; /* environment: `production` when not given */
        struct tk_str method;                /* upper case */
        struct tk_str path, origin;
        struct tk_ip ip;
        bool match_route;        /* find the route of method and path, which were given then */
        bool pass_unknown_route; /* a request that is for no route is not refused for that */
        bool cost_given;
        uint64_t cost;              /* 1 when not given */
        struct tk_scope_expr scope; /* op_count 0: nothing is required */
};

/*
 * Read `json`, overwriting it: texts are decoded where they stand, and the result points there.
 * TK_INVALID with a fault that names the member.
 */
enum tk_err tk_question_read(char *json, size_t len, struct tk_question *ret_question,
                             struct tk_fault *fault);

#endif
