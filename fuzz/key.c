/*
 * Fuzz target: keys (core/key.h). As given, and again with right check characters, which no fuzzer would
 * guess.
 */
#include "fuzz.h"

#include "core/base62.h"
#include "core/crc32.h"
#include "core/key.h"

#include <string.h>

static void check_parts(struct tk_str text, const struct tk_key_parts *parts)
{
        static const struct tk_key_mask mask = {{1, 2, 3}};
        char hint[TK_KEY_HINT_MAX];
        uint64_t number;
        unsigned version;

        CHECK(tk_key_prefix_valid(parts->prefix) && tk_key_tag_valid(parts->tag));
        CHECK(parts->prefix.ptr == text.ptr && parts->tag.ptr == parts->prefix.ptr + parts->prefix.len + 1);
        CHECK(parts->locator.ptr == parts->tag.ptr + parts->tag.len + 1);
        CHECK(parts->secret.ptr + TK_KEY_SECRET_CHARS + TK_KEY_CHECK_CHARS == text.ptr + text.len);
        tk_key_locate(parts, &mask, &number, &version);
        CHECK(number <= TK_KEY_NUMBER_MAX && version <= TK_KEY_PEPPER_VERSION_MAX);
        tk_key_hint(parts, hint);
        CHECK(tk_str_starts_with(text, tk_str_from(hint)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_str text = fuzz_text(bytes, len);
        struct tk_key_parts parts;
        char checked[TK_KEY_MAX + TK_KEY_CHECK_CHARS];

        if (tk_key_parse(text, &parts))
                check_parts(text, &parts);
        if (len > TK_KEY_MAX)
                return 0;
        if (len > 0)
                memcpy(checked, bytes, len);
        tk_base62_encode(tk_crc32(checked, len), TK_KEY_CHECK_CHARS, checked + len);
        text = (struct tk_str){checked, len + TK_KEY_CHECK_CHARS};
        if (tk_key_parse(text, &parts))
                check_parts(text, &parts);
        return 0;
}
