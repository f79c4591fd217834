/*
 * A weather service protected with libtollkeeper. Each request is decided on in this process, before its body is read:
 *
 *     GET  /v1/forecast/{city}   requires forecast:read, costs 1
 *     POST /v1/report            requires report:write, reserves 100 units, and settles 1 for each 64 bytes of the body
 *
 * weather PORT serves on 127.0.0.1. $TOLLKEEPER_DATA is the daemon's data directory, whose user this must run as. Keys are never logged.
 */
#include <tollkeeper/tollkeeper.h>

#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define API           "weather"
#define REPORT_UNITS  100
#define REPORT_TIME_S 60
#define UNIT_BYTES    64

static struct tollkeeper_gate *gate;
static uint32_t production;
static struct tollkeeper_scope *may_read, *may_report;

/* One request, from its first line to the end of its answer. */
struct exchange {
        char path
                [1024]; /* as received: a key may be restricted to paths, and those are compared before any decoding */
        bool report; /* else a forecast */
        bool decided;
        size_t body_bytes;
        struct tollkeeper_answer answer;
};

/* ---- answers ---- */

/* With what the decision has to tell in headers: how the limits stand, when to come again, which credentials are wanted. */
static enum MHD_Result reply(struct MHD_Connection *connection, const struct exchange *it, unsigned status,
                             const char *type, const char *body)
{
        struct MHD_Response *response =
                MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
        char value[TOLLKEEPER_HEADER_BYTES];

        MHD_add_response_header(response, "Content-Type", type);
        for (int i = 0; i < TOLLKEEPER_HEADER_COUNT; i++) {
                enum tollkeeper_header header = (enum tollkeeper_header)i;
                if (it->decided && tollkeeper_header_value(&it->answer, header, API, value, sizeof value) > 0)
                        MHD_add_response_header(response, tollkeeper_header_name(header), value);
        }
        enum MHD_Result queued = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        fprintf(stderr, "status=%u code=%s key=%s\n", status,
                it->decided ? tollkeeper_code_name(it->answer.code) : "none",
                it->decided ? it->answer.key_id : "");
        return queued;
}

/* RFC 9457. None of these texts comes from the client. */
static enum MHD_Result problem(struct MHD_Connection *connection, const struct exchange *it, unsigned status,
                               const char *code, const char *detail)
{
        char body[512];
        snprintf(body, sizeof body, "{\"status\": %u, \"code\": \"%s\", \"detail\": \"%s\"}\n", status, code,
                 detail);
        return reply(connection, it, status, "application/problem+json", body);
}

/* ---- the gate ---- */

static struct tollkeeper_text header(struct MHD_Connection *connection, const char *name)
{
        return tollkeeper_text_of(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

static bool admitted(struct MHD_Connection *connection, struct exchange *it, const char *method)
{
        const struct tollkeeper_ask ask = {
                .size = sizeof ask,
                .key = tollkeeper_key_of_headers(header(connection, "Authorization"),
                                                 header(connection, "X-API-Key")),
                .environment = production,
                .scope = it->report ? may_report : may_read,
                .method = tollkeeper_text_of(method),
                .path = tollkeeper_text_of(it->path),
                .origin = header(connection, "Origin"),
                .ip = tollkeeper_ip_of_socket(
                        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr),
                .cost = it->report ? REPORT_UNITS : 1,
                .reserve_s = it->report ? REPORT_TIME_S : 0,
        };
        it->answer.size = sizeof it->answer;
        it->decided = true;
        return tollkeeper_decide(gate, &ask, &it->answer) == TOLLKEEPER_VALID;
}

/* ---- what the service does ---- */

static enum MHD_Result forecast(struct MHD_Connection *connection, const struct exchange *it)
{
        return reply(connection, it, MHD_HTTP_OK, "application/json",
                     "{\"sky\": \"clear\", \"celsius\": 21}\n");
}

/* What was reserved and is not settled yet: nothing of it was used. */
static void give_back(struct exchange *it)
{
        if (it->answer.reservation.number != 0)
                tollkeeper_release(gate, it->answer.reservation, NULL);
        it->answer.reservation = (struct tollkeeper_reservation){0, 0};
}

/* Settled before the answer: whoever has read that finds the limits as they are then. */
static enum MHD_Result report(struct MHD_Connection *connection, struct exchange *it)
{
        uint64_t units = 1 + it->body_bytes / UNIT_BYTES;
        if (units > REPORT_UNITS) {
                give_back(it);
                return problem(connection, it, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
                               "Send a shorter report.");
        }
        struct tollkeeper_error error = {.size = sizeof error};
        if (tollkeeper_settle(gate, it->answer.reservation, units, &error) != TOLLKEEPER_OK)
                fprintf(stderr, "settle: %s\n", error.message);
        it->answer.reservation = (struct tollkeeper_reservation){0, 0};
        char body[64];
        snprintf(body, sizeof body, "{\"units\": %llu}\n", (unsigned long long)units);
        return reply(connection, it, MHD_HTTP_CREATED, "application/json", body);
}

/* ---- HTTP ---- */

/* The request line has come. What this returns is `state` of the functions below. */
static void *on_request_line(void *context, const char *uri, struct MHD_Connection *connection)
{
        (void)context, (void)connection;
        struct exchange *it = calloc(1, sizeof *it);
        size_t len = strcspn(uri, "?");
        if (it && len < sizeof it->path)
                memcpy(it->path, uri, len); /* a longer one stays empty, and is not found */
        return it;
}

/* Once when the headers are here, then for each piece of the body, then when all of it is. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_bytes, void **state)
{
        (void)context, (void)url, (void)version, (void)body;
        struct exchange *it = *state;
        if (!it)
                return MHD_NO;
        if (!it->decided) {
                it->report = strcmp(method, "POST") == 0 && strcmp(it->path, "/v1/report") == 0;
                if (!it->report &&
                    (strcmp(method, "GET") != 0 || strncmp(it->path, "/v1/forecast/", 13) != 0))
                        return problem(connection, it, MHD_HTTP_NOT_FOUND, "not_found",
                                       "There is nothing here.");
                if (!admitted(connection, it, method))
                        return problem(connection, it, (unsigned)it->answer.http_status,
                                       tollkeeper_code_name(it->answer.code), it->answer.detail);
                return MHD_YES;
        }
        it->body_bytes += *body_bytes;
        if (*body_bytes > 0) {
                *body_bytes = 0; /* taken */
                return MHD_YES;
        }
        return it->report ? report(connection, it) : forecast(connection, it);
}

/* A client that went away in the middle of its report is charged nothing. */
static void on_end(void *context, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode why)
{
        (void)context, (void)connection, (void)why;
        struct exchange *it = *state;
        if (it)
                give_back(it);
        free(it);
        *state = NULL;
}

/* On the thread that will decide on the connection's requests: once a thread it takes a place for records, then nothing. */
static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what)
{
        (void)context, (void)connection, (void)state;
        if (what == MHD_CONNECTION_NOTIFY_STARTED)
                tollkeeper_thread_begin(gate);
}

/* ---- life ---- */

static bool prepare(struct tollkeeper_error *error)
{
        return tollkeeper_open(NULL, &gate, error) == TOLLKEEPER_OK &&
               tollkeeper_environment(gate, API, "production", &production, error) == TOLLKEEPER_OK &&
               tollkeeper_scope_compile("forecast:read", &may_read, error) == TOLLKEEPER_OK &&
               tollkeeper_scope_compile("report:write", &may_report, error) == TOLLKEEPER_OK;
}

/* Once a second, look whether the daemon has made new files; until a signal comes. */
static void wait_for_end(const sigset_t *signals)
{
        const struct timespec second = {.tv_sec = 1};
        bool told = false;
        while (sigtimedwait(signals, NULL, &second) < 0) {
                struct tollkeeper_error error = {.size = sizeof error};
                bool current = tollkeeper_refresh(gate, &error) == TOLLKEEPER_OK;
                if (!current && !told)
                        fprintf(stderr, "refresh: %s\n", error.message);
                told = !current;
        }
}

static struct MHD_Daemon *serve(uint16_t port)
{
        struct sockaddr_in address = {
                .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct MHD_Daemon *server = MHD_start_daemon(
                MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, on_request, NULL,
                MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_URI_LOG_CALLBACK,
                on_request_line, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_END);
        if (server)
                fprintf(stderr, "weather: serving on port %u\n",
                        MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
        return server;
}

int main(int argc, char **argv)
{
        struct tollkeeper_error error = {.size = sizeof error};
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);         /* before there are threads, so that all have it */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* the process holds the peppers: no core dumps */

        struct MHD_Daemon *server = NULL;
        if (!prepare(&error))
                fprintf(stderr, "weather: %s\n", error.message);
        else if (!(server = serve((uint16_t)(argc > 1 ? atoi(argv[1]) : 8080))))
                fprintf(stderr, "weather: cannot listen\n");
        if (server) {
                wait_for_end(&signals);
                MHD_stop_daemon(server); /* no thread decides any more */
        }
        tollkeeper_scope_free(may_read);
        tollkeeper_scope_free(may_report);
        tollkeeper_close(gate);
        return server ? 0 : 1;
}
