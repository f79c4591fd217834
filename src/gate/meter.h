/*
 * Where the meter of a key, a subscription or a route is: at its owner's own number, in a file of such homes, or in an
 * extent elsewhere. Deciders and the publisher find it the same way, here. Never touches a counter.
 */
#ifndef TK_GATE_METER_H
#define TK_GATE_METER_H

#include "gate/files.h"
#include "gate/policy.h"

/* The line that an owner's number gives it: TK_FILE_KEY_HOMES or TK_FILE_SUBSCRIPTION_HOMES. Number 0: it has none. */
struct tk_home {
        enum tk_file file;
        uint64_t number;
};
#define TK_HOME_NONE ((struct tk_home){TK_FILE_METERS, 0})

/* A meter, and in which file it is. */
struct tk_meter_ref {
        struct tk_format_meter *meter;
        enum tk_file file;
};

/* The meter that the high half of a binding names, of so many lines. False when it is out of bounds. */
static inline bool tk_meter_find(struct tk_files *files, struct tk_home home, uint32_t line, uint32_t lines,
                                 struct tk_meter_ref *ret_ref)
{
        bool at_home = line == TK_METER_HOME;
        if (at_home && (home.number == 0 || lines != 1))
                return false;
        ret_ref->file = at_home ? home.file : TK_FILE_METERS;
        ret_ref->meter = tk_area_at(&files->areas[ret_ref->file], at_home ? home.number : line, lines);
        return ret_ref->meter != NULL;
}

/* A slot counted in 16 bytes from line 0 of its file. */
static inline uint64_t tk_meter_slot_index(const struct tk_area *area, const struct tk_slot *slot)
{
        return (uint64_t)((const uint8_t *)slot - area->lines) / sizeof(struct tk_slot);
}

#endif
