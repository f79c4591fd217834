/*
 * Takes backups apart (archive.h). Each member is read once, in the order in which it stands; nothing it says is believed before the
 * manifest at the end has confirmed its sum.
 */
#include "core/alloc.h"
#include "service/archive.h"
#include "service/archive_tar.h"

#include <jansson.h>
#include <nettle/sha2.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK              (256u << 10)
#define MANIFEST_BYTES_MAX (64u << 10)

struct member {
        const char *name;
        bool found;
        uint64_t bytes;
        char sum[65];
};

struct reader {
        const char *path;
        int fd, dir_fd;
        char *chunk;
        struct member registry, meters;
        char manifest[MANIFEST_BYTES_MAX];
        size_t manifest_len;
        struct tk_fault *fault;
};

static enum tk_err bad(struct reader *reader, const char *why)
{
        tk_fault_set(reader->fault, TK_FAULT_invalid_value, "", "take another backup", "%s %s", reader->path,
                     why);
        return TK_CORRUPT;
}

/* Exactly so many bytes. */
static enum tk_err take(struct reader *reader, void *bytes, size_t len)
{
        for (size_t done = 0; done < len;) {
                ssize_t got = read(reader->fd, (char *)bytes + done, len - done);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return tk_fault_set(reader->fault, TK_FAULT_internal, "", NULL, "cannot read %s: %s",
                                            reader->path, strerrordesc_np(errno));
                if (got == 0)
                        return bad(reader, "is cut off: its end is missing");
                done += (size_t)got;
        }
        return TK_OK;
}

static enum tk_err put(struct reader *reader, int fd, const char *bytes, size_t len)
{
        while (len > 0) {
                ssize_t written = write(fd, bytes, len);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written <= 0) {
                        bool full = errno == ENOSPC || errno == EDQUOT;
                        tk_fault_set(reader->fault, full ? TK_FAULT_insufficient_storage : TK_FAULT_internal,
                                     "", "make room for it", "cannot write what is in %s: %s", reader->path,
                                     strerrordesc_np(errno));
                        return full ? TK_FULL : TK_IO;
                }
                bytes += written;
                len -= (size_t)written;
        }
        return TK_OK;
}

/* ---- members ---- */

static enum tk_err copy_member(struct reader *reader, struct member *member, int fd)
{
        struct sha256_ctx context;
        uint8_t sum[SHA256_DIGEST_SIZE];
        sha256_init(&context);
        for (uint64_t left = member->bytes; left > 0;) {
                size_t len = left < CHUNK ? (size_t)left : CHUNK;
                enum tk_err err = take(reader, reader->chunk, len);
                if (err == TK_OK && fd >= 0)
                        err = put(reader, fd, reader->chunk, len);
                if (err != TK_OK)
                        return err;
                sha256_update(&context, len, (const uint8_t *)reader->chunk);
                left -= len;
        }
        sha256_digest(&context, sizeof(sum), sum);
        for (size_t i = 0; i < sizeof(sum); i++)
                snprintf(member->sum + 2 * i, 3, "%02x", sum[i]);
        return TK_OK;
}

static enum tk_err take_member(struct reader *reader, struct member *member, uint64_t bytes)
{
        char part[64];
        int fd = -1;
        if (member->found)
                return bad(reader, "is no backup of this program: it has a file twice");
        member->found = true;
        member->bytes = bytes;
        if (reader->dir_fd >= 0) {
                snprintf(part, sizeof(part), "%s.part", member->name);
                fd = openat(reader->dir_fd, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (fd < 0)
                        return tk_fault_set(reader->fault, TK_FAULT_internal, "", NULL, "cannot write %s: %s",
                                            part, strerrordesc_np(errno));
        }
        enum tk_err err = copy_member(reader, member, fd);
        if (err == TK_OK && fd >= 0 && fsync(fd) != 0)
                err = tk_fault_from_err(reader->fault, TK_IO);
        if (fd >= 0)
                close(fd);
        return err;
}

static enum tk_err take_manifest(struct reader *reader, uint64_t bytes)
{
        if (bytes == 0 || bytes > sizeof(reader->manifest))
                return bad(reader, "is damaged: its list of files has an odd size");
        reader->manifest_len = (size_t)bytes;
        return take(reader, reader->manifest, reader->manifest_len);
}

/* One member; *ret_end where the archive ends. */
static enum tk_err take_next(struct reader *reader, bool *ret_end)
{
        static const struct tk_tar_header zeros;
        struct tk_tar_header header;
        char name[101], padding[TK_TAR_BLOCK];
        uint64_t bytes;
        enum tk_err err = take(reader, &header, sizeof(header));
        if (err != TK_OK)
                return err;
        *ret_end = memcmp(&header, &zeros, sizeof(header)) == 0;
        if (*ret_end)
                return TK_OK;
        if (!tk_tar_header_read(&header, name, &bytes))
                return bad(reader, "is no backup, or is damaged");
        if (strcmp(name, TK_ARCHIVE_REGISTRY) == 0)
                err = take_member(reader, &reader->registry, bytes);
        else if (strcmp(name, TK_ARCHIVE_METERS) == 0)
                err = take_member(reader, &reader->meters, bytes);
        else if (strcmp(name, TK_ARCHIVE_MANIFEST) == 0)
                err = take_manifest(reader, bytes);
        else
                return bad(reader, "is no backup of this program: it has other files");
        return err == TK_OK ? take(reader, padding, (size_t)tk_tar_padding(bytes)) : err;
}

/* ---- the manifest ---- */

static bool confirmed(const struct member *member, const json_t *files)
{
        size_t i;
        const json_t *file;
        json_array_foreach(files, i, file)
        {
                const char *name = json_string_value(json_object_get(file, "name"));
                const char *sum = json_string_value(json_object_get(file, "sha256"));
                json_int_t bytes = json_integer_value(json_object_get(file, "bytes"));
                if (name && sum && strcmp(name, member->name) == 0)
                        return member->found && (uint64_t)bytes == member->bytes &&
                               strcmp(sum, member->sum) == 0;
        }
        return !member->found;
}

static enum tk_err check(struct reader *reader, struct tk_archive_info *ret_info)
{
        json_t *manifest = json_loadb(reader->manifest, reader->manifest_len, JSON_REJECT_DUPLICATES, NULL);
        const json_t *files = json_object_get(manifest, "files");
        const char *format = json_string_value(json_object_get(manifest, "format"));
        const char *installation = json_string_value(json_object_get(manifest, "installation"));
        const char *created_at = json_string_value(json_object_get(manifest, "created_at"));
        json_int_t version = json_integer_value(json_object_get(manifest, "version"));
        enum tk_err err = TK_OK;
        if (!format || strcmp(format, "tollkeeper-backup") != 0 || !installation || !created_at)
                err = bad(reader, "is no backup, or is damaged");
        else if (version != TK_ARCHIVE_VERSION)
                err = bad(reader, "was made by a newer version of this program");
        else if (!reader->registry.found || !confirmed(&reader->registry, files) ||
                 !confirmed(&reader->meters, files))
                err = bad(reader, "is damaged: a file in it does not have the sum that it should have");
        if (err == TK_OK) {
                *ret_info = (struct tk_archive_info){.registry_bytes = reader->registry.bytes,
                                                     .meters_bytes = reader->meters.bytes};
                snprintf(ret_info->installation, sizeof(ret_info->installation), "%s", installation);
                snprintf(ret_info->created_at, sizeof(ret_info->created_at), "%s", created_at);
        }
        json_decref(manifest);
        return err;
}

static enum tk_err read_all(struct reader *reader, struct tk_archive_info *ret_info)
{
        bool end = false;
        enum tk_err err = TK_OK;
        while (err == TK_OK && !end)
                err = take_next(reader, &end);
        return err == TK_OK ? check(reader, ret_info) : err;
}

enum tk_err tk_archive_unpack(const char *path, int dir_fd, struct tk_archive_info *ret_info,
                              struct tk_fault *fault)
{
        struct reader *reader = tk_calloc(1, sizeof(*reader));
        char *chunk = tk_malloc(CHUNK);
        enum tk_err err;
        if (!reader || !chunk) {
                err = tk_fault_from_err(fault, TK_NOMEM);
                goto out;
        }
        *reader = (struct reader){.path = path,
                                  .dir_fd = dir_fd,
                                  .chunk = chunk,
                                  .registry.name = TK_ARCHIVE_REGISTRY,
                                  .meters.name = TK_ARCHIVE_METERS,
                                  .fault = fault};
        reader->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (reader->fd < 0) {
                err = tk_fault_set(fault, TK_FAULT_not_found, "", "check the path and who may read it",
                                   "cannot read %s: %s", path, strerrordesc_np(errno));
                goto out;
        }
        err = read_all(reader, ret_info);
        close(reader->fd);
out:
        tk_free(chunk);
        tk_free(reader);
        return err;
}
