/*
 * Records to meters: gives the meters of a gate that was made anew what the journal and the registry say they held. The
 * publisher's thread, after everything is published and before the feed sequence is stored: nobody charges. The journal's records in their
 * order, then the registry's. It may be done again from the start.
 */
#ifndef TK_GATE_METER_RESTORE_H
#define TK_GATE_METER_RESTORE_H

#include "core/meter_record.h"
#include "gate/publish.h"

struct tk_meter_restorer;

/* Borrows the publisher. TK_NOMEM. */
enum tk_err tk_meter_restorer_open(struct tk_publisher *publisher, struct tk_meter_restorer **ret_restorer);
void tk_meter_restorer_close(struct tk_meter_restorer *restorer);

enum tk_meter_source {
        TK_METER_JOURNALED, /* later than all before it */
        TK_METER_TOTAL      /* of the registry: it may be older than what the journal said, or newer */
};

/*
 * Raise the meter of the record's owner; a window's period to the record's, whichever is later, where it comes from the journal. A record of a later
 * period than the present one makes gate time count as put back now (docs/decisions/0008).
 *   gate_ns  gate time of its values; a debt is lowered by what has passed since, by nothing when that is in the future
 * TK_NOT_FOUND: the gate has no such owner, and nothing is raised. TK_FULL: a named limit finds no place.
 * What the owner's limits no longer have is left out (docs/formats/meter-journal.md, recovery).
 */
enum tk_err tk_meter_restore(struct tk_meter_restorer *restorer, const struct tk_meter_record *record,
                             uint64_t gate_ns, enum tk_meter_source source);

#endif
