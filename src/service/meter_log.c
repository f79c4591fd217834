/*
 * The journal's work of a second (meter_log.h): choose whose meters are written, write them in frames, sync;
 * then a piece of a new file, where one is under construction. All of it on the log's thread, but for touches
 * and counters. What could not be made durable is chosen again in the next second: values are absolute, so
 * nothing is lost by that.
 */
#include "service/meter_log.h"

#include "core/alloc.h"
#include "gate/meter_read.h"
#include "service/meter_frame.h"
#include "service/meter_marks.h"
#include "service/ticker.h"
#include "service/used_since.h"

#define FILE_BYTES_MIN (UINT64_C(64) << 20)
#define WALK_BYTES     (UINT64_C(32) << 20)

/* How much earlier than the last look a use may have been noted: a request notes the second in which it began. */
#define TICK_MARGIN_S 2
#define LAP_MARGIN_S  60
#define LAP_TICKS     60 /* in which the slow walk comes round */
#define RETRY_TICKS   60 /* after which a new file is tried again */

typedef enum tk_err read_fn(struct tk_gate *gate, uint64_t id, const struct tk_moment *now,
                            struct tk_meter_record *ret_record);
typedef uint32_t used_fn(struct tk_gate *gate, uint64_t id);
typedef uint64_t count_fn(const struct tk_gate *gate);
typedef void flush_fn(struct tk_usage_flush *flush, uint64_t word, uint64_t bits);

/* Keys, and subscriptions: owners that are numbered, of whom there are many. */
static const struct kind {
        read_fn *read;
        used_fn *used_s;
        count_fn *count;
        flush_fn *flush;
} kinds[] = {
        {tk_meter_read_key, tk_meter_key_used_s, tk_meter_key_count, tk_usage_flush_mark_keys},
        {tk_meter_read_subscription, tk_meter_subscription_used_s, tk_meter_subscription_count,
         tk_usage_flush_mark_subscriptions},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Of one kind: who is said to have changed, who is being written, and where the slow walk is. */
struct tracked {
        struct tk_meter_marks touched, writing;
        uint64_t lap_at;
};

struct tk_meter_log {
        struct tk_meter_file file;
        struct tk_gate *gate;
        struct tk_usage_flush *flush;
        struct tk_ticker *ticker;
        uint64_t file_bytes_min, walk_bytes;
        struct tracked tracked[KINDS];
        atomic_bool all;

        /* of the log's thread */
        struct tk_frame_writer writer;
        struct tk_moment tick_since; /* the last second that was made durable */
        struct tk_moment lap_since, lap_begun;
        uint64_t lap_ticks;
        uint64_t whole_bytes; /* of the file when it was last new */
        size_t new_kind;      /* where the walk that fills a new file is: KINDS at its end */
        uint64_t new_at, retry_ticks;
        bool rewrite;

        _Atomic uint64_t ticks, file_bytes, frames, records, appended_bytes, failures, rewrites,
                synced_boot_ns;
};

/* ---- whose meters ---- */

static void touch(struct tk_meter_log *log, size_t kind, uint64_t id)
{
        if (id >= kinds[kind].count(log->gate))
                return; /* events are what a decider wrote: not every number is one */
        if (!tk_marks_set(&log->tracked[kind].touched, id))
                atomic_store(&log->all, true);
}

void tk_meter_log_touch_key(struct tk_meter_log *log, uint64_t number)
{
        touch(log, 0, number);
}

void tk_meter_log_touch_subscription(struct tk_meter_log *log, uint64_t id)
{
        touch(log, 1, id);
}

void tk_meter_log_touch_all(struct tk_meter_log *log)
{
        atomic_store(&log->all, true);
}

static void choose(struct tk_meter_log *log, size_t kind, uint64_t word, uint64_t bits)
{
        if (!tk_marks_add(&log->tracked[kind].writing, word, bits))
                atomic_store(&log->all, true); /* no memory for a page: looked at again in the next second */
}

static void choose_used(struct tk_meter_log *log, size_t kind, uint64_t from, uint64_t to, uint32_t since_s)
{
        for (uint64_t id = from; id < to; id++)
                if (kinds[kind].used_s(log->gate, id) >= since_s)
                        choose(log, kind, id / 64, UINT64_C(1) << id % 64);
}

static void choose_touched(struct tk_meter_log *log, size_t kind)
{
        uint64_t bits;
        for (uint64_t word = 0; (bits = tk_marks_next(&log->tracked[kind].touched, &word, true)); word++)
                choose(log, kind, word, bits);
}

/* The next part of those that nobody may have told of. */
static void choose_of_lap(struct tk_meter_log *log, const struct tk_moment *now)
{
        if (log->lap_ticks == 0)
                log->lap_begun = *now;
        uint32_t since_s = tk_used_since_s(&log->lap_since, now, LAP_MARGIN_S);
        for (size_t kind = 0; kind < KINDS; kind++) {
                struct tracked *tracked = &log->tracked[kind];
                uint64_t count = kinds[kind].count(log->gate);
                uint64_t end =
                        log->lap_ticks + 1 == LAP_TICKS ? count : count * (log->lap_ticks + 1) / LAP_TICKS;
                choose_used(log, kind, tracked->lap_at, end, since_s);
                tracked->lap_at = end > tracked->lap_at ? end : tracked->lap_at;
        }
}

static void end_of_lap_part(struct tk_meter_log *log)
{
        if (++log->lap_ticks < LAP_TICKS)
                return;
        log->lap_ticks = 0;
        log->lap_since = log->lap_begun;
        for (size_t kind = 0; kind < KINDS; kind++)
                log->tracked[kind].lap_at = 0;
}

/* ---- writing them ---- */

static enum tk_err append(void *context, const uint8_t *bytes, size_t len)
{
        struct tk_meter_log *log = context;
        enum tk_err err = tk_meter_file_append(&log->file, bytes, len);
        if (!err) {
                atomic_fetch_add(&log->frames, 1);
                atomic_fetch_add(&log->appended_bytes, len);
        }
        return err;
}

static bool write_record(void *context, const struct tk_meter_record *record)
{
        struct tk_meter_log *log = context;
        atomic_fetch_add_explicit(&log->records, 1, memory_order_relaxed);
        return tk_frame_writer_add(&log->writer, record) == TK_OK;
}

static void write_chosen(struct tk_meter_log *log, size_t kind, const struct tk_moment *now)
{
        struct tracked *tracked = &log->tracked[kind];
        struct tk_meter_record record;
        uint64_t bits;
        for (uint64_t word = 0; !log->writer.err && (bits = tk_marks_next(&tracked->writing, &word, false));
             word++)
                for (; bits; bits &= bits - 1) {
                        uint64_t id = word * 64 + (uint64_t)__builtin_ctzll(bits);
                        enum tk_err err = kinds[kind].read(log->gate, id, now, &record);
                        if (err == TK_OK)
                                write_record(log, &record);
                        else if (err == TK_BUSY)
                                touch(log, kind, id);
                }
}

/* Those that are durable are told to the flush; those that are not are touched anew. */
static void settle_chosen(struct tk_meter_log *log, size_t kind, bool durable)
{
        struct tracked *tracked = &log->tracked[kind];
        uint64_t bits;
        for (uint64_t word = 0; (bits = tk_marks_next(&tracked->writing, &word, true)); word++) {
                if (durable && log->flush)
                        kinds[kind].flush(log->flush, word, bits);
                else if (!durable && !tk_marks_add(&tracked->touched, word, bits))
                        atomic_store(&log->all, true);
        }
}

static enum tk_err write_changes(struct tk_meter_log *log, const struct tk_moment *now)
{
        uint32_t since_s = tk_used_since_s(&log->tick_since, now, TICK_MARGIN_S);
        tk_frame_writer_begin(&log->writer, now, append, log);
        for (size_t kind = 0; kind < KINDS; kind++)
                write_chosen(log, kind, now);
        if (!log->writer.err)
                tk_meter_each_route(log->gate, now, since_s, write_record, log);
        if (!log->writer.err)
                tk_meter_each_named(log->gate, now, since_s, write_record, log);
        enum tk_err err = tk_frame_writer_end(&log->writer);
        if (!err)
                err = tk_meter_file_sync(&log->file);
        if (err)
                tk_meter_file_undo(&log->file);
        return err;
}

static void note_durable(struct tk_meter_log *log, const struct tk_moment *now)
{
        atomic_store(&log->synced_boot_ns, now->boot_ns);
        atomic_store(&log->file_bytes, log->file.synced_end);
        log->tick_since = *now;
}

static void log_changes(struct tk_meter_log *log)
{
        struct tk_moment now = tk_meter_now(log->gate);
        bool all = atomic_exchange(&log->all, false);
        uint32_t since_s = tk_used_since_s(&log->tick_since, &now, TICK_MARGIN_S);
        for (size_t kind = 0; kind < KINDS; kind++) {
                if (all)
                        choose_used(log, kind, 0, kinds[kind].count(log->gate), since_s);
                choose_touched(log, kind);
        }
        choose_of_lap(log, &now);

        bool durable = write_changes(log, &now) == TK_OK;
        for (size_t kind = 0; kind < KINDS; kind++)
                settle_chosen(log, kind, durable);
        end_of_lap_part(log); /* whom it found is touched, if not durable */
        if (durable) {
                note_durable(log, &now);
        } else {
                if (all)
                        atomic_store(&log->all, true);
                atomic_fetch_add(&log->failures, 1);
        }
}

/* ---- a new file ---- */

static enum tk_err append_new(void *context, const uint8_t *bytes, size_t len)
{
        return tk_meter_file_append_new(&((struct tk_meter_log *)context)->file, bytes, len);
}

static bool add_record(void *context, const struct tk_meter_record *record)
{
        return tk_frame_writer_add(context, record) == TK_OK;
}

/* Owners from where the walk is, until so many bytes are written. */
static void walk(struct tk_meter_log *log, const struct tk_moment *now, uint64_t bytes)
{
        struct tk_meter_record record;
        uint64_t end = log->file.new_end + bytes;
        for (; log->new_kind < KINDS; log->new_kind++, log->new_at = 0) {
                const struct kind *kind = &kinds[log->new_kind];
                uint64_t count = kind->count(log->gate);
                for (; log->new_at < count; log->new_at++) {
                        if (log->writer.err || log->file.new_end + log->writer.len >= end)
                                return;
                        if (kind->used_s(log->gate, log->new_at) == 0)
                                continue;
                        enum tk_err err = kind->read(log->gate, log->new_at, now, &record);
                        if (err == TK_OK)
                                (void)tk_frame_writer_add(&log->writer, &record);
                        else if (err == TK_BUSY)
                                touch(log, log->new_kind, log->new_at);
                }
        }
        tk_meter_each_route(log->gate, now, 1, add_record, &log->writer);
        if (!log->writer.err)
                tk_meter_each_named(log->gate, now, 1, add_record, &log->writer);
}

static void give_up_new(struct tk_meter_log *log)
{
        tk_meter_file_drop_new(&log->file);
        log->retry_ticks = RETRY_TICKS;
}

static void commit_new(struct tk_meter_log *log)
{
        if (tk_meter_file_commit_new(&log->file) != TK_OK) {
                give_up_new(log);
                return;
        }
        log->rewrite = false;
        log->whole_bytes = log->file.end;
        atomic_store(&log->file_bytes, log->file.end);
        atomic_fetch_add(&log->rewrites, 1);
}

static void fill_new(struct tk_meter_log *log, uint64_t bytes)
{
        struct tk_moment now = tk_meter_now(log->gate);
        tk_frame_writer_begin(&log->writer, &now, append_new, log);
        walk(log, &now, bytes);
        bool whole = log->new_kind == KINDS;
        if (tk_frame_writer_end(&log->writer) != TK_OK)
                give_up_new(log);
        else if (whole)
                commit_new(log);
}

static bool new_file_wanted(const struct tk_meter_log *log)
{
        uint64_t most = log->whole_bytes * 2;
        return log->rewrite || log->file.fd < 0 ||
               log->file.end > (most > log->file_bytes_min ? most : log->file_bytes_min);
}

/* A part of it each second; the whole where there is no file yet, because until then nothing is durable. */
static void work_on_new_file(struct tk_meter_log *log)
{
        if (log->retry_ticks > 0)
                log->retry_ticks--;
        if (log->file.new_fd < 0) {
                if (!new_file_wanted(log) || (log->retry_ticks > 0 && log->file.fd >= 0))
                        return;
                log->new_kind = 0;
                log->new_at = 0;
                if (tk_meter_file_begin_new(&log->file) != TK_OK) {
                        give_up_new(log);
                        return;
                }
        }
        fill_new(log, log->file.fd < 0 ? UINT64_MAX / 2 : log->walk_bytes);
}

/* ---- life ---- */

static void step(void *context)
{
        struct tk_meter_log *log = context;
        if (log->file.fd < 0)
                work_on_new_file(log);
        log_changes(log);
        if (log->file.fd >= 0)
                work_on_new_file(log);
        atomic_fetch_add(&log->ticks, 1);
}

/*
 * What is new to the file: what was used since its last frame, where that is of this gate. A gate that was
 * made anew holds what the file and the registry say. Else all that was ever used.
 */
static void begin_since(struct tk_meter_log *log)
{
        struct tk_moment now = tk_meter_now(log->gate);
        bool of_this_gate =
                log->file.last.sequence != 0 && log->file.last.incarnation == tk_meter_incarnation(log->gate);
        atomic_store(&log->synced_boot_ns, now.boot_ns);
        if (!of_this_gate && !log->rewrite)
                return;
        log->tick_since = now;
        if (of_this_gate)
                log->tick_since.gate_ns = log->file.last.gate_ns;
        log->lap_since = log->tick_since;
}

enum tk_err tk_meter_log_open(const struct tk_meter_log_config *config, struct tk_meter_log **ret_log)
{
        struct tk_meter_log *log = tk_calloc(1, sizeof *log);
        enum tk_err err = log ? TK_OK : TK_NOMEM;
        if (err) {
                tk_meter_file_close(config->file);
                return err;
        }
        log->file = *config->file;
        log->gate = config->gate;
        log->flush = config->flush;
        log->file_bytes_min = config->file_bytes_min ? config->file_bytes_min : FILE_BYTES_MIN;
        log->walk_bytes = config->walk_bytes ? config->walk_bytes : WALK_BYTES;
        log->rewrite = config->renewed;
        atomic_store(&log->all, true);
        atomic_store(&log->file_bytes, log->file.end);
        begin_since(log);
        err = tk_frame_writer_init(&log->writer, tk_meter_incarnation(log->gate), log->file.last.sequence);
        if (!err)
                err = tk_ticker_start(step, log, &log->ticker);
        if (err)
                tk_meter_log_close(log);
        else
                *ret_log = log;
        return err;
}

void tk_meter_log_close(struct tk_meter_log *log)
{
        if (!log)
                return;
        if (log->ticker) {
                tk_ticker_stop(log->ticker);
                log->tick_since = log->lap_since; /* all that the slow walk has not seen */
                atomic_store(&log->all, true);
                step(log);
        }
        for (size_t kind = 0; kind < KINDS; kind++) {
                tk_marks_fini(&log->tracked[kind].touched);
                tk_marks_fini(&log->tracked[kind].writing);
        }
        tk_frame_writer_fini(&log->writer);
        tk_meter_file_close(&log->file);
        tk_free(log);
}

void tk_meter_log_tick(struct tk_meter_log *log)
{
        tk_ticker_tick(log->ticker);
}

void tk_meter_log_wait(struct tk_meter_log *log)
{
        tk_ticker_wait(log->ticker);
}

void tk_meter_log_stats(const struct tk_meter_log *log, struct tk_meter_log_stats *ret_stats)
{
        uint64_t now_ns = tk_meter_now(log->gate).boot_ns, synced_ns = atomic_load(&log->synced_boot_ns);
        *ret_stats = (struct tk_meter_log_stats){
                .ticks = atomic_load(&log->ticks),
                .file_bytes = atomic_load(&log->file_bytes),
                .frames = atomic_load(&log->frames),
                .records = atomic_load(&log->records),
                .appended_bytes = atomic_load(&log->appended_bytes),
                .failures = atomic_load(&log->failures),
                .rewrites = atomic_load(&log->rewrites),
                .unsynced_s = now_ns > synced_ns ? (now_ns - synced_ns) / TK_NS_PER_S : 0,
        };
}
