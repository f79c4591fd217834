/*
 * Giving a gate that was made anew its meters back: from the registry's usage and from the journal. Called by
 * the feeder, on the thread that opens the service, after everything is published and before deciders may
 * admit (service/publisher.h).
 */
#ifndef TK_SERVICE_METER_RECOVERY_H
#define TK_SERVICE_METER_RECOVERY_H

#include "gate/publish.h"
#include "registry/registry.h"
#include "service/meter_file.h"

struct tk_meter_recovery {
        struct tk_meter_file *file; /* open */
        struct tk_registry *registry;

        bool done;         /* it was needed, and is complete */
        uint64_t records;  /* of the registry and of the journal, that raised or confirmed a meter */
        uint64_t absent;   /* whose owner the gate does not have */
        uint64_t unplaced; /* named limits that found no place */
};

/*
 * Raise all meters. `context` is a struct tk_meter_recovery. Whatever fails, it may be done again from the
 * start. TK_IO, TK_NOMEM, and what the registry says.
 */
enum tk_err tk_meter_recover(void *context, struct tk_publisher *publisher);

#endif
