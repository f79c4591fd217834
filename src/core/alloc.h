/*
 * The one seam through which the program allocates, so that tests can fail the n-th allocation.
 * Outside the decision path only: deciding allocates nothing.
 */
#ifndef TK_CORE_ALLOC_H
#define TK_CORE_ALLOC_H

#include <stddef.h>

/* As malloc, calloc, realloc, free. Zero-sized requests return a unique pointer. Any thread. */
void *tk_malloc(size_t bytes);
void *tk_calloc(size_t count, size_t bytes);
void *tk_realloc(void *ptr, size_t bytes);
void tk_free(void *ptr);

/*
 * Tests only: make the n-th allocation from now (1 = the next) of this thread return NULL; 0 turns it off.
 * tk_alloc_fault_hit() tells whether it happened since.
 */
void tk_alloc_fault_at(unsigned n);
int tk_alloc_fault_hit(void);

#endif
