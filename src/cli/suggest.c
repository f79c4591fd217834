/*
 * Optimal string alignment distance (Damerau-Levenshtein without repeated edits): an insertion, a deletion, a wrong
 * letter and two letters exchanged are one slip each. Pure.
 */
#include "cli/suggest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX      32
#define BEGINNING_MIN 3

static size_t least(size_t a, size_t b, size_t c)
{
        size_t smaller = a < b ? a : b;
        return smaller < c ? smaller : c;
}

/* Three rows suffice: an exchange looks two back. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
        size_t rows[3][WORD_MAX + 1];
        for (size_t j = 0; j <= b_len; j++)
                rows[0][j] = j;
        for (size_t i = 1; i <= a_len; i++) {
                size_t *now = rows[i % 3];
                const size_t *before = rows[(i + 2) % 3];
                const size_t *earlier = rows[(i + 1) % 3];
                now[0] = i;
                for (size_t j = 1; j <= b_len; j++) {
                        size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;
                        now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + wrong);
                        bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                        if (exchanged && earlier[j - 2] + 1 < now[j])
                                now[j] = earlier[j - 2] + 1;
                }
        }
        return rows[a_len % 3][b_len];
}

void tk_cli_suggest_init(struct tk_cli_suggestion *suggestion, const char *wanted)
{
        *suggestion = (struct tk_cli_suggestion){.wanted = wanted, .best = NULL, .slips = SIZE_MAX};
}

void tk_cli_suggest_offer(struct tk_cli_suggestion *suggestion, const char *candidate)
{
        size_t wanted_len = strlen(suggestion->wanted);
        size_t len = candidate ? strlen(candidate) : 0;
        if (len == 0 || len > WORD_MAX || wanted_len > WORD_MAX)
                return;
        size_t slips = distance(suggestion->wanted, wanted_len, candidate, len);
        if (wanted_len >= BEGINNING_MIN && strncmp(candidate, suggestion->wanted, wanted_len) == 0)
                slips = 1;
        size_t bearable = len < 6 ? 1 + (len > 3) : len / 3;
        if (slips > bearable || slips >= suggestion->slips)
                return;
        suggestion->best = candidate;
        suggestion->slips = slips;
}
