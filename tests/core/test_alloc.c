/*
 * The allocation seam: core/alloc.h.
 */
#include "check.h"
#include "core/alloc.h"

#include <pthread.h>

static void zero_sizes_are_unique(void **state)
{
        (void)state;
        void *a = tk_malloc(0), *b = tk_calloc(0, 8), *c = tk_calloc(8, 0), *d = tk_realloc(NULL, 0);

        assert_true(a != NULL && b != NULL && c != NULL && d != NULL);
        assert_true(a != b && b != c && c != d && a != d);
        a = tk_realloc(a, 0);
        assert_non_null(a);
        tk_free(a);
        tk_free(b);
        tk_free(c);
        tk_free(d);
        tk_free(NULL);
}

static void calloc_zeroes_and_knows_overflow(void **state)
{
        size_t half = (size_t)1 << (sizeof(size_t) * 8 - 1);
        volatile size_t two = 2; /* or the compiler sees through it */
        unsigned char *bytes = tk_calloc(16, 4);

        (void)state;
        assert_non_null(bytes);
        for (size_t i = 0; i < 64; i++)
                assert_int_equal(bytes[i], 0);
        tk_free(bytes);
        assert_null(tk_calloc(half, two));
}

static void the_nth_call_fails_once(void **state)
{
        (void)state;
        for (unsigned n = 1; n <= 3; n++) {
                tk_alloc_fault_at(n);
                assert_int_equal(tk_alloc_fault_hit(), 0);
                void *a = tk_malloc(1);
                void *b = tk_calloc(1, 1);
                void *c = tk_realloc(NULL, 1);
                void *d = tk_malloc(1);
                assert_int_equal(a == NULL, n == 1);
                assert_int_equal(b == NULL, n == 2);
                assert_int_equal(c == NULL, n == 3);
                assert_non_null(d);
                assert_int_equal(tk_alloc_fault_hit(), 1);
                tk_free(a);
                tk_free(b);
                tk_free(c);
                tk_free(d);
        }
        tk_alloc_fault_at(1);
        tk_alloc_fault_at(0);
        void *kept = tk_malloc(1);
        assert_non_null(kept);
        assert_int_equal(tk_alloc_fault_hit(), 0);
        tk_free(kept);
}

static void *allocate_elsewhere(void *unused)
{
        (void)unused;
        return tk_malloc(1);
}

static void a_fault_is_of_one_thread(void **state)
{
        pthread_t thread;
        void *elsewhere = NULL;

        (void)state;
        tk_alloc_fault_at(1);
        assert_int_equal(pthread_create(&thread, NULL, allocate_elsewhere, NULL), 0);
        assert_int_equal(pthread_join(thread, &elsewhere), 0);
        assert_non_null(elsewhere);
        assert_null(tk_malloc(1));
        tk_free(elsewhere);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(zero_sizes_are_unique),
                cmocka_unit_test(calloc_zeroes_and_knows_overflow),
                cmocka_unit_test(the_nth_call_fails_once),
                cmocka_unit_test(a_fault_is_of_one_thread),
        };
        return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
