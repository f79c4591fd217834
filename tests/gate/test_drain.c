/*
 * The daemon's end of the rings: what it takes for an event, what it makes of rings that hold anything, and that of many threads and
 * processes every event arrives once and in order, or is counted as lost. TOLLKEEPER_EVENTS: how many each thread of the
 * long runs writes; else 20,000.
 */
#include "draw.h"
#include "support.h"

#include "gate/drain.h"
#include "gate/request.h"
#include "gate/ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_EVENTS 64

struct world {
        struct test_gate test;
        struct test_key key;
        struct tk_files *files; /* the daemon's */
        struct tk_rings rings;
        struct tk_drain *drain;
        struct tk_drain_pass pass; /* the last one */
        uint64_t seen;             /* events visited */
};

static void open_world(struct world *world, const struct tk_gate_sizes *sizes)
{
        memset(world, 0, sizeof *world);
        world->test.sizes = sizes;
        test_gate_init(&world->test);
        world->test.sizes = sizes;
        test_gate_publish(&world->test);
        test_gate_decider(&world->test);
        test_key_issue(&world->test, 17, &world->key);
        world->files = tk_publisher_files(world->test.publisher);
        assert_true(tk_rings_find(world->files, &world->rings));
        assert_int_equal(tk_drain_open(world->files, &world->drain), TK_OK);
}

static void close_world(struct world *world)
{
        tk_drain_close(world->drain);
        test_gate_fini(&world->test);
}

static int setup(void **state)
{
        static struct world world;
        open_world(&world, NULL);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        close_world(*state);
        return 0;
}

static void count(void *context, const struct tk_event *event)
{
        struct world *world = context;
        assert_true(event->code < TK_CODE_COUNT);
        world->seen++;
}

static uint64_t drain(struct world *world)
{
        struct tk_drain_visitor visitor = {count, world};
        world->seen = 0;
        tk_drain_pass(world->drain, TEST_NOW_NS, &visitor, &world->pass);
        assert_int_equal(world->pass.events, world->seen);
        return world->seen;
}

static struct tk_drain_stats stats_of(const struct world *world)
{
        struct tk_drain_stats stats;
        tk_drain_stats(world->drain, &stats);
        return stats;
}

static uint64_t decisions_of(const struct tk_drain_stats *stats)
{
        uint64_t sum = 0;
        for (int i = 0; i < TK_CODE_COUNT; i++)
                sum += stats->decisions[i];
        return sum;
}

static void decide(struct world *world, unsigned times)
{
        struct tk_ask ask = test_ask(&world->test, &world->key);
        for (unsigned i = 0; i < times; i++)
                assert_code(test_decide(&world->test, &ask), TK_CODE_valid);
}

/* ---- one event ---- */

static const struct tk_event_bounds bounds = {
        .key_lines = 100, .subscription_lines = 50, .latest_ns = TEST_NOW_NS};

static struct tk_format_event sound(void)
{
        return (struct tk_format_event){
                .time_ns = TEST_NOW_NS,
                .subject = 99 | (uint64_t)TK_CODE_valid << TK_EVENT_CODE_SHIFT,
                .cost = TK_LIMIT_COST_MAX,
                .subscription = 49,
                .environment = 7,
                .ip = {192, 0, 2, 1},
                .family = 4,
                .generation = 3,
                .route = 8,
        };
}

static bool decodes(const struct tk_format_event *event)
{
        struct tk_event decoded;
        return tk_event_decode(event, &bounds, &decoded);
}

static void test_a_sound_event(void **state)
{
        struct tk_format_event event = sound();
        struct tk_event decoded;
        (void)state;
        assert_true(tk_event_decode(&event, &bounds, &decoded));
        assert_int_equal(decoded.key, 99);
        assert_code(decoded.code, TK_CODE_valid);
        assert_int_equal(decoded.ip.family, 4);
        event.subject = (uint64_t)TK_CODE_unknown << TK_EVENT_CODE_SHIFT;
        assert_false(decodes(&event)); /* of no key, and yet a subscription */
        event.subscription = 0;
        assert_false(decodes(&event));
        event.generation = 0;
        assert_true(decodes(&event));
        event.family = 0;
        assert_false(decodes(&event));
        memset(event.ip, 0, sizeof event.ip);
        assert_true(decodes(&event));
}

#define SUBJECT(number, code, flags)                                                                         \
        ((uint64_t)(number) | (uint64_t)(code) << TK_EVENT_CODE_SHIFT |                                      \
         (uint64_t)(flags) << TK_EVENT_FLAGS_SHIFT)

static void test_each_field_that_is_wrong(void **state)
{
        (void)state;
#define WRONG(change)                                                                                        \
        do {                                                                                                 \
                struct tk_format_event event = sound();                                                      \
                assert_true(decodes(&event));                                                                \
                event.change;                                                                                \
                if (decodes(&event))                                                                         \
                        fail_msg("an event is taken with %s", #change);                                      \
        } while (0)
        WRONG(time_ns = 0);
        WRONG(time_ns = TEST_NOW_NS + 1);
        WRONG(cost = TK_LIMIT_COST_MAX + 1);
        WRONG(subject = SUBJECT(0, TK_CODE_valid, 0));
        WRONG(subject = SUBJECT(100, TK_CODE_valid, 0));
        WRONG(subject = SUBJECT(99, TK_CODE_unknown, 0));
        WRONG(subject = SUBJECT(99, TK_CODE_malformed, 0));
        WRONG(subject = SUBJECT(99, TK_CODE_missing_key, 0));
        WRONG(subject = SUBJECT(99, TK_CODE_COUNT, 0));
        WRONG(subject = SUBJECT(99, 255, 0));
        WRONG(subject = SUBJECT(99, TK_CODE_valid, 32));
        WRONG(subject = SUBJECT(99, TK_CODE_valid, 128));
        WRONG(subject = SUBJECT(99, TK_CODE_revoked, TK_EVENT_RESERVED));
        WRONG(subject = SUBJECT(99, TK_CODE_revoked, TK_EVENT_SETTLED));
        WRONG(subject = SUBJECT(99, TK_CODE_valid, TK_EVENT_SETTLED | TK_EVENT_RELEASED));
        WRONG(subject = SUBJECT(99, TK_CODE_valid, TK_EVENT_SETTLED | TK_EVENT_RESERVED));
        WRONG(subject = SUBJECT(99, TK_CODE_valid, TK_EVENT_RELEASED)); /* with a cost */
        for (unsigned bit = 43; bit < 48; bit++)
                WRONG(subject |= UINT64_C(1) << bit);
        WRONG(subscription = 50);
        WRONG(subscription = UINT32_MAX);
        WRONG(ip[4] = 1);
        WRONG(ip[15] = 1);
        WRONG(family = 0);
        WRONG(family = 5);
        WRONG(family = 255);
        WRONG(zero_a = 1);
        WRONG(zero_b = 1);
#undef WRONG
}

/* The writer's own, one bit at a time: an event is taken whole or not at all, and references that lead nowhere never are. */
static void test_references_that_lead_nowhere(void **state)
{
        struct world *world = *state;
        struct tk_format_ring *ring = tk_rings_at(&world->rings, 0);
        decide(world, 1);
        assert_int_equal(drain(world), 1);
        struct tk_format_event event = ring->events[0];
        uint64_t malformed = 0;
        for (unsigned bit = 0; bit < 64; bit++) {
                struct tk_format_event *next = &ring->events[ring->head % RING_EVENTS];
                *next = event;
                if (bit < 32)
                        next->environment ^= UINT32_C(1) << bit;
                else
                        next->route ^= UINT32_C(1) << (bit - 32);
                bool none = bit < 32 && next->environment == 0;
                ring->head++;
                malformed += !none;
                assert_int_equal(drain(world), none);
                assert_int_equal(stats_of(world).malformed, malformed);
                assert_int_equal(world->pass.lost, !none);
        }
}

/* ---- rings that cannot be ---- */

static void test_a_head_that_jumps(void **state)
{
        struct world *world = *state;
        struct tk_format_ring *ring = tk_rings_at(&world->rings, 1);
        static const uint64_t heads[] = {RING_EVENTS + 1,   1,          UINT64_MAX,    UINT64_C(1) << 63,
                                         UINT64_C(1) << 32, UINT64_MAX, UINT64_MAX / 2};
        uint64_t malformed = 0;
        assert_int_equal(drain(world), 0);
        for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) {
                bool same = ring->head == heads[i];
                ring->head = heads[i];
                assert_int_equal(drain(world), 0);
                malformed += !same;
                assert_int_equal(stats_of(world).malformed, malformed);
                assert_int_equal(world->pass.lost, !same);
                assert_int_equal(ring->tail, heads[i]);
                assert_true(tk_drain_check(world->drain));
        }
        /* A whole ring of what was never written, across the end of all numbers. */
        ring->head = UINT64_MAX - 10;
        (void)drain(world);
        malformed = stats_of(world).malformed;
        ring->head += RING_EVENTS;
        assert_int_equal(drain(world), 0);
        assert_int_equal(stats_of(world).malformed, malformed + RING_EVENTS);
        assert_true(tk_drain_check(world->drain));
}

static void test_a_tail_that_somebody_overwrote(void **state)
{
        struct world *world = *state;
        struct tk_format_ring *ring = tk_rings_at(&world->rings, 0);
        decide(world, 10);
        for (uint64_t wrong = 0; wrong < 3; wrong++) {
                ring->tail = wrong * (UINT64_MAX / 3) + 12345;
                (void)drain(world);
                assert_int_equal(ring->tail, ring->head);
                decide(world, RING_EVENTS);
                assert_int_equal(drain(world), RING_EVENTS);
        }
        assert_int_equal(stats_of(world).lost, 0);
        assert_int_equal(stats_of(world).malformed, 0);
}

static void test_counters_that_go_back(void **state)
{
        struct world *world = *state;
        struct tk_format_ring *ring = tk_rings_at(&world->rings, 2);
        _Atomic uint64_t *words[] = {&ring->dropped, &tk_rings_pool(world->files)->dropped};
        uint64_t malformed = 0, lost = 0;
        assert_int_equal(drain(world), 0);
        assert_true(world->pass.lost); /* it has just been opened */
        assert_int_equal(drain(world), 0);
        assert_false(world->pass.lost);
        for (unsigned i = 0; i < 2; i++) {
                *words[i] += 1000;
                (void)drain(world);
                assert_true(world->pass.lost);
                assert_int_equal(stats_of(world).lost, lost += 1000);
                *words[i] -= 1;
                (void)drain(world);
                assert_true(world->pass.lost);
                assert_int_equal(stats_of(world).malformed, ++malformed);
                *words[i] += UINT64_C(1) << 60;
                (void)drain(world);
                assert_int_equal(stats_of(world).malformed, ++malformed);
                *words[i] += 5;
                (void)drain(world);
                assert_int_equal(stats_of(world).lost, lost += 5);
        }
        ring->orphaned = UINT32_MAX;
        (void)drain(world);
        assert_int_equal(stats_of(world).malformed, malformed + 1);
        assert_int_equal(stats_of(world).orphaned, 0);
        (void)drain(world);
        assert_false(world->pass.lost);
}

static void test_a_daemon_that_starts_again(void **state)
{
        struct world *world = *state;
        decide(world, 10);
        assert_int_equal(drain(world), 10);
        decide(world, 20);
        tk_drain_close(world->drain);
        decide(world, 5);
        assert_int_equal(tk_drain_open(world->files, &world->drain), TK_OK);
        assert_int_equal(drain(world), 25);
        assert_true(world->pass.lost); /* what the one before has told, it does not know */
        assert_int_equal(drain(world), 0);
        assert_false(world->pass.lost);
}

/* ---- rings full of noise ---- */

struct noise {
        struct world *world;
        _Atomic bool stop;
};

/* All after the header, again and again, word by word so that ThreadSanitizer knows it is meant. */
static void *make_noise(void *argument)
{
        struct noise *noise = argument;
        struct tk_area *area = &noise->world->files->areas[TK_FILE_EVENTS];
        size_t words = tk_area_used(area) * area->line_bytes / sizeof(uint64_t);
        _Atomic uint64_t *word = (void *)area->lines;
        uint64_t random = 88172645463325252u;
        while (!atomic_load(&noise->stop)) {
                for (size_t i = 0; i < words; i++) {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        /* Half of the words small, so that some heads and events are near to what can be. */
                        atomic_store_explicit(&word[i], random & 1 ? random : random >> 56,
                                              memory_order_relaxed);
                }
                sched_yield();
        }
        return NULL;
}

static void test_rings_full_of_noise(void **state)
{
        struct world *world = *state;
        struct noise noise = {.world = world};
        pthread_t thread;
        decide(world, 3);
        assert_int_equal(pthread_create(&thread, NULL, make_noise, &noise), 0);
        for (unsigned i = 0; stats_of(world).malformed < 3000; i++) {
                (void)drain(world);
                if (i % 64 == 0)
                        tk_drain_survey(world->drain);
        }
        atomic_store(&noise.stop, true);
        pthread_join(thread, NULL);

        /* The decider never read any of it but a tail; it goes on, and so does the daemon once it has found its head. */
        (void)drain(world);
        decide(world, 1);
        (void)drain(world);
        (void)drain(world);
        assert_true(tk_drain_check(world->drain));
        uint64_t malformed = stats_of(world).malformed;
        for (unsigned i = 0; i < 10; i++) {
                decide(world, RING_EVENTS);
                assert_int_equal(drain(world), RING_EVENTS);
                assert_false(world->pass.lost);
        }
        assert_int_equal(stats_of(world).malformed, malformed);
}

/* Deciders meanwhile: in another process, so that their plain writes and the noise are no race of this one. */
static void test_deciders_in_the_noise(void **state)
{
        struct world *world = *state;
        struct noise noise = {.world = world};
        pthread_t thread;
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct tk_fault fault;
                struct tk_gate *gate = NULL;
                struct tk_ask ask = test_ask(&world->test, &world->key);
                if (tk_gate_open(world->test.dir, &world->test.peppers, &world->test.mask, &gate, &fault))
                        _exit(1);
                for (unsigned i = 0; i < 50000; i++) {
                        struct tk_answer answer;
                        tk_gate_decide(gate, &ask, &answer);
                        if (answer.code != TK_CODE_valid)
                                _exit(2);
                        if (i % 1000 == 0) {
                                tk_gate_thread_end(gate);
                                tk_gate_thread_begin(gate);
                        }
                }
                tk_gate_close(gate);
                _exit(0);
        }
        assert_int_equal(pthread_create(&thread, NULL, make_noise, &noise), 0);
        while (waitpid(child, &status, WNOHANG) == 0)
                (void)drain(world);
        atomic_store(&noise.stop, true);
        pthread_join(thread, NULL);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- every event once, in order, or counted as lost ---- */

enum { WRITERS_MAX = 16 };

/* What writers and the reader tell each other; shared with other processes. */
struct board {
        _Atomic unsigned running;
        _Atomic uint64_t written[WRITERS_MAX];
};

struct rally {
        struct world *world;
        struct board *board;
        struct tk_gate *gate; /* that the writers use */
        unsigned first;       /* number of the first writer of this process */
        unsigned threads;
        uint64_t each;
        bool changing;              /* writers give their rings back now and then */
        uint64_t next[WRITERS_MAX]; /* the least that may still come, where writers keep their rings */
        uint8_t *came;              /* a bit for each event; NULL: not asked */
        uint64_t arrived;
        bool wrong;
};

struct writer {
        struct rally *rally;
        unsigned number;
};

/* Its number, and how many it has written, are in the cost, which this key is not charged. */
static void *write_events(void *argument)
{
        struct writer *writer = argument;
        struct rally *rally = writer->rally;
        struct tk_ask ask = test_ask(&rally->world->test, &rally->world->key);
        for (uint64_t i = 1; i <= rally->each; i++) {
                struct tk_answer answer;
                ask.cost = (uint64_t)writer->number << 32 | i;
                tk_gate_decide(rally->gate, &ask, &answer);
                atomic_store_explicit(&rally->board->written[writer->number], i, memory_order_relaxed);
                if (i % 32 == 0)
                        sched_yield(); /* else nearly all is lost where there are few cores */
                if (rally->changing && i % 777 == 0) {
                        tk_gate_thread_end(rally->gate);
                        if (i % 2)
                                tk_gate_thread_begin(rally->gate);
                }
        }
        return NULL;
}

static void run_writers(struct rally *rally)
{
        pthread_t threads[WRITERS_MAX];
        struct writer writers[WRITERS_MAX];
        for (unsigned i = 0; i < rally->threads; i++) {
                writers[i] = (struct writer){rally, rally->first + i};
                if (pthread_create(&threads[i], NULL, write_events, &writers[i]) != 0)
                        abort();
        }
        for (unsigned i = 0; i < rally->threads; i++)
                pthread_join(threads[i], NULL);
        atomic_fetch_sub(&rally->board->running, 1);
}

static void *run_writers_here(void *argument)
{
        run_writers(argument);
        return NULL;
}

static void run_child(const struct rally *parent, unsigned process)
{
        struct rally rally = *parent;
        struct tk_fault fault;
        rally.first = process * rally.threads;
        if (tk_gate_open(rally.world->test.dir, &rally.world->test.peppers, &rally.world->test.mask,
                         &rally.gate, &fault))
                _exit(1);
        run_writers(&rally);
        tk_gate_close(rally.gate);
        _exit(0);
}

static bool came_before(struct rally *rally, uint64_t number, uint64_t i)
{
        uint64_t bit = number * (rally->each + 1) + i;
        bool before = rally->came[bit / 8] & 1u << bit % 8;
        rally->came[bit / 8] |= (uint8_t)(1u << bit % 8);
        return before;
}

static void arrive(void *context, const struct tk_event *event)
{
        struct rally *rally = context;
        uint64_t number = event->cost >> 32, i = event->cost & UINT32_MAX;
        rally->arrived++;
        if (number >= WRITERS_MAX || i == 0 || i > rally->each || event->key != 17) {
                rally->wrong = true;
                return;
        }
        if ((!rally->changing && i < rally->next[number]) || (rally->came && came_before(rally, number, i)))
                rally->wrong = true;
        rally->next[number] = i + 1;
}

static uint64_t events_each(void)
{
        const char *given = getenv("TOLLKEEPER_EVENTS");
        return given ? strtoull(given, NULL, 10) : 20000;
}

/* Writers: this process's threads, in the daemon's own mapping, so that ThreadSanitizer sees both sides; and other processes'. */
static void rally(const struct tk_gate_sizes *sizes, unsigned processes, unsigned threads, bool changing)
{
        static struct world world;
        open_world(&world, sizes);
        struct tk_gate gate = {
                .files = *world.files, .peppers = &world.test.peppers, .mask = &world.test.mask};
        int dir_fd = open(world.test.dir, O_RDONLY | O_DIRECTORY);
        assert_int_equal(tk_seats_open(&gate.files, dir_fd, &gate.seats), TK_OK);
        struct rally rally = {.world = &world,
                              .gate = &gate,
                              .threads = threads,
                              .each = events_each(),
                              .changing = changing};
        pid_t children[WRITERS_MAX];
        rally.came = calloc(WRITERS_MAX, (rally.each + 8) / 8 + 1);
        assert_non_null(rally.came);
        rally.board =
                mmap(NULL, sizeof *rally.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(rally.board != MAP_FAILED);
        atomic_store(&rally.board->running, processes);
        for (unsigned i = 1; i < processes; i++) {
                children[i] = fork();
                assert_true(children[i] >= 0);
                if (children[i] == 0)
                        run_child(&rally, i);
        }

        pthread_t here;
        struct tk_drain_visitor visitor = {arrive, &rally};
        assert_int_equal(pthread_create(&here, NULL, run_writers_here, &rally), 0);
        while (atomic_load(&rally.board->running) > 0)
                tk_drain_pass(world.drain, TEST_NOW_NS, &visitor, &world.pass);
        pthread_join(here, NULL);
        for (unsigned i = 1; i < processes; i++) {
                int status;
                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        tk_drain_pass(world.drain, TEST_NOW_NS, &visitor, &world.pass);

        struct tk_drain_stats stats = stats_of(&world);
        uint64_t written = 0;
        for (unsigned i = 0; i < WRITERS_MAX; i++)
                written += atomic_load(&rally.board->written[i]);
        print_message("           %llu written, %llu lost\n", (unsigned long long)written,
                      (unsigned long long)stats.lost);
        assert_false(rally.wrong);
        assert_int_equal(written, processes * threads * rally.each);
        assert_int_equal(rally.arrived + stats.lost, written);
        assert_int_equal(decisions_of(&stats), rally.arrived);
        assert_int_equal(stats.malformed, 0);
        assert_int_equal(stats.orphaned, 0);
        assert_true(tk_drain_check(world.drain));
        munmap(rally.board, sizeof *rally.board);
        free(rally.came);
        tk_seats_close(gate.seats);
        close_world(&world);
}

static void test_processes_and_threads_that_write(void **state)
{
        static const struct tk_gate_sizes sizes = {
                .named_buckets = 4, .reservations = 64, .rings = 8, .ring_events = 1024};
        (void)state;
        rally(&sizes, 3, 2, false);
}

static void test_tiny_rings(void **state)
{
        static const struct tk_gate_sizes sizes = {
                .named_buckets = 4, .reservations = 64, .rings = 8, .ring_events = 1};
        (void)state;
        rally(&sizes, 2, 2, false);
}

static void test_rings_that_change_hands(void **state)
{
        (void)state;
        rally(&test_sizes, 2, 4, true); /* eight threads, four rings */
}

/* ---- killed at random ---- */

/* What a killed thread had written is taken, all of it in order, and at most the one that it was writing is not. */
static void test_writers_killed_at_random(void **state)
{
        static const struct tk_gate_sizes sizes = {
                .named_buckets = 4, .reservations = 64, .rings = 4, .ring_events = 4096};
        static struct world world;
        unsigned seed = 1;
        (void)state;
        open_world(&world, &sizes);
        struct rally rally = {.world = &world, .threads = 1, .each = UINT32_MAX};
        rally.board =
                mmap(NULL, sizeof *rally.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(rally.board != MAP_FAILED);
        struct tk_drain_visitor visitor = {arrive, &rally};

        for (unsigned round = 0; round < 30; round++) {
                uint64_t lost = stats_of(&world).lost;
                rally.arrived = rally.next[0] = 0;
                atomic_store(&rally.board->written[0], 0);
                pid_t child = fork();
                assert_true(child >= 0);
                if (child == 0)
                        run_child(&rally, 0);
                unsigned wanted = 1 + test_draw(&seed, 5000);
                while (atomic_load(&rally.board->written[0]) < wanted)
                        tk_drain_pass(world.drain, TEST_NOW_NS, &visitor, &world.pass);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, NULL, 0), child);
                tk_drain_pass(world.drain, TEST_NOW_NS, &visitor, &world.pass);
                uint64_t said = atomic_load(&rally.board->written[0]);
                assert_in_range(rally.arrived + stats_of(&world).lost - lost, said, said + 1);
                assert_false(rally.wrong);
                tk_drain_survey(world.drain);
                assert_int_equal(stats_of(&world).orphaned, round + 1);
                assert_int_equal(stats_of(&world).rings_used, 0);
        }
        assert_int_equal(stats_of(&world).malformed, 0);
        munmap(rally.board, sizeof *rally.board);
        close_world(&world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_sound_event),
                cmocka_unit_test(test_each_field_that_is_wrong),
                TEST(test_references_that_lead_nowhere),
                TEST(test_a_head_that_jumps),
                TEST(test_a_tail_that_somebody_overwrote),
                TEST(test_counters_that_go_back),
                TEST(test_a_daemon_that_starts_again),
                TEST(test_rings_full_of_noise),
                TEST(test_deciders_in_the_noise),
                cmocka_unit_test(test_processes_and_threads_that_write),
                cmocka_unit_test(test_tiny_rings),
                cmocka_unit_test(test_rings_that_change_hands),
                cmocka_unit_test(test_writers_killed_at_random),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
