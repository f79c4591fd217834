/*
 * `tollkeeper serve`: the daemon. Main thread: it opens the service, starts the server, ticks once a second, and takes the
 * signals. Everything that listens, decides or writes is in src/http and src/service.
 */
#include "cli/address.h"
#include "cli/args.h"
#include "cli/harden.h"
#include "cli/log.h"
#include "cli/nouns.h"
#include "cli/report.h"
#include "cli/welcome.h"
#include "core/cidr.h"
#include "http/server.h"
#include "service/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_DEFAULT  "127.0.0.1:8420"
#define WORKERS_DEFAULT 16
#define THREADS_MAX     64
#define WORKERS_MAX     256
#define LEASE_MAX_S     (30 * 86400)
#define RESERVE_BYTES   (UINT64_C(8) << 20)
#define IDLE_TIMEOUT_S  60
#define IDLE_MAX_S      3600
#define STOP_GRACE_S    10
#define PEERS_MAX       64

struct daemon {
        const struct tk_cli_run *run;
        char address[64];
        struct tk_cidr peers[PEERS_MAX];
        struct tk_service_config service_config;
        struct tk_server_config server_config;
        struct tk_cli_welcome welcome;
        struct tk_service *service;
        struct tk_server *server;
};

/* ---- flags ---- */

static int read_listen(struct daemon *daemon)
{
        const char *listen = tk_cli_args_text(daemon->run, TK_CLI_OPTION_listen, LISTEN_DEFAULT);
        struct tk_server_config *config = &daemon->server_config;
        if (!tk_cli_listen_parse(listen, daemon->address, sizeof(daemon->address), &config->port))
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL,
                                   "use a numeric address and a port: 127.0.0.1:8420, [::1]:8420",
                                   "--listen does not understand \"%s\"", listen);
        if (!tk_cli_host_is_loopback(daemon->address) &&
            !tk_cli_args_has(daemon->run, TK_CLI_OPTION_behind_proxy))
                return tk_cli_fail(
                        TK_CLI_EXIT_usage, NULL,
                        "put a proxy that does TLS in front of it, and say so with --behind-proxy",
                        "%s is not on this machine alone: keys would cross the network in plain text",
                        daemon->address);
        config->address = daemon->address;
        config->behind_proxy = tk_cli_args_has(daemon->run, TK_CLI_OPTION_behind_proxy);
        return TK_CLI_EXIT_ok;
}

/*
 * Who asks from this machine is believed by default, unless a proxy stands in front: everybody's requests then come from
 * the proxy's address, which may be loopback.
 */
static int read_peers(struct daemon *daemon)
{
        static const struct tk_str loopback[] = {TK_STR("127.0.0.0/8"), TK_STR("::1/128")};
        bool proxied = tk_cli_args_has(daemon->run, TK_CLI_OPTION_behind_proxy);
        const struct tk_str *items = loopback;
        size_t count = proxied ? 0 : sizeof(loopback) / sizeof(loopback[0]);
        int exit = TK_CLI_EXIT_ok;
        if (tk_cli_args_has(daemon->run, TK_CLI_OPTION_verify_peers))
                exit = tk_cli_args_list(daemon->run, TK_CLI_OPTION_verify_peers, &items, &count);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        if (count > PEERS_MAX)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "put them together into wider blocks",
                                   "--verify-peers takes at most %d blocks", PEERS_MAX);
        for (size_t i = 0; i < count; i++)
                if (!tk_cidr_parse(items[i], &daemon->peers[i]))
                        return tk_cli_fail(
                                TK_CLI_EXIT_usage, NULL, "use blocks such as 10.1.0.0/16 or 2001:db8::/32",
                                "--verify-peers does not understand \"%.*s\"", TK_STR_ARG(items[i]));
        daemon->server_config.verify_peers = daemon->peers;
        daemon->server_config.verify_peer_count = (uint32_t)count;
        return TK_CLI_EXIT_ok;
}

/* One network thread a CPU, within what the server takes. */
static uint64_t default_threads(void)
{
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        if (cpus < 1)
                return 1;
        return cpus > THREADS_MAX ? THREADS_MAX : (uint64_t)cpus;
}

static int read_numbers(struct daemon *daemon)
{
        uint64_t threads, workers, idle_s, lease_s;
        int exit = tk_cli_args_number(daemon->run, TK_CLI_OPTION_verify_threads, 1, THREADS_MAX,
                                      default_threads(), &threads);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_args_number(daemon->run, TK_CLI_OPTION_workers, 1, WORKERS_MAX, WORKERS_DEFAULT,
                                          &workers);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_args_number(daemon->run, TK_CLI_OPTION_idle_timeout, 1, IDLE_MAX_S,
                                          IDLE_TIMEOUT_S, &idle_s);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_args_number(daemon->run, TK_CLI_OPTION_lease, 0, LEASE_MAX_S, 0, &lease_s);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        daemon->server_config.verify_threads = (unsigned)threads;
        daemon->server_config.workers = (unsigned)workers;
        daemon->server_config.idle_timeout_s = (unsigned)idle_s;
        daemon->service_config.lease_s = (uint32_t)lease_s;
        return TK_CLI_EXIT_ok;
}

static int read_places(struct daemon *daemon)
{
        const struct tk_cli_run *run = daemon->run;
        const char *data = tk_cli_args_text(run, TK_CLI_OPTION_serve_data, getenv("TOLLKEEPER_DATA"));
        const char *socket = tk_cli_args_text(run, TK_CLI_OPTION_serve_socket, NULL);
        const char *dir = data && data[0] != '\0' ? data : "./data";
        daemon->welcome = (struct tk_cli_welcome){
                .program = run->program,
                .data_dir = strcmp(dir, "./data") == 0 || strcmp(dir, "data") == 0 ? NULL : dir,
                .socket_path = socket,
        };
        daemon->service_config.data_dir = dir;
        daemon->service_config.gate_dir = tk_cli_args_text(run, TK_CLI_OPTION_gate, NULL);
        daemon->service_config.reserve_bytes = RESERVE_BYTES;
        daemon->server_config.socket_path =
                socket ? socket : tk_arena_printf(run->arena, "%s/tollkeeper.sock", dir).ptr;
        return daemon->server_config.socket_path ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
}

static int read_flags(struct daemon *daemon)
{
        int exit = read_listen(daemon);
        if (exit == TK_CLI_EXIT_ok)
                exit = read_peers(daemon);
        if (exit == TK_CLI_EXIT_ok)
                exit = read_numbers(daemon);
        if (exit == TK_CLI_EXIT_ok)
                exit = read_places(daemon);
        return exit;
}

/* ---- start ---- */

static int failed(enum tk_err err, const struct tk_fault *fault)
{
        enum tk_cli_exit exit = err == TK_BUSY ? TK_CLI_EXIT_data_in_use : TK_CLI_EXIT_failed;
        return tk_cli_fail(exit, fault->field, fault->mend, "%s", fault->detail);
}

static int open_service(struct daemon *daemon)
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

static int start_server(struct daemon *daemon)
{
        struct tk_fault fault = {0};
        daemon->server_config.service = daemon->service;
        daemon->server_config.log = tk_cli_log_line;
        if (tk_server_start(&daemon->server_config, &daemon->server, &fault) == TK_OK)
                return TK_CLI_EXIT_ok;
        return tk_cli_fail(TK_CLI_EXIT_failed, fault.field, fault.mend, "%s", fault.detail);
}

/* Whole or not at all: whoever waits for the file reads the port at once. */
static int write_port_file(const struct daemon *daemon)
{
        const char *path = tk_cli_args_text(daemon->run, TK_CLI_OPTION_port_file, NULL);
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

static void say_listening(const struct daemon *daemon, bool hardened)
{
        char port[16];
        snprintf(port, sizeof(port), "%u", (unsigned)tk_server_port(daemon->server));
        bool ipv6 = strchr(daemon->address, ':') != NULL;
        printf("Tollkeeper " TK_VERSION " listens on http://%s%s%s:%s and %s\n", ipv6 ? "[" : "",
               daemon->address, ipv6 ? "]" : "", port, daemon->server_config.socket_path);
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

static int start(struct daemon *daemon)
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
        if (exit == TK_CLI_EXIT_ok && tk_cli_args_has(daemon->run, TK_CLI_OPTION_demo))
                exit = tk_cli_welcome_demo(&daemon->welcome, daemon->service);
        if (exit == TK_CLI_EXIT_ok)
                exit = write_port_file(daemon);
        return exit;
}

/* ---- run and stop ---- */

/* Those that ask the daemon to stop; blocked before any thread begins, so that only the main thread takes them. */
static sigset_t stop_signals(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        return set;
}

/* Tick once a second until a signal says stop. */
static int wait_for_signal(struct tk_service *service)
{
        sigset_t set = stop_signals();
        for (;;) {
                struct timespec second = {.tv_sec = 1};
                int signal = sigtimedwait(&set, NULL, &second);
                if (signal > 0)
                        return signal;
                tk_service_tick(service);
        }
}

static void stop(struct daemon *daemon, int signal)
{
        tk_cli_log(TK_CLI_LOG_INFO, "stopping", "signal", sigabbrev_np(signal), NULL);
        /* From here a second Ctrl-C does what it does to any program: the data is safe at every moment. */
        sigset_t set = stop_signals();
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        tk_server_stop(daemon->server, STOP_GRACE_S);
        daemon->server = NULL;
}

static int run_serve(const struct tk_cli_run *run)
{
        struct daemon *daemon = tk_arena_alloc(run->arena, sizeof(*daemon));
        if (!daemon)
                return tk_cli_out_of_memory();
        daemon->run = run;
        int exit = read_flags(daemon);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        sigset_t set = stop_signals();
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);

        exit = start(daemon);
        if (exit == TK_CLI_EXIT_ok)
                stop(daemon, wait_for_signal(daemon->service));
        tk_server_stop(daemon->server, STOP_GRACE_S);
        tk_service_close(daemon->service);
        if (exit == TK_CLI_EXIT_ok)
                tk_cli_log(TK_CLI_LOG_INFO, "stopped", NULL);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .summary = "run the daemon",
        .notes = "The first start makes the data directory and prints the first admin key, once.\n"
                 "Ctrl-C or SIGTERM finishes what is in flight; a second Ctrl-C does not wait for it.\n"
                 "Behind a proxy, also one on this machine, say --behind-proxy: else everybody is believed.\n"
                 "The log goes to standard error, in logfmt.",
        .example = "tollkeeper serve\n"
                   "tollkeeper serve --data /var/lib/tollkeeper --listen 127.0.0.1:8420 --lease 60\n"
                   "tollkeeper serve --listen 10.1.0.5:8420 --behind-proxy --verify-peers 10.1.0.0/16",
        .options = TK_CLI_HAS(serve_data) | TK_CLI_HAS(listen) | TK_CLI_HAS(behind_proxy) |
                   TK_CLI_HAS(serve_socket) | TK_CLI_HAS(gate) | TK_CLI_HAS(verify_peers) |
                   TK_CLI_HAS(verify_threads) | TK_CLI_HAS(workers) | TK_CLI_HAS(idle_timeout) |
                   TK_CLI_HAS(lease) | TK_CLI_HAS(port_file) | TK_CLI_HAS(demo),
        .run = run_serve,
}};

const struct tk_cli_noun tk_cli_noun_serve = {
        .name = "serve",
        .summary = "run the daemon",
        TK_CLI_COMMANDS(command),
};
