/*
 * A text that grows in a buffer of the caller's: pieces go in whole or not at all. For where printf is too slow. Pure.
 */
#ifndef TK_CORE_TEXT_H
#define TK_CORE_TEXT_H

#include "core/str.h"

struct tk_text {
        char *bytes;
        size_t len, room; /* no NUL is kept room for */
};

/* Append all of it, or nothing: false. */
bool tk_text_append(struct tk_text *text, struct tk_str more);

/* `before` and then the number in decimal. */
bool tk_text_append_number(struct tk_text *text, struct tk_str before, uint64_t value);

static inline struct tk_str tk_text_view(const struct tk_text *text)
{
        return (struct tk_str){text->bytes, text->len};
}

#endif
