/*
 * One request on its way through the checks. A tk_request lives on the stack of the thread that asks; the
 * checks fill it in their order, each relying on those before it. decide.c and explain.c walk the same table
 * of checks, so they cannot disagree. Internal to the gate.
 */
#ifndef TK_GATE_REQUEST_H
#define TK_GATE_REQUEST_H

#include "gate/files.h"
#include "gate/gate.h"
#include "gate/meter.h"
#include "gate/seat.h"

struct tk_gate {
        struct tk_files files;
        _Atomic(const struct tk_pepper_set *) peppers; /* borrowed, as the mask */
        const struct tk_key_mask *mask;
        struct tk_seats *seats; /* NULL: its events are counted as lost */
};

static inline struct tk_area *tk_gate_area(const struct tk_gate *gate, enum tk_file file)
{
        return &((struct tk_gate *)gate)->files.areas[file];
}

static inline const struct tk_pepper_set *tk_gate_peppers(const struct tk_gate *gate)
{
        return atomic_load_explicit(&((struct tk_gate *)gate)->peppers, memory_order_acquire);
}

/* One limit of the request: where it is defined, and the slot that it charges. */
struct tk_request_limit {
        struct tk_str name;
        const struct tk_format_limit *limit;
        struct tk_slot *slot;
        enum tk_file file; /* that the slot is in */
        enum tk_limit_owner owner;
        int64_t anchor_s;
        struct tk_credits credits;
        bool shadow;
        bool charged;
        struct tk_offer offer; /* of the last look */
};

/* Where a limit that the caller names is counted (named.h). */
struct tk_named_place {
        struct tk_format_named *entry;
        uint64_t tag;      /* of the entry */
        uint64_t name_tag; /* of the name: another one where it shares the entry */
        bool shadow;
};

/* A key, a subscription or a route: its policy, its meter. */
struct tk_request_party {
        struct tk_policy_view view;
        struct tk_meter_ref at;
};

struct tk_request {
        struct tk_gate *gate;
        const struct tk_ask *ask;
        struct tk_answer *answer;
        struct tk_moment now;
        int64_t now_s;

        /* shape */
        struct tk_key_parts parts;
        uint64_t number; /* by locator, then of the line that was found */
        struct tk_digest digest;
        bool located; /* it says where its line would be, and was hashed */
        bool found;

        /* found: one reading of the key's line */
        uint64_t control, validity, binding, owner;
        struct tk_request_party key, subscription, route;
        struct tk_policy_view roles[TK_GATE_ROLES_MAX]; /* as many as the answer has */
        const struct tk_format_environment *environment;
        uint64_t subscription_control; /* 0: bound to none */
        int64_t anchor_s;
        struct tk_credits credits;

        /* limits; a rehearsal charges copies */
        bool rehearsal;
        bool limits_looked_at;
        bool closed; /* a limit was found that moves: nothing follows from it, and the request is to be asked anew */
        bool waits;     /* it may be; else limits that are not enforced are left out where they move */
        unsigned turns; /* tk_forward_wait() */
        unsigned refused_kinds; /* a bit for each enum tk_limit_kind that refuses */
        uint32_t limit_count, named_count;
        uint16_t of_kind
                [4]; /* a bit for each of limits, by enum tk_limit_kind; [0]: those that are not enforced */
        struct tk_request_limit limits[TK_GATE_LIMITS_MAX];
        struct tk_slot rehearsal_slots[TK_GATE_LIMITS_MAX];
        struct tk_format_limit named_limits[TK_GATE_LIMITS_MAX];
        struct tk_named_place named[TK_GATE_LIMITS_MAX];

        /* a line of `reservations` that is being made; NULL: none */
        struct tk_format_reservation *reservation;
        uint64_t reservation_number, reservation_control;

        /* Why the gate cannot decide; turns whatever failed into `unavailable`. */
        const char *damage;
};

/*
 * The checks in their order (DESIGN.md section 5): code, function, and explain.c's function that says what it
 * compared. A check returns whether it passed. `unavailable` stands before the limits, because they are
 * charged.
 */
#define TK_CHECKS(X)                                                                                         \
        X(missing_key, tk_check_presented, describe_presented)                                               \
        X(malformed, tk_check_shape, describe_shape)                                                         \
        X(unknown, tk_check_found, describe_found)                                                           \
        X(revoked, tk_check_not_revoked, describe_state)                                                     \
        X(suspended, tk_check_not_suspended, describe_suspended)                                             \
        X(not_yet_valid, tk_check_begun, describe_begun)                                                     \
        X(expired, tk_check_not_expired, describe_expiry)                                                    \
        X(wrong_environment, tk_check_environment, describe_environment)                                     \
        X(restricted, tk_check_restrictions, describe_restrictions)                                          \
        X(insufficient_scope, tk_check_scope, describe_scope)                                                \
        X(unavailable, tk_check_available, describe_available)                                               \
        X(rate_limited, tk_check_rates, describe_rates)                                                      \
        X(quota_exceeded, tk_check_windows, describe_windows)                                                \
        X(credits_exhausted, tk_check_credits, describe_credits)

#define X(code, check, describe) bool check(struct tk_request *request);
TK_CHECKS(X)
#undef X

/*
 * Begin: zero the answer, have the key's lines fetched, hash the key, read the clock. In this order: the hash
 * does not wait for where the line is, so the processor does both at once, which a clock between them would
 * forbid; and the clock is read while the lines come.
 */
void tk_request_init(struct tk_request *ret_request, struct tk_gate *gate, const struct tk_ask *ask,
                     struct tk_answer *answer);

/* Run all checks and charge; the answer is complete afterwards but for what is counted. */
void tk_request_decide(struct tk_request *request);

/* lookup.c: where the key's line would be, and the key's digest. */
void tk_request_locate(struct tk_request *request);

/* lookup.c: what the found key refers to; false with `damage` set. */
bool tk_request_load(struct tk_request *request);

/* restrict.c: whether the key was granted this scope, by whatever pattern. */
bool tk_request_has_scope(const struct tk_request *request, struct tk_str name);

/*
 * limits.c: charge what the checks let through; false, with everything that may be given back given back, when a race was lost or, with
 * `damage` set, a named limit changed its place or, with `closed` set too, another one moves.
 */
bool tk_request_charge(struct tk_request *request);

/* limits.c: the limits as they were found, or as they were left where they were charged, into the answer. */
void tk_request_tell_limits(struct tk_request *request);

/* limits.c: the limits of one party as they stand, for usage; appends to at most TK_GATE_LIMITS_MAX. */
bool tk_limits_report(const struct tk_request_party *party, enum tk_limit_owner owner, int64_t anchor_s,
                      const struct tk_credits *credits, const struct tk_moment *now,
                      struct tk_answer_limit *ret_limits, uint32_t *ret_count);

/* named.c: count the request with each named limit. */
void tk_named_count(struct tk_request *request, bool admitted);

/* limits.c: give back what may be given back of what was charged. */
void tk_request_refund(struct tk_request *request);

/* What is granted to the subscription, and gone, at this second. */
struct tk_credits tk_subscription_credits(const struct tk_format_subscription *line, int64_t now_s);

/* NULL when the files are current and the lease runs; else why not. */
const char *tk_gate_why_unavailable(const struct tk_gate *gate, uint64_t boot_ns);

/* A party from a binding word; false when a reference is out of bounds. */
bool tk_request_party(const struct tk_gate *gate, struct tk_home home, uint64_t binding,
                      enum tk_record_kind kind, struct tk_request_party *ret_party);

#endif
