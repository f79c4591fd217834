/*
 * Registries for tests: where they live, transactions handed to the test's thread, a small world, and the invariants.
 */
#include "fixture.h"

#include "core/alloc.h"
#include "registry/open.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- storage ---- */

static void remove_folder(const char *folder)
{
        char command[128];

        snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
        assert_int_equal(system(command), 0);
}

/* The engine's URL for this test; the word is the folder's last part, which mkdtemp made unique. */
static void make_url(struct fixture *f)
{
        const char *form = getenv("TK_TEST_REGISTRY");
        const char *place = form == NULL ? NULL : strstr(form, "%s");

        if (place == NULL)
                snprintf(f->url, sizeof f->url, "sqlite:%s/registry.db", f->folder);
        else
                snprintf(f->url, sizeof f->url, "%.*s%s%s", (int)(place - form), form,
                         strrchr(f->folder, '/') + 1, place + 2);
}

static void open_registry(struct fixture *f)
{
        struct tk_fault fault = {0};
        enum tk_err err;

        if (f->driver == NULL)
                err = tk_registry_open(&f->config, &f->registry, &fault);
        else
                err = tk_registry_open_with(f->driver, strchr(f->url, ':') + 1, &f->config, &f->registry,
                                            &fault);
        if (err != TK_OK)
                fail_msg("open: %s: %s", tk_err_name(err), fault.detail);
}

void fixture_init(struct fixture *f, const char *folder, const struct tk_driver *driver)
{
        snprintf(f->folder, sizeof f->folder, "%s", folder);
        make_url(f);
        f->config.url = f->url;
        f->change = (struct tk_change){.at_s = NOW_S,
                                       .actor = TK_STR("key_1"),
                                       .source = TK_STR("192.0.2.7"),
                                       .action = TK_STR("test"),
                                       .after = TK_STR("{}")};
        tk_arena_init(&f->arena, 0);
        f->driver = driver;
        open_registry(f);
}

void fixture_fini(struct fixture *f)
{
        tk_registry_close(f->registry);
        f->registry = NULL;
        tk_arena_fini(&f->arena);
}

void fixture_reopen(struct fixture *f)
{
        tk_registry_close(f->registry);
        open_registry(f);
}

int fixture_setup(void **state)
{
        struct fixture *f = tk_calloc(1, sizeof *f);
        char folder[] = "/tmp/tk-registry-XXXXXX";

        assert_non_null(f);
        assert_non_null(mkdtemp(folder));
        fixture_init(f, folder, NULL);
        *state = f;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *f = *state;

        fixture_fini(f);
        remove_folder(f->folder);
        tk_free(f);
        return 0;
}

/* ---- a transaction for the test's own thread, while the job that owns it waits ---- */

struct handoff {
        struct fixture *f;
        enum tk_err (*enter)(struct tk_registry *registry, tk_txn_fn *run, void *context);
        pthread_t thread;
        sem_t begun, ended;
        struct tk_txn *txn;
        enum tk_err wanted, result;
};

static enum tk_err lend(struct tk_txn *txn, void *context)
{
        struct handoff *handoff = context;

        handoff->txn = txn;
        sem_post(&handoff->begun);
        sem_wait(&handoff->ended);
        return handoff->wanted;
}

static enum tk_err enter_write(struct tk_registry *registry, tk_txn_fn *run, void *context)
{
        return tk_registry_write(registry, TK_LANE_NORMAL, run, context);
}

static void *handoff_main(void *argument)
{
        struct handoff *handoff = argument;

        handoff->result = handoff->enter(handoff->f->registry, lend, handoff);
        sem_post(&handoff->begun); /* for one that never ran */
        return NULL;
}

static struct tk_txn *begin(struct fixture *f,
                            enum tk_err (*enter)(struct tk_registry *registry, tk_txn_fn *run, void *context))
{
        struct handoff *handoff = tk_calloc(1, sizeof *handoff);

        assert_non_null(handoff);
        assert_null(f->handoff);
        handoff->f = f;
        handoff->enter = enter;
        sem_init(&handoff->begun, 0, 0);
        sem_init(&handoff->ended, 0, 0);
        f->handoff = handoff;
        assert_int_equal(pthread_create(&handoff->thread, NULL, handoff_main, handoff), 0);
        sem_wait(&handoff->begun);
        assert_non_null(handoff->txn);
        return handoff->txn;
}

struct tk_txn *fixture_write_begin(struct fixture *f)
{
        return begin(f, enter_write);
}

struct tk_txn *fixture_read_begin(struct fixture *f)
{
        return begin(f, tk_registry_read);
}

enum tk_err fixture_end(struct fixture *f, enum tk_err err)
{
        struct handoff *handoff = f->handoff;
        enum tk_err result;

        handoff->wanted = err;
        sem_post(&handoff->ended);
        pthread_join(handoff->thread, NULL);
        result = handoff->result;
        sem_destroy(&handoff->begun);
        sem_destroy(&handoff->ended);
        tk_free(handoff);
        f->handoff = NULL;
        return result;
}

/* ---- a small world ---- */

static enum tk_err make_world(struct fixture *f, struct tk_txn *txn, struct world *world)
{
        enum tk_err err = tk_api_create(txn, &world->api, &f->change);

        world->environment.api_id = world->plan.api_id = world->api.id;
        if (err == TK_OK)
                err = tk_environment_create(txn, &world->environment, &f->change);
        if (err == TK_OK)
                err = tk_plan_create(txn, &world->plan, &f->change);
        if (err == TK_OK)
                err = tk_consumer_create(txn, &world->consumer, &f->change);
        return err;
}

void fixture_world(struct fixture *f, struct world *ret_world)
{
        *ret_world = (struct world){
                .api = {.state = TK_STATE_ACTIVE, .name = TK_STR("weather"), .prefix = TK_STR("tk")},
                .environment = {.state = TK_STATE_ACTIVE,
                                .name = TK_STR("production"),
                                .tag = TK_STR("live"),
                                .description = TK_STR("Für alle")},
                .plan = {.name = TK_STR("open")},
                .consumer = {.state = TK_STATE_ACTIVE, .name = TK_STR("acme"), .metadata = TK_STR("{}")},
        };
        assert_err(WRITE(f, make_world(f, txn, ret_world)), TK_OK);
}

struct tk_key fixture_key(const struct world *world, uint8_t seed)
{
        struct tk_key key = {.environment_id = world->environment.id,
                             .consumer_id = world->consumer.id,
                             .state = TK_STATE_ACTIVE,
                             .generation = 1,
                             .hint = TK_STR("tk_live_Ab3x"),
                             .metadata = TK_STR("{}"),
                             .created_by = TK_STR("key_1")};

        memset(key.digest.bytes, seed, sizeof key.digest.bytes);
        return key;
}

enum tk_err fixture_key_create(struct tk_txn *txn, struct tk_key *key, const struct tk_change *change)
{
        enum tk_err err = tk_key_next_id(txn, &key->id);

        return err == TK_OK ? tk_key_create(txn, key, change) : err;
}

struct tk_str fixture_text(struct fixture *f, size_t len)
{
        static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\"", "\\", "\n"};
        char *text = tk_arena_alloc(&f->arena, len + 1);
        size_t at = 0;

        assert_non_null(text);
        for (size_t i = 0; at < len; i++) {
                const char *character = characters[i % 6];

                if (strlen(character) > len - at)
                        character = "z";
                memcpy(text + at, character, strlen(character));
                at += strlen(character);
        }
        return (struct tk_str){text, len};
}

/* ---- invariants ---- */

uint64_t fixture_feed_last(struct fixture *f)
{
        uint64_t seq = 0;

        assert_err(READ(f, tk_feed_last(txn, &seq)), TK_OK);
        return seq;
}

uint64_t fixture_audit_last(struct fixture *f)
{
        struct tk_audit_entry *entries;
        size_t count;

        assert_err(READ(f, tk_audit_list(txn, 0, 1, &f->arena, &entries, &count)), TK_OK);
        return count == 0 ? 0 : entries[0].seq;
}

static enum tk_err version_of(struct tk_txn *txn, const struct tk_feed_row *row, struct tk_arena *arena,
                              uint64_t *ret_version)
{
        union {
                struct tk_api api;
                struct tk_environment environment;
                struct tk_scope scope;
                struct tk_role role;
                struct tk_api_route route;
                struct tk_plan plan;
                struct tk_consumer consumer;
                struct tk_subscription subscription;
        } any;
        struct tk_key *key = tk_arena_alloc(arena, sizeof *key);
        enum tk_err err = TK_OK;

        switch (row->object) {
        case TK_OBJECT_API:
                err = tk_api_get(txn, row->object_id, arena, &any.api);
                *ret_version = any.api.version;
                return err;
        case TK_OBJECT_ENVIRONMENT:
                err = tk_environment_get(txn, row->object_id, arena, &any.environment);
                *ret_version = any.environment.version;
                return err;
        case TK_OBJECT_SCOPE:
                err = tk_scope_get(txn, row->object_id, arena, &any.scope);
                *ret_version = any.scope.version;
                return err;
        case TK_OBJECT_PLAN:
                err = tk_plan_get(txn, row->object_id, arena, &any.plan);
                *ret_version = any.plan.version;
                return err;
        case TK_OBJECT_CONSUMER:
                err = tk_consumer_get(txn, row->object_id, arena, &any.consumer);
                *ret_version = any.consumer.version;
                return err;
        case TK_OBJECT_SUBSCRIPTION:
                err = tk_subscription_get(txn, row->object_id, arena, &any.subscription);
                *ret_version = any.subscription.version;
                return err;
        case TK_OBJECT_KEY:
                err = tk_key_get(txn, row->object_id, arena, key);
                *ret_version = key->version;
                return err;
        case TK_OBJECT_ROLE:
                err = tk_role_get(txn, row->object_id, arena, &any.role);
                *ret_version = any.role.version;
                return err;
        case TK_OBJECT_ROUTE:
                err = tk_api_route_get(txn, row->object_id, arena, &any.route);
                *ret_version = any.route.version;
                return err;
        case TK_OBJECT_PEPPER:
                *ret_version = 1;
                return TK_OK;
        }
        return TK_CORRUPT;
}

static enum tk_err check_feed(struct tk_txn *txn, struct tk_arena *arena, uint64_t *ret_rows)
{
        struct tk_feed_row *rows;
        uint64_t last = 0;
        size_t count;
        enum tk_err err = tk_feed_since(txn, 0, 1000000, arena, &rows, &count);

        for (size_t i = 0; err == TK_OK && i < count; i++) {
                uint64_t version = 0;

                err = version_of(txn, &rows[i], arena, &version);
                if (err != TK_OK || version < rows[i].version || rows[i].seq != i + 1)
                        return TK_CORRUPT;
        }
        if (err == TK_OK)
                err = tk_feed_last(txn, &last);
        *ret_rows = count;
        return err == TK_OK && last != count ? TK_CORRUPT : err;
}

static enum tk_err check_audit(struct tk_txn *txn, struct tk_arena *arena, uint64_t *ret_entries)
{
        struct tk_audit_entry *entries;
        size_t count;
        enum tk_err err = tk_audit_list(txn, 0, 1000000, arena, &entries, &count);

        for (size_t i = 0; err == TK_OK && i < count; i++)
                if (entries[i].seq != count - i || entries[i].canonical.len == 0)
                        err = TK_CORRUPT;
        *ret_entries = count;
        return err;
}

/* Tests that write no notes have as many entries as rows: they come and go together. */
static enum tk_err check_both(struct tk_txn *txn, struct tk_arena *arena)
{
        uint64_t rows = 0, entries = 0;
        enum tk_err err = check_feed(txn, arena, &rows);

        if (err == TK_OK)
                err = check_audit(txn, arena, &entries);
        return err == TK_OK && rows != entries ? TK_CORRUPT : err;
}

void fixture_check(struct fixture *f)
{
        struct tk_arena arena;

        tk_arena_init(&arena, 0);
        assert_err(READ(f, check_both(txn, &arena)), TK_OK);
        tk_arena_fini(&arena);
}
