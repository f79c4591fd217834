/*
 * Make a new set of shared files, and retire the one that it replaces. Called by the daemon, from one thread,
 * while it has the lock of the directory. Never looks at what stands in a file that is there already: opening
 * and checking are files.c's.
 */
#include "gate/files_inside.h"

#include "core/crc32.h"
#include "gate/boot.h"
#include "gate/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Two, so that those who have a set mapped can still be told when one of them was deleted, or replaced. */
#define RETIRED_IN 2
static const enum tk_file retired_in[RETIRED_IN] = {TK_FILE_KEYS, TK_FILE_POLICY};

const struct tk_gate_sizes tk_gate_sizes_default = {
        .named_buckets = 4096, .reservations = 4096, .rings = 32, .ring_events = 8192};

/* What all files of a set have in common. */
struct set {
        const uint8_t *installation; /* 16 bytes */
        uint64_t incarnation;
        const struct tk_gate_sizes *sizes;
        uint8_t boot[TK_BOOT_ID_BYTES];
};

static void fill_header(const struct tk_file_spec *spec, const struct set *set,
                        struct tk_format_header *ret_header)
{
        memset(ret_header, 0, sizeof *ret_header);
        memcpy(ret_header->magic, spec->magic, sizeof ret_header->magic);
        ret_header->version = TK_FORMAT_VERSION;
        ret_header->byte_order = TK_FORMAT_BYTE_ORDER;
        ret_header->header_bytes = TK_FORMAT_HEADER_BYTES;
        ret_header->line_bytes = spec->line_bytes;
        memcpy(ret_header->installation, set->installation, sizeof ret_header->installation);
        ret_header->incarnation = set->incarnation;
        ret_header->reserve_bytes = spec->reserve_bytes >> set->sizes->reserve_shift;
        ret_header->first_line = spec->first_line;
        memcpy(ret_header->boot, set->boot, sizeof ret_header->boot);
        ret_header->crc = tk_crc32(ret_header, TK_FORMAT_CRC_BYTES);
}

/* How many lines of a file are in use from the start. */
static uint64_t first_lines(enum tk_file file, const struct tk_gate_sizes *sizes)
{
        if (file == TK_FILE_RESERVATIONS)
                return sizes->reservations;
        if (file == TK_FILE_NAMED)
                return (uint64_t)sizes->named_buckets * TK_NAMED_BUCKET_LINES;
        if (file == TK_FILE_EVENTS)
                return 1 + (uint64_t)sizes->rings * (TK_RING_HEAD_LINES + (uint64_t)sizes->ring_events);
        return tk_file_specs[file].start_lines;
}

uint64_t tk_files_first_bytes(const struct tk_gate_sizes *sizes)
{
        uint64_t bytes = 0;
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                uint64_t lines = first_lines((enum tk_file)i, sizes);
                if (lines > 0 && lines < tk_file_specs[i].growth_lines)
                        lines = tk_file_specs[i].growth_lines;
                bytes += tk_file_specs[i].first_line + lines * tk_file_specs[i].line_bytes;
        }
        return bytes;
}

static bool sizes_sound(const struct tk_gate_sizes *sizes)
{
        return sizes->reserve_shift <= TK_RESERVE_SHIFT_MAX && sizes->named_buckets > 0 &&
               sizes->reservations > 0 && sizes->rings > 0 && sizes->ring_events > 0 &&
               (sizes->ring_events & (sizes->ring_events - 1)) == 0;
}

static enum tk_err create_file(int dir_fd, struct tk_files *files, enum tk_file file,
                               const struct tk_format_header *header, uint64_t lines, struct tk_fault *fault)
{
        const struct tk_file_spec *spec = &tk_file_specs[file];
        unlinkat(dir_fd, spec->new_name, 0);
        int fd = openat(dir_fd, spec->new_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tk_files_system_fault(fault, spec->new_name);

        int failed = posix_fallocate(fd, 0, spec->first_line);
        if (failed || pwrite(fd, header, sizeof *header, 0) != (ssize_t)sizeof *header) {
                errno = failed ? failed : errno;
                enum tk_err err = tk_files_system_fault(fault, spec->new_name);
                close(fd);
                return err;
        }
        enum tk_err err = tk_files_map(files, file, fd, header->reserve_bytes, TK_ACCESS_DAEMON, fault);
        if (err) {
                close(fd);
                return err;
        }
        files->areas[file].fd = fd;
        if (lines == 0)
                return TK_OK;

        err = tk_area_reserve(&files->areas[file], lines);
        if (err)
                return tk_files_fault(fault, err, spec->new_name, "there is no room for its first lines");
        tk_area_use(&files->areas[file], lines);
        return TK_OK;
}

static void remove_new(int dir_fd)
{
        for (int i = 0; i < TK_FILE_COUNT; i++)
                unlinkat(dir_fd, tk_file_specs[i].new_name, 0);
}

enum tk_err tk_files_make(int dir_fd, const uint8_t installation[16], uint64_t incarnation,
                          const struct tk_gate_sizes *sizes, struct tk_files *ret_files,
                          struct tk_fault *fault)
{
        struct tk_files files;
        tk_files_init(&files);
        if (!sizes_sound(sizes))
                return tk_files_fault(fault, TK_INVALID, "events",
                                      "its size, or that of another table, is none");

        struct set set = {.installation = installation, .incarnation = incarnation, .sizes = sizes};
        enum tk_err err = tk_boot_id(set.boot);
        if (err)
                return tk_files_fault(fault, err, "keys", "the machine's boot id cannot be read now");
        for (int i = 0; i < TK_FILE_COUNT && !err; i++) {
                struct tk_format_header header;
                fill_header(&tk_file_specs[i], &set, &header);
                err = create_file(dir_fd, &files, (enum tk_file)i, &header,
                                  first_lines((enum tk_file)i, sizes), fault);
        }
        if (err) {
                remove_new(dir_fd);
                tk_files_close(&files);
                return err;
        }
        atomic_store_explicit(&tk_files_keys_header(&files)->ring_events, tk_seal(sizes->ring_events),
                              memory_order_release);
        *ret_files = files;
        return TK_OK;
}

enum tk_err tk_files_put_in_place(int dir_fd, struct tk_fault *fault)
{
        enum tk_err err = TK_OK;
        for (int i = TK_FILE_COUNT - 1; i >= 0 && !err; i--)
                if (renameat(dir_fd, tk_file_specs[i].new_name, dir_fd, tk_file_specs[i].name) < 0)
                        err = tk_files_system_fault(fault, tk_file_specs[i].name);
        if (err)
                remove_new(dir_fd);
        return err;
}

enum tk_err tk_files_create(int dir_fd, const uint8_t installation[16], uint64_t incarnation,
                            const struct tk_gate_sizes *sizes, struct tk_files *ret_files,
                            struct tk_fault *fault)
{
        struct tk_files files;
        enum tk_err err = tk_files_make(dir_fd, installation, incarnation, sizes, &files, fault);
        if (err)
                return err;
        err = tk_files_put_in_place(dir_fd, fault);
        if (err) {
                tk_files_close(&files);
                return err;
        }
        *ret_files = files;
        return TK_OK;
}

/* ---- retire ---- */

void tk_files_set_retired(struct tk_files *files, bool retired)
{
        for (size_t i = 0; i < RETIRED_IN; i++)
                atomic_store(&files->areas[retired_in[i]].header->retired, tk_seal(retired));
}

/* Whether nothing is there that anybody may have mapped as a file of a gate. */
static bool no_file(int error)
{
        return error == ENOENT || error == ELOOP || error == EISDIR || error == ENXIO || error == ENODEV;
}

/* One word of a file that may be damaged in any way: written through the descriptor, where no page can fault. */
static enum tk_err retire_file(int dir_fd, const char *name, struct tk_fault *fault)
{
        int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return no_file(errno) ? TK_OK : tk_files_system_fault(fault, name);

        struct stat status;
        uint64_t word = tk_seal(1);
        off_t offset = (off_t)offsetof(struct tk_format_header, retired);
        enum tk_err err = TK_OK;
        if (fstat(fd, &status) < 0)
                err = tk_files_system_fault(fault, name);
        else if (S_ISREG(status.st_mode) && status.st_size >= TK_FORMAT_HEADER_BYTES &&
                 pwrite(fd, &word, sizeof word, offset) != (ssize_t)sizeof word)
                err = tk_files_system_fault(fault, name);
        close(fd);
        return err;
}

enum tk_err tk_files_retire(int dir_fd, struct tk_fault *fault)
{
        for (size_t i = 0; i < RETIRED_IN; i++) {
                enum tk_err err = retire_file(dir_fd, tk_file_specs[retired_in[i]].name, fault);
                if (err)
                        return err;
        }
        for (int i = 0; i < TK_FILE_COUNT; i++)
                unlinkat(dir_fd, tk_file_specs[i].name, 0);
        return TK_OK;
}
