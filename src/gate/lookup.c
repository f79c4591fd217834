/*
 * From the presented text to the key's line and all that it refers to. Runs in the decision path, on any thread.
 * The line is fetched into the cache while the key is hashed: the locator says where it is, the digest whether it is the key's.
 * Reading order and why it suffices: docs/formats/gate.md, keys. Never writes, never trusts a reference.
 */
#include "core/slot.h"
#include "gate/request.h"

static bool damaged(struct tk_request *request, const char *why)
{
        request->damage = why;
        return false;
}

bool tk_check_presented(struct tk_request *request)
{
        return request->ask->key.ptr && request->ask->key.len > 0;
}

/* ---- lines ---- */

static bool digest_matches(const struct tk_format_key *line, const struct tk_digest *digest)
{
        uint64_t difference = 0;
        for (int i = 0; i < 4; i++) {
                uint64_t word;
                __builtin_memcpy(&word, digest->bytes + i * 8, 8);
                difference |= word ^ atomic_load_explicit(&line->digest[i], memory_order_acquire);
        }
        return difference == 0;
}

/* Inlined always, because GCC 12 takes a function that only prefetches for one without an effect, and leaves out the call. */
#define PREFETCHES static inline __attribute__((always_inline)) void

PREFETCHES prefetch_references(const struct tk_request *request)
{
        const struct tk_files *files = &request->gate->files;
        const struct tk_area *meters = &files->areas[TK_FILE_METERS];
        const struct tk_area *policy = &files->areas[TK_FILE_POLICY];
        const struct tk_area *subscriptions = &files->areas[TK_FILE_SUBSCRIPTIONS];
        const struct tk_area *homes = &files->areas[TK_FILE_SUBSCRIPTION_HOMES];

        /* A prefetch of a wild address is harmless; 32-bit references stay within 40 bits of the base. */
        __builtin_prefetch(policy->lines + (uint64_t)tk_pair_low(request->binding) * TK_POLICY_LINE_BYTES);
        __builtin_prefetch(policy->lines + (uint64_t)tk_pair_high(request->owner) * TK_POLICY_LINE_BYTES);
        if (tk_pair_high(request->binding) != TK_METER_HOME) /* which was fetched with the key's line */
                __builtin_prefetch(meters->lines + (uint64_t)tk_pair_high(request->binding) * 64, 1);
        if (tk_pair_low(request->owner)) {
                __builtin_prefetch(subscriptions->lines + (uint64_t)tk_pair_low(request->owner) * 64);
                __builtin_prefetch(homes->lines + (uint64_t)tk_pair_low(request->owner) * 64, 1);
        }
}

/* Read the line `number` if its digest is this one. */
static bool read_line(struct tk_request *request, uint64_t number, const struct tk_digest *digest,
                      bool foreign)
{
        const struct tk_format_key *line = tk_area_at(tk_gate_area(request->gate, TK_FILE_KEYS), number, 1);
        if (!line || number == 0)
                return false;

        uint64_t before = atomic_load_explicit(&line->control, memory_order_acquire);
        if (tk_control_state(before) == TK_LINE_EMPTY)
                return false;
        request->validity = atomic_load_explicit(&line->validity, memory_order_acquire);
        request->binding = atomic_load_explicit(&line->binding, memory_order_acquire);
        request->owner = atomic_load_explicit(&line->owner, memory_order_acquire);
        prefetch_references(request);
        if (!digest_matches(line, digest))
                return false;

        uint64_t control = atomic_load_explicit(&line->control, memory_order_acquire);
        if (tk_control_state(control) == TK_LINE_EMPTY ||
            tk_control_generation(control) != tk_control_generation(before) ||
            !(control & TK_CONTROL_FOREIGN) == foreign)
                return false;
        request->control = control;
        request->number = number;
        return true;
}

/* ---- imported keys ---- */

static const _Atomic uint64_t *foreign_table(const struct tk_gate *gate, unsigned *ret_log2)
{
        struct tk_area *area = tk_gate_area(gate, TK_FILE_FOREIGN);
        uint64_t word = atomic_load_explicit(&area->header->foreign_table, memory_order_acquire);
        uint64_t table = tk_unseal(word);
        unsigned log2 = TK_FOREIGN_LOG2(table);
        if (table == 0 || !tk_sealed(word) || log2 < 3 || log2 > 40)
                return NULL;
        *ret_log2 = log2;
        return tk_area_at(area, TK_FOREIGN_LINE(table), (UINT64_C(1) << log2) / 8);
}

static bool find_by_digest(struct tk_request *request, const struct tk_digest *digest)
{
        unsigned log2;
        const _Atomic uint64_t *entries = foreign_table(request->gate, &log2);
        if (!entries)
                return false;

        uint64_t word;
        __builtin_memcpy(&word, digest->bytes, sizeof word);
        uint64_t mask = (UINT64_C(1) << log2) - 1;
        for (uint64_t i = 0; i <= mask; i++) {
                uint64_t entry = atomic_load_explicit(&entries[(word + i) & mask], memory_order_acquire);
                if (entry == 0)
                        return false;
                uint64_t number = tk_foreign_number(entry);
                if (entry == tk_foreign_entry(word, number) && read_line(request, number, digest, true))
                        return true;
        }
        return false;
}

static bool find_foreign(struct tk_request *request)
{
        unsigned log2;
        if (!foreign_table(request->gate, &log2))
                return false;

        uint8_t sha256[32];
        tk_sha256(request->ask->key.ptr, request->ask->key.len, sha256);
        for (unsigned version = 0; version < TK_PEPPER_VERSIONS; version++) {
                struct tk_digest digest;
                if (tk_digest_foreign(tk_gate_peppers(request->gate), version, sha256, &digest) &&
                    find_by_digest(request, &digest))
                        return true;
        }
        return false;
}

/* Only a gate that is current may say that something does not exist. */
static bool absent(struct tk_request *request)
{
        request->damage = tk_gate_why_unavailable(request->gate, request->now.boot_ns);
        return false;
}

/* ---- the two checks ---- */

/* Both lines are on their way while the key is hashed and the clock is read. */
PREFETCHES prefetch_lines(const struct tk_request *request)
{
        const struct tk_area *keys = &request->gate->files.areas[TK_FILE_KEYS];
        const struct tk_area *homes = &request->gate->files.areas[TK_FILE_KEY_HOMES];
        if (request->number >= keys->reserve_lines || request->number >= homes->reserve_lines)
                return;
        __builtin_prefetch(keys->lines + request->number * sizeof(struct tk_format_key));
        __builtin_prefetch(homes->lines + request->number * 64, 1);
}

void tk_request_locate(struct tk_request *request)
{
        const struct tk_ask *ask = request->ask;
        unsigned pepper_version;
        request->located = ask->key.ptr && tk_key_glance(ask->key, &request->parts);
        if (!request->located)
                return;
        tk_key_locate(&request->parts, request->gate->mask, &request->number, &pepper_version);
        prefetch_lines(request);
        request->located =
                tk_digest_key(tk_gate_peppers(request->gate), pepper_version, ask->key, &request->digest);
}

static bool find_issued(struct tk_request *request)
{
        return request->located && read_line(request, request->number, &request->digest, false);
}

/*
 * A key whose digest is found has the right shape and check characters, so they are looked at only of one that is not: it is
 * `unknown` with them and `malformed` without. Another installation's keys have our shape too, so an imported one may be
 * found although its locator leads nowhere.
 */
bool tk_check_shape(struct tk_request *request)
{
        request->found = find_issued(request) || find_foreign(request);
        return request->found || tk_key_parse(request->ask->key, &request->parts) || absent(request);
}

bool tk_check_found(struct tk_request *request)
{
        return request->found ? tk_request_load(request) : absent(request);
}

/* ---- what the line refers to ---- */

bool tk_request_party(const struct tk_gate *gate, struct tk_home home, uint64_t binding,
                      enum tk_record_kind kind, struct tk_request_party *ret_party)
{
        return tk_policy_view(tk_gate_area(gate, TK_FILE_POLICY), tk_pair_low(binding), kind,
                              &ret_party->view) &&
               tk_meter_find(&((struct tk_gate *)gate)->files, home, tk_pair_high(binding),
                             ret_party->view.policy->extent_lines, &ret_party->at);
}

/* Against the order in which put_credits() writes: what is granted is never of a later state than what has gone. */
struct tk_credits tk_subscription_credits(const struct tk_format_subscription *line, int64_t now_s)
{
        struct tk_credits credits;
        credits.granted = atomic_load_explicit(&line->credits_granted, memory_order_acquire);
        struct tk_slot next = tk_slot_of(tk_slot_read(&line->credits_next));
        credits.gone = atomic_load_explicit(&line->credits_gone, memory_order_acquire);
        if (next.hi != 0 && now_s >= 0 && (uint64_t)now_s >= next.hi && next.lo > credits.gone)
                credits.gone = next.lo;
        if (credits.granted > TK_LIMIT_CREDITS_MAX)
                credits.granted = 0; /* damaged */
        return credits;
}

static bool load_subscription(struct tk_request *request, uint32_t id)
{
        const struct tk_format_subscription *line =
                tk_area_at(tk_gate_area(request->gate, TK_FILE_SUBSCRIPTIONS), id, 1);
        if (!line)
                return damaged(request, "the key's subscription is out of bounds");

        uint64_t control = atomic_load_explicit(&line->control, memory_order_acquire);
        uint64_t binding = atomic_load_explicit(&line->binding, memory_order_acquire);
        request->anchor_s = atomic_load_explicit(&line->anchor_s, memory_order_acquire);
        if (request->anchor_s < 0 || request->anchor_s > TK_TIME_MAX_S)
                return damaged(request, "the subscription's anchor is damaged");
        if (tk_control_state(control) == TK_LINE_ENDED)
                return true; /* its start still names the periods in the key's meter, until the key gets another */
        if (control == 0 || !tk_request_party(request->gate, (struct tk_home){TK_FILE_SUBSCRIPTION_HOMES, id},
                                              binding, TK_RECORD_LIMITS, &request->subscription))
                return damaged(request, "the subscription's line is damaged");
        request->credits = tk_subscription_credits(line, request->now_s);
        request->subscription_control = control;
        request->answer->subscription_id = id;
        return true;
}

static bool load_names(struct tk_request *request)
{
        struct tk_area *area = tk_gate_area(request->gate, TK_FILE_POLICY);
        const struct tk_format_environment *environment =
                tk_policy_environment(area, tk_control_environment(request->control));
        const struct tk_format_consumer *consumer = tk_policy_consumer(area, tk_pair_high(request->owner));
        const struct tk_format_policy *policy = request->key.view.policy;
        struct tk_answer *answer = request->answer;

        if (!environment || !consumer ||
            !tk_policy_text(&environment->head, environment->api, &answer->api) ||
            !tk_policy_text(&environment->head, environment->name, &answer->environment) ||
            !tk_policy_text(&consumer->head, consumer->name, &answer->consumer) ||
            !tk_policy_text(&policy->head, policy->scopes, &answer->scopes))
                return false;
        request->environment = environment;
        answer->consumer_id = consumer->consumer_id;
        return true;
}

/* Each is read once: what it grants may change, and a decision is made by what it was or by what it is. */
static bool load_roles(struct tk_request *request)
{
        const struct tk_policy_view *key = &request->key.view;
        struct tk_area *area = tk_gate_area(request->gate, TK_FILE_POLICY);
        struct tk_answer *answer = request->answer;
        for (uint32_t i = 0; i < key->policy->role_count; i++) {
                const struct tk_format_role *role = tk_policy_role(area, key->roles[i]);
                struct tk_policy_view *view = &request->roles[i];
                if (!role || role->api_id != key->policy->api_id || !tk_policy_role_view(area, role, view) ||
                    !tk_policy_text(&role->head, role->name, &answer->roles[i].name) ||
                    !tk_policy_text(&view->policy->head, view->policy->scopes, &answer->roles[i].scopes))
                        return damaged(request, "a role of the key is damaged");
        }
        answer->role_count = key->policy->role_count;
        return true;
}

/*
 * The route is the caller's word, not the key's: whoever asks has it from tk_gate_route(). One of another environment is a mistake of
 * configuration, which would have one environment's requests use up the limits of the other.
 */
static bool load_route(struct tk_request *request, uint32_t ref)
{
        struct tk_area *policy = tk_gate_area(request->gate, TK_FILE_POLICY);
        const struct tk_format_route *route = tk_policy_route(policy, ref);
        const struct tk_format_environment *asked = tk_policy_environment(policy, request->ask->environment);
        if (!route)
                return damaged(request, "the route is none of this gate");
        if (!asked || asked->environment_id != route->environment_id)
                return damaged(request, "the route is one of another environment");
        uint64_t binding = atomic_load_explicit(&route->binding, memory_order_acquire);
        return tk_request_party(request->gate, TK_HOME_NONE, binding, TK_RECORD_LIMITS, &request->route) ||
               damaged(request, "the route's record is damaged");
}

bool tk_request_load(struct tk_request *request)
{
        struct tk_answer *answer = request->answer;
        uint32_t subscription = tk_pair_low(request->owner);

        answer->key_id = request->number;
        answer->not_before_s = tk_pair_low(request->validity);
        answer->expires_s = tk_pair_high(request->validity);
        if (!tk_request_party(request->gate, (struct tk_home){TK_FILE_KEY_HOMES, request->number},
                              request->binding, TK_RECORD_KEY_POLICY, &request->key))
                return damaged(request, "the key's line is damaged");
        if (!load_names(request))
                return damaged(request, "a name that the key refers to is damaged");
        if (request->key.view.policy->role_count && !load_roles(request))
                return false;
        if (subscription && !load_subscription(request, subscription))
                return false;
        if (request->ask->route && !load_route(request, request->ask->route))
                return false;
        answer->identified = true;
        return true;
}
