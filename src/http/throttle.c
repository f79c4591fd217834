/*
 * The table behind throttle.h: sets of WAYS places, an address belongs to one set. One lock; who never fails
 * takes it only while somebody waits.
 */
#include "http/throttle.h"

#include "core/alloc.h"
#include "core/calendar.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#define SETS       512
#define WAYS       8
#define WAIT_S     UINT64_C(60)
#define WAIT_MAX_S UINT64_C(3600)
#define FORGET_S   UINT64_C(3600)

struct address {
        uint8_t family; /* 0: an empty place */
        uint8_t bytes[8];
        uint8_t strikes; /* how often it had to wait */
        uint32_t failures;
        uint64_t window_ns;  /* when the failures began */
        uint64_t last_ns;    /* the last one */
        uint64_t blocked_ns; /* it waits until then */
};

struct tk_throttle {
        pthread_mutex_t mutex;
        uint8_t seed[crypto_shorthash_KEYBYTES];
        _Atomic uint64_t last_block_ns; /* the last wait ends then: no lock is needed afterwards */
        _Atomic uint64_t failures, refusals;
        struct address sets[SETS][WAYS];
};

_Static_assert(crypto_shorthash_KEYBYTES == 16, "the seed of throttle.h");

enum tk_err tk_throttle_new(const uint8_t seed[16], struct tk_throttle **ret_throttle)
{
        struct tk_throttle *throttle = tk_calloc(1, sizeof(*throttle));
        if (!throttle)
                return TK_NOMEM;
        pthread_mutex_init(&throttle->mutex, NULL);
        memcpy(throttle->seed, seed, sizeof(throttle->seed));
        *ret_throttle = throttle;
        return TK_OK;
}

void tk_throttle_free(struct tk_throttle *throttle)
{
        if (!throttle)
                return;
        pthread_mutex_destroy(&throttle->mutex);
        tk_free(throttle);
}

/* ---- places ---- */

static struct address address_of(const struct tk_ip *ip)
{
        struct address address = {.family = ip->family};
        memcpy(address.bytes, ip->bytes, ip->family == 4 ? 4 : 8);
        return address;
}

static struct address *set_of(struct tk_throttle *throttle, const struct address *address)
{
        uint8_t text[1 + sizeof(address->bytes)], hash[crypto_shorthash_BYTES];
        text[0] = address->family;
        memcpy(text + 1, address->bytes, sizeof(address->bytes));
        crypto_shorthash(hash, text, sizeof(text), throttle->seed);
        return throttle->sets[(hash[0] | hash[1] << 8) % SETS];
}

static bool same(const struct address *a, const struct address *b)
{
        return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static struct address *find(struct address *set, const struct address *address)
{
        for (size_t i = 0; i < WAYS; i++)
                if (same(&set[i], address))
                        return &set[i];
        return NULL;
}

/* Who fails now takes the place of whoever failed longest ago. */
static struct address *take(struct address *set, const struct address *address)
{
        struct address *oldest = &set[0];
        for (size_t i = 1; i < WAYS; i++)
                if (set[i].last_ns < oldest->last_ns)
                        oldest = &set[i];
        *oldest = *address;
        return oldest;
}

/* ---- asking and failing ---- */

uint64_t tk_throttle_wait_s(struct tk_throttle *throttle, const struct tk_ip *ip, uint64_t now_ns)
{
        /* Relaxed: who is late by a moment is looked at once more, no harm. */
        if (ip->family == 0 || now_ns >= atomic_load_explicit(&throttle->last_block_ns, memory_order_relaxed))
                return 0;
        const struct address wanted = address_of(ip);
        pthread_mutex_lock(&throttle->mutex);
        const struct address *known = find(set_of(throttle, &wanted), &wanted);
        uint64_t blocked_ns = known ? known->blocked_ns : 0;
        pthread_mutex_unlock(&throttle->mutex);
        if (blocked_ns <= now_ns)
                return 0;
        atomic_fetch_add_explicit(&throttle->refusals, 1, memory_order_relaxed);
        return (blocked_ns - now_ns + TK_NS_PER_S - 1) / TK_NS_PER_S;
}

static void block(struct tk_throttle *throttle, struct address *address, uint64_t now_ns)
{
        uint64_t wait_s = address->strikes < 6 ? WAIT_S << address->strikes : WAIT_MAX_S;
        address->blocked_ns = now_ns + wait_s * TK_NS_PER_S;
        address->failures = 0;
        if (address->strikes < UINT8_MAX)
                address->strikes++;
        if (address->blocked_ns > atomic_load_explicit(&throttle->last_block_ns, memory_order_relaxed))
                atomic_store_explicit(&throttle->last_block_ns, address->blocked_ns, memory_order_relaxed);
}

static void count(struct address *address, uint64_t now_ns)
{
        uint64_t quiet_since_ns =
                address->blocked_ns > address->last_ns ? address->blocked_ns : address->last_ns;
        if (now_ns > quiet_since_ns + FORGET_S * TK_NS_PER_S)
                address->strikes = 0;
        if (address->failures == 0 || now_ns > address->window_ns + TK_THROTTLE_WINDOW_S * TK_NS_PER_S) {
                address->failures = 0;
                address->window_ns = now_ns;
        }
        address->failures++;
        address->last_ns = now_ns;
}

void tk_throttle_failed(struct tk_throttle *throttle, const struct tk_ip *ip, uint64_t now_ns)
{
        if (ip->family == 0)
                return;
        const struct address wanted = address_of(ip);
        pthread_mutex_lock(&throttle->mutex);
        struct address *set = set_of(throttle, &wanted);
        struct address *address = find(set, &wanted);
        if (!address)
                address = take(set, &wanted);
        count(address, now_ns);
        if (address->failures >= TK_THROTTLE_FAILURES)
                block(throttle, address, now_ns);
        pthread_mutex_unlock(&throttle->mutex);
        atomic_fetch_add_explicit(&throttle->failures, 1, memory_order_relaxed);
}

void tk_throttle_stats(struct tk_throttle *throttle, struct tk_throttle_stats *ret_stats)
{
        ret_stats->failures = atomic_load_explicit(&throttle->failures, memory_order_relaxed);
        ret_stats->refusals = atomic_load_explicit(&throttle->refusals, memory_order_relaxed);
}
