/*
 * The digest of a key (digest.h): HMAC of RFC 2104 over nettle's SHA-256, from the two states that a pepper's
 * key pads leave, so that a decision hashes two blocks and not four. A set is filled at start and then only
 * read: any thread.
 */
#include "core/digest.h"

#include "core/secret.h"

#include <nettle/sha2.h>

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

/* Not nettle's hmac_sha256_update(): it writes to the context, which threads share here. */
static bool keyed_digest(const struct tk_pepper_set *set, unsigned version, const void *bytes, size_t len,
                         uint8_t ret_hash[TK_DIGEST_BYTES])
{
        if (version >= TK_PEPPER_VERSIONS || !set->present[version])
                return false;

        struct sha256_ctx inner = set->state[version].inner;
        struct sha256_ctx outer = set->state[version].outer;
        uint8_t inner_hash[SHA256_DIGEST_SIZE];

        sha256_update(&inner, len, bytes);
        sha256_digest(&inner, sizeof inner_hash, inner_hash);
        sha256_update(&outer, sizeof inner_hash, inner_hash);
        sha256_digest(&outer, TK_DIGEST_BYTES, ret_hash);
        tk_wipe(&inner, sizeof inner); /* its block buffer still holds the end of the key */
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
