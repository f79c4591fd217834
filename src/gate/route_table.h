/*
 * The routes of an environment, as deciders walk them: a tree of segments in the policy arena (docs/formats/gate.md, Routes). Called by
 * deciders, from any thread, and by the publisher, which fills it (route_compile.c). Believes nothing it reads. Never writes.
 */
#ifndef TK_GATE_ROUTE_TABLE_H
#define TK_GATE_ROUTE_TABLE_H

#include "core/path.h"
#include "gate/gate.h"
#include "gate/policy.h"

/* A template has no more segments: 2 bytes each, but for the last. */
#define TK_ROUTE_DEPTH_MAX  130
/* A search looks at no more nodes. What people write takes a few; that it could take so many is refused, not waited for. */
#define TK_ROUTE_VISITS_MAX 16384

uint32_t tk_route_hash(struct tk_str segment);

/* Cut the segment at the front of a path or template that begins with a slash. */
struct tk_str tk_route_cut(struct tk_str *inout_rest);

/* Whether a segment of a valid template is a parameter or `*`, and whether it is `**`. */
bool tk_route_is_wild(struct tk_str segment);
bool tk_route_is_rest(struct tk_str segment);

/* NULL: the reference leads to no such record. */
const struct tk_format_route_node *tk_route_node(struct tk_area *policy, uint32_t ref);
const struct tk_format_route_end *tk_route_end(struct tk_area *policy, uint32_t ref);

/*
 * The node of a literal segment below one; 0: there is none, and then *ret_place, where it is not NULL, is the word that would lead to it.
 * UINT32_MAX: damaged.
 */
uint32_t tk_route_child(struct tk_area *policy, uint32_t parent, struct tk_str segment,
                        const _Atomic uint32_t **ret_place);

/* The end of exactly this method in a chain; 0: there is none. */
uint32_t tk_route_find_end(struct tk_area *policy, uint32_t first, struct tk_str method);

/* Terms, decoded; false: damaged. */
bool tk_route_terms(struct tk_area *policy, uint32_t ref, struct tk_matched_route *ret_route);

/* The search alone, of a canonical path. */
enum tk_route_result tk_route_search(struct tk_area *policy, uint32_t root, struct tk_str method,
                                     struct tk_str canonical_path, struct tk_matched_route *ret_route);

#endif
