/*
 * IP addresses and CIDR blocks (cidr.h). Pure; any thread. tk_cidr_contains() and tk_ip_parse() are on the
 * decision path. The text forms are the C library's inet_pton() and inet_ntop(), which are strict and
 * canonical (checked by the tests).
 */
#include "core/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS  96
#define MAPPED_BYTES 12

static const uint8_t mapped_prefix[MAPPED_BYTES] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/* inet_pton() wants a NUL at the end, and so must find none before it. A mapped address is still family 6. */
static bool parse_as_written(struct tk_str text, struct tk_ip *ret_ip)
{
        char copy[INET6_ADDRSTRLEN];
        struct tk_ip ip = {0};

        if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len) != NULL)
                return false;
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        if (inet_pton(AF_INET, copy, ip.bytes) == 1)
                ip.family = 4;
        else if (inet_pton(AF_INET6, copy, ip.bytes) == 1)
                ip.family = 6;
        else
                return false;
        *ret_ip = ip;
        return true;
}

static bool unmap(struct tk_ip *ip)
{
        if (ip->family != 6 || memcmp(ip->bytes, mapped_prefix, MAPPED_BYTES) != 0)
                return false;
        memcpy(ip->bytes, ip->bytes + MAPPED_BYTES, 4);
        memset(ip->bytes + 4, 0, 12);
        ip->family = 4;
        return true;
}

bool tk_ip_parse(struct tk_str text, struct tk_ip *ret_ip)
{
        if (!parse_as_written(text, ret_ip))
                return false;
        unmap(ret_ip);
        return true;
}

/* One to three digits without a leading zero. */
static bool parse_bits(struct tk_str text, unsigned most, unsigned *ret_bits)
{
        uint64_t bits;

        if (text.len > 3 || !tk_str_to_u64(text, &bits) || bits > most ||
            (text.len > 1 && text.ptr[0] == '0'))
                return false;
        *ret_bits = (unsigned)bits;
        return true;
}

static unsigned address_bits(uint8_t family)
{
        return family == 4 ? 32 : 128;
}

static bool host_bits_zero(const struct tk_ip *ip, unsigned prefix_bits)
{
        for (unsigned bit = prefix_bits; bit < address_bits(ip->family); bit++) {
                if (ip->bytes[bit / 8] >> (7 - bit % 8) & 1)
                        return false;
        }
        return true;
}

bool tk_cidr_parse(struct tk_str text, struct tk_cidr *ret_cidr)
{
        struct tk_str address, length;
        struct tk_ip ip;

        bool has_length = tk_str_cut(text, '/', &address, &length);
        if (!parse_as_written(address, &ip))
                return false;
        unsigned bits = address_bits(ip.family);
        if ((has_length && !parse_bits(length, bits, &bits)) || !host_bits_zero(&ip, bits))
                return false;
        if (unmap(&ip))
                bits -= MAPPED_BITS; /* or its ffff would have been host bits */

        *ret_cidr = (struct tk_cidr){.family = ip.family, .prefix_bits = (uint8_t)bits};
        memcpy(ret_cidr->bytes, ip.bytes, sizeof ret_cidr->bytes);
        return true;
}

bool tk_cidr_contains(const struct tk_cidr *cidr, const struct tk_ip *ip)
{
        if (cidr->family == 0 || cidr->family != ip->family)
                return false;

        unsigned whole = cidr->prefix_bits / 8, rest = cidr->prefix_bits % 8;
        if (memcmp(cidr->bytes, ip->bytes, whole) != 0)
                return false;
        return rest == 0 || (cidr->bytes[whole] ^ ip->bytes[whole]) >> (8 - rest) == 0;
}

static void format_address(uint8_t family, const uint8_t bytes[16], char ret_text[TK_CIDR_TEXT_MAX])
{
        ret_text[0] = '\0';
        if (family == 4 || family == 6)
                inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, ret_text, TK_CIDR_TEXT_MAX);
}

void tk_ip_format(const struct tk_ip *ip, char ret_text[TK_CIDR_TEXT_MAX])
{
        format_address(ip->family, ip->bytes, ret_text);
}

void tk_cidr_format(const struct tk_cidr *cidr, char ret_text[TK_CIDR_TEXT_MAX])
{
        format_address(cidr->family, cidr->bytes, ret_text);
        size_t len = strlen(ret_text);
        snprintf(ret_text + len, TK_CIDR_TEXT_MAX - len, "/%u", cidr->prefix_bits);
}
