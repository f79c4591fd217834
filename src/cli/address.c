/*
 * Takes addresses apart. Pure.
 */
#include "cli/address.h"

#include "core/cidr.h"

#include <string.h>

/* Without the brackets that IPv6 has in URLs and beside ports. */
static struct tk_str unbracket(struct tk_str host)
{
        if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
                return (struct tk_str){host.ptr + 1, host.len - 2};
        return host;
}

bool tk_cli_host_is_loopback(const char *host)
{
        static const uint8_t one[16] = {[15] = 1};
        struct tk_ip ip;
        if (!tk_ip_parse(unbracket(tk_str_from(host)), &ip))
                return strcmp(host, "localhost") == 0;
        return ip.family == 4 ? ip.bytes[0] == 127 : memcmp(ip.bytes, one, sizeof(one)) == 0;
}

bool tk_cli_listen_parse(const char *text, char *ret_address, size_t address_size, uint16_t *ret_port)
{
        const char *colon = strrchr(text, ':');
        if (!colon)
                return false;
        struct tk_str whole = {text, (size_t)(colon - text)};
        struct tk_str host = unbracket(whole);
        bool bracketed = host.len != whole.len;
        struct tk_ip ip;
        uint64_t port;
        if (!tk_ip_parse(host, &ip) || host.len >= address_size || (ip.family == 6) != bracketed)
                return false;
        if (!tk_str_to_u64(tk_str_from(colon + 1), &port) || port > UINT16_MAX)
                return false;
        memcpy(ret_address, host.ptr, host.len);
        ret_address[host.len] = '\0';
        *ret_port = (uint16_t)port;
        return true;
}
