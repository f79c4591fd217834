/*
 * How tests ask with named limits, look into the table, and sweep it. See named_support.h.
 */
#include "named_support.h"

#include "gate/named.h"
#include "gate/publisher.h"

struct tk_limit_def hourly, daily, minutely;
struct test_key named_key;

int named_setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        test_key_issue(&test, 17, &named_key);
        hourly = test_window("hour", 3, TK_PERIOD_HOUR, 0);
        daily = test_window("day", 3, TK_PERIOD_DAY, 0);
        minutely = test_rate("minute", 3, 60, 3);
        *state = &test;
        return 0;
}

int named_teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

struct tk_answer ask_at(struct test_gate *test, const struct tk_named_limit *named, uint32_t count,
                        int64_t after_s)
{
        struct tk_ask ask = test_ask(test, &named_key);
        ask.named = named;
        ask.named_count = count;
        ask.now_ns += (uint64_t)after_s * TK_NS_PER_S;
        return test_answer(test, &ask);
}

struct tk_answer ask_name(struct test_gate *test, const char *name, const struct tk_limit_def *def)
{
        struct tk_named_limit named = {tk_str_from(name), def};
        return ask_at(test, &named, 1, 0);
}

uint32_t admit_up_to(struct test_gate *test, const char *name, const struct tk_limit_def *def, uint32_t tries)
{
        uint32_t admitted = 0;
        for (uint32_t i = 0; i < tries; i++)
                admitted += ask_name(test, name, def).code == TK_CODE_valid;
        return admitted;
}

struct tk_format_named_bucket *bucket_at(const struct test_gate *test, unsigned number)
{
        return tk_area_at(tk_publisher_area(test->publisher, TK_FILE_NAMED), number * TK_NAMED_BUCKET_LINES,
                          TK_NAMED_BUCKET_LINES);
}

struct tk_format_named *entry_at(const struct test_gate *test, unsigned place)
{
        return &bucket_at(test, place / TK_NAMED_BUCKET_ENTRIES)->entries[place % TK_NAMED_BUCKET_ENTRIES];
}

_Atomic uint64_t *tag_at(const struct test_gate *test, unsigned place)
{
        return &bucket_at(test, place / TK_NAMED_BUCKET_ENTRIES)->tags[place % TK_NAMED_BUCKET_ENTRIES];
}

unsigned taken_places(const struct test_gate *test)
{
        unsigned taken = 0;
        for (unsigned i = 0; i < PLACES; i++)
                taken += (atomic_load(tag_at(test, i)) & TK_NAMED_TAKEN) != 0;
        return taken;
}

/* Where the only name in the table is. */
unsigned only_place(const struct test_gate *test)
{
        assert_int_equal(taken_places(test), 1);
        unsigned place = 0;
        while (!(atomic_load(tag_at(test, place)) & TK_NAMED_TAKEN))
                place++;
        return place;
}

/* The moment so long after TEST_NOW, by both clocks. */
struct tk_moment moment_after(const struct test_gate *test, int64_t after_s)
{
        return tk_files_moment(&test->publisher->files, TEST_NOW_NS + (uint64_t)after_s * TK_NS_PER_S);
}

void sweep_at(struct test_gate *test, int64_t after_s)
{
        struct tk_moment now = moment_after(test, after_s);
        uint64_t cursor = 0;
        tk_named_sweep(&test->publisher->files, &now, &cursor);
}

/* Twice with more than a minute between: what may be forgotten is. */
void forget_at(struct test_gate *test, int64_t after_s)
{
        sweep_at(test, after_s);
        sweep_at(test, after_s + 61);
}
