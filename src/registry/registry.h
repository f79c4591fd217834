/*
 * The system of record: one interface, engines behind it (SQLite now; the contract suite in tests/registry is what any
 * engine must pass). Split by what the product does, not by SQL verb.
 *
 * Reads run on the caller's thread, each on one consistent snapshot. Writes are jobs for one writer thread, which
 * commits many at once (group commit) and takes jobs of the fast lane first: a revoke never waits behind bulk work.
 * Each write call writes its object, its audit entry and its feed row in one transaction.
 *
 * Never knows of the gate, of HTTP or of plaintext keys.
 */
#ifndef TK_REGISTRY_REGISTRY_H
#define TK_REGISTRY_REGISTRY_H

#include "core/arena.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/meter_record.h"
#include "registry/model.h"

struct tk_registry;
struct tk_txn; /* one transaction; valid only inside the function that was given it */

/* ---- life ---- */

struct tk_registry_config {
        const char *url;        /* `sqlite:DIR/registry.db` */
        uint64_t reserve_bytes; /* kept free on the disk for the fast lane; 0 = none (docs/ARCHITECTURE.md) */
        /*
         * Called on the writer thread after each durable commit and before its writers are answered, with the highest feed
         * sequence committed. It may read through the registry. On error those writers are answered TK_UNCERTAIN.
         */
        enum tk_err (*committed)(void *context, uint64_t feed_seq);
        void *context;
};

/*
 * Open or create, migrate to the newest schema, start the writer. A schema newer than this program knows is refused.
 * On failure `fault` says in words what and how to mend it.
 */
enum tk_err tk_registry_open(const struct tk_registry_config *config, struct tk_registry **ret_registry,
                             struct tk_fault *fault);

/* Finish queued writes, stop the writer, close. NULL is allowed. No call may begin once this has; reads must have ended. */
void tk_registry_close(struct tk_registry *registry);

/* Random, made with the registry; names this installation for ever. */
void tk_registry_installation(const struct tk_registry *registry, uint8_t ret_id[16]);

/* Counters for /metrics. Any thread. */
struct tk_registry_stats {
        uint64_t commits, jobs, failed_jobs, queued_jobs;
        bool degraded; /* out of space: only the fast lane is served, from the reserve */
};
void tk_registry_stats(const struct tk_registry *registry, struct tk_registry_stats *ret_stats);

/*
 * Copy all that is committed, as of one moment, into a new file, while others read and write. The caller's thread; as long as the
 * disk takes. TK_FULL, TK_IO: nothing is left behind; so also TK_BUSY: an import of all or nothing was being carried out at that moment, and
 * the copy would hold half of it.
 */
enum tk_err tk_registry_copy(struct tk_registry *registry, const char *path);

/* What a look at a registry's file says, which nobody need have opened. Changes nothing. */
struct tk_registry_look {
        int64_t schema, keys; /* -1: it does not say */
        char complaint[160];  /* what the engine finds wrong; empty: nothing */
};
/* TK_CORRUPT: it is no database; TK_IO. */
enum tk_err tk_registry_inspect(const char *path, struct tk_registry_look *ret_look);
/* The newest schema that this program knows. */
unsigned tk_registry_schema(void);

/* ---- transactions ---- */

typedef enum tk_err tk_txn_fn(struct tk_txn *txn, void *context);

/* Run on the caller's thread with one read snapshot. Returns what `run` returns. */
enum tk_err tk_registry_read(struct tk_registry *registry, tk_txn_fn *run, void *context);

enum tk_lane { TK_LANE_NORMAL, TK_LANE_FAST };

/*
 * Run on the writer thread; returns when it is durable and `committed` has returned, or has failed.
 * A job that returns an error is undone alone; the others of its commit stand. `run` may be called more than once (after
 * an undone commit), so it sets its results afresh each time; it must not block on anything but the registry.
 *   TK_FULL       no space; nothing changed (the fast lane has used up its reserve, too)
 *   TK_IO         the engine failed; nothing changed
 *   TK_UNCERTAIN  it may be recorded, or is recorded and not in force: see struct tk_registry_config
 */
enum tk_err tk_registry_write(struct tk_registry *registry, enum tk_lane lane, tk_txn_fn *run, void *context);

/* Whether a job of the fast lane waits: for bulk jobs, which ask now and then whether to stop. Any thread. */
bool tk_registry_urgent(struct tk_registry *registry);

/* ---- lists ---- */

struct tk_page {
        uint64_t after_id; /* rows with a higher id, in id order */
        uint32_t limit;    /* at most this many; 1 to 1000 */
};

/*
 * ---- objects ----
 * Get, find: TK_NOT_FOUND. Strings in results live in `arena`. Lists return TK_OK with ret_count 0 when there is nothing.
 *
 * Create: id, version 1 and the times (change->at_s) are set in the record. TK_CONFLICT when a unique name is taken,
 * TK_NOT_FOUND when it refers to what does not exist, TK_INVALID for what the schema refuses (text that is not UTF-8 or
 * holds a NUL, an unknown state, a list that is too long).
 *
 * Update: the record's `version` is the one that was read; TK_STALE when it has changed since, else it is raised by one in
 * the record, and updated_s is set, too. What model.h says never changes, and whom it belongs to, is not written.
 * TK_CONFLICT also when it would bring back what is final: a revoked key, an ended subscription.
 *
 * A job that got an error from a write, or from the engine, is undone even if it then says TK_OK: return the error. Since
 * a job may be run again, read the record inside it: the one that an undone run has updated is at a version too high.
 */

enum tk_err tk_api_create(struct tk_txn *txn, struct tk_api *api, const struct tk_change *change);
enum tk_err tk_api_update(struct tk_txn *txn, struct tk_api *api, const struct tk_change *change);
enum tk_err tk_api_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_api *ret_api);
enum tk_err tk_api_find(struct tk_txn *txn, struct tk_str name, struct tk_arena *arena,
                        struct tk_api *ret_api);
enum tk_err tk_api_list(struct tk_txn *txn, struct tk_page page, struct tk_arena *arena,
                        struct tk_api **ret_apis, size_t *ret_count);

/* Unique in its API: name, tag. Unique in the registry: (prefix, tag) is not; keys carry no API in clear. */
enum tk_err tk_environment_create(struct tk_txn *txn, struct tk_environment *environment,
                                  const struct tk_change *change);
enum tk_err tk_environment_update(struct tk_txn *txn, struct tk_environment *environment,
                                  const struct tk_change *change);
enum tk_err tk_environment_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                               struct tk_environment *ret_environment);
enum tk_err tk_environment_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name,
                                struct tk_arena *arena, struct tk_environment *ret_environment);
/* api_id 0: of every API. */
enum tk_err tk_environment_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page,
                                struct tk_arena *arena, struct tk_environment **ret_environments,
                                size_t *ret_count);

enum tk_err tk_scope_create(struct tk_txn *txn, struct tk_scope *scope, const struct tk_change *change);
enum tk_err tk_scope_update(struct tk_txn *txn, struct tk_scope *scope, const struct tk_change *change);
enum tk_err tk_scope_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_scope *ret_scope);
enum tk_err tk_scope_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name, struct tk_arena *arena,
                          struct tk_scope *ret_scope);
enum tk_err tk_scope_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page, struct tk_arena *arena,
                          struct tk_scope **ret_scopes, size_t *ret_count);

/*
 * Roles. Unique in its API: name, of those that are not deleted. get: also one that is deleted, for the feed names it; find, list: not.
 * delete: final; that no key has it is the caller's to see to (tk_role_key_ids).
 */
enum tk_err tk_role_create(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change);
enum tk_err tk_role_update(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change);
enum tk_err tk_role_delete(struct tk_txn *txn, struct tk_role *role, const struct tk_change *change);
enum tk_err tk_role_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_role *ret_role);
enum tk_err tk_role_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name, struct tk_arena *arena,
                         struct tk_role *ret_role);
enum tk_err tk_role_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page, struct tk_arena *arena,
                         struct tk_role **ret_roles, size_t *ret_count);
enum tk_err tk_role_count(struct tk_txn *txn, uint64_t api_id, uint64_t *ret_count);
/* Keys that have the role and are not revoked. */
enum tk_err tk_role_key_ids(struct tk_txn *txn, uint64_t role_id, struct tk_page page, struct tk_arena *arena,
                            uint64_t **ret_ids, size_t *ret_count);

/*
 * Routes of an environment. Unique there: method and shape of the path (its parameters without their names), of those that are not
 * deleted; TK_CONFLICT otherwise. get: also one that is deleted; find, list: not. TK_INVALID: a cost above TK_LIMIT_COST_MAX.
 */
enum tk_err tk_api_route_create(struct tk_txn *txn, struct tk_api_route *route,
                                const struct tk_change *change);
enum tk_err tk_api_route_update(struct tk_txn *txn, struct tk_api_route *route,
                                const struct tk_change *change);
enum tk_err tk_api_route_delete(struct tk_txn *txn, struct tk_api_route *route,
                                const struct tk_change *change);
enum tk_err tk_api_route_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                             struct tk_api_route *ret_route);
/* By method and path, whatever its parameters are called. */
enum tk_err tk_api_route_find(struct tk_txn *txn, uint64_t environment_id, struct tk_str method,
                              struct tk_str path, struct tk_arena *arena, struct tk_api_route *ret_route);
enum tk_err tk_api_route_list(struct tk_txn *txn, uint64_t environment_id, struct tk_page page,
                              struct tk_arena *arena, struct tk_api_route **ret_routes, size_t *ret_count);
enum tk_err tk_api_route_count(struct tk_txn *txn, uint64_t environment_id, uint64_t *ret_count);

enum tk_err tk_plan_create(struct tk_txn *txn, struct tk_plan *plan, const struct tk_change *change);
enum tk_err tk_plan_update(struct tk_txn *txn, struct tk_plan *plan, const struct tk_change *change);
enum tk_err tk_plan_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_plan *ret_plan);
enum tk_err tk_plan_find(struct tk_txn *txn, uint64_t api_id, struct tk_str name, struct tk_arena *arena,
                         struct tk_plan *ret_plan);
enum tk_err tk_plan_list(struct tk_txn *txn, uint64_t api_id, struct tk_page page, struct tk_arena *arena,
                         struct tk_plan **ret_plans, size_t *ret_count);

enum tk_err tk_consumer_create(struct tk_txn *txn, struct tk_consumer *consumer,
                               const struct tk_change *change);
enum tk_err tk_consumer_update(struct tk_txn *txn, struct tk_consumer *consumer,
                               const struct tk_change *change);
enum tk_err tk_consumer_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                            struct tk_consumer *ret_consumer);
enum tk_err tk_consumer_find(struct tk_txn *txn, struct tk_str name, struct tk_arena *arena,
                             struct tk_consumer *ret_consumer);
enum tk_err tk_consumer_list(struct tk_txn *txn, struct tk_page page, struct tk_arena *arena,
                             struct tk_consumer **ret_consumers, size_t *ret_count);

/* At most one that has not ended for each consumer and environment; TK_CONFLICT otherwise. */
enum tk_err tk_subscription_create(struct tk_txn *txn, struct tk_subscription *subscription,
                                   const struct tk_change *change);
enum tk_err tk_subscription_update(struct tk_txn *txn, struct tk_subscription *subscription,
                                   const struct tk_change *change);
enum tk_err tk_subscription_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena,
                                struct tk_subscription *ret_subscription);
/* The one that has not ended. */
enum tk_err tk_subscription_find(struct tk_txn *txn, uint64_t consumer_id, uint64_t environment_id,
                                 struct tk_arena *arena, struct tk_subscription *ret_subscription);
struct tk_subscription_filter {
        uint64_t consumer_id, api_id, environment_id, plan_id; /* 0 = any */
};
enum tk_err tk_subscription_list(struct tk_txn *txn, const struct tk_subscription_filter *filter,
                                 struct tk_page page, struct tk_arena *arena,
                                 struct tk_subscription **ret_subscriptions, size_t *ret_count);
/* How many were ever put on this plan and not moved to another. */
enum tk_err tk_subscription_count(struct tk_txn *txn, uint64_t plan_id, uint64_t *ret_count);

/*
 * Draw the next key number: it is in the key's plaintext, so it must be known before the key can be minted. TK_FULL past
 * the last one. The number of a job that is undone is drawn again.
 */
enum tk_err tk_key_next_id(struct tk_txn *txn, uint64_t *ret_id);
/* key->id from tk_key_next_id() of the same transaction. TK_CONFLICT when a foreign key's digest is known already. */
enum tk_err tk_key_create(struct tk_txn *txn, struct tk_key *key, const struct tk_change *change);
enum tk_err tk_key_update(struct tk_txn *txn, struct tk_key *key, const struct tk_change *change);
enum tk_err tk_key_get(struct tk_txn *txn, uint64_t id, struct tk_arena *arena, struct tk_key *ret_key);
struct tk_key_filter {
        uint64_t api_id, environment_id, consumer_id; /* 0 = any */
        enum tk_state state;                          /* 0 = any */
};
/* Newest last. Rows are pointers: a key record is large. */
enum tk_err tk_key_list(struct tk_txn *txn, const struct tk_key_filter *filter, struct tk_page page,
                        struct tk_arena *arena, struct tk_key ***ret_keys, size_t *ret_count);
/* Admin keys that are bound to APIs: those with an only_api_count above 0. */
enum tk_err tk_key_list_bound(struct tk_txn *txn, struct tk_page page, struct tk_arena *arena,
                              struct tk_key ***ret_keys, size_t *ret_count);
enum tk_err tk_key_count(struct tk_txn *txn, const struct tk_key_filter *filter, uint64_t *ret_count);

enum tk_err tk_pepper_create(struct tk_txn *txn, const struct tk_pepper *pepper,
                             const struct tk_change *change);
enum tk_err tk_pepper_list(struct tk_txn *txn, struct tk_pepper ret_peppers[TK_PEPPER_VERSIONS],
                           size_t *ret_count);

/* Newest first: entries with seq < before_seq (0 = from the newest). */
enum tk_err tk_audit_list(struct tk_txn *txn, uint64_t before_seq, uint32_t limit, struct tk_arena *arena,
                          struct tk_audit_entry **ret_entries, size_t *ret_count);
enum tk_err tk_audit_get(struct tk_txn *txn, uint64_t seq, struct tk_arena *arena,
                         struct tk_audit_entry *ret_entry);

/* Empty, 0: any. Narrowed by any of them alone, the first page of a log of millions takes milliseconds. */
struct tk_audit_filter {
        enum tk_object object;
        uint64_t object_id; /* with object */
        struct tk_str actor, action;
        int64_t since_s, until_s; /* since_s <= at_s < until_s; until_s 0: no end */
};
/*
 * Newest first, by time and then by number; times may disagree with numbers where the clock was put back.
 *   before_seq  go on behind this entry, the last of the page before; 0: from the newest
 * TK_NOT_FOUND: there is no such entry.
 */
enum tk_err tk_audit_search(struct tk_txn *txn, const struct tk_audit_filter *filter, uint64_t before_seq,
                            uint32_t limit, struct tk_arena *arena, struct tk_audit_entry **ret_entries,
                            size_t *ret_count);
/* Oldest first, by number: those with seq > after_seq, for who follows the log. Reads all of them. */
enum tk_err tk_audit_follow(struct tk_txn *txn, const struct tk_audit_filter *filter, uint64_t after_seq,
                            uint32_t limit, struct tk_arena *arena, struct tk_audit_entry **ret_entries,
                            size_t *ret_count);
/* A refused attempt or another event that changed no object: audit entry only, no feed row. */
enum tk_err tk_audit_note(struct tk_txn *txn, enum tk_object object, uint64_t object_id,
                          const struct tk_change *change);

/* Feed rows with seq > after_seq, in order. */
enum tk_err tk_feed_since(struct tk_txn *txn, uint64_t after_seq, uint32_t limit, struct tk_arena *arena,
                          struct tk_feed_row **ret_rows, size_t *ret_count);
enum tk_err tk_feed_last(struct tk_txn *txn, uint64_t *ret_seq);

/*
 * Idempotency: remember, in the transaction that makes an object, the request that made it.
 * find: TK_NOT_FOUND; TK_CONFLICT when the same key came with another request hash.
 */
struct tk_idempotency {
        struct tk_str actor, key;
        uint8_t request_hash[32]; /* SHA-256 of method, path and body */
        enum tk_object object;
        uint64_t object_id;
        int64_t created_s;
};
enum tk_err tk_idempotency_find(struct tk_txn *txn, struct tk_idempotency *inout);
enum tk_err tk_idempotency_put(struct tk_txn *txn, const struct tk_idempotency *record);
/* Forget those made before `before_s`, at most `limit` of them. No audit: bookkeeping. */
enum tk_err tk_idempotency_purge(struct tk_txn *txn, int64_t before_s, uint32_t limit);

/*
 * ---- usage: what meters held when they were last flushed ----
 * Owners are keys (with their generation), subscriptions and routes: TK_INVALID for named limits. Bookkeeping: no audit, no feed.
 */

/* A chunk of a flush. Those of one incarnation of the gate are applied in the order of their sequences, each once. */
struct tk_usage_chunk {
        uint64_t incarnation;
        uint64_t sequence; /* from 1 */
        uint64_t gate_ns;  /* of the records' values */
        int64_t complete_s; /* once it is applied, all that was used before this second of gate time is flushed */
        const struct tk_meter_record *records;
        size_t count;
};
/*
 * Record the values of each owner in place of the earlier ones. Counters never go down; records' refused is the count modulo 2^32, of which
 * the running total is kept. Nothing is changed, and that is no error, when a chunk of this sequence or a later one was applied before:
 * so a chunk of which the fate is unknown is applied again. *ret_applied tells which.
 */
enum tk_err tk_usage_apply(struct tk_txn *txn, const struct tk_usage_chunk *chunk, bool *ret_applied);
/* The last chunk that was applied of this incarnation; sequence 0: none was. */
enum tk_err tk_usage_last(struct tk_txn *txn, uint64_t incarnation, uint64_t *ret_sequence,
                          int64_t *ret_complete_s);

struct tk_usage_total {
        struct tk_meter_record record; /* its refused: the total modulo 2^32 */
        uint64_t refused;              /* the total */
        uint64_t gate_ns;
};
enum tk_err tk_usage_get(struct tk_txn *txn, const struct tk_meter_owner *owner,
                         struct tk_usage_total *ret_total);
/* All rows, one a call, in no order that is promised. Ends, with its error, at the first visit that fails. */
typedef enum tk_err tk_usage_visit_fn(void *context, const struct tk_usage_total *total);
enum tk_err tk_usage_each(struct tk_txn *txn, tk_usage_visit_fn *visit, void *context);

#endif
