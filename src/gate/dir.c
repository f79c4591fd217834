/*
 * The gate directory: made or opened safely, and locked. Called at start, by the daemon and by deciders, from
 * one thread. Never looks at the files of the gate.
 */
#include "gate/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tk_err refuse(struct tk_fault *fault, enum tk_err err, const char *path, const char *why,
                          const char *mend)
{
        tk_fault_set(fault, TK_FAULT_unavailable, "", mend, "gate directory %s: %s", path, why);
        return err;
}

enum tk_err tk_dir_open(const char *path, bool create, int *ret_fd, struct tk_fault *fault)
{
        if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
                return refuse(fault, errno == ENOSPC ? TK_FULL : TK_IO, path, strerror(errno),
                              "choose a directory that the daemon may make");

        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return refuse(fault, errno == ENOENT ? TK_NOT_FOUND : TK_IO, path, strerror(errno),
                              "start the daemon, or name the directory that it uses");

        struct stat status;
        if (fstat(fd, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH))) {
                close(fd);
                return refuse(fault, TK_DENIED, path, "it belongs to another user, or others may write to it",
                              "remove it, or give it to the daemon's user with mode 0700");
        }
        *ret_fd = fd;
        return TK_OK;
}

enum tk_err tk_dir_lock(int dir_fd, int *ret_fd, struct tk_fault *fault)
{
        int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return refuse(fault, errno == ENOSPC ? TK_FULL : TK_IO, "lock", strerror(errno), NULL);

        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                bool taken = errno == EWOULDBLOCK;
                close(fd);
                return refuse(fault, taken ? TK_BUSY : TK_IO, "lock",
                              taken ? "another daemon has it" : "it cannot be locked",
                              "stop the other daemon first");
        }
        *ret_fd = fd;
        return TK_OK;
}
