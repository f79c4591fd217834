/*
 * The scopes of the built-in API `tollkeeper`, whose keys are the admin keys (DESIGN.md section 10): one table for the
 * registry's catalogue, the routes of src/http and the documentation.
 */
#ifndef TK_SERVICE_ADMIN_H
#define TK_SERVICE_ADMIN_H

#define TK_ADMIN_API         "tollkeeper"
#define TK_ADMIN_ENVIRONMENT "production"
#define TK_ADMIN_TAG         "admin"

#define TK_ADMIN_SCOPES(X)                                                                                   \
        X("apis:read", "read APIs, environments, scopes, roles and routes")                                  \
        X("apis:write", "create and change APIs, environments, scopes, roles and routes")                    \
        X("plans:read", "read plans")                                                                        \
        X("plans:write", "create and change plans")                                                          \
        X("consumers:read", "read consumers and subscriptions")                                              \
        X("consumers:write", "create and change consumers and subscriptions")                                \
        X("keys:read", "read keys and their usage")                                                          \
        X("keys:write", "issue, change, suspend and revoke keys")                                            \
        X("audit:read", "read the audit log")                                                                \
        X("status:read", "read status")                                                                      \
        X("backup:read", "take backups: all that is recorded, without secrets")                              \
        X("verify", "verify and explain keys from an address that is not listed")

#endif
