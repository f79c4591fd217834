/*
 * The system source of random bytes: core/random.h.
 */
#include "check.h"
#include "core/random.h"

#include <string.h>

static void the_system_source_fills(void **state)
{
        uint8_t first[64] = {0}, second[64] = {0}, guard[8] = {0};

        (void)state;
        assert_int_equal(tk_random_init(), 0);
        assert_int_equal(tk_random_init(), 0);
        struct tk_random random = tk_random_system();
        random.fill(random.context, first, sizeof first);
        random.fill(random.context, second, sizeof second);
        assert_memory_not_equal(first, second, sizeof first);
        assert_memory_not_equal(first + 56, guard, sizeof guard); /* filled to the end */
        random.fill(random.context, guard, 0);
        for (size_t i = 0; i < sizeof guard; i++)
                assert_int_equal(guard[i], 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(the_system_source_fills)};
        return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
