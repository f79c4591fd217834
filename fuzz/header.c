/*
 * Fuzz target: the headers of the gate's files (gate/files.h). The input is pieces that are written over the headers of a sound set, with the
 * checksum put right where the piece says so; each file is a heap block of its own, so that a sanitizer sees whoever goes beyond what there
 * is. What passes can be used: every line that is announced is there, and a key that is not ours is not admitted.
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
        [TK_FILE_KEYS] = "keys",
        [TK_FILE_SUBSCRIPTIONS] = "subscriptions",
        [TK_FILE_POLICY] = "policy",
        [TK_FILE_FOREIGN] = "foreign",
        [TK_FILE_METERS] = "meters",
        [TK_FILE_KEY_HOMES] = "key_homes",
        [TK_FILE_SUBSCRIPTION_HOMES] = "subscription_homes",
        [TK_FILE_RESERVATIONS] = "reservations",
        [TK_FILE_NAMED] = "named",
        [TK_FILE_EVENTS] = "events",
};

static struct {
        uint8_t sound[TK_FORMAT_HEADER_BYTES]; /* its header */
        uint8_t *bytes;                        /* all of it */
        uint64_t len;
} made[TK_FILE_COUNT];
static struct tk_pepper_set peppers;
static struct tk_key_mask mask;

static void copy_file(int dir_fd, int file)
{
        struct stat status;
        int fd = openat(dir_fd, names[file], O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0 && fstat(fd, &status) == 0);
        made[file].len = (uint64_t)status.st_size;
        made[file].bytes = aligned_alloc(64, (made[file].len + 63) / 64 * 64);
        CHECK(made[file].bytes != NULL);
        CHECK(pread(fd, made[file].bytes, made[file].len, 0) == status.st_size);
        memcpy(made[file].sound, made[file].bytes, TK_FORMAT_HEADER_BYTES);
        close(fd);
        unlinkat(dir_fd, names[file], 0);
}

/* What a real set holds, once. */
static void begin(void)
{
        static const uint8_t installation[16] = "fuzz", pepper[TK_PEPPER_BYTES] = {7};
        static const struct tk_gate_sizes sizes = {
                .named_buckets = 1, .reservations = 4, .rings = 1, .ring_events = 2, .reserve_shift = 10};
        char dir[] = "/dev/shm/tk-fuzz-XXXXXX";
        struct tk_files files;
        struct tk_fault fault;
        CHECK(mkdtemp(dir) != NULL);
        int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(dir_fd >= 0);
        CHECK(tk_files_create(dir_fd, installation, 1, &sizes, &files, &fault) == TK_OK);
        tk_files_close(&files);
        for (int i = 0; i < TK_FILE_COUNT; i++)
                copy_file(dir_fd, i);
        close(dir_fd);
        rmdir(dir);
        tk_pepper_set_init(&peppers);
        CHECK(tk_pepper_set_add(&peppers, 1, pepper) == TK_OK);
}

/*
 * A piece: which file (4 bits) and whether to put the checksum right (bit 4) and to seal each word of it (bit 5), how long it is, where,
 * and its bytes.
 */
static size_t take_piece(const uint8_t *bytes, size_t len)
{
        if (len < 4)
                return len;
        uint8_t *header = made[bytes[0] % 16 % TK_FILE_COUNT].bytes;
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

static void check_lines(const struct tk_files *files)
{
        for (int i = 0; i < TK_FILE_COUNT; i++) {
                struct tk_area *area = (struct tk_area *)&files->areas[i];
                uint64_t used = tk_area_used(area), capacity = tk_area_capacity(area);
                CHECK(used <= capacity && capacity <= area->reserve_lines);
                CHECK(area->lines + capacity * area->line_bytes <= made[i].bytes + made[i].len);
                CHECK(tk_area_at(area, used, 1) == NULL && tk_area_at(area, UINT64_MAX / 2, 1) == NULL);
                if (used > 0)
                        CHECK(tk_area_at(area, used - 1, 1) != NULL);
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_files files;
        const char *why = NULL;
        if (!made[0].bytes)
                begin();

        for (int i = 0; i < TK_FILE_COUNT; i++)
                memcpy(made[i].bytes, made[i].sound, TK_FORMAT_HEADER_BYTES);
        for (size_t at = 0; at < len;)
                at += take_piece(bytes + at, len - at);
        tk_files_init(&files);
        for (int i = 0; i < TK_FILE_COUNT && !why; i++)
                why = tk_files_lay(&files, (enum tk_file)i, made[i].bytes, made[i].len);
        if (!why)
                why = tk_files_check_together(&files);
        CHECK(len > 0 || !why);
        if (why) {
                CHECK(why[0] != '\0');
                return 0;
        }
        check_lines(&files);
        decide(&files);
        return 0;
}
