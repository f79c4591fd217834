/*
 * SQLite only: a process that writes from four threads is killed at random moments, twenty times on the same registry.
 * What it was told is recorded must be there afterwards, and the invariants must hold.
 */
#include "fixture.h"

#include "core/alloc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS        20
#define THREADS       4
#define ANSWERED_ROOM 200000

/* What the child reports once it is answered; small enough that a pipe never splits it. */
struct answer {
        uint64_t key_id;
        bool revoked;
};

struct child {
        struct fixture f;
        struct world world;
        int report;
};

struct change_job {
        struct child *child;
        struct tk_key key;
};

static enum tk_err issue_key(struct tk_txn *txn, void *context)
{
        struct change_job *job = context;

        job->key = fixture_key(&job->child->world, 1);
        return fixture_key_create(txn, &job->key, &job->child->f.change);
}

static enum tk_err revoke_key(struct tk_txn *txn, void *context)
{
        struct change_job *job = context;
        struct tk_key key = job->key;

        key.state = TK_STATE_REVOKED;
        return tk_key_update(txn, &key, &job->child->f.change);
}

static void report(const struct child *child, uint64_t key_id, bool revoked)
{
        struct answer answer;

        memset(&answer, 0, sizeof answer);
        answer.key_id = key_id;
        answer.revoked = revoked;
        if (write(child->report, &answer, sizeof answer) != sizeof answer)
                _exit(3);
}

/* Issue a key, revoke every other one, until killed. */
static void *child_thread(void *argument)
{
        struct change_job *job = tk_calloc(1, sizeof *job);

        job->child = argument;
        for (unsigned i = 0;; i++) {
                if (tk_registry_write(job->child->f.registry, TK_LANE_NORMAL, issue_key, job) != TK_OK)
                        _exit(4);
                report(job->child, job->key.id, false);
                if (i % 2 == 0)
                        continue;
                if (tk_registry_write(job->child->f.registry, TK_LANE_FAST, revoke_key, job) != TK_OK)
                        _exit(5);
                report(job->child, job->key.id, true);
        }
        return NULL;
}

static void child_main(const char *folder, const struct world *world, int report_fd)
{
        static struct child child;
        pthread_t threads[THREADS];

        child.world = *world;
        child.report = report_fd;
        fixture_init(&child.f, folder, NULL);
        for (unsigned i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, child_thread, &child) != 0)
                        _exit(6);
        pthread_join(threads[0], NULL);
        _exit(7);
}

struct answers {
        struct answer *list;
        size_t count;
};

static bool take_answer(int fd, struct answers *answers)
{
        ssize_t len = read(fd, &answers->list[answers->count], sizeof *answers->list);

        if (len <= 0)
                return false;
        assert_int_equal(len, sizeof *answers->list);
        assert_true(++answers->count < ANSWERED_ROOM);
        return true;
}

/* Until it has written something, and then for as long as chance says: up to 100 ms. */
static void run_and_kill(struct fixture *f, const struct world *world, struct answers *answers)
{
        int fds[2], status;
        pid_t child;

        assert_int_equal(pipe(fds), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                close(fds[0]);
                child_main(f->folder, world, fds[1]);
        }
        close(fds[1]);
        assert_true(take_answer(fds[0], answers));
        poll(NULL, 0, rand() % 100);
        assert_int_equal(kill(child, SIGKILL), 0);
        while (take_answer(fds[0], answers)) {
        }
        close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
}

static enum tk_err check_answers(struct tk_txn *txn, void *context)
{
        const struct answers *answers = context;
        struct tk_arena arena;
        enum tk_err err = TK_OK;

        tk_arena_init(&arena, 0);
        for (size_t i = 0; err == TK_OK && i < answers->count; i++) {
                struct tk_key got;

                err = tk_key_get(txn, answers->list[i].key_id, &arena, &got);
                if (err == TK_OK && answers->list[i].revoked && got.state != TK_STATE_REVOKED)
                        err = TK_CORRUPT;
        }
        tk_arena_fini(&arena);
        return err;
}

static void what_was_answered_survives_kill(void **state)
{
        struct fixture *f = *state;
        struct answers answers = {.list = tk_calloc(ANSWERED_ROOM, sizeof *answers.list)};
        unsigned seed = (unsigned)time(NULL);
        struct world w;

        print_message("seed %u\n", seed);
        srand(seed);
        fixture_world(f, &w);
        for (unsigned round = 0; round < ROUNDS; round++) {
                tk_registry_close(f->registry);
                f->registry = NULL;
                run_and_kill(f, &w, &answers);
                fixture_reopen(f);
                fixture_check(f);
                assert_err(tk_registry_read(f->registry, check_answers, &answers), TK_OK);
        }
        print_message("%zu answers in %d rounds\n", answers.count, ROUNDS);
        tk_free(answers.list);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_was_answered_survives_kill, fixture_setup,
                                                fixture_teardown),
        };

        unsetenv("TK_TEST_REGISTRY");
        return cmocka_run_group_tests_name("registry under kill -9", tests, NULL, NULL);
}
