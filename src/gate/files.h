/*
 * The set of shared files of one gate directory: made by the daemon, mapped by everyone. Checks at open
 * whatever can be checked without reading lines, so that the rest of the gate may rely on headers. One thread
 * opens and closes; a set that is open is used by any number. Never decides whether a set is worth adopting:
 * that is the publisher's.
 */
#ifndef TK_GATE_FILES_H
#define TK_GATE_FILES_H

#include "core/fault.h"
#include "gate/area.h"

enum tk_file {
        TK_FILE_KEYS,
        TK_FILE_SUBSCRIPTIONS,
        TK_FILE_POLICY,
        TK_FILE_FOREIGN,
        TK_FILE_METERS, /* from here on written by deciders */
        TK_FILE_KEY_HOMES,
        TK_FILE_SUBSCRIPTION_HOMES,
        TK_FILE_RESERVATIONS,
        TK_FILE_NAMED,
        TK_FILE_EVENTS,
        TK_FILE_COUNT
};

/* Of the tables that do not grow with what is published; of reservations, to begin with. All at least 1. */
struct tk_gate_sizes {
        uint32_t named_buckets; /* of 14 names and 1 KiB each */
        uint32_t reservations;  /* of 320 bytes */
        uint32_t rings;         /* threads that decide at a time */
        uint32_t ring_events; /* a thread may be so far ahead of the daemon: a power of two, 64 bytes each */
        uint32_t reserve_shift; /* where addresses are scarce, 0 to 10: files grow to their reserve >> this */
};
/* 57 thousand names in 4 MiB, 4096 reservations in 1.3 MiB, 32 threads with 8192 events in 17 MiB. */
extern const struct tk_gate_sizes tk_gate_sizes_default;

enum tk_file_access {
        TK_ACCESS_DECIDER, /* read-only, but for what deciders write; the descriptor of `events` is kept, for locks */
        TK_ACCESS_DAEMON, /* everything writable; file descriptors are kept, for growth */
};

struct tk_files {
        struct tk_area areas[TK_FILE_COUNT];
};

/* A set in which nothing is open, so that tk_files_close() is safe. */
void tk_files_init(struct tk_files *files);
void tk_files_close(struct tk_files *files);

/*
 * Open and check the set in the directory. TK_NOT_FOUND: a file is missing; TK_CORRUPT: not a sound set;
 * TK_IO, TK_NOMEM as the system said. `fault` names the file and the reason. Nothing is left open on failure.
 */
enum tk_err tk_files_open(int dir_fd, enum tk_file_access access, struct tk_files *ret_files,
                          struct tk_fault *fault);

/*
 * Open a file of the set again, so that its descriptor is no longer the one that a parent process has too:
 * locks belong to what open() made. The mapping stays. TK_IO, and the old descriptor kept: it cannot be
 * opened, or another file has taken its place.
 */
enum tk_err tk_files_reopen(struct tk_files *files, int dir_fd, enum tk_file file);

/* The header of one file as it stands, without mapping anything. Errors as above. */
enum tk_err tk_files_read_header(int dir_fd, enum tk_file file, struct tk_format_header *ret_header,
                                 struct tk_fault *fault);

/* What an empty set takes, with room to begin with. */
uint64_t tk_files_first_bytes(const struct tk_gate_sizes *sizes);

/*
 * The checks of tk_files_open() alone, for fuzzers: lay the area of a file over memory that holds what the
 * file would, `keys` first. NULL, or what is wrong with it (static storage). Then whether the files belong
 * together, all of them being sound.
 */
const char *tk_files_lay(struct tk_files *files, enum tk_file file, void *base, uint64_t file_bytes);
const char *tk_files_check_together(struct tk_files *files);

/*
 * Make an empty set under names of its own, where nobody looks for it. Open for the daemon afterwards.
 * TK_INVALID: sizes out of range; TK_FULL, TK_IO, TK_NOMEM as the system said, and nothing is left of it.
 */
enum tk_err tk_files_make(int dir_fd, const uint8_t installation[16], uint64_t incarnation,
                          const struct tk_gate_sizes *sizes, struct tk_files *ret_files,
                          struct tk_fault *fault);
/*
 * Rename what was made into place, `keys` last. The set that stood there is out of reach afterwards, so it
 * was retired before. On failure some files may be of either set, which nobody can open; the new ones that
 * are left are removed.
 */
enum tk_err tk_files_put_in_place(int dir_fd, struct tk_fault *fault);
/* Both, where there is no set, or none that anybody may have open. */
enum tk_err tk_files_create(int dir_fd, const uint8_t installation[16], uint64_t incarnation,
                            const struct tk_gate_sizes *sizes, struct tk_files *ret_files,
                            struct tk_fault *fault);

/*
 * Tell those who have a set mapped that another will take its place, or that it will not after all. In two
 * files' headers, `keys` and `policy`: the next daemon may find one of them deleted. seq_cst: in force when
 * it returns.
 */
void tk_files_set_retired(struct tk_files *files, bool retired);
static inline bool tk_files_retired(const struct tk_files *files)
{
        return atomic_load_explicit(&files->areas[TK_FILE_KEYS].header->retired, memory_order_acquire) ||
               atomic_load_explicit(&files->areas[TK_FILE_POLICY].header->retired, memory_order_acquire);
}

/*
 * The same for a set that cannot be opened, by its names; then remove it. What is not there or not ours is
 * ignored. TK_IO, TK_NOMEM, and nothing removed: a file is there and cannot be marked.
 */
enum tk_err tk_files_retire(int dir_fd, struct tk_fault *fault);

/*
 * Whether no name leads to the set any more, so that no other daemon could ever retire it. Of a set open for
 * the daemon.
 */
bool tk_files_orphaned(const struct tk_files *files);

/*
 * One instant by both clocks. boot_ns: CLOCK_BOOTTIME, which nobody sets and which goes on while the machine
 * is suspended; rates and leases keep to it. gate_ns: nanoseconds since 1970, the same clock and the
 * published offset; everything that has a date keeps to it.
 */
struct tk_moment {
        uint64_t boot_ns, gate_ns;
        struct tk_put_back back; /* of gate time */
};
struct tk_moment tk_files_now(const struct tk_files *files);
/* The instant that gate time gives as gate_ns. */
struct tk_moment tk_files_moment(const struct tk_files *files, uint64_t gate_ns);

static inline struct tk_format_header *tk_files_keys_header(const struct tk_files *files)
{
        return files->areas[TK_FILE_KEYS].header;
}

#endif
