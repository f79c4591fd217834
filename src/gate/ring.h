/*
 * Where the rings are in the file `events`: line 0 is the pool's, then one ring after the other. The threads
 * that write events and the daemon that takes them find a ring the same way, here. Never touches an event.
 */
#ifndef TK_GATE_RING_H
#define TK_GATE_RING_H

#include "gate/files.h"

#include <sys/types.h>

struct tk_rings {
        struct tk_area *area; /* of the set of files that they were found in */
        uint32_t count;
        uint32_t events; /* of each ring: a power of two */
};

/*
 * The rings of an open set, by what the headers that only the daemon writes say. They never change while the set lives.
 * False: these words do not describe rings, and none may be touched.
 */
bool tk_rings_find(struct tk_files *files, struct tk_rings *ret_rings);

/* A ring from its number, which is below the count. */
static inline struct tk_format_ring *tk_rings_at(const struct tk_rings *rings, uint32_t number)
{
        uint64_t line = 1 + number * (TK_RING_HEAD_LINES + (uint64_t)rings->events);
        return (struct tk_format_ring *)(void *)(rings->area->lines + line * sizeof(struct tk_format_event));
}

/* Its first byte in the file: whoever has that byte locked owns the ring. */
static inline off_t tk_rings_offset(const struct tk_rings *rings, uint32_t number)
{
        return (off_t)((const uint8_t *)tk_rings_at(rings, number) - (const uint8_t *)rings->area->header);
}

/* Line 0. NULL: the file has none. */
static inline struct tk_format_pool *tk_rings_pool(struct tk_files *files)
{
        return tk_area_at(&files->areas[TK_FILE_EVENTS], 0, 1);
}

#endif
