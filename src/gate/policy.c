/*
 * Reading the policy arena. Runs in the decision path, on any thread; allocates nothing, writes nothing.
 * Whatever it hands out has been compared with the announced bounds first: the arena may be damaged, the process may not crash.
 */
#include "gate/policy.h"

#include <string.h>

const struct tk_format_record *tk_policy_record(struct tk_area *policy, uint32_t ref,
                                                enum tk_record_kind kind, size_t least_bytes)
{
        if (ref == 0)
                return NULL;
        const struct tk_format_record *record = tk_area_at(policy, ref, 1);
        if (!record || record->kind != kind || record->size_bytes < least_bytes)
                return NULL;

        uint64_t lines = ((uint64_t)record->size_bytes + TK_POLICY_LINE_BYTES - 1) / TK_POLICY_LINE_BYTES;
        return tk_area_holds(policy, ref, lines) ? record : NULL;
}

const struct tk_format_environment *tk_policy_environment(struct tk_area *policy, uint32_t ref)
{
        return (const void *)tk_policy_record(policy, ref, TK_RECORD_ENVIRONMENT,
                                              sizeof(struct tk_format_environment));
}

const struct tk_format_route *tk_policy_route(struct tk_area *policy, uint32_t ref)
{
        return (const void *)tk_policy_record(policy, ref, TK_RECORD_ROUTE, sizeof(struct tk_format_route));
}

const struct tk_format_consumer *tk_policy_consumer(struct tk_area *policy, uint32_t ref)
{
        const size_t least = sizeof(struct tk_format_consumer);
        const struct tk_format_consumer *first =
                (const void *)tk_policy_record(policy, ref, TK_RECORD_CONSUMER, least);
        if (!first)
                return NULL;

        uint32_t successor = atomic_load_explicit(&first->successor, memory_order_acquire);
        return successor ? (const void *)tk_policy_record(policy, successor, TK_RECORD_CONSUMER, least)
                         : first;
}

bool tk_policy_text(const struct tk_format_record *record, struct tk_format_text text,
                    struct tk_str *ret_text)
{
        if (text.offset > record->size_bytes || text.len > record->size_bytes - text.offset)
                return false;
        *ret_text = (struct tk_str){(const char *)record + text.offset, text.len};
        return true;
}

size_t tk_policy_arrays_bytes(const struct tk_format_policy *policy)
{
        return sizeof *policy + policy->limit_count * sizeof(struct tk_format_limit) +
               policy->scope_words * sizeof(uint64_t) + policy->cidr_count * sizeof(struct tk_format_cidr) +
               ((size_t)policy->origin_count + policy->method_count + policy->path_count) *
                       sizeof(struct tk_format_text) +
               policy->role_count * sizeof(uint32_t);
}

bool tk_policy_view(struct tk_area *area, uint32_t ref, enum tk_record_kind kind,
                    struct tk_policy_view *ret_view)
{
        const struct tk_format_policy *policy =
                (const void *)tk_policy_record(area, ref, kind, sizeof(struct tk_format_policy));
        if (!policy || tk_policy_arrays_bytes(policy) > policy->head.size_bytes)
                return false;
        if (policy->limit_count > TK_POLICY_LIMITS_MAX || policy->extent_lines == 0 ||
            policy->extent_lines > TK_METER_LINES_MAX || policy->role_count > TK_POLICY_ROLES_MAX)
                return false;

        const uint8_t *at = (const uint8_t *)(policy + 1);
        ret_view->policy = policy;
        ret_view->limits = (const void *)at;
        at += policy->limit_count * sizeof(struct tk_format_limit);
        ret_view->scope_words = (const void *)at;
        at += policy->scope_words * sizeof(uint64_t);
        ret_view->cidrs = (const void *)at;
        at += policy->cidr_count * sizeof(struct tk_format_cidr);
        ret_view->origins = (const void *)at;
        ret_view->methods = ret_view->origins + policy->origin_count;
        ret_view->paths = ret_view->methods + policy->method_count;
        ret_view->roles = (const void *)(ret_view->paths + policy->path_count);
        return true;
}

const struct tk_format_role *tk_policy_role(struct tk_area *policy, uint32_t ref)
{
        return (const void *)tk_policy_record(policy, ref, TK_RECORD_ROLE, sizeof(struct tk_format_role));
}

bool tk_policy_role_view(struct tk_area *policy, const struct tk_format_role *role,
                         struct tk_policy_view *ret_view)
{
        uint32_t ref = atomic_load_explicit(&role->policy, memory_order_acquire);
        return tk_policy_view(policy, ref, TK_RECORD_KEY_POLICY, ret_view) &&
               ret_view->policy->role_count == 0 && ret_view->policy->api_id == role->api_id;
}

bool tk_policy_limit_sound(const struct tk_format_limit *limit, const struct tk_format_policy *policy)
{
        if (limit->slot >= policy->extent_lines * 4u - 1 || limit->name_len > TK_LIMIT_NAME_MAX ||
            limit->limit > TK_LIMIT_UNITS_MAX || limit->length_s < 0 ||
            limit->length_s > TK_LIMIT_LENGTH_MAX_S)
                return false;
        if (limit->kind == TK_LIMIT_RATE)
                return limit->rate_units > 0 && limit->rate_units <= TK_LIMIT_UNITS_MAX &&
                       limit->rate_interval > 0 && limit->rate_interval <= TK_LIMIT_WINDOW_MAX_NS &&
                       limit->burst > 0 && limit->burst <= TK_LIMIT_UNITS_MAX;
        if (limit->kind == TK_LIMIT_CREDITS)
                return true;
        return limit->kind == TK_LIMIT_WINDOW && limit->period <= TK_PERIOD_MONTH &&
               (limit->period != TK_PERIOD_FIXED || limit->length_s > 0);
}

enum tk_err tk_policy_limit_compile(const struct tk_limit_def *def, uint8_t slot,
                                    struct tk_format_limit *ret_limit)
{
        const char *why;
        if (tk_limit_def_check(def, &why))
                return TK_INVALID;

        memset(ret_limit, 0, sizeof *ret_limit);
        ret_limit->kind = (uint8_t)def->kind;
        ret_limit->period = (uint8_t)def->period;
        ret_limit->anchored = def->anchored;
        ret_limit->slot = slot;
        ret_limit->flags = def->shadow ? TK_FORMAT_LIMIT_SHADOW : 0;
        ret_limit->name_len = (uint8_t)strnlen(def->name, TK_LIMIT_NAME_MAX);
        memcpy(ret_limit->name, def->name, ret_limit->name_len);
        ret_limit->limit = def->limit;
        ret_limit->burst = def->burst;
        ret_limit->length_s = def->length_s;
        if (def->kind != TK_LIMIT_RATE)
                return TK_OK;

        struct tk_rate rate;
        enum tk_err err = tk_rate_init(def->limit, (uint64_t)def->length_s * TK_NS_PER_S, def->burst, &rate);
        ret_limit->rate_units = rate.units;
        ret_limit->rate_interval = rate.interval;
        return err;
}

/* ---- by name ---- */

uint64_t tk_fnv(uint64_t hash, const void *bytes, size_t len)
{
        const uint8_t *at = bytes;
        for (size_t i = 0; i < len; i++)
                hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
        return hash;
}

uint32_t tk_fnv_fold(uint64_t hash)
{
        return (uint32_t)(hash ^ hash >> 32);
}

uint32_t tk_policy_environment_bucket(struct tk_str api, struct tk_str name)
{
        uint64_t hash = tk_fnv(TK_FNV_START, api.ptr, api.len);
        hash = tk_fnv(hash, "", 1);
        return tk_fnv_fold(tk_fnv(hash, name.ptr, name.len)) % TK_POLICY_ENVIRONMENT_BUCKETS;
}

/* Up to eight bytes as a number; a text of more than eight ends with its last eight. */
static uint64_t word_of(struct tk_str text, size_t from)
{
        uint64_t word = 0;
        if (text.len < sizeof word)
                for (size_t i = 0; i < text.len; i++)
                        word = word << 8 | (uint8_t)text.ptr[i];
        else
                memcpy(&word, text.ptr + (from + sizeof word <= text.len ? from : text.len - sizeof word),
                       sizeof word);
        return word;
}

/* Eight bytes a step, because each decision looks up what it requires: FNV-1a takes 20 ns for `forecast:read`, this 3. */
uint32_t tk_policy_pattern_bucket(uint32_t api_id, struct tk_str text)
{
        uint64_t hash = api_id ^ (uint64_t)text.len << 32;
        for (size_t from = 0; from < text.len; from += sizeof hash) {
                hash = (hash ^ word_of(text, from)) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
        }
        return (uint32_t)hash % TK_POLICY_PATTERN_BUCKETS;
}

uint32_t tk_policy_route_bucket(uint32_t environment_id, struct tk_str method, struct tk_str template)
{
        uint64_t hash = tk_fnv(TK_FNV_START, &environment_id, sizeof environment_id);
        hash = tk_fnv(tk_fnv(hash, method.ptr, method.len), "", 1);
        return tk_fnv_fold(tk_fnv(hash, template.ptr, template.len)) % TK_POLICY_ROUTE_BUCKETS;
}

static bool is_environment(const struct tk_format_environment *record, struct tk_str api, struct tk_str name)
{
        struct tk_str its_api, its_name;
        return tk_policy_text(&record->head, record->api, &its_api) &&
               tk_policy_text(&record->head, record->name, &its_name) && tk_str_equal(its_api, api) &&
               tk_str_equal(its_name, name);
}

/* A chain only leads to lower references: one that does not is damaged, and would otherwise never end. */
static uint32_t next_in_chain(const struct tk_format_record *record, uint32_t ref)
{
        uint32_t next = atomic_load_explicit(&record->next, memory_order_acquire);
        return next < ref ? next : 0;
}

uint32_t tk_policy_find_environment(struct tk_area *policy, struct tk_str api, struct tk_str name)
{
        uint32_t bucket = tk_policy_environment_bucket(api, name);
        uint32_t ref =
                atomic_load_explicit(&tk_policy_chains(policy)->environments[bucket], memory_order_acquire);
        while (ref) {
                const struct tk_format_environment *record = tk_policy_environment(policy, ref);
                if (!record)
                        return 0;
                if (is_environment(record, api, name))
                        return ref;
                ref = next_in_chain(&record->head, ref);
        }
        return 0;
}

static bool is_of_api(const struct tk_format_environment *record, struct tk_str api)
{
        struct tk_str its_api;
        return tk_policy_text(&record->head, record->api, &its_api) && tk_str_equal(its_api, api);
}

static bool chain_has_api(struct tk_area *policy, uint32_t ref, struct tk_str api)
{
        while (ref) {
                const struct tk_format_environment *record = tk_policy_environment(policy, ref);
                if (!record)
                        return false;
                if (is_of_api(record, api))
                        return true;
                ref = next_in_chain(&record->head, ref);
        }
        return false;
}

bool tk_policy_has_api(struct tk_area *policy, struct tk_str api)
{
        const struct tk_format_chains *chains = tk_policy_chains(policy);
        for (uint32_t i = 0; i < TK_POLICY_ENVIRONMENT_BUCKETS; i++) {
                uint32_t first = atomic_load_explicit(&chains->environments[i], memory_order_acquire);
                if (chain_has_api(policy, first, api))
                        return true;
        }
        return false;
}

static bool is_pattern(const struct tk_format_pattern *record, uint32_t api_id, struct tk_str text)
{
        struct tk_str its_text;
        return record->api_id == api_id && tk_policy_text(&record->head, record->text, &its_text) &&
               tk_str_equal(its_text, text);
}

uint32_t tk_policy_find_pattern(struct tk_area *policy, uint32_t api_id, struct tk_str text)
{
        uint32_t bucket = tk_policy_pattern_bucket(api_id, text);
        uint32_t ref =
                atomic_load_explicit(&tk_policy_chains(policy)->patterns[bucket], memory_order_acquire);
        while (ref) {
                const struct tk_format_pattern *record = (const void *)tk_policy_record(
                        policy, ref, TK_RECORD_PATTERN, sizeof(struct tk_format_pattern));
                if (!record)
                        return 0;
                if (is_pattern(record, api_id, text))
                        return ref;
                ref = next_in_chain(&record->head, ref);
        }
        return 0;
}

static bool is_route(const struct tk_format_route *record, uint32_t environment_id, struct tk_str method,
                     struct tk_str template)
{
        struct tk_str its_method, its_template;
        return record->environment_id == environment_id &&
               tk_policy_text(&record->head, record->method, &its_method) &&
               tk_policy_text(&record->head, record->template, &its_template) &&
               tk_str_equal(its_method, method) && tk_str_equal(its_template, template);
}

uint32_t tk_policy_find_route(struct tk_area *policy, uint32_t environment_id, struct tk_str method,
                              struct tk_str template)
{
        uint32_t bucket = tk_policy_route_bucket(environment_id, method, template);
        uint32_t ref = atomic_load_explicit(&tk_policy_chains(policy)->routes[bucket], memory_order_acquire);
        while (ref) {
                const struct tk_format_route *record = tk_policy_route(policy, ref);
                if (!record)
                        return 0;
                if (is_route(record, environment_id, method, template))
                        return ref;
                ref = next_in_chain(&record->head, ref);
        }
        return 0;
}
