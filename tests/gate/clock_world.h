/*
 * A gate under clocks of the test's own (fake_clock.h): the boot clock, and the wall clock that the daemon is told. One world at a time.
 */
#ifndef TK_TESTS_GATE_CLOCK_WORLD_H
#define TK_TESTS_GATE_CLOCK_WORLD_H

#include "gate/format.h"
#include "gate/publisher.h"
#include "support.h"

struct world {
        struct test_gate test;
        int64_t wall_ms; /* now */
};

/* A new gate at this instant. */
void world_begin(struct world *world, int64_t now_s);
void world_end(struct world *world);
void world_open_publisher(struct world *world);
/* Where there is no set of files that can be adopted: fill the new one, and open a decider. */
void world_open_new(struct world *world);
void world_close_publisher(struct world *world);

/* Time goes on, and nobody ticks: the daemon is stopped, or the machine suspended. */
void world_pass(struct world *world, int64_t ms);
void world_tick(struct world *world);
/* Time goes on, and the daemon ticks each second. */
void world_run(struct world *world, int64_t s);
/* Somebody sets the wall clock. */
void world_step(struct world *world, int64_t ms);

uint64_t world_wall_ns(const struct world *world);
int64_t world_gate_ms(const struct world *world);
int64_t world_held_ms(const struct world *world);
struct tk_format_header *world_header(const struct world *world);
uint16_t world_times_back(const struct world *world);

/* RFC 3339 to seconds. */
int64_t world_at(const char *text);

/* A key with this limit, judged at gate time. */
struct tk_ask world_ask_of(struct world *world, uint64_t id, const struct tk_limit_def *limit,
                           struct test_key *ret_key);

#endif
