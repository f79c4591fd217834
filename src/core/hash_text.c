/*
 * Reads a SHA-256 from text. See hash_text.h.
 */
#include "core/hash_text.h"

#include <string.h>

#define HASH_BYTES   32
#define HEX_CHARS    64
#define BASE64_CHARS 43

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

static bool parse_hex(struct tk_str text, uint8_t ret_hash[HASH_BYTES])
{
        for (size_t i = 0; i < HASH_BYTES; i++) {
                int high = hex_value(text.ptr[2 * i]), low = hex_value(text.ptr[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                ret_hash[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

/* Of both alphabets: they differ in the last two values only. */
static int base64_value(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+' || c == '-')
                return 62;
        return c == '/' || c == '_' ? 63 : -1;
}

static bool parse_base64(struct tk_str text, uint8_t ret_hash[HASH_BYTES])
{
        uint32_t bits = 0;
        unsigned held = 0;
        size_t bytes = 0;
        for (size_t i = 0; i < BASE64_CHARS; i++) {
                int value = base64_value(text.ptr[i]);
                if (value < 0)
                        return false;
                bits = bits << 6 | (uint32_t)value;
                held += 6;
                if (held < 8)
                        continue;
                held -= 8;
                ret_hash[bytes++] = (uint8_t)(bits >> held);
        }
        return (bits & ((1u << held) - 1)) == 0;
}

/* `+` or `/`, which only the first alphabet has, together with `-` or `_`, which only the other has. */
static bool mixed(struct tk_str text)
{
        bool first = memchr(text.ptr, '+', text.len) || memchr(text.ptr, '/', text.len);
        return first && (memchr(text.ptr, '-', text.len) || memchr(text.ptr, '_', text.len));
}

bool tk_hash_parse(struct tk_str text, uint8_t ret_hash[32])
{
        uint8_t hash[HASH_BYTES];
        bool good = false;
        if (text.len == BASE64_CHARS + 1 && text.ptr[BASE64_CHARS] == '=')
                text.len = BASE64_CHARS;
        if (text.len == HEX_CHARS)
                good = parse_hex(text, hash);
        else if (text.len == BASE64_CHARS)
                good = !mixed(text) && parse_base64(text, hash);
        if (good)
                memcpy(ret_hash, hash, sizeof(hash));
        return good;
}
