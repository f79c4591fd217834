/*
 * The table behind bindings.h: sorted by the key's number, found by halving. Bound keys are few, and new ones
 * have the highest numbers, so an insert moves next to nothing.
 */
#include "service/bindings.h"

#include "core/alloc.h"

#include <pthread.h>
#include <string.h>

#define PAGE_ROWS  500
#define FIRST_ROOM 16

struct binding {
        uint64_t key_id;
        struct tk_str apis; /* in the arena */
};

struct tk_bindings {
        pthread_rwlock_t lock;
        struct binding *items;
        size_t count, room;
        struct tk_arena arena;
};

/* Where the key stands, or would. */
static size_t place_of(const struct tk_bindings *bindings, uint64_t key_id)
{
        size_t low = 0, high = bindings->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (bindings->items[middle].key_id < key_id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_at(const struct tk_bindings *bindings, size_t at, uint64_t key_id)
{
        return at < bindings->count && bindings->items[at].key_id == key_id;
}

static enum tk_err make_room(struct tk_bindings *bindings)
{
        if (bindings->count < bindings->room)
                return TK_OK;
        size_t room = bindings->room ? bindings->room * 2 : FIRST_ROOM;
        struct binding *items = tk_realloc(bindings->items, room * sizeof(*items));
        if (!items)
                return TK_NOMEM;
        bindings->items = items;
        bindings->room = room;
        return TK_OK;
}

static struct tk_str join(struct tk_arena *arena, const struct tk_key *key)
{
        struct tk_str joined = tk_arena_copy(arena, TK_STR(""));
        for (uint32_t i = 0; joined.ptr && i < key->only_api_count; i++)
                joined = tk_arena_printf(arena, "%.*s%s%.*s", TK_STR_ARG(joined), i > 0 ? " " : "",
                                         TK_STR_ARG(key->only_apis[i]));
        return joined;
}

/* Under the lock. */
static enum tk_err put(struct tk_bindings *bindings, const struct tk_key *key)
{
        size_t at = place_of(bindings, key->id);
        bool there = is_at(bindings, at, key->id);
        if (!there && key->only_api_count == 0)
                return TK_OK;
        struct tk_str apis = join(&bindings->arena, key);
        enum tk_err err = apis.ptr ? TK_OK : TK_NOMEM;
        if (err == TK_OK && !there)
                err = make_room(bindings);
        if (err != TK_OK)
                return err;
        if (!there) {
                memmove(bindings->items + at + 1, bindings->items + at,
                        (bindings->count - at) * sizeof(*bindings->items));
                bindings->count++;
        }
        bindings->items[at] = (struct binding){key->id, apis};
        return TK_OK;
}

enum tk_err tk_bindings_put(struct tk_bindings *bindings, const struct tk_key *key)
{
        pthread_rwlock_wrlock(&bindings->lock);
        enum tk_err err = put(bindings, key);
        pthread_rwlock_unlock(&bindings->lock);
        return err;
}

struct tk_str tk_bindings_find(struct tk_bindings *bindings, uint64_t key_id)
{
        pthread_rwlock_rdlock(&bindings->lock);
        size_t at = place_of(bindings, key_id);
        struct tk_str apis = is_at(bindings, at, key_id) ? bindings->items[at].apis : TK_STR("");
        pthread_rwlock_unlock(&bindings->lock);
        return apis;
}

static enum tk_err load(struct tk_txn *txn, void *context)
{
        struct tk_bindings *bindings = context;
        struct tk_page page = {.limit = PAGE_ROWS};
        size_t count = page.limit;
        enum tk_err err = TK_OK;
        while (err == TK_OK && count == page.limit) {
                struct tk_arena scratch;
                struct tk_key **keys;
                tk_arena_init(&scratch, 0);
                err = tk_key_list_bound(txn, page, &scratch, &keys, &count);
                for (size_t i = 0; err == TK_OK && i < count; i++) {
                        page.after_id = keys[i]->id;
                        err = put(bindings, keys[i]);
                }
                tk_arena_fini(&scratch);
        }
        return err;
}

enum tk_err tk_bindings_open(struct tk_registry *registry, struct tk_bindings **ret_bindings)
{
        struct tk_bindings *bindings = tk_calloc(1, sizeof(*bindings));
        if (!bindings)
                return TK_NOMEM;
        pthread_rwlock_init(&bindings->lock, NULL);
        tk_arena_init(&bindings->arena, 0);
        enum tk_err err = tk_registry_read(registry, load, bindings);
        if (err == TK_OK) {
                *ret_bindings = bindings;
                bindings = NULL; /* the caller owns it now */
        }
        tk_bindings_close(bindings);
        return err;
}

void tk_bindings_close(struct tk_bindings *bindings)
{
        if (!bindings)
                return;
        pthread_rwlock_destroy(&bindings->lock);
        tk_arena_fini(&bindings->arena);
        tk_free(bindings->items);
        tk_free(bindings);
}
