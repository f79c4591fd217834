/*
 * The journal's file (meter_file.h). Nothing is believed to be durable before a sync has said so: after one
 * that failed, the same values are written again at the same place, since the kernel may have dropped them
 * and would not say so twice.
 */
#include "service/meter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_NAME TK_METER_FILE_NAME ".new"
#define TAIL_BYTES                                                                                           \
        (UINT64_C(2) * TK_METER_FRAME_BYTES_MAX) /* any such stretch of a good file has a whole frame */

/* ---- input and output ---- */

static enum tk_err io_err(void)
{
        return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? TK_FULL : TK_IO;
}

static enum tk_err write_at(int fd, uint64_t offset, const uint8_t *bytes, size_t len)
{
        while (len > 0) {
                ssize_t written = pwrite(fd, bytes, len, (off_t)offset);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return io_err();
                if (written == 0)
                        return TK_FULL;
                bytes += written;
                len -= (size_t)written;
                offset += (uint64_t)written;
        }
        return TK_OK;
}

enum tk_err tk_meter_file_read_at(void *file, uint64_t offset, uint8_t *bytes, size_t len, size_t *ret_len)
{
        const struct tk_meter_file *from = file;
        size_t done = 0;
        while (done < len) {
                ssize_t got = pread(from->fd, bytes + done, len - done, (off_t)(offset + done));
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return TK_IO;
                if (got == 0)
                        break;
                done += (size_t)got;
        }
        *ret_len = done;
        return TK_OK;
}

/* ---- open ---- */

static enum tk_err unfit(struct tk_fault *fault, const char *why)
{
        tk_fault_set(fault, TK_FAULT_internal, "",
                     "move it away: usage since the last flush to the registry is lost with it",
                     "the data directory's %s %s", TK_METER_FILE_NAME, why);
        return TK_CORRUPT;
}

/* Its last good frame, looked for from `from` on. */
static enum tk_err find_end_from(struct tk_meter_file *file, uint64_t from)
{
        struct tk_meter_reader reader;
        struct tk_meter_frame frame;
        const uint8_t *payload;
        enum tk_err err = tk_meter_reader_init(&reader, tk_meter_file_read_at, file);
        if (err)
                return err;
        reader.at = from;
        while ((err = tk_meter_reader_next(&reader, &frame, &payload)) == TK_OK)
                file->last = frame;
        file->end = reader.end;
        tk_meter_reader_fini(&reader);
        return err == TK_NOT_FOUND ? TK_OK : err;
}

/* A file of gigabytes is not read for it, unless its end is damaged beyond what a power cut does. */
static enum tk_err find_end(struct tk_meter_file *file, uint64_t size)
{
        uint64_t from = TK_METER_FILE_HEADER_BYTES;
        if (size > from + TAIL_BYTES)
                from = (size - TAIL_BYTES) & ~UINT64_C(7);
        enum tk_err err = find_end_from(file, from);
        if (!err && file->last.sequence == 0 && from > TK_METER_FILE_HEADER_BYTES)
                err = find_end_from(file, TK_METER_FILE_HEADER_BYTES);
        return err;
}

static enum tk_err take_file(struct tk_meter_file *file, struct tk_fault *fault)
{
        uint8_t header[TK_METER_FILE_HEADER_BYTES], installation[16];
        struct stat status;
        size_t len;
        enum tk_err err = fstat(file->fd, &status) == 0 ? TK_OK : TK_IO;
        if (!err)
                err = tk_meter_file_read_at(file, 0, header, sizeof header, &len);
        if (!err && tk_meter_file_header_check(header, len, installation) != TK_OK)
                return unfit(fault, "is damaged in its first bytes, or of another version of this program");
        if (!err && memcmp(installation, file->installation, sizeof installation) != 0)
                return unfit(fault, "belongs to another installation");
        if (!err)
                err = find_end(file, (uint64_t)status.st_size);
        if (err)
                return err;
        file->synced_end = file->end;
        if ((uint64_t)status.st_size > file->end) {
                file->cut_bytes = (uint64_t)status.st_size - file->end;
                (void)ftruncate(file->fd, (off_t)file->end); /* else it is written over */
        }
        return TK_OK;
}

enum tk_err tk_meter_file_open(const char *data_dir, const uint8_t installation[16],
                               struct tk_meter_file *ret_file, struct tk_fault *fault)
{
        struct tk_meter_file file = {.fd = -1, .new_fd = -1};
        enum tk_err err = TK_OK;
        memcpy(file.installation, installation, sizeof file.installation);
        file.dir_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (file.dir_fd >= 0) {
                (void)unlinkat(file.dir_fd, NEW_NAME, 0);
                file.fd = openat(file.dir_fd, TK_METER_FILE_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        }
        if (file.dir_fd < 0 || (file.fd < 0 && errno != ENOENT))
                err = TK_IO;
        else if (file.fd >= 0)
                err = take_file(&file, fault);
        if (err == TK_IO)
                tk_fault_set(fault, TK_FAULT_internal, "", "see that it can be read and written",
                             "cannot read %s/%s: %s", data_dir, TK_METER_FILE_NAME, strerror(errno));
        if (err) {
                tk_meter_file_close(&file);
                return err;
        }
        *ret_file = file;
        return TK_OK;
}

void tk_meter_file_close(struct tk_meter_file *file)
{
        tk_meter_file_drop_new(file);
        if (file->fd >= 0)
                close(file->fd);
        if (file->dir_fd >= 0)
                close(file->dir_fd);
        file->fd = file->dir_fd = -1;
}

/* ---- append ---- */

enum tk_err tk_meter_file_append(struct tk_meter_file *file, const uint8_t *bytes, size_t len)
{
        if (file->new_fd >= 0)
                (void)tk_meter_file_append_new(file, bytes, len);
        if (file->fd < 0)
                return TK_IO;
        enum tk_err err = write_at(file->fd, file->end, bytes, len);
        if (!err)
                file->end += len;
        return err;
}

/* Until the directory is synced, a power cut may bring back the file that was replaced. */
static enum tk_err sync_dir(struct tk_meter_file *file)
{
        if (file->dir_unsynced && fsync(file->dir_fd) != 0)
                return io_err();
        file->dir_unsynced = false;
        return TK_OK;
}

enum tk_err tk_meter_file_sync(struct tk_meter_file *file)
{
        bool written = file->fd >= 0 && file->end > file->synced_end;
        if (sync_dir(file) != TK_OK || (written && fdatasync(file->fd) != 0)) {
                enum tk_err err = io_err();
                tk_meter_file_undo(file);
                return err;
        }
        file->synced_end = file->end;
        return TK_OK;
}

void tk_meter_file_undo(struct tk_meter_file *file)
{
        file->end = file->synced_end;
        if (file->fd >= 0)
                (void)ftruncate(file->fd, (off_t)file->end); /* else it is written over */
}

/* ---- a new file ---- */

void tk_meter_file_drop_new(struct tk_meter_file *file)
{
        if (file->new_fd < 0)
                return;
        close(file->new_fd);
        file->new_fd = -1;
        (void)unlinkat(file->dir_fd, NEW_NAME, 0);
}

enum tk_err tk_meter_file_begin_new(struct tk_meter_file *file)
{
        uint8_t header[TK_METER_FILE_HEADER_BYTES];
        tk_meter_file_drop_new(file);
        file->new_fd =
                openat(file->dir_fd, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file->new_fd < 0)
                return io_err();
        file->new_end = 0;
        tk_meter_file_header(file->installation, header);
        return tk_meter_file_append_new(file, header, sizeof header);
}

enum tk_err tk_meter_file_append_new(struct tk_meter_file *file, const uint8_t *bytes, size_t len)
{
        if (file->new_fd < 0)
                return TK_IO;
        enum tk_err err = write_at(file->new_fd, file->new_end, bytes, len);
        if (err)
                tk_meter_file_drop_new(file);
        else
                file->new_end += len;
        return err;
}

enum tk_err tk_meter_file_commit_new(struct tk_meter_file *file)
{
        if (file->new_fd < 0)
                return TK_IO;
        if (fdatasync(file->new_fd) != 0 ||
            renameat(file->dir_fd, NEW_NAME, file->dir_fd, TK_METER_FILE_NAME) != 0) {
                enum tk_err err = io_err();
                tk_meter_file_drop_new(file);
                return err;
        }
        if (file->fd >= 0)
                close(file->fd);
        file->fd = file->new_fd;
        file->new_fd = -1;
        file->end = file->synced_end = file->new_end;
        file->dir_unsynced = true;
        (void)sync_dir(file); /* else the next sync does */
        return TK_OK;
}
