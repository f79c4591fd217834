/*
 * What answers each route; the table is in router.c, the contracts are in docs/openapi.yaml. A handler reads its input
 * (request.h), calls one use case of the service or the gate, and makes a reply (reply.h). On an error it returns it
 * with request->fault filled. No SQL, no business rules.
 */
#ifndef TK_HTTP_HANDLERS_H
#define TK_HTTP_HANDLERS_H

#include "core/error.h"

struct tk_request;

#define TK_HANDLERS(X)                                                                                       \
        X(verify)                                                                                            \
        X(explain)                                                                                           \
        X(api_list)                                                                                          \
        X(api_create)                                                                                        \
        X(api_get)                                                                                           \
        X(api_update)                                                                                        \
        X(api_suspend)                                                                                       \
        X(api_resume)                                                                                        \
        X(environment_list)                                                                                  \
        X(environment_create)                                                                                \
        X(environment_update)                                                                                \
        X(environment_get)                                                                                   \
        X(environment_suspend)                                                                               \
        X(environment_resume)                                                                                \
        X(scope_list)                                                                                        \
        X(scope_create)                                                                                      \
        X(scope_get)                                                                                         \
        X(scope_update)                                                                                      \
        X(role_list)                                                                                         \
        X(role_create)                                                                                       \
        X(role_get)                                                                                          \
        X(role_update)                                                                                       \
        X(role_delete)                                                                                       \
        X(route_list)                                                                                        \
        X(route_create)                                                                                      \
        X(route_match)                                                                                       \
        X(route_get)                                                                                         \
        X(route_update)                                                                                      \
        X(route_delete)                                                                                      \
        X(plan_list)                                                                                         \
        X(plan_create)                                                                                       \
        X(plan_get)                                                                                          \
        X(plan_update)                                                                                       \
        X(consumer_list)                                                                                     \
        X(consumer_create)                                                                                   \
        X(consumer_get)                                                                                      \
        X(consumer_update)                                                                                   \
        X(consumer_suspend)                                                                                  \
        X(consumer_resume)                                                                                   \
        X(subscription_list)                                                                                 \
        X(subscription_create)                                                                               \
        X(subscription_get)                                                                                  \
        X(subscription_update)                                                                               \
        X(subscription_suspend)                                                                              \
        X(subscription_resume)                                                                               \
        X(subscription_end)                                                                                  \
        X(key_list)                                                                                          \
        X(key_issue)                                                                                         \
        X(key_get)                                                                                           \
        X(key_update)                                                                                        \
        X(key_suspend)                                                                                       \
        X(key_resume)                                                                                        \
        X(key_revoke)                                                                                        \
        X(key_usage)                                                                                         \
        X(audit_list)                                                                                        \
        X(audit_get)                                                                                         \
        X(backup)                                                                                            \
        X(status)                                                                                            \
        X(healthz)                                                                                           \
        X(readyz)                                                                                            \
        X(metrics)

#define X(name) enum tk_err tk_http_##name(struct tk_request *request);
TK_HANDLERS(X)
#undef X

/* Imports and the export. import_begin runs on the network thread, when the headers have come. */
enum tk_err tk_http_import_begin(struct tk_request *request);
enum tk_err tk_http_import_get(struct tk_request *request);
enum tk_err tk_http_import_list(struct tk_request *request);
enum tk_err tk_http_key_export(struct tk_request *request);

#endif
