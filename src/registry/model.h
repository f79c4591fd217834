/*
 * The nouns as the registry holds them (DESIGN.md section 2). Plain records: text is in the arena of whoever asked.
 * Ids are numbers that the registry assigns, from 1; public ids (key_17, con_3) are made from them in service/view.h.
 * Times are whole seconds since 1970, 0 = none. `version` starts at 1 and grows by one with each change (If-Match).
 */
#ifndef TK_REGISTRY_MODEL_H
#define TK_REGISTRY_MODEL_H

#include "core/cidr.h"
#include "core/digest.h"
#include "core/limit.h"
#include "core/str.h"

#include <stdint.h>

#define TK_NAME_MAX         64
#define TK_DESCRIPTION_MAX  512
#define TK_METADATA_MAX     4096
#define TK_LIMITS_MAX       8    /* on one plan, or on one key */
#define TK_KEY_SCOPES_MAX   64   /* on one key */
#define TK_RESTRICTIONS_MAX 32   /* of each sort on one key */
#define TK_ONLY_APIS_MAX    16   /* that one admin key is bound to */
#define TK_KEY_ROLES_MAX    8    /* on one key */
#define TK_ROLES_MAX        256  /* of one API */
#define TK_ROUTES_MAX       1024 /* of one environment */

enum tk_state {
        TK_STATE_ACTIVE = 1,
        TK_STATE_SUSPENDED = 2,
        TK_STATE_REVOKED = 3, /* keys: final */
        TK_STATE_ENDED = 4,   /* subscriptions: final */
};

/* Kinds of object, as they stand in the feed and the audit log. Stored: never renumber. */
enum tk_object {
        TK_OBJECT_API = 1,
        TK_OBJECT_ENVIRONMENT = 2,
        TK_OBJECT_SCOPE = 3,
        TK_OBJECT_PLAN = 4,
        TK_OBJECT_CONSUMER = 5,
        TK_OBJECT_SUBSCRIPTION = 6,
        TK_OBJECT_KEY = 7,
        TK_OBJECT_PEPPER = 8,
        TK_OBJECT_ROLE = 10,
        TK_OBJECT_ROUTE = 11,
};

struct tk_api {
        uint64_t id, version;
        enum tk_state state;
        struct tk_str name, description;
        struct tk_str prefix; /* of its keys; never changes */
        int64_t created_s, updated_s;
};

struct tk_environment {
        uint64_t id, version;
        uint64_t api_id;
        enum tk_state state;
        struct tk_str api_name;  /* read only: joined */
        struct tk_str name, tag; /* never change */
        struct tk_str description;
        struct tk_str prefix; /* read only: joined */
        int64_t created_s, updated_s;
};

struct tk_scope {
        uint64_t id, version;
        uint64_t api_id;
        struct tk_str name; /* never changes */
        struct tk_str description;
        int64_t created_s, updated_s;
};

struct tk_plan {
        uint64_t id, version; /* each version's definition is kept */
        uint64_t api_id;
        struct tk_str api_name; /* read only: joined */
        struct tk_str name, description;
        struct tk_limit_def limits[TK_LIMITS_MAX];
        uint32_t limit_count;
        int64_t created_s, updated_s;
};

struct tk_consumer {
        uint64_t id, version;
        enum tk_state state;
        struct tk_str name, description;
        struct tk_str metadata; /* a JSON object as text, "{}" where none */
        int64_t created_s, updated_s;
};

struct tk_subscription {
        uint64_t id, version;
        uint64_t consumer_id, environment_id, plan_id;
        enum tk_state state;
        struct tk_str consumer_name, api_name, environment_name, plan_name; /* read only: joined */
        int64_t started_s;                                                  /* anchor of its periods */
        int64_t created_s, updated_s;
};

/* A named set of scopes. */
struct tk_role {
        uint64_t id, version;
        uint64_t api_id;
        struct tk_str api_name; /* read only: joined */
        struct tk_str name;     /* never changes */
        struct tk_str description;
        struct tk_str scopes[TK_KEY_SCOPES_MAX]; /* granted patterns, sorted, no duplicates; no roles */
        uint32_t scope_count;
        int64_t created_s, updated_s;
        int64_t deleted_s; /* 0: it is there */
};

/* What requests of an environment need and cost. (http/router.h has the routes of our own API.) */
struct tk_api_route {
        uint64_t id, version;
        uint64_t environment_id;
        uint64_t api_id;                          /* read only: joined */
        struct tk_str api_name, environment_name; /* read only: joined */
        struct tk_str method;                     /* upper case, or `*`: any; never changes */
        struct tk_str path;                       /* a template, core/path.h; never changes */
        struct tk_str scope; /* an expression, core/scope.h; empty: nothing is required */
        uint64_t cost;       /* units */
        struct tk_limit_def limits[TK_LIMITS_MAX]; /* shared by all who use it */
        uint32_t limit_count;
        struct tk_str description;
        int64_t created_s, updated_s;
        int64_t deleted_s; /* 0: it is there */
};

/* Where a key may be used from and for. A list that is empty restricts nothing. */
struct tk_restrictions {
        struct tk_cidr cidrs[TK_RESTRICTIONS_MAX];
        struct tk_str
                origins[TK_RESTRICTIONS_MAX]; /* scheme://host[:port]; a first label `*` stands for any */
        struct tk_str methods[TK_RESTRICTIONS_MAX]; /* upper case */
        struct tk_str paths[TK_RESTRICTIONS_MAX];   /* templates, core/path.h */
        uint32_t cidr_count, origin_count, method_count, path_count;
};

struct tk_key_role {
        uint64_t id;
        struct tk_str name;
};

struct tk_key {
        uint64_t id; /* the key's number: its line in the gate */
        uint64_t version;
        uint64_t environment_id, consumer_id;
        struct tk_str api_name, environment_name, consumer_name; /* read only: joined */
        enum tk_state state;
        uint16_t generation; /* of the line; grows when a number is used again */
        uint8_t pepper_version;
        bool foreign;                            /* imported, found by digest */
        struct tk_digest digest;                 /* never shown */
        struct tk_str name;                      /* for people; may be empty */
        struct tk_str hint;                      /* `tk_live_Ab3x` */
        struct tk_str scopes[TK_KEY_SCOPES_MAX]; /* granted patterns, sorted, no duplicates */
        uint32_t scope_count;
        struct tk_key_role roles[TK_KEY_ROLES_MAX]; /* by name, no duplicates */
        uint32_t role_count;
        struct tk_limit_def limits[TK_LIMITS_MAX]; /* the key's own */
        uint32_t limit_count;
        struct tk_restrictions restrictions;
        struct tk_str metadata;
        int64_t not_before_s, expires_s; /* valid while not_before <= now < expires; 0 = unbounded */
        int64_t created_s, updated_s, revoked_s;
        struct tk_str created_by; /* an actor, as in struct tk_change */
        struct tk_str revoke_reason;
        struct tk_str
                only_apis[TK_ONLY_APIS_MAX]; /* admin keys: acts on these alone, sorted; never changes */
        uint32_t only_api_count;             /* 0: on all */
};

struct tk_pepper {
        unsigned version; /* 0 to 15 */
        uint8_t check[8]; /* tk_pepper_check() */
        int64_t created_s;
};

/* Who changed what: goes with every write and becomes the audit entry. Formats: docs/formats/audit.md. */
struct tk_change {
        int64_t at_s;
        struct tk_str actor;  /* public id of the admin key, or `socket:UID`, or `system` */
        struct tk_str source; /* client address, or `local` */
        struct tk_str action; /* `key.revoke` */
        struct tk_str before; /* canonical JSON of the object's view, empty when it did not exist */
        struct tk_str after;
};

struct tk_audit_entry {
        uint64_t seq; /* from 1, without gaps */
        int64_t at_s;
        struct tk_str actor, source, action;
        enum tk_object object;
        uint64_t object_id;
        struct tk_str canonical; /* the exact bytes that a later log will hash */
};

struct tk_feed_row {
        uint64_t seq; /* grows with each committed change */
        enum tk_object object;
        uint64_t object_id;
        uint64_t version;
        uint64_t count; /* of objects, from object_id on: more than 1 for a batch of an import */
};

#endif
