/*
 * Compares before and after, member by member. See changes.h.
 */
#include "cli/changes.h"

#include "cli/cell.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define CHANGES_MAX 64 /* members; no object has as many */
#define DEPTH_MAX   4

struct change {
        const char *member; /* a path with dots */
        const json_t *before, *after;
};

struct changes {
        struct tk_arena *arena;
        struct change items[CHANGES_MAX];
        size_t count;
        bool failed;
};

/* What changes with each change, and what nobody asks for, says nothing. */
static bool is_noise(const char *member)
{
        static const char *const noise[] = {"version", "created_at", "updated_at", "id"};
        for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
                if (strcmp(member, noise[i]) == 0)
                        return true;
        return false;
}

static bool is_empty(const json_t *value)
{
        return !value || json_is_null(value) || json_is_false(value) ||
               (json_is_string(value) && json_string_length(value) == 0) ||
               (json_is_array(value) && json_array_size(value) == 0) ||
               (json_is_object(value) && json_object_size(value) == 0);
}

static void compare(struct changes *changes, const char *path, const json_t *before, const json_t *after,
                    unsigned depth);

static void compare_member(struct changes *changes, const char *path, const char *name, const json_t *before,
                           const json_t *after, unsigned depth)
{
        const char *member = path[0] ? tk_arena_printf(changes->arena, "%s.%s", path, name).ptr : name;
        changes->failed = changes->failed || !member;
        if (member && !(depth == 0 && is_noise(name)))
                compare(changes, member, json_object_get(before, name), json_object_get(after, name),
                        depth + 1);
}

static void compare(struct changes *changes, const char *path, const json_t *before, const json_t *after,
                    unsigned depth)
{
        const char *name;
        json_t *value;
        if ((json_is_object(before) || json_is_object(after)) && depth < DEPTH_MAX) {
                json_object_foreach((json_t *)after, name, value)
                        compare_member(changes, path, name, before, after, depth);
                json_object_foreach((json_t *)before, name, value)
                {
                        if (!json_object_get(after, name))
                                compare_member(changes, path, name, before, after, depth);
                }
                return;
        }
        bool same = before && after ? json_equal(before, after) : is_empty(before) && is_empty(after);
        if (!same && changes->count < CHANGES_MAX)
                changes->items[changes->count++] = (struct change){path, before, after};
}

static struct changes find(struct tk_arena *arena, const json_t *entry)
{
        struct changes changes = {.arena = arena};
        compare(&changes, "", json_object_get(entry, "before"), json_object_get(entry, "after"), 0);
        return changes;
}

/* Texts as they are, all else as JSON. */
static const char *shown(struct tk_arena *arena, const json_t *value)
{
        static const struct tk_cli_column as_text = {"", NULL, TK_CLI_AS_TEXT, 0};
        static const struct tk_cli_column as_json = {"", NULL, TK_CLI_AS_OBJECT, 0};
        struct tk_cli_cell cell;
        bool composed = json_is_array(value) || json_is_object(value) || json_is_real(value);
        return tk_cli_cell_make(arena, composed ? &as_json : &as_text, value, true, &cell) ? cell.text : NULL;
}

/* "active -> revoked"; of what was not there before, or is not any more, one of the two alone. */
static const char *step(struct tk_arena *arena, const struct change *change, bool both)
{
        const char *before = shown(arena, change->before), *after = shown(arena, change->after);
        if (!before || !after)
                return NULL;
        return both ? tk_arena_printf(arena, "%s -> %s", before, after).ptr : change->after ? after : before;
}

static bool has_both(const json_t *entry)
{
        return json_is_object(json_object_get(entry, "before")) &&
               json_is_object(json_object_get(entry, "after"));
}

/* Of a refusal, why; its other members are for `audit show`. */
static const char *refusal(struct tk_arena *arena, const json_t *entry)
{
        const json_t *after = json_object_get(entry, "after");
        const char *detail = shown(arena, json_object_get(after, "detail"));
        const char *route = shown(arena, json_object_get(after, "route"));
        long long count = json_integer_value(json_object_get(after, "count"));
        if (!detail || !route)
                return NULL;
        return count > 1 ? tk_arena_printf(arena, "%s: %s (%lld times)", route, detail, count).ptr
                         : tk_arena_printf(arena, "%s: %s", route, detail).ptr;
}

const char *tk_cli_changes_line(struct tk_arena *arena, const json_t *entry)
{
        const char *action = json_string_value(json_object_get(entry, "action"));
        if (action && strcmp(action, "refused") == 0)
                return refusal(arena, entry);
        struct changes changes = find(arena, entry);
        bool both = has_both(entry);
        const char *line = "";
        for (size_t i = 0; line && i < changes.count; i++) {
                const char *what = step(arena, &changes.items[i], both);
                line = what ? tk_arena_printf(arena, "%s%s%s: %s", line, i > 0 ? "; " : "",
                                              changes.items[i].member, what)
                                       .ptr
                            : NULL;
        }
        return changes.failed ? NULL : line;
}

bool tk_cli_changes_print(struct tk_arena *arena, const json_t *entry)
{
        struct changes changes = find(arena, entry);
        bool both = has_both(entry);
        unsigned width = 0;
        for (size_t i = 0; i < changes.count; i++)
                if (tk_cli_width(changes.items[i].member) > width)
                        width = tk_cli_width(changes.items[i].member);
        const char *sign = both ? " " : json_is_object(json_object_get(entry, "after")) ? "+" : "-";
        for (size_t i = 0; i < changes.count; i++) {
                const struct change *change = &changes.items[i];
                const char *what = step(arena, change, both);
                if (!what)
                        return false;
                printf("%s %s%*s  %s\n", sign, change->member, (int)(width - tk_cli_width(change->member)),
                       "", what);
        }
        return !changes.failed;
}

const char *tk_cli_changes_subject(struct tk_arena *arena, const json_t *entry)
{
        const json_t *view = json_object_get(entry, "after");
        if (!json_is_object(view))
                view = json_object_get(entry, "before");
        const char *kind = shown(arena, json_object_get(entry, "object"));
        const char *id = shown(arena, json_object_get(entry, "object_id"));
        const char *name = shown(arena, json_object_get(view, "name"));
        if (!kind || !id || !name)
                return NULL;
        if (is_empty(json_object_get(entry, "object_id")))
                return kind;
        bool numbered = id[0] >= '0' && id[0] <= '9';
        bool named = !is_empty(json_object_get(view, "name"));
        return tk_arena_printf(arena, "%s%s%s%s%s%s", numbered ? kind : "", numbered ? " " : "", id,
                               named ? " (" : "", named ? name : "", named ? ")" : "")
                .ptr;
}
