/*
 * The contract of APIs, environments, scopes, plans, consumers, subscriptions and peppers, on whatever engine.
 */
#include "fixture.h"

#include <string.h>

/* ---- APIs ---- */

static struct tk_api new_api(struct tk_str name)
{
        return (struct tk_api){.state = TK_STATE_ACTIVE, .name = name, .prefix = TK_STR("tk")};
}

static void assert_api(const struct tk_api *got, const struct tk_api *expected)
{
        assert_int_equal(got->id, expected->id);
        assert_int_equal(got->version, expected->version);
        assert_int_equal(got->state, expected->state);
        assert_str(got->name, expected->name);
        assert_str(got->description, expected->description);
        assert_str(got->prefix, expected->prefix);
        assert_int_equal(got->created_s, expected->created_s);
        assert_int_equal(got->updated_s, expected->updated_s);
}

static void api_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct tk_api api = new_api(fixture_text(f, TK_NAME_MAX)), got;

        api.state = TK_STATE_SUSPENDED;
        api.description = fixture_text(f, TK_DESCRIPTION_MAX);
        assert_err(WRITE(f, tk_api_create(txn, &api, &f->change)), TK_OK);
        assert_int_equal(api.id, 1);
        assert_int_equal(api.version, 1);
        assert_int_equal(api.created_s, NOW_S);
        assert_int_equal(api.updated_s, NOW_S);

        assert_err(READ(f, tk_api_get(txn, api.id, &f->arena, &got)), TK_OK);
        assert_api(&got, &api);
        assert_err(READ(f, tk_api_find(txn, api.name, &f->arena, &got)), TK_OK);
        assert_api(&got, &api);
}

static void api_may_have_empty_text(void **state)
{
        struct fixture *f = *state;
        struct tk_api api = new_api(TK_STR("weather")), got;

        api.description = TK_STR_NONE;
        assert_err(WRITE(f, tk_api_create(txn, &api, &f->change)), TK_OK);
        assert_err(READ(f, tk_api_get(txn, api.id, &f->arena, &got)), TK_OK);
        assert_non_null(got.description.ptr);
        assert_int_equal(got.description.len, 0);
}

static void api_that_is_not_there(void **state)
{
        struct fixture *f = *state;
        struct tk_api got = {.id = 77}, missing = new_api(TK_STR("x"));

        missing.id = 9;
        missing.version = 1;
        assert_err(READ(f, tk_api_get(txn, 1, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_api_get(txn, 0, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_api_get(txn, UINT64_MAX, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_api_find(txn, TK_STR("none"), &f->arena, &got)), TK_NOT_FOUND);
        assert_err(WRITE(f, tk_api_update(txn, &missing, &f->change)), TK_NOT_FOUND);
        assert_int_equal(got.id, 77);
        assert_int_equal(fixture_feed_last(f), 0);
}

static void api_name_is_unique(void **state)
{
        struct fixture *f = *state;
        struct tk_api first = new_api(TK_STR("weather")), second = new_api(TK_STR("maps")), got;

        assert_err(WRITE(f, tk_api_create(txn, &first, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_api_create(txn, &(struct tk_api){.state = TK_STATE_ACTIVE, .name = first.name},
                                          &f->change)),
                   TK_CONFLICT);
        assert_err(WRITE(f, tk_api_create(txn, &second, &f->change)), TK_OK);
        got = second;
        got.name = first.name;
        assert_err(WRITE(f, tk_api_update(txn, &got, &f->change)), TK_CONFLICT);
        assert_err(READ(f, tk_api_get(txn, second.id, &f->arena, &got)), TK_OK);
        assert_api(&got, &second);
        fixture_check(f);
}

static void api_update_raises_the_version(void **state)
{
        struct fixture *f = *state;
        struct tk_api api = new_api(TK_STR("weather")), stale, got;

        assert_err(WRITE(f, tk_api_create(txn, &api, &f->change)), TK_OK);
        stale = api;
        api.state = TK_STATE_SUSPENDED;
        api.name = TK_STR("climate");
        api.description = TK_STR("d");
        f->change.at_s++;
        assert_err(WRITE(f, tk_api_update(txn, &api, &f->change)), TK_OK);
        assert_int_equal(api.version, 2);
        assert_int_equal(api.created_s, NOW_S);
        assert_int_equal(api.updated_s, NOW_S + 1);
        assert_err(READ(f, tk_api_get(txn, api.id, &f->arena, &got)), TK_OK);
        assert_api(&got, &api);

        assert_err(WRITE(f, tk_api_update(txn, &stale, &f->change)), TK_STALE);
        assert_int_equal(stale.version, 1);
        stale.version = 3;
        assert_err(WRITE(f, tk_api_update(txn, &stale, &f->change)), TK_STALE);
        assert_err(READ(f, tk_api_get(txn, api.id, &f->arena, &got)), TK_OK);
        assert_api(&got, &api);
}

static void api_prefix_never_changes(void **state)
{
        struct fixture *f = *state;
        struct tk_api api = new_api(TK_STR("weather")), got;

        assert_err(WRITE(f, tk_api_create(txn, &api, &f->change)), TK_OK);
        api.prefix = TK_STR("other");
        assert_err(WRITE(f, tk_api_update(txn, &api, &f->change)), TK_OK);
        assert_err(READ(f, tk_api_get(txn, api.id, &f->arena, &got)), TK_OK);
        assert_str(got.prefix, TK_STR("tk"));
}

static void what_no_engine_stores_is_refused(void **state)
{
        struct fixture *f = *state;
        struct tk_api nul = new_api(TK_STR("a\0b")), utf8 = new_api(TK_STR("\xc3(")),
                      empty = new_api(TK_STR(""));
        struct tk_api state_unknown = new_api(TK_STR("x"));

        state_unknown.state = (enum tk_state)9;
        assert_err(WRITE(f, tk_api_create(txn, &nul, &f->change)), TK_INVALID);
        assert_err(WRITE(f, tk_api_create(txn, &utf8, &f->change)), TK_INVALID);
        assert_err(WRITE(f, tk_api_create(txn, &empty, &f->change)), TK_INVALID);
        assert_err(WRITE(f, tk_api_create(txn, &state_unknown, &f->change)), TK_INVALID);
        assert_int_equal(fixture_feed_last(f), 0);
        assert_int_equal(fixture_audit_last(f), 0);
}

static void apis_are_listed_in_pages(void **state)
{
        struct fixture *f = *state;
        struct tk_api *apis;
        size_t count;

        assert_err(READ(f, tk_api_list(txn, (struct tk_page){0, 10}, &f->arena, &apis, &count)), TK_OK);
        assert_int_equal(count, 0);
        for (unsigned i = 0; i < 40; i++) {
                struct tk_api api = new_api(tk_arena_printf(&f->arena, "api-%u", i));

                assert_err(WRITE(f, tk_api_create(txn, &api, &f->change)), TK_OK);
        }
        assert_err(READ(f, tk_api_list(txn, (struct tk_page){0, 1000}, &f->arena, &apis, &count)), TK_OK);
        assert_int_equal(count, 40);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(apis[i].id, i + 1);
        assert_err(READ(f, tk_api_list(txn, (struct tk_page){38, 5}, &f->arena, &apis, &count)), TK_OK);
        assert_int_equal(count, 2);
        assert_int_equal(apis[0].id, 39);
        assert_str(apis[1].name, TK_STR("api-39"));
        assert_err(READ(f, tk_api_list(txn, (struct tk_page){UINT64_MAX, 5}, &f->arena, &apis, &count)),
                   TK_OK);
        assert_int_equal(count, 0);
        assert_err(READ(f, tk_api_list(txn, (struct tk_page){0, 0}, &f->arena, &apis, &count)), TK_INVALID);
        assert_err(READ(f, tk_api_list(txn, (struct tk_page){0, 1001}, &f->arena, &apis, &count)),
                   TK_INVALID);
}

/* ---- environments ---- */

static struct tk_environment new_environment(uint64_t api_id, struct tk_str name, struct tk_str tag)
{
        return (struct tk_environment){.api_id = api_id, .state = TK_STATE_ACTIVE, .name = name, .tag = tag};
}

static void environment_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct tk_environment got;
        struct world w;

        fixture_world(f, &w);
        assert_err(READ(f, tk_environment_find(txn, w.api.id, TK_STR("production"), &f->arena, &got)), TK_OK);
        assert_int_equal(got.id, w.environment.id);
        assert_int_equal(got.version, 1);
        assert_int_equal(got.api_id, w.api.id);
        assert_int_equal(got.state, TK_STATE_ACTIVE);
        assert_str(got.api_name, TK_STR("weather"));
        assert_str(got.name, TK_STR("production"));
        assert_str(got.tag, TK_STR("live"));
        assert_str(got.description, TK_STR("Für alle"));
        assert_str(got.prefix, TK_STR("tk"));
        assert_true(got.created_s == NOW_S && got.updated_s == NOW_S);

        w.environment.state = TK_STATE_SUSPENDED;
        w.environment.description = TK_STR_NONE;
        f->change.at_s++;
        assert_err(WRITE(f, tk_environment_update(txn, &w.environment, &f->change)), TK_OK);
        assert_err(READ(f, tk_environment_get(txn, w.environment.id, &f->arena, &got)), TK_OK);
        assert_true(got.state == TK_STATE_SUSPENDED && got.description.len == 0);
        assert_int_equal(got.version, 2);
        assert_int_equal(got.updated_s, NOW_S + 1);
        w.environment.version = 1;
        assert_err(WRITE(f, tk_environment_update(txn, &w.environment, &f->change)), TK_STALE);
        assert_err(READ(f, tk_environment_get(txn, 99, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_environment_find(txn, 99, w.environment.name, &f->arena, &got)), TK_NOT_FOUND);
}

static void environment_is_unique_in_its_api(void **state)
{
        struct fixture *f = *state;
        struct tk_api maps = new_api(TK_STR("maps"));
        struct tk_environment same_name, same_tag, elsewhere, nowhere;
        struct world w;

        fixture_world(f, &w);
        assert_err(WRITE(f, tk_api_create(txn, &maps, &f->change)), TK_OK);
        same_name = new_environment(w.api.id, TK_STR("production"), TK_STR("prod"));
        same_tag = new_environment(w.api.id, TK_STR("other"), TK_STR("live"));
        elsewhere = new_environment(maps.id, TK_STR("production"), TK_STR("live"));
        nowhere = new_environment(99, TK_STR("production"), TK_STR("live"));
        assert_err(WRITE(f, tk_environment_create(txn, &same_name, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_environment_create(txn, &same_tag, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_environment_create(txn, &nowhere, &f->change)), TK_NOT_FOUND);
        assert_err(WRITE(f, tk_environment_create(txn, &elsewhere, &f->change)), TK_OK);
        fixture_check(f);
}

static void environments_are_listed_by_api(void **state)
{
        struct fixture *f = *state;
        struct tk_api maps = new_api(TK_STR("maps"));
        struct tk_environment other, *list;
        size_t count;
        struct world w;

        fixture_world(f, &w);
        assert_err(WRITE(f, tk_api_create(txn, &maps, &f->change)), TK_OK);
        other = new_environment(maps.id, TK_STR("test"), TK_STR("test"));
        assert_err(WRITE(f, tk_environment_create(txn, &other, &f->change)), TK_OK);
        assert_err(READ(f, tk_environment_list(txn, 0, (struct tk_page){0, 10}, &f->arena, &list, &count)),
                   TK_OK);
        assert_int_equal(count, 2);
        assert_err(
                READ(f, tk_environment_list(txn, maps.id, (struct tk_page){0, 10}, &f->arena, &list, &count)),
                TK_OK);
        assert_int_equal(count, 1);
        assert_int_equal(list[0].id, other.id);
        assert_str(list[0].api_name, TK_STR("maps"));
        assert_err(READ(f, tk_environment_list(txn, maps.id, (struct tk_page){other.id, 10}, &f->arena, &list,
                                               &count)),
                   TK_OK);
        assert_int_equal(count, 0);
}

/* ---- scopes ---- */

static void scope_life(void **state)
{
        struct fixture *f = *state;
        struct tk_scope scope, again, nowhere = {.api_id = 99, .name = TK_STR("a:b")}, got, *list;
        size_t count;
        struct world w;

        fixture_world(f, &w);
        scope = (struct tk_scope){.api_id = w.api.id, .name = TK_STR("forecast:read")};
        again = scope;
        assert_err(WRITE(f, tk_scope_create(txn, &scope, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_scope_create(txn, &again, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_scope_create(txn, &nowhere, &f->change)), TK_NOT_FOUND);

        scope.description = fixture_text(f, TK_DESCRIPTION_MAX);
        scope.name = TK_STR("ignored");
        f->change.at_s++;
        assert_err(WRITE(f, tk_scope_update(txn, &scope, &f->change)), TK_OK);
        assert_err(READ(f, tk_scope_find(txn, w.api.id, TK_STR("forecast:read"), &f->arena, &got)), TK_OK);
        assert_int_equal(got.id, scope.id);
        assert_int_equal(got.version, 2);
        assert_int_equal(got.api_id, w.api.id);
        assert_str(got.description, scope.description);
        assert_int_equal(got.created_s, NOW_S);
        assert_int_equal(got.updated_s, NOW_S + 1);
        assert_err(READ(f, tk_scope_get(txn, scope.id, &f->arena, &got)), TK_OK);
        assert_str(got.name, TK_STR("forecast:read"));

        scope.version = 1;
        assert_err(WRITE(f, tk_scope_update(txn, &scope, &f->change)), TK_STALE);
        scope.id = 99;
        assert_err(WRITE(f, tk_scope_update(txn, &scope, &f->change)), TK_NOT_FOUND);
        assert_err(READ(f, tk_scope_get(txn, 99, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_scope_find(txn, w.api.id, TK_STR("x"), &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_scope_list(txn, w.api.id, (struct tk_page){0, 10}, &f->arena, &list, &count)),
                   TK_OK);
        assert_int_equal(count, 1);
        assert_err(READ(f, tk_scope_list(txn, 99, (struct tk_page){0, 10}, &f->arena, &list, &count)), TK_OK);
        assert_int_equal(count, 0);
        fixture_check(f);
}

/* ---- plans ---- */

static const struct tk_limit_def rate = {.kind = TK_LIMIT_RATE,
                                         .limit = TK_LIMIT_UNITS_MAX,
                                         .burst = TK_LIMIT_UNITS_MAX,
                                         .length_s = 31622400,
                                         .name = "abcdefghijklmnopqrstuvwxyz012345"};
static const struct tk_limit_def window = {
        .kind = TK_LIMIT_WINDOW, .period = TK_PERIOD_MONTH, .anchored = true, .limit = 1, .shadow = true};

static void assert_limit(const struct tk_limit_def *got, const struct tk_limit_def *expected)
{
        assert_int_equal(got->kind, expected->kind);
        assert_int_equal(got->period, expected->period);
        assert_true(got->anchored == expected->anchored && got->shadow == expected->shadow);
        assert_int_equal(got->limit, expected->limit);
        assert_int_equal(got->burst, expected->burst);
        assert_int_equal(got->length_s, expected->length_s);
        assert_string_equal(got->name, expected->name);
}

static void plan_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct tk_plan plan, got;
        struct world w;

        fixture_world(f, &w);
        plan = (struct tk_plan){.api_id = w.api.id,
                                .name = TK_STR("gold"),
                                .description = fixture_text(f, TK_DESCRIPTION_MAX),
                                .limit_count = TK_LIMITS_MAX};
        for (unsigned i = 0; i < TK_LIMITS_MAX; i++) {
                plan.limits[i] = i % 2 == 0 ? rate : window;
                if (i % 2 == 1)
                        plan.limits[i].period = (enum tk_period_kind)(i % 5);
        }
        assert_err(WRITE(f, tk_plan_create(txn, &plan, &f->change)), TK_OK);
        assert_err(READ(f, tk_plan_find(txn, w.api.id, TK_STR("gold"), &f->arena, &got)), TK_OK);
        assert_int_equal(got.id, plan.id);
        assert_int_equal(got.version, 1);
        assert_int_equal(got.api_id, w.api.id);
        assert_str(got.api_name, TK_STR("weather"));
        assert_str(got.name, plan.name);
        assert_str(got.description, plan.description);
        assert_int_equal(got.limit_count, TK_LIMITS_MAX);
        for (unsigned i = 0; i < TK_LIMITS_MAX; i++)
                assert_limit(&got.limits[i], &plan.limits[i]);
        assert_int_equal(got.created_s, NOW_S);
}

static void plan_life(void **state)
{
        struct fixture *f = *state;
        struct tk_plan plan, got, *list;
        size_t count;
        struct world w;

        fixture_world(f, &w);
        plan = w.plan;
        plan.name = TK_STR("free");
        plan.limits[0] = window;
        plan.limit_count = 1;
        f->change.at_s++;
        assert_err(WRITE(f, tk_plan_update(txn, &plan, &f->change)), TK_OK);
        assert_int_equal(plan.version, 2);
        assert_err(READ(f, tk_plan_get(txn, plan.id, &f->arena, &got)), TK_OK);
        assert_str(got.name, TK_STR("free"));
        assert_int_equal(got.limit_count, 1);
        assert_limit(&got.limits[0], &window);
        assert_int_equal(got.updated_s, NOW_S + 1);

        assert_err(WRITE(f, tk_plan_update(txn, &w.plan, &f->change)), TK_STALE);
        w.plan.id = 99;
        assert_err(WRITE(f, tk_plan_update(txn, &w.plan, &f->change)), TK_NOT_FOUND);
        got = plan;
        assert_err(WRITE(f, tk_plan_create(txn, &got, &f->change)), TK_CONFLICT);
        got = (struct tk_plan){.api_id = 99, .name = TK_STR("x")};
        assert_err(WRITE(f, tk_plan_create(txn, &got, &f->change)), TK_NOT_FOUND);
        assert_err(READ(f, tk_plan_get(txn, 99, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_plan_find(txn, w.api.id, TK_STR("open"), &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_plan_list(txn, w.api.id, (struct tk_page){0, 10}, &f->arena, &list, &count)),
                   TK_OK);
        assert_int_equal(count, 1);
        assert_str(list[0].api_name, TK_STR("weather"));
        fixture_check(f);
}

static void limits_that_cannot_be_stored_are_refused(void **state)
{
        struct fixture *f = *state;
        struct tk_plan plan;
        struct world w;

        fixture_world(f, &w);
        plan = (struct tk_plan){.api_id = w.api.id, .name = TK_STR("x"), .limit_count = TK_LIMITS_MAX + 1};
        assert_err(WRITE(f, tk_plan_create(txn, &plan, &f->change)), TK_INVALID);
        plan.limit_count = 1;
        plan.limits[0] = (struct tk_limit_def){.kind = (enum tk_limit_kind)7};
        assert_err(WRITE(f, tk_plan_create(txn, &plan, &f->change)), TK_INVALID);
        plan.limits[0] = window;
        memset(plan.limits[0].name, 'x', sizeof plan.limits[0].name);
        assert_err(WRITE(f, tk_plan_create(txn, &plan, &f->change)), TK_INVALID);
        fixture_check(f);
}

/* ---- consumers ---- */

static void consumer_life(void **state)
{
        struct fixture *f = *state;
        struct tk_consumer consumer = {.state = TK_STATE_ACTIVE,
                                       .name = fixture_text(f, TK_NAME_MAX),
                                       .description = fixture_text(f, TK_DESCRIPTION_MAX),
                                       .metadata = fixture_text(f, TK_METADATA_MAX)};
        struct tk_consumer again = consumer, got, *list;
        size_t count;

        assert_err(WRITE(f, tk_consumer_create(txn, &consumer, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_consumer_create(txn, &again, &f->change)), TK_CONFLICT);
        assert_err(READ(f, tk_consumer_find(txn, consumer.name, &f->arena, &got)), TK_OK);
        assert_int_equal(got.id, consumer.id);
        assert_int_equal(got.version, 1);
        assert_int_equal(got.state, TK_STATE_ACTIVE);
        assert_str(got.name, consumer.name);
        assert_str(got.description, consumer.description);
        assert_str(got.metadata, consumer.metadata);
        assert_int_equal(got.created_s, NOW_S);
        assert_int_equal(got.updated_s, NOW_S);

        again = consumer;
        consumer = (struct tk_consumer){.id = consumer.id,
                                        .version = 1,
                                        .state = TK_STATE_SUSPENDED,
                                        .name = TK_STR("b"),
                                        .description = TK_STR("c"),
                                        .metadata = TK_STR("{}")};
        f->change.at_s++;
        assert_err(WRITE(f, tk_consumer_update(txn, &consumer, &f->change)), TK_OK);
        assert_err(READ(f, tk_consumer_get(txn, consumer.id, &f->arena, &got)), TK_OK);
        assert_int_equal(got.version, 2);
        assert_int_equal(got.state, TK_STATE_SUSPENDED);
        assert_str(got.name, TK_STR("b"));
        assert_str(got.description, TK_STR("c"));
        assert_str(got.metadata, TK_STR("{}"));
        assert_int_equal(got.updated_s, NOW_S + 1);

        assert_err(WRITE(f, tk_consumer_update(txn, &again, &f->change)), TK_STALE);
        again.id = 99;
        assert_err(WRITE(f, tk_consumer_update(txn, &again, &f->change)), TK_NOT_FOUND);
        assert_err(READ(f, tk_consumer_get(txn, 99, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_consumer_find(txn, TK_STR("x"), &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_consumer_list(txn, (struct tk_page){0, 10}, &f->arena, &list, &count)), TK_OK);
        assert_int_equal(count, 1);
        fixture_check(f);
}

/* ---- subscriptions ---- */

static struct tk_subscription new_subscription(const struct world *w)
{
        return (struct tk_subscription){.consumer_id = w->consumer.id,
                                        .environment_id = w->environment.id,
                                        .plan_id = w->plan.id,
                                        .state = TK_STATE_ACTIVE,
                                        .started_s = NOW_S - 5};
}

static void subscription_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct tk_subscription subscription, got;
        struct world w;

        fixture_world(f, &w);
        subscription = new_subscription(&w);
        assert_err(WRITE(f, tk_subscription_create(txn, &subscription, &f->change)), TK_OK);
        assert_err(READ(f, tk_subscription_find(txn, w.consumer.id, w.environment.id, &f->arena, &got)),
                   TK_OK);
        assert_int_equal(got.id, subscription.id);
        assert_int_equal(got.version, 1);
        assert_int_equal(got.consumer_id, w.consumer.id);
        assert_int_equal(got.environment_id, w.environment.id);
        assert_int_equal(got.plan_id, w.plan.id);
        assert_int_equal(got.state, TK_STATE_ACTIVE);
        assert_str(got.consumer_name, TK_STR("acme"));
        assert_str(got.api_name, TK_STR("weather"));
        assert_str(got.environment_name, TK_STR("production"));
        assert_str(got.plan_name, TK_STR("open"));
        assert_int_equal(got.started_s, NOW_S - 5);
        assert_int_equal(got.created_s, NOW_S);
        assert_int_equal(got.updated_s, NOW_S);
        assert_err(READ(f, tk_subscription_get(txn, 99, &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_subscription_find(txn, 99, w.environment.id, &f->arena, &got)), TK_NOT_FOUND);
}

static void subscription_refers_to_what_exists(void **state)
{
        struct fixture *f = *state;
        struct tk_subscription no_consumer, no_environment, no_plan;
        struct world w;

        fixture_world(f, &w);
        no_consumer = no_environment = no_plan = new_subscription(&w);
        no_consumer.consumer_id = no_environment.environment_id = no_plan.plan_id = 99;
        assert_err(WRITE(f, tk_subscription_create(txn, &no_consumer, &f->change)), TK_NOT_FOUND);
        assert_err(WRITE(f, tk_subscription_create(txn, &no_environment, &f->change)), TK_NOT_FOUND);
        assert_err(WRITE(f, tk_subscription_create(txn, &no_plan, &f->change)), TK_NOT_FOUND);
        fixture_check(f);
}

static void subscription_is_one_at_a_time_and_ends_for_good(void **state)
{
        struct fixture *f = *state;
        struct tk_subscription first, second, got;
        struct world w;

        fixture_world(f, &w);
        first = second = new_subscription(&w);
        assert_err(WRITE(f, tk_subscription_create(txn, &first, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_subscription_create(txn, &second, &f->change)), TK_CONFLICT);
        first.state = TK_STATE_SUSPENDED;
        assert_err(WRITE(f, tk_subscription_update(txn, &first, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_subscription_create(txn, &second, &f->change)), TK_CONFLICT);
        first.state = TK_STATE_ENDED;
        assert_err(WRITE(f, tk_subscription_update(txn, &first, &f->change)), TK_OK);
        assert_err(READ(f, tk_subscription_find(txn, w.consumer.id, w.environment.id, &f->arena, &got)),
                   TK_NOT_FOUND);
        assert_err(WRITE(f, tk_subscription_create(txn, &second, &f->change)), TK_OK);
        assert_err(READ(f, tk_subscription_find(txn, w.consumer.id, w.environment.id, &f->arena, &got)),
                   TK_OK);
        assert_int_equal(got.id, second.id);

        first.state = TK_STATE_ACTIVE;
        assert_err(WRITE(f, tk_subscription_update(txn, &first, &f->change)), TK_CONFLICT);
        assert_err(READ(f, tk_subscription_get(txn, first.id, &f->arena, &got)), TK_OK);
        assert_int_equal(got.state, TK_STATE_ENDED);
        first.version--;
        assert_err(WRITE(f, tk_subscription_update(txn, &first, &f->change)), TK_STALE);
        fixture_check(f);
}

/* Two APIs, the first with two environments: four subscriptions that differ in everything a filter can name. */
struct crowd {
        uint64_t api_ids[2], environment_ids[3], plan_ids[2], consumer_ids[2];
        struct {
                uint64_t api_id;
                struct tk_subscription subscription;
        } all[4];
};

static void subscribe(struct fixture *f, struct crowd *crowd, unsigned at, unsigned consumer,
                      unsigned environment, unsigned plan)
{
        struct tk_subscription *s = &crowd->all[at].subscription;

        *s = (struct tk_subscription){.consumer_id = crowd->consumer_ids[consumer],
                                      .environment_id = crowd->environment_ids[environment],
                                      .plan_id = crowd->plan_ids[plan],
                                      .state = TK_STATE_ACTIVE};
        crowd->all[at].api_id = crowd->api_ids[environment < 2 ? 0 : 1];
        assert_err(WRITE(f, tk_subscription_create(txn, s, &f->change)), TK_OK);
}

static void make_crowd(struct fixture *f, struct crowd *crowd)
{
        struct tk_consumer globex = {
                .state = TK_STATE_ACTIVE, .name = TK_STR("globex"), .metadata = TK_STR("{}")};
        struct tk_api maps = new_api(TK_STR("maps"));
        struct tk_environment test, other;
        struct tk_plan gold;
        struct world w;

        fixture_world(f, &w);
        assert_err(WRITE(f, tk_api_create(txn, &maps, &f->change)), TK_OK);
        test = new_environment(w.api.id, TK_STR("test"), TK_STR("test"));
        other = new_environment(maps.id, TK_STR("test"), TK_STR("test"));
        gold = (struct tk_plan){.api_id = w.api.id, .name = TK_STR("gold")};
        assert_err(WRITE(f, tk_environment_create(txn, &test, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_environment_create(txn, &other, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_plan_create(txn, &gold, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_consumer_create(txn, &globex, &f->change)), TK_OK);
        *crowd = (struct crowd){.api_ids = {w.api.id, maps.id},
                                .environment_ids = {w.environment.id, test.id, other.id},
                                .plan_ids = {w.plan.id, gold.id},
                                .consumer_ids = {w.consumer.id, globex.id}};
        subscribe(f, crowd, 0, 0, 1, 0);
        subscribe(f, crowd, 1, 0, 0, 0);
        subscribe(f, crowd, 2, 1, 2, 0);
        subscribe(f, crowd, 3, 1, 1, 1);
}

static bool matches(const struct crowd *crowd, unsigned i, const struct tk_subscription_filter *filter)
{
        const struct tk_subscription *s = &crowd->all[i].subscription;

        return (filter->consumer_id == 0 || s->consumer_id == filter->consumer_id) &&
               (filter->api_id == 0 || crowd->all[i].api_id == filter->api_id) &&
               (filter->environment_id == 0 || s->environment_id == filter->environment_id) &&
               (filter->plan_id == 0 || s->plan_id == filter->plan_id);
}

/* One on a page, so that paging is part of it. */
static void check_filter(struct fixture *f, const struct crowd *crowd,
                         const struct tk_subscription_filter *filter)
{
        struct tk_page page = {.limit = 1};
        struct tk_subscription *list;
        size_t count;

        for (unsigned i = 0; i < 4; i++) {
                if (!matches(crowd, i, filter))
                        continue;
                assert_err(READ(f, tk_subscription_list(txn, filter, page, &f->arena, &list, &count)), TK_OK);
                assert_int_equal(count, 1);
                assert_int_equal(list[0].id, crowd->all[i].subscription.id);
                page.after_id = list[0].id;
        }
        assert_err(READ(f, tk_subscription_list(txn, filter, page, &f->arena, &list, &count)), TK_OK);
        assert_int_equal(count, 0);
}

static void subscriptions_are_listed_by_every_filter(void **state)
{
        struct fixture *f = *state;
        struct crowd crowd;

        make_crowd(f, &crowd);
        for (unsigned combination = 0; combination < 3 * 3 * 4 * 3; combination++) {
                unsigned consumer = combination % 3, api = combination / 3 % 3;
                unsigned environment = combination / 9 % 4, plan = combination / 36;
                struct tk_subscription_filter filter = {
                        .consumer_id = consumer == 0 ? 0 : crowd.consumer_ids[consumer - 1],
                        .api_id = api == 0 ? 0 : crowd.api_ids[api - 1],
                        .environment_id = environment == 0 ? 0 : crowd.environment_ids[environment - 1],
                        .plan_id = plan == 0 ? 0 : crowd.plan_ids[plan - 1]};

                check_filter(f, &crowd, &filter);
        }
}

/* ---- peppers ---- */

static void pepper_versions(void **state)
{
        struct fixture *f = *state;
        struct tk_pepper five = {.version = 5, .check = {1, 2, 3, 4, 5, 6, 7, 8}}, zero = {.version = 0};
        struct tk_pepper beyond = {.version = 16}, list[TK_PEPPER_VERSIONS];
        size_t count;

        assert_err(READ(f, tk_pepper_list(txn, list, &count)), TK_OK);
        assert_int_equal(count, 0);
        assert_err(WRITE(f, tk_pepper_create(txn, &five, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_pepper_create(txn, &five, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_pepper_create(txn, &zero, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_pepper_create(txn, &beyond, &f->change)), TK_INVALID);
        assert_err(READ(f, tk_pepper_list(txn, list, &count)), TK_OK);
        assert_int_equal(count, 2);
        assert_int_equal(list[0].version, 0);
        assert_int_equal(list[1].version, 5);
        assert_memory_equal(list[1].check, five.check, sizeof five.check);
        assert_int_equal(list[1].created_s, NOW_S);
        fixture_check(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(api_comes_back_as_it_was),
                CASE(api_may_have_empty_text),
                CASE(api_that_is_not_there),
                CASE(api_name_is_unique),
                CASE(api_update_raises_the_version),
                CASE(api_prefix_never_changes),
                CASE(what_no_engine_stores_is_refused),
                CASE(apis_are_listed_in_pages),
                CASE(environment_comes_back_as_it_was),
                CASE(environment_is_unique_in_its_api),
                CASE(environments_are_listed_by_api),
                CASE(scope_life),
                CASE(plan_comes_back_as_it_was),
                CASE(plan_life),
                CASE(limits_that_cannot_be_stored_are_refused),
                CASE(consumer_life),
                CASE(subscription_comes_back_as_it_was),
                CASE(subscription_refers_to_what_exists),
                CASE(subscription_is_one_at_a_time_and_ends_for_good),
                CASE(subscriptions_are_listed_by_every_filter),
                CASE(pepper_versions),
        };

        return cmocka_run_group_tests_name("registry objects", tests, NULL, NULL);
}
