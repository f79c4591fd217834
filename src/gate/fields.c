/*
 * Values of HTTP headers that tell a decision (fields.h). Pure but for the buffer of the caller.
 */
#include "gate/fields.h"

#include "core/text.h"

/* Largest integer of a structured field (RFC 8941, section 3.3.1). */
#define FIELD_INTEGER_MAX UINT64_C(999999999999999)

#define NAME_SHOWN_MAX 64

/* `, "subscription.` + a name of which each byte is escaped + `";q=` + 15 + `;w=` + 15, with some to spare */
#define ITEM_BYTES (17 + 2 * NAME_SHOWN_MAX + 4 + 15 + 3 + 15 + 10)

uint64_t tk_answer_seconds(uint64_t ns)
{
        return ns / TK_NS_PER_S + (ns % TK_NS_PER_S != 0);
}

static bool refused_by_limit(enum tk_code code)
{
        return code == TK_CODE_rate_limited || code == TK_CODE_quota_exceeded ||
               code == TK_CODE_credits_exhausted;
}

bool tk_answer_can_wait(const struct tk_answer *answer)
{
        return refused_by_limit(answer->code) && answer->retry_after_ns != TK_NEVER;
}

/* ---- texts ---- */

static struct tk_text begin(char *value, size_t room)
{
        if (room > 0)
                value[0] = '\0';
        return (struct tk_text){.bytes = value, .room = room > 0 ? room - 1 : 0};
}

static size_t end(const struct tk_text *text)
{
        if (text->len > 0)
                text->bytes[text->len] = '\0'; /* begin() kept room for it */
        return text->len;
}

static void append_integer(struct tk_text *text, struct tk_str before, uint64_t value)
{
        tk_text_append_number(text, before, value < FIELD_INTEGER_MAX ? value : FIELD_INTEGER_MAX);
}

static bool is_plain(char c)
{
        return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

/* Within quotes: a string of RFC 8941, section 3.3.3, and of RFC 9110, section 5.6.4. */
static void append_quoted(struct tk_text *text, struct tk_str name, size_t shown_max)
{
        size_t len = name.len < shown_max ? name.len : shown_max;
        for (size_t i = 0; i < len;) {
                size_t from = i;
                while (i < len && is_plain(name.ptr[i]))
                        i++;
                tk_text_append(text, (struct tk_str){name.ptr + from, i - from});
                if (i == len)
                        break;
                char c = name.ptr[i++];
                if (c == '"' || c == '\\')
                        tk_text_append(text, (struct tk_str){(char[]){'\\', c}, 2});
                else
                        tk_text_append(text, TK_STR("?"));
        }
}

/* ---- limits ---- */

/* Limits of two owners may have one name; in a header each needs its own. */
static bool named_before(const struct tk_answer *answer, uint32_t index)
{
        for (uint32_t i = 0; i < index; i++)
                if (!answer->limits[i].shadow &&
                    tk_str_equal(answer->limits[i].name, answer->limits[index].name))
                        return true;
        return false;
}

static struct tk_str owner_prefix(enum tk_limit_owner owner)
{
        switch (owner) {
        case TK_OWNER_KEY:
                return TK_STR("key.");
        case TK_OWNER_SUBSCRIPTION:
                return TK_STR("subscription.");
        case TK_OWNER_ROUTE:
                return TK_STR("route.");
        case TK_OWNER_CALLER:
                break;
        }
        return TK_STR("caller.");
}

static void append_name(struct tk_text *item, const struct tk_answer *answer, uint32_t index)
{
        tk_text_append(item, TK_STR("\""));
        if (named_before(answer, index))
                tk_text_append(item, owner_prefix(answer->limits[index].owner));
        append_quoted(item, answer->limits[index].name, NAME_SHOWN_MAX);
        tk_text_append(item, TK_STR("\""));
}

static void append_policy(struct tk_text *item, const struct tk_answer_limit *limit)
{
        append_integer(item, TK_STR(";q="), limit->limit);
        if (limit->kind != TK_LIMIT_CREDITS)
                append_integer(item, TK_STR(";w="), limit->window_s);
}

static void append_state(struct tk_text *item, const struct tk_answer_limit *limit)
{
        append_integer(item, TK_STR(";r="), limit->state.remaining);
        if (limit->kind != TK_LIMIT_CREDITS)
                append_integer(item, TK_STR(";t="), tk_answer_seconds(limit->state.reset_ns));
}

static size_t write_list(const struct tk_answer *answer, char *value, size_t room,
                         void (*append_values)(struct tk_text *item, const struct tk_answer_limit *limit))
{
        struct tk_text list = begin(value, room);
        for (uint32_t i = 0; i < answer->limit_count; i++) {
                if (answer->limits[i].shadow)
                        continue;
                char bytes[ITEM_BYTES];
                struct tk_text item = {.bytes = bytes, .room = sizeof(bytes)};
                if (list.len > 0)
                        tk_text_append(&item, TK_STR(", "));
                append_name(&item, answer, i);
                append_values(&item, &answer->limits[i]);
                tk_text_append(&list, (struct tk_str){bytes, item.len});
        }
        return end(&list);
}

size_t tk_field_rate_limit_policy(const struct tk_answer *answer, char *value, size_t room)
{
        return write_list(answer, value, room, append_policy);
}

size_t tk_field_rate_limit(const struct tk_answer *answer, char *value, size_t room)
{
        return write_list(answer, value, room, append_state);
}

/* ---- the others ---- */

size_t tk_field_retry_after(const struct tk_answer *answer, char *value, size_t room)
{
        struct tk_text text = begin(value, room);
        if (tk_answer_can_wait(answer) && room > 20)
                append_integer(&text, TK_STR(""), tk_answer_seconds(answer->retry_after_ns));
        return end(&text);
}

size_t tk_field_challenge(enum tk_code code, struct tk_str realm, struct tk_str scopes, char *value,
                          size_t room)
{
        bool scope = code == TK_CODE_insufficient_scope;
        struct tk_text text = begin(value, room);
        if (tk_code_http_status(code) != 401 && !scope)
                return end(&text);
        if (realm.len * 2 + scopes.len +
                    sizeof("Bearer realm=\"\", error=\"insufficient_scope\", scope=\"\"") >
            room)
                return end(&text);
        tk_text_append(&text, TK_STR("Bearer realm=\""));
        append_quoted(&text, realm, realm.len);
        tk_text_append(&text, TK_STR("\""));
        if (scope)
                tk_text_append(&text, TK_STR(", error=\"insufficient_scope\""));
        else if (code != TK_CODE_missing_key)
                tk_text_append(&text, TK_STR(", error=\"invalid_token\"")); /* RFC 6750, section 3.1 */
        if (scope && scopes.len > 0) {
                tk_text_append(&text, TK_STR(", scope=\""));
                tk_text_append(&text, scopes);
                tk_text_append(&text, TK_STR("\""));
        }
        return end(&text);
}
