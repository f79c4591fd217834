/*
 * Which admin keys are bound to APIs, and to which: in memory, because /v1/verify asks with each admin key
 * and may not touch the registry. Any thread. A binding never changes while its key lives, so there is
 * nothing to be out of date: an entry is made before the key that it is for can be presented, and all are
 * read from the registry at start.
 */
#ifndef TK_SERVICE_BINDINGS_H
#define TK_SERVICE_BINDINGS_H

#include "registry/registry.h"

struct tk_bindings;

enum tk_err tk_bindings_open(struct tk_registry *registry, struct tk_bindings **ret_bindings);
void tk_bindings_close(struct tk_bindings *bindings);

/*
 * What the key of this number is bound to. Called for every new admin key, also those that are bound to
 * nothing: a number whose first owner was undone is given again. TK_NOMEM.
 */
enum tk_err tk_bindings_put(struct tk_bindings *bindings, const struct tk_key *key);

/* Names of APIs with spaces between them, valid until the bindings are closed; empty: all. */
struct tk_str tk_bindings_find(struct tk_bindings *bindings, uint64_t key_id);

#endif
