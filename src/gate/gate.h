/*
 * The decider's side of the gate: open the shared files, decide on requests, explain a decision.
 * Any number of threads may use one handle; deciding allocates nothing, locks nothing and makes no system call but the
 * vDSO clock. Never writes to what the daemon publishes: keys, subscriptions and policy are mapped read-only.
 * Files and memory order: docs/formats/gate.md.
 */
#ifndef TK_GATE_GATE_H
#define TK_GATE_GATE_H

#include "core/cidr.h"
#include "core/decision.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/key.h"
#include "core/limit.h"
#include "core/scope.h"
#include "core/str.h"

#include <stdint.h>

struct tk_gate;

/* At most this many limits apply to one request. */
#define TK_GATE_LIMITS_MAX 16

/*
 * Open the gate directory that a daemon made. `peppers` and `mask` are borrowed and must outlive the handle.
 * Every file's magic, format version, sizes, incarnation and installation are checked. On failure `fault` says which
 * file and why.
 */
enum tk_err tk_gate_open(const char *dir, const struct tk_pepper_set *peppers, const struct tk_key_mask *mask,
                         struct tk_gate **ret_gate, struct tk_fault *fault);
/*
 * NULL is taken. No thread may use the handle meanwhile, nor one that used it be just ending; those that used
 * it may live on, and end later.
 */
void tk_gate_close(struct tk_gate *gate);

/*
 * Decide with these peppers from now on: for a file to which one was added. Borrowed; decisions that began
 * before may still read the earlier ones. Beside deciding threads; one caller at a time.
 */
void tk_gate_use_peppers(struct tk_gate *gate, const struct tk_pepper_set *peppers);

/* Which set of files this is: two that differ in either are two. */
struct tk_gate_identity {
        uint8_t installation[16];
        uint64_t incarnation;
};
struct tk_gate_identity tk_gate_identity(const struct tk_gate *gate);

/*
 * The identity of the set that is in the directory now, which is another than an open handle's when the
 * daemon has made new files. Errors as tk_gate_open(), of the one file that it reads.
 */
enum tk_err tk_gate_identify(const char *dir, struct tk_gate_identity *ret_identity, struct tk_fault *fault);

/* Gate time: CLOCK_BOOTTIME plus the offset that the daemon publishes; nanoseconds since 1970. */
uint64_t tk_gate_now_ns(const struct tk_gate *gate);

/*
 * Whether the gate can decide at all; when not, *ret_why says why (static storage): not filled yet, no
 * daemon's lease, retired, damaged. Such a gate still refuses what it knows to be refused; it neither admits
 * anything nor says that a key does not exist.
 */
bool tk_gate_available(const struct tk_gate *gate, const char **ret_why);

/*
 * The environment that a front end serves, resolved by name: once at configuration, or at each request of the verify
 * API. Stable while the gate is open. False when there is none of this name.
 */
bool tk_gate_environment(const struct tk_gate *gate, struct tk_str api, struct tk_str environment,
                         uint32_t *ret_environment);

/*
 * A route of that environment, by its method and path template as they were published. Stable while the gate
 * is open.
 */
bool tk_gate_route(const struct tk_gate *gate, uint32_t environment, struct tk_str method,
                   struct tk_str template, uint32_t *ret_route);

/*
 * Which route of the environment a request is for: most specific first, from the left a literal segment before a parameter before `**`, and a
 * route of the method before one of any method; docs/guide/scopes-and-routes.md. A few hundred nanoseconds, however many routes there are.
 *   method  upper case
 *   path    absolute, without query, as received
 * Text points into the gate. Where routes decide, a path that some server might take for another one must be refused.
 */
enum tk_route_result {
        TK_ROUTE_MATCHED,
        TK_ROUTE_UNKNOWN,     /* there is none */
        TK_ROUTE_AMBIGUOUS,   /* raw and canonical path differ in meaning, core/path.h */
        TK_ROUTE_MALFORMED,   /* no absolute path, or longer than TK_PATH_MAX */
        TK_ROUTE_UNAVAILABLE, /* no such environment, or its routes are damaged */
};
struct tk_matched_route {
        uint32_t route; /* for tk_ask */
        uint32_t id;
        uint64_t cost;
        struct tk_str method, path; /* of the route: `*` is any; its template */
        struct tk_str scope_text;
        struct tk_scope_expr scope; /* op_count 0: nothing is required */
};
enum tk_route_result tk_gate_match_route(const struct tk_gate *gate, uint32_t environment,
                                         struct tk_str method, struct tk_str path,
                                         struct tk_matched_route *ret_route);

/*
 * Whether the API has any environment at all. Walks them all: to say what was wrong with a name, not for each
 * request.
 */
bool tk_gate_has_api(const struct tk_gate *gate, struct tk_str api);

/*
 * One question to the gate. Zero what is not known: checks without what they need pass, except where a key is
 * restricted.
 */
struct tk_ask {
        struct tk_str key;                 /* as presented; ptr NULL: none was */
        uint32_t environment;              /* from tk_gate_environment(); 0 matches no key */
        const struct tk_scope_expr *scope; /* required; NULL requires nothing */
        const struct tk_scope_expr
                *route_scope;      /* required as well: of a route, from tk_gate_match_route() */
        const char *route_refusal; /* why the request is refused for its path; NULL: it is not */
        struct tk_str method;      /* upper case */
        struct tk_str path;        /* absolute, without query, as received */
        struct tk_str origin;      /* Origin header */
        struct tk_ip ip;           /* the client's */
        uint64_t cost;             /* units, 0 charges nothing; over TK_LIMIT_COST_MAX: unavailable */
        uint32_t
                route; /* from tk_gate_route(), whose limits apply; 0: none; of another environment: unavailable */
        const struct tk_named_limit *named; /* limits that the caller brings */
        uint32_t named_count; /* with all others at most TK_GATE_LIMITS_MAX; more: unavailable */
        uint32_t
                reserve_s; /* 0: the cost is charged for good; else it may be settled so long, up to TK_RESERVE_MAX_S */
        uint64_t now_ns; /* 0: the clocks; else this instead of both of them, for tests */
};

/* Of a reservation, in seconds. */
#define TK_RESERVE_MAX_S 86400

/*
 * A limit that the caller names, say one a user of the consumer's application. The same name with another
 * definition is another limit. Its state is kept in a table of bounded size; a name that finds no place there
 * shares one limit of the same definition with others that found none, and may so be refused early, never
 * admitted late. When it gets a place later, what was used in the shared one is taken over. A request counts
 * once in each: one that is named twice, and one of which two names share a place, is in the answer once.
 */
struct tk_named_limit {
        struct tk_str name;             /* any bytes; 1 to TK_NAMED_NAME_MAX of them */
        const struct tk_limit_def *def; /* kind rate or window, not anchored; its name is not looked at */
};
#define TK_NAMED_NAME_MAX 256

enum tk_limit_owner {
        TK_OWNER_KEY = 1,
        TK_OWNER_SUBSCRIPTION = 2,
        TK_OWNER_ROUTE = 3,
        TK_OWNER_CALLER = 4, /* a named limit */
};

struct tk_answer_limit {
        struct tk_str name;
        enum tk_limit_owner owner;
        enum tk_limit_kind kind;
        uint64_t limit;             /* units per window */
        uint64_t burst;             /* rates; else 0 */
        uint64_t window_s;          /* rates and windows; a calendar period's own length */
        enum tk_period_kind period; /* TK_PERIOD_FIXED: window_s long */
        bool shadow;                /* not enforced: a refusal of it refuses nothing */
        struct tk_limit_state state;
};

/* A key has at most this many roles. */
#define TK_GATE_ROLES_MAX 8

/*
 * What the gate says. Slices point into the gate and hold while it is open; a named limit's name is the
 * caller's own.
 */
struct tk_answer {
        enum tk_code code;
        bool identified; /* the key is one of ours: what follows up to `limits` holds, whatever the code */
        uint64_t key_id;
        uint64_t consumer_id;
        uint64_t subscription_id;                 /* 0: none */
        struct tk_str api, environment, consumer; /* names of the key's own */
        struct tk_str scopes;                     /* granted patterns, space-separated */
        int64_t not_before_s, expires_s;          /* 0: unbounded */
        uint32_t role_count;                      /* 0 to TK_GATE_ROLES_MAX */
        uint64_t retry_after_ns; /* refused by a limit: until it may pass; TK_NEVER if it never can */
        uint32_t refused_by; /* its place in limits and 1; of several the one to wait longest for; 0: none */
        const char *reason;  /* a phrase beyond the code's text, or NULL; static storage */
        uint64_t
                reservation; /* admitted with reserve_s: for tk_gate_settle() and tk_gate_release(); else 0 */
        bool shadow_refused; /* a limit that is not enforced would have refused it */
        bool named_shared;   /* a named limit found no place of its own */
        uint32_t limit_count; /* filled when the limits were looked at */
        struct tk_answer_limit limits[TK_GATE_LIMITS_MAX];
        struct tk_answer_role {
                struct tk_str name, scopes; /* patterns that it grants, as above, beside those of the key */
        } roles[TK_GATE_ROLES_MAX];
};

/*
 * Decide, and charge what is admitted. Checks run in the order of enum tk_code. A refusal charges nothing,
 * with the one exception of DESIGN.md section 6: a request that loses a race after charging a rate limit
 * leaves its cost there.
 */
void tk_gate_decide(struct tk_gate *gate, const struct tk_ask *ask, struct tk_answer *ret_answer);

/*
 * Settle a reservation: `cost` is what the request cost in the end. What was reserved beyond it is given back
 * to windows of which the charged period still runs, and to credits; rates keep it (DESIGN.md section 6).
 * Once only; any thread or process of the machine. One that nobody settles until it expires is settled with
 * all that it reserved. Credits that were charged before a grant expired are not given back after that: they
 * would come out of another grant. Ids can be guessed: whoever passes them on guards them.
 * TK_NOT_FOUND: it is settled, released or expired, or never was. TK_INVALID: the cost exceeds what was
 * reserved; it stays open.
 */
enum tk_err tk_gate_settle(struct tk_gate *gate, uint64_t reservation, uint64_t cost);
/* The same with a cost of 0: the request was not served. */
enum tk_err tk_gate_release(struct tk_gate *gate, uint64_t reservation);

/*
 * Each thread that decides writes its events into a ring that it claims at its first decision: a few system
 * calls, once a thread. A thread that cannot afford them there claims it here, beforehand. False: all rings
 * are taken, and the thread's events will be counted as lost; its decisions are not touched by that. It looks
 * for a ring again when called here, and each time it has lost 65536 events. The ring is given back here,
 * when the thread ends, when the gate is closed, or by the kernel when the process dies.
 */
bool tk_gate_thread_begin(struct tk_gate *gate);
void tk_gate_thread_end(struct tk_gate *gate);

/*
 * In a child of fork(), from its only thread, when the parent had the gate open: give the child rings of its
 * own; the parent keeps its. A child that does not call it may run another program or end, decide, and close
 * the gate; but its events are counted as lost, and while it lives, so stay claimed the rings of a parent
 * that was killed.
 * TK_IO: the files were replaced meanwhile, or the child may not open them; close the gate and open it anew.
 */
enum tk_err tk_gate_after_fork(struct tk_gate *gate);

/* One check of an explanation. */
enum tk_check_result {
        TK_CHECK_PASSED,
        TK_CHECK_FAILED,
        TK_CHECK_SKIPPED /* it needs what an earlier one refused */
};
struct tk_check {
        enum tk_code code; /* what the request would be refused with, were this check to fail */
        enum tk_check_result result;
        char detail[160]; /* what was compared; never the key */
};
struct tk_explanation {
        struct tk_answer answer; /* what tk_gate_decide would say now */
        uint32_t check_count;
        struct tk_check checks[TK_CODE_COUNT];
};

/* Every check's result, also of those after the first that fails. Charges nothing, counts nothing. */
void tk_gate_explain(struct tk_gate *gate, const struct tk_ask *ask, struct tk_explanation *ret_explanation);

/* Live counters of one key's or subscription's meter. TK_NOT_FOUND when there is no such line; TK_BUSY when its limits change all the time. */
struct tk_usage {
        uint64_t admitted;        /* requests */
        uint64_t refused;         /* requests that were refused although the key is known: modulo 2^32 */
        int64_t last_used_s;      /* 0: never */
        uint64_t subscription_id; /* of a key: whose limits it shares; 0: none */
        uint32_t limit_count;
        struct tk_answer_limit limits[TK_GATE_LIMITS_MAX];
};
enum tk_err tk_gate_key_usage(const struct tk_gate *gate, uint64_t key_id, struct tk_usage *ret_usage);
enum tk_err tk_gate_subscription_usage(const struct tk_gate *gate, uint64_t subscription_id,
                                       struct tk_usage *ret_usage);

#endif
