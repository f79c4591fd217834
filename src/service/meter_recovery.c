/*
 * Recovery of meters (meter_recovery.h). Memory is bounded by one frame, whatever there is to read. The journal comes first, in its
 * order, then the registry's totals, which may be older or newer (gate/meter_restore.h).
 */
#include "service/meter_recovery.h"

#include "gate/meter_restore.h"

struct pass {
        struct tk_meter_recovery *recovery;
        struct tk_meter_restorer *restorer;
};

static void restore(struct pass *pass, const struct tk_meter_record *record, uint64_t gate_ns,
                    enum tk_meter_source source)
{
        switch (tk_meter_restore(pass->restorer, record, gate_ns, source)) {
        case TK_OK:
                pass->recovery->records++;
                break;
        case TK_FULL:
                pass->recovery->unplaced++;
                break;
        default:
                pass->recovery->absent++;
        }
}

static enum tk_err restore_total(void *context, const struct tk_usage_total *total)
{
        restore(context, &total->record, total->gate_ns, TK_METER_TOTAL);
        return TK_OK;
}

static enum tk_err restore_totals(struct tk_txn *txn, void *context)
{
        return tk_usage_each(txn, restore_total, context);
}

static void restore_frame(struct pass *pass, const struct tk_meter_frame *frame, const uint8_t *payload)
{
        struct tk_meter_record record;
        size_t at = 0, used;
        for (uint32_t i = 0; i < frame->record_count; i++, at += used) {
                if (!tk_meter_record_decode(payload + at, frame->payload_bytes - at, &record, &used))
                        return; /* the reader has seen that this does not happen */
                restore(pass, &record, frame->gate_ns, TK_METER_JOURNALED);
        }
}

static enum tk_err restore_journal(struct pass *pass)
{
        struct tk_meter_reader reader;
        struct tk_meter_frame frame;
        const uint8_t *payload;
        if (pass->recovery->file->fd < 0)
                return TK_OK;
        enum tk_err err = tk_meter_reader_init(&reader, tk_meter_file_read_at, pass->recovery->file);
        if (err)
                return err;
        while ((err = tk_meter_reader_next(&reader, &frame, &payload)) == TK_OK)
                restore_frame(pass, &frame, payload);
        tk_meter_reader_fini(&reader);
        return err == TK_NOT_FOUND ? TK_OK : err;
}

enum tk_err tk_meter_recover(void *context, struct tk_publisher *publisher)
{
        struct pass pass = {.recovery = context};
        pass.recovery->records = pass.recovery->absent = pass.recovery->unplaced = 0;
        enum tk_err err = tk_meter_restorer_open(publisher, &pass.restorer);
        if (err)
                return err;
        err = restore_journal(&pass);
        if (!err)
                err = tk_registry_read(pass.recovery->registry, restore_totals, &pass);
        tk_meter_restorer_close(pass.restorer);
        pass.recovery->done = err == TK_OK;
        return err;
}
