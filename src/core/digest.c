/*
 * The digest of a key (digest.h): HMAC of RFC 2104 over nettle's SHA-256, from the two states that a pepper's
 * key pads leave, so that a decision hashes two blocks and not four. A set is filled at start and then only
 * read: any thread.
 */
#include "core/digest.h"

#include "core/secret.h"

#include <nettle/sha2.h>

#include <endian.h>
#include <string.h>

_Static_assert(TK_DIGEST_BYTES == SHA256_DIGEST_SIZE, "a digest is one SHA-256");

void tk_pepper_set_init(struct tk_pepper_set *set)
{
        memset(set, 0, sizeof *set);
}

void tk_pepper_set_fini(struct tk_pepper_set *set)
{
        if (set != NULL)
                tk_wipe(set, sizeof *set);
}

enum tk_err tk_pepper_set_add(struct tk_pepper_set *set, unsigned version,
                              const uint8_t pepper[TK_PEPPER_BYTES])
{
        if (version >= TK_PEPPER_VERSIONS)
                return TK_INVALID;
        if (set->present[version])
                return TK_CONFLICT;
        hmac_sha256_set_key(&set->state[version], TK_PEPPER_BYTES, pepper);
        set->present[version] = true;
        return TK_OK;
}

/* ---- one more block after a pad: most keys, and every inner hash ---- */

#define BLOCK_TEXT_MAX (SHA256_BLOCK_SIZE - 9)

/* A message's last block (FIPS 180-4, 5.1.1): text, a one bit, zeros, the length in bits with the pad that was the first block. */
static void fill_block(uint8_t block[SHA256_BLOCK_SIZE], const void *text, size_t len)
{
        size_t bits = (SHA256_BLOCK_SIZE + len) * 8;

        memset(block, 0, SHA256_BLOCK_SIZE);
        memcpy(block, text, len);
        block[len] = 0x80;
        block[SHA256_BLOCK_SIZE - 2] = (uint8_t)(bits >> 8);
        block[SHA256_BLOCK_SIZE - 1] = (uint8_t)bits;
}

/*
 * Not nettle's hmac_sha256_update(): it writes to the context, which threads share here. And with a context that has nothing
 * buffered, a block that is padded already goes straight through, which takes a seventh off the whole digest.
 */
static void hash_block(const struct sha256_ctx *pad, const uint8_t block[SHA256_BLOCK_SIZE],
                       uint8_t ret_hash[TK_DIGEST_BYTES])
{
        struct sha256_ctx context;

        memcpy(context.state, pad->state, sizeof context.state);
        context.count = 1;
        context.index = 0;
        sha256_update(&context, SHA256_BLOCK_SIZE, block);
        for (size_t i = 0; i < TK_DIGEST_BYTES / 4; i++) {
                uint32_t word = htobe32(context.state[i]);
                memcpy(ret_hash + i * 4, &word, sizeof word);
        }
}

static void hash_long(const struct sha256_ctx *pad, const void *text, size_t len,
                      uint8_t ret_hash[TK_DIGEST_BYTES])
{
        struct sha256_ctx context = *pad;

        sha256_update(&context, len, text);
        sha256_digest(&context, TK_DIGEST_BYTES, ret_hash);
        tk_wipe(&context, sizeof context); /* its block buffer still holds the end of the key */
}

static bool keyed_digest(const struct tk_pepper_set *set, unsigned version, const void *text, size_t len,
                         uint8_t ret_hash[TK_DIGEST_BYTES])
{
        if (version >= TK_PEPPER_VERSIONS || !set->present[version])
                return false;

        uint8_t block[SHA256_BLOCK_SIZE];
        uint8_t inner_hash[TK_DIGEST_BYTES];
        if (len <= BLOCK_TEXT_MAX) {
                fill_block(block, text, len);
                hash_block(&set->state[version].inner, block, inner_hash);
        } else {
                hash_long(&set->state[version].inner, text, len, inner_hash);
        }
        fill_block(block, inner_hash, sizeof inner_hash); /* over what there was of the key */
        hash_block(&set->state[version].outer, block, ret_hash);
        return true;
}

bool tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                   struct tk_digest *ret_digest)
{
        return keyed_digest(set, pepper_version, presented.ptr, presented.len, ret_digest->bytes);
}

bool tk_digest_foreign(const struct tk_pepper_set *set, unsigned pepper_version, const uint8_t sha256[32],
                       struct tk_digest *ret_digest)
{
        return keyed_digest(set, pepper_version, sha256, SHA256_DIGEST_SIZE, ret_digest->bytes);
}

void tk_sha256(const void *bytes, size_t len, uint8_t ret_hash[32])
{
        struct sha256_ctx context;

        sha256_init(&context);
        sha256_update(&context, len, bytes);
        sha256_digest(&context, SHA256_DIGEST_SIZE, ret_hash);
        tk_wipe(&context, sizeof context);
}

bool tk_pepper_check(const struct tk_pepper_set *set, unsigned version, uint8_t ret_check[8])
{
        static const struct tk_str message = {"tollkeeper pepper check",
                                              sizeof "tollkeeper pepper check" - 1};
        uint8_t hash[TK_DIGEST_BYTES];

        if (!keyed_digest(set, version, message.ptr, message.len, hash))
                return false;
        memcpy(ret_check, hash, 8);
        return true;
}

bool tk_digest_equal(const struct tk_digest *a, const struct tk_digest *b)
{
        return tk_equal_constant_time(a->bytes, b->bytes, TK_DIGEST_BYTES);
}
