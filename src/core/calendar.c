/*
 * Civil time and the periods of window limits (calendar.h). Pure; any thread; reads no clock. tk_period_at()
 * is on the decision path. Text in calendar_text.c.
 */
#include "core/calendar.h"

#define DAY_S INT64_C(86400)

/* 1970-01-01 was a Thursday: four days before the first Monday. */
#define FIRST_MONDAY_S (4 * DAY_S)

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
        int64_t rest = a % b;
        return rest < 0 ? rest + b : rest;
}

/* A year is taken to begin in March, so that the leap day is its last; an era is 400 years, 146097 days. */
int64_t tk_days_from_civil(int year, unsigned month, unsigned day)
{
        int64_t y = month <= 2 ? (int64_t)year - 1 : year;
        int64_t era = floor_div(y, 400);
        int64_t year_of_era = y - era * 400;
        int64_t month_from_march = month > 2 ? (int64_t)month - 3 : (int64_t)month + 9;
        int64_t day_of_year = (153 * month_from_march + 2) / 5 + (int64_t)day - 1;
        int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

        return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct tk_civil *ret_civil)
{
        int64_t shifted = days + 719468;
        int64_t era = floor_div(shifted, 146097);
        int64_t day_of_era = shifted - era * 146097;
        int64_t year_of_era =
                (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int64_t month_from_march = (5 * day_of_year + 2) / 153;
        int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

        ret_civil->year = (int)(year_of_era + era * 400 + (month <= 2));
        ret_civil->month = (unsigned)month;
        ret_civil->day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

struct tk_civil tk_civil_from_s(int64_t unix_s)
{
        struct tk_civil civil;
        unsigned second_of_day = (unsigned)floor_mod(unix_s, DAY_S);

        civil_from_days(floor_div(unix_s, DAY_S), &civil);
        civil.hour = second_of_day / 3600;
        civil.minute = second_of_day / 60 % 60;
        civil.second = second_of_day % 60;
        return civil;
}

static bool is_leap(int year)
{
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned tk_days_in_month(int year, unsigned month)
{
        static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

        return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* When the period begins that belongs to a month, counted from January of year 0. */
static int64_t month_start(int64_t month_index, unsigned anchor_day, int64_t anchor_second_of_day)
{
        int year = (int)floor_div(month_index, 12);
        unsigned month = (unsigned)floor_mod(month_index, 12) + 1;
        unsigned last = tk_days_in_month(year, month);
        unsigned day = anchor_day < last ? anchor_day : last;

        return tk_days_from_civil(year, month, day) * DAY_S + anchor_second_of_day;
}

static void month_period(int64_t anchor_s, int64_t now_s, int64_t *ret_start_s, int64_t *ret_end_s)
{
        struct tk_civil now, anchor = {.day = 1};
        int64_t second_of_day = floor_mod(anchor_s, DAY_S);

        civil_from_days(floor_div(now_s, DAY_S), &now);
        if (anchor_s != 0)
                civil_from_days(floor_div(anchor_s, DAY_S), &anchor);

        int64_t index = (int64_t)now.year * 12 + now.month - 1;
        int64_t boundary_s = month_start(index, anchor.day, second_of_day);
        if (boundary_s <= now_s) {
                *ret_start_s = boundary_s;
                *ret_end_s = month_start(index + 1, anchor.day, second_of_day);
        } else {
                *ret_start_s = month_start(index - 1, anchor.day, second_of_day);
                *ret_end_s = boundary_s;
        }
}

void tk_period_at(enum tk_period_kind kind, int64_t length_s, int64_t anchor_s, int64_t now_s,
                  int64_t *ret_start_s, int64_t *ret_end_s)
{
        switch (kind) {
        case TK_PERIOD_MONTH:
                month_period(anchor_s, now_s, ret_start_s, ret_end_s);
                return;
        case TK_PERIOD_HOUR:
                length_s = 3600;
                break;
        case TK_PERIOD_DAY:
                length_s = DAY_S;
                break;
        case TK_PERIOD_WEEK:
                length_s = 7 * DAY_S;
                if (anchor_s == 0)
                        anchor_s = FIRST_MONDAY_S;
                break;
        case TK_PERIOD_FIXED:
                break;
        }
        *ret_start_s = now_s - floor_mod(now_s - anchor_s, length_s);
        *ret_end_s = *ret_start_s + length_s;
}
