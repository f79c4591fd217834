/*
 * From a key's or a subscription's definition to the policy that deciders read: scopes to bits, limits to the
 * arithmetic's own numbers, texts behind the arrays. One thread, the publisher's. Never changes what is in
 * force: it only makes a record.
 */
#include "gate/publisher.h"

#include "core/scope.h"

#include <string.h>

#define PATTERN_WORDS (TK_POLICY_PATTERNS_MAX / 64)

/*
 * A policy under construction in scratch. `fits` turns false when it grew too large, and then nothing more is
 * written.
 */
struct builder {
        struct tk_format_policy *policy;
        bool fits;
};

static void *add_bytes(struct builder *builder, const void *bytes, size_t len)
{
        struct tk_format_record *record = &builder->policy->head;
        builder->fits =
                builder->fits && len <= TK_POLICY_BYTES_MAX - TK_POLICY_LINE_BYTES - record->size_bytes;
        if (!builder->fits)
                return record;

        void *place = (uint8_t *)builder->policy + record->size_bytes;
        if (bytes)
                memcpy(place, bytes, len);
        else
                memset(place, 0, len);
        record->size_bytes += (uint32_t)len;
        return place;
}

static struct builder begin(struct tk_publisher *publisher)
{
        struct builder builder = {(void *)publisher->scratch, true};
        memset(builder.policy, 0, sizeof *builder.policy);
        builder.policy->head.size_bytes = sizeof *builder.policy;
        return builder;
}

/* ---- limits ---- */

/* Credits are granted to subscriptions alone. */
static enum tk_err add_limits(struct builder *builder, const struct tk_limit_def *limits, uint32_t count,
                              bool of_subscription)
{
        if (count > TK_POLICY_LIMITS_MAX)
                return TK_INVALID;
        for (uint32_t i = 0; i < count; i++) {
                struct tk_format_limit limit;
                enum tk_err err = tk_policy_limit_compile(&limits[i], (uint8_t)i, &limit);
                if (err)
                        return err;
                if (limit.kind == TK_LIMIT_CREDITS && !of_subscription)
                        return TK_INVALID;
                add_bytes(builder, &limit, sizeof limit);
        }
        builder->policy->limit_count = (uint16_t)count;
        builder->policy->extent_lines = (uint16_t)((1 + count + 3) / 4);
        return TK_OK;
}

/* ---- scopes ---- */

/* Before the record is begun, as interning a pattern uses scratch too. */
static enum tk_err scope_bits(struct tk_publisher *publisher, const struct tk_publish_key *key,
                              uint64_t ret_words[PATTERN_WORDS], uint16_t *ret_word_count)
{
        memset(ret_words, 0, PATTERN_WORDS * sizeof *ret_words);
        *ret_word_count = 0;
        for (uint32_t i = 0; i < key->scope_count; i++) {
                uint32_t bit;
                if (!tk_scope_pattern_valid(key->scopes[i]))
                        return TK_INVALID;
                enum tk_err err = tk_intern_pattern(publisher, key->api_id, key->scopes[i], &bit);
                if (err)
                        return err;
                ret_words[bit / 64] |= UINT64_C(1) << bit % 64;
                if (bit / 64 >= *ret_word_count)
                        *ret_word_count = (uint16_t)(bit / 64 + 1);
        }
        return TK_OK;
}

enum tk_err tk_publish_scopes(struct tk_publisher *publisher, uint32_t api_id, const struct tk_str *scopes,
                              uint32_t scope_count)
{
        const struct tk_publish_key key = {.api_id = api_id, .scopes = scopes, .scope_count = scope_count};
        uint64_t words[PATTERN_WORDS];
        uint16_t word_count;
        return scope_bits(publisher, &key, words, &word_count);
}

static void add_scope_text(struct builder *builder, const struct tk_publish_key *key)
{
        uint32_t start = builder->policy->head.size_bytes;
        for (uint32_t i = 0; i < key->scope_count; i++) {
                if (i > 0)
                        add_bytes(builder, " ", 1);
                add_bytes(builder, key->scopes[i].ptr, key->scopes[i].len);
        }
        builder->policy->scopes = (struct tk_format_text){start, builder->policy->head.size_bytes - start};
}

/* ---- restrictions ---- */

static void add_cidrs(struct builder *builder, const struct tk_cidr *cidrs, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++) {
                struct tk_format_cidr cidr = {.family = cidrs[i].family, .prefix_bits = cidrs[i].prefix_bits};
                memcpy(cidr.bytes, cidrs[i].bytes, sizeof cidr.bytes);
                add_bytes(builder, &cidr, sizeof cidr);
        }
        builder->policy->cidr_count = (uint16_t)count;
}

static struct tk_format_text *add_places(struct builder *builder, uint32_t count, uint16_t *ret_count)
{
        *ret_count = (uint16_t)count;
        return add_bytes(builder, NULL, count * sizeof(struct tk_format_text));
}

static void add_texts(struct builder *builder, const struct tk_str *texts, uint32_t count,
                      struct tk_format_text *places)
{
        for (uint32_t i = 0; i < count; i++) {
                struct tk_format_text place = {builder->policy->head.size_bytes, (uint32_t)texts[i].len};
                add_bytes(builder, texts[i].ptr, texts[i].len);
                if (builder->fits)
                        places[i] = place;
        }
}

static bool counts_fit(const struct tk_publish_key *key)
{
        const uint32_t most = 4096;
        return key->scope_count <= TK_POLICY_PATTERNS_MAX && key->cidr_count <= most &&
               key->origin_count <= most && key->method_count <= most && key->path_count <= most &&
               key->role_count <= TK_POLICY_ROLES_MAX;
}

/* ---- roles ---- */

/* References are of lower lines than the policy's own: a role is published before the keys that have it. */
static enum tk_err add_roles(struct tk_publisher *publisher, struct builder *builder,
                             const struct tk_publish_key *key)
{
        for (uint32_t i = 0; i < key->role_count; i++) {
                uint32_t ref = tk_intern_find_role(publisher, key->roles[i], key->api_id);
                if (!ref)
                        return TK_NOT_FOUND;
                add_bytes(builder, &ref, sizeof ref);
        }
        builder->policy->role_count = (uint16_t)key->role_count;
        return TK_OK;
}

/* ---- the policies ---- */

enum tk_err tk_publish_key_policy(struct tk_publisher *publisher, const struct tk_publish_key *key,
                                  uint32_t *ret_policy)
{
        uint64_t words[PATTERN_WORDS];
        uint16_t word_count;
        if (!counts_fit(key))
                return TK_INVALID;
        enum tk_err err = scope_bits(publisher, key, words, &word_count);
        if (err)
                return err;

        struct builder builder = begin(publisher);
        struct tk_format_policy *policy = builder.policy;
        policy->api_id = key->api_id;
        err = add_limits(&builder, key->limits, key->limit_count, false);
        if (err)
                return err;
        policy->scope_words = word_count;
        add_bytes(&builder, words, word_count * sizeof *words);
        add_cidrs(&builder, key->cidrs, key->cidr_count);
        struct tk_format_text *origins = add_places(&builder, key->origin_count, &policy->origin_count);
        struct tk_format_text *methods = add_places(&builder, key->method_count, &policy->method_count);
        struct tk_format_text *paths = add_places(&builder, key->path_count, &policy->path_count);
        err = add_roles(publisher, &builder, key);
        if (err)
                return err;
        add_scope_text(&builder, key);
        add_texts(&builder, key->origins, key->origin_count, origins);
        add_texts(&builder, key->methods, key->method_count, methods);
        add_texts(&builder, key->paths, key->path_count, paths);
        return builder.fits ? tk_intern_policy(publisher, TK_RECORD_KEY_POLICY, ret_policy) : TK_INVALID;
}

enum tk_err tk_publish_subscription_policy(struct tk_publisher *publisher,
                                           const struct tk_publish_subscription *subscription,
                                           uint32_t *ret_policy)
{
        struct builder builder = begin(publisher);
        enum tk_err err = add_limits(&builder, subscription->limits, subscription->limit_count, true);
        return err ? err : tk_intern_policy(publisher, TK_RECORD_LIMITS, ret_policy);
}

enum tk_err tk_intern_route_policy(struct tk_publisher *publisher, const struct tk_publish_route *route,
                                   uint32_t *ret_policy)
{
        struct builder builder = begin(publisher);
        for (uint32_t i = 0; i < route->limit_count && i < TK_POLICY_LIMITS_MAX; i++)
                if (route->limits[i].anchored)
                        return TK_INVALID; /* it is nobody's subscription */
        enum tk_err err = add_limits(&builder, route->limits, route->limit_count, false);
        return err ? err : tk_intern_policy(publisher, TK_RECORD_LIMITS, ret_policy);
}
