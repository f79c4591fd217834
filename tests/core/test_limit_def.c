/*
 * Definitions of limits as users write them: core/limit.h.
 */
#include "check.h"
#include "core/limit.h"

#include <string.h>

static void rates_as_written(void **state)
{
        static const struct {
                const char *text;
                uint64_t limit, burst;
                int64_t length_s;
                const char *per;
        } cases[] = {
                {"100/min", 100, 100, 60, "1m"},
                {"100/min,burst=200", 100, 200, 60, "1m"},
                {"5/second", 5, 5, 1, "1s"},
                {"5/sec", 5, 5, 1, "1s"},
                {"5/s", 5, 5, 1, "1s"},
                {"5/minute", 5, 5, 60, "1m"},
                {"5/m", 5, 5, 60, "1m"},
                {"5/hour", 5, 5, 3600, "1h"},
                {"5/h", 5, 5, 3600, "1h"},
                {"5/day", 5, 5, 86400, "1d"},
                {"5/d", 5, 5, 86400, "1d"},
                {"1/month", 1, 1, 2592000, "30d"},
                {"10/10s,burst=1", 10, 1, 10, "10s"},
                {"10/90s", 10, 10, 90, "90s"},
                {"1000000000000000/2w", TK_LIMIT_UNITS_MAX, TK_LIMIT_UNITS_MAX, 1209600, "2w"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_limit_def def;
                char per[24];
                if (!tk_limit_text_parse(TK_LIMIT_RATE, tk_str_from(cases[i].text), &def))
                        fail_msg("%s is refused", cases[i].text);
                assert_int_equal(def.kind, TK_LIMIT_RATE);
                assert_int_equal(def.period, TK_PERIOD_FIXED);
                assert_true(def.limit == cases[i].limit && def.burst == cases[i].burst);
                assert_int_equal(def.length_s, cases[i].length_s);
                assert_true(!def.anchored && def.name[0] == '\0');
                tk_limit_per_format(def.period, def.length_s, per);
                assert_string_equal(per, cases[i].per);
        }
}

static void windows_as_written(void **state)
{
        static const struct {
                const char *text;
                uint64_t limit;
                enum tk_period_kind period;
                int64_t length_s;
                const char *per;
        } cases[] = {
                {"1000/day", 1000, TK_PERIOD_DAY, 0, "day"},
                {"0/hour", 0, TK_PERIOD_HOUR, 0, "hour"},
                {"7/week", 7, TK_PERIOD_WEEK, 0, "week"},
                {"7/month", 7, TK_PERIOD_MONTH, 0, "month"},
                {"7/1h", 7, TK_PERIOD_FIXED, 3600, "1h"},
                {"7/3660d", 7, TK_PERIOD_FIXED, 316224000, "3660d"},
                {"7/1d", 7, TK_PERIOD_FIXED, 86400, "1d"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_limit_def def;
                enum tk_period_kind period;
                int64_t length_s;
                char per[24];
                assert_true(tk_limit_text_parse(TK_LIMIT_WINDOW, tk_str_from(cases[i].text), &def));
                assert_int_equal(def.kind, TK_LIMIT_WINDOW);
                assert_int_equal(def.period, cases[i].period);
                assert_true(def.limit == cases[i].limit && def.burst == 0 &&
                            def.length_s == cases[i].length_s);
                tk_limit_per_format(def.period, def.length_s, per);
                assert_string_equal(per, cases[i].per);
                assert_true(tk_limit_per_parse(TK_LIMIT_WINDOW, tk_str_from(per), &period, &length_s));
                assert_true(period == def.period && length_s == def.length_s);
        }
}

static void what_is_no_limit(void **state)
{
        static const char *const rates[] = {"",
                                            "100",
                                            "100/",
                                            "/min",
                                            "100/min,",
                                            "100/min,burst",
                                            "100/min,burst=",
                                            "100/min,burst=x",
                                            "100/min,burst=1,burst=2",
                                            "100/min,size=1",
                                            "-1/min",
                                            "1e3/min",
                                            "100/week",
                                            "100/Min",
                                            "100 /min",
                                            "100/ min",
                                            "100//min",
                                            "100/min/s",
                                            "100/0s",
                                            "18446744073709551616/min",
                                            "100/min, burst=2"};
        static const char *const windows[] = {"1000/min",    "1000/day,burst=5", "1000/d",   "1000/s",
                                              "1000/second", "1000/year",        "1000/",    "/day",
                                              "day",         "1000/3661d",       "1000/day,"};
        struct tk_limit_def def = {.limit = 77};

        (void)state;
        for (size_t i = 0; i < COUNT(rates); i++) {
                if (tk_limit_text_parse(TK_LIMIT_RATE, tk_str_from(rates[i]), &def))
                        fail_msg("rate %s is accepted", rates[i]);
        }
        for (size_t i = 0; i < COUNT(windows); i++) {
                if (tk_limit_text_parse(TK_LIMIT_WINDOW, tk_str_from(windows[i]), &def))
                        fail_msg("window %s is accepted", windows[i]);
        }
        assert_int_equal(def.limit, 77);
}

static struct tk_limit_def rate_def(void)
{
        return (struct tk_limit_def){
                .kind = TK_LIMIT_RATE, .limit = 100, .burst = 100, .length_s = 60, .name = "requests"};
}

static struct tk_limit_def window_def(enum tk_period_kind period, int64_t length_s)
{
        return (struct tk_limit_def){.kind = TK_LIMIT_WINDOW,
                                     .period = period,
                                     .limit = 100,
                                     .length_s = length_s,
                                     .name = "requests"};
}

#define assert_refused(def, part) check_refused(def, part, __FILE__, __LINE__)
static void check_refused(struct tk_limit_def def, const char *part, const char *file, int line)
{
        const char *why = "";

        if (tk_limit_def_check(&def, &why) != TK_INVALID || strstr(why, part) == NULL) {
                print_error("%s:%d: \"%s\" does not say \"%s\"\n", file, line, why, part);
                _fail(file, line);
        }
}

static void assert_accepted(struct tk_limit_def def)
{
        const char *why = "untouched";

        assert_int_equal(tk_limit_def_check(&def, &why), TK_OK);
        assert_string_equal(why, "untouched");
}

static void rates_are_checked(void **state)
{
        struct tk_limit_def def = rate_def();

        (void)state;
        assert_accepted(def);
        def.anchored = true;
        assert_refused(def, "anchor");
        def = rate_def();
        def.period = TK_PERIOD_MONTH;
        assert_refused(def, "calendar");
        for (int i = 0; i < 3; i++) {
                def = rate_def();
                def.length_s = (int64_t[]){0, -1, 366 * 86400 + 1}[i];
                assert_refused(def, "366 days");
                def = rate_def();
                def.limit = (uint64_t[]){0, TK_LIMIT_UNITS_MAX + 1, UINT64_MAX}[i];
                assert_refused(def, "limit");
                def = rate_def();
                def.burst = (uint64_t[]){0, TK_LIMIT_UNITS_MAX + 1, UINT64_MAX}[i];
                assert_refused(def, "burst");
        }
        def = rate_def();
        def.length_s = 366 * 86400;
        def.limit = def.burst = TK_LIMIT_UNITS_MAX;
        assert_accepted(def);
        def = rate_def();
        def.limit = 60000000000;
        assert_accepted(def);
        def.limit = 60000000001;
        assert_refused(def, "10^9 a second");
}

static void windows_are_checked(void **state)
{
        struct tk_limit_def def = window_def(TK_PERIOD_MONTH, 0);

        (void)state;
        def.anchored = true;
        assert_accepted(def);
        def.limit = 0;
        assert_accepted(def);
        def.limit = TK_LIMIT_UNITS_MAX;
        assert_accepted(def);
        def.limit++;
        assert_refused(def, "limit");
        def = window_def(TK_PERIOD_MONTH, 0);
        def.burst = 1;
        assert_refused(def, "burst");
        for (enum tk_period_kind period = TK_PERIOD_HOUR; period <= TK_PERIOD_MONTH; period++) {
                assert_accepted(window_def(period, 0));
                assert_refused(window_def(period, 3600), "length");
        }
        assert_accepted(window_def(TK_PERIOD_FIXED, 1));
        assert_accepted(window_def(TK_PERIOD_FIXED, 3660 * 86400));
        assert_refused(window_def(TK_PERIOD_FIXED, 0), "3660 days");
        assert_refused(window_def(TK_PERIOD_FIXED, -1), "3660 days");
        assert_refused(window_def(TK_PERIOD_FIXED, 3660 * 86400 + 1), "3660 days");
        assert_refused(window_def((enum tk_period_kind)5, 0), "period");
}

static void kinds_and_names_are_checked(void **state)
{
        static const char *const bad[] = {"", "Requests", "a b", "-a", "\xC3\xA4"};
        struct tk_limit_def def = rate_def();

        (void)state;
        def.kind = (enum tk_limit_kind)0;
        assert_refused(def, "rate, a window");
        def.kind = (enum tk_limit_kind)4;
        assert_refused(def, "rate, a window");
        def.kind = TK_LIMIT_CREDITS;
        assert_refused(def, "no limit of their own");
        for (size_t i = 0; i < COUNT(bad); i++) {
                def = rate_def();
                memset(def.name, 0, sizeof def.name);
                memcpy(def.name, bad[i], strlen(bad[i]));
                assert_refused(def, "name");
        }
        def = rate_def();
        memset(def.name, 'a', TK_LIMIT_NAME_MAX);
        assert_accepted(def);
        def.name[TK_LIMIT_NAME_MAX] = 'a'; /* no NUL at all */
        assert_refused(def, "name");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rates_as_written),    cmocka_unit_test(windows_as_written),
                cmocka_unit_test(what_is_no_limit),    cmocka_unit_test(rates_are_checked),
                cmocka_unit_test(windows_are_checked), cmocka_unit_test(kinds_and_names_are_checked),
        };
        return cmocka_run_group_tests_name("limit_def", tests, NULL, NULL);
}
