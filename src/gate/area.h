/*
 * One shared file in memory: its header, its lines, and how far they may be touched. Deciders ask tk_area_at() on every
 * reference, from any thread; the daemon alone grows an area. Formats and orders: docs/formats/gate.md.
 * Never interprets a line.
 */
#ifndef TK_GATE_AREA_H
#define TK_GATE_AREA_H

#include "core/error.h"
#include "gate/format.h"

struct tk_area {
        struct tk_format_header *header; /* where the file is mapped; NULL: not mapped */
        uint8_t *lines;                  /* line 0 */
        uint32_t line_bytes;
        uint64_t reserve_bytes;
        uint64_t reserve_lines; /* as many fit into the mapping */
        _Atomic uint64_t *capacity_word;
        _Atomic uint64_t *used_word;
        _Atomic uint64_t
                known_lines;   /* used_lines as last read here; it only grows, so a stale one is safe */
        uint64_t growth_lines; /* least growth */
        int fd; /* the daemon's, for growth; of `events` also a decider's, for locks; else -1 */
};

/*
 * Look at the announced bound again: whether lines up to end_line (exclusive) are in use. False too when the
 * word is damaged.
 */
bool tk_area_refresh(struct tk_area *area, uint64_t end_line);

/* Whether `count` lines from `line` on may be touched. Any thread. */
static inline bool tk_area_holds(struct tk_area *area, uint64_t line, uint64_t count)
{
        uint64_t end_line = line + count;
        return end_line <= atomic_load_explicit(&area->known_lines, memory_order_relaxed) ||
               tk_area_refresh(area, end_line);
}

/* The first of `count` lines, NULL when they may not be touched. */
static inline void *tk_area_at(struct tk_area *area, uint64_t line, uint64_t count)
{
        if (!tk_area_holds(area, line, count))
                return NULL;
        return area->lines + line * area->line_bytes;
}

uint64_t tk_area_used(const struct tk_area *area);
uint64_t tk_area_capacity(const struct tk_area *area);

/*
 * The daemon: give memory to all lines below end_line and announce the capacity. TK_FULL, and nothing
 * changed, when the file system or the reserve has no room; TK_IO when it refuses otherwise.
 */
enum tk_err tk_area_reserve(struct tk_area *area, uint64_t end_line);

/* The daemon: announce that lines below end_line are in use. They were reserved. Never lowers. */
void tk_area_use(struct tk_area *area, uint64_t end_line);

#endif
