/*
 * Contender: LMDB on shared memory, digest -> record, read in a transaction of its own for each decision, so that a revocation
 * by another process is seen. Counting is in memory beside it.
 */
#include "record.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#define MAP_BYTES_A_KEY UINT64_C(512)
#define BATCH           100000
#define READERS_MAX     1000 /* each measuring thread leaves one */

static struct records records;
static MDB_env *env;
static MDB_dbi dbi;
static MDB_txn *writing;
static uint64_t written;

static bool good(int status)
{
        return status == 0 || bench_failed(mdb_strerror(status));
}

static bool begin(void)
{
        return good(mdb_txn_begin(env, NULL, 0, &writing));
}

static bool open_lmdb(struct bench_setup *setup)
{
        written = 0;
        return good(mdb_env_create(&env)) && good(mdb_env_set_maxreaders(env, READERS_MAX)) &&
               good(mdb_env_set_mapsize(env, (setup->keys + 1000) * MAP_BYTES_A_KEY)) &&
               good(mdb_env_open(env, setup->folder, MDB_NOSYNC | MDB_NOTLS, 0600)) && begin() &&
               good(mdb_dbi_open(writing, NULL, 0, &dbi)) && records_open(&records, setup);
}

static bool add(uint64_t number, const struct tk_digest *digest)
{
        struct record record = record_of(records.setup, number);
        MDB_val key = {sizeof(digest->bytes), (void *)digest->bytes}, value = {sizeof(record), &record};
        if (!good(mdb_put(writing, dbi, &key, &value, 0)))
                return false;
        return ++written % BATCH != 0 || (good(mdb_txn_commit(writing)) && begin());
}

static bool ready(void)
{
        return good(mdb_txn_commit(writing));
}

static bool decide(struct tk_str key)
{
        static _Thread_local MDB_txn
                *reading; /* reset and renewed, LMDB's cheapest way; lives as long as the thread */
        struct tk_digest digest;
        if (!record_digest(&records, key, &digest))
                return false;
        if (!good(reading ? mdb_txn_renew(reading) : mdb_txn_begin(env, NULL, MDB_RDONLY, &reading)))
                return false;
        MDB_val name = {sizeof(digest.bytes), digest.bytes}, value;
        struct record record;
        bool found = mdb_get(reading, dbi, &name, &value) == 0 && value.mv_size == sizeof(record);
        if (found)
                memcpy(&record, value.mv_data, sizeof(record));
        mdb_txn_reset(reading);
        return found && record_decide(&records, &record);
}

static uint64_t bytes(void)
{
        MDB_envinfo info;
        MDB_stat stat;
        mdb_env_info(env, &info);
        mdb_env_stat(env, &stat);
        return (info.me_last_pgno + 1) * stat.ms_psize + records_bytes(&records);
}

static void close_lmdb(void)
{
        mdb_env_close(env);
        records_close(&records);
}

const struct contender contender_lmdb = {"LMDB", open_lmdb, add, ready, decide, bytes, close_lmdb};
