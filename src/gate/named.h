/*
 * The table of limits that callers name: bounded, open to every decider, swept by the daemon. How a name
 * finds its place and why no name ever has two: docs/formats/gate.md, named. Internal to the gate.
 */
#ifndef TK_GATE_NAMED_H
#define TK_GATE_NAMED_H

#include "gate/request.h"

/* The caller's limit as the arithmetic takes it; false when it is none. */
bool tk_named_compile(const struct tk_named_limit *named, struct tk_format_limit *ret_limit);

/*
 * The place of this name and definition in the request's environment, made when it is new, and kept for as
 * long as the limit is not whole and the request's reservation is open. Lock-free; any thread, any process.
 * False: there is no room.
 *   limit      the definition, compiled
 *   ret_place  in a rehearsal, which makes none: its entry is NULL where a fresh one would be made
 */
bool tk_named_find(struct tk_request *request, const struct tk_named_limit *named,
                   const struct tk_format_limit *limit, struct tk_named_place *ret_place);

/*
 * After the charge: whether a name that had no place of its own has one now. What it charged to the shared
 * entry may then not have been seen by those who use the new one, and must not stand.
 */
bool tk_named_moved(const struct tk_request *request);

/* The entry of a tag that an earlier table had, made when it is new: for recovery. NULL: its bucket is full. */
struct tk_format_named *tk_named_entry(struct tk_files *files, uint64_t tag);
/* It is not whole before this second of the boot clock. Only raises. */
void tk_named_keep_until(struct tk_format_named *entry, uint64_t whole_s);

/*
 * The daemon, about once a second: close entries that were whole again for long, free those that were closed
 * for long. Looks at all buckets in a bounded number of calls. Only one process and thread.
 */
void tk_named_sweep(struct tk_files *files, const struct tk_moment *now, uint64_t *cursor);

#endif
