/*
 * Numbers as RFC 8785 wants them: ECMAScript's Number::toString (ECMA-262, section 6.1.6.1.20). Pure; needs the C locale,
 * which is what a program has that never calls setlocale().
 */
#include "registry/canonical.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* enough for any double */

/* value = 0.DIGITS * 10^point */
struct decimal {
        char digits[DIGITS_MAX + 1];
        int count;
        int point;
};

/* The fewest digits that read back as the same number. `value` is finite and above 0. */
static struct decimal shortest(double value)
{
        struct decimal d = {.count = 0};
        char text[TK_CANONICAL_NUMBER_MAX];

        do {
                d.count++;
                snprintf(text, sizeof text, "%.*e", d.count - 1, value); /* D.DDDe[+-]XX */
        } while (strtod(text, NULL) != value && d.count < DIGITS_MAX);

        d.digits[0] = text[0];
        if (d.count > 1)
                memcpy(d.digits + 1, text + 2, (size_t)d.count - 1);
        d.point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
        return d;
}

static void format_plain(const struct decimal *d, char *ret_text, size_t room)
{
        static const char zeros[] = "00000000000000000000";

        if (d->point >= d->count)
                snprintf(ret_text, room, "%.*s%.*s", d->count, d->digits, d->point - d->count, zeros);
        else if (d->point > 0)
                snprintf(ret_text, room, "%.*s.%s", d->point, d->digits, d->digits + d->point);
        else
                snprintf(ret_text, room, "0.%.*s%s", -d->point, zeros, d->digits);
}

static void format_exponent(const struct decimal *d, char *ret_text, size_t room)
{
        snprintf(ret_text, room, "%c%s%se%+d", d->digits[0], d->count > 1 ? "." : "", d->digits + 1,
                 d->point - 1);
}

void tk_canonical_number(double value, char ret_text[TK_CANONICAL_NUMBER_MAX])
{
        size_t sign = value < 0 ? 1 : 0; /* -0 is written 0 */
        struct decimal d;

        if (value == 0) {
                memcpy(ret_text, "0", 2);
                return;
        }
        if (sign == 1)
                ret_text[0] = '-';
        d = shortest(sign == 1 ? -value : value);
        if (d.point > -6 && d.point <= 21)
                format_plain(&d, ret_text + sign, TK_CANONICAL_NUMBER_MAX - sign);
        else
                format_exponent(&d, ret_text + sign, TK_CANONICAL_NUMBER_MAX - sign);
}
