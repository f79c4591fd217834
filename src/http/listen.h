/*
 * Listening sockets, made here and not by libmicrohttpd so that a failure can say what is in the way. At start only.
 */
#ifndef TK_HTTP_LISTEN_H
#define TK_HTTP_LISTEN_H

#include "core/error.h"
#include "core/fault.h"

#include <stdint.h>

/*
 * TCP on a numeric address. Port 0: any free one; *ret_port is the one it got.
 * TK_INVALID, TK_BUSY (somebody else listens there), TK_DENIED, TK_IO.
 */
enum tk_err tk_listen_tcp(const char *address, uint16_t port, int *ret_fd, uint16_t *ret_port,
                          struct tk_fault *fault);

/* A Unix socket with mode 0600; replaces one that a dead daemon left. */
enum tk_err tk_listen_unix(const char *path, int *ret_fd, struct tk_fault *fault);

#endif
