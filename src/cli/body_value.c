/*
 * Turns the text of one flag into JSON. Whatever the program can judge offline is judged here, so that a slip costs no
 * request; what only the daemon knows is left to it. Main thread only (DURATION reads the clock).
 */
#include "cli/body_value.h"

#include "cli/report.h"
#include "core/limit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int bad_value(const struct tk_cli_given *given, const char *mend)
{
        const char *flag = tk_cli_options[given->option].flag;
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "--%s does not understand \"%s\"", flag,
                           given->value);
}

/* Everything here is small: a NULL is always want of memory, or text that is not UTF-8. */
static int take(json_t *value, const struct tk_cli_given *given, json_t **ret_value)
{
        if (!value)
                return bad_value(given, "use UTF-8 text");
        *ret_value = value;
        return TK_CLI_EXIT_ok;
}

/* ---- single values ---- */

static json_t *time_json(int64_t unix_s)
{
        char text[TK_TIME_TEXT_MAX];
        tk_time_format(unix_s, text);
        return json_string(text);
}

/* `none`, a date (its first second, UTC) or RFC 3339. */
static int value_time(const struct tk_cli_given *given, json_t **ret_value)
{
        if (strcmp(given->value, "none") == 0)
                return take(json_null(), given, ret_value);
        char text[40];
        bool date = strlen(given->value) == strlen("2026-11-23");
        int len = snprintf(text, sizeof(text), "%s%s", given->value, date ? "T00:00:00Z" : "");
        int64_t unix_s;
        if (len >= (int)sizeof(text) || !tk_time_parse(tk_str_from(text), &unix_s))
                return bad_value(given, "use 2027-01-31, 2027-01-31T12:00:00Z, or none");
        return take(time_json(unix_s), given, ret_value);
}

static int value_duration(const struct tk_cli_given *given, json_t **ret_value)
{
        int64_t length_s;
        if (!tk_duration_parse(tk_str_from(given->value), &length_s))
                return bad_value(given, "use a number and a unit: 90s, 15m, 12h, 30d, 2w");
        return take(time_json((int64_t)time(NULL) + length_s), given, ret_value);
}

static int value_number(const struct tk_cli_given *given, json_t **ret_value)
{
        uint64_t number;
        if (!tk_str_to_u64(tk_str_from(given->value), &number) || number > INT64_MAX)
                return bad_value(given, "use a whole number");
        return take(json_integer((json_int_t)number), given, ret_value);
}

static int value_object(const struct tk_cli_given *given, json_t **ret_value)
{
        json_t *object = json_loads(given->value, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(object))
                return take(object, given, ret_value);
        json_decref(object);
        return bad_value(given, "use a JSON object: '{\"account\": \"4711\"}'");
}

int tk_cli_value_single(const struct tk_cli_given *given, json_t **ret_value)
{
        switch (tk_cli_options[given->option].kind) {
        case TK_CLI_FLAG:
                return take(json_true(), given, ret_value);
        case TK_CLI_NUMBER:
                return value_number(given, ret_value);
        case TK_CLI_TIME:
                return value_time(given, ret_value);
        case TK_CLI_DURATION:
                return value_duration(given, ret_value);
        case TK_CLI_OBJECT:
                return value_object(given, ret_value);
        default:
                return take(json_string(given->value), given, ret_value);
        }
}

/* ---- limits ---- */

/* Take `NAME=` off the front; an equals sign after the slash belongs to burst or anchor. */
static struct tk_str cut_name(struct tk_str *inout_text)
{
        struct tk_str name, rest;
        struct tk_str units, per;
        tk_str_cut(*inout_text, '/', &units, &per);
        if (!tk_str_cut(units, '=', &name, &rest))
                return TK_STR_NONE;
        *inout_text = tk_str_skip(*inout_text, name.len + 1);
        return name;
}

/* Take `,anchor=WORD` off the end of a quota. */
static struct tk_str cut_anchor(struct tk_str *inout_text)
{
        struct tk_str head, tail;
        if (!tk_str_cut(*inout_text, ',', &head, &tail) || !tk_str_starts_with(tail, TK_STR("anchor=")))
                return TK_STR_NONE;
        *inout_text = head;
        return tk_str_skip(tail, strlen("anchor="));
}

/* Take `,shadow` off the end. */
static bool cut_shadow(struct tk_str *inout_text)
{
        static const struct tk_str word = {",shadow", 7};
        struct tk_str text = *inout_text;
        if (text.len < word.len || memcmp(text.ptr + text.len - word.len, word.ptr, word.len) != 0)
                return false;
        inout_text->len -= word.len;
        return true;
}

static json_t *limit_json(const struct tk_limit_def *def, struct tk_str name, struct tk_str anchor)
{
        bool rate = def->kind == TK_LIMIT_RATE;
        char per[24];
        tk_limit_per_format(def->period, def->length_s, per);
        json_t *limit = json_pack("{s:s, s:I, s:s}", "kind", rate ? "rate" : "window", "limit",
                                  (json_int_t)def->limit, "per", per);
        if (name.ptr)
                json_object_set_new(limit, "name", json_stringn(name.ptr, name.len));
        if (rate)
                json_object_set_new(limit, "burst", json_integer((json_int_t)def->burst));
        if (anchor.ptr)
                json_object_set_new(limit, "anchor", json_stringn(anchor.ptr, anchor.len));
        if (def->shadow)
                json_object_set_new(limit, "shadow", json_true());
        return limit;
}

int tk_cli_value_limit(const struct tk_cli_given *given, json_t **ret_value)
{
        bool rate = tk_cli_options[given->option].kind == TK_CLI_RATE;
        struct tk_str text = tk_str_from(given->value);
        struct tk_str name = cut_name(&text);
        bool shadow = cut_shadow(&text);
        struct tk_str anchor = rate ? TK_STR_NONE : cut_anchor(&text);
        struct tk_limit_def def;
        if (!tk_limit_text_parse(rate ? TK_LIMIT_RATE : TK_LIMIT_WINDOW, text, &def))
                return bad_value(given,
                                 rate ? "use 100/min, 10/s, 1000/h,burst=50 or name=100/min"
                                      : "use 1000/hour, 10000/day, 500/10m, 1000000/month or name=10000/day");
        def.shadow = shadow;
        return take(limit_json(&def, name, anchor), given, ret_value);
}

/* ---- environments ---- */

int tk_cli_value_environment(const struct tk_cli_given *given, json_t **ret_value)
{
        struct tk_str name, tag;
        bool tagged = tk_str_cut(tk_str_from(given->value), ':', &name, &tag);
        json_t *environment = json_pack("{s:s%}", "name", name.ptr, name.len);
        if (environment && tagged)
                json_object_set_new(environment, "tag", json_stringn(tag.ptr, tag.len));
        return take(environment, given, ret_value);
}
