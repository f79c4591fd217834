/*
 * What it costs to keep meters: a second of the journal with few and with all of the owners changed, a whole new file, and the replay
 * into a gate that was made anew. Each key has a rate and a quota of its own.
 *
 *     meter_journal KEYS DIRECTORY      the journal and a registry go to DIRECTORY, on the disk that is asked about
 *
 * Prints one figure a line. Not a part of scripts/bench: it has no other to be held against.
 */
#include "core/limit.h"
#include "core/random.h"
#include "gate/meter_read.h"
#include "gate/publisher.h"
#include "service/meter_log.h"
#include "service/meter_recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FEW 10000

static const uint8_t installation[16] = "bench";

struct bench {
        uint64_t keys;
        const char *dir;
        char gates[2][64]; /* old and new */
        struct tk_registry *registry;
        uint8_t registry_installation[16];
        struct tk_pepper_set peppers;
        struct tk_key_mask mask;
};

static void must(enum tk_err err, const char *what)
{
        if (err == TK_OK)
                return;
        fprintf(stderr, "meter_journal: %s: %s\n", what, tk_err_name(err));
        exit(1);
}

static double now_s(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t wall_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct tk_publisher *make_gate(struct bench *bench, int which)
{
        struct tk_publisher *publisher;
        struct tk_fault fault = {0};
        uint64_t applied_seq;
        strcpy(bench->gates[which], "/dev/shm/tk-bench-XXXXXX");
        must(mkdtemp(bench->gates[which]) ? TK_OK : TK_IO, "gate directory");
        must(tk_publisher_open(bench->gates[which], installation, wall_ns(), NULL, &publisher, &applied_seq,
                               &fault),
             "gate");
        const struct tk_publish_environment environment = {
                .id = 1, .api_id = 1, .api = TK_STR("weather"), .name = TK_STR("production")};
        const struct tk_publish_consumer consumer = {.id = 1, .name = TK_STR("acme")};
        const struct tk_limit_def limits[2] = {
                {.kind = TK_LIMIT_RATE, .limit = 100, .burst = 100, .length_s = 60, .name = "requests"},
                {.kind = TK_LIMIT_WINDOW, .period = TK_PERIOD_DAY, .limit = 10000, .name = "daily"}};
        must(tk_publish_environment(publisher, &environment), "environment");
        must(tk_publish_consumer(publisher, &consumer), "consumer");
        for (uint64_t id = 1; id <= bench->keys; id++) {
                struct tk_publish_key key = {.id = id,
                                             .state = TK_PUBLISH_ACTIVE,
                                             .pepper_version = 1,
                                             .environment_id = 1,
                                             .api_id = 1,
                                             .consumer_id = 1,
                                             .limits = limits,
                                             .limit_count = 2};
                memcpy(key.digest.bytes, &id, sizeof id);
                must(tk_publish_key(publisher, &key), "key");
        }
        return publisher;
}

/* As if this key had been used now. */
static void use(struct tk_publisher *publisher, uint64_t id, const struct tk_moment *now)
{
        struct tk_format_meter *meter = tk_area_at(tk_publisher_area(publisher, TK_FILE_KEY_HOMES), id, 1);
        atomic_fetch_add(&meter->admitted, 1);
        atomic_store(&meter->last_used_s, (uint32_t)(now->gate_ns / TK_NS_PER_S));
        meter->slots[1].lo++;
        meter->slots[1].hi = now->gate_ns / TK_NS_PER_S / 86400 * 86400;
}

static void time_tick(struct bench *bench, struct tk_publisher *publisher, struct tk_meter_log *log,
                      uint64_t changed, bool told, const char *name)
{
        struct tk_moment now = tk_files_now(&publisher->files);
        struct tk_meter_log_stats before, after;
        for (uint64_t i = 0; i < changed; i++) {
                uint64_t id = 1 + i * (bench->keys / changed);
                use(publisher, id, &now);
                if (told)
                        tk_meter_log_touch_key(log, id);
        }
        if (!told)
                tk_meter_log_touch_all(log);
        tk_meter_log_stats(log, &before);
        double began_s = now_s();
        tk_meter_log_tick(log);
        tk_meter_log_wait(log);
        double took_s = now_s() - began_s;
        tk_meter_log_stats(log, &after);
        printf("%s: %llu keys, %llu records, %.1f ms, %.2f MB\n", name, (unsigned long long)bench->keys,
               (unsigned long long)(after.records - before.records), took_s * 1e3,
               (double)(after.appended_bytes - before.appended_bytes) / 1e6);
}

static void run_ticks(struct bench *bench, struct tk_publisher *publisher, struct tk_gate *gate)
{
        struct tk_meter_file file;
        struct tk_fault fault = {0};
        struct tk_usage_flush *flush;
        struct tk_meter_log *log;
        must(tk_meter_file_open(bench->dir, bench->registry_installation, &file, &fault), "file");
        must(tk_usage_flush_open(gate, bench->registry, &flush), "flush");
        const struct tk_meter_log_config config = {.file = &file, .gate = gate, .flush = flush};
        must(tk_meter_log_open(&config, &log), "log");
        time_tick(bench, publisher, log, bench->keys, false, "first file, then all of it as changes");
        sleep(3); /* so that nobody was used within the margin of a look at all */
        for (int i = 0; i < 5; i++)
                time_tick(bench, publisher, log, FEW, true, "second, few changed and told of");
        sleep(3);
        time_tick(bench, publisher, log, FEW, false, "second, few changed and not told of");
        sleep(3);
        time_tick(bench, publisher, log, bench->keys, true, "second, all changed and told of");
        time_tick(bench, publisher, log, bench->keys, true, "second, all changed and told of");
        time_tick(bench, publisher, log, 1, true, "second, one changed");
        double began_s = now_s();
        must(tk_usage_flush_now(flush), "flush");
        double took_s = now_s() - began_s;
        struct tk_usage_flush_stats stats;
        tk_usage_flush_stats(flush, &stats);
        printf("flush to the registry: %llu records, %.1f s, %.0f a second\n",
               (unsigned long long)stats.records, took_s, (double)stats.records / took_s);
        struct tk_meter_log_stats log_stats;
        tk_meter_log_stats(log, &log_stats);
        printf("file: %.1f MB\n", (double)log_stats.file_bytes / 1e6);
        tk_meter_log_close(log);
        tk_usage_flush_close(flush);
}

static void run_replay(struct bench *bench, struct tk_publisher *fresh)
{
        struct tk_meter_file file;
        struct tk_fault fault = {0};
        double began_s = now_s();
        must(tk_meter_file_open(bench->dir, bench->registry_installation, &file, &fault), "file");
        printf("end of the file found in %.1f ms\n", (now_s() - began_s) * 1e3);
        struct tk_meter_recovery recovery = {.file = &file, .registry = bench->registry};
        began_s = now_s();
        must(tk_meter_recover(&recovery, fresh), "recovery");
        double took_s = now_s() - began_s;
        printf("replay of file and registry: %llu records, %.2f s, %.0f a second\n",
               (unsigned long long)recovery.records, took_s, (double)recovery.records / took_s);
        tk_meter_file_close(&file);
}

static void open_registry(struct bench *bench)
{
        char url[4096];
        struct tk_fault fault = {0};
        snprintf(url, sizeof url, "sqlite:%s/registry.db", bench->dir);
        const struct tk_registry_config config = {.url = url};
        must(tk_registry_open(&config, &bench->registry, &fault), "registry");
        tk_registry_installation(bench->registry, bench->registry_installation);
}

int main(int argc, char **argv)
{
        static struct bench bench;
        if (argc != 3)
                return 2;
        bench.keys = strtoull(argv[1], NULL, 10);
        bench.dir = argv[2];
        must(tk_random_init() == 0 ? TK_OK : TK_IO, "random numbers");
        tk_pepper_set_init(&bench.peppers);
        open_registry(&bench);

        struct tk_publisher *old = make_gate(&bench, 0);
        tk_publisher_set_applied(old, 1);
        struct tk_gate *gate;
        struct tk_fault fault = {0};
        must(tk_gate_open(bench.gates[0], &bench.peppers, &bench.mask, &gate, &fault), "decider");
        run_ticks(&bench, old, gate);
        tk_gate_close(gate);
        tk_publisher_close(old);

        struct tk_publisher *fresh = make_gate(&bench, 1);
        run_replay(&bench, fresh);
        tk_publisher_close(fresh);
        tk_registry_close(bench.registry);
        printf("left to be removed: %s %s\n", bench.gates[0], bench.gates[1]);
        return 0;
}
