/*
 * Which keys have a role, kept beside each key's own list (keys.c), so that a role's keys are found without a look at all keys.
 * Called by keys.c, inside the transaction that writes the key.
 */
#ifndef TK_REGISTRY_KEY_ROLES_H
#define TK_REGISTRY_KEY_ROLES_H

#include "registry/registry.h"

/* Of a new key. TK_NOT_FOUND: there is no such role. */
enum tk_err tk_key_roles_add(struct tk_txn *txn, const struct tk_key *key);

/* Of a key that had others, or the same: then nothing is written, for a revocation must need no room. */
enum tk_err tk_key_roles_replace(struct tk_txn *txn, const struct tk_key *key);

#endif
