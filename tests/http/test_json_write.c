/*
 * The JSON writer: what comes out is what jansson reads back, whatever bytes go in, and never more than there is room
 * for.
 */
#include "check.h"
#include "core/alloc.h"
#include "http/json_write.h"

#include <jansson.h>
#include <string.h>

static void write_sample(struct tk_json_writer *writer)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "text");
        tk_json_text(writer, TK_STR("a\"b\\c\n\x01\x7f\xC3\xA9\xF0\x9D\x84\x9E"));
        TK_JSON_NAME(writer, "none");
        tk_json_text(writer, TK_STR_NONE);
        TK_JSON_NAME(writer, "numbers");
        tk_json_open(writer, '[');
        tk_json_u64(writer, 0);
        tk_json_u64(writer, INT64_MAX);
        tk_json_open(writer, '[');
        tk_json_close(writer, ']');
        tk_json_open(writer, '{');
        tk_json_close(writer, '}');
        tk_json_close(writer, ']');
        TK_JSON_NAME(writer, "yes");
        tk_json_bool(writer, true);
        TK_JSON_NAME(writer, "no");
        tk_json_bool(writer, false);
        TK_JSON_NAME(writer, "at");
        tk_json_time(writer, 1795500000);
        TK_JSON_NAME(writer, "never");
        tk_json_time(writer, 0);
        tk_json_close(writer, '}');
}

static const char sample[] =
        "{\"text\":\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xC3\xA9\xF0\x9D\x84\x9E\",\"none\":null,"
        "\"numbers\":[0,9223372036854775807,[],{}],\"yes\":true,\"no\":false,"
        "\"at\":\"2026-11-24T06:00:00Z\",\"never\":null}";

static void all_kinds(void **state)
{
        char buffer[512];
        struct tk_json_writer writer = tk_json_writer_init(buffer, sizeof(buffer));

        (void)state;
        write_sample(&writer);
        assert_false(writer.overflow);
        assert_str(((struct tk_str){buffer, writer.len}), sample);
        json_t *read = json_loadb(buffer, writer.len, JSON_REJECT_DUPLICATES, NULL);
        assert_string_equal(json_string_value(json_object_get(read, "text")),
                            "a\"b\\c\n\x01\x7f\xC3\xA9\xF0\x9D\x84\x9E");
        json_decref(read);
}

static void too_little_room(void **state)
{
        (void)state;
        for (size_t room = 0; room <= sizeof(sample); room++) {
                char *buffer = tk_malloc(room);
                struct tk_json_writer writer = tk_json_writer_init(buffer, room);
                write_sample(&writer);
                assert_int_equal(writer.overflow, room < sizeof(sample) - 1);
                assert_true(writer.len <= room);
                tk_free(buffer);
        }
}

static void bytes_that_are_no_text(void **state)
{
        static const struct {
                const char *bytes, *json;
        } cases[] = {
                {"\xFF", "\"\xEF\xBF\xBD\""},
                {"a\xC3", "\"a\xEF\xBF\xBD\""},
                {"\xC3(", "\"\xEF\xBF\xBD(\""},
                {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char buffer[64];
                struct tk_json_writer writer = tk_json_writer_init(buffer, sizeof(buffer));
                tk_json_text(&writer, tk_str_from(cases[i].bytes));
                assert_str(((struct tk_str){buffer, writer.len}), cases[i].json);
        }
}

static void any_bytes_are_read_back(void **state)
{
        uint64_t prng = 11;

        (void)state;
        for (size_t i = 0; i < 50000; i++) {
                char bytes[24], buffer[256];
                size_t len = (size_t)prng_below(&prng, sizeof(bytes));
                for (size_t j = 0; j < len; j++)
                        bytes[j] = (char)(prng_below(&prng, 2) ? prng_below(&prng, 256) : 'a');
                struct tk_json_writer writer = tk_json_writer_init(buffer, sizeof(buffer));
                tk_json_text(&writer, (struct tk_str){bytes, len});
                assert_false(writer.overflow);
                json_t *read = json_loadb(buffer, writer.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_true(json_is_string(read));
                if (tk_str_is_utf8((struct tk_str){bytes, len})) {
                        assert_int_equal(json_string_length(read), len);
                        assert_memory_equal(json_string_value(read), bytes, len);
                }
                json_decref(read);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_kinds),
                cmocka_unit_test(too_little_room),
                cmocka_unit_test(bytes_that_are_no_text),
                cmocka_unit_test(any_bytes_are_read_back),
        };

        return cmocka_run_group_tests_name("http/json_write", tests, NULL, NULL);
}
