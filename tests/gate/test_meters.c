/*
 * Meters to records and back into a gate that was made anew: what was used up stays used up, debts shrink by the time that
 * passed and no faster, nothing is ever lowered, and what the new gate lays out differently finds its place by name.
 */
#include "support.h"

#include "core/meter_record.h"
#include "gate/meter_read.h"
#include "gate/meter_restore.h"
#include "gate/publisher.h"

#include <string.h>

#define HOUR_NS (UINT64_C(3600) * TK_NS_PER_S)
#define KEPT    32

/* A gate's meters as the journal would hold them. */
struct kept {
        struct tk_meter_record records[KEPT];
        size_t count;
        uint64_t gate_ns;
};

static bool keep(void *context, const struct tk_meter_record *record)
{
        struct kept *kept = context;
        uint8_t bytes[TK_METER_RECORD_BYTES_MAX];
        size_t used, len = tk_meter_record_encode(record, bytes);
        assert_true(kept->count < KEPT);
        assert_true(tk_meter_record_decode(bytes, len, &kept->records[kept->count++], &used));
        return true;
}

static void read_all(struct test_gate *test, uint64_t gate_ns, struct kept *ret_kept)
{
        struct tk_moment now = tk_files_moment(&test->publisher->files, gate_ns);
        struct tk_meter_record record;
        memset(ret_kept, 0, sizeof *ret_kept);
        ret_kept->gate_ns = gate_ns;
        for (uint64_t i = 0; i < tk_meter_key_count(test->gate); i++)
                if (tk_meter_read_key(test->gate, i, &now, &record) == TK_OK)
                        keep(ret_kept, &record);
        for (uint64_t i = 0; i < tk_meter_subscription_count(test->gate); i++)
                if (tk_meter_read_subscription(test->gate, i, &now, &record) == TK_OK)
                        keep(ret_kept, &record);
        assert_true(tk_meter_each_route(test->gate, &now, 1, keep, ret_kept));
        assert_true(tk_meter_each_named(test->gate, &now, 1, keep, ret_kept));
}

/* ---- two gates with the same keys ---- */

struct pair {
        struct test_gate old, new;
        struct test_key key;
        struct tk_limit_def key_limits[2], plan[2];
        struct tk_publish_subscription subscription;
        struct tk_publish_route route;
        struct tk_limit_def route_limit;
        struct kept kept;
};

static int setup(void **state)
{
        struct pair *pair = calloc(1, sizeof *pair);
        assert_non_null(pair);
        test_gate_init(&pair->old);
        test_gate_init(&pair->new);
        test_gate_publish(&pair->old);
        test_gate_decider(&pair->old);
        test_key_mint(&pair->old, 17, &pair->key);
        pair->key_limits[0] = test_rate("burst", 10, 3600, 10);
        pair->key_limits[1] = test_window("daily", 20, TK_PERIOD_DAY, 0);
        pair->key.published.limits = pair->key_limits;
        pair->key.published.limit_count = 2;
        pair->key.published.subscription_id = 3;
        pair->plan[0] = test_window("monthly", 100, TK_PERIOD_MONTH, 0);
        pair->plan[0].anchored = true;
        pair->plan[1] = (struct tk_limit_def){.kind = TK_LIMIT_CREDITS, .name = "credits"};
        pair->subscription = (struct tk_publish_subscription){.id = 3,
                                                              .environment_id = TEST_PRODUCTION,
                                                              .consumer_id = TEST_CONSUMER,
                                                              .started_s = TEST_STARTED_S,
                                                              .limits = pair->plan,
                                                              .limit_count = 2,
                                                              .credits = {.granted = 1000}};
        pair->route_limit = test_window("route", 50, TK_PERIOD_HOUR, 0);
        pair->route = (struct tk_publish_route){.id = 8,
                                                .environment_id = TEST_PRODUCTION,
                                                .method = TK_STR("GET"),
                                                .template = TK_STR("/v1/x"),
                                                .limits = &pair->route_limit,
                                                .limit_count = 1};
        *state = pair;
        return 0;
}

static int teardown(void **state)
{
        struct pair *pair = *state;
        test_gate_fini(&pair->old);
        test_gate_fini(&pair->new);
        tk_secret_wipe(&pair->key.plaintext);
        free(pair);
        return 0;
}

static void publish(struct pair *pair, struct test_gate *test)
{
        assert_int_equal(tk_publish_subscription(test->publisher, &pair->subscription), TK_OK);
        assert_int_equal(tk_publish_route(test->publisher, &pair->route), TK_OK);
        test_key_publish(test, &pair->key);
}

/* Made so much later, and with its records at other places than in the old one. */
static void make_new(struct pair *pair, uint64_t later_ns)
{
        struct test_gate *test = &pair->new;
        struct tk_fault fault = {0};
        assert_int_equal(tk_publisher_open(test->dir, test_installation, TEST_NOW_NS + later_ns, &test_sizes,
                                           &test->publisher, &test->applied_seq, &fault),
                         TK_OK);
        struct tk_publish_consumer consumer = {.id = TEST_CONSUMER, .name = TK_STR("acme")};
        assert_int_equal(tk_publish_consumer(test->publisher, &consumer), TK_OK);
        struct tk_publish_environment environment = {.id = TEST_PRODUCTION,
                                                     .api_id = TEST_API,
                                                     .api = TK_STR("weather"),
                                                     .name = TK_STR("production")};
        assert_int_equal(tk_publish_environment(test->publisher, &environment), TK_OK);
        publish(pair, test);
}

static void restore(struct pair *pair, enum tk_err expected)
{
        struct tk_meter_restorer *restorer;
        assert_int_equal(tk_meter_restorer_open(pair->new.publisher, &restorer), TK_OK);
        for (size_t i = 0; i < pair->kept.count; i++)
                assert_int_equal(tk_meter_restore(restorer, &pair->kept.records[i], pair->kept.gate_ns,
                                                  TK_METER_JOURNALED),
                                 expected);
        tk_meter_restorer_close(restorer);
        tk_publisher_set_applied(pair->new.publisher, 1);
        test_gate_decider(&pair->new);
}

static struct tk_ask ask_at(struct test_gate *test, struct pair *pair, uint64_t later_ns)
{
        struct tk_ask ask = test_ask(test, &pair->key);
        ask.now_ns = TEST_NOW_NS + later_ns;
        assert_true(tk_gate_route(test->gate, ask.environment, TK_STR("GET"), TK_STR("/v1/x"), &ask.route));
        return ask;
}

static uint64_t remaining(struct test_gate *test, const struct tk_ask *ask, const char *name)
{
        struct tk_ask look = *ask;
        look.cost = 0;
        struct tk_answer answer = test_answer(test, &look);
        for (uint32_t i = 0; i < answer.limit_count; i++)
                if (tk_str_equal(answer.limits[i].name, tk_str_from(name)))
                        return answer.limits[i].state.remaining;
        fail_msg("no limit %s", name);
        return 0;
}

/* ---- tests ---- */

static void test_all_that_was_used_stays_used(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.cost = 7;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        assert_code(test_decide(&pair->old, &ask), TK_CODE_rate_limited);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        assert_int_equal(pair->kept.count, 3);

        make_new(pair, 0);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "burst"), 3);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 13);
        assert_int_equal(remaining(&pair->new, &ask, "monthly"), 93);
        assert_int_equal(remaining(&pair->new, &ask, "credits"), 993);
        assert_int_equal(remaining(&pair->new, &ask, "route"), 43);
        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(pair->new.gate, 17, &usage), TK_OK);
        assert_int_equal(usage.admitted, 1 + 5); /* five looks above */
        assert_int_equal(usage.refused, 1);
        assert_int_equal(usage.last_used_s, TEST_NOW_S);
}

/* Nothing of it may be had again before its time. */
static void test_used_up_is_used_up(void **state)
{
        struct pair *pair = *state;
        pair->plan[0].limit = 10;
        pair->subscription.credits.granted = 10;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.cost = 10;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);

        make_new(pair, HOUR_NS / 2);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, HOUR_NS / 2);
        assert_int_equal(remaining(&pair->new, &ask, "burst"), 5); /* half an hour fills half of it */
        assert_int_equal(remaining(&pair->new, &ask, "monthly"), 0);
        assert_int_equal(remaining(&pair->new, &ask, "credits"), 0);
        assert_code(test_decide(&pair->new, &ask), TK_CODE_quota_exceeded);
        ask.now_ns += UINT64_C(40) * 86400 * TK_NS_PER_S;
        assert_int_equal(remaining(&pair->new, &ask, "monthly"), 10);
        assert_code(test_decide(&pair->new, &ask), TK_CODE_credits_exhausted);
}

/* A wall clock that is behind after the boot: no debt is forgiven, no period begins anew. */
static void test_clock_behind(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.cost = 10;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS + 30 * 86400 * TK_NS_PER_S, &pair->kept);
        for (size_t i = 0; i < pair->kept.count; i++) /* as if read a month later, and just used */
                for (uint32_t j = 0; j < pair->kept.records[i].limit_count; j++)
                        if (pair->kept.records[i].limits[j].kind == TK_LIMIT_RATE)
                                pair->kept.records[i].limits[j].value = (struct tk_slot){
                                        .lo = 10 * pair->kept.records[i].limits[j].rate_interval};
        make_new(pair, 0);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "burst"), 0);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 10);
}

static void test_repeating_and_never_lowering(void **state)
{
        struct pair *pair = *state;
        struct kept first, second;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.cost = 4;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        make_new(pair, 0);
        restore(pair, TK_OK);
        read_all(&pair->new, TEST_NOW_NS, &first);
        restore(pair, TK_OK);
        read_all(&pair->new, TEST_NOW_NS, &second);
        assert_memory_equal(&first, &second, sizeof first);

        ask = ask_at(&pair->new, pair, 0); /* a gate that has gone on */
        ask.cost = 3;
        assert_code(test_decide(&pair->new, &ask), TK_CODE_valid);
        read_all(&pair->new, TEST_NOW_NS, &first);
        restore(pair, TK_OK);
        read_all(&pair->new, TEST_NOW_NS, &second);
        assert_memory_equal(&first, &second, sizeof first);
        ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 13);
}

static void test_named_limits(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_limit_def window = test_window("x", 5, TK_PERIOD_DAY, 0), rate = test_rate("x", 4, 3600, 4);
        struct tk_named_limit named[] = {{TK_STR("alice"), &window}, {TK_STR("alice"), &rate}};
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.named = named;
        ask.named_count = 2;
        ask.cost = 4;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        assert_int_equal(pair->kept.count, 5);

        make_new(pair, HOUR_NS / 4);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, HOUR_NS / 4);
        ask.named = named;
        ask.named_count = 1;
        assert_int_equal(remaining(&pair->new, &ask, "alice"), 1);
        ask.named = named + 1;
        assert_int_equal(remaining(&pair->new, &ask, "alice"), 1); /* a quarter of an hour fills a quarter */
}

static void test_other_definitions(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.cost = 6;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);

        pair->key_limits[0] = test_window("daily", 30, TK_PERIOD_MONTH, 0); /* moved, and of months */
        pair->key_limits[1] = test_rate("burst", 5, 60, 8);                 /* other ticks, other burst */
        pair->plan[1] = test_window("credits", 9, TK_PERIOD_DAY, 0);        /* another kind */
        make_new(pair, 0);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 24);
        assert_in_range(remaining(&pair->new, &ask, "burst"), 1, 2); /* of 8, and 5 come back a minute */
        assert_int_equal(remaining(&pair->new, &ask, "credits"), 9);
        assert_int_equal(remaining(&pair->new, &ask, "monthly"), 94);
}

static void test_a_period_that_has_ended_is_not_carried(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        ask.cost = 6;
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        pair->key_limits[1] = test_window("daily", 30, TK_PERIOD_HOUR, 0);
        make_new(pair, 24 * HOUR_NS);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, 24 * HOUR_NS);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 30);
}

static void test_who_is_not_there(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        make_new(pair, 0);
        for (size_t i = 0; i < pair->kept.count; i++) {
                struct tk_meter_owner *owner = &pair->kept.records[i].owner;
                if (owner->kind == TK_METER_KEY)
                        owner->generation++; /* of who had the number before */
                else
                        owner->id += 1000;
        }
        restore(pair, TK_NOT_FOUND);
        ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 20);
        for (size_t i = 0; i < pair->kept.count;
             i++) /* nothing that was written with care, but sound bytes */
                pair->kept.records[i].owner.id = UINT64_MAX / 2;
        restore(pair, TK_NOT_FOUND);
}

static void test_refusals_modulo(void **state)
{
        struct pair *pair = *state;
        static const uint32_t rising[] = {UINT32_C(0xfffffff0), UINT32_C(0xfffffff8), 5, 3,
                                          UINT32_C(0xffffffff)};
        make_new(pair, 0);
        struct tk_meter_restorer *restorer;
        assert_int_equal(tk_meter_restorer_open(pair->new.publisher, &restorer), TK_OK);
        for (size_t i = 0; i < 5; i++) {
                struct tk_meter_record record = {.owner = {TK_METER_KEY, 0, 17}, .refused = rising[i]};
                assert_int_equal(tk_meter_restore(restorer, &record, TEST_NOW_NS, TK_METER_JOURNALED), TK_OK);
        }
        tk_meter_restorer_close(restorer);
        tk_publisher_set_applied(pair->new.publisher, 1);
        test_gate_decider(&pair->new);
        struct tk_usage usage;
        assert_int_equal(tk_gate_key_usage(pair->new.gate, 17, &usage), TK_OK);
        assert_int_equal(usage.refused, 5);
}

/* A debt or a use of any size: the arithmetic takes it, and no more than a full bucket is owed. */
static void test_wild_values(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        for (size_t i = 0; i < pair->kept.count; i++)
                for (uint32_t j = 0; j < pair->kept.records[i].limit_count; j++) {
                        struct tk_meter_limit *limit = &pair->kept.records[i].limits[j];
                        limit->value.lo = UINT64_MAX;
                        if (limit->kind == TK_LIMIT_RATE)
                                limit->value.hi = (UINT64_C(1) << 43) - 1;
                }
        make_new(pair, 0);
        restore(pair, TK_OK);
        ask = ask_at(&pair->new, pair, HOUR_NS + HOUR_NS / 60);
        assert_int_equal(remaining(&pair->new, &ask, "burst"), 10); /* whole again after an hour */
        ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 0);
        assert_int_equal(remaining(&pair->new, &ask, "credits"), 0);
}

/* A record may name its period by any time in it: the larger use counts, whichever names the later time. */
static void test_any_time_of_the_period(void **state)
{
        struct pair *pair = *state;
        static const struct {
                int64_t at_s;
                uint64_t used;
        } uses[] = {{TEST_NOW_S, 7}, {TEST_NOW_S - 12 * 3600, 9}, {TEST_NOW_S + 3600, 8}};
        make_new(pair, 0);
        for (size_t i = 0; i < 3; i++) {
                struct tk_meter_record *record = &pair->kept.records[pair->kept.count++];
                *record = (struct tk_meter_record){.owner = {TK_METER_KEY, 0, 17}, .limit_count = 1};
                record->limits[0] = (struct tk_meter_limit){.kind = TK_LIMIT_WINDOW,
                                                            .period = TK_PERIOD_DAY,
                                                            .name_len = 5,
                                                            .name = "daily",
                                                            .value = {uses[i].used, (uint64_t)uses[i].at_s}};
        }
        restore(pair, TK_OK);
        struct tk_ask ask = ask_at(&pair->new, pair, 0);
        assert_int_equal(remaining(&pair->new, &ask, "daily"), 11);
}

static void test_never_used_is_no_record(void **state)
{
        struct pair *pair = *state;
        publish(pair, &pair->old);
        read_all(&pair->old, TEST_NOW_NS, &pair->kept);
        assert_int_equal(pair->kept.count, 0);
        assert_int_equal(tk_meter_key_used_s(pair->old.gate, 17), 0);
        struct tk_ask ask = ask_at(&pair->old, pair, 0);
        assert_code(test_decide(&pair->old, &ask), TK_CODE_valid);
        assert_int_equal(tk_meter_key_used_s(pair->old.gate, 17), TEST_NOW_S);
        assert_int_equal(tk_meter_subscription_used_s(pair->old.gate, 3), TEST_NOW_S);
        assert_int_equal(tk_meter_key_used_s(pair->old.gate, UINT64_MAX), 0);
        assert_int_equal(tk_meter_subscription_used_s(pair->old.gate, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_all_that_was_used_stays_used),
                TEST(test_used_up_is_used_up),
                TEST(test_clock_behind),
                TEST(test_repeating_and_never_lowering),
                TEST(test_named_limits),
                TEST(test_other_definitions),
                TEST(test_a_period_that_has_ended_is_not_carried),
                TEST(test_who_is_not_there),
                TEST(test_refusals_modulo),
                TEST(test_wild_values),
                TEST(test_any_time_of_the_period),
                TEST(test_never_used_is_no_record),
        };
        return cmocka_run_group_tests_name("gate meters", tests, NULL, NULL);
}
