/*
 * The data directory: made when missing, closed to others, locked by one daemon. The lock is an open file
 * description lock, which the kernel releases when the daemon dies, however it dies.
 */
#include "service/internal.h"

#include <stdio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tk_err io_fault(struct tk_fault *fault, const char *what, const char *path, const char *mend)
{
        tk_fault_set(fault, TK_FAULT_internal, "", mend, "cannot %s %s: %s", what, path, strerror(errno));
        return errno == ENOSPC ? TK_FULL : TK_IO;
}

static enum tk_err make_dir(const char *dir, struct tk_fault *fault)
{
        if (mkdir(dir, 0700) != 0 && errno != EEXIST)
                return io_fault(fault, "make the data directory", dir,
                                "make its parent, or choose another with --data");
        struct stat status;
        if (stat(dir, &status) != 0)
                return io_fault(fault, "look at the data directory", dir, NULL);
        if (!S_ISDIR(status.st_mode))
                return tk_fault_set(fault, TK_FAULT_internal, "", "choose another with --data",
                                    "%s is not a directory", dir);
        if (status.st_mode & (S_IWGRP | S_IWOTH)) {
                tk_fault_set(fault, TK_FAULT_internal, "", "chmod 700 it",
                             "others may write to the data directory %s", dir);
                return TK_DENIED;
        }
        return TK_OK;
}

enum tk_err tk_data_dir_open(const char *dir, int *ret_lock_fd, struct tk_fault *fault)
{
        enum tk_err err = make_dir(dir, fault);
        if (err != TK_OK)
                return err;
        char path[4096];
        int length = snprintf(path, sizeof(path), "%s/lock", dir);
        if (length < 0 || (size_t)length >= sizeof(path))
                return tk_fault_set(fault, TK_FAULT_invalid_value, "--data", "use a shorter path",
                                    "the path is too long");
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return io_fault(fault, "open the lock", path,
                                errno == EROFS
                                        ? "mount it so that it can be written, or choose another with --data"
                                        : "check who owns the data directory");
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
                bool held = errno == EAGAIN || errno == EACCES;
                enum tk_err failed = io_fault(fault, "lock", path, NULL);
                close(fd);
                if (!held)
                        return failed;
                tk_fault_set(fault, TK_FAULT_unavailable, "",
                             "stop it first, or choose another directory with --data",
                             "another tollkeeper daemon is using the data directory %s", dir);
                return TK_BUSY;
        }
        *ret_lock_fd = fd;
        return TK_OK;
}
