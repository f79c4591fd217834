/*
 * Fuzz target: limits as users write them (core/limit.h).
 */
#include "fuzz.h"

#include "core/limit.h"

#include <string.h>

static void check_kind(enum tk_limit_kind kind, struct tk_str text)
{
        struct tk_limit_def def;
        enum tk_period_kind period;
        int64_t length_s;
        const char *why = NULL;
        char per[24];

        if (!tk_limit_text_parse(kind, text, &def))
                return;
        memcpy(def.name, "fuzz", 5);
        if (tk_limit_def_check(&def, &why) != TK_OK) {
                CHECK(why != NULL);
                return;
        }
        tk_limit_per_format(def.period, def.length_s, per);
        CHECK(tk_limit_per_parse(kind, tk_str_from(per), &period, &length_s));
        CHECK(period == def.period && length_s == def.length_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        check_kind(TK_LIMIT_RATE, fuzz_text(bytes, len));
        check_kind(TK_LIMIT_WINDOW, fuzz_text(bytes, len));
        return 0;
}
