/*
 * IP addresses and CIDR blocks, IPv4 and IPv6 (RFC 4291, RFC 4632). IPv4-mapped IPv6 (::ffff:a.b.c.d) is IPv4, so that
 * a dual-stack listener cannot slip past an IPv4 rule. Pure.
 */
#ifndef TK_CORE_CIDR_H
#define TK_CORE_CIDR_H

#include "core/str.h"

#include <stdint.h>

#define TK_CIDR_TEXT_MAX 44 /* with NUL */

struct tk_ip {
        uint8_t family;    /* 4 or 6; 0 = none known */
        uint8_t bytes[16]; /* network order; IPv4 in the first 4, the rest zero */
};

struct tk_cidr {
        uint8_t family;
        uint8_t prefix_bits;
        uint8_t bytes[16]; /* host bits zero */
};

/* Strict textual forms: dotted quad without leading zeros, RFC 4291 text; no zone, port or space. */
bool tk_ip_parse(struct tk_str text, struct tk_ip *ret_ip);

/* `address/bits` or a single address (/32, /128). Host bits that are set are refused: they are nearly always a slip. */
bool tk_cidr_parse(struct tk_str text, struct tk_cidr *ret_cidr);

bool tk_cidr_contains(const struct tk_cidr *cidr, const struct tk_ip *ip);

/* Canonical text (RFC 5952), NUL-terminated. */
void tk_cidr_format(const struct tk_cidr *cidr, char ret_text[TK_CIDR_TEXT_MAX]);
void tk_ip_format(const struct tk_ip *ip, char ret_text[TK_CIDR_TEXT_MAX]);

#endif
