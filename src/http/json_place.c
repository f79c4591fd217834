/*
 * Places in JSON documents. See json_place.h.
 */
#include "http/json_place.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdio.h>

/* ---- steps ---- */

static void append(struct tk_json_place *place, char c)
{
        if (place->len + 1 >= sizeof(place->at))
                return;
        place->at[place->len++] = c;
        place->at[place->len] = '\0';
}

/* Escaped as RFC 6901 wants. */
size_t tk_json_enter(struct tk_json_place *place, const char *member)
{
        size_t before = place->len;
        append(place, '/');
        for (; *member; member++) {
                if (*member == '~' || *member == '/') {
                        append(place, '~');
                        append(place, *member == '~' ? '0' : '1');
                } else {
                        append(place, *member);
                }
        }
        return before;
}

size_t tk_json_enter_index(struct tk_json_place *place, size_t index)
{
        char step[24];
        snprintf(step, sizeof(step), "%zu", index);
        return tk_json_enter(place, step);
}

void tk_json_leave(struct tk_json_place *place, size_t before)
{
        place->len = before;
        place->at[before] = '\0';
}

/* ---- finding ---- */

/* An object or array that is open. */
struct level {
        bool list, name_next;
        size_t index;
        struct tk_str name; /* of the member, with its quotes; ptr NULL before the first */
};

struct walk {
        struct level levels[TK_JSON_DEPTH_MAX + 1]; /* [0] is the document itself */
        unsigned depth;
};

/* Past the string that begins at `start`, or `end`. */
static size_t string_end(struct tk_str body, size_t start, size_t end)
{
        size_t i = start + 1;
        while (i < end && body.ptr[i] != '"')
                i += body.ptr[i] == '\\' ? 2 : 1;
        return i < end ? i + 1 : end;
}

static void take_string(struct level *level, struct tk_str text)
{
        if (!level->name_next)
                return;
        level->name = text;
        level->name_next = false;
}

/* False where it is too deep to go on. */
static bool take_mark(struct walk *walk, char mark)
{
        struct level *level = &walk->levels[walk->depth];
        if (mark == '{' || mark == '[') {
                if (walk->depth == TK_JSON_DEPTH_MAX)
                        return false;
                walk->levels[++walk->depth] = (struct level){.list = mark == '[', .name_next = mark == '{'};
        } else if (mark == '}' || mark == ']') {
                walk->depth -= walk->depth > 0;
        } else if (mark == ',') {
                level->index++;
                level->name_next = !level->list;
        }
        return true;
}

static void enter_level(struct tk_json_place *place, const struct level *level)
{
        if (level->list) {
                tk_json_enter_index(place, level->index);
                return;
        }
        json_t *name =
                json_loadb(level->name.ptr ? level->name.ptr : "", level->name.len, JSON_DECODE_ANY, NULL);
        if (name)
                tk_json_enter(place, json_string_value(name));
        json_decref(name);
}

struct tk_json_place tk_json_locate(struct tk_str body, size_t end)
{
        struct walk walk = {0};
        bool on = true;
        end = end < body.len ? end : body.len;
        for (size_t i = 0; on && i < end;) {
                if (body.ptr[i] != '"') {
                        on = take_mark(&walk, body.ptr[i++]);
                        continue;
                }
                size_t next = string_end(body, i, end);
                take_string(&walk.levels[walk.depth], (struct tk_str){body.ptr + i, next - i});
                i = next;
        }
        struct tk_json_place place = {0};
        for (unsigned i = 1; i <= walk.depth; i++)
                enter_level(&place, &walk.levels[i]);
        return place;
}
