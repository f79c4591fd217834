/*
 * Not a contender but the floor beneath all that work as Tollkeeper does: unmask the locator, fetch the key's line and its meter while
 * the key is hashed and the clock is read, compare the digest, exchange two slots, add to one counter. Where limits sit on the
 * subscription, its line and its meter are fetched with what the key's line says. Nothing else is looked at, so nobody could use it.
 */
#include "contender.h"

#include "core/slot.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct line {
        uint64_t words[8]; /* of a key: the digest, then its subscription */
};
struct meter {
        struct tk_slot slots[3];
        _Atomic uint64_t admitted;
        uint64_t zero;
};
_Static_assert(sizeof(struct line) == 64 && sizeof(struct meter) == 64, "one cache line");

static struct bench_setup *setup;
static struct line *key_lines, *subscription_lines;
static struct meter *key_meters, *subscription_meters;

/* Shared and entered beforehand, as the gate's files are. */
static void *memory(uint64_t lines)
{
        void *made = mmap(NULL, lines * 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
                          -1, 0);
        return made == MAP_FAILED ? NULL : made;
}

static bool open_lines(struct bench_setup *opened)
{
        setup = opened;
        uint64_t subscriptions = bench_subscriptions(setup) + 1;
        key_lines = memory(setup->keys + 1);
        key_meters = memory(setup->keys + 1);
        subscription_lines = memory(subscriptions);
        subscription_meters = memory(subscriptions);
        return (key_lines && key_meters && subscription_lines && subscription_meters) ||
               bench_failed("out of memory");
}

static bool add(uint64_t number, const struct tk_digest *digest)
{
        memcpy(key_lines[number].words, digest->bytes, sizeof digest->bytes);
        key_lines[number].words[4] = bench_subscription(setup, number);
        return true;
}

static bool ready(void)
{
        return true;
}

static void charge(struct tk_slot *slot, uint64_t now_ns)
{
        tk_u128 seen = tk_slot_read(slot);
        while (!tk_slot_exchange(slot, &seen, tk_slot_join(now_ns, (uint64_t)seen + 1)))
                ;
}

static bool decide(struct tk_str key)
{
        struct tk_key_parts parts;
        struct tk_digest digest;
        struct timespec now;
        uint64_t number;
        unsigned version;
        if (!tk_key_glance(key, &parts))
                return false;
        tk_key_locate(&parts, &setup->mask, &number, &version);
        if (number == 0 || number > setup->keys)
                return false;
        const struct line *line = &key_lines[number];
        struct meter *meter = &key_meters[number];
        __builtin_prefetch(line);
        __builtin_prefetch(meter, 1);
        if (!tk_digest_key(&setup->peppers, version, key, &digest))
                return false;
        clock_gettime(CLOCK_BOOTTIME, &now);
        uint64_t now_ns = (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;

        uint64_t subscription = line->words[4];
        __builtin_prefetch(&subscription_lines[subscription]);
        __builtin_prefetch(&subscription_meters[subscription], 1);
        if (memcmp(line->words, digest.bytes, sizeof digest.bytes) != 0)
                return false;
        struct meter *charged = subscription ? &subscription_meters[subscription] : meter;
        if (subscription_lines[subscription].words[0] != 0)
                return false;
        charge(&charged->slots[0], now_ns);
        charge(&charged->slots[1], now_ns);
        atomic_fetch_add_explicit(&meter->admitted, 1, memory_order_relaxed);
        return true;
}

static uint64_t bytes(void)
{
        return 0;
}

static void close_lines(void)
{
        uint64_t subscriptions = bench_subscriptions(setup) + 1;
        munmap(key_lines, (setup->keys + 1) * 64);
        munmap(key_meters, (setup->keys + 1) * 64);
        munmap(subscription_lines, subscriptions * 64);
        munmap(subscription_meters, subscriptions * 64);
}

const struct contender contender_floor = {"floor", open_lines, add, ready, decide, bytes, close_lines};
