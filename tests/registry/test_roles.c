/*
 * The contract of roles and routes, on whatever engine: unique names and shapes, soft deletion, which keys have a role.
 */
#include "fixture.h"

#include "registry/walk.h"

#include <stdio.h>
#include <string.h>

/* ---- roles ---- */

static struct tk_role new_role(const struct world *world, struct tk_str name)
{
        return (struct tk_role){.api_id = world->api.id,
                                .name = name,
                                .description = TK_STR("d"),
                                .scopes = {TK_STR("alerts:*"), TK_STR("forecast:read")},
                                .scope_count = 2};
}

static void a_role_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct world world;
        fixture_world(f, &world);
        struct tk_role role = new_role(&world, TK_STR("reader")), got;

        assert_err(WRITE(f, tk_role_create(txn, &role, &f->change)), TK_OK);
        assert_int_equal(role.version, 1);
        assert_err(READ(f, tk_role_find(txn, world.api.id, TK_STR("reader"), &f->arena, &got)), TK_OK);
        assert_int_equal(got.id, role.id);
        assert_str(got.api_name, world.api.name);
        assert_str(got.description, TK_STR("d"));
        assert_int_equal(got.scope_count, 2);
        assert_str(got.scopes[1], TK_STR("forecast:read"));

        got.scope_count = 1;
        got.description = TK_STR("e");
        f->change.at_s += 7;
        assert_err(WRITE(f, tk_role_update(txn, &got, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_role_update(txn, &role, &f->change)), TK_STALE);
        assert_err(READ(f, tk_role_get(txn, role.id, &f->arena, &role)), TK_OK);
        assert_int_equal(role.version, 2);
        assert_int_equal(role.scope_count, 1);
        assert_int_equal(role.updated_s, NOW_S + 7);
        fixture_check(f);
}

static void the_name_of_a_deleted_role_is_free(void **state)
{
        struct fixture *f = *state;
        struct world world;
        fixture_world(f, &world);
        struct tk_role role = new_role(&world, TK_STR("reader")), second = role, third = role, got, *list;
        size_t count;
        uint64_t number;

        assert_err(WRITE(f, tk_role_create(txn, &role, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_role_create(txn, &second, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_role_delete(txn, &role, &f->change)), TK_OK);
        assert_err(READ(f, tk_role_find(txn, world.api.id, TK_STR("reader"), &f->arena, &got)), TK_NOT_FOUND);
        assert_err(READ(f, tk_role_get(txn, role.id, &f->arena, &got)), TK_OK);
        assert_int_equal(got.deleted_s, NOW_S);
        assert_err(WRITE(f, tk_role_update(txn, &got, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_role_delete(txn, &got, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_role_create(txn, &third, &f->change)), TK_OK);
        assert_int_not_equal(third.id, role.id);
        assert_err(READ(f, tk_role_list(txn, world.api.id, (struct tk_page){.limit = 10}, &f->arena, &list,
                                        &count)),
                   TK_OK);
        assert_int_equal(count, 1);
        assert_int_equal(list[0].id, third.id);
        assert_err(READ(f, tk_role_count(txn, world.api.id, &number)), TK_OK);
        assert_int_equal(number, 1);
        fixture_check(f);
}

static uint64_t users_of(struct fixture *f, uint64_t role_id)
{
        uint64_t *ids;
        size_t count;
        assert_err(READ(f, tk_role_key_ids(txn, role_id, (struct tk_page){.limit = 10}, &f->arena, &ids,
                                           &count)),
                   TK_OK);
        return count;
}

static void keys_are_found_by_their_roles(void **state)
{
        struct fixture *f = *state;
        struct world world;
        fixture_world(f, &world);
        struct tk_role roles[2] = {new_role(&world, TK_STR("a")), new_role(&world, TK_STR("b"))};
        static struct tk_key keys[3], got;
        for (int i = 0; i < 2; i++)
                assert_err(WRITE(f, tk_role_create(txn, &roles[i], &f->change)), TK_OK);
        for (uint8_t i = 0; i < 3; i++) {
                keys[i] = fixture_key(&world, i);
                for (uint32_t r = 0; r < i; r++)
                        keys[i].roles[keys[i].role_count++] =
                                (struct tk_key_role){roles[r].id, roles[r].name};
                assert_err(WRITE(f, fixture_key_create(txn, &keys[i], &f->change)), TK_OK);
        }
        assert_int_equal(users_of(f, roles[0].id), 2);
        assert_int_equal(users_of(f, roles[1].id), 1);

        assert_err(READ(f, tk_key_get(txn, keys[2].id, &f->arena, &got)), TK_OK);
        assert_int_equal(got.role_count, 2);
        assert_int_equal(got.roles[1].id, roles[1].id);
        assert_str(got.roles[1].name, TK_STR("b"));
        got.roles[0] = got.roles[1];
        got.role_count = 1;
        assert_err(WRITE(f, tk_key_update(txn, &got, &f->change)), TK_OK);
        assert_int_equal(users_of(f, roles[0].id), 1);
        assert_int_equal(users_of(f, roles[1].id), 1);

        got.state = TK_STATE_REVOKED;
        assert_err(WRITE(f, tk_key_update(txn, &got, &f->change)), TK_OK);
        assert_int_equal(users_of(f, roles[1].id), 0);
        struct tk_key stranger = fixture_key(&world, 9);
        stranger.roles[0] = (struct tk_key_role){999, TK_STR("none")};
        stranger.role_count = 1;
        assert_err(WRITE(f, fixture_key_create(txn, &stranger, &f->change)), TK_NOT_FOUND);
        fixture_check(f);
}

/* ---- routes ---- */

static struct tk_api_route new_route(const struct world *world, struct tk_str method, struct tk_str path)
{
        return (struct tk_api_route){.environment_id = world->environment.id,
                                     .method = method,
                                     .path = path,
                                     .scope = TK_STR("forecast:read"),
                                     .cost = 3,
                                     .description = TK_STR("")};
}

static void a_route_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct world world;
        fixture_world(f, &world);
        struct tk_api_route route = new_route(&world, TK_STR("GET"), TK_STR("/v1/{city}")), got;
        route.limits[0] = (struct tk_limit_def){
                .kind = TK_LIMIT_WINDOW, .period = TK_PERIOD_DAY, .limit = 5, .name = "d"};
        route.limit_count = 1;

        assert_err(WRITE(f, tk_api_route_create(txn, &route, &f->change)), TK_OK);
        assert_err(READ(f, tk_api_route_get(txn, route.id, &f->arena, &got)), TK_OK);
        assert_str(got.method, TK_STR("GET"));
        assert_str(got.path, TK_STR("/v1/{city}"));
        assert_str(got.scope, TK_STR("forecast:read"));
        assert_int_equal(got.cost, 3);
        assert_int_equal(got.limit_count, 1);
        assert_str(got.environment_name, world.environment.name);
        assert_int_equal(got.api_id, world.api.id);

        got.cost = TK_LIMIT_COST_MAX + 1;
        assert_err(WRITE(f, tk_api_route_update(txn, &got, &f->change)), TK_INVALID);
        got.cost = TK_LIMIT_COST_MAX;
        assert_err(WRITE(f, tk_api_route_update(txn, &got, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_api_route_update(txn, &route, &f->change)), TK_STALE);
        fixture_check(f);
}

static void two_routes_of_one_shape_are_one_too_many(void **state)
{
        struct fixture *f = *state;
        struct world world;
        fixture_world(f, &world);
        struct tk_api_route first = new_route(&world, TK_STR("GET"), TK_STR("/v1/{city}")),
                            same = new_route(&world, TK_STR("GET"), TK_STR("/v1/{town}")),
                            star = new_route(&world, TK_STR("GET"), TK_STR("/v1/*")),
                            other = new_route(&world, TK_STR("*"), TK_STR("/v1/{town}")),
                            bad = new_route(&world, TK_STR("GET"), TK_STR("v1")), got;

        assert_err(WRITE(f, tk_api_route_create(txn, &first, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_api_route_create(txn, &same, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_api_route_create(txn, &star, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, tk_api_route_create(txn, &other, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_api_route_create(txn, &bad, &f->change)), TK_INVALID);
        assert_err(READ(f, tk_api_route_find(txn, world.environment.id, TK_STR("GET"), TK_STR("/v1/{x}"),
                                             &f->arena, &got)),
                   TK_OK);
        assert_int_equal(got.id, first.id);
        assert_err(WRITE(f, tk_api_route_delete(txn, &first, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_api_route_create(txn, &same, &f->change)), TK_OK);
        fixture_check(f);
}

static enum tk_err count_one(const struct tk_api_route *route, void *context)
{
        assert_int_not_equal(route->path.len, 0);
        ++*(size_t *)context;
        return TK_OK;
}

static void routes_are_listed_and_walked(void **state)
{
        struct fixture *f = *state;
        struct world world;
        fixture_world(f, &world);
        struct tk_api_route *list;
        size_t count, walked = 0;
        uint64_t number;
        for (int i = 0; i < 5; i++) {
                char path[16];
                snprintf(path, sizeof path, "/v%d", i);
                struct tk_api_route route = new_route(&world, TK_STR("GET"), tk_str_from(path));
                assert_err(WRITE(f, tk_api_route_create(txn, &route, &f->change)), TK_OK);
                if (i == 2)
                        assert_err(WRITE(f, tk_api_route_delete(txn, &route, &f->change)), TK_OK);
        }
        assert_err(READ(f, tk_api_route_list(txn, world.environment.id,
                                             (struct tk_page){.after_id = 1, .limit = 10}, &f->arena, &list,
                                             &count)),
                   TK_OK);
        assert_int_equal(count, 3);
        assert_str(list[0].path, TK_STR("/v1"));
        assert_str(list[1].path, TK_STR("/v3"));
        assert_err(READ(f, tk_api_route_walk(txn, world.environment.id, count_one, &walked)), TK_OK);
        assert_int_equal(walked, 4);
        assert_err(READ(f, tk_api_route_count(txn, world.environment.id, &number)), TK_OK);
        assert_int_equal(number, 4);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_role_comes_back_as_it_was),
                TEST(the_name_of_a_deleted_role_is_free),
                TEST(keys_are_found_by_their_roles),
                TEST(a_route_comes_back_as_it_was),
                TEST(two_routes_of_one_shape_are_one_too_many),
                TEST(routes_are_listed_and_walked),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
