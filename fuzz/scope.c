/*
 * Fuzz target: scope expressions (core/scope.h).
 */
#include "fuzz.h"

#include "core/scope.h"

static bool all(void *context, struct tk_str name)
{
        CHECK(tk_scope_name_valid(name));
        return context != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_scope_expr expr;
        size_t error_at;

        if (!tk_scope_expr_parse(fuzz_text(bytes, len), &expr, &error_at)) {
                CHECK(error_at <= len);
                return 0;
        }
        CHECK(expr.op_count <= TK_SCOPE_EXPR_MAX_OPS);
        CHECK(tk_scope_expr_eval(&expr, all, &expr)); /* all granted: there is no "not" */
        CHECK(tk_scope_expr_eval(&expr, all, NULL) == (expr.op_count == 0));
        return 0;
}
