/*
 * The publisher's inside: what publish.c, clock.c, publish_lines.c, intern.c, compile.c, extents.c, spares.c,
 * foreign.c and verify.c share. All of it runs in the one thread that publishes. Internal to the gate; the
 * daemon sees gate/publish.h.
 */
#ifndef TK_GATE_PUBLISHER_H
#define TK_GATE_PUBLISHER_H

#include "gate/files.h"
#include "gate/ids.h"
#include "gate/index.h"
#include "gate/meter.h"
#include "gate/policy.h"
#include "gate/publish.h"
#include "gate/reserve.h"

/*
 * No policy is larger, with the scope patterns that it is the first to name: the registry bounds what a key
 * may carry well below.
 */
#define TK_POLICY_BYTES_MAX 65536
/* Names are at most so long, of which an environment's record has two; and no such record is larger. */
#define TK_POLICY_NAME_MAX  1024
#define TK_NAME_BYTES_MAX   (2 * TK_POLICY_NAME_MAX + 64)

/* How many bits of an API's scope patterns are given out. */
struct tk_api_bits {
        uint32_t api_id;
        uint32_t next_bit;
};

/* An extent of `meters` that was given up, and when: seconds of the boot clock. */
struct tk_spare {
        uint32_t line, since_s;
};

/* In the order of giving up. */
struct tk_spare_queue {
        struct tk_spare *items;
        size_t first, count, room;
};

struct tk_spares {
        struct tk_spare_queue queues[TK_METER_LINES_MAX + 1]; /* by lines */
        uint64_t lines;                                       /* in all of them */
        uint64_t awake_since_s, suspended_ms;
};

struct tk_publisher {
        int dir_fd, lock_fd;
        struct tk_gate_sizes sizes; /* of a new set of files */
        struct tk_files files;
        struct tk_index index;   /* every record by its hash, but the first of each consumer */
        struct tk_ids consumers; /* the first record of each */
        struct tk_api_bits *api_bits;
        size_t api_count, api_room;
        struct tk_reservations_sweep reservations;
        uint64_t named_cursor; /* of its sweep */
        struct tk_spares spares;
        uint8_t *scratch; /* TK_POLICY_BYTES_MAX: a record under construction */
};

static inline struct tk_area *tk_publisher_area(const struct tk_publisher *publisher, enum tk_file file)
{
        return &((struct tk_publisher *)publisher)->files.areas[file];
}

/* ---- intern.c: records, each content once ---- */

/*
 * Index an arena that passed tk_publisher_verify(); link what a killed daemon left unlinked. TK_NOMEM.
 *   indexed_count  records that are no consumers, as that counted them
 */
enum tk_err tk_intern_rebuild(struct tk_publisher *publisher, uint64_t indexed_count);

/* References of what was published; 0: it was not. */
uint32_t tk_intern_find_environment(const struct tk_publisher *publisher, uint32_t environment_id);
uint32_t tk_intern_find_consumer(const struct tk_publisher *publisher, uint32_t consumer_id);

/* The role's record; 0: it was not published, or is one of another API. */
uint32_t tk_intern_find_role(const struct tk_publisher *publisher, uint32_t role_id, uint32_t api_id);

enum tk_err tk_intern_environment(struct tk_publisher *publisher,
                                  const struct tk_publish_environment *environment);
enum tk_err tk_intern_consumer(struct tk_publisher *publisher, const struct tk_publish_consumer *consumer);
/* The route's record, made when there is none; its binding is 0 until the caller stores one. */
enum tk_err tk_intern_route(struct tk_publisher *publisher, const struct tk_publish_route *route,
                            struct tk_format_route **ret_route);
/* Let it be found, once it is bound. */
void tk_intern_link_route(struct tk_publisher *publisher, struct tk_format_route *route);
/* `policy`: what it grants from now on. */
enum tk_err tk_intern_role(struct tk_publisher *publisher, const struct tk_publish_role *role,
                           uint32_t policy);
enum tk_err tk_intern_pattern(struct tk_publisher *publisher, uint32_t api_id, struct tk_str text,
                              uint32_t *ret_bit);

/* Append the record in `scratch`, its head's size set, though there may be an equal one; `id` and `text` name it in the index. */
enum tk_err tk_intern_append(struct tk_publisher *publisher, enum tk_record_kind kind, uint32_t id,
                             struct tk_str text, uint32_t *ret_ref);

/* A policy, or the terms of a route, in `scratch`, its head's size set: the record of equal content, made when there is none. */
enum tk_err tk_intern_policy(struct tk_publisher *publisher, enum tk_record_kind kind, uint32_t *ret_ref);

/* compile.c: the record of a route's limits. */
enum tk_err tk_intern_route_policy(struct tk_publisher *publisher, const struct tk_publish_route *route,
                                   uint32_t *ret_policy);

/* ---- clock.c: gate time ---- */

/* At open and about once a second: follow the wall clock, or hold a step of it. */
void tk_clock_follow(struct tk_publisher *publisher, uint64_t wall_ns);

/*
 * Before anybody decides: gate time is behind what the meters say, so count it as put back now. False: that cannot be counted any more.
 */
bool tk_clock_count_step_back(struct tk_publisher *publisher);

/* The same time for a set of files that takes the place of the publisher's. */
void tk_clock_copy(const struct tk_publisher *publisher, struct tk_format_header *ret_keys);

/* ---- extents.c: meters ---- */

/* A meter that moves from one extent to another. */
struct tk_extent_move {
        struct tk_policy_view from, to;
        struct tk_format_meter *from_meter, *to_meter; /* the same: nothing moves */
        uint64_t from_binding;
        int64_t from_anchor_s, to_anchor_s; /* the caller's */
        struct tk_moment now;               /* read after the slots were closed */
        uint64_t seen_admitted;             /* of from, when they were copied */
        uint32_t seen_refused;
        struct tk_slot
                closed[TK_POLICY_LIMITS_MAX]; /* what each limit of from holds for good; if it goes on */
};

/* Which line gets a meter. */
struct tk_extent_of {
        enum tk_record_kind kind;
        uint64_t owner;      /* TK_MOVING */
        struct tk_home home; /* none where it has no line of its own, or no fresh one */
        uint64_t binding;    /* that it has; 0: none */
};

/*
 * The meter for a line that shall get `policy`: the same where the slots keep their meaning, else a new one with the usage carried over.
 * An owner that was never bound gets its home, where one line is enough. From here on nobody can charge the limits that were carried,
 * and who asks waits: store the binding at once.
 *   ret_binding  what to store in the line; tk_extent_finish() after that
 */
enum tk_err tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of, uint32_t policy,
                              struct tk_extent_move *ret_move, uint64_t *ret_binding);

/* Add the requests that were counted between the copy and the store of the new binding, say where the limits went, and give the old extent up. */
void tk_extent_finish(struct tk_publisher *publisher, struct tk_extent_move *move);

/* At adoption: open the limits again that a killed daemon was about to move. */
void tk_extent_recover(struct tk_publisher *publisher);

/* Give up the extent, if it is one, that a line's binding named until now. */
void tk_extent_give_up(struct tk_publisher *publisher, uint64_t binding, enum tk_record_kind kind);

/* ---- spares.c: what was given up, and when it may be given again ---- */

/* No decision and no settling takes longer; what does has lost its charge. */
#define TK_QUARANTINE_S 60

void tk_spares_init(struct tk_spares *spares);
void tk_spares_fini(struct tk_spares *spares);

/* Whether no decision can run any more that has read what was given up at this second of the boot clock. */
bool tk_spares_rested(struct tk_publisher *publisher, uint64_t since_s);
/* Whether no reservation is open that may refer to it. */
bool tk_spares_unreserved(const struct tk_publisher *publisher, uint64_t since_s);

/* An extent that no binding names any more. */
void tk_spares_give(struct tk_publisher *publisher, uint32_t line, uint32_t lines);
/* One of so many lines that nothing can refer to any more; false when there is none. */
bool tk_spares_take(struct tk_publisher *publisher, uint32_t lines, uint32_t *ret_line);

/* ---- foreign.c: the index of imported keys ---- */

/* Room for `count` more entries. TK_FULL. */
enum tk_err tk_foreign_reserve(struct tk_publisher *publisher, uint64_t count);
void tk_foreign_insert(struct tk_publisher *publisher, uint64_t digest_word, uint64_t number);

/*
 * NULL when its table is sound; else what is not. foreign_count is no part of that: it only says when to
 * double the table, and a daemon that was killed may have left it wrong.
 *   ret_count  entries, where it is sound: what to set it to before anything is inserted
 */
const char *tk_foreign_check(const struct tk_publisher *publisher, uint64_t *ret_count);
void tk_foreign_set_count(struct tk_publisher *publisher, uint64_t count);

/* ---- route_compile.c: the tree of routes ---- */

/* For tk_publisher_verify(): whether the record and all that it refers to are what they should be. */
bool tk_route_node_sound(struct tk_area *area, uint32_t ref);
bool tk_route_end_sound(struct tk_area *area, uint32_t ref);

/* ---- verify.c ---- */

struct tk_found {
        uint64_t indexed_count; /* records in the arena that are no consumers */
        uint64_t foreign_count; /* entries in the index of imported keys */
};

/*
 * As tk_publisher_check(). TK_CORRUPT, and why; TK_NOMEM, which says nothing of the files.
 *   ret_found  written on success
 */
enum tk_err tk_publisher_verify(const struct tk_publisher *publisher, struct tk_found *ret_found,
                                const char **ret_why);

#endif
