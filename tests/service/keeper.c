/*
 * See keeper.h.
 */
#include "keeper.h"

#include "core/alloc.h"
#include "gate/meter_read.h"
#include "gate/publisher.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RATE_INTERVAL_S 8640 /* of one unit: what comes back during a test is nothing */

struct tk_registry *keeper_registry(const char *dir)
{
        char url[128];
        struct tk_registry *registry;
        struct tk_fault fault = {0};
        snprintf(url, sizeof url, "sqlite:%s/registry.db", dir);
        const struct tk_registry_config config = {.url = url};
        assert_int_equal(tk_registry_open(&config, &registry, &fault), TK_OK);
        return registry;
}

static void publish_key(struct keeper *keeper, struct test_key *key, const struct tk_limit_def *limits,
                        uint32_t count, uint32_t subscription)
{
        key->published.limits = limits;
        key->published.limit_count = count;
        key->published.subscription_id = subscription;
        test_key_publish(&keeper->gate, key);
}

static void publish_all(struct keeper *keeper)
{
        struct tk_limit_def month[2] = {test_window("month", 100000, TK_PERIOD_MONTH, 0),
                                        {.kind = TK_LIMIT_CREDITS, .name = "credits"}};
        month[0].anchored = true;
        const struct tk_publish_subscription subscription = {.id = 3,
                                                             .environment_id = TEST_PRODUCTION,
                                                             .consumer_id = TEST_CONSUMER,
                                                             .started_s = TEST_STARTED_S,
                                                             .limits = month,
                                                             .limit_count = 2,
                                                             .credits = {.granted = 100000}};
        assert_int_equal(tk_publish_subscription(keeper->gate.publisher, &subscription), TK_OK);
        struct tk_limit_def hour = test_window("hour", 100000, TK_PERIOD_FIXED, 5 * 86400);
        const struct tk_publish_route route = {.id = 8,
                                               .environment_id = TEST_PRODUCTION,
                                               .method = TK_STR("GET"),
                                               .template = TK_STR("/v1/x"),
                                               .limits = &hour,
                                               .limit_count = 1};
        assert_int_equal(tk_publish_route(keeper->gate.publisher, &route), TK_OK);

        const struct tk_limit_def own[2] = {test_window("day", 100000, TK_PERIOD_FIXED, 5 * 86400),
                                            test_rate("rate", 10, 10 * RATE_INTERVAL_S, 100000)};
        const struct tk_limit_def three = test_window("three", 3, TK_PERIOD_FIXED, 5 * 86400);
        publish_key(keeper, &keeper->key, own, 2, 3);
        publish_key(keeper, &keeper->plain, NULL, 0, 0);
        publish_key(keeper, &keeper->used_up, &three, 1, 0);
}

void keeper_gate(struct keeper *keeper, const struct keeper *keys)
{
        test_gate_init(&keeper->gate);
        struct tk_fault fault = {0};
        assert_int_equal(tk_publisher_open(keeper->gate.dir, test_installation, TEST_NOW_NS, &test_sizes,
                                           &keeper->gate.publisher, &keeper->gate.applied_seq, &fault),
                         TK_OK);
        struct tk_publish_environment environment = {.id = TEST_PRODUCTION,
                                                     .api_id = TEST_API,
                                                     .api = TK_STR("weather"),
                                                     .name = TK_STR("production")};
        assert_int_equal(tk_publish_environment(keeper->gate.publisher, &environment), TK_OK);
        struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = TK_STR("acme")};
        assert_int_equal(tk_publish_consumer(keeper->gate.publisher, &consumer), TK_OK);
        if (keys) {
                keeper->key = keys->key;
                keeper->plain = keys->plain;
                keeper->used_up = keys->used_up;
                keeper->key.view = tk_secret_view(&keeper->key.plaintext);
                keeper->plain.view = tk_secret_view(&keeper->plain.plaintext);
                keeper->used_up.view = tk_secret_view(&keeper->used_up.plaintext);
        } else {
                test_key_mint(&keeper->gate, 17, &keeper->key);
                test_key_mint(&keeper->gate, 18, &keeper->plain);
                test_key_mint(&keeper->gate, 70, &keeper->used_up);
        }
        publish_all(keeper);
}

void keeper_open_gate(struct keeper *keeper)
{
        tk_publisher_set_applied(keeper->gate.publisher, 1);
        test_gate_decider(&keeper->gate);
}

void keeper_start(struct keeper *keeper, uint64_t file_bytes_min, uint64_t walk_bytes, bool renewed)
{
        struct tk_fault fault = {0};
        struct tk_meter_file file;
        assert_int_equal(tk_meter_file_open(keeper->data, keeper->installation, &file, &fault), TK_OK);
        assert_int_equal(tk_usage_flush_open(keeper->gate.gate, keeper->registry, &keeper->flush), TK_OK);
        const struct tk_meter_log_config config = {.file = &file,
                                                   .gate = keeper->gate.gate,
                                                   .flush = keeper->flush,
                                                   .renewed = renewed,
                                                   .file_bytes_min = file_bytes_min,
                                                   .walk_bytes = walk_bytes};
        assert_int_equal(tk_meter_log_open(&config, &keeper->log), TK_OK);
}

void keeper_stop(struct keeper *keeper)
{
        tk_meter_log_close(keeper->log);
        tk_usage_flush_close(keeper->flush);
        keeper->log = NULL;
        keeper->flush = NULL;
}

void keeper_init(struct keeper *keeper, uint64_t file_bytes_min, uint64_t walk_bytes)
{
        memset(keeper, 0, sizeof *keeper);
        strncpy(keeper->data, "/dev/shm/tk-data-XXXXXX", sizeof keeper->data - 1);
        assert_non_null(mkdtemp(keeper->data));
        keeper_gate(keeper, NULL);
        keeper_open_gate(keeper);
        keeper->registry = keeper_registry(keeper->data);
        tk_registry_installation(keeper->registry, keeper->installation);
        keeper_start(keeper, file_bytes_min, walk_bytes, false);
}

void keeper_fini(struct keeper *keeper)
{
        keeper_stop(keeper);
        tk_registry_close(keeper->registry);
        test_gate_fini(&keeper->gate);
        if (keeper->data[0])
                test_dir_remove(keeper->data);
}

static enum tk_code ask(struct keeper *keeper, const struct test_key *key, uint64_t cost)
{
        struct tk_limit_def five_days = test_window("x", 100000, TK_PERIOD_FIXED, 5 * 86400);
        const struct tk_named_limit named = {TK_STR("alice"), &five_days};
        struct tk_ask ask = test_ask(&keeper->gate, key);
        ask.now_ns = 0;
        ask.cost = cost;
        if (key == &keeper->key) {
                assert_true(tk_gate_route(keeper->gate.gate, ask.environment, TK_STR("GET"), TK_STR("/v1/x"),
                                          &ask.route));
                ask.named = &named;
                ask.named_count = 1;
        }
        return test_decide(&keeper->gate, &ask);
}

void keeper_use(struct keeper *keeper, uint64_t cost)
{
        assert_code(ask(keeper, &keeper->key, cost), TK_CODE_valid);
        assert_code(ask(keeper, &keeper->key, 100001), TK_CODE_rate_limited);
        assert_code(ask(keeper, &keeper->plain, cost), TK_CODE_valid);
        while (ask(keeper, &keeper->used_up, 1) == TK_CODE_valid)
                ;
}

void keeper_tick(struct keeper *keeper)
{
        tk_meter_log_touch_all(keeper->log);
        tk_meter_log_tick(keeper->log);
        tk_meter_log_wait(keeper->log);
}

static bool take_used(void *context, const struct tk_meter_record *record)
{
        struct used_values *used = context;
        used->of[record->owner.kind == TK_METER_ROUTE ? USED_ROUTE : USED_NAMED] = record->limits[0].value.lo;
        return true;
}

static struct tk_meter_record read_key(struct keeper *keeper, uint64_t id, const struct tk_moment *now)
{
        struct tk_meter_record record = {0};
        enum tk_err err = tk_meter_read_key(keeper->gate.gate, id, now, &record);
        assert_true(err == TK_OK || err == TK_NOT_FOUND);
        return record;
}

struct used_values keeper_used(struct keeper *keeper)
{
        struct used_values used = {0};
        struct tk_moment now = tk_meter_now(keeper->gate.gate);
        struct tk_meter_record record = read_key(keeper, 17, &now);
        used.of[USED_KEY_ADMITTED] = record.admitted;
        used.of[USED_KEY_REFUSED] = record.refused;
        used.of[USED_KEY_DAY] = record.limits[0].value.lo;
        uint64_t interval = record.limits[1].rate_interval;
        used.of[USED_KEY_RATE] = interval ? (record.limits[1].value.lo + interval - 1) / interval : 0;
        used.of[USED_PLAIN_ADMITTED] = read_key(keeper, 18, &now).admitted;
        used.of[USED_UP_ADMITTED] = read_key(keeper, 70, &now).admitted;
        memset(&record, 0, sizeof record);
        (void)tk_meter_read_subscription(keeper->gate.gate, 3, &now, &record);
        used.of[USED_SUBSCRIPTION_MONTH] = record.limits[0].value.lo;
        used.of[USED_SUBSCRIPTION_CREDITS] = record.limits[1].value.lo;
        assert_true(tk_meter_each_route(keeper->gate.gate, &now, 1, take_used, &used));
        assert_true(tk_meter_each_named(keeper->gate.gate, &now, 1, take_used, &used));
        return used;
}

void keeper_recover(struct keeper *keeper, const char *dir, struct tk_registry *registry,
                    const uint8_t installation[16])
{
        struct tk_fault fault = {0};
        struct tk_meter_file file;
        assert_int_equal(tk_meter_file_open(dir, installation, &file, &fault), TK_OK);
        struct tk_meter_recovery recovery = {.file = &file, .registry = registry};
        assert_int_equal(tk_meter_recover(&recovery, keeper->gate.publisher), TK_OK);
        assert_true(recovery.done);
        assert_int_equal(recovery.absent + recovery.unplaced, 0);
        tk_meter_file_close(&file);
        keeper_open_gate(keeper);
}

size_t keeper_read_journal(const char *dir, uint8_t *ret_bytes, size_t room)
{
        char path[128];
        snprintf(path, sizeof path, "%s/" TK_METER_FILE_NAME, dir);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        ssize_t len = read(fd, ret_bytes, room);
        assert_true(len >= 0 && (size_t)len < room);
        close(fd);
        return (size_t)len;
}

void keeper_write_journal(const char *dir, const uint8_t *bytes, size_t len)
{
        char path[128];
        snprintf(path, sizeof path, "%s/" TK_METER_FILE_NAME, dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, len), len);
        close(fd);
}
