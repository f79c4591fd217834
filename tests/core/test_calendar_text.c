/*
 * Times and durations as text: core/calendar.h.
 */
#include "check.h"
#include "core/calendar.h"

#include <time.h>

static void times_that_are_accepted(void **state)
{
        static const struct {
                const char *text;
                int64_t unix_s;
        } cases[] = {
                {"1970-01-01T00:00:00Z", 0},
                {"1970-01-01T00:00:01+00:00", 1},
                {"1970-01-01T00:00:00-00:00", 0},
                {"1970-01-01T00:00:00.999999999999Z", 0},
                {"2026-11-23T22:14:14Z", 1795472054},
                {"2026-11-23t22:14:14z", 1795472054},
                {"2026-11-24T03:44:14+05:30", 1795472054},
                {"2026-11-23T12:14:14.5-10:00", 1795472054},
                {"2024-02-29T23:59:59Z", 1709251199},
                {"2000-02-29T00:00:00Z", 951782400},
                {"1969-12-31T23:00:00-01:00", 0},
                {"9999-12-31T23:59:59Z", TK_TIME_MAX_S},
                {"9999-12-31T00:59:59-23:00", TK_TIME_MAX_S},
                {"2026-11-23T22:14:14+23:59", 1795472054 - 86340},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                int64_t unix_s = -1;
                if (!tk_time_parse(tk_str_from(cases[i].text), &unix_s) || unix_s != cases[i].unix_s)
                        fail_msg("%s is %ld, not %ld", cases[i].text, (long)unix_s, (long)cases[i].unix_s);
        }
}

static void times_that_are_refused(void **state)
{
        static const char *const cases[] = {
                "",
                "2026-11-23",
                "2026-11-23T22:14:14",
                "2026-11-23 22:14:14Z",
                "2026-11-23T22:14Z",
                "2026-11-23T22:14:14.Z",
                "2026-11-23T22:14:14,5Z",
                "2026-11-23T22:14:14ZZ",
                "2026-11-23T22:14:14Z ",
                " 2026-11-23T22:14:14Z",
                "2026-11-23T22:14:60Z",
                "2016-12-31T23:59:60Z",
                "2026-11-23T24:00:00Z",
                "2026-11-23T22:60:14Z",
                "2026-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-00-10T00:00:00Z",
                "2026-13-10T00:00:00Z",
                "2026-10-00T00:00:00Z",
                "2026-10-32T00:00:00Z",
                "1969-12-31T23:59:59Z",
                "1970-01-01T00:00:00+00:01",
                "9999-12-31T23:59:59-00:01",
                "10000-01-01T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "2026-11-23T22:14:14+24:00",
                "2026-11-23T22:14:14+05:60",
                "2026-11-23T22:14:14+0530",
                "2026-11-23T22:14:14+05",
                "2026-11-23T22:14:14+5:30",
                "2026-11-23T22:14:14*05:30",
                "26-11-23T22:14:14Z",
                "2026/11/23T22:14:14Z",
                "2026-1-23T22:14:14Z",
                "+026-11-23T22:14:14Z",
                "2026-11-23T-2:14:14Z",
                "2026-11-23T22.14.14Z",
                "1795472054",
        };
        int64_t unix_s = -7;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                if (tk_time_parse(tk_str_from(cases[i]), &unix_s))
                        fail_msg("%s is accepted", cases[i]);
                assert_int_equal(unix_s, -7);
        }
        assert_false(tk_time_parse((struct tk_str){"2026-11-23T22:14:14Z\0", 21}, &unix_s));
        for (size_t len = 0; len < sizeof "2026-11-23T22:14:14.12+05:30" - 1; len++)
                assert_false(tk_time_parse((struct tk_str){"2026-11-23T22:14:14.12+05:30", len}, &unix_s));
}

static void times_come_back(void **state)
{
        uint64_t random = 8;

        (void)state;
        for (int i = 0; i < 20000; i++) {
                time_t unix_s = (time_t)prng_below(&random, (uint64_t)TK_TIME_MAX_S + 1);
                char text[TK_TIME_TEXT_MAX], expected[64];
                struct tm tm;
                int64_t back;
                tk_time_format(unix_s, text);
                strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&unix_s, &tm));
                assert_string_equal(text, expected);
                assert_true(tk_time_parse(tk_str_from(text), &back));
                assert_int_equal(back, unix_s);
        }
}

static void times_out_of_range_are_clamped(void **state)
{
        char text[TK_TIME_TEXT_MAX];

        (void)state;
        tk_time_format(INT64_MIN, text);
        assert_string_equal(text, "1970-01-01T00:00:00Z");
        tk_time_format(INT64_MAX, text);
        assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void durations(void **state)
{
        static const struct {
                const char *text;
                int64_t s;
                const char *canonical;
        } cases[] = {
                {"1s", 1, "1s"},
                {"90s", 90, "90s"},
                {"15m", 900, "15m"},
                {"60m", 3600, "1h"},
                {"12h", 43200, "12h"},
                {"24h", 86400, "1d"},
                {"30d", 2592000, "30d"},
                {"2w", 1209600, "2w"},
                {"7d", 604800, "1w"},
                {"3660d", 316224000, "3660d"},
                {"522w", 315705600, "522w"},
                {"316224000s", 316224000, "3660d"},
                {"086401s", 86401, "86401s"},
        };
        static const char *const bad[] = {"",
                                          "s",
                                          "5",
                                          "0s",
                                          "0w",
                                          "3661d",
                                          "523w",
                                          "316224001s",
                                          "1.5h",
                                          "1 s",
                                          "-1s",
                                          "1S",
                                          "1h30m",
                                          "1y",
                                          "1ms",
                                          " 1s",
                                          "1s ",
                                          "18446744073709551616s",
                                          "18446744073709551615w",
                                          "+1s"};
        int64_t s = -7;
        char text[24];

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                assert_false(tk_duration_parse(tk_str_from(bad[i]), &s));
                assert_int_equal(s, -7);
        }
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_true(tk_duration_parse(tk_str_from(cases[i].text), &s));
                assert_int_equal(s, cases[i].s);
                tk_duration_format(s, text);
                assert_string_equal(text, cases[i].canonical);
        }
        tk_duration_format(0, text);
        assert_string_equal(text, "0s");
        tk_duration_format(INT64_MIN, text);
        assert_string_equal(text, "0s");
        tk_duration_format(INT64_MAX, text);
        assert_string_equal(text, "9223372036854775807s");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(times_that_are_accepted),
                cmocka_unit_test(times_that_are_refused),
                cmocka_unit_test(times_come_back),
                cmocka_unit_test(times_out_of_range_are_clamped),
                cmocka_unit_test(durations),
        };
        return cmocka_run_group_tests_name("calendar_text", tests, NULL, NULL);
}
