/*
 * Makes and sends replies. See reply.h.
 */
#include "http/reply.h"

#include "core/alloc.h"
#include "core/secret.h"
#include "http/server_state.h"
#include "http/stream.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define JSON_TYPE    "application/json"
#define PROBLEM_TYPE "application/problem+json"
#define BUSY_RETRY_S 1

void tk_reply_header(struct tk_request *request, const char *name, const char *value)
{
        struct tk_reply *reply = &request->reply;
        assert(reply->header_count < TK_REPLY_HEADERS_MAX);
        reply->headers[reply->header_count].name = name;
        reply->headers[reply->header_count].value = value;
        reply->header_count++;
}

void tk_reply_retry_after(struct tk_request *request, uint64_t seconds)
{
        struct tk_reply *reply = &request->reply;
        snprintf(reply->retry_after, sizeof(reply->retry_after), "%llu", (unsigned long long)seconds);
        tk_reply_header(request, "Retry-After", reply->retry_after);
}

void tk_reply_bytes(struct tk_request *request, unsigned status, const char *content_type, char *bytes,
                    size_t len)
{
        struct tk_reply *reply = &request->reply;
        reply->status = status;
        reply->content_type = content_type;
        reply->bytes = bytes;
        reply->len = len;
        reply->owned = false;
}

enum tk_err tk_reply_written(struct tk_request *request, const struct tk_json_writer *writer)
{
        if (writer->overflow)
                return TK_CORRUPT; /* scratch has room for the longest there can be */
        tk_reply_bytes(request, MHD_HTTP_OK, JSON_TYPE, writer->buffer, writer->len);
        return TK_OK;
}

void tk_reply_drop_bytes(struct tk_reply *reply)
{
        if (!reply->owned)
                return;
        tk_wipe(reply->bytes, reply->len); /* it may hold a new key */
        tk_free(reply->bytes);
        reply->owned = false;
}

void tk_reply_drop(struct tk_reply *reply)
{
        if (reply->stream.more && reply->stream.free)
                reply->stream.free(reply->stream.context);
        reply->stream.more = NULL;
        tk_reply_drop_bytes(reply);
}

/* Serialise after `head` bytes that the caller fills; takes json. */
static enum tk_err put_json(struct tk_request *request, json_t *json, size_t head)
{
        if (!json)
                return TK_NOMEM;
        size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT);
        char *bytes = len > 0 ? tk_malloc(head + len) : NULL;
        if (bytes)
                json_dumpb(json, bytes + head, len, JSON_COMPACT);
        json_decref(json);
        if (!bytes)
                return TK_NOMEM;
        tk_reply_bytes(request, MHD_HTTP_OK, JSON_TYPE, bytes, head + len);
        request->reply.owned = true;
        return TK_OK;
}

enum tk_err tk_reply_json(struct tk_request *request, json_t *json)
{
        return put_json(request, json, 0);
}

static enum tk_err put_etag(struct tk_request *request, uint64_t version)
{
        struct tk_str etag = tk_arena_printf(&request->arena, "\"%llu\"", (unsigned long long)version);
        if (!etag.ptr)
                return TK_NOMEM;
        tk_reply_header(request, "ETag", etag.ptr);
        return TK_OK;
}

enum tk_err tk_reply_object(struct tk_request *request, json_t *json, uint64_t version)
{
        enum tk_err err = tk_reply_json(request, json);
        return err == TK_OK ? put_etag(request, version) : err;
}

static enum tk_err put_location(struct tk_request *request, const char *location, va_list args)
{
        struct tk_str text = tk_arena_vprintf(&request->arena, location, args);
        if (!text.ptr)
                return TK_NOMEM;
        tk_reply_header(request, "Location", text.ptr);
        request->reply.status = MHD_HTTP_CREATED;
        return TK_OK;
}

enum tk_err tk_reply_created(struct tk_request *request, json_t *json, uint64_t version, const char *location,
                             ...)
{
        enum tk_err err = tk_reply_object(request, json, version);
        if (err != TK_OK)
                return err;
        va_list args;
        va_start(args, location);
        err = put_location(request, location, args);
        va_end(args);
        return err;
}

/*
 * `{"key":"tk_live_...",` before the members of the record: a key has no character that JSON escapes, and jansson, which
 * does not wipe what it frees, never sees it.
 */
static enum tk_err splice_key(struct tk_request *request, json_t *json, struct tk_str plaintext)
{
        char head[TK_SECRET_MAX + 16];
        int len = plaintext.len > 0
                          ? snprintf(head, sizeof(head), "{\"key\":\"%.*s\",", TK_STR_ARG(plaintext))
                          : snprintf(head, sizeof(head), "{\"key\":null,");
        enum tk_err err = put_json(request, json, (size_t)len - 1);
        if (err == TK_OK)
                memcpy(request->reply.bytes, head,
                       (size_t)len); /* the comma goes where the record's brace was */
        tk_wipe(head, sizeof(head));
        return err;
}

enum tk_err tk_reply_issued(struct tk_request *request, json_t *json, uint64_t version,
                            struct tk_str plaintext, const char *location, ...)
{
        enum tk_err err = splice_key(request, json, plaintext);
        if (err == TK_OK)
                err = put_etag(request, version);
        if (err != TK_OK)
                return err;
        va_list args;
        va_start(args, location);
        err = put_location(request, location, args);
        va_end(args);
        tk_reply_header(request, "Cache-Control", "no-store");
        return err;
}

enum tk_err tk_reply_page(struct tk_request *request, json_t *items, size_t count, struct tk_page page,
                          uint64_t last_id)
{
        if (json_array_size(items) != count) {
                json_decref(items);
                return TK_NOMEM;
        }
        char cursor[24];
        snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)last_id);
        json_t *next = count == page.limit ? json_string(cursor) : json_null();
        return tk_reply_json(request, json_pack("{s:o, s:o}", "items", items, "next_cursor", next));
}

/* ---- problems ---- */

static void write_problem(struct tk_json_writer *writer, const struct tk_fault *fault,
                          const struct tk_fault_info *info)
{
        char type[64];
        snprintf(type, sizeof(type), "urn:tollkeeper:problem:%s", info->name);
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "type");
        tk_json_text(writer, tk_str_from(type));
        TK_JSON_NAME(writer, "title");
        tk_json_text(writer, tk_str_from(info->title));
        TK_JSON_NAME(writer, "status");
        tk_json_u64(writer, (uint64_t)info->http_status);
        TK_JSON_NAME(writer, "detail");
        tk_json_text(writer, tk_str_from(fault->detail));
        if (fault->field[0]) {
                TK_JSON_NAME(writer, "field");
                tk_json_text(writer, tk_str_from(fault->field));
        }
        if (fault->mend[0]) {
                TK_JSON_NAME(writer, "mend");
                tk_json_text(writer, tk_str_from(fault->mend));
        }
        tk_json_close(writer, '}');
}

void tk_reply_problem(struct tk_request *request, enum tk_err err)
{
        struct tk_fault *fault = &request->fault;
        if (fault->code == TK_FAULT_none)
                tk_fault_from_err(fault, err);
        const struct tk_fault_info *info = tk_fault_info(fault->code);
        struct tk_reply *reply = &request->reply;
        tk_reply_drop(reply); /* one that failed half way */
        struct tk_json_writer writer = tk_json_writer_init(reply->scratch, sizeof(reply->scratch));
        write_problem(&writer, fault, info);
        if (info->http_status == MHD_HTTP_SERVICE_UNAVAILABLE && fault->code != TK_FAULT_uncertain)
                tk_reply_retry_after(request, BUSY_RETRY_S);
        tk_reply_bytes(request, (unsigned)info->http_status, PROBLEM_TYPE, reply->scratch, writer.len);
}

/* ---- sending ---- */

static struct MHD_Response *make_response(struct tk_request *request)
{
        const struct tk_reply *reply = &request->reply;
        if (reply->stream.more)
                return tk_stream_response(request);
        /* The bytes are the request's, which libmicrohttpd ends only after it has sent them. */
        return MHD_create_response_from_buffer(reply->len, reply->bytes, MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result tk_reply_send(struct tk_request *request)
{
        struct tk_reply *reply = &request->reply;
        struct MHD_Response *response = make_response(request);
        if (!response)
                return MHD_NO; /* out of memory: the connection is closed */
        enum MHD_Result added = MHD_add_response_header(response, "Content-Type", reply->content_type);
        for (unsigned i = 0; i < reply->header_count && added == MHD_YES; i++)
                added = MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
        if (added == MHD_YES && tk_server_stopping(request->server))
                added = MHD_add_response_header(response, "Connection", "close");
        enum MHD_Result queued =
                added == MHD_YES ? MHD_queue_response(request->connection, reply->status, response) : MHD_NO;
        MHD_destroy_response(response);
        return queued;
}
