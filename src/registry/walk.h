/*
 * Walks: each row of a noun once, in id order, with what is stored of it and nothing joined, copied or decoded. For who carries
 * all of it elsewhere, ten million keys in half a minute; who looks at a few asks the calls of registry.h. Called inside a
 * transaction, on its thread. A row and its texts are valid until the visitor returns; its first error ends the walk.
 */
#ifndef TK_REGISTRY_WALK_H
#define TK_REGISTRY_WALK_H

#include "registry/codec.h"
#include "registry/registry.h"

/* Whose a key is. */
struct tk_key_owner {
        uint64_t api_id;
        uint64_t subscription_id; /* the one that has not ended; 0: none */
        enum tk_state consumer_state;
};
struct tk_key_row {
        uint64_t id, environment_id, consumer_id;
        enum tk_state state;
        uint16_t generation;
        uint8_t pepper_version;
        bool foreign;
        struct tk_digest digest;
        struct tk_str scopes, limits, restrictions; /* as codec.h reads them */
        int64_t not_before_s, expires_s;
        struct tk_str roles;              /* as codec.h reads them */
        const struct tk_key_owner *owner; /* NULL: this walk does not look at it */
};
typedef enum tk_err tk_key_row_fn(const struct tk_key_row *row, void *context);

enum tk_err tk_key_walk(struct tk_txn *txn, tk_key_row_fn *visit, void *context);
/* environment_id 0: in all of them. */
enum tk_err tk_key_walk_consumer(struct tk_txn *txn, uint64_t consumer_id, uint64_t environment_id,
                                 tk_key_row_fn *visit, void *context);
/* Those with the `count` ids from `first_id` on, each with its owner. */
enum tk_err tk_key_walk_span(struct tk_txn *txn, uint64_t first_id, uint64_t count, tk_key_row_fn *visit,
                             void *context);
/* The one row; TK_NOT_FOUND. */
enum tk_err tk_key_walk_one(struct tk_txn *txn, uint64_t id, tk_key_row_fn *visit, void *context);

struct tk_subscription_row {
        uint64_t id, consumer_id, environment_id;
        enum tk_state state;
        int64_t started_s;
        struct tk_str limits; /* of its plan, as it is now */
};
typedef enum tk_err tk_subscription_row_fn(const struct tk_subscription_row *row, void *context);

enum tk_err tk_subscription_walk(struct tk_txn *txn, tk_subscription_row_fn *visit, void *context);
enum tk_err tk_subscription_walk_plan(struct tk_txn *txn, uint64_t plan_id, tk_subscription_row_fn *visit,
                                      void *context);
/* The one row; TK_NOT_FOUND. */
enum tk_err tk_subscription_walk_one(struct tk_txn *txn, uint64_t id, tk_subscription_row_fn *visit,
                                     void *context);

/* Roles of all APIs, those too that were deleted: revoked keys may have them. */
typedef enum tk_err tk_role_row_fn(const struct tk_role *role, void *context);
enum tk_err tk_role_walk(struct tk_txn *txn, tk_role_row_fn *visit, void *context);

/* The routes of an environment (0: of all) that were not deleted, in id order. */
typedef enum tk_err tk_api_route_row_fn(const struct tk_api_route *route, void *context);
enum tk_err tk_api_route_walk(struct tk_txn *txn, uint64_t environment_id, tk_api_route_row_fn *visit,
                              void *context);

struct tk_consumer_row {
        uint64_t id;
        enum tk_state state;
        struct tk_str name;
};
typedef enum tk_err tk_consumer_row_fn(const struct tk_consumer_row *row, void *context);

enum tk_err tk_consumer_walk(struct tk_txn *txn, tk_consumer_row_fn *visit, void *context);

#endif
