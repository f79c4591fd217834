/*
 * Limits that callers name: where each has its place, and what happens where there is none. The table is of 4 buckets, 56 places.
 */
#include "named_support.h"

#include "core/slot.h"
#include "gate/named.h"
#include "gate/publisher.h"

#include <stdio.h>
#include <string.h>

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
        struct tk_ask ask = test_ask(test, &named_key);
        struct tk_answer answer;
        struct tk_request request;
        tk_request_init(&request, test->gate, &ask, &answer);
        request.environment =
                tk_policy_environment(tk_gate_area(test->gate, TK_FILE_POLICY), ask.environment);
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
                named_teardown(state);
                named_setup(state);
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
        struct tk_ask ask = test_ask(test, &named_key);
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
        struct tk_ask ask = test_ask(test, &named_key);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, named_setup, named_teardown)

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
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
