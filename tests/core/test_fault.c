/*
 * Faults: core/fault.h.
 */
#include "check.h"
#include "core/fault.h"

#include <string.h>

static void the_table_is_whole(void **state)
{
        static const enum tk_fault_code codes[] = {
#define X(code, status, err, title) TK_FAULT_##code,
                TK_FAULTS(X)
#undef X
        };

        (void)state;
        assert_string_equal(tk_fault_info(TK_FAULT_none)->name, "none");
        assert_int_equal(tk_fault_info(TK_FAULT_none)->http_status, 200);
        assert_int_equal(tk_fault_info(TK_FAULT_none)->err, TK_OK);
        for (size_t i = 0; i < COUNT(codes); i++) {
                const struct tk_fault_info *info = tk_fault_info(codes[i]);
                assert_int_equal(codes[i], i + 1);
                assert_true(tk_str_is_name(tk_str_from(info->name), 64));
                assert_in_range(info->http_status, 400, 599);
                assert_int_not_equal(info->err, TK_OK);
                assert_true(strlen(info->title) > 10);
        }
        assert_string_equal(tk_fault_info(TK_FAULT_stale)->name, "stale");
        assert_int_equal(tk_fault_info(TK_FAULT_stale)->http_status, 412);
        assert_string_equal(tk_fault_info((enum tk_fault_code)1000)->name, "internal");
}

static void a_fault_is_filled_in(void **state)
{
        struct tk_fault fault;

        (void)state;
        memset(&fault, 'x', sizeof fault);
        assert_int_equal(
                tk_fault_set(&fault, TK_FAULT_invalid_value, "/burst", "use 1 to 10", "burst is %d", 0),
                TK_INVALID);
        assert_int_equal(fault.code, TK_FAULT_invalid_value);
        assert_string_equal(fault.field, "/burst");
        assert_string_equal(fault.mend, "use 1 to 10");
        assert_string_equal(fault.detail, "burst is 0");

        assert_int_equal(tk_fault_set(&fault, TK_FAULT_forbidden, NULL, NULL, "no"), TK_DENIED);
        assert_string_equal(fault.field, "");
        assert_string_equal(fault.mend, "");
        assert_int_equal(tk_fault_set(NULL, TK_FAULT_conflict, "/name", "another", "taken"), TK_CONFLICT);
}

/* Characters of one to four bytes, pushed over the edge one byte at a time: what remains is UTF-8, as JSON
 * wants. */
static void texts_are_cut_at_characters(void **state)
{
        static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x94\x91"};
        struct tk_fault fault;

        (void)state;
        for (size_t c = 0; c < COUNT(characters); c++) {
                for (size_t offset = 0; offset < 4; offset++) {
                        char text[1200] = "";
                        memset(text, '.', offset);
                        for (size_t at = offset; at + 5 < sizeof text; at += strlen(characters[c]))
                                memcpy(text + at, characters[c], strlen(characters[c]) + 1);
                        tk_fault_set(&fault, TK_FAULT_invalid_value, text, text, "%s", text);
                        const char *const cut[] = {fault.field, fault.mend, fault.detail};
                        const size_t room[] = {sizeof fault.field, sizeof fault.mend, sizeof fault.detail};
                        for (size_t i = 0; i < COUNT(cut); i++) {
                                assert_true(tk_str_is_utf8(tk_str_from(cut[i])));
                                assert_in_range(strlen(cut[i]), room[i] - 4, room[i] - 1);
                                assert_memory_equal(cut[i], text, strlen(cut[i]));
                        }
                }
        }
        tk_fault_set(&fault, TK_FAULT_invalid_value, "", NULL, "%s", "\x80\x80\x80\x80\x80");
        assert_true(strlen(fault.detail) <= 4); /* not UTF-8 to begin with: no crash, no endless loop */
}

/* A key that a client put where a name belongs is quoted by no fault: they are logged. */
static void keys_are_hidden(void **state)
{
        static const char key[] = "tk_live_MML5oaeaO1APBkW7b3FF2t1wqawAwWnJAbo2efn1I";
        struct tk_fault fault;

        (void)state;
        tk_fault_set(&fault, TK_FAULT_invalid_value, key, NULL, "\"%s\" and %s", key, key);
        assert_string_equal(fault.field, "tk_live_MML5...");
        assert_string_equal(fault.detail, "\"tk_live_MML5...\" and tk_live_MML5...");
        tk_fault_set(&fault, TK_FAULT_invalid_value, "", NULL, "\"%.40s", key);
        assert_string_equal(fault.detail, "\"tk_live_MML5...");
        tk_fault_set(&fault, TK_FAULT_invalid_value, "/_/a_b_c", NULL, "%s",
                     "key_17 of a_name_of_some_length_");
        assert_string_equal(fault.field, "/_/a_b_c");
        assert_string_equal(fault.detail, "key_17 of a_name_of_some_length_");
}

static void every_error_becomes_a_fault(void **state)
{
        static const struct {
                enum tk_err err;
                enum tk_fault_code code;
        } cases[] = {
                {TK_OK, TK_FAULT_none},
                {TK_INVALID, TK_FAULT_invalid_value},
                {TK_NOT_FOUND, TK_FAULT_not_found},
                {TK_CONFLICT, TK_FAULT_conflict},
                {TK_STALE, TK_FAULT_stale},
                {TK_DENIED, TK_FAULT_forbidden},
                {TK_BUSY, TK_FAULT_unavailable},
                {TK_FULL, TK_FAULT_insufficient_storage},
                {TK_NOMEM, TK_FAULT_internal},
                {TK_IO, TK_FAULT_internal},
                {TK_CORRUPT, TK_FAULT_internal},
                {TK_UNCERTAIN, TK_FAULT_uncertain},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_fault fault;
                memset(&fault, 'x', sizeof fault);
                assert_int_equal(tk_fault_from_err(&fault, cases[i].err), cases[i].err);
                assert_int_equal(fault.code, cases[i].code);
                assert_string_equal(fault.field, "");
                assert_int_equal(fault.detail[0] == '\0', cases[i].err == TK_OK);
                assert_int_equal(tk_fault_from_err(NULL, cases[i].err), cases[i].err);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_table_is_whole),          cmocka_unit_test(a_fault_is_filled_in),
                cmocka_unit_test(texts_are_cut_at_characters), cmocka_unit_test(keys_are_hidden),
                cmocka_unit_test(every_error_becomes_a_fault),
        };
        return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
