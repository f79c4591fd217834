/*
 * A bar for long work, on standard error where that is a terminal; nothing otherwise. Main thread only.
 */
#ifndef TK_CLI_PROGRESS_H
#define TK_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct tk_cli_progress {
        bool shown; /* standard error is a terminal */
        bool drawn;
        unsigned percent; /* never goes back, though a total that is guessed may grow */
        int64_t begun_ns, drawn_ns;
};

void tk_cli_progress_init(struct tk_cli_progress *progress);
/* Whether it is time to draw again: so that nobody asks for figures that are not shown. */
bool tk_cli_progress_due(const struct tk_cli_progress *progress);
/*
 * Draw it.
 *   done, total  of whatever is counted; total 0: not known, and there is no bar
 *   note         behind the figures; may be empty
 */
void tk_cli_progress_draw(struct tk_cli_progress *progress, const char *what, uint64_t done, uint64_t total,
                          const char *note);
/* Take it away, for what is printed next. */
void tk_cli_progress_clear(struct tk_cli_progress *progress);

#endif
