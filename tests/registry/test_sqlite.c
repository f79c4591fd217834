/*
 * SQLite only: the file and its mode, what is no registry, schemas that are newer or were tampered with, rows that no
 * function reads yet, rows that are damaged, and a folder that cannot be written.
 */
#include "fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the file, from outside ---- */

static struct tk_str path_in(struct fixture *f, const char *name)
{
        return tk_arena_printf(&f->arena, "%s/%s", f->folder, name);
}

/* One statement on the registry's file; returns its first number, or -1 without a row. */
static int64_t sql(struct fixture *f, const char *text)
{
        sqlite3 *db;
        sqlite3_stmt *stmt;
        int64_t number = -1;

        assert_int_equal(sqlite3_open(path_in(f, "registry.db").ptr, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
        if (sqlite3_step(stmt) == SQLITE_ROW)
                number = sqlite3_column_int64(stmt, 0);
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return number;
}

static void close_registry(struct fixture *f)
{
        tk_registry_close(f->registry);
        f->registry = NULL;
}

static void assert_does_not_open(struct fixture *f, enum tk_err expected, const char *word)
{
        struct tk_fault fault = {0};

        assert_err(tk_registry_open(&f->config, &f->registry, &fault), expected);
        assert_null(f->registry);
        assert_non_null(strstr(fault.detail, word));
        assert_string_not_equal(fault.mend, "");
}

static enum tk_err make_consumer(struct tk_txn *txn, void *context)
{
        static const struct tk_change change = {.at_s = NOW_S};

        return tk_consumer_create(txn, context, &change);
}

static void assert_mode_0600(struct fixture *f, const char *name)
{
        struct stat st;

        assert_int_equal(stat(path_in(f, name).ptr, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void files_are_for_their_owner_only(void **state)
{
        struct fixture *f = *state;
        struct world w;
        mode_t before;

        close_registry(f);
        assert_int_equal(unlink(path_in(f, "registry.db").ptr), 0);
        before = umask(0);
        f->config.reserve_bytes = 100000;
        fixture_reopen(f);
        fixture_world(f, &w);
        umask(before);
        assert_mode_0600(f, "registry.db");
        assert_mode_0600(f, "registry.db-wal");
        assert_mode_0600(f, "registry.db-shm");
        assert_mode_0600(f, "reserve");

        close_registry(f);
        assert_int_equal(chmod(path_in(f, "registry.db").ptr, 0644), 0);
        fixture_reopen(f);
        assert_mode_0600(f, "registry.db");
}

static void the_reserve_is_real_blocks(void **state)
{
        struct fixture *f = *state;
        struct stat st;

        f->config.reserve_bytes = 100000;
        fixture_reopen(f);
        assert_int_equal(stat(path_in(f, "reserve").ptr, &st), 0);
        assert_int_equal(st.st_size, 131072);
        assert_true(st.st_blocks * 512 >= 131072);
        f->config.reserve_bytes = 65536;
        fixture_reopen(f);
        assert_int_equal(stat(path_in(f, "reserve").ptr, &st), 0);
        assert_int_equal(st.st_size, 65536);
}

/* ---- what is not opened ---- */

static void a_file_that_is_no_database(void **state)
{
        struct fixture *f = *state;
        FILE *file;

        close_registry(f);
        file = fopen(path_in(f, "registry.db").ptr, "w");
        assert_non_null(file);
        for (unsigned i = 0; i < 1000; i++)
                fputs("this is no database\n", file);
        assert_int_equal(fclose(file), 0);
        assert_does_not_open(f, TK_CORRUPT, "not a database");
}

static void a_folder_that_is_not_there(void **state)
{
        struct fixture *f = *state;

        close_registry(f);
        f->config.url = "sqlite:/nonexistent/folder/registry.db";
        assert_does_not_open(f, TK_IO, "/nonexistent/folder/registry.db");
}

static void a_newer_schema_is_refused(void **state)
{
        struct fixture *f = *state;

        close_registry(f);
        int64_t known = sql(f, "SELECT MAX(number) FROM schema_version");
        sql(f, "INSERT INTO schema_version SELECT MAX(number) + 1, 'later', 'x' FROM schema_version");
        struct tk_str word = tk_arena_printf(&f->arena, "schema version %lld", (long long)known + 1);
        assert_does_not_open(f, TK_INVALID, word.ptr);
}

static void a_step_with_another_text_is_refused(void **state)
{
        struct fixture *f = *state;

        close_registry(f);
        sql(f, "UPDATE schema_version SET sha256 = 'x' WHERE number = 1");
        assert_does_not_open(f, TK_CORRUPT, "step 1");
}

/* ---- another process at the file ---- */

/* Takes as long as the registry waits: five seconds. */
static void a_lock_that_is_held_too_long(void **state)
{
        struct fixture *f = *state;
        struct tk_consumer consumer = {
                .state = TK_STATE_ACTIVE, .name = TK_STR("a"), .metadata = TK_STR("{}")};
        struct tk_api got;
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path_in(f, "registry.db").ptr, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        assert_err(tk_registry_write(f->registry, TK_LANE_NORMAL, make_consumer, &consumer), TK_BUSY);
        assert_err(READ(f, tk_api_get(txn, 1, &f->arena, &got)), TK_NOT_FOUND);
        assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_err(tk_registry_write(f->registry, TK_LANE_NORMAL, make_consumer, &consumer), TK_OK);
        fixture_check(f);
}

/* ---- rows ---- */

static void every_version_of_a_plan_is_kept(void **state)
{
        struct fixture *f = *state;
        struct world w;

        fixture_world(f, &w);
        w.plan.limits[0] =
                (struct tk_limit_def){.kind = TK_LIMIT_WINDOW, .period = TK_PERIOD_DAY, .limit = 5};
        w.plan.limit_count = 1;
        f->change.at_s++;
        assert_err(WRITE(f, tk_plan_update(txn, &w.plan, &f->change)), TK_OK);
        assert_int_equal(sql(f, "SELECT COUNT(*) FROM plan_versions"), 2);
        assert_int_equal(sql(f, "SELECT limits = '[]' FROM plan_versions WHERE version = 1"), 1);
        assert_int_equal(sql(f, "SELECT limits LIKE '%\"day\"%' FROM plan_versions WHERE version = 2"), 1);
        assert_int_equal(sql(f, "SELECT created_s FROM plan_versions WHERE version = 2"), NOW_S + 1);
        assert_int_equal(sql(f, "SELECT COUNT(*) FROM audit_entries WHERE log_index IS NOT NULL"), 0);
}

static void assert_key_is_corrupt(struct fixture *f, uint64_t id, const char *damage)
{
        struct tk_key got;

        sql(f, damage);
        assert_err(READ(f, tk_key_get(txn, id, &f->arena, &got)), TK_CORRUPT);
        sql(f, "UPDATE keys SET restrictions = '{}', limits = '[]', scopes = '[]', version = 1");
        assert_err(READ(f, tk_key_get(txn, id, &f->arena, &got)), TK_OK);
}

/* A restriction that cannot be read must never become none. */
static void damaged_rows_are_not_read(void **state)
{
        struct fixture *f = *state;
        struct tk_key key;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = ''");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = '[]'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = '{\"moon\":[]}'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = '{\"cidrs\":[\"10.0.0.1/8\"]}'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = '{\"cidrs\":[7]}'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = '{\"paths\":[7]}'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET restrictions = '{\"paths\":\"/\"}'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET limits = '[{}]'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET limits = '{}'");
        assert_key_is_corrupt(
                f, key.id,
                "UPDATE keys SET limits = '[{\"kind\":\"rate\",\"period\":\"fixed\",\"anchored\":false,"
                "\"limit\":-1,\"burst\":1,\"length_s\":1,\"name\":\"\"}]'");
        assert_key_is_corrupt(
                f, key.id,
                "UPDATE keys SET limits = '[{\"kind\":\"wave\",\"period\":\"fixed\",\"anchored\":false,"
                "\"limit\":1,\"burst\":1,\"length_s\":1,\"name\":\"\"}]'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET scopes = '[null]'");
        assert_key_is_corrupt(f, key.id, "UPDATE keys SET version = -1");
}

/* ---- a folder that cannot be written ---- */

/* As another user when the tests run as root, whom modes do not stop. */
static int open_as_nobody(struct fixture *f)
{
        struct tk_registry *registry;
        struct tk_fault fault = {0};

        if (geteuid() == 0 && seteuid(65534) != 0)
                return 2;
        if (tk_registry_open(&f->config, &registry, &fault) != TK_IO)
                return 1;
        return strstr(fault.detail, "registry.db") == NULL || fault.mend[0] == '\0';
}

static void a_folder_that_is_read_only(void **state)
{
        struct fixture *f = *state;
        int status;
        pid_t child;

        close_registry(f);
        assert_int_equal(chmod(f->folder, 0555), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(open_as_nobody(f));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(chmod(f->folder, 0700), 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(files_are_for_their_owner_only), CASE(the_reserve_is_real_blocks),
                CASE(a_file_that_is_no_database),     CASE(a_folder_that_is_not_there),
                CASE(a_newer_schema_is_refused),      CASE(a_step_with_another_text_is_refused),
                CASE(a_lock_that_is_held_too_long),   CASE(every_version_of_a_plan_is_kept),
                CASE(damaged_rows_are_not_read),      CASE(a_folder_that_is_read_only),
        };

        unsetenv("TK_TEST_REGISTRY");
        return cmocka_run_group_tests_name("registry on sqlite", tests, NULL, NULL);
}
