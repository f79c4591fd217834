/*
 * The index of imported keys: its growth, and what a daemon that was killed leaves in it, which the next one goes on with.
 */
#include "support.h"

#include "gate/format.h"

#include <stdio.h>

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static struct tk_publisher_stats stats_of(const struct test_gate *test)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(test->publisher, &stats);
        return stats;
}

static void reopen(struct test_gate *test)
{
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        test_gate_publish(test);
}

static void assert_check_passes(const struct test_gate *test)
{
        const char *why = "";
        if (!tk_publisher_check(test->publisher, &why))
                fail_msg("%s", why);
}

static struct tk_format_header *foreign_header(struct test_gate *test)
{
        return tk_publisher_files(test->publisher)->areas[TK_FILE_FOREIGN].header;
}

/* Returns the last. */
static struct test_key import_up_to(struct test_gate *test, uint64_t *id, uint64_t last)
{
        struct test_key key;
        char plaintext[32];
        for (; *id <= last; (*id)++) {
                snprintf(plaintext, sizeof plaintext, "legacy-%llu", (unsigned long long)*id);
                test_key_import(test, *id, plaintext, &key);
        }
        return key;
}

static void expect_imported(struct test_gate *test, uint64_t first, uint64_t last)
{
        struct test_key key;
        char plaintext[32];
        test_gate_decider(test);
        test_key_mint(test, first, &key);
        for (uint64_t id = first; id <= last; id++) {
                snprintf(plaintext, sizeof plaintext, "legacy-%llu", (unsigned long long)id);
                struct tk_ask ask = test_ask(test, &key);
                ask.key = tk_str_from(plaintext);
                assert_int_equal(test_answer(test, &ask).key_id, id);
        }
}

static void test_the_index_of_imported_keys_grows(void **state)
{
        struct test_gate *test = *state;
        enum { COUNT = 5000 };
        struct test_key key;
        char plaintext[32];
        for (uint64_t id = 1; id <= COUNT; id++) {
                snprintf(plaintext, sizeof plaintext, "legacy-%llu", (unsigned long long)id);
                test_key_import(test, id, plaintext, &key);
                if (id % 100 == 0)
                        test_key_publish(test, &key);
        }
        assert_int_equal(stats_of(test).foreign_keys, COUNT);
        for (uint64_t id = 1; id <= COUNT; id++) {
                snprintf(plaintext, sizeof plaintext, "legacy-%llu", (unsigned long long)id);
                struct tk_ask ask = test_ask(test, &key);
                ask.key = tk_str_from(plaintext);
                assert_int_equal(test_answer(test, &ask).key_id, id);
        }
        assert_check_passes(test);
        reopen(test);
        assert_int_equal(stats_of(test).foreign_keys, COUNT);
}

/*
 * A daemon that is killed between an entry and its count leaves one more than counted, and again at the next kill; between a new
 * table and its count, as many fewer as were left behind. None of that may cost the gate, and all its meters.
 */
static void test_a_daemon_killed_in_the_index_of_imported_keys(void **state)
{
        struct test_gate *test = *state;
        uint64_t incarnation = stats_of(test).incarnation, next = 1;
        import_up_to(test, &next, 511);
        static const uint64_t counted[] = {510, 509, 0, 512, 5000};
        for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
                atomic_store(&foreign_header(test)->foreign_count, tk_seal(counted[i]));
                reopen(test);
                assert_true(stats_of(test).incarnation == incarnation);
                assert_int_equal(stats_of(test).foreign_keys, 511);
        }

        uint64_t again = 1;
        while (again <= 10) {
                struct test_key key = import_up_to(test, &again, again);
                key.published.state = TK_PUBLISH_REVOKED;
                test_key_publish(test, &key);
                assert_int_equal(tk_publish_free(test->publisher, key.published.id), TK_OK);
        }
        uint64_t table = atomic_load(&foreign_header(test)->foreign_table);
        import_up_to(test, &next, 512);
        struct tk_publish_room room = {.key_id = 513, .foreign = 1};
        assert_int_equal(tk_publisher_reserve(test->publisher, &room), TK_OK);
        assert_true(atomic_load(&foreign_header(test)->foreign_table) != table); /* it has grown */
        uint64_t left = stats_of(test).foreign_keys;
        assert_int_equal(left, 502);
        atomic_store(&foreign_header(test)->foreign_count, tk_seal(512));
        reopen(test);
        assert_true(stats_of(test).incarnation == incarnation);
        assert_int_equal(stats_of(test).foreign_keys, left);

        import_up_to(test, &next, 1500); /* and it goes on to grow when it must */
        expect_imported(test, 11, 1500);
        assert_check_passes(test);
}

/* Probing ends at a free place: a table that is fuller than any daemon makes it is none. */
static void test_a_table_of_imported_keys_that_is_too_full(void **state)
{
        struct test_gate *test = *state;
        uint64_t incarnation = stats_of(test).incarnation, next = 1;
        const char *why;
        import_up_to(test, &next, 1);
        struct tk_area *area = &tk_publisher_files(test->publisher)->areas[TK_FILE_FOREIGN];
        uint64_t table = tk_unseal(atomic_load(&area->header->foreign_table));
        _Atomic uint64_t *entries = (void *)(area->lines + TK_FOREIGN_LINE(table) * area->line_bytes);
        uint64_t size = UINT64_C(1) << TK_FOREIGN_LOG2(table), found = 1;
        for (uint64_t i = 0; found < size / 2; i++)
                if (atomic_load(&entries[i]) == 0) {
                        atomic_store(&entries[i], tk_foreign_entry(i << 43, 1));
                        found++;
                }
        assert_check_passes(test);
        for (uint64_t i = 0; found <= size / 2; i++)
                if (atomic_load(&entries[i]) == 0) {
                        atomic_store(&entries[i], tk_foreign_entry(i << 43, 1));
                        found++;
                }
        assert_false(tk_publisher_check(test->publisher, &why));
        assert_string_equal(why, "foreign: the table is too full");
        reopen(test);
        assert_true(stats_of(test).incarnation != incarnation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_the_index_of_imported_keys_grows),
                TEST(test_a_daemon_killed_in_the_index_of_imported_keys),
                TEST(test_a_table_of_imported_keys_that_is_too_full),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
