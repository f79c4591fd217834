/*
 * The table-driven reader of bodies: values in their places, faults that point at the member, and no leak when memory
 * runs out at any point.
 */
#include "check.h"
#include "core/alloc.h"
#include "http/inputs.h"
#include "http/json_read.h"
#include "service/service.h"

#include <string.h>

struct sample {
        struct tk_str name, metadata;
        struct tk_input_list tags;
        struct tk_input_limits limits;
        struct tk_input_time until;
        uint64_t count;
        bool on;
};
static const struct tk_json_member members[] = {
        {"name", tk_json_read_text, offsetof(struct sample, name), true},
        {"metadata", tk_json_read_opaque, offsetof(struct sample, metadata), false},
        {"tags", tk_json_read_texts, offsetof(struct sample, tags), false},
        {"limits", tk_json_read_limits, offsetof(struct sample, limits), false},
        {"until", tk_json_read_time, offsetof(struct sample, until), false},
        {"count", tk_json_read_count, offsetof(struct sample, count), false},
        {"on", tk_json_read_flag, offsetof(struct sample, on), false},
};
static const struct tk_json_shape shape = TK_JSON_SHAPE(members);

struct reading {
        struct tk_arena arena;
        struct tk_fault fault;
        json_t *json;
        struct sample sample;
};

static enum tk_err read_body(struct reading *reading, const char *body)
{
        *reading = (struct reading){0};
        tk_arena_init(&reading->arena, 0);
        enum tk_err err = tk_json_parse(tk_str_from(body), &reading->json, &reading->fault);
        if (err != TK_OK)
                return err;
        struct tk_json_reader reader = tk_json_reader_init(&reading->arena, &reading->fault);
        return tk_json_read(&reader, reading->json, &shape, &reading->sample);
}

static void drop(struct reading *reading)
{
        json_decref(reading->json);
        tk_arena_fini(&reading->arena);
}

static const char full[] =
        "{\"name\":\"n\",\"metadata\":{\"a\":[1,2.5,null]},\"tags\":[\"x\",\"y\"],"
        "\"limits\":[{\"limit\":7,\"per\":\"1m\"},{\"limit\":0,\"per\":\"day\",\"kind\":\"window\","
        "\"burst\":3,\"name\":\"q\",\"anchor\":\"utc\"}],"
        "\"until\":\"2027-01-01T00:00:00Z\",\"count\":9007199254740993,\"on\":true}";

static void everything_in_its_place(void **state)
{
        struct reading reading;

        (void)state;
        assert_int_equal(read_body(&reading, full), TK_OK);
        const struct sample *sample = &reading.sample;
        assert_str(sample->name, "n");
        assert_str(sample->metadata, "{\"a\":[1,2.5,null]}");
        assert_true(sample->tags.set);
        assert_int_equal(sample->tags.count, 2);
        assert_str(sample->tags.items[1], "y");
        assert_int_equal(sample->limits.count, 2);
        assert_true(sample->limits.items[0].limit_set);
        assert_false(sample->limits.items[0].burst_set);
        assert_null(sample->limits.items[0].name.ptr);
        assert_int_equal(sample->limits.items[1].burst, 3);
        assert_true(sample->until.set);
        assert_int_equal(sample->until.s, 1798761600);
        assert_int_equal(sample->count, UINT64_C(9007199254740993));
        assert_true(sample->on);
        drop(&reading);
}

static void null_clears_a_time(void **state)
{
        struct reading reading;

        (void)state;
        assert_int_equal(read_body(&reading, "{\"name\":\"n\",\"until\":null}"), TK_OK);
        assert_true(reading.sample.until.set);
        assert_int_equal(reading.sample.until.s, 0);
        assert_false(reading.sample.tags.set);
        drop(&reading);
}

static void faults_point_at_the_member(void **state)
{
        static const struct {
                const char *body;
                enum tk_fault_code code;
                const char *field;
        } cases[] = {
                {"{}", TK_FAULT_invalid_value, "/name"},
                {"{\"name\":null}", TK_FAULT_invalid_value, "/name"},
                {"{\"name\":\"n\",\"nmae\":1}", TK_FAULT_unknown_field, "/nmae"},
                {"{\"name\":\"n\",\"a/b~c\":1}", TK_FAULT_unknown_field, "/a~1b~0c"},
                {"{\"name\":\"n\",\"metadata\":[]}", TK_FAULT_invalid_value, "/metadata"},
                {"{\"name\":\"n\",\"tags\":{}}", TK_FAULT_invalid_value, "/tags"},
                {"{\"name\":\"n\",\"tags\":[\"x\",1]}", TK_FAULT_invalid_value, "/tags/1"},
                {"{\"name\":\"n\",\"limits\":[{\"limit\":1,\"per\":\"1m\"},{\"per\":\"1m\"}]}",
                 TK_FAULT_invalid_value, "/limits/1/limit"},
                {"{\"name\":\"n\",\"limits\":[{\"limit\":1,\"per\":\"1m\",\"x\":1}]}", TK_FAULT_unknown_field,
                 "/limits/0/x"},
                {"{\"name\":\"n\",\"limits\":[{\"limit\":1.5,\"per\":\"1m\"}]}", TK_FAULT_invalid_value,
                 "/limits/0/limit"},
                {"{\"name\":\"n\",\"until\":\"soon\"}", TK_FAULT_invalid_value, "/until"},
                {"{\"name\":\"n\",\"count\":-1}", TK_FAULT_invalid_value, "/count"},
                {"{\"name\":\"n\",\"on\":1}", TK_FAULT_invalid_value, "/on"},
                {"", TK_FAULT_malformed_json, ""},
                {"[]", TK_FAULT_malformed_json, ""},
                {"{\"name\":\"n\"", TK_FAULT_malformed_json, ""},
                {"{\"name\":\"n\",\"name\":\"m\"}", TK_FAULT_malformed_json, "/name"},
                {"{\"metadata\":{\"x\":[0,\"}\\\"\",{\"a/b\":1, \"\\u0061/b\" :2}]}}",
                 TK_FAULT_malformed_json, "/metadata/x/2/a~1b"},
                {"{\"tags\":[{},[1,[]],{}],\"limits\":[{\"a\":1},{\"b\":{},\"b\":1}]}",
                 TK_FAULT_malformed_json, "/limits/1/b"},
                {"{\"name\":\"n\",\"tags\":[[],[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}", TK_FAULT_malformed_json,
                 "/tags/1/0/0/0/0/0/0/0/0/0/0/0/0/0/0"},
                {"{\"name\":\"\\u0000\"}", TK_FAULT_malformed_json, ""},
                {"{\"name\":\"\xC0\xAF\"}", TK_FAULT_malformed_json, ""},
                {"{\"count\":99999999999999999999}", TK_FAULT_malformed_json, ""},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct reading reading;
                assert_int_equal(read_body(&reading, cases[i].body), TK_INVALID);
                assert_int_equal(reading.fault.code, cases[i].code);
                assert_string_equal(reading.fault.field, cases[i].field);
                assert_true(reading.fault.mend[0] != '\0');
                drop(&reading);
        }
}

static void an_unknown_member_names_the_known(void **state)
{
        struct reading reading;

        (void)state;
        assert_int_equal(read_body(&reading, "{\"x\":1}"), TK_INVALID);
        assert_string_equal(reading.fault.mend, "use only name, metadata, tags, limits, until, count, on");
        drop(&reading);
}

static void depth(void **state)
{
        char body[512];
        struct reading reading;

        (void)state;
        for (unsigned deep = 1; deep < 40; deep++) {
                /* The brackets in the text must not count. */
                size_t len = (size_t)snprintf(body, sizeof(body),
                                              "{\"name\":\"[[[[[[[[[[[[[[[[[[\\\"[[[\",\"metadata\":");
                for (unsigned i = 1; i < deep; i++)
                        len += (size_t)snprintf(body + len, sizeof(body) - len, "{\"a\":");
                len += (size_t)snprintf(body + len, sizeof(body) - len, "%s", deep > 1 ? "1" : "{}");
                for (unsigned i = 0; i < deep; i++)
                        len += (size_t)snprintf(body + len, sizeof(body) - len, "}");
                bool fits = (deep > 1 ? deep : 2) <= TK_JSON_DEPTH_MAX;
                assert_int_equal(read_body(&reading, body), fits ? TK_OK : TK_INVALID);
                drop(&reading);
        }
}

/* The n-th allocation fails, for every n until none does. jansson's own do not go through this seam. */
static void out_of_memory(void **state)
{
        struct reading reading;
        unsigned failures = 0;

        (void)state;
        for (unsigned n = 1;; n++) {
                tk_alloc_fault_at(n);
                enum tk_err err = read_body(&reading, full);
                int hit = tk_alloc_fault_hit();
                tk_alloc_fault_at(0);
                drop(&reading);
                if (!hit) {
                        assert_int_equal(err, TK_OK);
                        break;
                }
                assert_int_equal(err, TK_NOMEM);
                failures++;
        }
        assert_true(failures > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_in_its_place),
                cmocka_unit_test(null_clears_a_time),
                cmocka_unit_test(faults_point_at_the_member),
                cmocka_unit_test(an_unknown_member_names_the_known),
                cmocka_unit_test(depth),
                cmocka_unit_test(out_of_memory),
        };

        return cmocka_run_group_tests_name("http/json_read", tests, NULL, NULL);
}
