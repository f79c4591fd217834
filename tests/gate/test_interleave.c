/*
 * One party runs instruction by instruction, the other acts in between: what races and kills hit by chance is tried at every point. The
 * processor's trap flag stops this thread after each instruction; the handler plays the other party. So deciders ask after each
 * instruction of a publishing call, which is also where a kill would leave the files, and a whole publishing call happens within a
 * decision. x86-64 only.
 */
#include "stepping.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

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
        unsigned instructions, both_unknown, after_move;
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

/* Stops soon after the move: a publisher whose exchange of a slot were disturbed at every instruction would never end. */
static bool watch_move(void)
{
        struct tk_answer answer = test_answer(watch.test, &watch.ask_new);
        assert_code(answer.code, TK_CODE_valid);
        bool moved = answer.limits[0].kind == TK_LIMIT_RATE;
        assert_false(watch.moved && !moved);
        watch.moved = moved;
        watch.after_move += moved;
        watch.admitted++;
        watch.instructions++;
        return watch.after_move < 20;
}

/* Policy and meter change together, and all that is charged before, between copy and store, and after is on the new meter. */
static void test_limits_move_at_every_instruction(void **state)
{
        struct test_gate *test = *state;
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
        watch.ask_new = test_ask(test, &key);
        watch.ask_new.now_ns = 0;

        key.published.limits = swapped;
        publish_stepwise(&key.published, watch_move);
        assert_true(watch.moved);
        watch.ask_new.cost = 0;
        struct tk_answer answer = test_answer(test, &watch.ask_new);
        uint64_t by_rate = 10000000 - answer.limits[0].state.remaining;
        assert_int_equal(10000000 - answer.limits[1].state.remaining, watch.admitted);
        assert_in_range(by_rate, watch.admitted,
                        watch.admitted + 2); /* parts of a unit are rounded up, twice */
}

/* Stops some time after the key has its subscription, for the same reason. */
static bool watch_subscribing(void)
{
        struct tk_answer answer = test_answer(watch.test, &watch.ask_new);
        assert_code(answer.code, TK_CODE_valid);
        watch.after_move += answer.subscription_id != 0;
        watch.admitted++;
        watch.instructions++;
        return watch.after_move < 200;
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
                TEST(test_a_new_key_appears_whole),
                TEST(test_a_number_changes_hands_within_a_decision),
        };
        return cmocka_run_group_tests(tests, install_handler, NULL);
}
