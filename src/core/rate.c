/*
 * Rate limits (limit.h): a token bucket kept as a theoretical arrival time, GCRA of ITU-T I.371 annex A. On
 * the decision path: lock-free, no allocation, no clock of its own. Any number of threads and processes on
 * one slot.
 *
 * All times here are in ticks of 1/units nanosecond, so that one unit of cost is exactly `interval` ticks and
 * nothing is ever rounded in the bucket's favour. Bounds: now < 2^64 ns * 2^50 ticks, a bucket or cost < 2^50
 * units * 2^55 ticks, so every sum below stays under 2^116.
 */
#include "core/limit.h"

#include "core/slot.h"

bool tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer)
{
        tk_u128 seen = tk_slot_value(&offer->seen);

        return tk_slot_exchange(slot, &seen, tk_slot_value(&offer->charged));
}

enum tk_err tk_rate_init(uint64_t limit, uint64_t window_ns, uint64_t burst, struct tk_rate *ret_rate)
{
        if (limit < 1 || limit > TK_LIMIT_UNITS_MAX || burst < 1 || burst > TK_LIMIT_UNITS_MAX ||
            window_ns < 1 || window_ns > TK_LIMIT_WINDOW_MAX_NS || limit > window_ns)
                return TK_INVALID;

        uint64_t divisor = limit, rest = window_ns; /* Euclid */
        while (rest != 0) {
                uint64_t next = divisor % rest;
                divisor = rest;
                rest = next;
        }
        *ret_rate =
                (struct tk_rate){.units = limit / divisor, .interval = window_ns / divisor, .burst = burst};
        return TK_OK;
}

struct bucket {
        tk_u128 now;      /* ticks */
        tk_u128 capacity; /* ticks that a full bucket is worth */
        tk_u128 filled;   /* arrival time: when the bucket is full again; at least now */
};

/*
 * The latest arrival time that deciders whose clocks are within TK_RATE_SKEW_NS of each other can have
 * written. A later one is garbage, or from a clock that was since put back, and would lock the limit for as
 * long.
 */
static tk_u128 latest_arrival(const struct bucket *bucket, const struct tk_rate *rate)
{
        return bucket->now + bucket->capacity + (tk_u128)TK_RATE_SKEW_NS * rate->units;
}

static struct bucket read_bucket(tk_u128 stored, const struct tk_rate *rate, uint64_t now_ns)
{
        struct bucket bucket = {
                .now = (tk_u128)now_ns * rate->units,
                .capacity = (tk_u128)rate->burst * rate->interval,
        };
        tk_u128 latest = latest_arrival(&bucket, rate);

        bucket.filled = stored < latest ? stored : latest;
        if (bucket.filled < bucket.now)
                bucket.filled = bucket.now;
        return bucket;
}

static uint64_t ticks_to_ns(tk_u128 ticks, const struct tk_rate *rate)
{
        tk_u128 ns = (ticks + rate->units - 1) / rate->units;
        return ns < TK_NEVER ? (uint64_t)ns : TK_NEVER - 1;
}

/* Until the cost fits; 0 is now. A cost over the burst is refused before it is multiplied: any is safe. */
static uint64_t wait_ns(const struct bucket *bucket, const struct tk_rate *rate, uint64_t cost)
{
        if (cost == 0)
                return 0;
        if (cost > rate->burst)
                return TK_NEVER;

        tk_u128 charged = bucket->filled + (tk_u128)cost * rate->interval;
        tk_u128 latest = bucket->now + bucket->capacity;
        return charged > latest ? ticks_to_ns(charged - latest, rate) : 0;
}

static void describe(const struct bucket *bucket, const struct tk_rate *rate,
                     struct tk_limit_state *ret_state)
{
        tk_u128 missing = bucket->filled - bucket->now;
        tk_u128 left = missing < bucket->capacity ? bucket->capacity - missing : 0;

        ret_state->remaining = (uint64_t)(left / rate->interval);
        ret_state->reset_ns = ticks_to_ns(missing, rate);
}

void tk_rate_describe(const struct tk_slot *value, const struct tk_rate *rate, uint64_t now_ns,
                      struct tk_limit_state *ret_state)
{
        struct bucket bucket = read_bucket(tk_slot_value(value), rate, now_ns);

        describe(&bucket, rate, ret_state);
}

void tk_rate_offer(struct tk_slot *slot, const struct tk_rate *rate, uint64_t now_ns, uint64_t cost,
                   struct tk_offer *ret_offer)
{
        tk_u128 stored = tk_slot_read(slot);

        ret_offer->seen = tk_slot_of(stored);
        if (__builtin_expect(tk_slot_closed(stored), false)) {
                ret_offer->beyond = false;
                ret_offer->wait_ns = TK_NEVER;
                return;
        }
        struct bucket bucket = read_bucket(stored, rate, now_ns);
        ret_offer->beyond = bucket.filled < stored;
        ret_offer->wait_ns = wait_ns(&bucket, rate, cost);
        if (ret_offer->wait_ns == 0)
                ret_offer->charged = tk_slot_of(bucket.filled + (tk_u128)cost * rate->interval);
}

void tk_rate_lower(struct tk_slot *slot, const struct tk_slot *seen, const struct tk_rate *rate,
                   uint64_t now_ns)
{
        tk_u128 stored = tk_slot_value(seen);
        struct bucket bucket = read_bucket(stored, rate, now_ns);

        if (bucket.filled < stored && !tk_slot_closed(stored))
                tk_slot_exchange(slot, &stored, bucket.filled);
}

bool tk_rate_admit(struct tk_slot *slot, const struct tk_rate *rate, uint64_t now_ns, uint64_t cost,
                   struct tk_limit_state *ret_state)
{
        struct tk_offer offer;
        bool charged = false;

        do {
                tk_rate_offer(slot, rate, now_ns, cost, &offer);
                if (offer.beyond)
                        tk_rate_lower(slot, &offer.seen, rate, now_ns);
                charged = offer.wait_ns == 0 && cost > 0;
        } while (charged && !tk_offer_take(slot, &offer));

        tk_rate_describe(charged ? &offer.charged : &offer.seen, rate, now_ns, ret_state);
        ret_state->wait_ns = offer.wait_ns;
        ret_state->admitted = offer.wait_ns == 0;
        return ret_state->admitted;
}

bool tk_rate_peek(const struct tk_slot *slot, const struct tk_rate *rate, uint64_t now_ns, uint64_t cost,
                  struct tk_limit_state *ret_state)
{
        struct bucket bucket = read_bucket(tk_slot_read(slot), rate, now_ns);

        ret_state->wait_ns = wait_ns(&bucket, rate, cost);
        ret_state->admitted = ret_state->wait_ns == 0;
        describe(&bucket, rate, ret_state);
        return ret_state->admitted;
}

void tk_rate_carry(const struct tk_slot *from, const struct tk_rate *from_rate, const struct tk_rate *rate,
                   uint64_t now_ns, struct tk_slot *ret_slot)
{
        struct bucket bucket = read_bucket(tk_slot_read(from), from_rate, now_ns);
        tk_u128 used = (bucket.filled - bucket.now + from_rate->interval - 1) / from_rate->interval;

        if (used > rate->burst)
                used = rate->burst;
        tk_u128 filled = (tk_u128)now_ns * rate->units + used * rate->interval;
        *ret_slot = tk_slot_of(filled);
}
