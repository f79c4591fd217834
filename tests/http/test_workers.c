/*
 * The pool of workers: what is urgent passes what waits, a full queue refuses, a stop finishes what was taken. Requests
 * are only numbers here; the handler waits until the test lets it go on.
 */
#include "check.h"
#include "http/request.h"
#include "http/workers.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#define REQUESTS 16

static struct tk_request *requests;  /* several 20 KiB each */
static sem_t begun, go_on[REQUESTS]; /* of each request */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t order[REQUESTS], count; /* as they began */

static void run(struct tk_request *request)
{
        size_t number = (size_t)(request - requests);

        pthread_mutex_lock(&lock);
        order[count++] = number;
        pthread_mutex_unlock(&lock);
        sem_post(&begun);
        sem_wait(&go_on[number]);
}

static int set_up(void **state)
{
        (void)state;
        requests = test_calloc(REQUESTS, sizeof(*requests));
        sem_init(&begun, 0, 0);
        for (size_t i = 0; i < REQUESTS; i++)
                sem_init(&go_on[i], 0, 0);
        count = 0;
        return requests ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        test_free(requests);
        sem_destroy(&begun);
        for (size_t i = 0; i < REQUESTS; i++)
                sem_destroy(&go_on[i]);
        return 0;
}

static void let_go_all(void)
{
        for (size_t i = 0; i < REQUESTS; i++)
                sem_post(&go_on[i]);
}

/* One ordinary thread and the urgent one: both are busy, then 2, 3 wait, and 4 comes with urgency. */
static void urgent_goes_first(void **state)
{
        struct tk_workers *workers;

        (void)state;
        assert_int_equal(tk_workers_start(1, 8, run, &workers), TK_OK);
        assert_true(tk_workers_push(workers, &requests[0], false));
        sem_wait(&begun);
        assert_true(tk_workers_push(workers, &requests[1], true)); /* the urgent thread takes it at once */
        sem_wait(&begun);
        assert_true(tk_workers_push(workers, &requests[2], false));
        assert_true(tk_workers_push(workers, &requests[3], false));
        assert_true(tk_workers_push(workers, &requests[4], true));
        sem_post(&go_on[0]); /* the ordinary thread is free, the other is not */
        sem_wait(&begun);
        assert_int_equal(order[2], 4);
        let_go_all();
        tk_workers_stop(workers);
        assert_int_equal(count, 5);
}

/* Every ordinary thread waits for a slow disk: something urgent still begins. */
static void urgent_has_a_thread_to_itself(void **state)
{
        struct tk_workers *workers;

        (void)state;
        assert_int_equal(tk_workers_start(2, 8, run, &workers), TK_OK);
        for (size_t i = 0; i < 4; i++)
                assert_true(tk_workers_push(workers, &requests[i], false));
        sem_wait(&begun);
        sem_wait(&begun);
        assert_true(tk_workers_push(workers, &requests[4], true));
        sem_wait(&begun); /* would block for ever */
        let_go_all();
        tk_workers_stop(workers);
        assert_int_equal(count, 5);
}

static void a_full_queue_refuses(void **state)
{
        struct tk_workers *workers;
        struct tk_workers_stats stats;

        (void)state;
        assert_int_equal(tk_workers_start(1, 2, run, &workers), TK_OK);
        assert_true(tk_workers_push(workers, &requests[0], false));
        sem_wait(&begun);
        assert_true(tk_workers_push(workers, &requests[1], false));
        assert_true(tk_workers_push(workers, &requests[2], false));
        assert_false(tk_workers_push(workers, &requests[3], false));
        assert_true(tk_workers_push(workers, &requests[4], true)); /* the other queue has room */
        sem_wait(&begun);
        tk_workers_stats(workers, &stats);
        assert_int_equal(stats.queued, 2);
        assert_int_equal(stats.refused, 1);
        assert_true(tk_workers_go_on(workers, &requests[5])); /* what was begun goes on */
        let_go_all();
        tk_workers_stop(workers);
        assert_int_equal(count, 5);
}

static void many_at_once(void **state)
{
        struct tk_workers *workers;
        bool seen[REQUESTS] = {false};

        (void)state;
        let_go_all();
        assert_int_equal(tk_workers_start(4, REQUESTS, run, &workers), TK_OK);
        for (size_t i = 0; i < REQUESTS; i++)
                assert_true(tk_workers_push(workers, &requests[i], i % 3 == 0));
        tk_workers_stop(workers); /* finishes what waits */
        assert_int_equal(count, REQUESTS);
        for (size_t i = 0; i < REQUESTS; i++)
                seen[order[i]] = true;
        for (size_t i = 0; i < REQUESTS; i++)
                assert_true(seen[i]);
}

/* While a server stops, its network threads still push: they are refused, and find the pool where it was. */
static void finished_refuses(void **state)
{
        struct tk_workers *workers;

        (void)state;
        let_go_all();
        assert_int_equal(tk_workers_start(1, 8, run, &workers), TK_OK);
        assert_true(tk_workers_push(workers, &requests[0], false));
        tk_workers_finish(workers);
        assert_int_equal(count, 1);
        assert_false(tk_workers_push(workers, &requests[1], false));
        assert_false(tk_workers_push(workers, &requests[2], true));
        assert_false(tk_workers_go_on(workers, &requests[3]));
        tk_workers_finish(workers); /* once more is nothing more */
        tk_workers_stop(workers);
        assert_int_equal(count, 1);
        tk_workers_finish(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(urgent_goes_first, set_up, tear_down),
                cmocka_unit_test_setup_teardown(urgent_has_a_thread_to_itself, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_full_queue_refuses, set_up, tear_down),
                cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(finished_refuses, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("http/workers", tests, NULL, NULL);
}
