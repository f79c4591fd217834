/*
 * The thread that takes events: it takes them without being asked, tells its listener, keeps still while it is paused, and leaves
 * nothing behind when it stops.
 */
#include "fixture.h"

#include "service/drainer.h"
#include "service/internal.h"

#include <pthread.h>
#include <stdatomic.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

/* What a listener heard; `passes` is waited for. */
struct heard {
        pthread_mutex_t mutex;
        pthread_cond_t more;
        unsigned visits, passes, losses;
        uint64_t last_key;
};

static void visit(void *context, const struct tk_event *event)
{
        struct heard *heard = context;
        pthread_mutex_lock(&heard->mutex);
        heard->visits++;
        heard->last_key = event->key;
        pthread_cond_signal(&heard->more);
        pthread_mutex_unlock(&heard->mutex);
}

static void passed(void *context, bool lost)
{
        struct heard *heard = context;
        pthread_mutex_lock(&heard->mutex);
        heard->passes++;
        heard->losses += lost;
        pthread_cond_signal(&heard->more);
        pthread_mutex_unlock(&heard->mutex);
}

static void wait_visits(struct heard *heard, unsigned visits)
{
        pthread_mutex_lock(&heard->mutex);
        while (heard->visits < visits)
                pthread_cond_wait(&heard->more, &heard->mutex);
        pthread_mutex_unlock(&heard->mutex);
}

static void wait_passes(struct heard *heard, unsigned more)
{
        pthread_mutex_lock(&heard->mutex);
        unsigned until = heard->passes + more;
        while (heard->passes < until)
                pthread_cond_wait(&heard->more, &heard->mutex);
        pthread_mutex_unlock(&heard->mutex);
}

/* In place of the service's own, which listens to nobody: only one may drain. */
static struct tk_drainer *listen_instead(struct fixture *f, struct heard *heard)
{
        struct tk_drainer_listener listener = {visit, passed, heard};
        struct tk_drainer *drainer = NULL;
        tk_drainer_stop(f->service->drainer);
        f->service->drainer = NULL;
        assert_int_equal(
                tk_drainer_start(tk_feeder_files(f->service->feeder), &listener, &drainer, &f->fault), TK_OK);
        return drainer;
}

static void test_the_service_counts_events(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued issued;
        struct tk_drain_stats stats;
        fixture_issue(f, "weather", "forecast:read", &issued);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:read"), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:write"), TK_CODE_insufficient_scope);
        tk_drainer_pass(f->service->drainer);
        tk_service_event_stats(f->service, &stats);
        assert_int_equal(stats.decisions[TK_CODE_valid], 5);
        assert_int_equal(stats.decisions[TK_CODE_insufficient_scope], 1);
        assert_int_equal(stats.lost, 0);
        assert_int_equal(stats.malformed, 0);
        tk_secret_wipe(&issued.plaintext);
}

static void test_a_listener_hears_of_every_event(void **state)
{
        struct fixture *f = *state;
        struct heard heard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
        struct tk_key_issued issued;
        fixture_issue(f, "weather", "forecast:read", &issued);
        struct tk_drainer *drainer = listen_instead(f, &heard);
        wait_passes(&heard, 2);
        tk_drainer_pause(drainer);
        unsigned losses = heard.losses;
        tk_drainer_resume(drainer);
        assert_int_equal(losses, 1); /* the first pass knows nothing of what was before */

        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:read"), TK_CODE_valid);
        wait_visits(&heard, 100); /* nobody asked for a pass */

        tk_drainer_pause(drainer);
        assert_int_equal(heard.last_key, issued.key->id);
        unsigned passes = heard.passes;
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:read"), TK_CODE_valid);
        assert_int_equal(heard.passes, passes);
        assert_int_equal(heard.visits, 100);
        tk_drainer_resume(drainer);
        wait_visits(&heard, 110);

        tk_drainer_pause(drainer);
        assert_int_equal(fixture_decide(f, &issued, "weather", "forecast:read"), TK_CODE_valid);
        tk_drainer_resume(drainer);
        tk_drainer_stop(drainer);
        assert_int_equal(heard.visits, 111);
        assert_int_equal(heard.losses, losses);
        tk_secret_wipe(&issued.plaintext);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_the_service_counts_events, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_listener_hears_of_every_event, fixture_setup,
                                                fixture_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
