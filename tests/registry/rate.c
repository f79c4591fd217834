/*
 * How many keys a second the registry issues to 16 writers, each in a transaction of its own that is durable before it is
 * answered. Prints; judges nothing. Run from bench or by hand: rate [FOLDER] [SECONDS].
 */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WRITERS 16

struct run {
        struct fixture f;
        struct world world;
        atomic_bool stop;
        atomic_ullong issued;
};

static enum tk_err issue_key(struct tk_txn *txn, void *context)
{
        struct run *run = context;
        struct tk_key key = fixture_key(&run->world, (uint8_t)rand());

        return fixture_key_create(txn, &key, &run->f.change);
}

static void *writer_main(void *argument)
{
        struct run *run = argument;

        while (!atomic_load(&run->stop)) {
                if (tk_registry_write(run->f.registry, TK_LANE_NORMAL, issue_key, run) != TK_OK)
                        abort();
                atomic_fetch_add(&run->issued, 1);
        }
        return NULL;
}

static double now_s(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
        static struct run run;
        char folder[] = "/tmp/tk-registry-XXXXXX";
        const char *where = argc > 1 ? argv[1] : mkdtemp(folder);
        unsigned seconds = argc > 2 ? (unsigned)atol(argv[2]) : 5;
        struct tk_registry_stats stats;
        pthread_t writers[WRITERS];
        double began_s, took_s;

        run.f.config.reserve_bytes = 16 << 20;
        fixture_init(&run.f, where, NULL);
        fixture_world(&run.f, &run.world);
        began_s = now_s();
        for (unsigned i = 0; i < WRITERS; i++)
                if (pthread_create(&writers[i], NULL, writer_main, &run) != 0)
                        abort();
        sleep(seconds);
        atomic_store(&run.stop, true);
        for (unsigned i = 0; i < WRITERS; i++)
                pthread_join(writers[i], NULL);
        took_s = now_s() - began_s;
        tk_registry_stats(run.f.registry, &stats);
        printf("%s: %.0f keys a second from %d writers, %.1f keys a commit\n", where,
               (double)run.issued / took_s, WRITERS, (double)stats.jobs / (double)stats.commits);
        fixture_fini(&run.f);
        return 0;
}
