/*
 * A storm of requests: 8 processes of 2 threads, all on one key, one subscription, one route and the same named limits, each of every kind.
 * Every request has one entry in a log in shared memory, written before it and after it, so that a killed process leaves what
 * it was about. What was answered is reckoned from the log afterwards and compared with what the gate's meters hold.
 */
#ifndef TK_TESTS_GATE_STORM_H
#define TK_TESTS_GATE_STORM_H

#include "support.h"

#include "gate/request.h"

#include <stdatomic.h>
#include <sys/types.h>

/* ThreadSanitizer carries out 16-byte exchanges under a lock of its own process: two processes would not exclude each other. */
#ifdef __has_feature
#define UNDER_TSAN __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

enum {
        STORM_PROCESSES = UNDER_TSAN ? 1 : 8,
        STORM_THREADS = UNDER_TSAN ? 16 : 2,
        STORM_WORKERS = STORM_PROCESSES * STORM_THREADS,
};

/* In the order in which a request has them. */
enum storm_limit {
        SUB_RATE,
        SUB_FIXED,
        SUB_MONTH, /* anchored */
        SUB_CREDITS,
        SUB_SHADOW,
        KEY_RATE,
        KEY_FIXED,
        KEY_DAY,
        KEY_SHADOW,
        ROUTE_RATE,
        ROUTE_HOUR,
        NAMED_RATE,
        NAMED_FIXED,
        NAMED_WEEK,
        NAMED_SHADOW,
        STORM_LIMITS
};
#define STORM_SHADOW ((1u << SUB_SHADOW) | (1u << KEY_SHADOW) | (1u << NAMED_SHADOW))
#define STORM_RATES  ((1u << SUB_RATE) | (1u << KEY_RATE) | (1u << ROUTE_RATE) | (1u << NAMED_RATE))

enum storm_clock {
        STORM_FROZEN,   /* one instant: nothing is regained */
        STORM_STEPPING, /* a millisecond a request, and hours every so often */
        STORM_REAL,     /* a tenth of a millisecond a request */
};

enum storm_step { STORM_FREE, STORM_ASKED, STORM_ANSWERED };

/* One request. Written by the thread that makes it, but for what says otherwise. */
struct storm_entry {
        _Atomic uint32_t step;
        enum tk_code code;
        bool reserved;
        bool identified;
        uint16_t
                taken; /* limits that were charged, a bit each; of a refused request all but rates were given back */
        uint16_t refuser; /* refused_by of the answer */
        uint64_t cost;
        uint64_t reservation;
        uint64_t before_ns, after_ns;    /* boot clock */
        uint64_t period_s[STORM_LIMITS]; /* windows: the period that was charged */
        /* by whoever settles */
        _Atomic uint32_t settled; /* how often it was answered TK_OK */
        _Atomic uint64_t settled_cost;
};

/* What a thread is about to settle; for who finds it killed. */
struct storm_note {
        _Atomic uint32_t settling; /* entry and 1 */
};

enum { STORM_HANDED = 6 };

/* In memory that all processes share. */
struct storm_board {
        _Atomic uint32_t next;     /* entry to be made */
        _Atomic uint32_t allowed;  /* entries that may be begun: who kills or publishes is not outrun */
        _Atomic uint32_t finished; /* entries answered, for the segments of the stepping clock */
        _Atomic uint64_t wrong;
        _Atomic uint64_t epoch; /* odd: the witness is revoked, and the publishing call has returned */
        _Atomic uint32_t handed[STORM_HANDED]; /* reservations that wait for another thread: entry and 1 */
        struct storm_note notes[STORM_WORKERS];
        uint32_t count;
        struct storm_entry log[];
};

struct storm {
        struct test_gate *test;
        struct test_key key, witness;
        struct tk_limit_def defs[STORM_LIMITS];
        struct tk_named_limit named[4];
        uint32_t route, route_id, subscription_id;
        uint64_t granted;
        char name[32]; /* of the named limits */

        enum storm_clock clock;
        bool reserves;       /* some requests reserve, and other threads settle */
        uint64_t cost_limit; /* larger ones are not drawn but where they are over every limit */
        bool kills;          /* each process is killed after some milliseconds of work */
        uint64_t start_ns;   /* boot clock */
        bool watches;        /* the witness, as the board's epoch says */
        struct storm_board *board;
        pid_t children[STORM_PROCESSES];
        uint64_t killed, killed_settling_units; /* threads, and what they were about to give back */
};

/* Where the limits and counters of the storm's key are in this process. */
struct storm_places {
        struct tk_slot *slots[STORM_LIMITS];
        struct tk_format_meter *meters[3]; /* key, subscription, route */
        struct tk_format_named *named[4];
};

/*
 * A storm on objects of its own, numbered `number`, that nobody used before. All limits are `wide`; the caller changes defs, then
 * storm_publish().
 */
void storm_init(struct storm *storm, struct test_gate *test, uint64_t number, uint32_t requests,
                uint64_t wide);
void storm_publish(struct storm *storm);
void storm_fini(struct storm *storm);

/* Start all processes; wait for them to end. Both give up after minutes. */
void storm_start(struct storm *storm);
void storm_wait(struct storm *storm);
/* The same where they kill themselves: call `after` and start the process again. Returns how often. */
uint32_t storm_wait_killed(struct storm *storm, void (*after)(struct storm *storm));

uint64_t storm_now_ns(const struct storm *storm, uint32_t entry);
struct tk_ask storm_ask(const struct storm *storm);
void storm_places(const struct storm *storm, struct tk_gate *gate, struct storm_places *ret_places);
unsigned storm_draw(unsigned *seed, unsigned below);
uint64_t storm_boot_ns(void);

#endif
