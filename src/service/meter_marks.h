/*
 * A set of numbers of owners, a bit each: whose meters changed. Set by any thread, without locks; its pages
 * are made when a number first needs one, and stay. Who takes a word of marks has them alone. Never loses a
 * mark silently: where a page cannot be had it says so, and the caller marks everything.
 */
#ifndef TK_SERVICE_METER_MARKS_H
#define TK_SERVICE_METER_MARKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TK_MARKS_PAGE_WORDS 4096
#define TK_MARKS_PAGES      4096 /* of 262,144 numbers each: 2^30 numbers, as many lines as a gate's file has */

struct tk_meter_marks {
        _Atomic(_Atomic uint64_t *) pages[TK_MARKS_PAGES];
};

/* All zero is the empty set. */
void tk_marks_fini(struct tk_meter_marks *marks);

/* False: it could not be marked. */
bool tk_marks_set(struct tk_meter_marks *marks, uint64_t number);
/* Add to `marks` the numbers word * 64 + n of the bits n. */
bool tk_marks_add(struct tk_meter_marks *marks, uint64_t word, uint64_t bits);

/*
 * The bits of the next word from *inout_word on that has any, taken out of the set when `take`; *inout_word
 * is that word. 0: none.
 */
uint64_t tk_marks_next(struct tk_meter_marks *marks, uint64_t *inout_word, bool take);

#endif
