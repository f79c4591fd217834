/*
 * The life of a request, and what handlers read from it. See request.h.
 */
#include "http/request.h"

#include "core/alloc.h"
#include "core/secret.h"
#include "http/reply.h"
#include "http/server_state.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ARENA_LIMIT_BYTES   (64u << 20)
#define PAGE_LIMIT_DEFAULT  100
#define PAGE_LIMIT_MAX      1000
#define IDEMPOTENCY_KEY_MAX 255
#define QUERY_MAX           12

/* ---- life ---- */

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t tk_request_age_ns(const struct tk_request *request)
{
        return monotonic_ns() - request->started_ns;
}

void tk_request_allow_from(struct tk_request *request, uint64_t from_ns, uint64_t ns)
{
        uint64_t deadline_ns = ns == TK_NO_DEADLINE ? TK_NO_DEADLINE : from_ns + ns;
        atomic_store_explicit(&request->ours->seat.deadline_ns, deadline_ns, memory_order_relaxed);
}

void tk_request_allow(struct tk_request *request, uint64_t ns)
{
        tk_request_allow_from(request, ns == TK_NO_DEADLINE ? 0 : monotonic_ns(), ns);
}

/* Some 20 KiB, most of it buffers that need no zeros: only what is read before it is written is set. */
void tk_request_begin(struct tk_connection *ours, struct tk_server *server, struct MHD_Connection *connection,
                      const char *method, const char *path)
{
        struct tk_request *request = &ours->request;
        memset(request, 0, offsetof(struct tk_request, forwarded));
        request->server = server;
        request->service = server->service;
        request->connection = connection;
        request->ours = ours;
        request->peer = &ours->peer;
        request->memo = &ours->memo;
        request->method = method;
        request->path = path;
        request->started_ns = monotonic_ns();
        tk_arena_init(&request->arena, ARENA_LIMIT_BYTES);
        request->fault.code = TK_FAULT_none;
        request->body.bytes = request->body.in_place;
        request->body.len = 0;
        request->body.room = sizeof(request->body.in_place);
        request->body.received = 0;
        request->body.announced = 0;
        request->reply.status = 0;
        request->reply.owned = false;
        request->reply.stream.more = NULL;
        request->reply.header_count = 0;
}

static void drop_body(struct tk_body *body)
{
        tk_wipe(body->bytes, body->len); /* it may hold a key */
        if (body->bytes != body->in_place)
                tk_free(body->bytes);
}

void tk_request_end(struct tk_request *request)
{
        json_decref(request->json);
        drop_body(&request->body);
        tk_reply_drop(&request->reply);
        tk_arena_fini(&request->arena);
}

enum tk_err tk_request_append(struct tk_request *request, const char *bytes, size_t len)
{
        struct tk_body *body = &request->body;
        if (len > body->room - body->len) {
                size_t room = (body->len + len) * 2;
                char *grown = tk_malloc(room);
                if (!grown)
                        return TK_NOMEM;
                memcpy(grown, body->bytes, body->len);
                drop_body(body);
                body->bytes = grown;
                body->room = room;
        }
        memcpy(body->bytes + body->len, bytes, len);
        body->len += len;
        return TK_OK;
}

/* ---- bodies ---- */

static struct tk_str body_of(const struct tk_request *request)
{
        return (struct tk_str){request->body.bytes, request->body.len};
}

static enum tk_err read_json(struct tk_request *request, const struct tk_json_shape *shape, void *ret_input)
{
        enum tk_err err = tk_json_parse(body_of(request), &request->json, &request->fault);
        if (err != TK_OK)
                return err;
        struct tk_json_reader reader = tk_json_reader_init(&request->arena, &request->fault);
        return tk_json_read(&reader, request->json, shape, ret_input);
}

enum tk_err tk_request_body(struct tk_request *request, const struct tk_json_shape *shape, void *ret_input)
{
        if (request->body.len == 0)
                return tk_fault_set(&request->fault, TK_FAULT_malformed_json, "", "send one JSON object",
                                    "the body is empty");
        return read_json(request, shape, ret_input);
}

/* ---- Idempotency-Key ---- */

static bool printable(struct tk_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
                        return false;
        return true;
}

/* What the service compares when the same key comes again: method, path and body. */
static enum tk_err hash_request(struct tk_request *request, uint8_t ret_hash[32])
{
        struct tk_str head = tk_arena_printf(&request->arena, "%s %s\n", request->method, request->path);
        char *all = head.ptr ? tk_arena_alloc(&request->arena, head.len + request->body.len) : NULL;
        if (!all)
                return TK_NOMEM;
        memcpy(all, head.ptr, head.len);
        memcpy(all + head.len, request->body.bytes, request->body.len);
        tk_sha256(all, head.len + request->body.len, ret_hash);
        return TK_OK;
}

static enum tk_err read_idempotency(struct tk_request *request)
{
        struct tk_str key = request->headers.idempotency_key;
        if (!key.ptr)
                return TK_OK;
        if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX || !printable(key))
                return tk_fault_set(&request->fault, TK_FAULT_malformed_request, "Idempotency-Key",
                                    "use 1 to 255 printable ASCII characters without spaces, such as a UUID",
                                    "it is empty, too long, or has other characters");
        request->caller.idempotency_key = key;
        return hash_request(request, request->caller.request_hash);
}

enum tk_err tk_request_creation(struct tk_request *request, const struct tk_json_shape *shape,
                                void *ret_input)
{
        enum tk_err err = tk_request_body(request, shape, ret_input);
        return err == TK_OK ? read_idempotency(request) : err;
}

/* ---- If-Match ---- */

static enum tk_err read_version(struct tk_request *request, uint64_t *ret_version)
{
        struct tk_str tag = tk_str_trim(request->headers.if_match);
        if (!request->headers.if_match.ptr || tk_str_equal(tag, TK_STR("*"))) {
                *ret_version = TK_VERSION_ANY;
                return TK_OK;
        }
        uint64_t version = 0;
        bool quoted = tag.len > 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"';
        if (!quoted || !tk_str_to_u64((struct tk_str){tag.ptr + 1, tag.len - 2}, &version) || version == 0)
                return tk_fault_set(&request->fault, TK_FAULT_malformed_request, "If-Match",
                                    "send the ETag that was read, such as \"3\" with its quotes, or *",
                                    "it is not one ETag of this API");
        *ret_version = version;
        return TK_OK;
}

enum tk_err tk_request_change(struct tk_request *request, const struct tk_json_shape *shape, void *ret_input,
                              uint64_t *ret_version)
{
        enum tk_err err = tk_request_body(request, shape, ret_input);
        return err == TK_OK ? read_version(request, ret_version) : err;
}

enum tk_err tk_request_optional(struct tk_request *request, const struct tk_json_shape *shape,
                                void *ret_input, uint64_t *ret_version)
{
        enum tk_err err = request->body.len > 0 ? read_json(request, shape, ret_input) : TK_OK;
        return err == TK_OK ? read_version(request, ret_version) : err;
}

enum tk_err tk_request_state(struct tk_request *request, uint64_t *ret_version)
{
        static const struct tk_json_shape nothing = {0};
        return tk_request_optional(request, &nothing, NULL, ret_version);
}

/* ---- the query string ---- */

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The text without its escapes. False, with a fault, where one is broken. */
static bool unescape(struct tk_request *request, struct tk_str text, const char *field,
                     struct tk_str *ret_text)
{
        char *out = tk_arena_alloc(&request->arena, text.len);
        size_t len = 0;
        for (size_t i = 0; out && i < text.len; i++) {
                if (text.ptr[i] != '%') {
                        out[len++] = text.ptr[i];
                        continue;
                }
                int high = i + 1 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
                int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
                if (high < 0 || low < 0 || high + low == 0) {
                        tk_fault_set(&request->fault, TK_FAULT_malformed_request, field,
                                     "write % as %25, and no NUL", "it has a broken escape or a NUL");
                        return false;
                }
                out[len++] = (char)(high * 16 + low);
                i += 2;
        }
        if (!out)
                return false;
        *ret_text = (struct tk_str){out, len};
        return true;
}

bool tk_request_unescape(struct tk_request *request, struct tk_str text, const char *field,
                         struct tk_str *ret_text)
{
        struct tk_str plain = text;
        if (text.len > 0 && memchr(text.ptr, '%', text.len) && !unescape(request, text, field, &plain))
                return false;
        if (!tk_str_is_utf8(plain)) {
                tk_fault_set(&request->fault, TK_FAULT_malformed_request, field,
                             "send it as UTF-8, percent-encoded", "it is not UTF-8");
                return false;
        }
        *ret_text = plain;
        return true;
}

struct query_reading {
        struct tk_request *request;
        const struct tk_query *known[QUERY_MAX];
        size_t count;
        enum tk_err err;
};

static enum tk_err unknown_parameter(struct query_reading *reading, struct tk_str name)
{
        struct tk_fault *fault = &reading->request->fault;
        char field[sizeof(fault->field)], mend[sizeof(fault->mend)] = "use only ";
        snprintf(field, sizeof(field), "%.*s", (int)(name.len < 64 ? name.len : 64), name.ptr);
        size_t used = strlen(mend);
        for (size_t i = 0; i < reading->count; i++)
                used += (size_t)snprintf(mend + used, sizeof(mend) - used, "%s%s", i > 0 ? ", " : "",
                                         reading->known[i]->name);
        return tk_fault_set(fault, TK_FAULT_malformed_request, field, mend,
                            "there is no such parameter here");
}

static enum tk_err read_parameter(struct query_reading *reading, struct tk_str name, struct tk_str value)
{
        for (size_t i = 0; i < reading->count; i++) {
                const struct tk_query *known = reading->known[i];
                if (!tk_str_equal(name, tk_str_from(known->name)))
                        continue;
                struct tk_fault *fault = &reading->request->fault;
                if (known->ret_value->ptr)
                        return tk_fault_set(fault, TK_FAULT_malformed_request, known->name, "give it once",
                                            "it is given twice");
                if (value.len == 0)
                        return tk_fault_set(fault, TK_FAULT_malformed_request, known->name, "leave it out",
                                            "it is empty");
                if (!tk_request_unescape(reading->request, value, known->name, known->ret_value))
                        return fault->code == TK_FAULT_none ? TK_NOMEM : TK_INVALID;
                return TK_OK;
        }
        return unknown_parameter(reading, name);
}

static enum MHD_Result on_parameter(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                    const char *value, size_t value_len)
{
        (void)kind;
        struct query_reading *reading = context;
        reading->err =
                read_parameter(reading, (struct tk_str){name, name_len}, (struct tk_str){value, value_len});
        return reading->err == TK_OK ? MHD_YES : MHD_NO;
}

static enum tk_err page_from(struct tk_request *request, struct tk_str limit, struct tk_str cursor,
                             struct tk_page *ret_page)
{
        uint64_t rows = PAGE_LIMIT_DEFAULT, after = 0;
        if (limit.ptr && (!tk_str_to_u64(limit, &rows) || rows < 1 || rows > PAGE_LIMIT_MAX))
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "limit",
                                    "use a number from 1 to 1000", "it is not a number from 1 to 1000");
        if (cursor.ptr && (!tk_str_to_u64(cursor, &after) || after > INT64_MAX))
                return tk_fault_set(&request->fault, TK_FAULT_invalid_value, "cursor",
                                    "use the next_cursor of the page before", "it is not a cursor");
        *ret_page = (struct tk_page){.after_id = after, .limit = (uint32_t)rows};
        return TK_OK;
}

enum tk_err tk_request_query(struct tk_request *request, const struct tk_query *known, size_t count)
{
        struct query_reading reading = {.request = request};
        for (size_t i = 0; i < count; i++)
                reading.known[reading.count++] = &known[i];
        MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &reading);
        return reading.err;
}

enum tk_err tk_request_page(struct tk_request *request, const struct tk_query *filters, size_t filter_count,
                            struct tk_page *ret_page)
{
        struct tk_str limit = TK_STR_NONE, cursor = TK_STR_NONE;
        const struct tk_query limit_query = {"limit", &limit}, cursor_query = {"cursor", &cursor};
        struct query_reading reading = {.request = request};
        for (size_t i = 0; i < filter_count; i++)
                reading.known[reading.count++] = &filters[i];
        reading.known[reading.count++] = &limit_query;
        reading.known[reading.count++] = &cursor_query;
        MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &reading);
        if (reading.err != TK_OK)
                return reading.err;
        return page_from(request, limit, cursor, ret_page);
}
