/*
 * Reservations (reserve.h). Claiming and settling run on any thread of any process, lock-free; who changes a line's control word owns
 * the line until the next change. Only whoever settles gives anything back, and from a copy that it took before.
 */
#include "gate/reserve.h"

#include "gate/events.h"

#define PROBES 64

/* No thread takes longer to make or to settle one; what does has lost it. */
#define STEP_MAX_S 60

#define SWEEP_LINES 65536

static struct tk_format_reservation *line_at(struct tk_files *files, uint64_t number)
{
        return tk_area_at(&files->areas[TK_FILE_RESERVATIONS], number, 1);
}

static uint64_t id_of(uint64_t number, uint64_t control)
{
        return (uint64_t)tk_reservation_generation(control) << 32 | (number + 1);
}

/* ---- make ---- */

/* Where to look first: spread, so that threads do not meet; any spreading will do. */
static uint64_t first_probe(const struct tk_request *request)
{
        uint64_t mixed = (request->now.boot_ns ^ request->number << 40 ^ (uint64_t)(uintptr_t)request) *
                         UINT64_C(0x9e3779b97f4a7c15);
        return mixed >> 32;
}

bool tk_reservation_claim(struct tk_request *request)
{
        struct tk_files *files = &request->gate->files;
        uint64_t count = tk_area_used(&files->areas[TK_FILE_RESERVATIONS]);
        uint64_t first = first_probe(request);
        uint32_t now_s = (uint32_t)(request->now.boot_ns / TK_NS_PER_S);

        for (uint64_t i = 0; i < PROBES && count > 0; i++) {
                uint64_t number = (first + i) % count;
                struct tk_format_reservation *line = line_at(files, number);
                if (!line)
                        return false;
                uint64_t control = atomic_load_explicit(&line->control, memory_order_acquire);
                if (tk_reservation_state(control) != TK_RESERVATION_FREE)
                        continue;
                uint64_t claimed = tk_reservation_control(TK_RESERVATION_MAKING,
                                                          tk_reservation_generation(control) + 1, now_s);
                if (!atomic_compare_exchange_strong(&line->control, &control, claimed))
                        continue;
                request->reservation = line;
                request->reservation_number = number;
                request->reservation_control = claimed;
                return true;
        }
        return false;
}

static void set_free(struct tk_format_reservation *line, uint64_t control)
{
        uint64_t free = tk_reservation_control(TK_RESERVATION_FREE, tk_reservation_generation(control), 0);
        atomic_compare_exchange_strong(&line->control, &control, free);
}

void tk_reservation_drop(struct tk_request *request)
{
        if (request->reservation)
                set_free(request->reservation, request->reservation_control);
        request->reservation = NULL;
}

static void set(_Atomic uint64_t *word, uint64_t value)
{
        atomic_store_explicit(word, value, memory_order_relaxed);
}

static uint32_t note_charges(const struct tk_request *request, struct tk_format_reservation *line)
{
        uint32_t count = 0;
        for (uint32_t i = 0; i < request->limit_count; i++) {
                const struct tk_request_limit *it = &request->limits[i];
                if (!it->charged || it->limit->kind == TK_LIMIT_RATE)
                        continue;
                uint64_t slot = tk_meter_slot_index(tk_gate_area(request->gate, it->file), it->slot);
                set(&line->charges[count].place, slot | (uint64_t)it->file << 48);
                set(&line->charges[count].period_s, it->offer.charged.hi);
                count++;
        }
        return count;
}

bool tk_reservation_open(struct tk_request *request)
{
        struct tk_format_reservation *line = request->reservation;
        uint64_t control = request->reservation_control;
        uint64_t opened = (control & ~UINT64_C(15)) | TK_RESERVATION_OPEN;
        const struct tk_ask *ask = request->ask;

        set(&line->expires_s, request->now.boot_ns / TK_NS_PER_S + ask->reserve_s);
        set(&line->key, request->number | (uint64_t)tk_control_generation(request->control) << 48);
        set(&line->units, ask->cost);
        atomic_store_explicit(&line->subscription, (uint32_t)request->answer->subscription_id,
                              memory_order_relaxed);
        atomic_store_explicit(&line->environment, ask->environment, memory_order_relaxed);
        atomic_store_explicit(&line->route, ask->route, memory_order_relaxed);
        atomic_store_explicit(&line->charge_count, note_charges(request, line), memory_order_relaxed);
        if (!atomic_compare_exchange_strong(&line->control, &control, opened))
                return false;
        request->answer->reservation = id_of(request->reservation_number, opened);
        return true;
}

/* ---- settle ---- */

/* What a reservation says, read before it is taken. */
struct reserved {
        struct tk_format_reservation *line;
        uint64_t control;
        uint64_t expires_s, units;
        struct tk_settled_event about;
        uint32_t charge_count;
        struct {
                uint64_t place, period_s;
        } charges[TK_RESERVATION_CHARGES_MAX];
};

static uint64_t get(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_relaxed);
}

static bool read_line(struct tk_gate *gate, uint64_t id, struct reserved *ret)
{
        uint64_t number = (id & UINT32_MAX) - 1;
        if ((id & UINT32_MAX) == 0)
                return false;
        ret->line = line_at(&gate->files, number);
        if (!ret->line)
                return false;
        ret->control = atomic_load_explicit(&ret->line->control, memory_order_acquire);
        if (tk_reservation_state(ret->control) != TK_RESERVATION_OPEN || id_of(number, ret->control) != id)
                return false;
        ret->expires_s = get(&ret->line->expires_s);
        ret->units = get(&ret->line->units);
        ret->about.key = get(&ret->line->key);
        ret->about.subscription = atomic_load_explicit(&ret->line->subscription, memory_order_relaxed);
        ret->about.environment = atomic_load_explicit(&ret->line->environment, memory_order_relaxed);
        ret->about.route = atomic_load_explicit(&ret->line->route, memory_order_relaxed);
        ret->charge_count = atomic_load_explicit(&ret->line->charge_count, memory_order_relaxed);
        for (uint32_t i = 0; i < TK_RESERVATION_CHARGES_MAX; i++) {
                ret->charges[i].place = get(&ret->line->charges[i].place);
                ret->charges[i].period_s = get(&ret->line->charges[i].period_s);
        }
        return ret->charge_count <= TK_RESERVATION_CHARGES_MAX && ret->units <= TK_LIMIT_COST_MAX;
}

/* The slot that a charge names; NULL where it names none of a file that deciders write. */
static struct tk_slot *slot_of(struct tk_gate *gate, uint64_t place)
{
        uint64_t file = place >> 48, slot = place & ((UINT64_C(1) << 48) - 1);
        if (file < TK_FILE_METERS || (file > TK_FILE_SUBSCRIPTION_HOMES && file != TK_FILE_NAMED))
                return NULL;
        struct tk_area *area = tk_gate_area(gate, (enum tk_file)file);
        uint64_t slots_a_line = area->line_bytes / sizeof(struct tk_slot);
        uint8_t *line = tk_area_at(area, slot / slots_a_line, 1);
        return line ? (struct tk_slot *)(void *)(line + slot % slots_a_line * sizeof(struct tk_slot)) : NULL;
}

static void give_back(struct tk_gate *gate, const struct reserved *reserved, uint64_t units)
{
        for (uint32_t i = 0; i < reserved->charge_count && units > 0; i++) {
                struct tk_slot *slot = slot_of(gate, reserved->charges[i].place);
                if (slot)
                        tk_window_refund(slot, (int64_t)reserved->charges[i].period_s, units);
        }
}

static enum tk_err settle(struct tk_gate *gate, uint64_t id, uint64_t cost, uint8_t flag)
{
        struct reserved reserved;
        uint64_t now_s = tk_files_now(&gate->files).boot_ns / TK_NS_PER_S;
        if (!read_line(gate, id, &reserved) || now_s >= reserved.expires_s)
                return TK_NOT_FOUND;
        if (cost > reserved.units)
                return TK_INVALID;

        /* The words that were read belong together if the control is still the same: it never is again. */
        uint64_t settling = tk_reservation_control(
                TK_RESERVATION_SETTLING, tk_reservation_generation(reserved.control), (uint32_t)now_s);
        if (!atomic_compare_exchange_strong(&reserved.line->control, &reserved.control, settling))
                return TK_NOT_FOUND;
        give_back(gate, &reserved, reserved.units - cost);
        set_free(reserved.line, settling);
        reserved.about.cost = cost;
        reserved.about.flags = flag;
        tk_events_settled(gate, &reserved.about);
        return TK_OK;
}

enum tk_err tk_gate_settle(struct tk_gate *gate, uint64_t reservation, uint64_t cost)
{
        return settle(gate, reservation, cost, TK_EVENT_SETTLED);
}

enum tk_err tk_gate_release(struct tk_gate *gate, uint64_t reservation)
{
        return settle(gate, reservation, 0, TK_EVENT_RELEASED);
}

/* ---- the sweep ---- */

/* Whether the line is in use after it was looked at. */
static bool sweep_line(struct tk_format_reservation *line, uint64_t now_s)
{
        uint64_t control = atomic_load_explicit(&line->control, memory_order_acquire);
        enum tk_reservation_state state = tk_reservation_state(control);
        bool over = state == TK_RESERVATION_OPEN ? now_s >= get(&line->expires_s)
                                                 : now_s > (control >> 32) + STEP_MAX_S;
        if (state != TK_RESERVATION_FREE && over)
                set_free(line, control);
        return state != TK_RESERVATION_FREE && !over;
}

void tk_reservations_sweep(struct tk_files *files, uint64_t boot_ns, uint64_t *cursor)
{
        struct tk_area *area = &files->areas[TK_FILE_RESERVATIONS];
        uint64_t count = tk_area_used(area), looked_at = 0, in_use = 0;
        for (; looked_at < count && looked_at < SWEEP_LINES; looked_at++) {
                *cursor = (*cursor + 1) % count;
                in_use += sweep_line(line_at(files, *cursor), boot_ns / TK_NS_PER_S);
        }
        if (in_use > looked_at / 2 && tk_area_reserve(area, count * 2) == TK_OK)
                tk_area_use(area, count * 2);
}
