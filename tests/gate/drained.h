/*
 * A gate of which a test decides and reads the events back: the support's gate, key 17, and the daemon's drain. Four rings of 64
 * events. A test's own file, one thread.
 */
#ifndef TK_TESTS_GATE_DRAINED_H
#define TK_TESTS_GATE_DRAINED_H

#include "gate/drain.h"
#include "gate/ring.h"
#include "support.h"

#define RINGS       4
#define RING_EVENTS 64
#define SEEN_MAX    1024

struct drained {
        struct test_gate test;
        struct test_key key;
        struct tk_rings rings; /* the daemon's mapping */
        struct tk_drain *drain;
        struct tk_drain_pass pass; /* the last one */
        struct tk_event seen[SEEN_MAX];
        unsigned seen_count;
};

int drained_setup(void **state);
int drained_teardown(void **state);

/* Take what is there: `seen` holds it afterwards. Returns how many. */
unsigned drain(struct drained *world);
struct tk_drain_stats stats_of(const struct drained *world);
/* By a survey made now. */
uint32_t rings_used(struct drained *world);

/* Ask so often, with costs that go on counting. */
void decide(struct drained *world, unsigned times, uint64_t first_cost);
void decide_with(struct tk_gate *gate, const struct drained *world, unsigned times, uint64_t first_cost);

/* One more handle on the same gate. */
struct tk_gate *open_gate(const struct drained *world);

#endif
