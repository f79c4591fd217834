/*
 * The form of a Tollkeeper key: mint one, parse one, find its locator. Specified in docs/formats/key.md.
 *
 *     tk_live_LLLLLLLLSSSSSSSSSSSSSSSSSSSSSSSSSSSCCCCCC
 *     prefix_tag_ 8 locator, 27 secret, 6 check
 *
 * Pure: no clock, no I/O. Plaintext goes in and out in struct tk_secret only.
 */
#ifndef TK_CORE_KEY_H
#define TK_CORE_KEY_H

#include "core/error.h"
#include "core/random.h"
#include "core/secret.h"
#include "core/str.h"

#define TK_KEY_PREFIX_MAX    16
#define TK_KEY_TAG_MAX       8
#define TK_KEY_LOCATOR_CHARS 8
#define TK_KEY_SECRET_CHARS  27
#define TK_KEY_CHECK_CHARS   6
#define TK_KEY_BODY_CHARS    (TK_KEY_LOCATOR_CHARS + TK_KEY_SECRET_CHARS + TK_KEY_CHECK_CHARS) /* 41 */
#define TK_KEY_MAX           (TK_KEY_PREFIX_MAX + 1 + TK_KEY_TAG_MAX + 1 + TK_KEY_BODY_CHARS)  /* 67 */

#define TK_KEY_NUMBER_MAX         ((UINT64_C(1) << 43) - 1)
#define TK_KEY_PEPPER_VERSION_MAX 15

/* The 16-byte SipHash key that masks locators. Independent of the pepper, made once, never rotated. */
struct tk_key_mask {
        uint8_t bytes[16];
};

/* Slices into the presented text. */
struct tk_key_parts {
        struct tk_str prefix, tag, locator, secret;
        uint64_t masked; /* what the locator's digits say: below 2^47 */
};

/* SipHash-2-4 under the mask, of anything but 27 bytes, which is what locators are masked with. Any thread. */
uint64_t tk_key_mask_hash(const struct tk_key_mask *mask, const void *bytes, size_t len);

/* [a-z][a-z0-9]{1,15} */
bool tk_key_prefix_valid(struct tk_str prefix);
/* [a-z0-9]{1,8} */
bool tk_key_tag_valid(struct tk_str tag);

/*
 * Take a presented key apart and prove its check characters. Offline: needs no secret.
 * Returns false (the decision `malformed`) for any other shape; ret_parts is then untouched.
 */
bool tk_key_parse(struct tk_str presented, struct tk_key_parts *ret_parts);

/*
 * Where locator and secret would stand if it is a key: enough to find its line, whose digest then proves all
 * of it at once. Proves nothing itself, so what is not found by it needs tk_key_parse(). Sets all parts but
 * prefix and tag. False when a line cannot be found by it: too short, no `_` before the body, a locator that
 * is none.
 */
bool tk_key_glance(struct tk_str presented, struct tk_key_parts *ret_parts);

/*
 * Number and pepper version from the locator of a key that was glanced at or parsed: base62 value, below
 * 2^47, xor the low 47 bits of SipHash-2-4(mask, secret characters); number = value >> 4, pepper version =
 * value & 15.
 * For a key that was not minted with this mask the result is noise: the digest decides.
 */
void tk_key_locate(const struct tk_key_parts *parts, const struct tk_key_mask *mask, uint64_t *ret_number,
                   unsigned *ret_pepper_version);

/*
 * Make a new key for the line `number`. prefix and tag must be valid, number <= TK_KEY_NUMBER_MAX,
 * pepper_version <= TK_KEY_PEPPER_VERSION_MAX; TK_INVALID otherwise.
 *   ret_key  the plaintext; the caller wipes it
 * The 27 secret characters are drawn uniformly (rejection sampling).
 */
enum tk_err tk_key_mint(struct tk_str prefix, struct tk_str tag, uint64_t number, unsigned pepper_version,
                        const struct tk_key_mask *mask, struct tk_random random, struct tk_secret *ret_key);

/*
 * What a list may show of a key: prefix_tag_ and the first 4 locator characters. Writes at most
 * TK_KEY_HINT_MAX bytes with a NUL.
 */
#define TK_KEY_HINT_LOCATOR_CHARS 4
#define TK_KEY_HINT_MAX           (TK_KEY_PREFIX_MAX + 1 + TK_KEY_TAG_MAX + 1 + TK_KEY_HINT_LOCATOR_CHARS + 1)
void tk_key_hint(const struct tk_key_parts *parts, char ret_hint[TK_KEY_HINT_MAX]);

/*
 * For texts that quote what somebody typed or sent, where a key may stand in the place of a name: cut each,
 * in place, to its hint and `...`. What looks like one is 20 or more letters and digits after a `_`: also a
 * key with a slip in it, with its end cut off, or of another system. Returns whether there was any.
 */
bool tk_key_hide(char *text);

#endif
