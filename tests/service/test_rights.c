/*
 * What an administrator may do whose key holds less than `*`: neither grant nor make, by whatever way, what their scopes do not let them.
 */
#include "fixture.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define S(text) TK_STR(text)

static struct tk_caller holder_of(struct fixture *f, const char *scopes)
{
        struct tk_caller caller = f->admin;
        caller.actor = S("key_1");
        caller.scopes = tk_str_from(scopes);
        caller.root = false;
        return caller;
}

static void make_default_consumer(struct fixture *f)
{
        struct tk_input_consumer input = {.name = S("default")};
        struct tk_consumer consumer;
        assert_int_equal(
                tk_service_consumer_create(f->service, &f->admin, &input, &f->arena, &consumer, &f->fault),
                TK_OK);
}

static void nobody_grants_what_they_do_not_hold(void **state)
{
        struct fixture *f = *state;
        struct tk_caller caller = holder_of(f, "keys:write keys:read");
        make_default_consumer(f);
        struct tk_str wanted = S("apis:write");
        struct tk_input_key input = {.api = S("tollkeeper"),
                                     .scopes = {.set = true, .items = &wanted, .count = 1}};
        struct tk_key_issued issued;
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &issued, &f->fault),
                         TK_DENIED);
        wanted = S("*");
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &issued, &f->fault),
                         TK_DENIED);
        wanted = S("keys:*");
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &issued, &f->fault),
                         TK_DENIED);
        wanted = S("keys:read");
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
}

static enum tk_err set_state(struct fixture *f, const struct tk_caller *caller, const struct tk_key *key,
                             enum tk_state state)
{
        struct tk_key *changed;
        return tk_service_key_set_state(f->service, caller, fixture_key_id(f, key), TK_VERSION_ANY, state,
                                        S("leaked"), &f->arena, &changed, NULL, &f->fault);
}

static enum tk_err change_scopes(struct fixture *f, const struct tk_caller *caller, const struct tk_key *key,
                                 const char *scope)
{
        struct tk_str scopes[1] = {tk_str_from(scope)};
        struct tk_input_key input = {.scopes = {.set = true, .items = scopes, .count = 1}};
        struct tk_key *changed;
        return tk_service_key_update(f->service, caller, fixture_key_id(f, key), TK_VERSION_ANY, &input,
                                     &f->arena, &changed, &f->fault);
}

/* Nor does anybody take what they do not hold, which would be a way to be the only administrator. */
static void a_stronger_admin_key_is_left_alone(void **state)
{
        struct fixture *f = *state;
        struct tk_caller weaker = holder_of(f, "keys:write apis:read");
        struct tk_key_issued strong, weak;
        fixture_issue(f, "tollkeeper", "*", &strong);
        fixture_issue(f, "tollkeeper", "apis:read", &weak);

        assert_int_equal(set_state(f, &weaker, strong.key, TK_STATE_SUSPENDED), TK_DENIED);
        assert_int_equal(set_state(f, &weaker, strong.key, TK_STATE_REVOKED), TK_DENIED);
        assert_int_equal(change_scopes(f, &weaker, strong.key, "apis:read"), TK_DENIED);
        assert_int_equal(f->fault.code, TK_FAULT_forbidden);
        assert_int_equal(fixture_decide(f, &strong, "tollkeeper", "apis:write"), TK_CODE_valid);
        assert_int_equal(change_scopes(f, &weaker, weak.key, "keys:write"), TK_OK);
        assert_int_equal(set_state(f, &weaker, weak.key, TK_STATE_SUSPENDED), TK_OK);
        assert_int_equal(set_state(f, &weaker, weak.key, TK_STATE_ACTIVE), TK_OK);
        assert_int_equal(set_state(f, &weaker, weak.key, TK_STATE_REVOKED), TK_OK);
        assert_int_equal(set_state(f, &f->admin, strong.key, TK_STATE_SUSPENDED), TK_OK);
        assert_int_equal(set_state(f, &weaker, strong.key, TK_STATE_ACTIVE), TK_DENIED);
}

/* Issue with create_missing; what is refused has made nothing, not even what came before it. */
static enum tk_err issue_making(struct fixture *f, const char *scopes, struct tk_input_key input)
{
        struct tk_caller caller = holder_of(f, scopes);
        struct tk_key_issued issued;
        input.create_missing = true;
        return tk_service_key_issue(f->service, &caller, &input, &f->arena, &issued, &f->fault);
}

static void assert_refused_at(struct fixture *f, enum tk_err err, const char *field, const char *scope)
{
        assert_int_equal(err, TK_DENIED);
        assert_int_equal(f->fault.code, TK_FAULT_forbidden);
        assert_string_equal(f->fault.field, field);
        assert_non_null(strstr(f->fault.detail, scope));
}

static void what_is_missing_is_made_only_by_who_may_make_it(void **state)
{
        struct fixture *f = *state;
        struct tk_str scope = S("maps:read");
        struct tk_input_key input = {.api = S("weather")};
        struct tk_api api;
        assert_refused_at(f, issue_making(f, "keys:write consumers:write plans:write", input), "/api",
                          "apis:write");
        assert_refused_at(f, issue_making(f, "keys:write apis:write", input), "/consumer", "consumers:write");
        assert_int_equal(tk_service_api_get(f->service, S("weather"), &f->arena, &api, &f->fault),
                         TK_NOT_FOUND);

        assert_int_equal(issue_making(f, "*", input), TK_OK);
        assert_int_equal(issue_making(f, "keys:write", input), TK_OK); /* nothing is missing */
        input.environment = S("staging");
        assert_refused_at(f, issue_making(f, "keys:write", input), "/environment", "apis:write");
        input.environment = TK_STR_NONE;
        input.scopes = (struct tk_input_list){.set = true, .items = &scope, .count = 1};
        assert_refused_at(f, issue_making(f, "keys:write", input), "/scopes/0", "apis:write");
        assert_int_equal(issue_making(f, "keys:write apis:write", input), TK_OK);
}

/* A subscription to the plan `open` limits nothing, so nobody is refused for want of the right to make it. */
static void who_may_make_no_subscription_goes_without(void **state)
{
        struct fixture *f = *state;
        struct tk_input_key input = {.api = S("weather")};
        struct tk_input_subscription_filter filter = {.api = S("weather")};
        struct tk_subscription *subscriptions;
        size_t count;
        assert_int_equal(issue_making(f, "keys:write apis:write consumers:write", input), TK_OK);
        assert_int_equal(tk_service_subscription_list(f->service, &filter, (struct tk_page){.limit = 10},
                                                      &f->arena, &subscriptions, &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 0);
        assert_int_equal(issue_making(f, "*", input), TK_OK);
        assert_int_equal(tk_service_subscription_list(f->service, &filter, (struct tk_page){.limit = 10},
                                                      &f->arena, &subscriptions, &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(nobody_grants_what_they_do_not_hold),
                T(a_stronger_admin_key_is_left_alone),
                T(what_is_missing_is_made_only_by_who_may_make_it),
                T(who_may_make_no_subscription_goes_without),
        };
        return cmocka_run_group_tests_name("service/rights", tests, NULL, NULL);
}
