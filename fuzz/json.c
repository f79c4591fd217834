/*
 * Fuzz target: the bodies of control requests (http/json_read.h): what is refused is refused in words, with a pointer that
 * fits; what is taken is no deeper than it may be.
 */
#include "fuzz.h"

#include "http/json_read.h"

#include <string.h>

static unsigned depth_of(const json_t *value)
{
        unsigned deepest = 0;
        const char *name;
        json_t *member;
        size_t i;

        json_object_foreach((json_t *)value, name, member) if (depth_of(member) > deepest) deepest =
                depth_of(member);
        json_array_foreach((json_t *)value, i, member) if (depth_of(member) > deepest) deepest =
                depth_of(member);
        return deepest + (json_is_object(value) || json_is_array(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_fault fault = {0};
        json_t *json = NULL;

        if (tk_json_parse(fuzz_text(bytes, len), &json, &fault) == TK_OK) {
                CHECK(json != NULL && depth_of(json) <= TK_JSON_DEPTH_MAX);
                json_decref(json);
        } else {
                CHECK(fault.code != TK_FAULT_none && fault.detail[0] != '\0' && fault.mend[0] != '\0');
                CHECK(fault.field[0] == '\0' || fault.field[0] == '/');
        }
        for (size_t at = 0; at <= len && at < 64; at++) {
                struct tk_json_place place = tk_json_locate(fuzz_text(bytes, len), at);
                CHECK(place.len < sizeof(place.at) && strlen(place.at) <= place.len);
        }
        return 0;
}
