/*
 * libtollkeeper: decide on API keys in an API's own process, from the shared memory that a Tollkeeper daemon
 * on the same machine keeps. A decision takes well under a microsecond, asks neither the network nor the
 * daemon nor the disk, and goes on while the daemon is down. docs/guide/library.md leads from nothing to a
 * protected service; examples/http-service is one.
 */
#ifndef TOLLKEEPER_TOLLKEEPER_H
#define TOLLKEEPER_TOLLKEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The library has no state of its own: everything is in a handle. It starts no thread, installs no signal
 * handler, prints nothing, never ends the process. Any number of threads may use one handle, except where a
 * function says otherwise.
 *
 * Structs that you fill, and those that are filled for you, begin with `size`: set it to sizeof the struct,
 * and what you do not set to zero, which is what an initialiser does:
 *
 *         struct tollkeeper_ask ask = {.size = sizeof ask, .key = key, .cost = 1};
 *
 * so that programs that were built against an earlier version of this header go on to work. A struct without
 * its size is refused.
 *
 * C11 and C++17. Points in time are seconds since 1970 (UTC); durations are in the unit that ends their name.
 */

#ifdef __cplusplus
extern "C" {
#endif

#define TOLLKEEPER_API __attribute__((visibility("default")))

/* ---- words that all of it uses ---- */

/* The version of the library that is loaded: "0.1.0". Static storage. */
TOLLKEEPER_API const char *tollkeeper_version(void);

/* A text: not ended by NUL, never owned. ptr NULL: there is none. */
struct tollkeeper_text {
        const char *ptr;
        size_t len;
};

/* Of a C string, which it borrows; NULL gives the absent text. */
static inline struct tollkeeper_text tollkeeper_text_of(const char *string)
{
        struct tollkeeper_text text;
        text.ptr = string;
        text.len = string ? strlen(string) : 0;
        return text;
}

/* For printf: printf("%.*s", TOLLKEEPER_TEXT_ARG(text)). Never with a key. */
#define TOLLKEEPER_TEXT_ARG(text) (int)(text).len, (text).ptr ? (text).ptr : ""

/* What functions return that can fail. The outcome of a decision is not one of these: see enum tollkeeper_code. */
enum tollkeeper_result {
        TOLLKEEPER_OK = 0,
        TOLLKEEPER_INVALID = 1,   /* an argument can never be right */
        TOLLKEEPER_NOT_FOUND = 2, /* it names something that does not exist */
        TOLLKEEPER_DENIED = 3,    /* the user that the process runs as may not */
        TOLLKEEPER_BUSY = 4,      /* not now: the daemon is about to make it so */
        TOLLKEEPER_FULL = 5,      /* a table of fixed size is full */
        TOLLKEEPER_NOMEM = 6,     /* out of memory */
        TOLLKEEPER_IO = 7,        /* the system refused an operation */
        TOLLKEEPER_CORRUPT = 8,   /* files are not what they must be */
};

/* Why, in words for a log. Never contains a key. Wherever one is asked for, NULL is taken too. */
struct tollkeeper_error {
        size_t size;
        char message[640]; /* what is wrong and how to mend it, with a NUL; empty on success */
};

/* A duration that never ends. */
#define TOLLKEEPER_NEVER UINT64_MAX

/* At most this many limits apply to one request. */
#define TOLLKEEPER_LIMITS_MAX 16

/* Units: of one request, and as a limit. */
#define TOLLKEEPER_COST_MAX  UINT64_C(1000000000000)
#define TOLLKEEPER_UNITS_MAX UINT64_C(1000000000000000)

/* ---- a handle ---- */

struct tollkeeper_gate;

struct tollkeeper_config {
        size_t size;
        const char *
                data_dir; /* the daemon's --data. NULL: $TOLLKEEPER_DATA, and without it ./data, as the daemon */
        const char *gate_dir;    /* the daemon's --gate. NULL: where DATA/gate points */
        const char *pepper_path; /* NULL: DATA/pepper */
};

/*
 * Open the gate that a daemon made. The process must run as the daemon's user: both directories and the
 * pepper file are that user's alone, and are refused where others could write them, or read the pepper.
 *   config    NULL: everything as the daemon by default. Its texts are copied
 *   ret_gate  yours, until tollkeeper_close()
 * TOLLKEEPER_NOT_FOUND: no daemon has been here yet; TOLLKEEPER_DENIED, TOLLKEEPER_CORRUPT, TOLLKEEPER_NOMEM,
 * TOLLKEEPER_IO, TOLLKEEPER_INVALID. Maps some hundred GiB of addresses and hardly any memory. Any thread;
 * not for the path of a request.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_open(const struct tollkeeper_config *config,
                                                      struct tollkeeper_gate **ret_gate,
                                                      struct tollkeeper_error *error);

/*
 * Close it and everything that came from it: texts in answers, environments, routes. No thread may be using
 * the handle. NULL is taken.
 */
TOLLKEEPER_API void tollkeeper_close(struct tollkeeper_gate *gate);

/*
 * Look whether the daemon has made a new set of files, as it does when it cannot go on with the old one, or
 * has added a pepper; and use them from then on. Until you call this, such a handle answers `unavailable` to
 * whatever it would have admitted, or `unknown` to keys of the new pepper. Call it about once a second, from
 * any thread but on no request's path; beside deciding threads. Where nothing has changed it is a few system
 * calls.
 * Environments, routes and texts of answers hold on. Old files stay mapped until tollkeeper_close(), because
 * a thread may still be reading them; reservations made in them cannot be settled any more.
 * TOLLKEEPER_OK: the handle is current. Anything else: it is as it was before, and the next call tries again.
 * TOLLKEEPER_BUSY, TOLLKEEPER_NOT_FOUND: the daemon has not finished the new files. TOLLKEEPER_FULL: there
 * were TOLLKEEPER_SETS_MAX sets; close the handle and open another.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_refresh(struct tollkeeper_gate *gate,
                                                         struct tollkeeper_error *error);
#define TOLLKEEPER_SETS_MAX 16

/*
 * Whether the gate can admit anything now; else *ret_why, if not NULL, says why not (static storage): not
 * filled yet, lease run out, replaced, damaged. For health checks: a decision looks by itself.
 */
TOLLKEEPER_API bool tollkeeper_available(const struct tollkeeper_gate *gate, const char **ret_why);

/*
 * Each thread that decides writes a record of its decisions for the daemon, into a place that it takes at its
 * first decision, with a few system calls. A thread that has no time for them there takes it here,
 * beforehand. False: all places are taken; the thread's decisions are as good as others', but the daemon will
 * count their records as lost. The place is given back by tollkeeper_thread_end(), when the thread ends, and
 * when the handle is closed.
 */
TOLLKEEPER_API bool tollkeeper_thread_begin(struct tollkeeper_gate *gate);
TOLLKEEPER_API void tollkeeper_thread_end(struct tollkeeper_gate *gate);

/*
 * In a child of fork() that goes on to use a handle which its parent opened: call this before anything else
 * of the handle. The parent's is not touched. On failure close the handle in the child, and open another.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_after_fork(struct tollkeeper_gate *gate,
                                                            struct tollkeeper_error *error);

/* ---- what you resolve once, at configuration ---- */

/*
 * The environment of an API that requests are for, by names: "weather", "production". The number holds until
 * tollkeeper_close(), also across tollkeeper_refresh(); the same names give the same number. 0 is none.
 * TOLLKEEPER_NOT_FOUND: there is none of these names; TOLLKEEPER_BUSY: the daemon has not filled the gate
 * yet; TOLLKEEPER_FULL: more than 4096 environments and routes together; TOLLKEEPER_NOMEM. Any thread; takes
 * a lock.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_environment(struct tollkeeper_gate *gate, const char *api,
                                                             const char *environment,
                                                             uint32_t *ret_environment,
                                                             struct tollkeeper_error *error);

/*
 * A route of that environment whose limits are to apply, by method and path template as an administrator
 * defined it: "GET", "/v1/forecast/{city}". Only needed where a route has limits of its own. As
 * tollkeeper_environment().
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_route(struct tollkeeper_gate *gate, uint32_t environment,
                                                       const char *method, const char *path_template,
                                                       uint32_t *ret_route, struct tollkeeper_error *error);

/*
 * Scopes that requests require: one, as "forecast:read", or an expression with `and`, `or` and parentheses,
 * as "forecast:read and (alerts:read or alerts:write)". `and` binds more tightly. Belongs to no handle. Free
 * it when no thread decides with it any more.
 *   ret_scope  yours, until tollkeeper_scope_free(), which takes NULL too. Any number of threads may decide with it
 * TOLLKEEPER_INVALID: it is not one, or has more than 64 names and operators, 16 nested parentheses or 1024
 * bytes; TOLLKEEPER_NOMEM.
 */
struct tollkeeper_scope;
TOLLKEEPER_API enum tollkeeper_result tollkeeper_scope_compile(const char *expression,
                                                               struct tollkeeper_scope **ret_scope,
                                                               struct tollkeeper_error *error);
TOLLKEEPER_API void tollkeeper_scope_free(struct tollkeeper_scope *scope);

enum tollkeeper_limit_kind {
        TOLLKEEPER_RATE = 1,    /* a token bucket: `limit` a `window_s`, at once no more than `burst` */
        TOLLKEEPER_WINDOW = 2,  /* a quota: at most `limit` a period */
        TOLLKEEPER_CREDITS = 3, /* prepaid: what is left of what was granted */
};

enum tollkeeper_period {
        TOLLKEEPER_PERIOD_FIXED = 0, /* window_s long, counted from 1970 */
        TOLLKEEPER_PERIOD_HOUR = 1,  /* of the calendar, UTC, as all that follow */
        TOLLKEEPER_PERIOD_DAY = 2,
        TOLLKEEPER_PERIOD_WEEK = 3, /* from Monday */
        TOLLKEEPER_PERIOD_MONTH = 4,
};

/*
 * A limit that you bring with a request, say one for each user of a consumer's application. Its state is kept
 * under its name, for all processes on the machine; the same name with another definition, or in another
 * environment, is another limit. Names that are used at a time are bounded: one that finds no place shares a
 * limit of the same definition with others, and may be refused early, never late.
 */
struct tollkeeper_named_limit {
        struct tollkeeper_text name;     /* any bytes, 1 to 256 */
        enum tollkeeper_limit_kind kind; /* TOLLKEEPER_RATE or TOLLKEEPER_WINDOW */
        enum tollkeeper_period period;   /* of a window; TOLLKEEPER_PERIOD_FIXED for rates */
        uint64_t limit;                  /* units, to TOLLKEEPER_UNITS_MAX */
        uint64_t burst;                  /* rates: units at once; 0 for windows */
        uint64_t window_s;               /* rates and fixed windows; 0 for periods of the calendar */
        bool shadow;                     /* counted and told, refuses nothing */
        uint64_t zero[2];                /* for later versions */
};

/*
 * Everything of a named limit but its name, from text: "100/min" or "100/min,burst=20" for a rate, "1000/day"
 * or "10/30s" for a window.
 * TOLLKEEPER_INVALID, with the reason. Any thread.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_limit_parse(enum tollkeeper_limit_kind kind,
                                                             const char *text,
                                                             struct tollkeeper_named_limit *ret_limit,
                                                             struct tollkeeper_error *error);

/* ---- a question ---- */

/* An address of a client. IPv4 in the first four bytes, the others zero. */
struct tollkeeper_ip {
        uint8_t family; /* 4 or 6; 0: not known */
        uint8_t zero[7];
        uint8_t bytes[16]; /* network order */
};

struct sockaddr;

/*
 * From what accept() gave, or from text such as "203.0.113.7". IPv4 in an IPv6 address (::ffff:203.0.113.7)
 * is IPv4. Anything that is no such address gives the unknown one. Only believe a header that names the
 * client, as X-Forwarded-For, when a proxy of your own wrote it.
 */
TOLLKEEPER_API struct tollkeeper_ip tollkeeper_ip_of_socket(const struct sockaddr *address);
TOLLKEEPER_API struct tollkeeper_ip tollkeeper_ip_of_text(struct tollkeeper_text text);

/*
 * The key in what a request brought: `Authorization: Bearer KEY` and `X-API-Key: KEY`, each the value of the
 * header or the absent text. Where they hold two different keys the result is a text that every decision
 * calls `malformed`. Borrowed from the arguments, or static.
 */
TOLLKEEPER_API struct tollkeeper_text tollkeeper_key_of_headers(struct tollkeeper_text authorization,
                                                                struct tollkeeper_text api_key);

/*
 * Zero what is not known. A check that needs what is not known passes, except where the key is restricted to
 * a matter (addresses, origins, methods, paths) that you do not tell. Everything is borrowed for the call.
 */
struct tollkeeper_ask {
        size_t size;
        struct tollkeeper_text key;                 /* as presented, by tollkeeper_key_of_headers() */
        uint32_t environment;                       /* tollkeeper_environment() */
        uint32_t route;                             /* tollkeeper_route(); 0: no limits of a route */
        const struct tollkeeper_scope *scope;       /* NULL requires none */
        struct tollkeeper_text method;              /* upper case: "GET" */
        struct tollkeeper_text path;                /* as received, from its first / to before the ? */
        struct tollkeeper_text origin;              /* the Origin header */
        uint64_t cost;                              /* units, to TOLLKEEPER_COST_MAX; 0 charges nothing */
        const struct tollkeeper_named_limit *named; /* named_count of them */
        uint32_t named_count;                       /* with all others at most TOLLKEEPER_LIMITS_MAX */
        uint32_t
                reserve_s; /* 0: the cost is charged for good; else it can be settled so long, up to 86400 s */
        struct tollkeeper_ip ip; /* the client's */
};

/* ---- an answer ---- */

/* In the order of their checks, but for the first two. A zeroed answer admits nothing. */
enum tollkeeper_code {
        TOLLKEEPER_UNAVAILABLE = 0,       /* 503: the gate cannot decide now, or the question is malformed */
        TOLLKEEPER_VALID = 1,             /* 200: serve the request */
        TOLLKEEPER_MISSING_KEY = 2,       /* 401 */
        TOLLKEEPER_MALFORMED = 3,         /* 401 */
        TOLLKEEPER_UNKNOWN = 4,           /* 401 */
        TOLLKEEPER_REVOKED = 5,           /* 401 */
        TOLLKEEPER_SUSPENDED = 6,         /* 403 */
        TOLLKEEPER_NOT_YET_VALID = 7,     /* 401 */
        TOLLKEEPER_EXPIRED = 8,           /* 401 */
        TOLLKEEPER_WRONG_ENVIRONMENT = 9, /* 403 */
        TOLLKEEPER_RESTRICTED = 10,       /* 403 */
        TOLLKEEPER_INSUFFICIENT_SCOPE = 11, /* 403 */
        TOLLKEEPER_RATE_LIMITED = 12,       /* 429 */
        TOLLKEEPER_QUOTA_EXCEEDED = 13,     /* 429 */
        TOLLKEEPER_CREDITS_EXHAUSTED = 14,  /* 402 */
};

/*
 * "rate_limited"; 429; "A rate limit is exceeded." Static storage. Of a code that this version does not know:
 * "invalid_code", 500.
 */
TOLLKEEPER_API const char *tollkeeper_code_name(enum tollkeeper_code code);
TOLLKEEPER_API int tollkeeper_code_http_status(enum tollkeeper_code code);
TOLLKEEPER_API const char *tollkeeper_code_text(enum tollkeeper_code code);

enum tollkeeper_limit_owner {
        TOLLKEEPER_OWNER_KEY = 1,
        TOLLKEEPER_OWNER_SUBSCRIPTION = 2, /* shared by all keys of a consumer there */
        TOLLKEEPER_OWNER_ROUTE = 3,        /* shared by all who use the route */
        TOLLKEEPER_OWNER_CALLER = 4,       /* you brought it */
};

/* How a limit stands after the decision. */
struct tollkeeper_limit {
        struct tollkeeper_text name;
        enum tollkeeper_limit_owner owner;
        enum tollkeeper_limit_kind kind;
        enum tollkeeper_period period;
        bool shadow;        /* a refusal of it refuses nothing */
        bool refused;       /* the cost does not fit, or did not */
        uint64_t limit;     /* units: a window, a period; credits: granted, ever */
        uint64_t burst;     /* rates; else 0 */
        uint64_t window_s;  /* a calendar period's own length; credits: 0 */
        uint64_t remaining; /* units that would be admitted now */
        uint64_t wait_ns;   /* when refused: until the cost would be admitted, or TOLLKEEPER_NEVER; else 0 */
        uint64_t
                reset_ns; /* until it is whole again: full bucket, end of the period; credits: TOLLKEEPER_NEVER */
        uint64_t zero[2]; /* for later versions */
};

/* What was charged and may be settled. Keep it as it is; any process on the machine may use it. All zero: none. */
struct tollkeeper_reservation {
        uint64_t set, number;
};

/*
 * What the gate says. Texts live in the gate, or are static, and hold until tollkeeper_close(); copy what you
 * keep for longer. They are what administrators typed: quote them wherever you print them.
 */
struct tollkeeper_answer {
        size_t size;
        enum tollkeeper_code code;
        int32_t http_status; /* of the code */
        const char *detail;  /* a phrase for people and logs, never NULL; never contains a key */
        /* The key is one of ours: its ids, names, scopes and times below hold, whatever the code. Else they are empty. */
        bool identified;
        bool shadow_refused; /* a limit that is not enforced would have refused it */
        bool named_shared;   /* a limit that you brought found no place of its own */
        char key_id[24]; /* "key_17"; empty when not identified, as the next two. For logs: it is no secret */
        char consumer_id[24];                    /* "con_3" */
        char subscription_id[24];                /* "sub_5"; empty: none */
        struct tollkeeper_text consumer;         /* its name */
        struct tollkeeper_text api, environment; /* the key's own, also where you asked for another */
        struct tollkeeper_text
                scopes; /* patterns granted to the key itself: "alerts:* forecast:read"; its roles grant more */
        int64_t not_before_s, expires_s; /* 0: unbounded */
        struct tollkeeper_text
                required_scopes; /* what you required, space-separated; absent where alternatives were */
        uint64_t
                retry_after_ns; /* refused by a limit: until it may pass; TOLLKEEPER_NEVER: it never can; else 0 */
        struct tollkeeper_reservation reservation; /* admitted with reserve_s */
        uint32_t
                refused_by; /* 1 for the first of `limits`; of several the one to wait longest for; 0: none */
        uint32_t limit_count; /* of `limits`, when they were looked at */
        struct tollkeeper_limit limits[TOLLKEEPER_LIMITS_MAX];
};

/*
 * Decide on a request, and charge its cost to all its limits when it is admitted. A refusal charges nothing,
 * but that a request which loses a race between two rates may leave its cost at one of them.
 *   ret_answer  may be NULL where the code is enough; its `size` must be set, the rest need not be. On
 *               whatever failure a code that refuses
 * Any thread. Allocates nothing, locks nothing, waits for nothing; a thread's first decision is longer
 * (tollkeeper_thread_begin()).
 */
TOLLKEEPER_API enum tollkeeper_code tollkeeper_decide(struct tollkeeper_gate *gate,
                                                      const struct tollkeeper_ask *ask,
                                                      struct tollkeeper_answer *ret_answer);

/* ---- by route: since 0.2 ---- */

/* Which route of the environment a request is for, as its administrators defined them. */
enum tollkeeper_route_result {
        TOLLKEEPER_ROUTE_UNAVAILABLE = 0, /* the gate cannot tell */
        TOLLKEEPER_ROUTE_MATCHED = 1,
        TOLLKEEPER_ROUTE_UNKNOWN = 2,   /* for none */
        TOLLKEEPER_ROUTE_AMBIGUOUS = 3, /* a server may read the path as another: refuse it */
        TOLLKEEPER_ROUTE_MALFORMED = 4, /* no absolute path, or a longer one than 4096 bytes: refuse it */
};

struct tollkeeper_route {
        size_t size;
        enum tollkeeper_route_result result;
        char route_id[24];                   /* "rte_5"; empty, as what follows, when none is matched */
        struct tollkeeper_text method, path; /* of the route: "*" is any method; the template */
        struct tollkeeper_text scope;        /* what it requires; empty: nothing */
        uint64_t cost;
};

/*
 * Find the route of a request: the most specific one that has the method and matches the path.
 *   environment  from tollkeeper_environment()
 *   method       in upper case
 *   path         as received, without its query
 * Any thread; allocates nothing, locks nothing. TOLLKEEPER_INVALID: a struct without its size.
 */
TOLLKEEPER_API enum tollkeeper_result
tollkeeper_match_route(struct tollkeeper_gate *gate, uint32_t environment, struct tollkeeper_text method,
                       struct tollkeeper_text path, struct tollkeeper_route *ret_route,
                       struct tollkeeper_error *error);

enum tollkeeper_unknown_route {
        TOLLKEEPER_UNKNOWN_ROUTE_REFUSE = 0, /* with TOLLKEEPER_RESTRICTED */
        TOLLKEEPER_UNKNOWN_ROUTE_PASS = 1,   /* decided by the rest of the question alone */
};

/* In tollkeeper_ask.cost, of a question by route: what the route costs; 1 where there is none. */
#define TOLLKEEPER_COST_OF_ROUTE UINT64_MAX

/*
 * As tollkeeper_decide(), with what the route of the question's method and path requires, beside the question's scope, and with its limits. The
 * question's `route` must be 0. An ambiguous or malformed path is refused with TOLLKEEPER_RESTRICTED, whatever `unknown` says.
 *   ret_route  what was found; may be NULL
 */
TOLLKEEPER_API enum tollkeeper_code tollkeeper_decide_by_route(struct tollkeeper_gate *gate,
                                                               const struct tollkeeper_ask *ask,
                                                               enum tollkeeper_unknown_route unknown,
                                                               struct tollkeeper_answer *ret_answer,
                                                               struct tollkeeper_route *ret_route);

/*
 * Settle what was reserved, with what the request cost in the end. The rest is given back to quotas, while
 * the period runs that was charged, and to credits; a rate keeps it. A reservation that nobody settles until
 * it ends is settled with all of it.
 * TOLLKEEPER_NOT_FOUND: settled, released or ended before, or never made; TOLLKEEPER_INVALID: the cost is
 * more than was reserved, and it stays open. Any thread, any process on the machine; lock-free.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_settle(struct tollkeeper_gate *gate,
                                                        struct tollkeeper_reservation reservation,
                                                        uint64_t cost, struct tollkeeper_error *error);
/* The same with a cost of 0: the request was not served. */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_release(struct tollkeeper_gate *gate,
                                                         struct tollkeeper_reservation reservation,
                                                         struct tollkeeper_error *error);

/* ---- an explanation ---- */

enum tollkeeper_check_result {
        TOLLKEEPER_PASSED = 1,
        TOLLKEEPER_FAILED = 2,
        TOLLKEEPER_SKIPPED = 3, /* it needs what an earlier one refused */
};

struct tollkeeper_check {
        enum tollkeeper_code code; /* what the request would be refused with, were this check to fail */
        enum tollkeeper_check_result result;
        char detail[176]; /* what was compared, with a NUL; never the key */
};

struct tollkeeper_explanation {
        size_t size;
        uint32_t check_count;
        struct tollkeeper_check checks[24];
};

/*
 * Every check's result, also of those after the first that fails, and the answer that tollkeeper_decide()
 * would give now. Charges nothing, counts nothing. Any thread. For support and tests: it is several times
 * slower, and whoever can call it can test stolen keys.
 * TOLLKEEPER_INVALID: a struct without its size, or a malformed question.
 */
TOLLKEEPER_API enum tollkeeper_result tollkeeper_explain(struct tollkeeper_gate *gate,
                                                         const struct tollkeeper_ask *ask,
                                                         struct tollkeeper_answer *ret_answer,
                                                         struct tollkeeper_explanation *ret_explanation,
                                                         struct tollkeeper_error *error);

/* ---- an answer as HTTP ---- */

enum tollkeeper_header {
        TOLLKEEPER_HEADER_RATE_LIMIT_POLICY = 0, /* draft-ietf-httpapi-ratelimit-headers-10, as the next */
        TOLLKEEPER_HEADER_RATE_LIMIT = 1,
        TOLLKEEPER_HEADER_RETRY_AFTER = 2,      /* seconds, where a limit refused and waiting helps */
        TOLLKEEPER_HEADER_WWW_AUTHENTICATE = 3, /* RFC 6750, for 401 and for a scope that is lacking */
};
#define TOLLKEEPER_HEADER_COUNT 4
#define TOLLKEEPER_HEADER_BYTES 2176 /* no value is longer, with its NUL */

/* "RateLimit-Policy". Static storage; NULL when there is no such header. */
TOLLKEEPER_API const char *tollkeeper_header_name(enum tollkeeper_header header);

/*
 * The value of one header for an answer, with a NUL. Returns its length; 0: this answer has no such header,
 * or there is no room. What limits do not fit are left out whole; of a name that you brought, bytes that a
 * header cannot hold become `?`.
 *   realm  what is protected, in WWW-Authenticate: the API's name; NULL: "api"
 * Any thread; allocates nothing.
 */
TOLLKEEPER_API size_t tollkeeper_header_value(const struct tollkeeper_answer *answer,
                                              enum tollkeeper_header header, const char *realm, char *value,
                                              size_t value_bytes);

/* A duration in whole seconds, rounded up, as Retry-After has it. TOLLKEEPER_NEVER stays what it is. */
static inline uint64_t tollkeeper_seconds(uint64_t duration_ns)
{
        if (duration_ns == TOLLKEEPER_NEVER)
                return TOLLKEEPER_NEVER;
        return duration_ns / UINT64_C(1000000000) + (duration_ns % UINT64_C(1000000000) != 0);
}

#ifdef __cplusplus
}
#endif

#endif
