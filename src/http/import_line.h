/*
 * Reads the lines of an import: JSON objects one a line, CSV, or what other systems export. Fills a struct tk_import_line, which borrows
 * from the line and from the reader; nothing is copied where nothing has to be. Checks form only: what values are acceptable is the
 * service's business. One thread a reader; fuzzed by fuzz/import_line.c.
 */
#ifndef TK_HTTP_IMPORT_LINE_H
#define TK_HTTP_IMPORT_LINE_H

#include "core/arena.h"
#include "core/fault.h"
#include "service/import.h"

#include <jansson.h>

#define TK_IMPORT_LINE_MAX 65536 /* bytes of one line */
#define TK_CSV_COLUMNS_MAX 32

enum tk_import_format {
        TK_IMPORT_NDJSON,
        TK_IMPORT_CSV,
        TK_IMPORT_UNKEY,       /* JSON lines with the members of Unkey's keys */
        TK_IMPORT_BETTER_AUTH, /* JSON lines with the columns of better-auth's table `apikey` */
};

struct tk_import_reader {
        enum tk_import_format format;
        bool header_read;                /* CSV */
        int columns[TK_CSV_COLUMNS_MAX]; /* CSV: which field each is */
        size_t column_count;
        bool scopes_plain;     /* the scopes of this line are separated by spaces */
        struct tk_arena arena; /* of this line */
        json_t *held[4];       /* what the line's texts lie in */
        size_t scratch_used;
        char *scratch; /* texts without their escapes; wiped, they may be keys */
};

/* TK_NOMEM. */
enum tk_err tk_import_reader_init(struct tk_import_reader *reader, enum tk_import_format format);
/* Safe on a zeroed one. */
void tk_import_reader_fini(struct tk_import_reader *reader);

/*
 * Read one line, without its end, at most TK_IMPORT_LINE_MAX bytes; `number` is its own. Valid until the next.
 *   ret_skip  there is nothing in it: empty, or the header of a CSV
 * TK_INVALID with its fault; of a CSV's header, which has no line to blame, *ret_fatal.
 */
enum tk_err tk_import_read(struct tk_import_reader *reader, struct tk_str text, uint64_t number,
                           struct tk_import_line *ret_line, bool *ret_skip, bool *ret_fatal,
                           struct tk_fault *fault);

/* ---- between import_line.c, import_csv.c and import_from.c ---- */

/* The members of a line, and how each is written. */
enum tk_import_kind {
        TK_IMPORT_TEXT,
        TK_IMPORT_TIME,
        TK_IMPORT_LIST, /* a JSON array, kept as it is written */
        TK_IMPORT_OBJECT,
        TK_IMPORT_METADATA, /* an object, made compact */
};
struct tk_import_field {
        const char *name;
        enum tk_import_kind kind;
        size_t offset; /* in struct tk_import_line */
};
extern const struct tk_import_field tk_import_fields[];
extern const size_t tk_import_field_count;

/* A pointer to a member that is not known. What might be a key, in a file whose first line names no columns, is not repeated. */
#define TK_IMPORT_POINTER_MAX 32
void tk_import_point_to(struct tk_str name, char ret_pointer[TK_IMPORT_POINTER_MAX]);

/* -1: there is none of this name. */
int tk_import_field_find(struct tk_str name);
/* Put a text where the field is; each kind is read in its own way. Fails with a fault that points to the field. */
enum tk_err tk_import_field_put(struct tk_import_reader *reader, int field, struct tk_str text,
                                struct tk_import_line *line, struct tk_fault *fault);
/* Keep what a line's texts lie in until the next line. Takes it. */
void tk_import_hold(struct tk_import_reader *reader, json_t *json);
/* Room for `bytes` of text without escapes; NULL: the line is longer than it may be. */
char *tk_import_scratch(struct tk_import_reader *reader, size_t bytes);

enum tk_err tk_import_read_csv(struct tk_import_reader *reader, struct tk_str text,
                               struct tk_import_line *line, bool *ret_skip, bool *ret_fatal,
                               struct tk_fault *fault);
enum tk_err tk_import_read_from(struct tk_import_reader *reader, struct tk_str text,
                                struct tk_import_line *line, struct tk_fault *fault);
/* For the line's read_terms. */
enum tk_err tk_import_read_terms(const struct tk_import_line *line, struct tk_arena *arena,
                                 struct tk_input_key *ret_key, struct tk_fault *fault);

#endif
