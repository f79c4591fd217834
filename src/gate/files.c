/*
 * Open and check the set of shared files. Called at start by the daemon and by every decider, from one thread. What a
 * header may contain is decided here and nowhere else. Never touches a line, and never makes a file: new_files.c does.
 */
#include "gate/files_inside.h"

#include "core/crc32.h"
#include "gate/boot.h"
#include "gate/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GIB       (UINT64_C(1) << 30)
#define NS_PER_MS UINT64_C(1000000)

/* clang-format off */
#define NAMES(name) name, name ".new"
#define HEADER      TK_FORMAT_HEADER_BYTES
const struct tk_file_spec tk_file_specs[TK_FILE_COUNT] = {
        [TK_FILE_KEYS]          = {NAMES("keys"), "TKGKEYS", 64, HEADER, 64 * GIB, 4096, 1},
        [TK_FILE_SUBSCRIPTIONS] = {NAMES("subscriptions"), "TKGSUBS", 64, HEADER, 64 * GIB, 4096, 1},
        [TK_FILE_POLICY]        = {NAMES("policy"), "TKGPOLI", TK_POLICY_LINE_BYTES, TK_POLICY_FIRST_LINE, 16 * GIB, 65536, 1},
        [TK_FILE_FOREIGN]       = {NAMES("foreign"), "TKGFORN", 64, HEADER, 32 * GIB, 16, 0},
        [TK_FILE_METERS]        = {NAMES("meters"), "TKGMETR", 64, HEADER, 128 * GIB, 4096, 1},
        [TK_FILE_KEY_HOMES]     = {NAMES("key_homes"), "TKGKHOM", 64, HEADER, 64 * GIB, 4096, 1},
        [TK_FILE_SUBSCRIPTION_HOMES] = {NAMES("subscription_homes"), "TKGSHOM", 64, HEADER, 64 * GIB, 4096, 1},
        [TK_FILE_RESERVATIONS]  = {NAMES("reservations"), "TKGRESV", TK_RESERVATION_LINE_BYTES, HEADER, 1 * GIB, 4096, 0},
        [TK_FILE_NAMED]         = {NAMES("named"), "TKGNAME", 64, HEADER, 1 * GIB, 4096, 0},
        [TK_FILE_EVENTS]        = {NAMES("events"), "TKGEVNT", 64, HEADER, 1 * GIB, 4096, 0},
};
#undef NAMES
#undef HEADER
/* clang-format on */

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

static const char *check_identity(const struct tk_format_header *header, const struct tk_file_spec *spec)
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
        if (extent->used < tk_file_specs[file].start_lines)
                return "it has fewer lines in use than an empty one";
        if (extent->file_bytes < tk_file_specs[file].first_line + extent->capacity * area->line_bytes)
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
                    memcmp(other->installation, keys->installation, sizeof keys->installation) != 0 ||
                    memcmp(other->boot, keys->boot, sizeof keys->boot) != 0)
                        return "the files do not belong together";
        }
        if (!tk_rings_find(files, &rings))
                return "the size of its rings is not that of the file events";
        if (tk_files_retired(files))
                return "a newer set of files takes its place";
        return NULL;
}

/* ---- open ---- */

enum tk_err tk_files_fault(struct tk_fault *fault, enum tk_err err, const char *name, const char *why)
{
        tk_fault_set(fault, TK_FAULT_unavailable, "", "start the daemon; it makes the gate's files anew",
                     "gate file %s: %s", name, why);
        return err;
}

enum tk_err tk_files_system_fault(struct tk_fault *fault, const char *name)
{
        enum tk_err err = errno == ENOENT                      ? TK_NOT_FOUND
                          : errno == ENOSPC || errno == EDQUOT ? TK_FULL
                          : errno == ENOMEM                    ? TK_NOMEM
                          : errno == ELOOP                     ? TK_CORRUPT /* a link where a file must be */
                                                               : TK_IO;
        return tk_files_fault(fault, err, name, strerror(errno));
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
static uint64_t sound_reserve(uint64_t reserve_bytes, const struct tk_file_spec *spec)
{
        for (unsigned shift = 0; shift <= TK_RESERVE_SHIFT_MAX; shift++)
                if (reserve_bytes == spec->reserve_bytes >> shift)
                        return reserve_bytes;
        return 0;
}

/* Lay the area over the file's bytes. */
static void lay(struct tk_files *files, enum tk_file file, void *base, uint64_t reserve_bytes)
{
        const struct tk_file_spec *spec = &tk_file_specs[file];
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
        const char *why = check_identity(header, &tk_file_specs[file]);
        if (!why)
                why = check_words(header, file);
        return why ? why : check_bounds(files, file, extent);
}

static const char too_short[] = "it is not a regular file, or too short";
static const char wrong_sizes[] = "its sizes are not those of this program";

const char *tk_files_lay(struct tk_files *files, enum tk_file file, void *base, uint64_t file_bytes)
{
        if (file_bytes < tk_file_specs[file].first_line)
                return too_short;
        uint64_t reserve_bytes =
                sound_reserve(((const struct tk_format_header *)base)->reserve_bytes, &tk_file_specs[file]);
        if (reserve_bytes == 0)
                return wrong_sizes;
        lay(files, file, base, reserve_bytes);
        struct extent extent = read_words(&files->areas[file]);
        extent.file_bytes = file_bytes;
        return check_file(files, file, &extent);
}

enum tk_err tk_files_map(struct tk_files *files, enum tk_file file, int fd, uint64_t reserve_bytes,
                         enum tk_file_access access, struct tk_fault *fault)
{
        bool writable = access == TK_ACCESS_DAEMON || file >= TK_FILE_METERS;
        void *base = mmap(NULL, reserve_bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                          MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (base == MAP_FAILED)
                return tk_files_system_fault(fault, tk_file_specs[file].name);
        lay(files, file, base, reserve_bytes);
        return TK_OK;
}

/* What the header says, before anything is mapped. */
static enum tk_err read_reserve(int fd, const struct tk_file_spec *spec, uint64_t *ret_reserve_bytes,
                                struct tk_fault *fault)
{
        struct stat status;
        if (fstat(fd, &status) < 0)
                return tk_files_system_fault(fault, spec->name);
        if (!S_ISREG(status.st_mode) || status.st_size < spec->first_line)
                return tk_files_fault(fault, TK_CORRUPT, spec->name, too_short);

        uint64_t reserve_bytes = 0;
        if (pread(fd, &reserve_bytes, sizeof reserve_bytes, AT(reserve_bytes)) < 0)
                return tk_files_system_fault(fault, spec->name);
        *ret_reserve_bytes = sound_reserve(reserve_bytes, spec);
        return *ret_reserve_bytes ? TK_OK : tk_files_fault(fault, TK_CORRUPT, spec->name, wrong_sizes);
}

/* How long the file is is asked last: its daemon may be growing it. */
static enum tk_err check_mapped(const struct tk_files *files, enum tk_file file, int fd,
                                struct tk_fault *fault)
{
        const char *name = tk_file_specs[file].name;
        struct extent extent = read_words(&files->areas[file]);
        struct stat status;
        if (fstat(fd, &status) < 0)
                return tk_files_system_fault(fault, name);
        extent.file_bytes = (uint64_t)status.st_size;
        const char *why = check_file(files, file, &extent);
        return why ? tk_files_fault(fault, TK_CORRUPT, name, why) : TK_OK;
}

/*
 * What the system refuses says nothing of the file: only what was seen in it makes it TK_CORRUPT, which costs
 * the daemon its set.
 */
static enum tk_err open_file(int dir_fd, struct tk_files *files, enum tk_file file,
                             enum tk_file_access access, struct tk_fault *fault)
{
        const struct tk_file_spec *spec = &tk_file_specs[file];
        bool writable = access == TK_ACCESS_DAEMON || file >= TK_FILE_METERS;

        int fd = openat(dir_fd, spec->name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return tk_files_system_fault(fault, spec->name);

        uint64_t reserve_bytes = 0;
        enum tk_err err = read_reserve(fd, spec, &reserve_bytes, fault);
        if (!err)
                err = tk_files_map(files, file, fd, reserve_bytes, access, fault);
        if (!err)
                err = check_mapped(files, file, fd, fault);
        if (!err && (access == TK_ACCESS_DAEMON || file == TK_FILE_EVENTS))
                files->areas[file].fd = fd;
        else
                close(fd);
        return err;
}

enum tk_err tk_files_read_header(int dir_fd, enum tk_file file, struct tk_format_header *ret_header,
                                 struct tk_fault *fault)
{
        const struct tk_file_spec *spec = &tk_file_specs[file];
        int fd = openat(dir_fd, spec->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return tk_files_system_fault(fault, spec->name);
        ssize_t got = pread(fd, ret_header, sizeof *ret_header, 0);
        enum tk_err err = got < 0 ? tk_files_system_fault(fault, spec->name) : TK_OK;
        close(fd);
        if (err)
                return err;
        const char *why = got == sizeof *ret_header ? check_identity(ret_header, spec) : "it is too short";
        return why ? tk_files_fault(fault, TK_CORRUPT, spec->name, why) : TK_OK;
}

/*
 * Have the pages of what is in use entered at once: one by one, at the first touch of each, they cost a
 * decision a microsecond, which with ten million keys goes on for a million decisions. A system that cannot
 * do it does it later.
 */
static void populate(const struct tk_files *files)
{
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                const struct tk_area *area = &files->areas[i];
                uint64_t bytes = tk_file_specs[i].first_line + tk_area_used(area) * area->line_bytes;
                (void)madvise(area->header, bytes,
                              i < TK_FILE_METERS ? MADV_POPULATE_READ : MADV_POPULATE_WRITE);
        }
}

/*
 * Files that outlived the boot, on a disk: boot time began anew, and everything in them that is a time of it
 * means another instant. Where a program is shown no boot id, only files of one that was shown none either
 * are its own.
 */
static enum tk_err check_boot(const struct tk_files *files, struct tk_fault *fault)
{
        uint8_t id[TK_BOOT_ID_BYTES];
        const char *name = tk_file_specs[TK_FILE_KEYS].name;
        enum tk_err err = tk_boot_id(id);
        if (err)
                return tk_files_fault(fault, err, name, "the machine's boot id cannot be read now");
        if (memcmp(id, tk_files_keys_header(files)->boot, sizeof id) == 0)
                return TK_OK;
        return tk_files_fault(fault, TK_CORRUPT, name,
                              all_zero(id, sizeof id) ? "which boot of the machine this is cannot be told: "
                                                        "/proc/sys/kernel/random is hidden"
                                                      : "it was made in another boot of the machine");
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
                err = tk_files_fault(fault, TK_CORRUPT, "keys", why);
        if (!err)
                err = check_boot(&files, fault);
        if (err) {
                tk_files_close(&files);
                return err;
        }
        if (access == TK_ACCESS_DECIDER)
                populate(&files);
        *ret_files = files;
        return TK_OK;
}

static bool deleted(const struct tk_area *area)
{
        struct stat status;
        return fstat(area->fd, &status) == 0 && status.st_nlink == 0;
}

bool tk_files_orphaned(const struct tk_files *files)
{
        return deleted(&files->areas[TK_FILE_KEYS]) && deleted(&files->areas[TK_FILE_POLICY]);
}

enum tk_err tk_files_reopen(struct tk_files *files, int dir_fd, enum tk_file file)
{
        struct tk_area *area = &files->areas[file];
        struct stat old, new;
        int fd = openat(dir_fd, tk_file_specs[file].name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
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
