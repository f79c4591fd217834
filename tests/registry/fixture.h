/*
 * A real registry for each test, on the engine that TK_TEST_REGISTRY names (a URL with one %s, which becomes a word that
 * no other test has) or on SQLite in a temporary folder; and transactions that a test can write down as it reads:
 *
 *         assert_err(WRITE(f, tk_api_create(txn, &api, &f->change)), TK_OK);
 */
#ifndef TK_TESTS_REGISTRY_FIXTURE_H
#define TK_TESTS_REGISTRY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/arena.h"
#include "registry/driver.h"
#include "registry/registry.h"

#define NOW_S INT64_C(1795472054)

struct handoff;

struct fixture {
        char folder[64];
        char url[128];
        const struct tk_driver *driver; /* NULL: as the URL says */
        struct tk_registry_config config;
        struct tk_registry *registry;
        struct tk_arena arena;
        struct tk_change change; /* a good one; its action is `test` */
        struct handoff *handoff; /* the transaction that is open */
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Close and open again, as after a restart. */
void fixture_reopen(struct fixture *f);

/* The same for any folder; used by tests that own their storage. */
void fixture_init(struct fixture *f, const char *folder, const struct tk_driver *driver);
void fixture_fini(struct fixture *f);

/*
 * Open a transaction whose statements the test makes itself, and end it: `err` is what the job returns, the result is what
 * the registry says of it.
 */
struct tk_txn *fixture_write_begin(struct fixture *f);
struct tk_txn *fixture_read_begin(struct fixture *f);
enum tk_err fixture_end(struct fixture *f, enum tk_err err);

#define RUN(f, begin, expression)                                                                            \
        ({                                                                                                   \
                struct tk_txn *txn = begin(f);                                                               \
                fixture_end(f, (expression));                                                                \
        })
#define WRITE(f, expression) RUN(f, fixture_write_begin, expression)
#define READ(f, expression)  RUN(f, fixture_read_begin, expression)

/* Compared by name, so that a failure says what came instead. */
#define assert_err(err, expected) assert_string_equal(tk_err_name(err), tk_err_name(expected))
#define assert_str(s, expected)                                                                              \
        do {                                                                                                 \
                struct tk_str s_ = (s), expected_ = (expected);                                              \
                assert_int_equal(s_.len, expected_.len);                                                     \
                assert_memory_equal(s_.len > 0 ? s_.ptr : "", expected_.len > 0 ? expected_.ptr : "",        \
                                    s_.len);                                                                 \
        } while (0)

/* ---- things to start from; made in the registry, asserted to work ---- */

struct world {
        struct tk_api api;                 /* weather */
        struct tk_environment environment; /* production */
        struct tk_plan plan;               /* open, without limits */
        struct tk_consumer consumer;       /* acme */
};
void fixture_world(struct fixture *f, struct world *ret_world);

/* An issued key of the world, without anything optional; `seed` makes its digest. Not written. */
struct tk_key fixture_key(const struct world *world, uint8_t seed);
/* Number it and write it. */
enum tk_err fixture_key_create(struct tk_txn *txn, struct tk_key *key, const struct tk_change *change);

/* Highest numbers written so far. */
uint64_t fixture_feed_last(struct fixture *f);
uint64_t fixture_audit_last(struct fixture *f);

/* What holds at any moment: audit entries without gaps, each feed row's object there at that version or later. */
void fixture_check(struct fixture *f);

/* `len` bytes of text in the fixture's arena, two- and three-byte characters among them. */
struct tk_str fixture_text(struct fixture *f, size_t len);

#endif
