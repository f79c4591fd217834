/*
 * The life of the service: open everything in order, close it in the opposite one, tick once a second, and
 * tell whether it is ready. One service a data directory.
 */
#include "service/internal.h"

#include "core/alloc.h"
#include "gate/gate.h"
#include "service/import.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define IDEMPOTENCY_KEEP_S (24 * 3600)
#define PURGE_BATCH        1000
#define PURGE_EVERY_S      60

static enum tk_err committed(void *context, uint64_t feed_seq)
{
        struct tk_service *service = context;
        /* Before the feeder is open, bring_up() reads what was committed. */
        return service->feeder ? tk_feeder_advance(service->feeder, feed_seq) : TK_OK;
}

static char *join(const char *a, const char *b, const char *c)
{
        size_t bytes = strlen(a) + strlen(b) + strlen(c) + 1;
        char *joined = tk_malloc(bytes);
        if (joined)
                snprintf(joined, bytes, "%s%s%s", a, b, c);
        return joined;
}

static enum tk_err open_registry(struct tk_service *service, struct tk_fault *fault)
{
        char *url = join("sqlite:", service->data_dir, "/registry.db");
        if (!url)
                return tk_fault_from_err(fault, TK_NOMEM);
        struct tk_registry_config config = {
                .url = url,
                .reserve_bytes = service->config.reserve_bytes,
                .committed = committed,
                .context = service,
        };
        enum tk_err err = tk_registry_open(&config, &service->registry, fault);
        tk_free(url);
        if (err == TK_OK)
                tk_registry_installation(service->registry, service->installation);
        return err;
}

/* DATA/gate points to the gate directory, for people and for gateways that are given only DATA. */
static void link_gate(const struct tk_service *service)
{
        char *link = join(service->data_dir, "/gate", "");
        char whole[PATH_MAX]; /* a relative path would be one from DATA */
        if (link && realpath(service->gate_dir, whole)) {
                unlink(link);
                if (symlink(whole, link) != 0)
                        errno = 0; /* a convenience: a read-only data directory must not stop the start */
        }
        tk_free(link);
}

static enum tk_err open_gate(struct tk_service *service, struct tk_fault *fault)
{
        if (service->config.gate_dir) {
                service->gate_dir = join(service->config.gate_dir, "", "");
        } else {
                char id[2 * 8 + 1];
                sodium_bin2hex(id, sizeof(id), service->installation, 8);
                service->gate_dir = join("/dev/shm/tollkeeper-", id, "");
        }
        if (!service->gate_dir)
                return tk_fault_from_err(fault, TK_NOMEM);
        const struct tk_feeder_restore restore =
                tk_meters_restore(service->meters, service->gate_dir, &service->secrets);
        enum tk_err err = tk_feeder_open(service->gate_dir, service->registry, tk_service_now_ns(service),
                                         service->config.lease_s, &restore, &service->feeder, fault);
        if (err != TK_OK)
                return err;
        link_gate(service);
        err = tk_gate_open(service->gate_dir, &service->secrets.peppers, &service->secrets.mask,
                           &service->gate, fault);
        if (err == TK_OK)
                err = tk_meters_start(service->meters, service->gate, fault);
        if (err != TK_OK)
                return err;
        const struct tk_drainer_listener listener = tk_meters_listener(service->meters);
        return tk_drainer_start(tk_feeder_files(service->feeder), &listener, &service->drainer, fault);
}

static enum tk_err open_rights(struct tk_service *service, struct tk_fault *fault)
{
        enum tk_err err = tk_bindings_open(service->registry, &service->bindings);
        if (err == TK_OK)
                err = tk_refusals_new(&service->refusals);
        return err == TK_OK ? err : tk_fault_from_err(fault, err);
}

enum tk_err tk_service_open(const struct tk_service_config *config, struct tk_service **ret_service,
                            struct tk_fault *fault)
{
        struct tk_service *service = tk_calloc(1, sizeof(*service));
        if (!service)
                return tk_fault_from_err(fault, TK_NOMEM);
        fault->code = TK_FAULT_none;
        service->config = *config;
        service->lock_fd = -1;
        pthread_mutex_init(&service->importing, NULL);
        tk_pepper_file_init(&service->secrets);
        service->data_dir = join(config->data_dir, "", "");
        enum tk_err err = service->data_dir ? TK_OK : tk_fault_from_err(fault, TK_NOMEM);
        if (err == TK_OK)
                err = tk_data_dir_open(service->data_dir, &service->lock_fd, fault);
        if (err == TK_OK)
                err = open_registry(service, fault);
        if (err == TK_OK)
                err = tk_secrets_load(service, fault);
        if (err == TK_OK)
                err = tk_meters_open(service->data_dir, service->registry, &service->meters, fault);
        if (err == TK_OK)
                err = open_gate(service, fault);
        if (err == TK_OK)
                err = tk_admin_ensure(service, fault);
        if (err == TK_OK)
                err = open_rights(service, fault);
        if (err == TK_OK)
                (void)tk_imports_recover(
                        service); /* what cannot be ended now is tried again before the next import */
        if (err == TK_OK) {
                *ret_service = service;
                service = NULL; /* the caller owns it now */
        }
        tk_service_close(service);
        return err;
}

static int64_t now_s(const struct tk_service *service)
{
        return (int64_t)(tk_service_now_ns(service) / TK_NS_PER_S);
}

void tk_service_close(struct tk_service *service)
{
        if (!service)
                return;
        if (service->refusals)
                tk_refusals_write(service->refusals, service->registry, now_s(service), true);
        tk_drainer_stop(service->drainer); /* its last pass tells the meters whom to keep */
        tk_meters_close(service->meters);
        tk_gate_close(service->gate);
        tk_registry_close(service->registry); /* its writer uses the feeder until here */
        tk_feeder_close(service->feeder);
        tk_bindings_close(service->bindings);
        tk_refusals_free(service->refusals);
        tk_pepper_file_fini(&service->secrets);
        if (service->lock_fd >= 0)
                close(service->lock_fd);
        pthread_mutex_destroy(&service->importing);
        tk_free(service->gate_dir);
        tk_free(service->data_dir);
        tk_free(service);
}

/* ---- readiness and the timer ---- */

static enum tk_err read_nothing(struct tk_txn *txn, void *context)
{
        return tk_feed_last(txn, context);
}

bool tk_service_ready(struct tk_service *service, const char **ret_why)
{
        uint64_t feed_seq;
        if (tk_registry_read(service->registry, read_nothing, &feed_seq) != TK_OK) {
                *ret_why = "the registry does not answer";
                return false;
        }
        if (!tk_feeder_in_force(service->feeder)) {
                *ret_why = "the gate lacks changes that are committed";
                return false;
        }
        return tk_gate_available(service->gate, ret_why);
}

struct purge_job {
        int64_t before_s;
};

static enum tk_err purge(struct tk_txn *txn, void *context)
{
        const struct purge_job *job = context;
        return tk_idempotency_purge(txn, job->before_s, PURGE_BATCH);
}

void tk_service_tick(struct tk_service *service)
{
        uint64_t now_ns = tk_service_now_ns(service);
        tk_feeder_tick(service->feeder, now_ns, service->config.lease_s);
        tk_meters_tick(service->meters);
        tk_refusals_write(service->refusals, service->registry, now_s(service), false);
        int64_t second = now_s(service);
        if (second % PURGE_EVERY_S != 0)
                return;
        struct purge_job job = {.before_s = second - IDEMPOTENCY_KEEP_S};
        /* Bookkeeping: what cannot be purged now is purged later. */
        (void)tk_registry_write(service->registry, TK_LANE_NORMAL, purge, &job);
}

struct count_job {
        uint64_t count;
};

static enum tk_err count_admin_keys(struct tk_txn *txn, void *context)
{
        struct count_job *job = context;
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        struct tk_api api;
        enum tk_err err = tk_api_find(txn, TK_STR(TK_ADMIN_API), &arena, &api);
        if (err == TK_OK)
                err = tk_key_count(txn, &(struct tk_key_filter){.api_id = api.id}, &job->count);
        tk_arena_fini(&arena);
        return err;
}

bool tk_service_is_new(const struct tk_service *service)
{
        struct count_job job = {.count = 0};
        return tk_registry_read(service->registry, count_admin_keys, &job) == TK_OK && job.count == 0;
}

/* ---- what others may see of it ---- */

struct tk_gate *tk_service_gate(const struct tk_service *service)
{
        return service->gate;
}

struct tk_registry *tk_service_registry(const struct tk_service *service)
{
        return service->registry;
}

int64_t tk_service_held_step_ms(const struct tk_service *service)
{
        return tk_feeder_held_step_ms(service->feeder);
}

void tk_service_gate_stats(const struct tk_service *service, struct tk_publisher_stats *ret_stats)
{
        tk_feeder_stats(service->feeder, ret_stats);
}

void tk_service_event_stats(const struct tk_service *service, struct tk_drain_stats *ret_stats)
{
        tk_drainer_stats(service->drainer, ret_stats);
}

uint64_t tk_service_refused(struct tk_service *service, const struct tk_meter_owner *owner, uint32_t count)
{
        return tk_meters_refused(service->meters, owner, count);
}

void tk_service_meter_stats(const struct tk_service *service, struct tk_meters_stats *ret_stats)
{
        tk_meters_stats(service->meters, ret_stats);
}

struct tk_str tk_service_only_apis(const struct tk_service *service, uint64_t key_id)
{
        return tk_bindings_find(service->bindings, key_id);
}

void tk_service_note_refusal(struct tk_service *service, const struct tk_refusal *refusal)
{
        tk_refusals_note(service->refusals, refusal, now_s(service));
}

void tk_service_refusal_stats(const struct tk_service *service, struct tk_refusal_stats *ret_stats)
{
        tk_refusals_stats(service->refusals, ret_stats);
}

uint64_t tk_service_now_ns(const struct tk_service *service)
{
        return service->config.clock.wall_ns(service->config.clock.context);
}
