/*
 * One pass over the registry by the feeder (publisher.c): what its objects are now, handed to the gate's
 * publisher. Whatever a feed row said of an object, its present state is published, so every step may be
 * repeated. One thread at a time.
 */
#ifndef TK_SERVICE_PASS_H
#define TK_SERVICE_PASS_H

#include "core/arena.h"
#include "registry/walk.h"
#include "service/owners.h"
#include "service/publisher.h"
#include "service/terms.h"

struct tk_pass {
        struct tk_publisher *files;
        struct tk_terms *terms;
        struct tk_txn *txn;
        struct tk_arena arena;    /* scratch memory, the caller's to begin and to end */
        struct tk_owners *owners; /* for a pass over all keys whose they are; else NULL */
};

/* What the feed row stands for. TK_FULL: there is no room in the gate. */
enum tk_err tk_pass_apply(struct tk_pass *pass, const struct tk_feed_row *row);

/* Everything that the registry has. Uses no arena. */
enum tk_err tk_pass_all(struct tk_pass *pass);

/* All that the gate holds of a key but its policy. */
enum tk_err tk_pass_describe_key(const struct tk_pass *pass, const struct tk_key_row *row,
                                 struct tk_publish_key *ret_published);

#endif
