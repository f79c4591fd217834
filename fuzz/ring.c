/*
 * Fuzz target: the daemon's end of the rings (gate/drain.h). The input is what a hostile decider wrote into the file `events`, piece
 * after piece, a pass after each: two rings of 8 events, and keys, subscriptions and a policy that some events may be about.
 */
#include "fuzz.h"

#include "gate/drain.h"
#include "gate/ring.h"

#include <string.h>

#define RINGS       2
#define RING_EVENTS 8
#define LINES       (1 + RINGS * (TK_RING_HEAD_LINES + RING_EVENTS))
#define NOW_NS      (UINT64_C(1795435200) * TK_NS_PER_S)
#define KEYS        20
#define ENVIRONMENT 1 /* references of the only two records */
#define ROUTE       4

struct memory {
        struct tk_format_header keys, subscriptions, policy, events;
        _Alignas(64) uint8_t lines[LINES * 64];
        _Alignas(64) uint8_t records[8 * TK_POLICY_LINE_BYTES];
};

static struct memory memory;
static struct tk_files files;

static void open_area(enum tk_file file, struct tk_format_header *header, void *lines, uint32_t line_bytes,
                      uint64_t used)
{
        struct tk_area *area = &files.areas[file];
        area->header = header;
        area->lines = lines;
        area->line_bytes = line_bytes;
        area->reserve_lines = used;
        area->capacity_word = &header->capacity_lines;
        area->used_word = &header->used_lines;
        atomic_store(area->used_word, tk_seal(used));
        area->fd = -1;
}

static void open_files(void)
{
        memset(&memory, 0, sizeof memory);
        tk_files_init(&files);
        open_area(TK_FILE_KEYS, &memory.keys, NULL, 64, KEYS); /* no line of it is read */
        open_area(TK_FILE_SUBSCRIPTIONS, &memory.subscriptions, NULL, 64, KEYS);
        open_area(TK_FILE_POLICY, &memory.policy, memory.records, TK_POLICY_LINE_BYTES, 8);
        open_area(TK_FILE_EVENTS, &memory.events, memory.lines, 64, LINES);
        atomic_store(&memory.keys.ring_events, tk_seal(RING_EVENTS));

        struct tk_format_record head = {.kind = TK_RECORD_ENVIRONMENT, .size_bytes = 48};
        memcpy(memory.records + ENVIRONMENT * TK_POLICY_LINE_BYTES, &head, sizeof head);
        head.kind = TK_RECORD_ROUTE;
        memcpy(memory.records + ROUTE * TK_POLICY_LINE_BYTES, &head, sizeof head);
}

/* What no event that is handed on may be without. */
static void check_event(void *context, const struct tk_event *event)
{
        uint64_t *visits = context;
        static const uint8_t zero[16];
        bool settlement = event->flags & (TK_EVENT_SETTLED | TK_EVENT_RELEASED);
        CHECK(event->code < TK_CODE_COUNT && event->key < KEYS && event->subscription < KEYS);
        CHECK(event->time_ns > 0 && event->time_ns < NOW_NS + UINT64_C(2) * 86400 * TK_NS_PER_S);
        CHECK(event->cost <= TK_LIMIT_COST_MAX);
        CHECK(event->key > 0 || (event->code != TK_CODE_valid && !event->subscription && !event->generation));
        CHECK(event->flags < 32 && (!settlement || event->code == TK_CODE_valid));
        CHECK(event->environment == 0 || event->environment == ENVIRONMENT);
        CHECK(event->route == 0 || event->route == ROUTE);
        CHECK(event->ip.family == 0 || event->ip.family == 4 || event->ip.family == 6);
        CHECK(event->ip.family == 6 ||
              memcmp(event->ip.bytes + event->ip.family, zero, 16u - event->ip.family) == 0);
        ++*visits;
}

static uint64_t counted(const struct tk_drain_stats *stats)
{
        uint64_t sum = stats->settled + stats->released;
        for (int i = 0; i < TK_CODE_COUNT; i++)
                sum += stats->decisions[i];
        return sum;
}

static void pass(struct tk_drain *drain, struct tk_drain_stats *before)
{
        struct tk_drain_pass result;
        struct tk_drain_stats after;
        uint64_t visits = 0;
        struct tk_drain_visitor visitor = {check_event, &visits};
        tk_drain_pass(drain, NOW_NS, &visitor, &result);
        tk_drain_stats(drain, &after);

        CHECK(tk_drain_check(drain));
        CHECK(result.events == visits && visits <= RINGS * RING_EVENTS);
        CHECK(counted(&after) == counted(before) + visits);
        CHECK(result.fullest_permille <= 1000);
        CHECK(after.malformed >= before->malformed && after.lost >= before->lost);
        CHECK(result.lost || (after.malformed == before->malformed && after.lost == before->lost));
        for (unsigned i = 0; i < RINGS; i++) {
                const struct tk_format_ring *ring =
                        tk_rings_at(&(struct tk_rings){&files.areas[TK_FILE_EVENTS], RINGS, RING_EVENTS}, i);
                CHECK(ring->tail == ring->head); /* nobody wrote meanwhile */
        }
        *before = after;
}

/* Pieces: where it begins, in words; how many words; the words. A piece of none is a daemon that starts again. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_drain *drain = NULL;
        struct tk_drain_stats stats = {0};
        open_files();
        CHECK(tk_drain_open(&files, &drain) == TK_OK);
        pass(drain, &stats);
        while (len >= 2) {
                size_t at = bytes[0] % (LINES * 8u), words = bytes[1] % 64;
                size_t most = sizeof memory.lines - at * 8, take = words * 8;
                bytes += 2, len -= 2;
                take = take > len ? len : take;
                take = take > most ? most : take;
                memcpy(memory.lines + at * 8, bytes, take);
                bytes += take, len -= take;
                if (words == 0) {
                        tk_drain_close(drain);
                        CHECK(tk_drain_open(&files, &drain) == TK_OK);
                        stats = (struct tk_drain_stats){0};
                }
                pass(drain, &stats);
        }
        tk_drain_close(drain);
        return 0;
}
