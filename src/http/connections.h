/*
 * The server's connections: who may open one, who is known, and how long each may take. Bounds what strangers can hold:
 * connections in all, of one address, and the time in which a request must have come and its answer be taken. A thread of its own
 * looks twice a second for those that are overdue, and shuts their sockets; libmicrohttpd then closes them.
 *
 * The limits and lists may change at any time; a connection that is open is judged by the new ones from its next request on.
 */
#ifndef TK_HTTP_CONNECTIONS_H
#define TK_HTTP_CONNECTIONS_H

#include "core/cidr.h"
#include "core/error.h"
#include "http/peer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct tk_connections;

struct tk_connection_rules {
        const struct tk_cidr *verify_peers; /* who may verify and read the counters without a key */
        uint32_t verify_peer_count;
        const struct tk_cidr *trusted_proxies; /* whose X-Forwarded-For is believed */
        uint32_t trusted_proxy_count;
        unsigned connections_max; /* on TCP; an eighth is for verify_peers and trusted_proxies alone */
        unsigned
                connections_per_address; /* of an IPv4 address, an IPv6 /64; those two lists are not counted */
        unsigned request_timeout_s, idle_timeout_s;
};

/* What a connection is to this file; part of struct tk_connection (request.h). */
struct tk_connection_seat {
        struct tk_connection_seat *previous, *next; /* by lock, like the following */
        struct tk_connection_address *address;      /* NULL: not counted */
        bool tcp;
        int fd;
        uint64_t rules; /* the number of those by which its peer was judged */
        /* Monotonic; set by its network thread, or by a worker, at each step: relaxed, it is a matter of seconds. */
        _Atomic uint64_t deadline_ns;
};
#define TK_NO_DEADLINE UINT64_MAX

enum tk_err tk_connections_open(const struct tk_connection_rules *rules,
                                struct tk_connections **ret_connections);
/* When no connection is left. NULL is allowed. */
void tk_connections_close(struct tk_connections *connections);

/* New rules, copied. TK_NOMEM: the old ones stay. */
enum tk_err tk_connections_change(struct tk_connections *connections,
                                  const struct tk_connection_rules *rules);

/* Whether one more from this address may be opened now. */
bool tk_connections_admit(struct tk_connections *connections, const struct sockaddr *address);

/* It is open. `address` NULL: on the Unix socket. Fills the seat and *ret_peer. */
void tk_connections_add(struct tk_connections *connections, struct tk_connection_seat *seat, int fd,
                        const struct sockaddr *address, struct tk_peer *ret_peer);
/* Before its socket is closed. */
void tk_connections_remove(struct tk_connections *connections, struct tk_connection_seat *seat);

/* Judge a peer anew where the rules have changed since. On the connection's thread, at each request. */
void tk_connections_judge(struct tk_connections *connections, struct tk_connection_seat *seat,
                          struct tk_peer *inout_peer);
/* A client that a trusted proxy speaks for. */
void tk_connections_forwarded(struct tk_connections *connections, struct tk_str forwarded_for,
                              struct tk_peer *inout_peer);

/* How long the next step may take, in nanoseconds. */
uint64_t tk_connections_request_ns(const struct tk_connections *connections);
uint64_t tk_connections_idle_ns(const struct tk_connections *connections);

struct tk_connections_stats {
        uint64_t refused_full, refused_address; /* not opened */
        uint64_t overdue;                       /* shut */
};
void tk_connections_stats(struct tk_connections *connections, struct tk_connections_stats *ret_stats);

#endif
