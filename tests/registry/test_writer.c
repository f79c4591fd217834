/*
 * The contract of the writer, on whatever engine: lanes, group commit, jobs undone alone, the `committed` hook, snapshots.
 * A job that waits on a semaphore holds the writer, so that what comes next is known before it goes on.
 */
#include "fixture.h"

#include "core/alloc.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- callers: one thread each, that makes one write ---- */

struct caller {
        struct fixture *f;
        enum tk_lane lane;
        tk_txn_fn *run;
        void *context;
        pthread_t thread;
        enum tk_err result;
        atomic_bool answered;
};

static void *caller_main(void *argument)
{
        struct caller *caller = argument;

        caller->result = tk_registry_write(caller->f->registry, caller->lane, caller->run, caller->context);
        atomic_store(&caller->answered, true);
        return NULL;
}

static void caller_start(struct caller *caller, struct fixture *f, enum tk_lane lane, tk_txn_fn *run,
                         void *context)
{
        *caller = (struct caller){.f = f, .lane = lane, .run = run, .context = context};
        assert_int_equal(pthread_create(&caller->thread, NULL, caller_main, caller), 0);
}

static enum tk_err caller_join(struct caller *caller)
{
        pthread_join(caller->thread, NULL);
        return caller->result;
}

static void wait_until_queued(struct fixture *f, uint64_t count)
{
        struct tk_registry_stats stats;

        do {
                sched_yield();
                tk_registry_stats(f->registry, &stats);
        } while (stats.queued_jobs != count);
}

/* A job that holds the writer. */
struct hold {
        struct caller caller;
        sem_t running, go;
};

static enum tk_err hold_job(struct tk_txn *txn, void *context)
{
        struct hold *hold = context;

        (void)txn;
        sem_post(&hold->running);
        sem_wait(&hold->go);
        return TK_OK;
}

static void hold_writer(struct fixture *f, struct hold *hold)
{
        sem_init(&hold->running, 0, 0);
        sem_init(&hold->go, 0, 0);
        caller_start(&hold->caller, f, TK_LANE_NORMAL, hold_job, hold);
        sem_wait(&hold->running);
}

static void let_go(struct hold *hold)
{
        sem_post(&hold->go);
        assert_err(caller_join(&hold->caller), TK_OK);
        sem_destroy(&hold->running);
        sem_destroy(&hold->go);
}

/* A job that makes a consumer, notes when it ran, and then says `result`. */
struct make {
        struct fixture *f;
        struct tk_consumer consumer;
        atomic_uint *clock;
        unsigned ran_at;
        enum tk_err result;
};

static enum tk_err make_job(struct tk_txn *txn, void *context)
{
        struct make *make = context;
        enum tk_err err = tk_consumer_create(txn, &make->consumer, &make->f->change);

        make->ran_at = atomic_fetch_add(make->clock, 1);
        return err == TK_OK ? make->result : err;
}

static struct make new_make(struct fixture *f, atomic_uint *clock, unsigned number)
{
        struct tk_str name = tk_arena_printf(&f->arena, "consumer-%u", number);

        return (struct make){.f = f,
                             .clock = clock,
                             .consumer = {.state = TK_STATE_ACTIVE, .name = name, .metadata = TK_STR("{}")}};
}

/* ---- lanes ---- */

#define BULK 200

static void a_revoke_overtakes_an_import(void **state)
{
        struct fixture *f = *state;
        struct caller *callers = tk_calloc(BULK + 1, sizeof *callers);
        struct make *makes = tk_calloc(BULK + 1, sizeof *makes);
        atomic_uint clock = 0;
        struct hold hold;

        hold_writer(f, &hold);
        for (unsigned i = 0; i <= BULK; i++) {
                makes[i] = new_make(f, &clock, i);
                caller_start(&callers[i], f, i == BULK ? TK_LANE_FAST : TK_LANE_NORMAL, make_job, &makes[i]);
        }
        wait_until_queued(f, BULK + 1);
        let_go(&hold);
        for (unsigned i = 0; i <= BULK; i++)
                assert_err(caller_join(&callers[i]), TK_OK);
        assert_int_equal(makes[BULK].ran_at, 0);
        fixture_check(f);
        tk_free(callers);
        tk_free(makes);
}

/* ---- group commit ---- */

#define TOGETHER 100

/* How many batches they take depends on how fast the machine is, since a batch ends by time; never nearly one each. */
static void jobs_that_wait_together_commit_together(void **state)
{
        struct fixture *f = *state;
        struct tk_registry_stats before, after;
        struct caller callers[TOGETHER];
        struct make makes[TOGETHER];
        atomic_uint clock = 0;
        struct hold hold;

        tk_registry_stats(f->registry, &before);
        hold_writer(f, &hold);
        for (unsigned i = 0; i < TOGETHER; i++) {
                makes[i] = new_make(f, &clock, i);
                makes[i].result = i == 3 ? TK_DENIED : TK_OK;
                caller_start(&callers[i], f, TK_LANE_NORMAL, make_job, &makes[i]);
        }
        wait_until_queued(f, TOGETHER);
        let_go(&hold);
        for (unsigned i = 0; i < TOGETHER; i++)
                assert_err(caller_join(&callers[i]), i == 3 ? TK_DENIED : TK_OK);
        tk_registry_stats(f->registry, &after);
        assert_in_range(after.commits - before.commits, 1, TOGETHER / 2);
        assert_int_equal(after.jobs - before.jobs, TOGETHER + 1);
        assert_int_equal(after.failed_jobs - before.failed_jobs, 1);
        assert_int_equal(fixture_feed_last(f), TOGETHER - 1);
        fixture_check(f);
}

#define WRITERS 16
#define WRITES  25

struct writer {
        struct fixture *f;
        const struct world *world;
        uint64_t ids[WRITES];
        pthread_t thread;
};

struct issue {
        const struct writer *writer;
        struct tk_key key;
};

static enum tk_err issue_job(struct tk_txn *txn, void *context)
{
        struct issue *issue = context;

        issue->key = fixture_key(issue->writer->world, 1);
        return fixture_key_create(txn, &issue->key, &issue->writer->f->change);
}

static enum tk_err find_job(struct tk_txn *txn, void *context)
{
        struct issue *issue = context;
        struct tk_arena arena;
        struct tk_key got;
        enum tk_err err;

        tk_arena_init(&arena, 0);
        err = tk_key_get(txn, issue->key.id, &arena, &got);
        tk_arena_fini(&arena);
        return err;
}

static void *writer_main(void *argument)
{
        struct writer *writer = argument;
        struct issue *issue = tk_calloc(1, sizeof *issue);

        issue->writer = writer;
        for (unsigned i = 0; i < WRITES; i++) {
                enum tk_lane lane = i % 5 == 0 ? TK_LANE_FAST : TK_LANE_NORMAL;

                if (tk_registry_write(writer->f->registry, lane, issue_job, issue) != TK_OK)
                        abort();
                /* What was answered can be read at once. */
                if (tk_registry_read(writer->f->registry, find_job, issue) != TK_OK)
                        abort();
                writer->ids[i] = issue->key.id;
        }
        tk_free(issue);
        return NULL;
}

static void sixteen_threads_write_at_once(void **state)
{
        struct fixture *f = *state;
        bool seen[WRITERS * WRITES + 1] = {false};
        struct writer writers[WRITERS];
        struct tk_registry_stats stats;
        struct world w;

        fixture_world(f, &w);
        for (unsigned i = 0; i < WRITERS; i++) {
                writers[i] = (struct writer){.f = f, .world = &w};
                assert_int_equal(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
        }
        for (unsigned i = 0; i < WRITERS; i++) {
                pthread_join(writers[i].thread, NULL);
                for (unsigned j = 0; j < WRITES; j++) {
                        assert_in_range(writers[i].ids[j], 1, WRITERS * WRITES);
                        assert_false(seen[writers[i].ids[j]]);
                        seen[writers[i].ids[j]] = true;
                }
        }
        tk_registry_stats(f->registry, &stats);
        assert_int_equal(stats.jobs, WRITERS * WRITES + 1);
        assert_true(stats.commits <= stats.jobs);
        assert_int_equal(stats.failed_jobs, 0);
        assert_int_equal(stats.queued_jobs, 0);
        fixture_check(f);
}

static void closing_finishes_what_is_queued(void **state)
{
        struct fixture *f = *state;
        struct caller callers[50];
        struct make makes[50];
        atomic_uint clock = 0;
        struct hold hold;

        hold_writer(f, &hold);
        for (unsigned i = 0; i < 50; i++) {
                makes[i] = new_make(f, &clock, i);
                caller_start(&callers[i], f, TK_LANE_NORMAL, make_job, &makes[i]);
        }
        wait_until_queued(f, 50);
        sem_post(&hold.go);
        fixture_reopen(f);
        for (unsigned i = 0; i < 50; i++)
                assert_err(caller_join(&callers[i]), TK_OK);
        assert_err(caller_join(&hold.caller), TK_OK);
        assert_int_equal(fixture_feed_last(f), 50);
        fixture_check(f);
}

/* ---- the hook ---- */

struct hook {
        struct fixture *f;
        enum tk_err result;
        unsigned calls;
        uint64_t told_seq, read_seq;
        bool hold;
        sem_t called, go;
};

static enum tk_err read_last(struct tk_txn *txn, void *context)
{
        return tk_feed_last(txn, context);
}

static enum tk_err committed(void *context, uint64_t feed_seq)
{
        struct hook *hook = context;

        hook->calls++;
        hook->told_seq = feed_seq;
        if (tk_registry_read(hook->f->registry, read_last, &hook->read_seq) != TK_OK)
                return TK_IO;
        if (hook->hold) {
                sem_post(&hook->called);
                sem_wait(&hook->go);
        }
        return hook->result;
}

static void with_hook(struct fixture *f, struct hook *hook)
{
        *hook = (struct hook){.f = f};
        sem_init(&hook->called, 0, 0);
        sem_init(&hook->go, 0, 0);
        f->config.committed = committed;
        f->config.context = hook;
        fixture_reopen(f);
}

static void writers_are_answered_after_the_hook(void **state)
{
        struct fixture *f = *state;
        struct caller caller;
        atomic_uint clock = 0;
        struct make make = new_make(f, &clock, 0);
        struct hook hook;

        with_hook(f, &hook);
        hook.hold = true;
        caller_start(&caller, f, TK_LANE_NORMAL, make_job, &make);
        sem_wait(&hook.called);
        assert_false(atomic_load(&caller.answered));
        assert_int_equal(hook.told_seq, 1);
        assert_int_equal(hook.read_seq, 1);
        sem_post(&hook.go);
        assert_err(caller_join(&caller), TK_OK);
        assert_int_equal(hook.calls, 1);
}

static void a_hook_that_fails_makes_the_outcome_uncertain(void **state)
{
        struct fixture *f = *state;
        struct caller callers[2];
        atomic_uint clock = 0;
        struct make good = new_make(f, &clock, 0), bad = new_make(f, &clock, 1);
        struct tk_consumer got;
        struct hook hook;
        struct hold hold;

        with_hook(f, &hook);
        hook.result = TK_IO;
        bad.result = TK_DENIED;
        hold_writer(f, &hold);
        caller_start(&callers[0], f, TK_LANE_NORMAL, make_job, &good);
        caller_start(&callers[1], f, TK_LANE_NORMAL, make_job, &bad);
        wait_until_queued(f, 2);
        sem_post(&hold.go);
        assert_err(caller_join(&hold.caller), TK_UNCERTAIN);
        assert_err(caller_join(&callers[0]), TK_UNCERTAIN);
        assert_err(caller_join(&callers[1]), TK_DENIED);
        assert_err(READ(f, tk_consumer_find(txn, TK_STR("consumer-0"), &f->arena, &got)), TK_OK);
        assert_err(READ(f, tk_consumer_find(txn, TK_STR("consumer-1"), &f->arena, &got)), TK_NOT_FOUND);
}

static void the_hook_hears_only_of_changes(void **state)
{
        struct fixture *f = *state;
        atomic_uint clock = 0;
        struct make bad = new_make(f, &clock, 0);
        struct hook hook;

        with_hook(f, &hook);
        bad.result = TK_DENIED;
        assert_err(tk_registry_write(f->registry, TK_LANE_NORMAL, make_job, &bad), TK_DENIED);
        assert_int_equal(hook.calls, 0);
}

/* ---- reads ---- */

struct snapshot {
        struct fixture *f;
        struct make *make;
        uint64_t before, after;
};

static enum tk_err read_write_read(struct tk_txn *txn, void *context)
{
        struct snapshot *snapshot = context;
        enum tk_err err = tk_feed_last(txn, &snapshot->before);

        if (err == TK_OK)
                err = tk_registry_write(snapshot->f->registry, TK_LANE_NORMAL, make_job, snapshot->make);
        return err == TK_OK ? tk_feed_last(txn, &snapshot->after) : err;
}

static void a_read_sees_one_moment(void **state)
{
        struct fixture *f = *state;
        atomic_uint clock = 0;
        struct make make = new_make(f, &clock, 0);
        struct snapshot snapshot = {.f = f, .make = &make};

        assert_err(tk_registry_read(f->registry, read_write_read, &snapshot), TK_OK);
        assert_int_equal(snapshot.before, 0);
        assert_int_equal(snapshot.after, 0);
        assert_int_equal(fixture_feed_last(f), 1);
}

static enum tk_err deny(struct tk_txn *txn, void *context)
{
        (void)txn;
        (void)context;
        return TK_DENIED;
}

static void a_read_returns_what_it_says(void **state)
{
        struct fixture *f = *state;

        assert_err(tk_registry_read(f->registry, deny, NULL), TK_DENIED);
}

/* ---- misuse is found, not waited for ---- */

static enum tk_err write_in_job(struct tk_txn *txn, void *context)
{
        (void)txn;
        return tk_registry_write(((struct fixture *)context)->registry, TK_LANE_NORMAL, deny, NULL);
}

static enum tk_err write_in_hook(void *context, uint64_t feed_seq)
{
        (void)feed_seq;
        return tk_registry_write(((struct hook *)context)->f->registry, TK_LANE_NORMAL, deny, NULL);
}

static enum tk_err do_nothing(struct tk_txn *txn, void *context)
{
        (void)txn;
        (void)context;
        return TK_OK;
}

static void misuse_in_job(struct fixture *f)
{
        (void)tk_registry_write(f->registry, TK_LANE_NORMAL, write_in_job, f);
}

static void misuse_in_hook(struct fixture *f)
{
        struct hook hook = {.f = f};

        f->config.committed = write_in_hook;
        f->config.context = &hook;
        fixture_reopen(f);
        (void)tk_registry_write(f->registry, TK_LANE_NORMAL, do_nothing, NULL);
}

/* A registry of its own in a child, whose words about the assertion nobody needs to see. */
static void assert_aborts(void (*misuse)(struct fixture *f))
{
        char folder[] = "/tmp/tk-registry-XXXXXX";
        char command[64];
        int status;
        pid_t child;

        assert_non_null(mkdtemp(folder));
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct fixture f = {0};

                alarm(20); /* a dead-lock ends as a failure */
                assert_non_null(freopen("/dev/null", "w", stderr));
                fixture_init(&f, folder, NULL);
                misuse(&f);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
        assert_int_equal(system(command), 0);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_write_in_a_job_is_an_assertion(void **state)
{
        (void)state;
        assert_aborts(misuse_in_job);
}

static void a_write_in_the_hook_is_an_assertion(void **state)
{
        (void)state;
        assert_aborts(misuse_in_hook);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_revoke_overtakes_an_import),
                CASE(jobs_that_wait_together_commit_together),
                CASE(sixteen_threads_write_at_once),
                CASE(closing_finishes_what_is_queued),
                CASE(writers_are_answered_after_the_hook),
                CASE(a_hook_that_fails_makes_the_outcome_uncertain),
                CASE(the_hook_hears_only_of_changes),
                CASE(a_read_sees_one_moment),
                CASE(a_read_returns_what_it_says),
                cmocka_unit_test(a_write_in_a_job_is_an_assertion),
                cmocka_unit_test(a_write_in_the_hook_is_an_assertion),
        };

        return cmocka_run_group_tests_name("registry writer", tests, NULL, NULL);
}
