/*
 * Scopes: names, wildcards, and expressions that require them. Pure.
 *
 * A scope is `resource:action` or a single word; each part [a-z0-9][a-z0-9._-]*, at most TK_SCOPE_MAX bytes in all,
 * not `and` or `or`. A granted pattern may also be `resource:*` (every action of the resource) or `*` (everything).
 */
#ifndef TK_CORE_SCOPE_H
#define TK_CORE_SCOPE_H

#include "core/str.h"

#include <stdint.h>

#define TK_SCOPE_MAX            64
#define TK_SCOPE_EXPR_MAX_BYTES 1024
#define TK_SCOPE_EXPR_MAX_OPS   64 /* names and operators together */
#define TK_SCOPE_EXPR_MAX_DEPTH 16

/* A scope that can be required or defined: no wildcard. */
bool tk_scope_name_valid(struct tk_str name);

/* A scope that can be granted: a name, `resource:*` or `*`. */
bool tk_scope_pattern_valid(struct tk_str pattern);

/* Whether the granted pattern covers the required name. Both valid. */
bool tk_scope_covers(struct tk_str pattern, struct tk_str name);

enum tk_scope_op { TK_SCOPE_NAME, TK_SCOPE_AND, TK_SCOPE_OR };

/* A requirement in postfix order; names are slices into the parsed text, which must outlive it. */
struct tk_scope_expr {
        uint16_t op_count; /* 0: requires nothing */
        struct {
                enum tk_scope_op op;
                struct tk_str name;
        } ops[TK_SCOPE_EXPR_MAX_OPS]; /* set up to op_count */
};

/*
 * expression = term { "or" term };  term = factor { "and" factor };  factor = name | "(" expression ")"
 * Words are separated by spaces. Empty or blank text requires nothing.
 * False when it is not one, or is longer, has more operations or is deeper than the limits above;
 * *ret_error_at is then the byte offset where it went wrong.
 */
bool tk_scope_expr_parse(struct tk_str text, struct tk_scope_expr *ret_expr, size_t *ret_error_at);

/* Evaluate with `has(context, name)` telling for each name whether it is granted. No recursion, no allocation. */
bool tk_scope_expr_eval(const struct tk_scope_expr *expr, bool (*has)(void *context, struct tk_str name),
                        void *context);

#endif
