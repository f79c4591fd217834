/*
 * Fuzz target: the headers of the gate's files (gate/files.h). The input is pieces that are written over the headers of a sound set, with the
 * checksum put right where the piece says so; then the set is opened, as a decider and as the daemon. What opens can be used: every
 * line that is announced is there, and a key that is not ours is not admitted.
 */
#include "fuzz.h"

#include "core/crc32.h"
#include "gate/publish.h"
#include "gate/request.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[TK_FILE_COUNT] = {
        "keys",      "subscriptions",      "policy",       "foreign", "meters",
        "key_homes", "subscription_homes", "reservations", "named",   "events"};

static char dir[] = "/dev/shm/tk-fuzz-XXXXXX";
static int dir_fd = -1, fds[TK_FILE_COUNT];
static uint8_t sound[TK_FILE_COUNT][TK_FORMAT_HEADER_BYTES];
static struct tk_pepper_set peppers;
static struct tk_key_mask mask;

static void end(void)
{
        for (int i = 0; i < TK_FILE_COUNT; i++)
                unlinkat(dir_fd, names[i], 0);
        rmdir(dir);
}

static void begin(void)
{
        static const uint8_t installation[16] = "fuzz", pepper[TK_PEPPER_BYTES] = {7};
        /* what a mapping reserves is an address space that a sanitizer has to look after */
        static const struct tk_gate_sizes sizes = {
                .named_buckets = 1, .reservations = 4, .rings = 1, .ring_events = 2, .reserve_shift = 10};
        struct tk_files files;
        struct tk_fault fault;
        CHECK(mkdtemp(dir) != NULL);
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(dir_fd >= 0);
        CHECK(tk_files_create(dir_fd, installation, 1, &sizes, &files, &fault) == TK_OK);
        tk_files_close(&files);
        atexit(end);
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                fds[i] = openat(dir_fd, names[i], O_RDWR | O_CLOEXEC);
                CHECK(pread(fds[i], sound[i], TK_FORMAT_HEADER_BYTES, 0) == TK_FORMAT_HEADER_BYTES);
        }
        tk_pepper_set_init(&peppers);
        CHECK(tk_pepper_set_add(&peppers, 1, pepper) == TK_OK);
}

/*
 * A piece: which file (4 bits) and whether to put the checksum right (bit 4) and to seal each word of it (bit 5), how long it is, where,
 * and its bytes.
 */
static size_t take_piece(uint8_t headers[TK_FILE_COUNT][TK_FORMAT_HEADER_BYTES], const uint8_t *bytes,
                         size_t len)
{
        if (len < 4)
                return len;
        uint8_t *header = headers[bytes[0] % 16 % TK_FILE_COUNT];
        size_t at = (bytes[2] | (size_t)bytes[3] << 8) % TK_FORMAT_HEADER_BYTES, count = bytes[1];
        if (count > len - 4)
                count = len - 4;
        if (count > TK_FORMAT_HEADER_BYTES - at)
                count = TK_FORMAT_HEADER_BYTES - at;
        memcpy(header + at, bytes + 4, count);
        for (size_t word = (at + 7) & ~(size_t)7; bytes[0] & 32 && word + 8 <= at + count; word += 8) {
                uint64_t value;
                memcpy(&value, header + word, sizeof value);
                value = tk_seal(value);
                memcpy(header + word, &value, sizeof value);
        }
        uint32_t crc = tk_crc32(header, TK_FORMAT_CRC_BYTES);
        if (bytes[0] & 16)
                memcpy(header + TK_FORMAT_CRC_BYTES, &crc, sizeof crc);
        return 4 + count;
}

static void check_lines(const struct tk_files *files, bool writable)
{
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                struct tk_area *area = (struct tk_area *)&files->areas[i];
                uint64_t used = tk_area_used(area), capacity = tk_area_capacity(area);
                struct stat status;
                CHECK(used <= capacity && capacity <= area->reserve_lines);
                CHECK(fstat(fds[i], &status) == 0);
                uint64_t end =
                        (uint64_t)(area->lines - (uint8_t *)area->header) + capacity * area->line_bytes;
                CHECK(end <= (uint64_t)status.st_size && end <= area->reserve_bytes);
                if (used == 0)
                        continue;
                volatile uint8_t *last = area->lines + used * area->line_bytes - 1;
                uint8_t byte = *last;
                if (writable || i >= TK_FILE_METERS)
                        *last = byte;
        }
}

static void decide(const struct tk_files *files)
{
        struct tk_gate gate = {.files = *files, .peppers = &peppers, .mask = &mask};
        struct tk_ask ask = {.key = TK_STR("tk_live_00000000"), .environment = 1, .cost = 1};
        struct tk_answer answer;
        struct tk_usage usage;
        tk_gate_decide(&gate, &ask, &answer);
        CHECK(answer.code == TK_CODE_malformed || answer.code == TK_CODE_unavailable);
        ask.now_ns = UINT64_MAX;
        tk_gate_decide(&gate, &ask, &answer);
        CHECK(answer.code == TK_CODE_malformed || answer.code == TK_CODE_unavailable);
        (void)tk_gate_key_usage(&gate, 1, &usage);
        (void)tk_gate_subscription_usage(&gate, 1, &usage);
}

static void try(enum tk_file_access access)
{
        struct tk_files files;
        struct tk_fault fault = {0};
        enum tk_err err = tk_files_open(dir_fd, access, &files, &fault);
        if (err) {
                CHECK(err == TK_CORRUPT && fault.detail[0] != '\0');
                return;
        }
        check_lines(&files, access == TK_ACCESS_DAEMON);
        decide(&files);
        tk_files_close(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        static uint8_t headers[TK_FILE_COUNT][TK_FORMAT_HEADER_BYTES];
        if (dir_fd < 0)
                begin();

        memcpy(headers, sound, sizeof headers);
        for (size_t at = 0; at < len;)
                at += take_piece(headers, bytes + at, len - at);
        for (int i = 0; i < TK_FILE_COUNT; i++)
                CHECK(pwrite(fds[i], headers[i], TK_FORMAT_HEADER_BYTES, 0) == TK_FORMAT_HEADER_BYTES);
        try(TK_ACCESS_DECIDER);
        try(TK_ACCESS_DAEMON);
        return 0;
}
