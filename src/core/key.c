/*
 * The form of a key (key.h, docs/formats/key.md): mint, parse, locate. Pure; any thread. Parsing and locating
 * run on the decision path and allocate nothing; minting runs in the daemon and keeps the plaintext in wiped
 * storage only.
 */
#include "core/key.h"

#include "core/base62.h"
#include "core/crc32.h"

#include <sodium.h>

#include <endian.h>

#include <string.h>

#define LOCATOR_BITS 47
#define LOCATOR_MASK ((UINT64_C(1) << LOCATOR_BITS) - 1)
#define VERSION_BITS 4

_Static_assert(sizeof(struct tk_key_mask) == crypto_shorthash_KEYBYTES, "the mask is a SipHash key");
_Static_assert(TK_KEY_MAX <= TK_SECRET_MAX, "a key fits a secret");

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
        return c >= 'a' && c <= 'z';
}

static bool lower_alphanumeric(struct tk_str s)
{
        for (size_t i = 0; i < s.len; i++) {
                if (!is_lower(s.ptr[i]) && !is_digit(s.ptr[i]))
                        return false;
        }
        return true;
}

bool tk_key_prefix_valid(struct tk_str prefix)
{
        return prefix.len >= 2 && prefix.len <= TK_KEY_PREFIX_MAX && is_lower(prefix.ptr[0]) &&
               lower_alphanumeric(prefix);
}

bool tk_key_tag_valid(struct tk_str tag)
{
        return tag.len >= 1 && tag.len <= TK_KEY_TAG_MAX && lower_alphanumeric(tag);
}

static bool check_matches(struct tk_str presented)
{
        size_t checked = presented.len - TK_KEY_CHECK_CHARS;
        uint64_t check;

        return tk_base62_decode(presented.ptr + checked, TK_KEY_CHECK_CHARS, &check) &&
               check == tk_crc32(presented.ptr, checked);
}

bool tk_key_glance(struct tk_str presented, struct tk_key_parts *ret_parts)
{
        if (presented.len <= TK_KEY_BODY_CHARS || presented.len > TK_KEY_MAX)
                return false;

        const char *body = presented.ptr + presented.len - TK_KEY_BODY_CHARS;
        ret_parts->locator = (struct tk_str){body, TK_KEY_LOCATOR_CHARS};
        ret_parts->secret = (struct tk_str){body + TK_KEY_LOCATOR_CHARS, TK_KEY_SECRET_CHARS};
        return body[-1] == '_' && tk_base62_decode(body, TK_KEY_LOCATOR_CHARS, &ret_parts->masked) &&
               ret_parts->masked <= LOCATOR_MASK;
}

bool tk_key_parse(struct tk_str presented, struct tk_key_parts *ret_parts)
{
        struct tk_key_parts parts;

        if (!tk_key_glance(presented, &parts))
                return false;
        struct tk_str head = {presented.ptr, presented.len - TK_KEY_BODY_CHARS - 1};
        if (!tk_str_cut(head, '_', &parts.prefix, &parts.tag) || !tk_key_prefix_valid(parts.prefix) ||
            !tk_key_tag_valid(parts.tag) || !tk_base62_valid(parts.secret.ptr, TK_KEY_SECRET_CHARS) ||
            !check_matches(presented))
                return false;
        *ret_parts = parts;
        return true;
}

/* SipHash-2-4; its bytes are read least significant first. */
uint64_t tk_key_mask_hash(const struct tk_key_mask *mask, const void *bytes, size_t len)
{
        uint8_t hash[crypto_shorthash_BYTES];
        uint64_t word;

        crypto_shorthash(hash, bytes, len, mask->bytes);
        memcpy(&word, hash, sizeof word);
        return le64toh(word);
}

static uint64_t locator_pad(const char *secret, const struct tk_key_mask *mask)
{
        return tk_key_mask_hash(mask, secret, TK_KEY_SECRET_CHARS) & LOCATOR_MASK;
}

void tk_key_locate(const struct tk_key_parts *parts, const struct tk_key_mask *mask, uint64_t *ret_number,
                   unsigned *ret_pepper_version)
{
        uint64_t locator = parts->masked ^ locator_pad(parts->secret.ptr, mask);

        *ret_number = locator >> VERSION_BITS;
        *ret_pepper_version = (unsigned)(locator & TK_KEY_PEPPER_VERSION_MAX);
}

/* Six bits of each random byte, and 62 and 63 thrown away: every character is equally likely. */
static void draw_secret(struct tk_random random, char ret_secret[TK_KEY_SECRET_CHARS])
{
        uint8_t bytes[TK_KEY_SECRET_CHARS + 5]; /* about one in 32 is thrown away */
        size_t drawn = 0;

        while (drawn < TK_KEY_SECRET_CHARS) {
                random.fill(random.context, bytes, sizeof bytes);
                for (size_t i = 0; i < sizeof bytes && drawn < TK_KEY_SECRET_CHARS; i++) {
                        if (tk_base62_encode(bytes[i] & 0x3F, 1, &ret_secret[drawn]))
                                drawn++;
                }
        }
        tk_wipe(bytes, sizeof bytes);
}

static char *append(char *at, struct tk_str s)
{
        memcpy(at, s.ptr, s.len);
        return at + s.len;
}

enum tk_err tk_key_mint(struct tk_str prefix, struct tk_str tag, uint64_t number, unsigned pepper_version,
                        const struct tk_key_mask *mask, struct tk_random random, struct tk_secret *ret_key)
{
        if (!tk_key_prefix_valid(prefix) || !tk_key_tag_valid(tag) || number > TK_KEY_NUMBER_MAX ||
            pepper_version > TK_KEY_PEPPER_VERSION_MAX)
                return TK_INVALID;

        tk_secret_wipe(ret_key);
        char *text = (char *)ret_key->bytes;
        char *locator = append(append(append(append(text, prefix), TK_STR("_")), tag), TK_STR("_"));
        char *secret = locator + TK_KEY_LOCATOR_CHARS;
        char *check = secret + TK_KEY_SECRET_CHARS;

        draw_secret(random, secret);
        uint64_t located = (number << VERSION_BITS | pepper_version) ^ locator_pad(secret, mask);
        tk_base62_encode(located, TK_KEY_LOCATOR_CHARS, locator);
        tk_base62_encode(tk_crc32(text, (size_t)(check - text)), TK_KEY_CHECK_CHARS, check);
        ret_key->len = (uint32_t)(check + TK_KEY_CHECK_CHARS - text);
        return TK_OK;
}

void tk_key_hint(const struct tk_key_parts *parts, char ret_hint[TK_KEY_HINT_MAX])
{
        struct tk_str shown = {parts->locator.ptr, TK_KEY_HINT_LOCATOR_CHARS};
        char *end =
                append(append(append(append(ret_hint, parts->prefix), TK_STR("_")), parts->tag), TK_STR("_"));

        *append(end, shown) = '\0';
}

/* So few that a key of which the end was cut off is one, too. */
#define MAYBE_KEY_CHARS 20

bool tk_key_hide(char *text)
{
        static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        static const char dots[] = "...";
        size_t in = 0, out = 0;
        bool found = false;

        while (text[in] != '\0') {
                size_t run = in > 0 && text[in - 1] == '_' ? strspn(text + in, base62) : 0;
                if (run < MAYBE_KEY_CHARS) {
                        text[out++] = text[in++];
                        continue;
                }
                memmove(text + out, text + in, TK_KEY_HINT_LOCATOR_CHARS);
                out += TK_KEY_HINT_LOCATOR_CHARS;
                memcpy(text + out, dots, sizeof dots - 1);
                out += sizeof dots - 1;
                in += run;
                found = true;
        }
        text[out] = '\0';
        return found;
}
