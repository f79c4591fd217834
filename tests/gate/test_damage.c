/*
 * Shared files that are not what they must be: every header byte, lengths, and random bytes in lines and records. Nobody crashes,
 * nobody is admitted by what is damaged, and the daemon starts anew from the registry. And sound files that the system does not let
 * it look at, which are kept. fstat() fails where the test says (--wrap).
 */
#include "draw.h"
#include "support.h"

#include "gate/boot.h"
#include "gate/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const files[] = {"keys",      "subscriptions",      "policy",       "foreign", "meters",
                                    "key_homes", "subscription_homes", "reservations", "named",   "events"};
#define FILES (sizeof files / sizeof *files)

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

/* Write through the file, as a stray program would; the mappings see it. */
static void flip(const struct test_gate *test, const char *file, off_t at, uint8_t bits)
{
        char path[128];
        uint8_t byte;
        test_gate_path(test, file, path);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= bits;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
}

static enum tk_err try_open(const struct test_gate *test)
{
        struct tk_fault fault;
        struct tk_gate *gate = NULL;
        enum tk_err err = tk_gate_open(test->dir, &test->peppers, &test->mask, &gate, &fault);
        tk_gate_close(gate);
        return err;
}

static void reopen_publisher(struct test_gate *test)
{
        struct tk_fault fault;
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes,
                                           &test->publisher, &test->applied_seq, &fault),
                         TK_OK);
}

static uint64_t incarnation_of(const struct test_gate *test)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(test->publisher, &stats);
        return stats.incarnation;
}

static void test_no_decider_opens_a_damaged_header(void **state)
{
        struct test_gate *test = *state;
        for (size_t i = 0; i < FILES; i++) {
                for (off_t at = 0; at < TK_FORMAT_HEADER_BYTES; at += at < 512 ? 1 : 13) {
                        uint8_t bits = (uint8_t)(1u << at % 8);
                        flip(test, files[i], at, bits);
                        if (try_open(test) != TK_CORRUPT)
                                fail_msg("%s was opened with byte %ld changed", files[i], (long)at);
                        flip(test, files[i], at, bits);
                }
        }
        assert_int_equal(try_open(test), TK_OK);
}

static void test_no_daemon_adopts_a_damaged_header(void **state)
{
        struct test_gate *test = *state;
        for (size_t i = 0; i < FILES; i++) {
                for (off_t at = (off_t)i % 5; at < TK_FORMAT_HEADER_BYTES; at += at < 464 ? 5 : 301) {
                        uint64_t incarnation = incarnation_of(test);
                        flip(test, files[i], at, 0xff);
                        reopen_publisher(test);
                        if (incarnation_of(test) == incarnation || test->applied_seq != 0)
                                fail_msg("%s was adopted with byte %ld changed", files[i], (long)at);
                }
        }
}

/* Those who have the files open: a word changes under them, and they answer without it. */
static void test_a_header_damaged_under_a_decider(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        test_key_import(test, 17, "legacy", &key);
        struct tk_ask ask = test_ask(test, &key);
        for (size_t i = 0; i < FILES; i++) {
                for (off_t at = 0; at < TK_FORMAT_HEADER_BYTES; at++) {
                        flip(test, files[i], at, 0xff);
                        enum tk_code code = test_decide(test, &ask);
                        assert_true(code == TK_CODE_valid || code == TK_CODE_unavailable ||
                                    code == TK_CODE_malformed);
                        flip(test, files[i], at, 0xff);
                }
        }
        assert_code(test_decide(test, &ask), TK_CODE_valid);

        static const struct {
                const char *file;
                off_t at;
        } words[] = {{"keys", offsetof(struct tk_format_header, retired)},
                     {"policy", offsetof(struct tk_format_header, retired)},
                     {"keys", offsetof(struct tk_format_header, lease_until_ms)}};
        for (size_t i = 0; i < 3; i++) {
                flip(test, words[i].file, words[i].at, 0x10);
                assert_code(test_decide(test, &ask), TK_CODE_unavailable);
                flip(test, words[i].file, words[i].at, 0x10);
        }
}

static void test_a_file_that_is_too_short_or_missing(void **state)
{
        struct test_gate *test = *state;
        char path[128];
        for (size_t i = 0; i < FILES; i++) {
                static const off_t lengths[] = {0, 100, TK_FORMAT_HEADER_BYTES - 1, TK_FORMAT_HEADER_BYTES};
                for (size_t k = 0; k < 4; k++) {
                        reopen_publisher(test);
                        tk_gate_close(test->gate); /* a file never shrinks under one who follows the rules */
                        test->gate = NULL;
                        tk_publisher_close(test->publisher);
                        test->publisher = NULL;
                        test_gate_path(test, files[i], path);
                        assert_int_equal(truncate(path, lengths[k]), 0);
                        bool empty_area = i == 3; /* no line has been announced in it */
                        bool whole = lengths[k] == TK_FORMAT_HEADER_BYTES && empty_area;
                        assert_int_equal(try_open(test), whole ? TK_OK : TK_CORRUPT);
                }
                reopen_publisher(test);
                assert_int_equal(unlink(path), 0);
                assert_int_equal(try_open(test), TK_NOT_FOUND);
                assert_int_equal(symlink("/dev/zero", path), 0);
                assert_int_equal(try_open(test), TK_CORRUPT);
        }
        reopen_publisher(test);
        assert_int_equal(try_open(test), TK_OK);
}

/* Files of two sets that are sound each by itself. */
static void test_files_that_do_not_belong_together(void **state)
{
        struct test_gate *test = *state;
        char path[128], kept[128];
        test_gate_path(test, "policy", path);
        test_gate_path(test, "kept", kept);
        assert_int_equal(link(path, kept), 0);
        struct tk_fault fault;
        assert_int_equal(tk_publisher_renew(test->publisher, &fault), TK_OK);
        assert_int_equal(try_open(test), TK_OK);
        assert_int_equal(rename(kept, path), 0);
        assert_int_equal(try_open(test), TK_CORRUPT);
        uint64_t incarnation = incarnation_of(test);
        reopen_publisher(test);
        assert_int_not_equal(incarnation_of(test), incarnation);
}

/* ---- boots of the machine ---- */

static const uint8_t *boot_shown; /* NULL: the machine's own */
static const uint8_t no_boot[TK_BOOT_ID_BYTES];

enum tk_err __real_tk_boot_id(uint8_t ret_id[TK_BOOT_ID_BYTES]);
enum tk_err __wrap_tk_boot_id(uint8_t ret_id[TK_BOOT_ID_BYTES]);

enum tk_err __wrap_tk_boot_id(uint8_t ret_id[TK_BOOT_ID_BYTES])
{
        if (!boot_shown)
                return __real_tk_boot_id(ret_id);
        memcpy(ret_id, boot_shown, TK_BOOT_ID_BYTES);
        return TK_OK;
}

static void test_the_boot_is_the_kernels_uuid(void **state)
{
        uint8_t id[TK_BOOT_ID_BYTES];
        char expected[64] = "", is[64];
        (void)state;
        FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
        if (!file)
                skip();
        assert_non_null(fgets(expected, sizeof expected, file));
        fclose(file);
        assert_int_equal(tk_boot_id(id), TK_OK);
        size_t len = 0;
        for (size_t i = 0; i < sizeof id; i++) {
                bool hyphen = i == 4 || i == 6 || i == 8 || i == 10;
                len += (size_t)snprintf(is + len, sizeof is - len, "%s%02x", hyphen ? "-" : "", id[i]);
        }
        expected[len] = '\0'; /* the line's end */
        assert_string_equal(is, expected);
}

/* Who is shown no id of the boot opens what somebody made who was shown none either, and nothing else. */
static void test_a_boot_without_an_id_is_only_itself(void **state)
{
        struct test_gate *test = *state;
        static const uint8_t some_boot[TK_BOOT_ID_BYTES] = {1};
        boot_shown = no_boot;
        assert_int_equal(try_open(test), TK_CORRUPT);
        reopen_publisher(test);
        assert_int_equal(test->applied_seq, 0);
        assert_int_equal(try_open(test), TK_OK);
        boot_shown = some_boot;
        assert_int_equal(try_open(test), TK_CORRUPT);
        boot_shown = NULL;
}

/* Sound, and of this installation, but they were on a disk and the machine was started again. */
static void test_files_of_another_boot(void **state)
{
        struct test_gate *test = *state;
        uint64_t incarnation = incarnation_of(test);
        struct tk_gate *gate;
        struct tk_fault fault;
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        test_gate_outlive_boot(test->dir);
        assert_int_equal(tk_gate_open(test->dir, &test->peppers, &test->mask, &gate, &fault), TK_CORRUPT);
        assert_string_equal(fault.detail, "gate file keys: it was made in another boot of the machine");
        reopen_publisher(test);
        assert_int_not_equal(incarnation_of(test), incarnation);
        assert_int_equal(test->applied_seq, 0);
        assert_int_equal(try_open(test), TK_OK);
}

/* ---- the system refuses, and the files are sound ---- */

static unsigned fstat_fails_at; /* the how manyeth call from now; 0: none */

int __real_fstat64(int fd, struct stat *ret_status);
int __wrap_fstat64(int fd, struct stat *ret_status);

int __wrap_fstat64(int fd, struct stat *ret_status)
{
        if (fstat_fails_at == 0 || --fstat_fails_at > 0)
                return __real_fstat64(fd, ret_status);
        errno = EIO;
        return -1;
}

static enum tk_err open_as_it_is(struct test_gate *test)
{
        struct tk_fault fault;
        return tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes, &test->publisher,
                                 &test->applied_seq, &fault);
}

/* What the daemon opened in the end is the set that it had, filled. */
static void expect_adopted(const struct test_gate *test, uint64_t incarnation)
{
        assert_true(incarnation_of(test) == incarnation);
        assert_true(test->applied_seq > 0);
}

static void test_a_failed_fstat_costs_no_set(void **state)
{
        struct test_gate *test = *state;
        uint64_t incarnation = incarnation_of(test);
        enum tk_err err = TK_IO;
        unsigned failed = 0;
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        while (err) {
                fstat_fails_at = failed + 1;
                err = open_as_it_is(test);
                fstat_fails_at = 0;
                if (err != TK_OK && err != TK_IO && err != TK_DENIED) /* which the directory's gives */
                        fail_msg("fstat %u failed, and so: %s", failed + 1, tk_err_name(err));
                failed++;
        }
        assert_in_range(failed, 2 * FILES, 4 * FILES);
        expect_adopted(test, incarnation);
}

/* From no descriptor at all to as many as it takes. */
static void test_too_few_descriptors_cost_no_set(void **state)
{
        struct test_gate *test = *state;
        uint64_t incarnation = incarnation_of(test);
        struct rlimit before, few;
        enum tk_err err = TK_IO;
        unsigned failed = 0;
        tk_publisher_close(test->publisher);
        test->publisher = NULL;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few = before;
        for (few.rlim_cur = 0; err; few.rlim_cur++) {
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
                err = open_as_it_is(test);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
                if (err != TK_OK && err != TK_IO)
                        fail_msg("with %lu descriptors: %s", (unsigned long)few.rlim_cur, tk_err_name(err));
                failed++;
        }
        assert_true(failed > FILES);
        expect_adopted(test, incarnation);
}

/* ---- random bytes ---- */

static unsigned seed = 7;

static unsigned draw(unsigned below)
{
        return test_draw(&seed, below);
}

enum { KEYS = 8 };

struct world {
        struct test_key keys[KEYS];
        struct tk_scope_expr scope;
};

static void fill(struct test_gate *test, struct world *world)
{
        static struct tk_limit_def limits[] = {
                {.kind = TK_LIMIT_RATE, .limit = 100, .burst = 100, .length_s = 60, .name = "r"},
                {.kind = TK_LIMIT_WINDOW,
                 .period = TK_PERIOD_MONTH,
                 .limit = 100,
                 .name = "m",
                 .anchored = true},
                {.kind = TK_LIMIT_WINDOW, .limit = 100, .length_s = 7, .name = "f"}};
        static struct tk_str scopes[] = {TK_STR("a:*"), TK_STR("b")},
                             origins[] = {TK_STR("https://*.example.com")};
        static struct tk_str methods[] = {TK_STR("GET")}, paths[] = {TK_STR("/a/**")};
        static struct tk_cidr cidr;
        size_t error_at;
        assert_true(tk_cidr_parse(TK_STR("10.0.0.0/8"), &cidr));
        assert_true(tk_scope_expr_parse(TK_STR("a:x and b"), &world->scope, &error_at));

        test_subscription_publish(test, 1, limits, 3);
        for (unsigned i = 0; i < KEYS; i++) {
                struct tk_publish_key *key = &world->keys[i].published;
                test_key_mint(test, i + 1, &world->keys[i]);
                key->subscription_id = i % 2;
                key->limits = limits;
                key->limit_count = i % 4;
                key->scopes = scopes;
                key->scope_count = 2;
                key->cidrs = &cidr;
                key->cidr_count = i % 2;
                key->origins = origins;
                key->methods = methods;
                key->paths = paths;
                key->origin_count = key->method_count = key->path_count = i / 2 % 2;
                test_key_publish(test, &world->keys[i]);
        }
        test_key_import(test, KEYS + 1, "legacy", &world->keys[0]);
}

static void ask_everything(struct test_gate *test, const struct world *world)
{
        for (unsigned i = 0; i < KEYS; i++) {
                struct tk_ask ask = test_ask(test, &world->keys[i]);
                struct tk_explanation explanation;
                struct tk_usage usage;
                uint32_t environment;
                ask.key = tk_secret_view(&world->keys[i].plaintext);
                ask.scope = &world->scope;
                ask.method = TK_STR("GET");
                ask.path = TK_STR("/a/b");
                ask.origin = TK_STR("https://x.example.com");
                assert_true(tk_ip_parse(TK_STR("10.1.2.3"), &ask.ip));
                test_decide(test, &ask);
                tk_gate_explain(test->gate, &ask, &explanation);
                (void)tk_gate_key_usage(test->gate, i + 1, &usage);
                (void)tk_gate_subscription_usage(test->gate, i, &usage);
                (void)tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("staging"), &environment);
        }
}

/* The bytes that hold something: lines from their start, and the chains of `policy`. */
static off_t random_place(const char *file)
{
        if (strcmp(file, "policy") != 0)
                return TK_FORMAT_HEADER_BYTES + (off_t)draw(64 * 16);
        if (draw(4) == 0)
                return TK_FORMAT_HEADER_BYTES + (off_t)draw((unsigned)sizeof(struct tk_format_chains));
        return (off_t)TK_POLICY_FIRST_LINE + (off_t)draw(4096);
}

/* Under a sanitizer: whatever stands in the files, deciding ends and stays within them. */
static void test_damaged_content_never_crashes_a_decider(void **state)
{
        struct test_gate *test = *state;
        static struct world world;
        static const char *const contents[] = {"keys",   "subscriptions", "policy", "policy",
                                               "policy", "foreign",       "meters"};
        fill(test, &world);
        for (unsigned round = 0; round < 3000; round++) {
                struct {
                        const char *file;
                        off_t at;
                        uint8_t bits;
                } damage[4];
                unsigned count = 1 + draw(4);
                for (unsigned i = 0; i < count; i++) {
                        damage[i].file = contents[draw(7)];
                        damage[i].at = random_place(damage[i].file);
                        damage[i].bits = (uint8_t)(1 + draw(255));
                        flip(test, damage[i].file, damage[i].at, damage[i].bits);
                }
                ask_everything(test, &world);
                const char *why;
                (void)tk_publisher_check(test->publisher, &why);
                if (round % 100 != 99)
                        for (unsigned i = count; i-- > 0;)
                                flip(test, damage[i].file, damage[i].at, damage[i].bits);
        }
}

/* What a daemon adopts after damage passes its own check; the rest it makes anew. */
static void test_damaged_content_is_adopted_only_if_sound(void **state)
{
        struct test_gate *test = *state;
        static struct world world;
        unsigned adopted = 0, replaced = 0;
        for (unsigned round = 0; round < 300; round++) {
                tk_publisher_close(test->publisher);
                test->publisher = NULL;
                test_gate_publish(test);
                fill(test, &world);
                uint64_t incarnation = incarnation_of(test);
                static const char *const contents[] = {"keys", "subscriptions", "policy", "policy",
                                                       "foreign"};
                const char *file = contents[draw(5)];
                flip(test, file, random_place(file), (uint8_t)(1 + draw(255)));
                reopen_publisher(test);
                const char *why;
                assert_true(tk_publisher_check(test->publisher, &why));
                if (incarnation_of(test) == incarnation)
                        adopted++;
                else
                        replaced++;
                struct tk_fault fault;
                assert_int_equal(tk_publisher_renew(test->publisher, &fault), TK_OK);
        }
        assert_true(adopted > 0);
        assert_true(replaced > 0);
}

/* References that lead out of the files, set on purpose. */
static void test_references_out_of_bounds_are_no_decision(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0);
        test_subscription_publish(test, 1, &limit, 1);
        test_key_mint(test, 17, &key);
        key.published.subscription_id = 1;
        test_key_publish(test, &key);
        struct tk_ask ask = test_ask(test, &key);
        off_t line = TK_FORMAT_HEADER_BYTES + 17 * 64;

        static const struct {
                const char *file;
                off_t offset; /* in the line */
                const char *reason;
        } cases[] = {
                {"keys", offsetof(struct tk_format_key, control) + 7,
                 "a name that the key refers to is damaged"},
                {"keys", offsetof(struct tk_format_key, binding) + 3, "the key's line is damaged"},
                {"keys", offsetof(struct tk_format_key, binding) + 7, "the key's line is damaged"},
                {"keys", offsetof(struct tk_format_key, owner) + 3,
                 "the key's subscription is out of bounds"},
                {"keys", offsetof(struct tk_format_key, owner) + 7,
                 "a name that the key refers to is damaged"},
                {"subscriptions", offsetof(struct tk_format_subscription, binding) + 7,
                 "the subscription's line is damaged"},
                {"subscriptions", offsetof(struct tk_format_subscription, anchor_s) + 7,
                 "the subscription's anchor is damaged"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                bool of_key = strcmp(cases[i].file, "keys") == 0;
                off_t at = (of_key ? line : TK_FORMAT_HEADER_BYTES + 64) + cases[i].offset;
                flip(test, cases[i].file, at, 0x80);
                struct tk_answer answer = test_answer(test, &ask);
                assert_code(answer.code, TK_CODE_unavailable);
                assert_string_equal(answer.reason, cases[i].reason);
                const char *why;
                assert_false(tk_publisher_check(test->publisher, &why));
                flip(test, cases[i].file, at, 0x80);
        }
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

static struct tk_format_record *record_at(const struct test_gate *test, uint32_t ref)
{
        struct tk_area *policy = tk_publisher_area(test->publisher, TK_FILE_POLICY);
        return (struct tk_format_record *)(void *)(policy->lines + (uint64_t)ref * TK_POLICY_LINE_BYTES);
}

static void test_a_record_longer_than_the_arena_is_no_record(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        const char *why;
        test_key_issue(test, 17, &key);
        struct tk_ask ask = test_ask(test, &key);
        const struct tk_format_key *line =
                tk_area_at(tk_publisher_area(test->publisher, TK_FILE_KEYS), 17, 1);
        uint32_t refs[] = {tk_pair_low(atomic_load(&line->binding)), tk_pair_high(atomic_load(&line->owner)),
                           tk_control_environment(atomic_load(&line->control))};
        for (unsigned i = 0; i < 3; i++) {
                struct tk_format_record *record = record_at(test, refs[i]);
                static const uint32_t sizes[] = {1u << 24, UINT32_MAX, UINT32_MAX - 14, 16, 0};
                uint32_t size = record->size_bytes;
                for (unsigned k = 0; k < 5; k++) {
                        record->size_bytes = sizes[k];
                        assert_code(test_decide(test, &ask), TK_CODE_unavailable);
                        assert_false(tk_publisher_check(test->publisher, &why));
                }
                record->size_bytes = size;
        }
        assert_code(test_decide(test, &ask), TK_CODE_valid);
}

/* A reference within the arena is none when nothing begins there, or something of another kind. */
static void test_references_to_other_records_are_found(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct tk_limit_def limit = test_window("day", 10, TK_PERIOD_DAY, 0);
        const char *why;
        test_subscription_publish(test, 1, &limit, 1);
        test_key_mint(test, 17, &key);
        key.published.subscription_id = 1;
        test_key_publish(test, &key);
        struct tk_format_key *line = tk_area_at(tk_publisher_area(test->publisher, TK_FILE_KEYS), 17, 1);
        const struct tk_format_subscription *subscription =
                tk_area_at(tk_publisher_area(test->publisher, TK_FILE_SUBSCRIPTIONS), 1, 1);
        uint64_t control = atomic_load(&line->control), binding = atomic_load(&line->binding),
                 owner = atomic_load(&line->owner);
        uint32_t refs[] = {tk_control_environment(control), tk_pair_low(binding), tk_pair_high(owner),
                           tk_pair_low(atomic_load(&subscription->binding))};

        assert_true(tk_publisher_check(test->publisher, &why));
        for (unsigned i = 0; i < 4; i++) {
                for (uint32_t beside = 0; beside < 2; beside++) {
                        uint32_t ref = refs[i] + beside;
                        atomic_store(&line->control, tk_pair((uint32_t)control, ref));
                        assert_int_equal(tk_publisher_check(test->publisher, &why), ref == refs[0]);
                        atomic_store(&line->control, control);
                        atomic_store(&line->binding, tk_pair(ref, tk_pair_high(binding)));
                        assert_int_equal(tk_publisher_check(test->publisher, &why), ref == refs[1]);
                        atomic_store(&line->binding, binding);
                        atomic_store(&line->owner, tk_pair(tk_pair_low(owner), ref));
                        assert_int_equal(tk_publisher_check(test->publisher, &why), ref == refs[2]);
                        atomic_store(&line->owner, owner);
                }
        }
        assert_true(tk_publisher_check(test->publisher, &why));
}

/* A chain that leads back to where it was ends there. */
static void test_a_chain_that_loops_ends(void **state)
{
        struct test_gate *test = *state;
        struct tk_str api = TK_STR("weather");
        uint32_t bucket = tk_policy_environment_bucket(api, TK_STR("production")), found;
        char text[32];
        struct tk_str name = {text, 0};
        for (unsigned i = 0; name.len == 0 || tk_policy_environment_bucket(api, name) != bucket; i++)
                name.len = (size_t)snprintf(text, sizeof text, "n%u", i);

        struct tk_format_record *record = record_at(test, test->production);
        atomic_store(&record->next, test->production);
        assert_false(tk_gate_environment(test->gate, api, name, &found));
        atomic_store(&record->next, test->production + 1);
        assert_false(tk_gate_environment(test->gate, api, name, &found));
        assert_true(tk_gate_environment(test->gate, api, TK_STR("production"), &found));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_no_decider_opens_a_damaged_header),
                TEST(test_no_daemon_adopts_a_damaged_header),
                TEST(test_a_header_damaged_under_a_decider),
                TEST(test_a_file_that_is_too_short_or_missing),
                TEST(test_files_that_do_not_belong_together),
                TEST(test_files_of_another_boot),
                TEST(test_the_boot_is_the_kernels_uuid),
                TEST(test_a_boot_without_an_id_is_only_itself),
                TEST(test_a_failed_fstat_costs_no_set),
                TEST(test_too_few_descriptors_cost_no_set),
                TEST(test_damaged_content_never_crashes_a_decider),
                TEST(test_damaged_content_is_adopted_only_if_sound),
                TEST(test_references_out_of_bounds_are_no_decision),
                TEST(test_a_record_longer_than_the_arena_is_no_record),
                TEST(test_references_to_other_records_are_found),
                TEST(test_a_chain_that_loops_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
