/*
 * Backups as bytes: tar headers of any size, and an archive read piece by piece as the server sends it.
 */
#include "../core/check.h"
#include "service/archive.h"
#include "service/archive_tar.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void headers_of_any_size(void **state)
{
        static const uint64_t sizes[] = {
                0, 1, 511, 512, (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33, UINT64_C(1) << 40, INT64_MAX};
        (void)state;
        for (size_t i = 0; i < COUNT(sizes); i++) {
                struct tk_tar_header header;
                char name[101];
                uint64_t bytes = 77;
                tk_tar_header(&header, "registry.db", sizes[i], 1700000000);
                assert_true(tk_tar_header_read(&header, name, &bytes));
                assert_string_equal(name, "registry.db");
                assert_true(bytes == sizes[i]);
                assert_int_equal((sizes[i] % 512 + tk_tar_padding(sizes[i])) % 512, 0);
        }
}

static void a_header_with_a_byte_wrong(void **state)
{
        struct tk_tar_header header;
        char name[101];
        uint64_t bytes;
        (void)state;
        tk_tar_header(&header, "registry.db", 4096, 1700000000);
        for (size_t i = 0; i < sizeof(header); i++) {
                ((unsigned char *)&header)[i] ^= 0x40;
                bool read = tk_tar_header_read(&header, name, &bytes);
                /* The checksum's own last byte is a space that nobody reads. */
                assert_true(!read || i == 155);
                ((unsigned char *)&header)[i] ^= 0x40;
        }
        assert_true(tk_tar_header_read(&header, name, &bytes));
}

/* A file without a name that holds `bytes` bytes. */
static int file_of(size_t bytes)
{
        char path[] = "/tmp/tk-archive-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        unlink(path);
        for (size_t i = 0; i < bytes; i++) {
                char byte = (char)(i * 31 % 251);
                assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
        }
        return fd;
}

static void make(size_t registry_bytes, size_t meters_bytes, struct tk_archive **ret_archive)
{
        static const uint8_t installation[16] = {1, 2, 3};
        int meters = meters_bytes > 0 ? file_of(meters_bytes) : -1;
        assert_int_equal(
                tk_archive_make(file_of(registry_bytes), meters, installation, 1700000000, ret_archive),
                TK_OK);
}

/* As libmicrohttpd reads it: from where it is, at most so many bytes at once. */
static size_t read_whole(struct tk_archive *archive, size_t step, char *bytes, size_t room)
{
        size_t at = 0;
        for (;;) {
                int64_t got = tk_archive_read(archive, at, bytes + at, step < room - at ? step : room - at);
                assert_true(got >= 0);
                if (got == 0)
                        return at;
                at += (size_t)got;
        }
}

static void read_in_any_steps(void **state)
{
        static const size_t steps[] = {1, 7, 511, 512, 513, 65536};
        static char first[32768], bytes[32768];
        struct tk_archive *archive;
        (void)state;
        make(5000, 700, &archive);
        size_t whole = read_whole(archive, sizeof(first), first, sizeof(first));
        assert_int_equal(whole, tk_archive_bytes(archive));
        assert_int_equal(whole % TK_TAR_BLOCK, 0);
        for (size_t i = 0; i < COUNT(steps); i++) {
                assert_int_equal(read_whole(archive, steps[i], bytes, sizeof(bytes)), whole);
                assert_memory_equal(bytes, first, whole);
        }
        tk_archive_free(archive);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, len), len);
        close(fd);
}

/* Every length but the whole one is refused: what a line that breaks leaves. */
static void there_and_back(void **state)
{
        static const size_t sizes[][2] = {{1, 0}, {512, 0}, {1024, 512}, {777, 1}};
        static char bytes[32768];
        char path[] = "/tmp/tk-backup-XXXXXX";
        struct tk_archive_info info;
        struct tk_fault fault;
        struct tk_archive *archive;
        (void)state;
        close(mkstemp(path));
        for (size_t i = 0; i < COUNT(sizes); i++) {
                make(sizes[i][0], sizes[i][1], &archive);
                size_t whole = read_whole(archive, 4096, bytes, sizeof(bytes));
                tk_archive_free(archive);
                write_file(path, bytes, whole);
                assert_int_equal(tk_archive_unpack(path, -1, &info, &fault), TK_OK);
                assert_true(info.registry_bytes == sizes[i][0] && info.meters_bytes == sizes[i][1]);
                assert_string_equal(info.installation, "01020300000000000000000000000000");
                assert_string_equal(info.created_at, "2023-11-14T22:13:20Z");
                for (size_t len = 0; len < whole - TK_TAR_BLOCK; len += 97) {
                        write_file(path, bytes, len);
                        assert_int_equal(tk_archive_unpack(path, -1, &info, &fault), TK_CORRUPT);
                        assert_true(fault.detail[0] != '\0');
                }
        }
        unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(headers_of_any_size),
                cmocka_unit_test(a_header_with_a_byte_wrong),
                cmocka_unit_test(read_in_any_steps),
                cmocka_unit_test(there_and_back),
        };

        return cmocka_run_group_tests_name("service/archive", tests, NULL, NULL);
}
