/*
 * Text slices (str.h). Pure; any thread; never allocates, never reads past a slice's length.
 */
#include "core/str.h"

#include <string.h>

struct tk_str tk_str_from(const char *text)
{
        if (text == NULL)
                return TK_STR_NONE;
        return (struct tk_str){text, strlen(text)};
}

bool tk_str_equal(struct tk_str a, struct tk_str b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int tk_str_compare(struct tk_str a, struct tk_str b)
{
        size_t common = a.len < b.len ? a.len : b.len;
        int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

        if (order != 0)
                return order;
        return (a.len > b.len) - (a.len < b.len);
}

bool tk_str_starts_with(struct tk_str s, struct tk_str prefix)
{
        if (s.len < prefix.len)
                return false;
        return tk_str_equal((struct tk_str){s.ptr, prefix.len}, prefix);
}

/* Not tolower(): the locale must not decide what a header name is. */
static char ascii_lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool tk_str_equal_nocase(struct tk_str a, struct tk_str b)
{
        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++) {
                if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
                        return false;
        }
        return true;
}

struct tk_str tk_str_skip(struct tk_str s, size_t from)
{
        if (from >= s.len)
                return (struct tk_str){s.len == 0 ? s.ptr : s.ptr + s.len, 0};
        return (struct tk_str){s.ptr + from, s.len - from};
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

struct tk_str tk_str_trim(struct tk_str s)
{
        while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
                s.len--;
        while (s.len > 0 && is_blank(s.ptr[0]))
                s = tk_str_skip(s, 1);
        return s;
}

bool tk_str_cut(struct tk_str s, char separator, struct tk_str *ret_head, struct tk_str *ret_tail)
{
        const char *found = s.len == 0 ? NULL : memchr(s.ptr, separator, s.len);

        if (found == NULL) {
                *ret_head = s;
                *ret_tail = tk_str_skip(s, s.len);
                return false;
        }
        size_t head_len = (size_t)(found - s.ptr);
        *ret_head = (struct tk_str){s.ptr, head_len};
        *ret_tail = tk_str_skip(s, head_len + 1);
        return true;
}

bool tk_str_to_u64(struct tk_str s, uint64_t *ret_value)
{
        uint64_t value = 0;

        if (s.len == 0)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                if (c < '0' || c > '9')
                        return false;
                if (__builtin_mul_overflow(value, 10u, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
                        return false;
        }
        *ret_value = value;
        return true;
}

/*
 * The length of the well-formed sequence at the start of s, 0 when there is none. Table 3-7 of the Unicode
 * standard: only the second byte has a narrower range, and only after E0, ED, F0, F4.
 */
static size_t utf8_sequence(struct tk_str s)
{
        const unsigned char *p = (const unsigned char *)s.ptr;
        unsigned char low = 0x80, high = 0xBF;
        size_t len;

        if (p[0] < 0x80)
                return 1;
        if (p[0] >= 0xC2 && p[0] <= 0xDF)
                len = 2;
        else if (p[0] >= 0xE0 && p[0] <= 0xEF)
                len = 3;
        else if (p[0] >= 0xF0 && p[0] <= 0xF4)
                len = 4;
        else
                return 0;

        if (p[0] == 0xE0)
                low = 0xA0; /* below: overlong */
        else if (p[0] == 0xED)
                high = 0x9F; /* above: surrogates */
        else if (p[0] == 0xF0)
                low = 0x90; /* below: overlong */
        else if (p[0] == 0xF4)
                high = 0x8F; /* above: past U+10FFFF */

        if (s.len < len || p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < len; i++) {
                if (p[i] < 0x80 || p[i] > 0xBF)
                        return 0;
        }
        return len;
}

bool tk_str_is_utf8(struct tk_str s)
{
        while (s.len > 0) {
                size_t len = utf8_sequence(s);
                if (len == 0)
                        return false;
                s = tk_str_skip(s, len);
        }
        return true;
}

static bool is_name_start(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool tk_str_is_name(struct tk_str s, size_t max_len)
{
        if (s.len == 0 || s.len > max_len || !is_name_start(s.ptr[0]))
                return false;
        for (size_t i = 1; i < s.len; i++) {
                char c = s.ptr[i];
                if (!is_name_start(c) && c != '.' && c != '_' && c != '-')
                        return false;
        }
        return true;
}
