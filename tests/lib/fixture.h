/*
 * What a daemon leaves for processes that use the library: a data directory with its pepper file and its link to the gate. Made with
 * the gate's own test support; the tests themselves see the public header and the shared library only.
 */
#ifndef TK_TESTS_LIB_FIXTURE_H
#define TK_TESTS_LIB_FIXTURE_H

#include "../gate/support.h"

#include "tollkeeper/tollkeeper.h"

struct fixture {
        struct test_gate daemon; /* its publisher; no decider */
        char data_dir[64], pepper_path[96], link_path[96];
        struct tollkeeper_gate *gate; /* NULL until fixture_open() */
        uint32_t production;
        struct tollkeeper_error error;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Peppers 1 up to and with this version, in place of the file that was there. */
void fixture_write_peppers(struct fixture *f, unsigned version_max);

/* Open the library on it, and find the environment. */
void fixture_open(struct fixture *f);

/* A question with cost 1 in production. */
struct tollkeeper_ask fixture_ask(const struct fixture *f, const struct test_key *key);

/* Decide, into *ret_answer where one is wanted; fails the test when another code comes. */
void fixture_expect(struct fixture *f, const struct tollkeeper_ask *ask, enum tollkeeper_code code,
                    struct tollkeeper_answer *ret_answer);

/* The outcome of a call, with what it says printed when it is another. */
#define assert_result(call, expected) fixture_result((call), (expected), &f->error, __FILE__, __LINE__)
void fixture_result(enum tollkeeper_result result, enum tollkeeper_result expected,
                    const struct tollkeeper_error *error, const char *file, int line);

#endif
