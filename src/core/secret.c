/*
 * Secrets in fixed storage (secret.h). Pure; any thread. Wiping and comparing are libsodium's, which the
 * compiler cannot remove or shorten. Never allocates, never prints.
 */
#include "core/secret.h"

#include <sodium.h>

#include <string.h>

void tk_wipe(void *bytes, size_t len)
{
        sodium_memzero(bytes, len);
}

void tk_secret_wipe(struct tk_secret *secret)
{
        if (secret != NULL)
                tk_wipe(secret, sizeof *secret);
}

bool tk_secret_set(struct tk_secret *ret_secret, const void *bytes, size_t len)
{
        tk_secret_wipe(ret_secret);
        if (len > TK_SECRET_MAX)
                return false;
        if (len > 0)
                memcpy(ret_secret->bytes, bytes, len);
        ret_secret->len = (uint32_t)len;
        return true;
}

struct tk_str tk_secret_view(const struct tk_secret *secret)
{
        return (struct tk_str){(const char *)secret->bytes, secret->len};
}

bool tk_equal_constant_time(const void *a, const void *b, size_t len)
{
        return sodium_memcmp(a, b, len) == 0;
}

bool tk_secret_equal(const struct tk_secret *a, const struct tk_secret *b)
{
        return a->len == b->len && tk_equal_constant_time(a->bytes, b->bytes, a->len);
}
