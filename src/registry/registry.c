/*
 * A registry's life: choose the engine, bring the schema up to date, name the installation, start the writer; reads on
 * the caller's thread. Knows of no noun.
 */
#include "registry/registry.h"

#include "core/alloc.h"
#include "core/random.h"
#include "registry/migrate.h"
#include "registry/open.h"
#include "registry/pool.h"
#include "registry/query.h"
#include "registry/reserve.h"
#include "registry/sqlite/sqlite.h"
#include "registry/writer.h"

#include <assert.h>
#include <string.h>

struct tk_registry {
        const struct tk_driver *driver;
        char *location;
        struct tk_pool pool;
        struct tk_writer *writer;
        uint8_t installation[16];
};

static const struct tk_driver *const drivers[] = {&tk_sqlite_driver};

static const char INSTALLATION_GET[] = "SELECT id FROM installation WHERE one = 1";
static const char INSTALLATION_PUT[] = "INSERT INTO installation (one, id) VALUES (1, ?1)";

/* The part of the URL after `scheme:`, or NULL when it is for another engine. */
static const char *location_for(const struct tk_driver *driver, const char *url)
{
        size_t len = strlen(driver->scheme);

        if (strncmp(url, driver->scheme, len) != 0 || url[len] != ':' || url[len + 1] == '\0')
                return NULL;
        return url + len + 1;
}

/* ---- the installation's id ---- */

static enum tk_err read_installation(struct tk_txn *txn, uint8_t ret_id[16])
{
        struct tk_query query = tk_query_begin(txn, INSTALLATION_GET);
        bool found = tk_query_next(&query);
        enum tk_err err;

        if (found)
                tk_take_blob(&query, ret_id, 16);
        err = tk_query_end(&query);
        return err == TK_OK && !found ? TK_NOT_FOUND : err;
}

static enum tk_err make_installation(struct tk_txn *txn, uint8_t ret_id[16])
{
        struct tk_random random = tk_random_system();
        struct tk_query query;

        if (tk_random_init() != 0)
                return TK_IO;
        random.fill(random.context, ret_id, 16);
        query = tk_query_begin(txn, INSTALLATION_PUT);
        tk_bind_blob(&query, ret_id, 16);
        return tk_query_run(&query);
}

/* Writes only the first time, so that a full disk does not keep the daemon from starting. */
static enum tk_err load_installation(const struct tk_driver *driver, struct tk_db *db, uint8_t ret_id[16])
{
        struct tk_txn txn = {.driver = driver, .db = db, .writable = true};
        enum tk_err err = driver->begin(db, TK_DB_WRITE);

        if (err == TK_OK)
                err = read_installation(&txn, ret_id);
        if (err == TK_NOT_FOUND) {
                err = make_installation(&txn, ret_id);
                if (err == TK_OK)
                        return driver->commit(db);
        }
        driver->rollback(db);
        return err;
}

/* ---- open and close ---- */

static enum tk_err start_writer(struct tk_registry *registry, const struct tk_registry_config *config,
                                struct tk_db *db, struct tk_fault *fault)
{
        struct tk_writer_config writer = {.driver = registry->driver,
                                          .db = db,
                                          .database_path =
                                                  registry->driver->local_file ? registry->location : NULL,
                                          .reserve_bytes = config->reserve_bytes,
                                          .committed = config->committed,
                                          .context = config->context};
        enum tk_err err = load_installation(registry->driver, db, registry->installation);

        if (err == TK_OK)
                err = tk_writer_start(&writer, &registry->writer);
        if (err != TK_OK)
                tk_fault_set(fault, TK_FAULT_internal, "",
                             "see that its folder belongs to the user that runs the daemon and has space",
                             "the registry %s cannot be written: %s", registry->location, tk_err_name(err));
        return err;
}

static enum tk_err try_open(struct tk_registry *registry, const struct tk_registry_config *config,
                            struct tk_fault *fault)
{
        struct tk_db *db;
        enum tk_err err = registry->driver->open(registry->location, &db, fault);

        if (err != TK_OK)
                return err;
        err = tk_migrate(registry->driver, db, fault);
        if (err == TK_OK && registry->driver->writer_settings != NULL)
                err = registry->driver->script(db, registry->driver->writer_settings);
        if (err == TK_OK)
                err = start_writer(registry, config, db, fault);
        if (err != TK_OK)
                registry->driver->close(db);
        return err;
}

/* What an earlier run kept for its fast lane serves for starting, too: the engine makes files that a stop had removed. */
static bool spend_reserve(const struct tk_registry *registry, const struct tk_registry_config *config)
{
        struct tk_reserve reserve;

        return registry->driver->local_file &&
               tk_reserve_init(&reserve, registry->location, config->reserve_bytes) == TK_OK &&
               tk_reserve_spend(&reserve, 0);
}

/* A disk that is full to the last byte does not keep the daemon from starting. */
static enum tk_err open_database(struct tk_registry *registry, const struct tk_registry_config *config,
                                 struct tk_fault *fault)
{
        enum tk_err err = try_open(registry, config, fault);

        if ((err != TK_FULL && err != TK_IO) || !spend_reserve(registry, config))
                return err;
        tk_fault_from_err(fault, TK_OK); /* what the first try said */
        return try_open(registry, config, fault);
}

static char *copy_text(const char *text)
{
        size_t bytes = strlen(text) + 1;
        char *copy = tk_malloc(bytes);

        return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

enum tk_err tk_registry_open_with(const struct tk_driver *driver, const char *location,
                                  const struct tk_registry_config *config, struct tk_registry **ret_registry,
                                  struct tk_fault *fault)
{
        struct tk_registry *registry = tk_calloc(1, sizeof *registry);
        enum tk_err err;

        if (registry == NULL)
                return tk_fault_from_err(fault, TK_NOMEM);
        registry->driver = driver;
        registry->location = copy_text(location);
        tk_pool_init(&registry->pool, driver, registry->location);
        err = registry->location == NULL ? tk_fault_from_err(fault, TK_NOMEM)
                                         : open_database(registry, config, fault);
        if (err != TK_OK) {
                tk_registry_close(registry);
                return err;
        }
        *ret_registry = registry;
        return TK_OK;
}

enum tk_err tk_registry_open(const struct tk_registry_config *config, struct tk_registry **ret_registry,
                             struct tk_fault *fault)
{
        for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
                const char *location = location_for(drivers[i], config->url);

                if (location != NULL)
                        return tk_registry_open_with(drivers[i], location, config, ret_registry, fault);
        }
        return tk_fault_set(fault, TK_FAULT_invalid_value, "registry", "use sqlite:DIR/registry.db",
                            "the registry's URL names no engine that this program has");
}

/* The writer goes first: its last `committed` may still read. */
void tk_registry_close(struct tk_registry *registry)
{
        if (registry == NULL)
                return;
        tk_writer_stop(registry->writer);
        tk_pool_fini(&registry->pool);
        tk_free(registry->location);
        tk_free(registry);
}

void tk_registry_installation(const struct tk_registry *registry, uint8_t ret_id[16])
{
        memcpy(ret_id, registry->installation, sizeof registry->installation);
}

void tk_registry_stats(const struct tk_registry *registry, struct tk_registry_stats *ret_stats)
{
        tk_writer_stats(registry->writer, ret_stats);
}

enum tk_err tk_registry_copy(struct tk_registry *registry, const char *path)
{
        struct tk_db *db;
        enum tk_err err = tk_pool_take(&registry->pool, &db);

        if (err != TK_OK)
                return err;
        err = registry->driver->copy(db, path);
        tk_pool_give(&registry->pool, db);
        return err;
}

enum tk_err tk_registry_inspect(const char *path, struct tk_registry_look *ret_look)
{
        return tk_sqlite_inspect(path, ret_look);
}

unsigned tk_registry_schema(void)
{
        unsigned newest = 0;

        for (const struct tk_migration *step = tk_sqlite_driver.migrations; step->number != 0; step++)
                newest = step->number;
        return newest;
}

/* ---- transactions ---- */

enum tk_err tk_registry_read(struct tk_registry *registry, tk_txn_fn *run, void *context)
{
        const struct tk_driver *driver = registry->driver;
        struct tk_txn txn = {.driver = driver};
        enum tk_err err = tk_pool_take(&registry->pool, &txn.db);

        if (err != TK_OK)
                return err;
        err = driver->begin(txn.db, TK_DB_SNAPSHOT);
        if (err == TK_OK)
                err = run(&txn, context);
        driver->rollback(txn.db);
        tk_pool_give(&registry->pool, txn.db);
        return err;
}

enum tk_err tk_registry_write(struct tk_registry *registry, enum tk_lane lane, tk_txn_fn *run, void *context)
{
        return tk_writer_run(registry->writer, lane, run, context);
}

bool tk_registry_urgent(struct tk_registry *registry)
{
        return tk_writer_urgent(registry->writer);
}
