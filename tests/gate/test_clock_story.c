/*
 * Clocks that are set at random, daemons that come and go, machines that are suspended, and requests between all that, against a list of
 * everything that was ever admitted: what docs/decisions/0008 promises. TOLLKEEPER_CLOCK_ROUNDS says how many such stories.
 */
#include "clock_world.h"
#include "fake_clock.h"

#include <string.h>

#define DAY_MS  INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

static struct world the_world;

enum { LIMITS = 6, UNITS = 20 };

struct admitted {
        int64_t gate_ms;
        int64_t steady_ms; /* of a clock that follows gate time's slews and no step */
        unsigned stretch;  /* between two steps of gate time */
        /* the period that it was counted in, its own or a later one that still counted, in which stretch that count began, and how much it is */
        int64_t counted_s;
        unsigned counted_stretch;
        uint64_t used;
        unsigned cost;
};

struct oracle {
        struct tk_limit_def def;
        int64_t anchor_s;
        struct tk_ask ask;
        struct test_key key;
        size_t count;
        struct admitted list[20000];
};

struct story {
        unsigned stretch;
        unsigned back_stretch, forth_stretch; /* that the last step back, or forth, began; 0: none */
        int64_t back_s;                       /* gate time at its start, as published: moved by steps forth */
        int64_t back_ms;                      /* the same, as reckoned here */
        int64_t back_steady_ms;
        int64_t offset_ms;  /* of gate time, when last looked at */
        int64_t stepped_ms; /* by all steps */
        unsigned steps_forth;
        unsigned admitted, refused;
        struct oracle oracles[LIMITS];
};

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return (z ^ (z >> 31)) % below;
}

static int64_t period_of(const struct oracle *oracle, int64_t ms, int64_t *ret_end_s)
{
        int64_t start_s, end_s;
        tk_period_at(oracle->def.period, oracle->def.length_s, oracle->anchor_s, ms / 1000, &start_s, &end_s);
        if (ret_end_s)
                *ret_end_s = end_s;
        return start_s;
}

/* Of the shortest, or the longest, period of the limit. */
static int64_t length_ms(const struct oracle *oracle, int64_t days_of_month)
{
        switch (oracle->def.period) {
        case TK_PERIOD_HOUR:
                return HOUR_MS;
        case TK_PERIOD_DAY:
                return DAY_MS;
        case TK_PERIOD_MONTH:
                return days_of_month * DAY_MS;
        default:
                return oracle->def.length_s * 1000;
        }
}

static int64_t steady_ms(const struct story *story, int64_t gate_ms)
{
        return gate_ms - story->stepped_ms;
}

/* All that was admitted in this stretch and this period is at most what the limit says. */
static void expect_within_limit(const struct oracle *oracle, const struct story *story, int64_t now_ms)
{
        int64_t period_s = period_of(oracle, now_ms, NULL);
        uint64_t used = 0;
        for (size_t i = oracle->count; i > 0 && oracle->list[i - 1].stretch == story->stretch; i--)
                if (period_of(oracle, oracle->list[i - 1].gate_ms, NULL) == period_s)
                        used += oracle->list[i - 1].cost;
        assert_in_range(used, 0, UNITS);
}

/*
 * By steps back no period is admitted twice within its length (but for a second: a step back is told to the second), unless something was used
 * of a later one meanwhile, which is all that a slot remembers then.
 */
static void expect_nothing_refilled(const struct oracle *oracle, const struct story *story, int64_t now_ms)
{
        int64_t since_ms = steady_ms(story, now_ms) - (length_ms(oracle, 28) - 1000);
        int64_t period_s = period_of(oracle, now_ms, NULL);
        uint64_t used = 0;
        for (size_t i = oracle->count; i > 0; i--) {
                const struct admitted *it = &oracle->list[i - 1];
                if (it->stretch < story->forth_stretch || it->steady_ms <= since_ms ||
                    it->counted_s > period_s)
                        break;
                if (period_of(oracle, it->gate_ms, NULL) == period_s)
                        used += it->cost;
        }
        assert_in_range(used, 0, UNITS);
}

/* Who is refused was admitted something within a period's length, or time was put back within it. */
static void expect_no_lockout(const struct oracle *oracle, const struct story *story, int64_t now_ms)
{
        assert_true(oracle->count > 0);
        int64_t since_ms = oracle->list[oracle->count - 1].steady_ms;
        if (story->back_stretch && story->back_steady_ms > since_ms)
                since_ms = story->back_steady_ms;
        assert_true(steady_ms(story, now_ms) - since_ms < length_ms(oracle, 31));
}

/*
 * What is held against a request: what was counted in the period of the last one that was admitted, if that is the present one, or a later
 * one in which something was used since time was last put back (by a slew), or before, if the period still runs that it was put back into.
 * If it was counted in the present one before time was put back, and that into an earlier one, it is held for one length after that.
 */
static uint64_t held_against(const struct oracle *oracle, const struct story *story, int64_t now_ms,
                             struct admitted *ret_beside)
{
        int64_t end_s, period_s = period_of(oracle, now_ms, &end_s);
        ret_beside->counted_s = period_s;
        ret_beside->counted_stretch = story->stretch;
        if (oracle->count == 0)
                return 0;

        const struct admitted *last = &oracle->list[oracle->count - 1];
        bool before = last->counted_stretch < story->back_stretch;
        if (last->counted_s < period_s)
                return 0;
        if (before && last->counted_s > period_s && story->back_s < period_s)
                return 0;
        if (before && last->counted_s == period_s && now_ms / 1000 >= story->back_s + (end_s - period_s))
                return 0;
        ret_beside->counted_s = last->counted_s;
        if (last->counted_s > period_s || !before || story->back_s >= period_s)
                ret_beside->counted_stretch = last->counted_stretch;
        return last->used;
}

static void look_at_the_time(struct world *world, struct story *story)
{
        int64_t offset_ms = world_gate_ms(world) - (int64_t)fake_boot_ms;
        int64_t change_ms = offset_ms - story->offset_ms;
        story->offset_ms = offset_ms;
        if (change_ms >= -200 && change_ms <= 200)
                return;
        story->stretch++;
        story->stepped_ms += change_ms;
        story->back_s = TK_TIME_BACK_AT_S(tk_unseal(atomic_load(&world_header(world)->time_back)));
        if (change_ms < 0) {
                story->back_stretch = story->stretch;
                story->back_ms = story->back_s * 1000;
                story->back_steady_ms = steady_ms(story, world_gate_ms(world));
                story->steps_forth = 0;
                assert_in_range(story->back_ms, world_gate_ms(world) - 121 * 1000, world_gate_ms(world));
                return;
        }
        story->forth_stretch = story->stretch;
        if (story->back_stretch) {
                story->back_ms += change_ms;
                story->steps_forth++;
                assert_in_range(story->back_s * 1000, story->back_ms - 1200 * (int64_t)story->steps_forth,
                                story->back_ms + 200 * (int64_t)story->steps_forth);
        }
}

static void ask_something(struct world *world, struct story *story)
{
        struct oracle *oracle = &story->oracles[draw(LIMITS)];
        int64_t now_ms = world_gate_ms(world);
        struct admitted new = {
                .gate_ms = now_ms, .steady_ms = steady_ms(story, now_ms), .stretch = story->stretch};
        uint64_t held = held_against(oracle, story, now_ms, &new);
        oracle->ask.cost = 1 + draw(draw(4) ? 3 : UNITS);
        bool fits = held + oracle->ask.cost <= UNITS;
        assert_code(test_decide(&world->test, &oracle->ask), fits ? TK_CODE_valid : TK_CODE_quota_exceeded);
        if (!fits) {
                expect_no_lockout(oracle, story, now_ms);
                story->refused++;
                return;
        }
        assert_true(oracle->count < sizeof oracle->list / sizeof *oracle->list);
        new.cost = (unsigned)oracle->ask.cost;
        new.used = held + new.cost;
        oracle->list[oracle->count++] = new;
        expect_within_limit(oracle, story, now_ms);
        expect_nothing_refilled(oracle, story, now_ms);
        story->admitted++;
}

static int64_t some_step_ms(void)
{
        static const int64_t sizes_ms[] = {150,         3000,   90 * 1000,   HOUR_MS,
                                           2 * HOUR_MS, DAY_MS, 31 * DAY_MS, 366 * DAY_MS};
        int64_t ms = (int64_t)draw((uint64_t)sizes_ms[draw(8)]) + 1;
        return draw(2) ? ms : -ms;
}

static void something_happens(struct world *world)
{
        static int64_t last_ms;
        switch (draw(40)) {
        case 0:
                last_ms = some_step_ms();
                world_step(world, last_ms);
                break;
        case 1: /* and back again */
                world_step(world, -last_ms);
                last_ms = -last_ms;
                break;
        case 2:
                world_pass(world, (int64_t)draw((uint64_t)(draw(2) ? 20 * DAY_MS : HOUR_MS)));
                break;
        case 3:
                world_close_publisher(world);
                world_pass(world, (int64_t)draw(100000));
                world_open_publisher(world);
                break;
        case 4:
                tk_publisher_confirm_time(world->test.publisher);
                break;
        case 5:
        case 6:
                for (int i = 0; i < 61; i++)
                        world_run(world, 1);
                break;
        default:
                world_run(world, 1);
                break;
        }
}

static void tell_a_story(struct world *world, int64_t now_s, unsigned steps)
{
        static struct story story;
        static const struct {
                enum tk_period_kind period;
                int64_t length_s;
                bool anchored;
        } kinds[LIMITS] = {{TK_PERIOD_FIXED, 7, false}, {TK_PERIOD_FIXED, 100, true},
                           {TK_PERIOD_HOUR, 0, false},  {TK_PERIOD_DAY, 0, false},
                           {TK_PERIOD_MONTH, 0, false}, {TK_PERIOD_MONTH, 0, true}};
        memset(&story, 0, sizeof story);
        world_begin(world, now_s);
        test_subscription_publish(&world->test, 1, NULL, 0);
        for (uint64_t i = 0; i < LIMITS; i++) {
                struct oracle *oracle = &story.oracles[i];
                oracle->def = test_window("w", UNITS, kinds[i].period, kinds[i].length_s);
                oracle->def.anchored = kinds[i].anchored;
                oracle->anchor_s = kinds[i].anchored ? TEST_STARTED_S : 0;
                oracle->ask = world_ask_of(world, i + 1, &oracle->def, &oracle->key);
                oracle->key.published.subscription_id = 1;
                test_key_publish(&world->test, &oracle->key);
        }
        story.offset_ms = world_gate_ms(world) - (int64_t)fake_boot_ms;
        for (unsigned i = 0; i < steps; i++) {
                something_happens(world);
                if (world->wall_ms < now_s * 1000 - 800 * DAY_MS)
                        world_step(world, 800 * DAY_MS);
                look_at_the_time(world, &story);
                for (uint64_t n = draw(4); n > 0; n--)
                        ask_something(world, &story);
        }
        assert_true(story.admitted > steps / 20 && story.refused > steps / 20);
        assert_true(story.back_stretch > 0);
        world_end(world);
}

static void test_against_a_list_of_all_that_was_admitted(void **state)
{
        static const char *const instants[] = {"2026-12-31T23:59:20Z", "2028-02-29T23:58:00Z",
                                               "2027-02-28T12:00:00Z"};
        struct world *world = &the_world;
        const char *rounds_text = getenv("TOLLKEEPER_CLOCK_ROUNDS");
        unsigned rounds = rounds_text ? (unsigned)strtoul(rounds_text, NULL, 10) : 3;
        (void)state;
        for (unsigned round = 0; round < rounds; round++) {
                seed = round * 1000 + 1;
                tell_a_story(world, world_at(instants[round % 3]), 3000);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_a_list_of_all_that_was_admitted)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
