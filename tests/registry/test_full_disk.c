/*
 * SQLite only: a disk that is really full, a tmpfs of a few megabytes in a mount namespace of this process. Skipped, and
 * counted as skipped, where mounting is not allowed.
 */
#include "fixture.h"

#include "core/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DISK_OPTIONS  "size=6m,mode=0700"
#define RESERVE_BYTES (1024 * 1024)
#define KEYS          2000

static bool can_mount;

/* Once, before any thread: mounts of this test are seen by nobody else and end with it. */
static void enter_namespace(void)
{
        can_mount = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

struct disk {
        struct fixture f;
        struct world world;
        struct tk_key keys[KEYS];
        char filler[96];
};

static int disk_setup(void **state)
{
        struct disk *disk = tk_calloc(1, sizeof *disk);
        char folder[] = "/tmp/tk-registry-XXXXXX";

        assert_non_null(disk);
        *state = disk;
        assert_non_null(mkdtemp(folder));
        snprintf(disk->f.folder, sizeof disk->f.folder, "%s", folder);
        snprintf(disk->filler, sizeof disk->filler, "%s/filler", folder);
        if (!can_mount || mount("tmpfs", folder, "tmpfs", 0, DISK_OPTIONS) != 0) {
                can_mount = false;
                return 0;
        }
        disk->f.config.reserve_bytes = RESERVE_BYTES;
        fixture_init(&disk->f, folder, NULL);
        return 0;
}

static int disk_teardown(void **state)
{
        struct disk *disk = *state;

        if (can_mount) {
                fixture_fini(&disk->f);
                assert_int_equal(umount2(disk->f.folder, MNT_DETACH), 0);
        }
        assert_int_equal(rmdir(disk->f.folder), 0);
        tk_free(disk);
        return 0;
}

/* ---- writes ---- */

static enum tk_err issue_keys(struct tk_txn *txn, void *context)
{
        struct disk *disk = context;
        enum tk_err err = TK_OK;

        for (unsigned i = 0; err == TK_OK && i < KEYS; i++) {
                disk->keys[i] = fixture_key(&disk->world, (uint8_t)i);
                err = fixture_key_create(txn, &disk->keys[i], &disk->f.change);
        }
        return err;
}

static enum tk_err revoke_key(struct tk_txn *txn, void *context)
{
        struct disk *disk = ((void **)context)[0];
        const struct tk_key *key = ((void **)context)[1];
        struct tk_key *now = tk_arena_alloc(&disk->f.arena, sizeof *now);
        enum tk_err err = tk_key_get(txn, key->id, &disk->f.arena, now);

        if (err != TK_OK)
                return err;
        now->state = TK_STATE_REVOKED;
        now->revoked_s = NOW_S;
        return tk_key_update(txn, now, &disk->f.change);
}

static enum tk_err revoke_on(struct disk *disk, enum tk_lane lane, unsigned i)
{
        void *context[] = {disk, &disk->keys[i]};

        return tk_registry_write(disk->f.registry, lane, revoke_key, context);
}

static enum tk_err make_consumer(struct tk_txn *txn, void *context)
{
        struct disk *disk = context;
        static unsigned number;
        char name[32];
        struct tk_consumer consumer = {.state = TK_STATE_ACTIVE,
                                       .metadata = fixture_text(&disk->f, TK_METADATA_MAX)};

        snprintf(name, sizeof name, "consumer-%u", ++number);
        consumer.name = tk_str_from(name);
        return tk_consumer_create(txn, &consumer, &disk->f.change);
}

static bool degraded(struct disk *disk)
{
        struct tk_registry_stats stats;

        tk_registry_stats(disk->f.registry, &stats);
        return stats.degraded;
}

static bool revoked(struct disk *disk, unsigned i)
{
        struct tk_key got;

        assert_err(READ(&disk->f, tk_key_get(txn, disk->keys[i].id, &disk->f.arena, &got)), TK_OK);
        return got.state == TK_STATE_REVOKED;
}

/* ---- the disk ---- */

/* Somebody else takes the last byte. */
static void fill_disk(struct disk *disk)
{
        static const char block[4096];
        int fd = open(disk->filler, O_WRONLY | O_CREAT | O_APPEND, 0600);

        assert_true(fd >= 0);
        while (write(fd, block, sizeof block) > 0) {
        }
        assert_int_equal(errno, ENOSPC);
        assert_int_equal(close(fd), 0);
}

static void prepare(struct disk *disk)
{
        fixture_world(&disk->f, &disk->world);
        assert_err(tk_registry_write(disk->f.registry, TK_LANE_NORMAL, issue_keys, disk), TK_OK);
        assert_false(degraded(disk));
        fill_disk(disk);
}

/* Ordinary writes may fit in space that the log has already; in the end there is none. */
static void write_until_full(struct disk *disk)
{
        enum tk_err err = TK_OK;

        for (unsigned i = 0; err == TK_OK && i < 10000; i++)
                err = tk_registry_write(disk->f.registry, TK_LANE_NORMAL, make_consumer, disk);
        assert_err(err, TK_FULL);
}

static void wait_until_recovered(struct disk *disk)
{
        time_t give_up = time(NULL) + 30;

        while (degraded(disk)) {
                assert_true(time(NULL) < give_up);
                sched_yield();
        }
}

/* ---- what holds ---- */

/* One by one, which takes most space: a log of its own for each, were it not copied back in between. */
static void a_full_disk_still_records_revocations(void **state)
{
        struct disk *disk = *state;

        if (!can_mount)
                skip();
        disk->f.config.reserve_bytes = 2 * RESERVE_BYTES;
        fixture_reopen(&disk->f);
        prepare(disk);
        write_until_full(disk);
        for (unsigned i = 0; i < KEYS; i++)
                assert_err(revoke_on(disk, TK_LANE_FAST, i), TK_OK);
        for (unsigned i = 0; i < KEYS; i++)
                assert_true(revoked(disk, i));
        /* By now the reserve is in use, and nobody else may have it. */
        assert_true(degraded(disk));
        assert_err(tk_registry_write(disk->f.registry, TK_LANE_NORMAL, make_consumer, disk), TK_FULL);
        fixture_check(&disk->f);
}

/* The log holds more than the reserve could make room for in the database: the slices serve the log alone. */
static void a_small_reserve_is_not_wasted(void **state)
{
        struct disk *disk = *state;

        if (!can_mount)
                skip();
        disk->f.config.reserve_bytes = RESERVE_BYTES / 2;
        fixture_reopen(&disk->f);
        prepare(disk);
        write_until_full(disk);
        for (unsigned i = 0; i < 10; i++)
                assert_err(revoke_on(disk, TK_LANE_FAST, i), TK_OK);
        assert_true(degraded(disk));
        fixture_check(&disk->f);
}

static void a_disk_with_space_again_is_used_again(void **state)
{
        struct disk *disk = *state;

        if (!can_mount)
                skip();
        prepare(disk);
        write_until_full(disk);
        for (unsigned i = 0; !degraded(disk); i++)
                assert_err(revoke_on(disk, TK_LANE_FAST, i), TK_OK);
        assert_int_equal(unlink(disk->filler), 0);
        wait_until_recovered(disk);
        assert_err(tk_registry_write(disk->f.registry, TK_LANE_NORMAL, make_consumer, disk), TK_OK);
        assert_err(revoke_on(disk, TK_LANE_NORMAL, KEYS - 1), TK_OK);
        fixture_check(&disk->f);
}

/* The daemon is started again while the disk is full: it opens, and revokes with what the reserve has left. */
static void a_full_disk_can_be_opened(void **state)
{
        struct disk *disk = *state;

        if (!can_mount)
                skip();
        prepare(disk);
        write_until_full(disk);
        for (unsigned i = 0; !degraded(disk); i++)
                assert_err(revoke_on(disk, TK_LANE_FAST, i), TK_OK);
        fill_disk(disk);
        fixture_reopen(&disk->f);
        assert_err(revoke_on(disk, TK_LANE_FAST, KEYS - 1), TK_OK);
        assert_true(revoked(disk, KEYS - 1));
        fixture_check(&disk->f);
}

/* Without a reserve the fast lane is told the truth, too. */
static void without_a_reserve_nothing_is_kept(void **state)
{
        struct disk *disk = *state;
        enum tk_err err = TK_OK;
        unsigned i;

        if (!can_mount)
                skip();
        disk->f.config.reserve_bytes = 0;
        fixture_reopen(&disk->f);
        prepare(disk);
        write_until_full(disk);
        for (i = 0; err == TK_OK && i < KEYS; i++)
                err = revoke_on(disk, TK_LANE_FAST, i);
        assert_err(err, TK_FULL);
        assert_false(revoked(disk, i - 1));
        assert_false(degraded(disk));
        fixture_check(&disk->f);
        assert_int_equal(unlink(disk->filler), 0);
        assert_err(revoke_on(disk, TK_LANE_FAST, i - 1), TK_OK);
        fixture_check(&disk->f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_full_disk_still_records_revocations), CASE(a_small_reserve_is_not_wasted),
                CASE(a_disk_with_space_again_is_used_again), CASE(a_full_disk_can_be_opened),
                CASE(without_a_reserve_nothing_is_kept),
        };

        unsetenv("TK_TEST_REGISTRY");
        enter_namespace();
        return cmocka_run_group_tests_name("registry on a full disk", tests, NULL, NULL);
}
