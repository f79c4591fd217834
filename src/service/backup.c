/*
 * Takes backups (backup.h). The order is what makes them whole: first the meters are flushed to the registry, then the registry is copied,
 * then the journal, which may only know more. What restores them only ever raises a meter.
 */
#include "service/backup.h"

#include "core/alloc.h"
#include "registry/import.h"
#include "service/internal.h"
#include "service/meter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_LEFT_BYTES (UINT64_C(64) << 20) /* for everybody else, while the copy is there */
#define CHUNK           (256u << 10)

struct job {
        struct tk_service *service;
        struct tk_fault *fault;
        int registry_fd, meters_fd;
};

static enum tk_err path_of(const struct job *job, const char *name, char ret_path[4096])
{
        int len = snprintf(ret_path, 4096, "%s/%s", job->service->data_dir, name);
        return len > 0 && len < 4096 ? TK_OK : tk_fault_from_err(job->fault, TK_INVALID);
}

static uint64_t file_bytes(const struct job *job, const char *name)
{
        char path[4096];
        struct stat status;
        bool found = path_of(job, name, path) == TK_OK && stat(path, &status) == 0;
        return found ? (uint64_t)status.st_size : 0;
}

/* Revocations have a reserve of their own; a backup must not take the disk's last space from everything else. */
static enum tk_err check_room(const struct job *job)
{
        uint64_t wanted = file_bytes(job, "registry.db") + file_bytes(job, "registry.db-wal") +
                          file_bytes(job, TK_METER_FILE_NAME) + ROOM_LEFT_BYTES;
        struct statvfs fs;
        if (statvfs(job->service->data_dir, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= wanted)
                return TK_OK;
        tk_fault_set(job->fault, TK_FAULT_insufficient_storage, "",
                     "free space in the file system of the data directory, then try again",
                     "the data directory has no room for a copy of the registry: it takes %llu MiB",
                     (unsigned long long)(wanted >> 20));
        return TK_FULL;
}

/* What is staged aside is in no backup: restored, an import that was decided and is being carried out would be half of one. */
static enum tk_err half_import(const struct job *job)
{
        tk_fault_set(job->fault, TK_FAULT_unavailable, "",
                     "try again when it is done: GET /v1/imports shows how far it is",
                     "an import of all or nothing is being carried out, and a backup would hold half of it");
        return TK_BUSY;
}

static enum tk_err read_unfinished(struct tk_txn *txn, void *context)
{
        struct tk_import *import = context;
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        enum tk_err err = tk_import_unfinished(txn, &arena, import);
        tk_arena_fini(&arena);
        if (err == TK_NOT_FOUND)
                import->state = TK_IMPORT_DONE;
        return err == TK_NOT_FOUND ? TK_OK : err;
}

/* Before anything is copied. One that begins meanwhile is seen in the copy. */
static enum tk_err check_imports(const struct job *job)
{
        struct tk_import import;
        enum tk_err err = tk_registry_read(job->service->registry, read_unfinished, &import);
        if (err != TK_OK)
                return tk_fault_from_err(job->fault, err);
        return import.state == TK_IMPORT_APPLYING ? half_import(job) : TK_OK;
}

/* ---- the note ---- */

struct note {
        struct tk_op op;
};

static enum tk_err write_note(struct tk_txn *txn, void *context)
{
        struct note *note = context;
        struct tk_api api;
        struct tk_change change;
        enum tk_err err = tk_api_find(txn, TK_STR(TK_ADMIN_API), note->op.arena, &api);
        if (err == TK_OK)
                err = tk_op_change(&note->op, "backup.create", json_null(), json_null(), &change);
        return err == TK_OK ? tk_audit_note(txn, TK_OBJECT_API, api.id, &change) : err;
}

/* Before the copy, so that the copy says by whom it was taken. */
static enum tk_err note_it(const struct job *job, const struct tk_caller *caller)
{
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct note note = {.op = tk_op_begin(job->service, caller, &arena, job->fault)};
        enum tk_err err = tk_op_write(&note.op, TK_LANE_NORMAL, write_note, &note);
        tk_arena_fini(&arena);
        return err;
}

/* ---- the copies: files without a name ---- */

static enum tk_err copy_registry(struct job *job)
{
        char path[4096];
        enum tk_err err = path_of(job, "backup.part", path);
        if (err != TK_OK)
                return err;
        (void)unlink(path); /* of a daemon that was killed */
        err = tk_registry_copy(job->service->registry, path);
        if (err == TK_BUSY)
                return half_import(job);
        if (err != TK_OK)
                return tk_fault_from_err(job->fault, err);
        job->registry_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        unlink(path);
        return job->registry_fd >= 0 ? TK_OK : tk_fault_from_err(job->fault, TK_IO);
}

static enum tk_err copy_bytes(int from, int to)
{
        char *chunk = tk_malloc(CHUNK);
        ssize_t got = -1;
        bool good = chunk != NULL;
        while (good && (got = read(from, chunk, CHUNK)) > 0)
                good = write(to, chunk, (size_t)got) == got;
        tk_free(chunk);
        return good && got == 0 ? TK_OK : errno == ENOSPC ? TK_FULL : TK_IO;
}

/* A copy, because the daemon may cut what it could not sync off the end of the journal. None: nothing was counted yet. */
static enum tk_err copy_meters(struct job *job)
{
        char path[4096];
        enum tk_err err = path_of(job, TK_METER_FILE_NAME, path);
        if (err != TK_OK)
                return err;
        int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (from < 0)
                return errno == ENOENT ? TK_OK : tk_fault_from_err(job->fault, TK_IO);
        job->meters_fd = open(job->service->data_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        err = job->meters_fd >= 0 ? copy_bytes(from, job->meters_fd) : TK_IO;
        close(from);
        return err == TK_OK ? TK_OK : tk_fault_from_err(job->fault, err);
}

static enum tk_err take(struct job *job, const struct tk_caller *caller, struct tk_archive **ret_archive)
{
        int64_t now_s = (int64_t)(tk_service_now_ns(job->service) / TK_NS_PER_S);
        enum tk_err err = check_room(job);
        if (err == TK_OK)
                err = check_imports(job);
        if (err == TK_OK)
                err = tk_meters_capture(job->service->meters);
        if (err != TK_OK)
                return job->fault->code == TK_FAULT_none ? tk_fault_from_err(job->fault, err) : err;
        err = note_it(job, caller);
        if (err == TK_OK)
                err = copy_registry(job);
        if (err == TK_OK)
                err = copy_meters(job);
        if (err != TK_OK)
                return err;
        err = tk_archive_make(job->registry_fd, job->meters_fd, job->service->installation, now_s,
                              ret_archive);
        job->registry_fd = job->meters_fd = -1; /* the archive has them, or has closed them */
        return err == TK_OK ? TK_OK : tk_fault_from_err(job->fault, err);
}

enum tk_err tk_service_backup(struct tk_service *service, const struct tk_caller *caller,
                              struct tk_archive **ret_archive, struct tk_fault *fault)
{
        struct job job = {.service = service, .fault = fault, .registry_fd = -1, .meters_fd = -1};
        fault->code = TK_FAULT_none;
        if (atomic_exchange(&service->backing_up, true)) {
                tk_fault_set(fault, TK_FAULT_unavailable, "", "try again when it is done",
                             "another backup is under way");
                return TK_BUSY;
        }
        enum tk_err err = take(&job, caller, ret_archive);
        if (job.registry_fd >= 0)
                close(job.registry_fd);
        if (job.meters_fd >= 0)
                close(job.meters_fd);
        atomic_store(&service->backing_up, false);
        return err;
}
