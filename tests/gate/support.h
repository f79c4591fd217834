/*
 * A gate for tests: a directory in shared memory, a publisher, one API with environments, and keys issued as the service would.
 * Each test owns one; nothing outlives it.
 */
#ifndef TK_TESTS_GATE_SUPPORT_H
#define TK_TESTS_GATE_SUPPORT_H

#include "core/key.h"
#include "gate/files.h"
#include "gate/gate.h"
#include "gate/publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* 2026-11-23T12:00:00Z: the hour is young, the month is not. */
#define TEST_NOW_S  INT64_C(1795435200)
#define TEST_NOW_NS ((uint64_t)TEST_NOW_S * TK_NS_PER_S)

#define TEST_PRODUCTION 1 /* environments of the API `weather` (id 7) */
#define TEST_STAGING    2
#define TEST_API        7
#define TEST_CONSUMER   5
#define TEST_STARTED_S  (TEST_NOW_S - INT64_C(40) * 86400) /* of subscriptions */

extern const uint8_t test_installation[16];
extern const struct tk_gate_sizes test_sizes; /* small ones */

struct test_gate {
        char dir[64];
        struct tk_pepper_set peppers;
        struct tk_key_mask mask;
        struct tk_publisher *publisher;
        struct tk_gate *gate;              /* NULL until test_gate_decider() */
        uint32_t production;               /* as the gate names it */
        uint64_t applied_seq;              /* what open said */
        const struct tk_gate_sizes *sizes; /* of the files; NULL: test_sizes */
};

/* Shared memory of one's own, peppers 1 and 2. Opens no publisher. */
void test_gate_init(struct test_gate *test);
void test_gate_fini(struct test_gate *test);

/* Open the publisher (TK_OK expected) and publish environments and consumer. */
void test_gate_publish(struct test_gate *test);
/* Open (again) a decider. */
void test_gate_decider(struct test_gate *test);
/* All of it. */
void test_gate_open(struct test_gate *test);

/* The directory and the files in it. */
void test_dir_remove(const char *path);

/* Mark all files as made in another boot of the machine, as on a disk. */
void test_gate_outlive_boot(const char *dir);

/* One file of the gate directory. */
void test_gate_path(const struct test_gate *test, const char *file, char ret_path[128]);

/* A key's definition and its plaintext. */
struct test_key {
        struct tk_publish_key published;
        struct tk_secret plaintext;
        struct tk_str view;
};

/* Mint key `id` of environment production, published active and unlimited. */
void test_key_issue(struct test_gate *test, uint64_t id, struct test_key *ret_key);
/* The same, but not yet published. */
void test_key_mint(struct test_gate *test, uint64_t id, struct test_key *ret_key);
void test_key_publish(struct test_gate *test, const struct test_key *key);

/* A key that another system issued. */
void test_key_import(struct test_gate *test, uint64_t id, const char *plaintext, struct test_key *ret_key);

/* A subscription of the consumer in production, active since TEST_STARTED_S. */
void test_subscription_publish(struct test_gate *test, uint32_t id, const struct tk_limit_def *limits,
                               uint32_t limit_count);

struct tk_limit_def test_rate(const char *name, uint64_t limit, int64_t length_s, uint64_t burst);
struct tk_limit_def test_window(const char *name, uint64_t limit, enum tk_period_kind period,
                                int64_t length_s);

/* Ask for cost 1 in production at TEST_NOW_NS. */
struct tk_ask test_ask(const struct test_gate *test, const struct test_key *key);
struct tk_answer test_answer(struct test_gate *test, const struct tk_ask *ask);
enum tk_code test_decide(struct test_gate *test, const struct tk_ask *ask);
void assert_code(enum tk_code is, enum tk_code expected);

#endif
