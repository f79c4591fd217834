/*
 * A handle that outlives what it was opened on: new sets of files, new peppers, beside threads that decide.
 */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the daemon does after it had to make new files: everything is published again, in another order. */
static void renew(struct fixture *f)
{
        struct tk_fault fault = {0};
        assert_int_equal(tk_publisher_renew(f->daemon.publisher, &fault), TK_OK);
}

static void fill(struct fixture *f, const struct test_key *key)
{
        struct tk_publisher *publisher = f->daemon.publisher;
        static const struct tk_str names[] = {TK_STR("other"), TK_STR("staging"), TK_STR("production")};
        for (uint32_t i = 0; i < 3; i++) {
                struct tk_publish_environment environment = {
                        .id = (uint32_t[]){9, TEST_STAGING, TEST_PRODUCTION}[i],
                        .api_id = TEST_API,
                        .api = TK_STR("weather"),
                        .name = names[i]};
                assert_int_equal(tk_publish_environment(publisher, &environment), TK_OK);
        }
        struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = TK_STR("acme")};
        assert_int_equal(tk_publish_consumer(publisher, &consumer), TK_OK);
        test_key_publish(&f->daemon, key);
        tk_publisher_set_applied(publisher, 1);
}

static void nothing_to_do(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        for (int i = 0; i < 100; i++)
                assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
}

static void a_new_set(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer before, answer;
        uint32_t staging;
        fixture_open(f);
        assert_result(tollkeeper_environment(f->gate, "weather", "staging", &staging, &f->error),
                      TOLLKEEPER_OK);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        ask.reserve_s = 60;
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &before);

        renew(f);
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, &answer);
        assert_non_null(strstr(answer.detail, "replaced"));
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_BUSY); /* it is empty yet */
        assert_non_null(strstr(f->error.message, "not filled"));
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);

        fill(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, &answer);
        ask.environment = staging; /* still the right one, although the set numbers it otherwise */
        fixture_expect(f, &ask, TOLLKEEPER_WRONG_ENVIRONMENT, NULL);
        assert_true(before.consumer.ptr != answer.consumer.ptr && before.consumer.len == 4);
        assert_memory_equal(before.consumer.ptr, "acme", 4); /* texts of the old set are there */

        /* the same number in both: only one of them is meant */
        struct tollkeeper_reservation swapped = {before.reservation.set, answer.reservation.number};
        assert_result(tollkeeper_settle(f->gate, before.reservation, 0, &f->error), TOLLKEEPER_NOT_FOUND);
        assert_result(tollkeeper_settle(f->gate, swapped, 0, &f->error), TOLLKEEPER_NOT_FOUND);
        assert_result(tollkeeper_settle(f->gate, answer.reservation, 0, &f->error), TOLLKEEPER_OK);
}

/* Somebody deleted the directory, and nothing told those who had it mapped. */
static void a_set_that_vanished(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        tk_publisher_close(f->daemon.publisher);
        f->daemon.publisher = NULL;
        test_dir_remove(f->daemon.dir);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_NOT_FOUND);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL); /* as when the daemon is down */
        test_gate_publish(&f->daemon);
        key.published.state = TK_PUBLISH_REVOKED;
        test_key_publish(&f->daemon, &key);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &ask, TOLLKEEPER_REVOKED, NULL);
}

static void an_environment_that_is_gone(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        struct tollkeeper_answer answer;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        renew(f);
        tk_publisher_set_applied(f->daemon.publisher, 1);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, &answer);
        assert_string_equal(answer.detail, "the gate has no such environment");
        fill(f, &key); /* and there it is again */
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
}

static void sets_are_bounded(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        for (int i = 1; i < TOLLKEEPER_SETS_MAX; i++) {
                renew(f);
                fill(f, &key);
                assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
                fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
        }
        renew(f);
        fill(f, &key);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_FULL);
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        tollkeeper_close(f->gate);
        fixture_open(f);
        ask = fixture_ask(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
}

/* ---- peppers ---- */

static void issue_with_pepper_3(struct fixture *f, struct test_key *ret_key)
{
        uint8_t pepper[TK_PEPPER_BYTES];
        memset(pepper, 3, sizeof pepper);
        test_key_mint(&f->daemon, 3, ret_key);
        assert_int_equal(tk_pepper_set_add(&f->daemon.peppers, 3, pepper), TK_OK);
        assert_int_equal(tk_key_mint(TK_STR("tk"), TK_STR("live"), 3, 3, &f->daemon.mask, tk_random_system(),
                                     &ret_key->plaintext),
                         TK_OK);
        ret_key->view = tk_secret_view(&ret_key->plaintext);
        ret_key->published.pepper_version = 3;
        assert_true(tk_digest_key(&f->daemon.peppers, 3, ret_key->view, &ret_key->published.digest));
        test_key_publish(&f->daemon, ret_key);
}

static void a_new_pepper(void **state)
{
        struct fixture *f = *state;
        struct test_key old, new;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &old);
        issue_with_pepper_3(f, &new);
        struct tollkeeper_ask old_ask = fixture_ask(f, &old), new_ask = fixture_ask(f, &new);
        fixture_expect(f, &new_ask, TOLLKEEPER_UNKNOWN, NULL);
        fixture_write_peppers(f, 3);
        fixture_expect(f, &new_ask, TOLLKEEPER_UNKNOWN, NULL);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &new_ask, TOLLKEEPER_VALID, NULL);
        fixture_expect(f, &old_ask, TOLLKEEPER_VALID, NULL);

        fixture_write_peppers(f, 3); /* again the same */
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_write_peppers(f, 2); /* one that was there is missing: a mistake, which changes nothing */
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_CORRUPT);
        assert_non_null(strstr(f->error.message, "lacks a pepper"));
        assert_int_equal(unlink(f->pepper_path), 0);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_NOT_FOUND);
        fixture_expect(f, &new_ask, TOLLKEEPER_VALID, NULL);
        fixture_write_peppers(f, 3);
        assert_int_equal(chmod(f->pepper_path, 0644), 0);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_DENIED);
        assert_int_equal(chmod(f->pepper_path, 0600), 0);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &new_ask, TOLLKEEPER_VALID, NULL);
}

static void a_new_set_with_lost_peppers(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        fixture_write_peppers(f, 1);
        renew(f);
        fill(f, &key);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_CORRUPT);
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL);
        fixture_write_peppers(f, 2);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
}

/* ---- beside deciding threads ---- */

#define THREADS  4
#define RENEWALS 8

struct decider {
        struct fixture *f;
        const struct test_key *key;
        _Atomic bool *stop;
        _Atomic uint64_t valid; /* decisions that were */
        uint64_t wrong;
};

static void *decide(void *context)
{
        struct decider *decider = context;
        struct tollkeeper_ask ask = fixture_ask(decider->f, decider->key);
        struct tollkeeper_answer answer = {.size = sizeof answer};
        while (!atomic_load(decider->stop)) {
                enum tollkeeper_code code = tollkeeper_decide(decider->f->gate, &ask, &answer);
                bool whole = code == TOLLKEEPER_VALID && answer.consumer.len == 4 &&
                             memcmp(answer.consumer.ptr, "acme", 4) == 0;
                if (whole)
                        atomic_fetch_add(&decider->valid, 1);
                else if (code != TOLLKEEPER_UNAVAILABLE)
                        decider->wrong++;
        }
        return NULL;
}

/* Every thread has decided in the set that is current. */
static void wait_for_all(struct decider *deciders)
{
        for (int i = 0; i < THREADS; i++) {
                uint64_t before = atomic_load(&deciders[i].valid);
                while (atomic_load(&deciders[i].valid) == before)
                        sched_yield();
        }
}

static void beside_deciding_threads(void **state)
{
        struct fixture *f = *state;
        struct test_key key;
        _Atomic bool stop = false;
        struct decider deciders[THREADS];
        pthread_t threads[THREADS];
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        for (int i = 0; i < THREADS; i++) {
                deciders[i] = (struct decider){.f = f, .key = &key, .stop = &stop};
                assert_int_equal(pthread_create(&threads[i], NULL, decide, &deciders[i]), 0);
        }
        wait_for_all(deciders);
        for (unsigned i = 0; i < RENEWALS; i++) {
                renew(f);
                fill(f, &key);
                fixture_write_peppers(f, 3 + i);
                assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
                fixture_write_peppers(f, 4 + i);
                assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
                wait_for_all(deciders);
        }
        atomic_store(&stop, true);
        for (int i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                assert_int_equal(deciders[i].wrong, 0);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(nothing_to_do),
                TEST(a_new_set),
                TEST(a_set_that_vanished),
                TEST(an_environment_that_is_gone),
                TEST(sets_are_bounded),
                TEST(a_new_pepper),
                TEST(a_new_set_with_lost_peppers),
                TEST(beside_deciding_threads),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
