/*
 * The daemon killed with -9 at random points of publishing and of keeping time, on one directory: the next one adopts the files, they
 * hold together, and whatever was acknowledged before the kill is in force. Decisions go on meanwhile: none that starts after a
 * call has returned is made by the state before it, and none is lost. TOLLKEEPER_KILLS says how many kills.
 */
#include "draw.h"
#include "fake_clock.h"
#include "gate/publisher.h"
#include "support.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 200, KILLS = 60, FIRST_IMPORTED = 150, ROUTES = 12, SUBSCRIPTIONS = 20 };

/* What a number is: never published, a key in one of the three states, or freed. */
enum { NEVER = 0, FREED = 4 };

/* What the child has done; shared, so that it outlives the child. */
struct ledger {
        _Atomic uint64_t calls; /* made, by all children */
        _Atomic uint64_t boot_ms;
        _Atomic int64_t wall_ms;
        struct {
                _Atomic uint32_t calls;   /* twice a call: when it begins and when it has returned */
                _Atomic uint32_t is;      /* acknowledged: state, and generation above bit 8 */
                _Atomic uint32_t becomes; /* of a call under way; 0: none */
        } keys[KEYS + 1];
};

struct world {
        struct test_gate test;
        struct ledger *ledger;
        struct test_key keys[2][KEYS + 1]; /* of even generations, and of odd ones */
};

static unsigned seed = 3;

static unsigned draw(unsigned below)
{
        return test_draw(&seed, below);
}

static uint32_t word_of(uint32_t state, uint32_t generation)
{
        return state | generation << 8;
}

static void mint_all(struct world *world)
{
        for (unsigned odd = 0; odd < 2; odd++)
                for (uint64_t id = 1; id <= KEYS; id++) {
                        char plaintext[32];
                        struct test_key *key = &world->keys[odd][id];
                        test_key_mint(&world->test, id, key);
                        if (id < FIRST_IMPORTED)
                                continue;
                        uint8_t sha256[32];
                        int len = snprintf(plaintext, sizeof plaintext, "legacy-%u-%llu", odd,
                                           (unsigned long long)id);
                        tk_sha256(plaintext, (size_t)len, sha256);
                        assert_true(tk_secret_set(&key->plaintext, plaintext, (size_t)len));
                        key->view = tk_secret_view(&key->plaintext);
                        key->published.foreign = true;
                        assert_true(
                                tk_digest_foreign(&world->test.peppers, 1, sha256, &key->published.digest));
                }
}

/* ---- the child ---- */

static unsigned some_limits(struct tk_limit_def limits[4])
{
        char name[16];
        limits[0] = test_window("used", UINT64_C(1000000), TK_PERIOD_DAY, 0);
        for (unsigned i = 1; i < 4; i++) {
                snprintf(name, sizeof name, "l%u", i);
                limits[i] = test_rate(name, 1 + draw(3), 60, 1000000);
        }
        return 1 + draw(4);
}

static void publish_subscription(struct world *world, uint32_t id)
{
        struct tk_limit_def limits[5];
        struct tk_publish_subscription subscription = {.id = id,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_STARTED_S + draw(3),
                                                       .limits = limits,
                                                       .limit_count = some_limits(limits)};
        if (draw(2)) {
                limits[subscription.limit_count] =
                        (struct tk_limit_def){.kind = TK_LIMIT_CREDITS, .name = "credits"};
                subscription.limit_count++;
                subscription.credits = (struct tk_publish_credits){.granted = 1000000000,
                                                                   .gone = draw(1000),
                                                                   .gone_next = 2000,
                                                                   .expiry_s = TEST_NOW_S + draw(9)};
        }
        if (tk_publish_subscription(world->test.publisher, &subscription))
                _exit(3);
}

static void publish_route(struct world *world)
{
        struct tk_limit_def limits[4];
        char template[16];
        struct tk_publish_route route = {.id = 1 + draw(ROUTES),
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .limits = limits,
                                         .limit_count = some_limits(limits)};
        snprintf(template, sizeof template, "/r/%u", route.id);
        route.template = tk_str_from(template);
        if (tk_publish_route(world->test.publisher, &route))
                _exit(4);
}

static enum tk_err publish_key(struct world *world, uint64_t id, uint32_t state, uint32_t generation)
{
        static const char *const patterns[] = {"a:b", "a:c", "b:*", "d", "e:f", "g:*", "h", "i:j"};
        struct tk_publish_key key = world->keys[generation % 2][id].published;
        struct tk_limit_def limits[4];
        char pattern[16];
        snprintf(pattern, sizeof pattern, "p%u:q", draw(5)); /* few enough that a long run stays quick */
        struct tk_str scopes[] = {tk_str_from(patterns[draw(8)]), tk_str_from(pattern)};
        key.state = (enum tk_publish_state)state;
        key.generation = (uint16_t)generation;
        key.scopes = scopes;
        key.scope_count = draw(3);
        key.limits = limits;
        key.limit_count = some_limits(limits);
        key.subscription_id = 1 + draw(SUBSCRIPTIONS);
        publish_subscription(world, key.subscription_id);
        return tk_publish_key(world->test.publisher, &key);
}

/* One number becomes something else; the ledger says so before and after. */
static void change_key(struct world *world)
{
        uint64_t id = 1 + draw(KEYS);
        uint32_t is = atomic_load(&world->ledger->keys[id].is), generation = is >> 8, state = is & 255;
        uint32_t becomes = 1 + draw(3);
        if (state == TK_PUBLISH_REVOKED && draw(3))
                becomes = FREED;
        else if (state == FREED)
                generation++;

        atomic_fetch_add(&world->ledger->keys[id].calls, 1);
        atomic_store(&world->ledger->keys[id].becomes, word_of(becomes, generation));
        enum tk_err err = becomes == FREED ? tk_publish_free(world->test.publisher, id)
                                           : publish_key(world, id, becomes, generation);
        if (err && !(err == TK_BUSY && state == FREED))
                _exit(5);
        if (!err)
                atomic_store(&world->ledger->keys[id].is, word_of(becomes, generation));
        atomic_store(&world->ledger->keys[id].becomes, 0);
        atomic_fetch_add(&world->ledger->keys[id].calls, 1);
        atomic_fetch_add(&world->ledger->calls, 1);
}

/* Seconds pass; now and then somebody sets the wall clock. */
static void keep_time(struct world *world)
{
        struct ledger *ledger = world->ledger;
        int64_t ms = 1000 + (int64_t)draw(9000);
        fake_boot_ms += (uint64_t)ms;
        if (draw(20) == 0)
                ms += (int64_t)draw(2 * 86400 * 1000) - 86400 * 1000;
        atomic_store(&ledger->boot_ms, fake_boot_ms);
        atomic_fetch_add(&ledger->wall_ms, ms);
        tk_publisher_tick(world->test.publisher, (uint64_t)atomic_load(&ledger->wall_ms) * 1000000, 0);
        if (draw(10) == 0)
                tk_publisher_confirm_time(world->test.publisher);
}

static enum tk_err open_publisher(struct world *world)
{
        struct tk_fault fault;
        return tk_publisher_open(world->test.dir, test_installation,
                                 (uint64_t)atomic_load(&world->ledger->wall_ms) * 1000000, &test_sizes,
                                 &world->test.publisher, &world->test.applied_seq, &fault);
}

static void run_daemon(struct world *world)
{
        if (open_publisher(world))
                _exit(1);
        for (uint64_t seq = world->test.applied_seq;;) {
                keep_time(world);
                if (draw(4) == 0)
                        publish_route(world);
                if (draw(8) == 0) {
                        struct tk_publish_consumer consumer = {.id = 100 + draw(50),
                                                               .name = draw(2) ? TK_STR("x") : TK_STR("y")};
                        if (tk_publish_consumer(world->test.publisher, &consumer))
                                _exit(2);
                }
                change_key(world);
                tk_publisher_set_applied(world->test.publisher, ++seq);
        }
}

/* ---- the parent ---- */

static enum tk_code expected_code(uint32_t word, unsigned odd)
{
        static const enum tk_code codes[] = {
                [NEVER] = TK_CODE_unknown,
                [TK_PUBLISH_ACTIVE] = TK_CODE_valid,
                [TK_PUBLISH_SUSPENDED] = TK_CODE_suspended,
                [TK_PUBLISH_REVOKED] = TK_CODE_revoked,
                [FREED] = TK_CODE_unknown,
        };
        return (word >> 8 & 1) == odd ? codes[word & 255] : TK_CODE_unknown;
}

static enum tk_code code_of(struct world *world, unsigned odd, uint64_t id)
{
        struct tk_ask ask = test_ask(&world->test, &world->keys[odd][id]);
        ask.cost = 0;
        ask.now_ns = 0;
        enum tk_code code = test_decide(&world->test, &ask);
        return code == TK_CODE_malformed && id >= FIRST_IMPORTED ? TK_CODE_unknown : code;
}

/*
 * A decision while the daemon goes on: where no call was under way, it is by what was acknowledged. Where the limits of a subscription that
 * the key shares with others are being moved, it may give up waiting, on a busy machine; that it does not after a kill, check_keys() sees.
 */
static unsigned watch(struct world *world)
{
        uint64_t id = 1 + draw(KEYS);
        unsigned odd = draw(2);
        uint32_t calls = atomic_load(&world->ledger->keys[id].calls);
        uint32_t is = atomic_load(&world->ledger->keys[id].is);
        enum tk_code code = code_of(world, odd, id);
        if (calls % 2 || atomic_load(&world->ledger->keys[id].calls) != calls || code == TK_CODE_unavailable)
                return 0;
        assert_code(code, expected_code(is, odd));
        return 1;
}

static unsigned kill_after(struct world *world, uint64_t calls)
{
        uint64_t until = atomic_load(&world->ledger->calls) + calls;
        unsigned watched = 0;
        fflush(NULL);
        pid_t child = fork();
        int status;
        assert_true(child >= 0);
        if (child == 0)
                run_daemon(world);
        while (atomic_load(&world->ledger->calls) < until) {
                if (waitpid(child, &status, WNOHANG) == child)
                        fail_msg("the child ended by itself, status %x", (unsigned)status);
                watched += watch(world);
        }
        for (unsigned spin = draw(20000); spin > 0; spin--)
                atomic_signal_fence(memory_order_seq_cst); /* somewhere within a call */
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        fake_boot_ms = atomic_load(&world->ledger->boot_ms);
        return watched;
}

/* Each key is what was acknowledged last, or what was under way when the daemon was killed. */
static void check_keys(struct world *world)
{
        for (uint64_t id = 1; id <= KEYS; id++) {
                uint32_t is = atomic_load(&world->ledger->keys[id].is);
                uint32_t becomes = atomic_load(&world->ledger->keys[id].becomes);
                enum tk_code even = code_of(world, 0, id), odd = code_of(world, 1, id);
                bool as_before = even == expected_code(is, 0) && odd == expected_code(is, 1);
                bool as_after =
                        becomes && even == expected_code(becomes, 0) && odd == expected_code(becomes, 1);
                if (!as_before && !as_after)
                        fail_msg("key %llu: %s and %s; acknowledged %x, under way %x", (unsigned long long)id,
                                 tk_code_name(even), tk_code_name(odd), is, becomes);
                if (!as_before)
                        atomic_store(&world->ledger->keys[id].is, becomes);
                atomic_store(&world->ledger->keys[id].becomes, 0);
                if (atomic_load(&world->ledger->keys[id].calls) % 2)
                        atomic_fetch_add(&world->ledger->keys[id].calls, 1);
        }
}

/* The call that was under way is made again, as the feed would; so what is in force and what is said are the same again. */
static void finish(struct world *world, uint64_t id)
{
        uint32_t is = atomic_load(&world->ledger->keys[id].is);
        uint32_t becomes = atomic_load(&world->ledger->keys[id].becomes), state = becomes & 255;
        if (becomes == 0)
                return;
        enum tk_err err = state == FREED ? tk_publish_free(world->test.publisher, id)
                                         : publish_key(world, id, state, becomes >> 8);
        if (err != TK_OK && !(err == TK_BUSY && (is & 255) == FREED))
                fail_msg("key %llu cannot become %x from %x: %s", (unsigned long long)id, becomes, is,
                         tk_err_name(err));
        if (err == TK_OK)
                atomic_store(&world->ledger->keys[id].is, becomes);
        atomic_store(&world->ledger->keys[id].becomes, 0);
}

static void check_time(const struct world *world)
{
        struct tk_format_header *keys = tk_files_keys_header(&world->test.publisher->files);
        uint64_t pending = atomic_load(&keys->time_pending_ms);
        assert_true(pending == tk_seal(0) || pending != atomic_load(&keys->time_offset_ms));
}

static void begin(struct world *world)
{
        fake_boot_ms = 1000 * 1000;
        world->ledger =
                mmap(NULL, sizeof *world->ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(world->ledger != MAP_FAILED);
        atomic_store(&world->ledger->boot_ms, fake_boot_ms);
        atomic_store(&world->ledger->wall_ms, TEST_NOW_S * 1000);
        test_gate_open(&world->test);
        mint_all(world);
}

static void test_a_daemon_killed_at_random(void **state)
{
        static struct world world;
        struct test_gate *test = &world.test;
        const char *kills_text = getenv("TOLLKEEPER_KILLS");
        unsigned kills = kills_text ? (unsigned)strtoul(kills_text, NULL, 10) : KILLS, watched = 0;
        uint64_t incarnation = 0, used = 0;
        struct test_key witness;
        struct tk_usage usage;
        (void)state;
        begin(&world);
        test_key_issue(test, KEYS + 1, &witness);
        struct tk_ask ask = test_ask(test, &witness);
        ask.now_ns = 0;

        for (unsigned round = 0; round < kills; round++) {
                const char *why = "";
                struct tk_publisher_stats stats;
                tk_publisher_close(test->publisher);
                test->publisher = NULL;
                watched += kill_after(&world, 1 + draw(60));

                assert_code(test_decide(test, &ask), TK_CODE_valid); /* without a daemon */
                used++;
                assert_int_equal(open_publisher(&world), TK_OK);
                tk_publisher_stats(test->publisher, &stats);
                if (incarnation && stats.incarnation != incarnation)
                        fail_msg("the files were not adopted after kill %u", round);
                incarnation = stats.incarnation;
                assert_true(test->applied_seq > 0);
                if (!tk_publisher_check(test->publisher, &why))
                        fail_msg("after kill %u: %s", round, why);
                check_time(&world);
                uint64_t cut = 0;
                for (uint64_t id = 1; id <= KEYS; id++)
                        if (atomic_load(&world.ledger->keys[id].becomes))
                                cut = id;
                if (cut && draw(2))
                        finish(&world, cut);
                check_keys(&world);
                assert_code(test_decide(test, &ask), TK_CODE_valid);
                used++;
                assert_int_equal(tk_gate_key_usage(test->gate, KEYS + 1, &usage), TK_OK);
                assert_int_equal(usage.admitted, used);
        }
        print_message("           %u kills, %llu calls acknowledged, %u decisions watched\n", kills,
                      (unsigned long long)atomic_load(&world.ledger->calls), watched);
        assert_true(watched > kills);
        test_gate_fini(test);
        fake_boot_ms = 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_daemon_killed_at_random)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
