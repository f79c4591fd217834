/*
 * Limits that callers name (named.h). tk_named_find() runs in the decision path, on any thread of any
 * process, lock-free; the sweep is the daemon's. Never gives a name two places, never frees one whose limit
 * is not whole: docs/formats/gate.md, named, says why.
 */
#include "gate/named.h"

#include "core/slot.h"

#include <string.h>

/*
 * An insert can only fail because another one succeeded; a table that a broken process keeps changing is not
 * waited for.
 */
#define TRIES_MAX 1000

/* No decision takes longer between finding an entry and charging it; what does may lose its charge. */
#define DECISION_MAX_S 60

#define SWEEP_BUCKETS 1024

/* Of a limit that takes longer to be whole again than 64 bits of seconds. */
#define WHOLE_MAX_S (UINT64_C(1) << 62)

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
static uint64_t tag_of(const struct tk_request *request, const struct tk_named_limit *named, bool shared)
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
        input.environment_id = request->environment->environment_id;
        input.kind = (uint8_t)named->def->kind;
        input.period = (uint8_t)named->def->period;
        input.shadow = named->def->shadow;
        input.shared = shared;
        memcpy(input.name, named->name.ptr, name_len);
        uint64_t hash =
                tk_key_mask_hash(request->gate->mask, &input, offsetof(__typeof__(input), name) + name_len);
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
 * Finish the insert that the bucket announces, whoever began it. A place that became free at or after it has
 * been through it already: then there is nothing to finish.
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

/*
 * The place of a tag, or -1. *ret_free: a free one, or -1. One that was about to be forgotten is kept; who
 * fails to do that looks at what another made of it: kept it, too, or forgot it.
 */
static int scan(struct tk_format_named_bucket *bucket, uint64_t tag, int *ret_free)
{
        *ret_free = -1;
        for (int i = 0; i < TK_NAMED_BUCKET_ENTRIES; i++) {
                uint64_t word = atomic_load_explicit(&bucket->tags[i], memory_order_acquire);
                if (word == (tag | TK_NAMED_CLOSING) &&
                    atomic_compare_exchange_strong(&bucket->tags[i], &word, tag))
                        return i;
                if (word == tag)
                        return i;
                if (is_free(word) && *ret_free < 0)
                        *ret_free = i;
        }
        return -1;
}

/* The same without keeping it: for looks. */
static int peek(const struct tk_format_named_bucket *bucket, uint64_t tag, bool *ret_room)
{
        *ret_room = false;
        for (int i = 0; i < TK_NAMED_BUCKET_ENTRIES; i++) {
                uint64_t word = atomic_load_explicit(&bucket->tags[i], memory_order_acquire);
                if ((word & ~TK_NAMED_CLOSING) == tag)
                        return i;
                *ret_room |= is_free(word);
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

/* NULL: there is no room. */
static struct tk_format_named *find_or_make(const struct tk_gate *gate, uint64_t tag)
{
        struct tk_format_named_bucket *bucket = bucket_of(&((struct tk_gate *)gate)->files, tag);
        int free, at = bucket ? scan(bucket, tag, &free) : -1;
        if (bucket && at < 0)
                at = find_or_insert(bucket, tag);
        return at < 0 ? NULL : &bucket->entries[at];
}

/* NULL: it has none; *ret_room: it would get one. */
static struct tk_format_named *find_only(const struct tk_gate *gate, uint64_t tag, bool *ret_room)
{
        *ret_room = false;
        struct tk_format_named_bucket *bucket = bucket_of(&((struct tk_gate *)gate)->files, tag);
        int at = bucket ? peek(bucket, tag, ret_room) : -1;
        return at < 0 ? NULL : &bucket->entries[at];
}

/* The longest that a period of the window may be; 0 of a rate. */
static uint64_t period_s(const struct tk_limit_def *def)
{
        static const uint64_t calendar_s[] = {[TK_PERIOD_HOUR] = 3600,
                                              [TK_PERIOD_DAY] = 86400,
                                              [TK_PERIOD_WEEK] = 7 * 86400,
                                              [TK_PERIOD_MONTH] = 31 * 86400};
        if (def->kind == TK_LIMIT_RATE)
                return 0;
        return def->period == TK_PERIOD_FIXED ? (uint64_t)def->length_s : calendar_s[def->period];
}

/* How long a limit that is charged now takes to be whole again: an empty bucket to be filled, or a period. */
static uint64_t refill_s(const struct tk_limit_def *def)
{
        if (def->kind != TK_LIMIT_RATE)
                return period_s(def);
        tk_u128 s = (tk_u128)(uint64_t)def->length_s * def->burst / def->limit + 1;
        return s < WHOLE_MAX_S ? (uint64_t)s : WHOLE_MAX_S;
}

void tk_named_keep_until(struct tk_format_named *entry, uint64_t whole_s)
{
        uint64_t kept_s = atomic_load_explicit(&entry->whole_s, memory_order_relaxed);
        while (kept_s < whole_s && !atomic_compare_exchange_weak(&entry->whole_s, &kept_s, whole_s))
                ;
}

/* What recovery and the sweep need to know of a slot, and its tag alone does not tell. */
static void note_meaning(struct tk_format_named *entry, const struct tk_format_limit *limit,
                         uint32_t longest_s)
{
        if (atomic_load_explicit(&entry->period_s, memory_order_relaxed) != longest_s)
                atomic_store_explicit(&entry->period_s, longest_s, memory_order_relaxed);
        if (atomic_load_explicit(&entry->rate_units, memory_order_relaxed) != limit->rate_units)
                atomic_store_explicit(&entry->rate_units, limit->rate_units, memory_order_relaxed);
}

/*
 * Before it is charged: until when the sweep leaves it alone. Nor may another name get the place while a
 * reservation refers to it.
 */
static void keep(struct tk_format_named *entry, const struct tk_limit_def *def,
                 const struct tk_format_limit *limit, const struct tk_request *request)
{
        uint64_t keep_s = refill_s(def), reserve_s = request->ask->reserve_s;
        note_meaning(entry, limit, (uint32_t)period_s(def));
        tk_named_keep_until(entry, request->now.boot_ns / TK_NS_PER_S + 1 +
                                           (keep_s > reserve_s ? keep_s : reserve_s));
}

/* ---- recovery ---- */

struct tk_format_named *tk_named_entry(struct tk_files *files, uint64_t tag)
{
        struct tk_format_named_bucket *bucket = bucket_of(files, tag);
        int at = bucket ? find_or_insert(bucket, tag) : -1;
        return at < 0 ? NULL : &bucket->entries[at];
}

/* ---- in a request ---- */

/*
 * Before a new entry is charged: what the name may have used in the shared entry, while it had none, is used
 * in its own. All that uses the entry comes by here first, so a slot that is not 0 has it.
 */
static void begin(const struct tk_request *request, const struct tk_named_limit *named,
                  struct tk_format_named *entry)
{
        bool room;
        tk_u128 fresh = 0;
        const struct tk_format_named *shared = find_only(request->gate, tag_of(request, named, true), &room);
        if (shared)
                tk_slot_exchange(&entry->slot, &fresh, tk_slot_read(&shared->slot));
        atomic_store_explicit(&entry->begun, 1, memory_order_release);
}

/* As find(), but that nothing is made; a name that would get a place would begin as the shared entry is. */
static bool rehearse(struct tk_request *request, const struct tk_named_limit *named,
                     struct tk_named_place *place)
{
        bool room, shared_room;
        struct tk_format_named *own = find_only(request->gate, place->name_tag, &room);
        place->entry = own;
        if (own && atomic_load_explicit(&own->begun, memory_order_acquire))
                return true;

        uint64_t shared_tag = tag_of(request, named, true);
        place->entry = find_only(request->gate, shared_tag, &shared_room);
        if (own || room)
                return true;
        place->tag = shared_tag;
        return place->entry || shared_room;
}

static bool find(const struct tk_request *request, const struct tk_named_limit *named,
                 const struct tk_format_limit *limit, struct tk_named_place *place)
{
        place->entry = find_or_make(request->gate, place->name_tag);
        if (!place->entry) {
                place->tag = tag_of(request, named, true);
                place->entry = find_or_make(request->gate, place->tag);
        }
        if (!place->entry)
                return false;
        keep(place->entry, named->def, limit, request);
        if (place->tag == place->name_tag &&
            !atomic_load_explicit(&place->entry->begun, memory_order_acquire))
                begin(request, named, place->entry);
        return true;
}

bool tk_named_find(struct tk_request *request, const struct tk_named_limit *named,
                   const struct tk_format_limit *limit, struct tk_named_place *ret_place)
{
        uint64_t tag = tag_of(request, named, false);
        struct tk_named_place place = {.tag = tag, .name_tag = tag};
        bool found =
                request->rehearsal ? rehearse(request, named, &place) : find(request, named, limit, &place);
        if (found)
                *ret_place = place;
        return found;
}

bool tk_named_moved(const struct tk_request *request)
{
        bool room;
        for (uint32_t i = 0; i < request->named_count; i++) {
                const struct tk_named_place *place = &request->named[i];
                if (place->tag != place->name_tag && !place->shadow &&
                    find_only(request->gate, place->name_tag, &room))
                        return true;
        }
        return false;
}

void tk_named_count(struct tk_request *request, bool admitted)
{
        for (uint32_t i = 0; i < request->named_count; i++) {
                struct tk_format_named *entry = request->named[i].entry;
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
        atomic_store_explicit(&entry->period_s, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->begun, 0, memory_order_relaxed);
        atomic_store_explicit(&entry->rate_units, 0, memory_order_relaxed);
        struct tk_slot insert = tk_slot_of(tk_slot_read(&bucket->insert));
        atomic_store(&bucket->tags[at], insert_version(&insert));
}

/*
 * Whole for so long that whoever found it before has charged it. A clock that was put back leaves windows
 * that count for up to a period after that (core/limit.h).
 */
static bool is_whole(const struct tk_format_named *entry, const struct tk_moment *now)
{
        int64_t period_s = atomic_load(&entry->period_s);
        int64_t gate_s = (int64_t)(now->gate_ns / TK_NS_PER_S);
        if (period_s && now->back.times && gate_s <= now->back.at_s + period_s + DECISION_MAX_S)
                return false;
        uint64_t boot_s = now->boot_ns / TK_NS_PER_S, whole_s = atomic_load(&entry->whole_s);
        return boot_s > whole_s && boot_s - whole_s > DECISION_MAX_S;
}

static void sweep_entry(struct tk_format_named_bucket *bucket, unsigned at, const struct tk_moment *now)
{
        struct tk_format_named *entry = &bucket->entries[at];
        uint64_t word = atomic_load(&bucket->tags[at]);
        uint64_t now_s = now->boot_ns / TK_NS_PER_S;
        bool whole = is_whole(entry, now);
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

void tk_named_sweep(struct tk_files *files, const struct tk_moment *now, uint64_t *cursor)
{
        struct tk_area *area = &files->areas[TK_FILE_NAMED];
        uint64_t count = tk_area_used(area) / TK_NAMED_BUCKET_LINES;
        for (uint64_t i = 0; i < count && i < SWEEP_BUCKETS; i++) {
                *cursor = (*cursor + 1) % count;
                struct tk_format_named_bucket *bucket =
                        tk_area_at(area, *cursor * TK_NAMED_BUCKET_LINES, TK_NAMED_BUCKET_LINES);
                for (unsigned at = 0; bucket && at < TK_NAMED_BUCKET_ENTRIES; at++)
                        sweep_entry(bucket, at, now);
        }
}
