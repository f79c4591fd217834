/*
 * Renders nouns as JSON, for replies and audit entries alike. Pure; any thread. Never reads the registry.
 */
#include "service/view.h"

#include "service/admin.h"
#include "service/import.h"

static json_t *text(struct tk_str s)
{
        return json_stringn(s.ptr ? s.ptr : "", s.len);
}

static json_t *number(uint64_t value)
{
        return json_integer((json_int_t)value);
}

static json_t *time_or_null(int64_t unix_s)
{
        if (unix_s == 0)
                return json_null();
        char buffer[TK_TIME_TEXT_MAX];
        tk_time_format(unix_s, buffer);
        return json_string(buffer);
}

/* An object that has no number yet (the `after` of its creation) shows null. */
static json_t *id_or_null(enum tk_id_kind kind, uint64_t id)
{
        if (id == 0)
                return json_null();
        char buffer[32];
        tk_id_format(kind, id, buffer);
        return json_string(buffer);
}

static json_t *text_list(const struct tk_str *items, size_t count)
{
        json_t *list = json_array();
        for (size_t i = 0; list && i < count; i++)
                json_array_append_new(list, text(items[i]));
        return list;
}

static json_t *limit_list(const struct tk_limit_def *limits, size_t count)
{
        json_t *list = json_array();
        for (size_t i = 0; list && i < count; i++)
                json_array_append_new(list, tk_view_limit(&limits[i]));
        return list;
}

/* Add the members that every versioned object ends with. */
static json_t *stamped(json_t *object, uint64_t version, int64_t created_s, int64_t updated_s)
{
        if (!object)
                return NULL;
        json_object_set_new(object, "version", number(version));
        json_object_set_new(object, "created_at", time_or_null(created_s));
        json_object_set_new(object, "updated_at", time_or_null(updated_s));
        return object;
}

/* Metadata was checked on the way in; should it not parse, an empty object is more useful than no reply. */
static json_t *metadata(struct tk_str json_text)
{
        json_t *object = json_loadb(json_text.ptr ? json_text.ptr : "", json_text.len, 0, NULL);
        return object ? object : json_object();
}

json_t *tk_view_limit(const struct tk_limit_def *def)
{
        char per[24];
        tk_limit_per_format(def->period, def->length_s, per);
        bool rate = def->kind == TK_LIMIT_RATE;
        json_t *object = json_pack("{s:s, s:s, s:I, s:s}", "name", def->name, "kind",
                                   rate ? "rate" : "window", "limit", (json_int_t)def->limit, "per", per);
        if (!object)
                return NULL;
        if (rate)
                json_object_set_new(object, "burst", number(def->burst));
        else
                json_object_set_new(object, "anchor", json_string(def->anchored ? "subscription" : "utc"));
        if (def->shadow)
                json_object_set_new(object, "shadow", json_true());
        return object;
}

json_t *tk_view_api(const struct tk_api *api)
{
        json_t *object =
                json_pack("{s:o, s:o, s:s, s:o}", "name", text(api->name), "prefix", text(api->prefix),
                          "state", tk_view_state(api->state), "description", text(api->description));
        return stamped(object, api->version, api->created_s, api->updated_s);
}

json_t *tk_view_environment(const struct tk_environment *environment)
{
        json_t *object =
                json_pack("{s:o, s:o, s:o, s:s, s:o}", "api", text(environment->api_name), "name",
                          text(environment->name), "tag", text(environment->tag), "state",
                          tk_view_state(environment->state), "description", text(environment->description));
        return stamped(object, environment->version, environment->created_s, environment->updated_s);
}

json_t *tk_view_scope(const struct tk_scope *scope)
{
        json_t *object =
                json_pack("{s:o, s:o}", "name", text(scope->name), "description", text(scope->description));
        return stamped(object, scope->version, scope->created_s, scope->updated_s);
}

json_t *tk_view_role(const struct tk_role *role)
{
        json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "api", text(role->api_name), "name",
                                   text(role->name), "description", text(role->description), "scopes",
                                   text_list(role->scopes, role->scope_count));
        return stamped(object, role->version, role->created_s, role->updated_s);
}

static json_t *role_names(const struct tk_key *key)
{
        json_t *list = json_array();
        for (size_t i = 0; list && i < key->role_count; i++)
                json_array_append_new(list, text(key->roles[i].name));
        return list;
}

json_t *tk_view_route(const struct tk_api_route *route)
{
        json_t *object =
                json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", id_or_null(TK_ID_ROUTE, route->id),
                          "api", text(route->api_name), "environment", text(route->environment_name),
                          "method", text(route->method), "path", text(route->path), "scope",
                          text(route->scope), "cost", number(route->cost));
        if (!object)
                return NULL;
        json_object_set_new(object, "limits", limit_list(route->limits, route->limit_count));
        json_object_set_new(object, "description", text(route->description));
        return stamped(object, route->version, route->created_s, route->updated_s);
}

json_t *tk_view_plan(const struct tk_plan *plan)
{
        json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "api", text(plan->api_name), "name",
                                   text(plan->name), "description", text(plan->description), "limits",
                                   limit_list(plan->limits, plan->limit_count));
        return stamped(object, plan->version, plan->created_s, plan->updated_s);
}

json_t *tk_view_consumer(const struct tk_consumer *consumer)
{
        json_t *object =
                json_pack("{s:o, s:o, s:o, s:s, s:o}", "id", id_or_null(TK_ID_CONSUMER, consumer->id), "name",
                          text(consumer->name), "description", text(consumer->description), "state",
                          tk_view_state(consumer->state), "metadata", metadata(consumer->metadata));
        return stamped(object, consumer->version, consumer->created_s, consumer->updated_s);
}

static json_t *consumer_reference(uint64_t id, struct tk_str name)
{
        return json_pack("{s:o, s:o}", "id", id_or_null(TK_ID_CONSUMER, id), "name", text(name));
}

json_t *tk_view_subscription(const struct tk_subscription *subscription)
{
        json_t *object = json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "id", id_or_null(TK_ID_SUBSCRIPTION, subscription->id),
                "consumer", consumer_reference(subscription->consumer_id, subscription->consumer_name), "api",
                text(subscription->api_name), "environment", text(subscription->environment_name), "plan",
                text(subscription->plan_name), "state", tk_view_state(subscription->state), "started_at",
                time_or_null(subscription->started_s));
        return stamped(object, subscription->version, subscription->created_s, subscription->updated_s);
}

static json_t *restrictions(const struct tk_restrictions *r)
{
        json_t *cidrs = json_array();
        for (size_t i = 0; cidrs && i < r->cidr_count; i++) {
                char buffer[TK_CIDR_TEXT_MAX];
                tk_cidr_format(&r->cidrs[i], buffer);
                json_array_append_new(cidrs, json_string(buffer));
        }
        return json_pack("{s:o, s:o, s:o, s:o}", "cidrs", cidrs, "origins",
                         text_list(r->origins, r->origin_count), "methods",
                         text_list(r->methods, r->method_count), "paths", text_list(r->paths, r->path_count));
}

json_t *tk_view_key(const struct tk_key *key)
{
        json_t *object = json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:b}", "id", id_or_null(TK_ID_KEY, key->id), "api",
                text(key->api_name), "environment", text(key->environment_name), "consumer",
                consumer_reference(key->consumer_id, key->consumer_name), "name", text(key->name), "state",
                tk_view_state(key->state), "hint", text(key->hint), "foreign", (int)key->foreign);
        if (!object)
                return NULL;
        json_object_set_new(object, "scopes", text_list(key->scopes, key->scope_count));
        if (tk_str_equal(key->api_name, TK_STR(TK_ADMIN_API)))
                json_object_set_new(object, "only_apis", text_list(key->only_apis, key->only_api_count));
        json_object_set_new(object, "roles", role_names(key));
        json_object_set_new(object, "limits", limit_list(key->limits, key->limit_count));
        json_object_set_new(object, "restrictions", restrictions(&key->restrictions));
        json_object_set_new(object, "not_before", time_or_null(key->not_before_s));
        json_object_set_new(object, "expires_at", time_or_null(key->expires_s));
        json_object_set_new(object, "metadata", metadata(key->metadata));
        json_object_set_new(object, "created_by", text(key->created_by));
        json_object_set_new(object, "revoked_at", time_or_null(key->revoked_s));
        json_object_set_new(object, "revoke_reason", text(key->revoke_reason));
        return stamped(object, key->version, key->created_s, key->updated_s);
}

bool tk_view_same(json_t *before, json_t *after)
{
        bool same = before && after && json_equal(before, after);
        json_decref(before);
        json_decref(after);
        return same;
}

static const struct {
        enum tk_state state;
        const char *name;
} states[] = {
        {TK_STATE_ACTIVE, "active"},
        {TK_STATE_SUSPENDED, "suspended"},
        {TK_STATE_REVOKED, "revoked"},
        {TK_STATE_ENDED, "ended"},
};

const char *tk_view_state(enum tk_state state)
{
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
                if (states[i].state == state)
                        return states[i].name;
        return "unknown";
}

bool tk_state_parse(struct tk_str name, enum tk_state *ret_state)
{
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
                if (tk_str_equal(name, tk_str_from(states[i].name))) {
                        *ret_state = states[i].state;
                        return true;
                }
        }
        return false;
}

/* ---- imports ---- */

static const char *import_state(enum tk_import_state state)
{
        switch (state) {
        case TK_IMPORT_READING:
                return "reading";
        case TK_IMPORT_APPLYING:
                return "applying";
        case TK_IMPORT_DONE:
                return "done";
        case TK_IMPORT_REFUSED:
                return "refused";
        case TK_IMPORT_INTERRUPTED:
                break;
        }
        return "interrupted";
}

/* A report that was not written yet is empty. */
static void add_report(json_t *object, struct tk_str text_of_it)
{
        json_t *report = json_loadb(text_of_it.ptr ? text_of_it.ptr : "", text_of_it.len, 0, NULL);
        json_t *errors = json_object_get(report, "errors"), *warnings = json_object_get(report, "warnings");
        json_object_set_new(object, "errors", errors ? json_incref(errors) : json_array());
        json_object_set_new(object, "warnings", warnings ? json_incref(warnings) : json_array());
        json_decref(report);
}

json_t *tk_view_import(const struct tk_import *import, bool whole)
{
        json_t *object = json_pack(
                "{s:o, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                id_or_null(TK_ID_IMPORT, import->id), "state", import_state(import->state), "mode",
                import->all_or_nothing ? "all-or-nothing" : "rest", "dry_run", (int)import->dry_run, "lines",
                number(import->lines), "imported", number(import->imported), "rejected",
                number(import->rejected), "warned", number(import->warned), "created_by", text(import->actor),
                "created_at", time_or_null(import->created_s), "updated_at", time_or_null(import->updated_s));
        if (object && whole)
                add_report(object, import->report);
        return object;
}
