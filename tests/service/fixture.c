/*
 * See fixture.h. Everything is real but the clock: registry on disk, gate files, random numbers.
 */
#include "fixture.h"

#include "core/alloc.h"
#include "service/view.h"

#include <ftw.h>
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

#define START_NS (UINT64_C(1764000000) * TK_NS_PER_S)

static uint64_t fixed_wall_ns(void *context)
{
        return ((struct fixture *)context)->now_ns;
}

static void open_service(struct fixture *f)
{
        struct tk_service_config config = {
                .data_dir = f->data_dir,
                .gate_dir = f->gate_dir,
                .random = tk_random_system(),
                .clock = {.wall_ns = fixed_wall_ns, .context = f},
        };
        enum tk_err err = tk_service_open(&config, &f->service, &f->fault);
        if (err != TK_OK)
                fail_msg("open: %s: %s", tk_err_name(err), f->fault.detail);
}

int fixture_setup(void **state)
{
        struct fixture *f = tk_calloc(1, sizeof(*f));
        assert_non_null(f);
        assert_int_equal(tk_random_init(), 0);
        snprintf(f->root, sizeof(f->root), "/tmp/tk-service-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        snprintf(f->data_dir, sizeof(f->data_dir), "%s/data", f->root);
        snprintf(f->gate_dir, sizeof(f->gate_dir), "%s/gate", f->root);
        f->now_ns = START_NS;
        f->admin = (struct tk_caller){
                .actor = TK_STR("system"), .source = TK_STR("local"), .scopes = TK_STR("*"), .root = true};
        tk_arena_init(&f->arena, 0);
        open_service(f);
        *state = f;
        return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path);
}

int fixture_teardown(void **state)
{
        struct fixture *f = *state;
        tk_service_close(f->service);
        tk_arena_fini(&f->arena);
        nftw(f->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        tk_free(f);
        return 0;
}

void fixture_reopen(struct fixture *f)
{
        tk_service_close(f->service);
        f->service = NULL;
        open_service(f);
}

void fixture_issue(struct fixture *f, const char *api, const char *scope, struct tk_key_issued *ret_issued)
{
        struct tk_str scopes[1] = {tk_str_from(scope)};
        struct tk_input_key input = {
                .api = tk_str_from(api),
                .scopes = {.set = scope != NULL, .items = scopes, .count = scope ? 1 : 0},
                .create_missing = true,
        };
        enum tk_err err =
                tk_service_key_issue(f->service, &f->admin, &input, &f->arena, ret_issued, &f->fault);
        if (err != TK_OK)
                fail_msg("issue: %s: %s", tk_err_name(err), f->fault.detail);
}

enum tk_code fixture_decide(struct fixture *f, const struct tk_key_issued *issued, const char *api,
                            const char *scope)
{
        struct tk_gate *gate = tk_service_gate(f->service);
        struct tk_ask ask = {.key = tk_secret_view(&issued->plaintext), .cost = 1, .now_ns = f->now_ns};
        assert_true(tk_gate_environment(gate, tk_str_from(api), TK_STR("production"), &ask.environment));
        struct tk_scope_expr expr;
        size_t error_at;
        assert_true(tk_scope_expr_parse(tk_str_from(scope), &expr, &error_at));
        ask.scope = &expr;
        struct tk_answer answer;
        tk_gate_decide(gate, &ask, &answer);
        return answer.code;
}

struct tk_str fixture_key_id(struct fixture *f, const struct tk_key *key)
{
        char text[32];
        tk_id_format(TK_ID_KEY, key->id, text);
        return tk_arena_copy(&f->arena, tk_str_from(text));
}
