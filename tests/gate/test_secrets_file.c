/*
 * Whose pepper file is read: gate/secrets_file.h. And the set of files that a directory has: gate/gate.h.
 */
#include "support.h"

#include "gate/secrets_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT                                                                                                 \
        "mask 000102030405060708090a0b0c0d0e0f\n"                                                            \
        "pepper 3 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

struct place {
        char dir[64], path[96], other[96];
};

static int setup(void **state)
{
        static struct place place;
        strcpy(place.dir, "/tmp/tk-secrets-XXXXXX");
        assert_non_null(mkdtemp(place.dir));
        snprintf(place.path, sizeof place.path, "%s/pepper", place.dir);
        snprintf(place.other, sizeof place.other, "%s/other", place.dir);
        *state = &place;
        return 0;
}

static int teardown(void **state)
{
        test_dir_remove(((struct place *)*state)->dir);
        return 0;
}

static void put(const char *path, const char *text, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static void check_refused(const struct place *place, enum tk_err err, const char *why)
{
        struct tk_pepper_file file;
        struct tk_fault fault = {0};
        assert_int_equal(tk_secrets_file_read(place->path, &file, NULL, &fault), err);
        if (!strstr(fault.detail, why))
                fail_msg("\"%s\" does not say \"%s\"", fault.detail, why);
        assert_non_null(strstr(fault.detail, place->path));
        assert_true(fault.mend[0] != '\0');
}

static void a_private_file_is_read(void **state)
{
        struct place *place = *state;
        struct tk_pepper_file file;
        struct tk_fault fault = {0};
        struct tk_secrets_version read, now;
        put(place->path, TEXT, 0600);
        assert_int_equal(tk_secrets_file_read(place->path, &file, &read, &fault), TK_OK);
        assert_true(file.peppers.present[3]);
        assert_true(tk_secrets_file_version(place->path, &now));
        assert_memory_equal(&read, &now, sizeof read);
        tk_pepper_file_fini(&file);

        put(place->other, TEXT, 0600); /* as the daemon changes it: another file in its place */
        assert_int_equal(rename(place->other, place->path), 0);
        assert_true(tk_secrets_file_version(place->path, &now));
        assert_memory_not_equal(&read, &now, sizeof read);
        assert_int_equal(unlink(place->path), 0);
        assert_false(tk_secrets_file_version(place->path, &now));
}

static void what_is_not_read(void **state)
{
        struct place *place = *state;
        check_refused(place, TK_NOT_FOUND, "is missing");
        put(place->path, TEXT, 0640);
        check_refused(place, TK_DENIED, "may be read by others");
        put(place->path, TEXT, 0604);
        check_refused(place, TK_DENIED, "may be read by others");
        put(place->path, TEXT "nonsense\n", 0600);
        check_refused(place, TK_CORRUPT, "has a line that is not of its format");
        put(place->path, "", 0600);
        check_refused(place, TK_CORRUPT, "has no mask");
        static char large[TK_PEPPER_FILE_MAX_BYTES + 2];
        memset(large, '#', sizeof large - 1);
        put(place->path, large, 0600);
        check_refused(place, TK_CORRUPT, "is not of the right size");

        put(place->other, TEXT, 0600);
        assert_int_equal(unlink(place->path), 0);
        assert_int_equal(symlink(place->other, place->path), 0);
        check_refused(place, TK_DENIED, "is a symbolic link");
        assert_int_equal(unlink(place->path), 0);
        assert_int_equal(mkfifo(place->path, 0600), 0); /* and nobody waits for a writer */
        check_refused(place, TK_DENIED, "is not a file");
        assert_int_equal(unlink(place->path), 0);
        assert_int_equal(mkdir(place->path, 0700), 0);
        check_refused(place, TK_DENIED, "is not a file");
        assert_int_equal(rmdir(place->path), 0);
}

static void a_file_of_another_user(void **state)
{
        struct place *place = *state;
        if (geteuid() != 0)
                skip();
        put(place->path, TEXT, 0600);
        assert_int_equal(chown(place->path, 12345, 12345), 0);
        check_refused(place, TK_DENIED, "belongs to another user");
}

/* ---- the set of files in a directory ---- */

static bool same(const struct tk_gate_identity *a, const struct tk_gate_identity *b)
{
        return memcmp(a->installation, b->installation, sizeof a->installation) == 0 &&
               a->incarnation == b->incarnation;
}

static void a_set_is_told_from_the_one_after_it(void **state)
{
        struct test_gate test;
        struct tk_fault fault = {0};
        struct tk_gate_identity mine, now;
        (void)state;
        test_gate_open(&test);
        mine = tk_gate_identity(test.gate);
        assert_memory_equal(mine.installation, test_installation, sizeof mine.installation);
        assert_int_equal(tk_gate_identify(test.dir, &now, &fault), TK_OK);
        assert_true(same(&mine, &now));

        assert_int_equal(tk_publisher_renew(test.publisher, &fault), TK_OK);
        assert_int_equal(tk_gate_identify(test.dir, &now, &fault), TK_OK);
        assert_false(same(&mine, &now));

        char path[128];
        test_gate_path(&test, "keys", path);
        assert_int_equal(truncate(path, 100), 0);
        assert_int_equal(tk_gate_identify(test.dir, &now, &fault), TK_CORRUPT);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(tk_gate_identify(test.dir, &now, &fault), TK_NOT_FOUND);
        test_gate_fini(&test);
}

/* Keys of a new pepper are unknown until it is there; those of the old one are valid before and after. */
static void a_pepper_is_added(void **state)
{
        struct test_gate test;
        struct test_key old, new;
        (void)state;
        test_gate_open(&test);
        struct tk_pepper_set both = test.peppers;
        uint8_t pepper[TK_PEPPER_BYTES] = {9};
        assert_int_equal(tk_pepper_set_add(&both, 3, pepper), TK_OK);

        test_key_issue(&test, 1, &old);
        test_key_mint(&test, 2, &new);
        assert_int_equal(tk_key_mint(TK_STR("tk"), TK_STR("live"), 2, 3, &test.mask, tk_random_system(),
                                     &new.plaintext),
                         TK_OK);
        new.view = tk_secret_view(&new.plaintext);
        new.published.pepper_version = 3;
        assert_true(tk_digest_key(&both, 3, new.view, &new.published.digest));
        test_key_publish(&test, &new);

        struct tk_ask old_ask = test_ask(&test, &old), new_ask = test_ask(&test, &new);
        assert_code(test_decide(&test, &new_ask), TK_CODE_unknown);
        assert_code(test_decide(&test, &old_ask), TK_CODE_valid);
        tk_gate_use_peppers(test.gate, &both);
        assert_code(test_decide(&test, &new_ask), TK_CODE_valid);
        assert_code(test_decide(&test, &old_ask), TK_CODE_valid);
        test_gate_fini(&test);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_private_file_is_read, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_not_read, setup, teardown),
                cmocka_unit_test_setup_teardown(a_file_of_another_user, setup, teardown),
                cmocka_unit_test(a_set_is_told_from_the_one_after_it),
                cmocka_unit_test(a_pepper_is_added),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
