/*
 * The bump allocator: core/arena.h.
 */
#include "check.h"
#include "core/alloc.h"
#include "core/arena.h"

#include <string.h>
#include <wchar.h>

#define BLOCKS 400

static void blocks_are_zeroed_aligned_and_apart(void **state)
{
        struct tk_arena arena;
        unsigned char *blocks[BLOCKS];
        size_t sizes[BLOCKS];
        uint64_t random = 2;

        (void)state;
        tk_arena_init(&arena, 0);
        for (size_t i = 0; i < BLOCKS; i++) {
                sizes[i] = (size_t)prng_magnitude(&random, 20000) - 1;
                blocks[i] = tk_arena_alloc(&arena, sizes[i]);
                assert_non_null(blocks[i]);
                assert_int_equal((uintptr_t)blocks[i] % 16, 0);
                for (size_t at = 0; at < sizes[i]; at++)
                        assert_int_equal(blocks[i][at], 0);
                memset(blocks[i], (int)(i % 255) + 1, sizes[i]);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
                for (size_t at = 0; at < sizes[i]; at++)
                        assert_int_equal(blocks[i][at], i % 255 + 1);
        }
        tk_arena_fini(&arena);
        tk_arena_fini(&arena);
        assert_int_equal(arena.total_bytes, 0);

        struct tk_arena zeroed = {0};
        tk_arena_fini(&zeroed);
}

static void empty_blocks_are_unique(void **state)
{
        struct tk_arena arena;

        (void)state;
        tk_arena_init(&arena, 0);
        void *a = tk_arena_alloc(&arena, 0), *b = tk_arena_alloc(&arena, 0);
        assert_true(a != NULL && b != NULL && a != b);
        tk_arena_fini(&arena);
}

static void the_limit_holds(void **state)
{
        struct tk_arena arena;

        (void)state;
        tk_arena_init(&arena, 64);
        assert_non_null(tk_arena_alloc(&arena, 48));
        assert_null(tk_arena_alloc(&arena, 17));
        assert_non_null(tk_arena_alloc(&arena, 16));
        assert_null(tk_arena_alloc(&arena, 0));
        tk_arena_fini(&arena);
        assert_non_null(tk_arena_alloc(&arena, 64)); /* usable again, with the same limit */
        assert_null(tk_arena_alloc(&arena, 1));
        tk_arena_fini(&arena);
}

static void absurd_sizes_are_refused(void **state)
{
        volatile size_t huge[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 64, SIZE_MAX / 2};
        struct tk_arena arena;

        (void)state;
        tk_arena_init(&arena, 0);
        tk_arena_alloc(&arena, 1);
        for (size_t i = 0; i < COUNT(huge); i++)
                assert_null(tk_arena_alloc(&arena, huge[i]));
        assert_null(tk_arena_copy(&arena, (struct tk_str){"", SIZE_MAX}).ptr);
        assert_int_equal(arena.total_bytes, 16);
        tk_arena_fini(&arena);
}

static void texts_end_in_nul(void **state)
{
        struct tk_arena arena;
        char long_text[9000];

        (void)state;
        memset(long_text, 'x', sizeof long_text - 1);
        long_text[sizeof long_text - 1] = '\0';
        tk_arena_init(&arena, 0);

        struct tk_str copy = tk_arena_copy(&arena, (struct tk_str){"a\0b-", 3});
        assert_int_equal(copy.len, 3);
        assert_memory_equal(copy.ptr, "a\0b", 4);
        copy = tk_arena_copy(&arena, TK_STR_NONE);
        assert_string_equal(copy.ptr, "");
        assert_int_equal(copy.len, 0);

        struct tk_str printed = tk_arena_printf(&arena, "%s-%d", "key", 17);
        assert_str(printed, "key-17");
        assert_string_equal(printed.ptr, "key-17");
        printed = tk_arena_printf(&arena, "%s", long_text);
        assert_str(printed, long_text);
        assert_str(tk_arena_printf(&arena, "%s", ""), "");
        assert_null(tk_arena_printf(&arena, "%lc", (wint_t)0xFFFFFFF).ptr); /* printf refuses it */
        tk_arena_fini(&arena);
}

/* Fail the first allocation, the second, ...: what was handed out before stays whole, and the arena stays
 * usable. */
static void running_out_of_memory(void **state)
{
        bool passed = false;

        (void)state;
        for (unsigned n = 1; !passed; n++) {
                struct tk_arena arena;
                tk_arena_init(&arena, 0);
                tk_alloc_fault_at(n);
                struct tk_str copy = tk_arena_copy(&arena, TK_STR("copy"));
                struct tk_str printed = tk_arena_printf(&arena, "%05000d", 1);
                void *block = tk_arena_alloc(&arena, 100000);
                passed = tk_alloc_fault_hit() == 0;
                tk_alloc_fault_at(0);
                assert_int_equal(passed, copy.ptr != NULL && printed.ptr != NULL && block != NULL);
                if (copy.ptr != NULL)
                        assert_str(copy, "copy");
                assert_non_null(tk_arena_alloc(&arena, 100000));
                tk_arena_fini(&arena);
                assert_true(n <= 4);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_are_zeroed_aligned_and_apart),
                cmocka_unit_test(empty_blocks_are_unique),
                cmocka_unit_test(the_limit_holds),
                cmocka_unit_test(absurd_sizes_are_refused),
                cmocka_unit_test(texts_end_in_nul),
                cmocka_unit_test(running_out_of_memory),
        };
        return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
