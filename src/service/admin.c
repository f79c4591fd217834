/*
 * The built-in API `tollkeeper`: made on the first start, its scopes brought up to service/admin.h on each,
 * so that a newer program's scopes are there after an upgrade. Called once, by tk_service_open().
 */
#include "service/internal.h"

#include <string.h>

static const struct tk_input_scope admin_scopes[] = {
#define X(scope, text) {TK_STR(scope), TK_STR(text)},
        TK_ADMIN_SCOPES(X)
#undef X
};

static const struct tk_caller system_caller = {
        .actor = TK_STR("system"),
        .source = TK_STR("local"),
        .scopes = TK_STR("*"),
        .root = true,
};

static const struct tk_input_environment admin_environment = {
        .name = TK_STR(TK_ADMIN_ENVIRONMENT),
        .tag = TK_STR(TK_ADMIN_TAG),
};

static enum tk_err ensure_api(struct tk_op *op, struct tk_txn *txn, struct tk_api *ret_api)
{
        enum tk_err err = tk_api_find(txn, TK_STR(TK_ADMIN_API), op->arena, ret_api);
        if (err != TK_NOT_FOUND)
                return err;
        struct tk_input_api wanted = {
                .name = TK_STR(TK_ADMIN_API),
                .description = TK_STR("Tollkeeper's own API; its keys are the admin keys."),
                .environments_set = true,
                .environments = &admin_environment,
                .environment_count = 1,
        };
        return tk_api_make(op, txn, &wanted, ret_api);
}

static enum tk_err ensure(struct tk_txn *txn, void *context)
{
        struct tk_op *op = context;
        struct tk_api api;
        enum tk_err err = ensure_api(op, txn, &api);
        for (size_t i = 0; err == TK_OK && i < sizeof(admin_scopes) / sizeof(admin_scopes[0]); i++) {
                struct tk_scope scope;
                err = tk_scope_find(txn, api.id, admin_scopes[i].name, op->arena, &scope);
                if (err == TK_NOT_FOUND)
                        err = tk_scope_make(op, txn, &api, &admin_scopes[i], &scope);
        }
        return err;
}

/* TK_OK when nothing is missing. */
static enum tk_err look(struct tk_txn *txn, void *context)
{
        struct tk_op *op = context;
        struct tk_api api;
        enum tk_err err = tk_api_find(txn, TK_STR(TK_ADMIN_API), op->arena, &api);
        for (size_t i = 0; err == TK_OK && i < sizeof(admin_scopes) / sizeof(admin_scopes[0]); i++) {
                struct tk_scope scope;
                err = tk_scope_find(txn, api.id, admin_scopes[i].name, op->arena, &scope);
        }
        return err;
}

/* Looks before it writes, so that a start on a full or read-only disk still verifies keys. */
enum tk_err tk_admin_ensure(struct tk_service *service, struct tk_fault *fault)
{
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct tk_op op = tk_op_begin(service, &system_caller, &arena, fault);
        enum tk_err err = tk_registry_read(service->registry, look, &op);
        if (err == TK_NOT_FOUND)
                err = tk_op_write(&op, TK_LANE_NORMAL, ensure, &op);
        else if (err != TK_OK)
                tk_fault_from_err(fault, err);
        tk_arena_fini(&arena);
        return err;
}
