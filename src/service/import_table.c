/*
 * The table of shared texts. See import_table.h. The texts themselves are compared: a hash that agrees, by chance or by design, costs a
 * look and nothing else.
 */
#include "service/import_table.h"

#include "core/alloc.h"

#include <string.h>

#define FIRST_ROOM 64

static uint64_t hash_bytes(uint64_t hash, struct tk_str text)
{
        hash ^= text.len + 1;
        for (size_t at = 0; at < text.len; at += 8) {
                size_t left = text.len - at;
                uint64_t word = 0;
                memcpy(&word, text.ptr + at, left < 8 ? left : 8);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
        }
        return hash;
}

static uint64_t hash_of(uint64_t number, const struct tk_str text[TK_IMPORT_TABLE_TEXTS])
{
        uint64_t hash = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
        for (int i = 0; i < TK_IMPORT_TABLE_TEXTS; i++)
                hash = hash_bytes(hash, text[i]) * UINT64_C(0xbf58476d1ce4e5b9);
        return hash ^ hash >> 29;
}

static bool is_entry(const struct tk_import_entry *entry, uint64_t hash, uint64_t number,
                     const struct tk_str text[TK_IMPORT_TABLE_TEXTS])
{
        if (entry->hash != hash || entry->number != number)
                return false;
        for (int i = 0; i < TK_IMPORT_TABLE_TEXTS; i++)
                if (!tk_str_equal(entry->text[i], text[i]))
                        return false;
        return true;
}

void tk_import_table_fini(struct tk_import_table *table)
{
        tk_free(table->entries);
        tk_free(table->places);
        *table = (struct tk_import_table){0};
}

void tk_import_table_clear(struct tk_import_table *table)
{
        if (table->count > 0)
                memset(table->places, 0, table->place_count * sizeof(table->places[0]));
        table->count = 0;
}

enum tk_err tk_import_table_find(const struct tk_import_table *table, uint64_t number,
                                 const struct tk_str text[TK_IMPORT_TABLE_TEXTS], uint32_t *ret_slot)
{
        uint64_t hash = hash_of(number, text);
        for (size_t at = hash; table->place_count > 0; at++) {
                uint32_t place = table->places[at & (table->place_count - 1)];
                if (place == 0)
                        break;
                if (!is_entry(&table->entries[place - 1], hash, number, text))
                        continue;
                *ret_slot = place - 1;
                return TK_OK;
        }
        return TK_NOT_FOUND;
}

static void put_place(struct tk_import_table *table, uint32_t slot)
{
        size_t at = table->entries[slot].hash;
        while (table->places[at & (table->place_count - 1)] != 0)
                at++;
        table->places[at & (table->place_count - 1)] = slot + 1;
}

static enum tk_err grow(struct tk_import_table *table)
{
        size_t room = table->room ? table->room * 2 : FIRST_ROOM;
        struct tk_import_entry *entries = tk_realloc(table->entries, room * sizeof(*entries));
        if (!entries)
                return TK_NOMEM;
        table->entries = entries;
        uint32_t *places = tk_calloc(room * 2, sizeof(*places));
        if (!places)
                return TK_NOMEM;
        tk_free(table->places);
        table->places = places;
        table->place_count = room * 2;
        table->room = room;
        for (size_t slot = 0; slot < table->count; slot++)
                put_place(table, (uint32_t)slot);
        return TK_OK;
}

enum tk_err tk_import_table_add(struct tk_import_table *table, uint64_t number,
                                const struct tk_str text[TK_IMPORT_TABLE_TEXTS], struct tk_arena *arena,
                                uint32_t *ret_slot)
{
        if (table->count == table->room && grow(table) != TK_OK)
                return TK_NOMEM;
        struct tk_import_entry entry = {.number = number, .hash = hash_of(number, text)};
        for (int i = 0; i < TK_IMPORT_TABLE_TEXTS; i++) {
                entry.text[i] = tk_arena_copy(arena, text[i]);
                if (!entry.text[i].ptr)
                        return TK_NOMEM;
        }
        *ret_slot = (uint32_t)table->count;
        table->entries[table->count++] = entry;
        put_place(table, *ret_slot);
        return TK_OK;
}
