/*
 * Records of meters: what goes in comes out, what is damaged is none or is sound, totals of a count that wraps.
 */
#include "meter_sample.h"

static void test_what_goes_in_comes_out(void **state)
{
        (void)state;
        uint64_t seed = 1;
        for (int i = 0; i < 2000; i++) {
                struct tk_meter_record in = sample_record(&seed), out;
                uint8_t bytes[TK_METER_RECORD_BYTES_MAX];
                size_t used = 0, len = tk_meter_record_encode(&in, bytes);
                assert_int_equal(len % 8, 0);
                assert_true(tk_meter_record_decode(bytes, len, &out, &used));
                assert_int_equal(used, len);
                assert_true(same_record(&in, &out));
                for (size_t less = 0; less < len; less += 8)
                        assert_false(tk_meter_record_decode(bytes, less, &out, &used));
        }
}

static void test_limits_alone(void **state)
{
        (void)state;
        uint64_t seed = 2;
        for (int i = 0; i < 500; i++) {
                struct tk_meter_record in = sample_record(&seed), out = {.owner = in.owner};
                uint8_t bytes[TK_METER_LIMITS_BYTES_MAX];
                size_t len = tk_meter_limits_encode(&in, bytes);
                assert_true(tk_meter_limits_decode(bytes, len, in.limit_count, &out));
                assert_int_equal(out.limit_count, in.limit_count);
                for (uint32_t j = 0; j < in.limit_count; j++)
                        assert_true(same_limit(&in.limits[j], &out.limits[j]));
                assert_false(tk_meter_limits_decode(bytes, len, in.limit_count + 1, &out));
                if (in.limit_count > 0)
                        assert_false(tk_meter_limits_decode(bytes, len, in.limit_count - 1, &out));
        }
}

/* Each bit in turn: whatever is still taken for a record is one that the writer could have written. */
static void test_every_bit_flipped(void **state)
{
        (void)state;
        uint64_t seed = 3;
        for (int i = 0; i < 20; i++) {
                struct tk_meter_record in = sample_record(&seed), out;
                uint8_t bytes[TK_METER_RECORD_BYTES_MAX], again[TK_METER_RECORD_BYTES_MAX];
                size_t used = 0, len = tk_meter_record_encode(&in, bytes);
                for (size_t bit = 0; bit < len * 8; bit++) {
                        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                        if (tk_meter_record_decode(bytes, len, &out, &used)) {
                                assert_int_equal(tk_meter_record_encode(&out, again), used);
                                assert_memory_equal(again, bytes, used);
                        }
                        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                }
        }
}

static void test_totals(void **state)
{
        (void)state;
        assert_int_equal(tk_meter_total(0, 5), 5);
        assert_int_equal(tk_meter_total(5, 5), 5);
        assert_int_equal(tk_meter_total(UINT32_MAX, 3), UINT64_C(0x100000003));
        assert_int_equal(tk_meter_total(UINT64_C(0x5fffffff0), 0x10), UINT64_C(0x600000010));
        assert_int_equal(tk_meter_total(UINT64_C(0x500000010), 0x0f),
                         UINT64_C(0x500000010)); /* it is behind */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_goes_in_comes_out),
                cmocka_unit_test(test_limits_alone),
                cmocka_unit_test(test_every_bit_flipped),
                cmocka_unit_test(test_totals),
        };
        return cmocka_run_group_tests_name("meter_record", tests, NULL, NULL);
}
