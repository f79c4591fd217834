/*
 * Who gets which ring: threads, processes, children of fork(), the killed. There are four.
 */
#include "drained.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- who has which ring ---- */

static void test_a_thread_keeps_its_ring(void **state)
{
        struct drained *world = *state;
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
        struct drained *world;
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
        struct drained *world = *state;
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
static int lock_all(const struct drained *world)
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
        struct drained *world = *state;
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
        struct drained *world;
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
        struct drained *world = *state;
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
        struct drained *world = *state;
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
static void in_child(struct drained *world, void (*run)(struct drained *world))
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

static void child_with_a_gate_of_its_own(struct drained *world)
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
        struct drained *world = *state;
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

static void child_after_fork(struct drained *world)
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
        struct drained *world = *state;
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
static void child_that_forgets(struct drained *world)
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
        struct drained *world = *state;
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

static void child_of_a_gate_that_was_replaced(struct drained *world)
{
        if (tk_gate_after_fork(world->test.gate) != TK_IO)
                _exit(1);
        decide(world, 1, 100);
}

static void test_a_child_of_a_gate_that_was_replaced(void **state)
{
        struct drained *world = *state;
        struct tk_fault fault;
        decide(world, 1, 1);
        tk_drain_close(world->drain);
        world->drain = NULL;
        assert_int_equal(tk_publisher_renew(world->test.publisher, &fault), TK_OK);
        in_child(world, child_of_a_gate_that_was_replaced);
}

/* ---- the killed ---- */

/* A child that decides so often and then waits for its end. */
static pid_t start_decider(struct drained *world, unsigned times)
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
        struct drained *world = *state;
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
        struct drained *world = *state;
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
        struct drained *world = *state;
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, drained_setup, drained_teardown)
        const struct CMUnitTest tests[] = {
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
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
