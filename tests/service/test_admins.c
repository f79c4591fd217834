/*
 * Administrators among themselves: keys bound to APIs, what nobody may take from others, the last key that
 * can issue others, and what is noted of refused attempts.
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

static struct tk_caller bound_to(struct fixture *f, const char *scopes, const char *apis)
{
        struct tk_caller caller = f->admin;
        caller.actor =
                S("key_900"); /* none of the test's own, which would hold it to what they are held to */
        caller.source = S("192.0.2.7");
        caller.scopes = tk_str_from(scopes);
        caller.only_apis = tk_str_from(apis);
        caller.root = false;
        return caller;
}

static struct tk_caller over_the_network(struct fixture *f, const char *scopes)
{
        return bound_to(f, scopes, "");
}

/* An admin key of a consumer of this name, with one scope, bound to one API unless it is NULL. */
static enum tk_err issue_admin(struct fixture *f, const struct tk_caller *caller, const char *consumer,
                               const char *scope, const char *api, struct tk_key_issued *ret_issued)
{
        struct tk_str scopes[1] = {tk_str_from(scope)};
        struct tk_str apis[1] = {api ? tk_str_from(api) : TK_STR_NONE};
        struct tk_input_key input = {
                .api = S("tollkeeper"),
                .consumer = tk_str_from(consumer),
                .scopes = {.set = true, .items = scopes, .count = 1},
                .only_apis = {.set = api != NULL, .items = apis, .count = api ? 1 : 0},
                .create_missing = true,
        };
        return tk_service_key_issue(f->service, caller, &input, &f->arena, ret_issued, &f->fault);
}

static void assert_code(struct fixture *f, enum tk_err err, enum tk_fault_code code)
{
        assert_int_not_equal(err, TK_OK);
        if (f->fault.code != code)
                fail_msg("%s: %s", tk_fault_info(f->fault.code)->name, f->fault.detail);
}

static enum tk_err set_key(struct fixture *f, const struct tk_caller *caller, const struct tk_key *key,
                           enum tk_state state)
{
        struct tk_key *changed;
        return tk_service_key_set_state(f->service, caller, fixture_key_id(f, key), TK_VERSION_ANY, state,
                                        S(""), &f->arena, &changed, NULL, &f->fault);
}

static enum tk_err update_key(struct fixture *f, const struct tk_caller *caller, const struct tk_key *key,
                              struct tk_input_key input)
{
        struct tk_key *changed;
        return tk_service_key_update(f->service, caller, fixture_key_id(f, key), TK_VERSION_ANY, &input,
                                     &f->arena, &changed, &f->fault);
}

static enum tk_err set_consumer(struct fixture *f, const struct tk_caller *caller, const char *name,
                                enum tk_state state)
{
        struct tk_consumer consumer;
        return tk_service_consumer_set_state(f->service, caller, tk_str_from(name), TK_VERSION_ANY, state,
                                             &f->arena, &consumer, &f->fault);
}

/* ---- bound keys ---- */

static void a_bound_key_acts_on_its_api_alone(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued own, other;
        struct tk_key *seen;
        struct tk_plan plan;
        struct tk_api api, *apis;
        size_t count;
        fixture_issue(f, "weather", NULL, &own);
        fixture_issue(f, "maps", NULL, &other);
        struct tk_caller caller = bound_to(f, "*", "weather");

        assert_int_equal(set_key(f, &caller, own.key, TK_STATE_SUSPENDED), TK_OK);
        assert_code(f, set_key(f, &caller, other.key, TK_STATE_REVOKED), TK_FAULT_forbidden);
        assert_code(f, update_key(f, &caller, other.key, (struct tk_input_key){.name = S("x")}),
                    TK_FAULT_forbidden);
        assert_int_equal(tk_service_key_get(f->service, &caller, fixture_key_id(f, own.key), &f->arena, &seen,
                                            &f->fault),
                         TK_OK);
        assert_code(f,
                    tk_service_key_get(f->service, &caller, fixture_key_id(f, other.key), &f->arena, &seen,
                                       &f->fault),
                    TK_FAULT_forbidden);
        struct tk_input_plan gold = {.name = S("gold")};
        assert_int_equal(
                tk_service_plan_create(f->service, &caller, S("weather"), &gold, &f->arena, &plan, &f->fault),
                TK_OK);
        assert_code(
                f, tk_service_plan_create(f->service, &caller, S("maps"), &gold, &f->arena, &plan, &f->fault),
                TK_FAULT_forbidden);
        assert_code(f,
                    tk_service_api_set_state(f->service, &caller, S("maps"), TK_VERSION_ANY,
                                             TK_STATE_SUSPENDED, &f->arena, &api, &f->fault),
                    TK_FAULT_forbidden);
        assert_code(f,
                    tk_service_api_create(f->service, &caller, &(struct tk_input_api){.name = S("other")},
                                          &f->arena, &api, &f->fault),
                    TK_FAULT_forbidden);
        assert_int_equal(tk_service_api_list(f->service, &caller, (struct tk_page){.limit = 10}, &f->arena,
                                             &apis, &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 1);
        assert_true(tk_str_equal(apis[0].name, S("weather")));
}

static void lists_show_what_a_bound_key_reaches(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_key **keys;
        struct tk_subscription *subscriptions;
        size_t count;
        const struct tk_page page = {.limit = 100};
        fixture_issue(f, "weather", NULL, &issued);
        fixture_issue(f, "maps", NULL, &issued);
        struct tk_caller caller = bound_to(f, "*", "weather"), two = bound_to(f, "*", "maps weather");

        struct tk_input_key_filter filter = {.caller = &caller};
        assert_int_equal(tk_service_key_list(f->service, &filter, page, &f->arena, &keys, &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 1);
        assert_true(tk_str_equal(keys[0]->api_name, S("weather")));
        filter.api = S("maps");
        assert_code(f, tk_service_key_list(f->service, &filter, page, &f->arena, &keys, &count, &f->fault),
                    TK_FAULT_forbidden);
        filter = (struct tk_input_key_filter){.caller = &two};
        assert_code(f, tk_service_key_list(f->service, &filter, page, &f->arena, &keys, &count, &f->fault),
                    TK_FAULT_invalid_value);
        filter.api = S("maps");
        assert_int_equal(tk_service_key_list(f->service, &filter, page, &f->arena, &keys, &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 1);

        struct tk_input_subscription_filter all = {.caller = &caller};
        assert_int_equal(tk_service_subscription_list(f->service, &all, page, &f->arena, &subscriptions,
                                                      &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 1);
        assert_true(tk_str_equal(subscriptions[0].api_name, S("weather")));
}

static void a_binding_is_handed_down_and_never_widened(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued, unbound;
        fixture_issue(f, "weather", NULL, &issued);
        fixture_issue(f, "maps", NULL, &issued);
        struct tk_caller caller = bound_to(f, "keys:write keys:read consumers:write", "weather");

        assert_code(f, issue_admin(f, &caller, "bob", "keys:read", NULL, &issued), TK_FAULT_forbidden);
        assert_code(f, issue_admin(f, &caller, "bob", "keys:read", "maps", &issued), TK_FAULT_forbidden);
        assert_code(f, issue_admin(f, &caller, "bob", "*", "weather", &issued), TK_FAULT_forbidden);
        assert_int_equal(issue_admin(f, &caller, "bob", "keys:read", "weather", &issued), TK_OK);
        assert_int_equal(set_key(f, &caller, issued.key, TK_STATE_SUSPENDED), TK_OK);

        fixture_issue(f, "tollkeeper", "keys:read", &unbound);
        assert_code(f, set_key(f, &caller, unbound.key, TK_STATE_REVOKED), TK_FAULT_forbidden);
        assert_int_equal(issue_admin(f, &f->admin, "eve", "keys:read", "maps", &unbound), TK_OK);
        assert_code(f, set_key(f, &caller, unbound.key, TK_STATE_REVOKED), TK_FAULT_forbidden);
}

static void what_only_apis_may_say(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_str apis[TK_ONLY_APIS_MAX + 1] = {S("weather")};
        struct tk_input_key input = {.api = S("weather"), .create_missing = true};
        fixture_issue(f, "weather", NULL, &issued);
        input.only_apis = (struct tk_input_list){.set = true, .items = apis, .count = 1};
        assert_code(f, tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                    TK_FAULT_invalid_value);
        assert_code(f, issue_admin(f, &f->admin, "bob", "keys:read", "nowhere", &issued),
                    TK_FAULT_unknown_reference);
        assert_string_equal(f->fault.field, "/only_apis/0");
        assert_code(f, issue_admin(f, &f->admin, "bob", "keys:read", "tollkeeper", &issued),
                    TK_FAULT_invalid_value);
        for (size_t i = 0; i <= TK_ONLY_APIS_MAX; i++)
                apis[i] = S("weather");
        input.api = S("tollkeeper");
        input.only_apis.count = TK_ONLY_APIS_MAX + 1;
        assert_code(f, tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                    TK_FAULT_invalid_value);
        input.only_apis.count = TK_ONLY_APIS_MAX; /* the same one so often is one */
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        assert_int_equal(issued.key->only_api_count, 1);
}

static void bindings_outlive_a_restart(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued bound, free_key;
        struct tk_key *read;
        fixture_issue(f, "weather", NULL, &free_key);
        assert_int_equal(issue_admin(f, &f->admin, "bob", "keys:read", "weather", &bound), TK_OK);
        fixture_issue(f, "tollkeeper", "keys:read", &free_key);
        for (int i = 0; i < 2; i++) {
                assert_true(tk_str_equal(tk_service_only_apis(f->service, bound.key->id), S("weather")));
                assert_int_equal(tk_service_only_apis(f->service, free_key.key->id).len, 0);
                assert_int_equal(tk_service_key_get(f->service, NULL, fixture_key_id(f, bound.key), &f->arena,
                                                    &read, &f->fault),
                                 TK_OK);
                assert_int_equal(read->only_api_count, 1);
                assert_true(tk_str_equal(read->only_apis[0], S("weather")));
                fixture_reopen(f);
        }
}

static void a_consumer_of_others_is_not_theirs_to_suspend(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_input_key input = {.api = S("weather"), .consumer = S("acme"), .create_missing = true};
        struct tk_caller caller = bound_to(f, "*", "weather");
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        assert_int_equal(set_consumer(f, &caller, "acme", TK_STATE_SUSPENDED), TK_OK);
        assert_int_equal(set_consumer(f, &caller, "acme", TK_STATE_ACTIVE), TK_OK);
        input.api = S("maps");
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        assert_code(f, set_consumer(f, &caller, "acme", TK_STATE_SUSPENDED), TK_FAULT_forbidden);
}

/* ---- ways around ---- */

static void a_consumer_with_stronger_keys_is_left_alone(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_caller weaker = over_the_network(f, "consumers:write keys:write");
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &issued), TK_OK);
        assert_int_equal(issue_admin(f, &f->admin, "clerk", "keys:write", NULL, &issued), TK_OK);
        assert_code(f, set_consumer(f, &weaker, "chief", TK_STATE_SUSPENDED), TK_FAULT_forbidden);
        assert_int_equal(set_consumer(f, &weaker, "clerk", TK_STATE_SUSPENDED), TK_OK);
        assert_int_equal(set_consumer(f, &weaker, "clerk", TK_STATE_ACTIVE), TK_OK);
}

static void plans_of_tollkeeper_are_for_who_holds_everything(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_plan plan;
        struct tk_subscription subscription;
        const struct tk_input_limit nothing = {.kind = S("window"), .per = S("day"), .limit_set = true};
        struct tk_input_plan shut = {.name = S("shut"),
                                     .limits = {.set = true, .items = &nothing, .count = 1}};
        struct tk_input_subscription wanted = {
                .consumer = S("chief"), .api = S("tollkeeper"), .plan = S("shut")};
        struct tk_caller weaker = over_the_network(f, "plans:write consumers:write keys:write");
        struct tk_caller strong = over_the_network(f, "*");
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &issued), TK_OK);

        assert_code(f,
                    tk_service_plan_create(f->service, &weaker, S("tollkeeper"), &shut, &f->arena, &plan,
                                           &f->fault),
                    TK_FAULT_forbidden);
        assert_int_equal(tk_service_plan_create(f->service, &strong, S("tollkeeper"), &shut, &f->arena, &plan,
                                                &f->fault),
                         TK_OK);
        assert_code(f,
                    tk_service_subscription_create(f->service, &weaker, &wanted, &f->arena, &subscription,
                                                   &f->fault),
                    TK_FAULT_forbidden);
        /* And with everything, it would still shut the last one out. */
        assert_code(f,
                    tk_service_subscription_create(f->service, &strong, &wanted, &f->arena, &subscription,
                                                   &f->fault),
                    TK_FAULT_last_admin);
        assert_int_equal(fixture_decide(f, &issued, "tollkeeper", "keys:write"), TK_CODE_valid);
}

/* Whoever issues a key for somebody must not put that one's other keys under a plan. */
static void issuing_an_admin_key_subscribes_nobody(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &issued), TK_OK);
        for (size_t i = 0; i < issued.made_count; i++)
                assert_string_not_equal(issued.made[i].kind, "subscription");
}

/* ---- the last one ---- */

static void the_last_admin_key_stays(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued last, helper;
        struct tk_caller strong = over_the_network(f, "*");
        struct tk_str less = S("keys:read"), away = S("203.0.113.0/24"), get = S("GET");
        const int64_t now_s = (int64_t)(f->now_ns / TK_NS_PER_S);
        const struct tk_input_limit nothing = {.kind = S("window"), .per = S("day"), .limit_set = true};
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &last), TK_OK);
        assert_int_equal(issue_admin(f, &f->admin, "clerk", "keys:read", NULL, &helper), TK_OK);

        assert_code(f, set_key(f, &strong, last.key, TK_STATE_REVOKED), TK_FAULT_last_admin);
        assert_code(f, set_key(f, &strong, last.key, TK_STATE_SUSPENDED), TK_FAULT_last_admin);
        assert_code(f, set_consumer(f, &strong, "chief", TK_STATE_SUSPENDED), TK_FAULT_last_admin);
        const struct tk_input_key narrowing[] = {
                {.scopes = {.set = true, .items = &less, .count = 1}},
                {.expires_at = {.set = true, .s = now_s + 3600}},
                {.expires_at = {.set = true, .s = now_s - 1}},
                {.not_before = {.set = true, .s = now_s + 60}},
                {.cidrs = {.set = true, .items = &away, .count = 1}},
                {.methods = {.set = true, .items = &get, .count = 1}},
                {.limits = {.set = true, .items = &nothing, .count = 1}},
        };
        for (size_t i = 0; i < sizeof(narrowing) / sizeof(narrowing[0]); i++)
                assert_code(f, update_key(f, &strong, last.key, narrowing[i]), TK_FAULT_last_admin);
        assert_int_equal(fixture_decide(f, &last, "tollkeeper", "keys:write"), TK_CODE_valid);

        /* What does not shut it out is allowed, and a second one lets the first go. */
        struct tk_str here = S("192.0.2.0/24");
        assert_int_equal(
                update_key(f, &strong, last.key,
                           (struct tk_input_key){.cidrs = {.set = true, .items = &here, .count = 1},
                                                 .expires_at = {.set = true, .s = now_s + 30 * 86400}}),
                TK_OK);
        assert_int_equal(set_key(f, &strong, helper.key, TK_STATE_REVOKED), TK_OK);
        assert_int_equal(issue_admin(f, &strong, "clerk", "keys:write", NULL, &helper), TK_OK);
        assert_int_equal(set_key(f, &strong, last.key, TK_STATE_REVOKED), TK_OK);
        assert_code(f, set_key(f, &strong, helper.key, TK_STATE_REVOKED), TK_FAULT_last_admin);
}

/* Neither a bound key nor one that is suspended otherwise, or ends soon, is another administrator. */
static void a_poor_substitute_is_none(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued last, other;
        struct tk_caller strong = over_the_network(f, "*");
        fixture_issue(f, "weather", NULL, &other);
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &last), TK_OK);
        assert_int_equal(issue_admin(f, &f->admin, "bound", "*", "weather", &other), TK_OK);
        assert_int_equal(issue_admin(f, &f->admin, "away", "*", NULL, &other), TK_OK);
        assert_int_equal(set_consumer(f, &strong, "away", TK_STATE_SUSPENDED), TK_OK);
        assert_int_equal(issue_admin(f, &f->admin, "brief", "*", NULL, &other), TK_OK);
        assert_int_equal(update_key(f, &strong, other.key,
                                    (struct tk_input_key){
                                            .expires_at = {.set = true,
                                                           .s = (int64_t)(f->now_ns / TK_NS_PER_S) + 86400}}),
                         TK_OK);
        assert_code(f, set_key(f, &strong, last.key, TK_STATE_REVOKED), TK_FAULT_last_admin);
}

static void the_socket_may_revoke_everything_and_issue_again(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued last, again;
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &last), TK_OK);
        assert_int_equal(set_key(f, &f->admin, last.key, TK_STATE_REVOKED), TK_OK);
        assert_int_equal(fixture_decide(f, &last, "tollkeeper", "keys:write"), TK_CODE_revoked);
        assert_int_equal(issue_admin(f, &f->admin, "chief", "*", NULL, &again), TK_OK);
        assert_int_equal(fixture_decide(f, &again, "tollkeeper", "keys:write"), TK_CODE_valid);
}

/* ---- refused attempts ---- */

static struct tk_audit_entry *entries_of(struct fixture *f, const char *action, size_t *ret_count)
{
        struct tk_input_audit_filter filter = {.action = tk_str_from(action)};
        struct tk_audit_entry *entries;
        assert_int_equal(tk_service_audit_list(f->service, &filter, (struct tk_page){.limit = 1000},
                                               &f->arena, &entries, ret_count, &f->fault),
                         TK_OK);
        return entries;
}

static void refuse(struct fixture *f, const char *actor, const char *route)
{
        struct tk_fault fault;
        tk_fault_set(&fault, TK_FAULT_forbidden, "Authorization", "ask",
                     "the key lacks the scope keys:write");
        struct tk_refusal refusal = {
                .actor = tk_str_from(actor),
                .source = S("192.0.2.7"),
                .method = "POST",
                .route = route,
                .object = TK_OBJECT_KEY,
                .object_id = 7,
                .fault = &fault,
        };
        tk_service_note_refusal(f->service, &refusal);
}

static void pass_time(struct fixture *f, unsigned seconds)
{
        for (unsigned i = 0; i < seconds; i++) {
                f->now_ns += TK_NS_PER_S;
                tk_service_tick(f->service);
        }
}

static void a_refusal_is_an_entry(void **state)
{
        struct fixture *f = *state;
        size_t count;
        refuse(f, "key_5", "/v1/keys");
        pass_time(f, 1);
        const struct tk_audit_entry *entries = entries_of(f, "refused", &count);
        assert_int_equal(count, 1);
        assert_true(tk_str_equal(entries[0].actor, S("key_5")));
        assert_true(tk_str_equal(entries[0].source, S("192.0.2.7")));
        assert_int_equal(entries[0].object, TK_OBJECT_KEY);
        assert_int_equal(entries[0].object_id, 7);
        const char *after = "\"after\":{\"count\":1,\"detail\":\"the key lacks the scope keys:write\","
                            "\"field\":\"Authorization\",\"problem\":\"forbidden\","
                            "\"route\":\"POST /v1/keys\"}";
        assert_non_null(memmem(entries[0].canonical.ptr, entries[0].canonical.len, after, strlen(after)));
}

static uint64_t counted(const struct tk_audit_entry *entries, size_t count)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
                const char *at = memmem(entries[i].canonical.ptr, entries[i].canonical.len, "\"count\":", 8);
                assert_non_null(at);
                sum += strtoull(at + 8, NULL, 10);
        }
        return sum;
}

/*
 * An hour of 100 refusals a second at one route, and a second actor in between: few entries, and none of them
 * astray.
 */
static void a_flood_of_refusals_is_folded(void **state)
{
        struct fixture *f = *state;
        size_t count;
        for (unsigned second = 0; second < 3600; second++) {
                for (unsigned i = 0; i < 100; i++)
                        refuse(f, "key_5", "/v1/keys");
                if (second == 1800)
                        refuse(f, "key_6", "/v1/keys");
                pass_time(f, 1);
        }
        fixture_reopen(f); /* what has been counted is written when it stops */
        const struct tk_audit_entry *entries = entries_of(f, "refused", &count);
        assert_in_range(count, 3, 12);
        assert_int_equal(counted(entries, count), 3600 * 100 + 1);
}

/* More actors than are watched: those are counted, and the disk is left alone. */
static void more_actors_than_are_watched(void **state)
{
        struct fixture *f = *state;
        struct tk_refusal_stats stats;
        char actor[32];
        size_t count;
        for (unsigned i = 1; i <= 1000; i++) {
                snprintf(actor, sizeof(actor), "key_%u", i);
                refuse(f, actor, "/v1/keys");
        }
        pass_time(f, 1);
        entries_of(f, "refused", &count);
        tk_service_refusal_stats(f->service, &stats);
        assert_int_equal(stats.refused, 1000);
        assert_int_equal(stats.rows, count);
        assert_int_equal(stats.unnoted, 1000 - count);
        assert_in_range(count, 100, 300);
        pass_time(f, 200); /* they are over, and make room */
        refuse(f, "key_2000", "/v1/keys");
        pass_time(f, 1);
        size_t later;
        entries_of(f, "refused", &later);
        assert_int_equal(later, count + 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(a_bound_key_acts_on_its_api_alone),
                T(lists_show_what_a_bound_key_reaches),
                T(a_binding_is_handed_down_and_never_widened),
                T(what_only_apis_may_say),
                T(bindings_outlive_a_restart),
                T(a_consumer_of_others_is_not_theirs_to_suspend),
                T(a_consumer_with_stronger_keys_is_left_alone),
                T(plans_of_tollkeeper_are_for_who_holds_everything),
                T(issuing_an_admin_key_subscribes_nobody),
                T(the_last_admin_key_stays),
                T(a_poor_substitute_is_none),
                T(the_socket_may_revoke_everything_and_issue_again),
                T(a_refusal_is_an_entry),
                T(a_flood_of_refusals_is_folded),
                T(more_actors_than_are_watched),
        };
        return cmocka_run_group_tests_name("service/admins", tests, NULL, NULL);
}
