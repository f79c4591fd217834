/*
 * Memory that runs out at the first allocation, the second, and so on until there is enough: what fails fails cleanly, and works
 * the next time. Links the library's objects, because the seam that makes allocations fail is not exported.
 */
#include "fixture.h"

#include "core/alloc.h"

#include <string.h>

#define STEPS_MAX 100

/* Run `step` with the n-th allocation failing, for each n, until none did. Returns how many failed. */
static unsigned fail_each(struct fixture *f, enum tollkeeper_result (*step)(struct fixture *f))
{
        for (unsigned n = 1; n < STEPS_MAX; n++) {
                tk_alloc_fault_at(n);
                enum tollkeeper_result result = step(f);
                bool hit = tk_alloc_fault_hit();
                tk_alloc_fault_at(0);
                assert_result(result, hit ? TOLLKEEPER_NOMEM : TOLLKEEPER_OK);
                assert_int_equal(f->error.message[0] != '\0', hit);
                if (!hit)
                        return n - 1;
        }
        fail_msg("it never succeeds");
        return 0;
}

static enum tollkeeper_result open_it(struct fixture *f)
{
        const struct tollkeeper_config config = {
                .size = sizeof config, .data_dir = f->data_dir, .gate_dir = f->daemon.dir};
        return tollkeeper_open(&config, &f->gate, &f->error);
}

static enum tollkeeper_result name_it(struct fixture *f)
{
        return tollkeeper_environment(f->gate, "weather", "production", &f->production, &f->error);
}

static enum tollkeeper_result compile_it(struct fixture *f)
{
        struct tollkeeper_scope *scope = NULL;
        enum tollkeeper_result result = tollkeeper_scope_compile("a and b", &scope, &f->error);
        assert_int_equal(scope != NULL, result == TOLLKEEPER_OK);
        tollkeeper_scope_free(scope);
        return result;
}

static enum tollkeeper_result refresh_it(struct fixture *f)
{
        return tollkeeper_refresh(f->gate, &f->error);
}

static void every_allocation(void **state)
{
        struct fixture *f = *state;
        struct tk_fault fault = {0};
        struct test_key key;
        assert_true(fail_each(f, open_it) >= 5);
        assert_true(fail_each(f, name_it) >= 2);
        assert_true(fail_each(f, compile_it) >= 2);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);

        fixture_write_peppers(f, 3);
        assert_true(fail_each(f, refresh_it) >= 1);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
        assert_int_equal(tk_publisher_renew(f->daemon.publisher, &fault), TK_OK);
        tk_publisher_set_applied(f->daemon.publisher, 1);
        assert_true(fail_each(f, refresh_it) >= 4);
        fixture_expect(f, &ask, TOLLKEEPER_UNAVAILABLE, NULL); /* the set has no environments */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(every_allocation, fixture_setup, fixture_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
