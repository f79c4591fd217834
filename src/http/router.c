/*
 * The table of routes and the search in it. See router.h.
 */
#include "http/router.h"

#include "http/handlers.h"
#include "http/request.h"

#include <string.h>

#define ADMIN(method, path, scope, run, handler)                                                             \
        {                                                                                                    \
                method, "/v1/" path, TK_ACCESS_ADMIN, scope, TK_RUN_##run, tk_http_##handler                 \
        }

#define ENVIRONMENT  "apis/{api}/environments/{environment}"
#define SUBSCRIPTION "subscriptions/{subscription}"

/* verify comes first: it is asked for most. */
static const struct tk_route routes[] = {
        {"POST", "/v1/verify", TK_ACCESS_VERIFY, "verify", TK_RUN_INLINE, tk_http_verify},
        {"POST", "/v1/explain", TK_ACCESS_VERIFY, "verify", TK_RUN_INLINE, tk_http_explain},

        ADMIN("GET", "keys", "keys:read", WORKER, key_list),
        ADMIN("POST", "keys", "keys:write", WORKER, key_issue),
        ADMIN("GET", "keys/export", "keys:read", WORKER, key_export),
        ADMIN("POST", "keys/import", "keys:write", STREAM, import_begin),
        ADMIN("GET", "imports", "keys:read", WORKER, import_list),
        ADMIN("GET", "imports/{import}", "keys:read", WORKER, import_get),
        ADMIN("GET", "keys/{key}", "keys:read", WORKER, key_get),
        ADMIN("PATCH", "keys/{key}", "keys:write", WORKER, key_update),
        ADMIN("POST", "keys/{key}/suspend", "keys:write", URGENT, key_suspend),
        ADMIN("POST", "keys/{key}/resume", "keys:write", WORKER, key_resume),
        ADMIN("POST", "keys/{key}/revoke", "keys:write", URGENT, key_revoke),
        ADMIN("GET", "keys/{key}/usage", "keys:read", WORKER, key_usage),

        ADMIN("GET", "apis", "apis:read", WORKER, api_list),
        ADMIN("POST", "apis", "apis:write", WORKER, api_create),
        ADMIN("GET", "apis/{api}", "apis:read", WORKER, api_get),
        ADMIN("PATCH", "apis/{api}", "apis:write", WORKER, api_update),
        ADMIN("POST", "apis/{api}/suspend", "apis:write", URGENT, api_suspend),
        ADMIN("POST", "apis/{api}/resume", "apis:write", WORKER, api_resume),
        ADMIN("GET", "apis/{api}/environments", "apis:read", WORKER, environment_list),
        ADMIN("POST", "apis/{api}/environments", "apis:write", WORKER, environment_create),
        ADMIN("GET", ENVIRONMENT, "apis:read", WORKER, environment_get),
        ADMIN("PATCH", ENVIRONMENT, "apis:write", WORKER, environment_update),
        ADMIN("POST", ENVIRONMENT "/suspend", "apis:write", URGENT, environment_suspend),
        ADMIN("POST", ENVIRONMENT "/resume", "apis:write", WORKER, environment_resume),
        ADMIN("GET", "apis/{api}/scopes", "apis:read", WORKER, scope_list),
        ADMIN("POST", "apis/{api}/scopes", "apis:write", WORKER, scope_create),
        ADMIN("GET", "apis/{api}/scopes/{scope}", "apis:read", WORKER, scope_get),
        ADMIN("PATCH", "apis/{api}/scopes/{scope}", "apis:write", WORKER, scope_update),

        ADMIN("GET", "apis/{api}/roles", "apis:read", WORKER, role_list),
        ADMIN("POST", "apis/{api}/roles", "apis:write", WORKER, role_create),
        ADMIN("GET", "apis/{api}/roles/{role}", "apis:read", WORKER, role_get),
        ADMIN("PATCH", "apis/{api}/roles/{role}", "apis:write", WORKER, role_update),
        ADMIN("DELETE", "apis/{api}/roles/{role}", "apis:write", WORKER, role_delete),

        ADMIN("GET", ENVIRONMENT "/routes", "apis:read", WORKER, route_list),
        ADMIN("POST", ENVIRONMENT "/routes", "apis:write", WORKER, route_create),
        ADMIN("GET", ENVIRONMENT "/match", "apis:read", WORKER, route_match),
        ADMIN("GET", ENVIRONMENT "/routes/{route}", "apis:read", WORKER, route_get),
        ADMIN("PATCH", ENVIRONMENT "/routes/{route}", "apis:write", WORKER, route_update),
        ADMIN("DELETE", ENVIRONMENT "/routes/{route}", "apis:write", WORKER, route_delete),

        ADMIN("GET", "apis/{api}/plans", "plans:read", WORKER, plan_list),
        ADMIN("POST", "apis/{api}/plans", "plans:write", WORKER, plan_create),
        ADMIN("GET", "apis/{api}/plans/{plan}", "plans:read", WORKER, plan_get),
        ADMIN("PATCH", "apis/{api}/plans/{plan}", "plans:write", WORKER, plan_update),

        ADMIN("GET", "consumers", "consumers:read", WORKER, consumer_list),
        ADMIN("POST", "consumers", "consumers:write", WORKER, consumer_create),
        ADMIN("GET", "consumers/{consumer}", "consumers:read", WORKER, consumer_get),
        ADMIN("PATCH", "consumers/{consumer}", "consumers:write", WORKER, consumer_update),
        ADMIN("POST", "consumers/{consumer}/suspend", "consumers:write", URGENT, consumer_suspend),
        ADMIN("POST", "consumers/{consumer}/resume", "consumers:write", WORKER, consumer_resume),
        ADMIN("GET", "subscriptions", "consumers:read", WORKER, subscription_list),
        ADMIN("POST", "subscriptions", "consumers:write", WORKER, subscription_create),
        ADMIN("GET", SUBSCRIPTION, "consumers:read", WORKER, subscription_get),
        ADMIN("PATCH", SUBSCRIPTION, "consumers:write", WORKER, subscription_update),
        ADMIN("POST", SUBSCRIPTION "/suspend", "consumers:write", URGENT, subscription_suspend),
        ADMIN("POST", SUBSCRIPTION "/resume", "consumers:write", WORKER, subscription_resume),
        ADMIN("POST", SUBSCRIPTION "/end", "consumers:write", WORKER, subscription_end),

        ADMIN("GET", "audit", "audit:read", WORKER, audit_list),
        ADMIN("GET", "audit/{entry}", "audit:read", WORKER, audit_get),

        ADMIN("GET", "backup", "backup:read", WORKER, backup),
        ADMIN("GET", "status", "status:read", WORKER, status),
        {"GET", "/healthz", TK_ACCESS_OPEN, NULL, TK_RUN_INLINE, tk_http_healthz},
        {"GET", "/readyz", TK_ACCESS_OPEN, NULL, TK_RUN_WORKER, tk_http_readyz},
        {"GET", "/metrics", TK_ACCESS_PEER, "status:read", TK_RUN_WORKER, tk_http_metrics},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

size_t tk_route_count(void)
{
        return ROUTE_COUNT + 1;
}

const struct tk_route *tk_route_at(size_t index)
{
        return index == 0 ? NULL : &routes[index - 1];
}

size_t tk_route_index(const struct tk_route *route)
{
        return route ? (size_t)(route - routes) + 1 : 0;
}

static size_t segment_length(const char *path)
{
        return strcspn(path, "/");
}

/* Segment by segment; a segment of `{name}` is at least one byte long. */
static bool path_matches(const char *template, const char *path, struct tk_str ret_params[])
{
        size_t params = 0;
        while (*template == '/' && *path == '/') {
                template ++;
                path++;
                size_t want = segment_length(template), got = segment_length(path);
                if (*template == '{') {
                        if (got == 0)
                                return false;
                        ret_params[params++] = (struct tk_str){path, got};
                } else if (want != got || memcmp(template, path, want) != 0) {
                        return false;
                }
                template += want;
                path += got;
        }
        return *template == '\0' && *path == '\0';
}

static bool method_matches(const struct tk_route *route, const char *method)
{
        if (strcmp(method, route->method) == 0)
                return true;
        return strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
}

/* A path has one method, or GET with one that changes something, or with PATCH and DELETE. */
static const char *allow_value(bool get, bool delete, const char *other)
{
        if (!get)
                return other;
        if (delete)
                return "GET, HEAD, PATCH, DELETE";
        if (!other)
                return "GET, HEAD";
        return strcmp(other, "POST") == 0 ? "GET, HEAD, POST" : "GET, HEAD, PATCH";
}

/* Whether some route has exactly this path: it is then no other route's parameter. */
static bool is_literal(const char *path)
{
        for (size_t i = 0; i < ROUTE_COUNT; i++)
                if (!strchr(routes[i].path, '{') && strcmp(routes[i].path, path) == 0)
                        return true;
        return false;
}

enum tk_match tk_route_find(const char *method, const char *path, const struct tk_route **ret_route,
                            struct tk_str ret_params[], const char **ret_allow)
{
        bool get = false, delete = false, path_known = false;
        const char *other = NULL;
        for (size_t i = 0; i < ROUTE_COUNT; i++) {
                if (!path_matches(routes[i].path, path, ret_params))
                        continue;
                if (strchr(routes[i].path, '{') && is_literal(path))
                        continue;
                if (method_matches(&routes[i], method)) {
                        *ret_route = &routes[i];
                        return TK_MATCH_FOUND;
                }
                path_known = true;
                if (strcmp(routes[i].method, "GET") == 0)
                        get = true;
                else if (strcmp(routes[i].method, "DELETE") == 0)
                        delete = true;
                else
                        other = routes[i].method;
        }
        if (!path_known)
                return TK_MATCH_NO_PATH;
        *ret_allow = allow_value(get, delete, other);
        return TK_MATCH_NO_METHOD;
}
