/*
 * Opening a handle: where things are looked for, and what is refused.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_refused(struct fixture *f, const struct tollkeeper_config *config,
                          enum tollkeeper_result result, const char *why)
{
        assert_result(tollkeeper_open(config, &f->gate, &f->error), result);
        assert_null(f->gate);
        if (!strstr(f->error.message, why))
                fail_msg("\"%s\" does not say \"%s\"", f->error.message, why);
}

static void open_and_close(struct fixture *f, const struct tollkeeper_config *config)
{
        struct tollkeeper_gate *gate = NULL;
        assert_result(tollkeeper_open(config, &gate, &f->error), TOLLKEEPER_OK);
        assert_true(tollkeeper_available(gate, NULL));
        tollkeeper_close(gate);
}

static void places(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.size = sizeof config};
        config.data_dir = f->data_dir;
        open_and_close(f, &config);
        config.gate_dir = f->daemon.dir;
        config.pepper_path = f->pepper_path;
        open_and_close(f, &config);
        config.data_dir = "/nowhere"; /* nothing of it is needed */
        open_and_close(f, &config);
        config.gate_dir = NULL;
        check_refused(f, &config, TOLLKEEPER_NOT_FOUND, "/nowhere/gate");
        config.pepper_path = NULL;
        check_refused(f, &config, TOLLKEEPER_NOT_FOUND, "/nowhere/pepper");
}

static void places_by_default(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.size = sizeof config};
        assert_int_equal(setenv("TOLLKEEPER_DATA", f->data_dir, 1), 0);
        open_and_close(f, NULL);
        open_and_close(f, &config);
        assert_int_equal(setenv("TOLLKEEPER_DATA", "/nowhere", 1), 0);
        check_refused(f, &config, TOLLKEEPER_NOT_FOUND, "/nowhere/pepper");
        assert_int_equal(unsetenv("TOLLKEEPER_DATA"), 0);
        check_refused(f, NULL, TOLLKEEPER_NOT_FOUND, "./data/pepper");
        config.data_dir = f->data_dir;
        open_and_close(f, &config);
}

/* The gate directory as DATA/gate itself, and where a link that begins in DATA leads. */
static void links(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.size = sizeof config, .data_dir = f->data_dir};
        char relative[128];
        snprintf(relative, sizeof relative, "../%s", strrchr(f->daemon.dir, '/') + 1);
        assert_int_equal(unlink(f->link_path), 0);
        assert_int_equal(symlink(relative, f->link_path), 0);
        open_and_close(f, &config);
        assert_int_equal(unlink(f->link_path), 0);
        check_refused(f, &config, TOLLKEEPER_NOT_FOUND, "start the daemon");
        assert_int_equal(rename(f->daemon.dir, f->link_path), 0);
        open_and_close(f, &config);
        assert_int_equal(rename(f->link_path, f->daemon.dir), 0);
}

static void what_others_may_touch(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.size = sizeof config, .data_dir = f->data_dir};
        assert_int_equal(chmod(f->pepper_path, 0644), 0);
        check_refused(f, &config, TOLLKEEPER_DENIED, "may be read by others: chmod 600 it");
        assert_int_equal(chmod(f->pepper_path, 0600), 0);
        assert_int_equal(chmod(f->daemon.dir, 0777), 0);
        check_refused(f, &config, TOLLKEEPER_DENIED, "others may write to it");
        assert_int_equal(chmod(f->daemon.dir, 0700), 0);
        open_and_close(f, &config);
}

static void damage(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.size = sizeof config, .data_dir = f->data_dir};
        char path[128];
        test_gate_path(&f->daemon, "meters", path);
        assert_int_equal(truncate(path, 64), 0);
        check_refused(f, &config, TOLLKEEPER_CORRUPT, "meters");
        assert_int_equal(unlink(path), 0);
        check_refused(f, &config, TOLLKEEPER_NOT_FOUND, "meters");
        FILE *file = fopen(f->pepper_path, "w");
        assert_non_null(file);
        fclose(file);
        check_refused(f, &config, TOLLKEEPER_CORRUPT, "has no mask");
}

/* A struct without its size is one whose owner does not know how large it is. */
static void sizes(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.data_dir = f->data_dir};
        struct tollkeeper_error unsized = {.message = "as it was"};
        check_refused(f, &config, TOLLKEEPER_INVALID, "not the size");
        config.size = sizeof config - 1;
        check_refused(f, &config, TOLLKEEPER_INVALID, "not the size");
        assert_int_equal(tollkeeper_open(&config, &f->gate, &unsized), TOLLKEEPER_INVALID);
        assert_string_equal(unsized.message, "as it was");
        assert_int_equal(tollkeeper_open(&config, &f->gate, NULL), TOLLKEEPER_INVALID);
        tollkeeper_close(NULL);

        /* What a later header could ask for, and this library would not do. */
        struct {
                struct tollkeeper_config config;
                uint64_t later;
        } newer = {.config = {.size = sizeof newer, .data_dir = f->data_dir}};
        newer.later = 1;
        check_refused(f, &newer.config, TOLLKEEPER_INVALID, "not the size");
        newer.later = 0;
        open_and_close(f, &newer.config);
}

static void names(void **state)
{
        struct fixture *f = *state;
        uint32_t again = 0, staging = 0, other = 77;
        fixture_open(f);
        assert_int_not_equal(f->production, 0);
        assert_result(tollkeeper_environment(f->gate, "weather", "production", &again, &f->error),
                      TOLLKEEPER_OK);
        assert_int_equal(again, f->production);
        assert_result(tollkeeper_environment(f->gate, "weather", "staging", &staging, &f->error),
                      TOLLKEEPER_OK);
        assert_int_not_equal(staging, f->production);
        assert_result(tollkeeper_environment(f->gate, "weather", "moon", &other, &f->error),
                      TOLLKEEPER_NOT_FOUND);
        assert_non_null(strstr(f->error.message, "moon"));
        assert_result(tollkeeper_environment(f->gate, NULL, "moon", &other, &f->error), TOLLKEEPER_INVALID);
        assert_result(tollkeeper_route(f->gate, f->production, "GET", "/v1/x", &other, &f->error),
                      TOLLKEEPER_NOT_FOUND);
        assert_result(tollkeeper_route(f->gate, 0, "GET", "/v1/x", &other, &f->error), TOLLKEEPER_INVALID);
        assert_int_equal(other, 77);

        struct tk_limit_def limit = test_rate("all", 5, 3600, 5);
        struct tk_publish_route route = {.id = 1,
                                         .environment_id = TEST_PRODUCTION,
                                         .method = TK_STR("GET"),
                                         .template = TK_STR("/v1/x"),
                                         .limits = &limit,
                                         .limit_count = 1};
        assert_int_equal(tk_publish_route(f->daemon.publisher, &route), TK_OK);
        assert_result(tollkeeper_route(f->gate, f->production, "GET", "/v1/x", &other, &f->error),
                      TOLLKEEPER_OK);
        assert_true(other != 0 && other != f->production && other != staging);
        assert_result(tollkeeper_route(f->gate, staging, "GET", "/v1/x", &again, &f->error),
                      TOLLKEEPER_NOT_FOUND);
}

/* A gate that its daemon is still filling knows no names: that is no answer yet. */
static void a_gate_that_is_being_filled(void **state)
{
        struct fixture *f = *state;
        struct tollkeeper_config config = {.size = sizeof config, .data_dir = f->data_dir};
        const char *why = NULL;
        uint32_t number;
        tk_publisher_set_applied(f->daemon.publisher, 0);
        assert_result(tollkeeper_open(&config, &f->gate, &f->error), TOLLKEEPER_OK);
        assert_false(tollkeeper_available(f->gate, &why));
        assert_non_null(strstr(why, "not filled"));
        assert_result(tollkeeper_environment(f->gate, "weather", "soon", &number, &f->error),
                      TOLLKEEPER_BUSY);
        assert_non_null(strstr(f->error.message, "not filled"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(places), TEST(places_by_default),
                TEST(links),  TEST(what_others_may_touch),
                TEST(damage), TEST(sizes),
                TEST(names),  TEST(a_gate_that_is_being_filled),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
