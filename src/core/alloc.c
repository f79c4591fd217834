/*
 * The allocation seam (alloc.h): malloc and its kin, with a countdown, one a thread, that makes one call
 * fail. Any thread. Never called while deciding.
 */
#include "core/alloc.h"

#include <stdlib.h>

static _Thread_local unsigned fault_countdown; /* 0: off */
static _Thread_local int fault_hit;

static int fails_now(void)
{
        if (fault_countdown == 0 || --fault_countdown > 0)
                return 0;
        fault_hit = 1;
        return 1;
}

/* malloc(0) may return NULL, which callers would take for exhaustion. */
static size_t at_least_one(size_t bytes)
{
        return bytes == 0 ? 1 : bytes;
}

void *tk_malloc(size_t bytes)
{
        return fails_now() ? NULL : malloc(at_least_one(bytes));
}

void *tk_calloc(size_t count, size_t bytes)
{
        return fails_now() ? NULL : calloc(at_least_one(count), at_least_one(bytes));
}

void *tk_realloc(void *ptr, size_t bytes)
{
        return fails_now() ? NULL : realloc(ptr, at_least_one(bytes));
}

void tk_free(void *ptr)
{
        free(ptr);
}

void tk_alloc_fault_at(unsigned n)
{
        fault_countdown = n;
        fault_hit = 0;
}

int tk_alloc_fault_hit(void)
{
        return fault_hit;
}
