/*
 * The daemon's side of the gate: create or adopt the shared files and publish what the registry holds. One
 * publisher a gate directory (it holds a lock on it), used by one thread at a time. Every call leaves files
 * that a decider can read at any instant, also when the daemon is killed half way: new bytes first, then one
 * atomic word that makes them current. Knows nothing of the registry: service/publisher.h reads there and
 * calls here.
 */
#ifndef TK_GATE_PUBLISH_H
#define TK_GATE_PUBLISH_H

#include "core/cidr.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/limit.h"
#include "core/str.h"

#include <stdint.h>

struct tk_publisher;
struct tk_gate_sizes; /* gate/files.h */
struct tk_files;      /* gate/files.h */

/*
 * Open the gate directory `dir` (made with mode 0700 when missing; one that another user owns, or that others
 * may write, is refused), take its lock, and adopt the files in it when they belong to this installation and
 * pass tk_publisher_check(); otherwise retire them and make empty ones with a new incarnation.
 *   sizes            of the bounded tables, when new files are made; NULL: the usual ones
 *   ret_applied_seq  feed sequence up to which the files hold everything; 0: they are empty and must be rebuilt
 * TK_BUSY: another daemon has it.
 */
enum tk_err tk_publisher_open(const char *dir, const uint8_t installation[16], uint64_t wall_ns,
                              const struct tk_gate_sizes *sizes, struct tk_publisher **ret_publisher,
                              uint64_t *ret_applied_seq, struct tk_fault *fault);
/*
 * Retire the files and make empty ones with a new incarnation, as tk_publisher_open() does with files that it
 * cannot adopt: for a registry that was restored to an earlier state than the files hold. Deciders must open
 * again.
 */
enum tk_err tk_publisher_renew(struct tk_publisher *publisher, struct tk_fault *fault);
/* The files stay, deciders go on. */
void tk_publisher_close(struct tk_publisher *publisher);

/*
 * The files that it writes, for others of the daemon who read or drain them; tk_publisher_renew() puts others
 * in their place.
 */
struct tk_files *tk_publisher_files(struct tk_publisher *publisher);

/* Store the sequence up to which everything is published. Release order after all of it. */
void tk_publisher_set_applied(struct tk_publisher *publisher, uint64_t feed_seq);
uint64_t tk_publisher_applied(const struct tk_publisher *publisher);

/*
 * Call about once a second: keeps gate time with the wall clock, extends the lease (lease_s 0: for ever, or a
 * minute when the files were deleted, as no later daemon could retire them), settles reservations that nobody
 * settled, forgets named limits that are whole again.
 * A wall clock that is off by more than 200 ms was stepped: gate time goes on as before, and follows when it
 * has stayed so for a minute or tk_publisher_confirm_time() says so.
 */
void tk_publisher_tick(struct tk_publisher *publisher, uint64_t wall_ns, uint32_t lease_s);

/* How far the wall clock is ahead of gate time in a step that is held; 0: none is. */
int64_t tk_publisher_held_step_ms(const struct tk_publisher *publisher);

/* Follow the step that is held, at once. False: there is none, or none that can be followed. */
bool tk_publisher_confirm_time(struct tk_publisher *publisher);

/* What changes that are not published yet will need at most. */
struct tk_publish_room {
        uint64_t key_id, subscription_id; /* the highest numbers that are new; 0: none */
        uint64_t names;                   /* environments and consumers that are new */
        uint64_t policies; /* keys and subscriptions that are new or whose definition changes */
        uint64_t meters;   /* keys and subscriptions that are new or whose limits change */
        uint64_t foreign;  /* imported keys that are new */
};

/* Make sure that publishing all of it cannot fail for space. TK_FULL otherwise; nothing that was there is lost. */
enum tk_err tk_publisher_reserve(struct tk_publisher *publisher, const struct tk_publish_room *room);

/*
 * Make the records of scope patterns that a key of this API is about to be granted: they cannot be promised,
 * as an API has room for TK_POLICY_PATTERNS_MAX of them, ever. Grants nothing. TK_FULL: they are used up, or
 * there is no space.
 */
enum tk_err tk_publish_scopes(struct tk_publisher *publisher, uint32_t api_id, const struct tk_str *scopes,
                              uint32_t scope_count);

/*
 * All publish calls replace what was there; publishing the same again changes nothing. TK_FULL: no space in
 * shared memory.
 */

struct tk_publish_environment {
        uint32_t id, api_id;
        struct tk_str api, name; /* never change */
        bool suspended;          /* it, or its API */
};
enum tk_err tk_publish_environment(struct tk_publisher *publisher,
                                   const struct tk_publish_environment *environment);

struct tk_publish_consumer {
        uint32_t id;
        struct tk_str name;
};
enum tk_err tk_publish_consumer(struct tk_publisher *publisher, const struct tk_publish_consumer *consumer);

/*
 * Prepaid credits, in units and ever: what was granted, how much of that was in grants that have expired, and
 * how much will have been when the next one expires (core/limit.h says how they count). All zero: none. All
 * only grow.
 */
struct tk_publish_credits {
        uint64_t granted, gone;
        uint64_t gone_next;
        int64_t expiry_s; /* 0: no grant will expire */
};

struct tk_publish_subscription {
        uint32_t id;
        uint32_t environment_id, consumer_id;
        bool suspended;
        bool ended;        /* its keys are no longer bound to it */
        int64_t started_s; /* anchor of anchored windows */
        const struct tk_limit_def *limits;
        uint32_t limit_count;              /* 0 to 8 */
        uint32_t policy;                   /* these limits' record, where it is known; 0: make or find it */
        struct tk_publish_credits credits; /* for limits of kind TK_LIMIT_CREDITS */
};
/*
 * When limits change, a limit that keeps its kind and name keeps its usage: in the same meter where the slots stay the
 * same, else carried to a new extent before the line points to it.
 */
enum tk_err tk_publish_subscription(struct tk_publisher *publisher,
                                    const struct tk_publish_subscription *subscription);

/* A named set of scopes. Whatever keys have it, a change of what it grants is one store, and in force when the call returns. */
struct tk_publish_role {
        uint32_t id, api_id;
        struct tk_str name;          /* never changes */
        const struct tk_str *scopes; /* granted patterns, sorted */
        uint32_t scope_count;
};
enum tk_err tk_publish_role(struct tk_publisher *publisher, const struct tk_publish_role *role);

struct tk_publish_route {
        uint32_t id, environment_id;
        struct tk_str method, template; /* never change */
        const struct tk_limit_def *limits;
        uint32_t
                limit_count; /* 0 to 8; shared by everybody who uses the route; of kind rate or window, not anchored */
};
enum tk_err tk_publish_route(struct tk_publisher *publisher, const struct tk_publish_route *route);

/*
 * Let deciders find a published route by the requests it is for (tk_gate_match_route): by one store, in place of what a route of the same method
 * and shape had. TK_INVALID: the template or the scope is none, or the cost is out of range. TK_NOT_FOUND: it was not published.
 */
struct tk_publish_match {
        uint32_t route_id, environment_id;
        struct tk_str method, template; /* `*`: any method */
        struct tk_str scope;            /* an expression; empty: nothing is required */
        uint64_t cost;
};
enum tk_err tk_publish_match(struct tk_publisher *publisher, const struct tk_publish_match *match);
/* Requests are for that route no longer; nothing where another one has taken its place, or it never was. Takes no room. */
enum tk_err tk_publish_unmatch(struct tk_publisher *publisher, const struct tk_publish_match *match);

enum tk_publish_state { TK_PUBLISH_ACTIVE = 1, TK_PUBLISH_SUSPENDED = 2, TK_PUBLISH_REVOKED = 3 };

struct tk_publish_key {
        uint64_t id;
        enum tk_publish_state state;
        bool consumer_suspended;
        bool foreign;
        uint16_t generation;
        uint8_t pepper_version;
        struct tk_digest digest;
        uint32_t environment_id, api_id;
        uint32_t consumer_id;     /* published before */
        uint32_t subscription_id; /* published before; 0: none */
        int64_t not_before_s, expires_s;
        const struct tk_str *scopes; /* granted patterns, sorted */
        uint32_t scope_count;
        const uint32_t *roles;             /* ids; published before */
        uint32_t role_count;               /* 0 to 8 */
        const struct tk_limit_def *limits; /* its own */
        uint32_t limit_count;
        const struct tk_cidr *cidrs;
        const struct tk_str *origins, *methods, *paths;
        uint32_t cidr_count, origin_count, method_count, path_count;
        uint32_t
                policy; /* the record of api_id and of scopes to path_count, where it is known; 0: make or find it */
};
/*
 * TK_BUSY: the number was freed (tk_publish_free) less than a minute ago; publish again later. TK_INVALID:
 * among others, its freed owner had the same generation; if the key is revoked, nothing is done for it and
 * nothing is wrong.
 */
enum tk_err tk_publish_key(struct tk_publisher *publisher, const struct tk_publish_key *key);

/*
 * Where the key shall not admit (it is revoked, or it or its consumer is suspended): have its line say so, by one store. Part of
 * tk_publish_key(), and comes first there; for who cannot call that, because something else of the key cannot be published. Takes
 * no room, reads of the key its number, generation, digest, state and consumer_suspended, and does nothing where there is no such line.
 */
void tk_publish_refusal(struct tk_publisher *publisher, const struct tk_publish_key *key);

/*
 * Free the number of a revoked key, which is unknown from then on. Another key, of another generation, may be
 * given the number a minute later, counted anew from a start of the daemon or a resumption of the machine.
 * TK_NOT_FOUND: there is no such line. TK_INVALID: the key is not revoked. A number that is free already
 * stays so.
 */
enum tk_err tk_publish_free(struct tk_publisher *publisher, uint64_t number);

/*
 * The record of a key's API, scopes, limits and restrictions, or of a subscription's limits, for who
 * publishes many that have the same: put into `policy` of each it stands for these, which are not looked at
 * again. Changes nothing that is in force.
 *   ret_policy  good until the publisher is closed or renewed
 */
enum tk_err tk_publish_key_policy(struct tk_publisher *publisher, const struct tk_publish_key *key,
                                  uint32_t *ret_policy);
enum tk_err tk_publish_subscription_policy(struct tk_publisher *publisher,
                                           const struct tk_publish_subscription *subscription,
                                           uint32_t *ret_policy);

/* What the files hold, for /metrics and tests. */
struct tk_publisher_stats {
        uint64_t key_lines, key_capacity;
        uint64_t subscription_lines, subscription_capacity;
        uint64_t policy_bytes, policy_capacity;
        uint64_t meter_lines, meter_capacity;
        uint64_t spare_meter_lines; /* of those, given up and not yet given again */
        uint64_t foreign_keys;
        uint64_t incarnation;
};
void tk_publisher_stats(const struct tk_publisher *publisher, struct tk_publisher_stats *ret_stats);

/*
 * Every invariant of the files that one can test without the registry: headers, ranges of every reference,
 * policies well formed. On failure *ret_why names the first broken one (static storage). For start, tests,
 * fuzzers.
 */
bool tk_publisher_check(const struct tk_publisher *publisher, const char **ret_why);

/* The digest, state and validity that a key's line holds, so that the registry and the gate can be compared. */
bool tk_publisher_key_matches(const struct tk_publisher *publisher, const struct tk_publish_key *key);

#endif
