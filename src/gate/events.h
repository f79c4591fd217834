/*
 * The record of each decision, for the daemon: written into a ring of shared memory that belongs to the
 * thread. Called at the end of a decision, on any thread; never waits: an event that finds no room is counted
 * and lost. Internal to the gate.
 */
#ifndef TK_GATE_EVENTS_H
#define TK_GATE_EVENTS_H

#include "gate/request.h"

/* The request was decided and counted. */
void tk_events_decided(const struct tk_request *request);

/* What a reservation was settled with. */
struct tk_settled_event {
        uint64_t key; /* bits 0-42 number, 48-63 generation */
        uint64_t cost;
        uint32_t subscription, environment, route;
        uint8_t flags; /* TK_EVENT_SETTLED or TK_EVENT_RELEASED */
};
void tk_events_settled(struct tk_gate *gate, const struct tk_settled_event *event);

#endif
