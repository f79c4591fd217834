/*
 * Meters to records: what the owner of a meter has used, read while deciders count and while the publisher
 * may move the meter. For the daemon's journal and its flushes to the registry, on any thread, through a
 * decider's handle. Never writes.
 *
 * Each slot is one consistent value. The counters are read one by one, so they may be a request apart from
 * each other and from the slots.
 */
#ifndef TK_GATE_METER_READ_H
#define TK_GATE_METER_READ_H

#include "core/meter_record.h"
#include "gate/files.h"
#include "gate/gate.h"

/* The moment to which debts are reckoned: read once for many records. */
struct tk_moment tk_meter_now(const struct tk_gate *gate);
uint64_t tk_meter_incarnation(const struct tk_gate *gate);

/* Numbers of keys and ids of subscriptions in use are below. */
uint64_t tk_meter_key_count(const struct tk_gate *gate);
uint64_t tk_meter_subscription_count(const struct tk_gate *gate);

/*
 * TK_NOT_FOUND: there is none, or it was never used. TK_BUSY: it moves; read it again later. TK_CORRUPT: its
 * line refers to what is not there.
 */
enum tk_err tk_meter_read_key(struct tk_gate *gate, uint64_t number, const struct tk_moment *now,
                              struct tk_meter_record *ret_record);
enum tk_err tk_meter_read_subscription(struct tk_gate *gate, uint64_t id, const struct tk_moment *now,
                                       struct tk_meter_record *ret_record);

/*
 * When its meter was last used, gate time in seconds; 0: never, or there is none. A fraction of the cost of
 * reading it.
 */
uint32_t tk_meter_key_used_s(struct tk_gate *gate, uint64_t number);
uint32_t tk_meter_subscription_used_s(struct tk_gate *gate, uint64_t id);

/*
 * All routes, all named limits that were used at this second of gate time or later. Stops, and returns false,
 * when `visit` does.
 */
typedef bool tk_meter_visit_fn(void *context, const struct tk_meter_record *record);
bool tk_meter_each_route(struct tk_gate *gate, const struct tk_moment *now, uint32_t since_s,
                         tk_meter_visit_fn *visit, void *context);
bool tk_meter_each_named(struct tk_gate *gate, const struct tk_moment *now, uint32_t since_s,
                         tk_meter_visit_fn *visit, void *context);

#endif
