/*
 * The roles of keys: from the names that were given to the roles they stand for, and that nobody grants by a role what he does not hold.
 * Parts of issuing, changing and resuming keys; called inside a write, on the registry's writer thread.
 */
#include "service/internal.h"

#include <stdio.h>
#include <stdlib.h>

static enum tk_err fault_at(struct tk_op *op, size_t index, enum tk_fault_code code, const char *mend,
                            const char *detail, struct tk_str name)
{
        char field[TK_FIELD_PATH_MAX];
        snprintf(field, sizeof(field), "/roles/%zu", index);
        return tk_fault_set(op->fault, code, field, mend, "%s \"%.*s\"", detail, TK_STR_ARG(name));
}

static int by_name(const void *a, const void *b)
{
        const struct tk_key_role *left = a, *right = b;
        return tk_str_compare(left->name, right->name);
}

static void sort_and_unite(struct tk_key_role *roles, uint32_t *inout_count)
{
        uint32_t kept = 0;
        qsort(roles, *inout_count, sizeof(*roles), by_name);
        for (uint32_t i = 0; i < *inout_count; i++)
                if (kept == 0 || roles[kept - 1].id != roles[i].id)
                        roles[kept++] = roles[i];
        *inout_count = kept;
}

static enum tk_err find_given(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api, size_t index,
                              struct tk_str name, struct tk_key_role *ret_role)
{
        struct tk_role role;
        enum tk_err err = tk_role_find(txn, api->id, name, op->arena, &role);
        if (err == TK_NOT_FOUND) {
                struct tk_str shown = {name.ptr, name.len < TK_NAME_MAX ? name.len : TK_NAME_MAX};
                return fault_at(op, index, TK_FAULT_unknown_reference,
                                "create the role first, or mend its name", "the API has no role", shown);
        }
        if (err == TK_OK)
                *ret_role = (struct tk_key_role){role.id, role.name};
        return err;
}

enum tk_err tk_key_roles_take(struct tk_op *op, struct tk_txn *txn, const struct tk_api *api,
                              const struct tk_input_list *given, struct tk_key *inout)
{
        if (!given->set)
                return TK_OK;
        if (given->count > TK_KEY_ROLES_MAX)
                return tk_fault_set(op->fault, TK_FAULT_invalid_value, "/roles",
                                    "make one role of several, or grant scopes",
                                    "there are %zu, %d are allowed", given->count, TK_KEY_ROLES_MAX);
        for (size_t i = 0; i < given->count; i++) {
                enum tk_err err = find_given(op, txn, api, i, given->items[i], &inout->roles[i]);
                if (err != TK_OK)
                        return err;
        }
        inout->role_count = (uint32_t)given->count;
        sort_and_unite(inout->roles, &inout->role_count);
        return TK_OK;
}

/* Where the role stands in the list that was given; one that the key had before is nobody's member. */
static enum tk_err blame(struct tk_op *op, const struct tk_input_list *given, struct tk_str role)
{
        op->fault->field[0] = '\0';
        for (size_t i = 0; i < given->count; i++)
                if (tk_str_equal(given->items[i], role))
                        snprintf(op->fault->field, sizeof(op->fault->field), "/roles/%zu", i);
        return TK_DENIED;
}

enum tk_err tk_key_roles_refuse_escalation(struct tk_op *op, struct tk_txn *txn,
                                           const struct tk_input_list *given, const struct tk_key *key)
{
        static const struct tk_input_list none = {0};
        if (!tk_str_equal(key->api_name, TK_STR(TK_ADMIN_API)))
                return TK_OK;
        for (uint32_t i = 0; i < key->role_count; i++) {
                struct tk_role role;
                enum tk_err err = tk_role_get(txn, key->roles[i].id, op->arena, &role);
                if (err == TK_OK)
                        err = tk_refuse_escalation(op, key->api_name, &none, role.scopes, role.scope_count);
                if (err == TK_DENIED)
                        return blame(op, given, key->roles[i].name);
                if (err != TK_OK)
                        return err;
        }
        return TK_OK;
}
