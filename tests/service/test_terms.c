/*
 * From the registry's texts to the gate's records: the same record for the same terms, however many others came between, and
 * another one for whatever differs.
 */
#include "registry/walk.h"
#include "service/publisher.h"
#include "service/terms.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define API  7
#define MANY 3000 /* more than are kept */

struct world {
        char dir[64];
        struct tk_publisher *files;
        struct tk_terms *terms;
};

static int setup(void **state)
{
        static struct world world;
        static const uint8_t installation[16] = "terms";
        struct tk_fault fault = {0};
        uint64_t applied_seq;
        snprintf(world.dir, sizeof world.dir, "/dev/shm/tollkeeper-test-XXXXXX");
        assert_non_null(mkdtemp(world.dir));
        assert_int_equal(
                tk_publisher_open(world.dir, installation, 1, NULL, &world.files, &applied_seq, &fault),
                TK_OK);
        assert_int_equal(tk_terms_new(world.files, &world.terms), TK_OK);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        char path[400];
        tk_terms_free(world->terms);
        tk_publisher_close(world->files);
        DIR *dir = opendir(world->dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                snprintf(path, sizeof path, "%s/%s", world->dir, entry->d_name);
                unlink(path);
        }
        closedir(dir);
        return rmdir(world->dir);
}

static uint32_t policy_of(struct world *world, uint32_t api_id, const char *scopes, const char *limits,
                          const char *restrictions)
{
        struct tk_key_row row = {.scopes = tk_str_from(scopes),
                                 .limits = tk_str_from(limits),
                                 .restrictions = tk_str_from(restrictions),
                                 .roles = TK_STR("{}")};
        uint32_t policy = 0;
        assert_int_equal(tk_terms_of_key(world->terms, api_id, &row, &policy), TK_OK);
        assert_int_not_equal(policy, 0);
        return policy;
}

static uint32_t policy_of_number(struct world *world, unsigned number)
{
        char limits[200];
        snprintf(limits, sizeof limits,
                 "[{\"kind\":\"rate\",\"period\":\"fixed\",\"anchored\":false,\"limit\":%u,\"burst\":%u,"
                 "\"length_s\":60,\"name\":\"calls\"}]",
                 number + 1, number + 1);
        return policy_of(world, API, "[\"a:read\"]", limits, "{}");
}

static uint64_t bytes_of(const struct world *world)
{
        struct tk_publisher_stats stats;
        tk_publisher_stats(world->files, &stats);
        return stats.policy_bytes;
}

static void the_same_terms_have_one_record(void **state)
{
        struct world *world = *state;
        static uint32_t policies[MANY];
        for (unsigned i = 0; i < MANY; i++)
                policies[i] = policy_of_number(world, i);
        for (unsigned i = 1; i < MANY; i++)
                assert_true(policies[i] > policies[i - 1]);
        uint64_t bytes = bytes_of(world);
        for (unsigned i = 0; i < MANY; i++) {
                assert_int_equal(policy_of_number(world, i), policies[i]);
                assert_int_equal(policy_of_number(world, 0), policies[0]);
        }
        assert_int_equal(bytes_of(world), bytes);
}

static void each_text_counts(void **state)
{
        struct world *world = *state;
        const char *blocks = "{\"cidrs\":[\"192.0.2.0/24\"]}";
        uint32_t policies[] = {
                policy_of(world, API, "[]", "[]", "{}"),
                policy_of(world, API + 1, "[]", "[]", "{}"),
                policy_of(world, API, "[\"a:read\"]", "[]", "{}"),
                policy_of(world, API, "[]", "[]", blocks),
                policy_of(world, API, "[\"a:read\"]", "[]", blocks),
                policy_of(world, API, "[\"a:read\",\"b\"]", "[]", "{}"),
        };
        for (unsigned i = 0; i < sizeof policies / sizeof *policies; i++)
                for (unsigned k = 0; k < i; k++)
                        assert_int_not_equal(policies[i], policies[k]);
        assert_int_equal(policy_of(world, API, "[]", "[]", blocks), policies[3]);
}

/* Texts that are too long to be kept are compiled each time. */
static void long_terms_have_one_record_too(void **state)
{
        struct world *world = *state;
        char scopes[4000] = "[\"s0:read\"";
        for (unsigned i = 1; i < 64; i++)
                snprintf(scopes + strlen(scopes), sizeof scopes - strlen(scopes), ",\"scope%04u:read-much\"",
                         i);
        snprintf(scopes + strlen(scopes), sizeof scopes - strlen(scopes), "]");
        uint32_t policy = policy_of(world, API, scopes, "[]", "{}");
        uint64_t bytes = bytes_of(world);
        assert_int_equal(policy_of(world, API, scopes, "[]", "{}"), policy);
        assert_int_equal(bytes_of(world), bytes);
}

static void damaged_texts_are_not_taken_for_others(void **state)
{
        struct world *world = *state;
        static const char *const texts[] = {"", "[", "{}", "[1]", "[{}]"};
        uint32_t policy = 0;
        policy_of(world, API, "[]", "[]", "{}");
        for (unsigned round = 0; round < 2; round++) {
                for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
                        struct tk_key_row row = {.scopes = TK_STR("[]"),
                                                 .limits = tk_str_from(texts[i]),
                                                 .restrictions = TK_STR("{}")};
                        assert_int_equal(tk_terms_of_key(world->terms, API, &row, &policy), TK_CORRUPT);
                        assert_int_equal(tk_terms_of_plan(world->terms, row.limits, &policy), TK_CORRUPT);
                }
        }
        assert_int_equal(policy, 0);
}

/* The text of a plan's limits may be that of a key's: the records are of two kinds. */
static void a_plan_is_no_key(void **state)
{
        struct world *world = *state;
        uint32_t plan = 0, again = 0;
        assert_int_equal(tk_terms_of_plan(world->terms, TK_STR("[]"), &plan), TK_OK);
        assert_int_not_equal(policy_of(world, API, "[]", "[]", "{}"), plan);
        assert_int_equal(tk_terms_of_plan(world->terms, TK_STR("[]"), &again), TK_OK);
        assert_int_equal(again, plan);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                T(the_same_terms_have_one_record),
                T(each_text_counts),
                T(long_terms_have_one_record_too),
                T(damaged_texts_are_not_taken_for_others),
                T(a_plan_is_no_key),
        };
        return cmocka_run_group_tests_name("service/terms", tests, NULL, NULL);
}
