/*
 * Whose a key is: what its line in the gate says that is not in its own row. Asked of the registry for one
 * key, or of a table of all consumers and subscriptions, for who walks over all keys: they come in the order
 * in which they were issued, and three look-ups for each would take longer than everything else. Used by the
 * feeder, one thread at a time.
 */
#ifndef TK_SERVICE_OWNERS_H
#define TK_SERVICE_OWNERS_H

#include "registry/registry.h"

struct tk_owner {
        uint32_t api_id;
        uint32_t subscription_id; /* that has not ended; 0: none */
        bool suspended;           /* the consumer */
};

/* TK_NOT_FOUND: there is no such environment or consumer. */
enum tk_err tk_owner_read(struct tk_txn *txn, uint64_t environment_id, uint64_t consumer_id,
                          struct tk_owner *ret_owner);

/* The table: 8 bytes a consumer and 8 a subscription, and no keys. As the transaction sees them. */
struct tk_owners;

enum tk_err tk_owners_load(struct tk_txn *txn, struct tk_owners **ret_owners);
void tk_owners_free(struct tk_owners *owners);

/* As tk_owner_read(). */
enum tk_err tk_owners_find(const struct tk_owners *owners, uint64_t environment_id, uint64_t consumer_id,
                           struct tk_owner *ret_owner);

#endif
