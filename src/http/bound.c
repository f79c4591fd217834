/*
 * Holds routes against a binding. See bound.h.
 */
#include "http/bound.h"

#include "http/router.h"

#include <string.h>

#define API_PATH "/v1/apis/{api}"

/*
 * Routes whose handlers keep to the caller's APIs, and those that tell of no API. `below`: and all that begin
 * so.
 */
static const struct {
        const char *method; /* NULL: any */
        const char *path;
        bool below;
} open_routes[] = {
        {"GET", "/v1/apis", false},    {NULL, "/v1/keys", false},         {NULL, "/v1/keys/{key}", true},
        {NULL, "/v1/consumers", true}, {NULL, "/v1/subscriptions", true}, {NULL, "/v1/verify", false},
        {NULL, "/v1/explain", false},  {"GET", "/v1/status", false},      {"GET", "/metrics", false},
};

static bool is_open(const struct tk_route *route)
{
        for (size_t i = 0; i < sizeof(open_routes) / sizeof(open_routes[0]); i++) {
                size_t len = strlen(open_routes[i].path);
                bool method = !open_routes[i].method || strcmp(open_routes[i].method, route->method) == 0;
                bool path = open_routes[i].below ? strncmp(route->path, open_routes[i].path, len) == 0
                                                 : strcmp(route->path, open_routes[i].path) == 0;
                if (method && path)
                        return true;
        }
        return false;
}

enum tk_err tk_bound_check(struct tk_request *request)
{
        const struct tk_caller *caller = &request->caller;
        const struct tk_route *route = request->route;
        if (caller->only_apis.len == 0)
                return TK_OK;
        bool of_api = strncmp(route->path, API_PATH, strlen(API_PATH)) == 0;
        if (of_api ? tk_caller_reaches(caller, request->params[0]) : is_open(route))
                return TK_OK;
        return tk_fault_set(&request->fault, TK_FAULT_forbidden, "Authorization",
                            "use an admin key that is not bound to APIs", "your key acts on %.*s only",
                            TK_STR_ARG(caller->only_apis));
}
