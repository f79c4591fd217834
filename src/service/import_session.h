/*
 * The inside of an import (import.h), shared by import.c, import_line.c, import_apply.c and import_report.c. Two threads: the one that
 * brings the lines, and the session's own, which applies a run of them while the next is filled.
 */
#ifndef TK_SERVICE_IMPORT_SESSION_H
#define TK_SERVICE_IMPORT_SESSION_H

#include "core/id.h"
#include "registry/codec.h"
#include "registry/staging.h"
#include "service/import.h"
#include "service/import_table.h"
#include "service/internal.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * Rows are applied in the order of their digests, run by run: the longer a run, the more of its neighbours share a page of the index
 * by digest, and the less is written. The first runs are short, so that the writer has something to do.
 */
#define TK_IMPORT_RUN_FIRST 8192
#define TK_IMPORT_RUN_MAX   131072
#define TK_IMPORT_RUN_BYTES ((size_t)64 << 20) /* of texts */

/*
 * At most so many rows in one write. It is cut short where a revocation waits, which then waits for the commit and the publication of
 * what was taken in so far: so the rows of a write are as many as keep these within some milliseconds on this machine, now.
 */
#define TK_IMPORT_CHUNK       8000
#define TK_IMPORT_CHUNK_LEAST 500
#define TK_IMPORT_CHUNK_FIRST 1000
#define TK_IMPORT_WAIT_NS     INT64_C(16000000)
#define TK_IMPORT_CHUNK_TERMS                                                                                \
        64 /* different ones in one write: each may need 64 KiB in the gate until it is published */

/* Scopes, limits and restrictions of a key, encoded. */
struct tk_import_terms {
        struct tk_str scopes, limits, restrictions;
        bool has_limits;
};

struct tk_import_staged_row {
        struct tk_import_row row;
        uint32_t consumer; /* its slot in the run's table; row.consumer_id is set when that is known */
};

/* Rows that have come, and what they share. */
struct tk_import_run {
        struct tk_arena arena;
        struct tk_import_staged_row *rows;
        size_t count, room;
        struct tk_import_table consumers; /* number: the id, once known */
        struct tk_import_table terms;     /* number: the API; value: struct tk_import_terms */
};

/* Where a key belongs. */
struct tk_import_place {
        struct tk_str api, environment; /* as the line names them */
        uint64_t api_id, environment_id;
};

struct tk_import_report {
        pthread_mutex_t lock;
        json_t *errors, *warnings; /* bounded; totals are counted apart */
        atomic_uint_fast64_t rejected, warned;
};

struct tk_importer {
        struct tk_service *service;
        struct tk_caller caller;
        struct tk_import_options options;
        struct tk_arena arena; /* the session's: caller, options, places */
        uint64_t id;
        int64_t created_s;
        size_t chunk_rows; /* of the thread that applies */
        bool staged;       /* rows go to `staging`, not to the registry */
        char *staging_path;
        struct tk_staging *staging;
        atomic_uint_fast64_t lines, imported;
        struct tk_import_report report;

        /* of the thread that brings lines */
        struct tk_import_place *places;
        size_t place_count, place_room, last_place;
        struct tk_import_run *filling;
        size_t run_rows;

        pthread_t thread;
        bool started;
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        struct tk_import_run *full; /* handed over; NULL: taken */
        struct tk_import_run *idle; /* empty, for the next one */
        bool ending;
        enum tk_err err; /* why no more is applied */
        struct tk_fault fault;
        atomic_bool abandoned;
        atomic_uint_fast64_t lines_expected;
};

/* ---- import_report.c ---- */

enum tk_err tk_import_report_init(struct tk_import_report *report);
void tk_import_report_fini(struct tk_import_report *report);
void tk_import_report_error(struct tk_import_report *report, uint64_t line, const struct tk_fault *fault);
void tk_import_report_warning(struct tk_import_report *report, uint64_t line, const char *type,
                              const char *detail);
/* Whether there is room for more errors: one that is only counted needs no words. */
bool tk_import_report_has_room(struct tk_import_report *report);
/* JSON text, by line. TK_NOMEM. */
enum tk_err tk_import_report_text(struct tk_import_report *report, struct tk_arena *arena,
                                  struct tk_str *ret_text);

/* ---- import_line.c ---- */

/*
 * Check a line and put it into the run that is being filled. TK_INVALID, TK_DENIED and the like with the fault of the line; other errors
 * are the session's.
 */
enum tk_err tk_import_line_check(struct tk_importer *importer, const struct tk_import_line *line,
                                 struct tk_fault *fault);

/* ---- import_apply.c ---- */

enum tk_err tk_import_run_new(struct tk_import_run **ret_run);
void tk_import_run_free(struct tk_import_run *run);
void tk_import_run_clear(struct tk_import_run *run);

/* Bring a run where it belongs: to the registry, or to the staging file. */
enum tk_err tk_import_run_sink(struct tk_importer *importer, struct tk_import_run *run,
                               struct tk_fault *fault);
/* All that was staged is good? What is not goes into the report. */
enum tk_err tk_import_staging_check(struct tk_importer *importer);
/* Bring all that was staged to the registry. */
enum tk_err tk_import_staging_apply(struct tk_importer *importer, struct tk_fault *fault);

#endif
