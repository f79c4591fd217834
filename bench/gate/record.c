/*
 * The checks of the contenders beside Tollkeeper. See record.h. Any thread.
 */
#include "record.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define ACTIVE UINT32_C(1)

bool records_open(struct records *records, const struct bench_setup *setup)
{
        records->setup = setup;
        records->meter_count = 1 + setup->keys + bench_subscriptions(setup);
        records->meters = mmap(NULL, records_bytes(records), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (records->meters == MAP_FAILED)
                return bench_failed("no memory for meters");
        records->window = (struct tk_window){.limit = BENCH_QUOTA_PER_DAY, .kind = TK_PERIOD_DAY};
        return tk_rate_init(BENCH_RATE_PER_MINUTE, 60 * TK_NS_PER_S, BENCH_RATE_PER_MINUTE, &records->rate) ==
               TK_OK;
}

void records_close(struct records *records)
{
        munmap(records->meters, records_bytes(records));
}

uint64_t records_bytes(const struct records *records)
{
        return records->meter_count * sizeof(struct meter);
}

struct record record_of(const struct bench_setup *setup, uint64_t number)
{
        return (struct record){
                .number = number,
                .subscription = bench_subscription(setup, number),
                .state = ACTIVE,
                .environment = BENCH_ENVIRONMENT_ID,
                .scopes = 1,
        };
}

bool record_digest(const struct records *records, struct tk_str key, struct tk_digest *ret_digest)
{
        struct tk_key_parts parts;
        return tk_key_parse(key, &parts) &&
               tk_digest_key(&records->setup->peppers, BENCH_PEPPER_VERSION, key, ret_digest);
}

static void count(struct meter *meter, bool admitted, uint64_t now_s)
{
        atomic_fetch_add_explicit(admitted ? &meter->admitted : &meter->refused, 1, memory_order_relaxed);
        atomic_store_explicit(&meter->last_used_s, now_s, memory_order_relaxed);
}

static bool charge(const struct records *records, struct meter *meter, uint64_t now_ns)
{
        const struct tk_rate *rate = &records->rate;
        const struct tk_window *window = &records->window;
        struct tk_limit_state state;
        uint64_t label;
        if (!tk_rate_peek(&meter->rate, rate, now_ns, 1, &state) ||
            !tk_window_peek(&meter->window, window, now_ns, 1, &state) ||
            !tk_window_admit(&meter->window, window, now_ns, 1, &state, &label))
                return false;
        if (tk_rate_admit(&meter->rate, rate, now_ns, 1, &state))
                return true;
        tk_window_refund(&meter->window, label, 1);
        return false;
}

bool record_decide(const struct records *records, const struct record *record)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t now_ns = (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
        if (record->state != ACTIVE || (record->not_before_s != 0 && now.tv_sec < record->not_before_s) ||
            (record->expires_s != 0 && now.tv_sec >= record->expires_s) ||
            record->environment != BENCH_ENVIRONMENT_ID || !(record->scopes & 1))
                return false;
        struct meter *own = &records->meters[record->number];
        struct meter *shared =
                record->subscription ? &records->meters[records->setup->keys + record->subscription] : NULL;
        bool admitted = charge(records, shared ? shared : own, now_ns);
        count(own, admitted, (uint64_t)now.tv_sec);
        if (shared)
                count(shared, admitted, (uint64_t)now.tv_sec);
        return admitted;
}
