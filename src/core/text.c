/*
 * Appends to texts (text.h). Pure; any thread.
 */
#include "core/text.h"

#include <string.h>

bool tk_text_append(struct tk_text *text, struct tk_str more)
{
        if (more.len > text->room - text->len)
                return false;
        if (more.len > 0)
                memcpy(text->bytes + text->len, more.ptr, more.len);
        text->len += more.len;
        return true;
}

bool tk_text_append_number(struct tk_text *text, struct tk_str before, uint64_t value)
{
        char digits[24];
        size_t at = sizeof(digits);
        do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        if (before.len + sizeof(digits) - at > text->room - text->len)
                return false;
        return tk_text_append(text, before) &&
               tk_text_append(text, (struct tk_str){digits + at, sizeof(digits) - at});
}
