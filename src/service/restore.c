/*
 * Brings a backup back (backup.h). The files are made under other names, checked, and renamed when all are good; the lock of the data
 * directory is held meanwhile, so that no daemon starts on half of them.
 */
#include "core/pepper_file.h"
#include "core/secret.h"
#include "service/backup.h"
#include "service/internal.h"
#include "service/meter_file.h"

#include "gate/secrets_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGISTRY_PART TK_ARCHIVE_REGISTRY ".part"
#define METERS_PART   TK_ARCHIVE_METERS ".part"
#define PEPPER_PART   "pepper.part"

struct restorer {
        const struct tk_restore *restore;
        struct tk_fault *fault;
        struct tk_archive_info info;
        bool made_dir;
        int dir_fd, lock_fd;
        struct stat dir; /* whose its files become */
};

static enum tk_err failed(struct restorer *restorer, const char *what)
{
        return tk_fault_set(restorer->fault, TK_FAULT_internal, "",
                            "check who owns the directory, and its space", "cannot %s in %s: %s", what,
                            restorer->restore->data_dir, strerrordesc_np(errno));
}

/* ---- the directory ---- */

static bool is_empty(const char *path)
{
        DIR *dir = opendir(path);
        const struct dirent *entry;
        unsigned count = 0;
        while (dir && (entry = readdir(dir)))
                count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        if (dir)
                closedir(dir);
        return count == 0;
}

static enum tk_err open_dir(struct restorer *restorer)
{
        const char *path = restorer->restore->data_dir;
        restorer->made_dir = access(path, F_OK) != 0;
        if (!restorer->made_dir && !is_empty(path)) {
                tk_fault_set(restorer->fault, TK_FAULT_conflict, "",
                             "name an empty directory, or one that is not there yet",
                             "%s is not empty: nothing is restored over what is there", path);
                return TK_CONFLICT;
        }
        enum tk_err err = tk_data_dir_open(path, &restorer->lock_fd, restorer->fault);
        if (err != TK_OK)
                return err;
        restorer->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (restorer->dir_fd < 0 || fstat(restorer->dir_fd, &restorer->dir) != 0)
                return failed(restorer, "look");
        return TK_OK;
}

/* ---- what is in it ---- */

struct peppers {
        struct tk_pepper list[TK_PEPPER_VERSIONS];
        size_t count;
};

static enum tk_err read_peppers(struct tk_txn *txn, void *context)
{
        struct peppers *peppers = context;
        return tk_pepper_list(txn, peppers->list, &peppers->count);
}

static enum tk_err part_path(const struct restorer *restorer, const char *name, char ret_path[4096])
{
        int len = snprintf(ret_path, 4096, "%s/%s", restorer->restore->data_dir, name);
        return len > 0 && len < 4096 ? TK_OK : tk_fault_from_err(restorer->fault, TK_INVALID);
}

/* Opened as the daemon will, which brings an older schema up to date; its log goes when it is closed. */
static enum tk_err open_registry(struct restorer *restorer, struct peppers *ret_peppers)
{
        char url[4096 + 8];
        uint8_t id[16];
        char text[33];
        struct tk_registry *registry;
        snprintf(url, sizeof(url), "sqlite:%s/" REGISTRY_PART, restorer->restore->data_dir);
        const struct tk_registry_config config = {.url = url};
        enum tk_err err = tk_registry_open(&config, &registry, restorer->fault);
        if (err != TK_OK)
                return err;
        err = tk_registry_read(registry, read_peppers, ret_peppers);
        tk_registry_installation(registry, id);
        tk_registry_close(registry);
        for (size_t i = 0; i < sizeof(id); i++)
                snprintf(text + 2 * i, 3, "%02x", id[i]);
        if (err == TK_OK && strcmp(text, restorer->info.installation) != 0) {
                tk_fault_set(restorer->fault, TK_FAULT_invalid_value, "", "take another backup",
                             "the registry in %s is of another installation", restorer->restore->archive);
                return TK_CORRUPT;
        }
        return err == TK_OK ? TK_OK : tk_fault_from_err(restorer->fault, err);
}

static enum tk_err check_registry(struct restorer *restorer, struct peppers *ret_peppers)
{
        char path[4096];
        struct tk_registry_look look;
        enum tk_err err = part_path(restorer, REGISTRY_PART, path);
        if (err == TK_OK)
                err = tk_registry_inspect(path, &look);
        if (err == TK_OK && look.complaint[0] == '\0')
                return open_registry(restorer, ret_peppers);
        tk_fault_set(restorer->fault, TK_FAULT_invalid_value, "", "take another backup",
                     "the registry in %s is damaged: %s", restorer->restore->archive,
                     err == TK_OK ? look.complaint : tk_err_name(err));
        return TK_CORRUPT;
}

/* ---- the pepper ---- */

static enum tk_err check_pepper(struct restorer *restorer, const struct peppers *peppers)
{
        const char *path = restorer->restore->pepper_file;
        struct tk_pepper_file file;
        bool fits = true;
        if (!path)
                return TK_OK;
        enum tk_err err = tk_secrets_file_read(path, &file, NULL, restorer->fault);
        if (err != TK_OK)
                return err;
        for (size_t i = 0; i < peppers->count; i++) {
                uint8_t check[8];
                fits &= tk_pepper_check(&file.peppers, peppers->list[i].version, check) &&
                        tk_equal_constant_time(check, peppers->list[i].check, sizeof(check));
        }
        tk_pepper_file_fini(&file);
        if (fits)
                return TK_OK;
        tk_fault_set(restorer->fault, TK_FAULT_invalid_value, "--pepper-file",
                     "name the copy of the pepper file of the daemon that was backed up",
                     "the pepper file %s does not belong to this backup", path);
        return TK_INVALID;
}

static enum tk_err copy_pepper(struct restorer *restorer)
{
        char text[TK_PEPPER_FILE_MAX_BYTES + 1];
        int from = open(restorer->restore->pepper_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        int to = openat(restorer->dir_fd, PEPPER_PART, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        0600);
        ssize_t len = from >= 0 && to >= 0 ? read(from, text, sizeof(text)) : -1;
        bool good = len > 0 && write(to, text, (size_t)len) == len && fsync(to) == 0;
        tk_wipe(text, sizeof(text));
        if (from >= 0)
                close(from);
        if (to >= 0)
                close(to);
        return good ? TK_OK : failed(restorer, "write the pepper");
}

/* ---- in place, or away ---- */

static const char *const parts[][2] = {
        {REGISTRY_PART, TK_ARCHIVE_REGISTRY}, {METERS_PART, TK_ARCHIVE_METERS}, {PEPPER_PART, "pepper"}};
#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

/* The registry comes last: without it there is nothing. Whoever owns the directory owns its files. */
static enum tk_err put_in_place(struct restorer *restorer)
{
        for (size_t i = PART_COUNT; i-- > 0;) {
                if (fchownat(restorer->dir_fd, parts[i][0], restorer->dir.st_uid, restorer->dir.st_gid,
                             AT_SYMLINK_NOFOLLOW) != 0 &&
                    errno == ENOENT)
                        continue;
                if (renameat(restorer->dir_fd, parts[i][0], restorer->dir_fd, parts[i][1]) != 0)
                        return failed(restorer, "put the files in place");
        }
        (void)fchownat(restorer->dir_fd, "lock", restorer->dir.st_uid, restorer->dir.st_gid,
                       AT_SYMLINK_NOFOLLOW);
        return fsync(restorer->dir_fd) == 0 ? TK_OK : failed(restorer, "put the files in place");
}

static void undo(struct restorer *restorer)
{
        static const char *const others[] = {REGISTRY_PART "-wal", REGISTRY_PART "-shm", "lock"};
        if (restorer->dir_fd < 0)
                return;
        for (size_t i = 0; i < PART_COUNT; i++)
                for (size_t j = 0; j < 2; j++)
                        unlinkat(restorer->dir_fd, parts[i][j], 0);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                unlinkat(restorer->dir_fd, others[i], 0);
        if (restorer->made_dir)
                rmdir(restorer->restore->data_dir);
}

static enum tk_err run(struct restorer *restorer)
{
        struct peppers peppers = {.count = 0};
        enum tk_err err = tk_archive_unpack(restorer->restore->archive, restorer->dir_fd, &restorer->info,
                                            restorer->fault);
        if (err == TK_OK)
                err = check_registry(restorer, &peppers);
        if (err == TK_OK)
                err = check_pepper(restorer, &peppers);
        if (err == TK_OK && restorer->restore->pepper_file)
                err = copy_pepper(restorer);
        return err == TK_OK ? put_in_place(restorer) : err;
}

enum tk_err tk_restore_run(const struct tk_restore *restore, struct tk_archive_info *ret_info,
                           struct tk_fault *fault)
{
        struct restorer restorer = {.restore = restore, .fault = fault, .dir_fd = -1, .lock_fd = -1};
        fault->code = TK_FAULT_none;
        enum tk_err err = open_dir(&restorer);
        if (err == TK_OK) {
                err = run(&restorer);
                if (err != TK_OK)
                        undo(&restorer);
        }
        if (restorer.dir_fd >= 0)
                close(restorer.dir_fd);
        if (restorer.lock_fd >= 0)
                close(restorer.lock_fd);
        if (err == TK_OK)
                *ret_info = restorer.info;
        return err;
}
