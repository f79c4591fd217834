/*
 * Threads and forks through the public header: places for records are taken, given back, and never shared with a parent process.
 */
#include "fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A thread that has a place, or none, until it is told to go. */
struct guest {
        struct fixture *f;
        sem_t began, go;
        bool has_place;
        bool ends; /* says so, instead of leaving it to the end of the thread */
        pthread_t thread;
};

static void *stay(void *context)
{
        struct guest *guest = context;
        guest->has_place = tollkeeper_thread_begin(guest->f->gate);
        sem_post(&guest->began);
        sem_wait(&guest->go);
        if (guest->ends)
                tollkeeper_thread_end(guest->f->gate);
        return NULL;
}

static void come(struct guest *guest, struct fixture *f, bool ends)
{
        memset(guest, 0, sizeof *guest);
        guest->f = f;
        guest->ends = ends;
        assert_int_equal(sem_init(&guest->began, 0, 0), 0);
        assert_int_equal(sem_init(&guest->go, 0, 0), 0);
        assert_int_equal(pthread_create(&guest->thread, NULL, stay, guest), 0);
        sem_wait(&guest->began);
}

static void leave(struct guest *guest)
{
        sem_post(&guest->go);
        pthread_join(guest->thread, NULL);
}

static void places_are_given_back(void **state)
{
        struct fixture *f = *state;
        struct guest guests[4], late;
        fixture_open(f);
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i < test_sizes.rings; i++) {
                        come(&guests[i], f, i % 2);
                        assert_true(guests[i].has_place);
                }
                come(&late, f, false);
                assert_false(late.has_place);
                leave(&late);
                for (unsigned i = 0; i < test_sizes.rings; i++)
                        leave(&guests[i]);
        }
        assert_true(tollkeeper_thread_begin(f->gate));
        assert_true(tollkeeper_thread_begin(f->gate)); /* it has one */
        tollkeeper_thread_end(f->gate);
        tollkeeper_thread_end(f->gate);
}

/* Without a place a decision is as good as any. */
static void decisions_need_no_place(void **state)
{
        struct fixture *f = *state;
        struct guest guests[4];
        struct test_key key;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        for (unsigned i = 0; i < test_sizes.rings; i++)
                come(&guests[i], f, false);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
        assert_false(tollkeeper_thread_begin(f->gate));
        for (unsigned i = 0; i < test_sizes.rings; i++)
                leave(&guests[i]);
}

static void a_thread_in_two_sets(void **state)
{
        struct fixture *f = *state;
        struct tk_fault fault = {0};
        fixture_open(f);
        assert_true(tollkeeper_thread_begin(f->gate));
        assert_int_equal(tk_publisher_renew(f->daemon.publisher, &fault), TK_OK);
        tk_publisher_set_applied(f->daemon.publisher, 1);
        assert_result(tollkeeper_refresh(f->gate, &f->error), TOLLKEEPER_OK);
        assert_true(tollkeeper_thread_begin(f->gate));
        tollkeeper_thread_end(f->gate);
}

/* What the child does; a status that says where it failed. */
static int decide_in_child(struct fixture *f, const struct tollkeeper_ask *ask)
{
        struct tollkeeper_answer answer = {.size = sizeof answer};
        uint32_t environment;
        if (tollkeeper_after_fork(f->gate, &f->error) != TOLLKEEPER_OK)
                return 1;
        if (!tollkeeper_thread_begin(f->gate))
                return 2;
        if (tollkeeper_decide(f->gate, ask, &answer) != TOLLKEEPER_VALID)
                return 3;
        if (tollkeeper_environment(f->gate, "weather", "staging", &environment, &f->error) != TOLLKEEPER_OK)
                return 4;
        if (tollkeeper_refresh(f->gate, &f->error) != TOLLKEEPER_OK)
                return 5;
        tollkeeper_close(f->gate);
        return 0;
}

static void a_child_has_places_of_its_own(void **state)
{
        struct fixture *f = *state;
        struct guest guests[4];
        struct test_key key;
        fixture_open(f);
        test_key_issue(&f->daemon, 1, &key);
        struct tollkeeper_ask ask = fixture_ask(f, &key);
        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL); /* takes a place */

        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(decide_in_child(f, &ask));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);

        fixture_expect(f, &ask, TOLLKEEPER_VALID, NULL);
        for (unsigned i = 0; i < test_sizes.rings; i++)
                come(&guests[i], f, false);
        for (unsigned i = 0; i < test_sizes.rings; i++)
                assert_int_equal(guests[i].has_place,
                                 i < test_sizes.rings - 1); /* the child's is free again */
        for (unsigned i = 0; i < test_sizes.rings; i++)
                leave(&guests[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(places_are_given_back),
                TEST(decisions_need_no_place),
                TEST(a_thread_in_two_sets),
                TEST(a_child_has_places_of_its_own),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
