/*
 * The failing engine. One counter for the process: tests arm it for one write at a time.
 */
#include "faulty_driver.h"

#include "registry/sqlite/sqlite.h"

#include <stdatomic.h>

static atomic_uint left;
static atomic_bool hit;
static enum fault_kind fault_kind;
static enum tk_err fault_err;

void faulty_driver_arm(unsigned n, enum fault_kind kind, enum tk_err err)
{
        fault_kind = kind;
        fault_err = err;
        atomic_store(&hit, false);
        atomic_store(&left, n);
}

bool faulty_driver_hit(void)
{
        return atomic_load(&hit);
}

/* True for the call that is to fail. */
static bool due(struct tk_db *db)
{
        unsigned now = atomic_load(&left);

        if (now == 0)
                return false;
        atomic_store(&left, now - 1);
        if (now > 1)
                return false;
        atomic_store(&hit, true);
        if (fault_kind == FAULT_UNDONE)
                tk_sqlite_driver.rollback(db);
        return true;
}

/* The interface says that a failed step belongs to a statement that is then reset; so does a rollback in between. */
static enum tk_err step(struct tk_stmt *stmt, bool *ret_row)
{
        *ret_row = false;
        return due(stmt->db) ? fault_err : tk_sqlite_driver.step(stmt, ret_row);
}

static enum tk_err begin(struct tk_db *db, enum tk_db_mode mode)
{
        return due(db) ? fault_err : tk_sqlite_driver.begin(db, mode);
}

static enum tk_err commit(struct tk_db *db)
{
        if (!due(db))
                return tk_sqlite_driver.commit(db);
        tk_sqlite_driver.rollback(db);
        return fault_err;
}

static enum tk_err savepoint(struct tk_db *db)
{
        return due(db) ? fault_err : tk_sqlite_driver.savepoint(db);
}

static enum tk_err savepoint_keep(struct tk_db *db)
{
        return due(db) ? fault_err : tk_sqlite_driver.savepoint_keep(db);
}

static enum tk_err savepoint_undo(struct tk_db *db)
{
        return due(db) ? fault_err : tk_sqlite_driver.savepoint_undo(db);
}

const struct tk_driver *faulty_driver(void)
{
        static struct tk_driver driver;

        driver = tk_sqlite_driver;
        driver.step = step;
        driver.begin = begin;
        driver.commit = commit;
        driver.savepoint = savepoint;
        driver.savepoint_keep = savepoint_keep;
        driver.savepoint_undo = savepoint_undo;
        return &driver;
}
