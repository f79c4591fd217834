/*
 * Fuzz target: canonical paths and templates (core/path.h). A line feed divides the path from a template.
 */
#include "fuzz.h"

#include "core/path.h"

static void check_template(struct tk_str path_template, struct tk_str path)
{
        if (!tk_path_template_valid(path_template))
                return;
        tk_path_template_match(path_template, path);
        if (path.len > 0 && tk_str_equal(path_template, path)) /* a parameter matches its own text, too */
                CHECK(tk_path_template_match(path_template, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        static char path[TK_PATH_MAX], again[TK_PATH_MAX];
        struct tk_str raw, path_template;
        size_t first, second;
        bool ambiguous, still;

        tk_str_cut(fuzz_text(bytes, len), '\n', &raw, &path_template);
        check_template(raw, raw);
        if (!tk_path_canonical(raw, path, sizeof path, &first, &ambiguous))
                return 0;
        CHECK(first >= 1 && first <= raw.len && path[0] == '/');
        CHECK(tk_path_canonical((struct tk_str){path, first}, again, sizeof again, &second, &still));
        CHECK(tk_str_equal((struct tk_str){path, first}, (struct tk_str){again, second}));
        CHECK(ambiguous || !still);
        check_template(path_template, (struct tk_str){path, first});
        return 0;
}
