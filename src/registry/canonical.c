/*
 * Writes canonical JSON and the canonical bytes of audit entries (docs/formats/audit.md). Everything is written twice: the
 * first time only to be measured. Called on any thread; pure; knows of no database.
 */
#include "registry/canonical.h"

#include "core/calendar.h"
#include "registry/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_INTEGER_MAX ((INT64_C(1) << 53) - 1)

/* ---- output ---- */

/* Bytes one after the other; ptr is NULL while measuring. */
struct output {
        char *ptr;
        size_t len;
};

static void put(struct output *out, struct tk_str text)
{
        if (out->ptr != NULL && text.len > 0)
                memcpy(out->ptr + out->len, text.ptr, text.len);
        out->len += text.len;
}

/* Exact within +-JSON_INTEGER_MAX; beyond, JSON's numbers are doubles. */
static void put_integer(struct output *out, int64_t number)
{
        char text[TK_CANONICAL_NUMBER_MAX];

        if (number < -JSON_INTEGER_MAX || number > JSON_INTEGER_MAX)
                tk_canonical_number((double)number, text);
        else
                snprintf(text, sizeof text, "%" PRId64, number);
        put(out, tk_str_from(text));
}

static void put_real(struct output *out, double number)
{
        char text[TK_CANONICAL_NUMBER_MAX];

        tk_canonical_number(number, text);
        put(out, tk_str_from(text));
}

/* The letter of a two-character escape, or 0. */
static char short_escape(unsigned char byte)
{
        switch (byte) {
        case '"':
        case '\\':
                return (char)byte;
        case '\b':
                return 'b';
        case '\t':
                return 't';
        case '\n':
                return 'n';
        case '\f':
                return 'f';
        case '\r':
                return 'r';
        default:
                return 0;
        }
}

static void put_escaped(struct output *out, unsigned char byte)
{
        static const char hex[] = "0123456789abcdef";
        char letter = short_escape(byte);

        if (letter != 0)
                put(out, (struct tk_str){(const char[]){'\\', letter}, 2});
        else if (byte < 0x20)
                put(out,
                    (struct tk_str){(const char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6});
        else
                put(out, (struct tk_str){(const char *)&byte, 1});
}

static void put_string(struct output *out, struct tk_str text)
{
        put(out, TK_STR("\""));
        for (size_t i = 0; i < text.len; i++)
                put_escaped(out, (unsigned char)text.ptr[i]);
        put(out, TK_STR("\""));
}

/* ---- values ---- */

/*
 * Member names go in the order of their UTF-16 code units (RFC 8785 section 3.2.3). That is the order of their UTF-8 bytes,
 * but for characters beyond U+FFFF (first byte F0 and up): as surrogates they come before U+E000 to U+FFFF (EE, EF).
 */
static int compare_names(const void *a, const void *b)
{
        const unsigned char *left = *(const unsigned char *const *)a,
                            *right = *(const unsigned char *const *)b;

        while (*left == *right && *left != 0) {
                left++;
                right++;
        }
        if (*left >= 0xee && *right >= 0xee && (*left >= 0xf0) != (*right >= 0xf0))
                return *left >= 0xf0 ? -1 : 1;
        return (*left > *right) - (*left < *right);
}

/* In `arena`, sorted; NULL when out of memory. Names have no NUL: jansson refuses it. */
static const char **sorted_names(const json_t *object, struct tk_arena *arena)
{
        size_t count = json_object_size(object), at = 0;
        const char **names = tk_arena_alloc(arena, count * sizeof *names);
        const char *name;
        json_t *value;

        if (names == NULL)
                return NULL;
        json_object_foreach((json_t *)object, name, value)
        {
                names[at++] = name;
        }
        qsort(names, count, sizeof *names, compare_names);
        return names;
}

static bool put_value(struct output *out, const json_t *value, struct tk_arena *arena);

static bool put_object(struct output *out, const json_t *object, struct tk_arena *arena)
{
        const char **names = sorted_names(object, arena);

        if (names == NULL)
                return false;
        put(out, TK_STR("{"));
        for (size_t i = 0; i < json_object_size(object); i++) {
                put(out, i > 0 ? TK_STR(",") : TK_STR(""));
                put_string(out, tk_str_from(names[i]));
                put(out, TK_STR(":"));
                if (!put_value(out, json_object_get(object, names[i]), arena))
                        return false;
        }
        put(out, TK_STR("}"));
        return true;
}

static bool put_array(struct output *out, const json_t *array, struct tk_arena *arena)
{
        put(out, TK_STR("["));
        for (size_t i = 0; i < json_array_size(array); i++) {
                put(out, i > 0 ? TK_STR(",") : TK_STR(""));
                if (!put_value(out, json_array_get(array, i), arena))
                        return false;
        }
        put(out, TK_STR("]"));
        return true;
}

/* False when out of memory. As deep as jansson's parser goes, which has a bound. */
static bool put_value(struct output *out, const json_t *value, struct tk_arena *arena)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                return put_object(out, value, arena);
        case JSON_ARRAY:
                return put_array(out, value, arena);
        case JSON_STRING:
                put_string(out, (struct tk_str){json_string_value(value), json_string_length(value)});
                return true;
        case JSON_INTEGER:
                put_integer(out, json_integer_value(value));
                return true;
        case JSON_REAL:
                put_real(out, json_real_value(value));
                return true;
        case JSON_TRUE:
                put(out, TK_STR("true"));
                return true;
        case JSON_FALSE:
                put(out, TK_STR("false"));
                return true;
        case JSON_NULL:
                put(out, TK_STR("null"));
                return true;
        }
        return false;
}

enum tk_err tk_canonical_json(const json_t *value, struct tk_arena *arena, struct tk_str *ret_text)
{
        struct output out = {0};

        if (!put_value(&out, value, arena))
                return TK_NOMEM;
        out.ptr = tk_arena_alloc(arena, out.len);
        out.len = 0;
        if (out.ptr == NULL || !put_value(&out, value, arena))
                return TK_NOMEM;
        *ret_text = (struct tk_str){out.ptr, out.len};
        return TK_OK;
}

/* ---- entries ---- */

static const char *const object_names[] = {
        [TK_OBJECT_API] = "api",           [TK_OBJECT_ENVIRONMENT] = "environment",
        [TK_OBJECT_SCOPE] = "scope",       [TK_OBJECT_PLAN] = "plan",
        [TK_OBJECT_CONSUMER] = "consumer", [TK_OBJECT_SUBSCRIPTION] = "subscription",
        [TK_OBJECT_KEY] = "key",           [TK_OBJECT_PEPPER] = "pepper",
        [TK_OBJECT_ROLE] = "role",         [TK_OBJECT_ROUTE] = "route",
};

static bool object_known(enum tk_object object)
{
        return object >= TK_OBJECT_API && object < sizeof object_names / sizeof *object_names &&
               object_names[object] != NULL;
}

static bool change_ok(const struct tk_change *change)
{
        if (change->at_s < 0 || change->at_s > TK_TIME_MAX_S)
                return false;
        return tk_text_storable(change->actor) && tk_text_storable(change->source) &&
               tk_text_storable(change->action) && tk_text_storable(change->before) &&
               tk_text_storable(change->after);
}

static void put_view(struct output *out, struct tk_str json)
{
        put(out, json.len > 0 ? json : TK_STR("null"));
}

/* Ten members, in the order of their names. */
static void put_entry(struct output *out, int64_t seq, enum tk_object object, int64_t object_id,
                      const struct tk_change *change)
{
        char at[TK_TIME_TEXT_MAX];

        tk_time_format(change->at_s, at);
        put(out, TK_STR("{\"action\":"));
        put_string(out, change->action);
        put(out, TK_STR(",\"actor\":"));
        put_string(out, change->actor);
        put(out, TK_STR(",\"after\":"));
        put_view(out, change->after);
        put(out, TK_STR(",\"at\":"));
        put_string(out, tk_str_from(at));
        put(out, TK_STR(",\"before\":"));
        put_view(out, change->before);
        put(out, TK_STR(",\"object\":"));
        put_string(out, tk_str_from(object_names[object]));
        put(out, TK_STR(",\"object_id\":"));
        put_integer(out, object_id);
        put(out, TK_STR(",\"seq\":"));
        put_integer(out, seq);
        put(out, TK_STR(",\"source\":"));
        put_string(out, change->source);
        put(out, TK_STR(",\"v\":1}"));
}

enum tk_err tk_canonical_entry(uint64_t seq, enum tk_object object, uint64_t object_id,
                               const struct tk_change *change, struct tk_arena *arena,
                               struct tk_str *ret_bytes)
{
        struct output out = {0};

        if (seq > JSON_INTEGER_MAX || object_id > JSON_INTEGER_MAX)
                return TK_INVALID;
        if (!object_known(object) || !change_ok(change))
                return TK_INVALID;
        put_entry(&out, (int64_t)seq, object, (int64_t)object_id, change);
        out.ptr = tk_arena_alloc(arena, out.len);
        out.len = 0;
        if (out.ptr == NULL)
                return TK_NOMEM;
        put_entry(&out, (int64_t)seq, object, (int64_t)object_id, change);
        *ret_bytes = (struct tk_str){out.ptr, out.len};
        return TK_OK;
}
