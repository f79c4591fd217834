/*
 * The table of limits that callers name: bounded, open to every decider, swept by the daemon. How a name finds its place and
 * why no name ever has two: docs/formats/gate.md, named. Internal to the gate.
 */
#ifndef TK_GATE_NAMED_H
#define TK_GATE_NAMED_H

#include "gate/files.h"
#include "gate/gate.h"

enum tk_named_found {
        TK_NAMED_OWN,    /* the name's own entry */
        TK_NAMED_SHARED, /* its bucket is full: the entry that such names of this definition share */
        TK_NAMED_ABSENT, /* a rehearsal: it has none yet, and would be given one */
        TK_NAMED_NO_ROOM,
};

/* The caller's limit as the arithmetic takes it; false when it is none. */
bool tk_named_compile(const struct tk_named_limit *named, struct tk_format_limit *ret_limit);

/*
 * The entry of this name and definition in the environment of this id, made when it is new. Lock-free; any thread, any process.
 *   limit      the definition, compiled
 *   rehearsal  make none
 *   ret_entry  not set when ABSENT or NO_ROOM
 */
enum tk_named_found tk_named_find(struct tk_gate *gate, uint32_t environment_id,
                                  const struct tk_named_limit *named, const struct tk_format_limit *limit,
                                  const struct tk_moment *now, bool rehearsal,
                                  struct tk_format_named **ret_entry);

/* The entry of a tag that an earlier table had, made when it is new: for recovery. NULL: its bucket is full. */
struct tk_format_named *tk_named_place(struct tk_files *files, uint64_t tag);
/* It is not whole before this second of the boot clock. Only raises. */
void tk_named_keep_until(struct tk_format_named *entry, uint64_t whole_s);

/*
 * The daemon, about once a second: close entries that were whole again for long, free those that were closed for long. Looks at all
 * buckets in a bounded number of calls. Only one process and thread.
 */
void tk_named_sweep(struct tk_files *files, uint64_t boot_ns, uint64_t *cursor);

#endif
