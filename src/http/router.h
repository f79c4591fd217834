/*
 * The routes: one table of method, path, who may call, and what answers. Documentation and metrics name a route by its
 * template. Read-only; any thread.
 */
#ifndef TK_HTTP_ROUTER_H
#define TK_HTTP_ROUTER_H

#include "core/error.h"
#include "core/str.h"

#include <stdint.h>

struct tk_request;

enum tk_access {
        TK_ACCESS_OPEN,   /* anybody who reaches the listener */
        TK_ACCESS_PEER,   /* from listed peers; from elsewhere an admin key with the scope */
        TK_ACCESS_VERIFY, /* the same, for questions to the gate: small bodies, counted apart */
        TK_ACCESS_ADMIN,  /* an admin key with the scope, or the Unix socket */
};

enum tk_run {
        TK_RUN_INLINE, /* on the network thread: never touches the disk, never blocks */
        TK_RUN_WORKER,
        TK_RUN_STREAM, /* called when the headers have come; the body is worked on while it comes (http/upload.h) */
        TK_RUN_URGENT, /* on a worker, before what waits there: nothing may delay a revocation */
};

struct tk_route {
        const char *method; /* GET answers HEAD, too */
        const char *path;   /* `{name}` stands for one segment */
        enum tk_access access;
        const char *scope; /* NULL with TK_ACCESS_OPEN */
        enum tk_run run;
        enum tk_err (*handle)(struct tk_request *request);
};

enum tk_match { TK_MATCH_FOUND, TK_MATCH_NO_PATH, TK_MATCH_NO_METHOD };

/*
 * Find the route of a request.
 *   path        as received, without query; segments are compared undecoded
 *   ret_params  with TK_MATCH_FOUND: the segments that stand for `{name}`, in order, undecoded
 *   ret_allow   with TK_MATCH_NO_METHOD: the value of Allow, static storage
 */
enum tk_match tk_route_find(const char *method, const char *path, const struct tk_route **ret_route,
                            struct tk_str ret_params[], const char **ret_allow);

/* All routes, in the order of their index; index 0 is "none of them". */
size_t tk_route_count(void);
const struct tk_route *tk_route_at(size_t index);
size_t tk_route_index(const struct tk_route *route);

#endif
