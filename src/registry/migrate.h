/*
 * Brings a database to the newest schema: numbered steps, each applied once and remembered with the hash of its text, all
 * that are missing in one transaction. Called by registry.c when it opens, before the writer runs.
 */
#ifndef TK_REGISTRY_MIGRATE_H
#define TK_REGISTRY_MIGRATE_H

#include "registry/driver.h"

/*
 * Writes nothing where there is nothing to do, so that a full disk does not keep the daemon from starting.
 * TK_INVALID: the schema is newer than this program; TK_CORRUPT: a step was applied with another text. Both in words in
 * `fault`.
 */
enum tk_err tk_migrate(const struct tk_driver *driver, struct tk_db *db, struct tk_fault *fault);

#endif
