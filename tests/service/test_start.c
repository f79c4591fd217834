/*
 * What a start finds: secrets that fit or do not, a gate that is new, behind, damaged or ahead of the registry.
 */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static enum tk_err open_again(struct fixture *f)
{
        tk_service_close(f->service);
        f->service = NULL;
        struct tk_service_config config = {.data_dir = f->data_dir,
                                           .gate_dir = f->gate_dir,
                                           .random = tk_random_system(),
                                           .clock = tk_clock_system()};
        return tk_service_open(&config, &f->service, &f->fault);
}

static void path_in_data(const struct fixture *f, const char *name, char ret_path[160])
{
        snprintf(ret_path, 160, "%s/%s", f->data_dir, name);
}

static void a_missing_pepper_file_stops_the_start(void **state)
{
        struct fixture *f = *state;
        char path[160];
        path_in_data(f, "pepper", path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(open_again(f), TK_CORRUPT);
        assert_non_null(strstr(f->fault.detail, "missing"));
        assert_int_not_equal(access(path, F_OK), 0); /* and none was made in its place */
}

static void a_pepper_of_another_installation_stops_the_start(void **state)
{
        struct fixture *f = *state;
        char path[160];
        path_in_data(f, "pepper", path);
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_true(fd >= 0);
        static const char text[] =
                "mask 000102030405060708090a0b0c0d0e0f\n"
                "pepper 0 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
        assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
        close(fd);
        assert_int_equal(open_again(f), TK_CORRUPT);
        assert_non_null(strstr(f->fault.detail, "another installation"));
}

static void a_pepper_file_that_others_may_read_stops_the_start(void **state)
{
        struct fixture *f = *state;
        char path[160];
        path_in_data(f, "pepper", path);
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(open_again(f), TK_DENIED);
        assert_string_equal(f->fault.mend, "chmod 600 it");
}

static void a_malformed_pepper_file_stops_the_start(void **state)
{
        struct fixture *f = *state;
        static const char *const texts[] = {
                "",
                "mask 00\n",
                "mask 000102030405060708090a0b0c0d0e0f\npepper 16 00\n",
                "mask 000102030405060708090a0b0c0d0e0f\nnonsense\n",
        };
        char path[160];
        path_in_data(f, "pepper", path);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                int fd = open(path, O_WRONLY | O_TRUNC);
                assert_true(fd >= 0);
                assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
                close(fd);
                assert_int_equal(open_again(f), TK_CORRUPT);
        }
}

static void a_gate_that_was_deleted_is_rebuilt(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued kept, revoked;
        fixture_issue(f, "weather", "forecast:read", &kept);
        fixture_issue(f, "weather", "forecast:read", &revoked);
        struct tk_key *changed;
        assert_int_equal(tk_service_key_set_state(f->service, &f->admin, fixture_key_id(f, revoked.key),
                                                  TK_VERSION_ANY, TK_STATE_REVOKED, TK_STR(""), &f->arena,
                                                  &changed, NULL, &f->fault),
                         TK_OK);
        char command[160];
        snprintf(command, sizeof(command), "rm -rf %s", f->gate_dir);
        assert_int_equal(system(command), 0);
        fixture_reopen(f);
        assert_int_equal(fixture_decide(f, &kept, "weather", "forecast:read"), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &revoked, "weather", "forecast:read"), TK_CODE_revoked);
}

/* A registry restored from an earlier copy: keys issued since then are not in it, so the gate must forget them. */
static void a_gate_ahead_of_the_registry_is_rebuilt(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued before, after;
        fixture_issue(f, "weather", NULL, &before);
        tk_service_close(f->service);
        f->service = NULL;
        char command[512];
        snprintf(command, sizeof(command), "cp %s/registry.db %s/copy.db", f->data_dir, f->root);
        assert_int_equal(system(command), 0);
        assert_int_equal(open_again(f), TK_OK);
        fixture_issue(f, "weather", NULL, &after);
        assert_int_equal(fixture_decide(f, &after, "weather", ""), TK_CODE_valid);
        tk_service_close(f->service);
        f->service = NULL;
        snprintf(command, sizeof(command), "rm -f %s/registry.db* && cp %s/copy.db %s/registry.db",
                 f->data_dir, f->root, f->data_dir);
        assert_int_equal(system(command), 0);
        assert_int_equal(open_again(f), TK_OK);
        assert_int_equal(fixture_decide(f, &before, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &after, "weather", ""), TK_CODE_unknown);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                T(a_missing_pepper_file_stops_the_start),
                T(a_pepper_of_another_installation_stops_the_start),
                T(a_pepper_file_that_others_may_read_stops_the_start),
                T(a_malformed_pepper_file_stops_the_start),
                T(a_gate_that_was_deleted_is_rebuilt),
                T(a_gate_ahead_of_the_registry_is_rebuilt),
        };
        return cmocka_run_group_tests_name("service/start", tests, NULL, NULL);
}
