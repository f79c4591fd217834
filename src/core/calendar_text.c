/*
 * Times and durations as text (calendar.h): RFC 3339 and `15m`. Pure; any thread. Never allocates, knows no
 * time zone but the offset that a text carries.
 */
#include "core/calendar.h"

#define DURATION_MAX_S (INT64_C(3660) * 86400)

/* Exactly `width` digits at the front of *text, which moves past them. */
static bool take_number(struct tk_str *text, size_t width, unsigned *ret_number)
{
        unsigned number = 0;

        if (text->len < width)
                return false;
        for (size_t i = 0; i < width; i++) {
                char c = text->ptr[i];
                if (c < '0' || c > '9')
                        return false;
                number = number * 10 + (unsigned)(c - '0');
        }
        *text = tk_str_skip(*text, width);
        *ret_number = number;
        return true;
}

static bool take_char(struct tk_str *text, char c)
{
        if (text->len == 0 || text->ptr[0] != c)
                return false;
        *text = tk_str_skip(*text, 1);
        return true;
}

static bool take_date(struct tk_str *text, int64_t *ret_days)
{
        unsigned year, month, day;

        if (!take_number(text, 4, &year) || !take_char(text, '-') || !take_number(text, 2, &month) ||
            !take_char(text, '-') || !take_number(text, 2, &day))
                return false;
        if (month < 1 || month > 12 || day < 1 || day > tk_days_in_month((int)year, month))
                return false;
        *ret_days = tk_days_from_civil((int)year, month, day);
        return true;
}

/* Second 60 is refused: time is counted without leap seconds. */
static bool take_clock(struct tk_str *text, int64_t *ret_second_of_day)
{
        unsigned hour, minute, second;

        if (!take_number(text, 2, &hour) || !take_char(text, ':') || !take_number(text, 2, &minute) ||
            !take_char(text, ':') || !take_number(text, 2, &second))
                return false;
        if (hour > 23 || minute > 59 || second > 59)
                return false;
        *ret_second_of_day = (int64_t)hour * 3600 + minute * 60 + second;
        return true;
}

static bool take_fraction(struct tk_str *text)
{
        unsigned digit;

        if (!take_char(text, '.'))
                return true;
        if (!take_number(text, 1, &digit))
                return false;
        while (take_number(text, 1, &digit))
                ;
        return true;
}

static bool take_offset(struct tk_str *text, int64_t *ret_offset_s)
{
        unsigned hours, minutes;
        int64_t sign;

        if (take_char(text, 'Z') || take_char(text, 'z')) {
                *ret_offset_s = 0;
                return true;
        }
        if (take_char(text, '+'))
                sign = 1;
        else if (take_char(text, '-'))
                sign = -1;
        else
                return false;
        if (!take_number(text, 2, &hours) || !take_char(text, ':') || !take_number(text, 2, &minutes))
                return false;
        if (hours > 23 || minutes > 59)
                return false;
        *ret_offset_s = sign * ((int64_t)hours * 3600 + minutes * 60);
        return true;
}

bool tk_time_parse(struct tk_str text, int64_t *ret_unix_s)
{
        int64_t days, second_of_day, offset_s;

        if (!take_date(&text, &days) || (!take_char(&text, 'T') && !take_char(&text, 't')))
                return false;
        if (!take_clock(&text, &second_of_day) || !take_fraction(&text) || !take_offset(&text, &offset_s) ||
            text.len > 0)
                return false;

        int64_t unix_s = days * 86400 + second_of_day - offset_s;
        if (unix_s < 0 || unix_s > TK_TIME_MAX_S)
                return false;
        *ret_unix_s = unix_s;
        return true;
}

static char *put_number(char *at, unsigned number, size_t width)
{
        for (size_t i = width; i > 0; i--) {
                at[i - 1] = (char)('0' + number % 10);
                number /= 10;
        }
        return at + width;
}

static char *put_char(char *at, char c)
{
        *at = c;
        return at + 1;
}

void tk_time_format(int64_t unix_s, char ret_text[TK_TIME_TEXT_MAX])
{
        if (unix_s < 0)
                unix_s = 0;
        if (unix_s > TK_TIME_MAX_S)
                unix_s = TK_TIME_MAX_S;

        struct tk_civil civil = tk_civil_from_s(unix_s);
        char *at = put_char(put_number(ret_text, (unsigned)civil.year, 4), '-');
        at = put_char(put_number(at, civil.month, 2), '-');
        at = put_char(put_number(at, civil.day, 2), 'T');
        at = put_char(put_number(at, civil.hour, 2), ':');
        at = put_char(put_number(at, civil.minute, 2), ':');
        at = put_char(put_number(at, civil.second, 2), 'Z');
        *at = '\0';
}

static const struct {
        char letter;
        int64_t length_s;
} duration_units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

#define UNIT_COUNT (sizeof duration_units / sizeof duration_units[0])

bool tk_duration_parse(struct tk_str text, int64_t *ret_s)
{
        uint64_t count;

        if (text.len < 2 || !tk_str_to_u64((struct tk_str){text.ptr, text.len - 1}, &count))
                return false;
        for (size_t i = 0; i < UNIT_COUNT; i++) {
                if (duration_units[i].letter != text.ptr[text.len - 1])
                        continue;
                if (count < 1 || count > (uint64_t)(DURATION_MAX_S / duration_units[i].length_s))
                        return false;
                *ret_s = (int64_t)count * duration_units[i].length_s;
                return true;
        }
        return false;
}

void tk_duration_format(int64_t s, char ret_text[24])
{
        size_t unit = 0;

        if (s < 0)
                s = 0;
        while (s % duration_units[unit].length_s != 0)
                unit++;
        if (s == 0)
                unit = UNIT_COUNT - 1;
        s /= duration_units[unit].length_s;

        char digits[20]; /* INT64_MAX has 19 */
        size_t first = sizeof digits;
        do {
                digits[--first] = (char)('0' + s % 10);
                s /= 10;
        } while (s > 0);

        char *at = ret_text;
        while (first < sizeof digits)
                at = put_char(at, digits[first++]);
        at = put_char(at, duration_units[unit].letter);
        *at = '\0';
}
