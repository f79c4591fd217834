/*
 * Contender: a hash index in memory. Open addressing by the first word of the digest, at most half full, one cache line an
 * entry: as lean as an index by digest can be.
 */
#include "record.h"

#include <string.h>
#include <sys/mman.h>

struct entry {
        uint64_t digest[4]; /* all zero: free */
        uint64_t number;
        uint32_t state, environment;
        uint64_t subscription;
        uint64_t scopes;
};
_Static_assert(sizeof(struct entry) == 64, "one cache line");

static struct records records;
static struct entry *table;
static uint64_t mask;

static bool open_table(struct bench_setup *setup)
{
        uint64_t size = 16;
        while (size < setup->keys * 2)
                size *= 2;
        mask = size - 1;
        table = mmap(NULL, size * sizeof(*table), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (table == MAP_FAILED)
                return bench_failed("no memory for the hash table");
        return records_open(&records, setup);
}

/* The entry with this digest, or the free one where it would stand. */
static struct entry *find(const struct tk_digest *digest)
{
        uint64_t words[4];
        memcpy(words, digest->bytes, sizeof(words));
        for (uint64_t at = words[0] & mask;; at = (at + 1) & mask) {
                struct entry *entry = &table[at];
                if (entry->number == 0 || memcmp(entry->digest, words, sizeof(words)) == 0)
                        return entry;
        }
}

static bool add(uint64_t number, const struct tk_digest *digest)
{
        struct entry *entry = find(digest);
        struct record record = record_of(records.setup, number);
        memcpy(entry->digest, digest->bytes, sizeof(entry->digest));
        entry->number = number;
        entry->state = record.state;
        entry->environment = record.environment;
        entry->subscription = record.subscription;
        entry->scopes = record.scopes;
        return true;
}

static bool ready(void)
{
        return true;
}

static bool decide(struct tk_str key)
{
        struct tk_digest digest;
        if (!record_digest(&records, key, &digest))
                return false;
        const struct entry *entry = find(&digest);
        if (entry->number == 0)
                return false;
        struct record record = {
                .number = entry->number,
                .subscription = entry->subscription,
                .state = entry->state,
                .environment = entry->environment,
                .scopes = entry->scopes,
        };
        return record_decide(&records, &record);
}

static uint64_t bytes(void)
{
        return (mask + 1) * sizeof(*table) + records_bytes(&records);
}

static void close_table(void)
{
        munmap(table, (mask + 1) * sizeof(*table));
        records_close(&records);
}

const struct contender contender_hash = {"hash index", open_table, add, ready, decide, bytes, close_table};
