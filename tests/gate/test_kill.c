/*
 * The daemon killed with -9 at random points of publishing, a hundred times on one directory: the next one adopts the files, they
 * hold together, and whatever was acknowledged before the kill is in force. Decisions go on meanwhile and are not lost.
 */
#include "support.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 400, ROUNDS = 100, FIRST_IMPORTED = 300 };

/* What the child has done; shared, so that it outlives the child. */
struct ledger {
        _Atomic uint64_t calls;             /* made, by all children */
        _Atomic uint32_t state[KEYS + 1];   /* enum tk_publish_state last acknowledged; 0: never published */
        _Atomic uint32_t pending[KEYS + 1]; /* state of a call under way; 0: none */
};

struct world {
        struct test_gate test;
        struct ledger *ledger;
        struct test_key keys[KEYS + 1];
};

static unsigned seed = 3;

static unsigned draw(unsigned below)
{
        seed = seed * 1103515245u + 12345u;
        return (seed >> 16) % below;
}

static void mint_all(struct world *world)
{
        for (uint64_t id = 1; id <= KEYS; id++) {
                char plaintext[32];
                struct test_key *key = &world->keys[id];
                test_key_mint(&world->test, id, key);
                if (id < FIRST_IMPORTED)
                        continue;
                uint8_t sha256[32];
                int len = snprintf(plaintext, sizeof plaintext, "legacy-%llu", (unsigned long long)id);
                tk_sha256(plaintext, (size_t)len, sha256);
                assert_true(tk_secret_set(&key->plaintext, plaintext, (size_t)len));
                key->view = tk_secret_view(&key->plaintext);
                key->published.foreign = true;
                assert_true(tk_digest_foreign(&world->test.peppers, 1, sha256, &key->published.digest));
        }
}

/* One key gets another state, scopes, limits and subscription; the ledger says so before and after. */
static void publish_something(struct world *world)
{
        static const char *const patterns[] = {"a:b", "a:c", "b:*", "d", "e:f", "g:*", "h", "i:j"};
        struct test_gate *test = &world->test;
        uint64_t id = 1 + draw(KEYS);
        struct tk_publish_key key = world->keys[id].published;
        struct tk_limit_def limits[4];
        char name[16], pattern[16];
        snprintf(pattern, sizeof pattern, "p%u:q", draw(200));
        struct tk_str scopes[] = {tk_str_from(patterns[draw(8)]), tk_str_from(pattern)};

        key.state = (enum tk_publish_state)(1 + draw(3));
        key.scopes = scopes;
        key.scope_count = draw(3);
        limits[0] =
                test_window("used", UINT64_C(1000000), TK_PERIOD_DAY, 0); /* always there: usage is kept */
        for (unsigned i = 1; i < 4; i++) {
                snprintf(name, sizeof name, "l%u", i);
                limits[i] = test_rate(name, 1 + draw(50), 60, 1000000);
        }
        key.limits = limits;
        key.limit_count = 1 + draw(4);
        key.subscription_id = 1 + draw(20);
        if (draw(4) == 0) {
                struct tk_publish_consumer consumer = {.id = 100 + draw(50),
                                                       .name = tk_str_from(patterns[draw(8)])};
                if (tk_publish_consumer(test->publisher, &consumer))
                        _exit(2);
        }
        test_subscription_publish(test, key.subscription_id, limits, draw(4));
        atomic_store(&world->ledger->pending[id], key.state);
        if (tk_publish_key(test->publisher, &key))
                _exit(3);
        atomic_store(&world->ledger->state[id], key.state);
        atomic_store(&world->ledger->pending[id], 0);
        atomic_fetch_add(&world->ledger->calls, 1);
}

static void run_daemon(struct world *world)
{
        struct tk_fault fault;
        if (tk_publisher_open(world->test.dir, test_installation, TEST_NOW_NS, &test_sizes,
                              &world->test.publisher, &world->test.applied_seq, &fault))
                _exit(1);
        for (uint64_t seq = world->test.applied_seq;;) {
                publish_something(world);
                tk_publisher_set_applied(world->test.publisher, ++seq);
        }
}

static void kill_after(struct world *world, uint64_t calls)
{
        uint64_t until = atomic_load(&world->ledger->calls) + calls;
        pid_t child = fork();
        int status;
        assert_true(child >= 0);
        if (child == 0)
                run_daemon(world);
        while (atomic_load(&world->ledger->calls) < until) {
                if (waitpid(child, &status, WNOHANG) == child)
                        fail_msg("the child ended by itself, status %x", (unsigned)status);
                sched_yield();
        }
        for (unsigned spin = draw(20000); spin > 0; spin--)
                atomic_signal_fence(memory_order_seq_cst); /* somewhere within a call */
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static enum tk_code expected_code(uint32_t state)
{
        static const enum tk_code codes[] = {
                [0] = TK_CODE_unknown,
                [TK_PUBLISH_ACTIVE] = TK_CODE_valid,
                [TK_PUBLISH_SUSPENDED] = TK_CODE_suspended,
                [TK_PUBLISH_REVOKED] = TK_CODE_revoked,
        };
        return codes[state];
}

/* Each key is what was acknowledged last, or what was under way when the daemon was killed. */
static void check_keys(struct world *world)
{
        for (uint64_t id = 1; id <= KEYS; id++) {
                uint32_t state = atomic_load(&world->ledger->state[id]);
                uint32_t pending = atomic_load(&world->ledger->pending[id]);
                struct tk_ask ask = test_ask(&world->test, &world->keys[id]);
                ask.cost = 0;
                enum tk_code code = test_decide(&world->test, &ask);
                if (code == TK_CODE_malformed && id >= FIRST_IMPORTED)
                        code = TK_CODE_unknown;
                if (code != expected_code(state) && !(pending && code == expected_code(pending)))
                        fail_msg("key %llu: %s, acknowledged %s", (unsigned long long)id, tk_code_name(code),
                                 tk_code_name(expected_code(state)));
                if (pending && code != expected_code(state))
                        atomic_store(&world->ledger->state[id], pending);
                atomic_store(&world->ledger->pending[id], 0);
        }
}

static void test_a_daemon_killed_a_hundred_times(void **state)
{
        static struct world world;
        struct test_gate *test = &world.test;
        uint64_t incarnation = 0, used = 0;
        struct test_key witness;
        struct tk_limit_def limit = test_window("used", UINT64_C(1000000), TK_PERIOD_DAY, 0);
        (void)state;
        test_gate_open(test);
        mint_all(&world);
        world.ledger =
                mmap(NULL, sizeof *world.ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(world.ledger != MAP_FAILED);
        test_key_mint(test, KEYS + 1, &witness);
        witness.published.limits = &limit;
        witness.published.limit_count = 1;
        test_key_publish(test, &witness);
        struct tk_ask ask = test_ask(test, &witness);

        for (unsigned round = 0; round < ROUNDS; round++) {
                const char *why = "";
                struct tk_fault fault;
                struct tk_publisher_stats stats;
                tk_publisher_close(test->publisher);
                test->publisher = NULL;
                kill_after(&world, 1 + draw(40));

                assert_code(test_decide(test, &ask), TK_CODE_valid); /* without a daemon */
                used++;
                assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes,
                                                   &test->publisher, &test->applied_seq, &fault),
                                 TK_OK);
                tk_publisher_stats(test->publisher, &stats);
                if (incarnation && stats.incarnation != incarnation)
                        fail_msg("the files were not adopted after kill %u", round);
                incarnation = stats.incarnation;
                assert_true(test->applied_seq > 0);
                if (!tk_publisher_check(test->publisher, &why))
                        fail_msg("after kill %u: %s", round, why);
                check_keys(&world);
                struct tk_answer answer = test_answer(test, &ask);
                used++;
                assert_int_equal(answer.limits[0].state.remaining, 1000000 - used);
        }
        print_message("           %llu calls acknowledged\n",
                      (unsigned long long)atomic_load(&world.ledger->calls));
        test_gate_fini(test);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_daemon_killed_a_hundred_times)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
