/*
 * The journal second by second: every write and sync that fails, a file that is made anew in parts, whom touches and the slow walk
 * find, flushes that are repeated or whose fate is unknown.
 */
#include "keeper.h"

#include "core/alloc.h"
#include "gate/publisher.h"
#include "service/meter_marks.h"
#include "service/used_since.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * ---- a disk that fails at the n-th call; what was not synced is gone when a sync fails, and until its directory is synced, a file may
 * have its old content ----
 */

#define JOURNAL_MAX 65536

static struct disk {
        bool armed;
        unsigned left; /* calls until the one that fails; 0: none does */
        int error;
        bool hit;
        off_t synced[1024]; /* by file descriptor */
        bool rename_unsynced;
        uint8_t before[JOURNAL_MAX]; /* the rename */
        size_t before_len;
} disk;

ssize_t __real_pwrite64(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

static bool fails(void)
{
        if (!disk.armed || disk.left == 0 || --disk.left > 0)
                return false;
        disk.hit = true;
        errno = disk.error;
        return true;
}

/* Half of it is written before there is no more room. */
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
        if (!fails())
                return __real_pwrite64(fd, bytes, len, offset);
        int error = errno;
        (void)!__real_pwrite64(fd, bytes, len / 2, offset);
        errno = error;
        return -1;
}

int __wrap_fdatasync(int fd)
{
        struct stat status;
        if (fails()) {
                int error = errno;
                (void)!ftruncate(fd, disk.synced[fd]);
                errno = error;
                return -1;
        }
        if (fstat(fd, &status) == 0)
                disk.synced[fd] = status.st_size;
        return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
        if (fails())
                return -1;
        disk.rename_unsynced = false;
        return __real_fsync(fd);
}

/* What a file holds; nothing where there is none. */
static size_t content(int dir, const char *name, uint8_t ret_bytes[JOURNAL_MAX])
{
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd >= 0 ? read(fd, ret_bytes, JOURNAL_MAX) : 0;
        assert_true(len >= 0 && len < JOURNAL_MAX);
        if (fd >= 0)
                close(fd);
        return (size_t)len;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
        if (fails())
                return -1;
        if (strcmp(to, TK_METER_FILE_NAME) == 0) { /* and none of the gate's */
                disk.before_len = content(to_dir, to, disk.before);
                disk.rename_unsynced = true;
        }
        return __real_renameat(from_dir, from, to_dir, to);
}

/* ---- helpers ---- */

static struct tk_meter_log_stats stats_of(const struct keeper *keeper)
{
        struct tk_meter_log_stats stats;
        tk_meter_log_stats(keeper->log, &stats);
        return stats;
}

/* What a gate gets that is made anew now, from these bytes of a journal alone: a copy of it, as opening it sweeps away a half-made one. */
static struct used_values recovered_from(struct keeper *keeper, struct tk_registry *empty,
                                         const uint8_t *journal, size_t len)
{
        char dir[] = "/dev/shm/tk-copy-XXXXXX";
        assert_non_null(mkdtemp(dir));
        if (len > 0)
                keeper_write_journal(dir, journal, len);
        struct keeper fresh = {0};
        keeper_gate(&fresh, keeper);
        keeper_recover(&fresh, dir, empty, keeper->installation);
        struct used_values used = keeper_used(&fresh);
        test_gate_fini(&fresh.gate);
        test_dir_remove(dir);
        return used;
}

static struct used_values recovered(struct keeper *keeper, struct tk_registry *empty)
{
        uint8_t journal[JOURNAL_MAX];
        int dir = open(keeper->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size_t len = content(dir, TK_METER_FILE_NAME, journal);
        close(dir);
        return recovered_from(keeper, empty, journal, len);
}

static void assert_between(struct used_values is, struct used_values least, struct used_values most)
{
        for (int i = 0; i < USED_COUNT; i++)
                if (is.of[i] < least.of[i] || is.of[i] > most.of[i])
                        fail_msg("number %d is %llu, not %llu to %llu", i, (unsigned long long)is.of[i],
                                 (unsigned long long)least.of[i], (unsigned long long)most.of[i]);
}

struct own_registry {
        char dir[64];
        struct tk_registry *registry;
};

static void open_empty(struct own_registry *empty)
{
        strcpy(empty->dir, "/dev/shm/tk-empty-XXXXXX");
        assert_non_null(mkdtemp(empty->dir));
        empty->registry = keeper_registry(empty->dir);
}

static void close_empty(struct own_registry *empty)
{
        tk_registry_close(empty->registry);
        test_dir_remove(empty->dir);
}

/* ---- tests ---- */

#define SECONDS 8

/* Whatever a power cut leaves now is between what is durable and what was used. */
static void assert_recovers(struct keeper *keeper, struct tk_registry *empty, struct used_values durable,
                            struct used_values used)
{
        bool armed = disk.armed;
        disk.armed = false;
        assert_between(recovered(keeper, empty), durable, used);
        if (disk.rename_unsynced)
                assert_between(recovered_from(keeper, empty, disk.before, disk.before_len), durable, used);
        disk.armed = armed;
}

/* Some seconds with the n-th call failing: true when it was reached. */
static bool run_with_fault(unsigned n, int error, struct tk_registry *empty)
{
        struct keeper keeper;
        struct used_values durable = {0};
        uint64_t failures = 0;
        keeper_init(&keeper, 1, 300); /* a new file all the time, in parts */
        disk = (struct disk){.armed = true, .left = n, .error = error};
        for (int second = 0; second < SECONDS; second++) {
                keeper_use(&keeper, 3);
                keeper_tick(&keeper);
                struct used_values used = keeper_used(&keeper);
                if (stats_of(&keeper).failures == failures)
                        durable = used;
                failures = stats_of(&keeper).failures;
                assert_recovers(&keeper, empty, durable, used);
        }
        bool hit = disk.hit;
        if (!hit) /* then the replacing of a journal that exists has been tried at every call */
                assert_in_range(stats_of(&keeper).rewrites, 2, SECONDS);
        disk = (struct disk){0};
        keeper_tick(&keeper); /* there is room again */
        struct used_values used = keeper_used(&keeper);
        assert_between(recovered(&keeper, empty), used, used);
        assert_int_equal(stats_of(&keeper).failures, failures);
        keeper_fini(&keeper);
        return hit;
}

static void test_every_call_fails(void **state)
{
        (void)state;
        struct own_registry empty;
        open_empty(&empty);
        unsigned n = 1;
        while (run_with_fault(n, n % 2 ? ENOSPC : EIO, empty.registry))
                n++;
        assert_in_range(n, 20, 400);
        close_empty(&empty);
}

static void log_once(struct keeper *keeper)
{
        tk_meter_log_tick(keeper->log);
        tk_meter_log_wait(keeper->log);
}

/* Whoever is touched is written in that second, and nobody else but routes and named limits, which nobody tells of. */
static void test_touches(void **state)
{
        (void)state;
        struct keeper keeper;
        struct own_registry empty;
        open_empty(&empty);
        keeper_init(&keeper, 0, 0);
        keeper_use(&keeper, 1);
        keeper_tick(&keeper);
        struct used_values first = keeper_used(&keeper);
        keeper_use(&keeper, 1);
        struct used_values both = keeper_used(&keeper), expected = first;

        tk_meter_log_touch_key(keeper.log, UINT64_MAX); /* no number at all, from a hostile event */
        tk_meter_log_touch_key(keeper.log, UINT64_C(1) << 40);
        tk_meter_log_touch_subscription(keeper.log, UINT32_MAX);
        tk_meter_log_touch_key(keeper.log, 19);
        log_once(&keeper);
        expected.of[USED_ROUTE] = both.of[USED_ROUTE];
        expected.of[USED_NAMED] = both.of[USED_NAMED];
        assert_between(recovered(&keeper, empty.registry), expected, expected);

        tk_meter_log_touch_subscription(keeper.log, 3);
        log_once(&keeper);
        expected.of[USED_SUBSCRIPTION_MONTH] = both.of[USED_SUBSCRIPTION_MONTH];
        expected.of[USED_SUBSCRIPTION_CREDITS] = both.of[USED_SUBSCRIPTION_CREDITS];
        assert_between(recovered(&keeper, empty.registry), expected, expected);

        tk_meter_log_touch_key(keeper.log, 18);
        log_once(&keeper);
        expected.of[USED_PLAIN_ADMITTED] = both.of[USED_PLAIN_ADMITTED];
        assert_between(recovered(&keeper, empty.registry), expected, expected);

        tk_meter_log_touch_key(keeper.log, 17);
        log_once(&keeper);
        assert_between(recovered(&keeper, empty.registry), both, both);
        keeper_fini(&keeper);
        close_empty(&empty);
}

/* Told of once, in a second whose sync fails: it is written in the next one, of which nobody tells. */
static void test_a_touch_outlives_a_failure(void **state)
{
        (void)state;
        struct keeper keeper;
        struct own_registry empty;
        open_empty(&empty);
        keeper_init(&keeper, 0, 0);
        keeper_tick(&keeper);
        keeper_use(&keeper, 2);
        tk_meter_log_touch_key(keeper.log, 17);
        disk.left = 2; /* the write, the sync */
        disk.error = EIO;
        disk.armed = true;
        tk_meter_log_tick(keeper.log);
        tk_meter_log_wait(keeper.log);
        assert_true(disk.hit);
        disk = (struct disk){0};
        assert_int_equal(stats_of(&keeper).failures, 1);
        assert_int_equal(recovered(&keeper, empty.registry).of[USED_KEY_ADMITTED], 0);
        tk_meter_log_tick(keeper.log);
        tk_meter_log_wait(keeper.log);
        assert_int_equal(recovered(&keeper, empty.registry).of[USED_KEY_ADMITTED], 1);
        keeper_fini(&keeper);
        close_empty(&empty);
}

/* Nobody tells of it: within a lap of the slow walk it is found all the same. */
static void test_the_slow_walk(void **state)
{
        (void)state;
        struct keeper keeper;
        struct own_registry empty;
        open_empty(&empty);
        keeper_init(&keeper, 0, 0);
        keeper_tick(&keeper);
        keeper_use(&keeper, 4);
        for (int second = 0; second < 60; second++) {
                tk_meter_log_tick(keeper.log);
                tk_meter_log_wait(keeper.log);
        }
        struct used_values used = keeper_used(&keeper);
        assert_between(recovered(&keeper, empty.registry), used, used);
        keeper_fini(&keeper);
        close_empty(&empty);
}

/* A daemon that was killed, and one that comes after it on the same gate: what was used in between is found at once. */
static void test_a_gate_that_stayed(void **state)
{
        (void)state;
        struct keeper keeper;
        struct own_registry empty;
        open_empty(&empty);
        keeper_init(&keeper, 0, 0);
        keeper_use(&keeper, 1);
        keeper_tick(&keeper);
        keeper_stop(&keeper);
        keeper_use(&keeper, 1);
        keeper_start(&keeper, 0, 0, false);
        tk_meter_log_tick(keeper.log);
        tk_meter_log_wait(keeper.log);
        struct used_values used = keeper_used(&keeper);
        assert_between(recovered(&keeper, empty.registry), used, used);
        assert_int_equal(stats_of(&keeper).rewrites, 0);
        keeper_fini(&keeper);
        close_empty(&empty);
}

/* The file stays within its bound, however long it goes on, and an interrupted new one is swept away. */
static void test_the_file_is_made_anew(void **state)
{
        (void)state;
        struct keeper keeper;
        struct own_registry empty;
        char path[128];
        open_empty(&empty);
        keeper_init(&keeper, 4000, 200);
        for (int second = 0; second < 60; second++) {
                keeper_use(&keeper, 1);
                keeper_tick(&keeper);
                assert_in_range(stats_of(&keeper).file_bytes, 0, 4000 + 10 * 700);
        }
        assert_in_range(stats_of(&keeper).rewrites, 3, 60);
        struct used_values used = keeper_used(&keeper);
        assert_between(recovered(&keeper, empty.registry), used, used);
        keeper_stop(&keeper);

        snprintf(path, sizeof path, "%s/" TK_METER_FILE_NAME ".new", keeper.data);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, "half", 4), 4);
        close(fd);
        keeper_start(&keeper, 0, 0, false);
        assert_int_equal(access(path, F_OK), -1);
        keeper_fini(&keeper);
        close_empty(&empty);
}

struct get_job {
        struct tk_meter_owner owner;
        struct tk_usage_total total;
};

static enum tk_err get_total(struct tk_txn *txn, void *context)
{
        struct get_job *job = context;
        return tk_usage_get(txn, &job->owner, &job->total);
}

static struct tk_usage_total total_of(struct tk_registry *registry, struct tk_meter_owner owner)
{
        struct get_job job = {.owner = owner};
        enum tk_err err = tk_registry_read(registry, get_total, &job);
        assert_true(err == TK_OK || err == TK_NOT_FOUND);
        return job.total;
}

static void assert_flushed(struct keeper *keeper)
{
        struct used_values used = keeper_used(keeper);
        struct tk_usage_total total =
                total_of(keeper->registry, (struct tk_meter_owner){TK_METER_KEY, 0, 17});
        assert_int_equal(total.record.admitted, used.of[USED_KEY_ADMITTED]);
        assert_int_equal(total.refused, used.of[USED_KEY_REFUSED]);
        assert_int_equal(total.record.limits[0].value.lo, used.of[USED_KEY_DAY]);
        total = total_of(keeper->registry, (struct tk_meter_owner){TK_METER_SUBSCRIPTION, 0, 3});
        assert_int_equal(total.record.limits[1].value.lo, used.of[USED_SUBSCRIPTION_CREDITS]);
        total = total_of(keeper->registry,
                         (struct tk_meter_owner){TK_METER_ROUTE, 0, TK_METER_ROUTE_ID(TEST_PRODUCTION, 8)});
        assert_int_equal(total.record.limits[0].value.lo, used.of[USED_ROUTE]);
}

static void test_flushes(void **state)
{
        (void)state;
        struct keeper keeper;
        struct tk_usage_flush_stats stats;
        keeper_init(&keeper, 0, 0);
        for (int i = 0; i < 3; i++) {
                keeper_use(&keeper, 5);
                keeper_tick(&keeper);
                assert_int_equal(tk_usage_flush_now(keeper.flush), TK_OK);
                assert_flushed(&keeper);
        }
        keeper_use(&keeper, 5);
        keeper_stop(&keeper); /* flushes what it has not */
        assert_flushed(&keeper);

        keeper_start(&keeper, 0, 0, false); /* the same gate, from where it was */
        keeper_use(&keeper, 5);
        keeper_tick(&keeper);
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_OK);
        assert_flushed(&keeper);
        tk_usage_flush_stats(keeper.flush, &stats);
        assert_int_equal(stats.failures, 0);
        keeper_fini(&keeper);
}

/* A registry that refuses, or that records and cannot tell. */
static enum tk_err write_answer = TK_OK;

enum tk_err __real_tk_registry_write(struct tk_registry *registry, enum tk_lane lane, tk_txn_fn *run,
                                     void *context);
enum tk_err __wrap_tk_registry_write(struct tk_registry *registry, enum tk_lane lane, tk_txn_fn *run,
                                     void *context);
enum tk_err __wrap_tk_registry_write(struct tk_registry *registry, enum tk_lane lane, tk_txn_fn *run,
                                     void *context)
{
        if (write_answer != TK_OK && write_answer != TK_UNCERTAIN)
                return write_answer;
        enum tk_err err = __real_tk_registry_write(registry, lane, run, context);
        return err == TK_OK ? write_answer : err;
}

/* What it did not take is sent again when it takes something, though nobody uses or tells of it again. */
static void test_a_registry_that_refuses(void **state)
{
        (void)state;
        struct keeper keeper;
        struct tk_usage_flush_stats stats;
        keeper_init(&keeper, 0, 0);
        keeper_use(&keeper, 5);
        keeper_tick(&keeper);
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_OK);
        keeper_use(&keeper, 5);
        keeper_tick(&keeper);
        write_answer = TK_FULL;
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_FULL);
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_FULL);
        write_answer = TK_OK;
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_OK);
        assert_flushed(&keeper);
        tk_usage_flush_stats(keeper.flush, &stats);
        assert_int_equal(stats.failures, 2);
        keeper_fini(&keeper);
}

/* It was recorded, and the flush cannot know: it comes again under the same sequence, and later values after it. */
static void test_a_flush_whose_fate_is_unknown(void **state)
{
        (void)state;
        struct keeper keeper;
        struct tk_usage_flush_stats stats;
        keeper_init(&keeper, 0, 0);
        keeper_use(&keeper, 5);
        keeper_tick(&keeper);
        write_answer = TK_UNCERTAIN;
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_UNCERTAIN);
        keeper_use(&keeper, 5);
        keeper_tick(&keeper);
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_UNCERTAIN);
        write_answer = TK_OK;
        assert_int_equal(tk_usage_flush_now(keeper.flush), TK_OK);
        assert_flushed(&keeper);
        tk_usage_flush_stats(keeper.flush, &stats);
        assert_int_equal(stats.failures, 2);
        keeper_fini(&keeper);
}

static void test_marks(void **state)
{
        (void)state;
        static struct tk_meter_marks marks;
        static const uint64_t numbers[] = {0, 1, 63, 64, 262143, 262144, 1u << 29, (1u << 30) - 1};
        for (size_t i = 0; i < 8; i++)
                assert_true(tk_marks_set(&marks, numbers[i]));
        assert_false(tk_marks_set(&marks, UINT64_C(1) << 30));
        uint64_t bits, count = 0;
        for (uint64_t word = 0; (bits = tk_marks_next(&marks, &word, true)); word++)
                for (; bits; bits &= bits - 1)
                        assert_int_equal(word * 64 + (uint64_t)__builtin_ctzll(bits), numbers[count++]);
        assert_int_equal(count, 8);
        uint64_t word = 0;
        assert_int_equal(tk_marks_next(&marks, &word, false), 0);
        tk_marks_fini(&marks);
        tk_alloc_fault_at(1);
        assert_false(tk_marks_set(&marks, 5));
        tk_alloc_fault_at(0);
        tk_marks_fini(&marks);
}

static struct tk_moment moment(uint64_t boot_s, uint64_t gate_s)
{
        return (struct tk_moment){.boot_ns = boot_s * TK_NS_PER_S, .gate_ns = gate_s * TK_NS_PER_S};
}

static void test_used_since(void **state)
{
        (void)state;
        struct tk_moment then = moment(100, 5000), later = moment(110, 5010), back = moment(110, 1010),
                         forth = moment(110, 9010), never = {0};
        assert_int_equal(tk_used_since_s(&then, &later, 2), 4998);
        assert_int_equal(tk_used_since_s(&then, &back, 2), 998);   /* what was used since may say so little */
        assert_int_equal(tk_used_since_s(&then, &forth, 2), 4998); /* or, before the clock was set, this */
        assert_int_equal(tk_used_since_s(&never, &later, 2), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_used_since),
                cmocka_unit_test(test_touches),
                cmocka_unit_test(test_a_touch_outlives_a_failure),
                cmocka_unit_test(test_the_slow_walk),
                cmocka_unit_test(test_a_gate_that_stayed),
                cmocka_unit_test(test_the_file_is_made_anew),
                cmocka_unit_test(test_flushes),
                cmocka_unit_test(test_a_registry_that_refuses),
                cmocka_unit_test(test_a_flush_whose_fate_is_unknown),
                cmocka_unit_test(test_every_call_fails),
        };
        return cmocka_run_group_tests_name("meter log", tests, NULL, NULL);
}
