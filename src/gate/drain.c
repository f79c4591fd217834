/*
 * Taking events (drain.h). Each ring is read up to its head as it was at the start of its turn, in pieces
 * that are copied before they are looked at, the writer getting their room back meanwhile. Where head and
 * tail cannot be, the ring is taken up again at its head.
 */
#include "gate/drain.h"

#include "core/alloc.h"
#include "gate/policy.h"
#include "gate/ring.h"

#include <fcntl.h>

#define PIECE         64
#define NS_PER_DAY    (UINT64_C(86400) * TK_NS_PER_S)
/* No counter of lost events, and of owners, moves on so far between two passes. */
#define DROPPED_MOST  (UINT64_C(1) << 48)
#define ORPHANED_MOST (UINT32_C(1) << 20)
#define EVENT_WORDS   (sizeof(struct tk_format_event) / sizeof(uint64_t))

/* What the drain knows of a ring. */
struct ring {
        uint64_t tail;
        uint64_t dropped;
        uint32_t orphaned;
};

/* Written by the thread that passes, read by any. */
struct counters {
        _Atomic uint64_t decisions[TK_CODE_COUNT];
        _Atomic uint64_t reserved, shadow_refused, named_overflow, settled, released;
        _Atomic uint64_t lost, malformed, orphaned;
        _Atomic uint32_t rings_used, fullest_permille;
};

struct tk_drain {
        struct tk_files *files;
        struct tk_rings rings;
        uint64_t pool_dropped;
        bool lost; /* to be told by the next pass */
        struct counters counters;
        struct ring known[];
};

/* One pass, with what it was given. */
struct pass {
        struct tk_drain *drain;
        const struct tk_drain_visitor *visitor;
        struct tk_event_bounds bounds;
        struct tk_drain_pass *result;
};

static void add(_Atomic uint64_t *counter, uint64_t more)
{
        uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
        atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_relaxed);
}

/* ---- open and close ---- */

enum tk_err tk_drain_open(struct tk_files *files, struct tk_drain **ret_drain)
{
        struct tk_rings rings;
        if (!tk_rings_find(files, &rings))
                return TK_CORRUPT;
        struct tk_drain *drain = tk_calloc(1, sizeof *drain + rings.count * sizeof *drain->known);
        if (!drain)
                return TK_NOMEM;

        drain->files = files;
        drain->rings = rings;
        drain->lost = true;
        drain->pool_dropped = get(&tk_rings_pool(files)->dropped);
        for (uint32_t i = 0; i < rings.count; i++) {
                const struct tk_format_ring *ring = tk_rings_at(&rings, i);
                drain->known[i] = (struct ring){
                        .tail = atomic_load_explicit(&ring->tail, memory_order_relaxed),
                        .dropped = get(&ring->dropped),
                        .orphaned = atomic_load_explicit(&ring->orphaned, memory_order_relaxed)};
        }
        *ret_drain = drain;
        return TK_OK;
}

void tk_drain_close(struct tk_drain *drain)
{
        tk_free(drain);
}

/* ---- one event ---- */

static void malformed(struct pass *pass)
{
        add(&pass->drain->counters.malformed, 1);
        pass->result->lost = true;
}

/* Whatever the references are, the arena is the daemon's own and says what they lead to. */
static bool references_sound(const struct pass *pass, const struct tk_event *event)
{
        struct tk_area *policy = &pass->drain->files->areas[TK_FILE_POLICY];
        return (event->environment == 0 || tk_policy_environment(policy, event->environment)) &&
               (event->route == 0 || tk_policy_route(policy, event->route));
}

static void count_event(struct counters *counters, const struct tk_event *event)
{
        if (event->flags & (TK_EVENT_SETTLED | TK_EVENT_RELEASED)) {
                add(event->flags & TK_EVENT_SETTLED ? &counters->settled : &counters->released, 1);
                return;
        }
        add(&counters->decisions[event->code], 1);
        if (event->flags & TK_EVENT_RESERVED)
                add(&counters->reserved, 1);
        if (event->flags & TK_EVENT_SHADOW_REFUSED)
                add(&counters->shadow_refused, 1);
        if (event->flags & TK_EVENT_NAMED_OVERFLOW)
                add(&counters->named_overflow, 1);
}

static void take_event(struct pass *pass, const struct tk_format_event *copy)
{
        struct tk_event event;
        if (!tk_event_decode(copy, &pass->bounds, &event) || !references_sound(pass, &event)) {
                malformed(pass);
                return;
        }
        count_event(&pass->drain->counters, &event);
        pass->result->events++;
        if (pass->visitor)
                pass->visitor->visit(pass->visitor->context, &event);
}

/* ---- one ring ---- */

static void count_dropped(struct pass *pass, const _Atomic uint64_t *word, uint64_t *known)
{
        uint64_t dropped = get(word), more = dropped - *known;
        *known = dropped;
        if (more > DROPPED_MOST) { /* or it went back */
                malformed(pass);
        } else if (more > 0) {
                add(&pass->drain->counters.lost, more);
                pass->result->lost = true;
        }
}

/*
 * A line changes under the copy only where somebody breaks the rules; each word is then still one that
 * somebody wrote.
 */
static void copy_event(const struct tk_format_event *event, struct tk_format_event *ret_copy)
{
        const _Atomic uint64_t *from = (const void *)event;
        uint64_t words[EVENT_WORDS];
        for (size_t i = 0; i < EVENT_WORDS; i++)
                words[i] = get(&from[i]);
        __builtin_memcpy(ret_copy, words, sizeof *ret_copy);
}

/* What is current of keys and policy now, which is no less than when the events up to a head were written. */
static void refresh_bounds(struct pass *pass)
{
        struct tk_files *files = pass->drain->files;
        pass->bounds.key_lines = tk_area_used(&files->areas[TK_FILE_KEYS]);
        pass->bounds.subscription_lines = tk_area_used(&files->areas[TK_FILE_SUBSCRIPTIONS]);
}

static void take_piece(struct pass *pass, struct tk_format_ring *ring, struct ring *known, uint64_t count)
{
        struct tk_format_event copies[PIECE];
        uint64_t mask = pass->drain->rings.events - 1;
        for (uint64_t i = 0; i < count; i++)
                copy_event(&ring->events[(known->tail + i) & mask], &copies[i]);
        known->tail += count;
        atomic_store_explicit(&ring->tail, known->tail, memory_order_release);
        for (uint64_t i = 0; i < count; i++)
                take_event(pass, &copies[i]);
}

static void count_orphaned(struct pass *pass, const _Atomic uint32_t *word, uint32_t *known)
{
        uint32_t orphaned = atomic_load_explicit(word, memory_order_relaxed), more = orphaned - *known;
        *known = orphaned;
        if (more > ORPHANED_MOST) {
                malformed(pass);
        } else if (more > 0) {
                add(&pass->drain->counters.orphaned, more);
                pass->result->lost = true;
        }
}

static void note_fullest(struct pass *pass, uint64_t waiting)
{
        uint32_t permille = (uint32_t)(waiting * 1000 / pass->drain->rings.events);
        if (permille > pass->result->fullest_permille)
                pass->result->fullest_permille = permille;
}

static void drain_ring(struct pass *pass, uint32_t number)
{
        struct tk_format_ring *ring = tk_rings_at(&pass->drain->rings, number);
        struct ring *known = &pass->drain->known[number];
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

        count_dropped(pass, &ring->dropped, &known->dropped);
        count_orphaned(pass, &ring->orphaned, &known->orphaned);
        if (head - known->tail > pass->drain->rings.events) {
                malformed(pass);
                known->tail = head;
        }
        note_fullest(pass, head - known->tail);
        if (head != known->tail)
                refresh_bounds(pass);
        while (head != known->tail) {
                uint64_t waiting = head - known->tail;
                take_piece(pass, ring, known, waiting < PIECE ? waiting : PIECE);
        }
        /* Somebody may have overwritten it, and its owner then finds the ring full for ever. */
        if (atomic_load_explicit(&ring->tail, memory_order_relaxed) != known->tail)
                atomic_store_explicit(&ring->tail, known->tail, memory_order_release);
}

void tk_drain_pass(struct tk_drain *drain, uint64_t now_ns, const struct tk_drain_visitor *visitor,
                   struct tk_drain_pass *ret_pass)
{
        struct pass pass = {.drain = drain, .visitor = visitor, .result = ret_pass};
        pass.bounds.latest_ns = (now_ns ? now_ns : tk_files_now(drain->files).gate_ns) + NS_PER_DAY;
        *ret_pass = (struct tk_drain_pass){.lost = drain->lost};
        drain->lost = false;

        count_dropped(&pass, &tk_rings_pool(drain->files)->dropped, &drain->pool_dropped);
        for (uint32_t i = 0; i < drain->rings.count; i++)
                drain_ring(&pass, i);
        atomic_store_explicit(&drain->counters.fullest_permille, ret_pass->fullest_permille,
                              memory_order_relaxed);
}

/* ---- who owns them ---- */

/* False too when it cannot be asked: then nobody's death is concluded from it. */
static bool is_free(const struct tk_rings *rings, uint32_t number, bool *ret_claimed)
{
        struct flock lock = {.l_type = F_WRLCK,
                             .l_whence = SEEK_SET,
                             .l_start = tk_rings_offset(rings, number),
                             .l_len = 1};
        bool asked = fcntl(rings->area->fd, F_OFD_GETLK, &lock) == 0;
        *ret_claimed = asked && lock.l_type != F_UNLCK;
        return asked && lock.l_type == F_UNLCK;
}

void tk_drain_survey(struct tk_drain *drain)
{
        uint32_t used = 0;
        for (uint32_t i = 0; i < drain->rings.count; i++) {
                struct tk_format_ring *ring = tk_rings_at(&drain->rings, i);
                /*
                 * Read before the lock is: a new owner writes its own after it has locked, and the exchange
                 * then fails.
                 */
                uint32_t pid = atomic_load_explicit(&ring->owner_pid, memory_order_relaxed);
                bool claimed;
                bool free = is_free(&drain->rings, i, &claimed);
                used += claimed;
                if (pid != 0 && free && atomic_compare_exchange_strong(&ring->owner_pid, &pid, 0)) {
                        add(&drain->counters.orphaned, 1);
                        drain->lost = true;
                }
        }
        atomic_store_explicit(&drain->counters.rings_used, used, memory_order_relaxed);
}

/* ---- counters ---- */

void tk_drain_stats(const struct tk_drain *drain, struct tk_drain_stats *ret_stats)
{
        const struct counters *counters = &drain->counters;
        for (int i = 0; i < TK_CODE_COUNT; i++)
                ret_stats->decisions[i] = get(&counters->decisions[i]);
        ret_stats->reserved = get(&counters->reserved);
        ret_stats->shadow_refused = get(&counters->shadow_refused);
        ret_stats->named_overflow = get(&counters->named_overflow);
        ret_stats->settled = get(&counters->settled);
        ret_stats->released = get(&counters->released);
        ret_stats->lost = get(&counters->lost);
        ret_stats->malformed = get(&counters->malformed);
        ret_stats->orphaned = get(&counters->orphaned);
        ret_stats->rings = drain->rings.count;
        ret_stats->rings_used = atomic_load_explicit(&counters->rings_used, memory_order_relaxed);
        ret_stats->fullest_permille = atomic_load_explicit(&counters->fullest_permille, memory_order_relaxed);
}

bool tk_drain_check(const struct tk_drain *drain)
{
        for (uint32_t i = 0; i < drain->rings.count; i++) {
                const struct tk_format_ring *ring = tk_rings_at(&drain->rings, i);
                uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
                if (head - drain->known[i].tail > drain->rings.events)
                        return false;
                if (atomic_load_explicit(&ring->tail, memory_order_relaxed) != drain->known[i].tail)
                        return false;
        }
        return true;
}
