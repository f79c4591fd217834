/*
 * Nobody gets out of what holds him: who asks with an admin key that ends some day, or may be used from some
 * addresses only, can give no admin key more than that, his own included. Else a key for an afternoon would
 * make itself one for ever. Called by keys.c and key_change.c inside a write, on the writer thread.
 */
#include "core/id.h"
#include "service/internal.h"

#include <string.h>

static enum tk_err refuse(struct tk_op *op, const char *field, const char *what)
{
        return tk_fault_set(
                op->fault, TK_FAULT_forbidden, field,
                "stay within what holds for your own key, or ask an administrator whom it does not hold",
                "your own admin key is limited in %s, and this one would not be", what);
}

static bool block_within(const struct tk_cidr *inner, const struct tk_cidr *outer)
{
        struct tk_ip first = {.family = inner->family};
        memcpy(first.bytes, inner->bytes, sizeof(first.bytes));
        return inner->family == outer->family && inner->prefix_bits >= outer->prefix_bits &&
               tk_cidr_contains(outer, &first);
}

static bool blocks_within(const struct tk_restrictions *wanted, const struct tk_restrictions *own)
{
        bool within = own->cidr_count == 0 || wanted->cidr_count > 0;
        for (uint32_t i = 0; within && own->cidr_count > 0 && i < wanted->cidr_count; i++) {
                within = false;
                for (uint32_t j = 0; !within && j < own->cidr_count; j++)
                        within = block_within(&wanted->cidrs[i], &own->cidrs[j]);
        }
        return within;
}

/* Each word of the one is a word of the other: what patterns cover is not worked out. */
static bool texts_within(const struct tk_str *wanted, uint32_t wanted_count, const struct tk_str *own,
                         uint32_t own_count)
{
        bool within = own_count == 0 || wanted_count > 0;
        for (uint32_t i = 0; within && own_count > 0 && i < wanted_count; i++) {
                within = false;
                for (uint32_t j = 0; !within && j < own_count; j++)
                        within = tk_str_equal(wanted[i], own[j]);
        }
        return within;
}

static enum tk_err compare(struct tk_op *op, const struct tk_key *wanted, const struct tk_key *own,
                           const struct tk_input_key *given, bool new)
{
        const struct tk_restrictions *w = &wanted->restrictions, *o = &own->restrictions;
        bool ends = own->expires_s != 0;
        if ((new || given->expires_at.set) && ends &&
            (wanted->expires_s == 0 || wanted->expires_s > own->expires_s))
                return refuse(op, "/expires_at", "time");
        if ((new || given->cidrs.set) && !blocks_within(w, o))
                return refuse(op, "/restrictions/cidrs", "addresses");
        if ((new || given->origins.set) &&
            !texts_within(w->origins, w->origin_count, o->origins, o->origin_count))
                return refuse(op, "/restrictions/origins", "origins");
        if ((new || given->methods.set) &&
            !texts_within(w->methods, w->method_count, o->methods, o->method_count))
                return refuse(op, "/restrictions/methods", "methods");
        if ((new || given->paths.set) && !texts_within(w->paths, w->path_count, o->paths, o->path_count))
                return refuse(op, "/restrictions/paths", "paths");
        return TK_OK;
}

enum tk_err tk_refuse_outgrowing(struct tk_op *op, struct tk_txn *txn, struct tk_str api_name,
                                 const struct tk_input_key *given, const struct tk_key *wanted, bool new)
{
        uint64_t id;
        if (!tk_str_equal(api_name, TK_STR(TK_ADMIN_API)) || !tk_id_parse(TK_ID_KEY, op->caller->actor, &id))
                return TK_OK;
        struct tk_key *own = tk_arena_alloc(op->arena, sizeof(*own));
        if (!own)
                return TK_NOMEM;
        enum tk_err err = tk_key_get(txn, id, op->arena, own);
        if (err == TK_NOT_FOUND) /* the gate has just admitted it, so that only tests get here */
                return TK_OK;
        return err == TK_OK ? compare(op, wanted, own, given, new) : err;
}
