/*
 * Flushed usage: each chunk once, whatever is repeated or comes late; counters that never go down; totals of a count that wraps;
 * generations apart.
 */
#include "fixture.h"

#include <string.h>

#define INCARNATION UINT64_C(0xfedcba9876543210)

static struct tk_meter_record key_record(uint64_t id, uint64_t admitted, uint32_t refused)
{
        struct tk_meter_record record = {.owner = {TK_METER_KEY, 0, id},
                                         .admitted = admitted,
                                         .refused = refused,
                                         .last_used_s = 1000,
                                         .limit_count = 1};
        record.limits[0] = (struct tk_meter_limit){.kind = TK_LIMIT_WINDOW,
                                                   .period = TK_PERIOD_DAY,
                                                   .name_len = 3,
                                                   .name = "day",
                                                   .value = {.lo = admitted, .hi = 500}};
        return record;
}

static enum tk_err flush(struct fixture *f, uint64_t incarnation, uint64_t sequence,
                         const struct tk_meter_record *records, size_t count, bool *ret_applied)
{
        const struct tk_usage_chunk chunk = {.incarnation = incarnation,
                                             .sequence = sequence,
                                             .gate_ns = sequence * 1000,
                                             .complete_s = (int64_t)sequence * 7,
                                             .records = records,
                                             .count = count};
        return WRITE(f, tk_usage_apply(txn, &chunk, ret_applied));
}

static void assert_total(struct fixture *f, struct tk_meter_owner owner, uint64_t admitted, uint64_t refused)
{
        struct tk_usage_total total;
        assert_err(READ(f, tk_usage_get(txn, &owner, &total)), TK_OK);
        assert_int_equal(total.record.admitted, admitted);
        assert_int_equal(total.refused, refused);
        assert_int_equal(total.record.refused, (uint32_t)refused);
}

static uint64_t last(struct fixture *f, uint64_t incarnation)
{
        uint64_t sequence = 99;
        int64_t complete_s = 99;
        assert_err(READ(f, tk_usage_last(txn, incarnation, &sequence, &complete_s)), TK_OK);
        assert_int_equal(complete_s, sequence * 7);
        return sequence;
}

static void test_each_chunk_once(void **state)
{
        struct fixture *f = *state;
        struct tk_meter_record one = key_record(1, 10, 2), two = key_record(1, 20, 3);
        bool applied;
        assert_int_equal(last(f, INCARNATION), 0);
        assert_err(flush(f, INCARNATION, 1, &one, 1, &applied), TK_OK);
        assert_true(applied);
        assert_err(flush(f, INCARNATION, 2, &two, 1, &applied), TK_OK);
        assert_true(applied);
        assert_total(f, one.owner, 20, 3);

        one.limits[0].value.lo = 1; /* late: it must not bring back what it held */
        assert_err(flush(f, INCARNATION, 1, &one, 1, &applied), TK_OK);
        assert_false(applied);
        two.admitted = 500;
        assert_err(flush(f, INCARNATION, 2, &two, 1, &applied), TK_OK);
        assert_false(applied);
        fixture_reopen(f);
        assert_int_equal(last(f, INCARNATION), 2);
        assert_total(f, one.owner, 20, 3);
        struct tk_usage_total total;
        assert_err(READ(f, tk_usage_get(txn, &one.owner, &total)), TK_OK);
        assert_int_equal(total.gate_ns, 2000);
        assert_int_equal(total.record.limit_count, 1);
        assert_int_equal(total.record.limits[0].value.lo, 20);
        assert_int_equal(total.record.limits[0].value.hi, 500);
        assert_memory_equal(total.record.limits[0].name, "day", 3);

        /* Another gate counts its chunks anew, and goes on from what this one left. */
        assert_int_equal(last(f, INCARNATION + 1), 0);
        one = key_record(1, 21, 3);
        assert_err(flush(f, INCARNATION + 1, 1, &one, 1, &applied), TK_OK);
        assert_true(applied);
        assert_total(f, one.owner, 21, 3);
}

/* A slot may: a reservation gives back. */
static void test_counters_never_go_down(void **state)
{
        struct fixture *f = *state;
        bool applied;
        struct tk_meter_record more = key_record(1, 10, 7), less = key_record(1, 9, 6);
        less.last_used_s = 900;
        assert_err(flush(f, INCARNATION, 1, &more, 1, &applied), TK_OK);
        assert_err(flush(f, INCARNATION, 2, &less, 1, &applied), TK_OK);
        assert_total(f, more.owner, 10, 7);
        struct tk_usage_total total;
        assert_err(READ(f, tk_usage_get(txn, &more.owner, &total)), TK_OK);
        assert_int_equal(total.record.limits[0].value.lo, 9);
        assert_int_equal(total.record.last_used_s, 1000);
}

/* As tk_meter_total() says, step by step. */
static void test_refusals_wrap(void **state)
{
        struct fixture *f = *state;
        static const uint32_t counts[] = {
                5, UINT32_C(0x7fffffff), UINT32_C(0xfffffff0), 3, 1, UINT32_C(0x80000002), 2};
        uint64_t expected = 0;
        bool applied;
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
                struct tk_meter_record record = key_record(1, 1, counts[i]);
                expected = tk_meter_total(expected, counts[i]);
                assert_err(flush(f, INCARNATION, 1 + i, &record, 1, &applied), TK_OK);
                assert_total(f, record.owner, 1, expected);
        }
        assert_int_equal(expected, UINT64_C(0x180000002));
}

static enum tk_err count(void *context, const struct tk_usage_total *total)
{
        unsigned *count = context;
        assert_true(total->record.admitted > 0);
        return ++*count == 100 ? TK_BUSY : TK_OK;
}

static void test_owners_apart(void **state)
{
        struct fixture *f = *state;
        struct tk_meter_record records[4] = {key_record(7, 1, 0), key_record(7, 2, 0), key_record(7, 3, 0),
                                             key_record(7, 4, 0)};
        bool applied;
        unsigned rows = 0;
        records[1].owner.generation = 65535;
        records[2].owner = (struct tk_meter_owner){TK_METER_SUBSCRIPTION, 0, 7};
        records[3].owner = (struct tk_meter_owner){TK_METER_ROUTE, 0, TK_METER_ROUTE_ID(UINT32_MAX, 7)};
        assert_err(flush(f, INCARNATION, 1, records, 4, &applied), TK_OK);
        for (size_t i = 0; i < 4; i++)
                assert_total(f, records[i].owner, i + 1, 0);
        assert_err(READ(f, tk_usage_each(txn, count, &rows)), TK_OK);
        assert_int_equal(rows, 4);
        rows = 99; /* the visit fails */
        assert_err(READ(f, tk_usage_each(txn, count, &rows)), TK_BUSY);

        struct tk_usage_total total;
        struct tk_meter_owner absent = {TK_METER_KEY, 1, 7};
        assert_err(READ(f, tk_usage_get(txn, &absent, &total)), TK_NOT_FOUND);
        records[0].owner.kind = TK_METER_NAMED;
        assert_err(flush(f, INCARNATION, 2, records, 4, &applied), TK_INVALID);
        assert_int_equal(last(f, INCARNATION), 1);
}

static void test_nothing_of_a_chunk_that_fails(void **state)
{
        struct fixture *f = *state;
        struct tk_meter_record record = key_record(1, 10, 0);
        bool applied;
        const struct tk_usage_chunk chunk = {.incarnation = 5, .sequence = 1, .records = &record, .count = 1};
        struct tk_txn *undone = fixture_write_begin(f);
        assert_err(tk_usage_apply(undone, &chunk, &applied), TK_OK);
        assert_err(fixture_end(f, TK_BUSY), TK_BUSY);
        assert_int_equal(last(f, 5), 0);
        struct tk_usage_total total;
        assert_err(READ(f, tk_usage_get(txn, &record.owner, &total)), TK_NOT_FOUND);
        assert_err(flush(f, 5, 1, &record, 1, &applied), TK_OK);
        assert_true(applied);
        assert_int_equal(fixture_feed_last(f), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_each_chunk_once),
                TEST(test_counters_never_go_down),
                TEST(test_refusals_wrap),
                TEST(test_owners_apart),
                TEST(test_nothing_of_a_chunk_that_fails),
        };
        return cmocka_run_group_tests_name("registry usage", tests, NULL, NULL);
}
