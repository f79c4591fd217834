/*
 * One event, as whoever reads it out of a ring gets it: unpacked, and believed in nothing that can be
 * checked. Pure; any thread. The layout in memory is format.h's.
 */
#ifndef TK_GATE_EVENT_H
#define TK_GATE_EVENT_H

#include "core/cidr.h"
#include "core/decision.h"
#include "gate/format.h"

/*
 * A decision, or the settlement of a reservation: flags TK_EVENT_SETTLED and TK_EVENT_RELEASED, with the cost
 * that stayed.
 */
struct tk_event {
        uint64_t time_ns; /* gate time */
        uint64_t
                key; /* number; 0: the key was not identified, and neither generation nor subscription is told */
        uint64_t cost; /* units that were asked for; charged only where the code is valid */
        enum tk_code code;
        uint8_t flags; /* TK_EVENT_... */
        uint16_t generation;
        uint32_t subscription; /* 0: none */
        uint32_t environment;  /* of the front end, a reference into the policy arena; 0: none */
        uint32_t route;        /* a reference; 0: none */
        struct tk_ip ip;       /* the client's; family 0: not told */
};

/* What can be, at the time of reading. */
struct tk_event_bounds {
        uint64_t key_lines, subscription_lines; /* in use */
        uint64_t latest_ns;                     /* no event is later */
};

/*
 * Unpack and check. False: it is none that the gate writes within these bounds, and *ret_event is not set.
 * Does not look at the policy arena: references may still lead nowhere.
 */
bool tk_event_decode(const struct tk_format_event *event, const struct tk_event_bounds *bounds,
                     struct tk_event *ret_event);

#endif
