/*
 * The publisher: who may own the directory, what is adopted and what is replaced, growth, reuse of numbers, and calls that cannot be
 * carried out, which must change nothing.
 */
#include "support.h"

#include "core/alloc.h"
#include "gate/format.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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

static struct tk_publisher_stats stats_of(const struct test_gate *test)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(test->publisher, &stats);
        return stats;
}

static void reopen(struct test_gate *test)
{
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        test_gate_publish(test);
}

static enum tk_err open_as(struct test_gate *test, const uint8_t installation[16])
{
        struct tk_fault fault;
        return tk_publisher_open(test->dir, installation, TEST_NOW_NS, &test_sizes, &test->publisher,
                                 &test->applied_seq, &fault);
}

static void assert_check_passes(const struct test_gate *test)
{
        const char *why = "";
        if (!tk_publisher_check(test->publisher, &why))
                fail_msg("%s", why);
}

/* ---- the directory ---- */

static void test_the_directory_is_ours_alone(void **state)
{
        struct test_gate *test = *state;
        struct tk_publisher *publisher;
        struct tk_gate *gate;
        struct tk_fault fault;
        uint64_t seq;
        char path[128];
        struct stat status;

        assert_int_equal(stat(test->dir, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0700);
        test_gate_path(test, "keys", path);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);

        test_gate_path(test, "sub", path); /* made when missing, but only by a publisher */
        assert_int_equal(tk_gate_open(path, &test->peppers, &test->mask, &gate, &fault), TK_NOT_FOUND);
        assert_int_equal(tk_publisher_open(path, test_installation, TEST_NOW_NS, &test_sizes, &publisher,
                                           &seq, &fault),
                         TK_OK);
        assert_int_equal(seq, 0);
        tk_publisher_close(publisher);
        assert_int_equal(chmod(path, 0770), 0);
        assert_int_equal(tk_publisher_open(path, test_installation, TEST_NOW_NS, &test_sizes, &publisher,
                                           &seq, &fault),
                         TK_DENIED);
        assert_int_equal(tk_gate_open(path, &test->peppers, &test->mask, &gate, &fault), TK_DENIED);
        assert_int_equal(chmod(path, 0700), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(path, 12345, 12345), 0);
                assert_int_equal(tk_gate_open(path, &test->peppers, &test->mask, &gate, &fault), TK_DENIED);
                assert_int_equal(chown(path, 0, 0), 0);
        }

        char link[128];
        test_gate_path(test, "link", link);
        assert_int_equal(symlink(path, link), 0);
        assert_int_equal(tk_publisher_open(link, test_installation, TEST_NOW_NS, &test_sizes, &publisher,
                                           &seq, &fault),
                         TK_IO);
        assert_int_equal(tk_publisher_open("/proc/none", test_installation, TEST_NOW_NS, &test_sizes,
                                           &publisher, &seq, &fault),
                         TK_IO);
        test_dir_remove(path);
}

static void test_one_daemon_a_directory(void **state)
{
        struct test_gate *test = *state;
        struct tk_publisher *second;
        struct tk_fault fault;
        uint64_t seq;
        assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes, &second,
                                           &seq, &fault),
                         TK_BUSY);
        assert_non_null(strstr(fault.detail, "another daemon has it"));
}

/* ---- adopting ---- */

static void test_a_restart_keeps_keys_and_usage(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, imported;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0);
        struct tk_str scopes[] = {TK_STR("a:b"), TK_STR("c")};
        test_subscription_publish(test, 3, &limit, 1);
        test_key_mint(test, 17, &key);
        key.published.subscription_id = 3;
        key.published.scopes = scopes;
        key.published.scope_count = 2;
        test_key_publish(test, &key);
        test_key_import(test, 18, "legacy", &imported);
        struct tk_ask ask = test_ask(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        tk_publisher_set_applied(test->publisher, 77);

        struct tk_publisher_stats before = stats_of(test);
        tk_publisher_close(test->publisher);
        assert_int_equal(open_as(test, test_installation), TK_OK);
        assert_int_equal(test->applied_seq, 77);
        struct tk_publisher_stats after = stats_of(test);
        assert_memory_equal(&before, &after, sizeof before);
        assert_check_passes(test);

        /* Nothing is written twice, patterns keep their bits, and the decider never noticed. */
        test_subscription_publish(test, 3, &limit, 1);
        test_key_publish(test, &key);
        after = stats_of(test);
        assert_memory_equal(&before, &after, sizeof before);
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.limits[0].state.remaining, 8);
        ask = test_ask(test, &imported);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        struct tk_str more[] = {TK_STR("a:b"), TK_STR("d")};
        key.published.scopes = more;
        test_key_publish(test, &key);
        struct tk_scope_expr expr;
        size_t error_at;
        ask = test_ask(test, &key);
        ask.scope = &expr;
        assert_true(tk_scope_expr_parse(TK_STR("d"), &expr, &error_at));
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_true(tk_scope_expr_parse(TK_STR("c"), &expr, &error_at));
        assert_code(test_decide(test, &ask), TK_CODE_insufficient_scope);
}

/* As a daemon leaves them that was killed after a record was whole and before it was linked. */
static void test_records_that_were_not_linked_are_linked(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_str scopes[] = {TK_STR("a:b"), TK_STR("c")};
        struct tk_scope_expr expr;
        size_t error_at;
        char path[128];
        static const struct tk_format_chains no_chains;
        assert_true(tk_scope_expr_parse(TK_STR("a:b and c"), &expr, &error_at));
        test_key_mint(test, 17, &key);
        key.published.scopes = scopes;
        key.published.scope_count = 2;
        test_key_publish(test, &key);
        struct tk_publisher_stats before = stats_of(test);
        struct tk_ask ask = test_ask(test, &key);
        ask.scope = &expr;

        tk_publisher_close(test->publisher);
        test_gate_path(test, "policy", path);
        int fd = open(path, O_RDWR);
        assert_int_equal(pwrite(fd, &no_chains, sizeof no_chains, TK_FORMAT_HEADER_BYTES), sizeof no_chains);
        close(fd);
        assert_code(test_decide(test, &ask), TK_CODE_insufficient_scope);
        assert_int_equal(open_as(test, test_installation), TK_OK);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        test_gate_decider(test); /* finds its environment */
        test_key_publish(test, &key);
        struct tk_publisher_stats after = stats_of(test);
        assert_memory_equal(&before, &after, sizeof before);
}

static void test_files_of_another_installation_are_replaced(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        const char *why = NULL;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        uint64_t incarnation = stats_of(test).incarnation;

        tk_publisher_close(test->publisher);
        assert_int_equal(open_as(test, (const uint8_t *)"somebody else's"), TK_OK);
        assert_int_equal(test->applied_seq, 0);
        assert_int_not_equal(stats_of(test).incarnation, incarnation);
        assert_int_equal(stats_of(test).key_lines, 1);

        /* Who had the old files open says so, and opens the new ones. */
        assert_false(tk_gate_available(test->gate, &why));
        assert_string_equal(why, "the gate's files were replaced by newer ones");
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
        struct tk_fault fault;
        tk_gate_close(test->gate);
        assert_int_equal(tk_gate_open(test->dir, &test->peppers, &test->mask, &test->gate, &fault), TK_OK);
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
        tk_publisher_set_applied(test->publisher, 1);
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
}

static void test_renewal_empties_the_gate(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_fault fault;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        uint64_t incarnation = stats_of(test).incarnation;

        assert_int_equal(tk_publisher_renew(test->publisher, &fault), TK_OK);
        assert_int_not_equal(stats_of(test).incarnation, incarnation);
        assert_int_equal(tk_publisher_applied(test->publisher), 0);
        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
        assert_int_equal(tk_publish_key(test->publisher, &key.published),
                         TK_NOT_FOUND); /* its environment is gone */
        reopen(test);
        test_key_publish(test, &key);
        test_gate_decider(test);
        ask = test_ask(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

/* ---- lines ---- */

static void test_a_number_may_be_given_to_another_key(void **state)
{
        struct test_gate *test = *state;
        struct test_key first, second;
        struct tk_limit_def limit = test_window("day", 1, TK_PERIOD_DAY, 0);
        test_key_mint(test, 17, &first);
        first.published.limits = &limit;
        first.published.limit_count = 1;
        test_key_publish(test, &first);
        struct tk_ask ask = test_ask(test, &first);
        assert_code(test_decide(test, &ask), TK_CODE_valid);

        test_key_mint(test, 17, &second);
        second.published.generation = 1;
        second.published.limits = &limit;
        second.published.limit_count = 1;
        test_key_publish(test, &second);
        assert_code(test_decide(test, &ask), TK_CODE_unknown);
        ask = test_ask(test, &second);
        assert_code(test_decide(test, &ask), TK_CODE_valid); /* a meter of its own */
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);

        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 1);
        assert_check_passes(test);
}

static void test_lines_can_be_compared_with_the_registry(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, other;
        test_key_mint(test, 17, &key);
        assert_false(tk_publisher_key_matches(test->publisher, &key.published));
        test_key_publish(test, &key);
        assert_true(tk_publisher_key_matches(test->publisher, &key.published));

        struct tk_publish_key differs = key.published;
        differs.state = TK_PUBLISH_REVOKED;
        assert_false(tk_publisher_key_matches(test->publisher, &differs));
        differs = key.published;
        differs.expires_s = TEST_NOW_S;
        assert_false(tk_publisher_key_matches(test->publisher, &differs));
        differs = key.published;
        differs.generation = 1;
        assert_false(tk_publisher_key_matches(test->publisher, &differs));
        differs = key.published;
        differs.environment_id = 99;
        assert_false(tk_publisher_key_matches(test->publisher, &differs));
        test_key_mint(test, 17, &other);
        assert_false(tk_publisher_key_matches(test->publisher, &other.published));
}

static void test_a_consumer_may_change_its_name(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        static const char *const names[] = {"acme-two", "acme-three", "acme-two", "acme"};
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        for (size_t i = 0; i < 4; i++) {
                struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = tk_str_from(names[i])};
                assert_int_equal(tk_publish_consumer(test->publisher, &consumer), TK_OK);
                struct tk_answer answer = test_answer(test, &ask);
                assert_true(tk_str_equal(answer.consumer, consumer.name));
                assert_int_equal(answer.consumer_id, TEST_CONSUMER);
                assert_check_passes(test);
        }
}

/* Far beyond the first capacity, while a decider has the files open since they were small. */
static void test_growth(void **state)
{
        struct test_gate *test = *state;
        enum { COUNT = 12000 };
        static struct test_key keys[4];
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 5, TK_PERIOD_DAY, 0);
        char pattern[32];
        struct tk_str scope = {pattern, 0};
        for (uint64_t id = 1; id <= COUNT; id++) {
                int len = snprintf(pattern, sizeof pattern, "r%llu:*", (unsigned long long)(id % 1000));
                scope.len = (size_t)len;
                test_key_mint(test, id, &key);
                key.published.scopes = &scope;
                key.published.scope_count = 1;
                key.published.limits = &limit;
                key.published.limit_count = id % 2;
                test_key_publish(test, &key);
                if (id % 4000 == 0 || id == 1) {
                        keys[id / 4000] = key;
                        keys[id / 4000].view = tk_secret_view(&keys[id / 4000].plaintext);
                }
        }
        for (unsigned i = 0; i < 4; i++) {
                struct tk_ask ask = test_ask(test, &keys[i]);
                assert_code(test_decide(test, &ask), TK_CODE_valid);
        }
        struct tk_publisher_stats stats = stats_of(test);
        assert_int_equal(stats.key_lines, COUNT + 1);
        assert_int_equal(stats.meter_lines, COUNT + 3); /* with the first line of each file */
        assert_in_range(stats.key_capacity, COUNT + 1, COUNT + 1 + 4096);
        assert_check_passes(test);
        reopen(test);
        test_key_publish(test, &key);
        assert_int_equal(stats_of(test).policy_bytes, stats.policy_bytes);
}

/* ---- what cannot be carried out ---- */

static void test_what_is_not_acceptable_changes_nothing(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        const struct tk_publish_key good = key.published;
        struct tk_publisher_stats before = stats_of(test);
        struct tk_limit_def limits[9] = {test_rate("", 0, 0, 0)};
        struct tk_str bad_scope = TK_STR("no scope");
        static char long_text[70000];
        struct tk_str long_origin = {long_text, sizeof long_text};
        memset(long_text, 'a', sizeof long_text);

        struct {
                struct tk_publish_key key;
                enum tk_err err;
        } cases[16];
        unsigned count = 0;
#define CASE(expected, ...)                                                                                  \
        do {                                                                                                 \
                struct tk_publish_key k = good;                                                              \
                __VA_ARGS__;                                                                                 \
                cases[count].key = k;                                                                        \
                cases[count++].err = expected;                                                               \
        } while (0)
        CASE(TK_INVALID, k.id = 0);
        CASE(TK_FULL, k.id = UINT64_C(1) << 40);
        CASE(TK_INVALID, k.state = (enum tk_publish_state)0);
        CASE(TK_INVALID, k.state = (enum tk_publish_state)4);
        CASE(TK_INVALID, k.pepper_version = 16);
        CASE(TK_INVALID, k.expires_s = -1);
        CASE(TK_INVALID, k.not_before_s = -1);
        CASE(TK_NOT_FOUND, k.environment_id = 99);
        CASE(TK_NOT_FOUND, k.consumer_id = 99);
        CASE(TK_NOT_FOUND, k.subscription_id = 99);
        CASE(TK_INVALID, k.limits = limits, k.limit_count = 1);
        CASE(TK_INVALID, k.limits = limits, k.limit_count = 9);
        CASE(TK_INVALID, k.scopes = &bad_scope, k.scope_count = 1);
        CASE(TK_INVALID, k.origins = &long_origin, k.origin_count = 1);
        CASE(TK_INVALID, k.path_count = 5000);
#undef CASE
        for (unsigned i = 0; i < count; i++)
                assert_int_equal(tk_publish_key(test->publisher, &cases[i].key), cases[i].err);

        struct tk_publish_subscription subscription = {.id = 1, .environment_id = TEST_PRODUCTION};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_NOT_FOUND);
        subscription.consumer_id = TEST_CONSUMER;
        subscription.started_s = -1;
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_INVALID);
        subscription.started_s = 0;
        subscription.id = 0;
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_INVALID);
        struct tk_publish_environment environment = {.id = 60, .name = TK_STR("x")};
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_INVALID);
        struct tk_publish_consumer consumer = {.id = 60};
        assert_int_equal(tk_publish_consumer(test->publisher, &consumer), TK_INVALID);

        struct tk_publisher_stats after = stats_of(test);
        assert_memory_equal(&before, &after, sizeof before);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_check_passes(test);
}

/* A revocation whose key also changed in a way that has no place is in force all the same; what could not be done is said. */
static void test_taking_out_of_use_needs_no_room(void **state)
{
        struct test_gate *test = *state;
        struct tk_str no_place = TK_STR("no scope");
        struct test_key revoked, suspended;
        test_key_issue(test, 17, &revoked);
        test_key_issue(test, 18, &suspended);
        revoked.published.state = TK_PUBLISH_REVOKED;
        suspended.published.consumer_suspended = true;
        revoked.published.scopes = suspended.published.scopes = &no_place;
        revoked.published.scope_count = suspended.published.scope_count = 1;

        assert_int_equal(tk_publish_key(test->publisher, &revoked.published), TK_INVALID);
        assert_int_equal(tk_publish_key(test->publisher, &suspended.published), TK_INVALID);
        struct tk_ask ask = test_ask(test, &revoked);
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        ask = test_ask(test, &suspended);
        assert_code(test_decide(test, &ask), TK_CODE_suspended);
        assert_check_passes(test);
}

/* An API has room for so many patterns; one more is refused and harms nobody. */
static void test_an_api_has_so_many_patterns(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        static char texts[4097][16];
        static struct tk_str patterns[4097];
        for (unsigned i = 0; i < 4097; i++) {
                snprintf(texts[i], sizeof texts[i], "p%u", i);
                patterns[i] = tk_str_from(texts[i]);
        }
        test_key_mint(test, 17, &key);
        key.published.scopes = patterns;
        key.published.scope_count = 4096;
        test_key_publish(test, &key);
        key.published.scopes = patterns + 1;
        assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_FULL);
        struct tk_ask ask = test_ask(test, &key);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

/* Every allocation of open and of publishing fails once: the call says so, nothing leaks, and the next one works. */
static void test_out_of_memory(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_str scope = TK_STR("a:b");
        test_key_mint(test, 17, &key);
        key.published.scopes = &scope;
        key.published.scope_count = 1;
        test_key_publish(test, &key);

        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        unsigned failures = 0;
        for (unsigned n = 1;; n++) {
                tk_alloc_fault_at(n);
                enum tk_err err = open_as(test, test_installation);
                bool hit = tk_alloc_fault_hit();
                tk_alloc_fault_at(0);
                if (!hit) {
                        assert_int_equal(err, TK_OK);
                        break;
                }
                assert_int_equal(err, TK_NOMEM);
                failures++;
        }
        assert_true(failures >= 3);
        assert_true(test->applied_seq > 0); /* adopted, not thrown away for want of memory */

        struct tk_gate *gate = NULL;
        struct tk_fault fault;
        tk_alloc_fault_at(1);
        assert_int_equal(tk_gate_open(test->dir, &test->peppers, &test->mask, &gate, &fault), TK_NOMEM);
        tk_alloc_fault_at(0);

        struct tk_publish_key other_api = key.published;
        struct tk_publish_environment environment = {
                .id = 40, .api_id = 41, .api = TK_STR("x"), .name = TK_STR("y")};
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        other_api.id = 18;
        other_api.environment_id = 40;
        for (unsigned api = 100; api < 140; api++) { /* makes the table of APIs grow, under faults */
                other_api.api_id = api;
                tk_alloc_fault_at(1);
                enum tk_err err = tk_publish_key(test->publisher, &other_api);
                assert_int_equal(err, tk_alloc_fault_hit() ? TK_NOMEM : TK_OK);
                tk_alloc_fault_at(0);
                assert_int_equal(tk_publish_key(test->publisher, &other_api), TK_OK);
        }
        assert_check_passes(test);
}

/* ---- a full file system ---- */

static void fill_with_keys(struct test_gate *test, struct test_key *ret_last, enum tk_err *ret_err)
{
        for (uint64_t id = 2;; id++) {
                struct test_key key;
                test_key_mint(test, id, &key);
                struct tk_publish_room room = {.key_id = id, .policies = 1, .meters = 1};
                *ret_err = tk_publisher_reserve(test->publisher, &room);
                if (*ret_err)
                        return;
                assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_OK);
                *ret_last = key;
                ret_last->view = tk_secret_view(&ret_last->plaintext);
        }
}

static void test_a_full_file_system_refuses_growth_and_harms_nobody(void **state)
{
        struct test_gate *test = *state;
        struct test_key first, last, next;
        enum tk_err err;
        tk_publisher_close(test->publisher);
        tk_gate_close(test->gate);
        test->publisher = NULL;
        test->gate = NULL;
        if (mount("tmpfs", test->dir, "tmpfs", 0, "size=3m,mode=0700") != 0)
                skip(); /* not allowed here */

        test_gate_publish(test);
        test_gate_decider(test);
        test_key_issue(test, 1, &first);
        fill_with_keys(test, &last, &err);
        assert_int_equal(err, TK_FULL);
        assert_true(last.published.id > 1000);
        struct tk_publisher_stats before = stats_of(test);

        /* What is there goes on, and can be revoked; what would need room is refused. */
        test_key_mint(test, before.key_capacity + 1, &next);
        assert_int_equal(tk_publish_key(test->publisher, &next.published), TK_FULL);
        struct tk_ask ask = test_ask(test, &first);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        ask = test_ask(test, &last);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        last.published.state = TK_PUBLISH_REVOKED;
        test_key_publish(test, &last);
        assert_code(test_decide(test, &ask), TK_CODE_revoked);
        assert_check_passes(test);

        struct tk_fault fault;
        assert_int_equal(tk_publisher_renew(test->publisher, &fault), TK_FULL);
        assert_code(test_decide(test, &ask), TK_CODE_revoked); /* the old files are still in force */
        reopen(test);
        assert_int_equal(stats_of(test).incarnation, before.incarnation);

        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        tk_gate_close(test->gate);
        test->gate = NULL;
        assert_int_equal(umount2(test->dir, MNT_DETACH), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_the_directory_is_ours_alone),
                TEST(test_one_daemon_a_directory),
                TEST(test_a_restart_keeps_keys_and_usage),
                TEST(test_records_that_were_not_linked_are_linked),
                TEST(test_files_of_another_installation_are_replaced),
                TEST(test_renewal_empties_the_gate),
                TEST(test_a_number_may_be_given_to_another_key),
                TEST(test_lines_can_be_compared_with_the_registry),
                TEST(test_a_consumer_may_change_its_name),
                TEST(test_growth),
                TEST(test_what_is_not_acceptable_changes_nothing),
                TEST(test_taking_out_of_use_needs_no_room),
                TEST(test_an_api_has_so_many_patterns),
                TEST(test_out_of_memory),
                TEST(test_a_full_file_system_refuses_growth_and_harms_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
