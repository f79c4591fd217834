/*
 * What goes with every write, in its transaction: the audit entry and the feed row. Used by the noun files on the writer
 * thread. The numbers of both come from rows of the database, not from the engine's sequences, which leave gaps behind
 * where something was undone.
 */
#ifndef TK_REGISTRY_CHANGE_H
#define TK_REGISTRY_CHANGE_H

#include "registry/registry.h"

/* Raise a named counter by `count`; `ret_first` is the first of the numbers drawn. */
enum tk_err tk_counter_take(struct tk_txn *txn, struct tk_str name, uint64_t count, uint64_t *ret_first);

/* The next value of a named counter, from 1. TK_CORRUPT when there is no such counter. */
enum tk_err tk_counter_next(struct tk_txn *txn, struct tk_str name, uint64_t *ret_value);

/* Write the audit entry and the feed row of object `id`, which is now at `version`. */
enum tk_err tk_change_record(struct tk_txn *txn, enum tk_object object, uint64_t id, uint64_t version,
                             const struct tk_change *change);

/* The two halves of it (audit.c is tk_audit_note). */
/* One row for `count` new objects whose ids follow each other. */
enum tk_err tk_feed_append_span(struct tk_txn *txn, enum tk_object object, uint64_t first_id, uint64_t count);
enum tk_err tk_feed_append(struct tk_txn *txn, enum tk_object object, uint64_t object_id, uint64_t version);

#endif
