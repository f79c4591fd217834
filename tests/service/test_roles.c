/*
 * Roles: in force when the call returns, also after a restart and a rebuild of the gate; no way around what a caller holds.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define S(text) TK_STR(text)

static struct tk_input_list list_of(const struct tk_str *items, size_t count)
{
        return (struct tk_input_list){.set = true, .items = items, .count = count};
}

static enum tk_err make_role(struct fixture *f, const struct tk_caller *caller, const char *api,
                             const char *name, const char *scope)
{
        const struct tk_str item = tk_str_from(scope);
        const struct tk_input_role input = {.name = tk_str_from(name), .scopes = list_of(&item, 1)};
        struct tk_role role;
        return tk_service_role_create(f->service, caller, tk_str_from(api), &input, &f->arena, &role,
                                      &f->fault);
}

static enum tk_err change_role(struct fixture *f, const struct tk_caller *caller, const char *api,
                               const char *name, const char *scope)
{
        const struct tk_str item = tk_str_from(scope);
        const struct tk_input_role input = {.scopes = list_of(&item, *scope ? 1 : 0)};
        struct tk_role role;
        return tk_service_role_update(f->service, caller, tk_str_from(api), tk_str_from(name), TK_VERSION_ANY,
                                      &input, &f->arena, &role, &f->fault);
}

static enum tk_err delete_role(struct fixture *f, const char *api, const char *name)
{
        struct tk_role role;
        return tk_service_role_delete(f->service, &f->admin, tk_str_from(api), tk_str_from(name),
                                      TK_VERSION_ANY, &f->arena, &role, &f->fault);
}

static enum tk_err issue_with(struct fixture *f, const struct tk_caller *caller, const char *api,
                              const char *role, struct tk_key_issued *ret_issued)
{
        const struct tk_str item = tk_str_from(role);
        const struct tk_input_key input = {.api = tk_str_from(api), .roles = list_of(&item, 1)};
        return tk_service_key_issue(f->service, caller, &input, &f->arena, ret_issued, &f->fault);
}

/* An API with two scopes, and a role of one of them. */
static void make_world(struct fixture *f, struct tk_key_issued *ret_issued)
{
        struct tk_key_issued first;
        fixture_issue(f, "weather", "forecast:read", &first);
        fixture_issue(f, "weather", "alerts:read", &first);
        assert_int_equal(make_role(f, &f->admin, "weather", "reader", "forecast:read"), TK_OK);
        assert_int_equal(issue_with(f, &f->admin, "weather", "reader", ret_issued), TK_OK);
}

static void assert_only(struct fixture *f, const struct tk_key_issued *issued, const char *yes,
                        const char *no)
{
        assert_int_equal(fixture_decide(f, issued, "weather", yes), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, issued, "weather", no), TK_CODE_insufficient_scope);
}

static void a_change_is_in_force_when_the_call_returns(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        make_world(f, &issued);
        assert_only(f, &issued, "forecast:read", "alerts:read");
        assert_int_equal(change_role(f, &f->admin, "weather", "reader", "alerts:read"), TK_OK);
        assert_only(f, &issued, "alerts:read", "forecast:read");
        assert_int_equal(change_role(f, &f->admin, "weather", "reader", ""), TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", "alerts:read"), TK_CODE_insufficient_scope);
}

static void it_outlives_restart_and_rebuild(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        char command[160];
        make_world(f, &issued);
        assert_int_equal(change_role(f, &f->admin, "weather", "reader", "alerts:read"), TK_OK);
        fixture_reopen(f);
        assert_only(f, &issued, "alerts:read", "forecast:read");
        /* Without its files the gate is rebuilt from the registry. */
        tk_service_close(f->service);
        f->service = NULL;
        snprintf(command, sizeof command, "rm -rf %s", f->gate_dir);
        assert_int_equal(system(command), 0);
        fixture_reopen(f);
        assert_only(f, &issued, "alerts:read", "forecast:read");
}

static void one_that_keys_have_is_not_deleted(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        make_world(f, &issued);
        assert_int_equal(delete_role(f, "weather", "reader"), TK_CONFLICT);
        assert_non_null(strstr(f->fault.detail, "key_"));
        struct tk_key *key;
        assert_int_equal(tk_service_key_set_state(f->service, &f->admin, fixture_key_id(f, issued.key),
                                                  TK_VERSION_ANY, TK_STATE_REVOKED, S(""), &f->arena, &key,
                                                  NULL, &f->fault),
                         TK_OK);
        assert_int_equal(delete_role(f, "weather", "reader"), TK_OK);
        assert_int_equal(delete_role(f, "weather", "reader"), TK_NOT_FOUND);
        assert_int_equal(issue_with(f, &f->admin, "weather", "reader", &issued), TK_INVALID);
        assert_string_equal(f->fault.field, "/roles/0");
        /* The revoked key, which still names it, is no stumbling block for a rebuild. */
        fixture_reopen(f);
        assert_int_equal(make_role(f, &f->admin, "weather", "reader", "alerts:read"), TK_OK);
}

static void roles_do_not_nest(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        make_world(f, &issued);
        assert_int_equal(make_role(f, &f->admin, "weather", "chief", "reader"), TK_INVALID);
        assert_non_null(strstr(f->fault.detail, "is a role"));
        assert_string_equal(f->fault.field, "/scopes/0");
        assert_int_equal(make_role(f, &f->admin, "weather", "chief", "no:such"), TK_INVALID);
}

static struct tk_caller holder_of(struct fixture *f, const char *scopes)
{
        struct tk_caller caller = f->admin;
        caller.actor = S("key_1");
        caller.scopes = tk_str_from(scopes);
        return caller;
}

static void no_role_smuggles_what_the_caller_does_not_hold(void **state)
{
        struct fixture *f = *state;
        struct tk_caller small = holder_of(f, "keys:write apis:write consumers:write plans:write keys:read");
        struct tk_input_consumer consumer = {.name = S("default")};
        struct tk_consumer made;
        struct tk_key_issued issued;
        assert_int_equal(
                tk_service_consumer_create(f->service, &f->admin, &consumer, &f->arena, &made, &f->fault),
                TK_OK);
        assert_int_equal(make_role(f, &small, "tollkeeper", "boss", "*"), TK_DENIED);
        assert_int_equal(make_role(f, &small, "tollkeeper", "boss", "status:read"), TK_DENIED);
        assert_int_equal(make_role(f, &small, "tollkeeper", "clerk", "keys:read"), TK_OK);
        assert_int_equal(change_role(f, &small, "tollkeeper", "clerk", "status:read"), TK_DENIED);
        assert_int_equal(issue_with(f, &small, "tollkeeper", "clerk", &issued), TK_OK);

        assert_int_equal(make_role(f, &f->admin, "tollkeeper", "boss", "*"), TK_OK);
        assert_int_equal(issue_with(f, &small, "tollkeeper", "boss", &issued), TK_DENIED);
        assert_string_equal(f->fault.field, "/roles/0");
        assert_int_equal(change_role(f, &small, "tollkeeper", "boss", "keys:read"), TK_DENIED);

        const struct tk_str boss = S("boss");
        const struct tk_input_key grant = {.roles = list_of(&boss, 1)};
        struct tk_key *key;
        struct tk_str id = fixture_key_id(f, issued.key);
        assert_int_equal(tk_service_key_update(f->service, &small, id, TK_VERSION_ANY, &grant, &f->arena,
                                               &key, &f->fault),
                         TK_DENIED);
        assert_int_equal(tk_service_key_update(f->service, &f->admin, id, TK_VERSION_ANY, &grant, &f->arena,
                                               &key, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_key_set_state(f->service, &small, id, TK_VERSION_ANY, TK_STATE_SUSPENDED,
                                                  S(""), &f->arena, &key, NULL, &f->fault),
                         TK_DENIED); /* nor does anybody take what they do not hold */
        assert_int_equal(tk_service_key_set_state(f->service, &f->admin, id, TK_VERSION_ANY,
                                                  TK_STATE_SUSPENDED, S(""), &f->arena, &key, NULL,
                                                  &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_key_set_state(f->service, &small, id, TK_VERSION_ANY, TK_STATE_ACTIVE,
                                                  S(""), &f->arena, &key, NULL, &f->fault),
                         TK_DENIED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_change_is_in_force_when_the_call_returns),
                TEST(it_outlives_restart_and_rebuild),
                TEST(one_that_keys_have_is_not_deleted),
                TEST(roles_do_not_nest),
                TEST(no_role_smuggles_what_the_caller_does_not_hold),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
