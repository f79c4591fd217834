/*
 * The reader of verify's body. See question.h. First the grammar of JSON (RFC 8259), as far as this object needs it, then
 * its members.
 */
#include "http/question.h"

#include "core/limit.h"
#include "core/path.h"

#include <stdio.h>
#include <string.h>

#define METHOD_MAX     32
#define ORIGIN_MAX     512
#define SCOPE_LIST_MAX (TK_SCOPE_EXPR_MAX_OPS / 2) /* n names take n - 1 operators */

struct reading {
        char *start, *at, *end;
        struct tk_question *question;
        struct tk_fault *fault;
        uint32_t seen; /* bit i: members[i] was given */
};

/* ---- grammar ---- */

static enum tk_err malformed(const struct reading *reading, const char *detail)
{
        return tk_fault_set(reading->fault, TK_FAULT_malformed_json, "",
                            "send one JSON object (RFC 8259) in UTF-8", "%s at byte %zu", detail,
                            (size_t)(reading->at - reading->start));
}

static void skip_space(struct reading *reading)
{
        while (reading->at < reading->end &&
               (*reading->at == ' ' || *reading->at == '\n' || *reading->at == '\t' || *reading->at == '\r'))
                reading->at++;
}

/* Skip space, then take `c` if it is next. */
static bool take(struct reading *reading, char c)
{
        skip_space(reading);
        if (reading->at >= reading->end || *reading->at != c)
                return false;
        reading->at++;
        return true;
}

static bool take_word(struct reading *reading, struct tk_str word)
{
        struct tk_str rest = {reading->at, (size_t)(reading->end - reading->at)};
        if (!tk_str_starts_with(rest, word))
                return false;
        reading->at += word.len;
        return true;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits after `\u`. */
static bool take_code_unit(struct reading *reading, uint32_t *ret_unit)
{
        if (reading->end - reading->at < 4)
                return false;
        uint32_t unit = 0;
        for (int i = 0; i < 4; i++) {
                int digit = hex_digit(*reading->at++);
                if (digit < 0)
                        return false;
                unit = unit * 16 + (uint32_t)digit;
        }
        *ret_unit = unit;
        return true;
}

/* Shorter than the escape that it stands for, so it can be written over it. */
static char *put_utf8(char *out, uint32_t c)
{
        if (c < 0x80) {
                *out++ = (char)c;
        } else if (c < 0x800) {
                *out++ = (char)(0xC0 | c >> 6);
                *out++ = (char)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
                *out++ = (char)(0xE0 | c >> 12);
                *out++ = (char)(0x80 | (c >> 6 & 0x3F));
                *out++ = (char)(0x80 | (c & 0x3F));
        } else {
                *out++ = (char)(0xF0 | c >> 18);
                *out++ = (char)(0x80 | (c >> 12 & 0x3F));
                *out++ = (char)(0x80 | (c >> 6 & 0x3F));
                *out++ = (char)(0x80 | (c & 0x3F));
        }
        return out;
}

/* `\uXXXX`, with its low surrogate where it needs one; NUL is refused. */
static bool take_unicode_escape(struct reading *reading, char **inout)
{
        uint32_t c, low;
        if (!take_code_unit(reading, &c) || c == 0 || (c >= 0xDC00 && c < 0xE000))
                return false;
        if (c >= 0xD800 && c < 0xDC00) {
                if (!take_word(reading, TK_STR("\\u")) || !take_code_unit(reading, &low) || low < 0xDC00 ||
                    low >= 0xE000)
                        return false;
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        }
        *inout = put_utf8(*inout, c);
        return true;
}

/* reading->at is behind the backslash. */
static bool take_escape(struct reading *reading, char **inout)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        if (reading->at >= reading->end)
                return false;
        char c = *reading->at++;
        if (c == 'u')
                return take_unicode_escape(reading, inout);
        const char *found = c ? strchr(from, c) : NULL;
        if (!found)
                return false;
        *(*inout)++ = to[found - from];
        return true;
}

/* What ends a run of bytes that a string holds as they are. */
static const bool special[256] = {[0 ... 0x1f] = true, ['"'] = true, ['\\'] = true};

/* Move the run at reading->at down to `out`, over the escapes that were longer than what they stand for. */
static void take_run(struct reading *reading, char **inout, unsigned char *inout_seen)
{
        char *at = reading->at, *out = *inout;
        unsigned char seen =
                *inout_seen; /* all bits of all bytes: the highest is set when one is not ASCII */
        while (at < reading->end && !special[(unsigned char)*at]) {
                seen |= (unsigned char)*at;
                *out++ = *at++;
        }
        reading->at = at;
        *inout = out;
        *inout_seen = seen;
}

/* A string whose opening quote has been taken. */
static enum tk_err take_text(struct reading *reading, struct tk_str *ret_text)
{
        char *start = reading->at, *out = start;
        unsigned char seen = 0;
        for (;;) {
                take_run(reading, &out, &seen);
                if (reading->at >= reading->end)
                        return malformed(reading, "a string without an end");
                char c = *reading->at++;
                if (c == '"')
                        break;
                if (c != '\\')
                        return malformed(reading, "a control character in a string");
                if (!take_escape(reading, &out))
                        return malformed(reading, "an escape that is not one, or a NUL");
        }
        *ret_text = (struct tk_str){start, (size_t)(out - start)};
        if (seen >= 0x80 && !tk_str_is_utf8(*ret_text))
                return malformed(reading, "bytes that are not UTF-8");
        return TK_OK;
}

/* ---- faults of members ---- */

static enum tk_err invalid(const struct reading *reading, const char *field, const char *mend,
                           const char *detail)
{
        return tk_fault_set(reading->fault, TK_FAULT_invalid_value, field, mend, "%s", detail);
}

/* A member that must be a string. */
static enum tk_err member_text(struct reading *reading, const char *field, struct tk_str *ret_text)
{
        if (!take(reading, '"'))
                return invalid(reading, field, "use a string", "it is not a string");
        return take_text(reading, ret_text);
}

/* ---- members ---- */

static enum tk_err read_key(struct reading *reading)
{
        skip_space(reading);
        if (take_word(reading, TK_STR("null")))
                return TK_OK;
        return member_text(reading, "/key", &reading->question->key);
}

static enum tk_err read_api(struct reading *reading)
{
        return member_text(reading, "/api", &reading->question->api);
}

static enum tk_err read_environment(struct reading *reading)
{
        return member_text(reading, "/environment", &reading->question->environment);
}

/* A token of HTTP (RFC 9110, section 5.6.2), in upper case. */
static enum tk_err read_method(struct reading *reading)
{
        struct tk_str text;
        enum tk_err err = member_text(reading, "/method", &text);
        if (err != TK_OK)
                return err;
        bool good = text.len >= 1 && text.len <= METHOD_MAX;
        for (size_t i = 0; good && i < text.len; i++) {
                char *c = reading->start + (text.ptr - reading->start) + i;
                bool lower = *c >= 'a' && *c <= 'z';
                good = lower || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                       (*c != '\0' && strchr("!#$%&'*+-.^_`|~", *c));
                if (lower)
                        *c = (char)(*c - 'a' + 'A');
        }
        if (!good)
                return invalid(reading, "/method", "use a method such as GET", "it is not an HTTP method");
        reading->question->method = text;
        return TK_OK;
}

static enum tk_err read_path(struct reading *reading)
{
        struct tk_str text;
        enum tk_err err = member_text(reading, "/path", &text);
        if (err != TK_OK)
                return err;
        if (text.len == 0 || text.ptr[0] != '/' || text.len > TK_PATH_MAX)
                return invalid(reading, "/path",
                               "send the path as received, from its first / to before the ?",
                               "it does not begin with / or is longer than 4096 bytes");
        reading->question->path = text;
        return TK_OK;
}

static enum tk_err read_origin(struct reading *reading)
{
        struct tk_str text;
        enum tk_err err = member_text(reading, "/origin", &text);
        if (err != TK_OK)
                return err;
        if (text.len > ORIGIN_MAX)
                return invalid(reading, "/origin", "send the Origin header as received",
                               "it is longer than 512 bytes");
        reading->question->origin = text;
        return TK_OK;
}

static enum tk_err read_ip(struct reading *reading)
{
        struct tk_str text;
        enum tk_err err = member_text(reading, "/ip", &text);
        if (err != TK_OK)
                return err;
        if (!tk_ip_parse(text, &reading->question->ip))
                return invalid(reading, "/ip",
                               "use an address such as 203.0.113.7 or 2001:db8::7, without a port",
                               "it is not an IP address");
        return TK_OK;
}

static bool ends_number(const struct reading *reading)
{
        return reading->at >= reading->end || !memchr("0123456789.eE+-", *reading->at, 15);
}

static enum tk_err read_cost(struct reading *reading)
{
        skip_space(reading);
        const char *digits = reading->at;
        while (reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9')
                reading->at++;
        struct tk_str text = {digits, (size_t)(reading->at - digits)};
        bool leading_zero = text.len > 1 && digits[0] == '0';
        uint64_t cost;
        if (leading_zero || !ends_number(reading) || !tk_str_to_u64(text, &cost) || cost > TK_LIMIT_COST_MAX)
                return invalid(reading, "/cost", "use a whole number from 0 to 1000000000000",
                               "it is not a whole number from 0 to 1000000000000");
        reading->question->cost = cost;
        reading->question->cost_given = true;
        return TK_OK;
}

static enum tk_err read_match_route(struct reading *reading)
{
        skip_space(reading);
        reading->question->match_route = take_word(reading, TK_STR("true"));
        if (reading->question->match_route || take_word(reading, TK_STR("false")))
                return TK_OK;
        return invalid(reading, "/match_route", "use true or false", "it is not true or false");
}

static enum tk_err read_unknown_route(struct reading *reading)
{
        struct tk_str text;
        enum tk_err err = member_text(reading, "/unknown_route", &text);
        if (err != TK_OK)
                return err;
        reading->question->pass_unknown_route = tk_str_equal(text, TK_STR("pass"));
        if (reading->question->pass_unknown_route || tk_str_equal(text, TK_STR("refuse")))
                return TK_OK;
        return invalid(reading, "/unknown_route", "use refuse or pass", "it is neither refuse nor pass");
}

static enum tk_err scope_expression(struct reading *reading)
{
        struct tk_str text;
        enum tk_err err = take_text(reading, &text);
        if (err != TK_OK)
                return err;
        size_t error_at = 0;
        if (tk_scope_expr_parse(text, &reading->question->scope, &error_at))
                return TK_OK;
        return tk_fault_set(reading->fault, TK_FAULT_invalid_value, "/scope",
                            "use scopes such as forecast:read, with and, or and parentheses between them",
                            "it is not a scope expression: see byte %zu", error_at);
}

/* One more that is required: after the first, each name is followed by its `and`. */
static void require(struct tk_scope_expr *scope, struct tk_str name)
{
        bool first = scope->op_count == 0;
        scope->ops[scope->op_count].op = TK_SCOPE_NAME;
        scope->ops[scope->op_count++].name = name;
        if (!first)
                scope->ops[scope->op_count++].op = TK_SCOPE_AND;
}

static enum tk_err scope_item(struct reading *reading, unsigned index)
{
        char field[24];
        snprintf(field, sizeof(field), "/scope/%u", index);
        struct tk_str name;
        enum tk_err err = member_text(reading, field, &name);
        if (err != TK_OK)
                return err;
        if (index >= SCOPE_LIST_MAX)
                return invalid(reading, "/scope", "use at most 32", "there are too many");
        if (!tk_scope_name_valid(name))
                return invalid(reading, field, "use a scope such as forecast:read", "it is not a scope");
        require(&reading->question->scope, name);
        return TK_OK;
}

static enum tk_err scope_list(struct reading *reading)
{
        if (take(reading, ']'))
                return TK_OK;
        for (unsigned index = 0;; index++) {
                enum tk_err err = scope_item(reading, index);
                if (err != TK_OK)
                        return err;
                if (take(reading, ']'))
                        return TK_OK;
                if (!take(reading, ','))
                        return malformed(reading, "a list that does not go on");
        }
}

static enum tk_err read_scope(struct reading *reading)
{
        if (take(reading, '"'))
                return scope_expression(reading);
        if (take(reading, '['))
                return scope_list(reading);
        return invalid(reading, "/scope", "use a string or an array of strings",
                       "it is neither a string nor an array");
}

static const struct {
        struct tk_str name;
        enum tk_err (*read)(struct reading *reading);
} members[] = {
        {TK_STR("key"), read_key},
        {TK_STR("api"), read_api},
        {TK_STR("environment"), read_environment},
        {TK_STR("scope"), read_scope},
        {TK_STR("method"), read_method},
        {TK_STR("path"), read_path},
        {TK_STR("ip"), read_ip},
        {TK_STR("origin"), read_origin},
        {TK_STR("cost"), read_cost},
        {TK_STR("match_route"), read_match_route},
        {TK_STR("unknown_route"), read_unknown_route},
};
#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

/* ---- the object ---- */

static enum tk_err unknown_member(const struct reading *reading, struct tk_str name)
{
        char field[sizeof(reading->fault->field)];
        snprintf(field, sizeof(field), "/%.*s", (int)(name.len < 80 ? name.len : 80), name.ptr);
        return tk_fault_set(
                reading->fault, TK_FAULT_unknown_field, field,
                "use only key, api, environment, scope, method, path, ip, origin, cost, match_route, "
                "unknown_route",
                "there is no such member here");
}

static enum tk_err given_twice(const struct reading *reading, struct tk_str name)
{
        char field[sizeof(reading->fault->field)];
        snprintf(field, sizeof(field), "/%.*s", TK_STR_ARG(name));
        return tk_fault_set(reading->fault, TK_FAULT_malformed_json, field, "give each member once",
                            "it is given twice");
}

static enum tk_err read_member(struct reading *reading)
{
        struct tk_str name;
        if (!take(reading, '"'))
                return malformed(reading, "no member name");
        enum tk_err err = take_text(reading, &name);
        if (err != TK_OK)
                return err;
        if (!take(reading, ':'))
                return malformed(reading, "no colon after a member name");
        for (size_t i = 0; i < MEMBER_COUNT; i++) {
                if (name.len != members[i].name.len || memcmp(name.ptr, members[i].name.ptr, name.len) != 0)
                        continue;
                if (reading->seen & 1u << i)
                        return given_twice(reading, name);
                reading->seen |= 1u << i;
                return members[i].read(reading);
        }
        return unknown_member(reading, name);
}

static enum tk_err read_object(struct reading *reading)
{
        if (!take(reading, '{'))
                return malformed(reading, "no object");
        if (take(reading, '}'))
                return TK_OK;
        for (;;) {
                enum tk_err err = read_member(reading);
                if (err != TK_OK)
                        return err;
                if (take(reading, '}'))
                        return TK_OK;
                if (!take(reading, ','))
                        return malformed(reading, "an object that does not go on");
        }
}

/* A request without a method or a path is for no route that one could know of. */
static enum tk_err check_route(const struct reading *reading)
{
        const struct tk_question *question = reading->question;
        if (question->match_route && !question->method.ptr)
                return invalid(reading, "/method", "give the request's method, for match_route",
                               "it is missing");
        if (question->match_route && !question->path.ptr)
                return invalid(reading, "/path", "give the request's path, for match_route", "it is missing");
        if (question->pass_unknown_route && !question->match_route)
                return invalid(reading, "/unknown_route", "give match_route: true as well, or leave it out",
                               "it says what to do where a route is looked for");
        return TK_OK;
}

enum tk_err tk_question_read(char *json, size_t len, struct tk_question *ret_question, struct tk_fault *fault)
{
        struct tk_question *question = ret_question;
        question->key = question->api = question->method = question->path = question->origin = TK_STR_NONE;
        question->environment = TK_STR("production");
        question->ip = (struct tk_ip){0};
        question->cost = 1;
        question->cost_given = question->match_route = question->pass_unknown_route = false;
        question->scope.op_count = 0; /* the rest of it, some 1.5 KiB, is read only up to here */
        struct reading reading = {
                .start = json, .at = json, .end = json + len, .question = question, .fault = fault};
        enum tk_err err = read_object(&reading);
        if (err != TK_OK)
                return err;
        skip_space(&reading);
        if (reading.at != reading.end)
                return malformed(&reading, "something after the object");
        if (!question->api.ptr)
                return invalid(&reading, "/api", "say which API the key is for", "it is missing");
        return check_route(&reading);
}
