/*
 * Gate time: follows the wall clock by an offset to the boot clock, which nobody sets. One thread, the publisher's, about once a
 * second; deciders read the words that it stores (files.c). A step of the wall clock is held until it is confirmed, and a step back
 * is told to deciders, and moved with each step forward, so that no period is admitted twice: docs/decisions/0008. All it knows is in the header of `keys`, so that the
 * next daemon goes on where this one was killed.
 */
#include "gate/publisher.h"

#define NS_PER_MS UINT64_C(1000000)

/* Between two ticks the wall clock may drift or be slewed so far; more is a step. */
#define SLEW_MS 200

/* The clocks' own jitter: an offset is published again only when it is further off. */
#define SLACK_MS 2

/* A step is followed when the wall clock has kept to it for so long, by the boot clock. */
#define CONFIRM_MS 60000

static uint64_t get(const _Atomic uint64_t *word)
{
        return tk_unseal(atomic_load_explicit(word, memory_order_relaxed));
}

/* Each after all that was stored before it. */
static void set(_Atomic uint64_t *word, uint64_t value)
{
        atomic_store_explicit(word, tk_seal(value), memory_order_release);
}

static bool within(uint64_t a_ms, uint64_t b_ms, uint64_t distance_ms)
{
        return a_ms < b_ms ? b_ms - a_ms <= distance_ms : a_ms - b_ms <= distance_ms;
}

static void forget_pending(struct tk_format_header *keys)
{
        set(&keys->time_pending_ms, 0);
        set(&keys->time_pending_since_ms, 0);
}

/* Whether one more step back can be told to deciders: the count of them ends, and dates do. */
static bool may_go_back(const struct tk_format_header *keys, uint64_t gate_ms)
{
        return TK_TIME_BACK_TIMES(get(&keys->time_back)) < TK_TIME_BACK_TIMES_MAX &&
               gate_ms / 1000 <= TK_TIME_BACK_AT_S_MAX;
}

/* The offset was lowered: say so, and only then forget the step, which tells a later daemon that this was left to do. */
static void finish_step_back(struct tk_format_header *keys, uint64_t boot_ms)
{
        uint64_t gate_ms = boot_ms + get(&keys->time_offset_ms);
        if (may_go_back(keys, gate_ms))
                set(&keys->time_back,
                    TK_TIME_BACK(gate_ms / 1000, TK_TIME_BACK_TIMES(get(&keys->time_back)) + 1));
        forget_pending(keys);
}

static void set_back_at(struct tk_format_header *keys, uint64_t at_s)
{
        uint64_t times = TK_TIME_BACK_TIMES(get(&keys->time_back));
        set(&keys->time_back,
            TK_TIME_BACK(at_s < TK_TIME_BACK_AT_S_MAX ? at_s : TK_TIME_BACK_AT_S_MAX, times));
}

/*
 * When time was put back moves with it, so that it stays as long ago as it is; and before it, as deciders look whether it is still the same when
 * they have read the offset. A step that is lost with the daemon before it is met again by the next one.
 */
static void follow_forward(struct tk_format_header *keys, uint64_t offset_ms)
{
        uint64_t back = get(&keys->time_back), by_ms = offset_ms - get(&keys->time_offset_ms);
        forget_pending(keys);
        if (TK_TIME_BACK_TIMES(back) > 0)
                set_back_at(keys, (uint64_t)TK_TIME_BACK_AT_S(back) + by_ms / 1000);
        set(&keys->time_offset_ms, offset_ms);
}

/* Back: the offset before the count, as deciders read the count first. */
static void follow_step(struct tk_format_header *keys, uint64_t offset_ms, uint64_t boot_ms)
{
        if (offset_ms > get(&keys->time_offset_ms)) {
                follow_forward(keys, offset_ms);
                return;
        }
        if (!may_go_back(keys, boot_ms + offset_ms))
                return; /* held for ever: gate time stays ahead, and the pending step is shown */
        set(&keys->time_pending_ms, offset_ms);
        set(&keys->time_offset_ms, offset_ms);
        finish_step_back(keys, boot_ms);
}

static void hold_step(struct tk_format_header *keys, uint64_t offset_ms, uint64_t boot_ms)
{
        uint64_t pending_ms = get(&keys->time_pending_ms);
        if (pending_ms == 0 || !within(offset_ms, pending_ms, SLEW_MS)) {
                set(&keys->time_pending_since_ms, boot_ms);
                set(&keys->time_pending_ms, offset_ms);
        } else if (boot_ms - get(&keys->time_pending_since_ms) >= CONFIRM_MS) {
                follow_step(keys, offset_ms, boot_ms);
        }
}

static uint64_t boot_ms_now(const struct tk_publisher *publisher)
{
        return tk_files_now(&publisher->files).boot_ns / NS_PER_MS;
}

/*
 * A step that a killed daemon began. Back: one that is merely pending is further off than a slew. Forward: time was put back in the future; a slew
 * puts it there, too, but not by a second.
 */
static void recover(struct tk_format_header *keys, uint64_t boot_ms)
{
        uint64_t pending_ms = get(&keys->time_pending_ms);
        if (pending_ms != 0 && pending_ms == get(&keys->time_offset_ms))
                finish_step_back(keys, boot_ms);
        uint64_t gate_s = (boot_ms + get(&keys->time_offset_ms)) / 1000;
        if ((uint64_t)TK_TIME_BACK_AT_S(get(&keys->time_back)) > gate_s + 1)
                set_back_at(keys, gate_s);
}

bool tk_clock_count_step_back(struct tk_publisher *publisher)
{
        struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        uint64_t back = get(&keys->time_back);
        struct tk_moment now = tk_files_now(&publisher->files);
        if (!may_go_back(keys, now.gate_ns / NS_PER_MS))
                return false;
        set(&keys->time_back, TK_TIME_BACK(now.gate_ns / TK_NS_PER_S, TK_TIME_BACK_TIMES(back) + 1));
        return true;
}

void tk_clock_follow(struct tk_publisher *publisher, uint64_t wall_ns)
{
        struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        uint64_t boot_ms = boot_ms_now(publisher);
        uint64_t wall_ms = wall_ns / NS_PER_MS;
        uint64_t wanted_ms = wall_ms > boot_ms ? wall_ms - boot_ms : 1;

        recover(keys, boot_ms);
        uint64_t offset_ms = get(&keys->time_offset_ms);
        if (offset_ms == 0) { /* a new gate: there is no time yet that a step could be told from */
                set(&keys->time_offset_ms, wanted_ms);
        } else if (!within(wanted_ms, offset_ms, SLEW_MS)) {
                hold_step(keys, wanted_ms, boot_ms);
        } else {
                if (get(&keys->time_pending_ms) != 0)
                        forget_pending(keys);
                if (!within(wanted_ms, offset_ms, SLACK_MS))
                        set(&keys->time_offset_ms, wanted_ms);
        }
}

bool tk_publisher_confirm_time(struct tk_publisher *publisher)
{
        struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        uint64_t pending_ms = get(&keys->time_pending_ms);
        if (pending_ms == 0)
                return false;
        follow_step(keys, pending_ms, boot_ms_now(publisher));
        return get(&keys->time_pending_ms) == 0;
}

int64_t tk_publisher_held_step_ms(const struct tk_publisher *publisher)
{
        const struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        uint64_t pending_ms = get(&keys->time_pending_ms);
        return pending_ms ? (int64_t)pending_ms - (int64_t)get(&keys->time_offset_ms) : 0;
}

void tk_clock_copy(const struct tk_publisher *publisher, struct tk_format_header *ret_keys)
{
        const struct tk_format_header *keys = tk_files_keys_header(&publisher->files);
        set(&ret_keys->time_offset_ms, get(&keys->time_offset_ms));
        set(&ret_keys->time_pending_ms, get(&keys->time_pending_ms));
        set(&ret_keys->time_pending_since_ms, get(&keys->time_pending_since_ms));
        set(&ret_keys->time_back, get(&keys->time_back));
}
