/*
 * Many processes and threads on one key, one subscription, one route and the same named limits: what was answered is what the
 * meters hold, to the unit, and is never more than was promised. What a lost race leaves at a rate limit is counted, what a
 * killed thread leaves is at most its own request. TOLLKEEPER_STORM=10000000 makes so many requests in all.
 */
#include "storm.h"

#include "core/slot.h"
#include "gate/publisher.h"
#include "gate/reserve.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define REQUESTS_DEFAULT 300000
#define ROUND_MAX        200000 /* requests of one log */

static uint64_t requests_wanted(void)
{
        const char *text = getenv("TOLLKEEPER_STORM");
        uint64_t wanted = 0;
        for (; text && *text >= '0' && *text <= '9'; text++)
                wanted = wanted * 10 + (uint64_t)(*text - '0');
        return wanted ? wanted : REQUESTS_DEFAULT;
}

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static void renew_gate(struct test_gate *test)
{
        test_gate_fini(test);
        test_gate_open(test);
}

/* ---- what the log says ---- */

struct tally {
        uint64_t asked, answered, admitted, refused, settled;
        uint64_t absurd; /* of those refused: their cost is none, so no limit was looked at, nor any name */
        uint64_t in_flight, in_flight_units; /* of killed threads */
        uint64_t charged[STORM_LIMITS];      /* of requests that were admitted */
        uint64_t given_back[STORM_LIMITS];
        uint64_t lost[STORM_LIMITS]; /* units that requests which were refused left at a rate limit */
        uint64_t lost_requests;
};

static void tally_settled(const struct storm_entry *it, struct tally *tally)
{
        uint32_t settled = atomic_load(&it->settled);
        assert_in_range(settled, 0, 1);
        if (settled == 0)
                return;
        tally->settled++;
        for (unsigned i = 0; i < STORM_LIMITS; i++)
                if (it->taken & ~STORM_RATES & ~(1u << KEY_SHADOW) & (1u << i))
                        tally->given_back[i] += it->cost - atomic_load(&it->settled_cost);
}

static void tally_answered(const struct storm_entry *it, struct tally *tally)
{
        bool valid = it->code == TK_CODE_valid;
        tally->answered++;
        if (valid)
                tally->admitted++;
        else if (it->identified)
                tally->refused++;
        tally->absurd += it->cost > TK_LIMIT_COST_MAX;
        unsigned lost = valid ? 0 : it->taken & (STORM_RATES | 1u << KEY_SHADOW);
        tally->lost_requests += lost != 0;
        for (unsigned i = 0; i < STORM_LIMITS; i++) {
                if (valid && it->taken & (1u << i))
                        tally->charged[i] += it->cost;
                if (lost & (1u << i))
                        tally->lost[i] += it->cost;
        }
        tally_settled(it, tally);
}

static void check_entry(const struct storm *storm, const struct storm_entry *it)
{
        const unsigned enforced = ((1u << STORM_LIMITS) - 1) & ~STORM_SHADOW;
        assert_true(it->identified);
        if (it->code == TK_CODE_valid && it->cost > 0 && !storm->watches)
                assert_int_equal(it->taken & enforced, enforced);
        if (it->cost == 0)
                assert_int_equal(it->taken, 0);
        if (it->code != TK_CODE_valid)
                assert_false(it->reserved);
}

static struct tally tally_of(const struct storm *storm)
{
        const struct storm_board *board = storm->board;
        struct tally tally = {0};
        for (uint32_t k = 0; k < board->count; k++) {
                const struct storm_entry *it = &board->log[k];
                uint32_t step = atomic_load(&it->step);
                tally.asked += step != STORM_FREE;
                if (step == STORM_ANSWERED) {
                        check_entry(storm, it);
                        tally_answered(it, &tally);
                } else if (step == STORM_ASKED) {
                        tally.in_flight++;
                        tally.in_flight_units += it->cost <= TK_LIMIT_COST_MAX ? it->cost : 0;
                }
        }
        assert_in_range(tally.in_flight, 0, storm->killed);
        return tally;
}

/* ---- what the meters say ---- */

/* Units that the slot holds; of a rate those that are not regained, which is all where time stands still. */
static uint64_t held_by(const struct storm *storm, const struct storm_places *places, unsigned limit)
{
        const struct tk_limit_def *def = &storm->defs[limit];
        tk_u128 value = tk_slot_read(places->slots[limit]);
        struct tk_rate rate;
        if (def->kind != TK_LIMIT_RATE)
                return (uint64_t)value;
        assert_int_equal(tk_rate_init(def->limit, (uint64_t)def->length_s * TK_NS_PER_S, def->burst, &rate),
                         TK_OK);
        uint64_t now_ns = tk_files_moment(&storm->test->gate->files, TEST_NOW_NS).boot_ns;
        tk_u128 now = (tk_u128)now_ns * rate.units;
        if (value <= now)
                return 0;
        assert_true((value - now) % rate.interval == 0);
        return (uint64_t)((value - now) / rate.interval);
}

static uint64_t promised(const struct storm *storm, unsigned limit)
{
        const struct tk_limit_def *def = &storm->defs[limit];
        return def->kind == TK_LIMIT_CREDITS ? storm->granted
               : def->kind == TK_LIMIT_RATE  ? def->burst
                                             : def->limit;
}

static void check_counter(const char *what, uint64_t is, uint64_t answered, uint64_t in_flight)
{
        if (is < answered || is > answered + in_flight)
                fail_msg("%s: %llu counted, %llu answered, %llu in flight", what, (unsigned long long)is,
                         (unsigned long long)answered, (unsigned long long)in_flight);
}

static void check_counters(const struct storm_places *places, const struct tally *tally)
{
        for (unsigned i = 0; i < 3; i++) {
                const struct tk_format_meter *meter = places->meters[i];
                check_counter("admitted", atomic_load(&meter->admitted), tally->admitted, tally->in_flight);
                check_counter("refused", atomic_load(&meter->refused), tally->refused, tally->in_flight);
                check_counter("all", atomic_load(&meter->admitted) + atomic_load(&meter->refused),
                              tally->admitted + tally->refused, tally->in_flight);
        }
        for (unsigned i = 0; i < 4; i++) {
                const struct tk_format_named *entry = places->named[i];
                check_counter("admitted by name", atomic_load(&entry->admitted), tally->admitted,
                              tally->in_flight);
                check_counter("refused by name", atomic_load(&entry->refused), tally->refused - tally->absurd,
                              tally->in_flight);
        }
}

/* Where time stands still: answered, no more and no less, and what killed threads may have been about. */
static void check_slots(const struct storm *storm, const struct storm_places *places,
                        const struct tally *tally)
{
        for (unsigned i = 0; i < STORM_LIMITS; i++) {
                uint64_t held = held_by(storm, places, i);
                uint64_t net = tally->charged[i] + tally->lost[i] - tally->given_back[i];
                bool rate = storm->defs[i].kind == TK_LIMIT_RATE;
                uint64_t less = rate ? 0 : storm->killed_settling_units;
                if (held + less < net || held > net + tally->in_flight_units || held > promised(storm, i))
                        fail_msg("limit %u of %llu: holds %llu; answered %llu, in flight %llu, -%llu", i,
                                 (unsigned long long)promised(storm, i), (unsigned long long)held,
                                 (unsigned long long)net, (unsigned long long)tally->in_flight_units,
                                 (unsigned long long)less);
        }
}

static void check_frozen(const struct storm *storm, struct tally *ret_tally)
{
        struct storm_places places;
        storm_places(storm, storm->test->gate, &places);
        *ret_tally = tally_of(storm);
        check_counters(&places, ret_tally);
        check_slots(storm, &places, ret_tally);
}

/* ---- one limit after the other at its edge ---- */

/* Single units until the limit refuses: not one is left. */
static uint64_t use_up(const struct storm *storm, unsigned limit)
{
        struct tk_ask ask = storm_ask(storm);
        struct tk_answer answer;
        uint64_t units = 0;
        for (;; units++) {
                tk_gate_decide(storm->test->gate, &ask, &answer);
                if (answer.code != TK_CODE_valid)
                        break;
        }
        assert_int_equal(answer.refused_by, limit + 1);
        return units;
}

static void storm_at_the_edge(struct test_gate *test, unsigned limit, uint32_t requests)
{
        struct storm storm;
        struct tally tally;
        const uint64_t wide = UINT64_C(1000000000);
        uint64_t small = requests; /* a third of what is asked for */
        storm_init(&storm, test, 17, requests, wide);
        storm.reserves = true;
        if (limit == SUB_CREDITS)
                storm.granted = small;
        storm.defs[limit].limit = storm.defs[limit].kind == TK_LIMIT_WINDOW ? small : storm.defs[limit].limit;
        storm.defs[limit].burst = storm.defs[limit].kind == TK_LIMIT_RATE ? small : 0;
        storm.defs[SUB_SHADOW].limit = storm.defs[KEY_SHADOW].burst = storm.defs[NAMED_SHADOW].limit =
                small / 2;
        storm_publish(&storm);
        storm_start(&storm);
        storm_wait(&storm);

        check_frozen(&storm, &tally);
        assert_int_equal(tally.answered, requests);
        assert_true(tally.refused > 0 && tally.settled > 0);
        struct storm_places places;
        uint64_t rest = use_up(&storm, limit);
        storm_places(&storm, test->gate, &places);
        assert_int_equal(held_by(&storm, &places, limit), small);
        assert_int_equal(tally.charged[limit] + tally.lost[limit] - tally.given_back[limit] + rest, small);
        print_message(
                "           %-8s %u asked, %llu admitted, %llu settled, %llu lost a race after a rate\n",
                storm.defs[limit].name, requests, (unsigned long long)tally.admitted,
                (unsigned long long)tally.settled, (unsigned long long)tally.lost_requests);
        storm_fini(&storm);
}

static void test_each_limit_at_its_edge(void **state)
{
        uint64_t wanted = requests_wanted() * 4 / 10 / (STORM_LIMITS - 3);
        for (uint64_t done = 0; done < wanted; done += ROUND_MAX)
                for (unsigned limit = 0; limit < STORM_LIMITS; limit++) {
                        if (STORM_SHADOW & (1u << limit))
                                continue;
                        renew_gate(*state);
                        storm_at_the_edge(*state, limit,
                                          (uint32_t)(wanted - done < ROUND_MAX ? wanted - done : ROUND_MAX));
                }
}

/* ---- time goes on ---- */

/*
 * Over no interval more than burst + t * N / W, of whatever was charged, by the clock of each request. With S the sum of charges and t the
 * time: S(j) - S(i - 1) - (t(j) - t(i)) * N / W <= B for all i <= j, so the lowest point so far is enough to keep.
 */
static void check_rate(const struct storm *storm, unsigned limit)
{
        const struct tk_limit_def *def = &storm->defs[limit];
        const __int128 window_ns = (__int128)def->length_s * (__int128)TK_NS_PER_S;
        __int128 sum = 0, lowest = 0, highest = -1;
        for (uint32_t k = 0; k < storm->board->count; k++) {
                const struct storm_entry *it = &storm->board->log[k];
                if (!(it->taken & (1u << limit)) ||
                    (it->code != TK_CODE_valid && !((STORM_RATES | 1u << KEY_SHADOW) & (1u << limit))))
                        continue;
                __int128 regained = (__int128)(storm_now_ns(storm, k) - TEST_NOW_NS) * (__int128)def->limit;
                if (highest < 0 || sum * window_ns - regained < lowest)
                        lowest = sum * window_ns - regained;
                sum += (__int128)it->cost;
                if (sum * window_ns - regained - lowest > highest)
                        highest = sum * window_ns - regained - lowest;
        }
        if (highest > (__int128)def->burst * window_ns)
                fail_msg("%s: %lld units at once, of %llu", def->name, (long long)(highest / window_ns),
                         (unsigned long long)def->burst);
        assert_true(highest > (__int128)(def->burst - def->burst / 4) * window_ns); /* it was at its edge */
}

/* Units by the period that was charged; periods do not overlap, so one pass over each that occurs. */
struct period {
        uint64_t start_s, gross, given_back;
};

static struct period *period_of(struct period *periods, uint32_t *count, uint32_t most, uint64_t start_s)
{
        uint32_t i = *count;
        while (i > 0 && periods[i - 1].start_s != start_s)
                i--;
        if (i > 0)
                return &periods[i - 1]; /* nearly always the last: the log is in the order of time */
        assert_true(*count < most);
        periods[*count] = (struct period){.start_s = start_s};
        return &periods[(*count)++];
}

static void check_window(const struct storm *storm, const struct storm_places *places, unsigned limit)
{
        static struct period periods[20000];
        uint32_t count = 0, full = 0;
        for (uint32_t k = 0; k < storm->board->count; k++) {
                const struct storm_entry *it = &storm->board->log[k];
                if (it->code != TK_CODE_valid || !(it->taken & (1u << limit)))
                        continue;
                struct period *period = period_of(periods, &count, 20000, it->period_s[limit]);
                period->gross += it->cost;
                if (atomic_load(&it->settled))
                        period->given_back += it->cost - atomic_load(&it->settled_cost);
        }
        uint64_t limit_units = promised(storm, limit);
        struct period last = {0};
        for (uint32_t i = 0; i < count; i++) {
                if (periods[i].gross - periods[i].given_back > limit_units)
                        fail_msg("%s: %llu - %llu units in one period", storm->defs[limit].name,
                                 (unsigned long long)periods[i].gross,
                                 (unsigned long long)periods[i].given_back);
                full += periods[i].gross >= limit_units - limit_units / 10;
                if (periods[i].start_s >= last.start_s)
                        last = periods[i];
        }
        struct tk_slot slot = tk_slot_of(tk_slot_read(places->slots[limit]));
        if (slot.hi == last.start_s)
                assert_int_equal(slot.lo, last.gross - last.given_back);
        print_message("           %-9s %u periods, %u of them used up\n", storm->defs[limit].name, count,
                      full);
}

static void set_small(struct storm *storm)
{
        static const uint64_t small[STORM_LIMITS] = {
                [SUB_RATE] = 150,    [SUB_FIXED] = 420,    [SUB_MONTH] = 33000, [SUB_CREDITS] = 100000000,
                [SUB_SHADOW] = 500,  [KEY_RATE] = 160,     [KEY_FIXED] = 600,   [KEY_DAY] = 2050,
                [KEY_SHADOW] = 90,   [ROUTE_RATE] = 155,   [ROUTE_HOUR] = 620,  [NAMED_RATE] = 145,
                [NAMED_FIXED] = 610, [NAMED_WEEK] = 14000, [NAMED_SHADOW] = 560};
        static const uint64_t per_second[STORM_LIMITS] = {[SUB_RATE] = 480,
                                                          [KEY_RATE] = 8100,
                                                          [KEY_SHADOW] = 300,
                                                          [ROUTE_RATE] = 475,
                                                          [NAMED_RATE] = 470};
        for (unsigned i = 0; i < STORM_LIMITS; i++) {
                struct tk_limit_def *def = &storm->defs[i];
                if (def->kind == TK_LIMIT_RATE) {
                        def->burst = small[i];
                        def->limit = per_second[i];
                } else if (def->kind == TK_LIMIT_WINDOW) {
                        def->limit = small[i];
                }
        }
        storm->granted = small[SUB_CREDITS];
}

static void storm_while_time_goes_on(struct test_gate *test, uint32_t requests)
{
        struct storm storm;
        struct storm_places places;
        renew_gate(test);
        storm_init(&storm, test, 17, requests, 1);
        set_small(&storm);
        storm.clock = STORM_STEPPING;
        storm.reserves = true;
        storm_publish(&storm);
        storm_start(&storm);
        storm_wait(&storm);

        struct tally tally = tally_of(&storm);
        storm_places(&storm, test->gate, &places);
        check_counters(&places, &tally);
        assert_int_equal(tally.answered, requests);
        for (unsigned i = 0; i < STORM_LIMITS; i++) {
                if (storm.defs[i].kind == TK_LIMIT_RATE)
                        check_rate(&storm, i);
                else if (storm.defs[i].kind == TK_LIMIT_WINDOW)
                        check_window(&storm, &places, i);
        }
        assert_int_equal(held_by(&storm, &places, SUB_CREDITS),
                         tally.charged[SUB_CREDITS] - tally.given_back[SUB_CREDITS]);
        print_message("           %u asked, %llu admitted, %llu settled, %llu lost a race after a rate\n",
                      requests, (unsigned long long)tally.admitted, (unsigned long long)tally.settled,
                      (unsigned long long)tally.lost_requests);
        storm_fini(&storm);
}

static void test_limits_hold_while_time_goes_on(void **state)
{
        uint64_t wanted = requests_wanted() * 3 / 10;
        for (uint64_t done = 0; done < wanted; done += ROUND_MAX)
                storm_while_time_goes_on(*state,
                                         (uint32_t)(wanted - done < ROUND_MAX ? wanted - done : ROUND_MAX));
}

/* ---- by the clocks themselves ---- */

static int by_after(const void *a, const void *b)
{
        const struct storm_entry *first = *(const struct storm_entry *const *)a;
        const struct storm_entry *second = *(const struct storm_entry *const *)b;
        return (first->after_ns > second->after_ns) - (first->after_ns < second->after_ns);
}

/* From each request that charged on: what was charged by those that began later, until each of them had ended. */
static void check_real_rate(const struct storm *storm, unsigned limit)
{
        static const struct storm_entry *charged[20000];
        const struct tk_limit_def *def = &storm->defs[limit];
        const __int128 window_ns = (__int128)def->length_s * (__int128)TK_NS_PER_S;
        uint32_t count = 0;
        for (uint32_t k = 0; k < storm->board->count; k++)
                if (storm->board->log[k].taken & (1u << limit)) {
                        assert_true(count < 20000);
                        charged[count++] = &storm->board->log[k];
                }
        qsort(charged, count, sizeof *charged, by_after);
        for (uint32_t i = 0; i < count; i++) {
                uint64_t start_ns = charged[i]->before_ns;
                __int128 sum = 0;
                for (uint32_t k = 0; k < count; k++) {
                        if (charged[k]->before_ns < start_ns)
                                continue;
                        sum += (__int128)charged[k]->cost;
                        __int128 regained =
                                (__int128)(charged[k]->after_ns - start_ns) * (__int128)def->limit;
                        if (sum * window_ns > (__int128)def->burst * window_ns + regained)
                                fail_msg("%s: %llu units in %llu ns", def->name, (unsigned long long)sum,
                                         (unsigned long long)(charged[k]->after_ns - start_ns));
                }
        }
        assert_true(count > 0);
}

static void test_limits_hold_by_the_clocks(void **state)
{
        struct test_gate *test = *state;
        struct storm storm;
        struct storm_places places;
        uint64_t wanted = requests_wanted() / 15;
        storm_init(&storm, test, 17, (uint32_t)(wanted < ROUND_MAX ? wanted : ROUND_MAX),
                   UINT64_C(1000000000));
        uint64_t granted = storm.granted;
        set_small(&storm);
        storm.granted = granted;
        storm.defs[KEY_DAY].limit = storm.defs[ROUTE_HOUR].limit =
                granted; /* or nothing would pass after a second */
        storm.defs[KEY_FIXED].limit = 1300;
        storm.defs[NAMED_FIXED].limit = 2100;
        storm.clock = STORM_REAL;
        storm.reserves = true;
        storm_publish(&storm);
        storm_start(&storm);
        storm_wait(&storm);

        struct tally tally = tally_of(&storm);
        storm_places(&storm, test->gate, &places);
        check_counters(&places, &tally);
        for (unsigned i = 0; i < STORM_LIMITS; i++) {
                if (storm.defs[i].kind == TK_LIMIT_RATE)
                        check_real_rate(&storm, i);
                else if (storm.defs[i].kind == TK_LIMIT_WINDOW)
                        check_window(&storm, &places, i);
        }
        print_message("           %u asked, %llu admitted, %llu settled, %llu lost a race after a rate\n",
                      storm.board->count, (unsigned long long)tally.admitted,
                      (unsigned long long)tally.settled, (unsigned long long)tally.lost_requests);
        storm_fini(&storm);
}

/* ---- killed ---- */

/* As the daemon would: lines that are open for ever would be all there are. */
static void make_room(struct storm *storm)
{
        struct tk_reservations_sweep sweep = {0};
        tk_reservations_sweep(&storm->test->publisher->files, storm_boot_ns(), &sweep);
}

static void storm_with_kills(struct test_gate *test, uint32_t requests)
{
        struct storm storm;
        struct tally tally;
        renew_gate(test);
        storm_init(&storm, test, 17, requests, UINT64_C(1000000000));
        storm.defs[KEY_FIXED].limit = requests * UINT64_C(2); /* so it is used up after half of them */
        storm.reserves = storm.kills = true;
        storm_publish(&storm);
        storm_start(&storm);
        uint32_t kills = storm_wait_killed(&storm, make_room);

        check_frozen(&storm, &tally);
        /* a thread may be killed with an entry that it has not begun */
        assert_in_range(requests - tally.answered, 0, storm.killed);
        assert_true(kills > 0);
        print_message("           %u kills: %llu answered, %llu killed while they asked, %llu settled\n",
                      kills, (unsigned long long)tally.answered, (unsigned long long)tally.in_flight,
                      (unsigned long long)tally.settled);
        storm_fini(&storm);
}

static void test_what_killed_threads_leave_is_their_request(void **state)
{
        uint64_t wanted = UNDER_TSAN ? 0 : requests_wanted() * 2 / 10; /* it cannot be killed in parts */
        for (uint64_t done = 0; done < wanted; done += ROUND_MAX)
                storm_with_kills(*state, (uint32_t)(wanted - done < ROUND_MAX ? wanted - done : ROUND_MAX));
}

/* ---- a writer ---- */

/* The order decides about the slots: each change of it moves the limits to another meter. */
static void swap_first(struct tk_limit_def *defs, uint32_t count)
{
        struct tk_limit_def first = defs[0];
        memmove(defs, defs + 1, (count - 1) * sizeof *defs);
        defs[count - 1] = first;
}

struct writer {
        struct storm *storm;
        struct test_key reused[2];
        uint64_t next_id;
        uint32_t moves;
};

static void check_reuse(struct writer *writer, unsigned turn)
{
        struct test_gate *test = writer->storm->test;
        struct test_key *now = &writer->reused[turn % 2], *before = &writer->reused[(turn + 1) % 2];
        now->published.generation = (uint16_t)(turn + 1);
        test_key_publish(test, now);
        struct tk_ask ask = test_ask(test, now), old = test_ask(test, before);
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_code(test_decide(test, &old), TK_CODE_unknown);
}

/* The witness is revoked and comes back; between its epochs nobody expects anything of it. */
static void revoke_witness(struct storm *storm, unsigned turn)
{
        atomic_store(&storm->board->epoch, 0);
        storm->witness.published.state = turn % 2 ? TK_PUBLISH_REVOKED : TK_PUBLISH_ACTIVE;
        test_key_publish(storm->test, &storm->witness);
        atomic_store(&storm->board->epoch, turn);
}

static void write_something(struct writer *writer, unsigned turn)
{
        struct storm *storm = writer->storm;
        struct test_key key;
        char plaintext[32];
        revoke_witness(storm, turn);
        swap_first(storm->defs, KEY_RATE);
        swap_first(storm->defs + KEY_RATE, ROUTE_RATE - KEY_RATE);
        swap_first(storm->defs + ROUTE_RATE, NAMED_RATE - ROUTE_RATE);
        storm_publish(storm);
        writer->moves++;
        check_reuse(writer, turn);
        for (unsigned i = 0; i < 20; i++, writer->next_id++) {
                snprintf(plaintext, sizeof plaintext, "legacy %llu", (unsigned long long)writer->next_id);
                test_key_import(storm->test, writer->next_id, plaintext, &key);
                struct tk_ask ask = test_ask(storm->test, &key);
                assert_code(test_decide(storm->test, &ask), TK_CODE_valid);
        }
}

/*
 * What was answered is counted where the limits are now, and never more than was promised. Beyond that, a window may hold the request of a
 * thread that charged it, found another limit closed, and gave up waiting: it is `unavailable`. A rate keeps what a thread had charged that
 * was asked anew, one a thread and publishing call, and a unit that is rounded up at each.
 */
static void check_moved(const struct storm *storm, const struct tally *tally, uint32_t moves)
{
        const uint64_t asked_anew = (uint64_t)moves * 3 * (STORM_WORKERS + 1);
        struct tk_ask look = storm_ask(storm);
        struct tk_answer answer;
        uint64_t units = 0, unavailable = 0, least = UINT64_MAX;
        for (uint32_t k = 0; k < storm->board->count; k++)
                if (storm->board->log[k].code == TK_CODE_valid)
                        units += storm->board->log[k].cost;
                else if (storm->board->log[k].code == TK_CODE_unavailable &&
                         storm->board->log[k].cost <= TK_LIMIT_COST_MAX)
                        unavailable++;
        look.cost = 0;
        tk_gate_decide(storm->test->gate, &look, &answer);
        assert_int_equal(answer.limit_count, STORM_LIMITS);
        for (unsigned i = 0; i < STORM_LIMITS; i++) {
                const struct tk_answer_limit *limit = &answer.limits[i];
                uint64_t promised = limit->kind == TK_LIMIT_RATE ? limit->burst : limit->limit;
                uint64_t used = promised - limit->state.remaining;
                uint64_t more = limit->kind == TK_LIMIT_RATE ? tally->refused + asked_anew : unavailable;
                if (limit->shadow)
                        continue;
                if (used < units || used > units + more || units > promised)
                        fail_msg("%.*s of %llu: %llu used, %llu answered, %u moves", (int)limit->name.len,
                                 limit->name.ptr, (unsigned long long)promised, (unsigned long long)used,
                                 (unsigned long long)units, moves);
                least = used < least ? used : least;
        }
        print_message("           %u moves: %llu units answered, %llu counted, %llu requests unavailable\n",
                      moves, (unsigned long long)units, (unsigned long long)least,
                      (unsigned long long)unavailable);
}

static void storm_with_a_writer(struct test_gate *test, uint32_t requests)
{
        struct storm storm;
        renew_gate(test);
        struct writer writer = {.storm = &storm, .next_id = 100};
        storm_init(&storm, test, 17, requests, UINT64_C(1000000000));
        storm.defs[SUB_MONTH].limit = requests * UINT64_C(3) / 5;
        for (unsigned i = 0; i < STORM_LIMITS;
             i++) { /* the publisher's clock goes on: nothing is regained meanwhile */
                struct tk_limit_def *def = &storm.defs[i];
                if (def->kind != TK_LIMIT_CREDITS && def->period == TK_PERIOD_FIXED)
                        def->length_s = 86400;
                if (def->kind == TK_LIMIT_RATE)
                        def->limit = 1;
        }
        storm.cost_limit = 1;
        storm.watches = true;
        test_key_issue(test, 18, &storm.witness);
        storm_publish(&storm);
        for (unsigned i = 0; i < 2; i++)
                test_key_mint(test, 19, &writer.reused[i]);
        atomic_store(&storm.board->allowed, 0);
        storm_start(&storm);
        for (unsigned turn = 1; atomic_load(&storm.board->finished) < requests; turn++) {
                uint32_t until = atomic_fetch_add(&storm.board->allowed, 400) + 400;
                until = until < requests ? until : requests;
                write_something(&writer, turn);
                while (atomic_load(&storm.board->finished) < until)
                        sched_yield();
        }
        storm_wait(&storm);

        struct tally tally = tally_of(&storm);
        assert_int_equal(tally.answered, requests);
        check_moved(&storm, &tally, writer.moves);
        const char *why;
        assert_true(tk_publisher_check(test->publisher, &why));
        storm_fini(&storm);
}

static void test_a_writer_moves_what_is_charged(void **state)
{
        uint64_t wanted = requests_wanted() / 10;
        for (uint64_t done = 0; done < wanted; done += ROUND_MAX)
                storm_with_a_writer(*state,
                                    (uint32_t)(wanted - done < ROUND_MAX ? wanted - done : ROUND_MAX));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_each_limit_at_its_edge),
                TEST(test_limits_hold_while_time_goes_on),
                TEST(test_limits_hold_by_the_clocks),
                TEST(test_what_killed_threads_leave_is_their_request),
                TEST(test_a_writer_moves_what_is_charged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
