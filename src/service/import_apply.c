/*
 * Brings the rows of an import where they belong: resolves their consumers, puts them in the order of their digests, and writes them in
 * chunks that are short enough for a revocation to wait for. On the session's own thread, or on the one that finishes it.
 */
#include "core/alloc.h"
#include "service/import_session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONSUMERS_PER_WRITE 200
#define PAGE_ROWS           4000

/* ---- runs ---- */

enum tk_err tk_import_run_new(struct tk_import_run **ret_run)
{
        struct tk_import_run *run = tk_calloc(1, sizeof(*run));
        if (!run)
                return TK_NOMEM;
        tk_arena_init(&run->arena, 0);
        run->room = TK_IMPORT_RUN_MAX;
        run->rows = tk_malloc(run->room * sizeof(*run->rows));
        if (!run->rows) {
                tk_free(run);
                return TK_NOMEM;
        }
        *ret_run = run;
        return TK_OK;
}

void tk_import_run_free(struct tk_import_run *run)
{
        if (!run)
                return;
        tk_arena_fini(&run->arena);
        tk_import_table_fini(&run->consumers);
        tk_import_table_fini(&run->terms);
        tk_free(run->rows);
        tk_free(run);
}

void tk_import_run_clear(struct tk_import_run *run)
{
        tk_arena_fini(&run->arena);
        tk_arena_init(&run->arena, 0);
        tk_import_table_clear(&run->consumers);
        tk_import_table_clear(&run->terms);
        run->count = 0;
}

/* ---- consumers ---- */

struct consumers_job {
        struct tk_op op;
        struct tk_import_entry **entries; /* text[0] is the name or id, number becomes the id */
        size_t count;
};

static enum tk_err look_up(struct tk_txn *txn, void *context)
{
        struct consumers_job *job = context;
        for (size_t i = 0; i < job->count; i++) {
                struct tk_arena arena;
                struct tk_consumer consumer;
                uint64_t id;
                struct tk_str who = job->entries[i]->text[0];
                tk_arena_init(&arena, 0);
                enum tk_err err = tk_id_parse(TK_ID_CONSUMER, who, &id)
                                          ? tk_consumer_get(txn, id, &arena, &consumer)
                                          : tk_consumer_find(txn, who, &arena, &consumer);
                tk_arena_fini(&arena);
                if (err == TK_OK)
                        job->entries[i]->number = consumer.id;
                else if (err != TK_NOT_FOUND)
                        return err;
        }
        return TK_OK;
}

/* Somebody else may have made one meanwhile: then it is that one. */
static enum tk_err make(struct tk_txn *txn, void *context)
{
        struct consumers_job *job = context;
        enum tk_err err = look_up(txn, context);
        for (size_t i = 0; err == TK_OK && i < job->count; i++) {
                struct tk_consumer consumer;
                struct tk_import_entry *entry = job->entries[i];
                uint64_t id;
                if (entry->number != 0 || tk_id_parse(TK_ID_CONSUMER, entry->text[0], &id))
                        continue;
                err = tk_consumer_make(&job->op, txn, &(struct tk_input_consumer){.name = entry->text[0]},
                                       &consumer);
                if (err == TK_OK)
                        entry->number = consumer.id;
        }
        return err;
}

static enum tk_err with_consumers(struct tk_importer *importer, tk_txn_fn *run, bool write,
                                  struct tk_import_entry **entries, size_t count, struct tk_fault *fault)
{
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct consumers_job job = {.op = tk_op_begin(importer->service, &importer->caller, &arena, fault),
                                    .entries = entries,
                                    .count = count};
        enum tk_err err =
                write ? tk_op_write(&job.op, TK_LANE_NORMAL, run, &job) : tk_op_read(&job.op, run, &job);
        for (size_t i = 0; write && err != TK_OK && i < count; i++)
                entries[i]->number = 0; /* undone */
        tk_arena_fini(&arena);
        return err;
}

static size_t keep_unknown(struct tk_import_entry **entries, size_t count)
{
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
                if (entries[i]->number == 0)
                        entries[kept++] = entries[i];
        return kept;
}

/* Find the consumers; make those that are missing where `make_missing`. Those that are still missing keep number 0. */
static enum tk_err resolve(struct tk_importer *importer, struct tk_import_entry **entries, size_t count,
                           bool make_missing, struct tk_fault *fault)
{
        enum tk_err err = with_consumers(importer, look_up, false, entries, count, fault);
        size_t missing = err == TK_OK && make_missing ? keep_unknown(entries, count) : 0;
        for (size_t at = 0; err == TK_OK && at < missing; at += CONSUMERS_PER_WRITE) {
                size_t some = missing - at < CONSUMERS_PER_WRITE ? missing - at : CONSUMERS_PER_WRITE;
                err = with_consumers(importer, make, true, entries + at, some, fault);
        }
        return err;
}

static void reject_consumer(struct tk_importer *importer, const struct tk_import_row *row, struct tk_str name)
{
        struct tk_fault fault = {0};
        tk_fault_set(&fault, TK_FAULT_unknown_reference, "/consumer",
                     "create it first, or let what is missing be made (create_missing)",
                     "there is no consumer \"%.*s\"", TK_STR_ARG(name));
        tk_import_report_error(&importer->report, row->line, &fault);
}

/* Whether a consumer that does not exist will be made when the time has come: ids name what exists. */
static bool will_be_made(const struct tk_importer *importer, struct tk_str name)
{
        uint64_t id;
        return importer->options.create_missing && !tk_id_parse(TK_ID_CONSUMER, name, &id);
}

/* The rows whose consumer exists, or will; the others are reported and dropped. */
static enum tk_err settle_consumers(struct tk_importer *importer, struct tk_import_run *run,
                                    struct tk_fault *fault)
{
        size_t count = run->consumers.count;
        struct tk_import_entry **entries = tk_malloc((count + 1) * sizeof(struct tk_import_entry *));
        if (!entries)
                return TK_NOMEM;
        for (size_t i = 0; i < count; i++)
                entries[i] = &run->consumers.entries[i];
        enum tk_err err = resolve(importer, entries, count,
                                  importer->options.create_missing && !importer->staged, fault);
        tk_free(entries);
        if (err != TK_OK)
                return err;
        size_t kept = 0;
        for (size_t i = 0; i < run->count; i++) {
                struct tk_import_staged_row *staged = &run->rows[i];
                const struct tk_import_entry *consumer = &run->consumers.entries[staged->consumer];
                staged->row.consumer_id = consumer->number;
                if (consumer->number != 0 || (importer->staged && will_be_made(importer, consumer->text[0])))
                        run->rows[kept++] = *staged;
                else
                        reject_consumer(importer, &staged->row, consumer->text[0]);
        }
        run->count = kept;
        return TK_OK;
}

/* ---- chunks ---- */

struct chunk_job {
        struct tk_op op;
        struct tk_importer *importer;
        struct tk_import_batch batch;
        uint64_t terms, meters;
        int64_t run_ns; /* of the write, what the rows took; the rest others wait for */
};

static int64_t monotonic_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * (int64_t)TK_NS_PER_S + now.tv_nsec;
}

/* More rows a write cost less for each, and make who waits wait longer. */
static void adapt_chunk(struct tk_importer *importer, int64_t waited_ns)
{
        size_t rows = importer->chunk_rows;
        if (waited_ns > TK_IMPORT_WAIT_NS)
                rows -= rows / 4;
        else if (waited_ns < TK_IMPORT_WAIT_NS * 2 / 3)
                rows += rows / 4;
        if (rows < TK_IMPORT_CHUNK_LEAST)
                rows = TK_IMPORT_CHUNK_LEAST;
        importer->chunk_rows = rows > TK_IMPORT_CHUNK ? TK_IMPORT_CHUNK : rows;
}

static bool someone_waits(void *context)
{
        const struct tk_importer *importer = context;
        return tk_registry_urgent(importer->service->registry);
}

static enum tk_err write_chunk(struct tk_txn *txn, void *context)
{
        struct chunk_job *job = context;
        struct tk_change change;
        uint64_t last;
        int64_t begun_ns = monotonic_ns();
        enum tk_err err = tk_key_last_id(txn, &last);
        if (err == TK_OK)
                err = tk_op_reserve(&job->op, &(struct tk_publish_room){.key_id = last + job->batch.count,
                                                                        .policies = job->terms,
                                                                        .meters = job->meters,
                                                                        .foreign = job->batch.count});
        if (err == TK_OK)
                err = tk_op_change(&job->op, "key.import", json_null(), json_null(), &change);
        if (err == TK_OK)
                err = tk_import_batch(txn, &job->batch, &change);
        job->run_ns = monotonic_ns() - begun_ns;
        return err;
}

static bool same_terms(const struct tk_import_row *a, const struct tk_import_row *b)
{
        if (a->scopes.ptr == b->scopes.ptr && a->limits.ptr == b->limits.ptr)
                return true;
        return tk_str_equal(a->scopes, b->scopes) && tk_str_equal(a->limits, b->limits) &&
               tk_str_equal(a->restrictions, b->restrictions);
}

/* As many rows from `rows` on as make one chunk. */
static void cut_chunk(struct tk_import_row **rows, size_t count, struct chunk_job *job)
{
        const struct tk_import_row *seen[TK_IMPORT_CHUNK_TERMS];
        size_t taken = 0;
        for (; taken < count && taken < job->importer->chunk_rows; taken++) {
                size_t at = 0;
                while (at < job->terms && !same_terms(seen[at], rows[taken]))
                        at++;
                if (at == TK_IMPORT_CHUNK_TERMS)
                        break;
                if (at == job->terms)
                        seen[job->terms++] = rows[taken];
                job->meters += rows[taken]->has_limits;
        }
        job->batch.rows = rows;
        job->batch.count = taken;
}

struct find_job {
        struct tk_digest digest;
        uint64_t id;
};

static enum tk_err find_digest(struct tk_txn *txn, void *context)
{
        struct find_job *job = context;
        return tk_key_find_digest(txn, &job->digest, &job->id);
}

static void reject_known(struct tk_importer *importer, const struct tk_import_row *row)
{
        struct tk_fault fault = {0};
        struct find_job job = {.digest = row->digest};
        if (tk_import_report_has_room(&importer->report))
                (void)tk_registry_read(importer->service->registry, find_digest, &job);
        tk_fault_set(&fault, TK_FAULT_conflict, "/key", "leave the line out: the key works already",
                     job.id ? "it has been imported already: key_%llu" : "it has been imported already",
                     (unsigned long long)job.id);
        tk_import_report_error(&importer->report, row->line, &fault);
}

static void reject_twin(struct tk_importer *importer, const struct tk_import_row *row,
                        const struct tk_import_row *first)
{
        struct tk_fault fault = {0};
        tk_fault_set(&fault, TK_FAULT_conflict, "/key", "leave one of the two out",
                     "line %llu has the same key", (unsigned long long)first->line);
        tk_import_report_error(&importer->report, row->line, &fault);
}

/* Written and in force, chunk by chunk. `again`: of rows that are there already an interrupted start has told. */
static enum tk_err apply_rows(struct tk_importer *importer, struct tk_import_row **rows, size_t count,
                              bool again, struct tk_fault *fault)
{
        enum tk_err err = TK_OK;
        for (size_t at = 0; err == TK_OK && at < count && !atomic_load(&importer->abandoned);) {
                struct tk_arena arena;
                tk_arena_init(&arena, 0);
                struct chunk_job job = {
                        .op = tk_op_begin(importer->service, &importer->caller, &arena, fault),
                        .importer = importer,
                        .batch = {.import_id = importer->id,
                                  .lines = atomic_load(&importer->lines),
                                  .rejected = atomic_load(&importer->report.rejected),
                                  .warned = atomic_load(&importer->report.warned),
                                  .enough = someone_waits,
                                  .context = importer},
                };
                cut_chunk(rows + at, count - at, &job);
                int64_t begun_ns = monotonic_ns();
                err = tk_op_write(&job.op, TK_LANE_NORMAL, write_chunk, &job);
                adapt_chunk(importer, monotonic_ns() - begun_ns - job.run_ns);
                tk_arena_fini(&arena);
                if (err != TK_OK)
                        break;
                for (size_t i = 0; i < job.batch.done && !again; i++)
                        if (rows[at + i]->taken)
                                reject_known(importer, rows[at + i]);
                atomic_fetch_add(&importer->imported, again ? job.batch.done : job.batch.added);
                at += job.batch.done;
        }
        return err;
}

/* ---- a run to the registry ---- */

static int by_digest(const void *a, const void *b)
{
        const struct tk_import_row *left = *(struct tk_import_row *const *)a;
        const struct tk_import_row *right = *(struct tk_import_row *const *)b;
        int order = memcmp(left->digest.bytes, right->digest.bytes, sizeof(left->digest.bytes));
        if (order != 0)
                return order;
        return (left->line > right->line) - (left->line < right->line);
}

/* Of lines with the same key the first one counts. */
static size_t drop_twins(struct tk_importer *importer, struct tk_import_row **rows, size_t count)
{
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
                if (kept > 0 && tk_digest_equal(&rows[kept - 1]->digest, &rows[i]->digest))
                        reject_twin(importer, rows[i], rows[kept - 1]);
                else
                        rows[kept++] = rows[i];
        }
        return kept;
}

static enum tk_err apply_run(struct tk_importer *importer, struct tk_import_run *run, struct tk_fault *fault)
{
        struct tk_import_row **rows = tk_malloc((run->count + 1) * sizeof(struct tk_import_row *));
        if (!rows)
                return TK_NOMEM;
        for (size_t i = 0; i < run->count; i++)
                rows[i] = &run->rows[i].row;
        qsort(rows, run->count, sizeof(struct tk_import_row *), by_digest);
        size_t count = drop_twins(importer, rows, run->count);
        enum tk_err err = apply_rows(importer, rows, count, false, fault);
        tk_free(rows);
        return err;
}

static enum tk_err stage_run(struct tk_importer *importer, const struct tk_import_run *run)
{
        enum tk_err err = TK_OK;
        for (size_t i = 0; err == TK_OK && i < run->count; i++) {
                const struct tk_import_staged_row *staged = &run->rows[i];
                struct tk_str consumer = run->consumers.entries[staged->consumer].text[0];
                err = tk_staging_add(importer->staging, &staged->row,
                                     staged->row.consumer_id == 0 ? consumer : TK_STR(""));
        }
        return err;
}

/* So that the index grows once: each growth looks at all entries, and the publisher waits for it. */
static void make_room(struct tk_importer *importer, const struct tk_import_run *run)
{
        uint64_t expected = atomic_load(&importer->lines_expected), there = atomic_load(&importer->imported);
        struct tk_publish_room room = {.foreign =
                                               expected > there + run->count ? expected - there : run->count};
        if (tk_feeder_reserve(importer->service->feeder, &room) == TK_OK)
                tk_feeder_release(importer->service->feeder, &room);
}

enum tk_err tk_import_run_sink(struct tk_importer *importer, struct tk_import_run *run,
                               struct tk_fault *fault)
{
        enum tk_err err = settle_consumers(importer, run, fault);
        if (err != TK_OK)
                return err;
        if (importer->staged)
                return stage_run(importer, run);
        make_room(importer, run);
        return apply_run(importer, run, fault);
}

/* ---- what was staged ---- */

struct check_job {
        struct tk_importer *importer;
        struct tk_staged *rows;
        size_t count;
        struct tk_staged *before; /* the last of the page before; NULL: none */
};

static enum tk_err check_page(struct tk_txn *txn, void *context)
{
        struct check_job *job = context;
        struct tk_staged *before = job->before;
        for (size_t i = 0; i < job->count; i++) {
                struct tk_import_row *row = &job->rows[i].row;
                uint64_t id;
                if (before && tk_digest_equal(&before->row.digest, &row->digest)) {
                        reject_twin(job->importer, row, &before->row);
                        continue;
                }
                before = &job->rows[i];
                enum tk_err err = tk_key_find_digest(txn, &row->digest, &id);
                if (err != TK_OK && err != TK_NOT_FOUND)
                        return err;
                row->taken = err == TK_OK;
        }
        return TK_OK;
}

/* Page after page: `page` is run for each, with the last row of the one before, which stays where it is. */
static enum tk_err each_page(struct tk_importer *importer,
                             enum tk_err (*page)(struct check_job *job, struct tk_fault *fault),
                             struct tk_fault *fault)
{
        struct tk_arena arenas[2];
        struct tk_staged *last = NULL;
        enum tk_err err = TK_OK;
        unsigned turn = 0;
        tk_arena_init(&arenas[0], 0);
        tk_arena_init(&arenas[1], 0);
        for (;;) {
                struct check_job job = {.importer = importer, .before = last};
                struct tk_arena *arena = &arenas[turn++ % 2];
                tk_arena_fini(arena);
                tk_arena_init(arena, 0);
                err = tk_staging_read(importer->staging, last, PAGE_ROWS, arena, &job.rows, &job.count);
                if (err != TK_OK || job.count == 0)
                        break;
                err = page(&job, fault);
                if (err != TK_OK || job.count < PAGE_ROWS || atomic_load(&importer->abandoned))
                        break;
                last = &job.rows[job.count - 1];
        }
        tk_arena_fini(&arenas[0]);
        tk_arena_fini(&arenas[1]);
        return err;
}

static enum tk_err run_check(struct check_job *job, struct tk_fault *fault)
{
        struct tk_importer *importer = job->importer;
        (void)fault;
        enum tk_err err = tk_registry_read(importer->service->registry, check_page, job);
        for (size_t i = 0; err == TK_OK && i < job->count; i++)
                if (job->rows[i].row.taken)
                        reject_known(importer, &job->rows[i].row);
        return err;
}

enum tk_err tk_import_staging_check(struct tk_importer *importer)
{
        return each_page(importer, run_check, NULL);
}

/* The consumers that were to be made, each once. */
static enum tk_err make_consumers(struct tk_importer *importer, struct check_job *job, struct tk_fault *fault)
{
        struct tk_import_run run = {0}; /* for its table */
        tk_arena_init(&run.arena, 0);
        uint32_t *slots = tk_arena_alloc(&run.arena, job->count * sizeof(*slots));
        enum tk_err err = slots ? TK_OK : TK_NOMEM;
        for (size_t i = 0; err == TK_OK && i < job->count; i++) {
                const struct tk_str texts[TK_IMPORT_TABLE_TEXTS] = {job->rows[i].consumer, TK_STR(""),
                                                                    TK_STR("")};
                if (job->rows[i].row.consumer_id == 0 &&
                    tk_import_table_find(&run.consumers, 0, texts, &slots[i]) != TK_OK)
                        err = tk_import_table_add(&run.consumers, 0, texts, &run.arena, &slots[i]);
        }
        size_t count = run.consumers.count;
        struct tk_import_entry **entries = tk_arena_alloc(&run.arena, (count + 1) * sizeof(*entries));
        for (size_t i = 0; entries && i < count; i++)
                entries[i] = &run.consumers.entries[i];
        if (err == TK_OK && count > 0)
                err = entries ? resolve(importer, entries, count, true, fault) : TK_NOMEM;
        for (size_t i = 0; err == TK_OK && i < job->count; i++)
                if (job->rows[i].row.consumer_id == 0)
                        job->rows[i].row.consumer_id = run.consumers.entries[slots[i]].number;
        tk_import_table_fini(&run.consumers);
        tk_arena_fini(&run.arena);
        return err;
}

static enum tk_err run_apply(struct check_job *job, struct tk_fault *fault)
{
        struct tk_importer *importer = job->importer;
        enum tk_err err = make_consumers(importer, job, fault);
        struct tk_import_row **rows =
                err == TK_OK ? tk_malloc(job->count * sizeof(struct tk_import_row *)) : NULL;
        if (err == TK_OK && !rows)
                err = TK_NOMEM;
        for (size_t i = 0; err == TK_OK && i < job->count; i++)
                rows[i] = &job->rows[i].row;
        if (err == TK_OK)
                err = apply_rows(importer, rows, job->count, true, fault);
        tk_free(rows);
        return err;
}

enum tk_err tk_import_staging_apply(struct tk_importer *importer, struct tk_fault *fault)
{
        struct tk_publish_room room = {.foreign = atomic_load(&importer->lines)};
        if (tk_feeder_reserve(importer->service->feeder, &room) == TK_OK)
                tk_feeder_release(importer->service->feeder, &room);
        return each_page(importer, run_apply, fault);
}
