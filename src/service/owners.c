/*
 * The table behind owners.h. Ids are given out in order and never again, so a list's index is the id; the
 * subscriptions of a consumer, one for each environment, are chained by their ids.
 */
#include "service/owners.h"

#include "core/alloc.h"
#include "registry/walk.h"

#include <string.h>

#define FIRST_ROOM 1024
#define PAGE_ROWS  500

enum consumer_state { CONSUMER_NONE = 0, CONSUMER_ACTIVE, CONSUMER_SUSPENDED };

struct consumer {
        uint32_t state;
        uint32_t first_subscription;
};

struct subscription {
        uint32_t environment_id;
        uint32_t next;
};

/* A list that is as long as the highest index asked for; what was never set is zero. */
struct list {
        void *items;
        size_t room;
};

struct tk_owners {
        struct list environments;  /* uint32_t: the API's id */
        struct list consumers;     /* struct consumer */
        struct list subscriptions; /* struct subscription */
};

/* ---- one key ---- */

static enum tk_err read_owner(struct tk_txn *txn, uint64_t environment_id, uint64_t consumer_id,
                              struct tk_arena *arena, struct tk_owner *ret_owner)
{
        struct tk_environment environment;
        struct tk_consumer consumer;
        struct tk_subscription subscription = {0};
        enum tk_err err = tk_environment_get(txn, environment_id, arena, &environment);
        if (err == TK_OK)
                err = tk_consumer_get(txn, consumer_id, arena, &consumer);
        if (err != TK_OK)
                return err;
        err = tk_subscription_find(txn, consumer_id, environment_id, arena, &subscription);
        if (err != TK_OK && err != TK_NOT_FOUND)
                return err;
        *ret_owner = (struct tk_owner){
                .api_id = (uint32_t)environment.api_id,
                .subscription_id = (uint32_t)subscription.id,
                .suspended = consumer.state != TK_STATE_ACTIVE,
        };
        return TK_OK;
}

enum tk_err tk_owner_read(struct tk_txn *txn, uint64_t environment_id, uint64_t consumer_id,
                          struct tk_owner *ret_owner)
{
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        enum tk_err err = read_owner(txn, environment_id, consumer_id, &arena, ret_owner);
        tk_arena_fini(&arena);
        return err;
}

/* ---- lists ---- */

/* The item at `index`, made if need be. */
static enum tk_err at(struct list *list, uint64_t index, size_t item_bytes, void **ret_item)
{
        if (index > UINT32_MAX)
                return TK_CORRUPT; /* the gate numbers them with 32 bits */
        if (index >= list->room) {
                size_t room = list->room ? list->room : FIRST_ROOM;
                while (room <= index)
                        room *= 2;
                char *items = tk_realloc(list->items, room * item_bytes);
                if (!items)
                        return TK_NOMEM;
                memset(items + list->room * item_bytes, 0, (room - list->room) * item_bytes);
                list->items = items;
                list->room = room;
        }
        *ret_item = (char *)list->items + index * item_bytes;
        return TK_OK;
}

/* NULL where there is none. */
static const void *look(const struct list *list, uint64_t index, size_t item_bytes)
{
        return index < list->room ? (const char *)list->items + index * item_bytes : NULL;
}

/* ---- filling ---- */

static enum tk_err add_environments(struct tk_owners *owners, const struct tk_environment *environments,
                                    size_t count)
{
        enum tk_err err = TK_OK;
        for (size_t i = 0; err == TK_OK && i < count; i++) {
                void *item;
                err = at(&owners->environments, environments[i].id, sizeof(uint32_t), &item);
                if (err == TK_OK)
                        *(uint32_t *)item = (uint32_t)environments[i].api_id;
        }
        return err;
}

static enum tk_err load_environments(struct tk_txn *txn, struct tk_owners *owners)
{
        struct tk_page page = {.limit = PAGE_ROWS};
        for (;;) {
                struct tk_arena arena;
                struct tk_environment *environments;
                size_t count = 0;
                tk_arena_init(&arena, 0);
                enum tk_err err = tk_environment_list(txn, 0, page, &arena, &environments, &count);
                if (err == TK_OK)
                        err = add_environments(owners, environments, count);
                if (count > 0)
                        page.after_id = environments[count - 1].id;
                tk_arena_fini(&arena);
                if (err != TK_OK || count < page.limit)
                        return err;
        }
}

static enum tk_err add_consumer(const struct tk_consumer_row *row, void *context)
{
        struct tk_owners *owners = context;
        void *item;
        enum tk_err err = at(&owners->consumers, row->id, sizeof(struct consumer), &item);
        if (err == TK_OK)
                ((struct consumer *)item)->state =
                        row->state == TK_STATE_ACTIVE ? CONSUMER_ACTIVE : CONSUMER_SUSPENDED;
        return err;
}

static enum tk_err add_subscription(const struct tk_subscription_row *row, void *context)
{
        struct tk_owners *owners = context;
        void *item, *owner;
        if (row->state == TK_STATE_ENDED)
                return TK_OK;
        enum tk_err err = at(&owners->subscriptions, row->id, sizeof(struct subscription), &item);
        if (err == TK_OK)
                err = at(&owners->consumers, row->consumer_id, sizeof(struct consumer), &owner);
        if (err != TK_OK)
                return err;
        struct subscription *subscription = item;
        struct consumer *consumer = owner;
        subscription->environment_id = (uint32_t)row->environment_id;
        subscription->next = consumer->first_subscription;
        consumer->first_subscription = (uint32_t)row->id;
        return TK_OK;
}

enum tk_err tk_owners_load(struct tk_txn *txn, struct tk_owners **ret_owners)
{
        struct tk_owners *owners = tk_calloc(1, sizeof(*owners));
        if (!owners)
                return TK_NOMEM;
        enum tk_err err = load_environments(txn, owners);
        if (err == TK_OK)
                err = tk_consumer_walk(txn, add_consumer, owners);
        if (err == TK_OK)
                err = tk_subscription_walk(txn, add_subscription, owners);
        if (err == TK_OK) {
                *ret_owners = owners;
                owners = NULL; /* the caller owns it now */
        }
        tk_owners_free(owners);
        return err;
}

void tk_owners_free(struct tk_owners *owners)
{
        if (!owners)
                return;
        tk_free(owners->environments.items);
        tk_free(owners->consumers.items);
        tk_free(owners->subscriptions.items);
        tk_free(owners);
}

/* ---- asking ---- */

static uint32_t find_subscription(const struct tk_owners *owners, const struct consumer *consumer,
                                  uint64_t environment_id)
{
        uint32_t id = consumer->first_subscription;
        while (id != 0) {
                const struct subscription *subscription =
                        look(&owners->subscriptions, id, sizeof(*subscription));
                if (subscription->environment_id == environment_id)
                        return id;
                id = subscription->next;
        }
        return 0;
}

enum tk_err tk_owners_find(const struct tk_owners *owners, uint64_t environment_id, uint64_t consumer_id,
                           struct tk_owner *ret_owner)
{
        const uint32_t *api_id = look(&owners->environments, environment_id, sizeof(*api_id));
        const struct consumer *consumer = look(&owners->consumers, consumer_id, sizeof(*consumer));
        if (!api_id || *api_id == 0 || !consumer || consumer->state == CONSUMER_NONE)
                return TK_NOT_FOUND;
        *ret_owner = (struct tk_owner){
                .api_id = *api_id,
                .subscription_id = find_subscription(owners, consumer, environment_id),
                .suspended = consumer->state == CONSUMER_SUSPENDED,
        };
        return TK_OK;
}
