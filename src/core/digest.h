/*
 * What is stored instead of a key: HMAC-SHA-256(pepper, presented key), RFC 2104 and FIPS 180-4, by nettle, with the
 * two keyed states computed once for each pepper version. Foreign keys: HMAC(pepper, SHA-256(key)).
 * A pepper set is built at start and only read afterwards: any thread.
 */
#ifndef TK_CORE_DIGEST_H
#define TK_CORE_DIGEST_H

#include "core/error.h"
#include "core/str.h"

#include <nettle/hmac.h>

#include <stdbool.h>
#include <stdint.h>

#define TK_DIGEST_BYTES    32
#define TK_PEPPER_BYTES    32
#define TK_PEPPER_VERSIONS 16

struct tk_digest {
        uint8_t bytes[TK_DIGEST_BYTES];
};

struct tk_pepper_set {
        bool present[TK_PEPPER_VERSIONS];
        struct hmac_sha256_ctx state[TK_PEPPER_VERSIONS];
};

void tk_pepper_set_init(struct tk_pepper_set *set);
void tk_pepper_set_fini(struct tk_pepper_set *set); /* wipes */

/* Add the pepper of one version (0 to 15). TK_INVALID when out of range, TK_CONFLICT when already there. */
enum tk_err tk_pepper_set_add(struct tk_pepper_set *set, unsigned version,
                              const uint8_t pepper[TK_PEPPER_BYTES]);

/* The digest of an issued key. False when the set lacks this version. */
bool tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                   struct tk_digest *ret_digest);

/* The digest of a foreign key, from its SHA-256. */
bool tk_digest_foreign(const struct tk_pepper_set *set, unsigned pepper_version, const uint8_t sha256[32],
                       struct tk_digest *ret_digest);

void tk_sha256(const void *bytes, size_t len, uint8_t ret_hash[32]);

/*
 * A value that proves which pepper a version has without revealing it: the first 8 bytes of
 * HMAC-SHA-256(pepper, "tollkeeper pepper check"). Kept in the registry so that a wrong pepper file is
 * noticed at start.
 */
bool tk_pepper_check(const struct tk_pepper_set *set, unsigned version, uint8_t ret_check[8]);

/* Constant time. */
bool tk_digest_equal(const struct tk_digest *a, const struct tk_digest *b);

#endif
