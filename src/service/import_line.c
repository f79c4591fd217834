/*
 * Checks one line of an import: where the key belongs, whose it is, what it may do, and the key itself, of which only the digest and a
 * hint are kept. On the thread that brings the lines. What is wrong becomes the fault of the line; what is doubtful, a warning.
 */
#include "core/hash_text.h"
#include "service/import_session.h"

#include <math.h>
#include <string.h>

#define NAME_MAX_BYTES  128
#define HINT_MAX_BYTES  32
#define FOREIGN_KEY_MAX 512 /* longer ones do not fit into a header beside others */
#define SHORT_KEY       16
#define GUESSABLE_BITS  80
#define HINT_CHARS      4
#define HINT_KEY_MIN    20 /* of shorter keys even four characters would be too much to show */
#define HINT_SECRET_MIN 16
#define HINT_PREFIX_MAX 12

static struct tk_str or_default(struct tk_str given, struct tk_str otherwise)
{
        return given.ptr ? given : otherwise;
}

/* ---- where: API and environment ---- */

struct place_job {
        struct tk_op op;
        struct tk_str api, environment;
        struct tk_api found_api;
        struct tk_environment found_environment;
};

static enum tk_err find_place(struct tk_txn *txn, void *context)
{
        struct place_job *job = context;
        enum tk_err err = tk_find_api(&job->op, txn, job->api, "/api", &job->found_api);
        if (err != TK_OK)
                return err;
        return tk_find_environment(&job->op, txn, &job->found_api, job->environment, "/environment",
                                   &job->found_environment);
}

static enum tk_err check_place_names(struct tk_fault *fault, struct tk_str api, struct tk_str environment)
{
        if (!api.ptr)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/api",
                                    "name it in the line, or for all lines with the parameter api",
                                    "it is missing");
        enum tk_err err = tk_value_name(fault, "/api", api);
        if (err == TK_OK)
                err = tk_value_name(fault, "/environment", environment);
        if (err != TK_OK || !tk_str_equal(api, TK_STR(TK_ADMIN_API)))
                return err;
        return tk_fault_set(fault, TK_FAULT_forbidden, "/api", "issue a new key: tollkeeper key issue",
                            "an admin key is made here, and never brought along");
}

static enum tk_err add_place(struct tk_importer *importer, const struct place_job *job)
{
        if (importer->place_count == importer->place_room) {
                size_t room = importer->place_room ? importer->place_room * 2 : 8;
                struct tk_import_place *places = tk_arena_alloc(&importer->arena, room * sizeof(*places));
                if (!places)
                        return TK_NOMEM;
                if (importer->place_count > 0)
                        memcpy(places, importer->places, importer->place_count * sizeof(*places));
                importer->places = places;
                importer->place_room = room;
        }
        struct tk_import_place place = {
                .api = tk_arena_copy(&importer->arena, job->api),
                .environment = tk_arena_copy(&importer->arena, job->environment),
                .api_id = job->found_api.id,
                .environment_id = job->found_environment.id,
        };
        if (!place.api.ptr || !place.environment.ptr)
                return TK_NOMEM;
        importer->last_place = importer->place_count;
        importer->places[importer->place_count++] = place;
        return TK_OK;
}

static bool is_place(const struct tk_import_place *place, struct tk_str api, struct tk_str environment)
{
        return tk_str_equal(place->api, api) && tk_str_equal(place->environment, environment);
}

/* Environments are never deleted, so what was found once stays true. The usual line is of the place of the line before. */
static enum tk_err locate(struct tk_importer *importer, const struct tk_import_line *line,
                          struct tk_fault *fault, const struct tk_import_place **ret_place)
{
        struct tk_str api = or_default(line->api, importer->options.api);
        struct tk_str environment = or_default(line->environment, importer->options.environment);
        if (!environment.ptr)
                environment = TK_STR("production");
        if (importer->place_count == 0 || !api.ptr ||
            !is_place(&importer->places[importer->last_place], api, environment)) {
                size_t at = 0;
                while (api.ptr && at < importer->place_count &&
                       !is_place(&importer->places[at], api, environment))
                        at++;
                importer->last_place = at < importer->place_count ? at : importer->last_place;
                if (!api.ptr || at == importer->place_count) {
                        enum tk_err err = check_place_names(fault, api, environment);
                        if (err != TK_OK)
                                return err;
                        struct tk_arena arena;
                        tk_arena_init(&arena, 0);
                        struct place_job job = {.op = tk_op_begin(importer->service, NULL, &arena, fault),
                                                .api = api,
                                                .environment = environment};
                        err = tk_op_read(&job.op, find_place, &job);
                        if (err == TK_OK)
                                err = add_place(importer, &job);
                        tk_arena_fini(&arena);
                        if (err != TK_OK)
                                return err;
                }
        }
        *ret_place = &importer->places[importer->last_place];
        return TK_OK;
}

/* ---- whose ---- */

/* Whether there is such a consumer is looked up for a whole run at once (import_apply.c). */
static enum tk_err find_consumer_slot(struct tk_importer *importer, const struct tk_import_line *line,
                                      struct tk_fault *fault, uint32_t *ret_slot)
{
        struct tk_import_run *run = importer->filling;
        struct tk_str name = or_default(line->consumer, importer->options.consumer);
        if (!name.ptr)
                name = TK_STR("default");
        const struct tk_str texts[TK_IMPORT_TABLE_TEXTS] = {name, TK_STR(""), TK_STR("")};
        if (tk_import_table_find(&run->consumers, 0, texts, ret_slot) == TK_OK)
                return TK_OK;
        uint64_t id;
        if (!tk_id_parse(TK_ID_CONSUMER, name, &id)) {
                enum tk_err err = tk_value_consumer_name(fault, "/consumer", name);
                if (err != TK_OK)
                        return err;
        }
        return tk_import_table_add(&run->consumers, 0, texts, &run->arena, ret_slot);
}

/* ---- what it may do ---- */

struct terms_job {
        struct tk_op op;
        const struct tk_input_key *input;
        const struct tk_import_place *place;
        struct tk_key *key;
};

static enum tk_err check_scopes(struct tk_txn *txn, void *context)
{
        struct terms_job *job = context;
        const struct tk_api api = {.id = job->place->api_id, .name = job->place->api};
        return tk_scopes_known(&job->op, txn, &api, &job->input->scopes, job->key->scopes,
                               job->key->scope_count);
}

static enum tk_err read_terms(struct tk_importer *importer, const struct tk_import_line *line,
                              struct terms_job *job, struct tk_import_terms *ret_terms)
{
        struct tk_arena *kept = &importer->filling->arena;
        struct tk_input_key input = {0};
        job->key = tk_arena_alloc(job->op.arena, sizeof(*job->key));
        enum tk_err err = job->key ? TK_OK : TK_NOMEM;
        if (err == TK_OK && line->read_terms)
                err = line->read_terms(line, job->op.arena, &input, job->op.fault);
        job->input = &input;
        if (err == TK_OK)
                err = tk_key_merge(&job->op, &input, job->key);
        if (err == TK_OK && job->key->scope_count > 0)
                err = tk_op_read(&job->op, check_scopes, job);
        if (err == TK_OK && !importer->options.dry_run)
                err = tk_op_reserve_scopes(&job->op, job->place->api_id, job->key->scopes,
                                           job->key->scope_count);
        if (err == TK_OK)
                err = tk_scopes_encode(job->key->scopes, job->key->scope_count, kept, &ret_terms->scopes);
        if (err == TK_OK)
                err = tk_limits_encode(job->key->limits, job->key->limit_count, kept, &ret_terms->limits);
        if (err == TK_OK)
                err = tk_restrictions_encode(&job->key->restrictions, kept, &ret_terms->restrictions);
        ret_terms->has_limits = job->key->limit_count > 0;
        return err;
}

static enum tk_err find_terms(struct tk_importer *importer, const struct tk_import_line *line,
                              const struct tk_import_place *place, struct tk_fault *fault,
                              const struct tk_import_terms **ret_terms)
{
        struct tk_import_run *run = importer->filling;
        const struct tk_str texts[TK_IMPORT_TABLE_TEXTS] = {line->scopes, line->limits, line->restrictions};
        uint32_t slot;
        if (tk_import_table_find(&run->terms, place->api_id, texts, &slot) == TK_OK) {
                *ret_terms = run->terms.entries[slot].value;
                return TK_OK;
        }
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct tk_import_terms *terms = tk_arena_alloc(&run->arena, sizeof(*terms));
        struct terms_job job = {.op = tk_op_begin(importer->service, &importer->caller, &arena, fault),
                                .place = place};
        enum tk_err err = terms ? read_terms(importer, line, &job, terms) : TK_NOMEM;
        tk_arena_fini(&arena);
        if (err == TK_OK)
                err = tk_import_table_add(&run->terms, place->api_id, texts, &run->arena, &slot);
        if (err != TK_OK)
                return err;
        run->terms.entries[slot].value = terms;
        *ret_terms = terms;
        return TK_OK;
}

/* ---- the key itself ---- */

static enum tk_err check_plaintext(struct tk_fault *fault, struct tk_str key)
{
        if (key.len == 0 || key.len > FOREIGN_KEY_MAX)
                return tk_fault_set(fault, TK_FAULT_invalid_value, "/key", "give the key as it is presented",
                                    "it has %zu characters, 1 to %d are allowed", key.len, FOREIGN_KEY_MAX);
        for (size_t i = 0; i < key.len; i++)
                if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
                        return tk_fault_set(fault, TK_FAULT_invalid_value, "/key",
                                            "use printable ASCII characters without spaces",
                                            "character %zu cannot stand in a request's header", i + 1);
        return TK_OK;
}

/* How hard it is to guess, generously: as if each character were drawn from those that occur in it. */
static bool guessable(struct tk_str key)
{
        uint64_t seen[2] = {0, 0};
        for (size_t i = 0; i < key.len; i++)
                seen[(unsigned char)key.ptr[i] >> 6 & 1] |= UINT64_C(1) << (key.ptr[i] & 63);
        int different = __builtin_popcountll(seen[0]) + __builtin_popcountll(seen[1]);
        return (double)key.len * log2((double)different) < GUESSABLE_BITS;
}

struct issued_job {
        struct tk_op op;
        uint64_t number;
        struct tk_digest digest;
        bool same;
};

static enum tk_err compare_issued(struct tk_txn *txn, void *context)
{
        struct issued_job *job = context;
        struct tk_key *key = tk_arena_alloc(job->op.arena, sizeof(*key));
        if (!key)
                return TK_NOMEM;
        enum tk_err err = tk_key_get(txn, job->number, job->op.arena, key);
        job->same = err == TK_OK && tk_digest_equal(&key->digest, &job->digest);
        return err == TK_NOT_FOUND ? TK_OK : err;
}

/* A key of our own shape is one of ours, which works already, or another installation's, which is foreign here. */
static enum tk_err check_own_shape(struct tk_importer *importer, const struct tk_import_line *line,
                                   struct tk_fault *fault)
{
        struct tk_service *service = importer->service;
        struct tk_key_parts parts;
        unsigned pepper_version;
        if (!tk_key_parse(line->key, &parts))
                return TK_OK;
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct issued_job job = {.op = tk_op_begin(service, NULL, &arena, fault)};
        tk_key_locate(&parts, &service->secrets.mask, &job.number, &pepper_version);
        enum tk_err err = TK_OK;
        if (tk_digest_key(&service->secrets.peppers, pepper_version, line->key, &job.digest))
                err = tk_op_read(&job.op, compare_issued, &job);
        tk_arena_fini(&arena);
        if (err == TK_OK && job.same)
                return tk_fault_set(fault, TK_FAULT_conflict, "/key",
                                    "leave the line out: the key works already",
                                    "it was issued here: key_%llu", (unsigned long long)job.number);
        if (err == TK_OK)
                tk_import_report_warning(&importer->report, line->number, "own_shape",
                                         "it has the shape of a Tollkeeper key, and was issued by another "
                                         "installation");
        return err;
}

static bool contains(struct tk_str text, struct tk_str key)
{
        return text.ptr && text.len >= key.len && memmem(text.ptr, text.len, key.ptr, key.len);
}

/* A slip in the columns would store the key in plain text. */
static enum tk_err refuse_copies(const struct tk_import_line *line, struct tk_fault *fault)
{
        const struct {
                struct tk_str text;
                const char *field;
        } texts[] = {{line->name, "/name"},
                     {line->consumer, "/consumer"},
                     {line->metadata, "/metadata"},
                     {line->hint, "/hint"},
                     {line->scopes, "/scopes"}};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (contains(texts[i].text, line->key))
                        return tk_fault_set(
                                fault, TK_FAULT_invalid_value, texts[i].field, "leave the key out of it",
                                "it holds the key itself, and keys are kept nowhere in plain text");
        return TK_OK;
}

static enum tk_err hash_plaintext(struct tk_importer *importer, const struct tk_import_line *line,
                                  struct tk_fault *fault, uint8_t ret_sha256[32])
{
        enum tk_err err = check_plaintext(fault, line->key);
        if (err == TK_OK)
                err = refuse_copies(line, fault);
        if (err == TK_OK)
                err = check_own_shape(importer, line, fault);
        if (err == TK_OK)
                tk_sha256(line->key.ptr, line->key.len, ret_sha256);
        return err;
}

static enum tk_err digest_line(struct tk_importer *importer, const struct tk_import_line *line,
                               struct tk_fault *fault, struct tk_digest *ret_digest)
{
        struct tk_service *service = importer->service;
        uint8_t sha256[32];
        enum tk_err err = TK_OK;
        if (!line->key.ptr == !line->sha256.ptr)
                return tk_fault_set(fault, TK_FAULT_invalid_value, line->key.ptr ? "/sha256" : "/key",
                                    "give the key as \"key\", or its hash as \"sha256\"",
                                    line->key.ptr ? "there is a key as well"
                                                  : "there is neither a key nor a hash");
        if (line->key.ptr)
                err = hash_plaintext(importer, line, fault, sha256);
        else if (!tk_hash_parse(line->sha256, sha256))
                err = tk_fault_set(fault, TK_FAULT_invalid_value, "/sha256",
                                   "give 64 hexadecimal digits, or 43 characters of base64 or base64url",
                                   "it is not a SHA-256");
        if (err == TK_OK &&
            !tk_digest_foreign(&service->secrets.peppers, service->pepper_version, sha256, ret_digest))
                err = TK_CORRUPT;
        tk_wipe(sha256, sizeof(sha256));
        return err;
}

/* What precedes the secret, up to `_` or `-`, and four characters of it; nothing where that would give too much away. */
static struct tk_str plaintext_hint(struct tk_str key)
{
        if (key.len < HINT_KEY_MIN)
                return TK_STR("");
        size_t prefix = 0;
        for (size_t i = 0; i < HINT_PREFIX_MAX; i++)
                if (key.ptr[i] == '_' || key.ptr[i] == '-')
                        prefix = i + 1;
        if (key.len - prefix < HINT_SECRET_MIN + HINT_CHARS)
                prefix = 0;
        return (struct tk_str){key.ptr, prefix + HINT_CHARS};
}

static enum tk_err make_hint(const struct tk_import_line *line, struct tk_fault *fault,
                             struct tk_str *ret_hint)
{
        if (!line->hint.ptr) {
                *ret_hint = line->key.ptr ? plaintext_hint(line->key) : TK_STR("");
                return TK_OK;
        }
        enum tk_err err = tk_value_text(fault, "/hint", line->hint, HINT_MAX_BYTES);
        if (err == TK_OK && line->key.ptr && line->hint.len > line->key.len / 2)
                err = tk_fault_set(fault, TK_FAULT_invalid_value, "/hint",
                                   "show less of the key, or leave it out",
                                   "it is more than half as long as the key");
        *ret_hint = line->hint;
        return err;
}

static void warn_about(struct tk_importer *importer, const struct tk_import_line *line)
{
        struct tk_import_report *report = &importer->report;
        if (line->left_behind)
                tk_import_report_warning(report, line->number, "left_behind", line->left_behind);
        if (!line->key.ptr)
                return;
        if (line->key.len < SHORT_KEY)
                tk_import_report_warning(report, line->number, "short_key",
                                         "the key has fewer than 16 characters: rotate it soon");
        else if (guessable(line->key))
                tk_import_report_warning(
                        report, line->number, "guessable_key",
                        "the key has too few different characters to be hard to guess: rotate it "
                        "soon");
}

/* ---- all of it ---- */

static enum tk_err check_state(struct tk_fault *fault, struct tk_str text, enum tk_state *ret_state)
{
        *ret_state = TK_STATE_ACTIVE;
        if (!text.ptr || tk_str_equal(text, TK_STR("active")))
                return TK_OK;
        *ret_state = TK_STATE_SUSPENDED;
        if (tk_str_equal(text, TK_STR("suspended")))
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_invalid_value, "/state",
                            "use active or suspended, and leave revoked keys out",
                            "it is not a state of a new key");
}

static enum tk_err check_validity(const struct tk_importer *importer, const struct tk_import_line *line,
                                  struct tk_fault *fault)
{
        enum tk_err err = tk_value_validity(fault, line->not_before.s, line->expires_at.s);
        if (err != TK_OK || line->expires_at.s == 0 || line->expires_at.s > importer->created_s)
                return err;
        return tk_fault_set(fault, TK_FAULT_invalid_value, "/expires_at", "leave expired keys out",
                            "the key has expired already");
}

static enum tk_err check_texts(const struct tk_importer *importer, const struct tk_import_line *line,
                               struct tk_fault *fault, struct tk_import_row *row)
{
        enum tk_err err = tk_value_text(fault, "/name", line->name, NAME_MAX_BYTES);
        if (err == TK_OK && line->metadata.ptr)
                err = tk_value_metadata(fault, line->metadata);
        if (err == TK_OK)
                err = check_state(fault, line->state, &row->state);
        if (err == TK_OK)
                err = check_validity(importer, line, fault);
        if (err == TK_OK)
                err = make_hint(line, fault, &row->hint);
        row->name = line->name;
        row->metadata = line->metadata.len > 2 ? line->metadata : TK_STR("{}");
        row->not_before_s = line->not_before.s;
        row->expires_s = line->expires_at.s;
        return err;
}

/* Texts that are not constants go to the run's arena. */
static enum tk_err keep_texts(struct tk_import_run *run, struct tk_import_row *row)
{
        struct tk_str *texts[] = {&row->name, &row->hint, &row->metadata};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                bool constant = texts[i]->len == 0 || (i == 2 && texts[i]->len == 2);
                *texts[i] = constant ? (i == 2 ? TK_STR("{}") : TK_STR(""))
                                     : tk_arena_copy(&run->arena, *texts[i]);
                if (!texts[i]->ptr)
                        return TK_NOMEM;
        }
        return TK_OK;
}

enum tk_err tk_import_line_check(struct tk_importer *importer, const struct tk_import_line *line,
                                 struct tk_fault *fault)
{
        struct tk_import_run *run = importer->filling;
        struct tk_import_staged_row staged = {.row = {.line = line->number}};
        const struct tk_import_place *place;
        const struct tk_import_terms *terms;
        enum tk_err err = locate(importer, line, fault, &place);
        if (err == TK_OK)
                err = find_consumer_slot(importer, line, fault, &staged.consumer);
        if (err == TK_OK)
                err = check_texts(importer, line, fault, &staged.row);
        if (err == TK_OK)
                err = find_terms(importer, line, place, fault, &terms);
        if (err == TK_OK)
                err = digest_line(importer, line, fault, &staged.row.digest);
        if (err == TK_OK)
                err = keep_texts(run, &staged.row);
        if (err != TK_OK)
                return err;
        staged.row.environment_id = place->environment_id;
        staged.row.pepper_version = (uint8_t)importer->service->pepper_version;
        staged.row.scopes = terms->scopes;
        staged.row.limits = terms->limits;
        staged.row.restrictions = terms->restrictions;
        staged.row.has_limits = terms->has_limits;
        warn_about(importer, line);
        run->rows[run->count++] = staged;
        return TK_OK;
}
