/*
 * Headers of the tar format (POSIX.1-1988 ustar), for plain files with short names. Pure. Called by archive.c and unarchive.c.
 */
#ifndef TK_SERVICE_ARCHIVE_TAR_H
#define TK_SERVICE_ARCHIVE_TAR_H

#include <stdbool.h>
#include <stdint.h>

#define TK_TAR_BLOCK 512

struct tk_tar_header {
        char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
        char type, link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
        char rest[12];
};
_Static_assert(sizeof(struct tk_tar_header) == TK_TAR_BLOCK, "one block");

/* Sizes of 8 GiB and more take GNU's binary form, which every tar reads. */
void tk_tar_header(struct tk_tar_header *ret_header, const char *name, uint64_t bytes, int64_t modified_s);

/* False when it is no header of a plain file. ret_name is NUL-terminated. */
bool tk_tar_header_read(const struct tk_tar_header *header, char ret_name[101], uint64_t *ret_bytes);

/* Zeros after a member of so many bytes. */
static inline uint64_t tk_tar_padding(uint64_t bytes)
{
        return (TK_TAR_BLOCK - bytes % TK_TAR_BLOCK) % TK_TAR_BLOCK;
}

#endif
