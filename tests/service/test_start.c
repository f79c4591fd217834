/*
 * What a start finds: secrets that fit or do not, a gate that is new, behind, damaged or ahead of the registry.
 */
#include "fixture.h"

#include "core/pepper_file.h"

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

/* How often a decider admits the key while there is no daemon, asking so often. */
static unsigned admitted_without_a_daemon(const struct fixture *f, const struct tk_key_issued *issued,
                                          unsigned times)
{
        char path[160], text[4096];
        const char *why;
        struct tk_pepper_file secrets;
        struct tk_fault fault;
        struct tk_gate *gate;
        struct tk_answer answer;
        unsigned admitted = 0;
        path_in_data(f, "pepper", path);
        int fd = open(path, O_RDONLY);
        ssize_t len = read(fd, text, sizeof text);
        assert_true(len > 0);
        close(fd);
        tk_pepper_file_init(&secrets);
        assert_int_equal(tk_pepper_file_parse((struct tk_str){text, (size_t)len}, &secrets, &why), TK_OK);
        assert_int_equal(tk_gate_open(f->gate_dir, &secrets.peppers, &secrets.mask, &gate, &fault), TK_OK);
        struct tk_ask ask = {.key = tk_secret_view(&issued->plaintext), .cost = 1};
        assert_true(tk_gate_environment(gate, TK_STR("weather"), TK_STR("production"), &ask.environment));
        while (times-- > 0) {
                tk_gate_decide(gate, &ask, &answer);
                admitted += answer.code == TK_CODE_valid;
        }
        tk_gate_close(gate);
        tk_pepper_file_fini(&secrets);
        return admitted;
}

static void issue_limited(struct fixture *f, struct tk_key_issued *ret_issued)
{
        static const struct tk_input_limit five[] = {{.name = TK_STR("quota"),
                                                      .kind = TK_STR("window"),
                                                      .per = TK_STR("month"),
                                                      .limit_set = true,
                                                      .limit = 5}};
        const struct tk_input_key input = {.api = TK_STR("weather"),
                                           .limits = {.set = true, .items = five, .count = 1},
                                           .create_missing = true};
        assert_int_equal(
                tk_service_key_issue(f->service, &f->admin, &input, &f->arena, ret_issued, &f->fault), TK_OK);
}

/*
 * A registry restored from an earlier copy: keys issued since then are not in it, so the gate must forget them. What was used of the
 * others it may not forget, also where no daemon was there to write it down.
 */
static void a_gate_ahead_of_the_registry_is_rebuilt(void **state)
{
        struct fixture *f = *state;
        struct tk_key_issued before, after;
        issue_limited(f, &before);
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
        assert_int_equal(admitted_without_a_daemon(f, &before, 3), 3);
        assert_int_equal(open_again(f), TK_OK);
        f->now_ns = 0; /* the time that it is */
        assert_int_equal(fixture_decide(f, &after, "weather", ""), TK_CODE_unknown);
        assert_int_equal(fixture_decide(f, &before, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &before, "weather", ""), TK_CODE_valid);
        assert_int_equal(fixture_decide(f, &before, "weather", ""), TK_CODE_quota_exceeded);
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
