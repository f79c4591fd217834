/*
 * Publishing keys and subscriptions: room first, then records and meters that nobody refers to yet, then the words of
 * the line. One thread, the publisher's. A call that fails before the words has changed nothing that anyone can see, but that it took a key out of use.
 */
#include "core/slot.h"
#include "gate/publisher.h"

#include <string.h>

/* seq_cst, so that every processor sees it before the publishing call returns: a revoke is in force then. */
static void put(_Atomic uint64_t *word, uint64_t value)
{
        if (atomic_load_explicit(word, memory_order_relaxed) != value)
                atomic_store(word, value);
}

static uint64_t get(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_relaxed);
}

static enum tk_err open_line(struct tk_publisher *publisher, enum tk_file file, uint64_t number,
                             void **ret_line)
{
        struct tk_area *area = tk_publisher_area(publisher, file);
        if (number == 0)
                return TK_INVALID;
        enum tk_err err = tk_area_reserve(area, number + 1);
        if (err)
                return err;
        *ret_line = area->lines + number * area->line_bytes;
        return TK_OK;
}

/* ---- subscriptions ---- */

static uint64_t subscription_control(const struct tk_publish_subscription *subscription, uint32_t environment)
{
        enum tk_line_state state = subscription->ended       ? TK_LINE_ENDED
                                   : subscription->suspended ? TK_LINE_SUSPENDED
                                                             : TK_LINE_ACTIVE;
        return tk_control(state, 0, environment);
}

/*
 * Without a moment, also for a daemon that is killed half way, at which a decider could read more than before and more than after:
 * what is gone comes first, then the next expiry, whose two words change as one, and what is granted last.
 */
static void put_credits(struct tk_format_subscription *line, const struct tk_publish_credits *credits)
{
        const struct tk_slot next = {.lo = credits->gone_next, .hi = (uint64_t)credits->expiry_s};
        tk_u128 held = tk_slot_read(&line->credits_next);

        put(&line->credits_gone, credits->gone);
        while (held != tk_slot_value(&next) &&
               !tk_slot_exchange(&line->credits_next, &held, tk_slot_value(&next)))
                ;
        put(&line->credits_granted, credits->granted);
}

static bool credits_sound(const struct tk_publish_credits *credits)
{
        return credits->gone <= credits->granted && credits->granted <= TK_LIMIT_CREDITS_MAX &&
               credits->expiry_s >= 0 &&
               (credits->expiry_s == 0 ||
                (credits->gone_next >= credits->gone && credits->gone_next <= credits->granted));
}

enum tk_err tk_publish_subscription(struct tk_publisher *publisher,
                                    const struct tk_publish_subscription *subscription)
{
        uint32_t environment = tk_intern_find_environment(publisher, subscription->environment_id);
        uint32_t consumer = tk_intern_find_consumer(publisher, subscription->consumer_id);
        if (!environment || !consumer)
                return TK_NOT_FOUND;
        if (subscription->started_s < 0 || subscription->started_s > TK_TIME_MAX_S ||
            !credits_sound(&subscription->credits))
                return TK_INVALID;

        void *place;
        uint32_t policy = subscription->policy;
        enum tk_err err = open_line(publisher, TK_FILE_SUBSCRIPTIONS, subscription->id, &place);
        if (!err && !policy)
                err = tk_publish_subscription_policy(publisher, subscription, &policy);
        if (err)
                return err;

        struct tk_format_subscription *line = place;
        struct tk_extent_move move = {
                .from_anchor_s = atomic_load_explicit(&line->anchor_s, memory_order_relaxed),
                .to_anchor_s = subscription->started_s,
        };
        uint64_t binding;
        const struct tk_extent_of of = {.kind = TK_RECORD_LIMITS,
                                        .owner = TK_MOVING(TK_MOVING_SUBSCRIPTION, subscription->id),
                                        .home = {TK_FILE_SUBSCRIPTION_HOMES, subscription->id},
                                        .binding = get(&line->binding)};
        err = tk_extent_prepare(publisher, &of, policy, &move, &binding);
        if (err)
                return err;

        uint64_t control = subscription_control(subscription, environment);
        bool admits = tk_control_state(control) != TK_LINE_SUSPENDED;
        tk_area_use(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS), (uint64_t)subscription->id + 1);
        if (!admits && get(&line->control))
                put(&line->control, control);
        atomic_store_explicit(&line->consumer, consumer, memory_order_release);
        atomic_store_explicit(&line->anchor_s, subscription->started_s, memory_order_release);
        put_credits(line, &subscription->credits);
        put(&line->binding, binding);
        put(&line->control, control);
        tk_extent_finish(publisher, &move);
        return TK_OK;
}

/* ---- routes ---- */

static uint64_t ref_of(const struct tk_publisher *publisher, const struct tk_format_route *record)
{
        const struct tk_area *policy = tk_publisher_area(publisher, TK_FILE_POLICY);
        return (uint64_t)((const uint8_t *)record - policy->lines) / TK_POLICY_LINE_BYTES;
}

enum tk_err tk_publish_route(struct tk_publisher *publisher, const struct tk_publish_route *route)
{
        uint32_t policy;
        struct tk_format_route *record;
        if (route->id == 0 || !tk_intern_find_environment(publisher, route->environment_id))
                return route->id == 0 ? TK_INVALID : TK_NOT_FOUND;
        struct tk_area *meters = tk_publisher_area(publisher, TK_FILE_METERS);
        enum tk_err err = tk_intern_route_policy(publisher, route, &policy);
        if (!err) /* room for its meter first: a record that gets none would stay, and the next try make another */
                err = tk_area_reserve(meters, tk_area_used(meters) + TK_METER_LINES_MAX);
        if (!err)
                err = tk_intern_route(publisher, route, &record);
        if (err)
                return err;

        struct tk_extent_move move = {.from_anchor_s = 0};
        const struct tk_extent_of of = {.kind = TK_RECORD_LIMITS,
                                        .owner = TK_MOVING(TK_MOVING_ROUTE, ref_of(publisher, record)),
                                        .home = TK_HOME_NONE,
                                        .binding = get(&record->binding)};
        uint64_t binding;
        err = tk_extent_prepare(publisher, &of, policy, &move, &binding);
        if (err)
                return err;
        put(&record->binding, binding);
        tk_intern_link_route(publisher, record);
        tk_extent_finish(publisher, &move);
        return TK_OK;
}

/* ---- keys ---- */

/* What a key's line shall say. */
struct key_words {
        uint64_t digest[4];
        uint64_t control, validity, binding, owner;
};

/* 0 stays "unbounded"; later than the format reaches is cut, which shortens a validity and never lengthens it. */
static uint32_t clamp_s(int64_t unix_s)
{
        return unix_s > UINT32_MAX ? UINT32_MAX : (uint32_t)unix_s;
}

static enum tk_err fill_words(const struct tk_publisher *publisher, const struct tk_publish_key *key,
                              struct key_words *ret_words)
{
        uint32_t environment = tk_intern_find_environment(publisher, key->environment_id);
        uint32_t consumer = tk_intern_find_consumer(publisher, key->consumer_id);
        struct tk_area *subscriptions = tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS);

        if (key->state < TK_PUBLISH_ACTIVE || key->state > TK_PUBLISH_REVOKED ||
            key->pepper_version >= TK_PEPPER_VERSIONS || key->not_before_s < 0 || key->expires_s < 0)
                return TK_INVALID;
        if (!environment || !consumer)
                return TK_NOT_FOUND;
        if (key->subscription_id) {
                const struct tk_format_subscription *line =
                        tk_area_at(subscriptions, key->subscription_id, 1);
                if (!line || get(&line->control) == 0)
                        return TK_NOT_FOUND;
        }
        memcpy(ret_words->digest, key->digest.bytes, sizeof ret_words->digest);
        ret_words->control = tk_control((enum tk_line_state)key->state, key->generation, environment) |
                             tk_control_pepper(key->pepper_version) |
                             (key->consumer_suspended ? TK_CONTROL_CONSUMER_SUSPENDED : 0) |
                             (key->foreign ? TK_CONTROL_FOREIGN : 0);
        ret_words->validity = tk_pair(clamp_s(key->not_before_s), clamp_s(key->expires_s));
        ret_words->owner = tk_pair(key->subscription_id, consumer);
        return TK_OK;
}

/* Whether the line is this key's already, and not that of another who had the number. */
static bool same_key(const struct tk_format_key *line, const struct key_words *words)
{
        uint64_t control = get(&line->control);
        if (tk_control_state(control) == TK_LINE_EMPTY ||
            tk_control_generation(control) != tk_control_generation(words->control))
                return false;
        for (int i = 0; i < 4; i++)
                if (get(&line->digest[i]) != words->digest[i])
                        return false;
        return true;
}

/* Nobody may match a digest that is half of one key and half of another: the line is empty meanwhile. */
static void give_line(struct tk_format_key *line, const struct key_words *words)
{
        put(&line->control, 0);
        for (int i = 0; i < 4; i++)
                atomic_store_explicit(&line->digest[i], words->digest[i], memory_order_release);
}

/*
 * What restricts has come first (see below), what admits comes last. The owner before the binding: who charges a new meter must
 * count its periods from the new subscription's start, or would take what was carried over for usage of an earlier period.
 */
static void put_words(struct tk_format_key *line, const struct key_words *words)
{
        put(&line->validity, words->validity);
        put(&line->owner, words->owner);
        put(&line->binding, words->binding);
        put(&line->control, words->control);
}

static int64_t anchor_of(const struct tk_publisher *publisher, uint64_t owner)
{
        const struct tk_format_subscription *line =
                tk_area_at(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS), tk_pair_low(owner), 1);
        return tk_pair_low(owner) && line ? atomic_load_explicit(&line->anchor_s, memory_order_relaxed) : 0;
}

/*
 * Deciders may still count on the home of who had the number before, or give back to it what they reserved there: then the next owner
 * gets a meter elsewhere.
 */
static struct tk_extent_of meter_owner(const struct tk_publisher *publisher, const struct tk_format_key *line,
                                       uint64_t number, bool same)
{
        uint64_t binding = get(&line->binding), control = get(&line->control);
        bool at_home =
                same || (binding == 0 && (!tk_control_freed(control) ||
                                          tk_spares_unreserved(publisher, tk_control_freed_s(control))));
        return (struct tk_extent_of){.kind = TK_RECORD_KEY_POLICY,
                                     .owner = TK_MOVING(TK_MOVING_KEY, number),
                                     .home = {TK_FILE_KEY_HOMES, at_home ? number : 0},
                                     .binding = same ? binding : 0};
}

/* Whether a line that was freed may be given to this key. */
static enum tk_err check_freed(struct tk_publisher *publisher, struct tk_format_key *line,
                               const struct tk_publish_key *key)
{
        uint64_t control = get(&line->control);
        if (!tk_control_freed(control))
                return TK_OK;
        if (tk_control_generation(control) == key->generation)
                return TK_INVALID;
        return tk_spares_rested(publisher, tk_control_freed_s(control)) ? TK_OK : TK_BUSY;
}

void tk_publish_refusal(struct tk_publisher *publisher, const struct tk_publish_key *key)
{
        struct tk_format_key *line = tk_area_at(tk_publisher_area(publisher, TK_FILE_KEYS), key->id, 1);
        struct key_words words = {.control = tk_control(TK_LINE_ACTIVE, key->generation, 0)};
        memcpy(words.digest, key->digest.bytes, sizeof words.digest);
        if (!line || !same_key(line, &words))
                return;

        uint64_t control = get(&line->control);
        if (key->state == TK_PUBLISH_SUSPENDED || key->state == TK_PUBLISH_REVOKED)
                control = (control & ~UINT64_C(15)) | (uint64_t)key->state;
        if (key->consumer_suspended)
                control |= TK_CONTROL_CONSUMER_SUSPENDED;
        put(&line->control, control);
}

enum tk_err tk_publish_key(struct tk_publisher *publisher, const struct tk_publish_key *key)
{
        struct key_words words;
        void *place;
        uint32_t policy = key->policy;
        tk_publish_refusal(publisher, key);
        enum tk_err err = fill_words(publisher, key, &words);
        if (!err)
                err = open_line(publisher, TK_FILE_KEYS, key->id, &place);
        if (err)
                return err;

        struct tk_format_key *line = place;
        bool same = same_key(line, &words);
        err = check_freed(publisher, line, key);
        if (err == TK_INVALID && key->state == TK_PUBLISH_REVOKED)
                return TK_OK; /* it is out of use already, for good */
        if (err)
                return err;
        if (key->foreign)
                err = tk_foreign_reserve(publisher, 1);
        if (!err && !policy)
                err = tk_publish_key_policy(publisher, key, &policy);
        if (err)
                return err;

        struct tk_extent_move move = {
                .from_anchor_s = anchor_of(publisher, get(&line->owner)),
                .to_anchor_s = anchor_of(publisher, words.owner),
        };
        const struct tk_extent_of of = meter_owner(publisher, line, key->id, same);
        err = tk_extent_prepare(publisher, &of, policy, &move, &words.binding);
        if (err)
                return err;

        tk_area_use(tk_publisher_area(publisher, TK_FILE_KEYS), key->id + 1);
        uint64_t before = get(&line->binding);
        if (!same)
                give_line(line, &words);
        put_words(line, &words);
        if (!same)
                tk_extent_give_up(publisher, before, TK_RECORD_KEY_POLICY);
        if (key->foreign)
                tk_foreign_insert(publisher, words.digest[0], key->id);
        tk_extent_finish(publisher, &move);
        return TK_OK;
}

/* The one store after which nobody finds the key; a daemon killed behind it leaves the binding, which the next owner gives up. */
enum tk_err tk_publish_free(struct tk_publisher *publisher, uint64_t number)
{
        struct tk_format_key *line = tk_area_at(tk_publisher_area(publisher, TK_FILE_KEYS), number, 1);
        uint64_t control = line ? get(&line->control) : 0;
        if (control == 0 || number == 0)
                return TK_NOT_FOUND;
        if (tk_control_freed(control))
                return TK_OK;
        if (tk_control_state(control) != TK_LINE_REVOKED)
                return TK_INVALID;

        uint64_t binding = get(&line->binding);
        uint64_t now_s = tk_files_now(&publisher->files).boot_ns / TK_NS_PER_S;
        put(&line->control, tk_control_free(tk_control_generation(control), (uint32_t)now_s));
        put(&line->binding, 0);
        tk_extent_give_up(publisher, binding, TK_RECORD_KEY_POLICY);
        return TK_OK;
}

bool tk_publisher_key_matches(const struct tk_publisher *publisher, const struct tk_publish_key *key)
{
        struct key_words words;
        const struct tk_format_key *line = tk_area_at(tk_publisher_area(publisher, TK_FILE_KEYS), key->id, 1);
        if (!line || fill_words(publisher, key, &words))
                return false;
        return same_key(line, &words) && get(&line->control) == words.control &&
               get(&line->validity) == words.validity && get(&line->owner) == words.owner;
}
