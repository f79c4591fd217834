/*
 * Changes of what exists: what one leaves behind in the audit log, and that one which changes nothing leaves nothing.
 */
#include "fixture.h"

#include "registry/registry.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define S(text) TK_STR(text)

/* ---- what has been written ---- */

struct census {
        struct tk_arena *arena;
        uint64_t feed_seq;
        struct tk_audit_entry *newest;
};

static enum tk_err take_census(struct tk_txn *txn, void *context)
{
        struct census *census = context;
        size_t count;
        enum tk_err err = tk_feed_last(txn, &census->feed_seq);
        return err == TK_OK ? tk_audit_list(txn, 0, 1, census->arena, &census->newest, &count) : err;
}

static struct census census_of(struct fixture *f)
{
        struct census census = {.arena = &f->arena};
        struct tk_registry *registry = tk_service_registry(f->service);
        assert_int_equal(tk_registry_read(registry, take_census, &census), TK_OK);
        return census;
}

/* In the canonical bytes of the newest audit entry. */
static void assert_noted(struct fixture *f, const char *part)
{
        struct tk_str entry = census_of(f).newest->canonical;
        if (!memmem(entry.ptr, entry.len, part, strlen(part)))
                fail_msg("%.*s\nhas no\n%s", TK_STR_ARG(entry), part);
}

/* ---- environments ---- */

static enum tk_err describe(struct fixture *f, struct tk_str api, uint64_t version, struct tk_str description,
                            struct tk_environment *ret_environment)
{
        struct tk_input_environment input = {.description = description};
        return tk_service_environment_update(f->service, &f->admin, api, S("production"), version, &input,
                                             &f->arena, ret_environment, &f->fault);
}

static void an_environment_is_described(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_environment environment;
        fixture_issue(f, "weather", NULL, &issued);
        f->now_ns += 5 * TK_NS_PER_S;
        assert_int_equal(describe(f, S("weather"), 1, S("for customers"), &environment), TK_OK);
        assert_int_equal(environment.version, 2);
        assert_true(tk_str_equal(environment.description, S("for customers")));
        assert_int_equal(environment.updated_s, environment.created_s + 5);

        assert_noted(f, "{\"action\":\"environment.update\"");
        assert_noted(f, "\"before\":{\"api\":\"weather\"");
        assert_noted(f, "\"description\":\"for customers\",\"name\":\"production\",\"state\":\"active\"");
        assert_noted(f, "\"description\":\"\",\"name\":\"production\",\"state\":\"active\"");

        assert_int_equal(describe(f, S("weather"), 1, S("late"), &environment), TK_STALE);
        assert_string_equal(f->fault.field, "If-Match");
        assert_int_equal(describe(f, S("weather"), 2, S("a\tb"), &environment), TK_INVALID);
        assert_string_equal(f->fault.field, "/description");
        assert_int_equal(describe(f, S("tollkeeper"), TK_VERSION_ANY, S("mine"), &environment), TK_CONFLICT);
        assert_int_equal(f->fault.code, TK_FAULT_wrong_state);
        assert_int_equal(fixture_decide(f, &issued, "weather", NULL), TK_CODE_valid);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(an_environment_is_described),
        };
        return cmocka_run_group_tests_name("service/changes", tests, NULL, NULL);
}
