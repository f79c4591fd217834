/*
 * What was given up and waits to be given again: extents of `meters` that no binding names any more, and the
 * rule for how long. One thread, the publisher's. Kept in the publisher's memory alone: what a daemon that
 * ends has here stays unused in the files, some lines a change of plan. Why the wait suffices:
 * docs/decisions/0010.
 */
#include "gate/publisher.h"

#include "core/alloc.h"

#include <string.h>
#include <time.h>

#define FIRST_ROOM 64

/*
 * The machine was suspended when the clock that stops then falls behind by so much: no two reads of clocks
 * are so far apart.
 */
#define SUSPENDED_MS 1000

/* ---- how long ---- */

static uint64_t clock_ms(clockid_t clock)
{
        struct timespec now;
        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * Seconds of the boot clock. A decision that was frozen with the machine goes on when the machine does,
 * though the boot clock has gone on meanwhile: then every wait begins anew.
 */
static uint64_t now_s(struct tk_spares *spares)
{
        uint64_t boot_ms = clock_ms(CLOCK_BOOTTIME), running_ms = clock_ms(CLOCK_MONOTONIC);
        uint64_t suspended_ms = boot_ms > running_ms ? boot_ms - running_ms : 0;
        if (suspended_ms > spares->suspended_ms + SUSPENDED_MS) {
                spares->suspended_ms = suspended_ms;
                spares->awake_since_s = boot_ms / 1000;
        }
        return boot_ms / 1000;
}

void tk_spares_init(struct tk_spares *spares)
{
        memset(spares, 0, sizeof *spares);
        spares->awake_since_s = now_s(spares); /* what others gave up may have been given up just now */
}

bool tk_spares_rested(struct tk_publisher *publisher, uint64_t since_s)
{
        struct tk_spares *spares = &publisher->spares;
        uint64_t now = now_s(spares);
        uint64_t from_s = since_s > spares->awake_since_s ? since_s : spares->awake_since_s;
        return now > from_s + TK_QUARANTINE_S;
}

bool tk_spares_unreserved(const struct tk_publisher *publisher, uint64_t since_s)
{
        return publisher->reservations.oldest_s > since_s + TK_QUARANTINE_S;
}

/* ---- extents ---- */

void tk_spares_fini(struct tk_spares *spares)
{
        for (uint32_t lines = 0; lines <= TK_METER_LINES_MAX; lines++)
                tk_free(spares->queues[lines].items);
        memset(spares, 0, sizeof *spares);
}

/* Unrolled to the front of a queue of twice the room. */
static bool grow(struct tk_spare_queue *queue)
{
        size_t room = queue->room ? queue->room * 2 : FIRST_ROOM;
        struct tk_spare *items = tk_calloc(room, sizeof *items);
        if (!items)
                return false;
        for (size_t i = 0; i < queue->count; i++)
                items[i] = queue->items[(queue->first + i) % queue->room];
        tk_free(queue->items);
        *queue = (struct tk_spare_queue){.items = items, .count = queue->count, .room = room};
        return true;
}

void tk_spares_give(struct tk_publisher *publisher, uint32_t line, uint32_t lines)
{
        if (line == TK_METER_HOME || lines == 0 || lines > TK_METER_LINES_MAX)
                return;
        struct tk_spare_queue *queue = &publisher->spares.queues[lines];
        if (queue->count == queue->room && !grow(queue))
                return; /* no memory to remember it: it stays unused */
        queue->items[(queue->first + queue->count++) % queue->room] =
                (struct tk_spare){line, (uint32_t)now_s(&publisher->spares)};
        publisher->spares.lines += lines;
}

/* The oldest of this size, if it has waited long enough. */
static bool take(struct tk_publisher *publisher, uint32_t lines, uint32_t *ret_line)
{
        struct tk_spare_queue *queue = &publisher->spares.queues[lines];
        if (queue->count == 0)
                return false;
        struct tk_spare oldest = queue->items[queue->first];
        if (!tk_spares_rested(publisher, oldest.since_s) || !tk_spares_unreserved(publisher, oldest.since_s))
                return false;
        queue->first = (queue->first + 1) % queue->room;
        queue->count--;
        publisher->spares.lines -= lines;
        *ret_line = oldest.line;
        return true;
}

bool tk_spares_take(struct tk_publisher *publisher, uint32_t lines, uint32_t *ret_line)
{
        return lines <= TK_METER_LINES_MAX && take(publisher, lines, ret_line);
}
