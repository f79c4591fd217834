/*
 * Limits, scopes and restrictions to JSON text and back, by jansson. Most keys have none of them, so the empty forms are
 * taken without a parser. What cannot be read back is damage, never a default.
 */
#include "registry/codec.h"

#include <jansson.h>

#include <string.h>

#define EMPTY_LIST   TK_STR("[]")
#define EMPTY_OBJECT TK_STR("{}")

bool tk_text_storable(struct tk_str text)
{
        if (text.len == 0)
                return true;
        return memchr(text.ptr, '\0', text.len) == NULL && tk_str_is_utf8(text);
}

/* ---- text ---- */

/* Takes the reference; NULL, as jansson's constructors give when memory ends, is TK_NOMEM. */
static enum tk_err dump(json_t *json, struct tk_arena *arena, struct tk_str *ret_text)
{
        size_t len = json == NULL ? 0 : json_dumpb(json, NULL, 0, JSON_COMPACT);
        char *text = len == 0 ? NULL : tk_arena_alloc(arena, len);
        bool written = text != NULL && json_dumpb(json, text, len, JSON_COMPACT) == len;

        json_decref(json);
        if (!written)
                return TK_NOMEM;
        *ret_text = (struct tk_str){text, len};
        return TK_OK;
}

static json_t *load(struct tk_str text)
{
        json_error_t error;

        return json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
}

/* ---- limits ---- */

static const char *const kind_names[] = {[TK_LIMIT_RATE] = "rate", [TK_LIMIT_WINDOW] = "window"};
static const char *const period_names[] = {
        [TK_PERIOD_FIXED] = "fixed", [TK_PERIOD_HOUR] = "hour",   [TK_PERIOD_DAY] = "day",
        [TK_PERIOD_WEEK] = "week",   [TK_PERIOD_MONTH] = "month",
};
#define NAMES(table) (table), sizeof(table) / sizeof *(table)

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
        return value < count ? names[value] : NULL;
}

/* The index of a name, or -1. */
static int value_of(const char *const *names, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (names[i] != NULL && strcmp(names[i], name) == 0)
                        return (int)i;
        return -1;
}

static bool limit_storable(const struct tk_limit_def *limit)
{
        size_t name_len = strnlen(limit->name, sizeof limit->name);

        return name_of(NAMES(kind_names), limit->kind) != NULL &&
               name_of(NAMES(period_names), limit->period) != NULL && limit->limit <= INT64_MAX &&
               limit->burst <= INT64_MAX && name_len < sizeof limit->name &&
               tk_text_storable((struct tk_str){limit->name, name_len});
}

/* `shadow` only where it is: the text of all others is what it was before there was such a thing. */
static json_t *limit_to_json(const struct tk_limit_def *limit)
{
        json_t *shadow = limit->shadow ? json_true() : NULL;
        return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:s, s:o*}", "kind", kind_names[limit->kind],
                         "period", period_names[limit->period], "anchored", (int)limit->anchored, "limit",
                         (json_int_t)limit->limit, "burst", (json_int_t)limit->burst, "length_s",
                         (json_int_t)limit->length_s, "name", limit->name, "shadow", shadow);
}

static bool limit_from_json(json_t *json, struct tk_limit_def *ret_limit)
{
        const char *kind, *period, *name;
        json_int_t limit, burst, length_s;
        int anchored, shadow = 0, kind_value, period_value;
        size_t name_len;

        if (json_unpack(json, "{s:s, s:s, s:b, s:I, s:I, s:I, s:s%, s?b!}", "kind", &kind, "period", &period,
                        "anchored", &anchored, "limit", &limit, "burst", &burst, "length_s", &length_s,
                        "name", &name, &name_len, "shadow", &shadow) != 0)
                return false;
        kind_value = value_of(NAMES(kind_names), kind);
        period_value = value_of(NAMES(period_names), period);
        if (kind_value < 0 || period_value < 0 || limit < 0 || burst < 0 || name_len > TK_LIMIT_NAME_MAX)
                return false;

        *ret_limit = (struct tk_limit_def){.kind = (enum tk_limit_kind)kind_value,
                                           .period = (enum tk_period_kind)period_value,
                                           .anchored = anchored != 0,
                                           .limit = (uint64_t)limit,
                                           .burst = (uint64_t)burst,
                                           .length_s = length_s,
                                           .shadow = shadow != 0};
        memcpy(ret_limit->name, name, name_len);
        return true;
}

enum tk_err tk_limits_encode(const struct tk_limit_def *limits, uint32_t count, struct tk_arena *arena,
                             struct tk_str *ret_text)
{
        json_t *list;

        if (count > TK_LIMITS_MAX)
                return TK_INVALID;
        if (count == 0) {
                *ret_text = EMPTY_LIST;
                return TK_OK;
        }
        for (uint32_t i = 0; i < count; i++)
                if (!limit_storable(&limits[i]))
                        return TK_INVALID;

        list = json_array();
        for (uint32_t i = 0; i < count; i++) {
                if (json_array_append_new(list, limit_to_json(&limits[i])) != 0) {
                        json_decref(list);
                        return TK_NOMEM;
                }
        }
        return dump(list, arena, ret_text);
}

enum tk_err tk_limits_decode(struct tk_str text, struct tk_limit_def ret_limits[TK_LIMITS_MAX],
                             uint32_t *ret_count)
{
        json_t *list;
        size_t count;
        enum tk_err err = TK_OK;

        *ret_count = 0;
        if (tk_str_equal(text, EMPTY_LIST))
                return TK_OK;
        list = load(text);
        count = json_array_size(list);
        if (!json_is_array(list) || count > TK_LIMITS_MAX)
                err = TK_CORRUPT;
        for (size_t i = 0; err == TK_OK && i < count; i++)
                if (!limit_from_json(json_array_get(list, i), &ret_limits[i]))
                        err = TK_CORRUPT;
        if (err == TK_OK)
                *ret_count = (uint32_t)count;
        json_decref(list);
        return err;
}

/* ---- lists of strings ---- */

static bool strings_storable(const struct tk_str *strings, uint32_t count, uint32_t max)
{
        if (count > max)
                return false;
        for (uint32_t i = 0; i < count; i++)
                if (!tk_text_storable(strings[i]))
                        return false;
        return true;
}

/* NULL when out of memory. */
static json_t *strings_to_json(const struct tk_str *strings, uint32_t count)
{
        json_t *list = json_array();

        for (uint32_t i = 0; list != NULL && i < count; i++) {
                struct tk_str s = strings[i].len > 0 ? strings[i] : TK_STR("");

                if (json_array_append_new(list, json_stringn(s.ptr, s.len)) != 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return list;
}

static enum tk_err strings_from_json(const json_t *list, uint32_t max, struct tk_arena *arena,
                                     struct tk_str *ret_strings, uint32_t *ret_count)
{
        size_t count = json_array_size(list);

        if (!json_is_array(list) || count > max)
                return TK_CORRUPT;
        for (size_t i = 0; i < count; i++) {
                const json_t *item = json_array_get(list, i);

                if (!json_is_string(item))
                        return TK_CORRUPT;
                ret_strings[i] = tk_arena_copy(
                        arena, (struct tk_str){json_string_value(item), json_string_length(item)});
                if (ret_strings[i].ptr == NULL)
                        return TK_NOMEM;
        }
        *ret_count = (uint32_t)count;
        return TK_OK;
}

static enum tk_err list_encode(const struct tk_str *items, uint32_t count, uint32_t max,
                               struct tk_arena *arena, struct tk_str *ret_text)
{
        if (!strings_storable(items, count, max))
                return TK_INVALID;
        if (count == 0) {
                *ret_text = EMPTY_LIST;
                return TK_OK;
        }
        return dump(strings_to_json(items, count), arena, ret_text);
}

static enum tk_err list_decode(struct tk_str text, uint32_t max, struct tk_arena *arena,
                               struct tk_str *ret_items, uint32_t *ret_count)
{
        json_t *list;
        enum tk_err err;

        *ret_count = 0;
        if (tk_str_equal(text, EMPTY_LIST))
                return TK_OK;
        list = load(text);
        err = strings_from_json(list, max, arena, ret_items, ret_count);
        json_decref(list);
        return err;
}

enum tk_err tk_scopes_encode(const struct tk_str *scopes, uint32_t count, struct tk_arena *arena,
                             struct tk_str *ret_text)
{
        return list_encode(scopes, count, TK_KEY_SCOPES_MAX, arena, ret_text);
}

enum tk_err tk_scopes_decode(struct tk_str text, struct tk_arena *arena,
                             struct tk_str ret_scopes[TK_KEY_SCOPES_MAX], uint32_t *ret_count)
{
        return list_decode(text, TK_KEY_SCOPES_MAX, arena, ret_scopes, ret_count);
}

enum tk_err tk_only_apis_encode(const struct tk_str *apis, uint32_t count, struct tk_arena *arena,
                                struct tk_str *ret_text)
{
        return list_encode(apis, count, TK_ONLY_APIS_MAX, arena, ret_text);
}

enum tk_err tk_only_apis_decode(struct tk_str text, struct tk_arena *arena,
                                struct tk_str ret_apis[TK_ONLY_APIS_MAX], uint32_t *ret_count)
{
        return list_decode(text, TK_ONLY_APIS_MAX, arena, ret_apis, ret_count);
}

/* ---- roles of a key ---- */

enum tk_err tk_key_roles_encode(const struct tk_key_role *roles, uint32_t count, struct tk_arena *arena,
                                struct tk_str *ret_text)
{
        json_t *object;

        if (count > TK_KEY_ROLES_MAX)
                return TK_INVALID;
        if (count == 0) {
                *ret_text = EMPTY_OBJECT;
                return TK_OK;
        }
        object = json_object();
        for (uint32_t i = 0; i < count; i++) {
                if (!tk_text_storable(roles[i].name) || roles[i].id > INT64_MAX) {
                        json_decref(object);
                        return TK_INVALID;
                }
                if (json_object_setn_new(object, roles[i].name.ptr, roles[i].name.len,
                                         json_integer((json_int_t)roles[i].id)) != 0) {
                        json_decref(object);
                        return TK_NOMEM;
                }
        }
        return dump(object, arena, ret_text);
}

static enum tk_err role_from_json(const char *name, const json_t *id, struct tk_arena *arena,
                                  struct tk_key_role *ret_role)
{
        if (!json_is_integer(id) || json_integer_value(id) <= 0)
                return TK_CORRUPT;
        ret_role->id = (uint64_t)json_integer_value(id);
        ret_role->name = tk_arena_copy(arena, tk_str_from(name));
        return ret_role->name.ptr != NULL ? TK_OK : TK_NOMEM;
}

enum tk_err tk_key_roles_decode(struct tk_str text, struct tk_arena *arena,
                                struct tk_key_role ret_roles[TK_KEY_ROLES_MAX], uint32_t *ret_count)
{
        json_t *object, *id;
        const char *name;
        uint32_t count = 0;
        enum tk_err err = TK_OK;

        *ret_count = 0;
        if (tk_str_equal(text, EMPTY_OBJECT))
                return TK_OK;
        object = load(text);
        if (!json_is_object(object) || json_object_size(object) > TK_KEY_ROLES_MAX)
                err = TK_CORRUPT;
        else
                json_object_foreach(object, name, id)
                {
                        if (err == TK_OK)
                                err = role_from_json(name, id, arena, &ret_roles[count++]);
                }
        json_decref(object);
        if (err == TK_OK)
                *ret_count = count;
        return err;
}

/* ---- restrictions ---- */

static json_t *cidrs_to_json(const struct tk_cidr *cidrs, uint32_t count)
{
        json_t *list = json_array();

        for (uint32_t i = 0; list != NULL && i < count; i++) {
                char text[TK_CIDR_TEXT_MAX];

                tk_cidr_format(&cidrs[i], text);
                if (json_array_append_new(list, json_string(text)) != 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return list;
}

static enum tk_err cidrs_from_json(const json_t *list, struct tk_restrictions *r)
{
        size_t count = json_array_size(list);

        if (!json_is_array(list) || count > TK_RESTRICTIONS_MAX)
                return TK_CORRUPT;
        for (size_t i = 0; i < count; i++)
                if (!tk_cidr_parse(tk_str_from(json_string_value(json_array_get(list, i))), &r->cidrs[i]))
                        return TK_CORRUPT;
        r->cidr_count = (uint32_t)count;
        return TK_OK;
}

static bool restrictions_storable(const struct tk_restrictions *r)
{
        return r->cidr_count <= TK_RESTRICTIONS_MAX &&
               strings_storable(r->origins, r->origin_count, TK_RESTRICTIONS_MAX) &&
               strings_storable(r->methods, r->method_count, TK_RESTRICTIONS_MAX) &&
               strings_storable(r->paths, r->path_count, TK_RESTRICTIONS_MAX);
}

/* An empty list is no member. */
static bool put_strings(json_t *object, const char *member, const struct tk_str *strings, uint32_t count)
{
        return count == 0 || json_object_set_new(object, member, strings_to_json(strings, count)) == 0;
}

enum tk_err tk_restrictions_encode(const struct tk_restrictions *r, struct tk_arena *arena,
                                   struct tk_str *ret_text)
{
        json_t *object;

        if (!restrictions_storable(r))
                return TK_INVALID;
        if (r->cidr_count + r->origin_count + r->method_count + r->path_count == 0) {
                *ret_text = EMPTY_OBJECT;
                return TK_OK;
        }
        object = json_object();
        if ((r->cidr_count > 0 &&
             json_object_set_new(object, "cidrs", cidrs_to_json(r->cidrs, r->cidr_count)) != 0) ||
            !put_strings(object, "origins", r->origins, r->origin_count) ||
            !put_strings(object, "methods", r->methods, r->method_count) ||
            !put_strings(object, "paths", r->paths, r->path_count)) {
                json_decref(object);
                return TK_NOMEM;
        }
        return dump(object, arena, ret_text);
}

static enum tk_err member_from_json(const char *member, const json_t *list, struct tk_arena *arena,
                                    struct tk_restrictions *r)
{
        if (strcmp(member, "cidrs") == 0)
                return cidrs_from_json(list, r);
        if (strcmp(member, "origins") == 0)
                return strings_from_json(list, TK_RESTRICTIONS_MAX, arena, r->origins, &r->origin_count);
        if (strcmp(member, "methods") == 0)
                return strings_from_json(list, TK_RESTRICTIONS_MAX, arena, r->methods, &r->method_count);
        if (strcmp(member, "paths") == 0)
                return strings_from_json(list, TK_RESTRICTIONS_MAX, arena, r->paths, &r->path_count);
        /* A restriction that this program does not know must not be dropped: the key would be admitted too widely. */
        return TK_CORRUPT;
}

enum tk_err tk_restrictions_decode(struct tk_str text, struct tk_arena *arena, struct tk_restrictions *ret_r)
{
        json_t *object, *list;
        const char *member;
        enum tk_err err = TK_OK;

        ret_r->cidr_count = ret_r->origin_count = ret_r->method_count = ret_r->path_count = 0;
        if (tk_str_equal(text, EMPTY_OBJECT))
                return TK_OK;
        object = load(text);
        if (!json_is_object(object))
                err = TK_CORRUPT;
        json_object_foreach(object, member, list)
        {
                if (err == TK_OK)
                        err = member_from_json(member, list, arena, ret_r);
        }
        json_decref(object);
        return err;
}
