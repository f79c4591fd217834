/*
 * Sets of files that others take the place of, or that were deleted: a decider that has one open never goes on with it once a
 * key was revoked in the next. The daemon is killed before and after each rename of a renewal, or a call of the system fails (--wrap).
 */
#include "clock_world.h"
#include "fake_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLED = 9, ID = 17 };

static unsigned kill_at;         /* 2n - 1: before the n-th rename; 2n: after it; 0: never */
static unsigned rename_fails_at; /* the n-th; 0: none */

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
        if (kill_at > 0 && --kill_at == 0)
                _exit(KILLED);
        if (rename_fails_at > 0 && --rename_fails_at == 0) {
                errno = EIO;
                return -1;
        }
        int failed = __real_renameat(from_fd, from, to_fd, to);
        if (kill_at > 0 && --kill_at == 0)
                _exit(KILLED);
        return failed;
}

static unsigned pwrite_fails_at; /* the n-th; 0: none */

ssize_t __real_pwrite64(int fd, const void *bytes, size_t count, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t count, off_t offset);

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t count, off_t offset)
{
        if (pwrite_fails_at == 0 || --pwrite_fails_at > 0)
                return __real_pwrite64(fd, bytes, count, offset);
        errno = EIO;
        return -1;
}

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static void stop_daemon(struct test_gate *test)
{
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
}

/* The next daemon begins, and has the key revoked; a decider that opens what is there now says so. */
static void begin_and_revoke(struct test_gate *test, struct test_key *key)
{
        struct tk_gate *old = test->gate;
        test_gate_publish(test);
        key->published.state = TK_PUBLISH_REVOKED;
        test_key_publish(test, key);
        tk_publisher_tick(test->publisher, TEST_NOW_NS, 0);

        test->gate = NULL;
        test_gate_decider(test);
        struct tk_ask ask = test_ask(test, key);
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        tk_gate_close(test->gate);
        test->gate = old;
}

static void remove_file(const struct test_gate *test, const char *name)
{
        char path[128];
        test_gate_path(test, name, path);
        assert_int_equal(unlink(path), 0);
}

/* ---- a renewal that is cut short ---- */

/* In a child: the daemon that is killed. False: it was not, as there are no more renames. */
static bool renew_and_die(struct test_gate *test, unsigned at)
{
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct tk_publisher *publisher;
                struct tk_fault fault;
                uint64_t seq;
                if (tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes, &publisher,
                                      &seq, &fault))
                        _exit(1);
                kill_at = at;
                _exit(tk_publisher_renew(publisher, &fault) == TK_OK ? 0 : 2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == KILLED || WEXITSTATUS(status) == 0);
        return WEXITSTATUS(status) == KILLED;
}

static void test_a_daemon_killed_while_it_renews(void **state)
{
        struct test_gate *test = *state;
        bool killed = true;
        unsigned at = 0;
        while (killed) {
                struct test_key key;
                test_key_issue(test, ID, &key);
                test_gate_decider(test);
                struct tk_ask ask = test_ask(test, &key);
                assert_code(test_decide(test, &ask), TK_CODE_valid);
                stop_daemon(test);

                killed = renew_and_die(test, ++at);
                begin_and_revoke(test, &key);
                if (test_decide(test, &ask) == TK_CODE_valid)
                        fail_msg("killed at %u: who had the old files open admits a revoked key", at);
                key.published.state = TK_PUBLISH_ACTIVE;
        }
        assert_int_equal(at, 2 * TK_FILE_COUNT + 1);
}

/* The old set stays in force as long as its daemon, and no longer. */
static void test_a_rename_that_fails_while_it_renews(void **state)
{
        struct test_gate *test = *state;
        for (unsigned at = 1; at <= TK_FILE_COUNT; at++) {
                struct test_key key;
                struct tk_fault fault;
                test_key_issue(test, ID, &key);
                test_gate_decider(test);
                struct tk_ask ask = test_ask(test, &key);

                rename_fails_at = at;
                assert_int_equal(tk_publisher_renew(test->publisher, &fault), TK_IO);
                assert_int_equal(rename_fails_at, 0);
                assert_non_null(strstr(fault.detail, "Input/output error"));
                assert_code(test_decide(test, &ask), TK_CODE_valid);
                stop_daemon(test);
                begin_and_revoke(test, &key);
                if (test_decide(test, &ask) == TK_CODE_valid)
                        fail_msg("rename %u failed: who had the old files open admits a revoked key", at);
        }
}

/* ---- files that somebody deleted ---- */

static void test_deleted_while_no_daemon_runs(void **state)
{
        struct test_gate *test = *state;
        static const char *const all[] = {"keys",   "policy",    "subscriptions",      "foreign",
                                          "meters", "key_homes", "subscription_homes", "reservations",
                                          "named",  "events"};
        for (unsigned kept = 0; kept < 2; kept++) /* `keys`, then `policy`, is the only one left */
                for (unsigned first = 0; first < TK_FILE_COUNT; first++) {
                        struct test_key key;
                        test_key_issue(test, ID, &key);
                        test_gate_decider(test);
                        struct tk_ask ask = test_ask(test, &key);
                        assert_code(test_decide(test, &ask), TK_CODE_valid);
                        stop_daemon(test);
                        for (unsigned i = first; i < TK_FILE_COUNT; i++)
                                if (i != kept)
                                        remove_file(test, all[i]);
                        begin_and_revoke(test, &key);
                        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
                }
}

/* A set that cannot be marked is not taken away from those who have it open. */
static void test_what_cannot_be_retired_is_not_replaced(void **state)
{
        struct test_gate *test = *state;
        struct tk_fault fault;
        struct test_key key;
        char path[128];
        test_key_issue(test, ID, &key);
        struct tk_ask ask = test_ask(test, &key);
        stop_daemon(test);
        remove_file(test, "events");
        for (unsigned at = 1; at <= 2; at++) { /* `keys`, then `policy` */
                pwrite_fails_at = at;
                assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes,
                                                   &test->publisher, &test->applied_seq, &fault),
                                 TK_IO);
                assert_int_equal(pwrite_fails_at, 0);
                test_gate_path(test, at == 1 ? "keys" : "policy", path);
                assert_int_equal(access(path, F_OK), 0);
        }
        begin_and_revoke(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
}

/* All of them, under a daemon without a lease: deciders go on as long as it does, and a minute longer. */
static void test_deleted_under_a_daemon(void **state)
{
        struct world world;
        struct test_key key;
        (void)state;
        world_begin(&world, TEST_NOW_S);
        test_key_issue(&world.test, ID, &key);
        struct tk_ask ask = test_ask(&world.test, &key);
        ask.now_ns = 0;
        world_run(&world, 10);
        assert_true(atomic_load(&world_header(&world)->lease_until_ms) == tk_seal(0));

        remove_file(&world.test, "keys");
        world_run(&world, 10); /* the next daemon can still tell them, by `policy` */
        assert_true(atomic_load(&world_header(&world)->lease_until_ms) == tk_seal(0));
        remove_file(&world.test, "policy");
        world_run(&world, 200);
        assert_code(test_decide(&world.test, &ask), TK_CODE_valid);

        world_close_publisher(&world); /* or killed: it makes no difference */
        world_pass(&world, 59 * 1000);
        assert_code(test_decide(&world.test, &ask), TK_CODE_valid);
        struct tk_gate *old = world.test.gate;
        world.test.gate = NULL;
        world_open_new(&world);
        key.published.state = TK_PUBLISH_REVOKED;
        test_key_publish(&world.test, &key);
        world_pass(&world, 2 * 1000);
        world_tick(&world);
        assert_code(test_decide(&world.test, &ask), TK_CODE_revoked);
        tk_gate_close(world.test.gate);
        world.test.gate = old;
        assert_code(test_decide(&world.test, &ask), TK_CODE_unavailable);
        world_end(&world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_daemon_killed_while_it_renews),
                TEST(test_a_rename_that_fails_while_it_renews),
                TEST(test_deleted_while_no_daemon_runs),
                TEST(test_what_cannot_be_retired_is_not_replaced),
                cmocka_unit_test(test_deleted_under_a_daemon),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
