/*
 * Routes in the registry: what requests of an environment need and cost. Called inside a transaction, on its thread.
 * A route that is deleted keeps its row, because feed rows, audit entries and its usage name it.
 */
#include "core/path.h"
#include "registry/change.h"
#include "registry/codec.h"
#include "registry/query.h"
#include "registry/walk.h"

#include <assert.h>

#define ROUTE_SELECT                                                                                         \
        "SELECT r.id, r.version, r.environment_id, e.api_id, a.name, e.name, r.method, r.path, r.scope,"     \
        " r.cost, r.limits, r.description, r.created_s, r.updated_s, r.deleted_s"                            \
        " FROM routes r JOIN environments e ON e.id = r.environment_id JOIN apis a ON a.id = e.api_id "

static const char ROUTE_INSERT[] =
        "INSERT INTO routes (environment_id, method, path, shape, scope, cost, limits, description,"
        " created_s, updated_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) RETURNING id";
static const char ROUTE_UPDATE[] =
        "UPDATE routes SET version = version + 1, scope = ?3, cost = ?4, limits = ?5, description = ?6,"
        " updated_s = ?7, deleted_s = ?8 WHERE id = ?1 AND version = ?2 AND deleted_s = 0 RETURNING version";
static const char ROUTE_VERSION[] = "SELECT version FROM routes WHERE id = ?1";
static const char ROUTE_GET[] = ROUTE_SELECT "WHERE r.id = ?1";
static const char ROUTE_FIND[] =
        ROUTE_SELECT "WHERE r.environment_id = ?1 AND r.method = ?2 AND r.shape = ?3 AND r.deleted_s = 0";
static const char ROUTE_LIST[] = ROUTE_SELECT
        "WHERE r.id > ?1 AND (?3 = 0 OR r.environment_id = ?3) AND r.deleted_s = 0 ORDER BY r.id LIMIT ?2";
static const char ROUTE_COUNT[] = "SELECT COUNT(*) FROM routes WHERE environment_id = ?1 AND deleted_s = 0";
static const char ROUTE_WALK[] =
        ROUTE_SELECT "WHERE (?1 = 0 OR r.environment_id = ?1) AND r.deleted_s = 0 ORDER BY r.id";

static void read_row(struct tk_query *query, struct tk_arena *arena, void *record)
{
        struct tk_api_route *route = record;

        route->id = tk_take_u64(query);
        route->version = tk_take_u64(query);
        route->environment_id = tk_take_u64(query);
        route->api_id = tk_take_u64(query);
        route->api_name = tk_take_text(query, arena);
        route->environment_name = tk_take_text(query, arena);
        route->method = tk_take_text(query, arena);
        route->path = tk_take_text(query, arena);
        route->scope = tk_take_text(query, arena);
        route->cost = tk_take_u64(query);
        tk_query_fail(query, tk_limits_decode(tk_take_view(query), route->limits, &route->limit_count));
        route->description = tk_take_text(query, arena);
        route->created_s = tk_take_i64(query);
        route->updated_s = tk_take_i64(query);
        route->deleted_s = tk_take_i64(query);
}

static enum tk_err shape_of(struct tk_str path, struct tk_arena *arena, struct tk_str *ret_shape)
{
        char *bytes = tk_arena_alloc(arena, TK_PATH_SHAPE_MAX);

        if (bytes == NULL)
                return TK_NOMEM;
        if (!tk_path_template_valid(path))
                return TK_INVALID;
        *ret_shape = (struct tk_str){bytes, tk_path_template_shape(path, bytes)};
        return TK_OK;
}

/* ---- write ---- */

static enum tk_err insert(struct tk_txn *txn, struct tk_api_route *route, struct tk_str shape,
                          struct tk_str limits, int64_t at_s)
{
        struct tk_query query = tk_query_begin(txn, ROUTE_INSERT);

        tk_bind_u64(&query, route->environment_id);
        tk_bind_text(&query, route->method);
        tk_bind_text(&query, route->path);
        tk_bind_text(&query, shape);
        tk_bind_text(&query, route->scope);
        tk_bind_u64(&query, route->cost);
        tk_bind_text(&query, limits);
        tk_bind_text(&query, route->description);
        tk_bind_i64(&query, at_s);
        return tk_query_number(&query, &route->id);
}

enum tk_err tk_api_route_create(struct tk_txn *txn, struct tk_api_route *route,
                                const struct tk_change *change)
{
        struct tk_arena scratch;
        struct tk_str limits, shape;
        enum tk_err err;

        assert(txn->writable);
        tk_arena_init(&scratch, 0);
        err = route->cost <= TK_LIMIT_COST_MAX ? shape_of(route->path, &scratch, &shape) : TK_INVALID;
        if (err == TK_OK)
                err = tk_limits_encode(route->limits, route->limit_count, &scratch, &limits);
        if (err == TK_OK)
                err = insert(txn, route, shape, limits, change->at_s);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        route->version = 1;
        route->created_s = route->updated_s = change->at_s;
        route->deleted_s = 0;
        return tk_change_record(txn, TK_OBJECT_ROUTE, route->id, route->version, change);
}

static enum tk_err update(struct tk_txn *txn, struct tk_api_route *route, struct tk_str limits, int64_t at_s,
                          int64_t deleted_s)
{
        struct tk_query query = tk_query_begin(txn, ROUTE_UPDATE);

        tk_bind_u64(&query, route->id);
        tk_bind_u64(&query, route->version);
        tk_bind_text(&query, route->scope);
        tk_bind_u64(&query, route->cost);
        tk_bind_text(&query, limits);
        tk_bind_text(&query, route->description);
        tk_bind_i64(&query, at_s);
        tk_bind_i64(&query, deleted_s);
        return tk_query_update(&query, ROUTE_VERSION, route->id, &route->version);
}

static enum tk_err change_row(struct tk_txn *txn, struct tk_api_route *route, const struct tk_change *change,
                              int64_t deleted_s)
{
        struct tk_arena scratch;
        struct tk_str limits;
        enum tk_err err;

        if (route->cost > TK_LIMIT_COST_MAX)
                return TK_INVALID;
        tk_arena_init(&scratch, 0);
        err = tk_limits_encode(route->limits, route->limit_count, &scratch, &limits);
        if (err == TK_OK)
                err = update(txn, route, limits, change->at_s, deleted_s);
        tk_arena_fini(&scratch);
        if (err != TK_OK)
                return err;
        route->updated_s = change->at_s;
        route->deleted_s = deleted_s;
        return tk_change_record(txn, TK_OBJECT_ROUTE, route->id, route->version, change);
}

enum tk_err tk_api_route_update(struct tk_txn *txn, struct tk_api_route *route,
                                const struct tk_change *change)
{
        return change_row(txn, route, change, 0);
}

enum tk_err tk_api_route_delete(struct tk_txn *txn, struct tk_api_route *route,
                                const struct tk_change *change)
{
        return change_row(txn, route, change, change->at_s);
}

/* ---- read ---- */

enum tk_err tk_api_route_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                             struct tk_api_route *ret_route)
{
        struct tk_query query = tk_query_begin(txn, ROUTE_GET);

        tk_bind_u64(&query, id);
        return tk_query_one(&query, read_row, sizeof *ret_route, arena, ret_route);
}

enum tk_err tk_api_route_find(struct tk_txn *txn, uint64_t environment_id, struct tk_str method,
                              struct tk_str path, struct tk_arena *arena, struct tk_api_route *ret_route)
{
        struct tk_str shape;
        enum tk_err err = shape_of(path, arena, &shape);
        struct tk_query query;

        if (err != TK_OK)
                return err == TK_INVALID ? TK_NOT_FOUND : err;
        query = tk_query_begin(txn, ROUTE_FIND);
        tk_bind_u64(&query, environment_id);
        tk_bind_text(&query, method);
        tk_bind_text(&query, shape);
        return tk_query_one(&query, read_row, sizeof *ret_route, arena, ret_route);
}

enum tk_err tk_api_route_list(struct tk_txn *txn, uint64_t environment_id, struct tk_page page,
                              struct tk_arena *arena, struct tk_api_route **ret_routes, size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ROUTE_LIST);

        tk_bind_page(&query, page);
        tk_bind_u64(&query, environment_id);
        return tk_query_all(&query, read_row, sizeof **ret_routes, arena, (void **)ret_routes, ret_count);
}

enum tk_err tk_api_route_count(struct tk_txn *txn, uint64_t environment_id, uint64_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, ROUTE_COUNT);

        tk_bind_u64(&query, environment_id);
        return tk_query_number(&query, ret_count);
}

enum tk_err tk_api_route_walk(struct tk_txn *txn, uint64_t environment_id, tk_api_route_row_fn *visit,
                              void *context)
{
        struct tk_query query = tk_query_begin(txn, ROUTE_WALK);
        enum tk_err err = TK_OK, ended;

        tk_bind_u64(&query, environment_id);
        while (err == TK_OK && tk_query_next(&query)) {
                struct tk_arena scratch;
                struct tk_api_route route = {0};

                tk_arena_init(&scratch, 0);
                read_row(&query, &scratch, &route);
                if (query.err == TK_OK)
                        err = visit(&route, context);
                tk_arena_fini(&scratch);
        }
        ended = tk_query_end(&query);
        return ended != TK_OK ? ended : err;
}
