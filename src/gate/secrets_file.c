/*
 * Reads the pepper file (secrets_file.h). The text is wiped before anybody else could see it.
 */
#include "gate/secrets_file.h"

#include "core/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tk_err refuse(struct tk_fault *fault, enum tk_err err, const char *path, const char *why,
                          const char *mend)
{
        tk_fault_set(fault, TK_FAULT_internal, "", mend, "the pepper file %s %s", path, why);
        return err;
}

static struct tk_secrets_version version_of(const struct stat *status)
{
        return (struct tk_secrets_version){.device = status->st_dev,
                                           .inode = status->st_ino,
                                           .size = (uint64_t)status->st_size,
                                           .changed_s = status->st_ctim.tv_sec,
                                           .changed_ns = status->st_ctim.tv_nsec};
}

bool tk_secrets_file_version(const char *path, struct tk_secrets_version *ret_version)
{
        struct stat status;
        if (lstat(path, &status) != 0)
                return false;
        *ret_version = version_of(&status);
        return true;
}

/* NULL: it is a file that only its owner, who we are, can read. */
static const char *why_not_private(const struct stat *status, const char **ret_mend)
{
        *ret_mend = "put the right file back from its copy";
        if (!S_ISREG(status->st_mode))
                return "is not a file";
        *ret_mend = "run as the daemon's user, or give the file to this one";
        if (status->st_uid != geteuid())
                return "belongs to another user";
        *ret_mend = "chmod 600 it";
        return status->st_mode & 077 ? "may be read by others" : NULL;
}

static enum tk_err open_private(const char *path, int *ret_fd, struct stat *ret_status,
                                struct tk_fault *fault)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return refuse(fault, TK_NOT_FOUND, path, "is missing",
                              "start the daemon, which makes it, or name the directory that it uses");
        if (fd < 0 && errno == ELOOP)
                return refuse(fault, TK_DENIED, path, "is a symbolic link", "name the file itself");
        if (fd < 0)
                return refuse(fault, errno == EACCES ? TK_DENIED : TK_IO, path, "cannot be opened",
                              "run as the daemon's user");

        const char *mend;
        memset(ret_status, 0, sizeof(*ret_status)); /* should fstat() fail, it is no file */
        (void)fstat(fd, ret_status);
        const char *why = why_not_private(ret_status, &mend);
        if (why) {
                close(fd);
                return refuse(fault, TK_DENIED, path, why, mend);
        }
        *ret_fd = fd;
        return TK_OK;
}

/* All of it, or as much as `room`. */
static bool read_all(int fd, char *bytes, size_t room, size_t *ret_len)
{
        size_t len = 0;
        while (len < room) {
                ssize_t got = read(fd, bytes + len, room - len);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return false;
                if (got == 0)
                        break;
                len += (size_t)got;
        }
        *ret_len = len;
        return true;
}

enum tk_err tk_secrets_file_read(const char *path, struct tk_pepper_file *ret_file,
                                 struct tk_secrets_version *ret_version, struct tk_fault *fault)
{
        int fd;
        struct stat status;
        enum tk_err err = open_private(path, &fd, &status, fault);
        if (err != TK_OK)
                return err;

        static const char mend[] = "put the right file back from its copy";
        char text[TK_PEPPER_FILE_MAX_BYTES + 1];
        size_t len = 0;
        const char *why = NULL;
        if (!read_all(fd, text, sizeof(text), &len))
                err = refuse(fault, TK_IO, path, "cannot be read", mend);
        else if (tk_pepper_file_parse((struct tk_str){text, len}, ret_file, &why) != TK_OK)
                err = refuse(fault, TK_CORRUPT, path, why, mend);
        close(fd);
        tk_wipe(text, sizeof(text));
        if (err == TK_OK && ret_version)
                *ret_version = version_of(&status);
        return err;
}
