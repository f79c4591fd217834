/*
 * Sign-in attempts: how often an address has presented a bad admin key, and for how long it must wait for
 * that. An IPv4 address, or the /64 of an IPv6 one: who has one address of it has all of them. Any thread.
 *
 * After TK_THROTTLE_FAILURES within TK_THROTTLE_WINDOW_S an address waits, a minute at first, then twice as
 * long each time, up to an hour; meanwhile its keys are not looked at. An hour without failures forgets it.
 * The table is bounded: who comes from more addresses than it holds pushes out the oldest, and never anybody
 * who has not failed. Not asked for the Unix socket, nor for listed peers, who may try keys at /v1/verify as
 * they please.
 */
#ifndef TK_HTTP_THROTTLE_H
#define TK_HTTP_THROTTLE_H

#include "core/cidr.h"
#include "core/error.h"

#include <stdint.h>

#define TK_THROTTLE_FAILURES 20
#define TK_THROTTLE_WINDOW_S 60

struct tk_throttle;

/* `seed` is secret: nobody can choose addresses that share a place. TK_NOMEM. */
enum tk_err tk_throttle_new(const uint8_t seed[16], struct tk_throttle **ret_throttle);
void tk_throttle_free(struct tk_throttle *throttle);

/* Seconds that the address must wait; 0: it may try. `now_ns` is of a clock that only goes on. */
uint64_t tk_throttle_wait_s(struct tk_throttle *throttle, const struct tk_ip *ip, uint64_t now_ns);

/* It has presented a bad key. */
void tk_throttle_failed(struct tk_throttle *throttle, const struct tk_ip *ip, uint64_t now_ns);

struct tk_throttle_stats {
        uint64_t failures, refusals; /* bad keys that were looked at, and attempts that had to wait */
};
void tk_throttle_stats(struct tk_throttle *throttle, struct tk_throttle_stats *ret_stats);

#endif
