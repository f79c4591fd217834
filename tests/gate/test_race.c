/*
 * Many threads and two processes on the same lines: what is admitted is counted exactly, what was published is in force for every decision
 * that starts later, and readers never meet a torn line while files grow and limits move. In-process readers share the publisher's
 * mapping, so that ThreadSanitizer sees both sides.
 */
#include "draw.h"
#include "support.h"

#include "gate/named.h"
#include "gate/publisher.h"
#include "gate/request.h"
#include "gate/reserve.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8

/* ThreadSanitizer carries out 16-byte exchanges under a lock of its own process: two processes would not exclude each other. */
#ifdef __has_feature
#define UNDER_TSAN __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif
#define PROCESSES (UNDER_TSAN ? 1 : 2)

/* What test and readers tell each other; shared with the second process. */
struct board {
        _Atomic uint64_t admitted, refused, units; /* by the answers */
        _Atomic uint64_t decisions;
        _Atomic uint64_t epoch; /* odd: the key is suspended, and the publishing call has returned */
        _Atomic uint64_t wrong;
        _Atomic bool stop;
};

struct crew {
        struct test_gate *test;
        struct test_key *key;
        struct board *board;
        struct tk_gate shared; /* the publisher's mapping */
        struct tk_gate *gate;  /* what this process uses */
        void (*work)(struct crew *crew, unsigned thread);
        pthread_t threads[THREADS];
        pid_t child;
};

struct worker {
        struct crew *crew;
        unsigned number;
};

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

static struct board *make_board(void)
{
        struct board *board =
                mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(board != MAP_FAILED);
        return board;
}

static void *run_worker(void *argument)
{
        struct worker *worker = argument;
        worker->crew->work(worker->crew, worker->number);
        return NULL;
}

static void run_threads(struct crew *crew, unsigned first, struct worker *workers)
{
        for (unsigned i = 0; i < THREADS; i++) {
                workers[i] = (struct worker){crew, first + i};
                if (pthread_create(&crew->threads[i], NULL, run_worker, &workers[i]) != 0)
                        abort();
        }
}

static void join_threads(struct crew *crew)
{
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(crew->threads[i], NULL);
}

/* The second process opens the gate by itself, as a gateway would. */
static void run_child(struct crew *crew)
{
        struct worker workers[THREADS];
        struct tk_fault fault;
        if (tk_gate_open(crew->test->dir, &crew->test->peppers, &crew->test->mask, &crew->gate, &fault))
                _exit(1);
        run_threads(crew, THREADS, workers);
        join_threads(crew);
        _exit(0);
}

/* Start threads here and, if there is to be one, in a second process; `workers` lives until finish(). */
static void start(struct crew *crew, struct worker workers[THREADS])
{
        crew->shared = (struct tk_gate){.files = crew->test->publisher->files,
                                        .peppers = &crew->test->peppers,
                                        .mask = &crew->test->mask};
        crew->gate = &crew->shared;
        crew->child = PROCESSES > 1 ? fork() : -1;
        assert_true(crew->child >= 0 || PROCESSES == 1);
        if (crew->child == 0)
                run_child(crew);
        run_threads(crew, 0, workers);
}

static void finish(struct crew *crew)
{
        int status;
        join_threads(crew);
        if (PROCESSES == 1)
                return;
        assert_int_equal(waitpid(crew->child, &status, 0), crew->child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Until the readers have decided so often; they run, so it comes. */
static void wait_decisions(struct board *board, uint64_t more)
{
        uint64_t until = atomic_load(&board->decisions) + more;
        while (atomic_load(&board->decisions) < until)
                sched_yield();
}

static void tally(struct board *board, enum tk_code code, uint64_t cost)
{
        atomic_fetch_add(code == TK_CODE_valid ? &board->admitted : &board->refused, 1);
        if (code == TK_CODE_valid)
                atomic_fetch_add(&board->units, cost);
}

/* ---- counted exactly ---- */

enum { TRIES = 1500 };

static void hammer(struct crew *crew, unsigned thread)
{
        struct tk_ask ask = test_ask(crew->test, crew->key);
        (void)thread;
        for (unsigned i = 0; i < TRIES; i++) {
                struct tk_answer answer;
                tk_gate_decide(crew->gate, &ask, &answer);
                tally(crew->board, answer.code, ask.cost);
        }
}

/* The tighter of a window on the key and a rate on the subscription is used up to the last unit, the other charged as much. */
static void count_exactly(struct test_gate *test, uint64_t key_limit, uint64_t shared_burst)
{
        struct tk_limit_def own = test_window("day", key_limit, TK_PERIOD_DAY, 0);
        struct tk_limit_def shared = test_rate("rate", 1, 1000, shared_burst);
        struct test_key key;
        struct worker workers[THREADS];
        test_subscription_publish(test, 3, &shared, 1);
        test_key_mint(test, 17, &key);
        key.published.limits = &own;
        key.published.limit_count = 1;
        key.published.subscription_id = 3;
        test_key_publish(test, &key);

        struct crew crew = {.test = test, .key = &key, .board = make_board(), .work = hammer};
        start(&crew, workers);
        finish(&crew);

        uint64_t least = key_limit < shared_burst ? key_limit : shared_burst;
        uint64_t total = (uint64_t)TRIES * THREADS * PROCESSES;
        struct tk_usage usage;
        struct tk_ask look = test_ask(test, &key);
        assert_int_equal(atomic_load(&crew.board->admitted), least);
        assert_int_equal(atomic_load(&crew.board->refused), total - least);
        assert_int_equal(tk_gate_key_usage(test->gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, least);
        assert_int_equal(usage.refused, total - least);
        assert_int_equal(tk_gate_subscription_usage(test->gate, 3, &usage), TK_OK);
        assert_int_equal(usage.admitted, least);
        assert_int_equal(usage.refused, total - least);
        look.cost = 0;
        struct tk_answer answer = test_answer(test, &look);
        assert_int_equal(answer.limits[0].state.remaining, shared_burst - least);
        assert_int_equal(answer.limits[1].state.remaining, key_limit - least);
}

static void test_a_window_is_counted_exactly(void **state)
{
        count_exactly(*state, 3000, 100000);
}

static void test_a_rate_is_counted_exactly_and_windows_are_refunded(void **state)
{
        count_exactly(*state, 100000, 3000);
}

static void hammer_with_costs(struct crew *crew, unsigned thread)
{
        struct tk_ask ask = test_ask(crew->test, crew->key);
        unsigned seed = thread + 1;
        for (unsigned i = 0; i < TRIES; i++) {
                struct tk_answer answer;
                ask.cost = test_draw(&seed, 7);
                tk_gate_decide(crew->gate, &ask, &answer);
                tally(crew->board, answer.code, ask.cost);
        }
}

/* Many limits of both kinds and random costs: never over the tightest; what windows hold is what was admitted. */
static void test_random_costs_never_exceed_the_tightest_limit(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def own[] = {test_window("day", 9000, TK_PERIOD_DAY, 0),
                                     test_rate("r1", 1, 1000, 5000), test_rate("r2", 1, 900, 5000)};
        struct tk_limit_def shared[] = {test_rate("r3", 1, 800, 5001),
                                        test_window("month", 9001, TK_PERIOD_MONTH, 0)};
        struct test_key key;
        struct worker workers[THREADS];
        test_subscription_publish(test, 3, shared, 2);
        test_key_mint(test, 17, &key);
        key.published.limits = own;
        key.published.limit_count = 3;
        key.published.subscription_id = 3;
        test_key_publish(test, &key);
        struct crew crew = {.test = test, .key = &key, .board = make_board(), .work = hammer_with_costs};
        start(&crew, workers);
        finish(&crew);

        uint64_t units = atomic_load(&crew.board->units);
        assert_in_range(units, 4000, 5000);
        struct tk_ask look = test_ask(test, &key);
        look.cost = 0;
        struct tk_answer answer = test_answer(test, &look);
        assert_int_equal(9001 - answer.limits[1].state.remaining, units);
        assert_int_equal(9000 - answer.limits[2].state.remaining, units);
        for (unsigned i = 0; i < answer.limit_count;
             i++) /* rates may keep what a lost race left, never less */
                if (answer.limits[i].kind == TK_LIMIT_RATE)
                        assert_true(answer.limits[i].burst - answer.limits[i].state.remaining >= units);
}

/* ---- in force ---- */

static void watch_state(struct crew *crew, unsigned thread)
{
        struct tk_ask ask = test_ask(crew->test, crew->key);
        (void)thread;
        while (!atomic_load(&crew->board->stop)) {
                struct tk_answer answer;
                uint64_t before = atomic_load(&crew->board->epoch);
                tk_gate_decide(crew->gate, &ask, &answer);
                bool steady = atomic_load(&crew->board->epoch) == before;
                enum tk_code expected = before % 2 ? TK_CODE_suspended : TK_CODE_valid;
                if (steady && before && answer.code != expected)
                        atomic_fetch_add(&crew->board->wrong, 1);
                atomic_fetch_add(&crew->board->decisions, 1);
        }
}

/* An epoch is announced after the call that began it has returned, and its end before the next call is made. */
static void test_what_was_published_is_in_force(void **state)
{
        struct test_gate *test = *state;
        struct test_key key;
        struct worker workers[THREADS];
        test_key_issue(test, 17, &key);
        struct crew crew = {.test = test, .key = &key, .board = make_board(), .work = watch_state};
        start(&crew, workers);

        for (uint64_t epoch = 1; epoch <= 100; epoch++) {
                atomic_store(&crew.board->epoch, 0);
                key.published.state = epoch % 2 ? TK_PUBLISH_SUSPENDED : TK_PUBLISH_ACTIVE;
                assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_OK);
                atomic_store(&crew.board->epoch, epoch);
                wait_decisions(crew.board, 2 * THREADS * PROCESSES);
        }
        atomic_store(&crew.board->stop, true);
        finish(&crew);
        assert_int_equal(atomic_load(&crew.board->wrong), 0);
}

/* ---- numbers given away, files growing ---- */

struct reuse {
        struct crew crew;
        struct test_key keys[2]; /* both of number 17, alternating */
};

/* Each of the two keys is admitted or unknown; never is one taken for the other. */
static void watch_reuse(struct crew *crew, unsigned thread)
{
        const struct reuse *reuse = (const struct reuse *)crew;
        struct tk_ask ask = test_ask(crew->test, &reuse->keys[thread % 2]);
        const char *expected = thread % 2 ? "odd" : "even";
        while (!atomic_load(&crew->board->stop)) {
                struct tk_answer answer;
                tk_gate_decide(crew->gate, &ask, &answer);
                if (answer.code != TK_CODE_valid && answer.code != TK_CODE_unknown)
                        atomic_fetch_add(&crew->board->wrong, 1);
                if (answer.code == TK_CODE_valid && !tk_str_equal(answer.scopes, tk_str_from(expected)))
                        atomic_fetch_add(&crew->board->wrong, 1);
                tally(crew->board, answer.code, 1);
                atomic_fetch_add(&crew->board->decisions, 1);
        }
}

static void test_a_number_changes_hands_under_readers(void **state)
{
        struct test_gate *test = *state;
        static struct tk_str scopes[2] = {TK_STR("even"), TK_STR("odd")};
        static struct reuse reuse;
        struct worker workers[THREADS];
        for (unsigned i = 0; i < 2; i++) {
                test_key_mint(test, 17, &reuse.keys[i]);
                reuse.keys[i].published.scopes = &scopes[i];
                reuse.keys[i].published.scope_count = 1;
        }
        test_key_publish(test, &reuse.keys[0]);
        reuse.crew = (struct crew){.test = test, .board = make_board(), .work = watch_reuse};
        start(&reuse.crew, workers);
        for (unsigned turn = 1; turn <= 200; turn++) {
                struct tk_publish_key *key = &reuse.keys[turn % 2].published;
                key->generation = (uint16_t)turn;
                assert_int_equal(tk_publish_key(test->publisher, key), TK_OK);
                wait_decisions(reuse.crew.board, THREADS);
        }
        atomic_store(&reuse.crew.board->stop, true);
        finish(&reuse.crew);
        assert_int_equal(atomic_load(&reuse.crew.board->wrong), 0);
        assert_true(atomic_load(&reuse.crew.board->admitted) > 0);
        assert_true(atomic_load(&reuse.crew.board->refused) > 0);
}

/* While limits move it may be `unavailable`, where the publisher is preempted in the middle of it. */
static void watch_moving(struct crew *crew, unsigned thread)
{
        struct tk_ask ask = test_ask(crew->test, crew->key);
        (void)thread;
        while (!atomic_load(&crew->board->stop)) {
                struct tk_answer answer;
                tk_gate_decide(crew->gate, &ask, &answer);
                tally(crew->board, answer.code, 1);
                if (answer.code != TK_CODE_valid && answer.code != TK_CODE_unavailable)
                        atomic_fetch_add(&crew->board->wrong, 1);
                atomic_fetch_add(&crew->board->decisions, 1);
        }
}

static void watch_valid(struct crew *crew, unsigned thread)
{
        struct tk_ask ask = test_ask(crew->test, crew->key);
        (void)thread;
        while (!atomic_load(&crew->board->stop)) {
                struct tk_answer answer;
                tk_gate_decide(crew->gate, &ask, &answer);
                tally(crew->board, answer.code, 1);
                atomic_fetch_add(&crew->board->decisions, 1);
        }
}

/* Everything that can grow grows, a decider of another process included, and each new key is found at once. */
static void test_files_grow_under_readers(void **state)
{
        struct test_gate *test = *state;
        struct test_key key, new_key;
        struct worker workers[THREADS];
        char plaintext[32];
        test_key_import(test, 1, "legacy", &key);
        struct crew crew = {.test = test, .key = &key, .board = make_board(), .work = watch_valid};
        start(&crew, workers);
        for (uint64_t id = 2; id <= 4500; id++) {
                snprintf(plaintext, sizeof plaintext, "legacy-%llu", (unsigned long long)id);
                if (id % 2)
                        test_key_import(test, id, plaintext, &new_key);
                else
                        test_key_issue(test, id, &new_key);
                struct tk_ask ask = test_ask(test, &new_key);
                assert_code(test_decide(test, &ask), TK_CODE_valid);
        }
        wait_decisions(crew.board, THREADS * PROCESSES);
        atomic_store(&crew.board->stop, true);
        finish(&crew);
        assert_int_equal(atomic_load(&crew.board->refused), 0);
}

/*
 * A limit moves from extent to extent under load. All that is admitted is counted. What is counted and was not admitted is a request that
 * charged just before the limit was closed, and gave up waiting to learn where it went.
 */
static void test_limits_move_under_load(void **state)
{
        struct test_gate *test = *state;
        enum { MOVES = 100 };
        struct tk_limit_def limits[2];
        struct test_key key;
        struct worker workers[THREADS];
        test_key_mint(test, 17, &key);
        key.published.limits = limits;
        key.published.limit_count = 2;
        limits[0] = test_window("kept", UINT64_C(1000000000), TK_PERIOD_DAY, 0);
        limits[1] = test_rate("other", 1, 1, 1000000000);
        test_key_publish(test, &key);
        tk_publisher_tick(test->publisher, TEST_NOW_NS, 0);
        struct crew crew = {.test = test, .key = &key, .board = make_board(), .work = watch_moving};
        start(&crew, workers);
        for (unsigned move = 0; move < MOVES; move++) {
                struct tk_limit_def swap = limits[0];
                limits[0] = limits[1];
                limits[1] = swap;
                assert_int_equal(tk_publish_key(test->publisher, &key.published), TK_OK);
                wait_decisions(crew.board, 4 * THREADS);
        }
        atomic_store(&crew.board->stop, true);
        finish(&crew);

        uint64_t admitted = atomic_load(&crew.board->admitted);
        uint64_t unavailable = atomic_load(&crew.board->refused);
        struct tk_ask look = test_ask(test, &key);
        look.cost = 0;
        struct tk_answer answer = test_answer(test, &look);
        uint32_t kept = tk_str_equal(answer.limits[0].name, TK_STR("kept")) ? 0 : 1;
        uint64_t counted = UINT64_C(1000000000) - answer.limits[kept].state.remaining;
        assert_int_equal(atomic_load(&crew.board->wrong), 0);
        print_message("           %llu requests admitted, %llu unavailable, %llu counted over %d moves\n",
                      (unsigned long long)admitted, (unsigned long long)unavailable,
                      (unsigned long long)counted, MOVES);
        assert_in_range(counted, admitted, admitted + unavailable);
}

/* ---- everything that a request can touch ---- */

struct all {
        struct crew crew;
        struct tk_limit_def defs[2], named_defs[2];
        uint32_t route;
};

/* Names come and go, so that places are inserted and forgotten; what is reserved is settled by the thread that has it. */
static void ask_with_all(struct crew *crew, unsigned thread)
{
        const struct all *all = (const struct all *)crew;
        struct tk_ask ask = test_ask(crew->test, crew->key);
        unsigned seed = thread + 1;
        char text[16];
        ask.route = all->route;
        ask.now_ns = 0;
        while (!atomic_load(&crew->board->stop)) {
                struct tk_answer answer;
                int len = snprintf(text, sizeof text, "n%u", test_draw(&seed, 8));
                struct tk_named_limit named[2] = {{{text, (size_t)len}, &all->named_defs[0]},
                                                  {{text, (size_t)len}, &all->named_defs[1]}};
                ask.named = named;
                ask.named_count = 2;
                ask.reserve_s = test_draw(&seed, 2) * 60;
                tk_gate_decide(crew->gate, &ask, &answer);
                tally(crew->board, answer.code, 1);
                if (answer.code != TK_CODE_valid && answer.code != TK_CODE_unavailable)
                        atomic_fetch_add(&crew->board->wrong, 1);
                if (answer.reservation && tk_gate_settle(crew->gate, answer.reservation, 0) == TK_INVALID)
                        atomic_fetch_add(&crew->board->wrong, 1);
                atomic_fetch_add(&crew->board->decisions, 1);
        }
}

static void publish_all(struct test_gate *test, struct all *all)
{
        struct tk_limit_def swap = all->defs[0];
        all->defs[0] = all->defs[1];
        all->defs[1] = swap;
        test_subscription_publish(test, 3, all->defs, 2);
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/a"),
                                         .limits = all->defs,
                                         .limit_count = 2};
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
}

/*
 * The daemon moves a subscription's and a route's limits and sweeps names and reservations, by a clock that runs ahead so that names are
 * forgotten and lines taken away, while requests use all of them.
 */
static void test_moves_and_sweeps_under_requests(void **state)
{
        struct test_gate *test = *state;
        static struct all all;
        struct test_key key;
        struct worker workers[THREADS];
        struct tk_reservations_sweep sweep = {0};
        uint64_t cursor = 0;
        all.defs[0] = test_window("day", UINT64_C(1000000000), TK_PERIOD_DAY, 0);
        all.defs[1] = test_rate("rate", 1000, 1, 1000000000);
        all.named_defs[0] = test_window("", UINT64_C(1000000000), TK_PERIOD_FIXED, 1);
        all.named_defs[1] = test_rate("", UINT64_C(1000000000), 1, 1000000000);
        publish_all(test, &all);
        test_key_mint(test, 17, &key);
        key.published.subscription_id = 3;
        test_key_publish(test, &key);
        assert_true(tk_gate_route(test->gate, test->production, TK_STR("GET"), TK_STR("/a"), &all.route));
        all.crew = (struct crew){.test = test, .key = &key, .board = make_board(), .work = ask_with_all};
        start(&all.crew, workers);
        struct tk_moment now = tk_files_now(&test->publisher->files);
        for (unsigned turn = 0; turn < 100; turn++) {
                publish_all(test, &all);
                now.boot_ns += 40 * TK_NS_PER_S;
                tk_reservations_sweep(&test->publisher->files, now.boot_ns, &sweep);
                tk_named_sweep(&test->publisher->files, &now, &cursor);
                wait_decisions(all.crew.board, 2 * THREADS);
        }
        atomic_store(&all.crew.board->stop, true);
        finish(&all.crew);
        assert_int_equal(atomic_load(&all.crew.board->wrong), 0);
        assert_true(atomic_load(&all.crew.board->admitted) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_window_is_counted_exactly),
                TEST(test_a_rate_is_counted_exactly_and_windows_are_refunded),
                TEST(test_random_costs_never_exceed_the_tightest_limit),
                TEST(test_what_was_published_is_in_force),
                TEST(test_a_number_changes_hands_under_readers),
                TEST(test_files_grow_under_readers),
                TEST(test_limits_move_under_load),
                TEST(test_moves_and_sweeps_under_requests),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
