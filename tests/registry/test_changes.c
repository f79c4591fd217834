/*
 * What every write leaves behind, on whatever engine: the audit entry and its canonical bytes, the feed row, nothing after
 * a failure; idempotency records; and that all of it is there after a restart.
 */
#include "fixture.h"

#include "core/digest.h"

#include <stdio.h>
#include <string.h>

/* The test vector of docs/formats/audit.md. */
static const char VECTOR[] = "{\"action\":\"consumer.update\",\"actor\":\"key_1\",\"after\":{\"name\":"
                             "\"acme\",\"note\":\"a \\\"b\\\"\\n\"},"
                             "\"at\":\"2026-11-23T22:14:14Z\",\"before\":{\"name\":\"acme\"},\"object\":"
                             "\"consumer\",\"object_id\":3,"
                             "\"seq\":2,\"source\":\"192.0.2.7\",\"v\":1}";
static const char VECTOR_SHA256[] = "1f9c615e1e23afeba189271ef7b10a76708913f88516d0278e26f902064ad387";

static void audit_bytes_are_canonical(void **state)
{
        struct fixture *f = *state;
        struct tk_audit_entry *entries;
        struct tk_change change = f->change;
        uint8_t hash[32];
        char hex[65];
        size_t count;

        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, 1, &f->change)), TK_OK);
        change.action = TK_STR("consumer.update");
        change.before = TK_STR("{\"name\":\"acme\"}");
        change.after = TK_STR("{\"name\":\"acme\",\"note\":\"a \\\"b\\\"\\n\"}");
        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_CONSUMER, 3, &change)), TK_OK);

        assert_err(READ(f, tk_audit_list(txn, 0, 1, &f->arena, &entries, &count)), TK_OK);
        assert_int_equal(count, 1);
        assert_str(entries[0].canonical, TK_STR(VECTOR));
        tk_sha256(entries[0].canonical.ptr, entries[0].canonical.len, hash);
        for (unsigned i = 0; i < sizeof hash; i++)
                snprintf(hex + 2 * i, 3, "%02x", hash[i]);
        assert_string_equal(hex, VECTOR_SHA256);
        assert_int_equal(entries[0].seq, 2);
        assert_int_equal(entries[0].at_s, NOW_S);
        assert_str(entries[0].actor, TK_STR("key_1"));
        assert_str(entries[0].source, TK_STR("192.0.2.7"));
        assert_str(entries[0].action, TK_STR("consumer.update"));
        assert_int_equal(entries[0].object, TK_OBJECT_CONSUMER);
        assert_int_equal(entries[0].object_id, 3);
        assert_int_equal(fixture_feed_last(f), 0);
}

static void audit_text_is_escaped_and_absent_views_are_null(void **state)
{
        struct fixture *f = *state;
        struct tk_audit_entry *entries;
        struct tk_change change = {.at_s = 0, .actor = TK_STR("\"\\/\b\f\n\r\t\x01\x1f\x7f\xe2\x82\xac")};
        size_t count;

        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_PEPPER, 0, &change)), TK_OK);
        assert_err(READ(f, tk_audit_list(txn, 0, 1, &f->arena, &entries, &count)), TK_OK);
        assert_str(
                entries[0].canonical,
                TK_STR("{\"action\":\"\",\"actor\":\"\\\"\\\\/"
                       "\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xe2\x82\xac\","
                       "\"after\":null,\"at\":\"1970-01-01T00:00:00Z\",\"before\":null,\"object\":\"pepper\","
                       "\"object_id\":0,\"seq\":1,\"source\":\"\",\"v\":1}"));
}

static void audit_refuses_what_has_no_canonical_form(void **state)
{
        struct fixture *f = *state;
        struct tk_change bad_text = f->change, bad_time = f->change, bad_view = f->change;

        bad_text.actor = TK_STR("\xff");
        bad_time.at_s = -1;
        bad_view.after = TK_STR("{\0}");
        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, 1, &bad_text)), TK_INVALID);
        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, 1, &bad_time)), TK_INVALID);
        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, 1, &bad_view)), TK_INVALID);
        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, UINT64_C(1) << 53, &f->change)), TK_INVALID);
        assert_err(WRITE(f, tk_audit_note(txn, (enum tk_object)9, 1, &f->change)), TK_INVALID);
        assert_int_equal(fixture_audit_last(f), 0);
        /* Their numbers were not lost. */
        assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, 1, &f->change)), TK_OK);
        assert_int_equal(fixture_audit_last(f), 1);
}

static void audit_is_read_from_the_newest(void **state)
{
        struct fixture *f = *state;
        struct tk_audit_entry *entries;
        size_t count;

        for (unsigned i = 1; i <= 5; i++)
                assert_err(WRITE(f, tk_audit_note(txn, TK_OBJECT_API, i, &f->change)), TK_OK);
        assert_err(READ(f, tk_audit_list(txn, 0, 2, &f->arena, &entries, &count)), TK_OK);
        assert_int_equal(count, 2);
        assert_int_equal(entries[0].seq, 5);
        assert_int_equal(entries[1].seq, 4);
        assert_err(READ(f, tk_audit_list(txn, 3, 10, &f->arena, &entries, &count)), TK_OK);
        assert_int_equal(count, 2);
        assert_int_equal(entries[0].seq, 2);
        assert_err(READ(f, tk_audit_list(txn, 1, 10, &f->arena, &entries, &count)), TK_OK);
        assert_int_equal(count, 0);
}

/* ---- searching ---- */

static struct tk_change change_by(const char *actor, const char *action, int64_t at_s)
{
        return (struct tk_change){.at_s = at_s,
                                  .actor = tk_str_from(actor),
                                  .source = TK_STR("192.0.2.7"),
                                  .action = tk_str_from(action)};
}

/* seq 1 to 6; the clock was put back before the last but one. */
static void fill_log(struct fixture *f)
{
        static const struct {
                const char *actor, *action;
                enum tk_object object;
                uint64_t id;
                int64_t at_s;
        } notes[] = {
                {"key_1", "key.issue", TK_OBJECT_KEY, 1, 100},
                {"key_1", "key.issue", TK_OBJECT_KEY, 2, 100},
                {"key_2", "plan.create", TK_OBJECT_PLAN, 1, 200},
                {"key_1", "key.revoke", TK_OBJECT_KEY, 1, 300},
                {"key_2", "key.revoke", TK_OBJECT_KEY, 2, 150},
                {"system", "refused", TK_OBJECT_KEY, 1, 300},
        };
        for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
                struct tk_change change = change_by(notes[i].actor, notes[i].action, notes[i].at_s);

                assert_err(WRITE(f, tk_audit_note(txn, notes[i].object, notes[i].id, &change)), TK_OK);
        }
}

/* The numbers that a search finds, page by page of `limit`, as "6 4 3". */
static void assert_found(struct fixture *f, struct tk_audit_filter filter, uint32_t limit,
                         const char *expected)
{
        char found[64] = "";
        uint64_t before = 0;
        size_t count;

        do {
                struct tk_audit_entry *entries;

                assert_err(READ(f, tk_audit_search(txn, &filter, before, limit, &f->arena, &entries, &count)),
                           TK_OK);
                for (size_t i = 0; i < count; i++) {
                        size_t used = strlen(found);

                        snprintf(found + used, sizeof found - used, "%s%llu", used > 0 ? " " : "",
                                 (unsigned long long)entries[i].seq);
                        before = entries[i].seq;
                }
        } while (count == limit);
        assert_string_equal(found, expected);
}

static void audit_is_searched_by_each_filter(void **state)
{
        struct fixture *f = *state;

        fill_log(f);
        for (uint32_t limit = 1; limit <= 7; limit++) {
                assert_found(f, (struct tk_audit_filter){0}, limit, "6 4 3 5 2 1");
                assert_found(f, (struct tk_audit_filter){.object = TK_OBJECT_KEY}, limit, "6 4 5 2 1");
                assert_found(f, (struct tk_audit_filter){.object = TK_OBJECT_KEY, .object_id = 1}, limit,
                             "6 4 1");
                assert_found(f, (struct tk_audit_filter){.actor = TK_STR("key_1")}, limit, "4 2 1");
                assert_found(f, (struct tk_audit_filter){.action = TK_STR("key.revoke")}, limit, "4 5");
                assert_found(f, (struct tk_audit_filter){.since_s = 150, .until_s = 300}, limit, "3 5");
                assert_found(f, (struct tk_audit_filter){.since_s = 300}, limit, "6 4");
                assert_found(f,
                             (struct tk_audit_filter){.actor = TK_STR("key_2"),
                                                      .action = TK_STR("key.revoke"),
                                                      .object = TK_OBJECT_KEY,
                                                      .until_s = 200},
                             limit, "5");
                assert_found(f, (struct tk_audit_filter){.actor = TK_STR("nobody")}, limit, "");
        }
}

static void audit_is_followed_by_number(void **state)
{
        struct fixture *f = *state;
        struct tk_audit_filter filter = {.object = TK_OBJECT_KEY};
        struct tk_audit_entry *entries, entry;
        size_t count;

        fill_log(f);
        assert_err(READ(f, tk_audit_follow(txn, &filter, 1, 2, &f->arena, &entries, &count)), TK_OK);
        assert_int_equal(count, 2);
        assert_int_equal(entries[0].seq, 2);
        assert_int_equal(entries[1].seq, 4);
        assert_err(READ(f, tk_audit_follow(txn, &filter, 6, 2, &f->arena, &entries, &count)), TK_OK);
        assert_int_equal(count, 0);
        assert_err(READ(f, tk_audit_get(txn, 3, &f->arena, &entry)), TK_OK);
        assert_str(entry.action, TK_STR("plan.create"));
        assert_err(READ(f, tk_audit_get(txn, 7, &f->arena, &entry)), TK_NOT_FOUND);
        assert_err(READ(f, tk_audit_search(txn, &filter, 7, 2, &f->arena, &entries, &count)), TK_NOT_FOUND);
}

/* ---- one entry and one row for each change ---- */

static void assert_last_row(struct fixture *f, uint64_t seq, enum tk_object object, uint64_t id,
                            uint64_t version)
{
        struct tk_feed_row *rows;
        size_t count;

        assert_err(READ(f, tk_feed_since(txn, seq - 1, 10, &f->arena, &rows, &count)), TK_OK);
        assert_int_equal(count, 1);
        assert_int_equal(rows[0].seq, seq);
        assert_int_equal(rows[0].object, object);
        assert_int_equal(rows[0].object_id, id);
        assert_int_equal(rows[0].version, version);
        assert_int_equal(fixture_feed_last(f), seq);
        assert_int_equal(fixture_audit_last(f), seq);
}

static void every_write_leaves_an_entry_and_a_row(void **state)
{
        struct fixture *f = *state;
        struct tk_pepper pepper = {.version = 3};
        struct tk_scope scope;
        struct tk_subscription subscription;
        struct tk_key key;
        struct world w;

        fixture_world(f, &w); /* 1 to 4 */
        assert_err(WRITE(f, tk_api_update(txn, &w.api, &f->change)), TK_OK);
        assert_last_row(f, 5, TK_OBJECT_API, w.api.id, 2);
        assert_err(WRITE(f, tk_environment_update(txn, &w.environment, &f->change)), TK_OK);
        assert_last_row(f, 6, TK_OBJECT_ENVIRONMENT, w.environment.id, 2);
        assert_err(WRITE(f, tk_plan_update(txn, &w.plan, &f->change)), TK_OK);
        assert_last_row(f, 7, TK_OBJECT_PLAN, w.plan.id, 2);
        assert_err(WRITE(f, tk_consumer_update(txn, &w.consumer, &f->change)), TK_OK);
        assert_last_row(f, 8, TK_OBJECT_CONSUMER, w.consumer.id, 2);
        scope = (struct tk_scope){.api_id = w.api.id, .name = TK_STR("a")};
        assert_err(WRITE(f, tk_scope_create(txn, &scope, &f->change)), TK_OK);
        assert_last_row(f, 9, TK_OBJECT_SCOPE, scope.id, 1);
        assert_err(WRITE(f, tk_scope_update(txn, &scope, &f->change)), TK_OK);
        assert_last_row(f, 10, TK_OBJECT_SCOPE, scope.id, 2);
        subscription = (struct tk_subscription){.consumer_id = w.consumer.id,
                                                .environment_id = w.environment.id,
                                                .plan_id = w.plan.id,
                                                .state = TK_STATE_ACTIVE};
        assert_err(WRITE(f, tk_subscription_create(txn, &subscription, &f->change)), TK_OK);
        assert_last_row(f, 11, TK_OBJECT_SUBSCRIPTION, subscription.id, 1);
        assert_err(WRITE(f, tk_subscription_update(txn, &subscription, &f->change)), TK_OK);
        assert_last_row(f, 12, TK_OBJECT_SUBSCRIPTION, subscription.id, 2);
        key = fixture_key(&w, 1);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        assert_last_row(f, 13, TK_OBJECT_KEY, key.id, 1);
        assert_err(WRITE(f, tk_key_update(txn, &key, &f->change)), TK_OK);
        assert_last_row(f, 14, TK_OBJECT_KEY, key.id, 2);
        assert_err(WRITE(f, tk_pepper_create(txn, &pepper, &f->change)), TK_OK);
        assert_last_row(f, 15, TK_OBJECT_PEPPER, 3, 1);
        fixture_check(f);
}

static void a_job_that_fails_after_writing_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        struct tk_consumer consumer = {
                .state = TK_STATE_ACTIVE, .name = TK_STR("new"), .metadata = TK_STR("{}")};
        struct world w;

        fixture_world(f, &w);
        assert_err(WRITE(f, tk_consumer_create(txn, &consumer, &f->change) == TK_OK ? TK_DENIED : TK_IO),
                   TK_DENIED);
        assert_int_equal(fixture_feed_last(f), 4);
        assert_int_equal(fixture_audit_last(f), 4);
        assert_err(READ(f, tk_consumer_get(txn, consumer.id, &f->arena, &consumer)), TK_NOT_FOUND);
        fixture_check(f);
}

/* The engine's refusal cannot be talked away: on some engines nothing after it would have been recorded. */
static void a_job_that_hides_an_error_is_undone(void **state)
{
        struct fixture *f = *state;
        struct tk_consumer taken, other;
        struct world w;

        fixture_world(f, &w);
        taken = other = w.consumer;
        other.name = TK_STR("other");
        assert_err(WRITE(f, tk_consumer_create(txn, &other, &f->change) == TK_OK &&
                                            tk_consumer_create(txn, &taken, &f->change) == TK_CONFLICT
                                    ? TK_OK
                                    : TK_IO),
                   TK_CONFLICT);
        assert_err(READ(f, tk_consumer_find(txn, TK_STR("other"), &f->arena, &other)), TK_NOT_FOUND);
        fixture_check(f);
}

static void feed_is_read_in_pages(void **state)
{
        struct fixture *f = *state;
        struct tk_feed_row *rows;
        size_t count;
        struct world w;

        assert_err(READ(f, tk_feed_since(txn, 0, 10, &f->arena, &rows, &count)), TK_OK);
        assert_int_equal(count, 0);
        fixture_world(f, &w);
        assert_err(READ(f, tk_feed_since(txn, 0, 3, &f->arena, &rows, &count)), TK_OK);
        assert_int_equal(count, 3);
        assert_int_equal(rows[0].seq, 1);
        assert_err(READ(f, tk_feed_since(txn, rows[2].seq, 3, &f->arena, &rows, &count)), TK_OK);
        assert_int_equal(count, 1);
        assert_int_equal(rows[0].object, TK_OBJECT_CONSUMER);
        assert_err(READ(f, tk_feed_since(txn, UINT64_MAX, 3, &f->arena, &rows, &count)), TK_OK);
        assert_int_equal(count, 0);
}

/* ---- idempotency ---- */

static void requests_are_remembered(void **state)
{
        struct fixture *f = *state;
        struct tk_idempotency put = {.actor = TK_STR("key_1"),
                                     .key = fixture_text(f, 255),
                                     .request_hash = {1, 2, 3},
                                     .object = TK_OBJECT_KEY,
                                     .object_id = 17,
                                     .created_s = NOW_S};
        struct tk_idempotency ask = {.actor = put.actor, .key = put.key, .request_hash = {1, 2, 3}};
        struct tk_idempotency other_actor = ask, other_request = ask;

        other_actor.actor = TK_STR("key_2");
        other_request.request_hash[31] = 1;
        assert_err(READ(f, tk_idempotency_find(txn, &ask)), TK_NOT_FOUND);
        assert_err(WRITE(f, tk_idempotency_put(txn, &put)), TK_OK);
        assert_err(READ(f, tk_idempotency_find(txn, &ask)), TK_OK);
        assert_int_equal(ask.object, TK_OBJECT_KEY);
        assert_int_equal(ask.object_id, 17);
        assert_int_equal(ask.created_s, NOW_S);
        assert_err(READ(f, tk_idempotency_find(txn, &other_actor)), TK_NOT_FOUND);
        assert_err(READ(f, tk_idempotency_find(txn, &other_request)), TK_CONFLICT);
        assert_err(WRITE(f, tk_idempotency_put(txn, &put)), TK_CONFLICT);
        assert_int_equal(fixture_audit_last(f), 0);
}

static struct tk_idempotency request(struct fixture *f, unsigned i)
{
        return (struct tk_idempotency){.actor = TK_STR("a"),
                                       .key = tk_arena_printf(&f->arena, "%u", i),
                                       .object = TK_OBJECT_KEY,
                                       .object_id = i,
                                       .created_s = NOW_S + i};
}

static void old_requests_are_forgotten_oldest_first(void **state)
{
        struct fixture *f = *state;
        struct tk_idempotency record;

        for (unsigned i = 0; i < 6; i++) {
                record = request(f, i);
                assert_err(WRITE(f, tk_idempotency_put(txn, &record)), TK_OK);
        }
        assert_err(WRITE(f, tk_idempotency_purge(txn, NOW_S + 4, 3)), TK_OK);
        for (unsigned i = 0; i < 6; i++) {
                record = request(f, i);
                assert_err(READ(f, tk_idempotency_find(txn, &record)), i < 3 ? TK_NOT_FOUND : TK_OK);
        }
        assert_err(WRITE(f, tk_idempotency_purge(txn, NOW_S + 4, 3)), TK_OK);
        record = request(f, 3);
        assert_err(READ(f, tk_idempotency_find(txn, &record)), TK_NOT_FOUND);
        record = request(f, 4);
        assert_err(READ(f, tk_idempotency_find(txn, &record)), TK_OK);
}

/* ---- restart ---- */

static void everything_is_there_after_a_restart(void **state)
{
        struct fixture *f = *state;
        uint8_t before[16], after[16];
        struct tk_key key, got;
        uint64_t id;
        struct world w;

        fixture_world(f, &w);
        key = fixture_key(&w, 1);
        assert_err(WRITE(f, fixture_key_create(txn, &key, &f->change)), TK_OK);
        tk_registry_installation(f->registry, before);
        fixture_reopen(f);
        tk_registry_installation(f->registry, after);
        assert_memory_equal(before, after, sizeof before);
        assert_err(READ(f, tk_key_get(txn, key.id, &f->arena, &got)), TK_OK);
        assert_memory_equal(&got.digest, &key.digest, sizeof key.digest);
        assert_int_equal(fixture_feed_last(f), 5);
        assert_err(WRITE(f, tk_key_next_id(txn, &id)), TK_OK);
        assert_int_equal(id, key.id + 1);
        fixture_check(f);
}

static void installations_differ(void **state)
{
        struct fixture *f = *state;
        uint8_t first[16], second[16];
        void *other;

        tk_registry_installation(f->registry, first);
        assert_int_equal(fixture_setup(&other), 0);
        tk_registry_installation(((struct fixture *)other)->registry, second);
        assert_int_equal(fixture_teardown(&other), 0);
        assert_memory_not_equal(first, second, sizeof first);
}

static void a_url_of_no_engine_is_refused(void **state)
{
        static const char *const urls[] = {"oracle:x", "sqlite", "sqlite:", "", "/tmp/registry.db"};
        struct tk_fault fault;

        (void)state;
        for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
                struct tk_registry_config config = {.url = urls[i]};
                struct tk_registry *registry = NULL;

                assert_err(tk_registry_open(&config, &registry, &fault), TK_INVALID);
                assert_null(registry);
                assert_string_not_equal(fault.mend, "");
        }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(audit_bytes_are_canonical),
                CASE(audit_text_is_escaped_and_absent_views_are_null),
                CASE(audit_refuses_what_has_no_canonical_form),
                CASE(audit_is_read_from_the_newest),
                CASE(audit_is_searched_by_each_filter),
                CASE(audit_is_followed_by_number),
                CASE(every_write_leaves_an_entry_and_a_row),
                CASE(a_job_that_fails_after_writing_leaves_nothing),
                CASE(a_job_that_hides_an_error_is_undone),
                CASE(feed_is_read_in_pages),
                CASE(requests_are_remembered),
                CASE(old_requests_are_forgotten_oldest_first),
                CASE(everything_is_there_after_a_restart),
                CASE(installations_differ),
                cmocka_unit_test(a_url_of_no_engine_is_refused),
        };

        return cmocka_run_group_tests_name("registry changes", tests, NULL, NULL);
}
