/*
 * Make, open, check and retire the set of shared files. Called at start by the daemon and by every decider, from one thread.
 * What a header may contain is decided here and nowhere else. Never touches a line.
 */
#include "gate/files.h"

#include "core/crc32.h"
#include "gate/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GIB       (UINT64_C(1) << 30)
#define NS_PER_MS UINT64_C(1000000)

#define RESERVE_SHIFT_MAX 10

struct file_spec {
        const char *name, *new_name;
        char magic[8];
        uint32_t line_bytes;
        uint32_t first_line;
        uint64_t reserve_bytes;
        uint64_t growth_lines;
        uint64_t start_lines; /* in use from the start, so that line 0 can mean none */
};

/* clang-format off */
static const struct file_spec specs[TK_FILE_COUNT] = {
        [TK_FILE_KEYS]          = {"keys", "keys.new", "TKGKEYS", 64, TK_FORMAT_HEADER_BYTES, 64 * GIB, 4096, 1},
        [TK_FILE_SUBSCRIPTIONS] = {"subscriptions", "subscriptions.new", "TKGSUBS", 64, TK_FORMAT_HEADER_BYTES, 64 * GIB, 4096, 1},
        [TK_FILE_POLICY]        = {"policy", "policy.new", "TKGPOLI", TK_POLICY_LINE_BYTES, TK_POLICY_FIRST_LINE, 16 * GIB, 65536, 1},
        [TK_FILE_FOREIGN]       = {"foreign", "foreign.new", "TKGFORN", 64, TK_FORMAT_HEADER_BYTES, 32 * GIB, 16, 0},
        [TK_FILE_METERS]        = {"meters", "meters.new", "TKGMETR", 64, TK_FORMAT_HEADER_BYTES, 128 * GIB, 4096, 1},
        [TK_FILE_KEY_HOMES]     = {"key_homes", "key_homes.new", "TKGKHOM", 64, TK_FORMAT_HEADER_BYTES, 64 * GIB, 4096, 1},
        [TK_FILE_SUBSCRIPTION_HOMES] = {"subscription_homes", "subscription_homes.new", "TKGSHOM", 64, TK_FORMAT_HEADER_BYTES, 64 * GIB, 4096, 1},
        [TK_FILE_RESERVATIONS]  = {"reservations", "reservations.new", "TKGRESV", TK_RESERVATION_LINE_BYTES, TK_FORMAT_HEADER_BYTES, 1 * GIB, 4096, 0},
        [TK_FILE_NAMED]         = {"named", "named.new", "TKGNAME", 64, TK_FORMAT_HEADER_BYTES, 1 * GIB, 4096, 0},
        [TK_FILE_EVENTS]        = {"events", "events.new", "TKGEVNT", 64, TK_FORMAT_HEADER_BYTES, 1 * GIB, 4096, 0},
};
/* clang-format on */

const struct tk_gate_sizes tk_gate_sizes_default = {
        .named_buckets = 4096, .reservations = 4096, .rings = 32, .ring_events = 8192};

void tk_files_init(struct tk_files *files)
{
        memset(files, 0, sizeof *files);
        for (int i = 0; i < TK_FILE_COUNT; i++)
                files->areas[i].fd = -1;
}

void tk_files_close(struct tk_files *files)
{
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                struct tk_area *area = &files->areas[i];
                if (area->header)
                        munmap(area->header, area->reserve_bytes);
                if (area->fd >= 0)
                        close(area->fd);
        }
        tk_files_init(files);
}

/*
 * How often gate time was put back comes first, and the publisher stores it last: who reads that it was puts no usage down under the
 * new count by the time of before. At a step forward the publisher stores when it was put back first, so it is looked at again: who reads the new
 * time knows that, too. The publisher stores twice a minute at most, or as often as an operator confirms steps.
 */
static uint64_t read_offset_ns(const struct tk_format_header *keys, struct tk_put_back *ret_back)
{
        uint64_t back, again = atomic_load_explicit(&keys->time_back, memory_order_acquire), offset_ms;
        do {
                back = again;
                offset_ms = tk_unseal(atomic_load_explicit(&keys->time_offset_ms, memory_order_acquire));
                again = atomic_load_explicit(&keys->time_back, memory_order_acquire);
        } while (again != back);
        back = tk_unseal(back);
        *ret_back = (struct tk_put_back){.at_s = TK_TIME_BACK_AT_S(back), .times = TK_TIME_BACK_TIMES(back)};
        return offset_ms * NS_PER_MS;
}

struct tk_moment tk_files_now(const struct tk_files *files)
{
        const struct tk_format_header *keys = tk_files_keys_header(files);
        struct tk_put_back back;
        uint64_t offset_ns = read_offset_ns(keys, &back);
        struct timespec boot;
        clock_gettime(CLOCK_BOOTTIME, &boot);

        uint64_t boot_ns = (uint64_t)boot.tv_sec * TK_NS_PER_S + (uint64_t)boot.tv_nsec;
        return (struct tk_moment){.boot_ns = boot_ns, .gate_ns = boot_ns + offset_ns, .back = back};
}

struct tk_moment tk_files_moment(const struct tk_files *files, uint64_t gate_ns)
{
        const struct tk_format_header *keys = tk_files_keys_header(files);
        struct tk_put_back back;
        uint64_t offset_ns = read_offset_ns(keys, &back);
        return (struct tk_moment){
                .boot_ns = gate_ns > offset_ns ? gate_ns - offset_ns : 0, .gate_ns = gate_ns, .back = back};
}

/* ---- what a header must be ---- */

static bool all_zero(const uint8_t *bytes, size_t len)
{
        uint8_t any = 0;
        for (size_t i = 0; i < len; i++)
                any |= bytes[i];
        return any == 0;
}

static const char *check_identity(const struct tk_format_header *header, const struct file_spec *spec)
{
        if (memcmp(header->magic, spec->magic, sizeof header->magic) != 0)
                return "it is not a file of a gate (magic)";
        if (header->byte_order != TK_FORMAT_BYTE_ORDER)
                return "it was written by a machine of another byte order";
        if (header->version != TK_FORMAT_VERSION)
                return "its format version is not the one of this program";
        if (header->crc != tk_crc32(header, TK_FORMAT_CRC_BYTES))
                return "its header is damaged (CRC)";
        if (header->header_bytes != TK_FORMAT_HEADER_BYTES || header->line_bytes != spec->line_bytes ||
            header->first_line != spec->first_line)
                return "its sizes are not those of this program";
        if (header->incarnation == 0)
                return "it has no incarnation";
        return NULL;
}

/* The words from one offset up to another. */
static bool words_sealed(const struct tk_format_header *header, size_t from, size_t to)
{
        for (size_t at = from; at < to; at += sizeof(uint64_t)) {
                const _Atomic uint64_t *word = (const void *)((const uint8_t *)header + at);
                if (!tk_sealed(atomic_load_explicit(word, memory_order_relaxed)))
                        return false;
        }
        return true;
}

#define AT(field) offsetof(struct tk_format_header, field)

static const char *check_words(const struct tk_format_header *header, enum tk_file file)
{
        static const char stray[] = "its header has values where none may be";
        const uint8_t *bytes = (const uint8_t *)header;

        if (!all_zero(header->zero_a, sizeof header->zero_a) ||
            !all_zero(header->zero_b, sizeof header->zero_b) ||
            !all_zero(header->zero_c, sizeof header->zero_c) ||
            !all_zero(header->zero_d, sizeof header->zero_d))
                return stray;
        if (file >= TK_FILE_METERS && !all_zero(bytes + AT(capacity_lines), AT(zero_b) - AT(capacity_lines)))
                return stray;
        if (file != TK_FILE_KEYS && !all_zero(bytes + AT(applied_seq), AT(foreign_table) - AT(applied_seq)))
                return stray;
        if (file != TK_FILE_FOREIGN &&
            !all_zero(bytes + AT(foreign_table), AT(ring_events) - AT(foreign_table)))
                return stray;
        if (file != TK_FILE_KEYS && !all_zero(bytes + AT(ring_events), AT(zero_d) - AT(ring_events)))
                return stray;
        if (!words_sealed(header, AT(capacity_lines), AT(zero_b)) ||
            !words_sealed(header, AT(applied_seq), AT(zero_c)) ||
            !words_sealed(header, AT(shared), AT(zero_d)))
                return "a word of its header is damaged";
        return NULL;
}

/* What bounds a file, read in this order: its daemon may be growing it, and stores them the other way round. */
struct extent {
        uint64_t used, capacity, file_bytes;
};

static struct extent read_words(const struct tk_area *area)
{
        struct extent extent = {.used = tk_area_used(area)};
        extent.capacity = tk_area_capacity(area);
        return extent;
}

static const char *check_bounds(const struct tk_files *files, enum tk_file file, const struct extent *extent)
{
        const struct tk_area *area = &files->areas[file];

        if (extent->capacity > area->reserve_lines)
                return "its capacity exceeds its mapping";
        if (extent->used > extent->capacity)
                return "it has more lines in use than it has";
        if (extent->used < specs[file].start_lines)
                return "it has fewer lines in use than an empty one";
        if (extent->file_bytes < specs[file].first_line + extent->capacity * area->line_bytes)
                return "it is shorter than its capacity";
        return NULL;
}

const char *tk_files_check_together(struct tk_files *files)
{
        struct tk_rings rings;
        const struct tk_format_header *keys = tk_files_keys_header(files);
        for (int i = 1; i < TK_FILE_COUNT; i++) {
                const struct tk_format_header *other = files->areas[i].header;
                if (other->incarnation != keys->incarnation ||
                    memcmp(other->installation, keys->installation, sizeof keys->installation) != 0)
                        return "the files do not belong together";
        }
        if (!tk_rings_find(files, &rings))
                return "the size of its rings is not that of the file events";
        if (tk_unseal(atomic_load(&keys->retired)))
                return "a newer set of files takes its place";
        return NULL;
}

/* ---- open ---- */

static enum tk_err file_fault(struct tk_fault *fault, enum tk_err err, const char *name, const char *why)
{
        tk_fault_set(fault, TK_FAULT_unavailable, "", "start the daemon; it makes the gate's files anew",
                     "gate file %s: %s", name, why);
        return err;
}

static enum tk_err system_fault(struct tk_fault *fault, const char *name)
{
        enum tk_err err = errno == ENOENT                      ? TK_NOT_FOUND
                          : errno == ENOSPC || errno == EDQUOT ? TK_FULL
                          : errno == ENOMEM                    ? TK_NOMEM
                          : errno == ELOOP                     ? TK_CORRUPT /* a link where a file must be */
                                                               : TK_IO;
        return file_fault(fault, err, name, strerror(errno));
}

/* Where the words that bound an area stand: in its own header, or, for what deciders write, in that of `keys`. */
static void set_words(struct tk_files *files, enum tk_file file)
{
        struct tk_area *area = &files->areas[file];
        struct tk_format_header *keys = tk_files_keys_header(files);

        if (file < TK_FILE_METERS) {
                area->capacity_word = &area->header->capacity_lines;
                area->used_word = &area->header->used_lines;
        } else {
                area->capacity_word = &keys->shared[file - TK_FILE_METERS].capacity_lines;
                area->used_word = &keys->shared[file - TK_FILE_METERS].used_lines;
        }
}

/* 0 where it is not one. */
static uint64_t sound_reserve(uint64_t reserve_bytes, const struct file_spec *spec)
{
        for (unsigned shift = 0; shift <= RESERVE_SHIFT_MAX; shift++)
                if (reserve_bytes == spec->reserve_bytes >> shift)
                        return reserve_bytes;
        return 0;
}

/* Lay the area over the file's bytes. */
static void lay(struct tk_files *files, enum tk_file file, void *base, uint64_t reserve_bytes)
{
        const struct file_spec *spec = &specs[file];
        struct tk_area *area = &files->areas[file];
        area->header = base;
        area->lines = (uint8_t *)base + spec->first_line;
        area->line_bytes = spec->line_bytes;
        area->reserve_bytes = reserve_bytes;
        area->reserve_lines = (reserve_bytes - spec->first_line) / spec->line_bytes;
        area->growth_lines = spec->growth_lines;
        set_words(files, file);
}

static const char *check_file(const struct tk_files *files, enum tk_file file, const struct extent *extent)
{
        const struct tk_format_header *header = files->areas[file].header;
        const char *why = check_identity(header, &specs[file]);
        if (!why)
                why = check_words(header, file);
        return why ? why : check_bounds(files, file, extent);
}

static const char too_short[] = "it is not a regular file, or too short";
static const char wrong_sizes[] = "its sizes are not those of this program";

const char *tk_files_lay(struct tk_files *files, enum tk_file file, void *base, uint64_t file_bytes)
{
        if (file_bytes < specs[file].first_line)
                return too_short;
        uint64_t reserve_bytes =
                sound_reserve(((const struct tk_format_header *)base)->reserve_bytes, &specs[file]);
        if (reserve_bytes == 0)
                return wrong_sizes;
        lay(files, file, base, reserve_bytes);
        struct extent extent = read_words(&files->areas[file]);
        extent.file_bytes = file_bytes;
        return check_file(files, file, &extent);
}

/* Takes the descriptor, also on failure. */
static enum tk_err map_file(struct tk_files *files, enum tk_file file, int fd, uint64_t reserve_bytes,
                            enum tk_file_access access, struct tk_fault *fault)
{
        const struct file_spec *spec = &specs[file];
        struct tk_area *area = &files->areas[file];
        bool writable = access == TK_ACCESS_DAEMON || file >= TK_FILE_METERS;

        void *base = mmap(NULL, reserve_bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                          MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (base == MAP_FAILED) {
                enum tk_err err = system_fault(fault, spec->name);
                close(fd);
                return err;
        }

        lay(files, file, base, reserve_bytes);
        bool keep = access == TK_ACCESS_DAEMON || file == TK_FILE_EVENTS;
        area->fd = keep ? fd : -1;
        if (!keep)
                close(fd);
        return TK_OK;
}

static enum tk_err open_file(int dir_fd, struct tk_files *files, enum tk_file file,
                             enum tk_file_access access, struct tk_fault *fault)
{
        const struct file_spec *spec = &specs[file];
        bool writable = access == TK_ACCESS_DAEMON || file >= TK_FILE_METERS;

        int fd = openat(dir_fd, spec->name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return system_fault(fault, spec->name);

        struct stat status;
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size < spec->first_line) {
                close(fd);
                return file_fault(fault, TK_CORRUPT, spec->name, too_short);
        }
        uint64_t reserve_bytes = 0;
        (void)!pread(fd, &reserve_bytes, sizeof reserve_bytes, AT(reserve_bytes));
        reserve_bytes = sound_reserve(reserve_bytes, spec);
        if (reserve_bytes == 0) {
                close(fd);
                return file_fault(fault, TK_CORRUPT, spec->name, wrong_sizes);
        }
        int size_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        enum tk_err err = map_file(files, file, fd, reserve_bytes, access, fault);
        if (!err) {
                struct extent extent = read_words(&files->areas[file]);
                if (fstat(size_fd, &status) == 0)
                        extent.file_bytes = (uint64_t)status.st_size;
                const char *why = check_file(files, file, &extent);
                if (why)
                        err = file_fault(fault, TK_CORRUPT, spec->name, why);
        }
        if (size_fd >= 0)
                close(size_fd);
        return err;
}

enum tk_err tk_files_read_header(int dir_fd, enum tk_file file, struct tk_format_header *ret_header,
                                 struct tk_fault *fault)
{
        const struct file_spec *spec = &specs[file];
        int fd = openat(dir_fd, spec->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return system_fault(fault, spec->name);
        ssize_t got = pread(fd, ret_header, sizeof *ret_header, 0);
        close(fd);
        const char *why = got == sizeof *ret_header ? check_identity(ret_header, spec) : "it is too short";
        return why ? file_fault(fault, TK_CORRUPT, spec->name, why) : TK_OK;
}

/*
 * Have the pages of what is in use entered at once: one by one, at the first touch of each, they cost a decision a microsecond, which
 * with ten million keys goes on for a million decisions. A system that cannot do it does it later.
 */
static void populate(const struct tk_files *files)
{
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                const struct tk_area *area = &files->areas[i];
                uint64_t bytes = specs[i].first_line + tk_area_used(area) * area->line_bytes;
                (void)madvise(area->header, bytes,
                              i < TK_FILE_METERS ? MADV_POPULATE_READ : MADV_POPULATE_WRITE);
        }
}

enum tk_err tk_files_open(int dir_fd, enum tk_file_access access, struct tk_files *ret_files,
                          struct tk_fault *fault)
{
        struct tk_files files;
        tk_files_init(&files);

        enum tk_err err = TK_OK;
        for (int i = 0; i < TK_FILE_COUNT && !err; i++) {
                err = open_file(dir_fd, &files, (enum tk_file)i, access, fault);
        }
        const char *why = err ? NULL : tk_files_check_together(&files);
        if (why)
                err = file_fault(fault, TK_CORRUPT, "keys", why);
        if (err) {
                tk_files_close(&files);
                return err;
        }
        if (access == TK_ACCESS_DECIDER)
                populate(&files);
        *ret_files = files;
        return TK_OK;
}

enum tk_err tk_files_reopen(struct tk_files *files, int dir_fd, enum tk_file file)
{
        struct tk_area *area = &files->areas[file];
        struct stat old, new;
        int fd = openat(dir_fd, specs[file].name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return TK_IO;
        if (fstat(area->fd, &old) < 0 || fstat(fd, &new) < 0 || old.st_dev != new.st_dev ||
            old.st_ino != new.st_ino) {
                close(fd);
                return TK_IO;
        }
        close(area->fd);
        area->fd = fd;
        return TK_OK;
}

/* ---- create and retire ---- */

static void fill_header(const struct file_spec *spec, const uint8_t installation[16], uint64_t incarnation,
                        uint32_t reserve_shift, struct tk_format_header *ret_header)
{
        memset(ret_header, 0, sizeof *ret_header);
        memcpy(ret_header->magic, spec->magic, sizeof ret_header->magic);
        ret_header->version = TK_FORMAT_VERSION;
        ret_header->byte_order = TK_FORMAT_BYTE_ORDER;
        ret_header->header_bytes = TK_FORMAT_HEADER_BYTES;
        ret_header->line_bytes = spec->line_bytes;
        memcpy(ret_header->installation, installation, sizeof ret_header->installation);
        ret_header->incarnation = incarnation;
        ret_header->reserve_bytes = spec->reserve_bytes >> reserve_shift;
        ret_header->first_line = spec->first_line;
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
        return specs[file].start_lines;
}

uint64_t tk_files_first_bytes(const struct tk_gate_sizes *sizes)
{
        uint64_t bytes = 0;
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                uint64_t lines = first_lines((enum tk_file)i, sizes);
                if (lines > 0 && lines < specs[i].growth_lines)
                        lines = specs[i].growth_lines;
                bytes += specs[i].first_line + lines * specs[i].line_bytes;
        }
        return bytes;
}

static bool sizes_sound(const struct tk_gate_sizes *sizes)
{
        return sizes->reserve_shift <= RESERVE_SHIFT_MAX && sizes->named_buckets > 0 &&
               sizes->reservations > 0 && sizes->rings > 0 && sizes->ring_events > 0 &&
               (sizes->ring_events & (sizes->ring_events - 1)) == 0;
}

static enum tk_err create_file(int dir_fd, struct tk_files *files, enum tk_file file,
                               const struct tk_format_header *header, uint64_t lines, struct tk_fault *fault)
{
        const struct file_spec *spec = &specs[file];
        unlinkat(dir_fd, spec->new_name, 0);
        int fd = openat(dir_fd, spec->new_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return system_fault(fault, spec->new_name);

        int failed = posix_fallocate(fd, 0, spec->first_line);
        if (failed || pwrite(fd, header, sizeof *header, 0) != (ssize_t)sizeof *header) {
                errno = failed ? failed : errno;
                enum tk_err err = system_fault(fault, spec->new_name);
                close(fd);
                return err;
        }
        enum tk_err err = map_file(files, file, fd, header->reserve_bytes, TK_ACCESS_DAEMON, fault);
        if (err || lines == 0)
                return err;

        err = tk_area_reserve(&files->areas[file], lines);
        if (err)
                return file_fault(fault, err, spec->new_name, "there is no room for its first lines");
        tk_area_use(&files->areas[file], lines);
        return TK_OK;
}

enum tk_err tk_files_create(int dir_fd, const uint8_t installation[16], uint64_t incarnation,
                            const struct tk_gate_sizes *sizes, struct tk_files *ret_files,
                            struct tk_fault *fault)
{
        struct tk_files files;
        tk_files_init(&files);
        if (!sizes_sound(sizes))
                return file_fault(fault, TK_INVALID, "events", "its size, or that of another table, is none");

        enum tk_err err = TK_OK;
        for (int i = 0; i < TK_FILE_COUNT && !err; i++) {
                struct tk_format_header header;
                fill_header(&specs[i], installation, incarnation, sizes->reserve_shift, &header);
                err = create_file(dir_fd, &files, (enum tk_file)i, &header,
                                  first_lines((enum tk_file)i, sizes), fault);
        }
        if (!err)
                atomic_store_explicit(&tk_files_keys_header(&files)->ring_events, tk_seal(sizes->ring_events),
                                      memory_order_release);
        for (int i = TK_FILE_COUNT - 1; i >= 0 && !err; i--)
                if (renameat(dir_fd, specs[i].new_name, dir_fd, specs[i].name) < 0)
                        err = system_fault(fault, specs[i].name);
        if (err) {
                for (int i = 0; i < TK_FILE_COUNT; i++)
                        unlinkat(dir_fd, specs[i].new_name, 0);
                tk_files_close(&files);
                return err;
        }
        *ret_files = files;
        return TK_OK;
}

/* One byte range of a file that may be damaged in any way: written through the descriptor, where no page can fault. */
static void retire_keys(int dir_fd)
{
        int fd = openat(dir_fd, specs[TK_FILE_KEYS].name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return;

        struct stat status;
        uint64_t word = tk_seal(1);
        off_t offset = (off_t)offsetof(struct tk_format_header, retired);
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= TK_FORMAT_HEADER_BYTES)
                (void)!pwrite(fd, &word, sizeof word, offset);
        close(fd);
}

void tk_files_retire(int dir_fd)
{
        retire_keys(dir_fd);
        for (int i = 0; i < TK_FILE_COUNT; i++)
                unlinkat(dir_fd, specs[i].name, 0);
}
