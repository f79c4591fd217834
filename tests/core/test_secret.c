/*
 * Secrets: core/secret.h.
 */
#include "check.h"
#include "core/secret.h"

#include <string.h>

static void a_secret_is_kept_and_wiped(void **state)
{
        static const struct tk_secret empty;
        struct tk_secret secret;
        char text[TK_SECRET_MAX + 1];

        (void)state;
        memset(text, 's', sizeof text);
        assert_true(tk_secret_set(&secret, text, TK_SECRET_MAX));
        assert_int_equal(tk_secret_view(&secret).len, TK_SECRET_MAX);
        assert_memory_equal(tk_secret_view(&secret).ptr, text, TK_SECRET_MAX);

        assert_true(tk_secret_set(&secret, "ab", 2));
        assert_str(tk_secret_view(&secret), "ab");
        assert_int_equal(secret.bytes[2], 0); /* nothing of the longer one is left */

        assert_false(tk_secret_set(&secret, text, sizeof text));
        assert_memory_equal(&secret, &empty, sizeof secret);
        assert_true(tk_secret_set(&secret, NULL, 0));
        assert_int_equal(secret.len, 0);

        tk_secret_set(&secret, "ab", 2);
        tk_secret_wipe(&secret);
        assert_memory_equal(&secret, &empty, sizeof secret);
        tk_secret_wipe(NULL);
}

static void secrets_compare(void **state)
{
        struct tk_secret a, b;

        (void)state;
        tk_secret_set(&a, "abc", 3);
        tk_secret_set(&b, "abc", 3);
        assert_true(tk_secret_equal(&a, &b));
        tk_secret_set(&b, "abd", 3);
        assert_false(tk_secret_equal(&a, &b));
        tk_secret_set(&b, "abc\0", 4);
        assert_false(tk_secret_equal(&a, &b));
        assert_true(tk_equal_constant_time("xay", "xbz", 1));
        assert_false(tk_equal_constant_time("xay", "xaz", 3));
        assert_true(tk_equal_constant_time("x", "y", 0));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_secret_is_kept_and_wiped),
                cmocka_unit_test(secrets_compare),
        };
        return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
