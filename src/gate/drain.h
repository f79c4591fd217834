/*
 * The daemon's end of the rings: takes the events that deciders write, checks them, counts them and hands
 * them on. What stands in the rings is hostile: any decider may have written anything there, at any moment,
 * also while it is read. The drain believes its own copy of how far it has read and nothing else. One thread
 * passes at a time; counters are read by any. Never waits for a decider.
 */
#ifndef TK_GATE_DRAIN_H
#define TK_GATE_DRAIN_H

#include "core/error.h"
#include "gate/event.h"

struct tk_drain;
struct tk_files; /* gate/files.h; those of a publisher: tk_publisher_files() */

/*
 * Open the rings of a set of files, writable for the daemon and borrowed until tk_drain_close(). What is in
 * the rings already is taken by the first pass.
 * TK_NOMEM; TK_CORRUPT: the file has no rings.
 */
enum tk_err tk_drain_open(struct tk_files *files, struct tk_drain **ret_drain);
void tk_drain_close(struct tk_drain *drain);

/*
 * Whom events are handed to: those of one ring in the order in which they were written, those of different
 * ones in any.
 */
struct tk_drain_visitor {
        void (*visit)(void *context, const struct tk_event *event);
        void *context;
};

/* What one pass found. */
struct tk_drain_pass {
        uint64_t events; /* handed on */
        /*
         * Since the pass before there may have been decisions whose events nobody will see: no ring or no
         * room for them, a ring that held something else, a process that was killed with a ring, or a drain
         * that has just been opened.
         */
        bool lost;
        uint32_t fullest_permille; /* of the fullest ring, as it was found */
};

/*
 * Take what is in the rings, at most what each holds at once. Bounded, also where somebody writes on and on.
 *   visitor  NULL: they are counted only
 *   now_ns  gate time; 0: the clock. An event from more than a day later is none
 */
void tk_drain_pass(struct tk_drain *drain, uint64_t now_ns, const struct tk_drain_visitor *visitor,
                   struct tk_drain_pass *ret_pass);

/*
 * About once a second, by the thread that passes: which rings are claimed, and by processes that live? One
 * system call a ring. Whoever was killed may have charged a request and not written its event: the next pass
 * says that something was lost.
 */
void tk_drain_survey(struct tk_drain *drain);

/* Counts since the drain was opened. Any thread; each is current, not all at the same instant. */
struct tk_drain_stats {
        uint64_t decisions[TK_CODE_COUNT]; /* events of decisions, by code */
        uint64_t reserved;                 /* of them, those that were admitted with a reservation */
        uint64_t shadow_refused;    /* of them, those that a limit which is not enforced would have refused */
        uint64_t named_overflow;    /* of them, those with a named limit that found no place */
        uint64_t settled, released; /* events of reservations */
        uint64_t lost;              /* events that found no ring or no room, as the deciders tell */
        uint64_t malformed;         /* events and words of rings that were not what they must be */
        uint64_t orphaned; /* rings that a process left by being killed, or without closing the gate */
        uint32_t rings, rings_used; /* used: by the last survey */
        uint32_t fullest_permille;  /* of the last pass */
};
void tk_drain_stats(const struct tk_drain *drain, struct tk_drain_stats *ret_stats);

/* Whether the drain's copies are such as a pass may leave them. For tests and fuzzers, by the thread that passes. */
bool tk_drain_check(const struct tk_drain *drain);

#endif
