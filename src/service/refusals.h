/*
 * Attempts that were refused to an administrator, on their way into the audit log. Noting one costs the
 * request a moment under a lock; rows are written by the daemon's tick, all that are due in one transaction.
 *
 * Floods cannot fill the disk: refusals of one actor at one route are folded. The first is a row within a
 * second; while they go on, the next row comes a minute later, then two, four, up to an hour, and says how
 * many it stands for. Whoever is not among the REFUSALS_MAX that are watched is counted only.
 */
#ifndef TK_SERVICE_REFUSALS_H
#define TK_SERVICE_REFUSALS_H

#include "service/service.h"

struct tk_refusals;

enum tk_err tk_refusals_new(struct tk_refusals **ret_refusals);
void tk_refusals_free(struct tk_refusals *refusals);

/* Any thread. */
void tk_refusals_note(struct tk_refusals *refusals, const struct tk_refusal *refusal, int64_t now_s);

/* Write the rows that are due; with `all`, what has been counted since the last ones, too. Main thread. */
void tk_refusals_write(struct tk_refusals *refusals, struct tk_registry *registry, int64_t now_s, bool all);

void tk_refusals_stats(struct tk_refusals *refusals, struct tk_refusal_stats *ret_stats);

#endif
