/*
 * Answers GET /metrics in the Prometheus text exposition format 0.0.4. On a worker. See handlers.h.
 */
#include "core/alloc.h"
#include "gate/gate.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/server_state.h"
#include "service/drainer.h"
#include "service/meters.h"
#include "service/publisher.h"

#include <stdarg.h>
#include <stdio.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The text so far; the reply owns it in the end. */
struct page {
        char *text;
        size_t len, room;
        bool failed;
};

static void reserve(struct page *page, size_t bytes)
{
        if (bytes <= page->room - page->len)
                return;
        size_t room = (page->len + bytes) * 2;
        char *grown = tk_realloc(page->text, room);
        if (!grown) {
                page->failed = true;
                return;
        }
        page->text = grown;
        page->room = room;
}

static void line(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct page *page, const char *format, ...)
{
        va_list args, again;
        va_start(args, format);
        va_copy(again, args);
        int len = vsnprintf(NULL, 0, format, args);
        va_end(args);
        reserve(page, (size_t)len + 2);
        if (!page->failed) {
                vsnprintf(page->text + page->len, (size_t)len + 1, format, again);
                page->len += (size_t)len;
                page->text[page->len++] = '\n';
        }
        va_end(again);
}

static void head(struct page *page, const char *name, const char *type, const char *help)
{
        line(page, "# HELP %s %s", name, help);
        line(page, "# TYPE %s %s", name, type);
}

static void one(struct page *page, const char *name, const char *type, const char *help, uint64_t value)
{
        head(page, name, type, help);
        line(page, "%s %llu", name, (unsigned long long)value);
}

/* ---- what this server did ---- */

static void decisions(struct page *page, struct tk_metrics *metrics)
{
        static const char *const fronts[] = {[TK_FRONT_VERIFY] = "verify", [TK_FRONT_ADMIN] = "admin"};
        head(page, "tollkeeper_decisions_total", "counter",
             "Decisions made, by who asked the gate and by decision code.");
        for (size_t front = 0; front < TK_FRONT_COUNT; front++)
                for (size_t code = 0; code < TK_CODE_COUNT; code++)
                        line(page, "tollkeeper_decisions_total{front=\"%s\",code=\"%s\"} %llu", fronts[front],
                             tk_code_name((enum tk_code)code),
                             (unsigned long long)tk_metrics_sum(&metrics->shards[0].decisions[front][code]));
}

/* Combinations that never occurred are left out: there are some 300. */
static void requests(struct page *page, struct tk_metrics *metrics)
{
        static const char *const classes[TK_METRIC_CLASSES] = {"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"};
        head(page, "tollkeeper_http_requests_total", "counter",
             "HTTP requests answered, by route and class of status; aborted: the client went away.");
        for (size_t i = 0; i < tk_route_count(); i++) {
                const struct tk_route *route = tk_route_at(i);
                for (size_t class = 0; class < TK_METRIC_CLASSES; class ++) {
                        uint64_t count = tk_metrics_sum(&metrics->shards[0].requests[i][class]);
                        if (count > 0)
                                line(page,
                                     "tollkeeper_http_requests_total{method=\"%s\",route=\"%s\",status=\"%"
                                     "s\"} %llu",
                                     route ? route->method : "", route ? route->path : "none", classes[class],
                                     (unsigned long long)count);
                }
        }
}

static void duration(struct page *page, struct tk_metrics *metrics, enum tk_kind kind, const char *name)
{
        uint64_t below = 0;
        for (size_t i = 0; i < TK_METRIC_BUCKETS; i++) {
                below += tk_metrics_sum(&metrics->shards[0].durations[kind][i]);
                char bound[32] = "+Inf";
                if (tk_metric_bounds_ns[i] != UINT64_MAX)
                        snprintf(bound, sizeof(bound), "%g", (double)tk_metric_bounds_ns[i] / 1e9);
                line(page, "tollkeeper_http_request_duration_seconds_bucket{kind=\"%s\",le=\"%s\"} %llu",
                     name, bound, (unsigned long long)below);
        }
        uint64_t sum_ns = tk_metrics_sum(&metrics->shards[0].duration_ns[kind]);
        line(page, "tollkeeper_http_request_duration_seconds_sum{kind=\"%s\"} %.9f", name,
             (double)sum_ns / 1e9);
        line(page, "tollkeeper_http_request_duration_seconds_count{kind=\"%s\"} %llu", name,
             (unsigned long long)below);
}

static void durations(struct page *page, struct tk_metrics *metrics)
{
        head(page, "tollkeeper_http_request_duration_seconds", "histogram",
             "From a request's headers to the end of its reply, for verify and explain, and for all others.");
        duration(page, metrics, TK_KIND_VERIFY, "verify");
        duration(page, metrics, TK_KIND_ADMIN, "admin");
}

/* Who tried to be one, and what was refused to those who are. */
static void administrators(struct page *page, struct tk_server *server)
{
        struct tk_throttle_stats attempts;
        struct tk_refusal_stats refusals;
        tk_throttle_stats(server->throttle, &attempts);
        tk_service_refusal_stats(server->service, &refusals);
        one(page, "tollkeeper_sign_in_failures_total", "counter",
            "Bad admin keys from addresses that are not listed peers.", attempts.failures);
        one(page, "tollkeeper_sign_in_throttled_total", "counter",
            "Requests whose admin key was not looked at, after too many bad ones from their address.",
            attempts.refusals);
        one(page, "tollkeeper_admin_refusals_total", "counter",
            "What administrators asked for and may not do.", refusals.refused);
        one(page, "tollkeeper_admin_refusals_unnoted_total", "counter",
            "Those of them that no entry of the audit log counts.", refusals.unnoted);
}

static void server_counters(struct page *page, struct tk_server *server)
{
        struct tk_workers_stats workers;
        tk_workers_stats(server->workers, &workers);
        head(page, "tollkeeper_build_info", "gauge", "Always 1; the version is in the label.");
        line(page, "tollkeeper_build_info{version=\"%s\"} 1", TK_VERSION);
        one(page, "process_start_time_seconds", "gauge", "When the server started, seconds since 1970.",
            (uint64_t)server->started_s);
        decisions(page, &server->metrics);
        requests(page, &server->metrics);
        durations(page, &server->metrics);
        administrators(page, server);
        one(page, "tollkeeper_http_requests_in_flight", "gauge",
            "HTTP requests whose headers have come and that are not answered.",
            tk_metrics_receiving(&server->metrics) + tk_metrics_answering(&server->metrics));
        one(page, "tollkeeper_http_connections", "gauge", "Open connections.",
            atomic_load_explicit(&server->metrics.connections, memory_order_relaxed));
        struct tk_connections_stats bounds;
        tk_connections_stats(server->connections, &bounds);
        one(page, "tollkeeper_http_connections_full_total", "counter",
            "Connections that were refused because there were too many.", bounds.refused_full);
        one(page, "tollkeeper_http_connections_address_total", "counter",
            "Connections that were refused because their address had too many.", bounds.refused_address);
        one(page, "tollkeeper_http_connections_overdue_total", "counter",
            "Connections that were closed because a request, or the next one, did not come in time.",
            bounds.overdue);
        one(page, "tollkeeper_http_worker_queue_length", "gauge", "HTTP requests that wait for a worker.",
            workers.queued);
        one(page, "tollkeeper_http_worker_refusals_total", "counter",
            "HTTP requests answered with 503 because too many waited.", workers.refused);
}

/* ---- the registry and the gate ---- */

static void registry_counters(struct page *page, struct tk_registry *registry)
{
        struct tk_registry_stats stats;
        tk_registry_stats(registry, &stats);
        one(page, "tollkeeper_registry_commits_total", "counter", "Durable commits.", stats.commits);
        one(page, "tollkeeper_registry_jobs_total", "counter", "Writes asked for.", stats.jobs);
        one(page, "tollkeeper_registry_failed_jobs_total", "counter", "Writes that changed nothing.",
            stats.failed_jobs);
        one(page, "tollkeeper_registry_queued_jobs", "gauge", "Writes that wait for the writer.",
            stats.queued_jobs);
        one(page, "tollkeeper_registry_degraded", "gauge",
            "1 when the disk is full and only suspensions and revocations are taken.", stats.degraded);
}

static void gate_counters(struct page *page, const struct tk_server *server)
{
        struct tk_publisher_stats stats;
        tk_service_gate_stats(server->service, &stats);
        const char *why;
        one(page, "tollkeeper_gate_available", "gauge", "1 when the gate decides.",
            tk_gate_available(server->gate, &why));
        head(page, "tollkeeper_clock_pending_seconds", "gauge",
             "How far the wall clock has been stepped ahead of gate time, or (negative) back, while that "
             "awaits confirmation.");
        line(page, "tollkeeper_clock_pending_seconds %.3f",
             (double)tk_service_held_step_ms(server->service) / 1000);
        const struct {
                const char *name, *help;
                uint64_t value;
        } gauges[] = {
                {"tollkeeper_gate_key_lines", "Lines of keys in use.", stats.key_lines},
                {"tollkeeper_gate_key_capacity_lines", "Lines of keys there is room for.",
                 stats.key_capacity},
                {"tollkeeper_gate_subscription_lines", "Lines of subscriptions in use.",
                 stats.subscription_lines},
                {"tollkeeper_gate_subscription_capacity_lines", "Lines of subscriptions there is room for.",
                 stats.subscription_capacity},
                {"tollkeeper_gate_policy_bytes", "Bytes of compiled policies.", stats.policy_bytes},
                {"tollkeeper_gate_policy_capacity_bytes", "Bytes of policies there is room for.",
                 stats.policy_capacity},
                {"tollkeeper_gate_meter_lines", "Lines of meters in use.", stats.meter_lines},
                {"tollkeeper_gate_meter_capacity_lines", "Lines of meters there is room for.",
                 stats.meter_capacity},
                {"tollkeeper_gate_foreign_keys", "Keys that other systems issued.", stats.foreign_keys},
        };
        for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
                one(page, gauges[i].name, "gauge", gauges[i].help, gauges[i].value);
}

static void event_counters(struct page *page, const struct tk_server *server)
{
        struct tk_drain_stats stats;
        tk_service_event_stats(server->service, &stats);
        head(page, "tollkeeper_events_total", "counter",
             "Decisions of all processes that use the gate, as their events tell, by decision code.");
        for (size_t code = 0; code < TK_CODE_COUNT; code++)
                line(page, "tollkeeper_events_total{code=\"%s\"} %llu", tk_code_name((enum tk_code)code),
                     (unsigned long long)stats.decisions[code]);
        head(page, "tollkeeper_reservations_total", "counter",
             "Reservations, by what became of them, as events tell.");
        line(page, "tollkeeper_reservations_total{step=\"made\"} %llu", (unsigned long long)stats.reserved);
        line(page, "tollkeeper_reservations_total{step=\"settled\"} %llu", (unsigned long long)stats.settled);
        line(page, "tollkeeper_reservations_total{step=\"released\"} %llu",
             (unsigned long long)stats.released);
        const struct {
                const char *name, *type, *help;
                uint64_t value;
        } others[] = {
                {"tollkeeper_shadow_refusals_total", "counter",
                 "Decisions that a limit would have changed to a refusal, were it enforced.",
                 stats.shadow_refused},
                {"tollkeeper_named_limit_overflows_total", "counter",
                 "Decisions with a limit named by the caller that found no place of its own.",
                 stats.named_overflow},
                {"tollkeeper_events_lost_total", "counter",
                 "Events that found their ring full, or whose thread had no ring.", stats.lost},
                {"tollkeeper_events_malformed_total", "counter",
                 "Events and counters in rings that no sound process writes there.", stats.malformed},
                {"tollkeeper_event_rings_orphaned_total", "counter",
                 "Rings whose process was killed, or ended without closing the gate.", stats.orphaned},
                {"tollkeeper_event_rings", "gauge", "Rings there are: threads that can tell their decisions.",
                 stats.rings},
                {"tollkeeper_event_rings_used", "gauge", "Rings that threads have now.", stats.rings_used},
        };
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                one(page, others[i].name, others[i].type, others[i].help, others[i].value);
        head(page, "tollkeeper_event_ring_fullest_ratio", "gauge",
             "How full the fullest ring was when it was drained last; at 1 events are lost.");
        line(page, "tollkeeper_event_ring_fullest_ratio %.3f", (double)stats.fullest_permille / 1000);
}

static void meter_counters(struct page *page, const struct tk_server *server)
{
        struct tk_meters_stats stats;
        tk_service_meter_stats(server->service, &stats);
        const struct {
                const char *name, *type, *help;
                uint64_t value;
        } all[] = {
                {"tollkeeper_meter_journal_ticks_total", "counter",
                 "Seconds whose changes of meters were taken to the journal, or were tried to be.",
                 stats.log.ticks},
                {"tollkeeper_meter_journal_bytes", "gauge", "Size of the meters' journal.",
                 stats.log.file_bytes},
                {"tollkeeper_meter_journal_appended_bytes_total", "counter",
                 "Bytes appended to the meters' journal.", stats.log.appended_bytes},
                {"tollkeeper_meter_journal_frames_total", "counter",
                 "Frames appended to the meters' journal.", stats.log.frames},
                {"tollkeeper_meter_journal_records_total", "counter",
                 "Meters written to the journal, each as often as it changed.", stats.log.records},
                {"tollkeeper_meter_journal_rewrites_total", "counter",
                 "New journals that took the old one's place.", stats.log.rewrites},
                {"tollkeeper_meter_journal_failures_total", "counter",
                 "Seconds whose changes could not be made durable at once: they are tried again.",
                 stats.log.failures},
                {"tollkeeper_meter_journal_unsynced_seconds", "gauge",
                 "Since everything counted was durable last: what a power cut would lose now.",
                 stats.log.unsynced_s},
                {"tollkeeper_meter_restore_records", "gauge",
                 "Records that the last start read into meters; 0 where the gate was still there.",
                 stats.restored},
                {"tollkeeper_meter_restore_absent", "gauge",
                 "Records at the last start of keys, subscriptions and routes that are no more.",
                 stats.absent},
                {"tollkeeper_meter_restore_unplaced", "gauge",
                 "Limits named by callers that found no place at the last start.", stats.unplaced},
                {"tollkeeper_meter_restore_cut_bytes", "gauge",
                 "Half-written bytes that the last start cut from the journal's end.", stats.cut_bytes},
                {"tollkeeper_usage_flushed_records_total", "counter", "Meters flushed to the registry.",
                 stats.flush.records},
                {"tollkeeper_usage_flush_failures_total", "counter",
                 "Flushes to the registry that could not end: they are tried again.", stats.flush.failures},
        };
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                one(page, all[i].name, all[i].type, all[i].help, all[i].value);
}

enum tk_err tk_http_metrics(struct tk_request *request)
{
        struct tk_server *server = request->server;
        struct page page = {0};
        server_counters(&page, server);
        registry_counters(&page, tk_service_registry(server->service));
        gate_counters(&page, server);
        event_counters(&page, server);
        meter_counters(&page, server);
        if (page.failed) {
                tk_free(page.text);
                return TK_NOMEM;
        }
        tk_reply_bytes(request, MHD_HTTP_OK, METRICS_TYPE, page.text, page.len);
        request->reply.owned = true;
        return TK_OK;
}
