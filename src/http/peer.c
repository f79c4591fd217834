/*
 * Tells who is at the other end of a connection. See peer.h.
 */
#include "http/peer.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* IPv4-mapped IPv6 is IPv4, so that a rule for 10.0.0.0/8 also holds on a dual-stack listener. */
static struct tk_ip address_ip(const struct sockaddr *address)
{
        struct tk_ip ip = {0};
        if (address->sa_family == AF_INET) {
                const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
                ip.family = 4;
                memcpy(ip.bytes, &v4->sin_addr, 4);
        } else if (address->sa_family == AF_INET6) {
                const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
                bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
                ip.family = mapped ? 4 : 6;
                memcpy(ip.bytes, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
        }
        return ip;
}

void tk_peer_from_address(const struct sockaddr *address, const struct tk_cidr *listed, uint32_t listed_count,
                          struct tk_peer *ret_peer)
{
        struct tk_peer peer = {.ip = address_ip(address)};
        for (uint32_t i = 0; i < listed_count && !peer.known; i++)
                peer.known = tk_cidr_contains(&listed[i], &peer.ip);
        if (peer.ip.family != 0)
                tk_ip_format(&peer.ip, peer.source);
        *ret_peer = peer;
}

void tk_peer_from_socket(int fd, struct tk_peer *ret_peer)
{
        struct tk_peer peer = {.source = "local"};
        struct ucred who;
        socklen_t bytes = sizeof(who);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) == 0) {
                peer.trusted = who.uid == 0 || who.uid == geteuid();
                snprintf(peer.actor, sizeof(peer.actor), "socket:%u", (unsigned)who.uid);
        }
        peer.known = peer.trusted;
        *ret_peer = peer;
}
