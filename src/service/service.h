/*
 * The use cases of Tollkeeper: what administrators and the demo do with APIs, environments, scopes, plans, consumers,
 * subscriptions and keys. One file a noun beside this one. Called by http and cli (serve), from any thread; each call
 * blocks until its change is durable and in force.
 *
 * Owns: the registry, the publisher of the gate, the secrets. Checks: every value, every reference, every right beyond
 * the scope that the route demands (nobody grants what they do not hold). Never: parses HTTP or JSON requests.
 *
 * Conventions: inputs are borrowed for the call. Results are records whose text lives in `arena`. On any
 * error `fault` says which field, what is wrong and how to mend it. Fields are named as in the JSON of
 * docs/openapi.yaml.
 */
#ifndef TK_SERVICE_SERVICE_H
#define TK_SERVICE_SERVICE_H

#include "core/arena.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/random.h"
#include "core/secret.h"
#include "registry/model.h"
#include "registry/registry.h"

struct tk_service;
struct tk_gate;
struct tk_publisher_stats;
struct tk_drain_stats;  /* service/drainer.h */
struct tk_meters_stats; /* service/meters.h */

/* ---- life ---- */

struct tk_clock {
        uint64_t (*wall_ns)(void *context); /* nanoseconds since 1970 */
        void *context;
};
struct tk_clock tk_clock_system(void);

struct tk_service_config {
        const char *
                data_dir; /* made with mode 0700 when missing; holds registry.db, pepper, reserve, lock, gate -> */
        const char *gate_dir;   /* NULL: /dev/shm/tollkeeper-INSTALLATION */
        uint64_t reserve_bytes; /* disk kept free for revocations */
        uint32_t lease_s;       /* 0: the gate admits for ever without the daemon */
        struct tk_random random;
        struct tk_clock clock;
};

/*
 * Lock the data directory, open or create everything, bring the gate up to the registry, make the built-in API
 * `tollkeeper` (environment `production`, tag `admin`, scopes in service/admin.h) on the first start.
 * TK_BUSY when another daemon has the directory.
 */
enum tk_err tk_service_open(const struct tk_service_config *config, struct tk_service **ret_service,
                            struct tk_fault *fault);
void tk_service_close(struct tk_service *service);

/* True on the very first start, until the first admin key has been issued. */
bool tk_service_is_new(const struct tk_service *service);

/* The decider's handle on the same gate; owned by the service. */
struct tk_gate *tk_service_gate(const struct tk_service *service);
struct tk_registry *tk_service_registry(const struct tk_service *service);
/* How far the wall clock is ahead of gate time in a step that is held (gate/publish.h); 0: none is. Any thread. */
int64_t tk_service_held_step_ms(const struct tk_service *service);
void tk_service_gate_stats(const struct tk_service *service, struct tk_publisher_stats *ret_stats);
/* What deciders told of their decisions. */
void tk_service_event_stats(const struct tk_service *service, struct tk_drain_stats *ret_stats);
/* How often a key or a subscription was refused, ever, where its meter counts `count`: that is modulo 2^32. */
uint64_t tk_service_refused(struct tk_service *service, const struct tk_meter_owner *owner, uint32_t count);
/* How the meters are kept. */
void tk_service_meter_stats(const struct tk_service *service, struct tk_meters_stats *ret_stats);
uint64_t tk_service_now_ns(const struct tk_service *service);

/* Ready: the registry answers and the gate has applied all that is committed. Else *ret_why (static storage). */
bool tk_service_ready(struct tk_service *service, const char **ret_why);

/*
 * Once a second from the daemon's timer: clock offset, lease, publication that failed before, old idempotency
 * records.
 */
void tk_service_tick(struct tk_service *service);

/* ---- who asks ---- */

struct tk_caller {
        struct tk_str actor;     /* `key_1`, `socket:0`, `system` */
        struct tk_str source;    /* client address or `local` */
        struct tk_str scopes;    /* granted patterns, space-separated; `*` for the socket */
        struct tk_str only_apis; /* acts on these alone, names space-separated; empty: on all */
        bool root;               /* on the root-only socket, without a key: may lock everybody else out */
        struct tk_str idempotency_key; /* empty: none */
        uint8_t request_hash[32];      /* SHA-256 of method, path and body; with an idempotency_key */
};

/* What an admin key is bound to, as in struct tk_caller, until the service is closed. Memory only; any thread. */
struct tk_str tk_service_only_apis(const struct tk_service *service, uint64_t key_id);
bool tk_caller_reaches(const struct tk_caller *caller, struct tk_str api_name);

/* An attempt that was refused to an administrator: an entry of the audit log, with others like it (refusals.h). */
struct tk_refusal {
        struct tk_str actor, source;
        const char *method, *route; /* static */
        enum tk_object object;      /* that it was about */
        uint64_t object_id;
        const struct tk_fault *fault;
};
struct tk_refusal_stats {
        uint64_t refused; /* attempts */
        uint64_t rows;    /* entries made of them */
        uint64_t unnoted; /* attempts that no entry counts: too many at a time, or no space */
};
void tk_service_note_refusal(struct tk_service *service, const struct tk_refusal *refusal);
void tk_service_refusal_stats(const struct tk_service *service, struct tk_refusal_stats *ret_stats);

/* ---- inputs: a slice with ptr NULL, a `set` that is false, is a field that was not given ---- */

struct tk_input_time {
        bool set;
        int64_t s; /* 0: null, clears it */
};
struct tk_input_list {
        bool set;
        const struct tk_str *items;
        size_t count;
};
struct tk_input_limit {
        struct tk_str name;   /* default: the only one is "requests" for a rate, "quota" for a window */
        struct tk_str kind;   /* `rate` (default) or `window` */
        struct tk_str per;    /* core/limit.h */
        struct tk_str anchor; /* `utc` (default) or `subscription` */
        bool limit_set, burst_set;
        bool shadow; /* counted and told, not enforced */
        uint64_t limit, burst;
};
struct tk_input_limits {
        bool set;
        const struct tk_input_limit *items;
        size_t count;
};

#define TK_VERSION_ANY 0 /* no If-Match was given */

/* ---- apis ---- */

struct tk_input_environment {
        struct tk_str name, description;
        struct tk_str
                tag; /* defaults: production live, test test, development dev; else the name when it can be one */
};
struct tk_input_api {
        struct tk_str name, prefix, description; /* prefix default `tk` */
        bool environments_set;                   /* else development, test and production */
        const struct tk_input_environment *environments;
        size_t environment_count;
};
enum tk_err tk_service_api_create(struct tk_service *service, const struct tk_caller *caller,
                                  const struct tk_input_api *input, struct tk_arena *arena,
                                  struct tk_api *ret_api, struct tk_fault *fault);
/* Changes description. Name and prefix never change: they are in keys and configurations. */
enum tk_err tk_service_api_update(struct tk_service *service, const struct tk_caller *caller,
                                  struct tk_str api, uint64_t version, const struct tk_input_api *input,
                                  struct tk_arena *arena, struct tk_api *ret_api, struct tk_fault *fault);
/* To TK_STATE_ACTIVE or TK_STATE_SUSPENDED; setting the state it has is no change and no error. */
enum tk_err tk_service_api_set_state(struct tk_service *service, const struct tk_caller *caller,
                                     struct tk_str api, uint64_t version, enum tk_state state,
                                     struct tk_arena *arena, struct tk_api *ret_api, struct tk_fault *fault);
enum tk_err tk_service_api_get(struct tk_service *service, struct tk_str api, struct tk_arena *arena,
                               struct tk_api *ret_api, struct tk_fault *fault);
/* Those that the caller reaches. */
enum tk_err tk_service_api_list(struct tk_service *service, const struct tk_caller *caller,
                                struct tk_page page, struct tk_arena *arena, struct tk_api **ret_apis,
                                size_t *ret_count, struct tk_fault *fault);

/* ---- environments of an API ---- */

enum tk_err tk_service_environment_create(struct tk_service *service, const struct tk_caller *caller,
                                          struct tk_str api, const struct tk_input_environment *input,
                                          struct tk_arena *arena, struct tk_environment *ret_environment,
                                          struct tk_fault *fault);
/* Changes description. Name and tag never change: they are in keys and configurations. */
enum tk_err tk_service_environment_update(struct tk_service *service, const struct tk_caller *caller,
                                          struct tk_str api, struct tk_str environment, uint64_t version,
                                          const struct tk_input_environment *input, struct tk_arena *arena,
                                          struct tk_environment *ret_environment, struct tk_fault *fault);
enum tk_err tk_service_environment_set_state(struct tk_service *service, const struct tk_caller *caller,
                                             struct tk_str api, struct tk_str environment, uint64_t version,
                                             enum tk_state state, struct tk_arena *arena,
                                             struct tk_environment *ret_environment, struct tk_fault *fault);
enum tk_err tk_service_environment_get(struct tk_service *service, struct tk_str api,
                                       struct tk_str environment, struct tk_arena *arena,
                                       struct tk_environment *ret_environment, struct tk_fault *fault);
enum tk_err tk_service_environment_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                        struct tk_arena *arena, struct tk_environment **ret_environments,
                                        size_t *ret_count, struct tk_fault *fault);

/* ---- scopes of an API ---- */

struct tk_input_scope {
        struct tk_str name, description;
};
enum tk_err tk_service_scope_create(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, const struct tk_input_scope *input,
                                    struct tk_arena *arena, struct tk_scope *ret_scope,
                                    struct tk_fault *fault);
enum tk_err tk_service_scope_update(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str scope, uint64_t version,
                                    const struct tk_input_scope *input, struct tk_arena *arena,
                                    struct tk_scope *ret_scope, struct tk_fault *fault);
enum tk_err tk_service_scope_get(struct tk_service *service, struct tk_str api, struct tk_str scope,
                                 struct tk_arena *arena, struct tk_scope *ret_scope, struct tk_fault *fault);
enum tk_err tk_service_scope_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                  struct tk_arena *arena, struct tk_scope **ret_scopes, size_t *ret_count,
                                  struct tk_fault *fault);

/* ---- roles of an API ---- */

struct tk_input_role {
        struct tk_str name, description;
        struct tk_input_list scopes; /* patterns; a role holds no roles */
};
enum tk_err tk_service_role_create(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, const struct tk_input_role *input,
                                   struct tk_arena *arena, struct tk_role *ret_role, struct tk_fault *fault);
/* Changes description and scopes; what all its keys may do has changed when the call returns. */
enum tk_err tk_service_role_update(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, struct tk_str role, uint64_t version,
                                   const struct tk_input_role *input, struct tk_arena *arena,
                                   struct tk_role *ret_role, struct tk_fault *fault);
/* Refused while a key that is not revoked has it. ret_role: as it was. */
enum tk_err tk_service_role_delete(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, struct tk_str role, uint64_t version,
                                   struct tk_arena *arena, struct tk_role *ret_role, struct tk_fault *fault);
enum tk_err tk_service_role_get(struct tk_service *service, struct tk_str api, struct tk_str role,
                                struct tk_arena *arena, struct tk_role *ret_role, struct tk_fault *fault);
enum tk_err tk_service_role_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                 struct tk_arena *arena, struct tk_role **ret_roles, size_t *ret_count,
                                 struct tk_fault *fault);

/* ---- routes of an environment; addressed by id (`rte_5`) ---- */

struct tk_input_route {
        struct tk_str method; /* `*`: any */
        struct tk_str path;   /* a template, core/path.h */
        struct tk_str scope;  /* an expression; empty: nothing is required */
        struct tk_str description;
        bool cost_set;
        uint64_t cost; /* default 1 */
        struct tk_input_limits limits;
};
enum tk_err tk_service_route_create(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str environment,
                                    const struct tk_input_route *input, struct tk_arena *arena,
                                    struct tk_api_route *ret_route, struct tk_fault *fault);
/* Changes scope, cost, limits, description. Method and path never change. */
enum tk_err tk_service_route_update(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str environment, struct tk_str route,
                                    uint64_t version, const struct tk_input_route *input,
                                    struct tk_arena *arena, struct tk_api_route *ret_route,
                                    struct tk_fault *fault);
/* ret_route: as it was. */
enum tk_err tk_service_route_delete(struct tk_service *service, const struct tk_caller *caller,
                                    struct tk_str api, struct tk_str environment, struct tk_str route,
                                    uint64_t version, struct tk_arena *arena, struct tk_api_route *ret_route,
                                    struct tk_fault *fault);
enum tk_err tk_service_route_get(struct tk_service *service, struct tk_str api, struct tk_str environment,
                                 struct tk_str route, struct tk_arena *arena, struct tk_api_route *ret_route,
                                 struct tk_fault *fault);
enum tk_err tk_service_route_list(struct tk_service *service, struct tk_str api, struct tk_str environment,
                                  struct tk_page page, struct tk_arena *arena,
                                  struct tk_api_route **ret_routes, size_t *ret_count,
                                  struct tk_fault *fault);

/* ---- plans of an API ---- */

struct tk_input_plan {
        struct tk_str name, description;
        struct tk_input_limits limits;
};
enum tk_err tk_service_plan_create(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, const struct tk_input_plan *input,
                                   struct tk_arena *arena, struct tk_plan *ret_plan, struct tk_fault *fault);
/* Makes a new version of the plan; its subscriptions follow at once. Earlier definitions are kept. */
enum tk_err tk_service_plan_update(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_str api, struct tk_str plan, uint64_t version,
                                   const struct tk_input_plan *input, struct tk_arena *arena,
                                   struct tk_plan *ret_plan, struct tk_fault *fault);
enum tk_err tk_service_plan_get(struct tk_service *service, struct tk_str api, struct tk_str plan,
                                struct tk_arena *arena, struct tk_plan *ret_plan, struct tk_fault *fault);
enum tk_err tk_service_plan_list(struct tk_service *service, struct tk_str api, struct tk_page page,
                                 struct tk_arena *arena, struct tk_plan **ret_plans, size_t *ret_count,
                                 struct tk_fault *fault);

/* ---- consumers; addressed by id (`con_3`) or name ---- */

struct tk_input_consumer {
        struct tk_str name, description;
        struct tk_str metadata; /* a JSON object as text */
};
enum tk_err tk_service_consumer_create(struct tk_service *service, const struct tk_caller *caller,
                                       const struct tk_input_consumer *input, struct tk_arena *arena,
                                       struct tk_consumer *ret_consumer, struct tk_fault *fault);
enum tk_err tk_service_consumer_update(struct tk_service *service, const struct tk_caller *caller,
                                       struct tk_str consumer, uint64_t version,
                                       const struct tk_input_consumer *input, struct tk_arena *arena,
                                       struct tk_consumer *ret_consumer, struct tk_fault *fault);
/* Suspending a consumer suspends all its keys. */
enum tk_err tk_service_consumer_set_state(struct tk_service *service, const struct tk_caller *caller,
                                          struct tk_str consumer, uint64_t version, enum tk_state state,
                                          struct tk_arena *arena, struct tk_consumer *ret_consumer,
                                          struct tk_fault *fault);
enum tk_err tk_service_consumer_get(struct tk_service *service, struct tk_str consumer,
                                    struct tk_arena *arena, struct tk_consumer *ret_consumer,
                                    struct tk_fault *fault);
enum tk_err tk_service_consumer_list(struct tk_service *service, struct tk_page page, struct tk_arena *arena,
                                     struct tk_consumer **ret_consumers, size_t *ret_count,
                                     struct tk_fault *fault);

/* ---- subscriptions; addressed by id (`sub_5`) ---- */

struct tk_input_subscription {
        struct tk_str consumer, api, environment, plan; /* environment default `production` */
        struct tk_input_time started_at;                /* default now */
};
enum tk_err tk_service_subscription_create(struct tk_service *service, const struct tk_caller *caller,
                                           const struct tk_input_subscription *input, struct tk_arena *arena,
                                           struct tk_subscription *ret_subscription, struct tk_fault *fault);
/* Changes the plan. */
enum tk_err tk_service_subscription_update(struct tk_service *service, const struct tk_caller *caller,
                                           struct tk_str subscription, uint64_t version,
                                           const struct tk_input_subscription *input, struct tk_arena *arena,
                                           struct tk_subscription *ret_subscription, struct tk_fault *fault);
/* To active, suspended, or ended (final). */
enum tk_err tk_service_subscription_set_state(struct tk_service *service, const struct tk_caller *caller,
                                              struct tk_str subscription, uint64_t version,
                                              enum tk_state state, struct tk_arena *arena,
                                              struct tk_subscription *ret_subscription,
                                              struct tk_fault *fault);
enum tk_err tk_service_subscription_get(struct tk_service *service, const struct tk_caller *caller,
                                        struct tk_str subscription, struct tk_arena *arena,
                                        struct tk_subscription *ret_subscription, struct tk_fault *fault);
struct tk_input_subscription_filter {
        const struct tk_caller *caller;           /* sees those of the APIs that it reaches; NULL: all */
        struct tk_str consumer, api, environment; /* environment only with api */
};
enum tk_err tk_service_subscription_list(struct tk_service *service,
                                         const struct tk_input_subscription_filter *filter,
                                         struct tk_page page, struct tk_arena *arena,
                                         struct tk_subscription **ret_subscriptions, size_t *ret_count,
                                         struct tk_fault *fault);

/* ---- keys; addressed by id (`key_17`) ---- */

struct tk_input_key {
        struct tk_str api, environment, consumer; /* defaults: environment `production`, consumer `default` */
        struct tk_str name;
        struct tk_str metadata; /* a JSON object as text */
        struct tk_input_list scopes;
        struct tk_input_list roles; /* by name */
        struct tk_input_limits limits;
        struct tk_input_list cidrs, origins, methods, paths; /* members of `restrictions` */
        struct tk_input_time not_before, expires_at;
        struct tk_input_list only_apis; /* of an admin key: acts on these alone */
        /*
         * Make what is missing: API, environment, scopes, consumer, and a subscription to the plan `open` (no
         * limits).
         */
        bool create_missing;
};

/* What `create_missing` had to make for a key: its name, or the id of a subscription. */
struct tk_made {
        const char *kind; /* "api", "environment", "consumer", "plan", "subscription", "scope" */
        struct tk_str name;
};
#define TK_MADE_MAX (5 + TK_KEY_SCOPES_MAX) /* one of each, but scopes */

struct tk_key_issued {
        struct tk_key *key;   /* in the arena */
        struct tk_made *made; /* in the arena, in the order in which they were made; none when replayed */
        size_t made_count;
        struct tk_secret
                plaintext; /* the only copy; the caller shows it once and wipes it. Empty when replayed. */
        bool replayed;     /* the Idempotency-Key had made it before */
};
enum tk_err tk_service_key_issue(struct tk_service *service, const struct tk_caller *caller,
                                 const struct tk_input_key *input, struct tk_arena *arena,
                                 struct tk_key_issued *ret_issued, struct tk_fault *fault);
/* Changes name, metadata, scopes, roles, limits, restrictions, not_before, expires_at; a revoked key takes none. */
enum tk_err tk_service_key_update(struct tk_service *service, const struct tk_caller *caller,
                                  struct tk_str key, uint64_t version, const struct tk_input_key *input,
                                  struct tk_arena *arena, struct tk_key **ret_key, struct tk_fault *fault);
/*
 * To active, suspended, or revoked (final; revoking again is no change and no error). Suspend and revoke go
 * through the fast lane. When it returns TK_OK no decision that starts later on this machine admits by the
 * old state.
 *   reason       kept with the first revocation; may be empty
 *   ret_already  it was in that state before, and nothing has changed; NULL: not asked
 */
enum tk_err tk_service_key_set_state(struct tk_service *service, const struct tk_caller *caller,
                                     struct tk_str key, uint64_t version, enum tk_state state,
                                     struct tk_str reason, struct tk_arena *arena, struct tk_key **ret_key,
                                     bool *ret_already, struct tk_fault *fault);
enum tk_err tk_service_key_get(struct tk_service *service, const struct tk_caller *caller, struct tk_str key,
                               struct tk_arena *arena, struct tk_key **ret_key, struct tk_fault *fault);
struct tk_input_key_filter {
        const struct tk_caller *caller;           /* sees those of the APIs that it reaches; NULL: all */
        struct tk_str api, environment, consumer; /* environment only with api */
        struct tk_str state;                      /* active, suspended, revoked */
};
enum tk_err tk_service_key_list(struct tk_service *service, const struct tk_input_key_filter *filter,
                                struct tk_page page, struct tk_arena *arena, struct tk_key ***ret_keys,
                                size_t *ret_count, struct tk_fault *fault);

/* ---- the audit log ---- */

#define TK_ACTION_REFUSED "refused"

struct tk_input_audit_filter {
        struct tk_str object; /* `key_17`, `plan`, `plan:4`, `api:weather`, `consumer:acme` */
        struct tk_str actor, action;
        struct tk_str since, until; /* RFC 3339 */
        bool follow; /* from page.after_id on, oldest first; else newest first, behind page.after_id */
};
enum tk_err tk_service_audit_list(struct tk_service *service, const struct tk_input_audit_filter *filter,
                                  struct tk_page page, struct tk_arena *arena,
                                  struct tk_audit_entry **ret_entries, size_t *ret_count,
                                  struct tk_fault *fault);
enum tk_err tk_service_audit_get(struct tk_service *service, struct tk_str seq, struct tk_arena *arena,
                                 struct tk_audit_entry *ret_entry, struct tk_fault *fault);

/* ---- the demo of scripts/run: the API `weather` with a key; nothing when it has one ---- */

enum tk_err tk_service_demo_create(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_arena *arena, struct tk_key_issued *ret_issued, bool *ret_made,
                                   struct tk_fault *fault);

#endif
