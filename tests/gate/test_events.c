/*
 * What deciders write into their rings, and who gets which ring: threads, processes, children of fork(), the killed. The daemon's side
 * is in test_drain.c; here it only reads back. Rings are of 64 events, and there are four.
 */
#include "support.h"

#include "gate/drain.h"
#include "gate/ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RINGS       4
#define RING_EVENTS 64
#define SEEN_MAX    1024

struct world {
        struct test_gate test;
        struct test_key key;
        struct tk_rings rings; /* the daemon's mapping */
        struct tk_drain *drain;
        struct tk_drain_pass pass; /* the last one */
        struct tk_event seen[SEEN_MAX];
        unsigned seen_count;
};

static int setup(void **state)
{
        static struct world world;
        memset(&world, 0, sizeof world);
        test_gate_open(&world.test);
        test_key_issue(&world.test, 17, &world.key);
        struct tk_files *files = tk_publisher_files(world.test.publisher);
        assert_true(tk_rings_find(files, &world.rings));
        assert_int_equal(world.rings.count, RINGS);
        assert_int_equal(tk_drain_open(files, &world.drain), TK_OK);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        tk_drain_close(world->drain);
        test_gate_fini(&world->test);
        return 0;
}

static void see(void *context, const struct tk_event *event)
{
        struct world *world = context;
        assert_true(world->seen_count < SEEN_MAX);
        world->seen[world->seen_count++] = *event;
}

/* Take what is there: `seen` holds it afterwards. */
static unsigned drain(struct world *world)
{
        struct tk_drain_visitor visitor = {see, world};
        world->seen_count = 0;
        tk_drain_pass(world->drain, TEST_NOW_NS, &visitor, &world->pass);
        assert_int_equal(world->pass.events, world->seen_count);
        assert_true(tk_drain_check(world->drain));
        return world->seen_count;
}

static struct tk_drain_stats stats_of(const struct world *world)
{
        struct tk_drain_stats stats;
        tk_drain_stats(world->drain, &stats);
        return stats;
}

static uint32_t rings_used(struct world *world)
{
        tk_drain_survey(world->drain);
        return stats_of(world).rings_used;
}

/* Ask so often, with costs that go on counting. */
static void decide_with(struct tk_gate *gate, const struct world *world, unsigned times, uint64_t first_cost)
{
        struct tk_ask ask = test_ask(&world->test, &world->key);
        for (unsigned i = 0; i < times; i++) {
                struct tk_answer answer;
                ask.cost = first_cost + i;
                tk_gate_decide(gate, &ask, &answer);
        }
}

static void decide(struct world *world, unsigned times, uint64_t first_cost)
{
        decide_with(world->test.gate, world, times, first_cost);
}

static struct tk_gate *open_gate(const struct world *world)
{
        struct tk_gate *gate = NULL;
        struct tk_fault fault;
        assert_int_equal(
                tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault), TK_OK);
        return gate;
}

/* ---- what an event says ---- */

static void test_an_admitted_request(void **state)
{
        struct world *world = *state;
        struct tk_limit_def limit = test_window("day", 1000, TK_PERIOD_DAY, 0);
        struct tk_publish_route route = {.id = 9,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1/x")};
        test_subscription_publish(&world->test, 3, &limit, 1);
        assert_int_equal(tk_publish_route(world->test.publisher, &route), TK_OK);
        world->key.published.subscription_id = 3;
        world->key.published.generation = 513;
        test_key_publish(&world->test, &world->key);

        struct tk_ask ask = test_ask(&world->test, &world->key);
        ask.cost = 7;
        assert_true(tk_ip_parse(TK_STR("192.0.2.33"), &ask.ip));
        assert_true(
                tk_gate_route(world->test.gate, ask.environment, route.method, route.template, &ask.route));
        assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
        assert_int_equal(drain(world), 1);
        const struct tk_event *event = &world->seen[0];
        assert_int_equal(event->time_ns, TEST_NOW_NS);
        assert_int_equal(event->key, 17);
        assert_int_equal(event->generation, 513);
        assert_code(event->code, TK_CODE_valid);
        assert_int_equal(event->flags, 0);
        assert_int_equal(event->cost, 7);
        assert_int_equal(event->subscription, 3);
        assert_int_equal(event->environment, ask.environment);
        assert_int_equal(event->route, ask.route);
        assert_memory_equal(&event->ip, &ask.ip, sizeof ask.ip);
}

static void test_refusals(void **state)
{
        struct world *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        struct tk_limit_def limit = test_window("day", 0, TK_PERIOD_DAY, 0);
        struct test_key stranger, poor;
        test_key_mint(&world->test, 18, &stranger);
        test_key_mint(&world->test, 19, &poor);
        limit.limit = 1;
        poor.published.limits = &limit;
        poor.published.limit_count = 1;
        test_key_publish(&world->test, &poor);

        assert_true(tk_ip_parse(TK_STR("2001:db8::5"), &ask.ip));
        ask.environment = world->test.production + 1; /* of nobody */
        (void)test_decide(&world->test, &ask);
        ask.environment = 0;
        assert_code(test_decide(&world->test, &ask), TK_CODE_wrong_environment);
        ask.environment = world->test.production;
        ask.key = TK_STR("hello");
        assert_code(test_decide(&world->test, &ask), TK_CODE_malformed);
        ask.key = (struct tk_str){NULL, 0};
        assert_code(test_decide(&world->test, &ask), TK_CODE_missing_key);
        ask.key = stranger.view;
        assert_code(test_decide(&world->test, &ask), TK_CODE_unknown);
        ask.key = poor.view;
        ask.cost = 2;
        assert_code(test_decide(&world->test, &ask), TK_CODE_quota_exceeded);
        ask.cost = TK_LIMIT_COST_MAX + 5;
        assert_code(test_decide(&world->test, &ask), TK_CODE_unavailable);

        assert_int_equal(drain(world), 6); /* the first names no environment */
        assert_int_equal(stats_of(world).malformed, 1);
        static const struct {
                enum tk_code code;
                uint64_t key, cost;
        } expected[] = {{TK_CODE_wrong_environment, 17, 1}, {TK_CODE_malformed, 0, 1},
                        {TK_CODE_missing_key, 0, 1},        {TK_CODE_unknown, 0, 1},
                        {TK_CODE_quota_exceeded, 19, 2},    {TK_CODE_unavailable, 19, TK_LIMIT_COST_MAX}};
        for (unsigned i = 0; i < 6; i++) {
                assert_code(world->seen[i].code, expected[i].code);
                assert_int_equal(world->seen[i].key, expected[i].key);
                assert_int_equal(world->seen[i].cost, expected[i].cost);
                assert_memory_equal(&world->seen[i].ip, &ask.ip, sizeof ask.ip);
                assert_int_equal(stats_of(world).decisions[expected[i].code], 1);
        }
}

static void test_reservations(void **state)
{
        struct world *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        ask.now_ns = 0;
        ask.cost = 9;
        ask.reserve_s = 60;
        struct tk_answer first = test_answer(&world->test, &ask), second = test_answer(&world->test, &ask);
        assert_int_equal(tk_gate_settle(world->test.gate, first.reservation, 4), TK_OK);
        assert_int_equal(tk_gate_release(world->test.gate, second.reservation), TK_OK);
        assert_int_equal(tk_gate_release(world->test.gate, second.reservation), TK_NOT_FOUND);

        static const uint8_t flags[] = {TK_EVENT_RESERVED, TK_EVENT_RESERVED, TK_EVENT_SETTLED,
                                        TK_EVENT_RELEASED};
        static const uint64_t costs[] = {9, 9, 4, 0};
        assert_int_equal(drain(world), 4);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(world->seen[i].flags, flags[i]);
                assert_int_equal(world->seen[i].cost, costs[i]);
                assert_int_equal(world->seen[i].key, 17);
                assert_int_equal(world->seen[i].environment, world->test.production);
        }
        struct tk_drain_stats stats = stats_of(world);
        assert_int_equal(stats.reserved, 2);
        assert_int_equal(stats.settled, 1);
        assert_int_equal(stats.released, 1);
        assert_int_equal(stats.decisions[TK_CODE_valid], 2);
}

static void test_shadow_limits_and_names_without_a_place(void **state)
{
        struct world *world = *state;
        struct tk_limit_def shadow = test_window("day", 1, TK_PERIOD_DAY, 0);
        shadow.shadow = true;
        world->key.published.limits = &shadow;
        world->key.published.limit_count = 1;
        test_key_publish(&world->test, &world->key);
        decide(world, 1, 2);
        assert_int_equal(drain(world), 1);
        assert_code(world->seen[0].code, TK_CODE_valid);
        assert_int_equal(world->seen[0].flags, TK_EVENT_SHADOW_REFUSED);

        struct tk_limit_def each = test_rate("each", 10, 60, 12); /* whose shared entry is not in the first full bucket */
        struct tk_ask ask = test_ask(&world->test, &world->key);
        bool shared = false;
        for (unsigned i = 0; i < 1000 && !shared; i++) { /* there is room for 56 names */
                char name[8] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676)};
                struct tk_named_limit named = {.name = {name, 3}, .def = &each};
                ask.named = &named;
                ask.named_count = 1;
                shared = test_answer(&world->test, &ask).named_shared;
                assert_int_equal(drain(world), 1);
                assert_int_equal(!!(world->seen[0].flags & TK_EVENT_NAMED_OVERFLOW), shared);
        }
        assert_true(shared);
        assert_int_equal(stats_of(world).named_overflow, 1);
}

static void test_an_explanation_is_no_event(void **state)
{
        struct world *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        struct tk_explanation explanation;
        tk_gate_explain(world->test.gate, &ask, &explanation);
        assert_int_equal(drain(world), 0);
        assert_int_equal(rings_used(world), 0);
}

/* ---- a ring is full ---- */

static void test_a_full_ring_counts_what_it_loses(void **state)
{
        struct world *world = *state;
        assert_int_equal(drain(world), 0);
        decide(world, RING_EVENTS + 10, 1);
        assert_int_equal(drain(world), RING_EVENTS);
        assert_true(world->pass.lost);
        assert_int_equal(world->pass.fullest_permille, 1000);
        assert_int_equal(stats_of(world).lost, 10);
        for (unsigned i = 0; i < RING_EVENTS; i++)
                assert_int_equal(world->seen[i].cost, 1 + i);

        decide(world, RING_EVENTS, 500);
        assert_int_equal(drain(world), RING_EVENTS);
        assert_false(world->pass.lost);
        assert_int_equal(world->seen[0].cost, 500);
        assert_int_equal(stats_of(world).malformed, 0);
}

static void test_many_laps(void **state)
{
        struct world *world = *state;
        uint64_t written = 1, read = 1;
        for (unsigned i = 0; i < 300; i++) {
                unsigned count = i * 7 % (RING_EVENTS + 1);
                decide(world, count, written);
                written += count;
                assert_int_equal(drain(world), count);
                for (unsigned k = 0; k < count; k++)
                        assert_int_equal(world->seen[k].cost, read++);
        }
        assert_int_equal(stats_of(world).lost, 0);
        assert_int_equal(stats_of(world).malformed, 0);
}

/* ---- who has which ring ---- */

static void test_a_thread_keeps_its_ring(void **state)
{
        struct world *world = *state;
        assert_int_equal(rings_used(world), 0);
        assert_true(tk_gate_thread_begin(world->test.gate));
        assert_true(tk_gate_thread_begin(world->test.gate));
        decide(world, 3, 1);
        assert_int_equal(rings_used(world), 1);
        assert_int_equal(tk_rings_at(&world->rings, 0)->owner_pid, getpid());

        struct tk_gate *other = open_gate(world); /* in the same thread, and it has locks of its own */
        decide_with(other, world, 2, 10);
        assert_int_equal(rings_used(world), 2);
        tk_gate_close(other);
        assert_int_equal(rings_used(world), 1);

        tk_gate_thread_end(world->test.gate);
        tk_gate_thread_end(world->test.gate);
        assert_int_equal(rings_used(world), 0);
        assert_int_equal(tk_rings_at(&world->rings, 0)->owner_pid, 0);
        decide(world, 1, 4);
        assert_int_equal(rings_used(world), 1);
        assert_int_equal(drain(world), 6);
        assert_int_equal(stats_of(world).orphaned, 0);
}

struct crowd {
        struct world *world;
        pthread_barrier_t decided, over;
        _Atomic unsigned with_ring;
};

static void *be_in_the_crowd(void *argument)
{
        struct crowd *crowd = argument;
        if (tk_gate_thread_begin(crowd->world->test.gate))
                atomic_fetch_add(&crowd->with_ring, 1);
        decide(crowd->world, 5, 1);
        pthread_barrier_wait(&crowd->decided);
        pthread_barrier_wait(&crowd->over);
        return NULL;
}

static void test_more_threads_than_rings(void **state)
{
        enum { CROWD = RINGS + 3 };
        struct world *world = *state;
        struct crowd crowd = {.world = world};
        pthread_t threads[CROWD];
        pthread_barrier_init(&crowd.decided, NULL, CROWD + 1);
        pthread_barrier_init(&crowd.over, NULL, CROWD + 1);
        for (unsigned i = 0; i < CROWD; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, be_in_the_crowd, &crowd), 0);
        pthread_barrier_wait(&crowd.decided);

        assert_int_equal(crowd.with_ring, RINGS);
        assert_int_equal(rings_used(world), RINGS);
        assert_false(tk_gate_thread_begin(world->test.gate));
        decide(world, 1, 1);
        assert_int_equal(drain(world), RINGS * 5);
        assert_int_equal(stats_of(world).lost, (CROWD - RINGS) * 5 + 1);

        pthread_barrier_wait(&crowd.over);
        for (unsigned i = 0; i < CROWD; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(rings_used(world), 0);
        decide(world, 1, 1);
        assert_int_equal(rings_used(world), 0); /* it has stopped looking */
        assert_true(tk_gate_thread_begin(world->test.gate));
        decide(world, 1, 1);
        assert_int_equal(rings_used(world), 1);
        assert_int_equal(drain(world), 1);
        assert_int_equal(stats_of(world).lost, (CROWD - RINGS) * 5 + 2);
        pthread_barrier_destroy(&crowd.decided);
        pthread_barrier_destroy(&crowd.over);
}

/* Lock the whole file, as a decider that wants all rings would. */
static int lock_all(const struct world *world)
{
        char path[128];
        struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        test_gate_path(&world->test, "events", path);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &all), 0);
        return fd;
}

static void test_a_thread_without_a_ring_looks_again(void **state)
{
        struct world *world = *state;
        struct tk_ask ask = test_ask(&world->test, &world->key);
        ask.key = TK_STR("");
        int fd = lock_all(world);
        for (unsigned i = 0; i < 65535; i++)
                (void)test_decide(&world->test, &ask);
        close(fd);
        (void)test_decide(&world->test, &ask);
        assert_int_equal(rings_used(world), 0);
        (void)test_decide(&world->test, &ask);
        assert_int_equal(rings_used(world), 1);
        assert_int_equal(drain(world), 1);
        assert_int_equal(stats_of(world).lost, 65536);
}

/* ---- gates that are closed under their threads ---- */

struct leaver {
        struct world *world;
        struct tk_gate *gate, *next;
        pthread_barrier_t used, closed;
};

static void *outlive(void *argument)
{
        struct leaver *leaver = argument;
        decide_with(leaver->gate, leaver->world, 3, 1);
        pthread_barrier_wait(&leaver->used);
        pthread_barrier_wait(&leaver->closed);
        decide_with(leaver->next, leaver->world, 2, 10);
        return NULL;
}

static void test_a_gate_closed_under_threads_that_used_it(void **state)
{
        struct world *world = *state;
        struct leaver leaver = {.world = world, .gate = open_gate(world)};
        pthread_t threads[2];
        pthread_barrier_init(&leaver.used, NULL, 3);
        pthread_barrier_init(&leaver.closed, NULL, 3);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, outlive, &leaver), 0);
        pthread_barrier_wait(&leaver.used);
        assert_int_equal(rings_used(world), 2);
        tk_gate_close(leaver.gate);
        assert_int_equal(rings_used(world), 0);
        leaver.next = open_gate(world); /* it gets the same thread-specific key */
        pthread_barrier_wait(&leaver.closed);
        for (unsigned i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(rings_used(world), 0);
        tk_gate_close(leaver.next);
        assert_int_equal(drain(world), 10);
        assert_int_equal(stats_of(world).orphaned, 0);
        pthread_barrier_destroy(&leaver.used);
        pthread_barrier_destroy(&leaver.closed);
}

static void test_gates_that_come_and_go_use_nothing_up(void **state)
{
        struct world *world = *state;
        for (unsigned i = 0; i < 1100; i++) { /* a process has 1024 keys */
                struct tk_gate *gate = open_gate(world);
                if (i % 100 == 0)
                        decide_with(gate, world, 1, 1);
                tk_gate_close(gate);
        }
        assert_int_equal(drain(world), 11);
}

/* ---- processes ---- */

/* Run it in a child that must end well. */
static void in_child(struct world *world, void (*run)(struct world *world))
{
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                run(world);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void child_with_a_gate_of_its_own(struct world *world)
{
        struct tk_gate *gate = NULL;
        struct tk_fault fault;
        if (tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault))
                _exit(1);
        decide_with(gate, world, 20, 100);
        tk_gate_close(gate);
}

static void test_another_process(void **state)
{
        struct world *world = *state;
        decide(world, 10, 1);
        in_child(world, child_with_a_gate_of_its_own);
        decide(world, 10, 11);
        assert_int_equal(drain(world), 40);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(world->seen[i].cost, 1 + i);
        for (unsigned i = 20; i < 40; i++)
                assert_int_equal(world->seen[i].cost, 100 + i - 20);
        assert_int_equal(rings_used(world), 1);
}

static void child_after_fork(struct world *world)
{
        if (tk_gate_after_fork(world->test.gate))
                _exit(1);
        decide(world, 20, 100);
        if (rings_used(world) != 2)
                _exit(2);
        tk_gate_close(world->test.gate);
        if (rings_used(world) != 1)
                _exit(3);
}

static void test_a_child_has_rings_of_its_own(void **state)
{
        struct world *world = *state;
        decide(world, 10, 1);
        in_child(world, child_after_fork);
        assert_int_equal(rings_used(world), 1);
        decide(world, 10, 11);
        assert_int_equal(drain(world), 40);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(world->seen[i].cost, 1 + i);
        for (unsigned i = 20; i < 40; i++)
                assert_int_equal(world->seen[i].cost, 100 + i - 20);
        assert_int_equal(stats_of(world).lost, 0);
        assert_int_equal(stats_of(world).malformed, 0);
}

static void *decide_twice(void *argument)
{
        decide(argument, 2, 100);
        return NULL;
}

/* Both the thread that had a ring in the parent, and one that is new. */
static void child_that_forgets(struct world *world)
{
        pthread_t thread;
        decide(world, 20, 100);
        if (pthread_create(&thread, NULL, decide_twice, world) != 0 || pthread_join(thread, NULL) != 0)
                _exit(1);
        tk_gate_thread_end(world->test.gate);
        tk_gate_close(world->test.gate);
        if (rings_used(world) != 1)
                _exit(2);
}

static void test_a_child_that_forgets_to_say_so_harms_nobody(void **state)
{
        struct world *world = *state;
        decide(world, 10, 1);
        in_child(world, child_that_forgets);
        assert_int_equal(rings_used(world), 1);
        decide(world, 10, 11);
        assert_int_equal(drain(world), 20);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(world->seen[i].cost, 1 + i);
        assert_int_equal(stats_of(world).lost, 22);
        assert_int_equal(stats_of(world).malformed, 0);
}

static void child_of_a_gate_that_was_replaced(struct world *world)
{
        if (tk_gate_after_fork(world->test.gate) != TK_IO)
                _exit(1);
        decide(world, 1, 100);
}

static void test_a_child_of_a_gate_that_was_replaced(void **state)
{
        struct world *world = *state;
        struct tk_fault fault;
        decide(world, 1, 1);
        tk_drain_close(world->drain);
        world->drain = NULL;
        assert_int_equal(tk_publisher_renew(world->test.publisher, &fault), TK_OK);
        in_child(world, child_of_a_gate_that_was_replaced);
}

/* ---- the killed ---- */

/* A child that decides so often and then waits for its end. */
static pid_t start_decider(struct world *world, unsigned times)
{
        int ready[2];
        char byte = 0;
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct tk_gate *gate = NULL;
                struct tk_fault fault;
                if (tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault))
                        _exit(1);
                decide_with(gate, world, times, 1);
                (void)!write(ready[1], &byte, 1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return child;
}

static void end_decider(pid_t child)
{
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_a_killed_process_leaves_its_events_and_its_ring(void **state)
{
        struct world *world = *state;
        assert_int_equal(drain(world), 0);
        pid_t child = start_decider(world, 20);
        assert_int_equal(rings_used(world), 1);
        assert_int_equal(tk_rings_at(&world->rings, 0)->owner_pid, child);
        end_decider(child);

        assert_int_equal(drain(world), 20);
        assert_false(world->pass.lost);
        assert_int_equal(rings_used(world), 0);
        assert_int_equal(stats_of(world).orphaned, 1);
        assert_int_equal(rings_used(world), 0);
        assert_int_equal(stats_of(world).orphaned, 1);
        assert_int_equal(drain(world), 0);
        assert_true(world->pass.lost); /* one it may have charged and not written */

        decide(world, 5, 50);
        assert_int_equal(drain(world), 5);
        assert_false(world->pass.lost);
        assert_int_equal(tk_rings_at(&world->rings, 0)->head, 25);
}

/* The next owner is quicker than the daemon. */
static void test_a_ring_of_a_killed_process_changes_hands(void **state)
{
        struct world *world = *state;
        assert_int_equal(drain(world), 0);
        end_decider(start_decider(world, 20));
        decide(world, 5, 50);
        assert_int_equal(tk_rings_at(&world->rings, 0)->owner_pid, getpid());
        assert_int_equal(drain(world), 25);
        assert_true(world->pass.lost);
        assert_int_equal(rings_used(world), 1);
        assert_int_equal(stats_of(world).orphaned, 1);
        assert_int_equal(drain(world), 0);
        assert_false(world->pass.lost);
}

/* Head and tail are whatever it wrote there last. */
static void test_a_ring_that_a_compromised_process_left(void **state)
{
        static const struct {
                uint64_t head, tail;
        } left[] = {{UINT64_MAX, 0},
                    {5, UINT64_MAX},
                    {UINT64_C(1) << 40, 3},
                    {0, 0},
                    {UINT64_MAX - 2, UINT64_MAX - 2}};
        struct world *world = *state;
        for (unsigned i = 0; i < sizeof left / sizeof *left; i++) {
                struct tk_format_ring *ring = tk_rings_at(&world->rings, 0);
                tk_gate_thread_end(world->test.gate);
                ring->head = left[i].head;
                ring->tail = left[i].tail;
                assert_true(tk_gate_thread_begin(world->test.gate));
                decide(world, 1, 1);
                (void)drain(world); /* what is wrong is mended */
                uint64_t lost = stats_of(world).lost, malformed = stats_of(world).malformed;
                for (unsigned k = 0; k < 5; k++) {
                        decide(world, 50, 1000 * k);
                        assert_int_equal(drain(world), 50);
                        assert_int_equal(world->seen[0].cost, 1000 * k);
                }
                assert_int_equal(stats_of(world).lost, lost);
                assert_int_equal(stats_of(world).malformed, malformed);
        }
}

/* ---- files that are not sound ---- */

static void test_rings_that_do_not_fit_their_file(void **state)
{
        struct world *world = *state;
        static const uint64_t sizes[] = {0, 16, 32, 63, 65, 128, UINT64_C(1) << 31, UINT64_C(1) << 47};
        struct tk_format_header *keys = tk_files_keys_header(tk_publisher_files(world->test.publisher));
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                struct tk_gate *gate = NULL;
                struct tk_fault fault;
                struct tk_drain *drain = NULL;
                keys->ring_events = tk_seal(sizes[i]);
                assert_int_equal(
                        tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault),
                        TK_CORRUPT);
                assert_int_equal(tk_drain_open(tk_publisher_files(world->test.publisher), &drain),
                                 TK_CORRUPT);
                assert_null(drain);
        }
        keys->ring_events = tk_seal(RING_EVENTS);
        tk_gate_close(open_gate(world));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_an_admitted_request),
                TEST(test_refusals),
                TEST(test_reservations),
                TEST(test_shadow_limits_and_names_without_a_place),
                TEST(test_an_explanation_is_no_event),
                TEST(test_a_full_ring_counts_what_it_loses),
                TEST(test_many_laps),
                TEST(test_a_thread_keeps_its_ring),
                TEST(test_more_threads_than_rings),
                TEST(test_a_thread_without_a_ring_looks_again),
                TEST(test_a_gate_closed_under_threads_that_used_it),
                TEST(test_gates_that_come_and_go_use_nothing_up),
                TEST(test_another_process),
                TEST(test_a_child_has_rings_of_its_own),
                TEST(test_a_child_that_forgets_to_say_so_harms_nobody),
                TEST(test_a_child_of_a_gate_that_was_replaced),
                TEST(test_a_killed_process_leaves_its_events_and_its_ring),
                TEST(test_a_ring_of_a_killed_process_changes_hands),
                TEST(test_a_ring_that_a_compromised_process_left),
                TEST(test_rings_that_do_not_fit_their_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
