/*
 * Makes backups (archive.h): the pieces, their sums, and reading across them. Taking one apart: unarchive.c.
 */
#include "service/archive.h"

#include "core/alloc.h"
#include "service/archive_tar.h"

#include <jansson.h>
#include <nettle/sha2.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECES_MAX 10
#define CHUNK      (256u << 10)

/* Bytes of a file, or of memory. */
struct piece {
        uint64_t bytes;
        int fd; /* -1: of memory */
        const char *memory;
};

struct tk_archive {
        struct piece pieces[PIECES_MAX];
        size_t count;
        uint64_t bytes;
        struct tk_tar_header registry, meters, manifest;
        char zeros[2 * TK_TAR_BLOCK];
        char *text; /* of the manifest */
        int registry_fd, meters_fd;
};

static void add(struct tk_archive *archive, int fd, const char *memory, uint64_t bytes)
{
        if (bytes == 0)
                return;
        archive->pieces[archive->count++] = (struct piece){.bytes = bytes, .fd = fd, .memory = memory};
        archive->bytes += bytes;
}

static enum tk_err sum_file(int fd, uint64_t *ret_bytes, char ret_hex[65])
{
        struct sha256_ctx context;
        uint8_t sum[SHA256_DIGEST_SIZE];
        uint64_t at = 0;
        char *chunk = tk_malloc(CHUNK);
        ssize_t got = -1;
        sha256_init(&context);
        while (chunk && (got = pread(fd, chunk, CHUNK, (off_t)at)) > 0) {
                sha256_update(&context, (size_t)got, (const uint8_t *)chunk);
                at += (uint64_t)got;
        }
        bool out_of_memory = !chunk;
        tk_free(chunk);
        if (got < 0)
                return out_of_memory ? TK_NOMEM : TK_IO;
        sha256_digest(&context, sizeof(sum), sum);
        for (size_t i = 0; i < sizeof(sum); i++)
                snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
        *ret_bytes = at;
        return TK_OK;
}

/* ---- the manifest ---- */

static enum tk_err write_manifest(struct tk_archive *archive, const uint8_t installation[16],
                                  int64_t created_s, json_t *files)
{
        char id[33], when[32];
        time_t created = (time_t)created_s;
        struct tm utc;
        for (size_t i = 0; i < 16; i++)
                snprintf(id + 2 * i, 3, "%02x", installation[i]);
        gmtime_r(&created, &utc);
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
        json_t *manifest = json_pack("{s:s, s:i, s:s, s:s, s:O, s:[s]}", "format", "tollkeeper-backup",
                                     "version", TK_ARCHIVE_VERSION, "created_at", when, "installation", id,
                                     "files", files, "left_out", "pepper");
        size_t len = manifest ? json_dumpb(manifest, NULL, 0, JSON_INDENT(2)) : 0;
        archive->text = len > 0 ? tk_calloc(1, len + 1) : NULL;
        if (archive->text) {
                json_dumpb(manifest, archive->text, len, JSON_INDENT(2));
                archive->text[len] = '\n';
                tk_tar_header(&archive->manifest, TK_ARCHIVE_MANIFEST, len + 1, created_s);
                add(archive, -1, (const char *)&archive->manifest, TK_TAR_BLOCK);
                add(archive, -1, archive->text, len + 1);
                add(archive, -1, archive->zeros, tk_tar_padding(len + 1));
                add(archive, -1, archive->zeros, sizeof(archive->zeros)); /* the end */
        }
        json_decref(manifest);
        return archive->text ? TK_OK : TK_NOMEM;
}

static enum tk_err add_file(struct tk_archive *archive, struct tk_tar_header *header, const char *name,
                            int fd, int64_t created_s, json_t *files)
{
        char sum[65];
        uint64_t bytes;
        enum tk_err err = sum_file(fd, &bytes, sum);
        if (err != TK_OK)
                return err;
        tk_tar_header(header, name, bytes, created_s);
        add(archive, -1, (const char *)header, TK_TAR_BLOCK);
        add(archive, fd, NULL, bytes);
        add(archive, -1, archive->zeros, tk_tar_padding(bytes));
        json_t *file = json_pack("{s:s, s:I, s:s}", "name", name, "bytes", (json_int_t)bytes, "sha256", sum);
        return json_array_append_new(files, file) == 0 ? TK_OK : TK_NOMEM;
}

enum tk_err tk_archive_make(int registry_fd, int meters_fd, const uint8_t installation[16], int64_t created_s,
                            struct tk_archive **ret_archive)
{
        struct tk_archive *archive = tk_calloc(1, sizeof(*archive));
        json_t *files = json_array();
        enum tk_err err = archive && files ? TK_OK : TK_NOMEM;
        if (archive) {
                archive->registry_fd = registry_fd;
                archive->meters_fd = meters_fd;
        }
        if (err == TK_OK)
                err = add_file(archive, &archive->registry, TK_ARCHIVE_REGISTRY, registry_fd, created_s,
                               files);
        if (err == TK_OK && meters_fd >= 0)
                err = add_file(archive, &archive->meters, TK_ARCHIVE_METERS, meters_fd, created_s, files);
        if (err == TK_OK)
                err = write_manifest(archive, installation, created_s, files);
        json_decref(files);
        if (err == TK_OK)
                *ret_archive = archive;
        else
                tk_archive_free(archive);
        return err;
}

void tk_archive_free(struct tk_archive *archive)
{
        if (!archive)
                return;
        close(archive->registry_fd);
        if (archive->meters_fd >= 0)
                close(archive->meters_fd);
        tk_free(archive->text);
        tk_free(archive);
}

uint64_t tk_archive_bytes(const struct tk_archive *archive)
{
        return archive->bytes;
}

int64_t tk_archive_read(void *context, uint64_t at, char *ret_bytes, size_t max)
{
        const struct tk_archive *archive = context;
        for (size_t i = 0; i < archive->count; i++) {
                const struct piece *piece = &archive->pieces[i];
                if (at >= piece->bytes) {
                        at -= piece->bytes;
                        continue;
                }
                size_t len = piece->bytes - at < max ? (size_t)(piece->bytes - at) : max;
                if (piece->fd < 0) {
                        memcpy(ret_bytes, piece->memory + at, len);
                        return (int64_t)len;
                }
                ssize_t got = pread(piece->fd, ret_bytes, len, (off_t)at);
                return got > 0 ? got : -1;
        }
        return 0;
}
