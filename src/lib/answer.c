/*
 * From the gate's answer to one in the words of the public header, and from that to the headers of an HTTP
 * answer. In the decision path: allocates nothing. What a caller's struct has beyond ours is zeroed: a later
 * version's fields, which we do not know.
 */
#include "core/id.h"
#include "gate/fields.h"
#include "lib/handle.h"

/* What it was before a version that nobody has made yet; a size that is out of all reason is a mistake. */
#define ANSWER_BYTES_MAX 65536

bool tk_lib_answer_sized(const struct tollkeeper_answer *answer)
{
        return TK_LIB_SIZED(answer) && answer->size <= ANSWER_BYTES_MAX;
}

/* Everything but the size, and the limits: those are written as far as they are told. */
static void clear(struct tollkeeper_answer *answer)
{
        size_t size = answer->size;
        memset(answer, 0, offsetof(struct tollkeeper_answer, limits));
        memset((char *)answer + sizeof *answer, 0, size - sizeof *answer);
        answer->size = size;
}

static void write_code(enum tk_code code, const char *reason, struct tollkeeper_answer *answer)
{
        answer->code = tk_lib_code(code);
        answer->http_status = tk_code_http_status(code);
        answer->detail = reason ? reason : tk_code_text(code);
}

void tk_lib_answer_refuse(const char *why, struct tollkeeper_answer *ret_answer)
{
        clear(ret_answer);
        write_code(TK_CODE_unavailable, why, ret_answer);
}

/* No number of the gate is longer than a key's: 2^43. */
static void write_id(enum tk_id_kind kind, uint64_t number, char ret_text[24])
{
        char text[TK_ID_BYTES];
        tk_id_format(kind, number, text);
        memcpy(ret_text, text,
               strlen(text) + 1); /* no more: what stands behind it on the stack is not the caller's */
}

static void write_owner(const struct tk_answer *answer, struct tollkeeper_answer *it)
{
        it->identified = true;
        write_id(TK_ID_KEY, answer->key_id, it->key_id);
        write_id(TK_ID_CONSUMER, answer->consumer_id, it->consumer_id);
        if (answer->subscription_id)
                write_id(TK_ID_SUBSCRIPTION, answer->subscription_id, it->subscription_id);
        it->consumer = tk_lib_text(answer->consumer);
        it->api = tk_lib_text(answer->api);
        it->environment = tk_lib_text(answer->environment);
        it->scopes = tk_lib_text(answer->scopes);
        it->not_before_s = answer->not_before_s;
        it->expires_s = answer->expires_s;
}

_Static_assert((int)TOLLKEEPER_RATE == (int)TK_LIMIT_RATE && (int)TOLLKEEPER_WINDOW == (int)TK_LIMIT_WINDOW &&
                       (int)TOLLKEEPER_CREDITS == (int)TK_LIMIT_CREDITS,
               "kinds are copied");
_Static_assert((int)TOLLKEEPER_OWNER_KEY == (int)TK_OWNER_KEY &&
                       (int)TOLLKEEPER_OWNER_SUBSCRIPTION == (int)TK_OWNER_SUBSCRIPTION &&
                       (int)TOLLKEEPER_OWNER_ROUTE == (int)TK_OWNER_ROUTE &&
                       (int)TOLLKEEPER_OWNER_CALLER == (int)TK_OWNER_CALLER,
               "owners are copied");
_Static_assert(TOLLKEEPER_NEVER == TK_NEVER && TOLLKEEPER_LIMITS_MAX == TK_GATE_LIMITS_MAX &&
                       TOLLKEEPER_HEADER_BYTES == TK_FIELD_BYTES &&
                       TOLLKEEPER_COST_MAX == TK_LIMIT_COST_MAX && TOLLKEEPER_UNITS_MAX == TK_LIMIT_UNITS_MAX,
               "the header says the gate's numbers");

static void write_limit(const struct tk_answer_limit *limit, struct tollkeeper_limit *ret_limit)
{
        *ret_limit = (struct tollkeeper_limit){
                .name = tk_lib_text(limit->name),
                .owner = (enum tollkeeper_limit_owner)limit->owner,
                .kind = (enum tollkeeper_limit_kind)limit->kind,
                .period = (enum tollkeeper_period)limit->period,
                .shadow = limit->shadow,
                .refused = !limit->state.admitted,
                .limit = limit->limit,
                .burst = limit->burst,
                .window_s = limit->window_s,
                .remaining = limit->state.remaining,
                .wait_ns = limit->state.wait_ns,
                .reset_ns = limit->state.reset_ns,
        };
}

void tk_lib_answer_write(const struct tk_lib_set *set, const struct tollkeeper_ask *ask,
                         const struct tk_answer *answer, struct tollkeeper_answer *ret_answer)
{
        struct tollkeeper_answer *it = ret_answer;
        clear(it);
        write_code(answer->code, answer->reason, it);
        if (answer->identified)
                write_owner(answer, it);
        it->shadow_refused = answer->shadow_refused;
        it->named_shared = answer->named_shared;
        it->required_scopes = tk_lib_text(tk_lib_scope_names(ask->scope));
        it->retry_after_ns = answer->retry_after_ns;
        it->refused_by = answer->refused_by;
        if (answer->reservation)
                it->reservation =
                        (struct tollkeeper_reservation){set->identity.incarnation, answer->reservation};
        it->limit_count = answer->limit_count;
        for (uint32_t i = 0; i < answer->limit_count; i++)
                write_limit(&answer->limits[i], &it->limits[i]);
}

/* ---- as HTTP ---- */

const char *tollkeeper_header_name(enum tollkeeper_header header)
{
        static const char *const names[TOLLKEEPER_HEADER_COUNT] = {
                [TOLLKEEPER_HEADER_RATE_LIMIT_POLICY] = "RateLimit-Policy",
                [TOLLKEEPER_HEADER_RATE_LIMIT] = "RateLimit",
                [TOLLKEEPER_HEADER_RETRY_AFTER] = "Retry-After",
                [TOLLKEEPER_HEADER_WWW_AUTHENTICATE] = "WWW-Authenticate",
        };
        return (unsigned)header < TOLLKEEPER_HEADER_COUNT ? names[header] : NULL;
}

/* As much of the gate's answer as its headers tell. */
static void read_back(const struct tollkeeper_answer *answer, struct tk_answer *ret_answer)
{
        ret_answer->code = tk_lib_gate_code(answer->code);
        ret_answer->retry_after_ns = answer->retry_after_ns;
        ret_answer->limit_count =
                answer->limit_count < TK_GATE_LIMITS_MAX ? answer->limit_count : TK_GATE_LIMITS_MAX;
        for (uint32_t i = 0; i < ret_answer->limit_count; i++) {
                const struct tollkeeper_limit *limit = &answer->limits[i];
                ret_answer->limits[i] = (struct tk_answer_limit){
                        .name = tk_lib_str(limit->name),
                        .owner = (enum tk_limit_owner)limit->owner,
                        .kind = (enum tk_limit_kind)limit->kind,
                        .limit = limit->limit,
                        .window_s = limit->window_s,
                        .shadow = limit->shadow,
                        .state = {.remaining = limit->remaining, .reset_ns = limit->reset_ns},
                };
        }
}

size_t tollkeeper_header_value(const struct tollkeeper_answer *answer, enum tollkeeper_header header,
                               const char *realm, char *value, size_t value_bytes)
{
        struct tk_answer it;
        if (value_bytes > 0)
                value[0] = '\0';
        if (!answer || !tk_lib_answer_sized(answer))
                return 0;
        read_back(answer, &it);
        switch (header) {
        case TOLLKEEPER_HEADER_RATE_LIMIT_POLICY:
                return tk_field_rate_limit_policy(&it, value, value_bytes);
        case TOLLKEEPER_HEADER_RATE_LIMIT:
                return tk_field_rate_limit(&it, value, value_bytes);
        case TOLLKEEPER_HEADER_RETRY_AFTER:
                return tk_field_retry_after(&it, value, value_bytes);
        case TOLLKEEPER_HEADER_WWW_AUTHENTICATE:
                return tk_field_challenge(it.code, tk_str_from(realm ? realm : "api"),
                                          tk_lib_str(answer->required_scopes), value, value_bytes);
        }
        return 0;
}
