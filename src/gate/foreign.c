/*
 * Writing the index of imported keys: entries are added, tables doubled. One thread, the publisher's; deciders read
 * meanwhile (lookup.c). An entry is a hint to a key's line and proves nothing. Never removes one.
 */
#include "core/key.h"
#include "gate/publisher.h"

#include <string.h>

#define FIRST_LOG2       10
#define ENTRIES_PER_LINE 8
#define COPY_AHEAD       16

struct table {
        _Atomic uint64_t *entries;
        unsigned log2;
};

static struct tk_area *foreign(const struct tk_publisher *publisher)
{
        return tk_publisher_area(publisher, TK_FILE_FOREIGN);
}

static uint64_t entry_count(const struct tk_publisher *publisher)
{
        return tk_unseal(atomic_load(&foreign(publisher)->header->foreign_count));
}

void tk_foreign_set_count(struct tk_publisher *publisher, uint64_t count)
{
        atomic_store_explicit(&foreign(publisher)->header->foreign_count, tk_seal(count),
                              memory_order_release);
}

/* entries NULL: there is none yet, or its word is damaged. */
static struct table current(const struct tk_publisher *publisher)
{
        uint64_t word = tk_unseal(atomic_load(&foreign(publisher)->header->foreign_table));
        struct table table = {.log2 = TK_FOREIGN_LOG2(word)};
        if (word && table.log2 >= FIRST_LOG2 && table.log2 <= 40)
                table.entries = tk_area_at(foreign(publisher), TK_FOREIGN_LINE(word),
                                           (UINT64_C(1) << table.log2) / ENTRIES_PER_LINE);
        return table;
}

/* Where this entry is, or the free place where it belongs. A table is never full. */
static _Atomic uint64_t *place(struct table table, uint64_t digest_word, uint64_t number)
{
        uint64_t mask = (UINT64_C(1) << table.log2) - 1;
        uint64_t wanted = tk_foreign_entry(digest_word, number);
        for (uint64_t i = digest_word;; i++) {
                uint64_t entry = atomic_load_explicit(&table.entries[i & mask], memory_order_relaxed);
                if (entry == 0 || entry == wanted)
                        return &table.entries[i & mask];
        }
}

/* The lines of entries that come next: each is at a place of its own, and a million misses one by one would stop the publisher. */
static void prefetch_ahead(const struct tk_publisher *publisher, struct table from, uint64_t at)
{
        const struct tk_area *keys = tk_publisher_area(publisher, TK_FILE_KEYS);
        if (at >= UINT64_C(1) << from.log2)
                return;
        uint64_t number = tk_foreign_number(atomic_load_explicit(&from.entries[at], memory_order_relaxed));
        if (number < keys->reserve_lines)
                __builtin_prefetch(keys->lines + number * keys->line_bytes);
}

/* Entries whose line has been freed or given to another key are left behind. */
static uint64_t copy_entries(const struct tk_publisher *publisher, struct table from, struct table to)
{
        uint64_t copied = 0;
        for (uint64_t i = 0; from.entries && i < UINT64_C(1) << from.log2; i++) {
                prefetch_ahead(publisher, from, i + COPY_AHEAD);
                uint64_t entry = atomic_load_explicit(&from.entries[i], memory_order_relaxed);
                uint64_t number = tk_foreign_number(entry);
                const struct tk_format_key *line =
                        tk_area_at(tk_publisher_area(publisher, TK_FILE_KEYS), number, 1);
                if (entry == 0 || !line)
                        continue;
                uint64_t digest_word = atomic_load_explicit(&line->digest[0], memory_order_relaxed);
                if (tk_foreign_entry(digest_word, number) != entry ||
                    tk_control_freed(atomic_load_explicit(&line->control, memory_order_relaxed)))
                        continue;
                atomic_store_explicit(place(to, digest_word, number), entry, memory_order_relaxed);
                copied++;
        }
        return copied;
}

/* To a table that is at most half full with `wanted` entries. */
static enum tk_err grow(struct tk_publisher *publisher, uint64_t wanted)
{
        struct tk_area *area = foreign(publisher);
        struct table from = current(publisher);
        struct table to = {.log2 = from.entries ? from.log2 + 1 : FIRST_LOG2};
        while (wanted > (UINT64_C(1) << to.log2) / 2)
                to.log2++;
        uint64_t line = tk_area_used(area);
        uint64_t lines = (UINT64_C(1) << to.log2) / ENTRIES_PER_LINE;

        enum tk_err err = tk_area_reserve(area, line + lines);
        if (err)
                return err;
        to.entries = (void *)(area->lines + line * area->line_bytes);
        memset((void *)to.entries, 0, lines * area->line_bytes);
        uint64_t copied = copy_entries(publisher, from, to);

        tk_area_use(area, line + lines);
        atomic_store_explicit(&area->header->foreign_table, tk_seal(TK_FOREIGN_TABLE(to.log2, line)),
                              memory_order_release);
        tk_foreign_set_count(publisher, copied);
        return TK_OK;
}

enum tk_err tk_foreign_reserve(struct tk_publisher *publisher, uint64_t count)
{
        struct table table = current(publisher);
        uint64_t wanted = entry_count(publisher) + count;
        if (count > TK_KEY_NUMBER_MAX)
                return TK_FULL;
        if (table.entries && wanted <= (UINT64_C(1) << table.log2) / 2)
                return TK_OK;
        return grow(publisher, wanted);
}

void tk_foreign_insert(struct tk_publisher *publisher, uint64_t digest_word, uint64_t number)
{
        _Atomic uint64_t *entry = place(current(publisher), digest_word, number);
        if (atomic_load_explicit(entry, memory_order_relaxed))
                return;
        atomic_store_explicit(entry, tk_foreign_entry(digest_word, number), memory_order_release);
        tk_foreign_set_count(publisher, entry_count(publisher) + 1);
}

const char *tk_foreign_check(const struct tk_publisher *publisher, uint64_t *ret_count)
{
        uint64_t word = tk_unseal(atomic_load(&foreign(publisher)->header->foreign_table));
        struct table table = current(publisher);
        if (word && !table.entries)
                return "foreign: the table is out of bounds";

        uint64_t found = 0;
        for (uint64_t i = 0; table.entries && i < UINT64_C(1) << table.log2; i++) {
                uint64_t entry = atomic_load_explicit(&table.entries[i], memory_order_relaxed);
                found += entry != 0;
                if (tk_foreign_number(entry) >= tk_area_used(tk_publisher_area(publisher, TK_FILE_KEYS)))
                        return "foreign: an entry names a key that does not exist";
        }
        /*
         * Not compared with foreign_count: a daemon that was killed between an entry, or a table, and its
         * count left another.
         */
        if (table.entries && found > (UINT64_C(1) << table.log2) / 2)
                return "foreign: the table is too full";
        *ret_count = found;
        return NULL;
}
