/*
 * Bounds and growth of one shared file. Deciders call the readers from any thread; the daemon's publisher
 * alone reserves and announces, from one thread. Never shrinks a file: a hole is a SIGBUS in every process
 * that has it mapped.
 */
#include "gate/area.h"

#include <errno.h>
#include <fcntl.h>

static uint64_t read_word(const _Atomic uint64_t *word, uint64_t most, bool *ret_sound)
{
        uint64_t sealed = atomic_load_explicit(word, memory_order_acquire);
        *ret_sound = tk_sealed(sealed) && tk_unseal(sealed) <= most;
        return tk_unseal(sealed);
}

bool tk_area_refresh(struct tk_area *area, uint64_t end_line)
{
        bool sound;
        uint64_t used = read_word(area->used_word, area->reserve_lines, &sound);
        if (!sound)
                return false;

        atomic_store_explicit(&area->known_lines, used, memory_order_relaxed);
        return end_line <= used;
}

uint64_t tk_area_used(const struct tk_area *area)
{
        return tk_unseal(atomic_load_explicit(area->used_word, memory_order_acquire));
}

uint64_t tk_area_capacity(const struct tk_area *area)
{
        return tk_unseal(atomic_load_explicit(area->capacity_word, memory_order_acquire));
}

static enum tk_err allocate(const struct tk_area *area, uint64_t from_line, uint64_t to_line)
{
        uint64_t first = (uint64_t)(area->lines - (uint8_t *)area->header);
        off_t offset = (off_t)(first + from_line * area->line_bytes);
        off_t bytes = (off_t)((to_line - from_line) * area->line_bytes);

        int failed;
        do {
                failed = posix_fallocate(area->fd, offset, bytes);
        } while (failed == EINTR);
        if (!failed)
                return TK_OK;
        return failed == ENOSPC || failed == EFBIG || failed == EDQUOT ? TK_FULL : TK_IO;
}

enum tk_err tk_area_reserve(struct tk_area *area, uint64_t end_line)
{
        uint64_t capacity = tk_area_capacity(area);
        if (end_line <= capacity)
                return TK_OK;
        if (end_line > area->reserve_lines)
                return TK_FULL;

        /* An eighth: the waste stays small against 10 million keys, and the steps few. */
        uint64_t growth = capacity / 8 > area->growth_lines ? capacity / 8 : area->growth_lines;
        uint64_t wanted = capacity + growth > end_line ? capacity + growth : end_line;
        if (wanted > area->reserve_lines)
                wanted = area->reserve_lines;

        enum tk_err err = allocate(area, capacity, wanted);
        if (err == TK_FULL && wanted > end_line) {
                wanted = end_line;
                err = allocate(area, capacity, wanted);
        }
        if (err)
                return err;

        atomic_store_explicit(area->capacity_word, tk_seal(wanted), memory_order_release);
        return TK_OK;
}

void tk_area_use(struct tk_area *area, uint64_t end_line)
{
        if (end_line > tk_area_used(area))
                atomic_store_explicit(area->used_word, tk_seal(end_line), memory_order_release);
}
