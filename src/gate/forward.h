/*
 * Where a limit went that has moved to another slot. The publisher leaves a note in the slot that it was moved from; whoever gives back what
 * he charged there follows it, and whoever finds a slot closed waits here until its owner's line names another. Any thread; lock-free; no
 * system call. Internal to the gate: docs/decisions/0012.
 */
#ifndef TK_GATE_FORWARD_H
#define TK_GATE_FORWARD_H

#include "gate/files.h"

/* A slot of a file that deciders write, as reservations and notes name it: counted in 16 bytes from line 0, and the file above bit 48. */
uint64_t tk_forward_place(const struct tk_files *files, enum tk_file file, const struct tk_slot *slot);

/* NULL where it names none. */
struct tk_slot *tk_forward_slot(struct tk_files *files, uint64_t place);

/*
 * The publisher, when the binding is stored that names the slot's successor: say in a closed slot where what may be given back of it is now.
 *   place  0: nowhere
 */
void tk_forward_note(struct tk_slot *slot, uint64_t place);

/*
 * tk_window_refund() where the limit is now. Nothing is given back where no note comes in time, or leads further than a limit moves.
 *   turns  as tk_forward_wait()
 * Returns the slot that it came to.
 */
struct tk_slot *tk_forward_refund(struct tk_files *files, struct tk_slot *slot, uint64_t label, uint64_t cost,
                                  unsigned *turns);

/*
 * One turn of waiting, about a microsecond, for who found a slot closed. False: it has been a millisecond, or nothing is being moved and
 * the slot stays closed all the same; then do without.
 *   turns  0 at first; those of one request, for all of its slots
 */
bool tk_forward_wait(const struct tk_files *files, unsigned *turns);

#endif
