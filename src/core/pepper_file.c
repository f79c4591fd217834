/*
 * Reads the text of the pepper file (pepper_file.h). Pure; any thread. Leaves no secret behind in memory of its own.
 */
#include "core/pepper_file.h"

#include "core/secret.h"

#include <string.h>

#include <sodium.h>

void tk_pepper_file_init(struct tk_pepper_file *file)
{
        memset(file, 0, sizeof(*file));
        tk_pepper_set_init(&file->peppers);
}

void tk_pepper_file_fini(struct tk_pepper_file *file)
{
        if (file)
                tk_wipe(file, sizeof(*file));
}

static bool read_hex(struct tk_str hex, uint8_t *ret_bytes, size_t size)
{
        size_t written;
        const char *end;
        return hex.len == 2 * size &&
               sodium_hex2bin(ret_bytes, size, hex.ptr, hex.len, NULL, &written, &end) == 0 &&
               written == size;
}

/* `VERSION HEX` */
static bool read_pepper(struct tk_str rest, struct tk_pepper_file *file)
{
        struct tk_str version_text, hex;
        uint64_t version;
        uint8_t pepper[TK_PEPPER_BYTES];
        bool added = tk_str_cut(rest, ' ', &version_text, &hex) && tk_str_to_u64(version_text, &version) &&
                     version < TK_PEPPER_VERSIONS && read_hex(hex, pepper, sizeof(pepper)) &&
                     tk_pepper_set_add(&file->peppers, (unsigned)version, pepper) == TK_OK;
        tk_wipe(pepper, sizeof(pepper));
        return added;
}

/* `mask HEX` or `pepper VERSION HEX`. */
static bool read_line(struct tk_str line, struct tk_pepper_file *file, bool *inout_masked)
{
        struct tk_str word, rest;
        if (line.len == 0 || line.ptr[0] == '#')
                return true;
        tk_str_cut(line, ' ', &word, &rest);
        if (tk_str_equal(word, TK_STR("pepper")))
                return read_pepper(rest, file);
        if (!tk_str_equal(word, TK_STR("mask")) || *inout_masked)
                return false;
        *inout_masked = read_hex(rest, file->mask.bytes, sizeof(file->mask.bytes));
        return *inout_masked;
}

static const char *why_not(struct tk_str text, struct tk_pepper_file *file)
{
        bool masked = false;
        if (text.len > TK_PEPPER_FILE_MAX_BYTES)
                return "is not of the right size";
        while (text.len > 0) {
                struct tk_str line;
                tk_str_cut(text, '\n', &line, &text);
                if (!read_line(line, file, &masked))
                        return "has a line that is not of its format";
        }
        return masked ? NULL : "has no mask";
}

enum tk_err tk_pepper_file_parse(struct tk_str text, struct tk_pepper_file *ret_file, const char **ret_why)
{
        tk_pepper_file_init(ret_file);
        const char *why = why_not(text, ret_file);
        if (!why)
                return TK_OK;
        tk_pepper_file_fini(ret_file);
        *ret_why = why;
        return TK_CORRUPT;
}

bool tk_pepper_file_extends(const struct tk_pepper_file *newer, const struct tk_pepper_file *older)
{
        if (!tk_equal_constant_time(&newer->mask, &older->mask, sizeof(newer->mask)))
                return false;
        for (unsigned version = 0; version < TK_PEPPER_VERSIONS; version++) {
                uint8_t now[8], before[8];
                if (!tk_pepper_check(&older->peppers, version, before))
                        continue;
                if (!tk_pepper_check(&newer->peppers, version, now) ||
                    !tk_equal_constant_time(now, before, sizeof(now)))
                        return false;
        }
        return true;
}
