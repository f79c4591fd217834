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

/*
 * A block, and a hash, as the pairs of words that the compression function loads: it waits some nanoseconds for bytes that were not
 * stored in the same 16.
 */
typedef uint64_t block_pair __attribute__((vector_size(16)));
#define BLOCK_PAIRS (SHA256_BLOCK_SIZE / 16)

struct block {
        block_pair pairs[BLOCK_PAIRS];
};
struct hash {
        block_pair pairs[TK_DIGEST_BYTES / 16];
};

static uint64_t load_word(const uint8_t *at)
{
        uint64_t word;
        memcpy(&word, at, sizeof word);
        return le64toh(word);
}

/* The bytes of a text from `at` on, as a word: all 8, or the rest of them and the one bit that ends a message. */
static inline uint64_t word_at(const uint8_t *text, size_t len, size_t at)
{
        if (at + 8 <= len)
                return load_word(text + at);
        if (at > len)
                return 0;

        size_t rest = len - at;
        uint64_t word = 0;
        if (rest && len >= 8)
                word = load_word(text + len - 8) >> (8 - rest) * 8;
        else
                for (size_t i = 0; i < rest; i++)
                        word |= (uint64_t)text[i] << i * 8;
        return word | UINT64_C(0x80) << rest * 8;
}

/* A message's last block (FIPS 180-4, 5.1.1): text, a one bit, zeros, the length in bits with the pad that was the first block. */
static void fill_block(struct block *block, const uint8_t *text, size_t len)
{
#pragma GCC unroll 4
        for (size_t i = 0; i < BLOCK_PAIRS; i++)
                block->pairs[i] = (block_pair){htole64(word_at(text, len, i * 16)),
                                               htole64(word_at(text, len, i * 16 + 8))};
        block->pairs[BLOCK_PAIRS - 1][1] |= htobe64((SHA256_BLOCK_SIZE + len) * 8);
}

/* The same for a hash. */
static void fill_block_with(struct block *block, const struct hash *hash)
{
        block->pairs[0] = hash->pairs[0];
        block->pairs[1] = hash->pairs[1];
        block->pairs[2] = (block_pair){htole64(0x80), 0};
        block->pairs[3] = (block_pair){0, htobe64((SHA256_BLOCK_SIZE + TK_DIGEST_BYTES) * 8)};
}

/* Two words of the state, which are big-endian in a hash. */
static inline uint64_t hash_word(const uint32_t *state)
{
        return htobe64((uint64_t)state[0] << 32 | state[1]);
}

/*
 * Not nettle's hmac_sha256_update(): it writes to the context, which threads share here. And with a context that has nothing
 * buffered, a block that is padded already goes straight through, which takes a seventh off the whole digest.
 */
static void hash_block(const struct sha256_ctx *pad, const struct block *block, struct hash *ret_hash)
{
        struct sha256_ctx context;

        memcpy(context.state, pad->state, sizeof context.state);
        context.count = 1;
        context.index = 0;
        sha256_update(&context, SHA256_BLOCK_SIZE, (const uint8_t *)block);
        ret_hash->pairs[0] = (block_pair){hash_word(context.state), hash_word(context.state + 2)};
        ret_hash->pairs[1] = (block_pair){hash_word(context.state + 4), hash_word(context.state + 6)};
}

static void hash_long(const struct sha256_ctx *pad, const void *text, size_t len, struct hash *ret_hash)
{
        struct sha256_ctx context = *pad;

        sha256_update(&context, len, text);
        sha256_digest(&context, sizeof *ret_hash, (uint8_t *)ret_hash);
        tk_wipe(&context, sizeof context); /* its block buffer still holds the end of the key */
}

static bool keyed_digest(const struct tk_pepper_set *set, unsigned version, const void *text, size_t len,
                         uint8_t ret_hash[TK_DIGEST_BYTES])
{
        if (version >= TK_PEPPER_VERSIONS || !set->present[version])
                return false;

        const struct hmac_sha256_ctx *state = &set->state[version];
        struct block block;
        struct hash hash;
        if (len <= BLOCK_TEXT_MAX) {
                fill_block(&block, text, len);
                hash_block(&state->inner, &block, &hash);
        } else {
                hash_long(&state->inner, text, len, &hash);
        }
        fill_block_with(&block, &hash); /* over what there was of the key */
        hash_block(&state->outer, &block, &hash);
        memcpy(ret_hash, &hash, sizeof hash);
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
