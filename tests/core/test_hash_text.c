/*
 * A SHA-256 in the forms in which other systems write it, and what is close to one and none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/hash_text.h"

#include <string.h>

/* SHA-256 of "abc" (FIPS 180-4). */
static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};

static void test_every_form(void **state)
{
        static const char *const forms[] = {
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",
                "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=",
                "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
        };
        (void)state;
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                uint8_t hash[32] = {0};
                assert_true(tk_hash_parse(tk_str_from(forms[i]), hash));
                assert_memory_equal(hash, abc, sizeof hash);
        }
}

static void test_what_is_none(void **state)
{
        static const char *const texts[] = {
                "",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",   /* a digit short */
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",  /* no digit */
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", /* a digit long */
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1",   /* bits that belong to no byte */
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",   /* two alphabets */
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0==", /* too much padding */
                "ungWv48Bz pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",   /* a space */
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa",
        };
        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                uint8_t hash[32], untouched[32];
                memset(hash, 0x5a, sizeof hash);
                memset(untouched, 0x5a, sizeof untouched);
                assert_false(tk_hash_parse(tk_str_from(texts[i]), hash));
                assert_memory_equal(hash, untouched, sizeof hash);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_form),
                cmocka_unit_test(test_what_is_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
