/*
 * Limits with another party acting between two instructions (stepping.h): credits that are published while they are read and read while they
 * are published, two who settle one reservation, two names in one bucket, a reservation that loses its race. x86-64 only.
 */
#include "stepping.h"
#include "support.h"

#include "gate/named.h"
#include "gate/publisher.h"
#include "gate/request.h"
#include "gate/reserve.h"

#include <stdio.h>
#include <string.h>

static struct test_gate test;
static struct test_key key;

static int setup(void **state)
{
        test_gate_open(&test);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        test_key_issue(&test, 17, &key);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

/* ---- stepping up to a moment ---- */

/* Each moment costs a walk up to it: by default some of them, with TOLLKEEPER_EVERY_INSTRUCTION all. */
static unsigned stride(unsigned usual)
{
        return getenv("TOLLKEEPER_EVERY_INSTRUCTION") ? 1 : usual;
}

static struct {
        unsigned countdown;
        bool happened;
        void (*act)(void);
} moment;

static bool act_in_time(void)
{
        if (moment.countdown-- > 0)
                return true;
        moment.act();
        moment.happened = true;
        return false;
}

/* Run `work`, and `act` after so many instructions of it. False: it was over before. */
static bool run_with(void (*work)(void), void (*act)(void), unsigned at)
{
        moment.countdown = at;
        moment.happened = false;
        moment.act = act;
        between = act_in_time;
        trap_on();
        work();
        trap_off();
        return moment.happened;
}

/* ---- credits ---- */

static const struct tk_limit_def prepaid = {.kind = TK_LIMIT_CREDITS, .name = "prepaid"};

#define NOW   TEST_NOW_S
#define SOON  (TEST_NOW_S + 100)
#define LATER (TEST_NOW_S + 200)

static const struct {
        struct tk_publish_credits before, after;
} changes[] = {
        {{.granted = 100}, {.granted = 150}},
        /* the first grant expires, and is replaced in one publication */
        {{.granted = 100, .gone_next = 100, .expiry_s = NOW},
         {.granted = 200, .gone = 100, .gone_next = 200, .expiry_s = SOON}},
        {{.granted = 100, .gone_next = 100, .expiry_s = SOON},
         {.granted = 200, .gone = 100, .gone_next = 200, .expiry_s = LATER}},
        /* a grant that expires with the first, or before it, or never */
        {{.granted = 100, .gone_next = 100, .expiry_s = SOON},
         {.granted = 130, .gone_next = 130, .expiry_s = SOON}},
        {{.granted = 100, .gone_next = 100, .expiry_s = LATER},
         {.granted = 130, .gone_next = 30, .expiry_s = SOON}},
        {{.granted = 100, .gone_next = 100, .expiry_s = SOON},
         {.granted = 130, .gone_next = 100, .expiry_s = SOON}},
        {{.granted = 100, .gone_next = 60, .expiry_s = SOON}, {.granted = 100, .gone = 60}},
        {{.granted = 100, .gone = 60}, {.granted = 300, .gone = 60, .gone_next = 100, .expiry_s = SOON}},
};
#define CHANGES (sizeof changes / sizeof *changes)

static struct {
        const struct tk_publish_credits *before, *after;
        const struct tk_format_subscription *line;
        int64_t now_s;
        struct tk_credits read;
        unsigned instructions, between_the_two;
} credits;

static void publish(const struct tk_publish_credits *of)
{
        struct tk_publish_subscription subscription = {.id = 3,
                                                       .environment_id = TEST_PRODUCTION,
                                                       .consumer_id = TEST_CONSUMER,
                                                       .started_s = TEST_STARTED_S,
                                                       .limits = &prepaid,
                                                       .limit_count = 1,
                                                       .credits = *of};
        assert_int_equal(tk_publish_subscription(test.publisher, &subscription), TK_OK);
}

static uint64_t left_at(const struct tk_publish_credits *of, int64_t now_s, uint64_t spent)
{
        uint64_t gone = of->expiry_s && now_s >= of->expiry_s ? of->gone_next : of->gone;
        uint64_t taken = spent > gone ? spent : gone;
        return taken < of->granted ? of->granted - taken : 0;
}

/* No more than before and no more than after: the larger of the two, whatever was spent. */
static void assert_not_more(const struct tk_credits *read, int64_t now_s)
{
        for (uint64_t spent = 0; spent <= 320; spent += 40) {
                uint64_t taken = spent > read->gone ? spent : read->gone;
                uint64_t left = taken < read->granted ? read->granted - taken : 0;
                uint64_t before = left_at(credits.before, now_s, spent),
                         after = left_at(credits.after, now_s, spent);
                credits.between_the_two += left != before && left != after;
                assert_true(left <= (before > after ? before : after));
        }
}

static bool read_credits(void)
{
        static const int64_t times[] = {NOW - 1, NOW, SOON - 1, SOON, LATER - 1, LATER};
        for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
                struct tk_credits read = tk_subscription_credits(credits.line, times[i]);
                assert_not_more(&read, times[i]);
        }
        credits.instructions++;
        return true;
}

static void begin_change(size_t i)
{
        memset(&credits, 0, sizeof credits);
        credits.line = tk_area_at(tk_publisher_area(test.publisher, TK_FILE_SUBSCRIPTIONS), 3, 1);
        credits.before = &changes[i].before;
        credits.after = &changes[i].after;
}

/* Which is also where a daemon that is killed would leave them. */
static void test_credits_are_read_at_every_instruction_of_their_publication(void **state)
{
        (void)state;
        for (size_t i = 0; i < CHANGES; i++) {
                publish(&changes[i].before);
                begin_change(i);
                between = read_credits;
                trap_on();
                publish(&changes[i].after);
                trap_off();
                read_credits();
                assert_true(credits.instructions > 100);
        }
}

static void read_at_once(void)
{
        credits.read = tk_subscription_credits(credits.line, credits.now_s);
}

static void publish_after(void)
{
        publish(credits.after);
}

static void test_credits_are_published_at_every_instruction_of_their_reading(void **state)
{
        (void)state;
        static const int64_t times[] = {NOW, SOON};
        for (size_t i = 0; i < CHANGES; i++) {
                for (size_t j = 0; j < 2; j++) {
                        bool inside = true;
                        for (unsigned at = 0; inside; at++) {
                                publish(&changes[i].before);
                                begin_change(i);
                                credits.now_s = times[j];
                                inside = run_with(read_at_once, publish_after, at);
                                assert_not_more(&credits.read, credits.now_s);
                        }
                }
        }
}

/* ---- two who settle ---- */

static struct {
        uint64_t id, boot_ns;
        enum tk_err outer, inner;
} settling;

static enum tk_err settle(void)
{
        return tk_reservation_settle(test.gate, settling.id, 3, TK_EVENT_SETTLED, settling.boot_ns);
}

static void settle_outer(void)
{
        settling.outer = settle();
}

static void settle_inner(void)
{
        settling.inner = settle();
}

static void expire_inner(void)
{
        struct tk_reservations_sweep sweep = {0};
        tk_reservations_sweep(&test.publisher->files, settling.boot_ns + 7200 * TK_NS_PER_S, &sweep);
        settling.inner = TK_NOT_FOUND;
}

static unsigned lines_in_use(void)
{
        struct tk_area *area = tk_publisher_area(test.publisher, TK_FILE_RESERVATIONS);
        unsigned in_use = 0;
        for (uint64_t i = 0; i < tk_area_used(area); i++) {
                const struct tk_format_reservation *line = tk_area_at(area, i, 1);
                in_use += tk_reservation_state(line->control) != TK_RESERVATION_FREE;
        }
        return in_use;
}

static struct tk_answer ask_for(uint64_t cost, uint32_t reserve_s)
{
        struct tk_ask ask = test_ask(&test, &key);
        ask.cost = cost;
        ask.reserve_s = reserve_s;
        return test_answer(&test, &ask);
}

/* One wins, and what was not used comes back once; a sweep that ends it first leaves nothing to give back. */
static void test_a_reservation_is_settled_by_one_of_two(void **state)
{
        (void)state;
        struct tk_limit_def limit = test_window("day", UINT64_C(10000000), TK_PERIOD_DAY, 0);
        key.published.limits = &limit;
        key.published.limit_count = 1;
        test_key_publish(&test, &key);
        settling.boot_ns = tk_files_moment(&test.publisher->files, TEST_NOW_NS).boot_ns;
        for (unsigned swept = 0; swept < 2; swept++) {
                bool inside = true;
                for (unsigned at = swept; inside; at += stride(11)) {
                        settling.inner = TK_NOT_FOUND;
                        struct tk_answer answer = ask_for(10, 3600);
                        settling.id = answer.reservation;
                        uint64_t before = answer.limits[0].state.remaining;
                        inside = run_with(settle_outer, swept ? expire_inner : settle_inner, at);
                        bool won = settling.outer == TK_OK || settling.inner == TK_OK;
                        assert_true(swept || won);
                        assert_false(settling.outer == TK_OK && settling.inner == TK_OK);
                        assert_int_equal(ask_for(0, 0).limits[0].state.remaining, before + (won ? 7 : 0));
                        assert_int_equal(lines_in_use(), 0);
                }
        }
}

/* ---- a decision that reserves, while another takes what is left ---- */

static struct {
        bool armed;
        uint64_t taken;
} rivals;

/* The linker puts this in the place of tk_digest_key(): nothing shared is read before the key has been hashed. */
bool __real_tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                          struct tk_digest *ret_digest);
bool __wrap_tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                          struct tk_digest *ret_digest);

bool __wrap_tk_digest_key(const struct tk_pepper_set *set, unsigned pepper_version, struct tk_str presented,
                          struct tk_digest *ret_digest)
{
        bool present = __real_tk_digest_key(set, pepper_version, presented, ret_digest);
        if (rivals.armed)
                trap_on();
        rivals.armed = false;
        return present;
}

static void take_the_rest(void)
{
        rivals.taken = ask_for(6, 0).code == TK_CODE_valid ? 6 : 0;
}

/* Of 10 units one wants 6 and the other, at some instruction, too: one gets them. Nobody's line stays, nothing stays charged. */
static void test_a_reservation_that_loses_its_race(void **state)
{
        (void)state;
        unsigned lost = 0;
        moment.happened = true;
        for (unsigned at = 0; moment.happened; at += stride(199)) {
                char name[16];
                snprintf(name, sizeof name, "w%u", at);
                struct tk_limit_def limits[] = {test_window(name, 10, TK_PERIOD_DAY, 0),
                                                test_window("wide", UINT64_C(10000000), TK_PERIOD_DAY, 0)};
                key.published.limits = limits;
                key.published.limit_count = 2;
                test_key_publish(&test, &key); /* a fresh limit by a name of its own */
                uint64_t wide = ask_for(0, 0).limits[1].state.remaining;
                moment.countdown = at;
                moment.happened = false;
                rivals.taken = 0;
                moment.act = take_the_rest;
                between = act_in_time;
                rivals.armed = true;
                struct tk_answer answer = ask_for(6, 3600);
                trap_off();
                uint64_t used = rivals.taken + (answer.code == TK_CODE_valid ? 6 : 0);
                lost += rivals.taken != 0;

                assert_true(answer.code == TK_CODE_valid || answer.code == TK_CODE_quota_exceeded);
                assert_int_equal(used, 6);
                assert_int_equal(lines_in_use(), answer.code == TK_CODE_valid);
                if (answer.code == TK_CODE_valid)
                        assert_int_equal(tk_gate_settle(test.gate, answer.reservation, 6), TK_OK);
                assert_int_equal(answer.reservation != 0, answer.code == TK_CODE_valid);
                struct tk_answer left = ask_for(0, 0);
                assert_int_equal(left.limits[0].state.remaining, 4);
                assert_int_equal(left.limits[1].state.remaining, wide - 6);
        }
        assert_true(lost > 10);
}

/* ---- names ---- */

#define NAMES 3

static struct {
        char names[NAMES][24];
        struct tk_limit_def def;
        uint32_t admitted[NAMES];
        int64_t after_s;
} naming;

static void ask_name(unsigned i)
{
        struct tk_named_limit named = {tk_str_from(naming.names[i]), &naming.def};
        struct tk_ask ask = test_ask(&test, &key);
        ask.named = &named;
        ask.named_count = 1;
        ask.now_ns += (uint64_t)naming.after_s * TK_NS_PER_S;
        naming.admitted[i] += test_answer(&test, &ask).code == TK_CODE_valid;
}

/* The part of a decision in which names find their places; the charge, by another decision, follows. */
static void find_first(void)
{
        struct tk_named_limit named = {tk_str_from(naming.names[0]), &naming.def};
        struct tk_ask ask = test_ask(&test, &key);
        struct tk_answer answer;
        struct tk_request request;
        struct tk_named_place place;
        struct tk_format_limit limit;
        request.ask = &ask;
        request.gate = test.gate;
        request.answer = &answer;
        request.rehearsal = false;
        request.environment = tk_policy_environment(tk_gate_area(test.gate, TK_FILE_POLICY), ask.environment);
        ask.now_ns += (uint64_t)naming.after_s * TK_NS_PER_S;
        request.now = tk_files_moment(&test.gate->files, ask.now_ns);
        assert_true(tk_named_compile(&named, &limit));
        assert_true(tk_named_find(&request, &named, &limit, &place));
        assert_int_equal(place.tag, place.name_tag);
}

static void ask_all(void)
{
        for (unsigned i = 0; i < NAMES; i++)
                ask_name(i);
}

/* Whoever is there and whole becomes one that is being forgotten; asked for again, it is kept. */
static void close_and_ask(void)
{
        struct tk_moment now = tk_files_moment(&test.publisher->files, TEST_NOW_NS);
        uint64_t cursor = 0;
        now.boot_ns += (uint64_t)(naming.after_s + 60) * TK_NS_PER_S;
        tk_named_sweep(&test.publisher->files, &now, &cursor);
        ask_all();
}

static void forget_all(int64_t after_s)
{
        for (unsigned i = 0; i < 3; i++) {
                struct tk_moment now = tk_files_moment(&test.publisher->files, TEST_NOW_NS);
                uint64_t cursor = 0;
                now.boot_ns += (uint64_t)(after_s + i * 61) * TK_NS_PER_S;
                tk_named_sweep(&test.publisher->files, &now, &cursor);
        }
}

static unsigned count_tags(bool *ret_twice)
{
        const struct tk_format_named_bucket *bucket =
                tk_area_at(tk_publisher_area(test.publisher, TK_FILE_NAMED), 0, 4 * TK_NAMED_BUCKET_LINES);
        uint64_t seen[4 * TK_NAMED_BUCKET_ENTRIES];
        unsigned count = 0;
        *ret_twice = false;
        for (unsigned i = 0; i < 4 * TK_NAMED_BUCKET_ENTRIES; i++) {
                uint64_t tag = bucket[i / TK_NAMED_BUCKET_ENTRIES].tags[i % TK_NAMED_BUCKET_ENTRIES];
                if (!(tag & TK_NAMED_TAKEN))
                        continue;
                for (unsigned j = 0; j < count; j++)
                        *ret_twice |= seen[j] == (tag & ~TK_NAMED_CLOSING);
                seen[count++] = tag & ~TK_NAMED_CLOSING;
        }
        return count;
}

/* New names, one found while others, and the same, are; none gets two places, and each its 2 units. */
static void test_names_find_their_places_at_every_instruction(void **state)
{
        (void)state;
        naming.def = test_window("w", 2, TK_PERIOD_FIXED, 100);
        for (unsigned closing = 0; closing < 2; closing++) {
                bool inside = true, twice;
                for (unsigned at = closing; inside; at += stride(97)) {
                        naming.after_s += 1000;
                        for (unsigned i = 0; i < NAMES; i++) {
                                snprintf(naming.names[i], sizeof naming.names[i], "%u.%u.%u", closing, at, i);
                                naming.admitted[i] = 0;
                        }
                        if (closing) { /* the first is there already, and whole */
                                naming.after_s -= 500;
                                ask_name(0);
                                naming.admitted[0] = 0;
                                naming.after_s += 500;
                        }
                        inside = run_with(find_first, closing ? close_and_ask : ask_all, at);
                        ask_all();
                        assert_int_equal(count_tags(&twice), NAMES);
                        assert_false(twice);
                        for (unsigned i = 0; i < 3; i++)
                                ask_all();
                        for (unsigned i = 0; i < NAMES; i++)
                                assert_int_equal(naming.admitted[i], 2);
                        forget_all(naming.after_s + 300);
                        assert_int_equal(count_tags(&twice), 0);
                }
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_credits_are_read_at_every_instruction_of_their_publication),
                TEST(test_credits_are_published_at_every_instruction_of_their_reading),
                TEST(test_a_reservation_is_settled_by_one_of_two),
                TEST(test_a_reservation_that_loses_its_race),
                TEST(test_names_find_their_places_at_every_instruction),
        };
        return cmocka_run_group_tests(tests, install_handler, NULL);
}
