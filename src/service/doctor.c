/*
 * Looks at an installation's files (doctor.h).
 */
#include "service/doctor.h"

#include "gate/gate.h"
#include "gate/secrets_file.h"
#include "registry/registry.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DETAIL_MAX      512
#define SPACE_BAD_MIB   64
#define SPACE_WARN_MIB  1024
#define MEMORY_BAD_MIB  16
#define MEMORY_WARN_MIB 128

static void tell(const struct tk_doctor *doctor, const char *area, enum tk_health health, const char *mend,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(const struct tk_doctor *doctor, const char *area, enum tk_health health, const char *mend,
                 const char *format, ...)
{
        char detail[DETAIL_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        doctor->tell(doctor->context, area, health, detail, mend);
}

static bool path_in(const char *dir, const char *name, char ret_path[PATH_MAX])
{
        int len = snprintf(ret_path, PATH_MAX, "%s/%s", dir, name);
        return len > 0 && len < PATH_MAX;
}

static const char *user_name(uid_t uid)
{
        static char number[24];
        const struct passwd *user = getpwuid(uid);
        snprintf(number, sizeof(number), "%u", (unsigned)uid);
        return user ? user->pw_name : number;
}

/* ---- file systems ---- */

enum disk { DISK_LOCAL, DISK_MEMORY, DISK_REMOTE, DISK_OVERLAY };

static enum disk disk_of(const char *path, const char **ret_name)
{
        static const struct {
                unsigned long magic;
                const char *name;
                enum disk disk;
        } known[] = {
                {0xef53, "ext4", DISK_LOCAL},       {0x58465342, "xfs", DISK_LOCAL},
                {0x9123683e, "btrfs", DISK_LOCAL},  {0x2fc12fc1, "zfs", DISK_LOCAL},
                {0x01021994, "tmpfs", DISK_MEMORY}, {0x858458f6, "ramfs", DISK_MEMORY},
                {0x6969, "nfs", DISK_REMOTE},       {0xff534d42, "cifs", DISK_REMOTE},
                {0xfe534d42, "smb", DISK_REMOTE},   {0x01021997, "9p", DISK_REMOTE},
                {0x65735546, "fuse", DISK_REMOTE},  {0x794c7630, "overlay", DISK_OVERLAY},
        };
        struct statfs fs;
        *ret_name = "of a kind that is not known here";
        if (statfs(path, &fs) != 0)
                return DISK_LOCAL;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if ((unsigned long)fs.f_type == known[i].magic) {
                        *ret_name = known[i].name;
                        return known[i].disk;
                }
        return DISK_LOCAL;
}

static bool free_mib(const char *path, uint64_t *ret_mib, bool *ret_read_only)
{
        struct statvfs fs;
        if (statvfs(path, &fs) != 0)
                return false;
        *ret_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
        *ret_read_only = (fs.f_flag & ST_RDONLY) != 0;
        return true;
}

static void look_at_disk(const struct tk_doctor *doctor)
{
        const char *name;
        uint64_t mib = 0;
        bool read_only = false;
        enum disk disk = disk_of(doctor->data_dir, &name);
        switch (disk) {
        case DISK_MEMORY:
                tell(doctor, "disk", TK_HEALTH_BAD, "put the data directory on a disk",
                     "the file system is %s: a reboot loses every key", name);
                break;
        case DISK_REMOTE:
                tell(doctor, "disk", TK_HEALTH_BAD, "put the data directory on a local disk",
                     "the file system is %s: SQLite's locks and syncs cannot be relied on there", name);
                break;
        case DISK_OVERLAY:
                tell(doctor, "disk", TK_HEALTH_WARN, "mount a volume there",
                     "the file system is %s: in a container it goes with the container", name);
                break;
        case DISK_LOCAL:
                tell(doctor, "disk", TK_HEALTH_GOOD, NULL, "the file system is %s", name);
        }
        if (!free_mib(doctor->data_dir, &mib, &read_only))
                return;
        if (read_only)
                tell(doctor, "disk", TK_HEALTH_BAD, "mount it so that it can be written",
                     "the data directory is read-only: keys are verified, and nothing can be changed");
        enum tk_health health = mib < SPACE_BAD_MIB    ? TK_HEALTH_BAD
                                : mib < SPACE_WARN_MIB ? TK_HEALTH_WARN
                                                       : TK_HEALTH_GOOD;
        tell(doctor, "disk", health, health == TK_HEALTH_GOOD ? NULL : "free space, or move the directory",
             "%llu MiB are free", (unsigned long long)mib);
}

/* ---- the data directory and who owns what ---- */

static bool look_at_data_dir(const struct tk_doctor *doctor, struct stat *ret_status)
{
        const char *dir = doctor->data_dir;
        if (stat(dir, ret_status) != 0) {
                tell(doctor, "data", errno == ENOENT ? TK_HEALTH_WARN : TK_HEALTH_BAD,
                     errno == ENOENT ? "start the daemon, which makes it, or say where it is with --data"
                                     : "run this as root or as the daemon's user",
                     "%s: %s", dir, strerror(errno));
                return false;
        }
        mode_t mode = ret_status->st_mode;
        if (!S_ISDIR(mode))
                tell(doctor, "data", TK_HEALTH_BAD, "choose another with --data", "%s is not a directory",
                     dir);
        else if (mode & (S_IWGRP | S_IWOTH))
                tell(doctor, "data", TK_HEALTH_BAD, "chmod 700 it", "others may write to %s", dir);
        else if (mode & (S_IRWXG | S_IRWXO))
                tell(doctor, "data", TK_HEALTH_WARN, "chmod 700 it", "others may look into %s", dir);
        else
                tell(doctor, "data", TK_HEALTH_GOOD, NULL, "%s belongs to %s and is closed to others", dir,
                     user_name(ret_status->st_uid));
        return S_ISDIR(mode);
}

/* A file that is not there is somebody else's question. */
static void look_at_file(const struct tk_doctor *doctor, const struct stat *dir, const char *name)
{
        char path[PATH_MAX];
        struct stat status;
        if (!path_in(doctor->data_dir, name, path) || lstat(path, &status) != 0)
                return;
        if (status.st_uid != dir->st_uid)
                tell(doctor, "files", TK_HEALTH_BAD, "chown it to whom the directory belongs",
                     "%s belongs to %s, the directory to another", path, user_name(status.st_uid));
        else if (status.st_mode & (S_IRWXG | S_IRWXO))
                tell(doctor, "files", TK_HEALTH_BAD, "chmod 600 it", "%s is open to others (mode %03o)", path,
                     (unsigned)(status.st_mode & 0777));
        else
                tell(doctor, "files", TK_HEALTH_GOOD, NULL, "%s is its owner's alone", path);
}

/* ---- the registry ---- */

static void look_at_registry(const struct tk_doctor *doctor)
{
        char path[PATH_MAX];
        struct tk_registry_look look;
        unsigned known = tk_registry_schema();
        if (!path_in(doctor->data_dir, "registry.db", path) || access(path, F_OK) != 0) {
                tell(doctor, "registry", TK_HEALTH_WARN,
                     "start the daemon, which makes it, or restore a backup", "there is none yet");
                return;
        }
        enum tk_err err = tk_registry_inspect(path, &look);
        if (err != TK_OK) {
                tell(doctor, "registry", TK_HEALTH_BAD,
                     err == TK_CORRUPT ? "restore a backup" : "run this as root or as the daemon's user",
                     "%s cannot be read: %s", path, tk_err_name(err));
                return;
        }
        if (look.complaint[0] != '\0')
                tell(doctor, "registry", TK_HEALTH_BAD, "stop the daemon and restore the last backup",
                     "%s is damaged: %s", path, look.complaint);
        else
                tell(doctor, "registry", TK_HEALTH_GOOD, NULL, "whole, with %lld keys", (long long)look.keys);
        if (look.schema > (int64_t)known)
                tell(doctor, "registry", TK_HEALTH_BAD, "use the newer program again",
                     "its schema is %lld, this program knows %u", (long long)look.schema, known);
        else
                tell(doctor, "registry", TK_HEALTH_GOOD, NULL, "schema %lld of %u%s", (long long)look.schema,
                     known, look.schema < (int64_t)known ? ": the next start brings it up to date" : "");
}

/* ---- pepper and gate ---- */

static bool look_at_pepper(const struct tk_doctor *doctor, struct tk_pepper_file *ret_secrets)
{
        char path[PATH_MAX];
        struct tk_fault fault = {0};
        if (!path_in(doctor->data_dir, "pepper", path))
                return false;
        enum tk_err err = tk_secrets_file_read(path, ret_secrets, NULL, &fault);
        if (err == TK_OK)
                tell(doctor, "pepper", TK_HEALTH_GOOD, NULL, "%s can be used; keep a copy of it elsewhere",
                     path);
        else
                tell(doctor, "pepper", TK_HEALTH_BAD, fault.mend, "%s", fault.detail);
        return err == TK_OK;
}

static bool gate_dir(const struct tk_doctor *doctor, char ret_path[PATH_MAX])
{
        char link[PATH_MAX];
        if (doctor->gate_dir)
                return realpath(doctor->gate_dir, ret_path) != NULL;
        return path_in(doctor->data_dir, "gate", link) && realpath(link, ret_path) != NULL;
}

static void look_at_gate_memory(const struct tk_doctor *doctor, const char *dir)
{
        const char *name;
        uint64_t mib;
        bool read_only;
        if (disk_of(dir, &name) != DISK_MEMORY)
                tell(doctor, "gate", TK_HEALTH_WARN, "put it into /dev/shm or /run with --gate",
                     "%s is on %s: decisions wait for the disk now and then", dir, name);
        if (!free_mib(dir, &mib, &read_only))
                return;
        enum tk_health health = mib < MEMORY_BAD_MIB    ? TK_HEALTH_BAD
                                : mib < MEMORY_WARN_MIB ? TK_HEALTH_WARN
                                                        : TK_HEALTH_GOOD;
        tell(doctor, "gate", health,
             health == TK_HEALTH_GOOD ? NULL : "free memory there, or mount it with a larger size=",
             "%llu MiB are free where the gate's files are: some %llu thousand more keys",
             (unsigned long long)mib, (unsigned long long)(mib << 20) / 280 / 1000);
}

static void look_at_gate_files(const struct tk_doctor *doctor, const char *dir, uid_t owner)
{
        static const char *const names[] = {"keys",    "subscriptions", "policy",
                                            "foreign", "key_homes",     "subscription_homes"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                char path[PATH_MAX];
                struct stat status;
                if (!path_in(dir, names[i], path) || lstat(path, &status) != 0)
                        continue;
                if (status.st_uid != owner || (status.st_mode & (S_IWGRP | S_IWOTH)) ||
                    !S_ISREG(status.st_mode)) {
                        tell(doctor, "gate", TK_HEALTH_BAD,
                             "stop the daemon, remove the directory, start the daemon: it is made anew",
                             "others than %s could change %s, and so let keys in", user_name(owner), path);
                        return;
                }
        }
        tell(doctor, "gate", TK_HEALTH_GOOD, NULL, "%s: what decides is writable by %s alone", dir,
             user_name(owner));
}

static void look_at_gate(const struct tk_doctor *doctor, const struct stat *data,
                         const struct tk_pepper_file *secrets)
{
        char dir[PATH_MAX];
        struct tk_fault fault = {0};
        struct tk_gate *gate;
        const char *why;
        if (!gate_dir(doctor, dir)) {
                tell(doctor, "gate", TK_HEALTH_WARN, "start the daemon, which makes it",
                     "there is none yet, or a reboot took it: nothing is verified until the daemon runs");
                return;
        }
        look_at_gate_memory(doctor, dir);
        look_at_gate_files(doctor, dir, data->st_uid);
        if (tk_gate_open(dir, &secrets->peppers, &secrets->mask, &gate, &fault) != TK_OK) {
                tell(doctor, "gate", TK_HEALTH_BAD, fault.mend[0] ? fault.mend : "start the daemon", "%s",
                     fault.detail);
                return;
        }
        if (tk_gate_available(gate, &why))
                tell(doctor, "gate", TK_HEALTH_GOOD, NULL, "it decides");
        else
                tell(doctor, "gate", TK_HEALTH_BAD, "start the daemon", "it does not decide: %s", why);
        tk_gate_close(gate);
}

void tk_doctor_files(const struct tk_doctor *doctor)
{
        static const char *const names[] = {"registry.db", "pepper", "meters.journal", "lock"};
        struct stat data;
        struct tk_pepper_file secrets;
        if (!look_at_data_dir(doctor, &data))
                return;
        look_at_disk(doctor);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                look_at_file(doctor, &data, names[i]);
        /* Secrets are read by their owner alone, which root is not; and SQLite's files must not become root's. */
        bool borrowed = geteuid() == 0 && data.st_uid != 0 && seteuid(data.st_uid) == 0;
        look_at_registry(doctor);
        tk_pepper_file_init(&secrets);
        if (look_at_pepper(doctor, &secrets)) {
                look_at_gate(doctor, &data, &secrets);
                tk_pepper_file_fini(&secrets);
        }
        if (borrowed && seteuid(0) != 0)
                abort(); /* half a root is none */
}
