/*
 * The reader of lines that are records of a CSV (RFC 4180): the first names the columns by the members that JSON lines have. Scopes are
 * separated by spaces; limits, restrictions and metadata are JSON in a cell. An empty cell says nothing. See import_line.h.
 */
#include "http/import_line.h"

#include <string.h>

struct cells {
        struct tk_str rest;
        bool more; /* a cell follows */
};

/* The next cell without its quotes. False: a quote is where none may be, or is missing. */
static bool next_cell(struct tk_import_reader *reader, struct cells *cells, struct tk_str *ret_cell)
{
        struct tk_str rest = cells->rest;
        if (rest.len == 0 || rest.ptr[0] != '"') {
                cells->more = tk_str_cut(rest, ',', ret_cell, &cells->rest);
                return ret_cell->len == 0 || !memchr(ret_cell->ptr, '"', ret_cell->len);
        }
        char *out = tk_import_scratch(reader, rest.len);
        size_t len = 0, at = 1;
        if (!out)
                return false;
        for (;; at++) {
                if (at >= rest.len)
                        return false;
                if (rest.ptr[at] != '"') {
                        out[len++] = rest.ptr[at];
                        continue;
                }
                if (at + 1 < rest.len && rest.ptr[at + 1] == '"') {
                        out[len++] = '"';
                        at++;
                        continue;
                }
                break;
        }
        reader->scratch_used -= rest.len - len;
        *ret_cell = (struct tk_str){out, len};
        cells->rest = tk_str_skip(rest, at + 1);
        cells->more = cells->rest.len > 0;
        if (!cells->more)
                return true;
        bool good = cells->rest.ptr[0] == ',';
        cells->rest = tk_str_skip(cells->rest, 1);
        return good;
}

static enum tk_err broken_quotes(struct tk_fault *fault)
{
        return tk_fault_set(fault, TK_FAULT_malformed_request, "",
                            "quote a cell as a whole, and write a quote in it twice (RFC 4180)",
                            "its quotes do not match");
}

static enum tk_err header_fault(struct tk_fault *fault, struct tk_str name, const char *detail)
{
        char field[TK_IMPORT_POINTER_MAX];
        tk_import_point_to(name, field);
        return tk_fault_set(
                fault, TK_FAULT_unknown_field, field,
                "name the columns in the first line: key or sha256, and of consumer, name, scopes, limits, "
                "restrictions, not_before, expires_at, metadata, state, hint, api, environment",
                "%s", detail);
}

static enum tk_err read_header(struct tk_import_reader *reader, struct tk_str text, struct tk_fault *fault)
{
        struct cells cells = {.rest = text, .more = true};
        uint64_t seen = 0;
        bool has_key = false;
        while (cells.more) {
                struct tk_str name;
                if (!next_cell(reader, &cells, &name))
                        return broken_quotes(fault);
                name = tk_str_trim(name);
                int field = tk_import_field_find(name);
                if (field < 0 || reader->column_count == TK_CSV_COLUMNS_MAX)
                        return header_fault(fault, name, "the first line has a column that is not known");
                if (seen & UINT64_C(1) << field)
                        return header_fault(fault, name, "the first line names a column twice");
                seen |= UINT64_C(1) << field;
                has_key = has_key || strcmp(tk_import_fields[field].name, "key") == 0 ||
                          strcmp(tk_import_fields[field].name, "sha256") == 0;
                reader->columns[reader->column_count++] = field;
        }
        reader->header_read = true;
        return has_key ? TK_OK
                       : header_fault(fault, TK_STR("key"),
                                      "the first line names no column for keys or their hashes");
}

static enum tk_err put_cell(struct tk_import_reader *reader, int field, struct tk_str cell,
                            struct tk_import_line *line, struct tk_fault *fault)
{
        if (cell.len == 0)
                return TK_OK;
        if (!tk_str_is_utf8(cell) || memchr(cell.ptr, '\0', cell.len))
                return tk_fault_set(fault, TK_FAULT_malformed_request, tk_import_fields[field].name,
                                    "save the file as UTF-8", "it is not UTF-8, or has a NUL");
        if (strcmp(tk_import_fields[field].name, "scopes") == 0)
                reader->scopes_plain = cell.ptr[0] != '[';
        return tk_import_field_put(reader, field, cell, line, fault);
}

enum tk_err tk_import_read_csv(struct tk_import_reader *reader, struct tk_str text,
                               struct tk_import_line *line, bool *ret_skip, bool *ret_fatal,
                               struct tk_fault *fault)
{
        struct cells cells = {.rest = text, .more = true};
        if (!reader->header_read) {
                *ret_skip = true;
                enum tk_err err = read_header(reader, text, fault);
                *ret_fatal = err != TK_OK;
                return err;
        }
        for (size_t i = 0; i < reader->column_count; i++) {
                struct tk_str cell = TK_STR("");
                if (!cells.more)
                        break;
                if (!next_cell(reader, &cells, &cell))
                        return broken_quotes(fault);
                enum tk_err err = put_cell(reader, reader->columns[i], cell, line, fault);
                if (err != TK_OK)
                        return err;
        }
        if (!cells.more)
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_malformed_request, "", "quote cells that have commas in them",
                            "it has more cells than the first line has columns");
}
