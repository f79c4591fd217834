/*
 * Tar headers (archive_tar.h).
 */
#include "service/archive_tar.h"

#include <stdio.h>
#include <string.h>

#define OCTAL_MAX ((UINT64_C(1) << 33) - 1) /* eleven digits */

static unsigned checksum_of(const struct tk_tar_header *header)
{
        struct tk_tar_header copy = *header;
        unsigned sum = 0;
        memset(copy.checksum, ' ', sizeof(copy.checksum));
        for (size_t i = 0; i < sizeof(copy); i++)
                sum += ((const unsigned char *)&copy)[i];
        return sum;
}

static void put_size(char field[12], uint64_t bytes)
{
        if (bytes <= OCTAL_MAX) {
                snprintf(field, 12, "%011llo", (unsigned long long)bytes);
                return;
        }
        field[0] = (char)0x80;
        for (int i = 11; i > 0; i--, bytes >>= 8)
                field[i] = (char)(bytes & 0xff);
}

void tk_tar_header(struct tk_tar_header *ret_header, const char *name, uint64_t bytes, int64_t modified_s)
{
        struct tk_tar_header header = {.mode = "0000600", .uid = "0000000", .gid = "0000000", .type = '0'};
        snprintf(header.name, sizeof(header.name), "%s", name);
        put_size(header.size, bytes);
        snprintf(header.mtime, sizeof(header.mtime), "%011llo", (unsigned long long)modified_s);
        memcpy(header.magic, "ustar", 6);
        memcpy(header.version, "00", 2);
        snprintf(header.checksum, sizeof(header.checksum), "%06o", checksum_of(&header));
        header.checksum[7] = ' ';
        *ret_header = header;
}

static bool get_octal(const char *field, size_t size, uint64_t *ret_value)
{
        uint64_t value = 0;
        size_t i = 0;
        for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
                value = value << 3 | (uint64_t)(field[i] - '0');
        *ret_value = value;
        return i > 0 && (i == size || field[i] == '\0' || field[i] == ' ');
}

static bool get_size(const char field[12], uint64_t *ret_bytes)
{
        uint64_t bytes = 0;
        if ((field[0] & 0x80) == 0)
                return get_octal(field, 12, ret_bytes);
        for (size_t i = 4; i < 12; i++)
                bytes = bytes << 8 | (unsigned char)field[i];
        *ret_bytes = bytes;
        return bytes <= INT64_MAX;
}

bool tk_tar_header_read(const struct tk_tar_header *header, char ret_name[101], uint64_t *ret_bytes)
{
        uint64_t sum;
        if (memcmp(header->magic, "ustar", 5) != 0 || !get_octal(header->checksum, 8, &sum) ||
            sum != checksum_of(header) || header->type != '0')
                return false;
        memcpy(ret_name, header->name, sizeof(header->name));
        ret_name[sizeof(header->name)] = '\0';
        return get_size(header->size, ret_bytes);
}
