/*
 * Writing events (events.h). One thread a ring.
 */
#include "gate/events.h"

void tk_events_decided(struct tk_request *request)
{
        (void)request;
}

void tk_events_settled(struct tk_gate *gate, const struct tk_settled_event *event)
{
        (void)gate;
        (void)event;
}
