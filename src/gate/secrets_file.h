/*
 * The pepper file on disk, for all who must verify keys: the daemon at its start, and processes that decide with the
 * library. Reads it only when it is the user's own and closed to everybody else. Never writes it: the daemon does.
 */
#ifndef TK_GATE_SECRETS_FILE_H
#define TK_GATE_SECRETS_FILE_H

#include "core/error.h"
#include "core/fault.h"
#include "core/pepper_file.h"

/*
 * Which state of the file was read: differs from that of any other, unless two were written within one tick
 * of the file system's clock in the same place and of the same size, which the daemon never does: it writes a
 * new file and renames it.
 */
struct tk_secrets_version {
        uint64_t device, inode, size;
        int64_t changed_s, changed_ns;
};

/* The state of the file now, without reading it. False: there is none, or it cannot be looked at. */
bool tk_secrets_file_version(const char *path, struct tk_secrets_version *ret_version);

/*
 * Read the file. Whoever has *ret_file ends it with tk_pepper_file_fini(). Nothing is left in memory on failure.
 *   ret_version  of what was read; NULL: not wanted
 * TK_NOT_FOUND: there is none; TK_DENIED: it is a link or no file, another user's, or others may read it;
 * TK_CORRUPT: its content; TK_IO. `fault` says which file, what is wrong and how to mend it. Any thread.
 */
enum tk_err tk_secrets_file_read(const char *path, struct tk_pepper_file *ret_file,
                                 struct tk_secrets_version *ret_version, struct tk_fault *fault);

#endif
