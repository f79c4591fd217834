/*
 * The contract of imports, on whatever engine: a batch is one write with one audit entry and one feed row, duplicates are told and not
 * inserted, what fails half way leaves nothing; and the file of staged rows keeps them in order.
 */
#include "fixture.h"

#include "registry/import.h"
#include "registry/staging.h"
#include "registry/walk.h"

#include <stdio.h>
#include <string.h>

#define ROWS 300

struct rows {
        struct tk_import_row row[ROWS];
        struct tk_import_row *pointers[ROWS];
};

/* Row i has the digest i, in the order of their numbers. */
static void make_rows(struct rows *rows, const struct world *w)
{
        memset(rows, 0, sizeof *rows);
        for (size_t i = 0; i < ROWS; i++) {
                struct tk_import_row *row = &rows->row[i];
                row->line = i + 1;
                row->environment_id = w->environment.id;
                row->consumer_id = w->consumer.id;
                row->state = TK_STATE_ACTIVE;
                row->digest.bytes[0] = (uint8_t)(i >> 8);
                row->digest.bytes[1] = (uint8_t)i;
                row->name = TK_STR("imported");
                row->hint = TK_STR("");
                row->scopes = row->limits = TK_STR("[]");
                row->restrictions = row->metadata = TK_STR("{}");
                rows->pointers[i] = row;
        }
}

static struct tk_import new_import(struct fixture *f)
{
        struct tk_import import = {.state = TK_IMPORT_READING,
                                   .actor = TK_STR("key_1"),
                                   .source = TK_STR("local"),
                                   .report = TK_STR("{}"),
                                   .created_s = NOW_S};

        assert_err(WRITE(f, tk_import_create(txn, &import)), TK_OK);
        return import;
}

static uint64_t imported(struct fixture *f, uint64_t id)
{
        struct tk_import import;

        assert_err(READ(f, tk_import_get(txn, id, &f->arena, &import)), TK_OK);
        return import.imported;
}

static enum tk_err count_row(const struct tk_key_row *row, void *context)
{
        uint64_t *count = context;

        assert_non_null(row->owner);
        assert_true(row->foreign);
        assert_int_equal(row->owner->consumer_state, TK_STATE_ACTIVE);
        ++*count;
        return TK_OK;
}

static void a_batch_is_one_write(void **state)
{
        struct fixture *f = *state;
        static struct rows rows;
        struct world w;
        struct tk_feed_row *feed;
        size_t feed_count;
        uint64_t walked = 0;

        fixture_world(f, &w);
        make_rows(&rows, &w);
        struct tk_import import = new_import(f);
        uint64_t audit = fixture_audit_last(f), seq = fixture_feed_last(f);
        struct tk_import_batch batch = {
                .import_id = import.id, .rows = rows.pointers, .count = ROWS, .lines = 7};

        assert_err(WRITE(f, tk_import_batch(txn, &batch, &f->change)), TK_OK);
        assert_int_equal(batch.done, ROWS);
        assert_int_equal(batch.added, ROWS);
        assert_int_equal(fixture_audit_last(f), audit + 1);
        assert_int_equal(fixture_feed_last(f), seq + 1);
        assert_int_equal(imported(f, import.id), ROWS);
        assert_err(READ(f, tk_feed_since(txn, seq, 10, &f->arena, &feed, &feed_count)), TK_OK);
        assert_int_equal(feed_count, 1);
        assert_int_equal(feed[0].object_id, batch.first_id);
        assert_int_equal(feed[0].count, ROWS);
        assert_err(READ(f, tk_key_walk_span(txn, feed[0].object_id, feed[0].count, count_row, &walked)),
                   TK_OK);
        assert_int_equal(walked, ROWS);
        fixture_check(f);
}

static void known_digests_are_told_and_numbers_have_no_gaps(void **state)
{
        struct fixture *f = *state;
        static struct rows rows;
        struct world w;
        uint64_t id, next;

        fixture_world(f, &w);
        make_rows(&rows, &w);
        struct tk_import import = new_import(f);
        struct tk_import_batch some = {.import_id = import.id, .rows = rows.pointers + 100, .count = 50};
        assert_err(WRITE(f, tk_import_batch(txn, &some, &f->change)), TK_OK);
        struct tk_import_batch all = {.import_id = import.id, .rows = rows.pointers, .count = ROWS};
        assert_err(WRITE(f, tk_import_batch(txn, &all, &f->change)), TK_OK);
        assert_int_equal(all.added, ROWS - 50);
        for (size_t i = 0; i < ROWS; i++)
                assert_int_equal(rows.row[i].taken, i >= 100 && i < 150);
        assert_int_equal(imported(f, import.id), ROWS);
        assert_err(READ(f, tk_key_find_digest(txn, &rows.row[100].digest, &id)), TK_OK);
        assert_int_equal(id, some.first_id);
        assert_err(WRITE(f, tk_key_next_id(txn, &next)), TK_OK);
        assert_int_equal(next, some.first_id + ROWS);

        uint64_t audit = fixture_audit_last(f);
        struct tk_import_batch none = {.import_id = import.id, .rows = rows.pointers, .count = ROWS};
        assert_err(WRITE(f, tk_import_batch(txn, &none, &f->change)), TK_OK);
        assert_int_equal(none.added, 0);
        assert_int_equal(fixture_audit_last(f), audit);
}

static void a_batch_that_fails_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        static struct rows rows;
        struct world w;
        uint64_t id;

        fixture_world(f, &w);
        make_rows(&rows, &w);
        rows.row[ROWS - 1].environment_id = 999;
        struct tk_import import = new_import(f);
        uint64_t audit = fixture_audit_last(f), seq = fixture_feed_last(f);
        struct tk_import_batch batch = {.import_id = import.id, .rows = rows.pointers, .count = ROWS};

        assert_err(WRITE(f, tk_import_batch(txn, &batch, &f->change)), TK_NOT_FOUND);
        assert_int_equal(fixture_audit_last(f), audit);
        assert_int_equal(fixture_feed_last(f), seq);
        assert_int_equal(imported(f, import.id), 0);
        assert_err(READ(f, tk_key_find_digest(txn, &rows.row[0].digest, &id)), TK_NOT_FOUND);
}

static bool at_once(void *context)
{
        unsigned *asked = context;

        return ++*asked == 2;
}

static void a_batch_stops_where_somebody_waits(void **state)
{
        struct fixture *f = *state;
        static struct rows rows;
        struct world w;
        unsigned asked = 0;

        fixture_world(f, &w);
        make_rows(&rows, &w);
        struct tk_import import = new_import(f);
        struct tk_import_batch batch = {.import_id = import.id,
                                        .rows = rows.pointers,
                                        .count = ROWS,
                                        .enough = at_once,
                                        .context = &asked};
        assert_err(WRITE(f, tk_import_batch(txn, &batch, &f->change)), TK_OK);
        assert_true(batch.done > 0 && batch.done < ROWS);
        assert_int_equal(batch.added, batch.done);
        assert_int_equal(imported(f, import.id), batch.done);
        assert_false(tk_registry_urgent(f->registry));
}

static void unfinished_imports_are_found(void **state)
{
        struct fixture *f = *state;
        struct tk_import found, *list;
        size_t count;

        assert_err(READ(f, tk_import_unfinished(txn, &f->arena, &found)), TK_NOT_FOUND);
        struct tk_import first = new_import(f), second = new_import(f);
        assert_err(READ(f, tk_import_unfinished(txn, &f->arena, &found)), TK_OK);
        assert_int_equal(found.id, first.id);
        first.state = TK_IMPORT_DONE;
        first.rejected = 3;
        first.report = TK_STR("{\"errors\":[]}");
        assert_err(WRITE(f, tk_import_update(txn, &first)), TK_OK);
        assert_err(READ(f, tk_import_unfinished(txn, &f->arena, &found)), TK_OK);
        assert_int_equal(found.id, second.id);
        assert_err(READ(f, tk_import_get(txn, first.id, &f->arena, &found)), TK_OK);
        assert_int_equal(found.rejected, 3);
        assert_str(found.report, first.report);
        assert_err(READ(f, tk_import_list(txn, 0, 10, &f->arena, &list, &count)), TK_OK);
        assert_int_equal(count, 2);
        assert_int_equal(list[0].id, second.id);
}

static void staged_rows_come_in_order(void **state)
{
        struct fixture *f = *state;
        static struct rows rows;
        struct world w;
        struct tk_staging *staging;
        struct tk_staged *page, last;
        size_t count, seen = 0;
        char path[128];

        fixture_world(f, &w);
        make_rows(&rows, &w);
        snprintf(path, sizeof path, "%s/staged", f->folder);
        assert_err(tk_staging_create(path, &staging), TK_OK);
        for (size_t i = ROWS; i > 0; i--)
                assert_err(tk_staging_add(staging, &rows.row[i - 1], TK_STR("acme")), TK_OK);
        assert_err(tk_staging_seal(staging), TK_OK);
        tk_staging_close(staging);

        assert_err(tk_staging_open(path, &staging), TK_OK);
        do {
                assert_err(tk_staging_read(staging, seen == 0 ? NULL : &last, 70, &f->arena, &page, &count),
                           TK_OK);
                for (size_t i = 0; i < count; i++, seen++) {
                        assert_int_equal(page[i].row.line, rows.row[seen].line);
                        assert_memory_equal(&page[i].row.digest, &rows.row[seen].digest,
                                            sizeof rows.row[seen].digest);
                        assert_str(page[i].consumer, TK_STR("acme"));
                        assert_str(page[i].row.name, TK_STR("imported"));
                }
                if (count > 0)
                        last = page[count - 1];
        } while (count > 0);
        assert_int_equal(seen, ROWS);
        tk_staging_close(staging);
        remove(path);
        assert_err(tk_staging_open(path, &staging), TK_NOT_FOUND);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_batch_is_one_write, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(known_digests_are_told_and_numbers_have_no_gaps,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(a_batch_that_fails_leaves_nothing, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(a_batch_stops_where_somebody_waits, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(unfinished_imports_are_found, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(staged_rows_come_in_order, fixture_setup, fixture_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
