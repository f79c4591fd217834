/*
 * Finding the rings (ring.h). Called when a gate or the drain is opened, from one thread.
 */
#include "gate/ring.h"

bool tk_rings_find(struct tk_files *files, struct tk_rings *ret_rings)
{
        struct tk_area *area = &files->areas[TK_FILE_EVENTS];
        uint64_t word = atomic_load_explicit(&tk_files_keys_header(files)->ring_events, memory_order_acquire);
        uint64_t events = tk_unseal(word), lines = tk_area_used(area);

        if (!tk_sealed(word) || events == 0 || (events & (events - 1)) != 0 || events > area->reserve_lines)
                return false;
        if (lines < 2 || !tk_area_holds(area, 0, lines) || (lines - 1) % (TK_RING_HEAD_LINES + events) != 0)
                return false;
        ret_rings->area = area;
        ret_rings->count = (uint32_t)((lines - 1) / (TK_RING_HEAD_LINES + events));
        ret_rings->events = (uint32_t)events;
        return true;
}
