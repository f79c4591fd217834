/*
 * Opens listening sockets. See listen.h.
 */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

union address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
};

static enum tk_err listen_fault(struct tk_fault *fault, const char *where, int error)
{
        switch (error) {
        case EADDRINUSE:
                tk_fault_set(fault, TK_FAULT_conflict, "listen",
                             "stop what listens there, or choose another port", "%s is in use", where);
                return TK_BUSY;
        case EACCES:
        case EPERM:
                tk_fault_set(fault, TK_FAULT_forbidden, "listen",
                             "choose a port above 1023, or another directory", "not allowed to listen on %s",
                             where);
                return TK_DENIED;
        case EADDRNOTAVAIL:
                return tk_fault_set(fault, TK_FAULT_invalid_value, "listen", "use an address of this machine",
                                    "%s is not an address of this machine", where);
        default:
                return tk_fault_set(fault, TK_FAULT_internal, "listen", NULL, "cannot listen on %s: %s",
                                    where, strerrordesc_np(error));
        }
}

static bool parse_address(const char *text, uint16_t port, union address *ret_address, socklen_t *ret_bytes)
{
        *ret_address = (union address){0};
        if (inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1) {
                ret_address->v4.sin_family = AF_INET;
                ret_address->v4.sin_port = htons(port);
                *ret_bytes = sizeof(ret_address->v4);
                return true;
        }
        if (inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1) {
                ret_address->v6.sin6_family = AF_INET6;
                ret_address->v6.sin6_port = htons(port);
                *ret_bytes = sizeof(ret_address->v6);
                return true;
        }
        return false;
}

/* -1 with errno. */
static int open_listener(const union address *address, socklen_t bytes)
{
        int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -1;
        const int on = 1;
        /* So that a restart need not wait for the connections of the last run to time out. */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, &address->any, bytes) == 0 &&
            (address->any.sa_family != AF_UNIX || chmod(address->local.sun_path, S_IRUSR | S_IWUSR) == 0) &&
            listen(fd, BACKLOG) == 0)
                return fd;
        int error = errno;
        close(fd);
        errno = error;
        return -1;
}

static uint16_t bound_port(int fd)
{
        union address address;
        socklen_t bytes = sizeof(address);
        if (getsockname(fd, &address.any, &bytes) != 0)
                return 0;
        return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

enum tk_err tk_listen_tcp(const char *address_text, uint16_t port, int *ret_fd, uint16_t *ret_port,
                          struct tk_fault *fault)
{
        union address address;
        socklen_t bytes;
        char where[80];
        snprintf(where, sizeof(where), "%.60s port %u", address_text, (unsigned)port);
        if (!parse_address(address_text, port, &address, &bytes))
                return tk_fault_set(fault, TK_FAULT_invalid_value, "listen",
                                    "use a numeric IPv4 or IPv6 address", "%.60s is not an address",
                                    address_text);
        int fd = open_listener(&address, bytes);
        if (fd < 0)
                return listen_fault(fault, where, errno);
        *ret_fd = fd;
        *ret_port = bound_port(fd);
        return TK_OK;
}

/* Whether nobody listens there any more. In doubt, as for a socket of another type or of another user, somebody does. */
static bool is_dead(const union address *address)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return false;
        bool refused = connect(fd, &address->any, sizeof(address->local)) != 0 && errno == ECONNREFUSED;
        close(fd);
        return refused;
}

/*
 * Make way for a new socket: what a killed daemon left is removed, and nothing else. The lock on the data directory says
 * that no daemon of this installation runs; a path given by hand may be anybody's.
 */
static enum tk_err clear_socket(const union address *address, struct tk_fault *fault)
{
        const char *path = address->local.sun_path;
        struct stat found;
        if (lstat(path, &found) != 0)
                return TK_OK; /* nothing there, or what bind() will say better */
        if (!S_ISSOCK(found.st_mode) || !is_dead(address)) {
                tk_fault_set(fault, TK_FAULT_conflict, "socket", "choose another path for the socket",
                             S_ISSOCK(found.st_mode) ? "another program listens on %s"
                                                     : "%s exists and is no socket",
                             path);
                return TK_CONFLICT;
        }
        if (unlink(path) != 0)
                return listen_fault(fault, path, errno);
        return TK_OK;
}

enum tk_err tk_listen_unix(const char *path, int *ret_fd, struct tk_fault *fault)
{
        union address address = {.local = {.sun_family = AF_UNIX}};
        if (strlen(path) >= sizeof(address.local.sun_path))
                return tk_fault_set(fault, TK_FAULT_invalid_value, "socket",
                                    "use a data directory with a shorter path",
                                    "the path %.60s... is longer than a Unix socket's may be", path);
        memcpy(address.local.sun_path, path, strlen(path) + 1);
        enum tk_err err = clear_socket(&address, fault);
        if (err != TK_OK)
                return err;
        int fd = open_listener(&address, sizeof(address.local));
        if (fd < 0)
                return listen_fault(fault, path, errno);
        *ret_fd = fd;
        return TK_OK;
}
