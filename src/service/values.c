/*
 * Checks of the values that people give: names, texts, limits, scopes, restrictions. Each failure names the field, says
 * what is wrong and how to mend it. Pure but for the arena; any thread.
 */
#include "service/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN_MAX      256
#define METHOD_MAX      32
#define DESCRIBE(value) TK_STR_ARG(shown(value))

/* Enough of a bad value to recognise it in a message. */
static struct tk_str shown(struct tk_str value)
{
        return (struct tk_str){value.ptr ? value.ptr : "", value.len < 80 ? value.len : 80};
}

/* A run of letters, digits and `_`, as long as it gets. */
static struct tk_str next_word(struct tk_str *inout_rest)
{
        struct tk_str rest = *inout_rest;
        size_t start = 0, end;
        while (start < rest.len && !isalnum((unsigned char)rest.ptr[start]))
                start++;
        for (end = start; end < rest.len && (isalnum((unsigned char)rest.ptr[end]) || rest.ptr[end] == '_');)
                end++;
        *inout_rest = tk_str_skip(rest, end);
        return (struct tk_str){rest.ptr + start, end - start};
}

/*
 * What is written here is shown, logged and kept: a key would be in the registry in plain text. Its check
 * characters tell it from what only looks like one.
 */
static enum tk_err refuse_key(struct tk_fault *fault, const char *field, struct tk_str text)
{
        while (text.len > 0) {
                struct tk_key_parts parts;
                if (tk_key_parse(next_word(&text), &parts))
                        return tk_fault_set(fault, TK_FAULT_invalid_value, field,
                                            "leave it out; to speak of a key use its id, such as key_17",
                                            "it holds an API key, and keys are kept nowhere in plain text");
        }
        return TK_OK;
}

enum tk_err tk_value_name(struct tk_fault *fault, const char *field, struct tk_str name)
{
        if (tk_str_is_name(name, TK_NAME_MAX))
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_invalid_value, field,
                            "use 1 to 64 characters a-z 0-9 . _ - that begin with a letter or digit",
                            "\"%.*s\" is not a name", DESCRIBE(name));
}

/* Wider than other names: providers use their own customer ids and mail addresses here. */
enum tk_err tk_value_consumer_name(struct tk_fault *fault, const char *field, struct tk_str name)
{
        enum tk_err err = refuse_key(fault, field, name);
        if (err != TK_OK)
                return err;
        bool good = name.len >= 1 && name.len <= TK_NAME_MAX && isalnum((unsigned char)name.ptr[0]) &&
                    !tk_str_starts_with(name, TK_STR("con_"));
        for (size_t i = 0; good && i < name.len; i++)
                good = isalnum((unsigned char)name.ptr[i]) || memchr("._@+-", name.ptr[i], 5) != NULL;
        if (good)
                return TK_OK;
        return tk_fault_set(
                fault, TK_FAULT_invalid_value, field,
                "use 1 to 64 characters A-Z a-z 0-9 . _ @ + - that begin with a letter or digit, not with "
                "con_, which is for ids",
                "\"%.*s\" is not a consumer name", DESCRIBE(name));
}

enum tk_err tk_value_text(struct tk_fault *fault, const char *field, struct tk_str text, size_t max)
{
        if (text.len > max)
                return tk_fault_set(fault, TK_FAULT_invalid_value, field, "make it shorter",
                                    "it has %zu bytes, %zu are allowed", text.len, max);
        for (size_t i = 0; i < text.len; i++) {
                if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
                        return tk_fault_set(fault, TK_FAULT_invalid_value, field,
                                            "leave control characters out", "byte %zu is a control character",
                                            i);
        }
        if (!tk_str_is_utf8(text))
                return tk_fault_set(fault, TK_FAULT_invalid_value, field, "send it as UTF-8",
                                    "it is not UTF-8");
        return refuse_key(fault, field, text);
}

bool tk_text_changes(struct tk_str given, struct tk_str current)
{
        return given.ptr && !tk_str_equal(given, current);
}

enum tk_err tk_value_metadata(struct tk_fault *fault, struct tk_str metadata)
{
        if (metadata.len > TK_METADATA_MAX)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/metadata",
                                    "keep large data elsewhere and an id of it here",
                                    "it has %zu bytes as compact JSON, %d are allowed", metadata.len,
                                    TK_METADATA_MAX);
        return refuse_key(fault, "/metadata", metadata);
}

/* ---- limits ---- */

static enum tk_err limit_fault(struct tk_fault *fault, size_t index, const char *member, const char *mend,
                               const char *detail)
{
        char field[TK_FIELD_PATH_MAX];
        snprintf(field, sizeof(field), "/limits/%zu/%s", index, member);
        return tk_fault_set(fault, TK_FAULT_invalid_value, field, mend, "%s", detail);
}

static enum tk_err limit_kind(struct tk_fault *fault, size_t index, const struct tk_input_limit *input,
                              struct tk_limit_def *def)
{
        if (!input->kind.ptr || tk_str_equal(input->kind, TK_STR("rate")))
                def->kind = TK_LIMIT_RATE;
        else if (tk_str_equal(input->kind, TK_STR("window")))
                def->kind = TK_LIMIT_WINDOW;
        else
                return limit_fault(fault, index, "kind", "use rate or window", "it is not a kind of limit");

        if (!input->anchor.ptr || tk_str_equal(input->anchor, TK_STR("utc")))
                def->anchored = false;
        else if (tk_str_equal(input->anchor, TK_STR("subscription")) && def->kind == TK_LIMIT_WINDOW)
                def->anchored = true;
        else
                return limit_fault(fault, index, "anchor",
                                   "use utc or subscription, and only with kind window",
                                   "it is not an anchor of this limit");
        return TK_OK;
}

static enum tk_err limit_name(struct tk_fault *fault, size_t index, const struct tk_input_limit *input,
                              struct tk_limit_def *def)
{
        struct tk_str name = input->name;
        if (!name.ptr)
                name = def->kind == TK_LIMIT_RATE ? TK_STR("requests") : TK_STR("quota");
        if (!tk_str_is_name(name, TK_LIMIT_NAME_MAX))
                return limit_fault(fault, index, "name",
                                   "use 1 to 32 characters a-z 0-9 . _ - that begin with a letter or digit",
                                   "it is not a name");
        memcpy(def->name, name.ptr, name.len);
        def->name[name.len] = '\0';
        return TK_OK;
}

/* What tk_limit_def_check() holds a definition to, and the member to blame. */
static enum tk_err out_of_range(struct tk_fault *fault, size_t index, const struct tk_limit_def *def,
                                const char *why)
{
        bool rate = def->kind == TK_LIMIT_RATE;
        int64_t longest_s = rate ? (int64_t)(TK_LIMIT_WINDOW_MAX_NS / TK_NS_PER_S) : TK_LIMIT_LENGTH_MAX_S;
        bool too_long = def->period == TK_PERIOD_FIXED && (def->length_s < 1 || def->length_s > longest_s);
        bool limit_fits = def->limit >= 1 && def->limit <= TK_LIMIT_UNITS_MAX;
        bool burst_fits = def->burst >= 1 && def->burst <= TK_LIMIT_UNITS_MAX;
        const char *member = too_long ? "per" : rate && limit_fits && !burst_fits ? "burst" : "limit";
        return limit_fault(
                fault, index, member,
                rate ? "use a limit and a burst of 1 to 1000000000000000, at most 1000000000 a second, per "
                       "1s to 366d"
                     : "use a limit of 0 to 1000000000000000, per 1s to 3660d, or per hour, day, week or "
                       "month",
                why);
}

static enum tk_err check_limit(struct tk_fault *fault, size_t index, const struct tk_input_limit *input,
                               struct tk_limit_def *ret_def)
{
        struct tk_limit_def def = {0};
        enum tk_err err = limit_kind(fault, index, input, &def);
        if (err == TK_OK)
                err = limit_name(fault, index, input, &def);
        if (err != TK_OK)
                return err;
        if (!input->limit_set)
                return limit_fault(fault, index, "limit", "say how many units are allowed", "it is missing");
        if (!tk_limit_per_parse(def.kind, input->per, &def.period, &def.length_s))
                return limit_fault(fault, index, "per",
                                   "use a duration such as 10s, 1m, 12h, 30d, or second, minute, hour, day, "
                                   "week (windows "
                                   "only), month",
                                   "it is not a period");
        if (input->burst_set && def.kind == TK_LIMIT_WINDOW)
                return limit_fault(fault, index, "burst", "leave it out, or use kind rate",
                                   "a window has no burst");
        def.limit = input->limit;
        def.shadow = input->shadow;
        if (def.kind == TK_LIMIT_RATE)
                def.burst = input->burst_set ? input->burst : input->limit;
        const char *why;
        if (tk_limit_def_check(&def, &why) != TK_OK)
                return out_of_range(fault, index, &def, why);
        *ret_def = def;
        return TK_OK;
}

enum tk_err tk_value_limits(struct tk_fault *fault, const struct tk_input_limits *input,
                            struct tk_limit_def ret_limits[TK_LIMITS_MAX], uint32_t *ret_count)
{
        if (input->count > TK_LIMITS_MAX)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/limits", "use fewer limits",
                                    "there are %zu, %d are allowed", input->count, TK_LIMITS_MAX);
        for (size_t i = 0; i < input->count; i++) {
                enum tk_err err = check_limit(fault, i, &input->items[i], &ret_limits[i]);
                if (err != TK_OK)
                        return err;
                for (size_t j = 0; j < i; j++)
                        if (strcmp(ret_limits[i].name, ret_limits[j].name) == 0)
                                return limit_fault(fault, i, "name", "give each limit a name of its own",
                                                   "another limit here has this name");
        }
        *ret_count = (uint32_t)input->count;
        return TK_OK;
}

/* ---- scopes ---- */

static int compare_str(const void *a, const void *b)
{
        return tk_str_compare(*(const struct tk_str *)a, *(const struct tk_str *)b);
}

enum tk_err tk_value_scopes(struct tk_fault *fault, const struct tk_input_list *input,
                            struct tk_str ret_scopes[TK_KEY_SCOPES_MAX], uint32_t *ret_count)
{
        if (input->count > TK_KEY_SCOPES_MAX)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/scopes",
                                    "use a wildcard such as forecast:*", "there are %zu, %d are allowed",
                                    input->count, TK_KEY_SCOPES_MAX);
        for (size_t i = 0; i < input->count; i++) {
                if (tk_scope_pattern_valid(input->items[i])) {
                        ret_scopes[i] = input->items[i];
                        continue;
                }
                char field[TK_FIELD_PATH_MAX];
                snprintf(field, sizeof(field), "/scopes/%zu", i);
                return tk_fault_set(fault, TK_FAULT_invalid_value, field,
                                    "use resource:action, resource:* or *", "\"%.*s\" is not a scope",
                                    DESCRIBE(input->items[i]));
        }
        if (input->count > 0)
                qsort(ret_scopes, input->count, sizeof(ret_scopes[0]), compare_str);
        uint32_t kept = 0;
        for (size_t i = 0; i < input->count; i++)
                if (kept == 0 || !tk_str_equal(ret_scopes[kept - 1], ret_scopes[i]))
                        ret_scopes[kept++] = ret_scopes[i];
        *ret_count = kept;
        return TK_OK;
}

void tk_scope_place(const struct tk_input_list *given, struct tk_str pattern,
                    char ret_field[TK_FIELD_PATH_MAX])
{
        ret_field[0] = '\0';
        for (size_t i = 0; i < given->count; i++) {
                if (!tk_str_equal(given->items[i], pattern))
                        continue;
                snprintf(ret_field, TK_FIELD_PATH_MAX, "/scopes/%zu", i);
                return;
        }
}

/* ---- restrictions ---- */

static enum tk_err restriction_fault(struct tk_fault *fault, const char *list, size_t index, const char *mend,
                                     struct tk_str value)
{
        char field[TK_FIELD_PATH_MAX];
        snprintf(field, sizeof(field), "/restrictions/%s/%zu", list, index);
        return tk_fault_set(fault, TK_FAULT_invalid_value, field, mend, "\"%.*s\" is not acceptable here",
                            DESCRIBE(value));
}

static enum tk_err list_fits(struct tk_fault *fault, const char *list, const struct tk_input_list *input)
{
        if (input->count <= TK_RESTRICTIONS_MAX)
                return TK_OK;
        char field[TK_FIELD_PATH_MAX];
        snprintf(field, sizeof(field), "/restrictions/%s", list);
        return tk_fault_set(fault, TK_FAULT_invalid_value, field, "use fewer, wider entries",
                            "there are %zu, %d are allowed", input->count, TK_RESTRICTIONS_MAX);
}

/* scheme://host[:port], lower case; the host may begin with `*.`. No path, no trailing slash. */
static bool origin_valid(struct tk_str origin)
{
        struct tk_str host;
        if (tk_str_starts_with(origin, TK_STR("https://")))
                host = tk_str_skip(origin, 8);
        else if (tk_str_starts_with(origin, TK_STR("http://")))
                host = tk_str_skip(origin, 7);
        else
                return false;
        if (tk_str_starts_with(host, TK_STR("*.")))
                host = tk_str_skip(host, 2);
        if (host.len == 0 || origin.len > ORIGIN_MAX)
                return false;
        for (size_t i = 0; i < host.len; i++) {
                char c = host.ptr[i];
                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !memchr(".-:[]", c, 5))
                        return false;
        }
        return true;
}

static enum tk_err check_cidrs(struct tk_fault *fault, const struct tk_input_list *input,
                               struct tk_restrictions *inout)
{
        if (!input->set)
                return TK_OK;
        enum tk_err err = list_fits(fault, "cidrs", input);
        if (err != TK_OK)
                return err;
        for (size_t i = 0; i < input->count; i++)
                if (!tk_cidr_parse(input->items[i], &inout->cidrs[i]))
                        return restriction_fault(
                                fault, "cidrs", i,
                                "use a block such as 203.0.113.0/24 or 2001:db8::/32 with no host bits set",
                                input->items[i]);
        inout->cidr_count = (uint32_t)input->count;
        return TK_OK;
}

static enum tk_err check_origins(struct tk_fault *fault, const struct tk_input_list *input,
                                 struct tk_restrictions *inout)
{
        if (!input->set)
                return TK_OK;
        enum tk_err err = list_fits(fault, "origins", input);
        if (err != TK_OK)
                return err;
        for (size_t i = 0; i < input->count; i++) {
                if (!origin_valid(input->items[i]))
                        return restriction_fault(
                                fault, "origins", i,
                                "use https://host, https://host:port or https://*.domain in lower case",
                                input->items[i]);
                inout->origins[i] = input->items[i];
        }
        inout->origin_count = (uint32_t)input->count;
        return TK_OK;
}

static enum tk_err check_methods(struct tk_fault *fault, const struct tk_input_list *input,
                                 struct tk_arena *arena, struct tk_restrictions *inout)
{
        if (!input->set)
                return TK_OK;
        enum tk_err err = list_fits(fault, "methods", input);
        if (err != TK_OK)
                return err;
        for (size_t i = 0; i < input->count; i++) {
                struct tk_str method = input->items[i];
                char *upper = tk_arena_alloc(arena, method.len + 1);
                if (!upper)
                        return TK_NOMEM;
                bool good = method.len >= 1 && method.len <= METHOD_MAX;
                for (size_t j = 0; good && j < method.len; j++) {
                        good = isalpha((unsigned char)method.ptr[j]) || method.ptr[j] == '-';
                        upper[j] = (char)toupper((unsigned char)method.ptr[j]);
                }
                if (!good)
                        return restriction_fault(fault, "methods", i, "use a method such as GET", method);
                inout->methods[i] = (struct tk_str){upper, method.len};
        }
        inout->method_count = (uint32_t)input->count;
        return TK_OK;
}

static enum tk_err check_paths(struct tk_fault *fault, const struct tk_input_list *input,
                               struct tk_restrictions *inout)
{
        if (!input->set)
                return TK_OK;
        enum tk_err err = list_fits(fault, "paths", input);
        if (err != TK_OK)
                return err;
        for (size_t i = 0; i < input->count; i++) {
                if (!tk_path_template_valid(input->items[i]))
                        return restriction_fault(fault, "paths", i,
                                                 "use a template such as /v1/forecast/{city} or /v1/**",
                                                 input->items[i]);
                inout->paths[i] = input->items[i];
        }
        inout->path_count = (uint32_t)input->count;
        return TK_OK;
}

enum tk_err tk_value_restrictions(struct tk_fault *fault, const struct tk_input_key *input,
                                  struct tk_arena *arena, struct tk_restrictions *inout)
{
        enum tk_err err = check_cidrs(fault, &input->cidrs, inout);
        if (err == TK_OK)
                err = check_origins(fault, &input->origins, inout);
        if (err == TK_OK)
                err = check_methods(fault, &input->methods, arena, inout);
        if (err == TK_OK)
                err = check_paths(fault, &input->paths, inout);
        return err;
}

enum tk_err tk_value_validity(struct tk_fault *fault, int64_t not_before_s, int64_t expires_s)
{
        /* The gate keeps 32-bit seconds. */
        if (not_before_s > UINT32_MAX || expires_s > UINT32_MAX)
                return tk_fault_set(
                        fault, TK_FAULT_invalid_value, expires_s > UINT32_MAX ? "/expires_at" : "/not_before",
                        "use a time before 2106-02-07T06:28:15Z, or null for no bound", "it is too far away");
        if (expires_s != 0 && not_before_s >= expires_s)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/expires_at",
                                    "make it later than not_before", "the key would never be valid");
        return TK_OK;
}
