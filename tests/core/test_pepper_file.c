/*
 * The text of the pepper file: core/pepper_file.h.
 */
#include "check.h"
#include "core/pepper_file.h"

#include <string.h>

#define MASK "mask 000102030405060708090a0b0c0d0e0f\n"
#define HEX  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX2 "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void a_file_is_read(void **state)
{
        struct tk_pepper_file file;
        const char *why = NULL;

        (void)state;
        assert_int_equal(
                tk_pepper_file_parse(TK_STR("# a comment\n\n" MASK "pepper 0 " HEX "\npepper 15 " HEX2),
                                     &file, &why),
                TK_OK);
        for (unsigned version = 0; version < TK_PEPPER_VERSIONS; version++)
                assert_int_equal(file.peppers.present[version], version == 0 || version == 15);
        for (uint8_t i = 0; i < 16; i++)
                assert_int_equal(file.mask.bytes[i], i);

        uint8_t pepper[TK_PEPPER_BYTES], check[8], expected[8];
        struct tk_pepper_set one;
        for (uint8_t i = 0; i < TK_PEPPER_BYTES; i++)
                pepper[i] = i;
        tk_pepper_set_init(&one);
        assert_int_equal(tk_pepper_set_add(&one, 0, pepper), TK_OK);
        assert_true(tk_pepper_check(&file.peppers, 0, check) && tk_pepper_check(&one, 0, expected));
        assert_memory_equal(check, expected, sizeof(check));
        tk_pepper_set_fini(&one);
        tk_pepper_file_fini(&file);
}

static void what_is_not_of_the_format(void **state)
{
        static const char *const bad[] = {
                "",
                "pepper 0 " HEX "\n",
                MASK MASK,
                "mask 0001\n",
                "mask 000102030405060708090a0b0c0d0e0f00\n",
                "mask 000102030405060708090a0b0c0d0e0g\n",
                "mask\n",
                MASK "pepper 16 " HEX "\n",
                MASK "pepper -1 " HEX "\n",
                MASK "pepper 0 " HEX "00\n",
                MASK "pepper 0" HEX "\n",
                MASK "pepper 0\n",
                MASK "pepper 0 " HEX "\npepper 0 " HEX "\n",
                MASK "salt 0 " HEX "\n",
                MASK " pepper 0 " HEX "\n",
                MASK "pepper 0 " HEX "\r\n",
        };
        static const struct tk_pepper_file nothing;

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                struct tk_pepper_file file;
                const char *why = NULL;
                memset(&file, 0xaa, sizeof(file));
                if (tk_pepper_file_parse(tk_str_from(bad[i]), &file, &why) != TK_CORRUPT || !why)
                        fail_msg("case %zu is accepted", i);
                assert_memory_equal(&file, &nothing,
                                    sizeof(file)); /* also of what was read before the mistake */
        }
}

static void a_text_that_is_too_long(void **state)
{
        static char text[TK_PEPPER_FILE_MAX_BYTES + 1];
        struct tk_pepper_file file;
        const char *why;

        (void)state;
        memset(text, '#', sizeof(text));
        memcpy(text, MASK, strlen(MASK));
        assert_int_equal(tk_pepper_file_parse((struct tk_str){text, sizeof(text)}, &file, &why), TK_CORRUPT);
        assert_int_equal(tk_pepper_file_parse((struct tk_str){text, sizeof(text) - 1}, &file, &why), TK_OK);
}

static struct tk_pepper_file parsed(const char *text)
{
        struct tk_pepper_file file;
        const char *why = NULL;
        assert_int_equal(tk_pepper_file_parse(tk_str_from(text), &file, &why), TK_OK);
        return file;
}

static void what_extends_what(void **state)
{
        struct tk_pepper_file one = parsed(MASK "pepper 0 " HEX),
                              two = parsed(MASK "pepper 1 " HEX2 "\npepper 0 " HEX),
                              other = parsed(MASK "pepper 0 " HEX2),
                              masked = parsed("mask 010102030405060708090a0b0c0d0e0f\npepper 0 " HEX);

        (void)state;
        assert_true(tk_pepper_file_extends(&one, &one));
        assert_true(tk_pepper_file_extends(&two, &one));
        assert_false(tk_pepper_file_extends(&one, &two));
        assert_false(tk_pepper_file_extends(&other, &one));
        assert_false(tk_pepper_file_extends(&masked, &one));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_read),
                cmocka_unit_test(what_is_not_of_the_format),
                cmocka_unit_test(a_text_that_is_too_long),
                cmocka_unit_test(what_extends_what),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
