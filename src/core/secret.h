/*
 * Secrets live in a type of their own: fixed storage, wiped on release, compared in constant time, never printed.
 * The length is not secret.
 */
#ifndef TK_CORE_SECRET_H
#define TK_CORE_SECRET_H

#include "core/str.h"

#include <stdint.h>

#define TK_SECRET_MAX 128

struct tk_secret {
        uint32_t len;
        uint8_t bytes[TK_SECRET_MAX];
};

/* Copy in. False, and ret_secret empty, when len > TK_SECRET_MAX. */
bool tk_secret_set(struct tk_secret *ret_secret, const void *bytes, size_t len);

/* Overwrite with zeros in a way that the compiler keeps. Safe on NULL. */
void tk_secret_wipe(struct tk_secret *secret);
void tk_wipe(void *bytes, size_t len);

/* A view of the secret's bytes. Valid until it is wiped. Never log it. */
struct tk_str tk_secret_view(const struct tk_secret *secret);

/* Constant time in the content. */
bool tk_secret_equal(const struct tk_secret *a, const struct tk_secret *b);
bool tk_equal_constant_time(const void *a, const void *b, size_t len);

#endif
