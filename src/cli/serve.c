/*
 * `tollkeeper serve`: the daemon. Main thread: it opens the service, starts the server, ticks once a second, and takes the
 * signals. Everything that listens, decides or writes is in src/http and src/service.
 */
#include "cli/address.h"
#include "cli/daemon.h"
#include "cli/harden.h"
#include "cli/log.h"
#include "cli/notify.h"
#include "cli/nouns.h"
#include "cli/report.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_BYTES (UINT64_C(8) << 20)
#define STOP_GRACE_S  10

/* ---- settings ---- */

static void say(const char *detail, const char *mend)
{
        tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "%s", detail);
}

static void use_places(struct tk_cli_daemon *daemon)
{
        const struct tk_settings *settings = &daemon->settings;
        const char *dir = tk_settings_text(settings, TK_SETTING_data);
        bool socket_given = settings->values[TK_SETTING_socket].origin != TK_SETTING_BY_DEFAULT;
        daemon->welcome = (struct tk_cli_welcome){
                .program = daemon->run->program,
                .data_dir = strcmp(dir, "./data") == 0 || strcmp(dir, "data") == 0 ? NULL : dir,
                .socket_path = socket_given ? settings->values[TK_SETTING_socket].text : NULL,
        };
        daemon->service_config.data_dir = dir;
        daemon->service_config.gate_dir = tk_settings_text(settings, TK_SETTING_gate);
        daemon->service_config.reserve_bytes = RESERVE_BYTES;
        daemon->service_config.lease_s = (uint32_t)tk_settings_number(settings, TK_SETTING_lease);
}

static void use_server(struct tk_cli_daemon *daemon)
{
        const struct tk_settings *settings = &daemon->settings;
        struct tk_server_config *config = &daemon->server_config;
        tk_cli_listen_parse(settings->values[TK_SETTING_listen].text, daemon->address,
                            sizeof(daemon->address), &config->port);
        config->address = daemon->address;
        config->socket_path = tk_settings_text(settings, TK_SETTING_socket);
        config->verify_threads = (unsigned)tk_settings_number(settings, TK_SETTING_verify_threads);
        config->workers = (unsigned)tk_settings_number(settings, TK_SETTING_workers);
        config->behind_proxy = tk_settings_yes(settings, TK_SETTING_behind_proxy);
        config->tls_cert = tk_settings_text(settings, TK_SETTING_tls_cert);
        config->tls_key = tk_settings_text(settings, TK_SETTING_tls_key);
        tk_cli_daemon_rules(daemon, settings, &config->rules);
}

static int read_settings(struct tk_cli_daemon *daemon)
{
        if (!tk_settings_read(daemon->run, say, &daemon->settings))
                return TK_CLI_EXIT_usage;
        tk_cli_daemon_log_level(&daemon->settings);
        use_places(daemon);
        use_server(daemon);
        return TK_CLI_EXIT_ok;
}

/* ---- start ---- */

static int failed(enum tk_err err, const struct tk_fault *fault)
{
        enum tk_cli_exit exit = err == TK_BUSY ? TK_CLI_EXIT_data_in_use : TK_CLI_EXIT_failed;
        return tk_cli_fail(exit, fault->field, fault->mend, "%s", fault->detail);
}

static int open_service(struct tk_cli_daemon *daemon)
{
        struct tk_fault fault = {0};
        if (tk_random_init() != 0)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL,
                                   "the system has no random numbers to give");
        daemon->service_config.random = tk_random_system();
        daemon->service_config.clock = tk_clock_system();
        enum tk_err err = tk_service_open(&daemon->service_config, &daemon->service, &fault);
        return err == TK_OK ? TK_CLI_EXIT_ok : failed(err, &fault);
}

static int start_server(struct tk_cli_daemon *daemon)
{
        struct tk_fault fault = {0};
        daemon->server_config.service = daemon->service;
        daemon->server_config.log = tk_cli_log_line;
        if (tk_server_start(&daemon->server_config, &daemon->server, &fault) == TK_OK)
                return TK_CLI_EXIT_ok;
        return tk_cli_fail(TK_CLI_EXIT_failed, fault.field, fault.mend, "%s", fault.detail);
}

/* Whole or not at all: whoever waits for the file reads the port at once. */
static int write_port_file(const struct tk_cli_daemon *daemon)
{
        const char *path = tk_settings_text(&daemon->settings, TK_SETTING_port_file);
        if (!path)
                return TK_CLI_EXIT_ok;
        const char *draft = tk_arena_printf(daemon->run->arena, "%s.new", path).ptr;
        FILE *file = draft ? fopen(draft, "we") : NULL;
        if (!file)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write %s: %s", path,
                                   strerror(errno));
        fprintf(file, "%u\n", (unsigned)tk_server_port(daemon->server));
        if (fclose(file) != 0 || rename(draft, path) != 0)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write %s: %s", path,
                                   strerror(errno));
        return TK_CLI_EXIT_ok;
}

static void say_listening(const struct tk_cli_daemon *daemon, bool hardened)
{
        char port[16];
        snprintf(port, sizeof(port), "%u", (unsigned)tk_server_port(daemon->server));
        bool ipv6 = strchr(daemon->address, ':') != NULL;
        printf("Tollkeeper " TK_VERSION " listens on http%s://%s%s%s:%s and %s\n",
               daemon->server_config.tls_cert ? "s" : "", ipv6 ? "[" : "", daemon->address, ipv6 ? "]" : "",
               port, daemon->server_config.socket_path);
        fflush(stdout);
        tk_cli_log(TK_CLI_LOG_INFO, "listening", "address", daemon->address, "port", port, "socket",
                   daemon->server_config.socket_path, "version", TK_VERSION, NULL);
        if (!hardened)
                tk_cli_log(TK_CLI_LOG_WARN, "core_dumps_on", "detail",
                           "the system keeps them on: one would hold secrets", NULL);
}

/* Each connection takes a file, and the usual soft limit is 1024, for programs that use select(). */
static void allow_files(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) != 0)
                return;
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files); /* if not, the server makes do with fewer connections */
}

static int start(struct tk_cli_daemon *daemon)
{
        allow_files();
        bool hardened = tk_cli_harden();
        int exit = open_service(daemon);
        if (exit == TK_CLI_EXIT_ok)
                exit = start_server(daemon); /* first: a port that is taken must not cost the admin key */
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_welcome_admin(&daemon->welcome, daemon->service);
        if (exit == TK_CLI_EXIT_ok)
                say_listening(daemon, hardened);
        if (exit == TK_CLI_EXIT_ok && tk_settings_yes(&daemon->settings, TK_SETTING_demo))
                exit = tk_cli_welcome_demo(&daemon->welcome, daemon->service);
        if (exit == TK_CLI_EXIT_ok)
                exit = write_port_file(daemon);
        return exit;
}

/* ---- run and stop ---- */

/* Those that the main thread waits for; blocked before any thread begins, so that no other takes them. */
static sigset_t awaited_signals(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        return set;
}

/* SIGHUP from a terminal that has gone, and not from somebody who wants a reload. */
static bool hung_up(const siginfo_t *info)
{
        struct pollfd terminal = {.fd = STDIN_FILENO};
        if (info->si_signo != SIGHUP)
                return false;
        return info->si_code == SI_KERNEL || (poll(&terminal, 1, 0) > 0 && (terminal.revents & POLLHUP) &&
                                              !isatty(STDIN_FILENO) && errno == EIO);
}

/* Tick once a second, reload when asked, until a signal says stop. */
static int wait_for_signal(struct tk_cli_daemon *daemon)
{
        sigset_t set = awaited_signals();
        for (;;) {
                struct timespec second = {.tv_sec = 1};
                siginfo_t info;
                int signal = sigtimedwait(&set, &info, &second);
                if (signal > 0 && (signal != SIGHUP || hung_up(&info)))
                        return signal;
                if (signal == SIGHUP)
                        tk_cli_daemon_reload(daemon);
                tk_service_tick(daemon->service);
                tk_cli_notify_alive();
        }
}

static void stop(struct tk_cli_daemon *daemon, int signal)
{
        tk_cli_notify("STOPPING=1");
        tk_cli_log(TK_CLI_LOG_INFO, "stopping", "signal", sigabbrev_np(signal), NULL);
        /* From here a second Ctrl-C does what it does to any program: the data is safe at every moment. */
        sigset_t set = awaited_signals();
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        tk_server_stop(daemon->server, STOP_GRACE_S);
        daemon->server = NULL;
}

static int run_serve(const struct tk_cli_run *run)
{
        struct tk_cli_daemon *daemon = tk_arena_alloc(run->arena, sizeof(*daemon));
        if (!daemon)
                return tk_cli_out_of_memory();
        daemon->run = run;
        int exit = read_settings(daemon);
        if (exit != TK_CLI_EXIT_ok) {
                tk_settings_fini(&daemon->settings);
                return exit;
        }
        sigset_t set = awaited_signals();
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);

        exit = start(daemon);
        if (exit == TK_CLI_EXIT_ok)
                tk_cli_notify("READY=1");
        if (exit == TK_CLI_EXIT_ok)
                stop(daemon, wait_for_signal(daemon));
        tk_server_stop(daemon->server, STOP_GRACE_S);
        tk_service_close(daemon->service);
        tk_settings_fini(&daemon->now);
        tk_settings_fini(&daemon->settings);
        if (exit == TK_CLI_EXIT_ok)
                tk_cli_log(TK_CLI_LOG_INFO, "stopped", NULL);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .summary = "run the daemon",
        .notes = "The first start makes the data directory and prints the first admin key, once.\n"
                 "Ctrl-C or SIGTERM finishes what is in flight; a second Ctrl-C does not wait for it.\n"
                 "Behind a proxy, also one on this machine, say --behind-proxy: else everybody is believed.\n"
                 "SIGHUP reads the settings and the certificate anew.\n"
                 "The log goes to standard error, in logfmt.",
        .example = "tollkeeper serve\n"
                   "tollkeeper serve --data /var/lib/tollkeeper --listen 127.0.0.1:8420 --lease 60\n"
                   "tollkeeper serve --listen 10.1.0.5:8443 --tls-cert chain.pem --tls-key key.pem\n"
                   "tollkeeper serve --config none --listen 10.1.0.5:8420 --behind-proxy --verify-peers "
                   "10.1.0.0/16",
        .settings = true,
        .run = run_serve,
}};

const struct tk_cli_noun tk_cli_noun_serve = {
        .name = "serve",
        .summary = "run the daemon",
        TK_CLI_COMMANDS(command),
};
