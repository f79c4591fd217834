/*
 * A disk that fails on purpose: SQLite's default VFS with its writes, syncs and growth counted. Registered as the default,
 * so that the registry's own connections run on it.
 */
#ifndef TK_TESTS_REGISTRY_FAULTY_VFS_H
#define TK_TESTS_REGISTRY_FAULTY_VFS_H

#include <stdbool.h>

void faulty_vfs_register(void);

/*
 * Fail the n-th call from now, and with `for_good` all after it, with a code of SQLite's: SQLITE_FULL fails writes,
 * SQLITE_IOERR fails writes and syncs. n = 0 mends the disk.
 */
void faulty_vfs_arm(unsigned n, bool for_good, int code);

bool faulty_vfs_hit(void);

#endif
