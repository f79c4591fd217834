/*
 * The bump allocator (arena.h): a list of chunks, newest first, filled from the front. Made and dropped by
 * whoever serves a request, on that thread. Chunks are wiped before they are freed, because request bodies
 * may carry keys.
 */
#include "core/arena.h"

#include "core/alloc.h"
#include "core/secret.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ALIGNMENT       16
#define CHUNK_MIN_BYTES 4096
#define CHUNK_MAX_BYTES 262144 /* unless one request for memory is larger */

struct tk_arena_chunk {
        struct tk_arena_chunk *next;
        size_t capacity_bytes;
        _Alignas(ALIGNMENT) unsigned char bytes[];
};

void tk_arena_init(struct tk_arena *arena, size_t limit_bytes)
{
        *arena = (struct tk_arena){.limit_bytes = limit_bytes};
}

void tk_arena_fini(struct tk_arena *arena)
{
        struct tk_arena_chunk *chunk = arena->chunks;

        while (chunk != NULL) {
                struct tk_arena_chunk *next = chunk->next;
                tk_wipe(chunk->bytes, chunk->capacity_bytes);
                tk_free(chunk);
                chunk = next;
        }
        tk_arena_init(arena, arena->limit_bytes);
}

/* A new chunk is as large as all before it, so that the number of chunks stays logarithmic. */
static bool add_chunk(struct tk_arena *arena, size_t bytes)
{
        size_t capacity = arena->total_bytes;

        if (capacity < CHUNK_MIN_BYTES)
                capacity = CHUNK_MIN_BYTES;
        if (capacity > CHUNK_MAX_BYTES)
                capacity = CHUNK_MAX_BYTES;
        if (capacity < bytes)
                capacity = bytes;
        if (capacity > SIZE_MAX - sizeof(struct tk_arena_chunk))
                return false;

        struct tk_arena_chunk *chunk = tk_calloc(1, sizeof *chunk + capacity);
        if (chunk == NULL)
                return false;
        chunk->next = arena->chunks;
        chunk->capacity_bytes = capacity;
        arena->chunks = chunk;
        arena->used_bytes = 0;
        return true;
}

static bool over_limit(const struct tk_arena *arena, size_t bytes)
{
        return arena->limit_bytes != 0 && bytes > arena->limit_bytes - arena->total_bytes;
}

void *tk_arena_alloc(struct tk_arena *arena, size_t bytes)
{
        if (bytes > SIZE_MAX - ALIGNMENT)
                return NULL;
        bytes = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (over_limit(arena, bytes))
                return NULL;

        struct tk_arena_chunk *chunk = arena->chunks;
        if (chunk == NULL || bytes > chunk->capacity_bytes - arena->used_bytes) {
                if (!add_chunk(arena, bytes))
                        return NULL;
                chunk = arena->chunks;
        }

        void *ptr = chunk->bytes + arena->used_bytes;
        arena->used_bytes += bytes;
        arena->total_bytes += bytes;
        return ptr;
}

struct tk_str tk_arena_copy(struct tk_arena *arena, struct tk_str s)
{
        if (s.len == SIZE_MAX)
                return TK_STR_NONE;
        char *copy = tk_arena_alloc(arena, s.len + 1);
        if (copy == NULL)
                return TK_STR_NONE;
        if (s.len > 0)
                memcpy(copy, s.ptr, s.len);
        return (struct tk_str){copy, s.len};
}

struct tk_str tk_arena_printf(struct tk_arena *arena, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        struct tk_str s = tk_arena_vprintf(arena, format, args);
        va_end(args);
        return s;
}

struct tk_str tk_arena_vprintf(struct tk_arena *arena, const char *format, va_list args)
{
        va_list measured;

        va_copy(measured, args);
        int len = vsnprintf(NULL, 0, format, measured);
        va_end(measured);
        if (len < 0)
                return TK_STR_NONE;

        char *text = tk_arena_alloc(arena, (size_t)len + 1);
        if (text == NULL)
                return TK_STR_NONE;
        vsnprintf(text, (size_t)len + 1, format, args);
        return (struct tk_str){text, (size_t)len};
}
