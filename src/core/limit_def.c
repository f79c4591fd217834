/*
 * The definition of a limit as users write it (limit.h): parsed, checked, written back. Called where plans
 * and keys are made, on any thread; never while deciding. Pure.
 */
#include "core/limit.h"

#include <string.h>

#define DAY_S INT64_C(86400)

/* The words that a rate takes besides durations. Its month is 30 days: a bucket has no calendar. */
static const struct {
        const char *word;
        int64_t length_s;
} rate_words[] = {
        {"second", 1},  {"sec", 1},  {"s", 1},       {"minute", 60}, {"min", 60},           {"m", 60},
        {"hour", 3600}, {"h", 3600}, {"day", DAY_S}, {"d", DAY_S},   {"month", 30 * DAY_S},
};

/* The words that a window takes for a calendar period. */
static const struct {
        const char *word;
        enum tk_period_kind period;
} window_words[] = {
        {"hour", TK_PERIOD_HOUR},
        {"day", TK_PERIOD_DAY},
        {"week", TK_PERIOD_WEEK},
        {"month", TK_PERIOD_MONTH},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool rate_word(struct tk_str word, int64_t *ret_length_s)
{
        for (size_t i = 0; i < COUNT(rate_words); i++) {
                if (tk_str_equal(word, tk_str_from(rate_words[i].word))) {
                        *ret_length_s = rate_words[i].length_s;
                        return true;
                }
        }
        return false;
}

static bool window_word(struct tk_str word, enum tk_period_kind *ret_period)
{
        for (size_t i = 0; i < COUNT(window_words); i++) {
                if (tk_str_equal(word, tk_str_from(window_words[i].word))) {
                        *ret_period = window_words[i].period;
                        return true;
                }
        }
        return false;
}

bool tk_limit_per_parse(enum tk_limit_kind kind, struct tk_str per, enum tk_period_kind *ret_period,
                        int64_t *ret_length_s)
{
        enum tk_period_kind period = TK_PERIOD_FIXED;
        int64_t length_s = 0;

        bool word = kind == TK_LIMIT_RATE ? rate_word(per, &length_s) : window_word(per, &period);
        if (!word && !tk_duration_parse(per, &length_s))
                return false;
        *ret_period = period;
        *ret_length_s = length_s;
        return true;
}

void tk_limit_per_format(enum tk_period_kind period, int64_t length_s, char ret_text[24])
{
        for (size_t i = 0; i < COUNT(window_words); i++) {
                if (period == window_words[i].period) {
                        memcpy(ret_text, window_words[i].word, strlen(window_words[i].word) + 1);
                        return;
                }
        }
        tk_duration_format(length_s, ret_text);
}

bool tk_limit_text_parse(enum tk_limit_kind kind, struct tk_str text, struct tk_limit_def *ret_def)
{
        static const struct tk_str burst_option = {"burst=", 6};
        struct tk_limit_def def = {.kind = kind};
        struct tk_str main, option, limit, per;

        bool has_option = tk_str_cut(text, ',', &main, &option);
        if (!tk_str_cut(main, '/', &limit, &per) || !tk_str_to_u64(limit, &def.limit) ||
            !tk_limit_per_parse(kind, per, &def.period, &def.length_s))
                return false;
        if (kind == TK_LIMIT_RATE)
                def.burst = def.limit;
        if (has_option && (kind != TK_LIMIT_RATE || !tk_str_starts_with(option, burst_option) ||
                           !tk_str_to_u64(tk_str_skip(option, burst_option.len), &def.burst)))
                return false;
        *ret_def = def;
        return true;
}

/* NULL when all is well. */
static const char *why_rate_invalid(const struct tk_limit_def *def)
{
        struct tk_rate rate;

        if (def->anchored)
                return "a rate limit has no anchor";
        if (def->period != TK_PERIOD_FIXED)
                return "a rate limit is per a length of time, not per a calendar period";
        if (def->length_s < 1 || (uint64_t)def->length_s > TK_LIMIT_WINDOW_MAX_NS / TK_NS_PER_S)
                return "a rate limit is per 1 second to 366 days";
        if (def->limit < 1 || def->limit > TK_LIMIT_UNITS_MAX)
                return "the limit of a rate is from 1 to 10^15";
        if (def->burst < 1 || def->burst > TK_LIMIT_UNITS_MAX)
                return "the burst is from 1 to 10^15";
        if (tk_rate_init(def->limit, (uint64_t)def->length_s * TK_NS_PER_S, def->burst, &rate) != TK_OK)
                return "a rate is at most 10^9 a second";
        return NULL;
}

static const char *why_window_invalid(const struct tk_limit_def *def)
{
        if (def->burst != 0)
                return "only a rate limit has a burst";
        if (def->limit > TK_LIMIT_UNITS_MAX)
                return "the limit of a window is from 0 to 10^15";
        switch (def->period) {
        case TK_PERIOD_FIXED:
                if (def->length_s < 1 || def->length_s > TK_LIMIT_LENGTH_MAX_S)
                        return "a window is 1 second to 3660 days long";
                return NULL;
        case TK_PERIOD_HOUR:
        case TK_PERIOD_DAY:
        case TK_PERIOD_WEEK:
        case TK_PERIOD_MONTH:
                return def->length_s == 0 ? NULL : "a calendar period has no length of its own";
        }
        return "there is no such period";
}

static const char *why_credits_invalid(const struct tk_limit_def *def)
{
        if (def->limit != 0 || def->burst != 0 || def->length_s != 0 || def->anchored ||
            def->period != TK_PERIOD_FIXED)
                return "credits have no limit of their own: they are granted to the subscription";
        return NULL;
}

static const char *why_invalid(const struct tk_limit_def *def)
{
        size_t name_len = strnlen(def->name, sizeof def->name);

        if (!tk_str_is_name((struct tk_str){def->name, name_len}, TK_LIMIT_NAME_MAX))
                return "a limit's name is 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins with a letter or "
                       "digit";
        switch (def->kind) {
        case TK_LIMIT_RATE:
                return why_rate_invalid(def);
        case TK_LIMIT_WINDOW:
                return why_window_invalid(def);
        case TK_LIMIT_CREDITS:
                return why_credits_invalid(def);
        }
        return "a limit is a rate, a window or credits";
}

enum tk_err tk_limit_def_check(const struct tk_limit_def *def, const char **ret_why)
{
        const char *why = why_invalid(def);

        if (why == NULL)
                return TK_OK;
        *ret_why = why;
        return TK_INVALID;
}
