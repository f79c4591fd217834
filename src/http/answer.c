/*
 * Renders decisions. See answer.h.
 */
#include "http/answer.h"

#include "core/text.h"
#include "gate/fields.h"
#include "http/reply.h"
#include "service/view.h"

static bool refused_by_limit(enum tk_code code)
{
        return code == TK_CODE_rate_limited || code == TK_CODE_quota_exceeded ||
               code == TK_CODE_credits_exhausted;
}

/* ---- texts ---- */

/* The limit that refused; NULL when none did. */
static const struct tk_answer_limit *refusing(const struct tk_answer *answer)
{
        return refused_by_limit(answer->code) && answer->refused_by ? &answer->limits[answer->refused_by - 1]
                                                                    : NULL;
}

static struct tk_str owner_name(enum tk_limit_owner owner)
{
        switch (owner) {
        case TK_OWNER_KEY:
                return TK_STR("key");
        case TK_OWNER_SUBSCRIPTION:
                return TK_STR("subscription");
        case TK_OWNER_ROUTE:
                return TK_STR("route");
        case TK_OWNER_CALLER:
                break;
        }
        return TK_STR("caller");
}

static struct tk_str kind_name(enum tk_limit_kind kind)
{
        switch (kind) {
        case TK_LIMIT_RATE:
                return TK_STR("rate");
        case TK_LIMIT_WINDOW:
                return TK_STR("window");
        case TK_LIMIT_CREDITS:
                break;
        }
        return TK_STR("credits");
}

/* `The rate limit "requests" of the key`, within a sentence. */
static void append_limit(struct tk_text *text, struct tk_str article, const struct tk_answer_limit *limit)
{
        tk_text_append(text, article);
        tk_text_append(text, limit->kind == TK_LIMIT_RATE     ? TK_STR(" rate limit \"")
                             : limit->kind == TK_LIMIT_WINDOW ? TK_STR(" quota \"")
                                                              : TK_STR(" credits \""));
        tk_text_append(text, limit->name);
        tk_text_append(text, TK_STR("\" of the "));
        tk_text_append(text, owner_name(limit->owner));
}

/* What waits for ever, and would be whole again one day, costs more than the limit has when it is whole. */
static void append_refusal(struct tk_text *text, const struct tk_answer_limit *limit)
{
        bool rate = limit->kind == TK_LIMIT_RATE;
        if (limit->state.wait_ns == TK_NEVER && limit->state.reset_ns != TK_NEVER) {
                append_limit(text, TK_STR("The cost is more than the"), limit);
                tk_text_append_number(text, TK_STR(" ever admits at once, which is "),
                                      rate ? limit->burst : limit->limit);
                tk_text_append(text, TK_STR("."));
                return;
        }
        append_limit(text, TK_STR("The"), limit);
        if (limit->kind == TK_LIMIT_CREDITS)
                tk_text_append(text, TK_STR(" do not suffice."));
        else
                tk_text_append(text, rate ? TK_STR(" is exceeded.") : TK_STR(" is used up for its period."));
}

/* ---- JSON ---- */

/* As the definition of the limit says it; credits are granted for no period, and do not come back by themselves. */
static void write_per(struct tk_json_writer *writer, const struct tk_answer_limit *limit)
{
        char per[24];
        TK_JSON_NAME(writer, "per");
        if (limit->kind == TK_LIMIT_CREDITS) {
                tk_json_null(writer);
                TK_JSON_NAME(writer, "window_s");
                tk_json_null(writer);
                return;
        }
        tk_limit_per_format(limit->period, (int64_t)limit->window_s, per);
        tk_json_plain(writer, tk_str_from(per));
        TK_JSON_NAME(writer, "window_s");
        tk_json_u64(writer, limit->window_s);
}

static void write_limit(struct tk_json_writer *writer, const struct tk_answer_limit *limit)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "name");
        tk_json_text(writer, limit->name);
        TK_JSON_NAME(writer, "owner");
        tk_json_plain(writer, owner_name(limit->owner));
        TK_JSON_NAME(writer, "kind");
        tk_json_plain(writer, kind_name(limit->kind));
        TK_JSON_NAME(writer, "limit");
        tk_json_u64(writer, limit->limit);
        if (limit->kind == TK_LIMIT_RATE) {
                TK_JSON_NAME(writer, "burst");
                tk_json_u64(writer, limit->burst);
        }
        write_per(writer, limit);
        TK_JSON_NAME(writer, "remaining");
        tk_json_u64(writer, limit->state.remaining);
        TK_JSON_NAME(writer, "reset_s");
        if (limit->state.reset_ns == TK_NEVER)
                tk_json_null(writer);
        else
                tk_json_u64(writer, tk_answer_seconds(limit->state.reset_ns));
        if (limit->shadow) {
                TK_JSON_NAME(writer, "shadow");
                tk_json_bool(writer, true);
        }
        tk_json_close(writer, '}');
}

void tk_answer_write_limits(struct tk_json_writer *writer, const struct tk_answer_limit *limits,
                            uint32_t count)
{
        tk_json_open(writer, '[');
        for (uint32_t i = 0; i < count; i++)
                write_limit(writer, &limits[i]);
        tk_json_close(writer, ']');
}

/* Longest: `The cost is more than the rate limit "` + 32 + `" of the subscription ever admits at once, which is ` + 15 + `.` */
#define REFUSAL_BYTES 160

static void write_detail(struct tk_json_writer *writer, const struct tk_answer *answer)
{
        const struct tk_answer_limit *limit = refusing(answer);
        TK_JSON_NAME(writer, "detail");
        if (limit) {
                char bytes[REFUSAL_BYTES];
                struct tk_text text = {.bytes = bytes, .room = sizeof(bytes)};
                append_refusal(&text, limit);
                tk_json_text(writer, (struct tk_str){bytes, text.len});
                return;
        }
        const char *detail = answer->reason ? answer->reason : tk_code_text(answer->code);
        tk_json_text(writer, tk_str_from(detail));
}

static void write_refused_by(struct tk_json_writer *writer, const struct tk_answer *answer)
{
        const struct tk_answer_limit *limit = refusing(answer);
        TK_JSON_NAME(writer, "refused_by");
        tk_json_text(writer, limit ? limit->name : TK_STR_NONE);
}

static void write_list(struct tk_json_writer *writer, struct tk_str scopes)
{
        while (scopes.len > 0) {
                struct tk_str scope;
                tk_str_cut(scopes, ' ', &scope, &scopes);
                tk_json_text(writer, scope);
        }
}

/* Whether the space-separated list has it. */
static bool lists(struct tk_str scopes, struct tk_str wanted)
{
        while (scopes.len > 0) {
                struct tk_str scope;
                tk_str_cut(scopes, ' ', &scope, &scopes);
                if (tk_str_equal(scope, wanted))
                        return true;
        }
        return false;
}

/* Whether the key, or a role before this one, grants it already. */
static bool told(const struct tk_answer *answer, uint32_t role, struct tk_str scope)
{
        bool known = lists(answer->scopes, scope);
        for (uint32_t i = 0; i < role && !known; i++)
                known = lists(answer->roles[i].scopes, scope);
        return known;
}

static void write_role_scopes(struct tk_json_writer *writer, const struct tk_answer *answer, uint32_t role)
{
        struct tk_str rest = answer->roles[role].scopes, scope;
        while (rest.len > 0) {
                tk_str_cut(rest, ' ', &scope, &rest);
                if (!told(answer, role, scope))
                        tk_json_text(writer, scope);
        }
}

/* All that the key may do, each once; and by which roles, where it has any. */
static void write_granted(struct tk_json_writer *writer, const struct tk_answer *answer)
{
        tk_json_open(writer, '[');
        write_list(writer, answer->scopes);
        for (uint32_t i = 0; i < answer->role_count; i++)
                write_role_scopes(writer, answer, i);
        tk_json_close(writer, ']');
        if (answer->role_count == 0)
                return;
        TK_JSON_NAME(writer, "roles");
        tk_json_open(writer, '[');
        for (uint32_t i = 0; i < answer->role_count; i++)
                tk_json_text(writer, answer->roles[i].name);
        tk_json_close(writer, ']');
}

static void write_id(struct tk_json_writer *writer, enum tk_id_kind kind, uint64_t number)
{
        char id[32];
        tk_id_format(kind, number, id);
        tk_json_plain(writer, tk_str_from(id));
}

static void write_owner(struct tk_json_writer *writer, const struct tk_answer *answer)
{
        TK_JSON_NAME(writer, "key_id");
        write_id(writer, TK_ID_KEY, answer->key_id);
        TK_JSON_NAME(writer, "consumer");
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "id");
        write_id(writer, TK_ID_CONSUMER, answer->consumer_id);
        TK_JSON_NAME(writer, "name");
        tk_json_text(writer, answer->consumer);
        tk_json_close(writer, '}');
        TK_JSON_NAME(writer, "api");
        tk_json_text(writer, answer->api);
        TK_JSON_NAME(writer, "environment");
        tk_json_text(writer, answer->environment);
        TK_JSON_NAME(writer, "scopes");
        write_granted(writer, answer);
        TK_JSON_NAME(writer, "expires_at");
        tk_json_time(writer, answer->expires_s);
}

static void write_nobody(struct tk_json_writer *writer)
{
        TK_JSON_NAME(writer, "key_id");
        tk_json_null(writer);
        TK_JSON_NAME(writer, "consumer");
        tk_json_null(writer);
        TK_JSON_NAME(writer, "api");
        tk_json_null(writer);
        TK_JSON_NAME(writer, "environment");
        tk_json_null(writer);
        TK_JSON_NAME(writer, "scopes");
        tk_json_open(writer, '[');
        tk_json_close(writer, ']');
        TK_JSON_NAME(writer, "expires_at");
        tk_json_null(writer);
}

static void write_route(struct tk_json_writer *writer, const struct tk_verify_route *route)
{
        TK_JSON_NAME(writer, "route");
        if (route->result != TK_ROUTE_MATCHED) {
                tk_json_null(writer);
                return;
        }
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "id");
        write_id(writer, TK_ID_ROUTE, route->found.id);
        TK_JSON_NAME(writer, "method");
        tk_json_text(writer, route->found.method);
        TK_JSON_NAME(writer, "path");
        tk_json_text(writer, route->found.path);
        tk_json_close(writer, '}');
}

void tk_answer_write(struct tk_json_writer *writer, const struct tk_answer *answer,
                     const struct tk_verify_route *route)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "code");
        tk_json_plain(writer, tk_str_from(tk_code_name(answer->code)));
        TK_JSON_NAME(writer, "valid");
        tk_json_bool(writer, answer->code == TK_CODE_valid);
        TK_JSON_NAME(writer, "status");
        tk_json_u64(writer, (uint64_t)tk_code_http_status(answer->code));
        write_detail(writer, answer);
        if (answer->identified)
                write_owner(writer, answer);
        else
                write_nobody(writer);
        TK_JSON_NAME(writer, "limits");
        tk_answer_write_limits(writer, answer->limits, answer->limit_count);
        write_refused_by(writer, answer);
        TK_JSON_NAME(writer, "retry_after_s");
        if (tk_answer_can_wait(answer))
                tk_json_u64(writer, tk_answer_seconds(answer->retry_after_ns));
        else
                tk_json_null(writer);
        if (route->asked)
                write_route(writer, route);
        tk_json_close(writer, '}');
}

/* ---- headers ---- */

_Static_assert(TK_REPLY_LIMITS_BYTES >= 2 * TK_FIELD_BYTES, "both headers");

void tk_answer_headers(struct tk_request *request, const struct tk_answer *answer)
{
        if (tk_answer_can_wait(answer))
                tk_reply_retry_after(request, tk_answer_seconds(answer->retry_after_ns));
        char *policy = request->reply.limits, *left = policy + TK_FIELD_BYTES;
        if (tk_field_rate_limit_policy(answer, policy, TK_FIELD_BYTES) > 0)
                tk_reply_header(request, "RateLimit-Policy", policy);
        if (tk_field_rate_limit(answer, left, TK_FIELD_BYTES) > 0)
                tk_reply_header(request, "RateLimit", left);
}

/* 8 roles of 64 scopes, and what else there can be. */
#define LARGE_BYTES 65536

bool tk_answer_enlarge(struct tk_request *request, struct tk_json_writer *writer)
{
        char *buffer = tk_arena_alloc(&request->arena, LARGE_BYTES);
        if (!buffer)
                return false;
        *writer = tk_json_writer_init(buffer, LARGE_BYTES);
        return true;
}
