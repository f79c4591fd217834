/*
 * Reservations (reserve.h). Claiming and settling run on any thread of any process, lock-free; who changes a line's control word owns
 * the line until the next change. Only whoever settles gives anything back, and from a copy that it took before.
 */
#include "gate/reserve.h"

#include "gate/events.h"
#include "gate/forward.h"

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

static uint64_t mix(uint64_t hash, uint64_t word)
{
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio */
        return hash ^ hash >> 32;
}

/*
 * Where to look first, and then: spread, so that threads do not meet, and that while half of the lines are free they are found, also when
 * the other half is in one piece, as after the table has grown. In a small table, all of it.
 */
static uint64_t probe(const struct tk_request *request, uint64_t tries, uint64_t count)
{
        uint64_t start = mix(request->now.boot_ns ^ request->number << 40, (uint64_t)(uintptr_t)request);
        return (count <= PROBES ? start + tries : mix(start, tries)) % count;
}

bool tk_reservation_claim(struct tk_request *request)
{
        struct tk_files *files = &request->gate->files;
        uint64_t count = tk_area_used(&files->areas[TK_FILE_RESERVATIONS]);
        uint32_t now_s = (uint32_t)(request->now.boot_ns / TK_NS_PER_S);

        for (uint64_t i = 0; i < PROBES && count > 0; i++) {
                uint64_t number = probe(request, i, count);
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

/* ---- what a line says ---- */

struct reserved {
        struct tk_format_reservation *line;
        uint64_t control;
        uint64_t expires_s, units;
        struct tk_settled_event about;
        uint32_t charge_count;
        struct {
                uint64_t place, period;
        } charges[TK_RESERVATION_CHARGES_MAX];
};

static void set(_Atomic uint64_t *word, uint64_t value)
{
        atomic_store_explicit(word, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_relaxed);
}

/*
 * Over all words and the control that they were written under, whatever its state. A thread that slept until its line was another's
 * writes into it when it wakes: what is then there was never said by anybody, and nothing is given back for it.
 */
static uint64_t check_of(const struct reserved *reserved)
{
        uint64_t hash = mix(reserved->control >> 4, reserved->expires_s);
        hash = mix(mix(hash, reserved->about.key), reserved->units);
        hash = mix(hash, tk_pair(reserved->about.subscription, reserved->about.environment));
        hash = mix(hash, tk_pair(reserved->about.route, reserved->charge_count));
        for (uint32_t i = 0; i < reserved->charge_count; i++)
                hash = mix(mix(hash, reserved->charges[i].place), reserved->charges[i].period);
        return hash;
}

static void write_line(const struct reserved *reserved)
{
        struct tk_format_reservation *line = reserved->line;
        set(&line->expires_s, reserved->expires_s);
        set(&line->key, reserved->about.key);
        set(&line->units, reserved->units);
        atomic_store_explicit(&line->subscription, reserved->about.subscription, memory_order_relaxed);
        atomic_store_explicit(&line->environment, reserved->about.environment, memory_order_relaxed);
        atomic_store_explicit(&line->route, reserved->about.route, memory_order_relaxed);
        atomic_store_explicit(&line->charge_count, reserved->charge_count, memory_order_relaxed);
        for (uint32_t i = 0; i < reserved->charge_count; i++) {
                set(&line->charges[i].place, reserved->charges[i].place);
                set(&line->charges[i].period, reserved->charges[i].period);
        }
        set(&line->check, check_of(reserved));
}

/* Everything but line and control, which are known. False: it holds together under no reservation. */
static bool read_line(struct reserved *reserved)
{
        const struct tk_format_reservation *line = reserved->line;
        reserved->expires_s = get(&line->expires_s);
        reserved->units = get(&line->units);
        reserved->about.key = get(&line->key);
        reserved->about.subscription = atomic_load_explicit(&line->subscription, memory_order_relaxed);
        reserved->about.environment = atomic_load_explicit(&line->environment, memory_order_relaxed);
        reserved->about.route = atomic_load_explicit(&line->route, memory_order_relaxed);
        reserved->charge_count = atomic_load_explicit(&line->charge_count, memory_order_relaxed);
        if (reserved->charge_count > TK_RESERVATION_CHARGES_MAX || reserved->units > TK_LIMIT_COST_MAX)
                return false;
        for (uint32_t i = 0; i < reserved->charge_count; i++) {
                reserved->charges[i].place = get(&line->charges[i].place);
                reserved->charges[i].period = get(&line->charges[i].period);
        }
        return get(&line->check) == check_of(reserved);
}

/* ---- open ---- */

static void note_charges(const struct tk_request *request, struct reserved *reserved)
{
        reserved->charge_count = 0;
        for (uint32_t i = 0; i < request->limit_count; i++) {
                const struct tk_request_limit *it = &request->limits[i];
                if (!it->charged || it->limit->kind == TK_LIMIT_RATE)
                        continue;
                reserved->charges[reserved->charge_count].place =
                        tk_forward_place(&request->gate->files, it->file, it->slot);
                reserved->charges[reserved->charge_count].period = it->offer.charged.hi;
                reserved->charge_count++;
        }
}

/* The first second at which so many have passed. */
static uint64_t expiry_s(uint64_t boot_ns, uint32_t reserve_s)
{
        return (boot_ns + TK_NS_PER_S - 1) / TK_NS_PER_S + reserve_s;
}

bool tk_reservation_open(struct tk_request *request)
{
        const struct tk_ask *ask = request->ask;
        struct reserved reserved = {
                .line = request->reservation,
                .control = request->reservation_control,
                .expires_s = expiry_s(request->now.boot_ns, ask->reserve_s),
                .units = ask->cost,
                .about = {.key = request->number | (uint64_t)tk_control_generation(request->control) << 48,
                          .subscription = (uint32_t)request->answer->subscription_id,
                          .environment = ask->environment,
                          .route = ask->route},
        };
        uint64_t control = reserved.control, opened = (control & ~UINT64_C(15)) | TK_RESERVATION_OPEN;
        note_charges(request, &reserved);
        write_line(&reserved);
        if (!atomic_compare_exchange_strong(&reserved.line->control, &control, opened))
                return false;
        request->answer->reservation = id_of(request->reservation_number, opened);
        return true;
}

/* ---- settle ---- */

static bool find_open(struct tk_gate *gate, uint64_t id, struct reserved *ret)
{
        uint64_t number = (id & UINT32_MAX) - 1;
        if ((id & UINT32_MAX) == 0)
                return false;
        ret->line = line_at(&gate->files, number);
        if (!ret->line)
                return false;
        ret->control = atomic_load_explicit(&ret->line->control, memory_order_acquire);
        return tk_reservation_state(ret->control) == TK_RESERVATION_OPEN &&
               id_of(number, ret->control) == id && read_line(ret);
}

/* Where the limits are now: they may have moved since they were charged. */
static void give_back(struct tk_gate *gate, const struct reserved *reserved, uint64_t units)
{
        unsigned turns = 0;
        for (uint32_t i = 0; i < reserved->charge_count && units > 0; i++) {
                struct tk_slot *slot = tk_forward_slot(&gate->files, reserved->charges[i].place);
                if (slot)
                        tk_forward_refund(&gate->files, slot, reserved->charges[i].period, units, &turns);
        }
}

enum tk_err tk_reservation_settle(struct tk_gate *gate, uint64_t id, uint64_t cost, uint8_t flag,
                                  uint64_t boot_ns)
{
        struct reserved reserved;
        uint64_t now_s = boot_ns / TK_NS_PER_S;
        if (!find_open(gate, id, &reserved) || now_s >= reserved.expires_s)
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
        return tk_reservation_settle(gate, reservation, cost, TK_EVENT_SETTLED,
                                     tk_files_now(&gate->files).boot_ns);
}

enum tk_err tk_gate_release(struct tk_gate *gate, uint64_t reservation)
{
        return tk_reservation_settle(gate, reservation, 0, TK_EVENT_RELEASED,
                                     tk_files_now(&gate->files).boot_ns);
}

/* ---- the sweep ---- */

/*
 * Whether its time is over. A time that no clock of this machine can have given is garbage, and would hold the line for ever; a second or
 * two ahead of the sweep's own reading is none.
 */
static bool is_over(const struct tk_format_reservation *line, uint64_t control, uint64_t now_s)
{
        if (tk_reservation_state(control) == TK_RESERVATION_OPEN) {
                uint64_t expires_s = get(&line->expires_s);
                return now_s >= expires_s || expires_s - now_s > TK_RESERVE_MAX_S + STEP_MAX_S;
        }
        uint64_t since_s = control >> 32;
        return now_s > since_s + STEP_MAX_S || since_s > now_s + STEP_MAX_S;
}

/* Whether the line is in use after it was looked at; since when its reservation was begun, at the earliest. */
static bool sweep_line(struct tk_format_reservation *line, uint64_t now_s, uint64_t *ret_since_s)
{
        uint64_t control = atomic_load_explicit(&line->control, memory_order_acquire);
        if (tk_reservation_state(control) == TK_RESERVATION_FREE)
                return false;
        if (is_over(line, control, now_s)) {
                set_free(line, control); /* unless somebody settles it now */
                control = atomic_load_explicit(&line->control, memory_order_acquire);
        }
        uint64_t since_s = control >> 32;
        if (tk_reservation_state(control) == TK_RESERVATION_SETTLING) /* its control says when that began */
                since_s = since_s > TK_RESERVE_MAX_S ? since_s - TK_RESERVE_MAX_S : 0;
        *ret_since_s = since_s;
        return tk_reservation_state(control) != TK_RESERVATION_FREE;
}

/* A pass over all lines: what is begun during it is younger than its start. A table that has grown is looked at from the start. */
static void begin_pass(struct tk_reservations_sweep *sweep, uint64_t count, uint64_t now_s)
{
        sweep->lines = sweep->left = count;
        sweep->pass_oldest_s = now_s;
}

void tk_reservations_sweep(struct tk_files *files, uint64_t boot_ns, struct tk_reservations_sweep *sweep)
{
        struct tk_area *area = &files->areas[TK_FILE_RESERVATIONS];
        uint64_t count = tk_area_used(area), now_s = boot_ns / TK_NS_PER_S;
        uint64_t looked_at = 0, in_use = 0;
        if (sweep->left == 0 || sweep->lines != count)
                begin_pass(sweep, count, now_s);
        for (; looked_at < SWEEP_LINES && sweep->left > 0; looked_at++, sweep->left--) {
                uint64_t since_s;
                sweep->cursor = (sweep->cursor + 1) % count;
                if (!sweep_line(line_at(files, sweep->cursor), now_s, &since_s))
                        continue;
                in_use++;
                if (since_s < sweep->pass_oldest_s)
                        sweep->pass_oldest_s = since_s;
        }
        if (sweep->left == 0)
                sweep->oldest_s = sweep->pass_oldest_s;
        if (in_use > looked_at / 2 && tk_area_reserve(area, count * 2) == TK_OK)
                tk_area_use(area, count * 2);
}
