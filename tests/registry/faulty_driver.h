/*
 * An engine that fails on purpose: SQLite's table with its steps and transaction calls counted, the n-th of which fails.
 * Armed by the test's thread while the writer is idle; counts on whatever thread calls.
 */
#ifndef TK_TESTS_REGISTRY_FAULTY_DRIVER_H
#define TK_TESTS_REGISTRY_FAULTY_DRIVER_H

#include "registry/driver.h"

enum fault_kind {
        FAULT_CALL,   /* the call does nothing and fails; the transaction goes on */
        FAULT_UNDONE, /* and the engine has undone the whole transaction, as SQLite may on a full disk */
};

const struct tk_driver *faulty_driver(void);

/* Make the n-th call from now fail with `err`; 0 turns it off. */
void faulty_driver_arm(unsigned n, enum fault_kind kind, enum tk_err err);

/* Whether it has failed since it was armed. */
bool faulty_driver_hit(void);

#endif
