/*
 * Addresses as the command line takes them. Pure.
 */
#ifndef TK_CLI_ADDRESS_H
#define TK_CLI_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `localhost`, or an address of the loopback interface; IPv6 may stand in brackets. */
bool tk_cli_host_is_loopback(const char *host);

/*
 * `127.0.0.1:8420` or `[::1]:8420`. False when it is not a numeric address and a port.
 *   ret_address  without brackets, NUL-terminated
 */
bool tk_cli_listen_parse(const char *text, char *ret_address, size_t address_size, uint16_t *ret_port);

#endif
