/*
 * A thread that does one step of work for each tick, and waits in between: for work that must not hold up who
 * gives the tick. Ticks that come while a step runs are one tick. Never looks at a clock, so that tests say
 * when a second has passed.
 */
#ifndef TK_SERVICE_TICKER_H
#define TK_SERVICE_TICKER_H

#include "core/error.h"

struct tk_ticker;

/* `step` runs on the ticker's own thread. TK_NOMEM. */
enum tk_err tk_ticker_start(void (*step)(void *context), void *context, struct tk_ticker **ret_ticker);
/* Let a step that runs end; then end the thread. NULL is allowed. */
void tk_ticker_stop(struct tk_ticker *ticker);

/* Any thread; does not wait. */
void tk_ticker_tick(struct tk_ticker *ticker);
/* Wait until a step that began after the last tick has ended. */
void tk_ticker_wait(struct tk_ticker *ticker);

#endif
