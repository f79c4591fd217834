/*
 * Fuzz target: times and durations as text (core/calendar.h).
 */
#include "fuzz.h"

#include "core/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_str text = fuzz_text(bytes, len);
        char canonical[TK_TIME_TEXT_MAX];
        int64_t s, again;

        if (tk_time_parse(text, &s)) {
                CHECK(s >= 0 && s <= TK_TIME_MAX_S);
                tk_time_format(s, canonical);
                CHECK(tk_time_parse(tk_str_from(canonical), &again) && again == s);
        }
        if (tk_duration_parse(text, &s)) {
                CHECK(s >= 1 && s <= INT64_C(3660) * 86400);
                tk_duration_format(s, canonical);
                CHECK(tk_str_from(canonical).len <= len);
                CHECK(tk_duration_parse(tk_str_from(canonical), &again) && again == s);
        }
        return 0;
}
