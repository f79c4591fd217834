/*
 * See fixture.h.
 */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_hex(FILE *file, const char *before, unsigned byte, unsigned count)
{
        fprintf(file, "%s", before);
        for (unsigned i = 0; i < count; i++)
                fprintf(file, "%02x", byte);
        fprintf(file, "\n");
}

/* As the daemon would: a new file, renamed into place. The bytes are those of the gate's test support. */
void fixture_write_peppers(struct fixture *f, unsigned version_max)
{
        char draft[112];
        snprintf(draft, sizeof draft, "%s.new", f->pepper_path);
        FILE *file = fopen(draft, "w");
        assert_non_null(file);
        assert_int_equal(fchmod(fileno(file), 0600), 0);
        write_hex(file, "mask ", 0x5a, 16);
        for (unsigned version = 1; version <= version_max; version++) {
                char before[24];
                snprintf(before, sizeof before, "pepper %u ", version);
                write_hex(file, before, version, 32);
        }
        assert_int_equal(fclose(file), 0);
        assert_int_equal(rename(draft, f->pepper_path), 0);
}

static const struct tk_gate_sizes sizes = {
        .named_buckets = 4, .reservations = 64, .rings = 4, .ring_events = 64, .reserve_shift = 8};

int fixture_setup(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        assert_non_null(f);
        f->error.size = sizeof f->error;
        test_gate_init(&f->daemon);
        f->daemon.sizes = &sizes; /* ThreadSanitizer leaves few addresses, and some tests make many sets */
        test_gate_publish(&f->daemon);
        strcpy(f->data_dir, "/dev/shm/tk-lib-XXXXXX");
        assert_non_null(mkdtemp(f->data_dir));
        snprintf(f->pepper_path, sizeof f->pepper_path, "%s/pepper", f->data_dir);
        snprintf(f->link_path, sizeof f->link_path, "%s/gate", f->data_dir);
        assert_int_equal(symlink(f->daemon.dir, f->link_path), 0);
        fixture_write_peppers(f, 2);
        *state = f;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *f = *state;
        tollkeeper_close(f->gate);
        test_gate_fini(&f->daemon);
        test_dir_remove(f->data_dir);
        free(f);
        return 0;
}

void fixture_result(enum tollkeeper_result result, enum tollkeeper_result expected,
                    const struct tollkeeper_error *error, const char *file, int line)
{
        if (result == expected)
                return;
        print_error("%s:%d: result %d, not %d: %s\n", file, line, (int)result, (int)expected, error->message);
        _fail(file, line);
}

void fixture_open(struct fixture *f)
{
        struct tollkeeper_config config = {.size = sizeof config, .data_dir = f->data_dir};
        assert_result(tollkeeper_open(&config, &f->gate, &f->error), TOLLKEEPER_OK);
        assert_string_equal(f->error.message, "");
        assert_result(tollkeeper_environment(f->gate, "weather", "production", &f->production, &f->error),
                      TOLLKEEPER_OK);
}

struct tollkeeper_ask fixture_ask(const struct fixture *f, const struct test_key *key)
{
        return (struct tollkeeper_ask){.size = sizeof(struct tollkeeper_ask),
                                       .key = {key->view.ptr, key->view.len},
                                       .environment = f->production,
                                       .cost = 1};
}

void fixture_expect(struct fixture *f, const struct tollkeeper_ask *ask, enum tollkeeper_code code,
                    struct tollkeeper_answer *ret_answer)
{
        struct tollkeeper_answer answer = {.size = sizeof answer};
        enum tollkeeper_code is = tollkeeper_decide(f->gate, ask, &answer);
        if (is != code)
                fail_msg("%s, not %s: %s", tollkeeper_code_name(is), tollkeeper_code_name(code),
                         answer.detail);
        assert_int_equal(answer.code, code);
        assert_int_equal(answer.http_status, tollkeeper_code_http_status(code));
        assert_non_null(answer.detail);
        if (ret_answer)
                *ret_answer = answer;
}
