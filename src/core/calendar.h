/*
 * Time without a clock: civil dates (proleptic Gregorian, UTC, no leap seconds), RFC 3339 text, durations, and the
 * periods of window limits. Seconds are counted from 1970-01-01T00:00:00Z. Pure.
 * Civil-date arithmetic: Howard Hinnant, "chrono-compatible low-level date algorithms".
 */
#ifndef TK_CORE_CALENDAR_H
#define TK_CORE_CALENDAR_H

#include "core/str.h"

#include <stdint.h>

#define TK_NS_PER_S UINT64_C(1000000000)

/* 9999-12-31T23:59:59Z: later times are refused on input. */
#define TK_TIME_MAX_S INT64_C(253402300799)

#define TK_TIME_TEXT_MAX 24 /* "2026-11-23T22:14:14Z" with NUL; room for year 9999 */

struct tk_civil {
        int year;
        unsigned month, day; /* 1-12, 1-31 */
        unsigned hour, minute, second;
};

int64_t tk_days_from_civil(int year, unsigned month, unsigned day);
struct tk_civil tk_civil_from_s(int64_t unix_s);
unsigned tk_days_in_month(int year, unsigned month);

/*
 * RFC 3339 date-time with `Z` or a numeric offset; a fraction of a second is accepted and dropped.
 * False for anything else, for impossible dates, and before 1970 or after TK_TIME_MAX_S.
 */
bool tk_time_parse(struct tk_str text, int64_t *ret_unix_s);

/* Always UTC with `Z`, whole seconds. */
void tk_time_format(int64_t unix_s, char ret_text[TK_TIME_TEXT_MAX]);

/* `90s`, `15m`, `12h`, `30d`, `2w`: one number and one unit, 1 s to 3660 d. */
bool tk_duration_parse(struct tk_str text, int64_t *ret_s);

/* The shortest exact form in one unit: 90 -> "90s", 86400 -> "1d". At most 24 bytes with NUL. */
void tk_duration_format(int64_t s, char ret_text[24]);

/* How a window limit's time is cut into periods. */
enum tk_period_kind {
        TK_PERIOD_FIXED = 0, /* length_s long, one after the other, from the anchor */
        TK_PERIOD_HOUR,
        TK_PERIOD_DAY,
        TK_PERIOD_WEEK, /* from Monday */
        TK_PERIOD_MONTH,
};

/*
 * The period that holds now_s: start <= now_s < end.
 *   length_s  for TK_PERIOD_FIXED, at least 1; ignored otherwise
 *   anchor_s  0: calendar periods begin at UTC boundaries, fixed ones at the Unix epoch. else: periods begin
 *             at this instant and repeat; a month begins on the anchor's day and time, or on the last day of
 *             a shorter month (31 January, 28 February, 31 March: the day is never lost).
 * now_s before the anchor belongs to an earlier period, reckoned backwards.
 */
void tk_period_at(enum tk_period_kind kind, int64_t length_s, int64_t anchor_s, int64_t now_s,
                  int64_t *ret_start_s, int64_t *ret_end_s);

#endif
