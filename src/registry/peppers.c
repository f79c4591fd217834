/*
 * Pepper versions in the registry: not the peppers, which live outside it, but a proof of which pepper a version has.
 * Called inside a transaction, on its thread.
 */
#include "registry/change.h"
#include "registry/query.h"

#include <assert.h>
#include <string.h>

static const char PEPPER_INSERT[] =
        "INSERT INTO peppers (version, check_bytes, created_s) VALUES (?1, ?2, ?3)";
static const char PEPPER_LIST[] = "SELECT version, check_bytes, created_s FROM peppers ORDER BY version";

enum tk_err tk_pepper_create(struct tk_txn *txn, const struct tk_pepper *pepper,
                             const struct tk_change *change)
{
        struct tk_query query = tk_query_begin(txn, PEPPER_INSERT);
        enum tk_err err;

        assert(txn->writable);
        tk_bind_u64(&query, pepper->version);
        tk_bind_blob(&query, pepper->check, sizeof pepper->check);
        tk_bind_i64(&query, change->at_s);
        err = tk_query_run(&query);
        return err == TK_OK ? tk_change_record(txn, TK_OBJECT_PEPPER, pepper->version, 1, change) : err;
}

/* The schema allows versions 0 to 15 once each: there are never more rows than TK_PEPPER_VERSIONS. */
enum tk_err tk_pepper_list(struct tk_txn *txn, struct tk_pepper ret_peppers[TK_PEPPER_VERSIONS],
                           size_t *ret_count)
{
        struct tk_query query = tk_query_begin(txn, PEPPER_LIST);
        struct tk_pepper peppers[TK_PEPPER_VERSIONS] = {0};
        size_t count = 0;
        enum tk_err err;

        while (count < TK_PEPPER_VERSIONS && tk_query_next(&query)) {
                struct tk_pepper *pepper = &peppers[count++];

                pepper->version = (unsigned)tk_take_u64(&query);
                tk_take_blob(&query, pepper->check, sizeof pepper->check);
                pepper->created_s = tk_take_i64(&query);
        }
        err = tk_query_end(&query);
        if (err != TK_OK)
                return err;
        memcpy(ret_peppers, peppers, sizeof peppers);
        *ret_count = count;
        return TK_OK;
}
