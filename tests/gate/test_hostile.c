/*
 * A decider that was taken over writes whatever it likes into the files that deciders write: meters and homes, reservations, named limits,
 * rings of events. The others and the daemon's sweeps go on: they end, stay within the files, and admit nobody whom the daemon's own
 * files do not admit. Wrong limits are all that such a decider can bring about, and when it is gone the tables heal.
 */
#include "draw.h"
#include "support.h"

#include "gate/drain.h"
#include "gate/named.h"
#include "gate/publisher.h"
#include "gate/reserve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 4, ROUNDS = 4000, RUN_MAX_S = 250 };

static unsigned seed = 5;

static unsigned draw(unsigned below)
{
        return test_draw(&seed, below);
}

struct world {
        struct test_gate test;
        struct test_key keys[KEYS]; /* active, suspended, revoked, never published */
        struct tk_limit_def defs[3];
        struct tk_drain *drain;
        struct tk_reservations_sweep reservations;
        uint64_t named_cursor, boot_ns;
        uint64_t open[16]; /* reservations */
        uint32_t route;
        unsigned settled;
};

static int setup(void **state)
{
        static struct world world;
        struct test_gate *test = &world.test;
        memset(&world, 0, sizeof world);
        alarm(RUN_MAX_S); /* a loop without an end */
        test_gate_open(test);
        world.defs[0] = test_rate("rate", 1000, 1, 1000);
        world.defs[1] = test_window("window", 1000, TK_PERIOD_FIXED, 60);
        world.defs[2] = test_window("month", 100000, TK_PERIOD_MONTH, 0);
        test_subscription_publish(test, 3, world.defs, 3);
        for (unsigned i = 0; i < KEYS; i++) {
                struct tk_publish_key *key = &world.keys[i].published;
                test_key_mint(test, i + 1, &world.keys[i]);
                key->state = i == 1 ? TK_PUBLISH_SUSPENDED : i == 2 ? TK_PUBLISH_REVOKED : TK_PUBLISH_ACTIVE;
                key->subscription_id = 3;
                key->limits = world.defs;
                key->limit_count = 3;
                if (i < 3)
                        test_key_publish(test, &world.keys[i]);
        }
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/a"),
                                         .limits = world.defs,
                                         .limit_count = 3};
        assert_int_equal(tk_publish_route(test->publisher, &route), TK_OK);
        assert_true(tk_gate_route(test->gate, test->production, TK_STR("GET"), TK_STR("/a"), &world.route));
        assert_int_equal(tk_drain_open(&test->publisher->files, &world.drain), TK_OK);
        world.boot_ns = tk_files_now(&test->publisher->files).boot_ns;
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        tk_drain_close(world->drain);
        test_gate_fini(&world->test);
        alarm(0);
        return 0;
}

/* ---- the hostile one ---- */

static uint64_t draw_word(const struct world *world)
{
        static const uint64_t telling[] = {0,
                                           1,
                                           UINT64_MAX,
                                           UINT64_C(1) << 63,
                                           UINT64_C(3) << 62,
                                           TK_NAMED_DEAD,
                                           UINT64_MAX >> 8,
                                           UINT64_C(0xffffffff00000001),
                                           UINT64_C(0xffffffff00000002),
                                           UINT64_C(0xffffffff00000003),
                                           UINT64_C(7) << 48 | 3};
        uint64_t random = (uint64_t)draw(65536) << 48 | (uint64_t)draw(65536) << 32 |
                          (uint64_t)draw(65536) << 16 | draw(65536);
        switch (draw(4)) {
        case 0:
                return telling[draw(sizeof telling / sizeof *telling)];
        case 1: /* a control of a reservation that is about now, in any state */
                return draw(16) | (uint64_t)draw(16) << 4 | world->boot_ns / TK_NS_PER_S << 32;
        case 2: /* a small number, a second, a place */
                return draw(300) | (uint64_t)draw(12) << 48;
        default:
                return random;
        }
}

/* One word, or many, of one file that deciders write; of what is in use, as nobody can send another beyond it. */
static void scribble(struct world *world)
{
        enum tk_file file = (enum tk_file)(TK_FILE_METERS + draw(TK_FILE_COUNT - TK_FILE_METERS));
        struct tk_area *area = &world->test.publisher->files.areas[file];
        uint64_t words = tk_area_used(area) * area->line_bytes / sizeof(uint64_t);
        if (words == 0)
                return;
        _Atomic uint64_t *first = (_Atomic uint64_t *)(void *)area->lines;
        bool all = draw(100) == 0;
        uint64_t count = all ? words : 1 + draw(40);
        uint64_t at = all ? 0 : (draw(65536) << 8 | draw(256)) % words;
        for (uint64_t i = 0; i < count; i++)
                atomic_store(&first[(at + i) % words], draw_word(world));
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        return hash ^ hash >> 32;
}

/* What reserve.c would say of the line: the check is no secret. */
static uint64_t check_of(const struct tk_format_reservation *line, uint64_t control)
{
        uint64_t hash = mix(control >> 4, atomic_load(&line->expires_s));
        uint32_t count = atomic_load(&line->charge_count);
        hash = mix(mix(hash, atomic_load(&line->key)), atomic_load(&line->units));
        hash = mix(hash, tk_pair(atomic_load(&line->subscription), atomic_load(&line->environment)));
        hash = mix(hash, tk_pair(atomic_load(&line->route), count));
        for (uint32_t i = 0; i < count && i < TK_RESERVATION_CHARGES_MAX; i++)
                hash = mix(mix(hash, atomic_load(&line->charges[i].place)),
                           atomic_load(&line->charges[i].period));
        return hash;
}

/* An open reservation that nobody made, of anything anywhere, and its id. */
static uint64_t forge(struct world *world)
{
        struct tk_area *area = &world->test.publisher->files.areas[TK_FILE_RESERVATIONS];
        uint64_t number = draw((unsigned)tk_area_used(area));
        struct tk_format_reservation *line = tk_area_at(area, number, 1);
        uint32_t now_s = (uint32_t)(world->boot_ns / TK_NS_PER_S), generation = draw(1000);
        uint64_t control = tk_reservation_control(TK_RESERVATION_OPEN, generation, now_s);
        atomic_store(&line->expires_s, now_s + 100000u);
        atomic_store(&line->key, draw_word(world));
        atomic_store(&line->units, draw(8) ? draw(1000) : draw_word(world));
        atomic_store(&line->charge_count, draw(8) ? draw(17) : (uint32_t)draw_word(world));
        for (unsigned i = 0; i < TK_RESERVATION_CHARGES_MAX; i++) {
                uint64_t slot = draw(2) ? draw(300) : draw_word(world) & ((UINT64_C(1) << 48) - 1);
                atomic_store(&line->charges[i].place, slot | (uint64_t)draw(14) << 48);
                atomic_store(&line->charges[i].period, draw(2) ? 0 : draw_word(world));
        }
        atomic_store(&line->check, check_of(line, control));
        atomic_store(&line->control, control);
        assert_true(tk_area_used(area) > number);
        return (uint64_t)generation << 32 | (number + 1);
}

/* ---- the others ---- */

static void ask(struct world *world)
{
        char text[16];
        unsigned which = draw(KEYS);
        int len = snprintf(text, sizeof text, "name %u", draw(100));
        struct tk_limit_def def = world->defs[draw(2)];
        struct tk_named_limit named = {.name = {text, (size_t)len}, .def = &def};
        struct tk_ask question = test_ask(&world->test, &world->keys[which]);
        question.now_ns = 0;
        question.cost = draw(5);
        question.route = draw(2) ? world->route : 0;
        question.named = &named;
        question.named_count = draw(2);
        question.reserve_s = draw(2) * 60;

        struct tk_explanation explanation;
        tk_gate_explain(world->test.gate, &question, &explanation);
        struct tk_answer answer = test_answer(&world->test, &question);
        static const enum tk_code allowed[KEYS] = {TK_CODE_valid, TK_CODE_suspended, TK_CODE_revoked,
                                                   TK_CODE_unknown};
        if (which > 0) {
                assert_code(answer.code, allowed[which]);
                assert_code(explanation.answer.code, allowed[which]);
        } else if (answer.code == TK_CODE_valid && answer.reservation) {
                world->open[draw(16)] = answer.reservation;
        }
        if (answer.code == TK_CODE_unavailable)
                assert_non_null(answer.reason);
}

static void settle(struct world *world)
{
        uint64_t id = draw(2) ? forge(world) : draw(3) ? world->open[draw(16)] : draw_word(world);
        enum tk_err err = draw(2) ? tk_gate_settle(world->test.gate, id, draw(5))
                                  : tk_gate_release(world->test.gate, id);
        assert_true(err == TK_OK || err == TK_NOT_FOUND || err == TK_INVALID);
        world->settled += err == TK_OK;
}

static void sweep(struct world *world)
{
        struct tk_files *files = &world->test.publisher->files;
        struct tk_drain_pass pass;
        world->boot_ns += draw(90) * TK_NS_PER_S;
        struct tk_moment now = tk_files_now(files);
        now.boot_ns = world->boot_ns;
        tk_reservations_sweep(files, world->boot_ns, &world->reservations);
        tk_named_sweep(files, &now, &world->named_cursor);
        tk_drain_pass(world->drain, 0, NULL, &pass);
        tk_drain_survey(world->drain);
}

static void use(struct world *world)
{
        struct tk_usage usage;
        (void)tk_gate_key_usage(world->test.gate, 1, &usage);
        (void)tk_gate_subscription_usage(world->test.gate, 3, &usage);
        if (draw(20) == 0) { /* the daemon moves what was written into to other slots */
                struct tk_limit_def swap = world->defs[0];
                world->defs[0] = world->defs[1];
                world->defs[1] = swap;
                test_subscription_publish(&world->test, 3, world->defs, 3);
                test_key_publish(&world->test, &world->keys[0]);
        }
}

static void test_anything_written_by_a_decider_is_survived(void **state)
{
        struct world *world = *state;
        for (unsigned round = 0; round < ROUNDS; round++) {
                for (unsigned i = draw(4); i > 0; i--)
                        scribble(world);
                ask(world);
                settle(world);
                use(world);
                if (round % 8 == 0)
                        sweep(world);
        }
        assert_true(world->settled > ROUNDS / 8); /* what is forged is believed */
        const char *why;
        if (!tk_publisher_check(world->test.publisher, &why))
                fail_msg("%s", why);
}

/* ---- and when it is gone ---- */

static void sweep_for(struct world *world, unsigned passes)
{
        for (unsigned i = 0; i < passes; i++) {
                world->boot_ns += 90 * TK_NS_PER_S;
                sweep(world);
        }
}

static void test_reservations_heal(void **state)
{
        struct world *world = *state;
        struct tk_files *files = &world->test.publisher->files;
        struct tk_area *area = &files->areas[TK_FILE_RESERVATIONS];
        struct tk_ask question = test_ask(&world->test, &world->keys[0]);
        question.now_ns = 0;
        question.reserve_s = 60;
        for (uint64_t line = 0; line < tk_area_used(area); line++) {
                struct tk_format_reservation *it = tk_area_at(area, line, 1);
                memset(it, line % 2 ? 0xff : 0xa6, sizeof *it);
        }
        assert_code(test_decide(&world->test, &question), TK_CODE_unavailable);
        sweep_for(world, 3);
        for (uint64_t line = 0; line < tk_area_used(area); line++) {
                const struct tk_format_reservation *it = tk_area_at(area, line, 1);
                assert_int_equal(tk_reservation_state(atomic_load(&it->control)), TK_RESERVATION_FREE);
        }
        assert_code(test_decide(&world->test, &question), TK_CODE_valid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_anything_written_by_a_decider_is_survived),
                TEST(test_reservations_heal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
