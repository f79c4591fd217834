/*
 * Reading the policy arena: records by reference, environments and scope patterns by name. Called by deciders
 * on every request, from any thread, and by the daemon's checks. Believes nothing it reads: a reference, a
 * size or a count that does not fit gives NULL or false. Never writes.
 */
#ifndef TK_GATE_POLICY_H
#define TK_GATE_POLICY_H

#include "core/str.h"
#include "gate/area.h"

/* A record of this kind, and all of its bytes in bounds; NULL otherwise. `least_bytes`: what its structure needs. */
const struct tk_format_record *tk_policy_record(struct tk_area *policy, uint32_t ref,
                                                enum tk_record_kind kind, size_t least_bytes);

const struct tk_format_environment *tk_policy_environment(struct tk_area *policy, uint32_t ref);

const struct tk_format_route *tk_policy_route(struct tk_area *policy, uint32_t ref);

/* The record that holds the consumer's present name. */
const struct tk_format_consumer *tk_policy_consumer(struct tk_area *policy, uint32_t ref);

/* A text of a record; false when it reaches outside. */
bool tk_policy_text(const struct tk_format_record *record, struct tk_format_text text,
                    struct tk_str *ret_text);

/* A key's or a subscription's policy, its parts found and in bounds. */
struct tk_policy_view {
        const struct tk_format_policy *policy;
        const struct tk_format_limit *limits;
        const uint64_t *scope_words;
        const struct tk_format_cidr *cidrs;
        const struct tk_format_text *origins, *methods, *paths;
        const uint32_t *roles;
};
bool tk_policy_view(struct tk_area *policy, uint32_t ref, enum tk_record_kind kind,
                    struct tk_policy_view *ret_view);

const struct tk_format_role *tk_policy_role(struct tk_area *policy, uint32_t ref);
/* What a role grants now. False: damaged, or another role is in it. */
bool tk_policy_role_view(struct tk_area *policy, const struct tk_format_role *role,
                         struct tk_policy_view *ret_view);

/*
 * Whether the limit's numbers are such that the arithmetic of core/limit.h may be given them, and its slot is
 * the policy's.
 */
bool tk_policy_limit_sound(const struct tk_format_limit *limit, const struct tk_format_policy *policy);

/*
 * A limit's definition as deciders take it, for this slot. TK_INVALID: the definition is not one (tk_limit_def_check).
 */
enum tk_err tk_policy_limit_compile(const struct tk_limit_def *def, uint8_t slot,
                                    struct tk_format_limit *ret_limit);

/* Bytes that a policy's fixed part and arrays take; its texts' characters follow. */
size_t tk_policy_arrays_bytes(const struct tk_format_policy *policy);

/* ---- by name ---- */

uint32_t tk_policy_environment_bucket(struct tk_str api, struct tk_str name);
uint32_t tk_policy_pattern_bucket(uint32_t api_id, struct tk_str text);
uint32_t tk_policy_route_bucket(uint32_t environment_id, struct tk_str method, struct tk_str template);

/* Reference, or 0 when there is none. */
uint32_t tk_policy_find_environment(struct tk_area *policy, struct tk_str api, struct tk_str name);
/* Whether any environment is of this API: walks them all, so for faults only. */
bool tk_policy_has_api(struct tk_area *policy, struct tk_str api);
uint32_t tk_policy_find_pattern(struct tk_area *policy, uint32_t api_id, struct tk_str text);
uint32_t tk_policy_find_route(struct tk_area *policy, uint32_t environment_id, struct tk_str method,
                              struct tk_str template);

/* FNV-1a, 64 bits: continue `hash` (start: TK_FNV_START) with these bytes. */
#define TK_FNV_START UINT64_C(0xcbf29ce484222325)
uint64_t tk_fnv(uint64_t hash, const void *bytes, size_t len);
uint32_t tk_fnv_fold(uint64_t hash);

static inline struct tk_format_chains *tk_policy_chains(const struct tk_area *policy)
{
        return (struct tk_format_chains *)(policy->lines - sizeof(struct tk_format_chains));
}

#endif
