/*
 * Fuzz target: addresses and blocks as text (core/cidr.h).
 */
#include "fuzz.h"

#include "core/cidr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_str text = fuzz_text(bytes, len);
        char canonical[TK_CIDR_TEXT_MAX];
        struct tk_ip ip = {0}, same_ip = {0};
        struct tk_cidr cidr, same_cidr, single;

        if (tk_ip_parse(text, &ip)) {
                tk_ip_format(&ip, canonical);
                CHECK(tk_ip_parse(tk_str_from(canonical), &same_ip) && memcmp(&ip, &same_ip, sizeof ip) == 0);
                CHECK(tk_cidr_parse(text, &single) && tk_cidr_contains(&single, &ip));
        }
        if (tk_cidr_parse(text, &cidr)) {
                tk_cidr_format(&cidr, canonical);
                CHECK(tk_cidr_parse(tk_str_from(canonical), &same_cidr));
                CHECK(memcmp(&cidr, &same_cidr, sizeof cidr) == 0);
                ip = (struct tk_ip){.family = cidr.family};
                memcpy(ip.bytes, cidr.bytes, sizeof ip.bytes);
                CHECK(tk_cidr_contains(&cidr, &ip));
        }
        return 0;
}
