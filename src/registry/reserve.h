/*
 * Space on the registry's disk that is kept free for the fast lane: a file of real blocks beside the database. When the
 * disk is full it is given back slice by slice, so that revocations can still be recorded, and no more of it is exposed to
 * whatever else fills the disk than they need.
 *
 * Owned by the writer thread; nothing here is shared.
 */
#ifndef TK_REGISTRY_RESERVE_H
#define TK_REGISTRY_RESERVE_H

#include "core/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct tk_reserve {
        char path[PATH_MAX]; /* `reserve` in the folder of the database */
        uint64_t want_bytes; /* 0: no reserve is kept */
        uint64_t held_bytes;
};

/*
 * Set up for the database at `database_path`, holding what an earlier run left. TK_INVALID when the path is too long; TK_IO.
 *   want_bytes  rounded up to a multiple of 64 KiB
 */
enum tk_err tk_reserve_init(struct tk_reserve *reserve, const char *database_path, uint64_t want_bytes);

/* Take what is missing from the disk, all of it or no more than is held. TK_FULL, TK_IO. */
enum tk_err tk_reserve_fill(struct tk_reserve *reserve);

/*
 * Give `useful_bytes` back to the disk; a slice, an eighth of the whole, when that is 0 or more than is held. False when
 * nothing is left to give.
 */
bool tk_reserve_spend(struct tk_reserve *reserve, uint64_t useful_bytes);

/* Everything is held that is wanted. */
bool tk_reserve_whole(const struct tk_reserve *reserve);

#endif
