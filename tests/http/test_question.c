/*
 * The hand-written reader of verify's body, http/question.h: what it takes, what it refuses, and that it never takes what
 * jansson would not, nor reads it differently.
 */
#include "check.h"
#include "core/alloc.h"
#include "http/question.h"

#include <jansson.h>
#include <string.h>

#define MUTATIONS 300000

/* A body of exactly its own size, so that the address sanitizer sees a byte read too many. */
static enum tk_err read_copy(const char *json, size_t len, char **ret_copy, struct tk_question *ret_question,
                             struct tk_fault *fault)
{
        char *copy = tk_malloc(len);
        memcpy(copy, json, len);
        *ret_copy = copy;
        fault->code = TK_FAULT_none;
        return tk_question_read(copy, len, ret_question, fault);
}

static void a_full_question(void **state)
{
        static const char json[] =
                " {\"key\" : \"tk_\\u006cive\", \"api\":\"weather\",\"environment\":\"test\",\r\n"
                "\"scope\":\"a and (b or c)\",\"method\":\"get\",\"path\":\"/v1/\\u00e9\\ud834\\udd1e\\/\","
                "\"ip\":\"203.0.113.7\",\"origin\":\"\\\"\\\\\\b\\f\\n\\r\\t\",\"cost\": 12 }\t";
        char *copy;
        struct tk_question question;
        struct tk_fault fault;

        (void)state;
        assert_int_equal(read_copy(json, sizeof(json) - 1, &copy, &question, &fault), TK_OK);
        assert_str(question.key, "tk_live");
        assert_str(question.api, "weather");
        assert_str(question.environment, "test");
        assert_str(question.method, "GET");
        assert_str(question.path, "/v1/\xC3\xA9\xF0\x9D\x84\x9E/");
        assert_str(question.origin, "\"\\\b\f\n\r\t");
        assert_int_equal(question.ip.family, 4);
        assert_int_equal(question.cost, 12);
        assert_int_equal(question.scope.op_count, 5);
        tk_free(copy);
}

static void what_is_left_out(void **state)
{
        char *copy;
        struct tk_question question;
        struct tk_fault fault;

        (void)state;
        assert_int_equal(read_copy("{\"api\":\"a\"}", 11, &copy, &question, &fault), TK_OK);
        assert_null(question.key.ptr);
        assert_str(question.environment, "production");
        assert_null(question.method.ptr);
        assert_null(question.path.ptr);
        assert_null(question.origin.ptr);
        assert_int_equal(question.ip.family, 0);
        assert_int_equal(question.cost, 1);
        assert_int_equal(question.scope.op_count, 0);
        tk_free(copy);
}

/* Lists of scopes require all of them: postfix, each name after the first followed by its `and`. */
static void scope_lists(void **state)
{
        static const char json[] = "{\"api\":\"a\",\"scope\":[\"x\",\"y:z\",\"w\"]}";
        static const enum tk_scope_op wanted[] = {TK_SCOPE_NAME, TK_SCOPE_NAME, TK_SCOPE_AND, TK_SCOPE_NAME,
                                                  TK_SCOPE_AND};
        char *copy;
        struct tk_question question;
        struct tk_fault fault;

        (void)state;
        assert_int_equal(read_copy(json, sizeof(json) - 1, &copy, &question, &fault), TK_OK);
        assert_int_equal(question.scope.op_count, COUNT(wanted));
        for (size_t i = 0; i < COUNT(wanted); i++)
                assert_int_equal(question.scope.ops[i].op, wanted[i]);
        assert_str(question.scope.ops[1].name, "y:z");
        tk_free(copy);
}

static void what_is_refused(void **state)
{
        static const struct {
                const char *json;
                enum tk_fault_code code;
                const char *field;
        } cases[] = {
                {"", TK_FAULT_malformed_json, ""},
                {"{", TK_FAULT_malformed_json, ""},
                {"{}", TK_FAULT_invalid_value, "/api"},
                {"[]", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"a\"", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"a\",}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"a\"}}", TK_FAULT_malformed_json, ""},
                {"{\"api\" \"a\"}", TK_FAULT_malformed_json, ""},
                {"{api:\"a\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"a\",\"api\":\"b\"}", TK_FAULT_malformed_json, "/api"},
                {"{\"api\":\"\\u0000\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\\x\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\\u12g4\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\\ud834\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\\ud834\\u0041\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\\udd1e\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"a\nb\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\xC0\xAF\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"\xED\xA0\x80\"}", TK_FAULT_malformed_json, ""},
                {"{\"api\":1}", TK_FAULT_invalid_value, "/api"},
                {"{\"key\":nul}", TK_FAULT_invalid_value, "/key"},
                {"{\"apis\":\"a\"}", TK_FAULT_unknown_field, "/apis"},
                {"{\"api\":\"a\",\"cost\":-1}", TK_FAULT_invalid_value, "/cost"},
                {"{\"api\":\"a\",\"cost\":}", TK_FAULT_invalid_value, "/cost"},
                {"{\"api\":\"a\",\"cost\":1e3}", TK_FAULT_invalid_value, "/cost"},
                {"{\"api\":\"a\",\"cost\":007}", TK_FAULT_invalid_value, "/cost"},
                {"{\"api\":\"a\",\"cost\":1000000000001}", TK_FAULT_invalid_value, "/cost"},
                {"{\"api\":\"a\",\"ip\":\"1.2.3\"}", TK_FAULT_invalid_value, "/ip"},
                {"{\"api\":\"a\",\"path\":\"x\"}", TK_FAULT_invalid_value, "/path"},
                {"{\"api\":\"a\",\"method\":\"G T\"}", TK_FAULT_invalid_value, "/method"},
                {"{\"api\":\"a\",\"scope\":\"a or\"}", TK_FAULT_invalid_value, "/scope"},
                {"{\"api\":\"a\",\"scope\":[\"a\",2]}", TK_FAULT_invalid_value, "/scope/1"},
                {"{\"api\":\"a\",\"scope\":[\"a\" \"b\"]}", TK_FAULT_malformed_json, ""},
                {"{\"api\":\"a\",\"scope\":[\"a\",]}", TK_FAULT_invalid_value, "/scope/1"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char *copy;
                struct tk_question question;
                struct tk_fault fault;
                assert_int_equal(read_copy(cases[i].json, strlen(cases[i].json), &copy, &question, &fault),
                                 TK_INVALID);
                assert_int_equal(fault.code, cases[i].code);
                assert_string_equal(fault.field, cases[i].field);
                assert_true(fault.mend[0] != '\0');
                tk_free(copy);
        }
}

/* ---- against jansson ---- */

static bool same_text(const json_t *value, struct tk_str text)
{
        return json_is_string(value) && json_string_length(value) == text.len &&
               memcmp(json_string_value(value), text.ptr, text.len) == 0;
}

static bool same_method(const json_t *value, struct tk_str text)
{
        return json_is_string(value) &&
               tk_str_equal_nocase((struct tk_str){json_string_value(value), json_string_length(value)},
                                   text);
}

static void check_against_jansson(const char *json, size_t len, const struct tk_question *question)
{
        static const char *const known[] = {"key",  "api", "environment", "scope", "method",
                                            "path", "ip",  "origin",      "cost"};
        json_t *object = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
        size_t found = 0;

        assert_true(json_is_object(object));
        for (size_t i = 0; i < COUNT(known); i++)
                found += json_object_get(object, known[i]) != NULL;
        assert_int_equal(found, json_object_size(object));
        assert_true(same_text(json_object_get(object, "api"), question->api));
        const json_t *key = json_object_get(object, "key");
        assert_true(question->key.ptr ? same_text(key, question->key) : !key || json_is_null(key));
        if (json_object_get(object, "environment"))
                assert_true(same_text(json_object_get(object, "environment"), question->environment));
        if (question->method.ptr)
                assert_true(same_method(json_object_get(object, "method"), question->method));
        if (question->path.ptr)
                assert_true(same_text(json_object_get(object, "path"), question->path));
        if (question->origin.ptr)
                assert_true(same_text(json_object_get(object, "origin"), question->origin));
        const json_t *cost = json_object_get(object, "cost");
        assert_int_equal(question->cost, cost ? (uint64_t)json_integer_value(cost) : 1);
        json_decref(object);
}

/* Change, drop, double or insert a few bytes, mostly ones that mean something in JSON. */
static size_t mutate(uint64_t *prng, char *json, size_t len, size_t room)
{
        static const char marks[] = "{}[]\",:\\/u0d8nt -.e1a\xC3\xA9\xF0";
        for (uint64_t times = 1 + prng_below(prng, 3); times > 0; times--) {
                size_t at = (size_t)prng_below(prng, len);
                char mark = marks[prng_below(prng, sizeof(marks) - 1)];
                switch (prng_below(prng, 3)) {
                case 0:
                        json[at] = mark;
                        break;
                case 1:
                        if (len > 1)
                                memmove(json + at, json + at + 1, --len - at);
                        break;
                default:
                        if (len < room) {
                                memmove(json + at + 1, json + at, len++ - at);
                                json[at] = mark;
                        }
                }
        }
        return len;
}

static void never_more_than_jansson(void **state)
{
        static const char *const seeds[] = {
                "{\"key\":\"tk_live\",\"api\":\"a\",\"cost\":10}",
                "{\"api\":\"\\u0041\\ud834\\udd1e\",\"key\":null}",
                "{\"api\":\"a\",\"scope\":[\"b\",\"c:d\"],\"ip\":\"::1\"}",
                "{\"api\":\"a\",\"path\":\"/\xC3\xA9\",\"method\":\"get\"}",
                "{ \"origin\" : \"\\\"\\\\\" , \"api\" : \"a\" }",
        };
        uint64_t prng = 7;
        size_t taken = 0;

        (void)state;
        for (size_t i = 0; i < MUTATIONS; i++) {
                char json[128];
                const char *seed = seeds[i % COUNT(seeds)];
                memcpy(json, seed, strlen(seed));
                size_t len = mutate(&prng, json, strlen(seed), sizeof(json));
                char *copy;
                struct tk_question question;
                struct tk_fault fault;
                if (read_copy(json, len, &copy, &question, &fault) == TK_OK) {
                        check_against_jansson(json, len, &question);
                        taken++;
                } else {
                        assert_int_not_equal(fault.code, TK_FAULT_none);
                }
                tk_free(copy);
        }
        assert_true(taken > MUTATIONS / 100); /* else nothing was compared */
}

static void cut_off_anywhere(void **state)
{
        static const char json[] =
                "{\"key\":\"\\u0041\\n\",\"api\":\"a\",\"scope\":[\"x\",\"y\"],\"cost\":1}";

        (void)state;
        for (size_t len = 0; len < sizeof(json) - 1; len++) {
                char *copy;
                struct tk_question question;
                struct tk_fault fault;
                assert_int_equal(read_copy(json, len, &copy, &question, &fault), TK_INVALID);
                tk_free(copy);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_full_question),  cmocka_unit_test(what_is_left_out),
                cmocka_unit_test(scope_lists),      cmocka_unit_test(what_is_refused),
                cmocka_unit_test(cut_off_anywhere), cmocka_unit_test(never_more_than_jansson),
        };

        return cmocka_run_group_tests_name("http/question", tests, NULL, NULL);
}
