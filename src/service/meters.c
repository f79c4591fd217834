/*
 * Journal, recovery and flush put together (meters.h). Never reads a meter itself.
 */
#include "service/meters.h"

#include "core/alloc.h"

struct tk_meters {
        struct tk_registry *registry;
        const char *data_dir, *gate_dir; /* while it is being opened, as the secrets */
        const struct tk_pepper_file *secrets;
        struct tk_meter_file file; /* until the log has it */
        struct tk_meter_recovery recovery;
        struct tk_usage_flush *flush;
        struct tk_meter_log *log;
};

enum tk_err tk_meters_open(const char *data_dir, struct tk_registry *registry, struct tk_meters **ret_meters,
                           struct tk_fault *fault)
{
        struct tk_meters *meters = tk_calloc(1, sizeof *meters);
        uint8_t installation[16];
        if (!meters)
                return tk_fault_from_err(fault, TK_NOMEM);
        tk_registry_installation(registry, installation);
        enum tk_err err = tk_meter_file_open(data_dir, installation, &meters->file, fault);
        if (err) {
                tk_free(meters);
                return fault->code == TK_FAULT_none ? tk_fault_from_err(fault, err) : err;
        }
        meters->registry = registry;
        meters->data_dir = data_dir;
        meters->recovery = (struct tk_meter_recovery){.file = &meters->file, .registry = registry};
        *ret_meters = meters;
        return TK_OK;
}

void tk_meters_close(struct tk_meters *meters)
{
        if (!meters)
                return;
        if (meters->log)
                tk_meter_log_close(meters->log);
        else if (meters->recovery.file)
                tk_meter_file_close(&meters->file);
        tk_usage_flush_close(meters->flush); /* of what the log has written last, too */
        tk_free(meters);
}

/* As a daemon that goes on with the files would begin; but into the journal only, as the registry may be of before their owners. */
static enum tk_err save(void *context)
{
        struct tk_meters *meters = context;
        struct tk_fault fault = {0};
        struct tk_gate *gate;
        if (tk_gate_open(meters->gate_dir, &meters->secrets->peppers, &meters->secrets->mask, &gate,
                         &fault) != TK_OK)
                return TK_OK; /* then nobody can have used it */

        const struct tk_meter_log_config config = {.file = &meters->file, .gate = gate};
        uint8_t installation[16];
        enum tk_err err = tk_meter_log_open(&config, &meters->log);
        tk_meter_log_close(meters->log); /* has written what changed */
        meters->log = NULL;
        tk_gate_close(gate);
        tk_registry_installation(meters->registry, installation);
        meters->recovery.file = NULL;
        if (err == TK_OK)
                err = tk_meter_file_open(meters->data_dir, installation, &meters->file, &fault);
        if (err == TK_OK)
                meters->recovery.file = &meters->file;
        return err;
}

static enum tk_err recover(void *context, struct tk_publisher *publisher)
{
        struct tk_meters *meters = context;
        return tk_meter_recover(&meters->recovery, publisher);
}

struct tk_feeder_restore tk_meters_restore(struct tk_meters *meters, const char *gate_dir,
                                           const struct tk_pepper_file *secrets)
{
        meters->gate_dir = gate_dir;
        meters->secrets = secrets;
        return (struct tk_feeder_restore){.save = save, .run = recover, .context = meters};
}

enum tk_err tk_meters_start(struct tk_meters *meters, struct tk_gate *gate, struct tk_fault *fault)
{
        enum tk_err err = tk_usage_flush_open(gate, meters->registry, &meters->flush);
        if (err)
                return tk_fault_from_err(fault, err);
        const struct tk_meter_log_config config = {.file = &meters->file,
                                                   .gate = gate,
                                                   .flush = meters->flush,
                                                   .renewed = meters->recovery.done};
        meters->recovery.file = NULL;
        err = tk_meter_log_open(&config, &meters->log);
        return err ? tk_fault_from_err(fault, err) : TK_OK;
}

static void visit(void *context, const struct tk_event *event)
{
        const struct tk_meters *meters = context;
        if (event->key)
                tk_meter_log_touch_key(meters->log, event->key);
        if (event->subscription)
                tk_meter_log_touch_subscription(meters->log, event->subscription);
}

static void passed(void *context, bool lost)
{
        const struct tk_meters *meters = context;
        if (lost)
                tk_meter_log_touch_all(meters->log);
}

struct tk_drainer_listener tk_meters_listener(struct tk_meters *meters)
{
        return (struct tk_drainer_listener){.visit = visit, .passed = passed, .context = meters};
}

void tk_meters_tick(struct tk_meters *meters)
{
        tk_meter_log_tick(meters->log);
        tk_usage_flush_tick(meters->flush);
}

void tk_meters_wait(struct tk_meters *meters)
{
        tk_meter_log_tick(meters->log);
        tk_meter_log_wait(meters->log);
}

enum tk_err tk_meters_flush(struct tk_meters *meters)
{
        tk_meters_wait(meters);
        return tk_usage_flush_now(meters->flush);
}

enum tk_err tk_meters_capture(struct tk_meters *meters)
{
        tk_meter_log_touch_all(meters->log);
        return tk_meters_flush(meters);
}

struct total_job {
        const struct tk_meter_owner *owner;
        struct tk_usage_total total;
};

static enum tk_err get_total(struct tk_txn *txn, void *context)
{
        struct total_job *job = context;
        return tk_usage_get(txn, job->owner, &job->total);
}

uint64_t tk_meters_refused(struct tk_meters *meters, const struct tk_meter_owner *owner, uint32_t count)
{
        struct total_job job = {.owner = owner};
        enum tk_err err = tk_registry_read(meters->registry, get_total, &job);
        return err == TK_OK ? tk_meter_total(job.total.refused, count) : count;
}

void tk_meters_stats(const struct tk_meters *meters, struct tk_meters_stats *ret_stats)
{
        tk_meter_log_stats(meters->log, &ret_stats->log);
        tk_usage_flush_stats(meters->flush, &ret_stats->flush);
        ret_stats->restored = meters->recovery.records;
        ret_stats->absent = meters->recovery.absent;
        ret_stats->unplaced = meters->recovery.unplaced;
        ret_stats->cut_bytes = meters->file.cut_bytes;
}
