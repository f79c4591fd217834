/*
 * Contender: the gate itself, published to and asked through the headers that the daemon uses, with the daemon's thread that takes the
 * events beside it.
 */
#include "contender.h"
#include "gate/files.h"
#include "gate/gate.h"
#include "gate/publish.h"
#include "service/drainer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct tk_publisher *publisher;
static struct tk_gate *gate;
static struct tk_drainer *drainer;
static struct bench_setup *setup;
static struct tk_limit_def limits[BENCH_LIMITS];
static struct tk_scope_expr required;
static uint32_t environment;

static bool good(enum tk_err err, const struct tk_fault *fault)
{
        return err == TK_OK || bench_failed(fault && fault->detail[0] ? fault->detail : tk_err_name(err));
}

static void make_limits(void)
{
        limits[0] = (struct tk_limit_def){.kind = TK_LIMIT_RATE,
                                          .limit = BENCH_RATE_PER_MINUTE,
                                          .burst = BENCH_RATE_PER_MINUTE,
                                          .length_s = 60,
                                          .name = "requests"};
        limits[1] = (struct tk_limit_def){.kind = TK_LIMIT_WINDOW,
                                          .limit = BENCH_QUOTA_PER_DAY,
                                          .period = TK_PERIOD_DAY,
                                          .name = "daily"};
}

static bool open_publisher(struct bench_setup *opened)
{
        static const uint8_t installation[16] = "bench gate";
        struct timespec now;
        /* Few addresses, so that callgrind can map them. */
        struct tk_gate_sizes sizes = tk_gate_sizes_default;
        sizes.reserve_shift = 4;
        struct tk_fault fault = {0};
        uint64_t applied;
        size_t error_at;

        setup = opened;
        make_limits();
        clock_gettime(CLOCK_REALTIME, &now);
        tk_scope_expr_parse(TK_STR(BENCH_SCOPE), &required, &error_at);
        if (!good(tk_publisher_open(setup->folder, installation, (uint64_t)now.tv_sec * TK_NS_PER_S, &sizes,
                                    &publisher, &applied, &fault),
                  &fault))
                return false;
        struct tk_publish_environment place = {.id = BENCH_ENVIRONMENT_ID,
                                               .api_id = 1,
                                               .api = TK_STR("weather"),
                                               .name = TK_STR("production")};
        struct tk_publish_consumer consumer = {.id = 1, .name = TK_STR("acme")};
        return good(tk_publish_environment(publisher, &place), NULL) &&
               good(tk_publish_consumer(publisher, &consumer), NULL);
}

static bool add_subscription(uint32_t id)
{
        struct tk_publish_subscription subscription = {.id = id,
                                                       .environment_id = BENCH_ENVIRONMENT_ID,
                                                       .consumer_id = 1,
                                                       .limits = limits,
                                                       .limit_count = BENCH_LIMITS};
        return good(tk_publish_subscription(publisher, &subscription), NULL);
}

static bool add(uint64_t number, const struct tk_digest *digest)
{
        static const struct tk_str granted[] = {TK_STR(BENCH_SCOPE)};
        uint32_t subscription = (uint32_t)bench_subscription(setup, number);
        struct tk_publish_key key = {
                .id = number,
                .state = TK_PUBLISH_ACTIVE,
                .pepper_version = BENCH_PEPPER_VERSION,
                .digest = *digest,
                .environment_id = BENCH_ENVIRONMENT_ID,
                .api_id = 1,
                .consumer_id = 1,
                .subscription_id = subscription,
                .scopes = granted,
                .scope_count = 1,
                .limits = limits,
                .limit_count = subscription ? 0 : BENCH_LIMITS,
        };
        if (subscription && bench_subscription(setup, number - 1) != subscription &&
            !add_subscription(subscription))
                return false;
        return good(tk_publish_key(publisher, &key), NULL);
}

static bool ready(void)
{
        struct tk_fault fault = {0};
        tk_publisher_set_applied(publisher, 1);
        return good(tk_drainer_start(tk_publisher_files(publisher), NULL, &drainer, &fault), &fault) &&
               good(tk_gate_open(setup->folder, &setup->peppers, &setup->mask, &gate, &fault), &fault) &&
               (tk_gate_environment(gate, TK_STR("weather"), TK_STR("production"), &environment) ||
                bench_failed("the environment is not there"));
}

/* Callgrind counts what happens in here, by name. */
__attribute__((noinline)) static bool ask_gate(struct tk_str key)
{
        struct tk_ask ask = {.key = key, .environment = environment, .scope = &required, .cost = 1};
        struct tk_answer answer;
        tk_gate_decide(gate, &ask, &answer);
        return answer.code == TK_CODE_valid;
}

static uint64_t bytes(void)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(publisher, &stats);
        return (stats.key_lines + stats.subscription_lines + stats.meter_lines) * 64 + stats.policy_bytes;
}

/* Decisions without an event would be cheaper than those that are measured. */
static void tell_lost_events(void)
{
        struct tk_drain_stats stats;
        tk_drainer_stats(drainer, &stats);
        uint64_t taken = 0;
        for (unsigned code = 0; code < TK_CODE_COUNT; code++)
                taken += stats.decisions[code];
        printf("{\"events\": %llu, \"events_lost\": %llu}\n", (unsigned long long)taken,
               (unsigned long long)stats.lost);
}

static void close_all(void)
{
        tk_gate_close(gate);
        tk_drainer_pass(drainer);
        tell_lost_events();
        tk_drainer_stop(drainer);
        tk_publisher_close(publisher);
}

const struct contender contender_tollkeeper = {"Tollkeeper", open_publisher, add,      ready,
                                               ask_gate,     bytes,          close_all};
