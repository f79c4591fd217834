/*
 * Whether the shared files hold together: every reference in range and of the right kind, every policy well formed. Called by the
 * daemon before it adopts files, by tests and by fuzzers; one thread, nobody publishing meanwhile. Never repairs.
 */
#include "gate/publisher.h"

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

static const char *check_policy(struct tk_area *area, uint32_t ref, enum tk_record_kind kind)
{
        struct tk_policy_view view;
        if (!tk_policy_view(area, ref, kind, &view))
                return "policy: a record is damaged";
        const char *why = check_limits(&view);
        return why ? why : check_texts(&view);
}

static const char *check_record(const struct tk_publisher *publisher, uint32_t ref)
{
        struct tk_area *area = tk_publisher_area(publisher, TK_FILE_POLICY);
        const struct tk_format_record *record = tk_area_at(area, ref, 1);
        struct tk_str text;

        if (record->kind == TK_RECORD_KEY_POLICY || record->kind == TK_RECORD_LIMITS)
                return check_policy(area, ref, (enum tk_record_kind)record->kind);
        if (record->kind == TK_RECORD_ENVIRONMENT) {
                const struct tk_format_environment *environment = tk_policy_environment(area, ref);
                uint32_t state = environment ? atomic_load(&environment->state) : 0;
                if (state != TK_LINE_ACTIVE && state != TK_LINE_SUSPENDED)
                        return "policy: an environment is damaged";
        }
        if (record->kind == TK_RECORD_CONSUMER) {
                const struct tk_format_consumer *consumer = tk_policy_consumer(area, ref);
                if (!consumer || !tk_policy_text(&consumer->head, consumer->name, &text))
                        return "policy: a consumer is damaged";
        }
        return NULL;
}

/* tk_intern_rebuild() has walked the arena: records follow each other without a gap. */
static const char *check_arena(const struct tk_publisher *publisher)
{
        struct tk_area *area = tk_publisher_area(publisher, TK_FILE_POLICY);
        uint64_t used = tk_area_used(area);
        for (uint64_t line = 1; line < used;) {
                const struct tk_format_record *record = tk_area_at(area, line, 1);
                if (!record || record->size_bytes == 0)
                        return "policy: the records do not follow each other";
                const char *why = check_record(publisher, (uint32_t)line);
                if (why)
                        return why;
                line += record->size_bytes / TK_POLICY_LINE_BYTES;
        }
        return NULL;
}

/* Whether a record begins here: one that the index knows. */
static bool is_record(const struct tk_publisher *publisher, uint32_t ref)
{
        const struct tk_format_record *record =
                tk_area_at(tk_publisher_area(publisher, TK_FILE_POLICY), ref, 1);
        size_t cursor = 0;
        uint32_t known;
        while (record && (known = tk_index_next(&publisher->index, record->hash, &cursor)))
                if (known == ref)
                        return true;
        return false;
}

static bool binding_sound(const struct tk_publisher *publisher, struct tk_home home, uint64_t binding,
                          enum tk_record_kind kind)
{
        struct tk_policy_view view;
        struct tk_meter_ref at;
        uint32_t policy = tk_pair_low(binding);
        return is_record(publisher, policy) &&
               tk_policy_view(tk_publisher_area(publisher, TK_FILE_POLICY), policy, kind, &view) &&
               tk_meter_find(&((struct tk_publisher *)publisher)->files, home, tk_pair_high(binding),
                             view.policy->extent_lines, &at);
}

static bool environment_sound(const struct tk_publisher *publisher, uint64_t control)
{
        uint32_t ref = tk_control_environment(control);
        return is_record(publisher, ref) &&
               tk_policy_environment(tk_publisher_area(publisher, TK_FILE_POLICY), ref) != NULL;
}

static bool consumer_sound(const struct tk_publisher *publisher, uint32_t ref)
{
        return is_record(publisher, ref) &&
               tk_policy_consumer(tk_publisher_area(publisher, TK_FILE_POLICY), ref) != NULL;
}

static const char *check_key(const struct tk_publisher *publisher, uint64_t number,
                             const struct tk_format_key *line)
{
        uint64_t control = atomic_load(&line->control);
        uint64_t owner = atomic_load(&line->owner);
        enum tk_line_state state = tk_control_state(control);

        if (control == 0)
                return NULL;
        if (state < TK_LINE_ACTIVE || state > TK_LINE_REVOKED || (control & TK_CONTROL_KEY_ZERO))
                return "keys: a control word is not one";
        if (!environment_sound(publisher, control))
                return "keys: an environment is out of bounds";
        if (!binding_sound(publisher, (struct tk_home){TK_FILE_KEY_HOMES, number},
                           atomic_load(&line->binding), TK_RECORD_KEY_POLICY))
                return "keys: a policy or meter is out of bounds";
        if (!consumer_sound(publisher, tk_pair_high(owner)) ||
            tk_pair_low(owner) >= tk_area_used(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS)))
                return "keys: an owner is out of bounds";
        return NULL;
}

static const char *check_subscription(const struct tk_publisher *publisher, uint64_t id,
                                      const struct tk_format_subscription *line)
{
        uint64_t control = atomic_load(&line->control);
        int64_t anchor_s = atomic_load(&line->anchor_s);
        enum tk_line_state state = tk_control_state(control);

        if (control == 0)
                return NULL;
        if ((state != TK_LINE_ACTIVE && state != TK_LINE_SUSPENDED && state != TK_LINE_ENDED) ||
            (control & TK_CONTROL_SUBSCRIPTION_ZERO))
                return "subscriptions: a control word is not one";
        if (!environment_sound(publisher, control) ||
            !consumer_sound(publisher, atomic_load(&line->consumer)))
                return "subscriptions: an environment or consumer is out of bounds";
        if (!binding_sound(publisher, (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, id},
                           atomic_load(&line->binding), TK_RECORD_LIMITS))
                return "subscriptions: a policy or meter is out of bounds";
        return anchor_s < 0 || anchor_s > TK_TIME_MAX_S ? "subscriptions: an anchor is no time" : NULL;
}

bool tk_publisher_check(const struct tk_publisher *publisher, const char **ret_why)
{
        struct tk_area *keys = tk_publisher_area(publisher, TK_FILE_KEYS);
        struct tk_area *subscriptions = tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS);
        uint64_t key_count = tk_area_used(keys), subscription_count = tk_area_used(subscriptions);

        const char *why = check_arena(publisher);
        for (uint64_t i = 0; i < subscription_count && !why; i++)
                why = check_subscription(publisher, i, tk_area_at(subscriptions, i, 1));
        for (uint64_t i = 0; i < key_count && !why; i++)
                why = check_key(publisher, i, tk_area_at(keys, i, 1));
        if (!why)
                why = tk_foreign_check(publisher);
        if (why)
                *ret_why = why;
        return !why;
}
