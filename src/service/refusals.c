/*
 * The table behind refusals.h. A place is one actor at one route. Bounded in number and size; nothing in it
 * is a secret: details of faults have their keys cut (core/fault.h).
 */
#include "service/refusals.h"

#include "core/alloc.h"
#include "core/id.h"
#include "registry/canonical.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define REFUSALS_MAX 256
#define BATCH_MAX    32
#define FIRST_SPAN_S 60
#define SPAN_MAX_S   3600

struct place {
        bool used;
        char actor[32], source[TK_CIDR_TEXT_MAX];
        const char *method, *route; /* static */
        enum tk_object object;
        uint64_t object_id;
        struct tk_fault fault; /* of the first that is counted */
        int64_t at_s;          /* when that was */
        int64_t due_s;         /* no row before */
        int64_t span_s;        /* from the last row to the next */
        uint64_t count;        /* since the last row */
};

struct tk_refusals {
        pthread_mutex_t mutex;
        struct place places[REFUSALS_MAX];
        struct tk_refusal_stats stats;
};

enum tk_err tk_refusals_new(struct tk_refusals **ret_refusals)
{
        struct tk_refusals *refusals = tk_calloc(1, sizeof(*refusals));
        if (!refusals)
                return TK_NOMEM;
        pthread_mutex_init(&refusals->mutex, NULL);
        *ret_refusals = refusals;
        return TK_OK;
}

void tk_refusals_free(struct tk_refusals *refusals)
{
        if (!refusals)
                return;
        pthread_mutex_destroy(&refusals->mutex);
        tk_free(refusals);
}

/* ---- noting ---- */

static void copy_text(char *to, size_t room, struct tk_str text)
{
        snprintf(to, room, "%.*s", TK_STR_ARG(text));
}

static bool is_of(const struct place *place, const struct tk_refusal *refusal)
{
        return place->used && place->route == refusal->route && place->method == refusal->method &&
               tk_str_equal(tk_str_from(place->actor), refusal->actor);
}

/* Quiet for as long as the next row would have waited: it is forgotten, and with it how long that was. */
static bool is_over(const struct place *place, int64_t now_s)
{
        return place->used && place->count == 0 && now_s >= place->due_s + place->span_s;
}

/* The place of this refusal, an empty one, or NULL when all are watched. */
static struct place *place_of(struct tk_refusals *refusals, const struct tk_refusal *refusal, int64_t now_s)
{
        struct place *free_place = NULL;
        for (size_t i = 0; i < REFUSALS_MAX; i++) {
                struct place *place = &refusals->places[i];
                if (is_of(place, refusal))
                        return place;
                if (!free_place && (!place->used || is_over(place, now_s)))
                        free_place = place;
        }
        if (free_place)
                free_place->used = false;
        return free_place;
}

static void begin(struct place *place, const struct tk_refusal *refusal, int64_t now_s)
{
        if (!place->used)
                *place = (struct place){.used = true, .method = refusal->method, .route = refusal->route};
        copy_text(place->actor, sizeof(place->actor), refusal->actor);
        copy_text(place->source, sizeof(place->source), refusal->source);
        place->object = refusal->object;
        place->object_id = refusal->object_id;
        place->fault = *refusal->fault;
        place->at_s = now_s;
}

void tk_refusals_note(struct tk_refusals *refusals, const struct tk_refusal *refusal, int64_t now_s)
{
        pthread_mutex_lock(&refusals->mutex);
        struct place *place = place_of(refusals, refusal, now_s);
        refusals->stats.refused++;
        if (!place) {
                refusals->stats.unnoted++;
        } else {
                if (!place->used || place->count == 0)
                        begin(place, refusal, now_s);
                place->count++;
        }
        pthread_mutex_unlock(&refusals->mutex);
}

void tk_refusals_stats(struct tk_refusals *refusals, struct tk_refusal_stats *ret_stats)
{
        pthread_mutex_lock(&refusals->mutex);
        *ret_stats = refusals->stats;
        pthread_mutex_unlock(&refusals->mutex);
}

/* ---- writing ---- */

struct batch {
        struct place rows[BATCH_MAX];
        size_t count;
};

static json_t *view(const struct place *row)
{
        char route[128];
        snprintf(route, sizeof(route), "%s %s", row->method, row->route);
        return json_pack("{s:I, s:s, s:s, s:s, s:s}", "count", (json_int_t)row->count, "detail",
                         row->fault.detail, "field", row->fault.field, "problem",
                         tk_fault_info(row->fault.code)->name, "route", route);
}

static enum tk_err write_row(struct tk_txn *txn, const struct place *row, struct tk_arena *arena)
{
        struct tk_change change = {
                .at_s = row->at_s,
                .actor = tk_str_from(row->actor),
                .source = tk_str_from(row->source),
                .action = TK_STR(TK_ACTION_REFUSED),
        };
        json_t *after = view(row);
        enum tk_err err = after ? tk_canonical_json(after, arena, &change.after) : TK_NOMEM;
        json_decref(after);
        return err == TK_OK ? tk_audit_note(txn, row->object, row->object_id, &change) : err;
}

static enum tk_err write_batch(struct tk_txn *txn, void *context)
{
        const struct batch *batch = context;
        enum tk_err err = TK_OK;
        for (size_t i = 0; err == TK_OK && i < batch->count; i++) {
                struct tk_arena arena;
                tk_arena_init(&arena, 0);
                err = write_row(txn, &batch->rows[i], &arena);
                tk_arena_fini(&arena);
        }
        return err;
}

/* Later than a span ahead: the clock was put back. */
static bool is_due(const struct place *place, int64_t now_s)
{
        return place->used && place->count > 0 &&
               (now_s >= place->due_s || place->due_s > now_s + SPAN_MAX_S);
}

static void take(struct tk_refusals *refusals, int64_t now_s, bool all, struct batch *ret_batch)
{
        pthread_mutex_lock(&refusals->mutex);
        ret_batch->count = 0;
        for (size_t i = 0; i < REFUSALS_MAX && ret_batch->count < BATCH_MAX; i++) {
                struct place *place = &refusals->places[i];
                if (!is_due(place, now_s) && !(all && place->used && place->count > 0))
                        continue;
                ret_batch->rows[ret_batch->count++] = *place;
                place->count = 0;
                place->span_s = place->span_s == 0 ? FIRST_SPAN_S : place->span_s * 2;
                if (place->span_s > SPAN_MAX_S)
                        place->span_s = SPAN_MAX_S;
                place->due_s = now_s + place->span_s;
        }
        pthread_mutex_unlock(&refusals->mutex);
}

/* What could not be written is counted, so that no number goes astray: /metrics has it. */
static void account(struct tk_refusals *refusals, const struct batch *batch, enum tk_err err)
{
        pthread_mutex_lock(&refusals->mutex);
        for (size_t i = 0; i < batch->count; i++) {
                if (err == TK_OK)
                        refusals->stats.rows++;
                else
                        refusals->stats.unnoted += batch->rows[i].count;
        }
        pthread_mutex_unlock(&refusals->mutex);
}

void tk_refusals_write(struct tk_refusals *refusals, struct tk_registry *registry, int64_t now_s, bool all)
{
        struct batch batch;
        do {
                take(refusals, now_s, all, &batch);
                if (batch.count == 0)
                        return;
                account(refusals, &batch, tk_registry_write(registry, TK_LANE_NORMAL, write_batch, &batch));
        } while (batch.count == BATCH_MAX);
}
