/*
 * Scopes (scope.h): names, patterns, and the parser and evaluator of requirements. Pure; any thread.
 * Evaluation is on the decision path; parsing is too where a caller sends an expression. Never allocates;
 * names stay slices of the text.
 */
#include "core/scope.h"

#include <string.h>

#define NAMES_MAX ((TK_SCOPE_EXPR_MAX_OPS + 1) / 2) /* n names take n - 1 operators */

bool tk_scope_name_valid(struct tk_str name)
{
        struct tk_str resource, action;

        if (name.len > TK_SCOPE_MAX)
                return false;
        if (!tk_str_cut(name, ':', &resource, &action))
                return tk_str_is_name(name, TK_SCOPE_MAX) && !tk_str_equal(name, TK_STR("and")) &&
                       !tk_str_equal(name, TK_STR("or"));
        return tk_str_is_name(resource, TK_SCOPE_MAX) && tk_str_is_name(action, TK_SCOPE_MAX);
}

bool tk_scope_pattern_valid(struct tk_str pattern)
{
        struct tk_str resource, action;

        if (tk_str_equal(pattern, TK_STR("*")))
                return true;
        if (pattern.len <= TK_SCOPE_MAX && tk_str_cut(pattern, ':', &resource, &action) &&
            tk_str_equal(action, TK_STR("*")))
                return tk_str_is_name(resource, TK_SCOPE_MAX);
        return tk_scope_name_valid(pattern);
}

bool tk_scope_covers(struct tk_str pattern, struct tk_str name)
{
        if (pattern.len == 0 || pattern.ptr[pattern.len - 1] != '*')
                return tk_str_equal(pattern, name);
        return tk_str_starts_with(name,
                                  (struct tk_str){pattern.ptr, pattern.len - 1}); /* "forecast:" or "" */
}

struct parser {
        struct tk_str text;
        size_t next;         /* first byte after the token */
        size_t at;           /* first byte of the token; where an error is reported */
        struct tk_str token; /* empty at the end of the text */
        unsigned depth;      /* of open parentheses */
        unsigned names;
        struct tk_scope_expr expr;
};

static bool is_parenthesis(char c)
{
        return c == '(' || c == ')';
}

static void advance(struct parser *p)
{
        struct tk_str text = p->text;

        while (p->next < text.len && text.ptr[p->next] == ' ')
                p->next++;
        p->at = p->next;
        if (p->next < text.len && is_parenthesis(text.ptr[p->next])) {
                p->next++;
        } else {
                while (p->next < text.len && text.ptr[p->next] != ' ' && !is_parenthesis(text.ptr[p->next]))
                        p->next++;
        }
        p->token = (struct tk_str){tk_str_skip(text, p->at).ptr, p->next - p->at};
}

static bool take(struct parser *p, struct tk_str word)
{
        if (!tk_str_equal(p->token, word))
                return false;
        advance(p);
        return true;
}

/* Never overflows: NAMES_MAX bounds the names, and so the operators between them. */
static void emit(struct parser *p, enum tk_scope_op op, struct tk_str name)
{
        p->expr.ops[p->expr.op_count].op = op;
        p->expr.ops[p->expr.op_count].name = name;
        p->expr.op_count++;
}

static bool parse_expression(struct parser *p);

static bool parse_group(struct parser *p)
{
        if (p->depth == TK_SCOPE_EXPR_MAX_DEPTH)
                return false;
        p->depth++;
        advance(p);
        if (!parse_expression(p) || !take(p, TK_STR(")")))
                return false;
        p->depth--;
        return true;
}

static bool parse_factor(struct parser *p)
{
        if (tk_str_equal(p->token, TK_STR("(")))
                return parse_group(p);
        if (p->names == NAMES_MAX || !tk_scope_name_valid(p->token))
                return false;
        p->names++;
        emit(p, TK_SCOPE_NAME, p->token);
        advance(p);
        return true;
}

static bool parse_term(struct parser *p)
{
        if (!parse_factor(p))
                return false;
        while (take(p, TK_STR("and"))) {
                if (!parse_factor(p))
                        return false;
                emit(p, TK_SCOPE_AND, TK_STR_NONE);
        }
        return true;
}

/* Recursion is through parse_group() only, so at most TK_SCOPE_EXPR_MAX_DEPTH deep. */
static bool parse_expression(struct parser *p)
{
        if (!parse_term(p))
                return false;
        while (take(p, TK_STR("or"))) {
                if (!parse_term(p))
                        return false;
                emit(p, TK_SCOPE_OR, TK_STR_NONE);
        }
        return true;
}

bool tk_scope_expr_parse(struct tk_str text, struct tk_scope_expr *ret_expr, size_t *ret_error_at)
{
        /* Most of it is the program's room, which is large: filled as far as it is used, and so copied. */
        struct parser p;

        if (text.len > TK_SCOPE_EXPR_MAX_BYTES) {
                *ret_error_at = TK_SCOPE_EXPR_MAX_BYTES;
                return false;
        }
        p.text = text;
        p.next = p.depth = p.names = 0;
        p.expr.op_count = 0;
        advance(&p);
        if (p.token.len > 0 && (!parse_expression(&p) || p.token.len > 0)) {
                *ret_error_at = p.at;
                return false;
        }
        ret_expr->op_count = p.expr.op_count;
        memcpy(ret_expr->ops, p.expr.ops, p.expr.op_count * sizeof(p.expr.ops[0]));
        return true;
}

bool tk_scope_expr_eval(const struct tk_scope_expr *expr, bool (*has)(void *context, struct tk_str name),
                        void *context)
{
        bool stack[NAMES_MAX];
        size_t height = 0;

        if (expr->op_count == 0)
                return true;
        for (size_t i = 0; i < expr->op_count; i++) {
                if (expr->ops[i].op == TK_SCOPE_NAME) {
                        stack[height++] = has(context, expr->ops[i].name);
                        continue;
                }
                height--;
                bool left = stack[height - 1], right = stack[height];
                stack[height - 1] = expr->ops[i].op == TK_SCOPE_AND ? left && right : left || right;
        }
        return stack[0];
}
