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

/* ---- changes that are none ---- */

static const struct tk_input_limit limits[] = {{.per = S("1m"), .limit_set = true, .limit = 5}};
static const struct tk_str scopes[] = {S("alerts:read"), S("forecast:*")};
static const struct tk_str scopes_in_another_order[] = {S("forecast:*"), S("alerts:read"), S("forecast:*")};
static const struct tk_str methods[] = {S("GET")}, methods_in_lower_case[] = {S("get")};

#define LIST(array)                                                                                          \
        {                                                                                                    \
                .set = true, .items = (array), .count = sizeof(array) / sizeof((array)[0])                   \
        }

/* Change each noun in a way that makes no difference; the sum of their versions is what is returned. */
static uint64_t change_nothing(struct fixture *f, struct tk_str text, struct tk_str metadata,
                               const struct tk_input_key *key_input, struct tk_str key_id,
                               struct tk_str sub_id)
{
        struct tk_api api;
        struct tk_environment environment;
        struct tk_scope scope;
        struct tk_plan plan;
        struct tk_consumer consumer;
        struct tk_subscription subscription;
        struct tk_key *key;
        struct tk_input_plan plan_input = {.description = text};
        if (text.ptr)
                plan_input.limits = (struct tk_input_limits)LIST(limits);
        struct tk_input_subscription sub_input = {.plan = text.ptr ? S("open") : TK_STR_NONE};
        struct tk_str name = S("weather");
        assert_int_equal(tk_service_api_update(f->service, &f->admin, name, 0,
                                               &(struct tk_input_api){.description = text}, &f->arena, &api,
                                               &f->fault),
                         TK_OK);
        assert_int_equal(describe(f, name, 0, text, &environment), TK_OK);
        assert_int_equal(tk_service_scope_update(f->service, &f->admin, name, S("alerts:read"), 0,
                                                 &(struct tk_input_scope){.description = text}, &f->arena,
                                                 &scope, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_plan_update(f->service, &f->admin, name, S("open"), 0, &plan_input,
                                                &f->arena, &plan, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_consumer_update(
                                 f->service, &f->admin, S("default"), 0,
                                 &(struct tk_input_consumer){.description = text, .metadata = metadata},
                                 &f->arena, &consumer, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_subscription_update(f->service, &f->admin, sub_id, 0, &sub_input,
                                                        &f->arena, &subscription, &f->fault),
                         TK_OK);
        assert_int_equal(tk_service_key_update(f->service, &f->admin, key_id, 0, key_input, &f->arena, &key,
                                               &f->fault),
                         TK_OK);
        assert_true(tk_str_equal(consumer.metadata, S("{\"a\":1,\"b\":2}")));
        return api.version + environment.version + scope.version + plan.version + consumer.version +
               subscription.version + key->version;
}

/* A key of weather with everything that a change can be about, and texts on what surrounds it. */
static struct tk_str make_everything(struct fixture *f)
{
        struct tk_key_issued issued;
        struct tk_key *key;
        fixture_issue(f, "weather", "alerts:read", &issued);
        struct tk_str id = fixture_key_id(f, issued.key);
        fixture_issue(f, "weather", "forecast:read", &issued);
        struct tk_input_key input = {.name = S("shop"),
                                     .metadata = S("{\"a\":1,\"b\":2}"),
                                     .scopes = LIST(scopes),
                                     .limits = LIST(limits),
                                     .methods = LIST(methods),
                                     .expires_at = {.set = true, .s = 4000000000}};
        assert_int_equal(
                tk_service_key_update(f->service, &f->admin, id, 1, &input, &f->arena, &key, &f->fault),
                TK_OK);
        assert_int_equal(key->version, 2);
        struct tk_consumer consumer;
        assert_int_equal(
                tk_service_consumer_update(f->service, &f->admin, S("default"), 0,
                                           &(struct tk_input_consumer){.metadata = S("{\"a\":1,\"b\":2}")},
                                           &f->arena, &consumer, &f->fault),
                TK_OK);
        struct tk_plan plan;
        struct tk_input_plan plan_input = {.limits = LIST(limits)};
        assert_int_equal(tk_service_plan_update(f->service, &f->admin, S("weather"), S("open"), 0,
                                                &plan_input, &f->arena, &plan, &f->fault),
                         TK_OK);
        return id;
}

static struct tk_str only_subscription(struct fixture *f)
{
        struct tk_input_subscription_filter filter = {.api = S("weather")};
        struct tk_subscription *list;
        size_t count;
        assert_int_equal(tk_service_subscription_list(f->service, &filter, (struct tk_page){.limit = 2},
                                                      &f->arena, &list, &count, &f->fault),
                         TK_OK);
        assert_int_equal(count, 1);
        return tk_arena_printf(&f->arena, "sub_%llu", (unsigned long long)list[0].id);
}

static void a_change_that_changes_nothing_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        struct tk_str key_id = make_everything(f), sub_id = only_subscription(f);
        struct tk_input_key nothing = {0};
        struct tk_input_key same = {.name = S("shop"),
                                    .metadata = S("{\"b\":2,\"a\":1}"),
                                    .scopes = LIST(scopes_in_another_order),
                                    .limits = LIST(limits),
                                    .methods = LIST(methods_in_lower_case),
                                    .expires_at = {.set = true, .s = 4000000000}};
        struct census before = census_of(f);
        f->now_ns += 5 * TK_NS_PER_S;
        uint64_t versions = change_nothing(f, TK_STR_NONE, TK_STR_NONE, &nothing, key_id, sub_id);
        assert_int_equal(change_nothing(f, S(""), S("{\"b\":2,\"a\":1}"), &same, key_id, sub_id), versions);
        struct census after = census_of(f);
        assert_int_equal(after.feed_seq, before.feed_seq);
        assert_int_equal(after.newest->seq, before.newest->seq);
        assert_int_equal(versions, 1 + 1 + 1 + 2 + 2 + 1 + 2);
        struct tk_environment environment;
        assert_int_equal(describe(f, S("weather"), 1, S("other"), &environment), TK_OK);
        assert_int_equal(census_of(f).feed_seq, before.feed_seq + 1);
}

/* It says so also where the version is not the one that was read. */
static void no_change_to_another_version_is_stale(void **state)
{
        struct fixture *f = *state;
        struct tk_environment environment;
        struct tk_key_issued issued;
        fixture_issue(f, "weather", NULL, &issued);
        assert_int_equal(describe(f, S("weather"), 2, S(""), &environment), TK_STALE);
}

/* ---- keys in texts ---- */

static void assert_refuses_key(struct fixture *f, enum tk_err err, const char *field, struct tk_str plaintext)
{
        assert_int_equal(err, TK_INVALID);
        assert_int_equal(f->fault.code, TK_FAULT_invalid_value);
        assert_string_equal(f->fault.field, field);
        assert_non_null(strstr(f->fault.detail, "it holds an API key"));
        assert_null(memmem(f->fault.detail, strlen(f->fault.detail), plaintext.ptr, plaintext.len));
}

static void a_plaintext_key_is_written_down_nowhere(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued, second;
        struct tk_consumer consumer;
        struct tk_environment environment;
        struct tk_key *key;
        fixture_issue(f, "weather", NULL, &issued);
        struct tk_str plain = tk_secret_view(&issued.plaintext), id = fixture_key_id(f, issued.key);
        struct tk_str within = tk_arena_printf(&f->arena, "used with key=\"%.*s\".", TK_STR_ARG(plain));
        struct tk_str member = tk_arena_printf(&f->arena, "{\"k\":\"%.*s\"}", TK_STR_ARG(plain));
        uint64_t feed_seq = census_of(f).feed_seq;

        struct tk_input_consumer named = {.name = plain};
        assert_refuses_key(
                f, tk_service_consumer_create(f->service, &f->admin, &named, &f->arena, &consumer, &f->fault),
                "/name", plain);
        struct tk_input_key owned = {.api = S("weather"), .consumer = plain, .create_missing = true};
        assert_refuses_key(f,
                           tk_service_key_issue(f->service, &f->admin, &owned, &f->arena, &second, &f->fault),
                           "/consumer", plain);
        struct tk_input_key called = {.name = within};
        assert_refuses_key(
                f, tk_service_key_update(f->service, &f->admin, id, 0, &called, &f->arena, &key, &f->fault),
                "/name", plain);
        struct tk_input_key noted = {.metadata = member};
        assert_refuses_key(
                f, tk_service_key_update(f->service, &f->admin, id, 0, &noted, &f->arena, &key, &f->fault),
                "/metadata", plain);
        assert_refuses_key(f, describe(f, S("weather"), 0, within, &environment), "/description", plain);
        assert_refuses_key(f,
                           tk_service_key_set_state(f->service, &f->admin, id, 0, TK_STATE_REVOKED, within,
                                                    &f->arena, &key, NULL, &f->fault),
                           "/reason", plain);
        assert_int_equal(census_of(f).feed_seq, feed_seq);

        /* One character less, and it is none. */
        struct tk_str broken = {plain.ptr, plain.len - 1};
        assert_int_equal(describe(f, S("weather"), 0, broken, &environment), TK_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(an_environment_is_described),
                T(a_change_that_changes_nothing_leaves_nothing),
                T(no_change_to_another_version_is_stale),
                T(a_plaintext_key_is_written_down_nowhere),
        };
        return cmocka_run_group_tests_name("service/changes", tests, NULL, NULL);
}
