/*
 * A change that is recorded and cannot be published: it must not hold up revocations that come after it, nobody may be told that
 * all is in force, and once it can be published all is well. Made here by a record that the service would never write.
 */
#include "fixture.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

struct set_not_before {
        uint64_t key_id;
        int64_t not_before_s;
};

static enum tk_err set_not_before(struct tk_txn *txn, void *context)
{
        const struct set_not_before *job = context;
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct tk_key *key = tk_arena_alloc(&arena, sizeof(*key));
        assert_non_null(key);
        assert_int_equal(tk_key_get(txn, job->key_id, &arena, key), TK_OK);
        struct tk_change change = {.at_s = key->created_s,
                                   .actor = TK_STR("system"),
                                   .source = TK_STR("local"),
                                   .action = TK_STR("key.update")};
        key->not_before_s = job->not_before_s;
        enum tk_err err = tk_key_update(txn, key, &change);
        tk_arena_fini(&arena);
        return err;
}

/* Behind the service's back. */
static enum tk_err record(struct fixture *f, const struct tk_key_issued *issued, int64_t not_before_s)
{
        struct set_not_before job = {.key_id = issued->key->id, .not_before_s = not_before_s};
        return tk_registry_write(tk_service_registry(f->service), TK_LANE_NORMAL, set_not_before, &job);
}

static enum tk_err set_state(struct fixture *f, const struct tk_key_issued *issued, enum tk_state state)
{
        struct tk_key *changed;
        return tk_service_key_set_state(f->service, &f->admin, fixture_key_id(f, issued->key), TK_VERSION_ANY,
                                        state, TK_STR("leaked"), &f->arena, &changed, NULL, &f->fault);
}

static enum tk_err apply_usage(struct tk_txn *txn, void *context)
{
        const struct tk_meter_record record = {.owner = {TK_METER_KEY, 0, *(uint64_t *)context},
                                               .admitted = 5};
        const struct tk_usage_chunk chunk = {
                .incarnation = 99, .sequence = 1, .gate_ns = TK_NS_PER_S, .records = &record, .count = 1};
        bool applied;
        return tk_usage_apply(txn, &chunk, &applied);
}

static void a_change_that_cannot_be_published_holds_up_no_revocation(void **state)
{
        struct fixture *f = *state;
        const char *why = NULL;
        struct tk_key_issued stuck, leaked, late;
        fixture_issue(f, "weather", NULL, &stuck);
        fixture_issue(f, "weather", NULL, &leaked);
        fixture_issue(f, "weather", NULL, &late);
        assert_true(tk_service_ready(f->service, &why));

        assert_int_equal(record(f, &stuck, -1), TK_UNCERTAIN);
        assert_false(tk_service_ready(f->service, &why));
        assert_non_null(why);

        assert_int_equal(set_state(f, &leaked, TK_STATE_REVOKED), TK_UNCERTAIN);
        assert_int_equal(f->fault.code, TK_FAULT_uncertain);
        assert_int_equal(fixture_decide(f, &leaked, "weather", ""), TK_CODE_revoked);

        /* Usage waits for no publication. */
        assert_int_equal(tk_registry_write(tk_service_registry(f->service), TK_LANE_NORMAL, apply_usage,
                                           &leaked.key->id),
                         TK_OK);

        /* Again: nothing to change, and still nobody can say that all is in force. */
        assert_int_equal(set_state(f, &leaked, TK_STATE_REVOKED), TK_UNCERTAIN);
        tk_service_tick(f->service);
        assert_false(tk_service_ready(f->service, &why));

        /* What cannot be published otherwise can still be revoked: not even suspended, it would admit. */
        assert_int_equal(fixture_decide(f, &stuck, "weather", ""), TK_CODE_valid);
        assert_int_equal(set_state(f, &stuck, TK_STATE_SUSPENDED), TK_UNCERTAIN);
        assert_int_equal(fixture_decide(f, &stuck, "weather", ""), TK_CODE_suspended);
        assert_int_equal(set_state(f, &stuck, TK_STATE_ACTIVE), TK_UNCERTAIN);
        assert_int_equal(fixture_decide(f, &stuck, "weather", ""), TK_CODE_suspended);

        assert_int_equal(record(f, &stuck, 0), TK_OK);
        assert_true(tk_service_ready(f->service, &why));
        assert_int_equal(set_state(f, &late, TK_STATE_REVOKED), TK_OK);
        assert_int_equal(fixture_decide(f, &stuck, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &leaked, "weather", ""), TK_CODE_revoked);
        assert_int_equal(fixture_decide(f, &late, "weather", ""), TK_CODE_revoked);

        assert_int_equal(record(f, &stuck, -1), TK_UNCERTAIN);
        assert_int_equal(set_state(f, &stuck, TK_STATE_REVOKED), TK_UNCERTAIN);
        assert_int_equal(fixture_decide(f, &stuck, "weather", ""), TK_CODE_revoked);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_change_that_cannot_be_published_holds_up_no_revocation,
                                                fixture_setup, fixture_teardown),
        };
        return cmocka_run_group_tests_name("stuck", tests, NULL, NULL);
}
