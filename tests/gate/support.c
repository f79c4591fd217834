/*
 * How tests make a gate and keys. Deterministic but for the keys' secrets.
 */
#include "support.h"

#include "core/crc32.h"
#include "core/random.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const uint8_t test_installation[16] = "test gate";
const struct tk_gate_sizes test_sizes = {
        .named_buckets = 4, .reservations = 64, .rings = 4, .ring_events = 64};

void test_gate_init(struct test_gate *test)
{
        memset(test, 0, sizeof *test);
        strncpy(test->dir, "/dev/shm/tk-gate-XXXXXX", sizeof test->dir - 1);
        assert_non_null(mkdtemp(test->dir));
        assert_int_equal(tk_random_init(), 0);
        memset(test->mask.bytes, 0x5a, sizeof test->mask.bytes);

        tk_pepper_set_init(&test->peppers);
        for (unsigned version = 1; version <= 2; version++) {
                uint8_t pepper[TK_PEPPER_BYTES];
                memset(pepper, (int)version, sizeof pepper);
                assert_int_equal(tk_pepper_set_add(&test->peppers, version, pepper), TK_OK);
        }
}

void test_dir_remove(const char *path)
{
        DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                unlinkat(dirfd(dir), entry->d_name, 0);
        if (dir)
                closedir(dir);
        rmdir(path);
}

void test_gate_fini(struct test_gate *test)
{
        tk_gate_close(test->gate);
        tk_publisher_close(test->publisher);
        tk_pepper_set_fini(&test->peppers);
        test_dir_remove(test->dir);
}

void test_gate_path(const struct test_gate *test, const char *file, char ret_path[128])
{
        snprintf(ret_path, 128, "%s/%s", test->dir, file);
}

void test_gate_outlive_boot(const char *path)
{
        static const char *const names[] = {
                "keys",      "subscriptions",      "policy",       "foreign", "meters",
                "key_homes", "subscription_homes", "reservations", "named",   "events"};
        int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(dir_fd >= 0);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                struct tk_format_header header;
                int fd = openat(dir_fd, names[i], O_RDWR | O_CLOEXEC);
                assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
                header.boot[15] ^= 1;
                header.crc = tk_crc32(&header, TK_FORMAT_CRC_BYTES);
                assert_int_equal(pwrite(fd, &header, TK_FORMAT_CRC_BYTES + sizeof header.crc, 0),
                                 TK_FORMAT_CRC_BYTES + sizeof header.crc);
                close(fd);
        }
        close(dir_fd);
}

void test_gate_publish(struct test_gate *test)
{
        struct tk_fault fault = {0};
        enum tk_err err = tk_publisher_open(test->dir, test_installation, TEST_NOW_NS,
                                            test->sizes ? test->sizes : &test_sizes, &test->publisher,
                                            &test->applied_seq, &fault);
        if (err)
                print_error("%s: %s\n", tk_err_name(err), fault.detail);
        assert_int_equal(err, TK_OK);

        struct tk_publish_environment environment = {.id = TEST_PRODUCTION,
                                                     .api_id = TEST_API,
                                                     .api = TK_STR("weather"),
                                                     .name = TK_STR("production")};
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        environment.id = TEST_STAGING;
        environment.name = TK_STR("staging");
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = TK_STR("acme")};
        assert_int_equal(tk_publish_consumer(test->publisher, &consumer), TK_OK);
        tk_publisher_set_applied(test->publisher, test->applied_seq + 1);
}

void test_gate_decider(struct test_gate *test)
{
        struct tk_fault fault = {0};
        tk_gate_close(test->gate);
        test->gate = NULL;
        enum tk_err err = tk_gate_open(test->dir, &test->peppers, &test->mask, &test->gate, &fault);
        if (err)
                print_error("%s: %s\n", tk_err_name(err), fault.detail);
        assert_int_equal(err, TK_OK);
        assert_true(
                tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("production"), &test->production));
}

void test_gate_open(struct test_gate *test)
{
        test_gate_init(test);
        test_gate_publish(test);
        test_gate_decider(test);
}

void test_key_mint(struct test_gate *test, uint64_t id, struct test_key *ret_key)
{
        memset(ret_key, 0, sizeof *ret_key);
        assert_int_equal(tk_key_mint(TK_STR("tk"), TK_STR("live"), id, 1, &test->mask, tk_random_system(),
                                     &ret_key->plaintext),
                         TK_OK);
        ret_key->view = tk_secret_view(&ret_key->plaintext);
        ret_key->published = (struct tk_publish_key){
                .id = id,
                .state = TK_PUBLISH_ACTIVE,
                .pepper_version = 1,
                .environment_id = TEST_PRODUCTION,
                .api_id = TEST_API,
                .consumer_id = TEST_CONSUMER,
        };
        assert_true(tk_digest_key(&test->peppers, 1, ret_key->view, &ret_key->published.digest));
}

void test_key_publish(struct test_gate *test, const struct test_key *key)
{
        assert_int_equal(tk_publish_key(test->publisher, &key->published), TK_OK);
}

void test_key_issue(struct test_gate *test, uint64_t id, struct test_key *ret_key)
{
        test_key_mint(test, id, ret_key);
        test_key_publish(test, ret_key);
}

void test_key_import(struct test_gate *test, uint64_t id, const char *plaintext, struct test_key *ret_key)
{
        test_key_mint(test, id, ret_key);
        assert_true(tk_secret_set(&ret_key->plaintext, plaintext, strlen(plaintext)));
        ret_key->view = tk_secret_view(&ret_key->plaintext);
        ret_key->published.foreign = true;

        uint8_t sha256[32];
        tk_sha256(plaintext, strlen(plaintext), sha256);
        assert_true(tk_digest_foreign(&test->peppers, 1, sha256, &ret_key->published.digest));
        test_key_publish(test, ret_key);
}

void test_subscription_publish(struct test_gate *test, uint32_t id, const struct tk_limit_def *limits,
                               uint32_t limit_count)
{
        struct tk_publish_subscription subscription = {.id = id,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_STARTED_S,
                                                       .limits = limits,
                                                       .limit_count = limit_count};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
}

struct tk_limit_def test_rate(const char *name, uint64_t limit, int64_t length_s, uint64_t burst)
{
        struct tk_limit_def def = {
                .kind = TK_LIMIT_RATE, .limit = limit, .length_s = length_s, .burst = burst};
        strncpy(def.name, name, TK_LIMIT_NAME_MAX);
        return def;
}

struct tk_limit_def test_window(const char *name, uint64_t limit, enum tk_period_kind period,
                                int64_t length_s)
{
        struct tk_limit_def def = {
                .kind = TK_LIMIT_WINDOW, .limit = limit, .period = period, .length_s = length_s};
        strncpy(def.name, name, TK_LIMIT_NAME_MAX);
        return def;
}

struct tk_ask test_ask(const struct test_gate *test, const struct test_key *key)
{
        return (struct tk_ask){
                .key = key->view, .environment = test->production, .cost = 1, .now_ns = TEST_NOW_NS};
}

struct tk_answer test_answer(struct test_gate *test, const struct tk_ask *ask)
{
        struct tk_answer answer;
        tk_gate_decide(test->gate, ask, &answer);
        return answer;
}

enum tk_code test_decide(struct test_gate *test, const struct tk_ask *ask)
{
        return test_answer(test, ask).code;
}

void assert_code(enum tk_code is, enum tk_code expected)
{
        assert_string_equal(tk_code_name(is), tk_code_name(expected));
}
