/*
 * Compiled scopes (the public header): an expression and the text that it points into. Made once, read by any thread.
 */
#include "core/alloc.h"
#include "lib/handle.h"

struct tollkeeper_scope {
        struct tk_scope_expr expr;
        struct tk_str names; /* space-separated; absent where alternatives would do */
        char *text;          /* the expression, and after it the names */
};

const struct tk_scope_expr *tk_lib_scope_expr(const struct tollkeeper_scope *scope)
{
        return scope ? &scope->expr : NULL;
}

struct tk_str tk_lib_scope_names(const struct tollkeeper_scope *scope)
{
        return scope ? scope->names : TK_STR_NONE;
}

/* The names of an expression without `or`, into `room`, which is as large as its text. */
static struct tk_str write_names(const struct tk_scope_expr *expr, char *room)
{
        size_t len = 0;
        for (unsigned i = 0; i < expr->op_count; i++) {
                if (expr->ops[i].op == TK_SCOPE_OR)
                        return TK_STR_NONE;
                if (expr->ops[i].op != TK_SCOPE_NAME)
                        continue;
                if (len > 0)
                        room[len++] = ' ';
                memcpy(room + len, expr->ops[i].name.ptr, expr->ops[i].name.len);
                len += expr->ops[i].name.len;
        }
        return (struct tk_str){len > 0 ? room : NULL, len};
}

enum tollkeeper_result tollkeeper_scope_compile(const char *expression, struct tollkeeper_scope **ret_scope,
                                                struct tollkeeper_error *error)
{
        if (!expression || !ret_scope)
                return tk_lib_error(TOLLKEEPER_INVALID, error, "no scope expression was given");
        size_t len = strnlen(expression, TK_SCOPE_EXPR_MAX_BYTES + 1);
        size_t error_at = 0;
        struct tollkeeper_scope *scope = tk_calloc(1, sizeof *scope);
        char *text = tk_malloc(2 * len);
        enum tollkeeper_result result = TOLLKEEPER_OK;
        if (!scope || !text) {
                result = tk_lib_error(TOLLKEEPER_NOMEM, error, "out of memory");
                goto out;
        }
        memcpy(text, expression, len);
        if (!tk_scope_expr_parse((struct tk_str){text, len}, &scope->expr, &error_at)) {
                result = tk_lib_error(TOLLKEEPER_INVALID, error,
                                      "it is not a scope expression: see byte %zu: use scopes such as "
                                      "forecast:read, with and, or and parentheses between them",
                                      error_at);
                goto out;
        }
        scope->names = write_names(&scope->expr, text + len);
        scope->text = text;
        *ret_scope = scope;
        text = NULL;  /* the scope's */
        scope = NULL; /* the caller's */
        tk_lib_result(TK_OK, NULL, error);
out:
        tk_free(text);
        tollkeeper_scope_free(scope);
        return result;
}

void tollkeeper_scope_free(struct tollkeeper_scope *scope)
{
        if (!scope)
                return;
        tk_free(scope->text);
        tk_free(scope);
}
