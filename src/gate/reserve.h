/*
 * Reservations: a charge whose cost may be settled later. Made in a decision, settled or released by any
 * thread or process of the machine, forgotten by the daemon when they expire. Protocol and states:
 * docs/formats/gate.md, reservations. Internal to the gate.
 */
#ifndef TK_GATE_RESERVE_H
#define TK_GATE_RESERVE_H

#include "gate/request.h"

/* Take a line before anything is charged. False: there is no room. */
bool tk_reservation_claim(struct tk_request *request);

/* The charges were made: let it be settled, and put its id into the answer. False: it was taken away meanwhile. */
bool tk_reservation_open(struct tk_request *request);

/* The charges were not made. */
void tk_reservation_drop(struct tk_request *request);

/* How far the daemon's sweep is, and what it found. All zero to begin with. */
struct tk_reservations_sweep {
        uint64_t cursor, lines; /* the last line looked at; how many the table had */
        uint64_t left;          /* lines of this pass that are still to be looked at */
        uint64_t pass_oldest_s;
        uint64_t
                oldest_s; /* every reservation that is open was begun at this second of the boot clock or later */
};

/*
 * tk_gate_settle() at an instant of the boot clock.
 *   flag  TK_EVENT_SETTLED or TK_EVENT_RELEASED
 */
enum tk_err tk_reservation_settle(struct tk_gate *gate, uint64_t id, uint64_t cost, uint8_t flag,
                                  uint64_t boot_ns);

/*
 * The daemon, about once a second: end what has expired, with all that it reserved, and what a killed thread
 * left half made or half settled; keep half of the lines free while there is memory. One thread.
 */
void tk_reservations_sweep(struct tk_files *files, uint64_t boot_ns, struct tk_reservations_sweep *sweep);

#endif
