/*
 * Taking over keys that another system issued: a session that is given one line after another, checks each, and brings them into the
 * registry and the gate in batches. Used by http, from one thread a session; one session at a time in a daemon.
 *
 * Plaintext keys are hashed before anything is kept of them. With `all_or_nothing` the lines wait in a file aside until all have
 * come and are good; else they are applied while more come. docs/decisions/0017-imports.md says why in this order.
 */
#ifndef TK_SERVICE_IMPORT_H
#define TK_SERVICE_IMPORT_H

#include "registry/import.h"
#include "service/service.h"

#include <jansson.h>

struct tk_importer;

struct tk_import_options {
        struct tk_str api, environment, consumer; /* of lines that do not say; as in key issue */
        bool all_or_nothing;
        bool dry_run;            /* check every line, import none */
        bool create_missing;     /* make consumers that do not exist */
        uint64_t lines_expected; /* a guess, to make room at once; 0: none */
};

/* One line, read but not checked. Texts are borrowed for the call; ptr NULL: the line does not say. */
struct tk_import_line {
        uint64_t number;      /* from 1 */
        struct tk_str key;    /* plaintext */
        struct tk_str sha256; /* of the key, as core/hash_text.h reads it */
        struct tk_str api, environment, consumer, name, hint, state;
        struct tk_str metadata; /* a JSON object as compact text */
        struct tk_input_time not_before, expires_at;
        /*
         * Scopes, limits and restrictions as they were written, and who reads them into the input of a key: many lines have the same, and
         * those are read once.
         */
        struct tk_str scopes, limits, restrictions;
        enum tk_err (*read_terms)(const struct tk_import_line *line, struct tk_arena *arena,
                                  struct tk_input_key *ret_key, struct tk_fault *fault);
        void *context; /* of read_terms */
        const char *
                left_behind; /* what the other system had and this one does not take over: a warning; NULL: nothing */
};

/* TK_BUSY with its fault: another import is under way. TK_DENIED: it would make consumers, and the caller may not. */
enum tk_err tk_importer_open(struct tk_service *service, const struct tk_caller *caller,
                             const struct tk_import_options *options, struct tk_importer **ret_importer,
                             struct tk_fault *fault);

uint64_t tk_importer_id(const struct tk_importer *importer);

/* Check a line and keep it. What is wrong with the line is no error here: it goes into the report. Waits where the registry is slower. */
enum tk_err tk_importer_take(struct tk_importer *importer, const struct tk_import_line *line);
/* A line that could not even be read. */
void tk_importer_reject(struct tk_importer *importer, uint64_t line, const struct tk_fault *fault);
/* How many lines there may be in all, now that some are known. */
void tk_importer_expect(struct tk_importer *importer, uint64_t lines);

/*
 * No more lines come: apply what there is, or nothing. On TK_OK the record, with its report, is in `arena`. The importer is freed in
 * every case. An error leaves an import that rests: what it says of itself stays true.
 */
enum tk_err tk_importer_finish(struct tk_importer *importer, struct tk_arena *arena,
                               struct tk_import *ret_import, struct tk_fault *fault);
/* Stop at the next opportunity, because the daemon stops: what was decided is carried out when it starts again. Any thread. */
void tk_importer_hurry(struct tk_importer *importer);
/* The client has gone in the middle: apply nothing more. The importer is freed. */
void tk_importer_abandon(struct tk_importer *importer);

/* At start: end what a daemon that died has left. All or nothing that was decided is carried out. */
enum tk_err tk_imports_recover(struct tk_service *service);

/* ---- reading; addressed by id (`imp_2`) ---- */

enum tk_err tk_service_import_get(struct tk_service *service, struct tk_str import, struct tk_arena *arena,
                                  struct tk_import *ret_import, struct tk_fault *fault);
/* Newest first; page.after_id: those before that one, 0 from the newest. */
enum tk_err tk_service_import_list(struct tk_service *service, struct tk_page page, struct tk_arena *arena,
                                   struct tk_import **ret_imports, size_t *ret_count, struct tk_fault *fault);

/* As in docs/openapi.yaml; `whole`: with its report. NULL when out of memory. */
json_t *tk_view_import(const struct tk_import *import, bool whole);

#endif
