/*
 * Limits that callers name (named.h). tk_named_find() runs in the decision path, on any thread of any process, lock-free; the sweep is
 * the daemon's. Never gives a name two places, never frees one whose limit is not whole: docs/formats/gate.md, named, says why.
 */
#include "gate/named.h"

#include "core/slot.h"
#include "gate/request.h"

#include <string.h>

/* An insert can only fail because another one succeeded; a table that a broken process keeps changing is not waited for. */
#define TRIES_MAX 1000

/* No decision takes longer between finding an entry and charging it; what does may lose its charge. */
#define DECISION_MAX_S 60

#define SWEEP_BUCKETS 1024

/* ---- what a name is hashed to ---- */

bool tk_named_compile(const struct tk_named_limit *named, struct tk_format_limit *ret_limit)
{
        if (!named->def || !named->name.ptr || named->name.len == 0 || named->name.len > TK_NAMED_NAME_MAX)
                return false;
        struct tk_limit_def def = *named->def;
        memcpy(def.name, "named", sizeof "named");
        return def.kind != TK_LIMIT_CREDITS && !def.anchored &&
               tk_policy_limit_compile(&def, 0, ret_limit) == TK_OK;
}

/* Everything that makes a limit what it is; `shared` for the one of those that found no place. */
static uint64_t tag_of(const struct tk_gate *gate, uint32_t environment_id,
                       const struct tk_named_limit *named, bool shared)
{
        struct {
                uint64_t limit, burst, length_s;
                uint32_t environment_id;
                uint8_t kind, period, shadow, shared;
                char name[TK_NAMED_NAME_MAX];
        } input;
        size_t name_len = shared ? 0 : named->name.len;
        input.limit = named->def->limit;
        input.burst = named->def->burst;
        input.length_s = (uint64_t)named->def->length_s;
        input.environment_id = environment_id;
        input.kind = (uint8_t)named->def->kind;
        input.period = (uint8_t)named->def->period;
        input.shadow = named->def->shadow;
        input.shared = shared;
        memcpy(input.name, named->name.ptr, name_len);
        uint64_t hash = tk_key_mask_hash(gate->mask, &input, offsetof(__typeof__(input), name) + name_len);
        return (hash & ~TK_NAMED_CLOSING) | TK_NAMED_TAKEN;
}

/* ---- one bucket ---- */

static bool is_free(uint64_t word)
{
        return !(word & (TK_NAMED_TAKEN | TK_NAMED_CLOSING));
}

static uint64_t insert_version(const struct tk_slot *insert)
{
        return insert->hi >> 8;
}

/*
 * Finish the insert that the bucket announces, whoever began it. A place that became free at or after it has been through it already:
 * then there is nothing to finish.
 */
static void complete(struct tk_format_named_bucket *bucket, const struct tk_slot *insert)
{
        unsigned at = insert->hi & 15;
        if (insert_version(insert) == 0 || at >= TK_NAMED_BUCKET_ENTRIES)
                return;
        uint64_t word = atomic_load_explicit(&bucket->tags[at], memory_order_acquire);
        if (is_free(word) && word < insert_version(insert))
                atomic_compare_exchange_strong(&bucket->tags[at], &word, insert->lo);
}

/* The place of a tag, or -1. *ret_free: a free one, or -1. A tag that was about to be forgotten is kept. */
static int scan(struct tk_format_named_bucket *bucket, uint64_t tag, int *ret_free)
{
        *ret_free = -1;
        for (int i = 0; i < TK_NAMED_BUCKET_ENTRIES; i++) {
                uint64_t word = atomic_load_explicit(&bucket->tags[i], memory_order_acquire);
                if (word == tag)
                        return i;
                if (word == (tag | TK_NAMED_CLOSING) &&
                    atomic_compare_exchange_strong(&bucket->tags[i], &word, tag))
                        return i;
                if (is_free(word) && *ret_free < 0)
                        *ret_free = i;
        }
        return -1;
}

/* -1: the bucket is full, or there is no end of others' inserts. */
static int find_or_insert(struct tk_format_named_bucket *bucket, uint64_t tag)
{
        int free;
        for (int tries = 0; tries < TRIES_MAX; tries++) {
                tk_u128 announced = tk_slot_read(&bucket->insert);
                struct tk_slot insert = tk_slot_of(announced);
                complete(bucket, &insert);
                int at = scan(bucket, tag, &free);
                if (at >= 0 || free < 0)
                        return at;
                struct tk_slot next = {.lo = tag, .hi = (insert_version(&insert) + 1) << 8 | (unsigned)free};
                if (tk_slot_exchange(&bucket->insert, &announced, tk_slot_value(&next)))
                        complete(bucket, &next);
        }
        return -1;
}

static struct tk_format_named_bucket *bucket_of(struct tk_files *files, uint64_t tag)
{
        struct tk_area *area = &files->areas[TK_FILE_NAMED];
        uint64_t count = tk_area_used(area) / TK_NAMED_BUCKET_LINES;
        if (count == 0)
                return NULL;
        return tk_area_at(area, (tag >> 16) % count * TK_NAMED_BUCKET_LINES, TK_NAMED_BUCKET_LINES);
}

/* ---- find ---- */

/* From when on the limit is whole again, if nothing more is charged to it: seconds of the boot clock. */
static uint64_t whole_at_s(const struct tk_limit_def *def, const struct tk_moment *now)
{
        static const uint64_t calendar_s[] = {[TK_PERIOD_HOUR] = 3600,
                                              [TK_PERIOD_DAY] = 86400,
                                              [TK_PERIOD_WEEK] = 7 * 86400,
                                              [TK_PERIOD_MONTH] = 31 * 86400};
        uint64_t s = (uint64_t)def->length_s;
        if (def->kind == TK_LIMIT_RATE) /* an empty bucket, to be filled */
                s = (uint64_t)((tk_u128)s * def->burst / def->limit) + 1;
        else if (def->period != TK_PERIOD_FIXED)
                s = calendar_s[def->period];
        return now->boot_ns / TK_NS_PER_S + s;
}

struct tk_format_named *tk_named_place(struct tk_files *files, uint64_t tag)
{
        struct tk_format_named_bucket *bucket = bucket_of(files, tag);
        int at = bucket ? find_or_insert(bucket, tag) : -1;
        return at < 0 ? NULL : &bucket->entries[at];
}

static struct tk_format_named *entry_for(struct tk_gate *gate, uint64_t tag, bool rehearsal)
{
        struct tk_format_named_bucket *bucket = bucket_of(&gate->files, tag);
        int free, at = bucket ? scan(bucket, tag, &free) : -1;
        if (bucket && at < 0 && !rehearsal)
                at = find_or_insert(bucket, tag);
        return at < 0 ? NULL : &bucket->entries[at];
}

void tk_named_keep_until(struct tk_format_named *entry, uint64_t whole_s)
{
        uint64_t kept_s = atomic_load_explicit(&entry->whole_s, memory_order_relaxed);
        while (kept_s < whole_s && !atomic_compare_exchange_weak(&entry->whole_s, &kept_s, whole_s))
                ;
}

/* What recovery needs to know of a slot that the tag alone does not tell. */
static void note_units(struct tk_format_named *entry, uint64_t units)
{
        if (atomic_load_explicit(&entry->rate_units, memory_order_relaxed) != units)
                atomic_store_explicit(&entry->rate_units, units, memory_order_relaxed);
}

enum tk_named_found tk_named_find(struct tk_gate *gate, uint32_t environment_id,
                                  const struct tk_named_limit *named, const struct tk_format_limit *limit,
                                  const struct tk_moment *now, bool rehearsal,
                                  struct tk_format_named **ret_entry)
{
        enum tk_named_found found = TK_NAMED_OWN;
        struct tk_format_named *entry =
                entry_for(gate, tag_of(gate, environment_id, named, false), rehearsal);
        if (!entry && rehearsal)
                return TK_NAMED_ABSENT;
        if (!entry) {
                found = TK_NAMED_SHARED;
                entry = entry_for(gate, tag_of(gate, environment_id, named, true), rehearsal);
        }
        if (!entry)
                return TK_NAMED_NO_ROOM;
        if (!rehearsal) { /* before it is charged */
                note_units(entry, limit->kind == TK_LIMIT_RATE ? limit->rate_units : 0);
                tk_named_keep_until(entry, whole_at_s(named->def, now));
        }
        *ret_entry = entry;
        return found;
}

void tk_named_count(struct tk_request *request, bool admitted)
{
        for (uint32_t i = 0; i < request->named_count; i++) {
                struct tk_format_named *entry = request->named_entries[i];
                if (admitted)
                        atomic_fetch_add_explicit(&entry->admitted, 1, memory_order_relaxed);
                else
                        atomic_fetch_add_explicit(&entry->refused, 1, memory_order_relaxed);
                atomic_store_explicit(&entry->last_used_s, (uint32_t)request->now_s, memory_order_relaxed);
        }
}

/* ---- the sweep ---- */

static void forget(struct tk_format_named_bucket *bucket, unsigned at)
{
        struct tk_format_named *entry = &bucket->entries[at];
        tk_u128 stored = tk_slot_read(&entry->slot);
        while (!tk_slot_exchange(&entry->slot, &stored, 0))
                ;
        atomic_store_explicit(&entry->admitted, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->refused, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->last_used_s, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->whole_s, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->rate_units, 0, memory_order_relaxed);
        struct tk_slot insert = tk_slot_of(tk_slot_read(&bucket->insert));
        atomic_store(&bucket->tags[at], insert_version(&insert));
}

static void sweep_entry(struct tk_format_named_bucket *bucket, unsigned at, uint64_t now_s)
{
        struct tk_format_named *entry = &bucket->entries[at];
        uint64_t word = atomic_load(&bucket->tags[at]);
        bool whole = now_s > atomic_load(&entry->whole_s) + DECISION_MAX_S;
        if (word == TK_NAMED_DEAD) { /* a daemon was killed here */
                forget(bucket, at);
        } else if (word & TK_NAMED_TAKEN && !(word & TK_NAMED_CLOSING)) {
                atomic_store_explicit(&entry->closed_s, now_s, memory_order_relaxed);
                if (whole)
                        atomic_compare_exchange_strong(&bucket->tags[at], &word, word | TK_NAMED_CLOSING);
        } else if (word & TK_NAMED_TAKEN && !whole) {
                atomic_compare_exchange_strong(&bucket->tags[at], &word, word & ~TK_NAMED_CLOSING);
        } else if (word & TK_NAMED_TAKEN &&
                   now_s > atomic_load_explicit(&entry->closed_s, memory_order_relaxed) + DECISION_MAX_S) {
                if (atomic_compare_exchange_strong(&bucket->tags[at], &word, TK_NAMED_DEAD))
                        forget(bucket, at);
        }
}

void tk_named_sweep(struct tk_files *files, uint64_t boot_ns, uint64_t *cursor)
{
        struct tk_area *area = &files->areas[TK_FILE_NAMED];
        uint64_t count = tk_area_used(area) / TK_NAMED_BUCKET_LINES;
        for (uint64_t i = 0; i < count && i < SWEEP_BUCKETS; i++) {
                *cursor = (*cursor + 1) % count;
                struct tk_format_named_bucket *bucket =
                        tk_area_at(area, *cursor * TK_NAMED_BUCKET_LINES, TK_NAMED_BUCKET_LINES);
                for (unsigned at = 0; bucket && at < TK_NAMED_BUCKET_ENTRIES; at++)
                        sweep_entry(bucket, at, boot_ns / TK_NS_PER_S);
        }
}
