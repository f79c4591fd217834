/*
 * The life of an import: opened, filled line by line, finished or abandoned; and what a daemon that died has left, ended at the next
 * start. One at a time in a daemon. See import.h; the inside is in import_session.h.
 */
#include "core/alloc.h"
#include "service/import_session.h"
#include "service/view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one at a time ---- */

static bool claim(struct tk_service *service)
{
        pthread_mutex_lock(&service->importing);
        bool free = !service->import_claimed;
        service->import_claimed = true;
        pthread_mutex_unlock(&service->importing);
        return free;
}

static void show(struct tk_service *service, struct tk_importer *importer)
{
        pthread_mutex_lock(&service->importing);
        service->importer = importer;
        pthread_mutex_unlock(&service->importing);
}

static void release(struct tk_service *service)
{
        pthread_mutex_lock(&service->importing);
        service->import_claimed = false;
        service->importer = NULL;
        pthread_mutex_unlock(&service->importing);
}

/* ---- its record ---- */

static enum tk_err write_record(struct tk_txn *txn, void *context)
{
        struct tk_import *import = context;
        return import->id == 0 ? tk_import_create(txn, import) : tk_import_update(txn, import);
}

static struct tk_import record_of(struct tk_importer *importer, enum tk_import_state state,
                                  struct tk_str report)
{
        return (struct tk_import){
                .id = importer->id,
                .state = state,
                .all_or_nothing = importer->options.all_or_nothing,
                .dry_run = importer->options.dry_run,
                .lines = atomic_load(&importer->lines),
                .imported = atomic_load(&importer->imported),
                .rejected = atomic_load(&importer->report.rejected),
                .warned = atomic_load(&importer->report.warned),
                .actor = importer->caller.actor,
                .source = importer->caller.source,
                .report = report,
                .created_s = importer->created_s,
                .updated_s = (int64_t)(tk_service_now_ns(importer->service) / TK_NS_PER_S),
        };
}

static enum tk_err set_state(struct tk_importer *importer, enum tk_import_state state, struct tk_arena *arena,
                             struct tk_import *ret_import)
{
        struct tk_str report;
        enum tk_err err = tk_import_report_text(&importer->report, arena, &report);
        if (err != TK_OK)
                return err;
        struct tk_import import = record_of(importer, state, report);
        err = tk_registry_write(importer->service->registry, TK_LANE_NORMAL, write_record, &import);
        if (err == TK_OK)
                *ret_import = import;
        return err;
}

/* ---- its own thread ---- */

static void *session_main(void *context)
{
        struct tk_importer *importer = context;
        pthread_mutex_lock(&importer->lock);
        for (;;) {
                while (!importer->full && !importer->ending)
                        pthread_cond_wait(&importer->changed, &importer->lock);
                struct tk_import_run *run = importer->full;
                if (!run)
                        break;
                pthread_mutex_unlock(&importer->lock);
                struct tk_fault fault = {0};
                enum tk_err err = importer->err;
                if (err == TK_OK && !atomic_load(&importer->abandoned))
                        err = tk_import_run_sink(importer, run, &fault);
                tk_import_run_clear(run);
                pthread_mutex_lock(&importer->lock);
                if (importer->err == TK_OK && err != TK_OK) {
                        importer->err = err;
                        importer->fault = fault;
                }
                importer->full = NULL;
                importer->idle = run;
                pthread_cond_broadcast(&importer->changed);
        }
        pthread_mutex_unlock(&importer->lock);
        return NULL;
}

/* Give the session's thread what has come, and go on with an empty run. Waits until it has taken the run before. */
static enum tk_err hand_over(struct tk_importer *importer)
{
        pthread_mutex_lock(&importer->lock);
        while (importer->full || !importer->idle)
                pthread_cond_wait(&importer->changed, &importer->lock);
        importer->full = importer->filling;
        importer->filling = importer->idle;
        importer->idle = NULL;
        enum tk_err err = importer->err;
        pthread_cond_broadcast(&importer->changed);
        pthread_mutex_unlock(&importer->lock);
        if (importer->run_rows < TK_IMPORT_RUN_MAX)
                importer->run_rows *= 2;
        return err;
}

static void end_thread(struct tk_importer *importer)
{
        if (!importer->started)
                return;
        pthread_mutex_lock(&importer->lock);
        importer->ending = true;
        pthread_cond_broadcast(&importer->changed);
        pthread_mutex_unlock(&importer->lock);
        pthread_join(importer->thread, NULL);
        importer->started = false;
}

/* ---- open ---- */

static void free_importer(struct tk_importer *importer)
{
        end_thread(importer);
        tk_import_run_free(importer->filling);
        tk_import_run_free(importer->idle);
        tk_staging_close(importer->staging);
        tk_import_report_fini(&importer->report);
        pthread_cond_destroy(&importer->changed);
        pthread_mutex_destroy(&importer->lock);
        tk_arena_fini(&importer->arena);
        tk_free(importer);
}

static struct tk_importer *new_importer(struct tk_service *service)
{
        struct tk_importer *importer = tk_calloc(1, sizeof(*importer));
        if (!importer)
                return NULL;
        importer->service = service;
        tk_arena_init(&importer->arena, 0);
        pthread_mutex_init(&importer->lock, NULL);
        pthread_cond_init(&importer->changed, NULL);
        importer->run_rows = TK_IMPORT_RUN_FIRST;
        importer->chunk_rows = TK_IMPORT_CHUNK_FIRST;
        if (tk_import_report_init(&importer->report) == TK_OK)
                return importer;
        free_importer(importer);
        return NULL;
}

static bool copy(struct tk_arena *arena, struct tk_str *text)
{
        if (!text->ptr)
                return true;
        *text = tk_arena_copy(arena, *text);
        return text->ptr != NULL;
}

static bool copy_all(struct tk_importer *importer)
{
        struct tk_str *texts[] = {&importer->caller.actor,    &importer->caller.source,
                                  &importer->caller.scopes,   &importer->caller.only_apis,
                                  &importer->options.api,     &importer->options.environment,
                                  &importer->options.consumer};
        importer->caller.idempotency_key = TK_STR_NONE;
        bool good = true;
        for (size_t i = 0; good && i < sizeof(texts) / sizeof(texts[0]); i++)
                good = copy(&importer->arena, texts[i]);
        return good;
}

static char *staging_path(struct tk_importer *importer)
{
        return (char *)(uintptr_t)tk_arena_printf(&importer->arena, "%s/import-%llu.staging",
                                                  importer->service->data_dir,
                                                  (unsigned long long)importer->id)
                .ptr;
}

static enum tk_err start(struct tk_importer *importer, struct tk_fault *fault)
{
        struct tk_import import = record_of(importer, TK_IMPORT_READING, TK_STR(""));
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct tk_op op = tk_op_begin(importer->service, &importer->caller, &arena, fault);
        enum tk_err err = tk_op_write(&op, TK_LANE_NORMAL, write_record, &import);
        tk_arena_fini(&arena);
        if (err != TK_OK)
                return err;
        importer->id = import.id;
        importer->staging_path = staging_path(importer);
        if (!importer->staging_path)
                err = TK_NOMEM;
        if (err == TK_OK && importer->staged)
                err = tk_staging_create(importer->staging_path, &importer->staging);
        if (err == TK_OK)
                err = tk_import_run_new(&importer->filling);
        if (err == TK_OK)
                err = tk_import_run_new(&importer->idle);
        if (err == TK_OK && pthread_create(&importer->thread, NULL, session_main, importer) != 0)
                err = TK_NOMEM;
        importer->started = err == TK_OK;
        return err;
}

static enum tk_err check_rights(const struct tk_caller *caller, const struct tk_import_options *options,
                                struct tk_fault *fault)
{
        if (!options->create_missing || tk_caller_holds(caller, TK_STR("consumers:write")))
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_forbidden, "create_missing",
                            "leave create_missing out, or ask an administrator who holds consumers:write",
                            "it would make consumers, and you do not hold consumers:write");
}

enum tk_err tk_importer_open(struct tk_service *service, const struct tk_caller *caller,
                             const struct tk_import_options *options, struct tk_importer **ret_importer,
                             struct tk_fault *fault)
{
        fault->code = TK_FAULT_none;
        enum tk_err err = check_rights(caller, options, fault);
        if (err != TK_OK)
                return err;
        if (!claim(service))
                return tk_fault_set(fault, TK_FAULT_unavailable, "",
                                    "wait until it is done: GET /v1/imports shows it",
                                    "another import is under way");
        (void)tk_imports_recover(service);
        struct tk_importer *importer = new_importer(service);
        err = importer ? TK_OK : TK_NOMEM;
        if (importer) {
                importer->caller = *caller;
                importer->options = *options;
                importer->created_s = (int64_t)(tk_service_now_ns(service) / TK_NS_PER_S);
                importer->staged = options->all_or_nothing || options->dry_run;
                atomic_store(&importer->lines_expected, options->lines_expected);
                err = copy_all(importer) ? start(importer, fault) : TK_NOMEM;
        }
        if (err == TK_OK) {
                show(service, importer);
                *ret_importer = importer;
                return TK_OK;
        }
        if (fault->code == TK_FAULT_none)
                tk_fault_from_err(fault, err);
        if (importer && importer->id != 0)
                tk_importer_abandon(importer);
        else {
                if (importer)
                        free_importer(importer);
                release(service);
        }
        return err;
}

uint64_t tk_importer_id(const struct tk_importer *importer)
{
        return importer->id;
}

/* ---- lines ---- */

static bool is_the_lines(enum tk_err err, const struct tk_fault *fault)
{
        return fault->code != TK_FAULT_none &&
               (err == TK_INVALID || err == TK_DENIED || err == TK_NOT_FOUND || err == TK_CONFLICT);
}

enum tk_err tk_importer_take(struct tk_importer *importer, const struct tk_import_line *line)
{
        struct tk_fault fault;
        fault.code = TK_FAULT_none;
        fault.field[0] = fault.mend[0] = '\0';
        atomic_fetch_add(&importer->lines, 1);
        enum tk_err err = tk_import_line_check(importer, line, &fault);
        if (err != TK_OK && is_the_lines(err, &fault)) {
                tk_import_report_error(&importer->report, line->number, &fault);
                return TK_OK;
        }
        if (err != TK_OK)
                return err;
        struct tk_import_run *run = importer->filling;
        if (run->count < importer->run_rows && run->arena.total_bytes < TK_IMPORT_RUN_BYTES)
                return TK_OK;
        return hand_over(importer);
}

void tk_importer_reject(struct tk_importer *importer, uint64_t line, const struct tk_fault *fault)
{
        atomic_fetch_add(&importer->lines, 1);
        tk_import_report_error(&importer->report, line, fault);
}

void tk_importer_expect(struct tk_importer *importer, uint64_t lines)
{
        atomic_store(&importer->lines_expected, lines);
}

void tk_importer_hurry(struct tk_importer *importer)
{
        atomic_store(&importer->abandoned, true);
}

/* ---- the end ---- */

static void remove_staging(struct tk_importer *importer)
{
        if (importer->staged && importer->staging_path)
                unlink(importer->staging_path);
}

static enum tk_err stopped(struct tk_fault *fault, const struct tk_importer *importer)
{
        return tk_fault_set(
                fault, TK_FAULT_unavailable, "", "send the same again: what is there already is told",
                "the daemon stops; imp_%llu says what was imported", (unsigned long long)importer->id);
}

/* From here on it will be carried out, whatever happens. */
static enum tk_err carry_out(struct tk_importer *importer, struct tk_arena *arena,
                             struct tk_import *ret_import, struct tk_fault *fault)
{
        enum tk_err err = set_state(importer, TK_IMPORT_APPLYING, arena, ret_import);
        if (err != TK_OK)
                return err;
        err = tk_import_staging_apply(importer, fault);
        if (err == TK_OK && !atomic_load(&importer->abandoned))
                err = set_state(importer, TK_IMPORT_DONE, arena, ret_import);
        else
                err = TK_UNCERTAIN;
        if (err == TK_OK)
                return TK_OK;
        importer->staged = false; /* its file is needed */
        return tk_fault_set(
                fault, TK_FAULT_uncertain, "",
                "see GET /v1/imports/imp_%llu; it goes on when the daemon starts again, or with the next "
                "import",
                "imp_%llu is decided and not carried out to its end yet", (unsigned long long)importer->id);
}

static enum tk_err finish_staged(struct tk_importer *importer, struct tk_arena *arena,
                                 struct tk_import *ret_import, struct tk_fault *fault)
{
        enum tk_err err = tk_staging_seal(importer->staging);
        if (err == TK_OK)
                err = tk_import_staging_check(importer);
        if (err != TK_OK)
                return err;
        if (atomic_load(&importer->abandoned))
                return stopped(fault, importer);
        bool good = atomic_load(&importer->report.rejected) == 0;
        if (importer->options.dry_run)
                return set_state(importer, TK_IMPORT_DONE, arena, ret_import);
        if (!good)
                return set_state(importer, TK_IMPORT_REFUSED, arena, ret_import);
        return carry_out(importer, arena, ret_import, fault);
}

static enum tk_err finish(struct tk_importer *importer, struct tk_arena *arena, struct tk_import *ret_import,
                          struct tk_fault *fault)
{
        if (importer->filling->count > 0)
                (void)hand_over(importer);
        end_thread(importer);
        if (importer->err != TK_OK) {
                *fault = importer->fault;
                return importer->err;
        }
        if (importer->staged)
                return finish_staged(importer, arena, ret_import, fault);
        if (atomic_load(&importer->abandoned))
                return stopped(fault, importer);
        return set_state(importer, TK_IMPORT_DONE, arena, ret_import);
}

/* Of what has failed in the middle, the record says so; where not even that can be written, the next start does it. */
static void note_interruption(struct tk_importer *importer)
{
        struct tk_arena arena;
        struct tk_import ignored;
        tk_arena_init(&arena, 0);
        (void)set_state(importer, TK_IMPORT_INTERRUPTED, &arena, &ignored);
        tk_arena_fini(&arena);
}

static void end(struct tk_importer *importer)
{
        struct tk_service *service = importer->service;
        show(service, NULL);
        tk_staging_close(importer->staging);
        importer->staging = NULL;
        remove_staging(importer);
        free_importer(importer);
        release(service);
}

enum tk_err tk_importer_finish(struct tk_importer *importer, struct tk_arena *arena,
                               struct tk_import *ret_import, struct tk_fault *fault)
{
        fault->code = TK_FAULT_none;
        enum tk_err err = finish(importer, arena, ret_import, fault);
        if (err != TK_OK && fault->code == TK_FAULT_none)
                tk_fault_from_err(fault, err);
        if (err != TK_OK && fault->code != TK_FAULT_uncertain)
                note_interruption(importer);
        if (err == TK_OK && !(copy(arena, &ret_import->actor) && copy(arena, &ret_import->source)))
                err = tk_fault_from_err(fault, TK_NOMEM);
        end(importer);
        return err;
}

void tk_importer_abandon(struct tk_importer *importer)
{
        atomic_store(&importer->abandoned, true);
        end_thread(importer);
        note_interruption(importer);
        end(importer);
}

/* ---- after a crash ---- */

static enum tk_err read_unfinished(struct tk_txn *txn, void *context)
{
        struct tk_importer *importer = context;
        struct tk_import import;
        enum tk_err err = tk_import_unfinished(txn, &importer->arena, &import);
        if (err != TK_OK)
                return err;
        importer->id = import.id;
        importer->created_s = import.created_s;
        importer->options.all_or_nothing = import.all_or_nothing;
        importer->options.dry_run = import.dry_run;
        importer->options.create_missing = true; /* it was checked when it was decided */
        importer->caller =
                (struct tk_caller){.actor = import.actor, .source = import.source, .scopes = TK_STR("*")};
        importer->staged = import.state == TK_IMPORT_APPLYING;
        importer->ending = importer->staged;
        atomic_store(&importer->lines, import.lines);
        atomic_store(&importer->report.rejected, import.rejected);
        atomic_store(&importer->report.warned, import.warned);
        return TK_OK;
}

static enum tk_err recover_one(struct tk_importer *importer)
{
        struct tk_arena arena;
        struct tk_import ignored;
        struct tk_fault fault = {0};
        bool decided = importer->staged;
        importer->staging_path = staging_path(importer);
        if (!importer->staging_path)
                return TK_NOMEM;
        tk_arena_init(&arena, 0);
        enum tk_err err = decided ? tk_staging_open(importer->staging_path, &importer->staging) : TK_OK;
        if (err == TK_OK && decided)
                err = tk_import_staging_apply(importer, &fault);
        if (err == TK_NOT_FOUND) { /* somebody has removed the file: what is there stays */
                decided = false;
                err = TK_OK;
        }
        if (err == TK_OK)
                err = set_state(importer, decided ? TK_IMPORT_DONE : TK_IMPORT_INTERRUPTED, &arena, &ignored);
        if (err == TK_OK)
                unlink(importer->staging_path);
        tk_arena_fini(&arena);
        return err;
}

enum tk_err tk_imports_recover(struct tk_service *service)
{
        enum tk_err err;
        do {
                struct tk_importer *importer = new_importer(service);
                if (!importer)
                        return TK_NOMEM;
                err = tk_registry_read(service->registry, read_unfinished, importer);
                if (err == TK_OK)
                        err = recover_one(importer);
                free_importer(importer);
        } while (err == TK_OK);
        return err == TK_NOT_FOUND ? TK_OK : err;
}

/* ---- reading ---- */

struct read_job {
        struct tk_op op;
        struct tk_str id_text;
        struct tk_page page;
        struct tk_import import, *imports;
        size_t count;
};

static enum tk_err get(struct tk_txn *txn, void *context)
{
        struct read_job *job = context;
        uint64_t id;
        enum tk_err err = TK_NOT_FOUND;
        if (tk_id_parse(TK_ID_IMPORT, job->id_text, &id))
                err = tk_import_get(txn, id, job->op.arena, &job->import);
        if (err != TK_NOT_FOUND)
                return err;
        return tk_fault_set(job->op.fault, TK_FAULT_not_found, "",
                            "list the imports to see their ids (imp_2)", "there is no import with this id");
}

/* While it runs it knows more than its record. */
static void overlay(struct tk_service *service, struct tk_import *import)
{
        pthread_mutex_lock(&service->importing);
        const struct tk_importer *importer = service->importer;
        if (importer && importer->id == import->id && import->state < TK_IMPORT_DONE) {
                uint64_t imported = atomic_load(&importer->imported);
                import->lines = atomic_load(&importer->lines);
                import->imported = imported > import->imported ? imported : import->imported;
                import->rejected = atomic_load(&importer->report.rejected);
                import->warned = atomic_load(&importer->report.warned);
        }
        pthread_mutex_unlock(&service->importing);
}

enum tk_err tk_service_import_get(struct tk_service *service, struct tk_str import, struct tk_arena *arena,
                                  struct tk_import *ret_import, struct tk_fault *fault)
{
        struct read_job job = {.op = tk_op_begin(service, NULL, arena, fault), .id_text = import};
        enum tk_err err = tk_op_read(&job.op, get, &job);
        if (err != TK_OK)
                return err;
        overlay(service, &job.import);
        *ret_import = job.import;
        return TK_OK;
}

static enum tk_err list(struct tk_txn *txn, void *context)
{
        struct read_job *job = context;
        return tk_import_list(txn, job->page.after_id, job->page.limit, job->op.arena, &job->imports,
                              &job->count);
}

enum tk_err tk_service_import_list(struct tk_service *service, struct tk_page page, struct tk_arena *arena,
                                   struct tk_import **ret_imports, size_t *ret_count, struct tk_fault *fault)
{
        struct read_job job = {.op = tk_op_begin(service, NULL, arena, fault), .page = page};
        enum tk_err err = tk_op_read(&job.op, list, &job);
        if (err != TK_OK)
                return err;
        for (size_t i = 0; i < job.count; i++)
                overlay(service, &job.imports[i]);
        *ret_imports = job.imports;
        *ret_count = job.count;
        return TK_OK;
}
