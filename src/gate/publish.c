/*
 * The publisher: take the directory, adopt its files or make new ones, keep the lease, make room. One thread,
 * the daemon's. What it publishes stands in intern.c, compile.c and publish_lines.c; gate time is clock.c's.
 * Never waits for a decider.
 */
#include "gate/publisher.h"

#include "core/alloc.h"
#include "core/random.h"
#include "gate/dir.h"
#include "gate/named.h"
#include "gate/reserve.h"

#include <string.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)

/*
 * Somebody deleted the files under the daemon, which wants no lease. It goes on, and so do deciders that have
 * them open; but the next daemon cannot reach them to say that they are out of date, so they must end with
 * this one.
 */
#define ORPHAN_LEASE_S 60

/* ---- open and close ---- */

static void forget_records(struct tk_publisher *publisher)
{
        tk_index_fini(&publisher->index);
        tk_ids_fini(&publisher->consumers);
        publisher->api_count = 0;
}

void tk_publisher_close(struct tk_publisher *publisher)
{
        if (!publisher)
                return;
        tk_files_close(&publisher->files);
        forget_records(publisher);
        tk_spares_fini(&publisher->spares);
        tk_free(publisher->api_bits);
        tk_free(publisher->scratch);
        if (publisher->lock_fd >= 0)
                close(publisher->lock_fd);
        if (publisher->dir_fd >= 0)
                close(publisher->dir_fd);
        tk_free(publisher);
}

/* TK_CORRUPT, TK_NOT_FOUND: there is nothing that could be adopted. */
static enum tk_err adopt(struct tk_publisher *publisher, const uint8_t installation[16],
                         struct tk_fault *fault)
{
        enum tk_err err = tk_files_open(publisher->dir_fd, TK_ACCESS_DAEMON, &publisher->files, fault);
        if (err)
                return err;

        const char *why;
        struct tk_found found;
        const struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        if (memcmp(keys->installation, installation, sizeof keys->installation) != 0)
                err = TK_CORRUPT;
        if (!err)
                err = tk_publisher_verify(publisher, &found, &why);
        if (!err)
                err = tk_intern_rebuild(publisher, found.indexed_count);
        if (err) {
                tk_files_close(&publisher->files);
                forget_records(publisher);
                return err;
        }
        tk_extent_recover(publisher);
        tk_foreign_set_count(publisher, found.foreign_count);
        return TK_OK;
}

static enum tk_err draw_incarnation(uint64_t *ret_incarnation)
{
        if (tk_random_init() != 0)
                return TK_IO;
        struct tk_random random = tk_random_system();
        uint64_t incarnation = 0;
        while (incarnation == 0)
                random.fill(random.context, &incarnation, sizeof incarnation);
        *ret_incarnation = incarnation;
        return TK_OK;
}

static enum tk_err adopt_or_create(struct tk_publisher *publisher, const uint8_t installation[16],
                                   struct tk_fault *fault)
{
        struct tk_fault unfit = {
                0}; /* why they cannot be adopted is nobody's fault when new ones can be made */
        enum tk_err err = adopt(publisher, installation, &unfit);
        if (err != TK_CORRUPT && err != TK_NOT_FOUND) {
                if (err && fault)
                        *fault = unfit;
                return err;
        }
        uint64_t incarnation;
        err = tk_files_retire(publisher->dir_fd, fault);
        if (!err)
                err = draw_incarnation(&incarnation);
        if (err)
                return err;
        return tk_files_create(publisher->dir_fd, installation, incarnation, &publisher->sizes,
                               &publisher->files, fault);
}

enum tk_err tk_publisher_open(const char *dir, const uint8_t installation[16], uint64_t wall_ns,
                              const struct tk_gate_sizes *sizes, struct tk_publisher **ret_publisher,
                              uint64_t *ret_applied_seq, struct tk_fault *fault)
{
        struct tk_publisher *publisher = tk_calloc(1, sizeof *publisher);
        if (!publisher)
                return tk_fault_from_err(fault, TK_NOMEM);
        publisher->dir_fd = publisher->lock_fd = -1;
        publisher->sizes = sizes ? *sizes : tk_gate_sizes_default;
        tk_files_init(&publisher->files);
        tk_index_init(&publisher->index);
        tk_ids_init(&publisher->consumers);
        tk_spares_init(&publisher->spares);

        enum tk_err err = TK_OK;
        publisher->scratch = tk_malloc(TK_POLICY_BYTES_MAX);
        if (!publisher->scratch)
                err = tk_fault_from_err(fault, TK_NOMEM);
        if (!err)
                err = tk_dir_open(dir, true, &publisher->dir_fd, fault);
        if (!err)
                err = tk_dir_lock(publisher->dir_fd, &publisher->lock_fd, fault);
        if (!err)
                err = adopt_or_create(publisher, installation, fault);
        if (err == TK_FULL)
                tk_fault_set(
                        fault, TK_FAULT_insufficient_storage, "",
                        "free memory in its file system, or choose another place with --gate",
                        "the gate directory %s has no room for the gate's files: empty ones take %llu KiB",
                        dir, (unsigned long long)(tk_files_first_bytes(&publisher->sizes) / 1024 + 1));
        if (err) {
                tk_publisher_close(publisher);
                return err;
        }
        tk_clock_follow(publisher, wall_ns);
        *ret_applied_seq = tk_publisher_applied(publisher);
        *ret_publisher = publisher;
        return TK_OK;
}

enum tk_err tk_publisher_renew(struct tk_publisher *publisher, struct tk_fault *fault)
{
        struct tk_format_header *old = tk_files_keys_header(&publisher->files);
        struct tk_files files;
        uint64_t incarnation;
        enum tk_err err = draw_incarnation(&incarnation);
        if (!err)
                err = tk_files_make(publisher->dir_fd, old->installation, incarnation, &publisher->sizes,
                                    &files, fault);
        if (err)
                return err;

        struct tk_format_header *fresh = tk_files_keys_header(&files);
        tk_clock_copy(publisher, fresh);
        atomic_store(&fresh->lease_until_ms, atomic_load(&old->lease_until_ms));
        /* First: once the new set has the names, a daemon after this one could not reach the old set any more. */
        tk_files_set_retired(&publisher->files, true);
        err = tk_files_put_in_place(publisher->dir_fd, fault);
        if (err) {
                tk_files_set_retired(&publisher->files, false);
                tk_files_close(&files);
                return err;
        }
        tk_files_close(&publisher->files);
        forget_records(publisher);
        tk_spares_fini(&publisher->spares);
        tk_spares_init(&publisher->spares);
        memset(&publisher->reservations, 0, sizeof publisher->reservations);
        publisher->files = files;
        return TK_OK;
}

struct tk_files *tk_publisher_files(struct tk_publisher *publisher)
{
        return &publisher->files;
}

/* ---- the words of the keys header ---- */

void tk_publisher_set_applied(struct tk_publisher *publisher, uint64_t feed_seq)
{
        struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        atomic_store_explicit(&keys->applied_seq, tk_seal(feed_seq), memory_order_release);
}

uint64_t tk_publisher_applied(const struct tk_publisher *publisher)
{
        const struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        return tk_unseal(atomic_load_explicit(&keys->applied_seq, memory_order_acquire));
}

void tk_publisher_tick(struct tk_publisher *publisher, uint64_t wall_ns, uint32_t lease_s)
{
        struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        tk_clock_follow(publisher, wall_ns);
        struct tk_moment now = tk_files_now(&publisher->files);
        if (lease_s == 0 && tk_files_orphaned(&publisher->files))
                lease_s = ORPHAN_LEASE_S;
        uint64_t lease_until_ms = lease_s ? now.boot_ns / NS_PER_MS + (uint64_t)lease_s * 1000 : 0;
        atomic_store(&keys->lease_until_ms, tk_seal(lease_until_ms));
        tk_reservations_sweep(&publisher->files, now.boot_ns, &publisher->reservations);
        tk_named_sweep(&publisher->files, &now, &publisher->named_cursor);
}

/* ---- room ---- */

enum tk_err tk_publisher_reserve(struct tk_publisher *publisher, const struct tk_publish_room *room)
{
        uint64_t policy_bytes = room->policies * TK_POLICY_BYTES_MAX + room->names * TK_NAME_BYTES_MAX;
        struct tk_area *policy = tk_publisher_area(publisher, TK_FILE_POLICY);
        struct tk_area *meters = tk_publisher_area(publisher, TK_FILE_METERS);

        enum tk_err err = tk_area_reserve(tk_publisher_area(publisher, TK_FILE_KEYS), room->key_id + 1);
        if (!err)
                err = tk_area_reserve(tk_publisher_area(publisher, TK_FILE_KEY_HOMES), room->key_id + 1);
        if (!err)
                err = tk_area_reserve(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS),
                                      room->subscription_id + 1);
        if (!err)
                err = tk_area_reserve(tk_publisher_area(publisher, TK_FILE_SUBSCRIPTION_HOMES),
                                      room->subscription_id + 1);
        if (!err)
                err = tk_area_reserve(policy, tk_area_used(policy) + policy_bytes / TK_POLICY_LINE_BYTES);
        if (!err)
                err = tk_area_reserve(meters, tk_area_used(meters) + room->meters * TK_METER_LINES_MAX);
        return err ? err : tk_foreign_reserve(publisher, room->foreign);
}

void tk_publisher_stats(const struct tk_publisher *publisher, struct tk_publisher_stats *ret_stats)
{
        const struct tk_area *keys = tk_publisher_area(publisher, TK_FILE_KEYS);
        const struct tk_area *subscriptions = tk_publisher_area(publisher, TK_FILE_SUBSCRIPTIONS);
        const struct tk_area *policy = tk_publisher_area(publisher, TK_FILE_POLICY);
        const struct tk_area *meters = tk_publisher_area(publisher, TK_FILE_METERS);
        const struct tk_area *key_homes = tk_publisher_area(publisher, TK_FILE_KEY_HOMES);
        const struct tk_area *subscription_homes = tk_publisher_area(publisher, TK_FILE_SUBSCRIPTION_HOMES);
        const struct tk_area *foreign = tk_publisher_area(publisher, TK_FILE_FOREIGN);

        *ret_stats = (struct tk_publisher_stats){
                .key_lines = tk_area_used(keys),
                .key_capacity = tk_area_capacity(keys),
                .subscription_lines = tk_area_used(subscriptions),
                .subscription_capacity = tk_area_capacity(subscriptions),
                .policy_bytes = tk_area_used(policy) * TK_POLICY_LINE_BYTES,
                .policy_capacity = tk_area_capacity(policy) * TK_POLICY_LINE_BYTES,
                .meter_lines =
                        tk_area_used(meters) + tk_area_used(key_homes) + tk_area_used(subscription_homes),
                .meter_capacity = tk_area_capacity(meters) + tk_area_capacity(key_homes) +
                                  tk_area_capacity(subscription_homes),
                .spare_meter_lines = publisher->spares.lines,
                .foreign_keys = tk_unseal(atomic_load(&foreign->header->foreign_count)),
                .incarnation = keys->header->incarnation,
        };
}

/* ---- records ---- */

enum tk_err tk_publish_environment(struct tk_publisher *publisher,
                                   const struct tk_publish_environment *environment)
{
        return tk_intern_environment(publisher, environment);
}

enum tk_err tk_publish_consumer(struct tk_publisher *publisher, const struct tk_publish_consumer *consumer)
{
        return tk_intern_consumer(publisher, consumer);
}

enum tk_err tk_publish_role(struct tk_publisher *publisher, const struct tk_publish_role *role)
{
        const struct tk_publish_key grant = {
                .api_id = role->api_id, .scopes = role->scopes, .scope_count = role->scope_count};
        uint32_t policy;
        enum tk_err err = tk_publish_key_policy(publisher, &grant, &policy);
        return err ? err : tk_intern_role(publisher, role, policy);
}
