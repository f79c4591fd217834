/*
 * A power cut at every byte of the journal's last second (of the last two, where TOLLKEEPER_POWER_CUTS is set), with bits flipped in
 * it, and the registry as it was at any of three commits: what comes back is what the last whole frame or the registry says, whichever is
 * more; never more than was used, and what was used up stays used up.
 */
#include "keeper.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECONDS    6
#define REGISTRIES 3

struct history {
        struct keeper keeper;
        struct used_values at[SECONDS + 1]; /* after each second, as in its frame */
        size_t journal_bytes[SECONDS + 1];
        uint8_t journal[65536];
        char copies[REGISTRIES][64];
        struct tk_registry *registries[REGISTRIES];
        unsigned flushed[REGISTRIES]; /* after which second */
        char trial[64];
};

static void copy_file(const char *from, const char *to)
{
        uint8_t bytes[65536];
        size_t len;
        FILE *in = fopen(from, "rb");
        if (!in)
                return; /* no log beside the database */
        FILE *out = fopen(to, "wb");
        assert_non_null(out);
        while ((len = fread(bytes, 1, sizeof bytes, in)) > 0)
                assert_int_equal(fwrite(bytes, 1, len, out), len);
        fclose(in);
        assert_int_equal(fclose(out), 0);
}

/* As it is on the disk: nothing is being written. */
static void copy_registry(struct history *history, unsigned number, unsigned second)
{
        static const char *const names[] = {"registry.db", "registry.db-wal"};
        char *dir = history->copies[number], from[128], to[128];
        strcpy(dir, "/dev/shm/tk-copy-XXXXXX");
        assert_non_null(mkdtemp(dir));
        for (size_t i = 0; i < 2; i++) {
                snprintf(from, sizeof from, "%s/%s", history->keeper.data, names[i]);
                snprintf(to, sizeof to, "%s/%s", dir, names[i]);
                copy_file(from, to);
        }
        history->registries[number] = keeper_registry(dir);
        history->flushed[number] = second;
}

static int setup(void **state)
{
        struct history *history = calloc(1, sizeof *history);
        assert_non_null(history);
        keeper_init(&history->keeper, 0, 0);
        strcpy(history->trial, "/dev/shm/tk-trial-XXXXXX");
        assert_non_null(mkdtemp(history->trial));
        copy_registry(history, 0, 0);
        for (unsigned second = 1; second <= SECONDS; second++) {
                keeper_use(&history->keeper, 10 + second);
                keeper_tick(&history->keeper);
                history->at[second] = keeper_used(&history->keeper);
                history->journal_bytes[second] =
                        keeper_read_journal(history->keeper.data, history->journal, sizeof history->journal);
                if (second == 3 || second == SECONDS)
                        assert_int_equal(tk_usage_flush_now(history->keeper.flush), TK_OK);
                if (second == 3)
                        copy_registry(history, 1, second);
        }
        copy_registry(history, 2, SECONDS);
        *state = history;
        return 0;
}

static int teardown(void **state)
{
        struct history *history = *state;
        keeper_fini(&history->keeper);
        for (unsigned i = 0; i < REGISTRIES; i++) {
                tk_registry_close(history->registries[i]);
                test_dir_remove(history->copies[i]);
        }
        test_dir_remove(history->trial);
        free(history);
        return 0;
}

/* What the registry keeps: all but named limits. */
static struct used_values flushed_values(const struct history *history, unsigned registry)
{
        struct used_values values = history->at[history->flushed[registry]];
        values.of[USED_NAMED] = 0;
        return values;
}

static void assert_recovered(struct keeper *fresh, struct used_values journal, struct used_values registry)
{
        struct used_values is = keeper_used(fresh);
        for (int i = 0; i < USED_COUNT; i++) {
                uint64_t expected = journal.of[i] > registry.of[i] ? journal.of[i] : registry.of[i];
                if (is.of[i] != expected)
                        fail_msg("number %d is %llu, not %llu", i, (unsigned long long)is.of[i],
                                 (unsigned long long)expected);
        }
        struct tk_ask ask = test_ask(&fresh->gate, &fresh->used_up);
        ask.now_ns = 0;
        if (journal.of[USED_UP_ADMITTED] || registry.of[USED_UP_ADMITTED])
                assert_code(test_decide(&fresh->gate, &ask), TK_CODE_quota_exceeded);
}

/* The gate is gone, the journal is these bytes, of which the frames up to `second` count. */
static void recover(struct history *history, size_t len, unsigned second, unsigned registry)
{
        struct keeper fresh = {0};
        keeper_write_journal(history->trial, history->journal, len);
        keeper_gate(&fresh, &history->keeper);
        keeper_recover(&fresh, history->trial, history->registries[registry], history->keeper.installation);
        if (len % 16 == 0) /* once more, for nothing */
                keeper_recover(&fresh, history->trial, history->registries[registry],
                               history->keeper.installation);
        assert_recovered(&fresh, history->at[second], flushed_values(history, registry));
        test_gate_fini(&fresh.gate);
}

static void test_cut_at_every_byte(void **state)
{
        struct history *history = *state;
        bool all = getenv("TOLLKEEPER_POWER_CUTS") != NULL;
        size_t from = history->journal_bytes[all ? SECONDS - 2 : SECONDS - 1] - 20;
        for (size_t len = from; len <= history->journal_bytes[SECONDS]; len++) {
                unsigned second = SECONDS;
                while (history->journal_bytes[second] > len)
                        second--;
                for (unsigned registry = 0; registry < REGISTRIES; registry++)
                        if (all || registry == len % REGISTRIES)
                                recover(history, len, second, registry);
        }
}

static uint64_t next_random(uint64_t *seed)
{
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *seed >> 33;
}

/* One bit or some of the last two seconds. The other one counts; the first frames always do. */
static void test_flipped_bits(void **state)
{
        struct history *history = *state;
        size_t first = history->journal_bytes[SECONDS - 2], last = history->journal_bytes[SECONDS - 1];
        size_t len = history->journal_bytes[SECONDS];
        uint64_t seed = 4;
        int trials = getenv("TOLLKEEPER_POWER_CUTS") ? 5000 : 150;
        for (int i = 0; i < trials; i++) {
                uint8_t kept[65536];
                memcpy(kept, history->journal, len);
                bool in_last = false, in_first = false;
                for (uint64_t flips = 1 + next_random(&seed) % 3; flips > 0; flips--) {
                        size_t at = first + next_random(&seed) % (len - first);
                        history->journal[at] ^= (uint8_t)(1 << next_random(&seed) % 8);
                        in_last |= at >= last && history->journal[at] != kept[at];
                        in_first |= at < last && history->journal[at] != kept[at];
                }
                unsigned second = !in_last ? SECONDS : !in_first ? SECONDS - 1 : SECONDS - 2;
                recover(history, len, second, (unsigned)i % REGISTRIES);
                memcpy(history->journal, kept, len);
        }
}

/* No journal at all: what the registry has. No registry rows: what the journal has. */
static void test_one_of_both_is_lost(void **state)
{
        struct history *history = *state;
        for (unsigned registry = 0; registry < REGISTRIES; registry++) {
                struct keeper fresh = {0};
                char path[128];
                snprintf(path, sizeof path, "%s/" TK_METER_FILE_NAME, history->trial);
                unlink(path);
                keeper_gate(&fresh, &history->keeper);
                keeper_recover(&fresh, history->trial, history->registries[registry],
                               history->keeper.installation);
                assert_recovered(&fresh, (struct used_values){0}, flushed_values(history, registry));
                test_gate_fini(&fresh.gate);
        }
        recover(history, history->journal_bytes[SECONDS], SECONDS, 0);
        recover(history, TK_METER_FILE_HEADER_BYTES, 0, 1);
}

/* It goes on in the new gate, and from there into the next one; the file is made anew for it. */
static void test_power_cut_after_power_cut(void **state)
{
        struct history *history = *state;
        struct keeper *old = &history->keeper;
        struct used_values expected = history->at[SECONDS];
        for (int i = 0; i < 3; i++) {
                struct keeper fresh = {0};
                keeper_gate(&fresh, old);
                keeper_recover(&fresh, old->data, old->registry, old->installation);
                assert_recovered(&fresh, expected, (struct used_values){0});

                keeper_stop(old);
                test_gate_fini(&old->gate);
                old->gate = fresh.gate;
                keeper_start(old, 0, 0, true);
                keeper_use(old, 5);
                keeper_tick(old);
                keeper_use(old, 5);
                keeper_tick(old);
                expected = keeper_used(old);
                struct tk_meter_log_stats stats;
                tk_meter_log_stats(old->log, &stats);
                assert_int_equal(stats.rewrites, 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cut_at_every_byte), cmocka_unit_test(test_flipped_bits),
                cmocka_unit_test(test_one_of_both_is_lost),
                cmocka_unit_test(test_power_cut_after_power_cut), /* changes the history: the last */
        };
        return cmocka_run_group_tests_name("power cut", tests, setup, teardown);
}
