/*
 * The system source of random bytes (random.h): libsodium's generator, seeded by the kernel. Any thread after
 * init.
 */
#include "core/random.h"

#include <sodium.h>

int tk_random_init(void)
{
        return sodium_init() < 0 ? -1 : 0; /* 1 means that it was done before */
}

static void fill_from_system(void *context, void *ret_bytes, size_t len)
{
        (void)context;
        randombytes_buf(ret_bytes, len);
}

struct tk_random tk_random_system(void)
{
        return (struct tk_random){.fill = fill_from_system, .context = NULL};
}
