/*
 * The cache behind terms.h: a table in which each set of texts has one place, and takes it from whatever
 * stood there. The texts themselves are compared, so a hash that agrees by chance, or by design, costs a look
 * and nothing else.
 */
#include "service/terms.h"

#include "core/alloc.h"
#include "service/publisher.h"

#include <string.h>

#define PLACES      1024
#define TEXTS       4
#define TEXTS_BYTES 1000 /* longer ones are rare, and not kept */

/* api_id 0: of a plan. */
struct texts {
        uint32_t api_id;
        struct tk_str text[TEXTS];
};

struct place {
        uint32_t policy; /* 0: empty */
        uint32_t api_id;
        uint32_t len[TEXTS];
        char bytes[TEXTS_BYTES];
};

struct tk_terms {
        struct tk_publisher *files;
        struct place places[PLACES];
};

enum tk_err tk_terms_new(struct tk_publisher *files, struct tk_terms **ret_terms)
{
        struct tk_terms *terms = tk_calloc(1, sizeof(*terms));
        if (!terms)
                return TK_NOMEM;
        terms->files = files;
        *ret_terms = terms;
        return TK_OK;
}

void tk_terms_free(struct tk_terms *terms)
{
        tk_free(terms);
}

/* ---- the table ---- */

/* Eight bytes a step: this runs for each key of a rebuild, over some hundred bytes. */
static uint64_t hash_text(uint64_t hash, struct tk_str text)
{
        uint64_t word = text.len;
        for (size_t at = 0; at < text.len; at += sizeof(word)) {
                size_t left = text.len - at;
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
                word = 0;
                memcpy(&word, text.ptr + at, left < sizeof(word) ? left : sizeof(word));
        }
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        return hash ^ hash >> 32;
}

static struct place *place_of(struct tk_terms *terms, const struct texts *texts)
{
        uint64_t hash = texts->api_id;
        for (int i = 0; i < TEXTS; i++)
                hash = hash_text(hash, texts->text[i]);
        return &terms->places[hash % PLACES];
}

static bool holds(const struct place *place, const struct texts *texts)
{
        const char *bytes = place->bytes;
        if (place->policy == 0 || place->api_id != texts->api_id)
                return false;
        for (int i = 0; i < TEXTS; i++) {
                if (!tk_str_equal((struct tk_str){bytes, place->len[i]}, texts->text[i]))
                        return false;
                bytes += place->len[i];
        }
        return true;
}

static void keep(struct place *place, const struct texts *texts, uint32_t policy)
{
        size_t used = 0;
        for (int i = 0; i < TEXTS; i++)
                used += texts->text[i].len;
        if (used > TEXTS_BYTES)
                return;
        char *bytes = place->bytes;
        place->policy = policy;
        place->api_id = texts->api_id;
        for (int i = 0; i < TEXTS; i++) {
                place->len[i] = (uint32_t)texts->text[i].len;
                memcpy(bytes, texts->text[i].ptr, texts->text[i].len);
                bytes += texts->text[i].len;
        }
}

/* ---- keys ---- */

static enum tk_err compile_key(struct tk_terms *terms, uint32_t api_id, const struct tk_key_row *row,
                               struct tk_arena *arena, uint32_t *ret_policy)
{
        struct tk_str scopes[TK_KEY_SCOPES_MAX];
        struct tk_limit_def limits[TK_LIMITS_MAX];
        struct tk_restrictions restrictions;
        struct tk_key_role roles[TK_KEY_ROLES_MAX];
        uint32_t role_ids[TK_KEY_ROLES_MAX];
        struct tk_publish_key key = {.api_id = api_id, .scopes = scopes, .limits = limits, .roles = role_ids};
        enum tk_err err = tk_scopes_decode(row->scopes, arena, scopes, &key.scope_count);
        if (err == TK_OK)
                err = tk_limits_decode(row->limits, limits, &key.limit_count);
        if (err == TK_OK)
                err = tk_restrictions_decode(row->restrictions, arena, &restrictions);
        if (err == TK_OK)
                err = tk_key_roles_decode(row->roles, arena, roles, &key.role_count);
        if (err != TK_OK)
                return err;
        for (uint32_t i = 0; i < key.role_count; i++)
                role_ids[i] = (uint32_t)roles[i].id;
        key.cidrs = restrictions.cidrs;
        key.origins = restrictions.origins;
        key.methods = restrictions.methods;
        key.paths = restrictions.paths;
        key.cidr_count = restrictions.cidr_count;
        key.origin_count = restrictions.origin_count;
        key.method_count = restrictions.method_count;
        key.path_count = restrictions.path_count;
        return tk_publish_key_policy(terms->files, &key, ret_policy);
}

enum tk_err tk_terms_of_key(struct tk_terms *terms, uint32_t api_id, const struct tk_key_row *row,
                            uint32_t *ret_policy)
{
        struct texts texts = {api_id, {row->scopes, row->limits, row->restrictions, row->roles}};
        struct place *place = place_of(terms, &texts);
        if (holds(place, &texts)) {
                *ret_policy = place->policy;
                return TK_OK;
        }
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        enum tk_err err = compile_key(terms, api_id, row, &arena, ret_policy);
        tk_arena_fini(&arena);
        if (err == TK_OK)
                keep(place, &texts, *ret_policy);
        return err;
}

/* ---- plans ---- */

enum tk_err tk_terms_of_plan(struct tk_terms *terms, struct tk_str text, uint32_t *ret_policy)
{
        struct texts texts = {0, {text, TK_STR(""), TK_STR(""), TK_STR("")}};
        struct place *place = place_of(terms, &texts);
        if (holds(place, &texts)) {
                *ret_policy = place->policy;
                return TK_OK;
        }
        struct tk_limit_def limits[TK_LIMITS_MAX];
        struct tk_publish_subscription subscription = {.limits = limits};
        enum tk_err err = tk_limits_decode(text, limits, &subscription.limit_count);
        if (err == TK_OK)
                err = tk_publish_subscription_policy(terms->files, &subscription, ret_policy);
        if (err == TK_OK)
                keep(place, &texts, *ret_policy);
        return err;
}
