/*
 * The life of a key through the service, judged by the gate: a change is in force when the call that made it returns.
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

static void set_state(struct fixture *f, const struct tk_key *key, enum tk_state state)
{
        struct tk_key *changed;
        assert_int_equal(tk_service_key_set_state(f->service, &f->admin, fixture_key_id(f, key),
                                                  TK_VERSION_ANY, state, S("test"), &f->arena, &changed, NULL,
                                                  &f->fault),
                         TK_OK);
        assert_int_equal(changed->state, state);
}

static void issued_key_is_valid_at_once(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        fixture_issue(f, "weather", "forecast:read", &issued);
        assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:read"), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &issued, "weather", "alerts:read"), TK_CODE_insufficient_scope);
        assert_string_equal(issued.key->environment_name.ptr, "production");
        assert_true(tk_str_equal(issued.key->consumer_name, S("default")));
        assert_memory_equal(issued.plaintext.bytes, "tk_live_", 8);
}

static void suspend_resume_revoke_are_in_force_on_return(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        fixture_issue(f, "weather", NULL, &issued);
        set_state(f, issued.key, TK_STATE_SUSPENDED);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_suspended);
        set_state(f, issued.key, TK_STATE_ACTIVE);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        set_state(f, issued.key, TK_STATE_REVOKED);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_revoked);

        struct tk_key *changed;
        assert_int_equal(tk_service_key_set_state(f->service, &f->admin, fixture_key_id(f, issued.key),
                                                  TK_VERSION_ANY, TK_STATE_ACTIVE, S(""), &f->arena, &changed,
                                                  NULL, &f->fault),
                         TK_CONFLICT);
        assert_int_equal(f->fault.code, TK_FAULT_wrong_state);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_revoked);
}

static void a_key_of_one_api_is_refused_by_another(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued weather, maps;
        fixture_issue(f, "weather", NULL, &weather);
        fixture_issue(f, "maps", NULL, &maps);
        assert_int_equal(fixture_decide(f, &weather, "maps", ""), TK_CODE_wrong_environment);
        assert_int_equal(fixture_decide(f, &maps, "maps", ""), TK_CODE_valid);
}

static void suspending_what_surrounds_a_key_suspends_it(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        fixture_issue(f, "weather", NULL, &issued);

        struct tk_consumer consumer;
        assert_int_equal(tk_service_consumer_set_state(f->service, &f->admin, S("default"), TK_VERSION_ANY,
                                                       TK_STATE_SUSPENDED, &f->arena, &consumer, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_suspended);
        assert_int_equal(tk_service_consumer_set_state(f->service, &f->admin, S("default"), TK_VERSION_ANY,
                                                       TK_STATE_ACTIVE, &f->arena, &consumer, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);

        struct tk_api api;
        assert_int_equal(tk_service_api_set_state(f->service, &f->admin, S("weather"), TK_VERSION_ANY,
                                                  TK_STATE_SUSPENDED, &f->arena, &api, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_suspended);
        assert_int_equal(tk_service_api_set_state(f->service, &f->admin, S("weather"), TK_VERSION_ANY,
                                                  TK_STATE_ACTIVE, &f->arena, &api, &f->fault),
                         TK_OK);

        struct tk_subscription subscription;
        assert_int_equal(tk_service_subscription_set_state(f->service, &f->admin, S("sub_1"), TK_VERSION_ANY,
                                                           TK_STATE_SUSPENDED, &f->arena, &subscription,
                                                           &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_suspended);
        assert_int_equal(tk_service_subscription_set_state(f->service, &f->admin, S("sub_1"), TK_VERSION_ANY,
                                                           TK_STATE_ENDED, &f->arena, &subscription,
                                                           &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
}

static void an_expired_key_is_refused_and_can_be_extended(void **state)
{
        struct fixture *f = *state;
        int64_t now_s = (int64_t)(f->now_ns / TK_NS_PER_S);
        struct tk_input_key input = {
                .api = S("weather"), .create_missing = true, .expires_at = {.set = true, .s = now_s + 10}};
        struct tk_key_issued issued;
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        f->now_ns += 9 * TK_NS_PER_S;
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        f->now_ns += TK_NS_PER_S;
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_expired);

        struct tk_input_key longer = {.expires_at = {.set = true, .s = now_s + 100}};
        struct tk_key *changed;
        assert_int_equal(tk_service_key_update(f->service, &f->admin, fixture_key_id(f, issued.key), 1,
                                               &longer, &f->arena, &changed, &f->fault),
                         TK_OK);
        assert_int_equal(changed->version, 2);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        assert_int_equal(tk_service_key_update(f->service, &f->admin, fixture_key_id(f, issued.key), 1,
                                               &longer, &f->arena, &changed, &f->fault),
                         TK_STALE);
        assert_string_equal(f->fault.field, "If-Match");
}

static struct tk_input_limit limit_of(uint64_t units)
{
        return (struct tk_input_limit){
                .kind = S("window"), .per = S("1h"), .limit_set = true, .limit = units};
}

static void a_plan_is_shared_by_the_keys_and_followed_at_once(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued one, two;
        fixture_issue(f, "weather", NULL, &one);
        fixture_issue(f, "weather", NULL, &two);
        struct tk_input_limit limit = limit_of(3);
        struct tk_input_plan input = {.limits = {.set = true, .items = &limit, .count = 1}};
        struct tk_plan plan;
        assert_int_equal(tk_service_plan_update(f->service, &f->admin, S("weather"), S("open"),
                                                TK_VERSION_ANY, &input, &f->arena, &plan, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &one, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &two, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &one, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &two, "weather", ""), TK_CODE_quota_exceeded);

        limit = limit_of(4); /* what is used stays used */
        assert_int_equal(tk_service_plan_update(f->service, &f->admin, S("weather"), S("open"),
                                                TK_VERSION_ANY, &input, &f->arena, &plan, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &two, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &two, "weather", ""), TK_CODE_quota_exceeded);
}

static void a_restart_keeps_keys_and_usage(void **state)
{
        struct fixture *f = *state;
        struct tk_input_limit limit = limit_of(2);
        struct tk_input_key input = {.api = S("weather"),
                                     .create_missing = true,
                                     .limits = {.set = true, .items = &limit, .count = 1}};
        struct tk_key_issued issued, revoked;
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &revoked, &f->fault),
                         TK_OK);
        set_state(f, revoked.key, TK_STATE_REVOKED);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        fixture_reopen(f);
        assert_int_equal(fixture_decide(f, &revoked, "weather", ""), TK_CODE_revoked);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_quota_exceeded);
        const char *why = NULL;
        assert_true(tk_service_ready(f->service, &why));
}

static void a_replayed_issue_makes_nothing_and_shows_no_plaintext(void **state)
{
        struct fixture *f = *state;
        struct tk_caller caller = f->admin;
        caller.idempotency_key = S("order-1");
        memset(caller.request_hash, 7, sizeof(caller.request_hash));
        int64_t now_s = (int64_t)(f->now_ns / TK_NS_PER_S);
        struct tk_input_key input = {
                .api = S("weather"), .create_missing = true, .expires_at = {.set = true, .s = now_s + 60}};
        struct tk_key_issued first, again;
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &first, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &again, &f->fault),
                         TK_OK);
        assert_true(again.replayed);
        assert_int_equal(again.plaintext.len, 0);
        assert_int_equal(again.key->id, first.key->id);

        f->now_ns += 3600 * TK_NS_PER_S; /* the key has expired meanwhile, but the answer is owed */
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &again, &f->fault),
                         TK_OK);
        assert_true(again.replayed);
        assert_int_equal(again.key->id, first.key->id);

        memset(caller.request_hash, 8, sizeof(caller.request_hash));
        assert_int_equal(tk_service_key_issue(f->service, &caller, &input, &f->arena, &again, &f->fault),
                         TK_CONFLICT);
        assert_int_equal(f->fault.code, TK_FAULT_idempotency_key_reused);
}

static void a_scope_that_the_api_lacks_is_refused(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        fixture_issue(f, "weather", "forecast:read", &issued);
        struct tk_str wanted[] = {S("forecast:*"), S("forcast:read")};
        struct tk_input_key input = {.api = S("weather"),
                                     .scopes = {.set = true, .items = wanted, .count = 2}};
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_INVALID);
        assert_int_equal(f->fault.code, TK_FAULT_unknown_reference);
        assert_non_null(strstr(f->fault.detail, "forcast:read"));
        input.scopes.count = 1;
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:read"), TK_CODE_valid);
}

static void the_builtin_api_keeps_its_shape(void **state)
{
        struct fixture *f = *state;
        struct tk_api api;
        assert_int_equal(tk_service_api_set_state(f->service, &f->admin, S("tollkeeper"), TK_VERSION_ANY,
                                                  TK_STATE_SUSPENDED, &f->arena, &api, &f->fault),
                         TK_CONFLICT);
        assert_true(tk_service_is_new(f->service));
        struct tk_key_issued issued;
        fixture_issue(f, "tollkeeper", "keys:read", &issued);
        assert_memory_equal(issued.plaintext.bytes, "tk_admin_", 9);
        assert_false(tk_service_is_new(f->service));
}

static void another_daemon_is_refused(void **state)
{
        struct fixture *f = *state;
        struct tk_service_config config = {.data_dir = f->data_dir,
                                           .gate_dir = f->gate_dir,
                                           .random = tk_random_system(),
                                           .clock = tk_clock_system()};
        struct tk_service *second = NULL;
        assert_int_equal(tk_service_open(&config, &second, &f->fault), TK_BUSY);
        assert_null(second);
        assert_non_null(strstr(f->fault.detail, "another tollkeeper daemon"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(issued_key_is_valid_at_once),
                T(suspend_resume_revoke_are_in_force_on_return),
                T(a_key_of_one_api_is_refused_by_another),
                T(suspending_what_surrounds_a_key_suspends_it),
                T(an_expired_key_is_refused_and_can_be_extended),
                T(a_plan_is_shared_by_the_keys_and_followed_at_once),
                T(a_restart_keeps_keys_and_usage),
                T(a_replayed_issue_makes_nothing_and_shows_no_plaintext),
                T(a_scope_that_the_api_lacks_is_refused),
                T(the_builtin_api_keeps_its_shape),
                T(another_daemon_is_refused),
        };
        return cmocka_run_group_tests_name("service/keys", tests, NULL, NULL);
}
