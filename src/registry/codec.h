/*
 * The parts of records that are stored as JSON text: limits, scopes, restrictions. Also which text may be stored at all.
 * Used by the noun files, on the thread of the transaction. Pure but for the allocations of jansson.
 *
 * limits        [{"kind":"rate","period":"fixed","anchored":false,"limit":100,"burst":100,"length_s":60,"name":"calls"}]
 *               and "shadow":true where it is not enforced
 * scopes        ["forecast:read"]
 * roles         {"reader":3}, names and ids, in the order of the names
 * restrictions  {"cidrs":["192.0.2.0/24"],"origins":[],"methods":["GET"],"paths":[]}, members that are empty left out
 */
#ifndef TK_REGISTRY_CODEC_H
#define TK_REGISTRY_CODEC_H

#include "core/arena.h"
#include "registry/model.h"

/* UTF-8 without NUL: what every engine stores and gives back unchanged. */
bool tk_text_storable(struct tk_str text);

/*
 * Encode: TK_INVALID when there are too many, or a text is not storable; TK_NOMEM.
 * Decode: TK_CORRUPT when the text is not what encode writes; TK_NOMEM. Strings are copied to `arena`.
 */
enum tk_err tk_limits_encode(const struct tk_limit_def *limits, uint32_t count, struct tk_arena *arena,
                             struct tk_str *ret_text);
enum tk_err tk_limits_decode(struct tk_str text, struct tk_limit_def ret_limits[TK_LIMITS_MAX],
                             uint32_t *ret_count);

enum tk_err tk_scopes_encode(const struct tk_str *scopes, uint32_t count, struct tk_arena *arena,
                             struct tk_str *ret_text);
enum tk_err tk_scopes_decode(struct tk_str text, struct tk_arena *arena,
                             struct tk_str ret_scopes[TK_KEY_SCOPES_MAX], uint32_t *ret_count);

/* The APIs that an admin key is bound to. */
enum tk_err tk_only_apis_encode(const struct tk_str *apis, uint32_t count, struct tk_arena *arena,
                                struct tk_str *ret_text);
enum tk_err tk_only_apis_decode(struct tk_str text, struct tk_arena *arena,
                                struct tk_str ret_apis[TK_ONLY_APIS_MAX], uint32_t *ret_count);
enum tk_err tk_key_roles_encode(const struct tk_key_role *roles, uint32_t count, struct tk_arena *arena,
                                struct tk_str *ret_text);
enum tk_err tk_key_roles_decode(struct tk_str text, struct tk_arena *arena,
                                struct tk_key_role ret_roles[TK_KEY_ROLES_MAX], uint32_t *ret_count);

enum tk_err tk_restrictions_encode(const struct tk_restrictions *restrictions, struct tk_arena *arena,
                                   struct tk_str *ret_text);
enum tk_err tk_restrictions_decode(struct tk_str text, struct tk_arena *arena,
                                   struct tk_restrictions *ret_restrictions);

#endif
