/*
 * How each noun looks as JSON: the one rendering that replies, audit entries (as before and after) and exports share.
 * Never a digest, never a plaintext key. Members are those of docs/openapi.yaml. Pure; the caller owns the json_t.
 */
#ifndef TK_SERVICE_VIEW_H
#define TK_SERVICE_VIEW_H

#include "core/id.h"
#include "core/key.h"
#include "registry/model.h"

#include <jansson.h>

/* NULL when out of memory. */
json_t *tk_view_api(const struct tk_api *api);
json_t *tk_view_environment(const struct tk_environment *environment);
json_t *tk_view_scope(const struct tk_scope *scope);
json_t *tk_view_role(const struct tk_role *role);
json_t *tk_view_route(const struct tk_api_route *route);
json_t *tk_view_plan(const struct tk_plan *plan);
json_t *tk_view_consumer(const struct tk_consumer *consumer);
json_t *tk_view_subscription(const struct tk_subscription *subscription);
json_t *tk_view_key(const struct tk_key *key);
json_t *tk_view_limit(const struct tk_limit_def *def);

/* With `canonical`: the bytes that a tamper-evident log hashes, too. */
json_t *tk_view_audit_entry(const struct tk_audit_entry *entry, bool canonical);
const char *tk_view_object_kind(enum tk_object object);

/* Whether two views show the same: a change that makes no difference is none. Takes both; false when one is NULL. */
bool tk_view_same(json_t *before, json_t *after);

/* `active`, `suspended`, `revoked`, `ended`. */
const char *tk_view_state(enum tk_state state);
bool tk_state_parse(struct tk_str text, enum tk_state *ret_state);

#endif
