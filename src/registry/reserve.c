/*
 * The disk reserve: a file whose blocks are allocated (posix_fallocate), cut shorter to give space back. Called by the
 * writer thread, and by registry.c before that runs. The file has no content and may be removed when the daemon is down.
 */
#include "registry/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRAIN_BYTES UINT64_C(65536)
#define SLICES      8

/* What a reserve of an earlier run holds: blocks that are really there. */
static uint64_t bytes_on_disk(const char *path)
{
        struct stat st;

        if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
                return 0;
        return (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size ? 0 : (uint64_t)st.st_size;
}

enum tk_err tk_reserve_init(struct tk_reserve *reserve, const char *database_path, uint64_t want_bytes)
{
        const char *slash = strrchr(database_path, '/');
        int folder_len = slash == NULL ? 0 : (int)(slash - database_path + 1);
        int len = snprintf(reserve->path, sizeof reserve->path, "%.*sreserve", folder_len, database_path);

        if (len < 0 || (size_t)len >= sizeof reserve->path || want_bytes > INT64_MAX - GRAIN_BYTES)
                return TK_INVALID;
        reserve->want_bytes = (want_bytes + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
        reserve->held_bytes = bytes_on_disk(reserve->path);
        if (reserve->held_bytes <= reserve->want_bytes)
                return TK_OK;
        reserve->held_bytes = reserve->want_bytes;
        return truncate(reserve->path, (off_t)reserve->want_bytes) == 0 ? TK_OK : TK_IO;
}

static enum tk_err error_of(int os_error)
{
        return os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG ? TK_FULL : TK_IO;
}

/* Any of it that was allocated before the disk ran out is given back: half a reserve is not worth a full disk. */
static enum tk_err allocate(int fd, uint64_t want_bytes, uint64_t held_bytes)
{
        int status = posix_fallocate(fd, 0, (off_t)want_bytes);

        if (status == 0)
                return ftruncate(fd, (off_t)want_bytes) == 0 ? TK_OK : TK_IO;
        if (ftruncate(fd, (off_t)held_bytes) != 0)
                return TK_IO;
        return error_of(status);
}

enum tk_err tk_reserve_fill(struct tk_reserve *reserve)
{
        enum tk_err err;
        int fd;

        if (tk_reserve_whole(reserve))
                return TK_OK;
        fd = open(reserve->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_of(errno);
        err = allocate(fd, reserve->want_bytes, reserve->held_bytes);
        close(fd);
        if (err == TK_OK)
                reserve->held_bytes = reserve->want_bytes;
        return err;
}

bool tk_reserve_spend(struct tk_reserve *reserve, uint64_t useful_bytes)
{
        uint64_t slice = reserve->want_bytes / SLICES;
        uint64_t spent = useful_bytes > 0 && useful_bytes <= reserve->held_bytes ? useful_bytes : slice;

        if (reserve->held_bytes == 0)
                return false;
        reserve->held_bytes -= spent < reserve->held_bytes ? spent : reserve->held_bytes;
        return truncate(reserve->path, (off_t)reserve->held_bytes) == 0;
}

bool tk_reserve_whole(const struct tk_reserve *reserve)
{
        return reserve->held_bytes == reserve->want_bytes;
}
