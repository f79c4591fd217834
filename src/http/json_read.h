/*
 * Reads a JSON object into a struct by a table: for each member its name, how to read it, and where it goes. A member
 * that the table does not know, a value of the wrong type, a missing member: each becomes a fault that names the member
 * by its JSON pointer and says how to mend it. What values are acceptable is the service's business.
 * Texts that are read are slices into the json_t, which must outlive them; the rest is in the arena. Any thread.
 */
#ifndef TK_HTTP_JSON_READ_H
#define TK_HTTP_JSON_READ_H

#include "core/arena.h"
#include "core/error.h"
#include "core/fault.h"
#include "http/json_place.h"

#include <jansson.h>

/*
 * Parse a body: one object in UTF-8, at most TK_JSON_DEPTH_MAX deep, no member twice, no NUL in texts.
 * TK_INVALID with its fault; TK_NOMEM. The caller owns *ret_json.
 */
enum tk_err tk_json_parse(struct tk_str body, json_t **ret_json, struct tk_fault *fault);

/* Where a reading stands. */
struct tk_json_reader {
        struct tk_arena *arena;
        struct tk_fault *fault;
        struct tk_json_place place; /* of the value that is being read */
};

struct tk_json_reader tk_json_reader_init(struct tk_arena *arena, struct tk_fault *fault);

struct tk_json_member {
        const char *name;
        enum tk_err (*read)(struct tk_json_reader *reader, const json_t *value, void *ret_value);
        size_t offset; /* of what `read` fills, in the struct */
        bool required;
};
struct tk_json_shape {
        const struct tk_json_member *members;
        size_t count;
};
#define TK_JSON_SHAPE(table)                                                                                 \
        {                                                                                                    \
                .members = (table), .count = sizeof(table) / sizeof((table)[0])                              \
        }

/* Read the members of `value` into the struct at ret_struct, which the caller has zeroed. */
enum tk_err tk_json_read(struct tk_json_reader *reader, const json_t *value,
                         const struct tk_json_shape *shape, void *ret_struct);

/*
 * Read an array of objects of one shape into an array in the arena.
 *   item_bytes  size of one struct
 */
enum tk_err tk_json_read_list(struct tk_json_reader *reader, const json_t *value,
                              const struct tk_json_shape *shape, size_t item_bytes, void **ret_items,
                              size_t *ret_count);

/* Readers for the tables. What they fill: */
enum tk_err tk_json_read_text(struct tk_json_reader *reader, const json_t *value, void *ret_str); /* tk_str */
enum tk_err tk_json_read_flag(struct tk_json_reader *reader, const json_t *value, void *ret_bool);
enum tk_err tk_json_read_count(struct tk_json_reader *reader, const json_t *value, void *ret_u64);
enum tk_err tk_json_read_time(struct tk_json_reader *reader, const json_t *value,
                              void *ret_time); /* tk_input_time */
enum tk_err tk_json_read_texts(struct tk_json_reader *reader, const json_t *value,
                               void *ret_list); /* tk_input_list */
/* An object of anything, kept as compact JSON text in a tk_str. */
enum tk_err tk_json_read_opaque(struct tk_json_reader *reader, const json_t *value, void *ret_str);

/* For readers elsewhere: the fault of a value of the wrong type. */
enum tk_err tk_json_wrong_type(struct tk_json_reader *reader, const char *wanted);

#endif
