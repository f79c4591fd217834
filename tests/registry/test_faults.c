/*
 * SQLite only: the fault loop. One write of many steps, in which the 1st call fails, then the 2nd, ... until it passes;
 * after each the answer must be true and the invariants must hold. Once with an engine that fails, once with a disk.
 */
#include "fixture.h"

#include "core/alloc.h"
#include "faulty_driver.h"
#include "faulty_vfs.h"
#include "registry/open.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far more calls than the write makes: the loop must have ended by itself. */
#define CALLS_MAX 500

/* ---- the write: a consumer with a subscription and a key, which is then changed ---- */

struct customer {
        struct fixture *f;
        const struct world *world;
        struct tk_str name;
        unsigned fail_allocation; /* the n-th in the job; 0 = none */
        struct tk_key key;
};

static enum tk_err make_customer(struct tk_txn *txn, void *context)
{
        struct customer *customer = context;
        const struct world *w = customer->world;
        struct tk_change *change = &customer->f->change;
        struct tk_consumer consumer = {
                .state = TK_STATE_ACTIVE, .name = customer->name, .metadata = TK_STR("{}")};
        struct tk_subscription subscription = {
                .environment_id = w->environment.id, .plan_id = w->plan.id, .state = TK_STATE_ACTIVE};
        enum tk_err err;

        tk_alloc_fault_at(customer->fail_allocation);
        customer->key = fixture_key(w, 1);
        customer->key.scopes[0] = TK_STR("a:b");
        customer->key.scope_count = 1;
        err = tk_consumer_create(txn, &consumer, change);
        subscription.consumer_id = customer->key.consumer_id = consumer.id;
        if (err == TK_OK)
                err = tk_subscription_create(txn, &subscription, change);
        if (err == TK_OK)
                err = fixture_key_create(txn, &customer->key, change);
        if (err == TK_OK)
                err = tk_key_update(txn, &customer->key, change);
        tk_alloc_fault_at(0);
        return err;
}

#define ROWS_EACH 4 /* feed rows of one customer */

static bool is_there(struct fixture *f, struct tk_str name)
{
        struct tk_consumer got;
        enum tk_err err = READ(f, tk_consumer_find(txn, name, &f->arena, &got));

        assert_true(err == TK_OK || err == TK_NOT_FOUND);
        return err == TK_OK;
}

/* ---- an engine that fails ---- */

static int faulty_setup(void **state)
{
        struct fixture *f = tk_calloc(1, sizeof *f);
        char folder[] = "/tmp/tk-registry-XXXXXX";

        assert_non_null(mkdtemp(folder));
        f->config.reserve_bytes = 1 << 20;
        fixture_init(f, folder, faulty_driver());
        *state = f;
        return 0;
}

/* One customer with the n-th call failing; false when there was no n-th call. */
static bool write_with_fault(struct fixture *f, struct customer *customer, enum tk_lane lane, unsigned n,
                             enum fault_kind kind, enum tk_err fault, enum tk_err expected)
{
        uint64_t before = fixture_feed_last(f);
        enum tk_err err;
        bool hit;

        faulty_driver_arm(n, kind, fault);
        err = tk_registry_write(f->registry, lane, make_customer, customer);
        hit = faulty_driver_hit();
        faulty_driver_arm(0, FAULT_CALL, TK_OK);

        assert_err(err, hit ? expected : TK_OK);
        assert_int_equal(is_there(f, customer->name), err == TK_OK);
        assert_int_equal(fixture_feed_last(f), before + (err == TK_OK ? ROWS_EACH : 0));
        fixture_check(f);
        return hit;
}

static void engine_loop(struct fixture *f, enum tk_lane lane, enum fault_kind kind, enum tk_err fault,
                        enum tk_err expected)
{
        struct customer customer = {.f = f};
        struct world w;
        unsigned n = 0;
        bool hit;

        fixture_world(f, &w);
        customer.world = &w;
        do {
                fixture_reopen(f); /* with its reserve whole again */
                customer.name = tk_arena_printf(&f->arena, "customer-%u", ++n);
                hit = write_with_fault(f, &customer, lane, n, kind, fault, expected);
        } while (hit && n < CALLS_MAX);
        assert_in_range(n, 20, CALLS_MAX - 1);
}

static void engine_fails(void **state)
{
        engine_loop(*state, TK_LANE_NORMAL, FAULT_CALL, TK_IO, TK_IO);
}

static void engine_is_out_of_memory(void **state)
{
        engine_loop(*state, TK_LANE_FAST, FAULT_CALL, TK_NOMEM, TK_NOMEM);
}

static void engine_undoes_everything(void **state)
{
        engine_loop(*state, TK_LANE_NORMAL, FAULT_UNDONE, TK_IO, TK_IO);
}

static void engine_is_full(void **state)
{
        engine_loop(*state, TK_LANE_NORMAL, FAULT_UNDONE, TK_FULL, TK_FULL);
}

/* The reserve gives a slice and the job is run again: whatever call it was, the fast lane gets through. */
static void engine_is_full_for_the_fast_lane(void **state)
{
        engine_loop(*state, TK_LANE_FAST, FAULT_CALL, TK_FULL, TK_OK);
}

static void engine_is_full_and_undoes_the_fast_lane(void **state)
{
        engine_loop(*state, TK_LANE_FAST, FAULT_UNDONE, TK_FULL, TK_OK);
}

/* Opening for the first time makes the schema and the installation's id: all of it, or it can be opened again. */
static bool open_with_fault(unsigned n)
{
        char folder[] = "/tmp/tk-registry-XXXXXX", url[64], command[64];
        struct tk_registry_config config = {.url = url};
        struct tk_registry *registry = NULL;
        struct tk_fault fault = {0};
        struct fixture *again = tk_calloc(1, sizeof *again);
        enum tk_err err;
        bool hit;

        assert_non_null(mkdtemp(folder));
        snprintf(url, sizeof url, "%s/registry.db", folder);
        faulty_driver_arm(n, FAULT_CALL, TK_IO);
        err = tk_registry_open_with(faulty_driver(), url, &config, &registry, &fault);
        hit = faulty_driver_hit();
        faulty_driver_arm(0, FAULT_CALL, TK_OK);
        assert_err(err, hit ? TK_IO : TK_OK);
        assert_int_equal(registry == NULL, hit);
        assert_int_equal(fault.detail[0] != 0 && fault.mend[0] != 0, hit);
        tk_registry_close(registry);

        fixture_init(again, folder, NULL);
        fixture_check(again);
        fixture_fini(again);
        tk_free(again);
        snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
        assert_int_equal(system(command), 0);
        return hit;
}

static void opening_fails(void **state)
{
        unsigned n = 1;

        (void)state;
        while (open_with_fault(n) && n < CALLS_MAX)
                n++;
        assert_in_range(n, 6, CALLS_MAX - 1);
}

static void memory_fails(void **state)
{
        struct fixture *f = *state;
        struct customer customer = {.f = f};
        enum tk_err err;
        struct world w;

        fixture_world(f, &w);
        customer.world = &w;
        do {
                uint64_t before = fixture_feed_last(f);

                customer.fail_allocation++;
                customer.name = tk_arena_printf(&f->arena, "customer-%u", customer.fail_allocation);
                err = tk_registry_write(f->registry, TK_LANE_NORMAL, make_customer, &customer);
                assert_true(err == TK_OK || err == TK_NOMEM);
                assert_int_equal(is_there(f, customer.name), err == TK_OK);
                assert_int_equal(fixture_feed_last(f), before + (err == TK_OK ? ROWS_EACH : 0));
                fixture_check(f);
        } while (err != TK_OK && customer.fail_allocation < CALLS_MAX);
        assert_in_range(customer.fail_allocation, 4, CALLS_MAX - 1);
}

/* ---- a disk that fails ---- */

/* What a power cut at this moment would leave: the files as they are, opened by a program that knows nothing else. */
static bool is_there_after_a_crash(struct fixture *f, struct tk_str name)
{
        char folder[] = "/tmp/tk-registry-XXXXXX", command[256];
        struct fixture *copy = tk_calloc(1, sizeof *copy);
        bool there;

        assert_non_null(mkdtemp(folder));
        snprintf(command, sizeof command, "cp '%s'/registry.db* '%s'", f->folder, folder);
        assert_int_equal(system(command), 0);
        fixture_init(copy, folder, NULL);
        there = is_there(copy, name);
        fixture_check(copy);
        fixture_fini(copy);
        snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
        assert_int_equal(system(command), 0);
        tk_free(copy);
        return there;
}

static enum tk_err do_nothing(struct tk_txn *txn, void *context)
{
        (void)txn;
        (void)context;
        return TK_OK;
}

struct disk_tally {
        unsigned refused, uncertain, passed;
        unsigned resurrected; /* uncertain, and there after a crash */
};

/* `n`-th call to the disk fails. What was refused must not be there, now or after a crash; what was answered must be. */
static bool write_on_faulty_disk(struct fixture *f, struct customer *customer, unsigned n, bool for_good,
                                 int code, struct disk_tally *tally)
{
        enum tk_err err;
        bool hit, there;

        faulty_vfs_arm(n, for_good, code);
        err = tk_registry_write(f->registry, TK_LANE_NORMAL, make_customer, customer);
        /* What the writer does after an answer is over when the next job is answered. */
        assert_err(tk_registry_write(f->registry, TK_LANE_NORMAL, do_nothing, NULL), TK_OK);
        hit = faulty_vfs_hit();
        faulty_vfs_arm(0, false, 0);

        tally->passed += err == TK_OK;
        tally->uncertain += err == TK_UNCERTAIN;
        tally->refused += err == TK_IO || err == TK_FULL;
        assert_true(err == TK_OK || err == TK_UNCERTAIN || err == (code == SQLITE_FULL ? TK_FULL : TK_IO));
        there = is_there_after_a_crash(f, customer->name);
        if (err == TK_UNCERTAIN) {
                tally->resurrected += there;
        } else {
                assert_int_equal(there, err == TK_OK);
                assert_int_equal(is_there(f, customer->name), err == TK_OK);
        }
        fixture_check(f);
        return hit;
}

static void disk_loop(struct fixture *f, bool for_good, int code, struct disk_tally *ret_tally)
{
        struct customer customer = {.f = f};
        struct world w;
        unsigned n = 0;
        bool hit;

        *ret_tally = (struct disk_tally){0};
        fixture_world(f, &w);
        customer.world = &w;
        do {
                customer.name = tk_arena_printf(&f->arena, "customer-%u", ++n);
                hit = write_on_faulty_disk(f, &customer, n, for_good, code, ret_tally);
        } while (hit && n < CALLS_MAX);
        assert_in_range(n, 5, CALLS_MAX - 1);
        assert_true(ret_tally->passed > 0);
}

/* A single failure is always established: the place is written over, so nothing stays uncertain. */
static void disk_fails_once(void **state)
{
        struct disk_tally tally;

        disk_loop(*state, false, SQLITE_IOERR, &tally);
        assert_true(tally.refused > 0);
        assert_int_equal(tally.uncertain, 0);
}

static void disk_fails_for_good(void **state)
{
        struct disk_tally tally;

        disk_loop(*state, true, SQLITE_IOERR, &tally);
        assert_true(tally.uncertain > 0);
        assert_true(tally.resurrected > 0); /* so "nothing changed" would have been a lie */
}

static void disk_is_full_once(void **state)
{
        struct disk_tally tally;

        disk_loop(*state, false, SQLITE_FULL, &tally);
        assert_true(tally.refused > 0);
        assert_int_equal(tally.uncertain, 0);
}

static void disk_is_full_for_good(void **state)
{
        struct disk_tally tally;

        disk_loop(*state, true, SQLITE_FULL, &tally);
        assert_true(tally.refused > 0);
        assert_int_equal(tally.uncertain, 0);
}

#define ENGINE_CASE(name) cmocka_unit_test_setup_teardown(name, faulty_setup, fixture_teardown)
#define DISK_CASE(name)   cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ENGINE_CASE(engine_fails),
                ENGINE_CASE(engine_is_out_of_memory),
                ENGINE_CASE(engine_undoes_everything),
                ENGINE_CASE(engine_is_full),
                ENGINE_CASE(engine_is_full_for_the_fast_lane),
                ENGINE_CASE(engine_is_full_and_undoes_the_fast_lane),
                cmocka_unit_test(opening_fails),
                DISK_CASE(memory_fails),
                DISK_CASE(disk_fails_once),
                DISK_CASE(disk_fails_for_good),
                DISK_CASE(disk_is_full_once),
                DISK_CASE(disk_is_full_for_good),
        };

        unsetenv("TK_TEST_REGISTRY");
        faulty_vfs_register();
        return cmocka_run_group_tests_name("registry faults", tests, NULL, NULL);
}
