/*
 * "Did you mean": the nearest of several words, by the number of slips between them. Pure.
 */
#ifndef TK_CLI_SUGGEST_H
#define TK_CLI_SUGGEST_H

#include <stddef.h>

struct tk_cli_suggestion {
        const char *wanted;
        const char *best; /* NULL: nothing is near */
        size_t slips;     /* of the best */
};

void tk_cli_suggest_init(struct tk_cli_suggestion *suggestion, const char *wanted);
/*
 * Offer one candidate; NULL is ignored. It is near when it begins with what was wanted, or with at most one slip for each
 * three letters, and at least one.
 */
void tk_cli_suggest_offer(struct tk_cli_suggestion *suggestion, const char *candidate);

#endif
