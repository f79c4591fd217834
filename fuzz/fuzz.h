/*
 * What every fuzz target includes: the entry point that libFuzzer calls, and a check that ends the program at the first
 * property that does not hold. Each target is one file, checks properties and not only that nothing crashes, and has its
 * kept inputs in corpus/NAME/.
 */
#ifndef TK_FUZZ_FUZZ_H
#define TK_FUZZ_FUZZ_H

#include "core/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define CHECK(property)                                                                                      \
        do {                                                                                                 \
                if (!(property)) {                                                                           \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property);        \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

static inline struct tk_str fuzz_text(const uint8_t *bytes, size_t len)
{
        return (struct tk_str){(const char *)bytes, len};
}

#endif
