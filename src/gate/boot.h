/*
 * Which boot of the machine this is: the kernel's id of it, drawn at each start. Read whenever a set of files
 * is made or opened, from one thread. Never cached, never compared with anything here.
 */
#ifndef TK_GATE_BOOT_H
#define TK_GATE_BOOT_H

#include "core/error.h"

#include <stdint.h>

#define TK_BOOT_ID_BYTES 16

/*
 * The id, or zeros where this process is not shown one (/proc is not mounted, or hides it). TK_IO, TK_NOMEM:
 * the system could not open or read it now, for want of a descriptor say, which tells nothing.
 */
enum tk_err tk_boot_id(uint8_t ret_id[TK_BOOT_ID_BYTES]);

#endif
