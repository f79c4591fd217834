/*
 * Formats members of replies: one function a format. Main thread only (it reads the clock for "2h ago").
 */
#include "cli/cell.h"

#include "cli/changes.h"
#include "core/calendar.h"

#include <string.h>
#include <time.h>
#include <wchar.h>

unsigned tk_cli_width(const char *text)
{
        mbstate_t state = {0};
        unsigned width = 0;
        size_t left = strlen(text);
        while (left > 0) {
                wchar_t c;
                size_t used = mbrtowc(&c, text, left, &state);
                if (used == 0 || used > left) {
                        used = 1; /* not UTF-8 */
                        state = (mbstate_t){0};
                        c = L'?';
                }
                int columns = wcwidth(c);
                width += columns < 0 ? 1 : (unsigned)columns;
                text += used;
                left -= used;
        }
        return width;
}

json_t *tk_cli_member(const json_t *object, const char *path)
{
        const char *dot;
        while ((dot = strchr(path, '.')) != NULL) {
                object = json_object_getn(object, path, (size_t)(dot - path));
                path = dot + 1;
        }
        return json_object_get(object, path);
}

/* A copy in which control characters (C0, DEL and C1) are dots. */
static const char *printable(struct tk_arena *arena, const char *text, size_t len)
{
        char *copy = tk_arena_alloc(arena, len + 1);
        for (size_t i = 0; copy && i < len; i++) {
                unsigned char byte = (unsigned char)text[i];
                bool c1 = byte == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0;
                if (c1)
                        copy[i++] = '.';
                copy[i] = byte < 0x20 || byte == 0x7f || c1 ? '.' : text[i];
        }
        return copy;
}

static const char *scalar(struct tk_arena *arena, const json_t *value)
{
        if (json_is_string(value))
                return printable(arena, json_string_value(value), json_string_length(value));
        if (json_is_integer(value))
                return tk_arena_printf(arena, "%lld", (long long)json_integer_value(value)).ptr;
        if (json_is_boolean(value))
                return json_is_true(value) ? "yes" : "no";
        return "";
}

/* ---- time ---- */

/* "45s", "3m", "2h", "12d", to the nearest: enough to judge by. */
static const char *rough(struct tk_arena *arena, int64_t s)
{
        static const struct {
                int64_t from_s, unit_s;
                const char *name;
        } units[] = {{172800, 86400, "d"}, {7200, 3600, "h"}, {120, 60, "m"}, {0, 1, "s"}};
        size_t i = 0;
        while (s < units[i].from_s)
                i++;
        long long count = (s + units[i].unit_s / 2) / units[i].unit_s;
        return tk_arena_printf(arena, "%lld%s", count, units[i].name).ptr;
}

static const char *moment(struct tk_arena *arena, const json_t *value, bool exact)
{
        const char *text = json_string_value(value);
        int64_t at_s;
        if (!text || !tk_time_parse(tk_str_from(text), &at_s))
                return scalar(arena, value);
        int64_t away_s = at_s - (int64_t)time(NULL);
        const char *span = rough(arena, away_s < 0 ? -away_s : away_s);
        const char *relative = NULL;
        if (away_s > -5 && away_s < 5)
                relative = "now";
        else if (span)
                relative = tk_arena_printf(arena, away_s > 0 ? "in %s" : "%s ago", span).ptr;
        if (!exact || !relative)
                return relative;
        return tk_arena_printf(arena, "%s (%s)", text, relative).ptr;
}

static const char *seconds_to_come(struct tk_arena *arena, const json_t *value)
{
        if (!json_is_integer(value))
                return "never";
        if (json_integer_value(value) == 0)
                return "now";
        const char *span = rough(arena, json_integer_value(value));
        return span ? tk_arena_printf(arena, "in %s", span).ptr : NULL;
}

/* ---- things made of several members ---- */

static const char *joined(struct tk_arena *arena, const char *head, const char *separator, const char *tail)
{
        if (!head || !tail)
                return NULL;
        return tk_arena_printf(arena, "%s%s%s", head, head[0] ? separator : "", tail).ptr;
}

static const char *list(struct tk_arena *arena, const json_t *array)
{
        const char *text = "";
        for (size_t i = 0; i < json_array_size(array); i++)
                text = joined(arena, text, " ", scalar(arena, json_array_get(array, i)));
        return text;
}

/* What a rate is per, in the words in which it is asked for: "min", not "1m". A window of 1d is not a calendar day. */
static const char *rate_per(const char *per)
{
        static const char *const words[][2] = {{"1s", "s"}, {"1m", "min"}, {"1h", "h"}, {"1d", "day"}};
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcmp(per, words[i][0]) == 0)
                        return words[i][1];
        return per;
}

/* "100/min" or "100/min, burst 200", from a definition or an answer; of credits, which have no period, what was granted. */
static const char *allowance(struct tk_arena *arena, const json_t *limit)
{
        long long units = json_integer_value(json_object_get(limit, "limit"));
        if (json_is_null(json_object_get(limit, "per")))
                return tk_arena_printf(arena, "%lld", units).ptr;
        const char *per = scalar(arena, json_object_get(limit, "per"));
        if (!per)
                return NULL;
        const json_t *burst = json_object_get(limit, "burst"); /* rates have one */
        const char *text = tk_arena_printf(arena, "%lld/%s", units, burst ? rate_per(per) : per).ptr;
        if (burst && json_integer_value(burst) != units)
                text = joined(arena, text, ", burst ", scalar(arena, burst));
        const char *anchor = json_string_value(json_object_get(limit, "anchor"));
        if (anchor && strcmp(anchor, "subscription") == 0)
                text = joined(arena, text, "", " from the subscription's start");
        if (json_is_true(json_object_get(limit, "shadow")))
                text = joined(arena, text, "", " (not enforced)");
        return text;
}

static const char *limits(struct tk_arena *arena, const json_t *array)
{
        const char *text = "";
        for (size_t i = 0; i < json_array_size(array); i++) {
                const json_t *limit = json_array_get(array, i);
                const char *name = scalar(arena, json_object_get(limit, "name"));
                text = joined(arena, text, "; ", joined(arena, name, " ", allowance(arena, limit)));
        }
        return text;
}

static const char *named(struct tk_arena *arena, const json_t *object, bool exact)
{
        const char *name = scalar(arena, json_object_get(object, "name"));
        const char *id = scalar(arena, json_object_get(object, "id"));
        if (!exact || !name || !id || id[0] == '\0')
                return name;
        return tk_arena_printf(arena, "%s (%s)", name, id).ptr;
}

static const char *compact(struct tk_arena *arena, const json_t *value)
{
        size_t bytes = json_dumpb(value, NULL, 0, JSON_COMPACT);
        char *text = tk_arena_alloc(arena, bytes + 1);
        if (!text)
                return NULL;
        json_dumpb(value, text, bytes, JSON_COMPACT);
        return printable(arena, text, bytes);
}

/* ---- the cell ---- */

static enum tk_cli_colour state_colour(const char *state)
{
        if (strcmp(state, "active") == 0 || strcmp(state, "passed") == 0)
                return TK_CLI_GREEN;
        if (strcmp(state, "suspended") == 0)
                return TK_CLI_YELLOW;
        return strcmp(state, "skipped") == 0 ? TK_CLI_DIM : TK_CLI_RED;
}

static bool nothing(const json_t *value)
{
        bool no_text = json_is_string(value) && json_string_length(value) == 0;
        bool no_items = json_is_array(value) && json_array_size(value) == 0;
        bool no_members = json_is_object(value) && json_object_size(value) == 0;
        return !value || json_is_null(value) || no_text || no_items || no_members;
}

static const char *format(struct tk_arena *arena, enum tk_cli_format how, const json_t *value, bool exact)
{
        switch (how) {
        case TK_CLI_AS_TEXT:
        case TK_CLI_AS_STATE:
                return scalar(arena, value);
        case TK_CLI_AS_TIME:
        case TK_CLI_AS_EXPIRY:
                return moment(arena, value, exact);
        case TK_CLI_AS_SECONDS:
                return seconds_to_come(arena, value);
        case TK_CLI_AS_LIST:
                return list(arena, value);
        case TK_CLI_AS_LIMITS:
                return limits(arena, value);
        case TK_CLI_AS_ALLOWANCE:
                return allowance(arena, value);
        case TK_CLI_AS_NAMED:
                return named(arena, value, exact);
        case TK_CLI_AS_OBJECT:
                return compact(arena, value);
        case TK_CLI_AS_SUBJECT:
                return tk_cli_changes_subject(arena, value);
        case TK_CLI_AS_CHANGES:
                return tk_cli_changes_line(arena, value);
        }
        return "";
}

bool tk_cli_cell_make(struct tk_arena *arena, const struct tk_cli_column *column, const json_t *element,
                      bool exact, struct tk_cli_cell *ret_cell)
{
        const json_t *value = column->member ? tk_cli_member(element, column->member) : element;
        struct tk_cli_cell cell = {.empty = nothing(value)};
        bool never = column->format == TK_CLI_AS_EXPIRY || column->format == TK_CLI_AS_SECONDS;
        if (cell.empty)
                cell.text = never ? "never" : "-";
        else
                cell.text = format(arena, column->format, value, exact);
        if (!cell.text)
                return false;
        if (!cell.empty && column->format == TK_CLI_AS_STATE)
                cell.colour = state_colour(cell.text);
        cell.width = tk_cli_width(cell.text);
        *ret_cell = cell;
        return true;
}
