/*
 * Notes in closed slots (forward.h). They stand in files that deciders write, so a note is a hint from anybody: it is followed within the
 * bounds of those files, and not for ever. What a forged one can do, its author could do to the slot itself.
 */
#include "gate/forward.h"

#include "core/slot.h"
#include "gate/meter.h"

#define PLACE_SLOT_BITS 48

/* So many moves a reservation outlives; one that is open for a day sees few. */
#define HOPS_MAX 16

/* A millisecond or two, most of it pauses and what is looked at between them. */
#define TURNS_MAX 1000
#define PAUSES    32

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#else
#define PAUSE() atomic_signal_fence(memory_order_seq_cst)
#endif

uint64_t tk_forward_place(const struct tk_files *files, enum tk_file file, const struct tk_slot *slot)
{
        return tk_meter_slot_index(&files->areas[file], slot) | (uint64_t)file << PLACE_SLOT_BITS;
}

struct tk_slot *tk_forward_slot(struct tk_files *files, uint64_t place)
{
        uint64_t file = place >> PLACE_SLOT_BITS, slot = place & ((UINT64_C(1) << PLACE_SLOT_BITS) - 1);
        if (file < TK_FILE_METERS || (file > TK_FILE_SUBSCRIPTION_HOMES && file != TK_FILE_NAMED))
                return NULL;
        struct tk_area *area = &files->areas[file];
        uint64_t slots_a_line = area->line_bytes / sizeof(struct tk_slot);
        uint8_t *line = tk_area_at(area, slot / slots_a_line, 1);
        return line ? (struct tk_slot *)(void *)(line + slot % slots_a_line * sizeof(struct tk_slot)) : NULL;
}

void tk_forward_note(struct tk_slot *slot, uint64_t place)
{
        tk_u128 stored = tk_slot_read(slot);
        while (!tk_slot_exchange(slot, &stored, TK_SLOT_FORWARDED | place))
                ;
}

bool tk_forward_wait(const struct tk_files *files, unsigned *turns)
{
        const struct tk_format_header *keys = tk_files_keys_header(files);
        bool moving = tk_unseal(atomic_load_explicit(&keys->moving, memory_order_acquire)) != 0;
        *turns += moving ? 1 : TURNS_MAX / 4; /* the move has ended since, or there was none */
        if (*turns >= TURNS_MAX)
                return false;
        for (unsigned i = 0; i < PAUSES; i++)
                PAUSE();
        return true;
}

struct tk_slot *tk_forward_refund(struct tk_files *files, struct tk_slot *slot, uint64_t label, uint64_t cost,
                                  unsigned *turns)
{
        unsigned hops = 0;
        while (!tk_window_refund(slot, label, cost)) {
                tk_u128 stored = tk_slot_read(slot);
                if (!tk_slot_closed(stored))
                        break;
                if (!tk_slot_forwarded(stored)) {
                        if (!tk_forward_wait(files, turns))
                                break;
                        continue;
                }
                struct tk_slot *next = tk_forward_slot(files, (uint64_t)stored);
                if (!next || hops++ == HOPS_MAX)
                        break;
                slot = next;
        }
        return slot;
}
