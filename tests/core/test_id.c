/*
 * Public ids: core/id.h.
 */
#include "check.h"
#include "core/id.h"
#include "core/key.h"

static void ids_are_written_and_read(void **state)
{
        static const struct {
                enum tk_id_kind kind;
                uint64_t number;
                const char *text;
        } cases[] = {
                {TK_ID_KEY, 17, "key_17"},
                {TK_ID_CONSUMER, 3, "con_3"},
                {TK_ID_SUBSCRIPTION, 5, "sub_5"},
                {TK_ID_KEY, TK_KEY_NUMBER_MAX, "key_8796093022207"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[TK_ID_BYTES];
                uint64_t number = 0;
                tk_id_format(cases[i].kind, cases[i].number, text);
                assert_string_equal(text, cases[i].text);
                assert_true(tk_id_parse(cases[i].kind, tk_str_from(text), &number));
                assert_int_equal(number, cases[i].number);
        }
        char longest[TK_ID_BYTES];
        tk_id_format(TK_ID_SUBSCRIPTION, UINT64_MAX, longest);
        assert_string_equal(longest, "sub_18446744073709551615");
}

static void what_is_no_id(void **state)
{
        static const char *const bad[] = {"",       "key_",   "17",     "key_0",   "key_017",
                                          "con_17", "key_-1", "KEY_17", "key_17 ", "key_8796093022208"};
        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                uint64_t number = 77;
                assert_false(tk_id_parse(TK_ID_KEY, tk_str_from(bad[i]), &number));
                assert_int_equal(number, 77);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ids_are_written_and_read),
                cmocka_unit_test(what_is_no_id),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
