/*
 * What the registry needs of an SQL engine, and nothing more: connections, prepared statements, transactions, and one
 * classification of errors. Every product-level function is written once, above this; an engine is one table of
 * functions. Called by the registry only. A connection and its statements belong to one thread at a time.
 *
 * Statements use ?1, ?2, ... and only what SQLite and PostgreSQL both say; what differs is in migrations/.
 *
 * Errors, of every function here:
 *   TK_CONFLICT   a unique value is taken          TK_NOT_FOUND  a reference names no row
 *   TK_INVALID    a value that the schema refuses  TK_BUSY       another process holds a lock for too long
 *   TK_FULL       no space                         TK_NOMEM      out of memory
 *   TK_IO         the engine or the disk failed    TK_CORRUPT    what is stored is damaged, or no registry
 */
#ifndef TK_REGISTRY_DRIVER_H
#define TK_REGISTRY_DRIVER_H

#include "core/error.h"
#include "core/fault.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_db;   /* a connection */
struct tk_stmt; /* a prepared statement of one connection */

/* One step of the schema: migrations/ENGINE/0001_init.sql, embedded when the program is built. */
struct tk_migration {
        unsigned number; /* 1, 2, 3, ... */
        const char *name;
        const char *sql;
};

enum tk_db_mode {
        TK_DB_SNAPSHOT, /* reads only, all of one moment */
        TK_DB_WRITE,    /* holds off every other writer from the start */
};

struct tk_driver {
        const char *scheme; /* of its URLs: `sqlite` */
        bool local_file;    /* the location is the path of a file, so there is a disk to keep space on */
        /* For the writer's connection alone, a script; NULL: nothing. */
        const char *writer_settings;
        const struct tk_migration *migrations; /* in order; number 0 ends them */

        /* Open or create. On failure `fault` says in words what and how to mend it. */
        enum tk_err (*open)(const char *location, struct tk_db **ret_db, struct tk_fault *fault);
        /* No transaction may be open. NULL is allowed. */
        void (*close)(struct tk_db *db);

        /* Several statements without parameters or results. */
        enum tk_err (*script)(struct tk_db *db, const char *sql);

        /*
         * Prepared once for each connection and kept. `sql` is static storage: its address is what it is found by.
         * The statement may not be in use already.
         */
        enum tk_err (*prepare)(struct tk_db *db, const char *sql, struct tk_stmt **ret_stmt);
        /* Parameters count from 1. Bytes must stay where they are until reset. */
        enum tk_err (*bind_i64)(struct tk_stmt *stmt, int parameter, int64_t value);
        enum tk_err (*bind_text)(struct tk_stmt *stmt, int parameter, struct tk_str value);
        enum tk_err (*bind_blob)(struct tk_stmt *stmt, int parameter, struct tk_str value);
        /* Run up to the next row: *ret_row tells whether there is one. To change rows is done when it says false. */
        enum tk_err (*step)(struct tk_stmt *stmt, bool *ret_row);
        /* How many rows the last statement that was stepped to its end has inserted, updated or deleted. */
        int64_t (*changes)(struct tk_db *db);
        /* Columns count from 0. Bytes are valid until the next step. */
        int64_t (*column_i64)(struct tk_stmt *stmt, int column);
        struct tk_str (*column_bytes)(struct tk_stmt *stmt, int column);
        /* Done with it, whatever became of it: ready to be prepared again. */
        void (*reset)(struct tk_stmt *stmt);

        enum tk_err (*begin)(struct tk_db *db, enum tk_db_mode mode);
        /*
         * TK_OK: durable. TK_UNCERTAIN: recorded or not, it could not be established. Any other error: nothing is
         * recorded. The transaction is over in every case.
         */
        enum tk_err (*commit)(struct tk_db *db);
        /* Nothing happens where no transaction is open. */
        void (*rollback)(struct tk_db *db);
        /* One savepoint at a time. */
        enum tk_err (*savepoint)(struct tk_db *db);
        enum tk_err (*savepoint_keep)(struct tk_db *db);
        enum tk_err (*savepoint_undo)(struct tk_db *db);
        /* False once the engine has undone the whole transaction by itself, as it may when the disk fails. */
        bool (*in_transaction)(struct tk_db *db);

        /*
         * Housekeeping that no writer has to wait for. Called between transactions; failure is tried again later.
         *   out_of_space  do now whatever lets the next transaction do with less new space
         */
        void (*maintain)(struct tk_db *db, bool out_of_space);
        /*
         * A copy of all that is committed, as of one moment, into a file that does not exist yet. TK_FULL, TK_IO: it is removed
         * again. NULL: the engine has backups of its own.
         */
        enum tk_err (*copy)(struct tk_db *db, const char *path);
        /* How many bytes maintain() would need so that many more transactions could do with no new space. */
        uint64_t (*space_wanted)(struct tk_db *db);
};

#endif
