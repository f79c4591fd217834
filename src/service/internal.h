/*
 * What the files of src/service share: the service itself, one write in progress (struct tk_op), look-ups that explain
 * themselves, and value checks. Included by src/service only.
 */
#ifndef TK_SERVICE_INTERNAL_H
#define TK_SERVICE_INTERNAL_H

#include "core/digest.h"
#include "core/key.h"
#include "core/path.h"
#include "core/pepper_file.h"
#include "core/scope.h"
#include "service/admin.h"
#include "service/bindings.h"
#include "service/drainer.h"
#include "service/meters.h"
#include "service/publisher.h"
#include "service/refusals.h"
#include "service/service.h"

#include <jansson.h>
#include <pthread.h>

#include <stdatomic.h>

/* ---- the service ---- */

struct tk_service {
        struct tk_service_config config;
        char *data_dir, *gate_dir;
        int lock_fd;
        uint8_t installation[16];
        struct tk_pepper_file secrets;
        unsigned pepper_version; /* of new keys */
        struct tk_registry *registry;
        struct tk_feeder *feeder; /* registry -> gate */
        struct tk_gate *gate;
        struct tk_drainer *drainer; /* gate -> here */
        struct tk_meters *meters;   /* gate -> journal, registry */
        struct tk_bindings *bindings;
        struct tk_refusals *refusals;
        atomic_bool backing_up;
        pthread_mutex_t importing; /* guards these: one import at a time */
        bool import_claimed;
        struct tk_importer *importer; /* what it tells of itself while it runs; NULL: none */
};

/* ---- one operation ---- */

/*
 * One call of a use case: who asks, where results go, when it is. Lives on the caller's stack; a write hands it to
 * the writer thread while the caller waits.
 */
struct tk_op {
        struct tk_service *service;
        const struct tk_caller *caller; /* NULL for reads */
        struct tk_arena *arena;
        struct tk_fault *fault;
        int64_t now_s;
        struct tk_publish_room promised; /* by the gate, until the write is over */
};

struct tk_op tk_op_begin(struct tk_service *service, const struct tk_caller *caller, struct tk_arena *arena,
                         struct tk_fault *fault);

/* Run and, on an error that nobody has put into words, fill the fault from its class. */
enum tk_err tk_op_read(struct tk_op *op, tk_txn_fn *run, void *context);
enum tk_err tk_op_write(struct tk_op *op, enum tk_lane lane, tk_txn_fn *run, void *context);

/*
 * Inside a write, before anything is recorded that the gate must be told: make sure that it has room. TK_FULL
 * with its fault. Called once for each object; the room is given back when the write is over.
 */
enum tk_err tk_op_reserve(struct tk_op *op, const struct tk_publish_room *room);
enum tk_err tk_op_reserve_scopes(struct tk_op *op, uint64_t api_id, const struct tk_str *scopes,
                                 uint32_t count);

/*
 * Fill a change with the operation's actor, source and time. Takes both views (json_null(): the object did not
 * exist) and frees them. TK_NOMEM when a view is NULL: it could not be made.
 */
enum tk_err tk_op_change(struct tk_op *op, const char *action, json_t *before, json_t *after,
                         struct tk_change *ret_change);

/* If-Match: TK_STALE with its fault when `wanted` is neither TK_VERSION_ANY nor `version`. */
enum tk_err tk_op_match(struct tk_op *op, uint64_t wanted, uint64_t version);

/*
 * Idempotency: whether this caller's key has made an object already. TK_NOT_FOUND: no, go on; TK_OK: ret_id was
 * made; else an error with its fault. tk_op_remember() records what was made, in the same transaction.
 */
enum tk_err tk_op_replay(struct tk_op *op, struct tk_txn *txn, enum tk_object object, uint64_t *ret_id);
enum tk_err tk_op_remember(struct tk_op *op, struct tk_txn *txn, enum tk_object object, uint64_t id);

/* ---- look-ups ---- */

/*
 * Where a name was given: in the path (a miss is `not_found`) when `field` is NULL, else in that member of the body (a
 * miss is `unknown_reference`).
 */
enum tk_err tk_find_api(struct tk_op *op, struct tk_txn *txn, struct tk_str name, const char *field,
                        struct tk_api *ret_api);
enum tk_err tk_find_environment(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                                struct tk_str name, const char *field,
                                struct tk_environment *ret_environment);
enum tk_err tk_find_scope(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, struct tk_str name,
                          const char *field, struct tk_scope *ret_scope);
enum tk_err tk_find_plan(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, struct tk_str name,
                         const char *field, struct tk_plan *ret_plan);
enum tk_err tk_find_role(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, struct tk_str name,
                         struct tk_role *ret_role);
/* By id or name. */
enum tk_err tk_find_consumer(struct tk_op *op, struct tk_txn *txn, struct tk_str id_or_name,
                             const char *field, struct tk_consumer *ret_consumer);

/*
 * The API and environment that a list is narrowed to. An environment needs its API: TK_INVALID with a fault otherwise.
 * ret_api_id, ret_environment_id: 0 where not given.
 */
enum tk_err tk_filter_place(struct tk_op *op, struct tk_txn *txn, struct tk_str api,
                            struct tk_str environment, uint64_t *ret_api_id, uint64_t *ret_environment_id);

/* ---- value checks: TK_OK, or TK_INVALID with a fault that names `field` ---- */

#define TK_FIELD_PATH_MAX 64

enum tk_err tk_value_name(struct tk_fault *fault, const char *field, struct tk_str name);
enum tk_err tk_value_consumer_name(struct tk_fault *fault, const char *field, struct tk_str name);
/* UTF-8 without control characters and without an API key, at most max bytes; absent is fine. */
enum tk_err tk_value_text(struct tk_fault *fault, const char *field, struct tk_str text, size_t max);
/* Whether a text was given and is another than the object has. A change without any leaves nothing behind. */
bool tk_text_changes(struct tk_str given, struct tk_str current);
enum tk_err tk_value_metadata(struct tk_fault *fault, struct tk_str metadata);
enum tk_err tk_value_limits(struct tk_fault *fault, const struct tk_input_limits *input,
                            struct tk_limit_def ret_limits[TK_LIMITS_MAX], uint32_t *ret_count);
/* Sorted, without duplicates. */
enum tk_err tk_value_scopes(struct tk_fault *fault, const struct tk_input_list *input,
                            struct tk_str ret_scopes[TK_KEY_SCOPES_MAX], uint32_t *ret_count);
/*
 * Where a pattern stands in the list that was given: `/scopes/2`. Empty when it is not there: then it is one
 * that the key had before, and no member of the body is to blame.
 */
void tk_scope_place(const struct tk_input_list *given, struct tk_str pattern,
                    char ret_field[TK_FIELD_PATH_MAX]);
/* Replaces the lists that are set. Text is borrowed from the input, methods are upper-cased into the arena. */
enum tk_err tk_value_restrictions(struct tk_fault *fault, const struct tk_input_key *input,
                                  struct tk_arena *arena, struct tk_restrictions *inout);
enum tk_err tk_value_validity(struct tk_fault *fault, int64_t not_before_s, int64_t expires_s);

/* ---- parts of one noun that another needs, inside a transaction ---- */

enum tk_err tk_api_make(struct tk_op *op, struct tk_txn *txn, const struct tk_input_api *input,
                        struct tk_api *ret_api);
/* `at` points to the object in the body that describes it: empty for the body itself. */
enum tk_err tk_environment_make(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                                const struct tk_input_environment *input, const char *at,
                                struct tk_environment *ret_environment);
enum tk_err tk_scope_make(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                          const struct tk_input_scope *input, struct tk_scope *ret_scope);
enum tk_err tk_plan_make(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                         const struct tk_input_plan *input, struct tk_plan *ret_plan);
enum tk_err tk_consumer_make(struct tk_op *op, struct tk_txn *txn, const struct tk_input_consumer *input,
                             struct tk_consumer *ret_consumer);
enum tk_err tk_subscription_make(struct tk_op *op, struct tk_txn *txn, const struct tk_consumer *consumer,
                                 const struct tk_environment *environment, const struct tk_plan *plan,
                                 int64_t started_s, struct tk_subscription *ret_subscription);

/* Take what is given over into the record, checked. Used to issue (onto an empty record) and to update. */
enum tk_err tk_key_merge(struct tk_op *op, const struct tk_input_key *input, struct tk_key *inout);
/* Take the roles that are given over into the record, by name. */
enum tk_err tk_key_roles_take(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                              const struct tk_input_list *given, struct tk_key *inout);
/* As tk_refuse_escalation(), of all that the key's roles grant. */
enum tk_err tk_key_roles_refuse_escalation(struct tk_op *op, struct tk_txn *txn,
                                           const struct tk_input_list *given, const struct tk_key *key);
/* Every pattern stands for a scope that the API has; else a fault, which points into the list that was given. */
enum tk_err tk_scopes_known(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                            const struct tk_input_list *given, const struct tk_str *scopes, uint32_t count);
enum tk_err tk_find_key(struct tk_op *op, struct tk_txn *txn, struct tk_str id_text, struct tk_key *ret_key);

/* The built-in API `tollkeeper` may be neither suspended nor reshaped. TK_CONFLICT with its fault. */
enum tk_err tk_refuse_builtin(struct tk_op *op, struct tk_str api_name);

/*
 * `wanted` for the API `tollkeeper`: the caller must hold all of it. TK_DENIED with its fault, which points
 * into the list that was given.
 */
enum tk_err tk_refuse_escalation(struct tk_op *op, struct tk_str api_name, const struct tk_input_list *given,
                                 const struct tk_str *wanted, uint32_t count);

bool tk_caller_holds(const struct tk_caller *caller, struct tk_str wanted);

/*
 * What a body names and nobody has made: the caller may make it only with the scope that this takes.
 * TK_DENIED with its fault.
 */
enum tk_err tk_refuse_making(struct tk_op *op, struct tk_str scope, const char *field, const char *kind,
                             struct tk_str name);

/* ---- rights beyond scopes: rights.c; TK_DENIED with its fault ---- */

/* The caller is bound to other APIs. Without a caller (op->caller NULL) nobody is. */
enum tk_err tk_refuse_unreached(struct tk_op *op, struct tk_str api_name, const char *field);
/* A list that says no API shows a caller's that is bound to one; TK_INVALID when it is bound to several. */
enum tk_err tk_filter_default_api(struct tk_op *op, struct tk_str *inout_api);
/* To look at a key: it is of an API that the caller reaches, or an admin key bound to such APIs alone. */
enum tk_err tk_refuse_key_unreached(struct tk_op *op, const struct tk_key *key);
/* To change a key, as it is now: also, the caller holds all that an admin key does. */
enum tk_err tk_refuse_key(struct tk_op *op, struct tk_txn *txn, const struct tk_key *key);
/*
 * An admin key as it is to be may neither last longer nor be used more freely than the caller's: outgrow.c.
 * Held against it is what was given, and all of a new key.
 */
enum tk_err tk_refuse_outgrowing(struct tk_op *op, struct tk_txn *txn, struct tk_str api_name,
                                 const struct tk_input_key *given, const struct tk_key *wanted, bool new);
/* Plans and subscriptions of the API tollkeeper bear on all admin keys. */
enum tk_err tk_refuse_lesser(struct tk_op *op, struct tk_str api_name);
/*
 * To change a consumer: who is bound to APIs, none that uses others, too. What bears on its keys (its state)
 * takes what its admin keys hold.
 */
enum tk_err tk_refuse_consumer(struct tk_op *op, struct tk_txn *txn, const struct tk_consumer *consumer,
                               bool bears_on_keys);
/* `only_apis` of a new key: what can be said without the registry, then into the record, sorted. */
enum tk_err tk_only_apis_check(struct tk_op *op, const struct tk_input_key *input);
enum tk_err tk_only_apis_take(struct tk_op *op, struct tk_txn *txn, const struct tk_input_list *given,
                              struct tk_key *inout);

/*
 * Last-admin protection: last_admin.c. Before a change that may take an admin key out of use, and after it in
 * the same transaction: TK_CONFLICT with its fault, and the change is undone with the transaction.
 *   api_name  that the change is about; ptr NULL: any
 */
struct tk_last_admin {
        bool on;
        int64_t until_s; /* that somebody can issue admin keys over the network */
};
enum tk_err tk_last_admin_before(struct tk_op *op, struct tk_txn *txn, struct tk_str api_name,
                                 struct tk_last_admin *ret_guard);
enum tk_err tk_last_admin_after(struct tk_op *op, struct tk_txn *txn, const struct tk_last_admin *guard);

/* ---- start ---- */

/* Make the directory, take its lock. */
enum tk_err tk_data_dir_open(const char *dir, int *ret_lock_fd, struct tk_fault *fault);
/*
 * Peppers and mask: the file DATA/pepper (docs/formats/pepper.md), made on the first start, held against the registry's
 * pepper versions.
 */
enum tk_err tk_secrets_load(struct tk_service *service, struct tk_fault *fault);
/* The API `tollkeeper` and its scopes, when missing. */
enum tk_err tk_admin_ensure(struct tk_service *service, struct tk_fault *fault);

#endif
