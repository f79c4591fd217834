/*
 * Bits a number (meter_marks.h). A mark is set after what it tells of was done, and taken before that is
 * looked at: release and acquire, so that whoever takes it sees it.
 */
#include "service/meter_marks.h"

#include "core/alloc.h"

#include <stddef.h>

void tk_marks_fini(struct tk_meter_marks *marks)
{
        for (size_t i = 0; i < TK_MARKS_PAGES; i++) {
                tk_free((void *)atomic_load(&marks->pages[i]));
                atomic_store(&marks->pages[i], NULL);
        }
}

static _Atomic uint64_t *page_for(struct tk_meter_marks *marks, uint64_t page)
{
        if (page >= TK_MARKS_PAGES)
                return NULL;
        _Atomic uint64_t *words = atomic_load_explicit(&marks->pages[page], memory_order_acquire);
        if (words)
                return words;
        _Atomic uint64_t *fresh = tk_calloc(TK_MARKS_PAGE_WORDS, sizeof *fresh);
        if (fresh && !atomic_compare_exchange_strong(&marks->pages[page], &words, fresh)) {
                tk_free((void *)fresh); /* another was faster */
                return words;
        }
        return fresh;
}

bool tk_marks_add(struct tk_meter_marks *marks, uint64_t word, uint64_t bits)
{
        _Atomic uint64_t *words = page_for(marks, word / TK_MARKS_PAGE_WORDS);
        if (!words)
                return false;
        /* Also where they are set already: who takes them must see what was done before this. */
        atomic_fetch_or_explicit(&words[word % TK_MARKS_PAGE_WORDS], bits, memory_order_release);
        return true;
}

bool tk_marks_set(struct tk_meter_marks *marks, uint64_t number)
{
        return tk_marks_add(marks, number / 64, UINT64_C(1) << number % 64);
}

uint64_t tk_marks_next(struct tk_meter_marks *marks, uint64_t *inout_word, bool take)
{
        uint64_t word = *inout_word;
        while (word / TK_MARKS_PAGE_WORDS < TK_MARKS_PAGES) {
                _Atomic uint64_t *words =
                        atomic_load_explicit(&marks->pages[word / TK_MARKS_PAGE_WORDS], memory_order_acquire);
                if (!words) {
                        word = (word / TK_MARKS_PAGE_WORDS + 1) * TK_MARKS_PAGE_WORDS;
                        continue;
                }
                _Atomic uint64_t *at = &words[word % TK_MARKS_PAGE_WORDS];
                uint64_t bits = atomic_load_explicit(at, memory_order_relaxed);
                if (bits)
                        bits = take ? atomic_exchange_explicit(at, 0, memory_order_acquire)
                                    : atomic_load_explicit(at, memory_order_acquire);
                if (bits) {
                        *inout_word = word;
                        return bits;
                }
                word++;
        }
        return 0;
}
