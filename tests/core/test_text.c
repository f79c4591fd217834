/*
 * Texts that grow: core/text.h.
 */
#include "check.h"
#include "core/text.h"

#include <string.h>

static void pieces_go_in_whole_or_not_at_all(void **state)
{
        char bytes[8];
        struct tk_text text = {.bytes = bytes, .room = sizeof(bytes)};

        (void)state;
        memset(bytes, '!', sizeof(bytes));
        assert_true(tk_text_append(&text, TK_STR("abc")));
        assert_true(tk_text_append(&text, TK_STR_NONE));
        assert_false(tk_text_append(&text, TK_STR("123456")));
        assert_str(tk_text_view(&text), "abc");
        assert_true(tk_text_append(&text, TK_STR("12345")));
        assert_str(tk_text_view(&text), "abc12345");
        assert_false(tk_text_append(&text, TK_STR("x")));
}

static void numbers(void **state)
{
        char bytes[24];
        struct tk_text text = {.bytes = bytes, .room = sizeof(bytes)};

        (void)state;
        assert_true(tk_text_append_number(&text, TK_STR("a="), 0));
        assert_true(tk_text_append_number(&text, TK_STR(","), UINT64_MAX));
        assert_str(tk_text_view(&text), "a=0,18446744073709551615");
        text.len = 0;
        text.room = 4;
        assert_false(tk_text_append_number(&text, TK_STR("ab"), 123)); /* not even its beginning */
        assert_int_equal(text.len, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pieces_go_in_whole_or_not_at_all),
                cmocka_unit_test(numbers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
