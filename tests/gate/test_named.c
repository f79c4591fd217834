/*
 * Limits that callers name: where each has its place, what happens where there is none, what the sweep forgets and what it must not.
 * The table is of 4 buckets, 56 places; the sweep is told the time. Storms of processes are elsewhere; here threads play against an oracle.
 */
#include "support.h"

#include "core/slot.h"
#include "gate/named.h"
#include "gate/publisher.h"
#include "gate/request.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define BUCKETS 4
#define PLACES  (BUCKETS * TK_NAMED_BUCKET_ENTRIES)

static struct tk_limit_def hourly, daily, minutely;
static struct test_key key;

static int setup(void **state)
{
        static struct test_gate test;
        test_gate_open(&test);
        tk_publisher_tick(test.publisher, TEST_NOW_NS, 0);
        test_key_issue(&test, 17, &key);
        hourly = test_window("hour", 3, TK_PERIOD_HOUR, 0);
        daily = test_window("day", 3, TK_PERIOD_DAY, 0);
        minutely = test_rate("minute", 3, 60, 3);
        *state = &test;
        return 0;
}

static int teardown(void **state)
{
        test_gate_fini(*state);
        return 0;
}

static struct tk_answer ask_at(struct test_gate *test, const struct tk_named_limit *named, uint32_t count,
                               int64_t after_s)
{
        struct tk_ask ask = test_ask(test, &key);
        ask.named = named;
        ask.named_count = count;
        ask.now_ns += (uint64_t)after_s * TK_NS_PER_S;
        return test_answer(test, &ask);
}

static struct tk_answer ask_name(struct test_gate *test, const char *name, const struct tk_limit_def *def)
{
        struct tk_named_limit named = {tk_str_from(name), def};
        return ask_at(test, &named, 1, 0);
}

static uint32_t admit_up_to(struct test_gate *test, const char *name, const struct tk_limit_def *def,
                            uint32_t tries)
{
        uint32_t admitted = 0;
        for (uint32_t i = 0; i < tries; i++)
                admitted += ask_name(test, name, def).code == TK_CODE_valid;
        return admitted;
}

static struct tk_format_named_bucket *bucket_at(const struct test_gate *test, unsigned number)
{
        return tk_area_at(tk_publisher_area(test->publisher, TK_FILE_NAMED), number * TK_NAMED_BUCKET_LINES,
                          TK_NAMED_BUCKET_LINES);
}

static struct tk_format_named *entry_at(const struct test_gate *test, unsigned place)
{
        return &bucket_at(test, place / TK_NAMED_BUCKET_ENTRIES)->entries[place % TK_NAMED_BUCKET_ENTRIES];
}

static _Atomic uint64_t *tag_at(const struct test_gate *test, unsigned place)
{
        return &bucket_at(test, place / TK_NAMED_BUCKET_ENTRIES)->tags[place % TK_NAMED_BUCKET_ENTRIES];
}

static unsigned taken_places(const struct test_gate *test)
{
        unsigned taken = 0;
        for (unsigned i = 0; i < PLACES; i++)
                taken += (atomic_load(tag_at(test, i)) & TK_NAMED_TAKEN) != 0;
        return taken;
}

/* Where the only name in the table is. */
static unsigned only_place(const struct test_gate *test)
{
        assert_int_equal(taken_places(test), 1);
        unsigned place = 0;
        while (!(atomic_load(tag_at(test, place)) & TK_NAMED_TAKEN))
                place++;
        return place;
}

/* The moment so long after TEST_NOW, by both clocks. */
static struct tk_moment moment_after(const struct test_gate *test, int64_t after_s)
{
        return tk_files_moment(&test->publisher->files, TEST_NOW_NS + (uint64_t)after_s * TK_NS_PER_S);
}

static void sweep_at(struct test_gate *test, int64_t after_s)
{
        struct tk_moment now = moment_after(test, after_s);
        uint64_t cursor = 0;
        tk_named_sweep(&test->publisher->files, &now, &cursor);
}

/* Twice with more than a minute between: what may be forgotten is. */
static void forget_at(struct test_gate *test, int64_t after_s)
{
        sweep_at(test, after_s);
        sweep_at(test, after_s + 61);
}

/* ---- names ---- */

static void test_each_name_has_a_limit_of_its_own(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 3);
        assert_int_equal(admit_up_to(test, "bob", &hourly, 9), 3);
        assert_int_equal(admit_up_to(test, "alice", &minutely, 9), 3);

        struct tk_answer answer = ask_name(test, "alice", &hourly);
        assert_code(answer.code, TK_CODE_quota_exceeded);
        assert_int_equal(answer.limit_count, 1);
        assert_true(tk_str_equal(answer.limits[0].name, TK_STR("alice")));
        assert_int_equal(answer.limits[0].owner, TK_OWNER_CALLER);
        assert_int_equal(answer.limits[0].kind, TK_LIMIT_WINDOW);
        assert_int_equal(answer.limits[0].limit, 3);
        assert_int_equal(answer.limits[0].state.remaining, 0);
        assert_int_equal(answer.refused_by, 1);
        assert_int_equal(answer.retry_after_ns, 3600 * TK_NS_PER_S);
        assert_false(answer.named_shared);
        assert_code(ask_name(test, "alice", &minutely).code, TK_CODE_rate_limited);
        assert_int_equal(taken_places(test), 3);
}

static void test_another_definition_is_another_limit(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def defs[] = {
                test_window("w", 2, TK_PERIOD_HOUR, 0),
                test_window("w", 3, TK_PERIOD_HOUR, 0),
                test_window("w", 2, TK_PERIOD_DAY, 0),
                test_window("w", 2, TK_PERIOD_FIXED, 3600),
                test_window("w", 2, TK_PERIOD_FIXED, 120),
                test_rate("r", 2, 3600, 2),
                test_rate("r", 2, 3600, 3),
                test_rate("r", 2, 7200, 2),
                test_window("w", 2, TK_PERIOD_HOUR, 0),
        };
        const unsigned count = sizeof defs / sizeof *defs;
        defs[count - 1].shadow = true;
        for (unsigned i = 0; i < count; i++)
                assert_code(ask_name(test, "alice", &defs[i]).code, TK_CODE_valid);
        assert_int_equal(taken_places(test), count);
        struct tk_limit_def renamed = test_window("other", 2, TK_PERIOD_HOUR, 0);
        ask_name(test, "alice", &renamed); /* a definition's own name is none of it */
        assert_int_equal(taken_places(test), count);
}

static void test_another_environment_is_another_limit(void **state)
{
        struct test_gate *test = *state;
        struct test_key staging_key;
        test_key_mint(test, 18, &staging_key);
        staging_key.published.environment_id = TEST_STAGING;
        test_key_publish(test, &staging_key);
        struct tk_named_limit named = {TK_STR("alice"), &hourly};
        struct tk_ask ask = test_ask(test, &staging_key);
        assert_true(tk_gate_environment(test->gate, TK_STR("weather"), TK_STR("staging"), &ask.environment));
        ask.named = &named;
        ask.named_count = 1;

        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 3);
        for (unsigned i = 0; i < 3; i++)
                assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
}

/* A key of the environment shares the name with any other. */
static void test_a_name_is_of_no_key(void **state)
{
        struct test_gate *test = *state;
        struct test_key other;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 2), 2);
        test_key_issue(test, 18, &other);
        struct tk_named_limit named = {TK_STR("alice"), &hourly};
        struct tk_ask ask = test_ask(test, &other);
        ask.named = &named;
        ask.named_count = 1;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        assert_code(test_decide(test, &ask), TK_CODE_quota_exceeded);
}

static void test_what_is_no_name_or_limit_is_unavailable(void **state)
{
        struct test_gate *test = *state;
        char longest[TK_NAMED_NAME_MAX + 1], bytes[] = {0, 1, (char)0xff, '"', '\n', (char)0xc3};
        memset(longest, 'n', sizeof longest);
        struct tk_limit_def anchored = hourly, credits = {.kind = TK_LIMIT_CREDITS}, none = {0},
                            no_burst = minutely, past_end = hourly;
        anchored.anchored = true;
        no_burst.burst = 0;
        past_end.period = (enum tk_period_kind)99;
        const struct {
                struct tk_named_limit named;
                bool good;
        } cases[] = {
                {{{longest, TK_NAMED_NAME_MAX}, &hourly}, true},
                {{{longest, TK_NAMED_NAME_MAX + 1}, &hourly}, false},
                {{{longest, 1}, &hourly}, true},
                {{{longest, 0}, &hourly}, false},
                {{TK_STR_NONE, &hourly}, false},
                {{{bytes, sizeof bytes}, &hourly}, true},
                {{TK_STR("n"), NULL}, false},
                {{TK_STR("n"), &anchored}, false},
                {{TK_STR("n"), &credits}, false},
                {{TK_STR("n"), &none}, false},
                {{TK_STR("n"), &no_burst}, false},
                {{TK_STR("n"), &past_end}, false},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct tk_answer answer = ask_at(test, &cases[i].named, 1, 0);
                assert_code(answer.code, cases[i].good ? TK_CODE_valid : TK_CODE_unavailable);
                if (!cases[i].good)
                        assert_string_equal(answer.reason, "a named limit is not one");
        }
        assert_int_equal(taken_places(test), 3);
}

static void test_requests_are_counted_with_the_name(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 8), 3);
        struct tk_format_named *entry = entry_at(test, only_place(test));
        assert_int_equal(entry->admitted, 3);
        assert_int_equal(entry->refused, 5);
        assert_int_equal(entry->last_used_s, TEST_NOW_S);
}

/* A limit that is named twice counts once, so that it is neither charged twice nor refused for itself. */
static void test_a_limit_that_is_named_twice_counts_once(void **state)
{
        struct test_gate *test = *state;
        const struct tk_named_limit named[] = {{TK_STR("alice"), &hourly},
                                               {TK_STR("alice"), &minutely},
                                               {TK_STR("alice"), &hourly},
                                               {TK_STR("bob"), &hourly}};
        for (unsigned i = 0; i < 3; i++) {
                struct tk_answer answer = ask_at(test, named, 4, 0);
                assert_code(answer.code, TK_CODE_valid);
                assert_int_equal(answer.limit_count, 3);
                assert_int_equal(answer.limits[0].state.remaining, 2 - i);
        }
        assert_code(ask_at(test, named, 4, 0).code, TK_CODE_rate_limited);
}

/* ---- how many ---- */

static void issue_with_limits(struct test_gate *test, uint32_t own, struct test_key *ret_key)
{
        static struct tk_limit_def limits[8];
        for (unsigned i = 0; i < 8; i++) {
                char name[4] = {'l', (char)('0' + i)};
                limits[i] = test_window(name, 100, TK_PERIOD_DAY, 0);
        }
        test_subscription_publish(test, 3, limits, 8);
        test_key_mint(test, 20 + own, ret_key);
        ret_key->published.subscription_id = 3;
        ret_key->published.limits = limits;
        ret_key->published.limit_count = own;
        test_key_publish(test, ret_key);
}

/* Sixteen are the most, and a request with more leaves no trace. */
static void test_sixteen_limits_and_no_more(void **state)
{
        struct test_gate *test = *state;
        struct test_key full;
        struct tk_named_limit many[TK_GATE_LIMITS_MAX + 1];
        char names[TK_GATE_LIMITS_MAX + 1];
        for (unsigned i = 0; i < TK_GATE_LIMITS_MAX + 1; i++) {
                names[i] = (char)('a' + i);
                many[i] = (struct tk_named_limit){{&names[i], 1}, &hourly};
        }
        static const struct {
                uint32_t own, named;
                bool fits;
        } cases[] = {{8, 1, false}, {7, 2, false}, {7, 1, true}, {0, 9, false}, {0, 8, true}, {8, 17, false}};
        uint32_t used = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                issue_with_limits(test, cases[i].own, &full);
                struct tk_ask ask = test_ask(test, &full);
                ask.named = many;
                ask.named_count = cases[i].named;
                struct tk_answer answer = test_answer(test, &ask);
                assert_code(answer.code, cases[i].fits ? TK_CODE_valid : TK_CODE_unavailable);
                assert_int_equal(answer.limit_count, cases[i].fits ? 8 + cases[i].own + cases[i].named : 0);
                if (!cases[i].fits)
                        assert_string_equal(answer.reason, "more limits apply than a request may have");
                used = cases[i].fits && cases[i].named > used ? cases[i].named : used;
                assert_int_equal(taken_places(test), used);
        }
        struct tk_answer answer = ask_at(test, many, 16, 0);
        assert_int_equal(answer.limit_count, 16);
        assert_code(ask_at(test, many, 17, 0).code, TK_CODE_unavailable);
        assert_code(ask_at(test, many, UINT32_MAX, 0).code, TK_CODE_unavailable);
}

/* ---- a full table ---- */

/* Names until each bucket is full of `def`; some shared by then. */
static void fill(struct test_gate *test, const struct tk_limit_def *def)
{
        char name[16];
        for (unsigned i = 0; taken_places(test) < PLACES; i++) {
                assert_true(i < 100 * PLACES);
                snprintf(name, sizeof name, "fill%u", i);
                ask_name(test, name, def);
        }
}

/* Those that find no place share one limit: never more than it admits, for all of them together. */
static void test_names_without_a_place_share_one_limit(void **state)
{
        struct test_gate *test = *state;
        char name[16];
        ask_name(test, "x", &daily);
        fill(test, &daily); /* which makes the shared entry, as the last buckets fill up at different times */
        unsigned shared = 0, admitted = 0;
        for (unsigned i = 0; i < 50; i++) {
                snprintf(name, sizeof name, "late%u", i);
                struct tk_answer answer = ask_name(test, name, &daily);
                shared += answer.named_shared;
                admitted += answer.code == TK_CODE_valid;
                assert_int_equal(taken_places(test), PLACES);
        }
        assert_int_equal(shared, 50);
        assert_true(admitted <= 3);
        assert_false(ask_name(test, "x", &daily).named_shared);

        struct tk_answer answer = ask_name(test, "late", &hourly); /* its shared entry would be a new one */
        assert_code(answer.code, TK_CODE_unavailable);
        assert_string_equal(answer.reason, "there is no room for another named limit");
        assert_true(answer.named_shared);
}

/* Two names in one request that share an entry charge it once. */
static void test_a_shared_entry_counts_a_request_once(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def def = test_window("wide", 1000, TK_PERIOD_DAY, 0);
        fill(test, &def);
        const struct tk_named_limit named[] = {{TK_STR("late1"), &def}, {TK_STR("late2"), &def}};
        uint64_t before = ask_at(test, named, 1, 0).limits[0].state.remaining;
        struct tk_answer answer = ask_at(test, named, 2, 0);
        assert_code(answer.code, TK_CODE_valid);
        assert_int_equal(answer.limit_count, 1);
        assert_int_equal(answer.limits[0].state.remaining, before - 1);
}

/* One that is not enforced refuses nobody, not even where there is no room for it. */
static void test_a_shadow_limit_without_room_is_left_out(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def shadow = hourly;
        shadow.shadow = true;
        fill(test, &daily);
        struct tk_answer answer = ask_name(test, "late", &shadow);
        assert_code(answer.code, TK_CODE_valid);
        assert_true(answer.named_shared);
        assert_int_equal(answer.limit_count, 0);
}

/* A name of `def` that has no place although the table is not more than full; its bucket. */
static unsigned find_sharer(struct test_gate *test, const struct tk_limit_def *def, char ret_name[16],
                            uint64_t *ret_tag)
{
        struct tk_ask ask = test_ask(test, &key);
        struct tk_answer answer;
        struct tk_request request;
        tk_request_init(&request, test->gate, &ask, &answer);
        request.environment = tk_policy_environment(tk_gate_area(test->gate, TK_FILE_POLICY), ask.environment);
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(ret_name, 16, "late%u", i);
                struct tk_named_limit named = {tk_str_from(ret_name), def};
                struct tk_named_place place;
                struct tk_format_limit limit;
                request.rehearsal = true;
                assert_true(tk_named_compile(&named, &limit));
                assert_true(tk_named_find(&request, &named, &limit, &place));
                if (place.tag == place.name_tag)
                        continue;
                *ret_tag = place.name_tag;
                return (unsigned)((place.name_tag >> 16) % BUCKETS);
        }
        fail_msg("every name has a place");
        return 0;
}

/* As the sweep would, of a limit that is whole; there are none while the clock stands still. */
static void free_a_place(struct test_gate *test, unsigned bucket)
{
        struct tk_format_named_bucket *of = bucket_at(test, bucket);
        struct tk_slot insert = tk_slot_of(tk_slot_read(&of->insert));
        memset(&of->entries[5], 0, sizeof of->entries[5]);
        atomic_store(&of->tags[5], insert.hi >> 8);
}

/* Two of its three units were used in the shared entry: in its own there is one left, and not three. */
static void test_what_was_used_in_the_shared_entry_is_taken_over(void **state)
{
        static struct tk_limit_def *const defs[] = {&daily, &minutely};
        for (unsigned i = 0; i < 2; i++) {
                struct test_gate *test = *state;
                char name[16];
                uint64_t tag;
                fill(test, defs[i]);
                unsigned bucket = find_sharer(test, defs[i], name, &tag);
                uint32_t admitted = admit_up_to(test, name, defs[i], 2);
                free_a_place(test, bucket);
                admitted += admit_up_to(test, name, defs[i], 9);
                assert_int_equal(taken_places(test), PLACES);
                assert_false(ask_name(test, name, defs[i]).named_shared);
                assert_true(admitted <= 3);
                teardown(state);
                setup(state);
        }
}

/* Between its look at the shared entry and its charge there, another has begun the name's own: the charge may not stand. */
static void test_a_charge_of_the_shared_entry_that_comes_too_late(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def def = test_window("wide", 1000, TK_PERIOD_DAY, 0);
        char name[16];
        uint64_t tag;
        fill(test, &def);
        unsigned bucket = find_sharer(test, &def, name, &tag);
        uint64_t before = ask_name(test, name, &def).limits[0].state.remaining;

        struct tk_named_limit named = {tk_str_from(name), &def};
        struct tk_ask ask = test_ask(test, &key);
        struct tk_request request;
        struct tk_answer answer;
        ask.named = &named;
        ask.named_count = 1;
        tk_request_init(&request, test->gate, &ask, &answer);
#define X(code, check, describe) assert_true(check(&request));
        TK_CHECKS(X)
#undef X
        free_a_place(test, bucket);
        struct tk_answer other = ask_name(test, name, &def);
        assert_false(other.named_shared);
        assert_int_equal(other.limits[0].state.remaining, before - 1);

        assert_false(tk_request_charge(&request));
        assert_string_equal(request.damage, "a named limit got a place of its own meanwhile; ask again");
        find_sharer(test, &def, name, &tag);
        assert_int_equal(ask_name(test, name, &def).limits[0].state.remaining, before - 1);
}

/* ---- explain ---- */

static void explain(struct test_gate *test, const char *name, const struct tk_limit_def *def,
                    struct tk_explanation *ret_explanation)
{
        struct tk_named_limit named = {tk_str_from(name), def};
        struct tk_ask ask = test_ask(test, &key);
        ask.named = &named;
        ask.named_count = 1;
        tk_gate_explain(test->gate, &ask, ret_explanation);
}

/* An explanation says what a decision would, and leaves every byte of the table as it is. */
static void test_an_explanation_makes_no_entry(void **state)
{
        struct test_gate *test = *state;
        static uint8_t before[BUCKETS * sizeof(struct tk_format_named_bucket)];
        struct tk_explanation explanation;
        struct tk_limit_def other = test_window("other", 3, TK_PERIOD_DAY, 0);
        char late[16];
        uint64_t tag;
        admit_up_to(test, "alice", &hourly, 2);
        memcpy(before, bucket_at(test, 0), sizeof before);
        explain(test, "alice", &hourly, &explanation);
        assert_int_equal(explanation.answer.limits[0].state.remaining, 0); /* with this one */
        explain(test, "bob", &hourly, &explanation);
        assert_code(explanation.answer.code, TK_CODE_valid);
        assert_int_equal(explanation.answer.limits[0].state.remaining, 2);
        assert_false(explanation.answer.named_shared);
        assert_memory_equal(before, bucket_at(test, 0), sizeof before);

        fill(test, &other);
        find_sharer(test, &other, late, &tag);
        admit_up_to(test, late, &other, 9);
        memcpy(before, bucket_at(test, 0), sizeof before);
        explain(test, late, &other, &explanation);
        assert_code(explanation.answer.code, TK_CODE_quota_exceeded);
        assert_true(explanation.answer.named_shared);
        explain(test, late, &daily, &explanation);
        assert_memory_equal(before, bucket_at(test, 0), sizeof before);
        explain(test, "carol", &minutely, &explanation);
        assert_code(explanation.answer.code, TK_CODE_unavailable);
        assert_memory_equal(before, bucket_at(test, 0), sizeof before);
}

/* Nor does it keep one that is about to be forgotten, or tell of the shared entry what it would not begin with. */
static void test_an_explanation_of_what_is_being_forgotten(void **state)
{
        struct test_gate *test = *state;
        struct tk_explanation explanation;
        admit_up_to(test, "alice", &hourly, 3);
        unsigned place = only_place(test);
        sweep_at(test, 3600 + 62);
        assert_true(atomic_load(tag_at(test, place)) & TK_NAMED_CLOSING);
        explain(test, "alice", &hourly, &explanation);
        assert_code(explanation.answer.code, TK_CODE_quota_exceeded); /* asked at TEST_NOW */
        assert_true(atomic_load(tag_at(test, place)) & TK_NAMED_CLOSING);
}

/* ---- the sweep ---- */

static void test_what_is_whole_for_two_minutes_is_forgotten(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 5), 3);
        unsigned place = only_place(test);
        uint64_t tag = atomic_load(tag_at(test, place));
        struct tk_format_named *entry = entry_at(test, place);

        sweep_at(test, 3600 + 60);
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        sweep_at(test, 3600 + 62);
        assert_int_equal(atomic_load(tag_at(test, place)), tag | TK_NAMED_CLOSING);
        sweep_at(test, 3600 + 122);
        assert_int_equal(atomic_load(tag_at(test, place)), tag | TK_NAMED_CLOSING);
        assert_int_equal(entry->admitted, 3);
        sweep_at(test, 3600 + 123);
        assert_int_equal(taken_places(test), 0);
        assert_int_equal(entry->admitted + entry->refused + entry->last_used_s + entry->whole_s, 0);
        assert_int_equal(entry->slot.lo | entry->slot.hi, 0);

        /* The insert that made it is still announced. Whoever comes by next does not bring it back. */
        unsigned bucket = place / TK_NAMED_BUCKET_ENTRIES;
        assert_int_equal(bucket_at(test, bucket)->insert.lo, tag);
        char name[16];
        for (unsigned i = 0; bucket_at(test, bucket)->insert.lo == tag; i++) {
                snprintf(name, sizeof name, "n%u", i);
                ask_name(test, name, &hourly);
        }
        for (unsigned i = 0; i < PLACES; i++)
                assert_true(atomic_load(tag_at(test, i)) != tag);
        assert_int_equal(admit_up_to(test, "alice", &hourly, 5), 3);
}

static void test_what_is_used_while_it_closes_is_kept(void **state)
{
        struct test_gate *test = *state;
        struct tk_named_limit named = {TK_STR("alice"), &hourly};
        admit_up_to(test, "alice", &hourly, 3);
        unsigned place = only_place(test);
        uint64_t tag = atomic_load(tag_at(test, place));
        sweep_at(test, 3600 + 62);
        assert_int_equal(atomic_load(tag_at(test, place)), tag | TK_NAMED_CLOSING);
        assert_code(ask_at(test, &named, 1, 3600 + 63).code, TK_CODE_valid);
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        forget_at(test, 3600 + 200);
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        struct tk_answer answer = ask_at(test, &named, 1, 3600 + 300);
        assert_int_equal(answer.limits[0].state.remaining, 1);

        /* Found before it closed, charged after: what the decider raised before its charge opens it again. */
        forget_at(test, 7200 + 62 - 61);
        sweep_at(test, 7200 + 3600);
        if (atomic_load(tag_at(test, place)) == (tag | TK_NAMED_CLOSING)) {
                atomic_store(&entry_at(test, place)->whole_s,
                             moment_after(test, 7200 + 7200).boot_ns / TK_NS_PER_S);
                sweep_at(test, 7200 + 3700);
        }
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
}

/* Nothing is forgotten before it is whole, however long that takes: past it, two minutes later, it is. */
static void test_what_is_not_whole_is_not_forgotten(void **state)
{
        static const struct {
                struct tk_limit_def def;
                int64_t whole_s; /* INT64_MAX: longer than anyone waits */
        } cases[] = {
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .period = TK_PERIOD_MONTH}, 31 * 86400},
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .period = TK_PERIOD_WEEK}, 7 * 86400},
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .length_s = TK_LIMIT_LENGTH_MAX_S},
                 TK_LIMIT_LENGTH_MAX_S},
                {{.kind = TK_LIMIT_WINDOW, .limit = 5, .length_s = 1}, 1},
                {{.kind = TK_LIMIT_RATE, .limit = 1, .length_s = 86400, .burst = 30}, 30 * 86400},
                {{.kind = TK_LIMIT_RATE, .limit = 1000000, .length_s = 1, .burst = 1}, 0},
                /* 366 days * 10^15 are more seconds than 64 bits hold */
                {{.kind = TK_LIMIT_RATE, .limit = 1, .length_s = 366 * 86400, .burst = TK_LIMIT_UNITS_MAX},
                 INT64_MAX},
                /* which, cut to 64 bits, are none: 2^24 s * 2^40 */
                {{.kind = TK_LIMIT_RATE, .limit = 1, .length_s = 1 << 24, .burst = UINT64_C(1) << 40},
                 INT64_MAX},
        };
        struct test_gate *test = *state;
        unsigned for_ever = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                bool never = cases[i].whole_s == INT64_MAX;
                int64_t whole_s = never ? INT64_C(7000000000) : cases[i].whole_s;
                ask_name(test, "alice", &cases[i].def);
                forget_at(test, whole_s);
                assert_int_equal(taken_places(test), for_ever + 1);
                forget_at(test, whole_s + 200);
                for_ever += never;
                assert_int_equal(taken_places(test), for_ever);
        }
}

/* A clock that was put back leaves a later period in the slot, which counts for up to another one: so long it may not be forgotten. */
static void test_a_clock_that_was_put_back_keeps_windows(void **state)
{
        struct test_gate *test = *state;
        admit_up_to(test, "alice", &hourly, 3);
        struct tk_named_limit rate = {TK_STR("bob"), &minutely};
        ask_at(test, &rate, 1, 0);
        uint64_t cursor = 0;
        for (int64_t after_s = 3600; after_s <= 3600 + 3600 + 60; after_s += 61) {
                struct tk_moment now = moment_after(test, after_s);
                now.gate_ns -= 86400 * TK_NS_PER_S; /* an hour after the request it went back by a day */
                now.back = (struct tk_put_back){.at_s = TEST_NOW_S + 3600 - 86400, .times = 1};
                tk_named_sweep(&test->publisher->files, &now, &cursor);
                if (after_s >= 3600 + 122) /* of rates the clock is not the one that was set */
                        only_place(test);
        }
        for (int64_t after_s = 3 * 3600; after_s <= 3 * 3600 + 61; after_s += 61) {
                struct tk_moment now = moment_after(test, after_s);
                now.gate_ns -= 86400 * TK_NS_PER_S;
                now.back = (struct tk_put_back){.at_s = TEST_NOW_S + 3600 - 86400, .times = 1};
                tk_named_sweep(&test->publisher->files, &now, &cursor);
        }
        assert_int_equal(taken_places(test), 0);
}

/* A reservation names the place of its charge: while it is open, nobody else may get that place and be given back for it. */
static void test_an_open_reservation_keeps_the_place(void **state)
{
        struct test_gate *test = *state;
        struct tk_limit_def def = test_window("short", 10, TK_PERIOD_FIXED, 60);
        struct tk_named_limit named = {TK_STR("alice"), &def};
        struct tk_ask ask = test_ask(test, &key);
        ask.named = &named;
        ask.named_count = 1;
        ask.reserve_s = 7200;
        assert_code(test_decide(test, &ask), TK_CODE_valid);
        forget_at(test, 7200);
        assert_int_equal(taken_places(test), 1);
        forget_at(test, 7400);
        assert_int_equal(taken_places(test), 0);
}

/* ---- inserters and daemons that were killed ---- */

static void test_an_announced_insert_is_finished_by_the_next(void **state)
{
        struct test_gate *test = *state;
        assert_int_equal(admit_up_to(test, "alice", &hourly, 1), 1);
        unsigned place = only_place(test);
        struct tk_format_named_bucket *bucket = bucket_at(test, place / TK_NAMED_BUCKET_ENTRIES);
        uint64_t tag = atomic_exchange(tag_at(test, place), 0); /* as it was between announcing and writing */
        struct tk_slot insert = tk_slot_of(tk_slot_read(&bucket->insert));
        assert_int_equal(insert.lo, tag);
        assert_int_equal(insert.hi, 1 << 8 | place % TK_NAMED_BUCKET_ENTRIES);

        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 2); /* found there: one was charged before */
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        only_place(test);

        /* The same for another name that comes first. */
        atomic_store(tag_at(test, place), 0);
        char name[16];
        for (unsigned i = 0; taken_places(test) < 20; i++) {
                snprintf(name, sizeof name, "n%u", i);
                ask_name(test, name, &hourly);
        }
        assert_int_equal(atomic_load(tag_at(test, place)), tag);
        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 0);
}

static void test_garbage_in_the_insert_word_is_passed(void **state)
{
        struct test_gate *test = *state;
        static const struct tk_slot garbage[] = {
                {UINT64_MAX, UINT64_MAX - 1}, {0, 15}, {TK_NAMED_DEAD, 1 << 8 | 14}, {7, 0}};
        for (size_t i = 0; i < 4; i++) {
                char name[16];
                for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
                        bucket_at(test, bucket)->insert = garbage[i];
                for (unsigned n = 0; n < 4; n++) {
                        snprintf(name, sizeof name, "%zu.%u", i, n);
                        assert_code(ask_name(test, name, &hourly).code, TK_CODE_valid);
                }
        }
}

static void test_a_daemon_that_was_killed_while_it_forgot(void **state)
{
        struct test_gate *test = *state;
        admit_up_to(test, "alice", &hourly, 3);
        unsigned place = only_place(test);
        atomic_store(tag_at(test, place), TK_NAMED_DEAD);
        assert_int_equal(admit_up_to(test, "alice", &hourly, 9), 3); /* it was whole, or would not be dead */
        sweep_at(test, 1);
        assert_int_equal(atomic_load(tag_at(test, place)), 2); /* the version: alice was inserted twice */
        assert_int_equal(entry_at(test, place)->slot.lo, 0);
        only_place(test);
}

/* ---- threads ---- */

/*
 * Threads ask for random names of a set that moves on with time, more than the table has places, while the daemon's sweep forgets those
 * that were left behind. All take part in each second of the clock, so no decision takes the minute after which it may lose its charge.
 * What is admitted is counted by name and period, or by name: one that had two places, or came by a fresh limit, would exceed its promise.
 */
#define THREADS      4
#define NAMES        128
#define ACTIVE       80 /* names at a time */
#define MOVED        20 /* of them in each minute */
#define STORM_S      1500
#define A_SECOND     17 /* decisions of a thread */
#define PERIOD_S     32
#define WINDOW_LIMIT 3

struct storm {
        struct tk_gate gate; /* the publisher's mapping, so that ThreadSanitizer sees both sides */
        uint32_t environment;
        _Atomic int64_t second; /* that runs; up to STORM_S */
        _Atomic unsigned working;
        _Atomic uint32_t windows[NAMES][STORM_S / PERIOD_S + 3];
        _Atomic uint32_t rates[NAMES];
        _Atomic uint64_t admitted, refused, shared, unavailable, wrong;
};
static struct storm storm;

/* 2 at once and one in 20 s; a period of 32 s, one of which begins with the storm. */
static struct tk_limit_def storm_rate, storm_window;

static void note(unsigned name, const struct tk_answer *answer, int64_t second, bool rate)
{
        atomic_fetch_add(&storm.shared, answer->named_shared);
        if (answer->code == TK_CODE_unavailable) {
                atomic_fetch_add(&storm.unavailable, 1);
                return;
        }
        if (answer->code != TK_CODE_valid) {
                atomic_fetch_add(&storm.refused, 1);
                return;
        }
        atomic_fetch_add(&storm.admitted, 1);
        if (rate) {
                atomic_fetch_add(&storm.rates[name], 1);
                return;
        }
        /* The period that was charged, which may be a later one than that of the second. */
        int64_t end_s = second + (int64_t)(answer->limits[0].state.reset_ns / TK_NS_PER_S);
        uint32_t before = atomic_fetch_add(&storm.windows[name][end_s / PERIOD_S], 1);
        if (before >= WINDOW_LIMIT)
                atomic_fetch_add(&storm.wrong, 1);
}

static uint32_t next_random(uint32_t *state)
{
        *state = *state * 1664525 + 1013904223;
        return *state >> 8;
}

static void rage_a_second(int64_t second, uint32_t *random)
{
        for (unsigned i = 0; i < A_SECOND; i++) {
                unsigned name = (unsigned)(second / 60 * MOVED + next_random(random) % ACTIVE) % NAMES;
                bool rate = name % 2;
                char text[16];
                snprintf(text, sizeof text, "user%u", name);
                struct tk_named_limit named = {tk_str_from(text), rate ? &storm_rate : &storm_window};
                struct tk_ask ask = {.key = key.view,
                                     .environment = storm.environment,
                                     .cost = 1,
                                     .named = &named,
                                     .named_count = 1,
                                     .now_ns = (uint64_t)(TEST_NOW_S + second) * TK_NS_PER_S};
                struct tk_answer answer;
                tk_gate_decide(&storm.gate, &ask, &answer);
                note(name, &answer, second, rate);
        }
}

static void *rage(void *arg)
{
        uint32_t random = *(unsigned *)arg * 77777 + 1;
        for (int64_t second = 0; second < STORM_S; second++) {
                while (atomic_load(&storm.second) < second)
                        sched_yield();
                rage_a_second(second, &random);
                atomic_fetch_sub(&storm.working, 1);
        }
        return NULL;
}

/* Nobody but the sweep, which runs in this thread, frees a place: a tag that is seen twice is there twice. */
static void assert_no_tag_twice(const struct test_gate *test)
{
        uint64_t tags[PLACES];
        for (unsigned i = 0; i < PLACES; i++)
                tags[i] = atomic_load(tag_at(test, i)) & ~TK_NAMED_CLOSING;
        for (unsigned i = 0; i < PLACES; i++)
                for (unsigned j = 0; j < i; j++)
                        assert_false(tags[i] & TK_NAMED_TAKEN && tags[i] == tags[j]);
}

static void storm_begin(struct test_gate *test)
{
        memset(&storm, 0, sizeof storm);
        storm_rate = test_rate("r", 1, 20, 2);
        storm_window = test_window("w", WINDOW_LIMIT, TK_PERIOD_FIXED, PERIOD_S);
        storm.gate = *test->gate;
        storm.gate.files = test->publisher->files;
        storm.environment = test->production;
        storm.second = -1;
        assert_int_equal(TEST_NOW_S % PERIOD_S, 0);
}

static void test_threads_against_the_oracle(void **state)
{
        struct test_gate *test = *state;
        pthread_t threads[THREADS];
        unsigned numbers[THREADS];
        uint64_t freed = 0;
        storm_begin(test);
        for (unsigned i = 0; i < THREADS; i++) {
                numbers[i] = i;
                assert_int_equal(pthread_create(&threads[i], NULL, rage, &numbers[i]), 0);
        }
        for (int64_t second = 0; second < STORM_S; second++) {
                atomic_store(&storm.working, THREADS);
                atomic_store(&storm.second, second);
                unsigned taken = taken_places(test);
                sweep_at(test, second);
                freed += taken > taken_places(test);
                assert_no_tag_twice(test);
                while (atomic_load(&storm.working))
                        sched_yield();
        }
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);

        assert_int_equal(storm.wrong, 0);
        for (unsigned name = 1; name < NAMES; name += 2)
                assert_true(storm.rates[name] <= 2 + STORM_S / 20);
        print_message(
                "admitted %lu, refused %lu, shared %lu, unavailable %lu, sweeps that freed places %lu\n",
                (unsigned long)storm.admitted, (unsigned long)storm.refused, (unsigned long)storm.shared,
                (unsigned long)storm.unavailable, (unsigned long)freed);
        assert_true(storm.admitted > 1000 && storm.refused > 1000 && storm.shared > 1000 && freed > 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_each_name_has_a_limit_of_its_own),
                TEST(test_another_definition_is_another_limit),
                TEST(test_another_environment_is_another_limit),
                TEST(test_a_name_is_of_no_key),
                TEST(test_what_is_no_name_or_limit_is_unavailable),
                TEST(test_requests_are_counted_with_the_name),
                TEST(test_a_limit_that_is_named_twice_counts_once),
                TEST(test_sixteen_limits_and_no_more),
                TEST(test_names_without_a_place_share_one_limit),
                TEST(test_a_shared_entry_counts_a_request_once),
                TEST(test_a_shadow_limit_without_room_is_left_out),
                TEST(test_what_was_used_in_the_shared_entry_is_taken_over),
                TEST(test_a_charge_of_the_shared_entry_that_comes_too_late),
                TEST(test_an_explanation_makes_no_entry),
                TEST(test_an_explanation_of_what_is_being_forgotten),
                TEST(test_what_is_whole_for_two_minutes_is_forgotten),
                TEST(test_what_is_used_while_it_closes_is_kept),
                TEST(test_what_is_not_whole_is_not_forgotten),
                TEST(test_a_clock_that_was_put_back_keeps_windows),
                TEST(test_an_open_reservation_keeps_the_place),
                TEST(test_an_announced_insert_is_finished_by_the_next),
                TEST(test_garbage_in_the_insert_word_is_passed),
                TEST(test_a_daemon_that_was_killed_while_it_forgot),
                TEST(test_threads_against_the_oracle),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
