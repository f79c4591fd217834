/*
 * Which ring a thread writes its events into. Each handle of the gate has a row of seats, one for each ring;
 * a thread takes one at its first decision and leaves it when it ends or the gate is closed. A ring belongs
 * to one process by a lock on a byte of the file, which the kernel releases with the process; to one of its
 * threads by `taken`. Called on any thread of a decider. Never waits.
 */
#ifndef TK_GATE_SEAT_H
#define TK_GATE_SEAT_H

#include "gate/ring.h"

#include <pthread.h>

struct tk_seats;

/* What a thread knows of its ring. Only that thread uses it, but for `taken`. */
struct tk_seat {
        struct tk_format_ring *ring; /* NULL: nobody's; so are all in a child of fork() */
        uint64_t head;               /* events written; what stands in the ring is only told to others */
        uint64_t tail;               /* as last read in the ring */
        uint64_t mask;               /* events of the ring, less 1 */
        uint64_t dropped;
        struct tk_seats *seats;
        _Atomic uint32_t taken; /* by a thread of this process, or it is trying the lock */
        uint32_t number;        /* of the ring */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct tk_seat) == 64, "threads do not share a cache line");

struct tk_seats {
        struct tk_files
                *files; /* with a descriptor of `events` of the handle's own, which carries the locks */
        struct tk_rings rings;
        struct tk_seat *row;
        size_t row_bytes;
        pthread_key_t mine; /* a thread's seat; or, odd, how many events it has lost for want of one */
        pid_t pid;          /* whose locks they are */
        int dir_fd;         /* to open `events` again after a fork */
};

/*
 * Seats for an open set of files, which is borrowed. Takes dir_fd, also on failure.
 * TK_NOMEM; TK_FULL: the process has no thread-specific key left; TK_CORRUPT: the file has no rings.
 */
enum tk_err tk_seats_open(struct tk_files *files, int dir_fd, struct tk_seats **ret_seats);

/*
 * Give all rings back. No thread may be in tk_seats_mine() or ending meanwhile; those that had a seat may go
 * on and end later. NULL is taken. In a child of fork() that forgot tk_seats_after_fork(), the parent keeps
 * its rings.
 */
void tk_seats_close(struct tk_seats *seats);

/* The thread's seat, NULL: it has none, and there is none free. The slow part of tk_seats_mine(). */
struct tk_seat *tk_seats_seek(struct tk_seats *seats, void *mine);

/*
 * This thread's seat; NULL: it has none. Calls the kernel at a thread's first call, and once in 65536 without
 * a seat.
 */
static inline struct tk_seat *tk_seats_mine(struct tk_seats *seats)
{
        void *mine = pthread_getspecific(seats->mine);
        if (!mine || (uintptr_t)mine & 1)
                return tk_seats_seek(seats, mine);
        struct tk_seat *seat = mine;
        return seat->ring ? seat : NULL;
}

/* tk_gate_thread_begin(), tk_gate_thread_end(), tk_gate_after_fork(). */
bool tk_seats_begin(struct tk_seats *seats);
void tk_seats_end(struct tk_seats *seats);
enum tk_err tk_seats_after_fork(struct tk_seats *seats);

#endif
