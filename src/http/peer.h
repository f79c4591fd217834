/*
 * Who is at the other end of a connection. Made once when it opens, on its network thread, and read by every request on
 * it: no request asks the kernel again.
 */
#ifndef TK_HTTP_PEER_H
#define TK_HTTP_PEER_H

#include "core/cidr.h"

#include <sys/socket.h>

struct tk_peer {
        bool trusted; /* on the Unix socket, and root or the daemon's own user: needs no key */
        bool known;   /* one of the listed peers: may verify, explain and read the counters without a key */
        bool proxy;   /* speaks for others, and is believed; or somebody for whom such a one spoke */
        struct tk_ip ip;               /* family 0 on the Unix socket */
        char source[TK_CIDR_TEXT_MAX]; /* its address, or `local` */
        char actor[32];                /* `socket:UID` on the Unix socket */
};

/* A peer on TCP. `listed` are the blocks of known peers. */
void tk_peer_from_address(const struct sockaddr *address, const struct tk_cidr *listed, uint32_t listed_count,
                          struct tk_peer *ret_peer);

/* A peer on the Unix socket; who it is says the kernel (SO_PEERCRED). */
void tk_peer_from_socket(int fd, struct tk_peer *ret_peer);

#endif
