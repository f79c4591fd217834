/*
 * Whether the shared files hold together: every reference in range and of the right kind, every policy well
 * formed. Called by the daemon before it adopts files, by tests and by fuzzers; one thread, nobody publishing
 * meanwhile. Never repairs.
 */
#include "gate/publisher.h"
#include "gate/route_table.h"

#include "core/alloc.h"

#include <errno.h>
#include <unistd.h>

/* ---- the arena ---- */

static const char *check_limits(const struct tk_policy_view *view)
{
        for (uint32_t i = 0; i < view->policy->limit_count; i++)
                if (!tk_policy_limit_sound(&view->limits[i], view->policy))
                        return "policy: a limit is not one";
        return NULL;
}

static const char *check_texts(const struct tk_policy_view *view)
{
        const struct tk_format_policy *policy = view->policy;
        uint32_t count = (uint32_t)policy->origin_count + policy->method_count + policy->path_count;
        struct tk_str text;

        for (uint32_t i = 0; i < count; i++)
                if (!tk_policy_text(&policy->head, view->origins[i], &text))
                        return "policy: a text is out of bounds";
        return tk_policy_text(&policy->head, policy->scopes, &text) ? NULL
                                                                    : "policy: a text is out of bounds";
}

#define BUFFER_BYTES 65536
#define LINES_AHEAD  16

/*
 * What begins at a line of the arena, in a byte: nothing (0), or a record's kind, and above it a policy's
 * extent_lines.
 */
#define MARK_EXTENT_SHIFT 4
_Static_assert(TK_RECORD_ROUTE_TERMS < 1 << MARK_EXTENT_SHIFT, "a kind is the low half of a mark");

/*
 * Bounds, taken once as nobody publishes meanwhile, and the marks of the arena: with them a line of `keys` is
 * judged by what stands in it and three bytes, so that ten million of them take a fraction of a second at a
 * start.
 */
struct survey {
        const struct tk_publisher *publisher;
        uint8_t *marks;
        uint8_t *buffer; /* BUFFER_BYTES, and LINES_AHEAD lines of whatever they hold */
        uint64_t indexed_count;
        uint64_t policy_lines, subscription_lines, meter_lines, key_home_lines, subscription_home_lines;
};

/* Roles are published before the policies that name them, so their marks are there. */
static const char *check_roles(const struct survey *survey, const struct tk_policy_view *view)
{
        for (uint32_t i = 0; i < view->policy->role_count; i++)
                if (view->roles[i] >= survey->policy_lines || survey->marks[view->roles[i]] != TK_RECORD_ROLE)
                        return "policy: a role is out of bounds";
        return NULL;
}

static const char *mark_policy(struct survey *survey, uint32_t ref, enum tk_record_kind kind)
{
        struct tk_policy_view view;
        if (!tk_policy_view(tk_publisher_area(survey->publisher, TK_FILE_POLICY), ref, kind, &view))
                return "policy: a record is damaged";
        survey->marks[ref] =
                (uint8_t)((unsigned)kind | (unsigned)view.policy->extent_lines << MARK_EXTENT_SHIFT);
        const char *why = check_limits(&view);
        if (!why)
                why = check_roles(survey, &view);
        return why ? why : check_texts(&view);
}

static bool environment_sound(struct tk_area *area, uint32_t ref)
{
        const struct tk_format_environment *environment = tk_policy_environment(area, ref);
        uint32_t state = environment ? atomic_load(&environment->state) : 0;
        struct tk_str text;
        uint32_t routes = environment ? atomic_load(&environment->routes) : 0;
        return (state == TK_LINE_ACTIVE || state == TK_LINE_SUSPENDED) &&
               (routes == 0 || tk_route_node(area, routes)) &&
               tk_policy_text(&environment->head, environment->api, &text) &&
               tk_policy_text(&environment->head, environment->name, &text);
}

static bool consumer_sound(struct tk_area *area, uint32_t ref)
{
        const struct tk_format_consumer *consumer = tk_policy_consumer(area, ref);
        struct tk_str text;
        return consumer && tk_policy_text(&consumer->head, consumer->name, &text);
}

static bool pattern_sound(struct tk_area *area, uint32_t ref)
{
        const struct tk_format_pattern *pattern =
                (const void *)tk_policy_record(area, ref, TK_RECORD_PATTERN, sizeof *pattern);
        struct tk_str text;
        return pattern && pattern->bit < TK_POLICY_PATTERNS_MAX &&
               tk_policy_text(&pattern->head, pattern->text, &text);
}

static bool role_sound(struct tk_area *area, uint32_t ref)
{
        const struct tk_format_role *role = tk_policy_role(area, ref);
        struct tk_policy_view view;
        struct tk_str text;
        return role && tk_policy_role_view(area, role, &view) &&
               tk_policy_text(&role->head, role->name, &text);
}

/*
 * One that was made and not bound before its daemon was killed has no binding. Its policy may stand behind
 * it, unmarked yet.
 */
static bool route_sound(const struct survey *survey, uint32_t ref)
{
        struct tk_area *area = tk_publisher_area(survey->publisher, TK_FILE_POLICY);
        const struct tk_format_route *route = tk_policy_route(area, ref);
        uint64_t binding = route ? atomic_load(&route->binding) : 0;
        uint64_t meter = tk_pair_high(binding);
        struct tk_policy_view view;
        struct tk_str text;
        if (!route || !tk_policy_text(&route->head, route->method, &text) ||
            !tk_policy_text(&route->head, route->template, &text))
                return false;
        return binding == 0 || (tk_policy_view(area, tk_pair_low(binding), TK_RECORD_LIMITS, &view) &&
                                meter != 0 && meter + view.policy->extent_lines <= survey->meter_lines);
}

static const char *mark_record(struct survey *survey, uint32_t ref, enum tk_record_kind kind)
{
        struct tk_area *area = tk_publisher_area(survey->publisher, TK_FILE_POLICY);
        survey->marks[ref] = (uint8_t)kind;
        switch (kind) {
        case TK_RECORD_KEY_POLICY:
        case TK_RECORD_LIMITS:
                return mark_policy(survey, ref, kind);
        case TK_RECORD_ENVIRONMENT:
                return environment_sound(area, ref) ? NULL : "policy: an environment is damaged";
        case TK_RECORD_CONSUMER:
                return consumer_sound(area, ref) ? NULL : "policy: a consumer is damaged";
        case TK_RECORD_PATTERN:
                return pattern_sound(area, ref) ? NULL : "policy: a scope pattern is damaged";
        case TK_RECORD_ROLE:
                return role_sound(area, ref) ? NULL : "policy: a role is damaged";
        case TK_RECORD_ROUTE_NODE:
                return tk_route_node_sound(area, ref) ? NULL : "policy: a node of routes is damaged";
        case TK_RECORD_ROUTE_END:
                return tk_route_end_sound(area, ref) ? NULL : "policy: the end of a route is damaged";
        case TK_RECORD_ROUTE_TERMS:
                return tk_route_terms(area, ref, &(struct tk_matched_route){0})
                               ? NULL
                               : "policy: the terms of a route are damaged";
        case TK_RECORD_ROUTE:
                return route_sound(survey, ref) ? NULL : "policy: a route is damaged";
        }
        return "policy: a record is of no known kind";
}

static const char *mark_arena(struct survey *survey)
{
        struct tk_area *area = tk_publisher_area(survey->publisher, TK_FILE_POLICY);
        for (uint64_t line = 1; line < survey->policy_lines;) {
                const struct tk_format_record *record = tk_area_at(area, line, 1);
                if (!record || record->size_bytes == 0 || record->size_bytes % TK_POLICY_LINE_BYTES)
                        return "policy: the records do not follow each other";
                const char *why = mark_record(survey, (uint32_t)line, (enum tk_record_kind)record->kind);
                if (why)
                        return why;
                survey->indexed_count += record->kind != TK_RECORD_CONSUMER;
                line += record->size_bytes / TK_POLICY_LINE_BYTES;
        }
        return NULL;
}

/* ---- references ---- */

/* 0 where nothing begins. */
static unsigned mark_of(const struct survey *survey, uint32_t ref)
{
        return ref < survey->policy_lines ? survey->marks[ref] : 0;
}

/* `home_lines`: of the file that has the owner's home. */
static bool binding_sound(const struct survey *survey, uint64_t number, uint64_t home_lines, uint64_t binding,
                          enum tk_record_kind kind)
{
        unsigned mark = mark_of(survey, tk_pair_low(binding));
        uint64_t meter = tk_pair_high(binding), lines = mark >> MARK_EXTENT_SHIFT;
        if ((mark & ((1u << MARK_EXTENT_SHIFT) - 1)) != kind)
                return false;
        if (meter == TK_METER_HOME)
                return lines == 1 && number < home_lines;
        return meter + lines <= survey->meter_lines;
}

/* Keys of a consumer are anywhere, and so are marks of consecutive keys: ask for one some lines before it is needed. */
static void fetch_mark(const struct survey *survey, const struct tk_format_key *line)
{
        uint32_t consumer = tk_pair_high(atomic_load_explicit(&line->owner, memory_order_relaxed));
        if (consumer < survey->policy_lines)
                __builtin_prefetch(&survey->marks[consumer]);
}

static const char *check_key(const struct survey *survey, uint64_t number, const void *place)
{
        const struct tk_format_key *line = place;
        uint64_t control = atomic_load_explicit(&line->control, memory_order_relaxed);
        uint64_t binding = atomic_load_explicit(&line->binding, memory_order_relaxed);
        uint64_t owner = atomic_load_explicit(&line->owner, memory_order_relaxed);
        enum tk_line_state state = tk_control_state(control);

        fetch_mark(survey, line + LINES_AHEAD);
        if (control == 0 || tk_control_freed(control))
                return NULL;
        if (state < TK_LINE_ACTIVE || state > TK_LINE_REVOKED || (control & TK_CONTROL_KEY_ZERO))
                return "keys: a control word is not one";
        if (mark_of(survey, tk_control_environment(control)) != TK_RECORD_ENVIRONMENT)
                return "keys: an environment is out of bounds";
        if (!binding_sound(survey, number, survey->key_home_lines, binding, TK_RECORD_KEY_POLICY))
                return "keys: a policy or meter is out of bounds";
        if (mark_of(survey, tk_pair_high(owner)) != TK_RECORD_CONSUMER ||
            tk_pair_low(owner) >= survey->subscription_lines)
                return "keys: an owner is out of bounds";
        return NULL;
}

static const char *check_subscription(const struct survey *survey, uint64_t number, const void *place)
{
        const struct tk_format_subscription *line = place;
        uint64_t control = atomic_load(&line->control);
        int64_t anchor_s = atomic_load(&line->anchor_s);
        enum tk_line_state state = tk_control_state(control);

        (void)number;
        if (control == 0)
                return NULL;
        if ((state != TK_LINE_ACTIVE && state != TK_LINE_SUSPENDED && state != TK_LINE_ENDED) ||
            (control & TK_CONTROL_SUBSCRIPTION_ZERO))
                return "subscriptions: a control word is not one";
        if (mark_of(survey, tk_control_environment(control)) != TK_RECORD_ENVIRONMENT ||
            mark_of(survey, atomic_load(&line->consumer)) != TK_RECORD_CONSUMER)
                return "subscriptions: an environment or consumer is out of bounds";
        if (!binding_sound(survey, number, survey->subscription_home_lines, atomic_load(&line->binding),
                           TK_RECORD_LIMITS))
                return "subscriptions: a policy or meter is out of bounds";
        return anchor_s < 0 || anchor_s > TK_TIME_MAX_S ? "subscriptions: an anchor is no time" : NULL;
}

/* ---- lines ---- */

typedef const char *line_check(const struct survey *survey, uint64_t number, const void *line);

static bool read_all(int fd, uint8_t *bytes, size_t count, off_t offset)
{
        while (count > 0) {
                ssize_t got = pread(fd, bytes, count, offset);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return false;
                bytes += got;
                count -= (size_t)got;
                offset += got;
        }
        return true;
}

/*
 * Read through the descriptor and not through the mapping: one walk over a mapping takes a page fault every
 * 64 lines, which costs more than all of the rest. Measured on a virtual machine: 9 ns a line read, 95 ns
 * mapped.
 */
static const char *check_lines(const struct survey *survey, enum tk_file file, line_check *check)
{
        const struct tk_area *area = tk_publisher_area(survey->publisher, file);
        uint64_t count = tk_area_used(area), most = BUFFER_BYTES / area->line_bytes;
        off_t offset = area->lines - (uint8_t *)area->header;
        const char *why = NULL;

        for (uint64_t number = 0; number < count && !why; number += most) {
                uint64_t here = count - number < most ? count - number : most;
                if (!read_all(area->fd, survey->buffer, here * area->line_bytes,
                              offset + (off_t)(number * area->line_bytes)))
                        why = "its lines cannot be read";
                for (uint64_t i = 0; i < here && !why; i++)
                        why = check(survey, number + i, survey->buffer + i * area->line_bytes);
        }
        return why;
}

enum tk_err tk_publisher_verify(const struct tk_publisher *publisher, struct tk_found *ret_found,
                                const char **ret_why)
{
        struct survey survey = {
                .publisher = publisher,
                .policy_lines = tk_area_used(tk_publisher_area(publisher, TK_FILE_POLICY)),
                .subscription_lines = tk_area_used(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS)),
                .meter_lines = tk_area_used(tk_publisher_area(publisher, TK_FILE_METERS)),
                .key_home_lines = tk_area_used(tk_publisher_area(publisher, TK_FILE_KEY_HOMES)),
                .subscription_home_lines =
                        tk_area_used(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTION_HOMES)),
        };
        uint64_t foreign_count = 0;
        survey.marks = tk_calloc(survey.policy_lines, 1);
        survey.buffer = tk_calloc(1, BUFFER_BYTES + LINES_AHEAD * sizeof(struct tk_format_key));
        enum tk_err err = survey.marks && survey.buffer ? TK_OK : TK_NOMEM;
        const char *why = err ? "out of memory" : mark_arena(&survey);
        if (!why)
                why = check_lines(&survey, TK_FILE_SUBSCRIPTIONS, check_subscription);
        if (!why)
                why = check_lines(&survey, TK_FILE_KEYS, check_key);
        if (!why)
                why = tk_foreign_check(publisher, &foreign_count);
        tk_free(survey.marks);
        tk_free(survey.buffer);
        *ret_why = why;
        if (why)
                return err ? err : TK_CORRUPT;
        *ret_found = (struct tk_found){survey.indexed_count, foreign_count};
        return TK_OK;
}

bool tk_publisher_check(const struct tk_publisher *publisher, const char **ret_why)
{
        struct tk_found found;
        return tk_publisher_verify(publisher, &found, ret_why) == TK_OK;
}
