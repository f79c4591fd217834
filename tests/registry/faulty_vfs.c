/*
 * The failing disk: a shim VFS (sqlite.org/vfs.html) that passes everything on to the default one, save the write, sync or
 * growth that is due to fail. Counters are atomic; tests arm them while the writer is idle.
 */
#include "faulty_vfs.h"

#include <sqlite3.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct shim_file {
        sqlite3_file base;
        sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs shim;
static sqlite3_vfs *real_vfs;

static atomic_uint left;
static atomic_bool failing, hit;
static bool for_good_now;
static int code_now;

void faulty_vfs_arm(unsigned n, bool for_good, int code)
{
        for_good_now = for_good;
        code_now = code;
        atomic_store(&hit, false);
        atomic_store(&failing, false);
        atomic_store(&left, n);
}

bool faulty_vfs_hit(void)
{
        return atomic_load(&hit);
}

static bool due(void)
{
        unsigned now = atomic_load(&left);

        if (atomic_load(&failing))
                return true;
        if (now == 0)
                return false;
        atomic_store(&left, now - 1);
        if (now > 1)
                return false;
        atomic_store(&hit, true);
        atomic_store(&failing, for_good_now);
        return true;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
        return ((struct shim_file *)file)->real;
}

static int shim_close(sqlite3_file *file)
{
        return real_of(file)->pMethods->xClose(real_of(file));
}

static int shim_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
        return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static int shim_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
        if (due())
                return code_now == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        return real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
        return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

/* A full disk still syncs what it has. */
static int shim_sync(sqlite3_file *file, int flags)
{
        if (code_now != SQLITE_FULL && due())
                return SQLITE_IOERR_FSYNC;
        return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int shim_file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
        return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int shim_lock(sqlite3_file *file, int level)
{
        return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
        return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_check_reserved_lock(sqlite3_file *file, int *ret_locked)
{
        return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_locked);
}

static int shim_file_control(sqlite3_file *file, int op, void *argument)
{
        return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int shim_sector_size(sqlite3_file *file)
{
        return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_device_characteristics(sqlite3_file *file)
{
        return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_shm_map(sqlite3_file *file, int page, int page_bytes, int extend, void volatile **ret_page)
{
        return real_of(file)->pMethods->xShmMap(real_of(file), page, page_bytes, extend, ret_page);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
        return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void shim_shm_barrier(sqlite3_file *file)
{
        real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_shm_unmap(sqlite3_file *file, int delete_too)
{
        return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_too);
}

static sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = shim_close,
        .xRead = shim_read,
        .xWrite = shim_write,
        .xTruncate = shim_truncate,
        .xSync = shim_sync,
        .xFileSize = shim_file_size,
        .xLock = shim_lock,
        .xUnlock = shim_unlock,
        .xCheckReservedLock = shim_check_reserved_lock,
        .xFileControl = shim_file_control,
        .xSectorSize = shim_sector_size,
        .xDeviceCharacteristics = shim_device_characteristics,
        .xShmMap = shim_shm_map,
        .xShmLock = shim_shm_lock,
        .xShmBarrier = shim_shm_barrier,
        .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
        struct shim_file *shim_file = (struct shim_file *)file;
        int code;

        (void)vfs;
        shim_file->real = (sqlite3_file *)(shim_file + 1);
        code = real_vfs->xOpen(real_vfs, name, shim_file->real, flags, ret_flags);
        shim_file->base.pMethods = shim_file->real->pMethods == NULL ? NULL : &methods;
        return code;
}

void faulty_vfs_register(void)
{
        real_vfs = sqlite3_vfs_find(NULL);
        if (real_vfs == NULL)
                abort();
        shim = *real_vfs;
        shim.zName = "faulty";
        shim.pNext = NULL;
        shim.szOsFile = (int)sizeof(struct shim_file) + real_vfs->szOsFile;
        shim.xOpen = shim_open;
        if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK)
                abort();
}
