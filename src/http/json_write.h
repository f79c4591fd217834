/*
 * Writes JSON into a buffer of the caller's, without allocating: for the replies of the hot path and for problem
 * documents, which must be possible when memory is short. Whatever bytes a text holds, what comes out is well-formed
 * UTF-8. Commas are put by the writer. Pure; one thread a writer.
 *
 * The short ones are inline, so that a name is a few stores of constants: a reply of verify has forty of them.
 */
#ifndef TK_HTTP_JSON_WRITE_H
#define TK_HTTP_JSON_WRITE_H

#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tk_json_writer {
        char *buffer;
        size_t len, room;
        bool comma;    /* something stands before the next value */
        bool overflow; /* it did not fit: the content is of no use */
};

static inline struct tk_json_writer tk_json_writer_init(char *buffer, size_t room)
{
        return (struct tk_json_writer){.buffer = buffer, .room = room};
}

/* Bytes as they are. Used by the functions below. */
static inline void tk_json_put(struct tk_json_writer *writer, const char *bytes, size_t len)
{
        if (len > writer->room - writer->len) {
                writer->overflow = true;
                return;
        }
        memcpy(writer->buffer + writer->len, bytes, len);
        writer->len += len;
}

/* A comma where one is due. Used by the functions below. */
static inline void tk_json_separate(struct tk_json_writer *writer)
{
        if (writer->comma)
                tk_json_put(writer, ",", 1);
        writer->comma = true;
}

/* `{`, `}`, `[`, `]`; members and elements between them. */
static inline void tk_json_open(struct tk_json_writer *writer, char bracket)
{
        tk_json_separate(writer);
        tk_json_put(writer, &bracket, 1);
        writer->comma = false;
}

static inline void tk_json_close(struct tk_json_writer *writer, char bracket)
{
        tk_json_put(writer, &bracket, 1);
        writer->comma = true;
}

/* The name of the next member, a literal without anything that needs an escape. */
#define TK_JSON_NAME(writer, literal)                                                                        \
        do {                                                                                                 \
                tk_json_separate(writer);                                                                    \
                tk_json_put((writer), "\"" literal "\":", sizeof("\"" literal "\":") - 1);                   \
                (writer)->comma = false; /* its value follows */                                             \
        } while (0)

/* Values: of the member just named, or elements of an array. ptr NULL is null; bytes that are not UTF-8 become U+FFFD. */
void tk_json_text(struct tk_json_writer *writer, struct tk_str text);
/* A text of the program's own, or an id: known to have nothing that needs an escape. */
static inline void tk_json_plain(struct tk_json_writer *writer, struct tk_str text)
{
        tk_json_separate(writer);
        tk_json_put(writer, "\"", 1);
        tk_json_put(writer, text.ptr, text.len);
        tk_json_put(writer, "\"", 1);
}
void tk_json_u64(struct tk_json_writer *writer, uint64_t value);
void tk_json_i64(struct tk_json_writer *writer, int64_t value);
/* RFC 3339 in UTC; 0 is null. */
void tk_json_time(struct tk_json_writer *writer, int64_t unix_s);

static inline void tk_json_bool(struct tk_json_writer *writer, bool value)
{
        tk_json_separate(writer);
        tk_json_put(writer, value ? "true" : "false", value ? 4 : 5);
}

static inline void tk_json_null(struct tk_json_writer *writer)
{
        tk_json_separate(writer);
        tk_json_put(writer, "null", 4);
}

#endif
