/*
 * The gate directory itself: who may own it, and the lock that makes a daemon the only one. Called at start,
 * from one thread. Never looks at the files of the gate.
 */
#ifndef TK_GATE_DIR_H
#define TK_GATE_DIR_H

#include "core/error.h"
#include "core/fault.h"

#include <stdbool.h>

/*
 * Open the directory. It must be ours (effective user) and writable by nobody else; TK_DENIED otherwise.
 *   create  make it, mode 0700, when it is missing; else TK_NOT_FOUND
 *   ret_fd  the caller closes it
 */
enum tk_err tk_dir_open(const char *path, bool create, int *ret_fd, struct tk_fault *fault);

/*
 * Take the daemon's lock; held until ret_fd is closed, also by the death of the process. TK_BUSY: another
 * daemon has it.
 */
enum tk_err tk_dir_lock(int dir_fd, int *ret_fd, struct tk_fault *fault);

#endif
