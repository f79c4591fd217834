/*
 * Fuzz target: the lines of imports in every format (http/import_line.h). The first byte chooses the format, the rest is a file. What is
 * taken lies in the line or in the reader, is UTF-8, and is no longer than the line; what is refused is refused in words.
 */
#include "fuzz.h"

#include "http/import_line.h"

#include <string.h>

static void check_text(struct tk_str text, size_t line_len)
{
        CHECK(text.ptr == NULL || (text.len <= line_len * 6 + 64 && tk_str_is_utf8(text)));
}

static void check_line(const struct tk_import_line *line, size_t line_len)
{
        const struct tk_str texts[] = {line->key,         line->sha256,   line->api,
                                       line->environment, line->consumer, line->name,
                                       line->hint,        line->state,    line->metadata};
        struct tk_input_key key = {0};
        struct tk_arena arena;
        struct tk_fault fault = {0};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                check_text(texts[i], line_len);
        CHECK(!line->expires_at.set || line->expires_at.s != 0);
        tk_arena_init(&arena, 1 << 20);
        enum tk_err err = line->read_terms(line, &arena, &key, &fault);
        CHECK(err == TK_OK || err == TK_NOMEM || (fault.code != TK_FAULT_none && fault.field[0] == '/'));
        for (size_t i = 0; err == TK_OK && i < key.scopes.count; i++)
                CHECK(key.scopes.items[i].len <= line_len * 6 + 64);
        tk_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_import_reader reader;
        struct tk_str rest;
        uint64_t number = 0;
        bool fatal = false;

        if (len == 0)
                return 0;
        CHECK(tk_import_reader_init(&reader, (enum tk_import_format)(bytes[0] % 4)) == TK_OK);
        rest = fuzz_text(bytes + 1, len - 1);
        while (rest.len > 0 && !fatal) {
                struct tk_str text;
                struct tk_import_line line;
                struct tk_fault fault = {0};
                bool skip;

                tk_str_cut(rest, '\n', &text, &rest);
                enum tk_err err = tk_import_read(&reader, text, ++number, &line, &skip, &fatal, &fault);
                CHECK(err == TK_OK || err == TK_INVALID);
                CHECK(err == TK_OK || (fault.code != TK_FAULT_none && fault.detail[0] && fault.mend[0]));
                CHECK(!fatal || err != TK_OK);
                if (err == TK_OK && !skip)
                        check_line(&line, text.len);
        }
        tk_import_reader_fini(&reader);
        return 0;
}
