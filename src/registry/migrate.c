/*
 * Migrations: which steps of the schema a database has, and applying those that it lacks. The steps themselves are SQL
 * files, embedded by the build (migrations/embed.py). At opening time, one thread.
 */
#include "registry/migrate.h"

#include "core/digest.h"
#include "registry/query.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SHA256_HEX = 64 };

static const char VERSION_TABLE[] = "CREATE TABLE IF NOT EXISTS schema_version"
                                    " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)";
static const char VERSION_LIST[] = "SELECT number, sha256 FROM schema_version ORDER BY number";
static const char VERSION_INSERT[] = "INSERT INTO schema_version (number, name, sha256) VALUES (?1, ?2, ?3)";

static void text_hash(const char *text, char ret_hex[SHA256_HEX + 1])
{
        uint8_t hash[32];

        tk_sha256(text, strlen(text), hash);
        for (size_t i = 0; i < sizeof hash; i++)
                snprintf(ret_hex + 2 * i, 3, "%02x", hash[i]);
}

static size_t count_known(const struct tk_driver *driver)
{
        size_t count = 0;

        while (driver->migrations[count].number != 0)
                count++;
        return count;
}

/* One row of schema_version against what the program knows. */
static enum tk_err check_applied(const struct tk_driver *driver, uint64_t number, struct tk_str hash,
                                 struct tk_fault *fault)
{
        char known[SHA256_HEX + 1];

        if (number > count_known(driver)) {
                tk_fault_set(fault, TK_FAULT_unavailable, "", "start the newer program again",
                             "the registry has schema version %llu, this program knows versions up to %zu",
                             (unsigned long long)number, count_known(driver));
                return TK_INVALID;
        }
        text_hash(driver->migrations[number - 1].sql, known);
        if (tk_str_equal(hash, tk_str_from(known)))
                return TK_OK;
        tk_fault_set(fault, TK_FAULT_internal, "",
                     "use the program that made this registry, or restore a backup",
                     "step %llu of the registry's schema was applied with another text than this program has",
                     (unsigned long long)number);
        return TK_CORRUPT;
}

/* How many steps have been applied: they are always the first ones. */
static enum tk_err count_applied(struct tk_txn *txn, struct tk_fault *fault, uint64_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, VERSION_LIST);
        uint64_t count = 0;

        while (tk_query_next(&query)) {
                uint64_t number = tk_take_u64(&query);

                count++;
                if (number != count)
                        tk_query_fail(&query, TK_CORRUPT);
                else
                        tk_query_fail(&query,
                                      check_applied(txn->driver, number, tk_take_view(&query), fault));
        }
        *ret_count = count;
        return tk_query_end(&query);
}

static enum tk_err apply(struct tk_txn *txn, const struct tk_migration *step)
{
        struct tk_query query;
        char hash[SHA256_HEX + 1];
        enum tk_err err = txn->driver->script(txn->db, step->sql);

        if (err != TK_OK)
                return err;
        text_hash(step->sql, hash);
        query = tk_query_begin(txn, VERSION_INSERT);
        tk_bind_u64(&query, step->number);
        tk_bind_text(&query, tk_str_from(step->name));
        tk_bind_text(&query, tk_str_from(hash));
        return tk_query_run(&query);
}

/* Applies the steps that are missing; *ret_changed tells whether there were any. */
static enum tk_err migrate(struct tk_txn *txn, struct tk_fault *fault, bool *ret_changed)
{
        const struct tk_driver *driver = txn->driver;
        size_t known = count_known(driver);
        uint64_t applied = 0;
        enum tk_err err = driver->script(txn->db, VERSION_TABLE);

        if (err == TK_OK)
                err = count_applied(txn, fault, &applied);
        *ret_changed = err == TK_OK && applied < known;
        while (err == TK_OK && applied < known)
                err = apply(txn, &driver->migrations[applied++]);
        return err;
}

enum tk_err tk_migrate(const struct tk_driver *driver, struct tk_db *db, struct tk_fault *fault)
{
        struct tk_txn txn = {.driver = driver, .db = db, .writable = true};
        struct tk_fault reason = {0};
        bool changed = false;
        enum tk_err err = driver->begin(db, TK_DB_WRITE);

        if (err == TK_OK)
                err = migrate(&txn, &reason, &changed);
        if (err == TK_OK && changed)
                err = driver->commit(db);
        else
                driver->rollback(db);
        if (err == TK_OK)
                return TK_OK;

        if (reason.code == TK_FAULT_none)
                tk_fault_set(&reason, TK_FAULT_internal, "", "see that the disk has space and can be written",
                             "the registry's schema cannot be read or brought up to date: %s",
                             tk_err_name(err));
        if (fault != NULL)
                *fault = reason;
        return err;
}
