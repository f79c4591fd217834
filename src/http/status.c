/*
 * Answers GET /v1/status, /healthz and /readyz. See handlers.h.
 */
#include "gate/gate.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/server_state.h"
#include "service/publisher.h"

#include <stdio.h>
#include <string.h>

#define TEXT_TYPE "text/plain; charset=utf-8"

#define WRITE_COUNT(writer, stats, member)                                                                   \
        do {                                                                                                 \
                TK_JSON_NAME(writer, #member);                                                               \
                tk_json_u64(writer, (stats).member);                                                         \
        } while (0)

static void write_gate(struct tk_json_writer *writer, const struct tk_server *server)
{
        struct tk_publisher_stats stats;
        tk_service_gate_stats(server->service, &stats);
        const char *why;
        char incarnation[17];
        snprintf(incarnation, sizeof(incarnation), "%016llx", (unsigned long long)stats.incarnation);
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "available");
        tk_json_bool(writer, tk_gate_available(server->gate, &why));
        TK_JSON_NAME(writer, "incarnation");
        tk_json_text(writer, tk_str_from(incarnation));
        WRITE_COUNT(writer, stats, key_lines);
        WRITE_COUNT(writer, stats, key_capacity);
        WRITE_COUNT(writer, stats, subscription_lines);
        WRITE_COUNT(writer, stats, subscription_capacity);
        WRITE_COUNT(writer, stats, policy_bytes);
        WRITE_COUNT(writer, stats, policy_capacity);
        WRITE_COUNT(writer, stats, meter_lines);
        WRITE_COUNT(writer, stats, meter_capacity);
        WRITE_COUNT(writer, stats, foreign_keys);
        tk_json_close(writer, '}');
}

static void write_registry(struct tk_json_writer *writer, struct tk_registry *registry)
{
        struct tk_registry_stats stats;
        tk_registry_stats(registry, &stats);
        tk_json_open(writer, '{');
        WRITE_COUNT(writer, stats, commits);
        WRITE_COUNT(writer, stats, jobs);
        WRITE_COUNT(writer, stats, failed_jobs);
        WRITE_COUNT(writer, stats, queued_jobs);
        TK_JSON_NAME(writer, "degraded");
        tk_json_bool(writer, stats.degraded);
        tk_json_close(writer, '}');
}

static void write_clock(struct tk_json_writer *writer, const struct tk_service *service)
{
        tk_json_open(writer, '{');
        TK_JSON_NAME(writer, "pending_ms");
        tk_json_i64(writer, tk_service_held_step_ms(service));
        tk_json_close(writer, '}');
}

static void write_installation(struct tk_json_writer *writer, const struct tk_registry *registry)
{
        uint8_t id[16];
        char text[2 * sizeof(id) + 1];
        tk_registry_installation(registry, id);
        for (size_t i = 0; i < sizeof(id); i++)
                snprintf(text + 2 * i, 3, "%02x", id[i]);
        TK_JSON_NAME(writer, "installation");
        tk_json_text(writer, tk_str_from(text));
}

enum tk_err tk_http_status(struct tk_request *request)
{
        const struct tk_server *server = request->server;
        struct tk_registry *registry = tk_service_registry(server->service);
        const char *why = NULL;
        bool ready = tk_service_ready(server->service, &why);
        struct tk_json_writer writer =
                tk_json_writer_init(request->reply.scratch, sizeof(request->reply.scratch));
        tk_json_open(&writer, '{');
        TK_JSON_NAME(&writer, "version");
        tk_json_text(&writer, TK_STR(TK_VERSION));
        TK_JSON_NAME(&writer, "started_at");
        tk_json_time(&writer, server->started_s);
        write_installation(&writer, registry);
        TK_JSON_NAME(&writer, "ready");
        tk_json_bool(&writer, ready);
        TK_JSON_NAME(&writer, "reason");
        tk_json_text(&writer, ready ? TK_STR_NONE : tk_str_from(why));
        TK_JSON_NAME(&writer, "gate");
        write_gate(&writer, server);
        TK_JSON_NAME(&writer, "registry");
        write_registry(&writer, registry);
        TK_JSON_NAME(&writer, "clock");
        write_clock(&writer, server->service);
        tk_json_close(&writer, '}');
        return tk_reply_written(request, &writer);
}

static enum tk_err reply_text(struct tk_request *request, const char *text)
{
        char *bytes = request->reply.scratch;
        size_t len = strlen(text);
        memcpy(bytes, text, len);
        tk_reply_bytes(request, MHD_HTTP_OK, TEXT_TYPE, bytes, len);
        return TK_OK;
}

enum tk_err tk_http_healthz(struct tk_request *request)
{
        return reply_text(request, "ok\n");
}

enum tk_err tk_http_readyz(struct tk_request *request)
{
        const char *why = "";
        if (tk_service_ready(request->service, &why))
                return reply_text(request, "ready\n");
        return tk_fault_set(&request->fault, TK_FAULT_unavailable, "", "see the daemon's log", "%s", why);
}
