/*
 * Fuzz target: the body of /v1/verify (http/question.h), beside jansson: what our reader takes must be JSON to jansson too, and
 * say the same. The other way round it need not: our object is flat and its members are known.
 */
#include "fuzz.h"

#include "http/question.h"

#include <jansson.h>
#include <string.h>

static void check_member(json_t *object, const char *name, struct tk_str ours)
{
        json_t *theirs = json_object_get(object, name);

        CHECK((theirs == NULL || json_is_null(theirs)) == (ours.ptr == NULL));
        if (ours.ptr != NULL) {
                CHECK(json_string_length(theirs) == ours.len);
                CHECK(memcmp(json_string_value(theirs), ours.ptr, ours.len) == 0);
        }
}

static void check_method(json_t *theirs, struct tk_str ours)
{
        CHECK((theirs == NULL) == (ours.ptr == NULL));
        if (theirs != NULL)
                CHECK(tk_str_equal_nocase(ours, tk_str_from(json_string_value(theirs))));
        for (size_t i = 0; i < ours.len; i++)
                CHECK(ours.ptr[i] < 'a' || ours.ptr[i] > 'z');
}

static void check_same(json_t *object, const struct tk_question *question)
{
        json_t *cost = json_object_get(object, "cost");

        CHECK(json_is_object(object));
        check_member(object, "key", question->key);
        check_member(object, "api", question->api);
        check_member(object, "origin", question->origin);
        check_member(object, "path", question->path);
        if (json_object_get(object, "environment") != NULL)
                check_member(object, "environment", question->environment);
        else
                CHECK(tk_str_equal(question->environment, TK_STR("production")));
        check_method(json_object_get(object, "method"), question->method);
        CHECK((json_object_get(object, "ip") == NULL) == (question->ip.family == 0));
        CHECK(json_object_get(object, "scope") != NULL || question->scope.op_count == 0);
        if (json_is_integer(cost))
                CHECK((uint64_t)json_integer_value(cost) == question->cost);
        else
                CHECK(question->cost == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_question question;
        struct tk_fault fault = {0};
        char *copy = malloc(len > 0 ? len : 1); /* the reader decodes in place; no byte to spare, for ASan */

        CHECK(copy != NULL);
        memcpy(copy, bytes, len);
        if (tk_question_read(copy, len, &question, &fault) == TK_OK) {
                json_error_t error;
                json_t *object = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &error);
                CHECK(object != NULL);
                check_same(object, &question);
                json_decref(object);
        } else {
                CHECK(fault.code != TK_FAULT_none && fault.detail[0] != '\0');
        }
        free(copy);
        return 0;
}
