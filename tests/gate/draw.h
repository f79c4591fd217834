/*
 * Numbers that look random and are the same in every run: for tests that must tell the same story again. A linear congruential
 * generator, of which the high bits are used (ISO C's own example, C17 7.22.2.2). Its seed is the test's, so threads have their own.
 */
#ifndef TK_TESTS_GATE_DRAW_H
#define TK_TESTS_GATE_DRAW_H

static inline unsigned test_draw(unsigned *seed, unsigned below)
{
        *seed = *seed * 1103515245u + 12345u;
        return (*seed >> 16) % below;
}

#endif
