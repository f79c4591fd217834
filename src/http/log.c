/*
 * Writes the request log. See log.h.
 */
#include "http/log.h"

#include "http/router.h"
#include "http/server_state.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX 1024

/* Quotes and control characters would let a text pretend to be further fields. */
static void append_quoted(char *line, size_t room, const char *name, const char *text)
{
        size_t at = strlen(line);
        at += (size_t)snprintf(line + at, room - at, " %s=\"", name);
        for (; *text && at + 2 < room; text++) {
                unsigned char c = (unsigned char)*text;
                line[at++] = c < 0x20 || c == 0x7f || c == '"' || c == '\\' ? '\'' : *text;
        }
        if (at + 1 < room)
                line[at++] = '"';
        line[at] = '\0';
}

/* What the client called it is not repeated: a method may hold any byte but space and line ends. */
static const char *method_of(const struct tk_request *request)
{
        static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (strcmp(request->method, known[i]) == 0)
                        return known[i];
        return "other";
}

static const char *level_of(unsigned status)
{
        if (status >= 500)
                return "error";
        return status >= 400 ? "warn" : "info";
}

void tk_log_request(const struct tk_request *request, unsigned status, uint64_t duration_ns)
{
        const struct tk_server *server = request->server;
        const struct tk_route *route = request->route;
        if (!server->log || (route && route->access != TK_ACCESS_ADMIN && status < 500))
                return;
        char line[LINE_MAX];
        struct tk_str actor = request->caller.actor;
        snprintf(line, sizeof(line),
                 "level=%s event=request method=%s route=%s status=%u duration_ms=%.3f actor=%.*s "
                 "source=%s",
                 level_of(status), method_of(request), route ? route->path : "none", status,
                 (double)duration_ns / 1e6, actor.ptr ? (int)actor.len : 4, actor.ptr ? actor.ptr : "none",
                 request->peer->source);
        if (status >= 400 && request->fault.code != TK_FAULT_none) {
                append_quoted(line, sizeof(line), "problem", tk_fault_info(request->fault.code)->name);
                append_quoted(line, sizeof(line), "field", request->fault.field);
                append_quoted(line, sizeof(line), "detail", request->fault.detail);
        }
        server->log(line);
}
