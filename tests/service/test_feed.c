/*
 * From the registry's feed to the gate: in whatever order changes come, and however much they ask for, what is committed can be
 * published. A row that cannot would hold up every write after it, and the next start.
 */
#include "fixture.h"

#include "registry/registry.h"

#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define S(text) TK_STR(text)

static struct tk_consumer make_consumer(struct fixture *f, const char *name)
{
        struct tk_input_consumer input = {.name = tk_str_from(name)};
        struct tk_consumer consumer;
        assert_int_equal(
                tk_service_consumer_create(f->service, &f->admin, &input, &f->arena, &consumer, &f->fault),
                TK_OK);
        return consumer;
}

struct both_job {
        struct tk_arena *arena;
        uint64_t key_id, plan_id;
};

/* Two changes as one group commit has them: the key's row before that of the subscription which its key has by then. */
static enum tk_err change_both(struct tk_txn *txn, void *context)
{
        struct both_job *job = context;
        struct tk_change change = {
                .at_s = 1, .actor = S("system"), .source = S("local"), .action = S("test")};
        struct tk_key key;
        enum tk_err err = tk_key_get(txn, job->key_id, job->arena, &key);
        key.name = S("renamed");
        if (err == TK_OK)
                err = tk_key_update(txn, &key, &change);
        struct tk_subscription subscription = {.consumer_id = key.consumer_id,
                                               .environment_id = key.environment_id,
                                               .plan_id = job->plan_id,
                                               .state = TK_STATE_ACTIVE,
                                               .started_s = 1};
        return err == TK_OK ? tk_subscription_create(txn, &subscription, &change) : err;
}

static void a_key_may_come_before_its_subscription(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued first, issued;
        fixture_issue(f, "weather", NULL, &first); /* makes the plan `open` */
        struct tk_plan plan;
        make_consumer(f, "acme");
        assert_int_equal(
                tk_service_plan_get(f->service, S("weather"), S("open"), &f->arena, &plan, &f->fault), TK_OK);
        struct tk_input_limit limit = {.per = S("1h"), .limit_set = true, .limit = 1};
        assert_int_equal(
                tk_service_plan_update(
                        f->service, &f->admin, S("weather"), S("open"), TK_VERSION_ANY,
                        &(struct tk_input_plan){.limits = {.set = true, .items = &limit, .count = 1}},
                        &f->arena, &plan, &f->fault),
                TK_OK);
        struct tk_input_key input = {.api = S("weather"), .consumer = S("acme")};
        assert_int_equal(tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                         TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);

        struct both_job job = {.arena = &f->arena, .key_id = issued.key->id, .plan_id = plan.id};
        struct tk_registry *registry = tk_service_registry(f->service);
        assert_int_equal(tk_registry_write(registry, TK_LANE_NORMAL, change_both, &job), TK_OK);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &issued, "weather", ""), TK_CODE_rate_limited);
}

/* A key of `api` with so many wildcards that no other has. */
static enum tk_err issue_with_new_scopes(struct fixture *f, const char *api, unsigned round)
{
        char names[TK_KEY_SCOPES_MAX][24];
        struct tk_str scopes[TK_KEY_SCOPES_MAX];
        for (unsigned i = 0; i < TK_KEY_SCOPES_MAX; i++) {
                snprintf(names[i], sizeof names[i], "r%u-%u:*", round, i);
                scopes[i] = tk_str_from(names[i]);
        }
        struct tk_input_key input = {.api = tk_str_from(api),
                                     .scopes = {.set = true, .items = scopes, .count = TK_KEY_SCOPES_MAX},
                                     .create_missing = true};
        struct tk_key_issued issued;
        return tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault);
}

/* An API has so many different scopes in the gate and no more: whoever uses them up is refused, and nobody else. */
static void scopes_that_the_gate_has_no_room_for_are_refused(void **state)
{
        struct fixture *f = *state;
        unsigned rounds = 0;
        while (issue_with_new_scopes(f, "weather", rounds) == TK_OK)
                rounds++;
        assert_int_equal(rounds, 4096 / TK_KEY_SCOPES_MAX);
        assert_int_equal(f->fault.code, TK_FAULT_insufficient_storage);
        assert_string_equal(f->fault.field, "/scopes");

        struct tk_key_issued issued;
        fixture_issue(f, "weather", "r0-0:*", &issued);
        assert_int_equal(fixture_decide(f, &issued, "weather", "r0-0:read"), TK_CODE_valid);
        assert_int_equal(issue_with_new_scopes(f, "maps", 0), TK_OK);

        struct tk_str wanted = S("more:*");
        struct tk_input_scope more = {.name = S("more:read")};
        struct tk_scope scope;
        assert_int_equal(tk_service_scope_create(f->service, &f->admin, S("weather"), &more, &f->arena,
                                                 &scope, &f->fault),
                         TK_OK);
        struct tk_input_key change = {.scopes = {.set = true, .items = &wanted, .count = 1}};
        struct tk_key *changed;
        assert_int_equal(tk_service_key_update(f->service, &f->admin, fixture_key_id(f, issued.key),
                                               TK_VERSION_ANY, &change, &f->arena, &changed, &f->fault),
                         TK_FULL);
        fixture_reopen(f);
        assert_int_equal(fixture_decide(f, &issued, "weather", "r0-0:read"), TK_CODE_valid);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(a_key_may_come_before_its_subscription),
                T(scopes_that_the_gate_has_no_room_for_are_refused),
        };
        return cmocka_run_group_tests_name("service/feed", tests, NULL, NULL);
}
