/*
 * The processes and threads of a storm (storm.h). What the gate charges is seen by wrapping tk_offer_take(), because an answer does not
 * say what a request that lost a race has left at a rate limit.
 */
#include "storm.h"

#include "draw.h"

#include "gate/meter.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_NS    UINT64_C(1000000)
#define SEGMENT    1500 /* requests between two jumps of the stepping clock */
#define JUMP_NS    (UINT64_C(7) * 3600 * TK_NS_PER_S + 13 * STEP_NS)
#define RESERVE_S  36000
#define PACE_NS    UINT64_C(100000)
#define WAIT_MAX_S 600
#define OVER_ALL   UINT64_C(50000000000) /* a cost over every limit */

unsigned storm_draw(unsigned *seed, unsigned below)
{
        return test_draw(seed, below);
}

uint64_t storm_boot_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t storm_now_ns(const struct storm *storm, uint32_t entry)
{
        if (storm->clock == STORM_REAL)
                return 0;
        if (storm->clock == STORM_FROZEN)
                return TEST_NOW_NS;
        return TEST_NOW_NS + entry * STEP_NS + entry / SEGMENT * JUMP_NS;
}

/* ---- what is charged ---- */

struct taken {
        const struct storm_places *places;
        uint16_t taken;
        uint64_t period_s[STORM_LIMITS];
        unsigned seed;
};
static _Thread_local struct taken taken;

bool __real_tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer);
bool __wrap_tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer);

bool __wrap_tk_offer_take(struct tk_slot *slot, const struct tk_offer *offer)
{
        if (storm_draw(&taken.seed, 64) == 0)
                sched_yield(); /* between the look and the charge, where others' charges hurt most */
        bool took = __real_tk_offer_take(slot, offer);
        for (unsigned i = 0; took && taken.places && i < STORM_LIMITS; i++) {
                if (taken.places->slots[i] != slot)
                        continue;
                taken.taken |= (uint16_t)(1u << i);
                taken.period_s[i] = offer->charged.hi;
        }
        return took;
}

struct tk_ask storm_ask(const struct storm *storm)
{
        struct tk_ask ask = test_ask(storm->test, &storm->key);
        ask.route = storm->route;
        ask.named = storm->named;
        ask.named_count = 4;
        return ask;
}

void storm_places(const struct storm *storm, struct tk_gate *gate, struct storm_places *ret_places)
{
        struct tk_ask ask = storm_ask(storm);
        struct tk_answer answer;
        struct tk_request request;
        ask.cost = 0;
        ask.now_ns =
                storm_now_ns(storm, storm->board->count); /* never behind: that would lower a rate's slot */
        tk_request_init(&request, gate, &ask, &answer);
        tk_request_decide(&request);
        if (!answer.identified || request.limit_count != STORM_LIMITS)
                abort();
        for (unsigned i = 0; i < STORM_LIMITS; i++)
                ret_places->slots[i] = request.limits[i].slot;
        ret_places->meters[0] = request.key.at.meter;
        ret_places->meters[1] = request.subscription.at.meter;
        ret_places->meters[2] = request.route.at.meter;
        for (unsigned i = 0; i < 4; i++)
                ret_places->named[i] = request.named[i].entry;
}

/* ---- a thread ---- */

struct worker {
        struct storm *storm;
        struct tk_gate *gate;
        struct storm_places places;
        unsigned number, seed;
};

static uint64_t draw_cost(const struct storm *storm, unsigned *seed)
{
        unsigned kind = storm_draw(seed, 100);
        uint64_t cost = kind < 8    ? 0
                        : kind < 50 ? 1
                        : kind < 90 ? 2 + storm_draw(seed, 6)
                                    : 20 + storm_draw(seed, 60);
        if (kind == 99)
                return storm_draw(seed, 4) ? OVER_ALL : TK_LIMIT_COST_MAX + 1;
        return cost < storm->cost_limit ? cost : storm->cost_limit;
}

static void settle(struct worker *worker, uint32_t entry)
{
        struct storm_board *board = worker->storm->board;
        struct storm_note *note = &board->notes[worker->number];
        struct storm_entry *reserved = &board->log[entry];
        uint64_t cost =
                storm_draw(&worker->seed, 3) ? storm_draw(&worker->seed, (unsigned)reserved->cost + 1) : 0;

        atomic_store(&note->settling, entry + 1);
        enum tk_err err = cost ? tk_gate_settle(worker->gate, reserved->reservation, cost)
                               : tk_gate_release(worker->gate, reserved->reservation);
        if (err == TK_OK) {
                atomic_store(&reserved->settled_cost, cost);
                atomic_fetch_add(&reserved->settled, 1);
        } else if (err != TK_NOT_FOUND) {
                atomic_fetch_add(&board->wrong, 1);
        }
        atomic_store(&note->settling, 0);
}

/* Leave it to another thread, and take what another has left; now and then two get the same. */
static void hand_over(struct worker *worker, uint32_t entry)
{
        struct storm_board *board = worker->storm->board;
        uint32_t other = atomic_exchange(&board->handed[storm_draw(&worker->seed, STORM_HANDED)], entry + 1);
        if (other && storm_draw(&worker->seed, 2)) {
                uint32_t third =
                        atomic_exchange(&board->handed[storm_draw(&worker->seed, STORM_HANDED)], other);
                if (third)
                        settle(worker, third - 1);
        }
        if (other)
                settle(worker, other - 1);
}

/* No decision's clock is hours behind another's: all of a segment are answered before the jump (TK_RATE_SKEW_NS). */
static void await_turn(const struct storm *storm, uint32_t entry)
{
        while (storm->clock == STORM_REAL && storm_boot_ns() < storm->start_ns + entry * PACE_NS)
                sched_yield();
        while (storm->clock == STORM_STEPPING &&
               atomic_load(&storm->board->finished) < entry / SEGMENT * SEGMENT)
                sched_yield();
}

static void watch_witness(struct worker *worker)
{
        const struct storm *storm = worker->storm;
        struct tk_ask ask = test_ask(storm->test, &storm->witness);
        struct tk_answer answer;
        uint64_t before = atomic_load(&storm->board->epoch);
        tk_gate_decide(worker->gate, &ask, &answer);
        bool steady = atomic_load(&storm->board->epoch) == before;
        enum tk_code expected = before % 2 ? TK_CODE_revoked : TK_CODE_valid;
        if (before && steady && answer.code != expected)
                atomic_fetch_add(&storm->board->wrong, 1);
}

static void ask_once(struct worker *worker, uint32_t entry)
{
        const struct storm *storm = worker->storm;
        struct storm_entry *it = &storm->board->log[entry];
        struct tk_ask ask = storm_ask(storm);
        struct tk_answer answer;
        ask.now_ns = storm_now_ns(storm, entry);
        ask.cost = it->cost = draw_cost(storm, &worker->seed);
        if (storm->reserves && storm_draw(&worker->seed, 6) == 0)
                ask.reserve_s = RESERVE_S;
        it->before_ns = storm_boot_ns();
        atomic_store_explicit(&it->step, STORM_ASKED, memory_order_release);

        taken.places = storm->watches ? NULL : &worker->places; /* where limits move, they are not known */
        taken.taken = 0;
        tk_gate_decide(worker->gate, &ask, &answer);
        taken.places = NULL;
        it->code = answer.code;
        it->identified = answer.identified;
        it->refuser = (uint16_t)answer.refused_by;
        it->taken = taken.taken;
        it->reserved = answer.reservation != 0;
        it->reservation = answer.reservation;
        memcpy(it->period_s, taken.period_s, sizeof it->period_s);
        it->after_ns = storm_boot_ns();
        atomic_store_explicit(&it->step, STORM_ANSWERED, memory_order_release);
        atomic_fetch_add(&storm->board->finished, 1);
        if (it->reserved)
                hand_over(worker, entry);
}

static void *run_worker(void *argument)
{
        struct worker *worker = argument;
        struct storm_board *board = worker->storm->board;
        storm_places(worker->storm, worker->gate, &worker->places);
        for (;;) {
                while (atomic_load(&board->next) >= atomic_load(&board->allowed) &&
                       atomic_load(&board->next) < board->count)
                        sched_yield();
                uint32_t entry = atomic_fetch_add(&board->next, 1);
                if (entry >= board->count)
                        return NULL;
                await_turn(worker->storm, entry);
                ask_once(worker, entry);
                if (worker->storm->watches && entry % 4 == 0)
                        watch_witness(worker);
        }
}

/* ---- a process ---- */

static void run_threads(struct storm *storm, unsigned child)
{
        static struct worker workers[STORM_THREADS];
        pthread_t threads[STORM_THREADS];
        struct tk_gate *gate;
        struct tk_fault fault;
        if (tk_gate_open(storm->test->dir, &storm->test->peppers, &storm->test->mask, &gate, &fault))
                abort();
        for (unsigned i = 0; i < STORM_THREADS; i++) {
                unsigned number = child * STORM_THREADS + i;
                workers[i] = (struct worker){.storm = storm,
                                             .gate = gate,
                                             .number = number,
                                             .seed = number * 7919 + atomic_load(&storm->board->next)};
                if (pthread_create(&threads[i], NULL, run_worker, &workers[i]) != 0)
                        abort();
        }
        for (unsigned i = 0; i < STORM_THREADS; i++)
                pthread_join(threads[i], NULL);
        tk_gate_close(gate);
}

/* By its own processor time, so that it is nearly always within a request. */
static void kill_oneself_soon(unsigned seed)
{
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
        struct itimerspec after = {.it_value.tv_nsec = 1000000 + storm_draw(&seed, 8000) * 1000};
        timer_t timer;
        if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) || timer_settime(timer, 0, &after, NULL))
                abort();
}

static void storm_start_child(struct storm *storm, unsigned child)
{
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                alarm(WAIT_MAX_S);
                if (storm->kills)
                        kill_oneself_soon(child + atomic_load(&storm->board->next));
                run_threads(storm, child);
                _exit(0);
        }
        storm->children[child] = pid;
}

void storm_start(struct storm *storm)
{
        storm->start_ns = storm_boot_ns();
        for (unsigned i = 0; i < STORM_PROCESSES; i++)
                storm_start_child(storm, i);
}

void storm_wait(struct storm *storm)
{
        for (unsigned i = 0; i < STORM_PROCESSES; i++) {
                int status;
                assert_int_equal(waitpid(storm->children[i], &status, 0), storm->children[i]);
                if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                        fail_msg("a process of the storm ended with status %x", (unsigned)status);
        }
        assert_int_equal(atomic_load(&storm->board->wrong), 0);
}

static void note_killed(struct storm *storm, unsigned child)
{
        for (unsigned i = 0; i < STORM_THREADS; i++) {
                struct storm_note *note = &storm->board->notes[child * STORM_THREADS + i];
                uint32_t settling = atomic_exchange(&note->settling, 0);
                if (settling)
                        storm->killed_settling_units += storm->board->log[settling - 1].cost;
        }
        storm->killed += STORM_THREADS;
}

uint32_t storm_wait_killed(struct storm *storm, void (*after)(struct storm *storm))
{
        uint32_t kills = 0;
        for (unsigned running = STORM_PROCESSES; running > 0;) {
                int status;
                unsigned child = 0;
                pid_t pid = waitpid(-1, &status, 0);
                assert_true(pid > 0);
                while (storm->children[child] != pid)
                        child++;
                if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                        running--;
                        continue;
                }
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                kills++;
                note_killed(storm, child);
                after(storm);
                storm_start_child(storm, child);
        }
        assert_int_equal(atomic_load(&storm->board->wrong), 0);
        return kills;
}

/* ---- what it is about ---- */

static struct tk_limit_def shadow(struct tk_limit_def def)
{
        def.shadow = true;
        return def;
}

static void set_defs(struct storm *storm, uint64_t wide)
{
        struct tk_limit_def *defs = storm->defs;
        defs[SUB_RATE] = test_rate("s-rate", 40, 1, wide);
        defs[SUB_FIXED] = test_window("s-fixed", wide, TK_PERIOD_FIXED, 1);
        defs[SUB_MONTH] = test_window("s-month", wide, TK_PERIOD_MONTH, 0);
        defs[SUB_MONTH].anchored = true;
        defs[SUB_CREDITS] = (struct tk_limit_def){.kind = TK_LIMIT_CREDITS, .name = "s-credits"};
        storm->granted = wide;
        defs[SUB_SHADOW] = shadow(test_window("s-shadow", wide, TK_PERIOD_FIXED, 2));
        defs[KEY_RATE] = test_rate("k-rate", 700, 17, wide);
        defs[KEY_FIXED] = test_window("k-fixed", wide, TK_PERIOD_FIXED, 3);
        defs[KEY_DAY] = test_window("k-day", wide, TK_PERIOD_DAY, 0);
        defs[KEY_SHADOW] = shadow(test_rate("k-shadow", 30, 1, wide));
        defs[ROUTE_RATE] = test_rate("r-rate", 41, 1, wide);
        defs[ROUTE_HOUR] = test_window("r-hour", wide, TK_PERIOD_HOUR, 0);
        defs[NAMED_RATE] = test_rate("named", 42, 1, wide);
        defs[NAMED_FIXED] = test_window("named", wide, TK_PERIOD_FIXED, 5);
        defs[NAMED_WEEK] = test_window("named", wide, TK_PERIOD_WEEK, 0);
        defs[NAMED_SHADOW] = shadow(test_window("named", wide, TK_PERIOD_FIXED, 7));
}

void storm_init(struct storm *storm, struct test_gate *test, uint64_t number, uint32_t requests,
                uint64_t wide)
{
        memset(storm, 0, sizeof *storm);
        storm->test = test;
        storm->route_id = storm->subscription_id = (uint32_t)number;
        storm->cost_limit = UINT64_MAX;
        snprintf(storm->name, sizeof storm->name, "name %llu", (unsigned long long)number);
        for (unsigned i = 0; i < 4; i++)
                storm->named[i] = (struct tk_named_limit){.name = tk_str_from(storm->name),
                                                          .def = &storm->defs[NAMED_RATE + i]};
        set_defs(storm, wide);
        test_key_mint(test, number, &storm->key);

        size_t bytes = sizeof *storm->board + requests * sizeof storm->board->log[0];
        storm->board = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(storm->board != MAP_FAILED);
        storm->board->count = storm->board->allowed = requests;
}

void storm_fini(struct storm *storm)
{
        size_t bytes = sizeof *storm->board + storm->board->count * sizeof storm->board->log[0];
        munmap(storm->board, bytes);
}

void storm_publish(struct storm *storm)
{
        struct test_gate *test = storm->test;
        struct tk_publish_subscription subscription = {
                .id = storm->subscription_id,
                .environment_id = TEST_PRODUCTION,
                .consumer_id = TEST_CONSUMER,
                .started_s = TEST_STARTED_S,
                .limits = storm->defs,
                .limit_count = KEY_RATE,
                .credits = {.granted = storm->granted},
        };
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        storm->key.published.limits = storm->defs + KEY_RATE;
        storm->key.published.limit_count = ROUTE_RATE - KEY_RATE;
        storm->key.published.subscription_id = storm->subscription_id;
        test_key_publish(test, &storm->key);
        char template[32];
        snprintf(template, sizeof template, "/storm/%u", storm->route_id);
        struct tk_publish_route route = {.id = storm->route_id,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = tk_str_from(template),
                                         .limits = storm->defs + ROUTE_RATE,
                                         .limit_count = NAMED_RATE - ROUTE_RATE};
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
        assert_true(
                tk_gate_route(test->gate, test->production, TK_STR("GET"), route.template, &storm->route));
}
