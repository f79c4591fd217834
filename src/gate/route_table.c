/*
 * Finding the route of a request. Runs in the decision path, on any thread; allocates nothing, writes nothing. A depth-first search from the
 * most specific branch on: each node is reached in one way only, so none is looked at twice.
 */
#include "gate/route_table.h"

#include "core/limit.h"
#include "gate/request.h"

#include <string.h>

/* ---- segments ---- */

/* Eight bytes a step, as in policy.c. Who picks the path of a request cannot pick what is in the tree. */
uint32_t tk_route_hash(struct tk_str segment)
{
        uint64_t hash = segment.len;
        for (size_t at = 0; at < segment.len; at += sizeof hash) {
                uint64_t word = 0;
                size_t left = segment.len - at;
                memcpy(&word, segment.ptr + at, left < sizeof word ? left : sizeof word);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
        }
        return (uint32_t)(hash ^ hash >> 29);
}

struct tk_str tk_route_cut(struct tk_str *inout_rest)
{
        struct tk_str after_slash = tk_str_skip(*inout_rest, 1);
        const char *slash = memchr(after_slash.ptr, '/', after_slash.len);
        size_t len = slash ? (size_t)(slash - after_slash.ptr) : after_slash.len;
        *inout_rest = tk_str_skip(after_slash, len);
        return (struct tk_str){after_slash.ptr, len};
}

bool tk_route_is_wild(struct tk_str segment)
{
        return segment.len > 0 && (segment.ptr[0] == '{' || tk_str_equal(segment, TK_STR("*")));
}

bool tk_route_is_rest(struct tk_str segment)
{
        return tk_str_equal(segment, TK_STR("**"));
}

/* ---- records ---- */

static uint32_t load(const _Atomic uint32_t *word)
{
        return atomic_load_explicit(word, memory_order_acquire);
}

const struct tk_format_route_node *tk_route_node(struct tk_area *policy, uint32_t ref)
{
        return (const void *)tk_policy_record(policy, ref, TK_RECORD_ROUTE_NODE,
                                              sizeof(struct tk_format_route_node));
}

const struct tk_format_route_end *tk_route_end(struct tk_area *policy, uint32_t ref)
{
        return (const void *)tk_policy_record(policy, ref, TK_RECORD_ROUTE_END,
                                              sizeof(struct tk_format_route_end));
}

#define DAMAGED UINT32_MAX

uint32_t tk_route_child(struct tk_area *policy, uint32_t parent, struct tk_str segment,
                        const _Atomic uint32_t **ret_place)
{
        const struct tk_format_route_node *node = tk_route_node(policy, parent);
        if (!node)
                return DAMAGED;
        uint32_t hash = tk_route_hash(segment), branches = hash, from = parent, ref;
        const _Atomic uint32_t *place = &node->children;
        while ((ref = load(place))) {
                struct tk_str its;
                node = ref > from ? tk_route_node(policy, ref) : NULL;
                if (!node || !tk_policy_text(&node->head, node->segment, &its))
                        return DAMAGED;
                if (node->hash == hash && tk_str_equal(its, segment))
                        return ref;
                place = &node->kids[branches % TK_ROUTE_BRANCHES];
                branches /= TK_ROUTE_BRANCHES;
                from = ref;
        }
        if (ret_place)
                *ret_place = place;
        return 0;
}

uint32_t tk_route_find_end(struct tk_area *policy, uint32_t first, struct tk_str method)
{
        for (uint32_t ref = first; ref;) {
                const struct tk_format_route_end *end = tk_route_end(policy, ref);
                struct tk_str its;
                if (!end || !tk_policy_text(&end->head, end->method, &its))
                        return DAMAGED;
                if (tk_str_equal(its, method))
                        return ref;
                uint32_t next = load(&end->head.next);
                ref = next < ref ? next : 0;
        }
        return 0;
}

/* ---- terms ---- */

/* Evaluation keeps a stack and believes that it neither runs empty nor over. */
static bool op_fits(enum tk_scope_op op, uint32_t *inout_height)
{
        if (op == TK_SCOPE_NAME)
                return ++*inout_height <= (TK_SCOPE_EXPR_MAX_OPS + 1) / 2;
        if ((op != TK_SCOPE_AND && op != TK_SCOPE_OR) || *inout_height < 2)
                return false;
        --*inout_height;
        return true;
}

static bool take_scope(const struct tk_format_route_terms *terms, struct tk_scope_expr *ret_scope)
{
        const struct tk_format_scope_op *ops = (const void *)(terms + 1);
        uint32_t height = 0;
        if (terms->op_count > TK_SCOPE_EXPR_MAX_OPS ||
            terms->op_count * sizeof *ops > terms->head.size_bytes - sizeof *terms)
                return false;
        for (uint32_t i = 0; i < terms->op_count; i++) {
                ret_scope->ops[i].op = (enum tk_scope_op)ops[i].op;
                if (!op_fits(ret_scope->ops[i].op, &height) ||
                    !tk_policy_text(&terms->head, ops[i].name, &ret_scope->ops[i].name))
                        return false;
        }
        ret_scope->op_count = (uint16_t)terms->op_count;
        return height == (terms->op_count > 0);
}

bool tk_route_terms(struct tk_area *policy, uint32_t ref, struct tk_matched_route *ret_route)
{
        const struct tk_format_route_terms *terms = (const void *)tk_policy_record(
                policy, ref, TK_RECORD_ROUTE_TERMS, sizeof(struct tk_format_route_terms));
        const struct tk_format_route *route = terms ? tk_policy_route(policy, terms->route) : NULL;
        if (!route || terms->cost > TK_LIMIT_COST_MAX || !take_scope(terms, &ret_route->scope))
                return false;
        ret_route->route = terms->route;
        ret_route->id = route->route_id;
        ret_route->cost = terms->cost;
        return tk_policy_text(&route->head, route->method, &ret_route->method) &&
               tk_policy_text(&route->head, route->template, &ret_route->path) &&
               tk_policy_text(&terms->head, terms->scope, &ret_route->scope_text);
}

/* ---- the search ---- */

/* A node on the way from the root, and what is left of the path there. */
struct level {
        const struct tk_format_route_node *node;
        uint32_t ref;
        struct tk_str rest;
        enum { AT_LITERAL, AT_WILD, AT_REST, AT_END } next;
};

struct search {
        struct tk_area *policy;
        struct tk_str method;
        struct tk_matched_route *route;
        struct level levels[TK_ROUTE_DEPTH_MAX + 1];
        uint32_t depth, visits;
};

static bool descend(struct search *search, uint32_t ref, struct tk_str rest)
{
        const struct tk_format_route_node *node = tk_route_node(search->policy, ref);
        if (!node || search->depth > TK_ROUTE_DEPTH_MAX || ++search->visits > TK_ROUTE_VISITS_MAX)
                return false;
        struct level *level = &search->levels[search->depth++];
        level->node = node;
        level->ref = ref;
        level->rest = rest;
        level->next = AT_LITERAL;
        return true;
}

/* The terms of this method's end that are in force; 0: there are none. */
static uint32_t terms_of(struct search *search, uint32_t first, struct tk_str method)
{
        uint32_t ref = tk_route_find_end(search->policy, first, method);
        const struct tk_format_route_end *end = tk_route_end(search->policy, ref);
        if (ref == 0)
                return 0;
        return end ? load(&end->terms) : DAMAGED;
}

/* The ends of one chain: the method's own, HEAD's by GET, those for any. */
static enum tk_route_result take_end(struct search *search, const _Atomic uint32_t *chain)
{
        uint32_t first = load(chain);
        if (first == 0)
                return TK_ROUTE_UNKNOWN;
        uint32_t terms = terms_of(search, first, search->method);
        if (terms == 0 && tk_str_equal(search->method, TK_STR("HEAD")))
                terms = terms_of(search, first, TK_STR("GET"));
        if (terms == 0)
                terms = terms_of(search, first, TK_STR("*"));
        if (terms == 0)
                return TK_ROUTE_UNKNOWN;
        return tk_route_terms(search->policy, terms, search->route) ? TK_ROUTE_MATCHED : TK_ROUTE_UNAVAILABLE;
}

/* Down to `ref`, if there is such a node. */
static enum tk_route_result follow(struct search *search, uint32_t from, uint32_t ref, struct tk_str rest)
{
        if (ref == 0)
                return TK_ROUTE_UNKNOWN;
        return ref > from && descend(search, ref, rest) ? TK_ROUTE_UNKNOWN : TK_ROUTE_UNAVAILABLE;
}

/* One step from the deepest level: further down, to the next branch, or back. TK_ROUTE_UNKNOWN: the search goes on. */
static enum tk_route_result step(struct search *search)
{
        struct level *level = &search->levels[search->depth - 1];
        struct tk_str rest = level->rest, segment;
        bool ends = rest.len == 0;
        switch (level->next) {
        case AT_LITERAL:
                level->next = AT_WILD;
                if (ends)
                        return take_end(search, &level->node->ends);
                segment = tk_route_cut(&rest);
                return follow(search, level->ref, tk_route_child(search->policy, level->ref, segment, NULL),
                              rest);
        case AT_WILD:
                level->next = AT_REST;
                segment = ends ? TK_STR_NONE : tk_route_cut(&rest);
                return segment.len == 0 ? TK_ROUTE_UNKNOWN
                                        : follow(search, level->ref, load(&level->node->wild), rest);
        case AT_REST:
                level->next = AT_END;
                return take_end(search, &level->node->rest);
        case AT_END:
                break;
        }
        search->depth--;
        return TK_ROUTE_UNKNOWN;
}

enum tk_route_result tk_route_search(struct tk_area *policy, uint32_t root, struct tk_str method,
                                     struct tk_str canonical_path, struct tk_matched_route *ret_route)
{
        struct search search; /* 5 KiB, of which a few levels are used */
        search.policy = policy;
        search.method = method;
        search.route = ret_route;
        search.depth = search.visits = 0;
        if (root == 0)
                return TK_ROUTE_UNKNOWN;
        if (!descend(&search, root, canonical_path))
                return TK_ROUTE_UNAVAILABLE;
        while (search.depth > 0) {
                enum tk_route_result result = step(&search);
                if (result != TK_ROUTE_UNKNOWN)
                        return result;
        }
        return TK_ROUTE_UNKNOWN;
}

enum tk_route_result tk_gate_match_route(const struct tk_gate *gate, uint32_t environment,
                                         struct tk_str method, struct tk_str path,
                                         struct tk_matched_route *ret_route)
{
        struct tk_area *policy = tk_gate_area(gate, TK_FILE_POLICY);
        const struct tk_format_environment *record = tk_policy_environment(policy, environment);
        char canonical[TK_PATH_MAX];
        size_t len;
        bool ambiguous;
        if (!record)
                return TK_ROUTE_UNAVAILABLE;
        if (!tk_path_canonical(path, canonical, sizeof canonical, &len, &ambiguous))
                return TK_ROUTE_MALFORMED;
        if (ambiguous)
                return TK_ROUTE_AMBIGUOUS;
        return tk_route_search(policy, load(&record->routes), method, (struct tk_str){canonical, len},
                               ret_route);
}
