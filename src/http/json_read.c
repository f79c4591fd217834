/*
 * The table-driven reader of JSON bodies. See json_read.h.
 */
#include "http/json_read.h"

#include "core/calendar.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>

/* ---- parsing ---- */

/*
 * Where the body is nested deeper than we go, or its length. jansson would recurse 2,048 deep; brackets inside texts do not
 * count.
 */
static size_t too_deep_at(struct tk_str body)
{
        unsigned depth = 0;
        bool in_text = false;
        for (size_t i = 0; i < body.len; i++) {
                char c = body.ptr[i];
                if (in_text && c == '\\')
                        i++;
                else if (c == '"')
                        in_text = !in_text;
                else if (!in_text && (c == '{' || c == '[')) {
                        if (++depth > TK_JSON_DEPTH_MAX)
                                return i;
                } else if (!in_text && (c == '}' || c == ']') && depth > 0)
                        depth--;
        }
        return body.len;
}

/* jansson's own texts quote the body around the error, which may be a key: only the place is repeated. */
static enum tk_err parse_fault(struct tk_str body, const json_error_t *error, struct tk_fault *fault)
{
        struct tk_json_place place = {0};
        switch (json_error_code(error)) {
        case json_error_out_of_memory:
                return TK_NOMEM;
        case json_error_duplicate_key: /* it has just read the name */
                place = tk_json_locate(body, (size_t)error->position);
                return tk_fault_set(fault, TK_FAULT_malformed_json, place.at, "give each member once",
                                    "a member appears twice, before line %d column %d", error->line,
                                    error->column);
        case json_error_invalid_utf8:
                return tk_fault_set(fault, TK_FAULT_malformed_json, "", "send the body as UTF-8",
                                    "bytes that are not UTF-8 at line %d column %d", error->line,
                                    error->column);
        case json_error_null_character:
        case json_error_null_byte_in_key:
                return tk_fault_set(fault, TK_FAULT_malformed_json, "", "leave \\u0000 out",
                                    "a NUL character, before line %d column %d", error->line, error->column);
        case json_error_numeric_overflow:
                return tk_fault_set(fault, TK_FAULT_malformed_json, "", "use a smaller number",
                                    "a number is out of range, before line %d column %d", error->line,
                                    error->column);
        default:
                return tk_fault_set(fault, TK_FAULT_malformed_json, "", "send one JSON object (RFC 8259)",
                                    "it breaks off or goes wrong at line %d column %d", error->line,
                                    error->column);
        }
}

enum tk_err tk_json_parse(struct tk_str body, json_t **ret_json, struct tk_fault *fault)
{
        size_t deep_at = too_deep_at(body);
        if (deep_at < body.len)
                return tk_fault_set(fault, TK_FAULT_malformed_json, tk_json_locate(body, deep_at).at,
                                    "nest at most 16 deep", "it is nested more than %d deep",
                                    TK_JSON_DEPTH_MAX);
        json_error_t error;
        json_t *json = json_loadb(body.ptr ? body.ptr : "", body.len, JSON_REJECT_DUPLICATES, &error);
        if (!json)
                return parse_fault(body, &error, fault);
        if (!json_is_object(json)) {
                json_decref(json);
                return tk_fault_set(fault, TK_FAULT_malformed_json, "", "send one JSON object",
                                    "the body is not an object");
        }
        *ret_json = json;
        return TK_OK;
}

/* ---- where we are ---- */

struct tk_json_reader tk_json_reader_init(struct tk_arena *arena, struct tk_fault *fault)
{
        return (struct tk_json_reader){.arena = arena, .fault = fault};
}

enum tk_err tk_json_wrong_type(struct tk_json_reader *reader, const char *wanted)
{
        char mend[64];
        snprintf(mend, sizeof(mend), "use %s", wanted);
        return tk_fault_set(reader->fault, TK_FAULT_invalid_value, reader->place.at, mend, "it is not %s",
                            wanted);
}

/* ---- objects ---- */

static const struct tk_json_member *find_member(const struct tk_json_shape *shape, const char *name)
{
        for (size_t i = 0; i < shape->count; i++)
                if (strcmp(shape->members[i].name, name) == 0)
                        return &shape->members[i];
        return NULL;
}

static enum tk_err unknown_member(struct tk_json_reader *reader, const struct tk_json_shape *shape,
                                  const char *name)
{
        char mend[sizeof(reader->fault->mend)];
        size_t used = (size_t)snprintf(mend, sizeof(mend), shape->count > 0 ? "use only " : "leave it out");
        for (size_t i = 0; i < shape->count && used < sizeof(mend); i++)
                used += (size_t)snprintf(mend + used, sizeof(mend) - used, "%s%s", i > 0 ? ", " : "",
                                         shape->members[i].name);
        tk_json_enter(&reader->place, name);
        return tk_fault_set(reader->fault, TK_FAULT_unknown_field, reader->place.at, mend,
                            "there is no such member here");
}

static enum tk_err missing_members(struct tk_json_reader *reader, const json_t *object,
                                   const struct tk_json_shape *shape)
{
        for (size_t i = 0; i < shape->count; i++) {
                const struct tk_json_member *member = &shape->members[i];
                if (!member->required || json_object_get(object, member->name))
                        continue;
                tk_json_enter(&reader->place, member->name);
                return tk_fault_set(reader->fault, TK_FAULT_invalid_value, reader->place.at, "add it",
                                    "it is missing");
        }
        return TK_OK;
}

enum tk_err tk_json_read(struct tk_json_reader *reader, const json_t *value,
                         const struct tk_json_shape *shape, void *ret_struct)
{
        if (!json_is_object(value))
                return tk_json_wrong_type(reader, "an object");
        const char *name;
        json_t *member_value;
        /* The iteration macro takes a pointer that is not const, but changes nothing. */
        json_object_foreach((json_t *)(uintptr_t)value, name, member_value)
        {
                const struct tk_json_member *member = find_member(shape, name);
                if (!member)
                        return unknown_member(reader, shape, name);
                size_t before = tk_json_enter(&reader->place, name);
                enum tk_err err = member->read(reader, member_value, (char *)ret_struct + member->offset);
                if (err != TK_OK)
                        return err;
                tk_json_leave(&reader->place, before);
        }
        return missing_members(reader, value, shape);
}

enum tk_err tk_json_read_list(struct tk_json_reader *reader, const json_t *value,
                              const struct tk_json_shape *shape, size_t item_bytes, void **ret_items,
                              size_t *ret_count)
{
        if (!json_is_array(value))
                return tk_json_wrong_type(reader, "an array");
        size_t count = json_array_size(value);
        char *items = tk_arena_alloc(reader->arena, count * item_bytes);
        if (!items)
                return TK_NOMEM;
        for (size_t i = 0; i < count; i++) {
                size_t before = tk_json_enter_index(&reader->place, i);
                enum tk_err err =
                        tk_json_read(reader, json_array_get(value, i), shape, items + i * item_bytes);
                if (err != TK_OK)
                        return err;
                tk_json_leave(&reader->place, before);
        }
        *ret_items = items;
        *ret_count = count;
        return TK_OK;
}

/* ---- single values ---- */

static struct tk_str text_of(const json_t *value)
{
        return (struct tk_str){json_string_value(value), json_string_length(value)};
}

enum tk_err tk_json_read_text(struct tk_json_reader *reader, const json_t *value, void *ret_str)
{
        if (!json_is_string(value))
                return tk_json_wrong_type(reader, "a string");
        *(struct tk_str *)ret_str = text_of(value);
        return TK_OK;
}

enum tk_err tk_json_read_flag(struct tk_json_reader *reader, const json_t *value, void *ret_bool)
{
        if (!json_is_boolean(value))
                return tk_json_wrong_type(reader, "true or false");
        *(bool *)ret_bool = json_is_true(value);
        return TK_OK;
}

enum tk_err tk_json_read_count(struct tk_json_reader *reader, const json_t *value, void *ret_u64)
{
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return tk_json_wrong_type(reader, "a whole number of 0 or more");
        *(uint64_t *)ret_u64 = (uint64_t)json_integer_value(value);
        return TK_OK;
}

enum tk_err tk_json_read_time(struct tk_json_reader *reader, const json_t *value, void *ret_time)
{
        struct tk_input_time time = {.set = true};
        bool given = !json_is_null(value);
        if (given && !(json_is_string(value) && tk_time_parse(text_of(value), &time.s)))
                return tk_json_wrong_type(reader, "a time such as \"2027-01-31T12:00:00Z\", or null");
        if (given && time.s == 0)
                return tk_json_wrong_type(reader, "a time after 1970-01-01T00:00:00Z, or null for none");
        *(struct tk_input_time *)ret_time = time;
        return TK_OK;
}

enum tk_err tk_json_read_texts(struct tk_json_reader *reader, const json_t *value, void *ret_list)
{
        if (!json_is_array(value))
                return tk_json_wrong_type(reader, "an array of strings");
        size_t count = json_array_size(value);
        struct tk_str *items = tk_arena_alloc(reader->arena, count * sizeof(*items));
        if (!items)
                return TK_NOMEM;
        for (size_t i = 0; i < count; i++) {
                size_t before = tk_json_enter_index(&reader->place, i);
                enum tk_err err = tk_json_read_text(reader, json_array_get(value, i), &items[i]);
                if (err != TK_OK)
                        return err;
                tk_json_leave(&reader->place, before);
        }
        *(struct tk_input_list *)ret_list =
                (struct tk_input_list){.set = true, .items = items, .count = count};
        return TK_OK;
}

enum tk_err tk_json_read_opaque(struct tk_json_reader *reader, const json_t *value, void *ret_str)
{
        if (!json_is_object(value))
                return tk_json_wrong_type(reader, "an object");
        size_t len = json_dumpb(value, NULL, 0, JSON_COMPACT);
        char *text = tk_arena_alloc(reader->arena, len);
        if (!text || len == 0)
                return TK_NOMEM;
        json_dumpb(value, text, len, JSON_COMPACT);
        *(struct tk_str *)ret_str = (struct tk_str){text, len};
        return TK_OK;
}
