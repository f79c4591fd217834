/*
 * The contract of keys, on whatever engine: numbers, every field, foreign digests, finality, lists and counts.
 */
#include "fixture.h"

#include "core/calendar.h"
#include "core/path.h"

#include <string.h>

static void assert_strings(const struct tk_str *got, uint32_t got_count, const struct tk_str *expected,
                           uint32_t count)
{
        assert_int_equal(got_count, count);
        for (uint32_t i = 0; i < count; i++)
                assert_str(got[i], expected[i]);
}

static void assert_limits(const struct tk_key *got, const struct tk_key *expected)
{
        assert_int_equal(got->limit_count, expected->limit_count);
        for (uint32_t i = 0; i < expected->limit_count; i++) {
                assert_int_equal(got->limits[i].kind, expected->limits[i].kind);
                assert_int_equal(got->limits[i].limit, expected->limits[i].limit);
                assert_int_equal(got->limits[i].burst, expected->limits[i].burst);
                assert_int_equal(got->limits[i].length_s, expected->limits[i].length_s);
                assert_string_equal(got->limits[i].name, expected->limits[i].name);
        }
}

static void assert_restrictions(const struct tk_restrictions *got, const struct tk_restrictions *expected)
{
        assert_int_equal(got->cidr_count, expected->cidr_count);
        for (uint32_t i = 0; i < expected->cidr_count; i++)
                assert_memory_equal(&got->cidrs[i], &expected->cidrs[i], sizeof got->cidrs[i]);
        assert_strings(got->origins, got->origin_count, expected->origins, expected->origin_count);
        assert_strings(got->methods, got->method_count, expected->methods, expected->method_count);
        assert_strings(got->paths, got->path_count, expected->paths, expected->path_count);
}

static void assert_key(const struct tk_key *got, const struct tk_key *expected)
{
        assert_int_equal(got->id, expected->id);
        assert_int_equal(got->version, expected->version);
        assert_int_equal(got->environment_id, expected->environment_id);
        assert_int_equal(got->consumer_id, expected->consumer_id);
        assert_int_equal(got->state, expected->state);
        assert_int_equal(got->generation, expected->generation);
        assert_int_equal(got->pepper_version, expected->pepper_version);
        assert_int_equal(got->foreign, expected->foreign);
        assert_memory_equal(&got->digest, &expected->digest, sizeof got->digest);
        assert_str(got->name, expected->name);
        assert_str(got->hint, expected->hint);
        assert_strings(got->scopes, got->scope_count, expected->scopes, expected->scope_count);
        assert_limits(got, expected);
        assert_restrictions(&got->restrictions, &expected->restrictions);
        assert_str(got->metadata, expected->metadata);
        assert_int_equal(got->not_before_s, expected->not_before_s);
        assert_int_equal(got->expires_s, expected->expires_s);
        assert_int_equal(got->created_s, expected->created_s);
        assert_int_equal(got->updated_s, expected->updated_s);
        assert_int_equal(got->revoked_s, expected->revoked_s);
        assert_str(got->created_by, expected->created_by);
        assert_str(got->revoke_reason, expected->revoke_reason);
}

/* Everything that a key may have, as much of it as fits. */
static struct tk_key full_key(struct fixture *f, const struct world *w)
{
        struct tk_key key = fixture_key(w, 0xfe);
        struct tk_restrictions *r = &key.restrictions;

        key.state = TK_STATE_SUSPENDED;
        key.generation = UINT16_MAX;
        key.pepper_version = TK_PEPPER_VERSIONS - 1;
        key.foreign = true;
        key.name = fixture_text(f, TK_NAME_MAX);
        key.metadata = fixture_text(f, TK_METADATA_MAX);
        key.not_before_s = 1;
        key.expires_s = TK_TIME_MAX_S;
        key.revoked_s = 5;
        key.revoke_reason = fixture_text(f, TK_DESCRIPTION_MAX);
        for (key.scope_count = 0; key.scope_count < TK_KEY_SCOPES_MAX; key.scope_count++)
                key.scopes[key.scope_count] =
                        tk_arena_printf(&f->arena, "resource-%03u:read", key.scope_count);
        for (key.limit_count = 0; key.limit_count < TK_LIMITS_MAX; key.limit_count++)
                key.limits[key.limit_count] =
                        (struct tk_limit_def){.kind = TK_LIMIT_RATE,
                                              .limit = TK_LIMIT_UNITS_MAX - key.limit_count,
                                              .burst = 1,
                                              .length_s = 60,
                                              .name = "calls"};
        for (unsigned i = 0; i < TK_RESTRICTIONS_MAX; i++) {
                struct tk_str v4 = tk_arena_printf(&f->arena, "10.%u.0.0/16", i);
                struct tk_str v6 = tk_arena_printf(&f->arena, "2001:db8:%x::/48", i);

                assert_true(tk_cidr_parse(i % 2 == 0 ? v4 : v6, &r->cidrs[i]));
                r->origins[i] = tk_arena_printf(&f->arena, "https://%u.example.com", i);
                r->methods[i] = TK_STR("GET");
                r->paths[i] = fixture_text(f, TK_PATH_TEMPLATE_MAX);
        }
        r->cidr_count = r->origin_count = r->method_count = r->path_count = TK_RESTRICTIONS_MAX;
        return key;
}

static void key_numbers_start_at_one_and_are_not_lost(void **state)
{
        struct fixture *f = *state;
        uint64_t id;

        assert_err(WRITE(f, tk_key_next_id(txn, &id)), TK_OK);
        assert_int_equal(id, 1);
        assert_err(WRITE(f, tk_key_next_id(txn, &id)), TK_OK);
        assert_int_equal(id, 2);
        /* Drawn by a job that failed: nobody has seen it, the next one gets it. */
        assert_err(WRITE(f, tk_key_next_id(txn, &id) == TK_OK ? TK_DENIED : TK_IO), TK_DENIED);
        assert_int_equal(id, 3);
        assert_err(WRITE(f, tk_key_next_id(txn, &id)), TK_OK);
        assert_int_equal(id, 3);
}

static void key_comes_back_as_it_was(void **state)
{
        struct fixture *f = *state;
        struct tk_key key, got;
        struct world w;

        fixture_world(f, &w);
        key = full_key(f, &w);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        assert_int_equal(key.version, 1);
        assert_int_equal(key.created_s, NOW_S);
        assert_err(READ(f, tk_key_get(txn, key.id, &f->arena, &got)), TK_OK);
        assert_key(&got, &key);
        assert_str(got.api_name, TK_STR("weather"));
        assert_str(got.environment_name, TK_STR("production"));
        assert_str(got.consumer_name, TK_STR("acme"));
}

static void key_may_have_nothing_optional(void **state)
{
        struct fixture *f = *state;
        struct tk_key key, got;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        key.metadata = TK_STR_NONE;
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        assert_err(READ(f, tk_key_get(txn, key.id, &f->arena, &got)), TK_OK);
        assert_key(&got, &key);
        assert_err(READ(f, tk_key_get(txn, key.id + 1, &f->arena, &got)), TK_NOT_FOUND);
}

static void key_too_long_is_refused(void **state)
{
        struct fixture *f = *state;
        struct tk_key key;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        key.scope_count = TK_KEY_SCOPES_MAX + 1;
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_INVALID);
        key.scope_count = 1;
        key.scopes[0] = TK_STR("\xff");
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_INVALID);
        key.scope_count = 0;
        key.restrictions.path_count = TK_RESTRICTIONS_MAX + 1;
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_INVALID);
        key.restrictions.path_count = 0;
        key.restrictions.cidr_count = TK_RESTRICTIONS_MAX + 1;
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_INVALID);
        fixture_check(f);
}

static void key_refers_to_what_exists(void **state)
{
        struct fixture *f = *state;
        struct tk_key key;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        key.environment_id = 99;
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_NOT_FOUND);
        key = fixture_key(&w, 1);
        key.consumer_id = 99;
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_NOT_FOUND);
        fixture_check(f);
}

static void key_number_is_used_once(void **state)
{
        struct fixture *f = *state;
        struct tk_key key;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        assert_err(WRITE(f, tk_key_create(txn, &key, &f->change)), TK_CONFLICT);
        fixture_check(f);
}

static void foreign_digest_is_unique_and_issued_is_not(void **state)
{
        struct fixture *f = *state;
        struct tk_key first, second, issued;
        struct world w;

        fixture_world(f, &w);
        first = second = fixture_key(&w, 7);
        first.foreign = second.foreign = true;
        issued = fixture_key(&w, 7);
        assert_err(WRITE(f, fixture_key_create(txn, &first, &f->change)), TK_OK);
        assert_err(WRITE(f, fixture_key_create(txn, &second, &f->change)), TK_CONFLICT);
        assert_err(WRITE(f, fixture_key_create(txn, &issued, &f->change)), TK_OK);
        fixture_check(f);
}

static void key_update_writes_what_may_change(void **state)
{
        struct fixture *f = *state;
        struct tk_key key, changed, got;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);

        changed = full_key(f, &w);
        changed.id = key.id;
        changed.version = 1;
        f->change.at_s++;
        assert_err(WRITE(f, tk_key_update(txn, &changed, &f->change)), TK_OK);
        assert_int_equal(changed.version, 2);
        assert_int_equal(changed.updated_s, NOW_S + 1);
        /* What a key is, and whose, stays. */
        changed.generation = key.generation;
        changed.pepper_version = key.pepper_version;
        changed.foreign = key.foreign;
        changed.digest = key.digest;
        changed.created_s = key.created_s;
        assert_err(READ(f, tk_key_get(txn, key.id, &f->arena, &got)), TK_OK);
        assert_key(&got, &changed);

        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_STALE);
        key.id = 99;
        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_NOT_FOUND);
        fixture_check(f);
}

static void revoked_is_final(void **state)
{
        struct fixture *f = *state;
        struct tk_key key, got;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        key.state = TK_STATE_REVOKED;
        key.revoked_s = NOW_S;
        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_OK);
        key.state = TK_STATE_ACTIVE;
        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_CONFLICT);
        key.state = TK_STATE_SUSPENDED;
        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_CONFLICT);
        key.state = TK_STATE_REVOKED;
        key.name = TK_STR("the leaked one");
        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_OK);
        assert_err(READ(f, tk_key_get(txn, key.id, &f->arena, &got)), TK_OK);
        assert_int_equal(got.state, TK_STATE_REVOKED);
        assert_str(got.name, TK_STR("the leaked one"));
        fixture_check(f);
}

/* ---- lists ---- */

#define CROWD 60

/* Two APIs with two environments each, two consumers, three states: every combination comes up. */
struct crowd {
        uint64_t api_ids[2], environment_ids[4], consumer_ids[2];
        struct {
                uint64_t id, api_id, environment_id, consumer_id;
                enum tk_state state;
        } keys[CROWD];
};

static enum tk_err make_crowd(struct fixture *f, struct tk_txn *txn, struct crowd *crowd)
{
        enum tk_err err = TK_OK;

        for (unsigned i = 0; err == TK_OK && i < 2; i++) {
                struct tk_api api = {.state = TK_STATE_ACTIVE, .name = i == 0 ? TK_STR("a") : TK_STR("b")};
                struct tk_consumer consumer = {
                        .state = TK_STATE_ACTIVE, .name = api.name, .metadata = TK_STR("{}")};

                err = tk_api_create(txn, &api, &f->change);
                if (err == TK_OK)
                        err = tk_consumer_create(txn, &consumer, &f->change);
                crowd->api_ids[i] = api.id;
                crowd->consumer_ids[i] = consumer.id;
        }
        for (unsigned i = 0; err == TK_OK && i < 4; i++) {
                struct tk_environment e = {.api_id = crowd->api_ids[i % 2],
                                           .state = TK_STATE_ACTIVE,
                                           .name = i < 2 ? TK_STR("x") : TK_STR("y"),
                                           .tag = i < 2 ? TK_STR("x") : TK_STR("y")};

                err = tk_environment_create(txn, &e, &f->change);
                crowd->environment_ids[i] = e.id;
        }
        for (unsigned i = 0; err == TK_OK && i < CROWD; i++) {
                const struct world w = {.environment.id = crowd->environment_ids[i % 4],
                                        .consumer.id = crowd->consumer_ids[i / 4 % 2]};
                struct tk_key key = fixture_key(&w, (uint8_t)i);

                key.state = (enum tk_state)(1 + i / 8 % 3);
                err = fixture_key_create(txn, &key, &f->change);
                crowd->keys[i].id = key.id;
                crowd->keys[i].api_id = crowd->api_ids[i % 2];
                crowd->keys[i].environment_id = key.environment_id;
                crowd->keys[i].consumer_id = key.consumer_id;
                crowd->keys[i].state = key.state;
        }
        return err;
}

static bool matches(const struct crowd *crowd, unsigned i, const struct tk_key_filter *filter)
{
        return (filter->api_id == 0 || crowd->keys[i].api_id == filter->api_id) &&
               (filter->environment_id == 0 || crowd->keys[i].environment_id == filter->environment_id) &&
               (filter->consumer_id == 0 || crowd->keys[i].consumer_id == filter->consumer_id) &&
               (filter->state == 0 || crowd->keys[i].state == filter->state);
}

/* All pages of a filter against the obvious way to find the same keys. */
static void check_filter(struct fixture *f, const struct crowd *crowd, const struct tk_key_filter *filter)
{
        struct tk_page page = {.limit = 4};
        struct tk_key **keys = NULL;
        size_t count = 0, at = 0;
        uint64_t total = 0, expected_total = 0;

        for (unsigned i = 0; i < CROWD; i++) {
                if (!matches(crowd, i, filter))
                        continue;
                expected_total++;
                if (at == count) {
                        assert_err(READ(f, tk_key_list(txn, filter, page, &f->arena, &keys, &count)), TK_OK);
                        assert_in_range(count, 1, 4);
                        page.after_id = keys[count - 1]->id;
                        at = 0;
                }
                assert_int_equal(keys[at++]->id, crowd->keys[i].id);
        }
        assert_int_equal(at, count);
        assert_err(READ(f, tk_key_list(txn, filter, page, &f->arena, &keys, &count)), TK_OK);
        assert_int_equal(count, 0);
        assert_err(READ(f, tk_key_count(txn, filter, &total)), TK_OK);
        assert_int_equal(total, expected_total);
}

static void keys_are_listed_and_counted_by_every_filter(void **state)
{
        struct fixture *f = *state;
        struct crowd crowd;

        assert_err(WRITE(f, make_crowd(f, txn, &crowd)), TK_OK);
        for (unsigned combination = 0; combination < 3 * 5 * 3 * 4; combination++) {
                unsigned api = combination % 3, environment = combination / 3 % 5,
                         consumer = combination / 15 % 3;
                struct tk_key_filter filter = {
                        .api_id = api == 0 ? 0 : crowd.api_ids[api - 1],
                        .environment_id = environment == 0 ? 0 : crowd.environment_ids[environment - 1],
                        .consumer_id = consumer == 0 ? 0 : crowd.consumer_ids[consumer - 1],
                        .state = (enum tk_state)(combination / 45)};

                check_filter(f, &crowd, &filter);
        }
}

static void key_page_limits_are_checked(void **state)
{
        struct fixture *f = *state;
        struct tk_key_filter all = {0}, by_api = {.api_id = 1};
        struct tk_key **keys;
        size_t count;

        assert_err(READ(f, tk_key_list(txn, &all, (struct tk_page){0, 0}, &f->arena, &keys, &count)),
                   TK_INVALID);
        assert_err(READ(f, tk_key_list(txn, &all, (struct tk_page){0, 1001}, &f->arena, &keys, &count)),
                   TK_INVALID);
        assert_err(READ(f, tk_key_list(txn, &by_api, (struct tk_page){0, 0}, &f->arena, &keys, &count)),
                   TK_INVALID);
        assert_err(READ(f, tk_key_list(txn, &by_api, (struct tk_page){0, 1001}, &f->arena, &keys, &count)),
                   TK_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(key_numbers_start_at_one_and_are_not_lost),
                CASE(key_comes_back_as_it_was),
                CASE(key_may_have_nothing_optional),
                CASE(key_too_long_is_refused),
                CASE(key_refers_to_what_exists),
                CASE(key_number_is_used_once),
                CASE(foreign_digest_is_unique_and_issued_is_not),
                CASE(key_update_writes_what_may_change),
                CASE(revoked_is_final),
                CASE(keys_are_listed_and_counted_by_every_filter),
                CASE(key_page_limits_are_checked),
        };

        return cmocka_run_group_tests_name("registry keys", tests, NULL, NULL);
}
