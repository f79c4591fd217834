/*
 * The reader of lines that are JSON objects. See import_line.h. A scanner of its own, because a tree for each of a million lines costs
 * more than all the rest: texts are slices of the line, and only what is nested or escaped is looked at twice.
 */
#include "http/import_line.h"

#include "core/alloc.h"
#include "core/calendar.h"
#include "core/secret.h"
#include "http/inputs.h"
#include "http/json_read.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FIELD(name, kind, member)                                                                            \
        {                                                                                                    \
                name, TK_IMPORT_##kind, offsetof(struct tk_import_line, member)                              \
        }

/* Most usual first. */
const struct tk_import_field tk_import_fields[] = {
        FIELD("key", TEXT, key),
        FIELD("sha256", TEXT, sha256),
        FIELD("consumer", TEXT, consumer),
        FIELD("name", TEXT, name),
        FIELD("scopes", LIST, scopes),
        FIELD("limits", LIST, limits),
        FIELD("expires_at", TIME, expires_at),
        FIELD("metadata", METADATA, metadata),
        FIELD("state", TEXT, state),
        FIELD("api", TEXT, api),
        FIELD("environment", TEXT, environment),
        FIELD("hint", TEXT, hint),
        FIELD("not_before", TIME, not_before),
        FIELD("restrictions", OBJECT, restrictions),
};
const size_t tk_import_field_count = sizeof(tk_import_fields) / sizeof(tk_import_fields[0]);

int tk_import_field_find(struct tk_str name)
{
        for (size_t i = 0; i < tk_import_field_count; i++) {
                const char *known = tk_import_fields[i].name;
                if (strlen(known) == name.len && memcmp(known, name.ptr, name.len) == 0)
                        return (int)i;
        }
        return -1;
}

void tk_import_point_to(struct tk_str name, char ret_pointer[TK_IMPORT_POINTER_MAX])
{
        bool plain = name.len < TK_IMPORT_POINTER_MAX - 8;
        for (size_t i = 0; plain && i < name.len; i++)
                plain = (name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || name.ptr[i] == '_';
        snprintf(ret_pointer, TK_IMPORT_POINTER_MAX, "/%.*s", plain ? (int)name.len : 0,
                 plain ? name.ptr : "");
}

/* ---- the reader ---- */

enum tk_err tk_import_reader_init(struct tk_import_reader *reader, enum tk_import_format format)
{
        *reader = (struct tk_import_reader){.format = format};
        tk_arena_init(&reader->arena, 0);
        reader->scratch = tk_malloc(TK_IMPORT_LINE_MAX);
        return reader->scratch ? TK_OK : TK_NOMEM;
}

static void forget_line(struct tk_import_reader *reader)
{
        for (size_t i = 0; i < sizeof(reader->held) / sizeof(reader->held[0]); i++) {
                json_decref(reader->held[i]);
                reader->held[i] = NULL;
        }
        if (reader->scratch_used > 0)
                tk_wipe(reader->scratch, reader->scratch_used);
        reader->scratch_used = 0;
        if (reader->arena.total_bytes > 0) {
                tk_arena_fini(&reader->arena);
                tk_arena_init(&reader->arena, 0);
        }
}

void tk_import_reader_fini(struct tk_import_reader *reader)
{
        forget_line(reader);
        tk_free(reader->scratch);
        tk_arena_fini(&reader->arena);
        *reader = (struct tk_import_reader){0};
}

void tk_import_hold(struct tk_import_reader *reader, json_t *json)
{
        size_t at = 0;
        while (at + 1 < sizeof(reader->held) / sizeof(reader->held[0]) && reader->held[at])
                at++;
        json_decref(reader->held[at]);
        reader->held[at] = json;
}

char *tk_import_scratch(struct tk_import_reader *reader, size_t bytes)
{
        if (bytes > TK_IMPORT_LINE_MAX - reader->scratch_used)
                return NULL;
        char *place = reader->scratch + reader->scratch_used;
        reader->scratch_used += bytes;
        return place;
}

/* ---- values ---- */

static enum tk_err bad_value(struct tk_fault *fault, const char *name, const char *mend, const char *detail)
{
        char field[32];
        snprintf(field, sizeof(field), "/%s", name);
        return tk_fault_set(fault, TK_FAULT_invalid_value, field, mend, "%s", detail);
}

static enum tk_err put_time(const char *name, struct tk_str text, struct tk_input_time *ret_time,
                            struct tk_fault *fault)
{
        struct tk_input_time time = {.set = true};
        if (!tk_time_parse(text, &time.s) || time.s == 0)
                return bad_value(fault, name, "use a time such as \"2027-01-31T12:00:00Z\", or null",
                                 "it is not a time");
        *ret_time = time;
        return TK_OK;
}

/* Its text as the registry keeps it. A line without metadata is the usual one, and costs nothing. */
static enum tk_err put_metadata(struct tk_import_reader *reader, struct tk_str text, struct tk_str *ret_text,
                                struct tk_fault *fault)
{
        json_t *json;
        if (text.len == 2 && text.ptr[0] == '{') {
                *ret_text = TK_STR("{}");
                return TK_OK;
        }
        struct tk_fault ignored = {0};
        enum tk_err err = tk_json_parse(text, &json, &ignored);
        if (err == TK_NOMEM)
                return err;
        if (err != TK_OK)
                return bad_value(fault, "metadata", "use a JSON object", "it is not a JSON object");
        struct tk_json_reader values = tk_json_reader_init(&reader->arena, fault);
        err = tk_json_read_opaque(&values, json, ret_text);
        json_decref(json);
        return err;
}

enum tk_err tk_import_field_put(struct tk_import_reader *reader, int field, struct tk_str text,
                                struct tk_import_line *line, struct tk_fault *fault)
{
        const struct tk_import_field *info = &tk_import_fields[field];
        void *place = (char *)line + info->offset;
        switch (info->kind) {
        case TK_IMPORT_TIME:
                return put_time(info->name, text, place, fault);
        case TK_IMPORT_METADATA:
                return put_metadata(reader, text, place, fault);
        case TK_IMPORT_TEXT:
        case TK_IMPORT_LIST:
        case TK_IMPORT_OBJECT:
                break;
        }
        *(struct tk_str *)place = text;
        return TK_OK;
}

/* ---- terms: read once for all lines that have the same ---- */

static enum tk_err read_member(struct tk_import_reader *reader, struct tk_str text, const char *name,
                               enum tk_err (*read)(struct tk_json_reader *, const json_t *, void *),
                               void *ret, struct tk_arena *arena, struct tk_fault *fault)
{
        if (text.len == 0)
                return TK_OK;
        json_error_t error;
        json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
        if (!json)
                return bad_value(fault, name, "write it as JSON (RFC 8259)", "it is not well-formed JSON");
        tk_import_hold(reader, json);
        struct tk_json_reader values = tk_json_reader_init(arena, fault);
        tk_json_enter(&values.place, name);
        return read(&values, json, ret);
}

static enum tk_err split_scopes(struct tk_str text, struct tk_arena *arena, struct tk_input_list *ret_list,
                                struct tk_fault *fault)
{
        struct tk_str *items = tk_arena_alloc(arena, (TK_KEY_SCOPES_MAX + 1) * sizeof(*items));
        size_t count = 0;
        if (!items)
                return TK_NOMEM;
        while (text.len > 0) {
                struct tk_str word;
                tk_str_cut(text, ' ', &word, &text);
                if (word.len == 0)
                        continue;
                if (count == TK_KEY_SCOPES_MAX)
                        return bad_value(fault, "scopes", "use a wildcard such as forecast:*",
                                         "there are more than 64");
                items[count++] = word;
        }
        *ret_list = (struct tk_input_list){.set = true, .items = items, .count = count};
        return TK_OK;
}

enum tk_err tk_import_read_terms(const struct tk_import_line *line, struct tk_arena *arena,
                                 struct tk_input_key *ret_key, struct tk_fault *fault)
{
        struct tk_import_reader *reader = line->context;
        enum tk_err err = reader->scopes_plain
                                  ? split_scopes(line->scopes, arena, &ret_key->scopes, fault)
                                  : read_member(reader, line->scopes, "scopes", tk_json_read_texts,
                                                &ret_key->scopes, arena, fault);
        if (err == TK_OK)
                err = read_member(reader, line->limits, "limits", tk_json_read_limits, &ret_key->limits,
                                  arena, fault);
        if (err == TK_OK)
                err = read_member(reader, line->restrictions, "restrictions", tk_json_read_restrictions,
                                  ret_key, arena, fault);
        return err;
}

/* ---- the scanner ---- */

struct scan {
        struct tk_import_reader *reader;
        const char *at, *end;
        struct tk_fault *fault;
};

static enum tk_err malformed(const struct scan *scan, const char *start)
{
        return tk_fault_set(scan->fault, TK_FAULT_malformed_json, "",
                            "write one JSON object a line (RFC 8259)",
                            "it breaks off or goes wrong at byte %zu", (size_t)(scan->at - start) + 1);
}

static void skip_space(struct scan *scan)
{
        while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r'))
                scan->at++;
}

static bool take(struct scan *scan, char c)
{
        skip_space(scan);
        if (scan->at == scan->end || *scan->at != c)
                return false;
        scan->at++;
        return true;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool hex4(const char *at, const char *end, uint32_t *ret_value)
{
        uint32_t value = 0;
        if (end - at < 4)
                return false;
        for (int i = 0; i < 4; i++) {
                int digit = hex_digit(at[i]);
                if (digit < 0)
                        return false;
                value = value << 4 | (uint32_t)digit;
        }
        *ret_value = value;
        return true;
}

static size_t put_utf8(char *out, uint32_t c)
{
        if (c < 0x80) {
                out[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char)(0xc0 | c >> 6);
                out[1] = (char)(0x80 | (c & 63));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (char)(0xe0 | c >> 12);
                out[1] = (char)(0x80 | (c >> 6 & 63));
                out[2] = (char)(0x80 | (c & 63));
                return 3;
        }
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 63));
        out[2] = (char)(0x80 | (c >> 6 & 63));
        out[3] = (char)(0x80 | (c & 63));
        return 4;
}

/* What follows `\u`: one unit, or two that make a character. NUL and lone surrogates are refused. */
static const char *unescape_unit(const char *at, const char *end, char *out, size_t *inout_len)
{
        uint32_t high, low;
        if (!hex4(at, end, &high) || high == 0 || (high >= 0xdc00 && high < 0xe000))
                return NULL;
        at += 4;
        if (high >= 0xd800 && high < 0xdc00) {
                if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !hex4(at + 2, end, &low) ||
                    low < 0xdc00 || low >= 0xe000)
                        return NULL;
                high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
        }
        *inout_len += put_utf8(out + *inout_len, high);
        return at;
}

/* A text without its escapes is never longer than with them. */
static bool unescape(struct tk_import_reader *reader, struct tk_str text, struct tk_str *ret_text)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char *out = tk_import_scratch(reader, text.len);
        const char *at = text.ptr, *end = text.ptr + text.len;
        size_t len = 0;
        while (out && at < end) {
                if (*at != '\\') {
                        out[len++] = *at++;
                        continue;
                }
                if (++at == end)
                        return false;
                const char *known = *at ? strchr(from, *at) : NULL;
                if (known) {
                        out[len++] = to[known - from];
                        at++;
                } else if (*at != 'u' || !(at = unescape_unit(at + 1, end, out, &len))) {
                        return false;
                }
        }
        *ret_text = (struct tk_str){out, len};
        return out != NULL;
}

/* Behind its opening quote. */
static bool scan_text(struct scan *scan, struct tk_str *ret_text)
{
        const char *start = scan->at;
        bool escaped = false, ascii = true;
        for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
                unsigned char c = (unsigned char)*scan->at;
                if (c < 0x20)
                        return false;
                ascii = ascii && c < 0x80;
                if (c == '\\') {
                        escaped = true;
                        scan->at++;
                }
        }
        if (scan->at >= scan->end)
                return false;
        struct tk_str text = {start, (size_t)(scan->at - start)};
        scan->at++;
        if (escaped && !unescape(scan->reader, text, &text))
                return false;
        *ret_text = text;
        return ascii || tk_str_is_utf8(text);
}

/* An array or object, as it is written; whether it is well-formed is seen when it is read. */
static bool scan_nested(struct scan *scan, struct tk_str *ret_text)
{
        const char *start = scan->at;
        unsigned depth = 0;
        bool in_text = false;
        for (; scan->at < scan->end; scan->at++) {
                char c = *scan->at;
                if (in_text && c == '\\')
                        scan->at++;
                else if (c == '"')
                        in_text = !in_text;
                else if (!in_text && (c == '{' || c == '[') && ++depth > TK_JSON_DEPTH_MAX)
                        return false;
                else if (!in_text && (c == '}' || c == ']') && --depth == 0)
                        break;
        }
        if (scan->at >= scan->end)
                return false;
        scan->at++;
        *ret_text = (struct tk_str){start, (size_t)(scan->at - start)};
        return true;
}

static bool take_word(struct scan *scan, const char *word)
{
        size_t len = strlen(word);
        if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
                return false;
        scan->at += len;
        return true;
}

static enum tk_err wrong_type(struct tk_fault *fault, const struct tk_import_field *field)
{
        static const char *const wanted[] = {
                [TK_IMPORT_TEXT] = "use a string",
                [TK_IMPORT_TIME] = "use a time such as \"2027-01-31T12:00:00Z\", or null",
                [TK_IMPORT_LIST] = "use an array",
                [TK_IMPORT_OBJECT] = "use an object",
                [TK_IMPORT_METADATA] = "use an object",
        };
        return bad_value(fault, field->name, wanted[field->kind], "it has the wrong type");
}

/* null is as if the member were not there. */
static enum tk_err scan_value(struct scan *scan, int field, struct tk_import_line *line, const char *start)
{
        const struct tk_import_field *info = &tk_import_fields[field];
        struct tk_str text;
        skip_space(scan);
        if (scan->at == scan->end)
                return malformed(scan, start);
        if (take_word(scan, "null"))
                return TK_OK;
        char first = *scan->at;
        bool wants_text = info->kind == TK_IMPORT_TEXT || info->kind == TK_IMPORT_TIME;
        char wants = wants_text ? '"' : info->kind == TK_IMPORT_LIST ? '[' : '{';
        if (first != wants)
                return strchr("\"[{tf-0123456789", first) && first ? wrong_type(scan->fault, info)
                                                                   : malformed(scan, start);
        scan->at += wants_text;
        if (!(wants_text ? scan_text(scan, &text) : scan_nested(scan, &text)))
                return malformed(scan, start);
        return tk_import_field_put(scan->reader, field, text, line, scan->fault);
}

static enum tk_err unknown_member(const struct scan *scan, struct tk_str name)
{
        char field[TK_IMPORT_POINTER_MAX];
        tk_import_point_to(name, field);
        return tk_fault_set(
                scan->fault, TK_FAULT_unknown_field, field,
                "use only key, sha256, api, environment, consumer, name, scopes, limits, restrictions, "
                "not_before, expires_at, metadata, state, hint",
                "there is no such member here");
}

static enum tk_err scan_member(struct scan *scan, struct tk_import_line *line, uint64_t *inout_seen,
                               const char *start)
{
        struct tk_str name;
        if (!take(scan, '"') || !scan_text(scan, &name) || !take(scan, ':'))
                return malformed(scan, start);
        int field = tk_import_field_find(name);
        if (field < 0)
                return unknown_member(scan, name);
        if (*inout_seen & UINT64_C(1) << field) {
                char where[32];
                snprintf(where, sizeof(where), "/%s", tk_import_fields[field].name);
                return tk_fault_set(scan->fault, TK_FAULT_malformed_json, where, "give each member once",
                                    "it appears twice");
        }
        *inout_seen |= UINT64_C(1) << field;
        return scan_value(scan, field, line, start);
}

static enum tk_err read_object(struct tk_import_reader *reader, struct tk_str text,
                               struct tk_import_line *line, struct tk_fault *fault)
{
        struct scan scan = {.reader = reader, .at = text.ptr, .end = text.ptr + text.len, .fault = fault};
        uint64_t seen = 0;
        if (!take(&scan, '{'))
                return malformed(&scan, text.ptr);
        if (!take(&scan, '}')) {
                do {
                        enum tk_err err = scan_member(&scan, line, &seen, text.ptr);
                        if (err != TK_OK)
                                return err;
                } while (take(&scan, ','));
                if (!take(&scan, '}'))
                        return malformed(&scan, text.ptr);
        }
        skip_space(&scan);
        return scan.at == scan.end ? TK_OK : malformed(&scan, text.ptr);
}

/* ---- a line of any format ---- */

enum tk_err tk_import_read(struct tk_import_reader *reader, struct tk_str text, uint64_t number,
                           struct tk_import_line *ret_line, bool *ret_skip, bool *ret_fatal,
                           struct tk_fault *fault)
{
        static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a file with it */
        forget_line(reader);
        *ret_skip = *ret_fatal = false;
        fault->code = TK_FAULT_none;
        if (number == 1 && tk_str_starts_with(text, TK_STR(mark)))
                text = tk_str_skip(text, sizeof(mark) - 1);
        if (text.len > 0 && text.ptr[text.len - 1] == '\r')
                text.len--;
        *ret_line = (struct tk_import_line){
                .number = number, .read_terms = tk_import_read_terms, .context = reader};
        reader->scopes_plain = false;
        if (tk_str_trim(text).len == 0) {
                *ret_skip = true;
                return TK_OK;
        }
        switch (reader->format) {
        case TK_IMPORT_CSV:
                return tk_import_read_csv(reader, text, ret_line, ret_skip, ret_fatal, fault);
        case TK_IMPORT_UNKEY:
        case TK_IMPORT_BETTER_AUTH:
                return tk_import_read_from(reader, text, ret_line, fault);
        case TK_IMPORT_NDJSON:
                break;
        }
        return read_object(reader, text, ret_line, fault);
}
