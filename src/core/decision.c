/*
 * The names, statuses and texts of decision codes (decision.h), from the one table. Pure; any thread.
 */
#include "core/decision.h"

#include <stdbool.h>

static const struct {
        const char *name;
        int http_status;
        const char *text;
} decision_table[] = {
#define X(code, status, text) [TK_CODE_##code] = {#code, status, text},
        TK_DECISIONS(X)
#undef X
};

static bool known(enum tk_code code)
{
        return (unsigned)code < TK_CODE_COUNT;
}

const char *tk_code_name(enum tk_code code)
{
        return known(code) ? decision_table[code].name : "invalid_code";
}

int tk_code_http_status(enum tk_code code)
{
        return known(code) ? decision_table[code].http_status : 500;
}

const char *tk_code_text(enum tk_code code)
{
        return known(code) ? decision_table[code].text : "There is no such decision code.";
}
