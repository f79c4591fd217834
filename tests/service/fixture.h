/*
 * A real service in temporary directories, with a clock that the test sets. Used by every test of this folder.
 */
#ifndef TK_TESTS_SERVICE_FIXTURE_H
#define TK_TESTS_SERVICE_FIXTURE_H

#include "core/arena.h"
#include "gate/gate.h"
#include "service/service.h"

struct fixture {
        char root[64]; /* holds data/ and gate/ */
        char data_dir[96], gate_dir[96];
        uint64_t now_ns;
        struct tk_service *service;
        struct tk_arena arena;
        struct tk_fault fault;
        struct tk_caller admin; /* holds `*` */
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Close and open again on the same directories, as after a restart. */
void fixture_reopen(struct fixture *f);

/* Issue a key of `api`, making what is missing; scope may be NULL. The plaintext stays in ret_issued. */
void fixture_issue(struct fixture *f, const char *api, const char *scope, struct tk_key_issued *ret_issued);

/* What the gate says of a plaintext for api/production. */
enum tk_code fixture_decide(struct fixture *f, const struct tk_key_issued *issued, const char *api,
                            const char *scope);

/* The public id of a key, in the arena. */
struct tk_str fixture_key_id(struct fixture *f, const struct tk_key *key);

#endif
