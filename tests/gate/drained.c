/*
 * See drained.h.
 */
#include "drained.h"

#include <string.h>

int drained_setup(void **state)
{
        static struct drained world;
        memset(&world, 0, sizeof world);
        test_gate_open(&world.test);
        test_key_issue(&world.test, 17, &world.key);
        struct tk_files *files = tk_publisher_files(world.test.publisher);
        assert_true(tk_rings_find(files, &world.rings));
        assert_int_equal(world.rings.count, RINGS);
        assert_int_equal(tk_drain_open(files, &world.drain), TK_OK);
        *state = &world;
        return 0;
}

int drained_teardown(void **state)
{
        struct drained *world = *state;
        tk_drain_close(world->drain);
        test_gate_fini(&world->test);
        return 0;
}

static void see(void *context, const struct tk_event *event)
{
        struct drained *world = context;
        assert_true(world->seen_count < SEEN_MAX);
        world->seen[world->seen_count++] = *event;
}

unsigned drain(struct drained *world)
{
        struct tk_drain_visitor visitor = {see, world};
        world->seen_count = 0;
        tk_drain_pass(world->drain, TEST_NOW_NS, &visitor, &world->pass);
        assert_int_equal(world->pass.events, world->seen_count);
        assert_true(tk_drain_check(world->drain));
        return world->seen_count;
}

struct tk_drain_stats stats_of(const struct drained *world)
{
        struct tk_drain_stats stats;
        tk_drain_stats(world->drain, &stats);
        return stats;
}

uint32_t rings_used(struct drained *world)
{
        tk_drain_survey(world->drain);
        return stats_of(world).rings_used;
}

void decide_with(struct tk_gate *gate, const struct drained *world, unsigned times, uint64_t first_cost)
{
        struct tk_ask ask = test_ask(&world->test, &world->key);
        for (unsigned i = 0; i < times; i++) {
                struct tk_answer answer;
                ask.cost = first_cost + i;
                tk_gate_decide(gate, &ask, &answer);
        }
}

void decide(struct drained *world, unsigned times, uint64_t first_cost)
{
        decide_with(world->test.gate, world, times, first_cost);
}

struct tk_gate *open_gate(const struct drained *world)
{
        struct tk_gate *gate = NULL;
        struct tk_fault fault;
        assert_int_equal(
                tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault), TK_OK);
        return gate;
}
