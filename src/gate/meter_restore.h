/*
 * Records to meters: raises the meters of a gate that was made anew to what the journal and the registry say
 * they held. The publisher's thread, after everything is published and before the feed sequence is stored.
 * Never lowers anything, so it may be done again, with older records among newer ones, and even while
 * deciders charge.
 */
#ifndef TK_GATE_METER_RESTORE_H
#define TK_GATE_METER_RESTORE_H

#include "core/meter_record.h"
#include "gate/publish.h"

struct tk_meter_restorer;

/* Borrows the publisher. TK_NOMEM. */
enum tk_err tk_meter_restorer_open(struct tk_publisher *publisher, struct tk_meter_restorer **ret_restorer);
void tk_meter_restorer_close(struct tk_meter_restorer *restorer);

/*
 * Raise the meter of the record's owner.
 *   gate_ns  gate time of its values; a debt is lowered by what has passed since, by nothing when that is in the future
 * TK_NOT_FOUND: the gate has no such owner, and nothing is raised. TK_FULL: a named limit finds no place.
 * What the owner's limits no longer have is left out (docs/formats/meter-journal.md, recovery).
 */
enum tk_err tk_meter_restore(struct tk_meter_restorer *restorer, const struct tk_meter_record *record,
                             uint64_t gate_ns);

#endif
