/*
 * A bump allocator that is dropped all at once: one a request. It owns what it hands out; nothing is freed singly.
 * One thread at a time.
 */
#ifndef TK_CORE_ARENA_H
#define TK_CORE_ARENA_H

#include "core/str.h"

#include <stdarg.h>
#include <stddef.h>

struct tk_arena_chunk;

struct tk_arena {
        struct tk_arena_chunk *chunks; /* newest first */
        size_t used_bytes;             /* in the newest chunk */
        size_t total_bytes;            /* handed out, all chunks */
        size_t limit_bytes;            /* tk_arena_alloc() fails beyond; 0 = no limit */
};

/* Caller's storage, nothing allocated yet. */
void tk_arena_init(struct tk_arena *arena, size_t limit_bytes);

/* Free all; safe on a zeroed arena, and twice. */
void tk_arena_fini(struct tk_arena *arena);

/* Zeroed memory, aligned to 16. NULL when out of memory or over the limit. */
void *tk_arena_alloc(struct tk_arena *arena, size_t bytes);

/* A copy of s with a NUL after it (not counted). ptr is NULL when out of memory; an empty slice copies to "". */
struct tk_str tk_arena_copy(struct tk_arena *arena, struct tk_str s);

/* printf into the arena. ptr is NULL when out of memory. */
struct tk_str tk_arena_printf(struct tk_arena *arena, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
struct tk_str tk_arena_vprintf(struct tk_arena *arena, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));

#endif
