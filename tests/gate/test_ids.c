/*
 * Ids and records: what was set is found, whatever lies between, and nothing else is.
 */
#include "gate/ids.h"

#include "core/alloc.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static void test_what_was_set_is_found(void **state)
{
        (void)state;
        static const uint32_t set[] = {1, 2, 65535, 65536, 200000, UINT32_MAX - 1, UINT32_MAX};
        struct tk_ids ids;
        tk_ids_init(&ids);
        assert_int_equal(tk_ids_get(&ids, 1), 0);
        for (uint32_t i = 0; i < sizeof set / sizeof *set; i++) {
                assert_int_equal(tk_ids_reserve(&ids, set[i]), TK_OK);
                assert_int_equal(tk_ids_get(&ids, set[i]), 0);
                tk_ids_set(&ids, set[i], i + 1);
        }
        for (uint32_t i = 0; i < sizeof set / sizeof *set; i++)
                assert_int_equal(tk_ids_get(&ids, set[i]), i + 1);
        assert_int_equal(tk_ids_get(&ids, 0), 0);
        assert_int_equal(tk_ids_get(&ids, 3), 0);
        assert_int_equal(tk_ids_get(&ids, 65534), 0);
        assert_int_equal(tk_ids_get(&ids, 1u << 31), 0);
        tk_ids_fini(&ids);
        assert_int_equal(tk_ids_get(&ids, 1), 0);
        tk_ids_fini(&ids);
}

static void test_room_that_is_not_there_is_told(void **state)
{
        (void)state;
        struct tk_ids ids;
        tk_ids_init(&ids);
        for (unsigned n = 1; n <= 2; n++) {
                tk_alloc_fault_at(n);
                assert_int_equal(tk_ids_reserve(&ids, 7), TK_NOMEM);
                tk_alloc_fault_at(0);
                tk_ids_fini(&ids);
        }
        assert_int_equal(tk_ids_reserve(&ids, 7), TK_OK);
        tk_ids_fini(&ids);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_set_is_found),
                cmocka_unit_test(test_room_that_is_not_there_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
