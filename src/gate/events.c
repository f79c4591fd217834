/*
 * Writing events (events.h): into the next line of the thread's ring, then its head, which makes the event
 * the daemon's. The line is the thread's alone until then, so it is written plainly.
 */
#include "gate/events.h"

#include <string.h>

static void lose(struct tk_gate *gate)
{
        struct tk_format_pool *pool = tk_rings_pool(&gate->files);
        if (pool)
                atomic_fetch_add_explicit(&pool->dropped, 1, memory_order_relaxed);
}

/*
 * Whether the daemon has taken an event since the ring was found full. Its line is read only then: it would
 * come from another core.
 */
static bool has_room(struct tk_seat *seat)
{
        if (seat->head - seat->tail <= seat->mask)
                return true;
        seat->tail = atomic_load_explicit(&seat->ring->tail, memory_order_acquire);
        return seat->head - seat->tail <= seat->mask;
}

/* The line for the next event; NULL: it is lost, and counted. */
static struct tk_format_event *begin(struct tk_gate *gate, struct tk_seat **ret_seat)
{
        struct tk_seat *seat = gate->seats ? tk_seats_mine(gate->seats) : NULL;
        if (!seat) {
                lose(gate);
                return NULL;
        }
        if (!has_room(seat)) {
                seat->dropped++;
                atomic_store_explicit(&seat->ring->dropped, seat->dropped, memory_order_relaxed);
                return NULL;
        }
        *ret_seat = seat;
        return &seat->ring->events[seat->head & seat->mask];
}

static void finish(struct tk_seat *seat)
{
        seat->head++;
        atomic_store_explicit(&seat->ring->head, seat->head, memory_order_release);
        /* The daemon read the next line last; it comes back while the next request is decided. */
        __builtin_prefetch(&seat->ring->events[seat->head & seat->mask], 1);
}

static uint64_t subject(uint64_t number, enum tk_code code, unsigned flags)
{
        return number | (uint64_t)code << TK_EVENT_CODE_SHIFT | (uint64_t)flags << TK_EVENT_FLAGS_SHIFT;
}

static unsigned flags_of(const struct tk_answer *answer)
{
        return (answer->reservation ? TK_EVENT_RESERVED : 0u) |
               (answer->shadow_refused ? TK_EVENT_SHADOW_REFUSED : 0u) |
               (answer->named_shared ? TK_EVENT_NAMED_OVERFLOW : 0u);
}

void tk_events_decided(const struct tk_request *request)
{
        const struct tk_ask *ask = request->ask;
        const struct tk_answer *answer = request->answer;
        struct tk_seat *seat;
        struct tk_format_event *event = begin(request->gate, &seat);
        if (!event)
                return;

        event->time_ns = request->now.gate_ns;
        event->subject = subject(answer->identified ? answer->key_id : 0, answer->code, flags_of(answer));
        event->cost = ask->cost <= TK_LIMIT_COST_MAX ? ask->cost : TK_LIMIT_COST_MAX; /* over it, refused */
        event->subscription = answer->identified ? (uint32_t)answer->subscription_id : 0;
        event->environment = ask->environment;
        memcpy(event->ip, ask->ip.bytes, sizeof event->ip);
        event->family = ask->ip.family;
        event->zero_a = 0;
        event->generation = answer->identified ? tk_control_generation(request->control) : 0;
        event->route = ask->route;
        event->zero_b = 0;
        finish(seat);
}

void tk_events_settled(struct tk_gate *gate, const struct tk_settled_event *settled)
{
        struct tk_seat *seat;
        struct tk_format_event *event = begin(gate, &seat);
        if (!event)
                return;

        *event = (struct tk_format_event){
                .time_ns = tk_files_now(&gate->files).gate_ns,
                .subject = subject(settled->key & TK_EVENT_NUMBER_MASK, TK_CODE_valid, settled->flags),
                .cost = settled->cost,
                .subscription = settled->subscription,
                .environment = settled->environment,
                .generation = (uint16_t)(settled->key >> 48),
                .route = settled->route,
        };
        finish(seat);
}
