/*
 * One party runs instruction by instruction, the other acts in between: what races and kills hit by chance is tried at every point. The
 * processor's trap flag stops this thread after each instruction; the handler plays the other party. So deciders ask after each
 * instruction of a publishing call, which is also where a kill would leave the files, and a whole publishing call happens within a
 * decision. x86-64 only.
 */
#include "gate/publisher.h"
#include "stepping.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- a publishing call, with deciders asking after every instruction ---- */

static struct {
        struct test_gate *test;
        struct tk_ask ask_old, ask_new;
        struct tk_str old_scope, new_scope;
        bool old_gone, new_there, moved;
        unsigned instructions, both_unknown, after_move, unavailable, idle, phase;
        enum tk_code before; /* of a key that is not published yet */
        uint64_t admitted;
} watch;

static void publish_stepwise(const struct tk_publish_key *key, bool (*watcher)(void))
{
        between = watcher;
        trap_on();
        enum tk_err err = tk_publish_key(watch.test->publisher, key);
        trap_off();
        assert_int_equal(err, TK_OK);
        assert_true(watch.instructions > 1000);
        watcher();
}

static void mint_with_scope(struct test_gate *test, uint16_t generation, struct tk_str *scope,
                            struct test_key *ret_key)
{
        test_key_mint(test, 17, ret_key);
        ret_key->published.generation = generation;
        ret_key->published.scopes = scope;
        ret_key->published.scope_count = 1;
}

static bool watch_handover(void)
{
        struct tk_answer old_answer = test_answer(watch.test, &watch.ask_old);
        struct tk_answer new_answer = test_answer(watch.test, &watch.ask_new);
        bool old_valid = old_answer.code == TK_CODE_valid, new_valid = new_answer.code == TK_CODE_valid;

        assert_true(old_valid || old_answer.code == TK_CODE_unknown);
        assert_true(new_valid || new_answer.code == TK_CODE_unknown);
        assert_true(!old_valid || tk_str_equal(old_answer.scopes, watch.old_scope));
        assert_true(!new_valid || tk_str_equal(new_answer.scopes, watch.new_scope));
        assert_false(old_valid && (watch.old_gone || new_valid));
        assert_false(watch.new_there && !new_valid);
        watch.old_gone = !old_valid;
        watch.new_there = new_valid;
        watch.both_unknown += !old_valid && !new_valid;
        watch.instructions++;
        return true;
}

/* The old key is valid with its scopes, then unknown; the new one unknown, then valid with its own. Nothing else, at no point. */
static void test_a_number_changes_hands_at_every_instruction(void **state)
{
        struct test_gate *test = *state;
        struct test_key old_key, new_key;
        memset(&watch, 0, sizeof watch);
        watch.test = test;
        watch.old_scope = TK_STR("old");
        watch.new_scope = TK_STR("new");
        mint_with_scope(test, 1, &watch.old_scope, &old_key);
        mint_with_scope(test, 2, &watch.new_scope, &new_key);
        test_key_publish(test, &old_key);
        watch.ask_old = test_ask(test, &old_key);
        watch.ask_new = test_ask(test, &new_key);

        publish_stepwise(&new_key.published, watch_handover);
        assert_true(watch.new_there);
        assert_true(watch.both_unknown > 8); /* the digest is replaced while the line is empty */
}

/*
 * One request, which charges in every other stretch of instructions: a publisher whose exchange of a slot were disturbed at every instruction
 * would never end. Unavailable is what the publisher is about to move, who cannot go on while anybody waits here: then not so often.
 * False: it was not admitted.
 */
static bool ask_while_it_moves(struct tk_answer *ret_answer)
{
        enum { STRETCH = 256, IDLE = 31 };
        watch.instructions++;
        if (watch.idle > 0) {
                watch.idle--;
                return false;
        }
        watch.ask_new.cost = (watch.instructions / STRETCH + watch.phase) % 2;
        *ret_answer = test_answer(watch.test, &watch.ask_new);
        if (ret_answer->code == TK_CODE_unavailable) {
                watch.unavailable++;
                watch.idle = IDLE;
                return false;
        }
        assert_code(ret_answer->code, TK_CODE_valid);
        watch.admitted += watch.ask_new.cost;
        return true;
}

static bool watch_move(void)
{
        struct tk_answer answer;
        if (!ask_while_it_moves(&answer)) {
                assert_false(watch.moved && watch.idle == 0);
                return true;
        }
        bool moved = answer.limits[0].kind == TK_LIMIT_RATE;
        assert_false(watch.moved && !moved);
        watch.moved = moved;
        return true;
}

/* Policy and meter change together, and all that is charged before and after is on the new meter; in between nothing is. */
static void move_at_every_instruction(struct test_gate *test, unsigned phase)
{
        struct test_key key;
        struct tk_limit_def limits[] = {test_window("a", UINT64_C(10000000), TK_PERIOD_DAY, 0),
                                        test_rate("b", 1, 3600, UINT64_C(10000000))};
        struct tk_limit_def swapped[] = {limits[1], limits[0]};
        test_key_mint(test, 17, &key);
        key.published.limits = limits;
        key.published.limit_count = 2;
        test_key_publish(test, &key);
        memset(&watch, 0, sizeof watch);
        watch.test = test;
        watch.phase = phase;
        watch.ask_new = test_ask(test, &key);
        watch.ask_new.now_ns = 0;

        key.published.limits = swapped;
        publish_stepwise(&key.published, watch_move);
        watch.idle = 0;
        watch_move();
        assert_true(watch.moved && watch.unavailable > 0);
        watch.ask_new.cost = 0;
        struct tk_answer answer = test_answer(test, &watch.ask_new);
        uint64_t by_rate = 10000000 - answer.limits[0].state.remaining;
        assert_int_equal(10000000 - answer.limits[1].state.remaining, watch.admitted);
        assert_in_range(by_rate, watch.admitted, watch.admitted + 1); /* parts of a unit are rounded up */
}

static void test_limits_move_at_every_instruction(void **state)
{
        struct test_gate *test = *state;
        move_at_every_instruction(test, 0);
        test_gate_fini(test);
        test_gate_open(test);
        move_at_every_instruction(test, 1);
}

static bool watch_subscribing(void)
{
        struct tk_answer answer;
        ask_while_it_moves(&answer);
        return true;
}

/*
 * A key gets a subscription whose days begin at 13:00, not at midnight: what it has used of its day goes along. Were the new meter charged
 * once by the days of before, the usage that was carried over would pass for that of a day gone by.
 */
static void test_a_key_gets_other_days_at_every_instruction(void **state)
{
        enum { USED = 1000 };
        struct test_gate *test = *state;
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_NOW_S - 10 * 86400 + 3600};
        assert_int_equal(tk_publish_subscription(test->publisher, &subscription), TK_OK);
        struct tk_limit_def limit = test_window("day", UINT64_C(10000000), TK_PERIOD_DAY, 0);
        limit.anchored = true;
        struct test_key key;
        test_key_mint(test, 17, &key);
        key.published.limits = &limit;
        key.published.limit_count = 1;
        test_key_publish(test, &key);
        memset(&watch, 0, sizeof watch);
        watch.test = test;
        watch.ask_new = test_ask(test, &key);
        watch.ask_new.now_ns = 0;
        watch.ask_new.cost = USED;
        assert_code(test_decide(test, &watch.ask_new), TK_CODE_valid);
        watch.ask_new.cost = 1;

        key.published.subscription_id = 3;
        publish_stepwise(&key.published, watch_subscribing);
        watch.ask_new.cost = 0;
        struct tk_answer answer = test_answer(test, &watch.ask_new);
        assert_int_equal(answer.subscription_id, 3);
        assert_int_equal(10000000 - answer.limits[0].state.remaining, USED + watch.admitted);
}

/* ---- a daemon that is killed after an instruction of a move ---- */

static unsigned lifetime;
static bool mortal;

enum tk_err __real_tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of,
                                     uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding);
enum tk_err __wrap_tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of,
                                     uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding);

/* Nothing that a decider can see has happened before. */
enum tk_err __wrap_tk_extent_prepare(struct tk_publisher *publisher, const struct tk_extent_of *of,
                                     uint32_t policy, struct tk_extent_move *move, uint64_t *ret_binding)
{
        if (mortal)
                trap_on();
        return __real_tk_extent_prepare(publisher, of, policy, move, ret_binding);
}

static bool die_in_time(void)
{
        if (lifetime-- == 0)
                kill(getpid(), SIGKILL);
        return true;
}

/* Publish in a child that is killed after so many instructions, then adopt what it left. False: it was done before that. */
static bool publish_and_die(struct test_gate *test, const struct tk_publish_key *key, unsigned instructions)
{
        struct tk_fault fault;
        int status;
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                lifetime = instructions;
                between = die_in_time;
                mortal = true;
                enum tk_err err = tk_publish_key(test->publisher, key);
                trap_off();
                _exit(err != TK_OK);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
        tk_publisher_close(test->publisher);
        assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS, &test_sizes,
                                           &test->publisher, &test->applied_seq, &fault),
                         TK_OK);
        return WIFSIGNALED(status);
}

static unsigned admit_all(struct test_gate *test, const struct tk_ask *ask, struct tk_answer *ret_last)
{
        unsigned units = 0;
        for (;; units++) {
                *ret_last = test_answer(test, ask);
                if (ret_last->code != TK_CODE_valid)
                        break;
        }
        assert_code(ret_last->code, TK_CODE_quota_exceeded);
        return units;
}

/*
 * After every 151st instruction. 100 a month, of which 30 were used and 10 are reserved. Wherever the daemon was killed, the next one finds
 * what was used, nobody is left waiting, and what was reserved comes back, but where the kill fell between the new binding and the note that
 * says where the limit went.
 */
static void test_a_daemon_is_killed_all_over_a_move(void **state)
{
        enum { STEP = 151 };
        struct test_gate *test = *state;
        unsigned moved = 0, lost = 0, kills = 0;
        bool killed = true;
        for (unsigned at = 0; killed; at += STEP) {
                struct tk_limit_def limits[] = {test_window("month", 100, TK_PERIOD_MONTH, 0),
                                                test_window("day", 1000, TK_PERIOD_DAY, 0)};
                struct tk_limit_def swapped[] = {limits[1], limits[0]};
                struct test_key key;
                struct tk_answer answer;
                test_key_mint(test, 20 + at / STEP, &key);
                key.published.limits = limits;
                key.published.limit_count = 2;
                test_key_publish(test, &key);
                struct tk_ask ask = test_ask(test, &key);
                ask.cost = 30;
                assert_code(test_decide(test, &ask), TK_CODE_valid);
                ask.cost = 10;
                ask.reserve_s = 3600;
                uint64_t reservation = test_answer(test, &ask).reservation;
                ask.cost = 1;
                ask.reserve_s = 0;

                key.published.limits = swapped;
                killed = publish_and_die(test, &key.published, at);
                kills += killed;
                assert_int_equal(admit_all(test, &ask, &answer), 60);
                moved += killed && answer.limits[1].limit == 100;
                assert_int_equal(tk_gate_release(test->gate, reservation), TK_OK);
                unsigned back = admit_all(test, &ask, &answer);
                assert_true(back == 10 || (back == 0 && answer.limits[1].limit == 100));
                lost += back == 0;
                test_key_publish(test, &key); /* the feed again */
                assert_int_equal(admit_all(test, &ask, &answer), 0);
                assert_int_equal(answer.limits[1].limit, 100);
        }
        print_message("           %u kills, %u behind the new binding, %u refunds lost\n", kills, moved,
                      lost);
        assert_true(kills > 5 && moved > 0 && lost <= moved);
}

static bool watch_appearance(void)
{
        enum tk_code code = test_decide(watch.test, &watch.ask_new);
        assert_true(code == TK_CODE_valid || code == watch.before);
        assert_false(watch.new_there && code != TK_CODE_valid);
        watch.new_there = code == TK_CODE_valid;
        watch.instructions++;
        return true;
}

static void test_a_new_key_appears_whole(void **state)
{
        struct test_gate *test = *state;
        for (unsigned imported = 0; imported < 2; imported++) {
                struct test_key key;
                uint8_t sha256[32];
                test_key_mint(test, 20 + imported, &key);
                memset(&watch, 0, sizeof watch);
                watch.test = test;
                watch.ask_new = test_ask(test, &key);
                watch.before = TK_CODE_unknown;
                if (imported) {
                        tk_sha256("legacy", 6, sha256);
                        assert_true(tk_digest_foreign(&test->peppers, 1, sha256, &key.published.digest));
                        key.published.foreign = true;
                        watch.ask_new.key = TK_STR("legacy");
                        watch.before = TK_CODE_malformed;
                }
                publish_stepwise(&key.published, watch_appearance);
                assert_true(watch.new_there);
        }
}

/* ---- a decision, with a publishing call within it ---- */

static struct {
        struct test_gate *test;
        struct test_key old_key, new_key;
        struct tk_str old_scope, new_scope;
        uint16_t generation;
        unsigned countdown;
        bool armed, handed_over;
} within;

/*
 * The linker puts this in the place of tk_digest_key(): stepping begins where the key has been hashed, as nothing shared is read
 * before.
 */
bool __real_tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                          struct tk_digest *ret_digest);
bool __wrap_tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                          struct tk_digest *ret_digest);

bool __wrap_tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                          struct tk_digest *ret_digest)
{
        bool present = __real_tk_digest_key(set, pepper_version, presented, ret_digest);
        if (within.armed)
                trap_on();
        within.armed = false;
        return present;
}

static void publish_next(struct test_key *key)
{
        key->published.generation = ++within.generation;
        test_key_publish(within.test, key);
}

static bool hand_over_in_time(void)
{
        if (within.countdown-- > 0)
                return true;
        publish_next(&within.new_key);
        within.handed_over = true;
        return false;
}

/* Decide on one of the two keys; `at` instructions after the hash its number goes from the old key to the new one. */
static enum tk_code decide_interrupted(const struct test_key *key, struct tk_str own_scope, unsigned at)
{
        struct tk_ask ask = test_ask(within.test, key);
        struct tk_answer answer;
        publish_next(&within.old_key);
        within.countdown = at;
        within.handed_over = false;
        within.armed = true;
        between = hand_over_in_time;
        tk_gate_decide(within.test->gate, &ask, &answer);
        trap_off();

        assert_true(answer.code == TK_CODE_valid || answer.code == TK_CODE_unknown);
        if (answer.code == TK_CODE_valid)
                assert_true(tk_str_equal(answer.scopes, own_scope));
        return answer.code;
}

/* Coarsely over the whole decision, and at every instruction around where the outcome turns. */
static void interrupt_everywhere(const struct test_key *key, struct tk_str own_scope)
{
        enum { COARSE = 61 };
        unsigned turns = 0;
        enum tk_code before = decide_interrupted(key, own_scope, 0);
        for (unsigned at = COARSE; within.handed_over; at += COARSE) {
                enum tk_code code = decide_interrupted(key, own_scope, at);
                bool over = !within.handed_over;
                unsigned from = at > 2 * COARSE ? at - 2 * COARSE : 0;
                for (unsigned fine = from; code != before && fine < at + COARSE; fine++)
                        decide_interrupted(key, own_scope, fine);
                turns += code != before;
                before = code;
                within.handed_over = !over;
        }
        assert_true(turns > 0);
}

static void test_a_number_changes_hands_within_a_decision(void **state)
{
        memset(&within, 0, sizeof within);
        within.test = *state;
        within.old_scope = TK_STR("old");
        within.new_scope = TK_STR("new");
        mint_with_scope(*state, 0, &within.old_scope, &within.old_key);
        mint_with_scope(*state, 0, &within.new_scope, &within.new_key);
        interrupt_everywhere(&within.old_key, within.old_scope);
        interrupt_everywhere(&within.new_key, within.new_scope);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_number_changes_hands_at_every_instruction),
                TEST(test_limits_move_at_every_instruction),
                TEST(test_a_key_gets_other_days_at_every_instruction),
                TEST(test_a_daemon_is_killed_all_over_a_move),
                TEST(test_a_new_key_appears_whole),
                TEST(test_a_number_changes_hands_within_a_decision),
        };
        return cmocka_run_group_tests(tests, install_handler, NULL);
}
