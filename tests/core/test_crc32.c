/*
 * CRC-32: core/crc32.h.
 */
#include "check.h"
#include "core/crc32.h"

#include <stdlib.h>

/* The definition: one bit at a time. */
static uint32_t slow_crc32(const uint8_t *bytes, size_t len)
{
        uint32_t crc = 0xFFFFFFFF;

        for (size_t i = 0; i < len * 8; i++) {
                uint32_t bit = (crc ^ (uint32_t)(bytes[i / 8] >> (i % 8))) & 1;
                crc = crc >> 1 ^ (bit ? 0xEDB88320 : 0);
        }
        return ~crc;
}

static void known_values(void **state)
{
        (void)state;
        assert_int_equal(tk_crc32("123456789", 9), 0xCBF43926);
        assert_int_equal(tk_crc32("", 0), 0);
        assert_int_equal(tk_crc32("a", 1), 0xE8B7BE43);
}

/* Every length and alignment of the eight-byte steps, with bytes that reach every entry of every table. */
static void agrees_with_its_definition(void **state)
{
        uint64_t random = 4;

        (void)state;
        for (size_t len = 0; len < 80; len++) {
                for (int round = 0; round < 40; round++) {
                        size_t offset = (size_t)round % 8;
                        uint8_t *bytes = malloc(offset + len + 1);
                        assert_non_null(bytes);
                        for (size_t i = 0; i < len; i++)
                                bytes[offset + i] = (uint8_t)prng_next(&random);
                        assert_int_equal(tk_crc32(bytes + offset, len), slow_crc32(bytes + offset, len));
                        free(bytes);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_values),
                cmocka_unit_test(agrees_with_its_definition),
        };
        return cmocka_run_group_tests_name("crc32", tests, NULL, NULL);
}
