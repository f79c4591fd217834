/*
 * Measures decisions in one process: run by bench/gate/run.py as
 *
 *     decide KEYS key|subscription|each FOLDER ROUNDS MILLISECONDS PATTERN,... CONTENDER...
 *
 * All contenders are built from the same freshly minted keys and stay open; then they take turns, round after round, on each
 * pattern of access with one and with two threads. Writes one JSON object a line to standard output.
 */
#include "contender.h"

#include "core/random.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define KEY_BYTES 49 /* tk_live_ and 41 */
#define REQUESTS                                                                                             \
        (UINT64_C(1) << 20) /* of each pattern, laid out one after the other, as a server has them at hand */
#define HOT_KEYS            100
#define BATCH               512 /* decisions between two looks at the clock */
#define WARM_UP             40  /* batches */
#define THREADS_MAX         2
#define ZIPF                0.99
#define KEYS_A_SUBSCRIPTION 10                   /* or 1, in the layout `each` */
#define SPREAD              UINT64_C(2654435761) /* a prime: popular keys are not neighbours */

static const struct contender *const known[] = {&contender_tollkeeper, &contender_floor, &contender_hash,
                                                &contender_lmdb, &contender_sqlite};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static struct bench_setup setups[KNOWN];
static char *keys;

bool bench_failed(const char *what)
{
        fprintf(stderr, "bench/gate: %s\n", what);
        return false;
}

static uint64_t now_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void *memory(uint64_t bytes)
{
        void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (made != MAP_FAILED)
                return made;
        bench_failed("out of memory");
        exit(1);
}

static char *key_at(uint64_t number)
{
        return keys + (number - 1) * KEY_BYTES;
}

/* ---- keys ---- */

static bool mint(struct bench_setup *setup)
{
        struct tk_secret key = {0};
        keys = memory(setup->keys * KEY_BYTES);
        for (uint64_t number = 1; number <= setup->keys; number++) {
                if (tk_key_mint(TK_STR("tk"), TK_STR("live"), number, BENCH_PEPPER_VERSION, &setup->mask,
                                tk_random_system(), &key) != TK_OK ||
                    key.len != KEY_BYTES)
                        return bench_failed("a key could not be minted");
                memcpy(key_at(number), key.bytes, KEY_BYTES);
        }
        tk_secret_wipe(&key);
        return true;
}

static bool init(struct bench_setup *setup)
{
        uint8_t pepper[TK_PEPPER_BYTES];
        memset(setup->mask.bytes, 0x5a, sizeof(setup->mask.bytes));
        memset(pepper, 0xa5, sizeof(pepper));
        tk_pepper_set_init(&setup->peppers);
        return tk_random_init() == 0 &&
               tk_pepper_set_add(&setup->peppers, BENCH_PEPPER_VERSION, pepper) == TK_OK && mint(setup);
}

/* ---- patterns ---- */

static uint64_t random_state = 88172645463325252u;

/* xorshift64*, Vigna 2016: the same requests in every run. */
static uint64_t random_next(void)
{
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        return random_state * UINT64_C(2685821657736338717);
}

static double random_unit(void)
{
        return (double)(random_next() >> 11) * 0x1p-53;
}

static uint64_t uniform(uint64_t count)
{
        return 1 + random_next() % count;
}

/* All of one subscription. */
static uint64_t one(uint64_t count)
{
        (void)count;
        return 1 + random_next() % KEYS_A_SUBSCRIPTION;
}

static uint64_t hot(uint64_t count)
{
        return 1 + random_next() % (count < HOT_KEYS ? count : HOT_KEYS) * (count / HOT_KEYS);
}

/* Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, as YCSB has it. */
static uint64_t zipf(uint64_t count)
{
        static double zeta;
        double half = 1 + pow(0.5, ZIPF);
        if (zeta == 0)
                for (uint64_t i = 1; i <= count; i++)
                        zeta += pow((double)i, -ZIPF);
        double alpha = 1 / (1 - ZIPF), unit = random_unit();
        double eta = (1 - pow(2.0 / (double)count, 1 - ZIPF)) / (1 - half / zeta);
        double point = unit * zeta;
        uint64_t rank = point < 1      ? 0
                        : point < half ? 1
                                       : (uint64_t)((double)count * pow(eta * unit - eta + 1, alpha));
        if (rank >= count)
                rank = count - 1;
        return 1 + rank * SPREAD % count;
}

static struct pattern {
        const char *name;
        uint64_t (*draw)(uint64_t count);
        char *requests; /* NULL: not asked for */
} patterns[] = {{"uniform", uniform, NULL}, {"zipf", zipf, NULL}, {"hot", hot, NULL}, {"one", one, NULL}};
#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

/* Whether a word is in a list with commas. */
static bool listed(const char *list, const char *word)
{
        size_t len = strlen(word);
        for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
                if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
                        return true;
        return false;
}

static void draw_requests(uint64_t count, const char *wanted)
{
        for (size_t i = 0; i < PATTERNS; i++) {
                if (!listed(wanted, patterns[i].name))
                        continue;
                patterns[i].requests = memory(REQUESTS * KEY_BYTES);
                for (uint64_t at = 0; at < REQUESTS; at++)
                        memcpy(patterns[i].requests + at * KEY_BYTES, key_at(patterns[i].draw(count)),
                               KEY_BYTES);
        }
}

/* ---- building ---- */

static bool build(const struct contender *contender, struct bench_setup *setup)
{
        uint64_t adding_ns = 0;
        if (mkdir(setup->folder, 0700) != 0 || !contender->open(setup))
                return bench_failed("cannot begin");
        for (uint64_t number = 1; number <= setup->keys; number++) {
                struct tk_digest digest;
                struct tk_str key = {key_at(number), KEY_BYTES};
                if (!tk_digest_key(&setup->peppers, BENCH_PEPPER_VERSION, key, &digest))
                        return bench_failed("no digest");
                uint64_t begun_ns = now_ns();
                if (!contender->add(number, &digest))
                        return false;
                adding_ns += now_ns() - begun_ns;
        }
        uint64_t begun_ns = now_ns();
        if (!contender->ready())
                return false;
        adding_ns += now_ns() - begun_ns;
        printf("{\"contender\": \"%s\", \"bytes_a_key\": %.1f, \"keys_added_a_second\": %.0f}\n",
               contender->name, (double)contender->bytes() / (double)setup->keys,
               (double)setup->keys * 1e9 / (double)adding_ns);
        fflush(stdout);
        return true;
}

/* ---- measuring ---- */

/* All threads have warmed up; then the time is known until which they decide. */
static pthread_barrier_t warm, begun;

struct run {
        const struct contender *contender;
        const char *requests;
        uint64_t first, until_ns;
        uint64_t decisions, admitted;
};

static void decide_some(struct run *run, uint64_t *at)
{
        for (unsigned i = 0; i < BATCH; i++) {
                struct tk_str key = {run->requests + *at * KEY_BYTES, KEY_BYTES};
                run->admitted += run->contender->decide(key);
                *at = (*at + 1) % REQUESTS;
        }
        run->decisions += BATCH;
}

static void *work(void *context)
{
        struct run *run = context;
        uint64_t at = run->first;
        for (unsigned i = 0; i < WARM_UP; i++) /* the connections of a thread, its ring */
                decide_some(run, &at);
        run->decisions = run->admitted = 0;
        pthread_barrier_wait(&warm);
        pthread_barrier_wait(&begun);
        while (now_ns() < run->until_ns)
                decide_some(run, &at);
        return NULL;
}

static bool measure(const struct contender *contender, const struct pattern *pattern, unsigned threads,
                    uint64_t ms, unsigned round)
{
        struct run runs[THREADS_MAX];
        pthread_t workers[THREADS_MAX];
        uint64_t decisions = 0, admitted = 0;
        pthread_barrier_init(&warm, NULL, threads + 1);
        pthread_barrier_init(&begun, NULL, threads + 1);
        for (unsigned i = 0; i < threads; i++) {
                runs[i] = (struct run){.contender = contender,
                                       .requests = pattern->requests,
                                       .first = (round * 131071 + i * REQUESTS / THREADS_MAX) % REQUESTS};
                if (pthread_create(&workers[i], NULL, work, &runs[i]) != 0)
                        return bench_failed("no thread");
        }
        pthread_barrier_wait(&warm);
        uint64_t begun_ns = now_ns();
        for (unsigned i = 0; i < threads; i++)
                runs[i].until_ns = begun_ns + ms * 1000000;
        pthread_barrier_wait(&begun);
        for (unsigned i = 0; i < threads; i++) {
                pthread_join(workers[i], NULL);
                decisions += runs[i].decisions;
                admitted += runs[i].admitted;
        }
        double elapsed_ns = (double)(now_ns() - begun_ns);
        pthread_barrier_destroy(&warm);
        pthread_barrier_destroy(&begun);
        if (admitted != decisions)
                return bench_failed("a decision was not `valid`");
        printf("{\"round\": %u, \"contender\": \"%s\", \"pattern\": \"%s\", \"threads\": %u, \"ns\": %.1f, "
               "\"decisions\": %llu, \"before\": %u}\n",
               round, contender->name, pattern->name, threads, elapsed_ns * threads / (double)decisions,
               (unsigned long long)decisions, threads * WARM_UP * BATCH);
        fflush(stdout);
        return true;
}

static bool measure_all(const struct contender *const *contenders, size_t count, unsigned rounds, uint64_t ms)
{
        for (unsigned round = 0; round < rounds; round++)
                for (size_t pattern = 0; pattern < PATTERNS; pattern++)
                        for (unsigned threads = 1; threads <= THREADS_MAX; threads++)
                                for (size_t i = 0; i < count && patterns[pattern].requests; i++)
                                        if (!measure(contenders[i], &patterns[pattern], threads, ms, round))
                                                return false;
        return true;
}

static const struct contender *find(const char *name)
{
        for (size_t i = 0; i < KNOWN; i++)
                if (strcmp(known[i]->name, name) == 0)
                        return known[i];
        return NULL;
}

int main(int argc, char **argv)
{
        const struct contender *contenders[KNOWN];
        static char folders[KNOWN][512];
        struct bench_setup setup = {0};
        size_t count = 0;

        if (argc < 8 || (size_t)argc - 7 > KNOWN)
                return bench_failed(
                               "decide KEYS key|subscription|each FOLDER ROUNDS MILLISECONDS PATTERN,... "
                               "CONTENDER..."),
                       2;
        setup.keys = strtoull(argv[1], NULL, 10);
        setup.keys_a_subscription = strcmp(argv[2], "subscription") == 0 ? KEYS_A_SUBSCRIPTION
                                    : strcmp(argv[2], "each") == 0       ? 1
                                                                         : 0;
        if (setup.keys < HOT_KEYS || !init(&setup))
                return 1;
        draw_requests(setup.keys, argv[6]);
        for (; count < (size_t)argc - 7; count++) {
                contenders[count] = find(argv[7 + count]);
                snprintf(folders[count], sizeof(folders[count]), "%s/%zu", argv[3], count);
                setups[count] = setup;
                setups[count].folder = folders[count];
                if (!contenders[count] || !build(contenders[count], &setups[count]))
                        return 1;
        }
        bool good = measure_all(contenders, count, (unsigned)strtoul(argv[4], NULL, 10),
                                strtoull(argv[5], NULL, 10));
        for (size_t i = 0; i < count; i++)
                contenders[i]->close();
        return good ? 0 : 1;
}
