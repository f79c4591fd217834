/*
 * See clock_world.h.
 */
#include "clock_world.h"

#include "fake_clock.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

uint64_t world_wall_ns(const struct world *world)
{
        return (uint64_t)world->wall_ms * NS_PER_MS;
}

/* Time goes on, and nobody ticks: the daemon is stopped, or the machine suspended. */
void world_pass(struct world *world, int64_t ms)
{
        fake_boot_ms += (uint64_t)ms;
        world->wall_ms += ms;
}

void world_tick(struct world *world)
{
        tk_publisher_tick(world->test.publisher, world_wall_ns(world), 0);
}

void world_run(struct world *world, int64_t s)
{
        for (int64_t i = 0; i < s; i++) {
                world_pass(world, 1000);
                world_tick(world);
        }
}

void world_step(struct world *world, int64_t ms)
{
        world->wall_ms += ms;
}

int64_t world_gate_ms(const struct world *world)
{
        return (int64_t)(tk_gate_now_ns(world->test.gate) / NS_PER_MS);
}

int64_t world_held_ms(const struct world *world)
{
        return tk_publisher_held_step_ms(world->test.publisher);
}

struct tk_format_header *world_header(const struct world *world)
{
        return tk_files_keys_header(&world->test.publisher->files);
}

uint16_t world_times_back(const struct world *world)
{
        return TK_TIME_BACK_TIMES(tk_unseal(atomic_load(&world_header(world)->time_back)));
}

void world_open_publisher(struct world *world)
{
        struct tk_fault fault;
        assert_int_equal(tk_publisher_open(world->test.dir, test_installation, world_wall_ns(world),
                                           &test_sizes, &world->test.publisher, &world->test.applied_seq,
                                           &fault),
                         TK_OK);
}

void world_close_publisher(struct world *world)
{
        tk_publisher_close(world->test.publisher);
        world->test.publisher = NULL;
}

void world_open_new(struct world *world)
{
        world_open_publisher(world);
        assert_int_equal(world->test.applied_seq, 0);
        struct tk_publish_environment environment = {.id = TEST_PRODUCTION,
                                                     .api_id = TEST_API,
                                                     .api = TK_STR("weather"),
                                                     .name = TK_STR("production")};
        assert_int_equal(tk_publish_environment(world->test.publisher, &environment), TK_OK);
        struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = TK_STR("acme")};
        assert_int_equal(tk_publish_consumer(world->test.publisher, &consumer), TK_OK);
        tk_publisher_set_applied(world->test.publisher, 1);
        test_gate_decider(&world->test);
}

/* A new gate at this instant. */
void world_begin(struct world *world, int64_t now_s)
{
        memset(world, 0, sizeof *world);
        fake_boot_ms = 1000 * 1000;
        fake_suspended_ms = 0;
        world->wall_ms = now_s * 1000;
        test_gate_init(&world->test);
        world_open_new(world);
}

void world_end(struct world *world)
{
        test_gate_fini(&world->test);
        fake_boot_ms = 0;
}

int64_t world_at(const char *text)
{
        int64_t unix_s;
        assert_true(tk_time_parse(tk_str_from(text), &unix_s));
        return unix_s;
}

/* A key with this limit, judged at gate time. */
struct tk_ask world_ask_of(struct world *world, uint64_t id, const struct tk_limit_def *limit,
                           struct test_key *ret_key)
{
        test_key_mint(&world->test, id, ret_key);
        ret_key->published.limits = limit;
        ret_key->published.limit_count = 1;
        test_key_publish(&world->test, ret_key);
        struct tk_ask ask = test_ask(&world->test, ret_key);
        ask.now_ns = 0;
        return ask;
}
