/*
 * Filling an environment's tree of routes (route_table.h). One thread, the publisher's. Nodes and ends that are missing are appended and linked, each
 * whole before it is found; what puts a route in force, changes or ends it is the one store of its terms, which comes last. So a daemon that is killed
 * anywhere leaves a tree that deciders and its successor go on with.
 */
#include "gate/publisher.h"
#include "gate/route_table.h"

#include "core/limit.h"

#include <string.h>

static struct tk_area *arena(const struct tk_publisher *publisher)
{
        return tk_publisher_area(publisher, TK_FILE_POLICY);
}

static void *record_at(const struct tk_publisher *publisher, uint32_t ref)
{
        return arena(publisher)->lines + (uint64_t)ref * TK_POLICY_LINE_BYTES;
}

/* ---- records under construction, in scratch ---- */

static void *begin(struct tk_publisher *publisher, size_t bytes)
{
        struct tk_format_record *record = (void *)publisher->scratch;
        memset(record, 0, bytes);
        record->size_bytes = (uint32_t)bytes;
        return record;
}

static struct tk_format_text add_text(struct tk_format_record *record, struct tk_str text)
{
        struct tk_format_text place = {record->size_bytes, (uint32_t)text.len};
        if (text.len > 0)
                memcpy((uint8_t *)record + record->size_bytes, text.ptr, text.len);
        record->size_bytes += (uint32_t)text.len;
        return place;
}

/* ---- the tree ---- */

static enum tk_err add_node(struct tk_publisher *publisher, uint32_t environment_id, struct tk_str segment,
                            uint32_t *ret_ref)
{
        struct tk_format_route_node *node = begin(publisher, sizeof *node);
        node->environment_id = environment_id;
        node->hash = tk_route_hash(segment);
        node->segment = add_text(&node->head, segment);
        return tk_intern_append(publisher, TK_RECORD_ROUTE_NODE, environment_id, segment, ret_ref);
}

/* Make the node that a word shall lead to, and let it. */
static enum tk_err grow(struct tk_publisher *publisher, uint32_t environment_id, struct tk_str segment,
                        _Atomic uint32_t *place, uint32_t *ret_ref)
{
        enum tk_err err = add_node(publisher, environment_id, segment, ret_ref);
        if (!err)
                atomic_store_explicit(place, *ret_ref, memory_order_release);
        return err;
}

/* The root; 0, and no error, where there is none and `make` is false. */
static enum tk_err find_root(struct tk_publisher *publisher, uint32_t environment_id, bool make,
                             uint32_t *ret_ref)
{
        uint32_t ref = tk_intern_find_environment(publisher, environment_id);
        if (!ref)
                return TK_NOT_FOUND;
        struct tk_format_environment *environment = record_at(publisher, ref);
        *ret_ref = atomic_load_explicit(&environment->routes, memory_order_relaxed);
        return *ret_ref || !make ? TK_OK
                                 : grow(publisher, environment_id, TK_STR(""), &environment->routes, ret_ref);
}

/* The node below for one segment of the template. As find_root(). */
static enum tk_err find_below(struct tk_publisher *publisher, uint32_t parent, struct tk_str segment,
                              bool make, uint32_t *ret_ref)
{
        struct tk_format_route_node *node = record_at(publisher, parent);
        const _Atomic uint32_t *place = &node->wild;
        bool wild = tk_route_is_wild(segment);
        *ret_ref = wild ? atomic_load_explicit(place, memory_order_relaxed)
                        : tk_route_child(arena(publisher), parent, segment, &place);
        if (*ret_ref == UINT32_MAX)
                return TK_CORRUPT;
        if (*ret_ref || !make)
                return TK_OK;
        /* The word is the daemon's own to write: only deciders map it read-only. */
        return grow(publisher, node->environment_id, wild ? TK_STR("") : segment,
                    (_Atomic uint32_t *)(uintptr_t)place, ret_ref);
}

static enum tk_err find_end(struct tk_publisher *publisher, uint32_t node_ref, bool rest,
                            struct tk_str method, bool make, uint32_t *ret_ref)
{
        struct tk_format_route_node *node = record_at(publisher, node_ref);
        _Atomic uint32_t *chain = rest ? &node->rest : &node->ends;
        uint32_t first = atomic_load_explicit(chain, memory_order_relaxed);
        *ret_ref = tk_route_find_end(arena(publisher), first, method);
        if (*ret_ref == UINT32_MAX)
                return TK_CORRUPT;
        if (*ret_ref || !make)
                return TK_OK;
        uint32_t environment_id = node->environment_id;
        struct tk_format_route_end *end = begin(publisher, sizeof *end);
        end->environment_id = environment_id;
        atomic_init(&end->head.next, first);
        end->method = add_text(&end->head, method);
        enum tk_err err = tk_intern_append(publisher, TK_RECORD_ROUTE_END, environment_id, method, ret_ref);
        if (!err)
                atomic_store_explicit(chain, *ret_ref, memory_order_release);
        return err;
}

/* The end of a route, made with all that leads to it if need be; 0, and no error, where there is none. */
static enum tk_err find_route_end(struct tk_publisher *publisher, const struct tk_publish_match *match,
                                  bool make, uint32_t *ret_ref)
{
        struct tk_str left = match->template;
        bool rest = false;
        uint32_t ref;
        enum tk_err err = find_root(publisher, match->environment_id, make, &ref);
        while (!err && ref && left.len > 0 && !rest) {
                struct tk_str segment = tk_route_cut(&left);
                rest = tk_route_is_rest(segment);
                if (!rest)
                        err = find_below(publisher, ref, segment, make, &ref);
        }
        *ret_ref = 0;
        return err || !ref ? err : find_end(publisher, ref, rest, match->method, make, ret_ref);
}

/* ---- terms ---- */

/* Equal terms are one record, so that a route that is published again and again takes no room. */
static enum tk_err make_terms(struct tk_publisher *publisher, const struct tk_publish_match *match,
                              uint32_t route, uint32_t *ret_ref)
{
        struct tk_scope_expr scope;
        size_t error_at;
        if (!tk_scope_expr_parse(match->scope, &scope, &error_at))
                return TK_INVALID;

        size_t ops_bytes = scope.op_count * sizeof(struct tk_format_scope_op);
        struct tk_format_route_terms *terms = begin(publisher, sizeof *terms + ops_bytes);
        struct tk_format_scope_op *ops = (void *)(terms + 1);
        terms->cost = match->cost;
        terms->route = route;
        terms->op_count = scope.op_count;
        terms->scope = add_text(&terms->head, match->scope);
        for (uint32_t i = 0; i < scope.op_count; i++) {
                ops[i].op = scope.ops[i].op;
                if (scope.ops[i].op != TK_SCOPE_NAME)
                        continue;
                ops[i].name.offset =
                        terms->scope.offset + (uint32_t)(scope.ops[i].name.ptr - match->scope.ptr);
                ops[i].name.len = (uint32_t)scope.ops[i].name.len;
        }
        return tk_intern_policy(publisher, TK_RECORD_ROUTE_TERMS, ret_ref);
}

static bool match_sound(const struct tk_publish_match *match)
{
        return match->method.len > 0 && match->method.len <= TK_POLICY_NAME_MAX &&
               tk_path_template_valid(match->template) && match->cost <= TK_LIMIT_COST_MAX &&
               match->scope.len <= TK_SCOPE_EXPR_MAX_BYTES;
}

enum tk_err tk_publish_match(struct tk_publisher *publisher, const struct tk_publish_match *match)
{
        uint32_t route, terms, end_ref;
        if (!match_sound(match))
                return TK_INVALID;
        route = tk_policy_find_route(arena(publisher), match->environment_id, match->method, match->template);
        if (!route || tk_policy_route(arena(publisher), route)->route_id != match->route_id)
                return TK_NOT_FOUND;
        enum tk_err err = make_terms(publisher, match, route, &terms);
        if (!err)
                err = find_route_end(publisher, match, true, &end_ref);
        if (err)
                return err;
        struct tk_format_route_end *end = record_at(publisher, end_ref);
        atomic_store(&end->terms, terms);
        return TK_OK;
}

enum tk_err tk_publish_unmatch(struct tk_publisher *publisher, const struct tk_publish_match *match)
{
        struct tk_matched_route now;
        uint32_t end_ref;
        if (!match_sound(match))
                return TK_INVALID;
        enum tk_err err = find_route_end(publisher, match, false, &end_ref);
        if (err || !end_ref)
                return err == TK_NOT_FOUND ? TK_OK : err;
        struct tk_format_route_end *end = record_at(publisher, end_ref);
        uint32_t terms = atomic_load_explicit(&end->terms, memory_order_relaxed);
        if (terms && tk_route_terms(arena(publisher), terms, &now) && now.id == match->route_id)
                atomic_store(&end->terms, 0);
        return TK_OK;
}

/* ---- checks ---- */

bool tk_route_node_sound(struct tk_area *area, uint32_t ref)
{
        const struct tk_format_route_node *node = tk_route_node(area, ref);
        struct tk_str text;
        if (!node || !tk_policy_text(&node->head, node->segment, &text) || node->hash != tk_route_hash(text))
                return false;
        const _Atomic uint32_t *down[] = {&node->children, &node->wild,    &node->kids[0],
                                          &node->kids[1],  &node->kids[2], &node->kids[3]};
        const _Atomic uint32_t *chains[] = {&node->ends, &node->rest};
        for (size_t i = 0; i < sizeof down / sizeof *down; i++) {
                uint32_t child = atomic_load(down[i]);
                if (child && (child <= ref || !tk_route_node(area, child)))
                        return false;
        }
        for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
                uint32_t first = atomic_load(chains[i]);
                if (first && !tk_route_end(area, first))
                        return false;
        }
        return true;
}

bool tk_route_end_sound(struct tk_area *area, uint32_t ref)
{
        const struct tk_format_route_end *end = tk_route_end(area, ref);
        struct tk_matched_route route;
        struct tk_str text;
        if (!end || !tk_policy_text(&end->head, end->method, &text))
                return false;
        uint32_t next = atomic_load(&end->head.next), terms = atomic_load(&end->terms);
        return (next == 0 || (next < ref && tk_route_end(area, next))) &&
               (terms == 0 || tk_route_terms(area, terms, &route));
}
