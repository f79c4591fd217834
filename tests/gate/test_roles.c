/*
 * Roles in the gate: keys refer to them, and a change of what one grants is one store that all of its keys follow. Also what is kept of
 * damage away from a decision.
 */
#include "support.h"

#include "gate/policy.h"
#include "gate/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        tk_publisher_set_applied(test.publisher, 1);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static enum tk_err publish_role(struct test_gate *test, uint32_t id, const char *name, const char *scopes)
{
        struct tk_str items[8], rest = tk_str_from(scopes);
        struct tk_publish_role role = {
                .id = id, .api_id = TEST_API, .name = tk_str_from(name), .scopes = items};
        while (rest.len > 0)
                tk_str_cut(rest, ' ', &items[role.scope_count++], &rest);
        return tk_publish_role(test->publisher, &role);
}

static void issue(struct test_gate *test, uint64_t id, const uint32_t *roles, uint32_t count,
                  struct test_key *ret_key)
{
        test_key_mint(test, id, ret_key);
        ret_key->published.roles = roles;
        ret_key->published.role_count = count;
        test_key_publish(test, ret_key);
}

static enum tk_code ask_for(struct test_gate *test, const struct test_key *key, const char *scope)
{
        struct tk_scope_expr expr;
        size_t error_at;
        struct tk_ask ask = test_ask(test, key);
        assert_true(tk_scope_expr_parse(tk_str_from(scope), &expr, &error_at));
        ask.scope = &expr;
        return test_decide(test, &ask);
}

static void assert_sound(struct test_gate *test)
{
        const char *why = NULL;
        if (!tk_publisher_check(test->publisher, &why))
                fail_msg("%s", why);
}

static void test_a_key_may_what_its_roles_grant(void **state)
{
        struct test_gate *test = *state;
        const uint32_t roles[] = {3, 4};
        struct test_key key;
        assert_int_equal(publish_role(test, 3, "reader", "forecast:read alerts:*"), TK_OK);
        assert_int_equal(publish_role(test, 4, "admin", "billing:write"), TK_OK);
        issue(test, 17, roles, 2, &key);
        assert_code(ask_for(test, &key, "forecast:read and alerts:close and billing:write"), TK_CODE_valid);
        assert_code(ask_for(test, &key, "forecast:write"), TK_CODE_insufficient_scope);

        struct tk_ask ask = test_ask(test, &key);
        struct tk_answer answer = test_answer(test, &ask);
        assert_int_equal(answer.role_count, 2);
        assert_true(tk_str_equal(answer.roles[0].name, TK_STR("reader")));
        assert_true(tk_str_equal(answer.roles[0].scopes, TK_STR("forecast:read alerts:*")));
        assert_sound(test);
}

static void test_all_keys_follow_a_change_at_once(void **state)
{
        struct test_gate *test = *state;
        const uint32_t roles[] = {3};
        static struct test_key keys[300];
        assert_int_equal(publish_role(test, 3, "reader", "forecast:read"), TK_OK);
        for (unsigned i = 0; i < 300; i++)
                issue(test, 17 + i, roles, 1, &keys[i]);
        struct tk_publisher_stats before, after;
        tk_publisher_stats(test->publisher, &before);
        assert_int_equal(publish_role(test, 3, "reader", "alerts:read"), TK_OK);
        tk_publisher_stats(test->publisher, &after);
        assert_true(after.policy_bytes - before.policy_bytes < 256); /* not one record a key */
        for (unsigned i = 0; i < 300; i++) {
                assert_code(ask_for(test, &keys[i], "alerts:read"), TK_CODE_valid);
                assert_code(ask_for(test, &keys[i], "forecast:read"), TK_CODE_insufficient_scope);
        }
        assert_int_equal(publish_role(test, 3, "reader", ""), TK_OK);
        assert_code(ask_for(test, &keys[0], "alerts:read"), TK_CODE_insufficient_scope);
        assert_sound(test);
}

static void test_a_role_must_be_there_and_of_the_api(void **state)
{
        struct test_gate *test = *state;
        const uint32_t missing[] = {9}, many[TK_POLICY_ROLES_MAX + 1] = {0};
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.roles = missing;
        key.published.role_count = 1;
        assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_NOT_FOUND);
        key.published.roles = many;
        key.published.role_count = TK_POLICY_ROLES_MAX + 1;
        assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_INVALID);

        const struct tk_str scope = TK_STR("x");
        const struct tk_publish_role foreign = {
                .id = 9, .api_id = TEST_API + 1, .name = TK_STR("r"), .scopes = &scope, .scope_count = 1};
        assert_int_equal(tk_publish_role(test->publisher, &foreign), TK_OK);
        key.published.roles = missing;
        key.published.role_count = 1;
        assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_NOT_FOUND);
}

static struct tk_format_role *record_of(struct test_gate *test, uint32_t id)
{
        struct tk_area *policy = tk_publisher_area(test->publisher, TK_FILE_POLICY);
        return (struct tk_format_role *)(uintptr_t)tk_policy_role(
                policy, tk_intern_find_role(test->publisher, id, TEST_API));
}

static void test_a_damaged_role_admits_nobody(void **state)
{
        struct test_gate *test = *state;
        const uint32_t roles[] = {3};
        struct test_key key;
        assert_int_equal(publish_role(test, 3, "reader", "*"), TK_OK);
        issue(test, 17, roles, 1, &key);
        struct tk_format_role *record = record_of(test, 3);
        uint32_t good = atomic_load(&record->policy);
        const uint32_t bad[] = {0, good + 1, UINT32_MAX, tk_intern_find_role(test->publisher, 3, TEST_API)};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                const char *why;
                atomic_store(&record->policy, bad[i]);
                assert_code(ask_for(test, &key, "a:b"), TK_CODE_unavailable);
                assert_false(tk_publisher_check(test->publisher, &why));
        }
        atomic_store(&record->policy, good);
        assert_code(ask_for(test, &key, "a:b"), TK_CODE_valid);
        record->api_id++;
        assert_code(ask_for(test, &key, "a:b"), TK_CODE_unavailable);
}

static void test_roles_are_found_again_after_a_restart(void **state)
{
        struct test_gate *test = *state;
        const uint32_t roles[] = {3};
        struct test_key key;
        assert_int_equal(publish_role(test, 3, "reader", "forecast:read"), TK_OK);
        issue(test, 17, roles, 1, &key);
        tk_publisher_close(test->publisher);
        test_gate_publish(test);
        assert_int_equal(publish_role(test, 3, "reader", "alerts:read"), TK_OK);
        tk_publisher_tick(test->publisher, TEST_NOW_NS, 0);
        assert_code(ask_for(test, &key, "alerts:read"), TK_CODE_valid);
        assert_code(ask_for(test, &key, "forecast:read"), TK_CODE_insufficient_scope);
}

/* ---- beside deciders ---- */

struct toggler {
        struct test_gate *test;
        _Atomic bool stop;
};

static void *toggle(void *context)
{
        struct toggler *toggler = context;
        for (unsigned i = 0; !atomic_load(&toggler->stop); i++)
                publish_role(toggler->test, 3, "reader", i % 2 ? "a:read a:write" : "b:read b:write");
        return NULL;
}

/* One decision sees the role as it was or as it is, never half of each. */
static void test_no_decision_sees_half_of_a_role(void **state)
{
        struct test_gate *test = *state;
        const uint32_t roles[] = {3};
        struct test_key key;
        struct toggler toggler = {.test = test};
        pthread_t thread;
        assert_int_equal(publish_role(test, 3, "reader", "b:read b:write"), TK_OK);
        issue(test, 17, roles, 1, &key);
        assert_int_equal(pthread_create(&thread, NULL, toggle, &toggler), 0);
        for (unsigned i = 0; i < 50000; i++) {
                assert_code(ask_for(test, &key, "(a:read and b:write) or (b:read and a:write)"),
                            TK_CODE_insufficient_scope);
                assert_code(ask_for(test, &key, "(a:read and a:write) or (b:read and b:write)"),
                            TK_CODE_valid);
        }
        atomic_store(&toggler.stop, true);
        pthread_join(thread, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_key_may_what_its_roles_grant),        TEST(test_all_keys_follow_a_change_at_once),
                TEST(test_a_role_must_be_there_and_of_the_api),   TEST(test_a_damaged_role_admits_nobody),
                TEST(test_roles_are_found_again_after_a_restart), TEST(test_no_decision_sees_half_of_a_role),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
