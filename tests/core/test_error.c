/*
 * The names of errors: core/error.h.
 */
#include "check.h"
#include "core/error.h"

#include <string.h>

static void each_error_has_its_own_name(void **state)
{
        (void)state;
        assert_string_equal(tk_err_name(TK_OK), "ok");
        assert_string_equal(tk_err_name(TK_NOT_FOUND), "not_found");
        assert_string_equal(tk_err_name(TK_UNCERTAIN), "uncertain");
        assert_string_equal(tk_err_name((enum tk_err)(TK_UNCERTAIN + 1)), "invalid_error");
        for (int a = TK_OK; a <= TK_UNCERTAIN; a++) {
                assert_string_not_equal(tk_err_name((enum tk_err)a), "invalid_error");
                for (int b = TK_OK; b < a; b++)
                        assert_string_not_equal(tk_err_name((enum tk_err)a), tk_err_name((enum tk_err)b));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(each_error_has_its_own_name)};
        return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
