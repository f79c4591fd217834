/*
 * Reads keys as other systems export them: their members become ours. Hashes keep verifying, because both store the plain SHA-256 of
 * the key (docs/guide/importing.md names the sources). What has no counterpart here is told as a warning. See import_line.h.
 */
#include "http/import_line.h"

#include "core/calendar.h"
#include "http/json_read.h"

#include <stdio.h>
#include <string.h>

#define MS_PER_S 1000

static struct tk_str text_of(const json_t *value)
{
        if (!json_is_string(value))
                return TK_STR_NONE;
        return (struct tk_str){json_string_value(value), json_string_length(value)};
}

/* The first of these members that is there and not null. */
static json_t *first_of(const json_t *object, const char *a, const char *b)
{
        json_t *value = json_object_get(object, a);
        if ((!value || json_is_null(value)) && b)
                value = json_object_get(object, b);
        return json_is_null(value) ? NULL : value;
}

static enum tk_err put_text(const json_t *value, const char *field, struct tk_str *ret_text,
                            struct tk_fault *fault)
{
        if (!value)
                return TK_OK;
        if (!json_is_string(value))
                return tk_fault_set(fault, TK_FAULT_invalid_value, field, "use a string",
                                    "it has the wrong type");
        if (json_string_length(value) > 0)
                *ret_text = text_of(value);
        return TK_OK;
}

/* Milliseconds since 1970, or RFC 3339 with or without a fraction of a second. */
static enum tk_err put_time(const json_t *value, const char *field, struct tk_input_time *ret_time,
                            struct tk_fault *fault)
{
        if (!value)
                return TK_OK;
        struct tk_input_time time = {.set = true};
        struct tk_str text = text_of(value), whole, fraction;
        char buffer[TK_TIME_TEXT_MAX];
        bool good = json_is_integer(value) && json_integer_value(value) > 0;
        if (good)
                time.s = json_integer_value(value) / MS_PER_S;
        if (!good && text.ptr) {
                if (tk_str_cut(text, '.', &whole, &fraction)) {
                        int len = snprintf(buffer, sizeof(buffer), "%.*sZ",
                                           (int)(whole.len < 24 ? whole.len : 24), whole.ptr);
                        text = (struct tk_str){buffer, (size_t)len < sizeof(buffer) ? (size_t)len : 0};
                        good = fraction.len > 0 && fraction.ptr[fraction.len - 1] == 'Z';
                } else {
                        good = true;
                }
                good = good && tk_time_parse(text, &time.s);
        }
        if (!good)
                return tk_fault_set(fault, TK_FAULT_invalid_value, field,
                                    "use milliseconds since 1970, or a time such as 2027-01-31T12:00:00Z",
                                    "it is not a time");
        *ret_time = time;
        return TK_OK;
}

/* As compact JSON text in the reader's arena. Takes it. */
static enum tk_err put_json(struct tk_import_reader *reader, json_t *json, struct tk_str *ret_text)
{
        size_t len = json ? json_dumpb(json, NULL, 0, JSON_COMPACT) : 0;
        char *text = len > 0 ? tk_arena_alloc(&reader->arena, len) : NULL;
        if (text)
                json_dumpb(json, text, len, JSON_COMPACT);
        json_decref(json);
        if (!text)
                return TK_NOMEM;
        *ret_text = (struct tk_str){text, len};
        return TK_OK;
}

/* An object, or the text of one. */
static json_t *object_of(const json_t *value)
{
        if (json_is_object(value))
                return json_incref((json_t *)(uintptr_t)value);
        struct tk_str text = text_of(value);
        json_t *object = text.len > 0 ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
        if (json_is_object(object))
                return object;
        json_decref(object);
        return NULL;
}

static enum tk_err put_metadata(struct tk_import_reader *reader, const json_t *value,
                                struct tk_import_line *line, struct tk_fault *fault)
{
        if (!value)
                return TK_OK;
        json_t *object = object_of(value);
        if (!object)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/metadata", "use a JSON object",
                                    "it is not one");
        return put_json(reader, object, &line->metadata);
}

/* One limit of so many in so many milliseconds; NULL where it cannot be said in seconds. */
static json_t *rate(const char *name, const json_t *limit, const json_t *window_ms)
{
        char per[32];
        json_int_t ms = json_integer_value(window_ms);
        if (!json_is_integer(limit) || json_integer_value(limit) < 1 || ms < MS_PER_S || ms % MS_PER_S != 0)
                return NULL;
        snprintf(per, sizeof(per), "%llds", (long long)(ms / MS_PER_S));
        return json_pack("{s:s, s:s, s:I, s:s}", "name", name, "kind", "rate", "limit",
                         json_integer_value(limit), "per", per);
}

static enum tk_err odd_limit(struct tk_fault *fault)
{
        return tk_fault_set(fault, TK_FAULT_invalid_value, "/limits",
                            "use whole seconds, and at least 1 in them",
                            "it has a rate limit that is not a number per whole seconds");
}

/* ---- Unkey ---- */

/* `ratelimits: [{name, limit, duration}]`, earlier `ratelimit: {limit, duration | refillInterval}`. */
static enum tk_err unkey_limits(struct tk_import_reader *reader, const json_t *object,
                                struct tk_import_line *line, struct tk_fault *fault)
{
        const json_t *many = first_of(object, "ratelimits", NULL), *one = first_of(object, "ratelimit", NULL);
        json_t *limits = json_array(), *element;
        size_t i;
        bool good = limits != NULL;
        json_array_foreach((json_t *)(uintptr_t)many, i, element)
        {
                const char *name = json_string_value(json_object_get(element, "name"));
                good = good && json_array_append_new(limits, rate(name ? name : "requests",
                                                                  json_object_get(element, "limit"),
                                                                  json_object_get(element, "duration"))) == 0;
        }
        if (one && good)
                good = json_array_append_new(limits, rate("requests", json_object_get(one, "limit"),
                                                          first_of(one, "duration", "refillInterval"))) == 0;
        if (!good) {
                json_decref(limits);
                return odd_limit(fault);
        }
        if (json_array_size(limits) > 0)
                return put_json(reader, limits, &line->limits);
        json_decref(limits);
        return TK_OK;
}

/* `hash` is the text, or `{value, variant: "sha256_base64"}`, or hexadecimal by its length. */
static enum tk_err unkey_hash(const json_t *object, struct tk_import_line *line, struct tk_fault *fault)
{
        const json_t *hash = first_of(object, "hash", NULL);
        const json_t *variant = json_object_get(hash, "variant");
        if (variant && strncmp(json_is_string(variant) ? json_string_value(variant) : "", "sha256_", 7) != 0)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/hash/variant", "export SHA-256 hashes",
                                    "it is not a plain SHA-256");
        enum tk_err err = put_text(json_is_object(hash) ? json_object_get(hash, "value") : hash, "/hash",
                                   &line->sha256, fault);
        if (err == TK_OK && !hash)
                err = put_text(first_of(object, "plaintext", "key"), "/key", &line->key, fault);
        return err;
}

static enum tk_err read_unkey(struct tk_import_reader *reader, const json_t *object,
                              struct tk_import_line *line, struct tk_fault *fault)
{
        const json_t *permissions = first_of(object, "permissions", NULL);
        enum tk_err err = unkey_hash(object, line, fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "name", NULL), "/name", &line->name, fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "start", "prefix"), "/hint", &line->hint, fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "externalId", "ownerId"), "/consumer", &line->consumer,
                               fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "environment", NULL), "/environment", &line->environment,
                               fault);
        if (err == TK_OK)
                err = put_metadata(reader, first_of(object, "meta", NULL), line, fault);
        if (err == TK_OK)
                err = put_time(first_of(object, "expires", NULL), "/expires_at", &line->expires_at, fault);
        if (err == TK_OK && permissions)
                err = put_json(reader, json_incref((json_t *)(uintptr_t)permissions), &line->scopes);
        if (err == TK_OK)
                err = unkey_limits(reader, object, line, fault);
        if (json_is_false(json_object_get(object, "enabled")))
                line->state = TK_STR("suspended");
        if (first_of(object, "credits", "remaining") || first_of(object, "refill", NULL))
                line->left_behind =
                        "credits that remain and refills are not taken over: give the subscription a quota";
        else if (json_array_size(json_object_get(object, "roles")) > 0)
                line->left_behind = "roles are not taken over: grant what they stand for as scopes";
        return err;
}

/* ---- better-auth ---- */

/* `{"forecast": ["read"]}`, or the text of it, becomes `["forecast:read"]`. */
static enum tk_err better_auth_scopes(struct tk_import_reader *reader, const json_t *value,
                                      struct tk_import_line *line, struct tk_fault *fault)
{
        if (!value)
                return TK_OK;
        json_t *object = object_of(value), *scopes = json_array(), *actions, *action;
        const char *resource;
        size_t i;
        bool good = object && scopes;
        json_object_foreach(object, resource, actions)
        {
                good = good && json_is_array(actions);
                json_array_foreach(actions, i, action) good =
                        good && json_is_string(action) &&
                        json_array_append_new(
                                scopes, json_sprintf("%s:%s", resource, json_string_value(action))) == 0;
        }
        json_decref(object);
        if (good)
                return put_json(reader, scopes, &line->scopes);
        json_decref(scopes);
        return tk_fault_set(fault, TK_FAULT_invalid_value, "/permissions",
                            "use an object of arrays such as {\"forecast\": [\"read\"]}", "it is not one");
}

static enum tk_err better_auth_limits(struct tk_import_reader *reader, const json_t *object,
                                      struct tk_import_line *line, struct tk_fault *fault)
{
        const json_t *limit = first_of(object, "rateLimitMax", NULL);
        if (!json_is_true(json_object_get(object, "rateLimitEnabled")) || !limit)
                return TK_OK;
        json_t *one = rate("requests", limit, json_object_get(object, "rateLimitTimeWindow"));
        if (!one)
                return odd_limit(fault);
        return put_json(reader, json_pack("[o]", one), &line->limits);
}

static enum tk_err read_better_auth(struct tk_import_reader *reader, const json_t *object,
                                    struct tk_import_line *line, struct tk_fault *fault)
{
        enum tk_err err = put_text(first_of(object, "key", NULL), "/key", &line->sha256, fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "name", NULL), "/name", &line->name, fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "start", "prefix"), "/hint", &line->hint, fault);
        if (err == TK_OK)
                err = put_text(first_of(object, "referenceId", "userId"), "/consumer", &line->consumer,
                               fault);
        if (err == TK_OK)
                err = put_metadata(reader, first_of(object, "metadata", NULL), line, fault);
        if (err == TK_OK)
                err = put_time(first_of(object, "expiresAt", NULL), "/expires_at", &line->expires_at, fault);
        if (err == TK_OK)
                err = better_auth_scopes(reader, first_of(object, "permissions", NULL), line, fault);
        if (err == TK_OK)
                err = better_auth_limits(reader, object, line, fault);
        if (json_is_false(json_object_get(object, "enabled")))
                line->state = TK_STR("suspended");
        if (first_of(object, "remaining", NULL) || first_of(object, "refillAmount", NULL))
                line->left_behind =
                        "uses that remain and refills are not taken over: give the subscription a quota";
        return err;
}

/* Members that are not looked at are the other system's business. */
enum tk_err tk_import_read_from(struct tk_import_reader *reader, struct tk_str text,
                                struct tk_import_line *line, struct tk_fault *fault)
{
        json_t *object;
        enum tk_err err = tk_json_parse(text, &object, fault);
        if (err != TK_OK)
                return err;
        tk_import_hold(reader, object);
        return reader->format == TK_IMPORT_UNKEY ? read_unkey(reader, object, line, fault)
                                                 : read_better_auth(reader, object, line, fault);
}
