/*
 * A gate whose meters are kept: the gate of tests/gate/support.h with one owner of each kind, a registry, a journal, a flush. Tests of
 * power cuts and of failing disks drive it second by second. The data directory is in shared memory, so that syncs cost nothing.
 */
#ifndef TK_TESTS_SERVICE_KEEPER_H
#define TK_TESTS_SERVICE_KEEPER_H

#include "../gate/support.h"

#include "registry/registry.h"
#include "service/meter_log.h"
#include "service/meter_recovery.h"

/* What was used, as numbers that only grow. */
enum used {
        USED_KEY_ADMITTED,
        USED_KEY_REFUSED,
        USED_KEY_DAY,  /* a window */
        USED_KEY_RATE, /* units owed, rounded up */
        USED_PLAIN_ADMITTED,
        USED_UP_ADMITTED, /* a key whose quota of 3 is used up in the first second */
        USED_SUBSCRIPTION_MONTH,
        USED_SUBSCRIPTION_CREDITS,
        USED_ROUTE,
        USED_NAMED,
        USED_COUNT
};
struct used_values {
        uint64_t of[USED_COUNT];
};

struct keeper {
        char data[64];
        struct test_gate gate;
        struct test_key key, plain, used_up;
        struct tk_registry *registry;
        uint8_t installation[16];
        struct tk_usage_flush *flush;
        struct tk_meter_log *log;
};

/* A registry in that directory. */
struct tk_registry *keeper_registry(const char *dir);

/* A new gate, without meters of any use. `keys`: whose keys it has; NULL: new ones. Not applied yet: nobody is admitted. */
void keeper_gate(struct keeper *keeper, const struct keeper *keys);
/* Deciders may admit. */
void keeper_open_gate(struct keeper *keeper);
void keeper_fini(struct keeper *keeper);

/* All of it, with a journal that is made anew at file_bytes_min, in parts of walk_bytes; 0: as usual. */
void keeper_init(struct keeper *keeper, uint64_t file_bytes_min, uint64_t walk_bytes);
/* Stop keeping, without the last write where `killed`. */
void keeper_start(struct keeper *keeper, uint64_t file_bytes_min, uint64_t walk_bytes, bool renewed);
void keeper_stop(struct keeper *keeper);

/* Every owner is used, with this cost. */
void keeper_use(struct keeper *keeper, uint64_t cost);
/* A second passes for the log: all is looked at. */
void keeper_tick(struct keeper *keeper);
struct used_values keeper_used(struct keeper *keeper);

/* Raise a gate of keeper_gate() from the journal in `dir` and the registry, and let deciders in. */
void keeper_recover(struct keeper *keeper, const char *dir, struct tk_registry *registry,
                    const uint8_t installation[16]);

/* The whole journal in `dir`. Returns its length. */
size_t keeper_read_journal(const char *dir, uint8_t *ret_bytes, size_t room);
void keeper_write_journal(const char *dir, const uint8_t *bytes, size_t len);

#endif
