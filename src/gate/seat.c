/*
 * Taking and leaving seats (seat.h). Open file description locks, because those of a process would be lost as
 * soon as anybody in it closed any descriptor of the file. The row is memory that a child of fork() finds
 * empty: it cannot write into its parent's rings.
 */
#include "gate/seat.h"

#include "core/alloc.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* A thread without a seat looks for one again when it has lost so many events. */
#define RETRY_EVENTS 65536

static void *lost_mark(uintptr_t events)
{
        return (void *)(events << 1 | 1);
}

static bool is_seat(const void *mine)
{
        return mine && !((uintptr_t)mine & 1);
}

/* type: F_WRLCK or F_UNLCK. len 0: to the end of the file. */
static bool lock(const struct tk_seats *seats, short type, off_t start, off_t len)
{
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
        return fcntl(seats->rings.area->fd, F_OFD_SETLK, &lock) == 0;
}

/* ---- take and leave ---- */

/* Go on where the last owner stopped, whatever it left: the daemon finds out what cannot be. */
static void sit_down(struct tk_seats *seats, struct tk_seat *seat)
{
        struct tk_format_ring *ring = tk_rings_at(&seats->rings, seat->number);
        if (atomic_exchange_explicit(&ring->owner_pid, (uint32_t)seats->pid, memory_order_relaxed) != 0)
                atomic_fetch_add_explicit(&ring->orphaned, 1, memory_order_relaxed);
        seat->head = atomic_load_explicit(&ring->head, memory_order_acquire);
        seat->tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        seat->dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);
        seat->mask = seats->rings.events - 1;
        seat->ring = ring;
}

/* The lock first: once the seat is free, another thread of this process may lock the byte again. */
static void stand_up(struct tk_seats *seats, struct tk_seat *seat)
{
        if (seat->ring)
                atomic_store_explicit(&seat->ring->owner_pid, 0, memory_order_relaxed);
        seat->ring = NULL;
        lock(seats, F_UNLCK, tk_rings_offset(&seats->rings, seat->number), 1);
        atomic_store_explicit(&seat->taken, 0, memory_order_release);
}

static struct tk_seat *take(struct tk_seats *seats)
{
        if (getpid() != seats->pid)
                return NULL; /* the locks are the parent's */
        for (uint32_t i = 0; i < seats->rings.count; i++) {
                struct tk_seat *seat = &seats->row[i];
                if (atomic_load_explicit(&seat->taken, memory_order_relaxed) ||
                    atomic_exchange_explicit(&seat->taken, 1, memory_order_acquire))
                        continue;
                if (!lock(seats, F_WRLCK, tk_rings_offset(&seats->rings, i), 1)) {
                        atomic_store_explicit(&seat->taken, 0, memory_order_release);
                        continue;
                }
                if (pthread_setspecific(seats->mine, seat) != 0) {
                        stand_up(seats, seat);
                        return NULL;
                }
                sit_down(seats, seat);
                return seat;
        }
        return NULL;
}

struct tk_seat *tk_seats_seek(struct tk_seats *seats, void *mine)
{
        uintptr_t lost = (uintptr_t)mine >> 1;
        struct tk_seat *seat = lost % RETRY_EVENTS == 0 ? take(seats) : NULL;
        if (!seat)
                pthread_setspecific(seats->mine, lost_mark(lost + 1));
        return seat;
}

bool tk_seats_begin(struct tk_seats *seats)
{
        void *mine = pthread_getspecific(seats->mine);
        if (is_seat(mine))
                return ((struct tk_seat *)mine)->ring != NULL;
        if (take(seats))
                return true;
        if (!mine)
                pthread_setspecific(seats->mine,
                                    lost_mark(1)); /* so that its first decision does not try again */
        return false;
}

/* Also the end of a thread. In a child of fork() the row says nothing, and the parent's locks are left alone. */
static void leave(void *mine)
{
        struct tk_seat *seat = mine;
        if (is_seat(mine) && seat->ring && getpid() == seat->seats->pid)
                stand_up(seat->seats, seat);
}

void tk_seats_end(struct tk_seats *seats)
{
        leave(pthread_getspecific(seats->mine));
        pthread_setspecific(seats->mine, NULL);
}

/* ---- the row ---- */

static void set_row(struct tk_seats *seats)
{
        for (uint32_t i = 0; i < seats->rings.count; i++)
                seats->row[i] = (struct tk_seat){.seats = seats, .number = i};
}

/*
 * Where a kernel cannot empty it in a child, a child that decides without tk_gate_after_fork() spoils its
 * parent's events.
 */
static bool map_row(struct tk_seats *seats)
{
        seats->row_bytes = seats->rings.count * sizeof *seats->row;
        void *row = mmap(NULL, seats->row_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (row == MAP_FAILED)
                return false;
        madvise(row, seats->row_bytes, MADV_WIPEONFORK);
        seats->row = row;
        set_row(seats);
        return true;
}

enum tk_err tk_seats_open(struct tk_files *files, int dir_fd, struct tk_seats **ret_seats)
{
        struct tk_seats *seats = tk_calloc(1, sizeof *seats);
        enum tk_err err = TK_OK;
        if (!seats)
                err = TK_NOMEM;
        else if (!tk_rings_find(files, &seats->rings))
                err = TK_CORRUPT;
        else if (!map_row(seats))
                err = TK_NOMEM;
        else if (pthread_key_create(&seats->mine, leave) != 0)
                err = TK_FULL;
        if (err) {
                if (seats && seats->row)
                        munmap(seats->row, seats->row_bytes);
                tk_free(seats);
                close(dir_fd);
                return err;
        }
        seats->files = files;
        seats->dir_fd = dir_fd;
        seats->pid = getpid();
        *ret_seats = seats;
        return TK_OK;
}

/* Locks go with the last descriptor; a child of fork() may have another one still, so they are given back by name. */
static void leave_all(struct tk_seats *seats)
{
        if (getpid() != seats->pid)
                return;
        for (uint32_t i = 0; i < seats->rings.count; i++)
                if (seats->row[i].ring)
                        stand_up(seats, &seats->row[i]);
}

void tk_seats_close(struct tk_seats *seats)
{
        if (!seats)
                return;
        pthread_key_delete(seats->mine); /* first: threads that end later find nothing to give back */
        leave_all(seats);
        munmap(seats->row, seats->row_bytes);
        close(seats->dir_fd);
        tk_free(seats);
}

enum tk_err tk_seats_after_fork(struct tk_seats *seats)
{
        enum tk_err err = tk_files_reopen(seats->files, seats->dir_fd, TK_FILE_EVENTS);
        if (err)
                return err;
        set_row(seats);
        pthread_setspecific(seats->mine, NULL);
        seats->pid = getpid();
        return TK_OK;
}
