/*
 * Whose a key is: the table for walks over all keys says what the registry says of each, in every pair of environment and consumer.
 */
#include "fixture.h"

#include "registry/registry.h"
#include "service/owners.h"

#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define S(text) TK_STR(text)

#define APIS         2
#define CONSUMERS    40
#define IDS_COMPARED 64

static void make_objects(struct fixture *f)
{
        static const char *const apis[APIS] = {"weather", "maps"};
        for (unsigned i = 0; i < CONSUMERS; i++) {
                char name[16];
                snprintf(name, sizeof name, "c%u", i);
                struct tk_input_key input = {.api = tk_str_from(apis[i % APIS]),
                                             .environment = i % 3 == 0 ? S("staging") : S("production"),
                                             .consumer = tk_str_from(name),
                                             .create_missing = true};
                struct tk_key_issued issued;
                assert_int_equal(
                        tk_service_key_issue(f->service, &f->admin, &input, &f->arena, &issued, &f->fault),
                        TK_OK);
        }
}

/* Straight into the registry: a suspended consumer, an ended subscription, and one that came after it. */
static enum tk_err change_some(struct tk_txn *txn, void *context)
{
        struct fixture *f = context;
        struct tk_change change = {
                .at_s = 1, .actor = S("system"), .source = S("local"), .action = S("test")};
        struct tk_consumer consumer;
        enum tk_err err = tk_consumer_find(txn, S("c1"), &f->arena, &consumer);
        consumer.state = TK_STATE_SUSPENDED;
        if (err == TK_OK)
                err = tk_consumer_update(txn, &consumer, &change);
        struct tk_subscription *subscriptions;
        size_t count = 0;
        if (err == TK_OK)
                err = tk_subscription_list(txn, &(struct tk_subscription_filter){0},
                                           (struct tk_page){.limit = 1000}, &f->arena, &subscriptions,
                                           &count);
        for (size_t i = 0; err == TK_OK && i < count; i += 4) {
                struct tk_subscription next = subscriptions[i];
                subscriptions[i].state = TK_STATE_ENDED;
                err = tk_subscription_update(txn, &subscriptions[i], &change);
                if (err == TK_OK && i % 8 == 0)
                        err = tk_subscription_create(txn, &next, &change);
        }
        return err;
}

struct seen {
        unsigned owners, subscriptions, suspended;
};

static enum tk_err compare_all(struct tk_txn *txn, void *context)
{
        struct seen *seen = context;
        struct tk_owners *owners;
        enum tk_err err = tk_owners_load(txn, &owners);
        if (err != TK_OK)
                return err;
        for (uint64_t environment = 0; environment < IDS_COMPARED; environment++) {
                for (uint64_t consumer = 0; consumer < IDS_COMPARED; consumer++) {
                        struct tk_owner expected = {0}, got = {0};
                        enum tk_err says = tk_owner_read(txn, environment, consumer, &expected);
                        assert_int_equal(tk_owners_find(owners, environment, consumer, &got), says);
                        assert_int_equal(got.api_id, expected.api_id);
                        assert_int_equal(got.subscription_id, expected.subscription_id);
                        assert_int_equal(got.suspended, expected.suspended);
                        seen->owners += says == TK_OK;
                        seen->subscriptions += got.subscription_id != 0;
                        seen->suspended += got.suspended;
                }
        }
        struct tk_owner none;
        assert_int_equal(tk_owners_find(owners, 1, UINT64_MAX, &none), TK_NOT_FOUND);
        assert_int_equal(tk_owners_find(owners, UINT64_MAX, 1, &none), TK_NOT_FOUND);
        tk_owners_free(owners);
        return TK_OK;
}

static void the_table_says_what_the_registry_says(void **state)
{
        struct fixture *f = *state;
        struct tk_registry *registry = tk_service_registry(f->service);
        make_objects(f);
        assert_int_equal(tk_registry_write(registry, TK_LANE_NORMAL, change_some, f), TK_OK);
        struct seen seen = {0};
        assert_int_equal(tk_registry_read(registry, compare_all, &seen), TK_OK);
        assert_true(seen.owners > CONSUMERS);
        assert_true(seen.suspended > 0 && seen.suspended < seen.owners);
        assert_true(seen.subscriptions > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(the_table_says_what_the_registry_says),
        };
        return cmocka_run_group_tests_name("service/owners", tests, NULL, NULL);
}
