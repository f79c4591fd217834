/*
 * Power cuts of machines whose clock was set, or is wrong at the next boot: what was used comes back to the period in which it counts, no
 * quota is refilled, and nobody is refused for longer than a period. Meters go by way of records (gate/meter_restore.h), as journaled.
 */
#include "clock_world.h"
#include "fake_clock.h"

#include "gate/meter_read.h"
#include "gate/meter_restore.h"

#include <string.h>

#define DAY_MS  INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

enum { UNITS = 100, RECORDS = 8 };

struct record {
        struct tk_meter_record record;
        uint64_t gate_ns;
        enum tk_meter_source source;
};

struct machine {
        struct world world;
        struct tk_limit_def limit;
        struct test_key key;
        struct tk_ask ask;
        struct record records[RECORDS];
        size_t count;
};

static struct machine the_machine;

static void begin(struct machine *machine, const char *now, enum tk_period_kind period)
{
        memset(machine, 0, sizeof *machine);
        machine->limit = test_window("w", UNITS, period, 0);
        world_begin(&machine->world, world_at(now));
        machine->ask = world_ask_of(&machine->world, 17, &machine->limit, &machine->key);
}

static unsigned admit(struct machine *machine, unsigned most)
{
        unsigned admitted = 0;
        while (admitted < most && test_decide(&machine->world.test, &machine->ask) == TK_CODE_valid)
                admitted++;
        return admitted;
}

static void set_clock(struct machine *machine, int64_t by_ms)
{
        world_step(&machine->world, by_ms);
        world_run(&machine->world, 61);
}

static void keep(struct machine *machine, enum tk_meter_source source)
{
        struct record *kept = &machine->records[machine->count++];
        struct tk_moment now = tk_meter_now(machine->world.test.gate);
        assert_true(machine->count <= RECORDS);
        assert_int_equal(tk_meter_read_key(machine->world.test.gate, 17, &now, &kept->record), TK_OK);
        kept->gate_ns = now.gate_ns;
        kept->source = source;
}

static void restore_all(struct machine *machine)
{
        struct tk_meter_restorer *restorer;
        assert_int_equal(tk_meter_restorer_open(machine->world.test.publisher, &restorer), TK_OK);
        for (size_t i = 0; i < machine->count; i++)
                assert_int_equal(tk_meter_restore(restorer, &machine->records[i].record,
                                                  machine->records[i].gate_ns, machine->records[i].source),
                                 TK_OK);
        tk_meter_restorer_close(restorer);
}

/* All that was in memory is gone; the clock says this at the next boot. */
static void cut_power(struct machine *machine, int64_t boot_s)
{
        world_end(&machine->world);
        world_begin(&machine->world, boot_s);
        test_key_publish(&machine->world.test, &machine->key);
        machine->ask = test_ask(&machine->world.test, &machine->key);
        machine->ask.now_ns = 0;
        restore_all(machine);
}

static void end(struct machine *machine)
{
        world_end(&machine->world);
        tk_secret_wipe(&machine->key.plaintext);
}

static void pass_to(struct machine *machine, const char *text)
{
        world_pass(&machine->world, world_at(text) * 1000 - machine->world.wall_ms);
        world_tick(&machine->world);
}

/* Used in a wrong January, put back, and nearly used up in November: so it is after the power cut. */
static void wrong_january(struct machine *machine)
{
        begin(machine, "2026-11-10T12:00:00Z", TK_PERIOD_MONTH);
        set_clock(machine, 60 * DAY_MS);
        assert_int_equal(admit(machine, 5), 5);
        keep(machine, TK_METER_JOURNALED);
        set_clock(machine, -60 * DAY_MS);
        assert_int_equal(admit(machine, 90), 90);
        keep(machine, TK_METER_JOURNALED);
}

static void test_a_step_back_before_the_power_cut(void **state)
{
        struct machine *machine = *state;
        wrong_january(machine);
        cut_power(machine, machine->world.wall_ms / 1000);
        assert_int_equal(admit(machine, UNITS), 5);
        pass_to(machine, "2026-12-01T00:00:00Z");
        assert_int_equal(admit(machine, UNITS + 1), UNITS);
        end(machine);
}

/* The clock is ahead at each boot, by as much as before, or by years; it is put right after a minute. */
static void test_a_clock_that_is_ahead_at_boot(void **state)
{
        static const int64_t ahead_ms[] = {60 * DAY_MS, 25 * DAY_MS, HOUR_MS, 5000 * DAY_MS};
        struct machine *machine = *state;
        for (size_t i = 0; i < 4; i++) {
                wrong_january(machine);
                cut_power(machine, (machine->world.wall_ms + ahead_ms[i]) / 1000);
                set_clock(machine, -ahead_ms[i]);
                assert_int_equal(admit(machine, UNITS), 5);
                pass_to(machine, "2026-12-12T00:00:00Z"); /* a month after the step at the latest */
                assert_int_equal(admit(machine, UNITS + 1), UNITS);
                end(machine);
        }
}

/* The clock is behind at boot: what was used counts by its time, too, and still does when it is put right. */
static void test_a_clock_that_is_behind_at_boot(void **state)
{
        static const char *const boots[] = {"1970-01-01T00:01:00Z", "2026-10-31T23:00:00Z",
                                            "2026-11-01T00:00:00Z", "2020-02-29T10:00:00Z"};
        struct machine *machine = *state;
        for (size_t i = 0; i < 4; i++) {
                wrong_january(machine);
                int64_t now_ms = machine->world.wall_ms;
                cut_power(machine, world_at(boots[i]));
                assert_int_equal(admit(machine, 2), 2);
                set_clock(machine, now_ms - machine->world.wall_ms);
                assert_int_equal(admit(machine, UNITS), 3);
                pass_to(machine, "2026-12-01T00:00:00Z");
                assert_int_equal(admit(machine, UNITS + 1), UNITS);
                end(machine);
        }
}

/* And if nobody puts it right, who has used it up is admitted again a period later. */
static void test_a_clock_that_stays_behind(void **state)
{
        struct machine *machine = *state;
        begin(machine, "2026-11-10T12:00:00Z", TK_PERIOD_HOUR);
        assert_int_equal(admit(machine, UNITS + 1), UNITS);
        keep(machine, TK_METER_JOURNALED);
        cut_power(machine, world_at("1970-01-01T05:10:00Z"));
        assert_int_equal(admit(machine, 1), 0);
        world_run(&machine->world, 49 * 60);
        assert_int_equal(admit(machine, 1), 0);
        world_run(&machine->world, 60);
        assert_int_equal(admit(machine, UNITS + 1), UNITS);
        end(machine);
}

/* The month before was used up: it does not come back as this one, whatever the clock says. */
static void test_of_periods_in_order_the_last_counts(void **state)
{
        static const char *const boots[] = {"2026-12-02T00:00:00Z", "1970-01-01T00:00:10Z",
                                            "2026-11-20T00:00:00Z"};
        struct machine *machine = *state;
        for (size_t i = 0; i < 3; i++) {
                begin(machine, "2026-11-30T23:59:00Z", TK_PERIOD_MONTH);
                assert_int_equal(admit(machine, UNITS + 1), UNITS);
                keep(machine, TK_METER_JOURNALED);
                pass_to(machine, "2026-12-01T00:00:00Z");
                assert_int_equal(admit(machine, 3), 3);
                keep(machine, TK_METER_JOURNALED);
                cut_power(machine, world_at(boots[i]));
                restore_all(machine); /* it may be done again */
                assert_int_equal(admit(machine, UNITS), UNITS - 3);
                end(machine);
        }
}

/* What the registry was told of the present period counts, at whatever record the journal ends. */
static void test_the_registry_counts_beside_the_journal(void **state)
{
        struct machine *machine = *state;
        for (size_t journaled = 0; journaled <= 4; journaled++) /* how many frames are left */
                for (size_t flushed = 0; flushed < 4; flushed++) {
                        begin(machine, "2026-11-10T12:00:00Z", TK_PERIOD_MONTH);
                        assert_int_equal(admit(machine, 20), 20);
                        keep(machine, TK_METER_JOURNALED); /* November */
                        set_clock(machine, 60 * DAY_MS);
                        assert_int_equal(admit(machine, 5), 5);
                        keep(machine, TK_METER_JOURNALED); /* January, by mistake */
                        set_clock(machine, -60 * DAY_MS);
                        assert_int_equal(admit(machine, 30), 30);
                        keep(machine, TK_METER_JOURNALED); /* November, with those of January */
                        assert_int_equal(admit(machine, 40), 40);
                        keep(machine, TK_METER_JOURNALED);

                        uint64_t told = machine->records[flushed].record.limits[0].value.lo;
                        uint64_t said =
                                journaled ? machine->records[journaled - 1].record.limits[0].value.lo : 0;
                        machine->records[journaled] = machine->records[flushed];
                        machine->records[journaled].source = TK_METER_TOTAL;
                        machine->count = journaled + 1;
                        cut_power(machine, machine->world.wall_ms / 1000);
                        uint64_t used = UNITS - admit(machine, UNITS);
                        assert_int_equal(used, told > said ? told : said);
                        pass_to(machine, "2026-12-01T00:00:00Z");
                        assert_int_equal(admit(machine, UNITS + 1), UNITS);
                        end(machine);
                }
}

/* A total that is older than the turn of the month takes nothing from the new one. */
static void test_an_old_total(void **state)
{
        struct machine *machine = *state;
        begin(machine, "2026-11-30T23:59:00Z", TK_PERIOD_MONTH);
        assert_int_equal(admit(machine, UNITS + 1), UNITS);
        keep(machine, TK_METER_TOTAL);
        pass_to(machine, "2026-12-01T00:00:00Z");
        assert_int_equal(admit(machine, 3), 3);
        keep(machine, TK_METER_JOURNALED);
        struct record total = machine->records[0];
        machine->records[0] = machine->records[1];
        machine->records[1] = total;
        cut_power(machine, machine->world.wall_ms / 1000 + 60);
        assert_int_equal(admit(machine, UNITS), UNITS - 3);
        end(machine);
}

/* A period that is no time counts as a later one: it locks nobody out for ever. */
static void test_a_wild_period(void **state)
{
        struct machine *machine = *state;
        begin(machine, "2026-11-10T12:00:00Z", TK_PERIOD_HOUR);
        assert_int_equal(admit(machine, 1), 1);
        keep(machine, TK_METER_JOURNALED);
        machine->records[0].record.limits[0].value = (struct tk_slot){.lo = UINT64_MAX, .hi = UINT64_MAX};
        cut_power(machine, machine->world.wall_ms / 1000);
        assert_int_equal(admit(machine, 1), 0);
        pass_to(machine, "2026-11-10T13:00:00Z");
        assert_int_equal(admit(machine, UNITS + 1), UNITS);
        end(machine);
}

/* Where no step back can be counted any more, what is later counts in the present period. */
static void test_when_the_count_of_steps_back_has_ended(void **state)
{
        struct machine *machine = *state;
        begin(machine, "2026-11-10T12:00:00Z", TK_PERIOD_HOUR);
        assert_int_equal(admit(machine, 90), 90);
        keep(machine, TK_METER_JOURNALED);
        machine->records[0].record.limits[0].value.hi += 30 * 86400;
        atomic_store(&world_header(&machine->world)->time_back,
                     tk_seal(TK_TIME_BACK(TEST_NOW_S, TK_TIME_BACK_TIMES_MAX)));
        restore_all(machine);
        assert_int_equal(world_times_back(&machine->world), TK_TIME_BACK_TIMES_MAX);
        assert_int_equal(admit(machine, UNITS), UNITS - 90);
        pass_to(machine, "2026-11-10T13:00:00Z");
        assert_int_equal(admit(machine, UNITS + 1), UNITS);
        end(machine);
}

static bool keep_named(void *context, const struct tk_meter_record *record)
{
        *(struct tk_meter_record *)context = *record;
        return true;
}

/* A named limit, too, and it is not kept for the years that the clock is behind. */
static void test_a_named_limit(void **state)
{
        struct machine *machine = *state;
        struct tk_limit_def def = test_window("w", UNITS, TK_PERIOD_HOUR, 0);
        struct tk_named_limit named = {TK_STR("alice"), &def};
        struct tk_meter_record before, after;
        begin(machine, "2026-11-10T12:00:00Z", TK_PERIOD_MONTH);
        machine->ask.named = &named;
        machine->ask.named_count = 1;
        assert_int_equal(admit(machine, 90), 90);
        struct tk_moment now = tk_meter_now(machine->world.test.gate);
        assert_true(tk_meter_each_named(machine->world.test.gate, &now, 1, keep_named, &before));
        machine->records[0] = (struct record){before, now.gate_ns, TK_METER_JOURNALED};
        machine->count = 1;

        int64_t wall_ms = machine->world.wall_ms;
        cut_power(machine, world_at("2020-02-29T10:00:00Z"));
        machine->ask.named = &named;
        machine->ask.named_count = 1;
        now = tk_meter_now(machine->world.test.gate);
        assert_true(tk_meter_each_named(machine->world.test.gate, &now, 1, keep_named, &after));
        assert_int_equal(after.whole_s - now.gate_ns / TK_NS_PER_S,
                         before.whole_s - machine->records[0].gate_ns / TK_NS_PER_S);
        assert_int_equal(admit(machine, 2), 2);
        set_clock(machine, wall_ms - machine->world.wall_ms);
        assert_int_equal(admit(machine, UNITS), 8);
        pass_to(machine, "2026-11-10T13:00:00Z");
        assert_int_equal(admit(machine, 5), 5);
        end(machine);
}

static int setup(void **state)
{
        *state = &the_machine;
        return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_step_back_before_the_power_cut),
                TEST(test_a_clock_that_is_ahead_at_boot),
                TEST(test_a_clock_that_is_behind_at_boot),
                TEST(test_a_clock_that_stays_behind),
                TEST(test_of_periods_in_order_the_last_counts),
                TEST(test_the_registry_counts_beside_the_journal),
                TEST(test_an_old_total),
                TEST(test_a_wild_period),
                TEST(test_when_the_count_of_steps_back_has_ended),
                TEST(test_a_named_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
