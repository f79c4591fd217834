/*
 * Clocks of the test's own, for programs that are linked with --wrap=clock_gettime: publisher and deciders then read the boot clock
 * and the one that stops while the machine is suspended here. One thread.
 */
#ifndef TK_TESTS_GATE_FAKE_CLOCK_H
#define TK_TESTS_GATE_FAKE_CLOCK_H

#include <stdint.h>

extern uint64_t fake_boot_ms;      /* 0: the machine's own clocks */
extern uint64_t fake_suspended_ms; /* of that, while the machine was suspended */

#endif
