/*
 * The JSON writer. See json_write.h.
 */
#include "http/json_write.h"

#include "core/calendar.h"

#include <stdio.h>

/* Bytes that a text may not hold as they are: controls, DEL, the quote, the backslash, and all above ASCII. */
static const bool special[256] = {[0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f ... 0xff] = true};

/* Length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none. */
static size_t sequence_length(struct tk_str text)
{
        for (size_t len = 2; len <= 4 && len <= text.len; len++)
                if (tk_str_is_utf8((struct tk_str){text.ptr, len}))
                        return len;
        return 0;
}

static void put_control(struct tk_json_writer *writer, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        char escape[] = "\\u0000";
        escape[4] = hex[c >> 4];
        escape[5] = hex[c & 15];
        tk_json_put(writer, escape, 6);
}

/* Write the byte or sequence at the start of `text` that cannot be copied as it is; returns how many bytes it was. */
static size_t put_special(struct tk_json_writer *writer, struct tk_str text)
{
        unsigned char c = (unsigned char)text.ptr[0];
        if (c == '"' || c == '\\') {
                const char escape[2] = {'\\', (char)c};
                tk_json_put(writer, escape, 2);
                return 1;
        }
        if (c < 0x80) {
                put_control(writer, c);
                return 1;
        }
        size_t len = sequence_length(text);
        if (len == 0) {
                tk_json_put(writer, "\xEF\xBF\xBD", 3);
                return 1;
        }
        tk_json_put(writer, text.ptr, len);
        return len;
}

/* Copy up to the first special byte, or as much as fits; returns how many bytes. */
static size_t put_plain(struct tk_json_writer *writer, struct tk_str text)
{
        size_t room = writer->room - writer->len;
        size_t most = text.len < room ? text.len : room;
        char *out = writer->buffer + writer->len;
        size_t done = 0;
        while (done < most && !special[(unsigned char)text.ptr[done]]) {
                out[done] = text.ptr[done];
                done++;
        }
        writer->len += done;
        writer->overflow = writer->overflow || (done == room && done < text.len);
        return done;
}

void tk_json_text(struct tk_json_writer *writer, struct tk_str text)
{
        if (!text.ptr) {
                tk_json_null(writer);
                return;
        }
        tk_json_separate(writer);
        tk_json_put(writer, "\"", 1);
        for (;;) {
                text = tk_str_skip(text, put_plain(writer, text));
                if (text.len == 0 || writer->overflow)
                        break;
                text = tk_str_skip(text, put_special(writer, text));
        }
        tk_json_put(writer, "\"", 1);
}

void tk_json_u64(struct tk_json_writer *writer, uint64_t value)
{
        char digits[20];
        size_t at = sizeof(digits);
        do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        tk_json_separate(writer);
        tk_json_put(writer, digits + at, sizeof(digits) - at);
}

void tk_json_i64(struct tk_json_writer *writer, int64_t value)
{
        char text[24];
        int len = snprintf(text, sizeof(text), "%lld", (long long)value);
        tk_json_separate(writer);
        tk_json_put(writer, text, (size_t)len);
}

void tk_json_time(struct tk_json_writer *writer, int64_t unix_s)
{
        if (unix_s == 0) {
                tk_json_null(writer);
                return;
        }
        char text[TK_TIME_TEXT_MAX];
        tk_time_format(unix_s, text);
        tk_json_text(writer, tk_str_from(text));
}
