/*
 * Civil time and periods: core/calendar.h. The oracle is the C library's timegm() and gmtime_r(); for
 * periods, a walk from the anchor, one period after the other.
 */
#include "check.h"
#include "core/calendar.h"

#include <time.h>

#define DAY_S INT64_C(86400)

static time_t slow_time(int year, int month, int day, int64_t second_of_day)
{
        struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};

        return timegm(&tm) + (time_t)second_of_day;
}

static void every_day_of_many_years(void **state)
{
        (void)state;
        for (time_t day = slow_time(-500, 1, 1, 0) / DAY_S; day < slow_time(10000, 1, 1, 0) / DAY_S;
             day += 1) {
                time_t second = day * DAY_S + (time_t)(((day % 86400) + 86400) * 7919 % 86400);
                struct tm tm;
                if (day < slow_time(1800, 1, 1, 0) / DAY_S || day > slow_time(2200, 1, 1, 0) / DAY_S)
                        day += 12; /* far away, a sample */
                gmtime_r(&second, &tm);
                struct tk_civil civil = tk_civil_from_s(second);
                assert_int_equal(civil.year, tm.tm_year + 1900);
                assert_int_equal(civil.month, tm.tm_mon + 1);
                assert_int_equal(civil.day, tm.tm_mday);
                assert_int_equal(civil.hour, tm.tm_hour);
                assert_int_equal(civil.minute, tm.tm_min);
                assert_int_equal(civil.second, tm.tm_sec);
                assert_int_equal(tk_days_from_civil(civil.year, civil.month, civil.day) * DAY_S,
                                 slow_time(civil.year, (int)civil.month, (int)civil.day, 0));
        }
}

static unsigned slow_days_in_month(int year, int month)
{
        return (unsigned)((slow_time(year, month + 1, 1, 0) - slow_time(year, month, 1, 0)) / DAY_S);
}

static void months_have_their_days(void **state)
{
        (void)state;
        for (int year = 1896; year < 2410; year++) {
                for (int month = 1; month <= 12; month++)
                        assert_int_equal(tk_days_in_month(year, (unsigned)month),
                                         slow_days_in_month(year, month));
        }
        assert_int_equal(tk_days_in_month(2000, 2), 29);
        assert_int_equal(tk_days_in_month(1900, 2), 28);
}

/* The boundary of an anchored month, k months from the anchor. */
static time_t slow_boundary(time_t anchor_s, int k)
{
        struct tm tm;

        gmtime_r(&anchor_s, &tm);
        int month = tm.tm_year * 12 + tm.tm_mon + k;
        int year = 1900 + (month - (month % 12 + 12) % 12) / 12;
        int of_year = (month % 12 + 12) % 12 + 1;
        int last = (int)slow_days_in_month(year, of_year);
        int64_t second_of_day = tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;

        return slow_time(year, of_year, tm.tm_mday < last ? tm.tm_mday : last, second_of_day);
}

static void check_period(enum tk_period_kind kind, int64_t length_s, int64_t anchor_s, int64_t now_s,
                         int64_t start_s, int64_t end_s)
{
        int64_t start, end;

        tk_period_at(kind, length_s, anchor_s, now_s, &start, &end);
        if (start != start_s || end != end_s || now_s < start || now_s >= end)
                fail_msg("kind %d length %ld anchor %ld now %ld: %ld to %ld, not %ld to %ld", (int)kind,
                         (long)length_s, (long)anchor_s, (long)now_s, (long)start, (long)end, (long)start_s,
                         (long)end_s);
}

/* First second, last second, and one between, of every month for ten years about the anchor. */
static void walk_months(time_t anchor_s)
{
        for (int k = -120; k < 120; k++) {
                time_t start_s = slow_boundary(anchor_s, k), end_s = slow_boundary(anchor_s, k + 1);
                assert_true(start_s < end_s);
                check_period(TK_PERIOD_MONTH, 0, anchor_s, start_s, start_s, end_s);
                check_period(TK_PERIOD_MONTH, 0, anchor_s, end_s - 1, start_s, end_s);
                check_period(TK_PERIOD_MONTH, 0, anchor_s, start_s + (k & 0xFF) * 7000, start_s, end_s);
        }
}

static void months_from_an_anchor(void **state)
{
        uint64_t random = 6;

        (void)state;
        for (int day = 26; day <= 31;
             day++) { /* the end of a month, in a leap year and not, at both ends of the day */
                walk_months(slow_time(2023, 1, day, 0));
                walk_months(slow_time(2024, 1, day, DAY_S - 1));
                walk_months(slow_time(2024, 3, day, 12345));
        }
        walk_months(slow_time(2024, 2, 29, 1));
        walk_months(slow_time(2000, 2, 29, 0));
        walk_months(slow_time(2100, 2, 28, DAY_S - 1));
        for (int i = 0; i < 500; i++)
                walk_months((time_t)prng_below(&random, (uint64_t)slow_time(2400, 1, 1, 0)));
}

static void the_day_is_never_lost(void **state)
{
        int64_t anchor = slow_time(2023, 1, 31, 3600);

        (void)state;
        check_period(TK_PERIOD_MONTH, 0, anchor, slow_time(2023, 2, 28, 3600), slow_time(2023, 2, 28, 3600),
                     slow_time(2023, 3, 31, 3600));
        check_period(TK_PERIOD_MONTH, 0, anchor, slow_time(2023, 2, 28, 3599), slow_time(2023, 1, 31, 3600),
                     slow_time(2023, 2, 28, 3600));
        check_period(TK_PERIOD_MONTH, 0, anchor, slow_time(2024, 2, 29, 3600), slow_time(2024, 2, 29, 3600),
                     slow_time(2024, 3, 31, 3600));
        check_period(TK_PERIOD_MONTH, 0, anchor, slow_time(2023, 1, 1, 0), slow_time(2022, 12, 31, 3600),
                     anchor);
}

static void months_in_utc(void **state)
{
        (void)state;
        walk_months(0); /* anchor 0 is 1 January: UTC boundaries are its months */
        check_period(TK_PERIOD_MONTH, 0, 0, slow_time(2026, 11, 23, 5), slow_time(2026, 11, 1, 0),
                     slow_time(2026, 12, 1, 0));
}

/* Periods of equal length, one after the other from a boundary before `now`. */
static void walk_even(enum tk_period_kind kind, int64_t argument_s, int64_t length_s, int64_t anchor_s,
                      int64_t from_s)
{
        for (int64_t start_s = from_s - 50 * length_s; start_s < from_s + 50 * length_s;
             start_s += length_s) {
                check_period(kind, argument_s, anchor_s, start_s, start_s, start_s + length_s);
                check_period(kind, argument_s, anchor_s, start_s + length_s - 1, start_s, start_s + length_s);
        }
}

static void hours_days_weeks(void **state)
{
        int64_t anchor = slow_time(2024, 2, 29, 4242);

        (void)state;
        walk_even(TK_PERIOD_HOUR, 0, 3600, 0, slow_time(2024, 2, 29, 7200));
        walk_even(TK_PERIOD_DAY, 0, DAY_S, 0, slow_time(2024, 2, 29, 0));
        walk_even(TK_PERIOD_WEEK, 0, 7 * DAY_S, 0, slow_time(2026, 11, 23, 0)); /* a Monday */
        walk_even(TK_PERIOD_WEEK, 0, 7 * DAY_S, 0, slow_time(1970, 1, 5, 0));
        walk_even(TK_PERIOD_HOUR, 99, 3600, anchor, anchor);
        walk_even(TK_PERIOD_DAY, 99, DAY_S, anchor, anchor);
        walk_even(TK_PERIOD_WEEK, 99, 7 * DAY_S, anchor, anchor);
}

static void fixed_lengths(void **state)
{
        uint64_t random = 7;

        (void)state;
        walk_even(TK_PERIOD_FIXED, 1, 1, 0, 0);
        walk_even(TK_PERIOD_FIXED, 7, 7, 0, 0);
        walk_even(TK_PERIOD_FIXED, 3660 * DAY_S, 3660 * DAY_S, 0, 0);
        for (int i = 0; i < 2000; i++) {
                int64_t length_s = (int64_t)prng_magnitude(&random, 3660 * DAY_S);
                int64_t anchor_s = (int64_t)prng_magnitude(&random, TK_TIME_MAX_S);
                walk_even(TK_PERIOD_FIXED, length_s, length_s, anchor_s, anchor_s);
        }
}

static void the_ends_of_time(void **state)
{
        static const enum tk_period_kind kinds[] = {TK_PERIOD_FIXED, TK_PERIOD_HOUR, TK_PERIOD_DAY,
                                                    TK_PERIOD_WEEK, TK_PERIOD_MONTH};
        static const int64_t times[] = {0, 1, 86399, TK_TIME_MAX_S - 1, TK_TIME_MAX_S};

        (void)state;
        for (size_t kind = 0; kind < COUNT(kinds); kind++) {
                for (size_t now = 0; now < COUNT(times); now++) {
                        for (size_t anchor = 0; anchor < COUNT(times); anchor++) {
                                int64_t start_s, end_s;
                                tk_period_at(kinds[kind], 17, times[anchor], times[now], &start_s, &end_s);
                                assert_true(start_s <= times[now] && times[now] < end_s);
                        }
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_day_of_many_years), cmocka_unit_test(months_have_their_days),
                cmocka_unit_test(months_from_an_anchor),   cmocka_unit_test(the_day_is_never_lost),
                cmocka_unit_test(months_in_utc),           cmocka_unit_test(hours_days_weeks),
                cmocka_unit_test(fixed_lengths),           cmocka_unit_test(the_ends_of_time),
        };
        return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
