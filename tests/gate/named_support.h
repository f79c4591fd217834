/*
 * Named limits for tests: a gate with key 17 and a table of 4 buckets, 56 places; asking with names, looking into the table, sweeping it
 * at a time of one's own. For test programs of one gate.
 */
#ifndef TK_TESTS_GATE_NAMED_SUPPORT_H
#define TK_TESTS_GATE_NAMED_SUPPORT_H

#include "support.h"

#define BUCKETS 4
#define PLACES  (BUCKETS * TK_NAMED_BUCKET_ENTRIES)

/* 3 units an hour, 3 a day, 3 a minute with a burst of 3. */
extern struct tk_limit_def hourly, daily, minutely;
extern struct test_key named_key;

int named_setup(void **state);
int named_teardown(void **state);
struct tk_answer ask_at(struct test_gate *test, const struct tk_named_limit *named, uint32_t count,
                        int64_t after_s);
struct tk_answer ask_name(struct test_gate *test, const char *name, const struct tk_limit_def *def);
uint32_t admit_up_to(struct test_gate *test, const char *name, const struct tk_limit_def *def,
                     uint32_t tries);
struct tk_format_named_bucket *bucket_at(const struct test_gate *test, unsigned number);
struct tk_format_named *entry_at(const struct test_gate *test, unsigned place);
_Atomic uint64_t *tag_at(const struct test_gate *test, unsigned place);
unsigned taken_places(const struct test_gate *test);
/* Where the only name in the table is. */
unsigned only_place(const struct test_gate *test);
/* The moment so long after TEST_NOW, by both clocks. */
struct tk_moment moment_after(const struct test_gate *test, int64_t after_s);
void sweep_at(struct test_gate *test, int64_t after_s);
/* Twice with more than a minute between: what may be forgotten is. */
void forget_at(struct test_gate *test, int64_t after_s);

#endif
