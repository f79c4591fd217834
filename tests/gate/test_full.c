/*
 * A tmpfs that is full: what would grow is refused and says so, deciders go on, and none of them ever touches a page that has no
 * memory (that would be a SIGBUS, which ends the test). Threads decide while every file grows to the end. Needs the right to mount; where
 * it is missing the tests are skipped.
 */
#include "gate/publisher.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

enum { READERS = 2, LAST_KEYS = 16 };

struct crowd {
        struct test_gate *test;
        struct test_key keys[LAST_KEYS]; /* some that are there */
        _Atomic unsigned key_count;
        _Atomic uint32_t route;
        _Atomic bool stop;
        _Atomic uint64_t decided;
        pthread_t threads[READERS];
};

static struct crowd crowd;

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_init(&test);
        *state = &test;
        return 0;
}

/* Detached at once, so that nothing stays mounted when the test fails: what is open keeps it. */
static int teardown(void **state)
{
        struct test_gate *test = *state;
        tk_gate_close(test->gate);
        tk_publisher_close(test->publisher);
        test->gate = NULL;
        test->publisher = NULL;
        umount2(test->dir, MNT_DETACH);
        test_gate_fini(test);
        return 0;
}

static void mount_small(struct test_gate *test, unsigned kib)
{
        char options[64];
        snprintf(options, sizeof options, "size=%uk,mode=0700", kib);
        if (mount("tmpfs", test->dir, "tmpfs", 0, options) != 0)
                skip(); /* not allowed here */
}

static struct tk_publisher_stats stats_of(const struct test_gate *test)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(test->publisher, &stats);
        return stats;
}

/* ---- at the start ---- */

static void test_too_small_to_begin_with(void **state)
{
        struct test_gate *test = *state;
        struct tk_publisher *publisher;
        struct tk_fault fault;
        uint64_t seq;
        char expected[64];
        mount_small(test, 4096);
        assert_int_equal(
                tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, NULL, &publisher, &seq, &fault),
                TK_FULL);
        uint64_t kib = tk_files_first_bytes(&tk_gate_sizes_default) / 1024 + 1;
        assert_in_range(kib, 10 * 1024, 64 * 1024);
        snprintf(expected, sizeof expected, "empty ones take %llu KiB", (unsigned long long)kib);
        assert_non_null(strstr(fault.detail, expected));
        assert_non_null(strstr(fault.detail, test->dir));
        assert_non_null(strstr(fault.mend, "free memory"));

        /* Nothing is left behind, and smaller tables fit. */
        test_gate_publish(test);
        umount2(test->dir, MNT_DETACH);
        tk_publisher_close(test->publisher);
        test->publisher = NULL;

        /* As much as it says is enough. */
        mount_small(test, (unsigned)kib + 256); /* the directory's own pages, and each file's last page */
        assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, NULL, &test->publisher,
                                           &seq, &fault),
                         TK_OK);
}

/* ---- while it is used ---- */

static void *decide_all_along(void *context)
{
        struct crowd *mine = context;
        for (unsigned i = 0; !atomic_load(&mine->stop); i++) {
                unsigned count = atomic_load(&mine->key_count);
                if (count == 0)
                        continue;
                const struct test_key *key = &mine->keys[i % count];
                struct tk_ask ask = test_ask(mine->test, key);
                struct tk_answer answer;
                ask.route = i % 2 ? atomic_load(&mine->route) : 0;
                ask.reserve_s = i % 8 == 0 ? 3600 : 0;
                tk_gate_decide(mine->test->gate, &ask, &answer);
                bool no_room = answer.code == TK_CODE_unavailable && ask.reserve_s;
                if (answer.code != TK_CODE_valid && !no_room) {
                        print_error("%s: %s\n", tk_code_name(answer.code),
                                    answer.reason ? answer.reason : "");
                        return mine;
                }
                atomic_fetch_add(&mine->decided, 1);
        }
        return NULL;
}

static void begin_crowd(struct test_gate *test)
{
        memset(&crowd, 0, sizeof crowd);
        crowd.test = test;
        for (int i = 0; i < READERS; i++)
                assert_int_equal(pthread_create(&crowd.threads[i], NULL, decide_all_along, &crowd), 0);
}

/* They have decided on what there is now. */
static void wait_for_crowd(void)
{
        uint64_t decided = atomic_load(&crowd.decided);
        for (unsigned i = 0; atomic_load(&crowd.decided) < decided + 64 && i < 1000000; i++)
                sched_yield();
}

static void end_crowd(void)
{
        atomic_store(&crowd.stop, true);
        for (int i = 0; i < READERS; i++) {
                void *failed;
                pthread_join(crowd.threads[i], &failed);
                assert_null(failed);
        }
        assert_true(atomic_load(&crowd.decided) > 1000);
}

/* Publish one more of everything: a key with a policy of its own and a meter of several lines, imported or issued. */
static enum tk_err publish_more(struct test_gate *test, uint64_t id)
{
        struct test_key key;
        struct tk_limit_def limits[5];
        char name[48];
        test_key_mint(test, id, &key);
        for (unsigned i = 0; i < 5; i++) {
                snprintf(name, sizeof name, "l%u-%llu", i, (unsigned long long)id);
                limits[i] = test_window(name, TK_LIMIT_UNITS_MAX, TK_PERIOD_DAY, 0);
        }
        key.published.limits = limits;
        key.published.limit_count = 5;
        struct tk_publish_subscription subscription = {.id = (uint32_t)id,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .limits = limits,
                                                       .limit_count = (uint32_t)(id % 5)};
        snprintf(name, sizeof name, "/route/%llu", (unsigned long long)id);
        struct tk_publish_route route = {.id = (uint32_t)id,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = tk_str_from(name),
                                         .limits = limits,
                                         .limit_count = 1};
        enum tk_err err = tk_publish_subscription(test->publisher, &subscription);
        key.published.subscription_id = (uint32_t)id;
        if (!err)
                err = tk_publish_route(test->publisher, &route);
        if (!err)
                err = tk_publish_key(test->publisher, &key.published);
        if (err)
                return err;
        if (atomic_load(&crowd.key_count) < LAST_KEYS) {
                struct test_key *mine = &crowd.keys[atomic_load(&crowd.key_count)];
                *mine = key;
                mine->view = tk_secret_view(&mine->plaintext);
                uint32_t found;
                assert_true(
                        tk_gate_route(test->gate, test->production, route.method, route.template, &found));
                atomic_store(&crowd.route, found);
                atomic_fetch_add(&crowd.key_count, 1);
                wait_for_crowd();
        }
        return TK_OK;
}

static void expect_sound(const struct test_gate *test)
{
        const char *why = "";
        if (!tk_publisher_check(test->publisher, &why))
                fail_msg("%s", why);
}

static void test_growth_to_the_end_under_deciders(void **state)
{
        struct test_gate *test = *state;
        enum tk_err err = TK_OK;
        uint64_t id = 1;
        mount_small(test, 8 * 1024);
        test_gate_publish(test);
        test_gate_decider(test);
        begin_crowd(test);
        while (!err) {
                err = publish_more(test, id++);
                if (id % 16 == 0)
                        tk_publisher_tick(test->publisher, TEST_NOW_NS, 0); /* the reservations grow */
        }
        assert_int_equal(err, TK_FULL);
        assert_true(id > 1000);
        struct tk_publisher_stats before = stats_of(test);

        /* Again and again: it stays refused, and nothing that is there is harmed. */
        for (unsigned i = 0; i < 50; i++) {
                struct tk_publish_room room = {.key_id = before.key_capacity + 100000 + i};
                assert_int_equal(tk_publisher_reserve(test->publisher, &room), TK_FULL);
                tk_publisher_tick(test->publisher, TEST_NOW_NS, 0);
                wait_for_crowd();
        }
        expect_sound(test);

        /* What needs no room goes on: a revocation, and a plan that goes back to one that there was. */
        end_crowd();
        struct test_key *key = &crowd.keys[3];
        key->published.state = TK_PUBLISH_REVOKED;
        key->published.limits = NULL; /* which were the stack's */
        key->published.limit_count = 0;
        (void)tk_publish_key(test->publisher, &key->published); /* there may be no room for its policy */
        struct tk_ask ask = test_ask(test, key);
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        expect_sound(test);
}

/* The table of reservations is asked to double, and there is no room. */
static void test_reservations_that_cannot_grow(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        unsigned made = 0;
        mount_small(test, 4 * 1024);
        test_gate_publish(test);
        test_gate_decider(test);
        test_key_issue(test, 1, &key);
        struct tk_publish_room room = {.key_id = 1};
        while (tk_publisher_reserve(test->publisher, &room) == TK_OK)
                room.key_id += 64; /* until it is full */
        struct tk_ask ask = test_ask(test, &key);
        ask.reserve_s = 60;
        uint64_t capacity = tk_area_capacity(tk_publisher_area(test->publisher, TK_FILE_RESERVATIONS));
        struct tk_answer answer = {0};
        for (unsigned i = 0; i < 100000 && answer.code != TK_CODE_unavailable; i++) {
                ask.now_ns += 1000; /* where a line is looked for depends on it */
                answer = test_answer(test, &ask);
                made += answer.code == TK_CODE_valid;
                if (i % 64 == 0)
                        tk_publisher_tick(test->publisher, TEST_NOW_NS, 0);
        }
        assert_code(answer.code, TK_CODE_unavailable);
        assert_string_equal(answer.reason, "there is no room for another reservation");
        uint64_t lines = tk_area_used(tk_publisher_area(test->publisher, TK_FILE_RESERVATIONS));
        assert_in_range(lines, 64, capacity); /* it never had more memory than at the start */
        assert_int_equal(tk_area_capacity(tk_publisher_area(test->publisher, TK_FILE_RESERVATIONS)),
                         capacity);
        assert_in_range(made, lines / 2, lines);
        ask.reserve_s = 0;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        expect_sound(test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_too_small_to_begin_with),
                TEST(test_growth_to_the_end_under_deciders),
                TEST(test_reservations_that_cannot_grow),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
