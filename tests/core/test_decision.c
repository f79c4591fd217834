/*
 * The table of decision codes: core/decision.h.
 */
#include "check.h"
#include "core/decision.h"

#include <string.h>

static void the_table_is_whole(void **state)
{
        (void)state;
        for (int code = 0; code < TK_CODE_COUNT; code++) {
                int status = tk_code_http_status((enum tk_code)code);
                assert_true(tk_str_is_name(tk_str_from(tk_code_name((enum tk_code)code)), 32));
                assert_int_equal(status == 200, code == TK_CODE_valid);
                assert_in_range(status, 200, 503);
                assert_true(strlen(tk_code_text((enum tk_code)code)) > 10);
        }
        assert_string_equal(tk_code_name(TK_CODE_rate_limited), "rate_limited");
        assert_int_equal(tk_code_http_status(TK_CODE_credits_exhausted), 402);
        assert_int_equal(tk_code_http_status(TK_CODE_unavailable), 503);
}

static void out_of_range(void **state)
{
        static const enum tk_code codes[] = {TK_CODE_COUNT, (enum tk_code)1000, (enum tk_code) - 1};

        (void)state;
        for (size_t i = 0; i < COUNT(codes); i++) {
                assert_string_equal(tk_code_name(codes[i]), "invalid_code");
                assert_int_equal(tk_code_http_status(codes[i]), 500);
                assert_non_null(tk_code_text(codes[i]));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_table_is_whole),
                cmocka_unit_test(out_of_range),
        };
        return cmocka_run_group_tests_name("decision", tests, NULL, NULL);
}
